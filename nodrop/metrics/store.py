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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.samples import Exemplar

from nodrop.system import children
from nodrop.system.runtime_folder import OWN_METRICS

EXEMPLAR_SECONDS = 1.0
"""How often a worker writes its exemplars at most."""


class ValueStore:
    """The files of this process in `folder`, which must exist."""

    def __init__(self, folder: Path) -> None:
        self.lock = threading.Lock()
        self._folder = folder
        self._files: dict[str, MmapedDict] = {}
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

    def file(self, kind: str) -> MmapedDict:
        """The file for values of one kind: counter, histogram, or gauge with its mode."""
        if kind not in self._files:
            self._files[kind] = MmapedDict(str(self._folder / f"{kind}_{os.getpid()}.db"))  # type: ignore[no-untyped-call]
        return self._files[kind]

    def close(self) -> None:
        """Close the files; nothing can be counted any more. A worker never does: they end with it."""
        for file in self._files.values():
            file.close()  # type: ignore[no-untyped-call]

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
        self._store = store
        self._key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._value = 0.0
        if not store.is_open:
            return
        with store.lock:
            self._file = store.file(f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ)
            # A worker that got the process id of a dead one goes on counting in its file, if that is still there; what
            # the dead one had in flight is gone.
            self._value = 0.0 if typ == "gauge" else self._file.read_value(self._key)[0]  # type: ignore[no-untyped-call]

    def inc(self, amount: float) -> None:
        """Add `amount`."""
        with self._store.lock:
            self._value += amount
            if self._store.is_open:
                self._file.write_value(self._key, self._value, 0.0)  # type: ignore[no-untyped-call]

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the number."""
        with self._store.lock:
            self._value = value
            if self._store.is_open:
                self._file.write_value(self._key, value, timestamp or 0.0)  # type: ignore[no-untyped-call]

    def get(self) -> float:
        """The number."""
        return self._value

    def set_exemplar(self, exemplar: Exemplar) -> None:
        """Keep the last one."""
        self._store.note(self._key, exemplar)

    def get_exemplar(self) -> None:
        """None: exemplars are read from the file, by the management process."""


_making = threading.local()


@contextmanager
def kept_in(store: ValueStore) -> Iterator[None]:
    """Metrics and label sets that this thread makes inside the block keep their values in `store`."""
    _divert()
    _making.store = store
    try:
        yield
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
            store = getattr(_making, "store", None)
            return StoredValue(store, *args, **kwargs) if store else super().__new__(cls)

    values.ValueClass = Value
