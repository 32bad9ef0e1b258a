"""Access lines of a server: none is lost or repeated, whatever ends a worker, and each comes in its order."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from nodrop.logs.formats import ACCESS
from tests.serving_process import Server, own_application, serving, until

APPLICATION = """
import logging, os, sys, flask
app = flask.Flask(__name__)
log = logging.getLogger("own")

@app.get("/n/<number>")
def number(number):
    if "say" in flask.request.args:
        log.info("said %s", number)
    return number

@app.get("/fork")
def fork():
    child = os.fork()
    if not child:
        log.info("from the child")
        sys.exit(0) if "exit" in flask.request.args else os._exit(0)
    os.waitpid(child, 0)
    return "forked"

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/exit")
def leave():
    if "shutdown" in flask.request.args:
        logging.shutdown()
    # Not 3 or 4, at which gunicorn stops the server.
    os._exit(7)
"""


def ask(server: Server, paths: Iterator[str], answered: list[str] | None = None) -> list[str]:
    """Ask for these paths over one connection, until the server closes it; those that were answered, as they are."""
    answered = [] if answered is None else answered
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        for path in paths:
            connection.request("GET", path)
            if connection.getresponse().read() != path.split("?")[0].rpartition("/")[2].encode():
                break
            answered.append(path)
    except (OSError, HTTPException):
        pass
    finally:
        connection.close()
    return answered


def logged(server: Server) -> Counter[str]:
    """How often there is an access line for each URL."""
    return Counter(entry["url"] for entry in server.log() if entry["logger"] == ACCESS and entry["status"] == 200)


def load(server: Server, first: int, number: int = 100_000, answered: list[str] | None = None) -> list[str]:
    return ask(server, (f"/n/{first * 1_000_000 + each}" for each in range(number)), answered)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_no_line_of_an_answer_is_lost_when_the_server_stops_under_load(tmp_path: Path, how: signal.Signals) -> None:
    """A stop without grace may cut a request off between its answer and its line: the last of each connection."""
    variables = own_application(tmp_path, APPLICATION)
    with serving(tmp_path, **variables, LOG_FORMAT="json") as server, ThreadPoolExecutor(8) as clients:
        answers: list[list[str]] = [[] for _ in range(8)]
        asking = [clients.submit(load, server, number, answered=each) for number, each in enumerate(answers)]
        until("each is answered a while", lambda: min(map(len, answers)) > 25)
        server.process.send_signal(how)
        answered = [path for each in asking for path in each.result()[: -1 if how == signal.SIGQUIT else None]]
        assert server.process.wait(20) == 0
        lines_of = logged(server)
        assert [path for path in answered if lines_of[path] != 1] == []


def test_no_line_is_lost_to_an_applications_handler_that_ends_the_process(tmp_path: Path) -> None:
    """It is called when the worker has finished, and lets it run nothing more."""
    code = APPLICATION + "import signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0))"
    with serving(tmp_path, **own_application(tmp_path, code), LOG_FORMAT="json") as server:
        with ThreadPoolExecutor(1) as clients:
            answered: list[str] = []
            asking = clients.submit(load, server, 0, answered=answered)
            until("it is answered a while", lambda: len(answered) > 50)
            assert server.stop() == 0
        assert logged(server) == Counter(asking.result())


def test_no_line_is_lost_by_an_application_that_shuts_its_log_down_and_ends_the_process(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), LOG_FORMAT="json") as server:
        answered = load(server, 0, 13)
        assert ask(server, iter(["/exit?shutdown=1"])) == []
        until("the next one serves", lambda: len(server.workers()) == 2 and server.is_ready())
        assert logged(server) == Counter(answered)


def test_no_line_is_lost_when_workers_are_replaced(tmp_path: Path) -> None:
    variables = own_application(tmp_path, APPLICATION) | {"MAX_REQUESTS": "50", "MAX_REQUESTS_JITTER": "0"}
    with serving(tmp_path, **variables, LOG_FORMAT="json") as server:
        answered: list[str] = []
        for first in range(1000):
            answered += load(server, first, 10)
            if len(server.workers()) > 3:
                break
        server.stop()
        assert len(server.workers()) > 3
        assert logged(server) == Counter(answered)


def test_no_line_is_lost_when_the_master_gives_up_on_a_worker_that_has_been_told_to_abort(tmp_path: Path) -> None:
    """SIGABRT, which gunicorn's master sends first: the worker leaves by sys.exit()."""
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), LOG_FORMAT="json") as server:
        answered = load(server, 0, 100)
        os.kill(server.workers()[0], signal.SIGABRT)
        until("the next one serves", lambda: len(server.workers()) == 2 and server.is_ready())
        assert len(answered) == 100
        assert logged(server) == Counter(answered)


def test_what_a_kill_loses_has_come_in_the_moment_before(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), LOG_FORMAT="json") as server:
        answered = load(server, 0, 300)
        until("all are written", lambda: logged(server) == Counter(answered), timeout=5)
        os.kill(server.workers()[0], signal.SIGKILL)
        until("the next one serves", lambda: len(server.workers()) == 2 and server.is_ready())
        assert len(answered) == 300
        assert logged(server) == Counter(answered)


def test_a_child_that_a_request_forks_under_load_repeats_no_line(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), LOG_FORMAT="json") as server:
        with ThreadPoolExecutor(4) as clients:
            asking = [clients.submit(load, server, each, 200) for each in range(4)]
            for number in range(20):
                server.get("/fork?exit=1" if number % 2 else "/fork")
            answered = [path for each in asking for path in each.result()]
        server.stop()
        found = logged(server)
        del found["/fork"], found["/fork?exit=REDACTED"]
        assert found == Counter(answered)
        assert Counter(entry["message"] for entry in server.log())["from the child"] == 20


def test_lines_of_one_client_come_in_the_order_of_what_they_tell(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), LOG_FORMAT="json") as server:
        answered = ask(server, (f"/n/{number}{'?say' if number % 3 == 0 else ''}" for number in range(300)))
        assert len(answered) == 300
        server.stop()
        told = [entry for entry in server.log() if "/n/" in entry.get("url", "") or entry["logger"] == "own"]
    seen = [e["message"].split()[1] if e["logger"] == "own" else e["url"].partition("?")[0][3:] for e in told]
    assert seen == [str(n) for n in range(300) for _ in range(2 if n % 3 == 0 else 1)]
    assert [e["logger"] for e in told[:2]] == ["own", ACCESS]
