"""The application's own virtual environment on this machine: what its image has, and nodrop as it is in this checkout.

It is made anew when something changed that it is made of: its folder is named after a digest of that. nodrop itself is
a link, so that a change of it counts at once. A repository that is a package is installed from a copy, since build
systems write into the folder that they build; its code is read from the repository all the same, which is first on the
path.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from uv import find_uv_bin

from delivery.checkout import ROOT
from delivery.detection.description import Description
from delivery.development.errors import DevelopmentError
from delivery.development.python import find_python
from delivery.images.arguments import package_version
from delivery.images.content import content
from delivery.images.errors import ImageError
from delivery.images.indexes import Login
from delivery.images.lock import Locked
from delivery.images.lock.files import LOCAL
from delivery.images.lock.indexes import without_passwords
from delivery.images.lock.scrubbed import hosts_in, scrubbed

FOLDER = ROOT / "build" / "venv"
DONE = "complete"
"""File of an environment in which everything is installed. It has the line that is to be said each time, if any."""
OF_THE_PACKAGE = ("pyproject.toml", "setup.py", "setup.cfg")
VERSION_VARIABLES = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PBR_VERSION", "PDM_BUILD_SCM_VERSION")
FROM_PIP_CONF = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
}
BUILD_NODROP = "import sys; from flit_core.buildapi import build_wheel; build_wheel(sys.argv[1])"


@dataclass(frozen=True)
class Environment:
    """A virtual environment. folder: absolute."""

    folder: Path
    note: str = ""
    """What a user should know, in a sentence."""
    is_new: bool = False

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self.folder / "bin"


def environment(description: Description, locked: Locked, folder: Path = FOLDER) -> Environment:
    """The environment of an application, which is made if there is none of the same content.

    Raises DevelopmentError with what the installer said.
    """
    python, note = find_python(description.dependencies.python.value, folder)
    place = folder / f"{description.name}-{_key(description, locked, python)}"
    if (place / DONE).exists() and (place / "bin" / "python").exists():
        return Environment(place, note)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    try:
        _make(place, python, description, locked)
    except BaseException:
        # Half an environment would be in the way of the next try.
        shutil.rmtree(place, ignore_errors=True)
        raise
    (place / DONE).touch()
    return Environment(place, note, is_new=True)


def _key(description: Description, locked: Locked, python: str) -> str:
    """A digest of all that an environment is made of."""
    files = [locked.requirements, ROOT / "pyproject.toml"]
    if locked.unhashed:
        files += [locked.unhashed, *sorted(path for path in (locked.unhashed.parent / LOCAL).rglob("*"))]
    if description.dependencies.is_package:
        files += [description.folder / name for name in OF_THE_PACKAGE]
    digest = hashlib.sha256(f"{python}\n{description.folder}".encode())
    for file in filter(Path.is_file, files):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:10]


def _make(place: Path, python: str, description: Description, locked: Locked) -> None:
    _uv("venv", "--quiet", "--no-project", "--python", python, str(place))
    into = ("pip", "install", "--quiet", "--python", str(place / "bin" / "python"))
    sources = _Sources(_indexes(locked.pip_conf), _addresses(locked), locked.logins)
    # A relative path in it is relative to where it lies.
    here = locked.requirements.resolve().parent
    _uv(*into, "--requirement", str(locked.requirements.resolve()), folder=here, sources=sources)
    if locked.unhashed:
        _uv(*into, "--no-deps", "--requirement", str(locked.unhashed.resolve()), folder=here, sources=sources)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        _run([sys.executable, "-c", BUILD_NODROP, str(scratch)], ROOT, _of_this_process())
        _uv(*into, "--no-deps", *(str(wheel) for wheel in scratch.glob("*.whl")))
        if description.dependencies.is_package:
            # As in the image: where the version is that of a tag, the copy has no repository to ask.
            version = package_version(description.folder)
            copy = _copied(description.folder, scratch / description.folder.name)
            _uv(
                *into,
                "--no-deps",
                str(copy),
                sources=replace(sources, variables={**sources.variables, **dict.fromkeys(VERSION_VARIABLES, version)}),
            )
    installed = next(place.glob("lib/python*/site-packages/nodrop"))
    shutil.rmtree(installed)
    installed.symlink_to(ROOT / "nodrop")


def _indexes(pip_conf: str) -> dict[str, str]:
    """uv's variables for where packages are looked for, which it does not read from pip's configuration.

    Not options: an address may hold a password, and a command line can be seen.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(pip_conf)
    found = dict(parser["global"]) if parser.has_section("global") else {}
    named = {name: " ".join(found[key].split()) for key, name in FROM_PIP_CONF.items() if key in found}
    return {**named, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def _copied(repository: Path, copy: Path) -> Path:
    """A copy of what would be in the image."""
    try:
        files = content(repository).files
    except ImageError as error:
        raise DevelopmentError(str(error)) from error
    for file in files:
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / file, copy / file, follow_symlinks=False)
    return copy


def _of_this_process() -> dict[str, str]:
    """Its variables, without those that would name another environment."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


@dataclass(frozen=True)
class _Sources:
    """Where packages come from. variables: of uv. addresses: a text with those of requirements."""

    variables: Mapping[str, str] = field(default_factory=dict)
    addresses: str = ""
    logins: tuple[Login, ...] = ()


def _addresses(locked: Locked) -> str:
    files = [locked.requirements, *([locked.unhashed] if locked.unhashed else [])]
    return "\n".join([locked.pip_conf, *(file.read_text(encoding="utf-8") for file in files)])


def _uv(*arguments: str, folder: Path = ROOT, sources: _Sources | None = None) -> None:
    """Run uv, which runs the build code of packages. Raises DevelopmentError."""
    sources = sources or _Sources()
    given = {**os.environ, **sources.variables}
    with scrubbed(
        given, hosts=hosts_in(sources.addresses), logins=sources.logins, ssh="ssh://" in sources.addresses
    ) as variables:
        _run([find_uv_bin(), *arguments], folder, variables)


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DevelopmentError(
            f"the application's virtual environment can't be created:\n{without_passwords(done.stderr.strip())}\n"
            "If a package has no wheel for this machine, install what is needed to build it (apt-get install "
            "build-essential, and the headers that the message names), or serve it from the image: make up"
        )
