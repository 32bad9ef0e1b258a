"""Package indexes and their credentials, as files that the build gets as secrets.

They come from the variables PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_TRUSTED_HOST, from pip's configuration, from the
requirements and the repository's .npmrc, and from ~/.netrc and ~/.npmrc.
"""

from __future__ import annotations

import netrc
import os
import re
import sys
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from delivery.images.errors import ImageError

OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host")
REGISTRY = re.compile(r"\s*(?:(?:@[\w.-]+:)?registry|//[^=\s]+)\s*=")
"""A line of an .npmrc that names a registry or its credentials, not a path of this machine."""


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
    indexes = _pip(sources.options, variables, home)
    lines = [f"{name} = {' '.join(values)}" for name, values in indexes.items() if values]
    hosts = [urlsplit(url).hostname or "" for name in OPTIONS[:3] for url in indexes[name]]
    made = {
        "pip.conf": "\n".join(["[global]", *lines, ""]) if lines else "",
        "netrc": _netrc(home / ".netrc", [*hosts, *sources.hosts], sources.logins),
        "npmrc": _npmrc([home / ".npmrc", sources.frontend / ".npmrc"], variables) if sources.frontend else "",
    }
    return {name: text for name, text in made.items() if text}


def _pip(options: Sequence[tuple[str, str]], variables: Mapping[str, str], home: Path) -> dict[str, list[str]]:
    """Each option of pip with its values. The requirements take precedence over pip's own configuration."""
    found = _configured(variables, home)
    for option, value in options:
        name, url = option.removeprefix("--"), _expanded(value, variables)
        if name == "index-url":
            found[name] = [url]
        elif url not in found[name]:
            found[name] = [*found[name], url]
    # A folder of this machine is not in the image.
    found["find-links"] = [each for each in found["find-links"] if "://" in each and not each.startswith("file:")]
    return found


def _configured(variables: Mapping[str, str], home: Path) -> dict[str, list[str]]:
    """What pip is configured with on this machine. What comes later takes precedence: the variables over the files."""
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
    parser = RawConfigParser()
    parser.read([named] if named == os.devnull else [*files, *([named] if named else [])], encoding="utf-8")
    found = {name: parser.get("global", name, fallback="").split() for name in OPTIONS}
    for name in OPTIONS:
        if value := variables.get(f"PIP_{name.upper().replace('-', '_')}"):
            found[name] = value.split()
    return found


def options_of(pip_conf: str) -> list[tuple[str, str]]:
    """The indexes of a pip.conf, given by its content, as options."""
    parser = RawConfigParser()
    parser.read_string(pip_conf)
    return [(f"--{name}", each) for name in OPTIONS for each in parser.get("global", name, fallback="").split()]


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """With the value for ${NAME}, as pip and npm do it. Raises ImageError for one that is not set."""

    def value(matched: re.Match[str]) -> str:
        if matched[1] not in variables:
            raise ImageError(
                f"the URL of a package index uses the environment variable {matched[1]}, which isn't set: "
                f"export {matched[1]}"
            )
        return variables[matched[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _netrc(file: Path, hosts: Sequence[str], logins: Sequence[Login]) -> str:
    """The logins, and the entries of these hosts that the file has."""
    try:
        known = netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError):
        known = {}
    entries = [(host, known[host][0], known[host][2] or "") for host in hosts if host in known]
    return "".join(
        f"machine {host}\nlogin {login}\npassword {password}\n" for host, login, password in (*logins, *entries)
    )


def _npmrc(files: Sequence[Path], variables: Mapping[str, str]) -> str:
    """The lines that name registries and their credentials."""
    lines = [line for file in files if file.is_file() for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = [_expanded(line, variables) for line in lines if REGISTRY.match(line)]
    return "\n".join([*wanted, ""]) if wanted else ""


def take_login(line: str, variables: Mapping[str, str]) -> tuple[str, list[Login], list[str]]:
    """A requirement without the name and the password in its address; both as a login; and the address's host.

    A file with them would be a layer of the build. Raises ImageError.
    """
    matched = re.search(r"(https?://)(?:([^@/\s]+)@)?([^/\s:]+)", line)
    if not matched:
        return line, [], []
    scheme, user, host = matched.groups()
    if user is None:
        return line, [], [host]
    name, _, password = _expanded(user, variables).partition(":")
    # A token alone is sent as the name; the password then says so, and is looked at by nobody.
    login = (host, unquote(name), unquote(password) or "x-oauth-basic")
    return line.replace(f"{scheme}{user}@", scheme), [login], []
