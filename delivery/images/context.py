"""The build context: a folder with all that the Dockerfile copies.

    Dockerfile, nodrop/, pyproject.toml, LICENSE, requirements-build.txt   of this checkout
    srv/               the application, as /srv of the image has it
    requirements.txt   its dependencies and nodrop's, pinned and hashed
    unhashed/          those that can't have hashes, and the folders that some of them are in
    frontend/          what npm needs to fetch the packages of the frontend
    .dockerignore      that of the application, which counts for srv/

Files are hard links where the file system allows it, so that assembling takes no time and no space.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from delivery.checkout import ROOT
from delivery.detection.description import Description
from delivery.images.content import CONFIDENTIAL, Content, content
from delivery.images.errors import ImageError
from delivery.images.indexes import Sources, named_by_user, take_login
from delivery.images.requirements import Requirements, sort

OF_THE_CHECKOUT = ("Dockerfile", "pyproject.toml", "LICENSE", "requirements-build.txt")
LARGE_BYTES = 200_000_000
INSTALL_SCRIPTS = {"preinstall", "install", "postinstall", "prepare"}
"""Scripts of a package.json that `npm ci` runs, and which may need any file of it."""
NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")


@dataclass(frozen=True)
class Context:
    """An assembled build context. folder: absolute."""

    folder: Path
    target: str
    """Where the repository is in /srv; `.` for /srv itself."""
    sources: Sources
    notes: tuple[str, ...]
    """What a user should know, in sentences."""


def assemble(
    description: Description,
    folder: Path,
    requirements: Path,
    unhashed: Path | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Context:
    """Fill `folder`, which is emptied first. Raises ImageError.

    requirements: the locked file. unhashed: another of what can't have hashes, whose paths are relative to its folder.
    variables: the environment, whose variables addresses in both may use.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _link(ROOT, OF_THE_CHECKOUT, folder)
    nodrop = (path.relative_to(ROOT).as_posix() for path in (ROOT / "nodrop").rglob("*"))
    _link(ROOT, (name for name in nodrop if name.endswith((".py", ".md", "py.typed"))), folder)
    target = place(description)
    found = content(description.folder, [each.path for each in description.surroundings.writes if each.shared])
    srv = folder / "srv" / target
    srv.mkdir(parents=True)
    _link(description.folder, found.files, srv)
    _write_ignored(description, folder, PurePosixPath("srv", target))
    if description.surroundings.assets:
        _link_frontend(description, found, folder / "frontend" / target)
    sorted_ = sort(requirements, description.folder)
    if unhashed:
        sorted_ += sort(unhashed, unhashed.parent)
    sources = _take_sources(description, sorted_, variables)
    _write_requirements(sorted_, folder)
    return Context(folder, target, sources, tuple(_notes(description, found)))


def place(description: Description) -> str:
    """Where the repository is in /srv: in a folder of its name if it is itself the package that is served, else `.`."""
    package = description.served.value.reference.partition(":")[0].partition(".")[0]
    root = description.folder / description.served.value.root
    inside = (root / f"{package}.py").exists() or (root / package).is_dir()
    is_package = description.folder.name == package and (description.folder / "__init__.py").exists()
    return package if is_package and not inside else "."


def _link(source: Path, names: Iterable[str], target: Path) -> None:
    """Have the files of `source` in `target` too. A link stays a link. Raises ImageError for one that can't be read."""
    made: set[Path] = set()
    for name in names:
        new = target / name
        if new.parent not in made:
            new.parent.mkdir(parents=True, exist_ok=True)
            made.add(new.parent)
        try:
            os.link(source / name, new, follow_symlinks=False)
        except OSError:
            # On another file system, or of another user.
            _copy(source / name, new)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copy2(source, target, follow_symlinks=False)
    except OSError as error:
        raise ImageError(
            f"{source} can't be read ({error.strerror}): make it readable, or add it to .gitignore or .dockerignore"
        ) from error


def _write_ignored(description: Description, folder: Path, srv: PurePosixPath) -> None:
    """Write .dockerignore: the application's own, its patterns moved to where the application is.

    What builds the package is kept all the same. Credentials stand last: nothing brings them back.
    """
    ignored = description.folder / ".dockerignore"
    lines = ignored.read_text(encoding="utf-8-sig").splitlines() if ignored.is_file() else []
    kept = [f"!{srv / name}" for name in of_the_package(description)] if any(lines) else []
    written = [moved for line in lines if (moved := _moved(line, srv))]
    confidential = [f"srv/**/{pattern}" for pattern in CONFIDENTIAL if not pattern.startswith((".env.", "*.env"))]
    (folder / ".dockerignore").write_text("\n".join([*written, *kept, *confidential, ""]), encoding="utf-8")


def _moved(line: str, srv: PurePosixPath) -> str:
    """A line of a .dockerignore that is to count in the folder `srv`; empty for a comment."""
    pattern = line.strip()
    if not pattern or line.startswith("#"):
        return ""
    excepted = pattern.startswith("!")
    inner = pattern.lstrip("!").strip().lstrip("/")
    return f"{'!' if excepted else ''}{srv / inner}"


def of_the_package(description: Description) -> list[str]:
    """The files that the build system of a package reads."""
    if not description.dependencies.is_package:
        return []
    names = ["pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in"]
    pyproject = description.folder / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {}) if pyproject.is_file() else {}
    readme, licence = project.get("readme"), project.get("license")
    names += [each for each in (readme, licence) if isinstance(each, str)]
    names += [each["file"] for each in (readme, licence) if isinstance(each, dict) and "file" in each]
    return names + [path.name for path in description.folder.glob("README*")]


def _link_frontend(description: Description, found: Content, target: Path) -> None:
    """Have what `npm ci` reads in the context: all of the frontend only if its own scripts run then."""
    assert description.surroundings.assets
    assets = PurePosixPath(description.surroundings.assets.value)
    top = description.folder / assets
    if not any((top / lock).is_file() for lock in NPM_LOCKS):
        raise ImageError(
            f"the frontend in {assets} has no package-lock.json, so its build isn't reproducible. Run "
            f"`npm install` in {assets} and commit the file, or commit the built frontend and set assets = false in "
            "flask-app.toml"
        )
    inside = [name for name in found.files if PurePosixPath(name).is_relative_to(assets)]
    scripts = json.loads((top / "package.json").read_text(encoding="utf-8")).get("scripts", {})
    wanted = ("package.json", ".npmrc", *NPM_LOCKS)
    if not INSTALL_SCRIPTS.intersection(scripts):
        inside = [name for name in inside if PurePosixPath(name).name in wanted or "patches/" in name]
    target.mkdir(parents=True)
    _link(description.folder, inside, target)


def _take_sources(description: Description, sorted_: Requirements, variables: Mapping[str, str]) -> Sources:
    """Where the packages come from; logins are taken out of the requirements."""
    assets = description.surroundings.assets
    sources = Sources(options=sorted_.indexes, frontend=description.folder / assets.value if assets else None)
    own = named_by_user(variables)
    for lines in (sorted_.hashed, sorted_.unhashed):
        for number, line in enumerate(lines):
            lines[number], logins, hosts = take_login(line, variables, own)
            sources.logins += logins
            sources.hosts += hosts
    return sources


def _write_requirements(sorted_: Requirements, folder: Path) -> None:
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in sorted_.hashed), encoding="utf-8")
    if not sorted_.unhashed and not sorted_.local:
        return
    unhashed = folder / "unhashed"
    unhashed.mkdir()
    lines = list(sorted_.unhashed)
    for number, local in enumerate(sorted_.local):
        copy = Path("local", str(number), local.path.name)
        if local.path.is_dir():
            _link(local.path, content(local.path).files, unhashed / copy)
        elif local.path.is_file():
            _link(local.path.parent, [local.path.name], unhashed / copy.parent)
        else:
            raise ImageError(
                f"the requirements refer to {local.path}, which doesn't exist: correct the path, and lock again"
            )
        lines.append(f"./{copy.as_posix()}" + (f" ; {local.marker}" if local.marker else ""))
    (unhashed / "requirements.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _notes(description: Description, found: Content) -> Iterable[str]:
    if found.confidential:
        yield (
            f"Not in the image, because they probably hold credentials: {_some(found.confidential)}. Pass them to the "
            "application at runtime, as environment variables or mounted files"
        )
    if found.data:
        yield (
            f"Not in the image, as data that the application has written here: {_some(found.data)}. What belongs to "
            "the application is in the image once git tracks it: git add <file>"
        )
    if found.databases:
        yield (
            f"In the image, since git tracks it: {_some(found.databases)}. If it is a database of development, remove "
            "it from git, or name it in .dockerignore: where there is no other yet, the application starts with it"
        )
    if found.outside:
        yield f"Not in the image, because they link outside the repository: {_some(found.outside)}"
    sizes = {name: (description.folder / name).lstat().st_size for name in found.files}
    if sum(sizes.values()) > LARGE_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        yield (
            f"The repository adds {sum(sizes.values()) // 1_000_000} MB to the image. Its largest files are "
            f"{', '.join(largest)}: list in .dockerignore what the application doesn't need"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
