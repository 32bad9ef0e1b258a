"""A file of numbers in memory, in the format of prometheus_client's, written one number at a time.

The management process reads it meanwhile. A number is assigned through a view of the memory, which happens in one
piece, so that a reader sees it as it was or as it is; prometheus_client's own writing costs some eight times as much.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

_FIRST_SIZE = 1 << 20
"""Enough for some 300 combinations of labels. What is not written yet takes no memory; but a file that grows keeps one
more descriptor open."""
_USED = struct.Struct("i")
"""Before everything, padded to 8 bytes: how many bytes are used."""
_LENGTH = struct.Struct("i")
"""Before each key: its length. Behind it blanks, so that the numbers are aligned: the value and its time."""
_NUMBER = 8


class ValueFile:
    """The numbers by key. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Create the file, or go on with one that is there."""
        self._path = path
        self._resize((path.stat().st_size if path.exists() else 0) or _FIRST_SIZE)
        self._at: dict[str, int] = {}
        if used := self._used:
            for key, _, _, position in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
                self._at[key] = position // _NUMBER
            self._end = used
        else:
            self._end = self._used = _NUMBER

    def slot(self, key: str) -> tuple[memoryview[float], int]:
        """A view of the memory, and the index of the number with this key in it; its time stands behind it. 0 if the
        key is new. Views of before stay good: they are of the same memory."""
        if key not in self._at:
            self._add(key)
        return self.numbers, self._at[key]

    def _add(self, key: str) -> None:
        encoded = key.encode()
        entry = _LENGTH.pack(len(encoded)) + encoded
        # At least one blank, as prometheus_client has it.
        entry += b" " * (_NUMBER - len(entry) % _NUMBER)
        begin, end = self._end, self._end + len(entry) + 2 * _NUMBER
        while end > len(self._memory):
            self._resize(2 * len(self._memory))
        self._memory[begin : begin + len(entry)] = entry
        self._at[key] = (begin + len(entry)) // _NUMBER
        # Only now it is there for who reads.
        self._end = self._used = end

    def _resize(self, size: int) -> None:
        with self._path.open("a+b") as file:
            file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)
        view = memoryview(self._memory)
        self.numbers: memoryview[float] = view.cast("d")
        self._used_view = view[: _USED.size].cast("i")

    @property
    def _used(self) -> int:
        return self._used_view[0]

    @_used.setter
    def _used(self, used: int) -> None:
        self._used_view[0] = used
