"""What /metrics answers: the workers' metrics added up, the application's own, and those of the server's processes.

A family is served once. Where the application has one by the name of one of ours, ours is served: its own prevails on
a route of its own, if it has one.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, Metric, PlatformCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import RestrictedRegistry
from prometheus_client.samples import Exemplar, Sample

from nodrop.health.worker_state import WorkerState
from nodrop.metrics.archive import Archive
from nodrop.metrics.processes import Processes
from nodrop.metrics.saturation import Saturation
from nodrop.server.addresses import BACKLOG
from nodrop.server.runtime_folder import BACKLOG_FILE, OWN_METRICS, WORKER_STARTS

MERGE_SECONDS = 1.0

_Series = tuple[str, tuple[tuple[str, str], ...]]  # name and sorted labels


class Exposition:
    """The metrics of the server whose folder is `folder`.

    address, port: the application's; master: gunicorn's master, by its process id. `registry` is what is served.
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
        self._build = _build_info()
        # Without names, since they are known only when the files are read; `?name[]=` filters all the same.
        self.registry = CollectorRegistry(support_collectors_without_names=True)
        self.registry.register(self)

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
                # Nothing is lost: what could not be merged is read as it is, and tried again.
                entry = {"level": "error", "logger": __name__, "message": "can't merge the metrics of dead workers"}
                print(json.dumps({**entry, "error": repr(error)}), flush=True)
                time.sleep(10 * MERGE_SECONDS)
            time.sleep(MERGE_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        seen = set()
        for family in self._families():
            if family.name not in seen:
                seen.add(family.name)
                yield family

    def answer(self, query: str, accept: str, accept_encoding: str) -> tuple[dict[str, str], bytes]:
        """Headers and body for a scrape with this query string and these headers.

        `name[]=` in the query, any number of times, asks for the samples of these names only.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:
            # A version that is not a number, which prometheus_client can't compare.
            encode, content_type = choose_encoder("")
        names = parse_qs(query).get("name[]")
        registry: CollectorRegistry | RestrictedRegistry = self.registry
        if names:
            registry = self.registry.restricted_registry(names)
        body = encode(registry)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip_accepted(accept_encoding):
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return headers, body

    def _families(self) -> Iterator[Metric]:
        with self._own.lock:
            own = _read(self._own)
            exemplars = _exemplars(self._own)
        yield from (_with_exemplars(family, exemplars) for family in own)
        for collector in self._server:
            yield from collector.collect()
        yield self._build
        yield from self._worker_starts()
        with self._applications.lock:
            applications = _read(self._applications)
        yield from applications

    def _worker_starts(self) -> Iterator[Metric]:
        try:
            starts = int((self._folder / WORKER_STARTS).read_text())
        except FileNotFoundError:
            return
        yield CounterMetricFamily("nodrop_worker_starts", "Workers that have been started", value=starts)


def _build_info() -> Metric:
    labels = {
        "version": os.environ.get("APP_VERSION", ""),
        "revision": os.environ.get("APP_REVISION", ""),
        "python": platform.python_version(),
        "flask": version("flask"),
        "gunicorn": version("gunicorn"),
    }
    family = GaugeMetricFamily("nodrop_build_info", "What is served, and by what", labels=list(labels))
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
