"""The values of dead processes, merged into one set of files, so that sums survive and scrapes stay fast.

prometheus_client leaves a few files for every process that ever was: after a thousand restarts a scrape reads
thousands. Here they are added to an archive, one file for each kind of metric, and removed. The files are in memory,
so what has to be survived is a killed process, not a power cut. That nothing is lost or counted twice rests on this:

- A dead process's file is first moved aside, to a name that no process opens, and merged only when its process id is
  free after that. So a new process with the same id can't be writing to what is merged.
- The new archive and the list of files that it replaces are written beside the old ones. One rename of that list, the
  journal, decides: without it the new archive is void, with it the step is finished, by whoever starts next.

MultiProcessCollector.merge(accumulate=False) would merge too, but loses the times by which `mostrecent` gauges are
told apart.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from nodrop.system.processes import is_alive

BATCH = 30
"""Files that are merged in one go, within some 10 ms: for so long a scrape may have to wait."""
_FILE = re.compile(r"(?P<kind>[a-z_]+)_(?P<pid>[0-9]+)(?P<aside>-[0-9]+)?\.(db|json)")
# What a process has open, or says of itself, means nothing after it. `all` is a series for each process id: without
# end, if those of the dead were kept.
_OF_THE_LIVING = ("gauge_live", "gauge_all", "exemplars")

_Values = dict[str, tuple[float, float]]  # value and time by key


class Archive:
    """The value files in one folder, of the living and the dead. For one process, and any number of threads."""

    def __init__(self, folder: Path, is_alive: Callable[[int], bool] = is_alive) -> None:
        """Finish or undo what a killed predecessor had begun. is_alive: of a process id; for tests."""
        self.lock = threading.Lock()
        """Held while files are replaced: hold it to read what files() names."""
        self._folder = folder
        self._is_alive = is_alive
        self._journal = folder / "archive.journal"
        self._recover()

    def files(self, suffix: str = ".db") -> list[Path]:
        """The files that count now: the archive, and those not merged yet. Hold `lock`."""
        return [
            path
            for path in self._folder.glob(f"*{suffix}")
            # An empty one was just made, and has not a value yet.
            if _size(path) and not self._is_over(path)
        ]

    def merge(self) -> bool:
        """Merge up to BATCH files of dead processes; whether there were any."""
        with self.lock:
            # Of this process too, if it could not write.
            self._recover()
            dead = self._dead_files()
            if not dead:
                return False
            by_kind: dict[str, list[Path]] = defaultdict(list)
            for kind, path in dead:
                by_kind[kind].append(path)
            for kind, paths in by_kind.items():
                if not kind.startswith(_OF_THE_LIVING):
                    self._write_new(kind, [self._folder / f"{kind}_archive.db", *paths])
            new = self._journal.with_suffix(".tmp")
            new.write_text(json.dumps([path.name for _, path in dead]))
            new.rename(self._journal)
            self._finish()
            return True

    def _dead_files(self) -> list[tuple[str, Path]]:
        """Up to BATCH files of dead processes that nobody can have open, with their kinds."""
        found = []
        for path in self._folder.iterdir():
            match = _FILE.fullmatch(path.name)
            if not match or self._is_alive(int(match["pid"])):
                continue
            aside = path
            if not match["aside"]:
                aside = path.with_stem(f"{path.stem}-{time.time_ns()}")
                try:
                    path.rename(aside)
                except FileNotFoundError:
                    continue  # gunicorn's master removes live gauges itself.
                if self._is_alive(int(match["pid"])):
                    continue  # A new process, which may have opened it before it was moved: it counts as it is.
            found.append((match["kind"], aside))
            if len(found) == BATCH:
                break
        return found

    def _write_new(self, kind: str, paths: list[Path]) -> None:
        values = _added_up(kind, [path for path in paths if _size(path)])
        file = MmapedDict(str(self._folder / f"{kind}_archive.new"))  # type: ignore[no-untyped-call]
        for key, (value, timestamp) in values.items():
            file.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
        file.close()  # type: ignore[no-untyped-call]

    def _finish(self) -> None:
        for new in self._folder.glob("*_archive.new"):
            new.rename(new.with_suffix(".db"))
        for name in json.loads(self._journal.read_text()):
            (self._folder / name).unlink(missing_ok=True)
        self._journal.unlink()

    def _recover(self) -> None:
        if self._journal.exists():
            self._finish()
        for new in self._folder.glob("*_archive.new"):
            new.unlink()

    def _is_over(self, path: Path) -> bool:
        """Whether it means nothing any more, since its process is dead."""
        match = _FILE.fullmatch(path.name)
        if not match or not match["kind"].startswith(_OF_THE_LIVING):
            return False
        return bool(match["aside"]) or not self._is_alive(int(match["pid"]))


def _added_up(kind: str, paths: list[Path]) -> _Values:
    values: _Values = {}
    for path in paths:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(path):  # type: ignore[no-untyped-call]
            values[key] = _merged(kind, values[key], (value, timestamp)) if key in values else (value, timestamp)
    return values


def _merged(kind: str, one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    if kind == "gauge_mostrecent":
        return max(one, other, key=lambda entry: entry[1])
    if kind == "gauge_max":
        return max(one, other)
    if kind == "gauge_min":
        return min(one, other)
    return one[0] + other[0], 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
