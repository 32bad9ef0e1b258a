"""What each layer around a Flask application costs, and observability's share of a request.

    python bench/parts/layers.py [COMMIT]

The application answers a small JSON object. Layers are put around it one after the other, in one process and without
sockets, and what a request takes more with each is its cost: CPU time, the median of the rounds. Standard output is a
pipe that another process reads, as in a pod, and ten secrets are in the environment, which lines are searched for.

A whole request is measured at a real server with everything on, over one kept connection, by the CPU time of its
worker. With COMMIT the layers of that commit are measured too, taking turns with these.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from nodrop.system.runtime_folder import OWN_METRICS  # noqa: E402 - needs the path set above
from tests.serving_process import free_port, until  # noqa: E402 - the same

ROUNDS = 25
REQUESTS = 200
"""In each round and layer."""
WHOLE_REQUESTS = 2000
OBSERVABILITY = ("metrics", "wait for a thread", "context and ids", "access line")
"""The layers that make up observability; the others are the application and what protects it."""

MEASURE = r"""
import datetime, json, os, subprocess, sys, time
answers = os.fdopen(os.dup(1), "w")
reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
os.dup2(reader.stdin.fileno(), 1)

from flask import Flask
from gunicorn.config import Config
from nodrop.logs.gunicorn_logger import Logger
from nodrop.metrics.request_metrics import measured
from nodrop.metrics.worker_metrics import server_metrics
from nodrop.tracing import opentelemetry
from nodrop.wsgi.edge import proxies
from nodrop.wsgi.request_context import RequestContextMiddleware
from nodrop.wsgi.security_headers import SecurityHeaders

cfg = Config()
cfg.set("accesslog", "-")
log = Logger(cfg)
metrics = server_metrics()
flask = Flask("hello")
flask.config["SESSION_COOKIE_SAMESITE"] = "Lax"

@flask.get("/hello/<name>")
def hello(name):
    return {"hello": name}

class Socket:
    taken_over = False
    def __init__(self):
        self.when_taken_over = []

class Response:
    status, sent = "200 OK", 16

ENVIRON = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/hello/ada", "QUERY_STRING": "", "RAW_URI": "/hello/ada",
    "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "shop.example.org", "SERVER_PORT": "80", "REMOTE_ADDR": "10.1.2.3",
    "REMOTE_PORT": "4711", "HTTP_HOST": "shop.example.org", "HTTP_ACCEPT": "*/*", "wsgi.url_scheme": "http",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0",
    "wsgi.input": None, "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False,
    "wsgi.run_once": False, "wsgi.version": (1, 0), "wsgi.input_terminated": True, "SERVER_SOFTWARE": "gunicorn",
}

def start_response(status, headers, exc_info=None):
    return None

def request(application, queued, logged):
    began = time.monotonic()
    if queued:
        metrics.queued(0.0001)
    environ = dict(ENVIRON)
    environ["gunicorn.socket"] = Socket()
    environ["nodrop.queued_ms"] = 0.1
    body = application(environ, start_response)
    for _ in body:
        pass
    if hasattr(body, "close"):
        body.close()
    if logged:
        log.access(Response, None, environ, datetime.timedelta(seconds=time.monotonic() - began))

behind_metrics = measured(flask, (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
traced = opentelemetry.instrument(behind_metrics)
hardened = SecurityHeaders(traced, hsts_seconds=0)
with_ids = RequestContextMiddleware(hardened)
whole = proxies.behind(with_ids, 0, ())
LAYERS = {
    "application": (flask, False, False),
    "metrics": (behind_metrics, False, False),
    "tracing, switched off": (traced, False, False),
    "security headers": (hardened, False, False),
    "context and ids": (with_ids, False, False),
    "proxies": (whole, False, False),
    "wait for a thread": (whole, True, False),
    "access line": (whole, True, True),
}
times = {}
for line in sys.stdin:
    for name, arguments in LAYERS.items():
        began = time.process_time()
        for _ in range(int(line)):
            request(*arguments)
        times[name] = (time.process_time() - began) / int(line) * 1e6
    print(json.dumps(times), file=answers, flush=True)
"""
SECRETS = {f"SERVICE_{number}_PASSWORD": f"q9Zx{number}-not-a-real-one" for number in range(8)} | {
    "SECRET_KEY": "k" * 16 + "0123456789abcdef",
    "DATABASE_URL": "postgresql://app:t7Kp-not-a-real-one@db/shop",
}


@contextmanager
def started(tree: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that measures with the package in this tree, a round for each number of requests that it is sent."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / OWN_METRICS).mkdir()
        variables = {**os.environ, **SECRETS, "PYTHONPATH": str(tree), "LOG_FORMAT": "json"}
        variables["PROMETHEUS_MULTIPROC_DIR"] = folder
        with subprocess.Popen(
            [sys.executable, "-P", "-c", MEASURE], env=variables, cwd=tree, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            yield process


def costs(process: subprocess.Popen[str], requests: int) -> dict[str, float]:
    """Microseconds a request by layer, of one round."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{requests}\n")
    process.stdin.flush()
    cumulative: dict[str, float] = json.loads(process.stdout.readline())
    before = 0.0
    found = {}
    for name, total in cumulative.items():
        found[name], before = total - before, total
    return found


def layers(*trees: Path, rounds: int = ROUNDS, requests: int = REQUESTS) -> list[dict[str, float]]:
    """Microseconds a request by layer, for the package in each of these trees, which take turns."""
    with ExitStack() as running:
        processes = [running.enter_context(started(tree)) for tree in trees]
        for process in processes:
            costs(process, requests)
        measured = [[costs(process, requests) for process in processes] for _ in range(rounds)]
    return [
        {name: statistics.median(each[number][name] for each in measured) for name in measured[0][0]}
        for number in range(len(trees))
    ]


HELLO = """
import flask
app = flask.Flask(__name__)

@app.get("/hello/<name>")
def hello(name):
    return {"hello": name}
"""


def whole_request(tree: Path = ROOT, requests: int = WHOLE_REQUESTS) -> float:
    """Microseconds of CPU that a server with the package in this tree takes for a request, all its processes together.

    One connection, one request after the other: each finds the server asleep.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hello.py").write_text(HELLO)
        port = free_port()
        variables = {**os.environ, **SECRETS, "PYTHONPATH": f"{tree}:{folder}", "LOG_FORMAT": "json"}
        variables |= {"PORT": str(port), "MANAGEMENT_PORT": str(free_port()), "WSGI_APP": "hello:app"}
        command = [sys.executable, "-P", "-m", "gunicorn", "--config", "python:nodrop.gunicorn"]
        with (
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader,
            subprocess.Popen(command, cwd=folder, env=variables, stdout=reader.stdin, start_new_session=True) as server,
        ):
            try:
                until("it answers", lambda: _answers(port))
                _ask(port, requests // 4)
                before = _cpu_seconds(server.pid)
                _ask(port, requests)
                return (_cpu_seconds(server.pid) - before) / requests * 1e6
            finally:
                os.killpg(server.pid, signal.SIGTERM)
                assert reader.stdin
                reader.stdin.close()


def _answers(port: int) -> bool:
    try:
        _ask(port, 1)
    except (OSError, HTTPException):
        return False
    return True


def _ask(port: int, requests: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(requests):
        connection.request("GET", "/hello/ada")
        assert connection.getresponse().read()
    connection.close()


def _cpu_seconds(session: int) -> float:
    """What the processes of the session, and their children that have ended, have used."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may have blanks.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def share(costs_of_layers: dict[str, float], whole: float) -> float:
    """Observability's part of a whole request, from 0 to 1."""
    return sum(costs_of_layers[name] for name in OBSERVABILITY) / whole


def figures(rounds: int = ROUNDS, requests: int = REQUESTS) -> dict[str, float]:
    """Microseconds of CPU a request: by layer, `observability` and `whole`; and `share`, observability's of it."""
    (found,) = layers(ROOT, rounds=rounds, requests=requests)
    whole = statistics.median(whole_request() for _ in range(3))
    observability = sum(found[name] for name in OBSERVABILITY)
    return {**found, "observability": observability, "whole": whole, "share": share(found, whole)}


def main() -> int:
    """Print a table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        trees = {"here": ROOT}
        if commit:
            command = ["git", "archive", commit, "nodrop"]
            archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
            trees = {commit: Path(folder), **trees}
        found = layers(*trees.values())
        wholes = [[whole_request(tree) for tree in trees.values()] for _ in range(3)]
    print(f"| us of CPU a request (median of {ROUNDS} rounds) | {' | '.join(trees)} |\n|---{'|---' * len(trees)}|")
    for name in found[0]:
        print(f"| {name} | {' | '.join(f'{each[name]:.1f}' for each in found)} |")
    whole = [statistics.median(column) for column in zip(*wholes, strict=True)]
    observability = [sum(each[name] for name in OBSERVABILITY) for each in found]
    print(f"| observability: {', '.join(OBSERVABILITY)} | {' | '.join(f'{each:.1f}' for each in observability)} |")
    print(f"| a whole request, with its connection | {' | '.join(f'{each:.0f}' for each in whole)} |")
    shares = [share(costs, of) for costs, of in zip(found, whole, strict=True)]
    print(f"| observability's share | {' | '.join(f'{each:.0%}' for each in shares)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
