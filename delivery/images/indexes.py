"""Package indexes and their credentials, as files that the build gets as secrets.

They come from the variables PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_TRUSTED_HOST, from pip's configuration, from the
requirements and the repository's .npmrc, and from ~/.netrc and ~/.npmrc.
"""

from __future__ import annotations

import netrc
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from delivery.images.errors import ImageError

OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host")
REGISTRY = re.compile(r"\s*(?:(?:@[\w.-]+:)?registry|//[^=\s]+)\s*=")
"""A line of an .npmrc that names a registry or its credentials, not a path of this machine."""
HOST = re.compile(r"//(?:[^@/\s]+@)?([^/\s=]+)")
VARIABLE = re.compile(r"\$\{(\w+)\}")
FOR_PACKAGES = ("PIP_", "UV_", "NPM_")
"""What the names of variables begin with that a repository's addresses may use."""

Login = tuple[str, str, str]
"""A host, a user's name and a password."""


@dataclass
class Sources:
    """Where an application's packages come from, as its own files say it."""

    options: list[tuple[str, str]] = field(default_factory=list)
    """Options of pip that name package indexes, each with its value."""
    logins: list[Login] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    """Of packages that are no index's, such as those from git."""
    frontend: Path | None = None
    """The folder of a package.json."""


def secrets(sources: Sources, variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """The content of each secret by its id, of those that are not empty. Raises ImageError."""
    own = named_by_user({**variables, "HOME": str(home)})
    indexes = _pip(sources.options, variables, home, own)
    lines = [f"{name} = {' '.join(values)}" for name, values in indexes.items() if values]
    hosts = [urlsplit(url).hostname or "" for name in OPTIONS[:3] for url in indexes[name]]
    made = {
        "pip.conf": "\n".join(["[global]", *lines, ""]) if lines else "",
        "netrc": netrc_of(home / ".netrc", [*hosts, *sources.hosts], sources.logins),
        "npmrc": _npmrc(home / ".npmrc", sources.frontend, variables, own) if sources.frontend else "",
    }
    return {name: text for name, text in made.items() if text}


def _pip(
    options: Sequence[tuple[str, str]], variables: Mapping[str, str], home: Path, own: frozenset[str]
) -> dict[str, list[str]]:
    """Each option of pip with its values. The requirements take precedence over pip's own configuration."""
    found = _configured(variables, home)
    for option, value in options:
        name, url = option.removeprefix("--"), expanded(value, variables, own)
        if name == "index-url":
            found[name] = [url]
        elif url not in found[name]:
            found[name] = [*found[name], url]
    # A folder of this machine is not in the image.
    found["find-links"] = [each for each in found["find-links"] if "://" in each and not each.startswith("file:")]
    return found


def _configured(variables: Mapping[str, str], home: Path) -> dict[str, list[str]]:
    """What pip is configured with on this machine. What comes later takes precedence: the variables over the files."""
    parser = RawConfigParser()
    parser.read(_files_of_pip(variables, home), encoding="utf-8")
    found = {name: parser.get("global", name, fallback="").split() for name in OPTIONS}
    for name in OPTIONS:
        if value := variables.get(f"PIP_{name.upper().replace('-', '_')}"):
            found[name] = value.split()
    return found


def _files_of_pip(variables: Mapping[str, str], home: Path) -> list[Path]:
    """pip's configuration files."""
    system = variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    files = [
        *(Path(folder, "pip", "pip.conf") for folder in system),
        Path("/Library/Application Support/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        home / "Library" / "Application Support" / "pip" / "pip.conf",
        Path(variables.get("XDG_CONFIG_HOME", home / ".config"), "pip", "pip.conf"),
        Path(sys.prefix, "pip.conf"),
    ]
    named = variables.get("PIP_CONFIG_FILE")
    # With /dev/null pip reads no file at all.
    if named == os.devnull:
        return [Path(named)]
    return [*files, *([Path(named)] if named else [])]


def options_of(pip_conf: str) -> list[tuple[str, str]]:
    """The indexes of a pip.conf, given by its content, as options."""
    parser = RawConfigParser()
    parser.read_string(pip_conf)
    return [(f"--{name}", each) for name in OPTIONS for each in parser.get("global", name, fallback="").split()]


def named_by_user(variables: Mapping[str, str]) -> frozenset[str]:
    """The variables that the user's own configuration of pip and npm names in addresses of indexes."""
    home = Path(variables.get("HOME") or Path.home())
    files = [home / ".npmrc", *_files_of_pip(variables, home)]
    texts = [each.read_text(encoding="utf-8", errors="replace") for each in files if each.is_file()]
    return frozenset(name for text in texts for name in VARIABLE.findall(text))


def expanded(text: str, variables: Mapping[str, str], own: Collection[str] = ()) -> str:
    """With the value for ${NAME}, as pip and npm do it. Raises ImageError for one that is not set or not allowed.

    A repository chooses the names, and whom the values are sent to: it gets what is meant for packages, not any
    variable of this machine. own: names that the user's own configuration has.
    """

    def value(matched: re.Match[str]) -> str:
        name = matched[1]
        if not name.startswith(FOR_PACKAGES) and name not in own:
            raise ImageError(
                f"the address of a package index names the environment variable {name}, and a repository may read "
                f"those alone that begin with {', '.join(FOR_PACKAGES)}: rename it, such as to PIP_{name}"
            )
        if name not in variables:
            raise ImageError(
                f"the address of a package index needs the environment variable {name}, which is not set: export {name}"
            )
        return variables[name]

    return VARIABLE.sub(value, text)


def netrc_of(file: Path, hosts: Sequence[str], logins: Sequence[Login]) -> str:
    """The logins, and the entries of these hosts that the file has."""
    try:
        known = netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError):
        known = {}
    entries = [(host, known[host][0], known[host][2] or "") for host in hosts if host in known]
    return "".join(
        f"machine {host}\nlogin {login}\npassword {password}\n" for host, login, password in (*logins, *entries)
    )


def _npmrc(user: Path, frontend: Path, variables: Mapping[str, str], own: frozenset[str]) -> str:
    """The lines that name registries and their credentials: of the user's file, those of registries that are used."""
    theirs = [expanded(line, variables, own) for line in _lines(frontend / ".npmrc") if REGISTRY.match(line)]
    hosts = _registries(frontend)
    # npm asks the default registry for what the lock has from npm's own.
    default = [line for line in [*_lines(user), *theirs] if re.match(r"\s*registry\s*=", line)]
    hosts |= {host for line in default for host in HOST.findall(line)}
    mine = [
        expanded(line, variables, own)
        for line in _lines(user)
        if REGISTRY.match(line) and hosts.intersection(HOST.findall(line))
    ]
    return "\n".join([*mine, *theirs, ""]) if mine or theirs else ""


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _registries(frontend: Path) -> set[str]:
    """The hosts that the lock of a frontend names."""
    locks = [frontend / name for name in ("package-lock.json", "npm-shrinkwrap.json")]
    resolved = [line for lock in locks for line in _lines(lock)]
    return {host for line in resolved for host in re.findall(r'"resolved":\s*"https?://([^/"]+)', line)}


def take_login(
    line: str, variables: Mapping[str, str], own: Collection[str] = ()
) -> tuple[str, list[Login], list[str]]:
    """A requirement without the name and the password in its address; both as a login; and the address's host.

    A file with them would be a layer of the build. Raises ImageError.
    """
    matched = re.search(r"(https?://)(?:([^@/\s]+)@)?([^/\s:]+)", line)
    if not matched:
        return line, [], []
    scheme, user, host = matched.groups()
    if user is None:
        return line, [], [host]
    name, _, password = expanded(user, variables, own).partition(":")
    # A token alone is sent as the name; the password then says so, and is looked at by nobody.
    login = (host, unquote(name), unquote(password) or "x-oauth-basic")
    return line.replace(f"{scheme}{user}@", scheme), [login], []
