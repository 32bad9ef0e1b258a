"""Sends requests at a constant rate and records every one of them. Runs in the cluster, needs only Python.

Open loop: request number i is due at start + i / rate, whether earlier ones have been answered or not, so a slow
server can't slow the prober down and hide what its clients would have waited (coordinated omission). Each request is
sent once. There are no retries.

Two kinds of client: `new` opens a connection for each request; `keep-alive` sends on connections that earlier
requests left open, POOL of them in turn, as browsers, proxies and connection pools do. A kept connection that the
server has closed before a request is sent on it is thrown away and another one taken, which is what HTTP expects of
clients (RFC 9112 section 9.3); once a request has been sent, whatever happens to it is its result.

A request counts as answered when the status is 200 and the body is the echo of this very request; otherwise as failed,
with the class of what went wrong in `error`:

    refused, unreachable, reset     what connecting or sending met
    closed                          the connection ended before the whole answer
    timeout                         no whole answer within --timeout seconds of when it was due
    status-<code>, body             the wrong answer
    internal                        the prober itself failed

Results go to a folder: `records.jsonl`, one array a request in the order of Record's fields; then `done`, which holds
the number of requests that were sent, so that missing records can't pass for requests that were not. The prober
stops when a file `stop` appears there, or after --max-seconds; then it waits for what is under way, and stays until
it is killed, so that the results can be fetched.
"""

import argparse
import asyncio
import json
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

STOP_CHECK_SECONDS = 0.1
PROGRESS_SECONDS = 5.0
LONGEST_HEAD = 64 * 1024
POOL = 20


class Record(NamedTuple):
    """What became of one request. Times are seconds since the epoch; 0.0 where it did not get that far."""

    number: int
    scheduled: float
    """When it was due."""
    sent: float
    """When the prober began to connect or to send; later than scheduled only if the prober fell behind."""
    first_byte: float
    done: float
    """When the whole answer was there, or the failure was known."""
    status: int
    host: str
    """The pod that answered."""
    version: str
    """The version that answered."""
    error: str
    """Empty if answered."""


class Failure(Exception):  # a result, not a programming error
    """A request failed; the argument is the class of error."""


@dataclass(slots=True)
class Answer:
    """The parts of an HTTP answer that are looked at."""

    first_byte: float
    status: int
    body: bytes
    reusable: bool


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Clock:
    """Seconds since the epoch that never jump: the monotonic clock, set once."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.monotonic() + self._offset


async def read_answer(reader: asyncio.StreamReader, clock: Clock) -> Answer:
    """Read one HTTP/1.1 answer. Raises Failure('closed') if the connection ends first."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first_byte = clock.now()
        status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status_line.split(" ", 2)[1])
        length = headers.get("content-length")
        body = await (reader.readexactly(int(length)) if length is not None else reader.read())
    except asyncio.IncompleteReadError:
        raise Failure("closed") from None
    except (ValueError, IndexError, asyncio.LimitOverrunError):
        raise Failure("not-http") from None
    reusable = length is not None and headers.get("connection", "").lower() != "close"
    return Answer(first_byte, status, body, reusable)


class Prober:
    """Sends and records. One instance is one run."""

    def __init__(self, url: str, *, rate: float, keep_alive: bool, timeout: float, results: Path) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname or "", parts.port or 80, parts.path or "/"
        self.address = self.host
        self.query = parts.query
        self.rate, self.keep_alive, self.timeout, self.results = rate, keep_alive, timeout, results
        self.clock = Clock()
        self.idle: deque[Connection] = deque()
        self.kept = 0
        self.sent = self.failed = 0

    async def run(self, max_seconds: float) -> None:
        """Send until told to stop or for `max_seconds`, then wait for the answers."""
        # Once: what is measured is the Service, not the name look-up in front of it.
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.address = str(found[0][4][0])
        stop = self.results / "stop"
        pending: set[asyncio.Task[None]] = set()
        with (self.results / "records.jsonl").open("w") as self.output:
            start = self.clock.now()
            next_check = next_progress = start
            for number in range(int(max_seconds * self.rate)):
                scheduled = start + number / self.rate
                # Also when behind: the answers that have come in are read in between.
                await asyncio.sleep(max(0.0, scheduled - self.clock.now()))
                task = asyncio.create_task(self.request(number, scheduled))
                pending.add(task)
                task.add_done_callback(pending.discard)
                now = self.clock.now()
                if now >= next_check:
                    next_check = now + STOP_CHECK_SECONDS
                    if stop.exists():
                        break
                if now >= next_progress:
                    next_progress = now + PROGRESS_SECONDS
                    self.progress()
            if pending:
                await asyncio.wait(pending)
            self.progress()
        for _, writer in self.idle:
            writer.close()

    def progress(self) -> None:
        """Say how it goes, for whoever follows the pod's log, and let what is written be read."""
        self.output.flush()
        print(f"sent {self.sent}, failed {self.failed}", flush=True)

    async def request(self, number: int, scheduled: float) -> None:
        """Send request `number` and record what became of it."""
        sent = self.clock.now()
        self.sent += 1
        first_byte, status, host, version, error = 0.0, 0, "", "", ""
        try:
            async with asyncio.timeout(max(0.0, scheduled + self.timeout - sent)):
                answer = await self.exchange(number)
            first_byte, status = answer.first_byte, answer.status
            host, version = self.check(number, answer)
        except TimeoutError:
            error = "timeout"
        except Failure as failure:
            error = str(failure)
        except ConnectionRefusedError:
            error = "refused"
        except ConnectionError:
            error = "reset"
        except OSError:
            error = "unreachable"
        except Exception as failure:
            error = "internal"
            print(f"request {number}: {failure!r}", file=sys.stderr)
        self.failed += bool(error)
        record = Record(number, scheduled, sent, first_byte, self.clock.now(), status, host, version, error)
        self.output.write(json.dumps(record) + "\n")

    async def exchange(self, number: int) -> Answer:
        """Send request `number` on a connection and read its answer."""
        reader, writer = await self.connection()
        keep = False
        try:
            query = "&".join(filter(None, (self.query, f"probe={number}")))
            writer.write(
                f"GET {self.path}?{query} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nUser-Agent: prober\r\n"
                f"Connection: {'keep-alive' if self.keep_alive else 'close'}\r\n\r\n".encode()
            )
            answer = await read_answer(reader, self.clock)
            keep = self.keep_alive and answer.reusable
            return answer
        finally:
            if keep:
                self.idle.append((reader, writer))
            else:
                self.kept -= 1
                writer.close()

    async def connection(self) -> Connection:
        """The connection that has been idle longest and that the server has not closed, or a new one.

        New ones until there are POOL: the Service gives each to a pod, so that together they lead to all of them.
        """
        while self.idle and self.kept >= POOL:
            reader, writer = self.idle.popleft()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            self.kept -= 1
            writer.close()
        self.kept += 1
        try:
            return await self.connect()
        except BaseException:
            self.kept -= 1
            raise

    async def connect(self) -> Connection:
        """A new connection."""
        return await asyncio.open_connection(self.address, self.port, limit=LONGEST_HEAD)

    @staticmethod
    def check(number: int, answer: Answer) -> tuple[str, str]:
        """Who answered, as (host, version). Raises Failure if it is not the answer to this request."""
        if answer.status != 200:
            raise Failure(f"status-{answer.status}")
        try:
            echo = json.loads(answer.body)
            if echo["query"]["probe"] != [str(number)]:
                raise Failure("body")
            return str(echo["host"]), str(echo["version"])
        except (ValueError, KeyError, TypeError):
            raise Failure("body") from None


async def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send requests at a constant rate and record every one.")
    parser.add_argument("--url", required=True, help="where the application's /echo is")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--connections", choices=["new", "keep-alive"], required=True)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds from when a request is due")
    parser.add_argument("--max-seconds", type=float, default=600.0, help="the longest run")
    parser.add_argument("--results", type=Path, required=True, help="an empty folder")
    parser.add_argument("--exit", action="store_true", help="end when done instead of waiting to be killed")
    arguments = parser.parse_args()
    prober = Prober(
        arguments.url,
        rate=arguments.rate,
        keep_alive=arguments.connections == "keep-alive",
        timeout=arguments.timeout,
        results=arguments.results,
    )
    await prober.run(arguments.max_seconds)
    # Whole or not at all: a file that is there but empty would be read as such.
    finished = arguments.results / "done.new"
    finished.write_text(f"{prober.sent}\n")
    finished.rename(arguments.results / "done")
    if not arguments.exit:
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
