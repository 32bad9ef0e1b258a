"""Measures an application: several starts, requests one at a time, requests of several clients at once, memory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from delivery.sizing.figures import Burst, Figures, MemoryUse, Series, Skipped
from delivery.sizing.measuring.http_client import REQUEST_SECONDS, Answer, Client, at_once, in_turn
from delivery.sizing.measuring.processes import Memory, Usage, memory, usage
from delivery.sizing.measuring.routes import harmless
from delivery.sizing.serving.server import THREADS, Application, Place, Server, serving, told_routes
from delivery.sizing.unmeasurable import Unmeasurable

CLIENTS = THREADS
"""At once."""
IDLE_SECONDS = 0.5
SERIES_SECONDS = 20.0
BURST_SECONDS = 10.0
STARTS_SECONDS = 60.0
"""After which there is only one more start, the one that is measured."""


@dataclass(frozen=True)
class Wanted:
    """How to measure."""

    paths: tuple[str, ...] = ()
    """To ask for; if there are none, `/`, `health` and the routes that the application declares."""
    health: str = ""
    """A path that answers 200 when the application works; empty if none is known."""
    requests: int = 200
    """One at a time, and as many again at once."""
    starts: int = 3
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of every request, such as a session's cookie."""


def measure(application: Application, wanted: Wanted, place: Place) -> Figures:
    """Start the application several times, and measure it. Raises Unmeasurable."""
    began = time.perf_counter()
    routes = place.folder / "routes.json"
    with serving(application, place, routes=routes) as server:
        starts = [server.start]
        paths, skipped = _answered(server, wanted, routes)
    while len(starts) < wanted.starts - 1 and time.perf_counter() - began < STARTS_SECONDS:
        with serving(application, place) as server:
            starts.append(server.start)
    with serving(application, place) as server:
        figures = _requests(server, wanted, paths)
        return replace(figures, starts=(*starts, server.start), skipped=tuple(skipped))


def _answered(server: Server, wanted: Wanted, routes: Path) -> tuple[list[str], list[Skipped]]:
    """The paths that the application answers 2xx. Raises Unmeasurable if there are none."""
    candidates, skipped = list(wanted.paths), list[Skipped]()
    if not candidates:
        declared, skipped = harmless(told_routes(routes))
        candidates = list(dict.fromkeys(["/", *filter(None, [wanted.health]), *declared]))
    client = Client(server.port, wanted.headers)
    found = []
    for path in candidates:
        if why := _problem(client.get(path)):
            skipped.append(Skipped(path, why))
        else:
            found.append(path)
    client.close()
    if not found:
        raise _nothing_answered(skipped)
    return found, skipped


def _problem(answer: Answer) -> str:
    """Why a path can't be measured; empty if it can."""
    if answer.stream:
        return f"streams, or takes longer than {REQUEST_SECONDS:.0f} s"
    if answer.status in (401, 403):
        return f"answered {answer.status}: it requires authentication"
    if 300 <= answer.status < 400:
        login = any(word in answer.location.lower() for word in ("login", "signin", "sign-in", "sign_in", "auth"))
        return f"answered {answer.status}: redirects to {answer.location}" + (", a login" if login else "")
    return "" if answer.succeeded else f"answered {answer.status}"


def _nothing_answered(skipped: Sequence[Skipped]) -> Unmeasurable:
    reasons = "; ".join(f"{each.path}: {each.why}" for each in skipped)
    remedy = "set paths that it answers: --url /path"
    if any("authentication" in each.why or each.why.endswith("a login") for each in skipped):
        remedy = "log in with a browser and pass its session: --header 'Cookie: session=...'; or " + remedy
    elif any("redirects to https:" in each.why for each in skipped):
        remedy = (
            "mark the requests as HTTPS: --header 'X-Forwarded-Proto: https', and set TRUSTED_PROXIES=1; or " + remedy
        )
    return Unmeasurable(f"no path answered 2xx ({reasons})", remedy)


# --- The server that is measured -------------------------------------------------------------------------------------


class _Meter:
    """Reads what the server uses."""

    def __init__(self, server: Server) -> None:
        self._pid = server.pid
        self._before = usage(self._pid)
        self._began = time.perf_counter()
        self.idle = 0.0
        """CPU time a second that is used without requests, and is no request's."""

    def lap(self) -> Usage | None:
        """What was used since the last lap, without what is used while idle."""
        used, now = usage(self._pid), time.perf_counter()
        if used is None or self._before is None:
            return None
        since = used.since(self._before)
        lap = Usage(max(0.0, since.cpu - self.idle * (now - self._began)), since.delay)
        self._before, self._began = used, now
        return lap

    def memory(self) -> Memory | None:
        """As it is now."""
        return memory(self._pid)


def _requests(server: Server, wanted: Wanted, paths: Sequence[str]) -> Figures:
    """Measure a server that has just become ready."""
    started = memory(server.pid)
    meter = _Meter(server)
    time.sleep(IDLE_SECONDS)
    idle = meter.lap()
    meter.idle = idle.cpu / IDLE_SECONDS if idle else 0.0
    series, answers, half = _one_at_a_time(server, wanted, paths, meter)
    alone = meter.memory()
    burst, burst_answers = _burst(server, wanted, paths, meter)
    served = meter.memory()
    later = sum(len(each.seconds) for each in series) // 2
    use = None
    if started and half and alone and served:
        growth = (alone.pss - half.pss) / later
        use = MemoryUse(started.pss, served.pss, served.peak, max(0, served.peak - alone.peak), growth, later)
    return Figures(
        starts=(),
        series=tuple(series),
        burst=burst,
        memory=use,
        idle=meter.idle if idle else None,
        failed=sum(not each.succeeded for each in [*answers, *burst_answers]),
    )


def _one_at_a_time(
    server: Server, wanted: Wanted, paths: Sequence[str], meter: _Meter
) -> tuple[list[Series], list[Answer], Memory | None]:
    """The series of each path, in two halves; all answers; and the memory between the halves."""
    client = Client(server.port, wanted.headers)
    number = max(1, wanted.requests // len(paths) // 2)
    seconds = SERIES_SECONDS / len(paths) / 2
    halves: list[dict[str, tuple[list[Answer], Usage | None]]] = []
    between = None
    for _ in range(2):
        between = meter.memory()
        half = {}
        for path in paths:
            answers = in_turn(client, path, number, seconds)
            half[path] = answers, meter.lap()
        halves.append(half)
    client.close()
    series = [_joined(path, [half[path] for half in halves]) for path in paths]
    return series, [answer for half in halves for answers, _ in half.values() for answer in answers], between


def _joined(path: str, halves: Sequence[tuple[list[Answer], Usage | None]]) -> Series:
    seconds = tuple(answer.seconds for answers, _ in halves for answer in answers)
    used = [usage for _, usage in halves if usage]
    if not used:
        return Series(path, seconds, None)
    number = len(seconds)
    return Series(path, seconds, sum(each.cpu for each in used) / number, sum(each.delay for each in used) / number)


def _burst(server: Server, wanted: Wanted, paths: Sequence[str], meter: _Meter) -> tuple[Burst, list[Answer]]:
    began = time.perf_counter()
    answers = at_once(
        server.port,
        wanted.headers,
        paths,
        clients=CLIENTS,
        number=max(wanted.requests, 2 * CLIENTS),
        seconds=BURST_SECONDS,
    )
    seconds = time.perf_counter() - began
    used = meter.lap()
    slowest = max(answer.seconds for answer in answers)
    return Burst(CLIENTS, len(answers), seconds, slowest, used.cpu / len(answers) if used else None), answers
