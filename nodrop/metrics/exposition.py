"""What /metrics answers: the workers' metrics added up, the application's own, and those of the server's processes.

A family is served once. Where the application has one by the name of one of ours, ours is served: its own prevails on
a route of its own, if it has one.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from prometheus_client import Metric, PlatformCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Exemplar, Sample

from nodrop.health.worker_state import WorkerState
from nodrop.metrics.archive import Archive
from nodrop.metrics.process_usage import Processes
from nodrop.metrics.saturation import Saturation
from nodrop.system.addresses import BACKLOG
from nodrop.system.runtime_folder import BACKLOG_FILE, OWN_METRICS, WORKER_STARTS

MERGE_SECONDS = 1.0
_log = logging.getLogger(__name__)

_Series = tuple[str, tuple[tuple[str, str], ...]]  # name and sorted labels


class Exposition:
    """The metrics of the server whose folder is `folder`.

    address, port: the application's; master: gunicorn's master, by its process id.
    """

    def __init__(self, folder: Path, state: WorkerState, *, address: str, port: int, master: int) -> None:
        self._folder = folder
        self._own = Archive(folder / "metrics" / OWN_METRICS)
        self._applications = Archive(folder / "metrics")
        self._server = (
            Saturation(state, address, port, backlog=_backlog(folder)),
            Processes(lambda: [master, os.getppid(), os.getpid(), *(worker.pid for worker in state.workers())]),
            PlatformCollector(registry=None),
        )

    def start_merging(self) -> None:
        """Merge the values of dead workers from now on, in the background."""
        threading.Thread(target=self._merge_for_ever, name="merge", daemon=True).start()

    def _merge_for_ever(self) -> None:
        while True:
            try:
                for archive in (self._own, self._applications):
                    while archive.merge():
                        pass
            except Exception as error:
                if not self._folder.exists():
                    # The master was killed, and the next server has removed what it left.
                    return
                # Nothing is lost: what could not be merged is read as it is, and tried again.
                _log.error("can't merge the metrics of dead workers", exc_info=error)
                time.sleep(10 * MERGE_SECONDS)
            time.sleep(MERGE_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        seen = set()
        for family in self._families():
            if family.name not in seen:
                seen.add(family.name)
                yield family

    def _families(self) -> Iterator[Metric]:
        with self._own.lock:
            own = _read(self._own)
            exemplars = _exemplars(self._own)
        yield from (_with_exemplars(family, exemplars) for family in own)
        for collector in self._server:
            yield from collector.collect()
        yield _build_info()
        yield from self._worker_starts()
        with self._applications.lock:
            applications = _read(self._applications)
        yield from applications

    def _worker_starts(self) -> Iterator[Metric]:
        try:
            starts = int((self._folder / WORKER_STARTS).read_text())
        except FileNotFoundError:
            return
        yield CounterMetricFamily("nodrop_worker_starts", "Workers started since the server started", value=starts)


@cache
def _build_info() -> Metric:
    # By the first scrape, not at the start, which has better uses for the 5 ms that the versions take.
    labels = {
        "version": os.environ.get("APP_VERSION", ""),
        "revision": os.environ.get("APP_REVISION", ""),
        "python": platform.python_version(),
        "flask": version("flask"),
        "gunicorn": version("gunicorn"),
    }
    family = GaugeMetricFamily(
        "nodrop_build_info",
        "Always 1; the labels are the versions of the application and of what serves it",
        labels=list(labels),
    )
    family.add_metric(list(labels.values()), 1)
    return family


def _read(archive: Archive) -> list[Metric]:
    files = [str(path) for path in archive.files()]
    return list(MultiProcessCollector.merge(files, accumulate=True))  # type: ignore[no-untyped-call]


def _exemplars(archive: Archive) -> dict[_Series, Exemplar]:
    """Of each series of a histogram that has one, the latest exemplar."""
    found: dict[_Series, Exemplar] = {}
    for path in archive.files(".json"):
        for key, exemplar in json.loads(path.read_text()).items():
            _, name, labels, _ = json.loads(key)
            series, latest = _series(name, labels), Exemplar(*exemplar)
            if series not in found or (found[series].timestamp or 0) < (latest.timestamp or 0):  # type: ignore[operator]
                found[series] = latest
    return found


def _with_exemplars(family: Metric, exemplars: dict[_Series, Exemplar]) -> Metric:
    if exemplars and family.type == "histogram":
        family.samples = list(_joined(family.samples, exemplars))
    return family


def _joined(samples: Iterable[Sample], exemplars: dict[_Series, Exemplar]) -> Iterator[Sample]:
    for sample in samples:
        exemplar = exemplars.get(_series(sample.name, sample.labels))
        yield sample._replace(exemplar=exemplar) if exemplar else sample


def _series(name: str, labels: dict[str, str]) -> _Series:
    return name, tuple(sorted(labels.items()))


def _backlog(folder: Path) -> int:
    try:
        return int((folder / BACKLOG_FILE).read_text())
    except FileNotFoundError:  # Nobody listens: a test's.
        return BACKLOG
