"""CPU time of what surrounds the application in a request: its head, its environment, the head of its answer.

nodrop's own code and gunicorn's take turns in one thread, so that a busy machine is busy for both. gunicorn's C parser
is measured too where it is installed (`pip install gunicorn[fast]`; it is built from source where there is no wheel).
"""

from __future__ import annotations

import importlib.util
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader

from nodrop.config.settings import ServingSettings
from nodrop.http.answers.environ import Environments
from nodrop.http.answers.response import Response
from nodrop.http.requests.heads import Heads
from nodrop.options import configuration

ROUNDS = 15
REPEATS = 2000
CLIENT, SERVER = ("127.0.0.1", 1234), ("127.0.0.1", 5000)
HEADS = {
    "2 lines": b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n\r\n",
    "11 lines, of a browser behind a proxy": (
        b"GET /api/items?page=2 HTTP/1.1\r\nHost: shop.example\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        b"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
        b"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
        b"Cookie: session=eyJfZnJlc2giOmZhbHNlfQ.aBcDeF.abcdefghijklmnopqrstuvwxyz0\r\nX-Forwarded-For: 10.1.2.3\r\n"
        b"X-Forwarded-Proto: https\r\nX-Request-ID: 0af7651916cd43dd8448eb211c80319c\r\n\r\n"
    ),
}
ANSWERED = [
    ("Content-Type", "application/json"), ("Content-Length", "20"), ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"), ("X-Request-ID", "0af7651916cd43dd8448eb211c80319c"),
]  # fmt: skip
Functions = dict[str, Callable[[], Any]]


def configured(parser: str) -> Config:
    """gunicorn's configuration as nodrop sets it, with this parser."""
    made = Config()
    for name, value in configuration.values(ServingSettings.from_environment({})).items():
        if name in made.settings and name not in ("wsgi_app", "logger_class", "worker_class"):
            made.set(name, value)
    made.set("http_parser", parser)
    return made


def by_gunicorn(head: bytes, cfg: Config) -> Any:
    """The request, as gunicorn parses it."""
    source: Any = SimpleNamespace(recv=io.BytesIO(head).read)
    return Request(cfg, SocketUnreader(source), CLIENT)


def functions(head: bytes) -> dict[str, Functions]:
    """What is measured, by its name and by who does it."""
    cfg = configured("python")
    heads, environments = Heads(cfg), Environments(cfg)
    theirs, ours = by_gunicorn(head, cfg), heads.ordinary(head[:-4], CLIENT, 1)
    assert ours
    ours.body = io.BytesIO()
    wire: Any = SimpleNamespace(sendall=lambda _: None, taken_over=False)
    connection: Any = SimpleNamespace(
        client=CLIENT, server=SERVER, request=ours, variables=None, progressed=None, taken_over=False
    )

    def answered(response: Any) -> None:
        response.start_response("200 OK", ANSWERED)
        response.write(b'{"message":"hello"}\n')
        response.close()

    parsed: Functions = {"gunicorn": lambda: by_gunicorn(head, cfg)}
    if importlib.util.find_spec("gunicorn_h1c"):
        fast = configured("fast")
        parsed["gunicorn, C parser"] = lambda: by_gunicorn(head, fast)
    return {
        "its head": parsed | {"nodrop": lambda: heads.ordinary(head[:-4], CLIENT, 1)},
        "its environment": {
            "gunicorn": lambda: wsgi.create(theirs, wire, CLIENT, SERVER, cfg),
            "nodrop": lambda: environments.of(connection, Response(ours, wire)),
        },
        "its answer, not sent": {
            "gunicorn": lambda: answered(wsgi.Response(theirs, wire, cfg)),
            "nodrop": lambda: answered(Response(ours, wire)),
        },
    }


def measured(function: Callable[[], Any]) -> float:
    """CPU time of one call in microseconds."""
    began = time.thread_time()
    for _ in range(REPEATS):
        function()
    return (time.thread_time() - began) / REPEATS * 1e6


def main() -> None:
    """Print a table of the medians."""
    print(f"| CPU time in us, median of {ROUNDS} rounds | gunicorn | gunicorn, C parser | nodrop |\n|---|---|---|---|")
    for kind, head in HEADS.items():
        for part, functions_of in functions(head).items():
            found: dict[str, list[float]] = {name: [] for name in functions_of}
            for _ in range(ROUNDS):
                for name, function in functions_of.items():
                    found[name].append(measured(function))
            shown = {name: f"{statistics.median(values):.1f}" for name, values in found.items()}
            columns = [shown.get(name, "") for name in ("gunicorn", "gunicorn, C parser", "nodrop")]
            print(f"| a request of {kind}: {part} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
