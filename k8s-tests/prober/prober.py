"""Sends requests at a constant rate and records every one of them. Runs in the cluster, needs only Python on Linux.

Open loop: request number i is due at start + i / rate, whether earlier ones have been answered or not, so a slow
server can't slow the prober down and hide what its clients would have waited (coordinated omission). Each request is
sent once. There are no retries.

One prober sends one kind of request; the kinds are in traffic.py. Kept connections are POOL of them in turn, as
browsers, proxies and connection pools have them. One that the server has closed before a request is sent on it is
thrown away and another one taken, which is what HTTP expects of clients (RFC 9112 section 9.3); once a request has been
sent, whatever happens to it is its result.

A request counts as answered when its check passes (check.py: the example's echo of this very request, or what the
command line expects of another application); otherwise as failed, with the class of what went wrong in `error`:

    unresolved                      the name was not found, where it is looked up for each connection
    refused, unreachable, reset     what connecting or sending met
    closed                          the connection ended before the whole answer
    timeout                         no whole answer within --timeout seconds of when it was due
    status-<code>, body             the wrong answer
    not-http, too-long              what came was no answer
    not-sent                        --max-in-flight requests were in flight, or the prober had run out of something else
    internal                        the prober itself failed

Bounds: it sends to one host, whose name is looked up once or, with --look-up, for each connection; at most
rate * --max-seconds requests, of which at most --max-in-flight are in flight at once.

Results go to a folder: `records.jsonl`, one array a request in the order of Record's fields; then `done`, which holds
the number of requests that were due, so that missing records can't pass for requests that were not. The prober
stops when a file `stop` appears there, or after --max-seconds; then it waits for those in flight, and stays until
it is killed, so that the results can be fetched.

One thread, and epoll without a framework on top: it takes some 60 % of the CPU time of asyncio's
streams, and the processor is the cluster's too (bench/parts/probers.py).
"""

import argparse
import gc
import math
import re
import resource
import secrets
import select
import signal
import sys
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from answer import AnswerReader
from check import Check, EchoCheck, PatternCheck
from connection import EVENTS, Connection
from record import Failure, Record, line
from resolver import MAX_UNDER_WAY, Resolver, Where, look_up
from traffic import BODY_BYTES, KINDS, SLOW_MS, Kind, Request, Traffic

__all__ = ["Prober", "Record", "arguments_parser"]

STOP_CHECK_SECONDS = 0.1
PROGRESS_SECONDS = 5.0
POOL = 20
MAX_IN_FLIGHT = 4096
# How long an answered connection waits for the server to close it. The side that closes first keeps the port for a
# minute, and at 500 connections a second a prober that did would run out of ports in that time.
LINGER_SECONDS = 1.0
# Beside those of connections: the records, the standard streams, epoll and what Python opens.
OTHER_FILES = 32


class Exchange:
    """A request in flight."""

    __slots__ = ("connection", "first_byte", "over", "reader", "request", "scheduled", "sent")

    def __init__(self, request: Request, scheduled: float, sent: float, reader: AnswerReader) -> None:
        self.request, self.scheduled, self.sent, self.reader = request, scheduled, sent, reader
        self.first_byte = 0.0
        self.over = False
        self.connection: Connection | None = None


class Prober:
    """Sends and records. One instance is one run.

    where: to connect to; a Resolver is asked anew for each connection.
    timeout: seconds from when a request is due.
    """

    def __init__(
        self,
        where: Where | Resolver,
        traffic: Traffic,
        check: Check,
        *,
        rate: float,
        timeout: float,
        max_in_flight: int = MAX_IN_FLIGHT,
        results: Path,
    ) -> None:
        self.where, self.traffic, self.check = where, traffic, check
        self.rate, self.timeout, self.max_in_flight, self.results = rate, timeout, max_in_flight, results
        # Seconds since the epoch that never jump: the monotonic clock, set once.
        self._offset = time.time() - time.monotonic()
        self._epoll = select.epoll()
        if isinstance(where, Resolver):
            self._epoll.register(where.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._exchanges: dict[int, Exchange] = {}
        # In the order in which they are due, which with one timeout for all is the order in which they run out.
        self._by_deadline: deque[Exchange] = deque()
        self._idle: deque[Connection] = deque()
        self._kept = 0
        self._lingering: deque[tuple[float, Connection]] = deque()
        self.due = self.failed = 0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.monotonic() + self._offset

    def run(self, max_seconds: float) -> None:
        """Send until told to stop or for `max_seconds`, then wait for the answers."""
        last = int(max_seconds * self.rate)
        stop = self.results / "stop"
        with (self.results / "records.jsonl").open("w") as self.output:
            now = start = next_check = next_progress = self.now()
            # One request at a time, also when behind: the answers that have come in are read in between.
            while self.due < last or self._exchanges:
                scheduled = start + self.due / self.rate if self.due < last else math.inf
                if scheduled <= now:
                    self.due += 1
                    self._send(self.due - 1, scheduled)
                    scheduled = start + self.due / self.rate if self.due < last else math.inf
                if now >= next_check:
                    next_check = now + STOP_CHECK_SECONDS
                    if stop.exists():
                        last = self.due
                if now >= next_progress:
                    next_progress = now + PROGRESS_SECONDS
                    self.progress()
                self._await(min(scheduled, next_check, self._next_deadline()))
                now = self.now()
                self._expire(now)
            self.progress()
        for connection in self._connections.values():
            connection.close()
        self._epoll.close()
        if isinstance(self.where, Resolver):
            self.where.close()

    def progress(self) -> None:
        """Say how it goes, for whoever follows the pod's log, and let what is written be read."""
        self.output.flush()
        print(f"sent {self.due}, failed {self.failed}", flush=True)

    # --- Requests ---

    def _send(self, number: int, scheduled: float) -> None:
        """Send request `number`, on whatever connection."""
        request = self.traffic.request(number)
        reader = AnswerReader(self.traffic.method)
        # Before looking up and connecting: what that takes, the client waits for.
        exchange = Exchange(request, scheduled, self.now(), reader)
        try:
            if len(self._exchanges) >= self.max_in_flight:
                raise Failure("not-sent")
            self._exchanges[number] = exchange
            self._by_deadline.append(exchange)
            connection = self._kept_connection()
            if connection:
                self._begin(exchange, connection)
            elif isinstance(self.where, Resolver):
                self.where.ask(number)
            else:
                self._begin(exchange, self.connect(self.where))
        except Failure as failure:
            self._fail(exchange, failure)

    def _looked_up(self, resolver: Resolver) -> None:
        """Send what has waited for a look-up that has ended."""
        for number, where in resolver.answers():
            exchange = self._exchanges.get(number)
            if not exchange:
                # It has run out of time.
                continue
            try:
                if not where:
                    raise Failure("unresolved")
                self._begin(exchange, self.connect(where))
            except Failure as failure:
                self._fail(exchange, failure)

    def _begin(self, exchange: Exchange, connection: Connection) -> None:
        exchange.connection = connection
        connection.begin(exchange.request.number, exchange.request.data, exchange.reader)

    def _fail(self, exchange: Exchange, failure: Failure) -> None:
        if str(failure) == "not-sent":
            exchange.sent = 0.0
        self._finish(exchange, str(failure))

    def _kept_connection(self) -> Connection | None:
        """The connection that has been idle longest and that the server has not closed, if any.

        None until there are POOL: the Service gives each new one to a pod, so that together they lead to all of them.
        """
        while self._idle and self._kept >= POOL:
            connection = self._idle.popleft()
            if connection.is_quiet():
                return connection
            self._drop(connection)
        return None

    def connect(self, where: Where) -> Connection:
        """A new connection."""
        connection = Connection(*where)
        self._kept += 1
        self._connections[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), EVENTS)
        return connection

    def _finish(self, exchange: Exchange, error: str, events: int = 0) -> None:
        """The result of a request is known: record it, and part with its connection or keep it."""
        done = self.now()
        request, answer, connection = exchange.request, exchange.reader.answer, exchange.connection
        exchange.over = True
        self._exchanges.pop(request.number, None)
        host = version = ""
        if not error:
            try:
                host, version = self.check(request, answer)
            except Failure as failure:
                error = str(failure)
            except Exception as failure:
                error = "internal"
                print(f"request {request.number}: {failure!r}", file=sys.stderr)
        self.failed += bool(error)
        self.output.write(
            line(
                Record(
                    request.number, exchange.scheduled, exchange.sent, exchange.first_byte, done,
                    answer.status, host, version, error,
                )
            )
        )  # fmt: skip
        if not connection:
            return
        connection.number = -1
        if self.traffic.keeps_connections and connection.may_be_kept(events) and self._kept <= POOL:
            self._idle.append(connection)
        elif error or self.traffic.keeps_connections or events & select.EPOLLRDHUP:
            self._drop(connection)
        else:
            self._lingering.append((done + LINGER_SECONDS, connection))

    def _drop(self, connection: Connection) -> None:
        """Close a connection, unless that has been done."""
        if self._connections.pop(connection.fileno(), None):
            self._kept -= 1
            connection.close()

    # --- Events ---

    def _await(self, until: float) -> None:
        """Wait until something happens on a connection, at most until `until`, and deal with it."""
        wait = until - self.now()
        if wait > 0:
            # epoll itself waits for whole milliseconds, so everything would be sent up to one late.
            select.select([self._epoll], [], [], wait)
        for descriptor, events in self._epoll.poll(0):
            if isinstance(self.where, Resolver) and descriptor == self.where.fileno():
                self._looked_up(self.where)
                continue
            connection = self._connections[descriptor]
            exchange = self._exchanges.get(connection.number)
            if exchange:
                self._advance(exchange, connection, events)
            elif events & ~select.EPOLLOUT:
                # Idle or answered: the server closes it, or says what nobody asked for.
                self._drop(connection)

    def _advance(self, exchange: Exchange, connection: Connection, events: int) -> None:
        now, error = self.now(), ""
        try:
            whole = connection.advance(events)
        except Failure as failure:
            whole, error = True, str(failure)
        if connection.first_byte_seen and not exchange.first_byte:
            exchange.first_byte = now
        if whole:
            self._finish(exchange, error, events)

    def _next_deadline(self) -> float:
        """When the next request runs out of time, in seconds since the epoch."""
        while self._by_deadline and self._by_deadline[0].over:
            self._by_deadline.popleft()
        return self._by_deadline[0].scheduled + self.timeout if self._by_deadline else math.inf

    def _expire(self, now: float) -> None:
        """End what has run out of time."""
        while self._next_deadline() <= now:
            self._finish(self._by_deadline.popleft(), "timeout")
        while self._lingering and self._lingering[0][0] <= now:
            self._drop(self._lingering.popleft()[1])


# --- The command line ---


def require_files(needed: int) -> None:
    """Let this process open so many files. Raises ValueError if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ValueError(f"{needed} open files are needed and {hard} allowed: raise that or lower --max-in-flight")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def arguments_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send requests at a constant rate and record every one.")
    parser.add_argument("--url", required=True, help="where to send to, as http://host[:port]")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--path", help="path and query (default: the example application's for this kind)")
    parser.add_argument("--method", help="default: POST for uploads, else GET")
    parser.add_argument("--authority", help="the Host header (default: that of the URL)")
    parser.add_argument(
        "--look-up",
        action="store_true",
        help="look the host up for each connection (default: once, since the Service is what is measured)",
    )
    parser.add_argument("--body-bytes", type=int, default=BODY_BYTES, help="the size of an upload (%(default)s)")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds from when a request is due (%(default)s)")
    parser.add_argument("--max-seconds", type=float, default=600.0, help="the longest run (%(default)s)")
    parser.add_argument("--max-in-flight", type=int, default=MAX_IN_FLIGHT, help="requests in flight (%(default)s)")
    parser.add_argument("--results", type=Path, required=True, help="an empty folder")
    parser.add_argument("--exit", action="store_true", help="end when done instead of waiting to be killed")
    own = parser.add_argument_group("an application other than the example, which echoes nothing")
    own.add_argument("--expect-body", metavar="REGEX|none", help="to be found in the body; none: any body will do")
    own.add_argument("--expect-status", type=int, help="the status (200)")
    own.add_argument("--host-header", help="the response header that names the pod that answers")
    own.add_argument("--version-header", help="the response header that names the version that answers")
    return parser


def check_of(arguments: argparse.Namespace, run: str) -> Check:
    """The check that the command line asks for. Raises ValueError."""
    others = (arguments.expect_status, arguments.host_header, arguments.version_header)
    if arguments.expect_body is None:
        if any(others):
            raise ValueError(
                "--expect-status, --host-header and --version-header are for an application that does not echo: "
                "give --expect-body too"
            )
        return EchoCheck(run)
    try:
        pattern = None if arguments.expect_body == "none" else re.compile(arguments.expect_body, re.DOTALL)
    except re.error as error:
        raise ValueError(f"--expect-body: {arguments.expect_body!r} is no regular expression: {error}") from None
    return PatternCheck(
        arguments.expect_status or 200, pattern, arguments.host_header or "", arguments.version_header or ""
    )


def prober_of(arguments: argparse.Namespace) -> Prober:
    """The prober that the command line asks for. Raises ValueError or OSError that say what is wrong with it."""
    parts = urlsplit(arguments.url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise ValueError(f"--url: {arguments.url!r} is not of the form http://host[:port]; a path goes into --path")
    for name in ("rate", "timeout", "max_seconds", "max_in_flight"):
        if not 0 < getattr(arguments, name) < math.inf:
            raise ValueError(f"--{name.replace('_', '-')}: {getattr(arguments, name)} is not above 0")
    if arguments.body_bytes < 0:
        raise ValueError(f"--body-bytes: {arguments.body_bytes} is below 0")
    kind: Kind = KINDS[arguments.kind]
    path = arguments.path or kind.path
    method = arguments.method or kind.method
    if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
        raise ValueError(f"--path: {path!r} does not begin with / or has characters that must be percent-encoded")
    if not re.fullmatch(r"[A-Z]+", method) or (method == "HEAD" and arguments.expect_body is None):
        raise ValueError(f"--method: {method!r} is no method in capitals, or one whose answer has no body to check")
    if arguments.kind == "slow" and not arguments.path and arguments.timeout * 1000 <= SLOW_MS:
        raise ValueError(f"--timeout: a slow request takes {SLOW_MS} ms; {arguments.timeout} s is not longer")
    if not arguments.results.is_dir():
        raise ValueError(f"--results: {arguments.results} is not a folder")
    files = arguments.max_in_flight + POOL + math.ceil(arguments.rate * LINGER_SECONDS) + OTHER_FILES
    require_files(files + (MAX_UNDER_WAY if arguments.look_up else 0))
    host, port = parts.hostname, parts.port or 80
    try:
        where = look_up(host, port)
    except OSError as error:
        raise ValueError(f"--url: {host} can't be looked up: {error}") from None
    run = secrets.token_hex(8)
    check = check_of(arguments, run)
    traffic = Traffic(
        kind,
        authority=arguments.authority or parts.netloc,
        path=path,
        method=method,
        run=run,
        marked=isinstance(check, EchoCheck),
        body_bytes=arguments.body_bytes,
    )
    return Prober(
        Resolver(host, port) if arguments.look_up else where,
        traffic,
        check,
        rate=arguments.rate,
        timeout=arguments.timeout,
        max_in_flight=arguments.max_in_flight,
        results=arguments.results,
    )


def main() -> None:
    """Run the command line."""
    parser = arguments_parser()
    arguments = parser.parse_args()
    try:
        prober = prober_of(arguments)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    # Nothing here makes cycles, so there is nothing to collect: no request has to wait the 9 ms that looking took.
    gc.disable()
    prober.run(arguments.max_seconds)
    # Whole or not at all: a file that is there but empty would be read as such.
    finished = arguments.results / "done.new"
    finished.write_text(f"{prober.due}\n")
    finished.rename(arguments.results / "done")
    if not arguments.exit:
        signal.pause()


if __name__ == "__main__":
    main()
