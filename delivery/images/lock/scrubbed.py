"""What a program gets of this machine that runs the build code of packages, and of the repository itself.

uv builds metadata where a package has no wheel, and then runs code that nobody has looked at. It gets a home folder
that is empty but for the logins that fetching needs, and no variable that is not about packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from delivery.checkout import BUILD, private
from delivery.images.indexes import Login, netrc_of

HOMES = BUILD / "run"
KEPT = {
    "PATH", "LANG", "TMPDIR", "NO_COLOR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
    # Versions of copies that have no git to ask.
    "SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION", "PDM_BUILD_SCM_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS",
}  # fmt: skip
KEPT_PREFIXES = ("UV_", "PIP_", "LC_")
PROXIES = {"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
OF_SSH = ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND")
"""For packages that are fetched with ssh alone."""


@contextmanager
def scrubbed(
    variables: Mapping[str, str], *, hosts: Iterable[str] = (), logins: Iterable[Login] = (), ssh: bool = False
) -> Iterator[dict[str, str]]:
    """The variables for uv, with a home folder that is there while this lasts.

    hosts: those whose entries of the user's netrc are needed. logins: further ones. ssh: packages are fetched with it.
    """
    home = Path(variables.get("HOME") or Path.home())
    with TemporaryDirectory(prefix="home-", dir=private(HOMES)) as empty:
        found = {name: value for name, value in variables.items() if _is_kept(name, ssh=ssh)}
        found |= {"HOME": empty, "GIT_TERMINAL_PROMPT": "0"}
        found.setdefault("UV_CACHE_DIR", str(_folder(variables, home, "XDG_CACHE_HOME", ".cache") / "uv"))
        data = _folder(variables, home, "XDG_DATA_HOME", ".local/share")
        found.setdefault("UV_PYTHON_INSTALL_DIR", str(data / "uv" / "python"))
        own = _configuration(variables, home)
        hosts = [*hosts, *_hosts(own)]
        _configure(found, own)
        if text := netrc_of(Path(variables.get("NETRC") or home / ".netrc"), hosts, tuple(logins)):
            file = Path(empty, ".netrc")
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
        yield found


def _is_kept(name: str, *, ssh: bool) -> bool:
    return (
        name in KEPT or name.startswith(KEPT_PREFIXES) or name.upper() in PROXIES or (ssh and name in OF_SSH)
    )  # fmt: skip


def _folder(variables: Mapping[str, str], home: Path, variable: str, default: str) -> Path:
    return Path(variables.get(variable) or home / default)


def _configuration(variables: Mapping[str, str], home: Path) -> Path | None:
    """uv's configuration of the user, else of the machine; a variable of uv's own takes precedence."""
    named = variables.get("UV_CONFIG_FILE")
    user = _folder(variables, home, "XDG_CONFIG_HOME", ".config") / "uv" / "uv.toml"
    files = [Path(named)] if named else [user, Path("/etc/uv/uv.toml")]
    return next((file for file in files if file.is_file()), None)


def _configure(found: dict[str, str], own: Path | None) -> None:
    """Have uv read this file alone, or none: it would look for one in all folders above the one that it works in."""
    if own and not found.get("UV_NO_CONFIG"):
        found["UV_CONFIG_FILE"] = str(own)
    else:
        found["UV_NO_CONFIG"] = "1"
        found.pop("UV_CONFIG_FILE", None)


def _hosts(own: Path | None) -> list[str]:
    return hosts_in(own.read_text(encoding="utf-8", errors="replace")) if own else []


def hosts_in(text: str) -> list[str]:
    """The hosts of all addresses in a text."""
    return re.findall(r"https?://(?:[^@/\s]+@)?([^/\s:\"']+)", text)
