"""`wsgi.file_wrapper`: a file that the application answers with, for the kernel to send."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any


class FileBody:
    """A file as an answer's body. Where the kernel can't send it, it is iterated like any other."""

    def __init__(self, filelike: Any, blksize: int = 8192) -> None:
        """filelike: what has a `read`. blksize: bytes that are read at once."""
        self.filelike = filelike
        self.blksize = blksize
        self.sent: int | None = None
        """Bytes of it that the client was sent; None as long as that is not known."""
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> FileBody:
        return self

    def __next__(self) -> bytes:
        if data := self.filelike.read(self.blksize):
            return data  # type: ignore[no-any-return]
        raise StopIteration

    # For Werkzeug, which sends a part of it when a client asks for a range.

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return bool(hasattr(self.filelike, "seekable") and self.filelike.seekable())

    def seek(self, *arguments: int) -> int:
        """As that of a file."""
        return self.filelike.seek(*arguments)  # type: ignore[no-any-return]

    def tell(self) -> int:
        """As that of a file."""
        return self.filelike.tell()  # type: ignore[no-any-return]

    def part(self, length: int) -> tuple[int, int, int] | None:
        """Descriptor, offset and size of what is to be sent of it, of `length` bytes; None if it is no file on disk."""
        # What is not a file has no fileno(), or raises one of several errors there.
        with contextlib.suppress(Exception):
            file = self.filelike.fileno()
            status = os.fstat(file)
            if stat.S_ISREG(status.st_mode):
                offset = self.filelike.tell()
                return file, offset, max(0, min(length, status.st_size - offset))
        return None
