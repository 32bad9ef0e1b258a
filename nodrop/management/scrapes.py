"""Scrapes of /metrics: rendered in a thread, at most once a second, and shared by all who ask meanwhile.

To read and to write some thousand samples takes tens of milliseconds. Ten scrapers, or one that asks all the time,
would keep a core busy that the application needs and make the autoscaler add pods. So what was collected is kept for a
second; and since a scraper can ask for the same samples in any number of ways (`name[]=`, formats), rendering as a
whole is held to a fifth of a core. Probes never wait for any of it. What a scraper asks for is read by the loop, which
answers the probes too, so it has to be short.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted

from nodrop.management.responses import Response, line

KEEP_SECONDS = 1.0
SHARE = 0.2
"""Of a core, that rendering may use, as long as it takes less than a quarter of a second."""

QUERY_BYTES = 1024
PARAMETERS = 50
"""The most that a scrape's query may have; 50 names of samples, say."""
HEADER_BYTES = 1024
"""The most that Accept and Accept-Encoding may have, each. Prometheus sends some 300."""

Reply = Callable[[Response], None]
"""Sends a response."""
Encoder = Callable[[Any], bytes]
_log = logging.getLogger(__name__)


class TooMuchError(Exception):
    """A scrape asks for more than is looked at."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Collector(Protocol):
    """What has the metrics."""

    def collect(self) -> Iterable[Metric]:
        """Read them."""


@dataclass(frozen=True)
class Scrape:
    """What a scraper asks for. Scrapes that are equal have the same answer."""

    names: frozenset[str]
    """Of the samples that are wanted; empty: all of them."""
    content_type: str
    encode: Encoder = field(compare=False)
    """Writes what has collect() in the format that content_type names."""
    compressed: bool

    @classmethod
    def of(cls, query: str, accept: str, accept_encoding: str) -> Scrape:
        """What is asked for with this query string and these headers. `name[]=` asks for samples by their name.

        Raises TooMuchError, before any of it is parsed.
        """
        if len(query) > QUERY_BYTES or query.count("&") >= PARAMETERS:
            why = f"a query of at most {QUERY_BYTES} bytes and {PARAMETERS} parameters is answered"
            raise TooMuchError(HTTPStatus.REQUEST_URI_TOO_LONG, why)
        if max(len(accept), len(accept_encoding)) > HEADER_BYTES:
            why = f"Accept and Accept-Encoding may have at most {HEADER_BYTES} bytes each"
            raise TooMuchError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, why)
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:
            # A version that is not a number, which prometheus_client can't compare.
            encode, content_type = choose_encoder("")
        names = frozenset(parse_qs(query).get("name[]", []))
        return cls(names, content_type, encode, gzip_accepted(accept_encoding))

    def render(self, families: list[Metric]) -> Response:
        """The answer, out of these metrics."""
        body = self.encode(_Collected(_restricted(families, self.names) if self.names else families))
        headers = {"Content-Type": self.content_type, "Vary": "Accept, Accept-Encoding"}
        if self.compressed:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return Response(HTTPStatus.OK, body, headers)


def _restricted(families: Iterable[Metric], names: frozenset[str]) -> list[Metric]:
    """The samples with these names, as a registry of prometheus_client 0.25 gives them out; older ones can't."""
    chosen = []
    for family in families:
        if samples := [sample for sample in family.samples if sample.name in names]:
            part = Metric(family.name, family.documentation, family.type, family.unit)
            part.samples = samples
            chosen.append(part)
    return chosen


class _Collected:
    """A registry, as encoders see it, of what was collected before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


class Scrapes:
    """Answers scrapes. All methods are the loop's, and return at once."""

    def __init__(self, collector: Collector, wake: Callable[[], None]) -> None:
        """wake: makes the loop call `deliver`, from another thread."""
        self._collector = collector
        self._wake = wake
        self._changed = threading.Condition()
        """Guards what follows."""
        self._waiting: dict[Scrape, list[Reply]] = {}
        self._rendered: deque[tuple[Scrape, Response]] = deque()
        # What was collected, when, by time.monotonic(), and the answers that were made of it.
        self._families: list[Metric] = []
        self._collected = float("-inf")
        self._kept: dict[Scrape, Response] = {}

    def start(self) -> None:
        """Begin to render, in a thread of its own."""
        threading.Thread(target=self._render_for_ever, name="scrapes", daemon=True).start()

    def ask(self, scrape: Scrape, reply: Reply) -> None:
        """Answer the scrape by calling `reply`: at once with what is kept, or later, in `deliver`."""
        with self._changed:
            kept = self._kept.get(scrape) if self._is_fresh() else None
            if not kept:
                self._waiting.setdefault(scrape, []).append(reply)
                self._changed.notify()
        if kept:
            reply(kept)

    def forget(self, reply: Reply) -> None:
        """Nobody waits for this reply any more."""
        with self._changed:
            for scrape, replies in list(self._waiting.items()):
                if reply in replies:
                    replies.remove(reply)
                    if not replies:
                        del self._waiting[scrape]

    def deliver(self) -> None:
        """Reply with what has been rendered."""
        ready = []
        with self._changed:
            while self._rendered:
                scrape, response = self._rendered.popleft()
                ready += [(reply, response) for reply in self._waiting.pop(scrape, [])]
        for reply, response in ready:
            reply(response)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._collected < KEEP_SECONDS

    # --- The thread --------------------------------------------------------------------------------------------------

    def _render_for_ever(self) -> None:
        began = time.thread_time()
        while True:
            with self._changed:
                self._changed.wait_for(self._next)
                scrape = self._next()
            if not scrape:
                continue
            response = self._render(scrape)
            with self._changed:
                self._rendered.append((scrape, response))
            self._wake()
            now = time.thread_time()
            # What it costs to sleep and to be woken counts for the next, or many small scrapes would take more.
            used, began = now - began, now
            time.sleep(min(KEEP_SECONDS, used * (1 / SHARE - 1)))

    def _next(self) -> Scrape | None:
        """What is to be rendered next: scrapes of everything first, since few differ and most have come for them."""
        rendered = {scrape for scrape, _ in self._rendered}
        waiting = [scrape for scrape in self._waiting if scrape not in rendered]
        return min(waiting, key=lambda scrape: bool(scrape.names), default=None)

    def _render(self, scrape: Scrape) -> Response:
        try:
            if not self._is_fresh():
                collected, families = time.monotonic(), list(self._collector.collect())
                with self._changed:
                    self._collected, self._families, self._kept = collected, families, {}
            response = scrape.render(self._families)
        except Exception:
            _log.exception("the metrics can't be rendered")
            return line(HTTPStatus.INTERNAL_SERVER_ERROR, "the metrics can't be rendered: the log says why")
        with self._changed:
            self._kept[scrape] = response
        return response
