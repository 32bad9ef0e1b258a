"""Request ids: from the system, in blocks, and never the same for two requests, whichever process gives them."""

import os
import re
import threading
from pathlib import Path

import pytest

from nodrop.wsgi import ids
from tests.serving_process import own_application, serving


def test_ids_are_hex_digits_of_which_none_comes_twice() -> None:
    given = [ids.digits() for _ in range(3 * ids.BLOCK)]
    assert all(re.fullmatch(f"[0-9a-f]{{{ids.DIGITS}}}", each) for each in given)
    assert len(set(given)) == len({each[:32] for each in given}) == len({each[32:] for each in given}) == len(given)


def test_the_system_is_asked_once_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    usual = os.urandom
    monkeypatch.setattr(os, "urandom", lambda size: (asked.append(size), usual(size))[1])  # type: ignore[func-returns-value]
    for _ in range(10 * ids.BLOCK):
        ids.digits()
    assert 9 <= len(asked) <= 10


def test_a_forked_process_gives_none_that_its_parent_or_another_child_gives() -> None:
    """Each begins in the middle of a block, from which the others would go on too."""
    ids.digits()
    children = []
    for _ in range(3):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, "\n".join(ids.digits() for _ in range(20)).encode())
            os._exit(0)
        os.close(writing)
        children.append((child, reading))
    given = [ids.digits() for _ in range(20)]
    for child, reading in children:
        with os.fdopen(reading) as pipe:
            given += pipe.read().split()
        assert os.waitpid(child, 0)[1] == 0
    assert len(given) == len(set(given)) == 80


def test_threads_do_not_get_the_same() -> None:
    given: list[str] = []

    def take() -> None:
        given.extend([ids.digits() for _ in range(5000)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 20_000


FORKING = """
import os, flask
from nodrop.wsgi import ids
app = flask.Flask(__name__)

@app.get("/")
def index():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, ids.digits().encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read() + " " + flask.request.environ["nodrop.request_id"]
"""


def test_workers_and_what_they_fork_give_different_ones(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, FORKING), WEB_CONCURRENCY="2") as server:
        given = [each[:32] for _ in range(40) for each in server.get("/").body.decode().split()]
    assert len(set(given)) == len(given) == 80
