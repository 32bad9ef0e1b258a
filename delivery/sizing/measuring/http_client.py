"""Sends GET requests to the server on this machine: one at a time, or from several clients at once."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from delivery.sizing.unmeasurable import Unmeasurable

HOST = "127.0.0.1"
REQUEST_SECONDS = 60.0
"""After which an answer counts as one that does not end."""
PART_BYTES = 1 << 16


@dataclass(frozen=True)
class Answer:
    """What a request was answered, and how long that took until the last byte, in seconds."""

    status: int
    seconds: float
    location: str = ""
    stream: bool = False
    """It goes on for ever, as an event stream does, or for longer than REQUEST_SECONDS; it was not read to its end."""

    @property
    def succeeded(self) -> bool:
        """Whether it is what the path is there for: neither a redirect nor an error."""
        return 200 <= self.status < 300


class Client:
    """One connection, kept open between requests as a proxy does. Not for several threads."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._connection = http.client.HTTPConnection(HOST, port, timeout=REQUEST_SECONDS)

    def get(self, path: str) -> Answer:
        """Ask for a path. Raises Unmeasurable if there is no answer."""
        began = time.perf_counter()
        try:
            self._connection.request("GET", path, headers=self._headers)
            response = self._connection.getresponse()
            stream = response.headers.get_content_type() == "text/event-stream"
            while not stream and response.read(PART_BYTES):
                stream = time.perf_counter() - began > REQUEST_SECONDS
        except TimeoutError:
            self.close()
            return Answer(0, time.perf_counter() - began, stream=True)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unmeasurable(
                f"GET {path} got no response: {error!r}; the process that served it may have exited",
                "check what the application does with this request, or set other paths with --url",
            ) from error
        if stream:
            self.close()
        return Answer(response.status, time.perf_counter() - began, response.headers.get("Location", ""), stream)

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        self._connection.close()


def in_turn(client: Client, path: str, number: int, seconds: float) -> list[Answer]:
    """Ask for a path again and again, so many times, but not for longer than `seconds`; twice at the least."""
    answers: list[Answer] = []
    deadline = time.perf_counter() + seconds
    while len(answers) < 2 or (len(answers) < number and time.perf_counter() < deadline):
        answers.append(client.get(path))
    return answers


def at_once(
    port: int, headers: Mapping[str, str], paths: Sequence[str], *, clients: int, number: int, seconds: float
) -> list[Answer]:
    """Ask for the paths in turn from several clients, each of which waits for its answer before it asks again.

    number: of requests in all. Fewer if they take longer than `seconds`.
    """
    deadline = time.perf_counter() + seconds
    following = iter(range(number))
    turns = itertools.cycle(paths)
    lock = threading.Lock()

    def ask(_: int) -> list[Answer]:
        client = Client(port, headers)
        answers = []
        try:
            while time.perf_counter() < deadline:
                with lock:
                    if next(following, None) is None:
                        break
                    path = next(turns)
                answers.append(client.get(path))
        finally:
            client.close()
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return list(itertools.chain.from_iterable(pool.map(ask, range(clients))))
