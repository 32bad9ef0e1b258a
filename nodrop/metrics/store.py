"""Where the values of the serving layer's own metrics are kept: files of their own, one set for each worker.

prometheus_client keeps every value of a process in one file for each type, under the metric's name. An application
that uses prometheus-flask-exporter itself has metrics of the same names as ours, and the two would overwrite each
other there. So ours go into a folder of their own, in the same format; and with exemplars, which prometheus_client's
files can't hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.samples import Exemplar

from nodrop.metrics.value_file import ValueFile
from nodrop.system import children
from nodrop.system.runtime_folder import OWN_METRICS

EXEMPLAR_SECONDS = 1.0
"""How often a worker writes its exemplars at most."""


class ValueStore:
    """The files of this process in `folder`, which must exist."""

    def __init__(self, folder: Path) -> None:
        self.lock = threading.Lock()
        """Held while numbers are changed. One of its own in each process: look it up each time."""
        self._folder = folder
        self._files: dict[str, ValueFile] = {}
        self._exemplars: dict[str, Exemplar] = {}
        self._exemplars_written = float("-inf")
        self.is_open = not children.is_child
        """Whether what is counted goes to the files."""
        children.when_forked(self._detach)

    def _detach(self) -> None:
        """In a child process, which answers no requests: count for nobody. The files are the worker's.

        The application's own metrics are prometheus_client's affair, which gives the child files of its own.
        """
        self.is_open = False
        self.lock = threading.Lock()

    def file(self, kind: str) -> ValueFile:
        """The file for values of one kind: counter, histogram, or gauge with its mode."""
        if kind not in self._files:
            self._files[kind] = ValueFile(self._folder / f"{kind}_{os.getpid()}.db")
        return self._files[kind]

    def close(self) -> None:
        """Let go of the files; nothing can be counted any more. A worker never does: they end with it."""
        self.is_open = False
        self._files.clear()

    def note(self, key: str, exemplar: Exemplar) -> None:
        """Keep the last exemplar of the series with this key; a second later at most all of them are in the file.

        The request that is due writes them, so nothing is written while nothing is traced.
        """
        with self.lock:
            if not self.is_open:
                return
            self._exemplars[key] = exemplar
            now = time.monotonic()
            if now - self._exemplars_written < EXEMPLAR_SECONDS:
                return
            self._exemplars_written = now
            text = json.dumps(self._exemplars)
            # Under a name that nobody reads until it is whole.
            new = self._folder / f".exemplars_{os.getpid()}"
            # A full disk must not cost the request that is just being counted its answer.
            with contextlib.suppress(OSError):
                new.write_text(text)
                new.rename(self._folder / f"exemplars_{os.getpid()}.json")


def own_store() -> ValueStore:
    """The store of the serving layer's own metrics in this process, in the folder that nodrop/gunicorn.py has made."""
    return _store_of(os.environ["PROMETHEUS_MULTIPROC_DIR"], os.getpid())


@cache
def _store_of(folder: str, pid: int) -> ValueStore:  # noqa: ARG001 - a fork has files of its own
    return ValueStore(Path(folder) / OWN_METRICS)


class StoredValue:
    """One number of a ValueStore, with the interface of prometheus_client's values."""

    def __init__(
        self,
        store: ValueStore,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
    ) -> None:
        self.name = name
        self.labels = tuple(labelvalues)
        self.key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._store = store
        # Nobody's, if it is made in a child.
        self.numbers: memoryview[float] = memoryview(bytearray(16)).cast("d")
        self.at = 0
        if not store.is_open:
            return
        with store.lock:
            # A worker that got the process id of a dead one goes on counting in its file, if that is still there; what
            # the dead one had in flight is gone.
            self.numbers, self.at = store.file(f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ).slot(self.key)
            if typ == "gauge":
                self.numbers[self.at] = 0.0

    def inc(self, amount: float) -> None:
        """Add `amount`."""
        store = self._store
        with store.lock:
            if store.is_open:
                self.numbers[self.at] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the number."""
        store = self._store
        with store.lock:
            if store.is_open:
                self.numbers[self.at + 1] = timestamp or 0.0
                self.numbers[self.at] = value

    def get(self) -> float:
        """The number."""
        return float(self.numbers[self.at])

    def set_exemplar(self, exemplar: Exemplar) -> None:
        """Keep the last one."""
        self._store.note(self.key, exemplar)

    def get_exemplar(self) -> None:
        """None: exemplars are read from the file, by the management process."""


class StoredHistogram:
    """The numbers of one label set of a histogram, to observe several of them at once."""

    __slots__ = ("_at", "_bounds", "_buckets", "_numbers", "_sum")

    def __init__(self, values: Sequence[StoredValue]) -> None:
        """values: those that were made for the label set."""
        (total,) = (each for each in values if each.name.endswith("_sum"))
        self._buckets = [each for each in values if each.name.endswith("_bucket")]
        self._bounds = [float(each.labels[-1]) for each in self._buckets]
        self._at = [each.at for each in self._buckets]
        # The last, in which all of them are.
        self._numbers, self._sum = values[-1].numbers, total.at

    def observe(self, amount: float) -> None:
        """Count `amount`. With the store's lock, while the store is open."""
        numbers = self._numbers
        numbers[self._at[bisect_left(self._bounds, amount)]] += 1.0
        numbers[self._sum] += amount

    def set_exemplar(self, amount: float, labels: dict[str, str]) -> None:
        """Keep the last one of the bucket that counts `amount`. Without the lock."""
        bucket = self._buckets[bisect_left(self._bounds, amount)]
        bucket.set_exemplar(Exemplar(labels, amount, time.time()))


class _Making(threading.local):
    store: ValueStore | None = None
    values: list[StoredValue]


_making = _Making()


@contextmanager
def kept_in(store: ValueStore) -> Iterator[list[StoredValue]]:
    """Metrics and label sets that this thread makes inside the block keep their values, which it gives, in `store`."""
    _divert()
    _making.store, _making.values = store, []
    try:
        yield _making.values
    finally:
        _making.store = None


def _divert() -> None:
    """Let kept_in() have its say in which values prometheus_client makes. Threads outside of it notice nothing."""
    usual: Any = values.ValueClass
    if getattr(usual, "diverts", False):
        return

    class Value(usual):  # type: ignore[misc]  # a subclass, since libraries look at attributes of the class
        diverts = True

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if _making.store is None:
                return super().__new__(cls)
            value = StoredValue(_making.store, *args, **kwargs)
            _making.values.append(value)
            return value

    values.ValueClass = Value
