"""The files of a repository as the image has them, as they are now."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pathspec import PathSpec, Pattern

from delivery.development.errors import DevelopmentError
from delivery.images.content import content
from delivery.images.errors import ImageError

DOCKERIGNORE = ".dockerignore"


@dataclass
class Files:
    """The files of a repository that lies at /srv/<target> in its image. folder: absolute."""

    folder: Path
    target: str = "."
    _digests: dict[Path, tuple[tuple[int, int, int], str]] = field(default_factory=dict)
    """Of each file when it was looked at, and its digest: only what changed is read again."""

    def now(self) -> dict[str, str]:
        """Each file, by its path below /srv, with its SHA-256, or where a link leads.

        Raises DevelopmentError if git can't say which files are ignored.
        """
        ignored = self._ignored()
        try:
            files = content(self.folder).files
        except ImageError as error:
            raise DevelopmentError(str(error)) from error
        names = (name for name in files if not ignored.match_file(name))
        return {self._in_image(name): digest for name in names if (digest := self._digest(self.folder / name))}

    def _ignored(self) -> PathSpec[Pattern]:
        """What .dockerignore keeps out of the image. Its patterns are those of git, but begin at its folder."""
        file = self.folder / DOCKERIGNORE
        lines = file.read_text(encoding="utf-8-sig").splitlines() if file.is_file() else []
        return PathSpec.from_lines("gitignore", map(_anchored, lines))

    def _in_image(self, name: str) -> str:
        return (PurePosixPath(self.target) / name).as_posix()

    def path(self, name: str) -> Path:
        """The file that the image has at this path below /srv."""
        return self.folder / PurePosixPath(name).relative_to(self.target)

    def _digest(self, path: Path) -> str:
        """Empty for a file that is gone."""
        try:
            status = path.lstat()
            if path.is_symlink():
                return f"link {path.readlink()}"
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._digests.get(path)
            if known and known[0] == seen:
                return known[1]
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return ""
        self._digests[path] = (seen, digest)
        return digest

    def archive(self, names: Iterable[str]) -> bytes:
        """A tar archive of these files, as they are in the image. Those that are gone meanwhile are left out."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in names:
                # A file that is being replaced may be gone for a moment, and comes with the next change.
                with suppress(FileNotFoundError):
                    _add(archive, self.path(name), name)
        return packed.getvalue()


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    member, status = tarfile.TarInfo(name), path.lstat()
    member.mtime, member.mode = status.st_mtime, status.st_mode & 0o777
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        archive.addfile(member)
    else:
        data = path.read_bytes()
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def _anchored(line: str) -> str:
    """A line of a .dockerignore as git would have it."""
    pattern = line.strip()
    if not pattern or line.startswith("#"):
        return ""
    excepted = pattern.startswith("!")
    inner = pattern.lstrip("!").strip().lstrip("/").removeprefix("./")
    return f"{'!' if excepted else ''}/{inner}"
