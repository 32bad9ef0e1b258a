"""Writes what was resolved: what is hashed into one file, what can't be into another.

A package from git or from a folder of the repository has no hash that pip can check. It is installed after the others,
without dependencies (`pip install --no-deps`), from a commit or from a copy in the folder `local`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from delivery.images.lock.inputs import key_of
from delivery.images.lock.resolution import Package, Resolver

HASHED = "requirements.txt"
UNHASHED = "requirements-unhashed.txt"
LOCAL = "local"
"""The folder with copies of what requirements name by a path."""
HEADER = "# Pinned and hashed for the image by `make lock`, together with what nodrop requires.\n"


def write(resolver: Resolver, text: str, packages: Mapping[str, Package], folder: Path) -> None:
    """Both files, and the folder `local`. text: of uv, with hashes."""
    allowed = resolver.inputs.hashes
    kept = [_with_hashes(block, allowed) for block in _blocks(text) if _name(block) in _hashable(packages)]
    (folder / HASHED).write_text(HEADER + without_logins(_for_readers("".join(kept))), encoding="utf-8")
    lines = [without_logins(line) for package in packages.values() if (line := _unhashed(resolver, package))]
    if lines:
        (folder / UNHASHED).write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
    for line in lines:
        if line.startswith(f"./{LOCAL}/"):
            _copy(resolver.folder / line, folder / line)


def without_logins(text: str) -> str:
    """Requirements without users and passwords in addresses. The user of ssh is no secret, and ssh needs it."""
    text = re.sub(r"((?:https?|ftp)://)[^/@\s]*@", r"\1", text)
    return re.sub(r"(ssh://[^/@:\s]*):[^/@\s]*@", r"\1@", text)


def login_in(text: str) -> str:
    """The line with an address that has a user or a password in it, without them; empty if there is none."""
    return next((without_logins(line) for line in text.splitlines() if without_logins(line) != line), "")


def _for_readers(text: str) -> str:
    """uv's comments on who asks for a package, without the names of files that are gone."""
    text = re.sub(r"^ +#   -c (held|constraints)\.in\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"# via -c (held|constraints)\.in$", "# via", text, flags=re.MULTILINE)
    return text.replace("-r application.in", "the application").replace("-r nodrop.in", "nodrop")


def _blocks(text: str) -> Iterator[str]:
    """Each requirement with its hashes and comments."""
    block = ""
    for line in text.splitlines(keepends=True):
        if block and not line.startswith((" ", "\t")):
            yield block
            block = ""
        block += line
    if block:
        yield block


def _name(block: str) -> str:
    match = re.match(r"[A-Za-z0-9][\w.-]*", block)
    return match[0].lower() if match else ""


def _hashable(packages: Mapping[str, Package]) -> set[str]:
    """Those that have a hash at an address that the build reaches too."""
    bare = ("vcs", "directory")
    return {each.name for each in packages.values() if not _file(each) and not any(kind in each.table for kind in bare)}


def _file(package: Package) -> str:
    """The path of a wheel or a source archive on this machine, which no index of the image has."""
    archives = [*package.wheels, package.table.get("sdist", {}), package.table.get("archive", {})]
    for each in archives:
        if each.get("path"):
            return str(each["path"])
        if str(each.get("url", "")).startswith("file:"):
            return unquote(urlsplit(each["url"]).path)
    return ""


def _with_hashes(block: str, allowed: Mapping[str, tuple[str, ...]]) -> str:
    """The block, with the hashes alone that the repository allows, if it names any."""
    hashes = allowed.get(key_of(block))
    if not hashes:
        return block
    comments = re.findall(r"^ +#.*\n", block, re.MULTILINE)
    return (
        " \\\n".join([block.split(maxsplit=1)[0], *(f"    --hash={each}" for each in sorted(hashes))])
        + "\n"
        + "".join(comments)
    )


def _unhashed(resolver: Resolver, package: Package) -> str:
    """The line for a package without a hash; empty for another."""
    vcs, directory = package.table.get("vcs"), package.table.get("directory")
    if vcs:
        address = vcs.get("url") or f"file://{vcs['path']}"
        inner = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
        return f"{package.name} @ {vcs['type']}+{address}@{vcs['commit-id']}{inner}"
    if directory:
        return "./" + str(Path(directory["path"]))
    path = _file(package)
    if not path:
        return ""
    source = (resolver.folder / path).resolve()
    target = resolver.folder / LOCAL / source.name
    if source != target.resolve():
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(source, target)
    return f"./{LOCAL}/{source.name}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"))
    else:
        shutil.copy2(source, target)
