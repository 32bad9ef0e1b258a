"""Which files of a repository belong into its image.

Where git knows the folder: what it tracks, and what is new and not ignored. Elsewhere all files. In both cases without
what tools make or fetch, and without files that hold credentials, even where git tracks them.

What the application has written on the developer's machine is data and not part of it: the image would bring it into
production. Such are SQLite databases, and files in folders that the application keeps data in, unless git tracks them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from delivery import git
from delivery.images.errors import ImageError

MADE = {
    ".git", ".hg", ".svn", "CVS", "node_modules", "bower_components", "__pycache__", ".venv", ".tox", ".nox", ".eggs",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints", ".idea", ".vscode", ".direnv",
}  # fmt: skip
"""Folders of version control, tools and editors. A virtual environment of any other name has a pyvenv.cfg."""
MADE_FILES = ("*.py[cod]", ".DS_Store", ".coverage", ".coverage.*", ".git")
CONFIDENTIAL = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", ".pypirc", ".pgpass", ".my.cnf", ".git-credentials", ".htpasswd",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.tfstate", "*.kdbx",
)  # fmt: skip
CONFIDENTIAL_FOLDERS = {".ssh", ".aws", ".gnupg", ".kube", ".docker"}
TEMPLATES = (".example", ".sample", ".template", ".dist", ".defaults")
"""What the names of files end with that show which variables an .env file takes, and hold none."""
CREDENTIALS = {
    ".npmrc": re.compile(rb"_authToken|_auth\b|_password"),
    "*.pem": re.compile(rb"PRIVATE KEY-----"),
    "*.key": re.compile(rb"PRIVATE KEY-----"),
}
"""Files that hold credentials if their content says so."""

SQLITE = b"SQLite format 3\0"
SMALLEST_PAGE = 512
BESIDE_DATABASE = ("-wal", "-shm", "-journal")
WRITTEN_BY_HAND = (".py", ".html", ".jinja", ".j2", ".css", ".scss", ".js", ".ts", ".map", ".sql", ".woff", ".woff2")
"""What the names of files end with that belong to the application, also where uploads are in the same folder."""


@dataclass
class Content:
    """The files of a folder for its image, each relative to the folder and in order."""

    files: list[str] = field(default_factory=list)
    confidential: list[str] = field(default_factory=list)
    """Left out, since they hold credentials or are likely to."""
    outside: list[str] = field(default_factory=list)
    """Left out: links to what is not in the folder."""
    data: list[str] = field(default_factory=list)
    """Left out, since the application has written it here."""
    databases: list[str] = field(default_factory=list)
    """SQLite databases that are in the image, since git tracks them."""


def content(folder: Path, kept: Collection[str] = ()) -> Content:
    """The files of `folder` that belong into its image. Raises ImageError.

    kept: files and folders in which the application keeps data, relative to `folder`.
    """
    found = Content()
    tracked = set(_git(folder, "--cached"))
    for name in sorted(set(_listed(folder))):
        path = folder / name
        if is_confidential(path, name):
            found.confidential.append(name)
        elif path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            found.outside.append(name)
        elif _is_database(path):
            (found.databases if name in tracked else found.data).append(name)
            if name in tracked:
                found.files.append(name)
        elif name not in tracked and _is_data(name, kept):
            found.data.append(name)
        else:
            found.files.append(name)
    return found


def _is_database(path: Path) -> bool:
    """Whether a file is a database of SQLite, or belongs to one while it is written to."""
    for ending in BESIDE_DATABASE:
        if path.name.endswith(ending):
            return _is_database(path.with_name(path.name.removesuffix(ending)))
    # Its size is a multiple of its pages', so that few other files must be opened.
    if path.is_symlink() or not path.is_file() or path.stat().st_size % SMALLEST_PAGE or not path.stat().st_size:
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except PermissionError:
        # Whoever copies it says so.
        return False


def _is_data(name: str, kept: Collection[str]) -> bool:
    """Whether a file lies where the application keeps data, and is not what developers write by hand."""
    if name.endswith(WRITTEN_BY_HAND) or Path(name).name.startswith(".git"):
        return False
    return any(each != "." and Path(name).is_relative_to(each) for each in kept)


def is_confidential(path: Path, name: str) -> bool:
    """Whether a file holds credentials or is likely to. name: its path in the repository."""
    *folders, last = Path(name).parts
    if CONFIDENTIAL_FOLDERS.intersection(folders):
        return True
    if any(fnmatch(last, pattern) for pattern in CONFIDENTIAL):
        return not last.endswith(TEMPLATES)
    return any(
        fnmatch(last, pattern) and path.is_file() and bool(says.search(path.read_bytes()))
        for pattern, says in CREDENTIALS.items()
    )


def _listed(folder: Path) -> Iterator[str]:
    """The files that are part of the repository, credentials too. Raises ImageError."""
    listed = _git(folder, "--cached", "--others", "--exclude-standard")
    if not listed:
        yield from _walked(folder, folder)
        return
    environments: dict[Path, bool] = {}
    for name in listed:
        path = folder / name
        if _is_made(folder, Path(name), environments):
            continue
        if path.is_dir() and not path.is_symlink():
            # A submodule, or a repository inside of this one, of which git lists the folder alone.
            yield from (f"{name.rstrip('/')}/{inner}" for inner in _listed(path))
        elif path.is_symlink() or path.is_file():
            yield name


def _git(folder: Path, *which: str) -> list[str]:
    """What `git ls-files` lists in the folder; empty where git knows nothing of it.

    Raises ImageError if the folder is in a repository that git can't read: nobody knows then what it ignores.
    """
    repository = _repository(folder.resolve())
    if repository is None:
        return []
    try:
        done = git.run(folder, "ls-files", "-z", *which)
    except FileNotFoundError as error:
        raise ImageError(
            f"{repository} is a git repository, and there is no git on PATH to say which of its files are ignored: "
            "install git"
        ) from error
    if done.returncode:
        raise ImageError(_unreadable(repository, os.fsdecode(done.stderr)))
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _repository(folder: Path) -> Path | None:
    """The folder itself or the nearest one above it that has a .git, on the same file system, as git looks for it."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each / ".git"):
            return each
        if each.parent.stat().st_dev != each.stat().st_dev:
            return None
    return None


def _unreadable(repository: Path, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    cause = f"git can't list the files of {repository}: {lines[0] if lines else 'it ended without a word'}"
    if "dubious ownership" in said:
        remedy = (
            f"If you trust what is in it, run git config --global --add safe.directory {shlex.quote(str(repository))}"
        )
    else:
        remedy = f"Run git status in {repository} and repair what it says, or remove .git there if it is no repository"
    return f"{cause}. {remedy}"


def _is_made(folder: Path, name: Path, environments: dict[Path, bool]) -> bool:
    """Whether tools made it. environments: which folders are virtual environments, kept from one call to the next."""
    if MADE.intersection(name.parts) or any(fnmatch(name.name, pattern) for pattern in MADE_FILES):
        return True
    for parent in name.parents[:-1]:
        if parent not in environments:
            environments[parent] = (folder / parent / "pyvenv.cfg").exists()
        if environments[parent]:
            return True
    return False


def _walked(folder: Path, top: Path) -> Iterator[str]:
    """All files in the folder, relative to `top`, without what tools make."""
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in MADE and not (path / "pyvenv.cfg").exists():
                yield from _walked(path, top)
        elif not any(fnmatch(entry.name, pattern) for pattern in MADE_FILES) and (
            entry.is_symlink() or entry.is_file(follow_symlinks=False)
        ):
            yield path.relative_to(top).as_posix()
