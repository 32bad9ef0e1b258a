"""A prober that looks its host up for each connection, and name servers that fail or hang on command."""

from pathlib import Path

import pytest

from harness.measuring.records import MAX_LATENESS_SECONDS, Figures
from tests.faulty_server import faulty_server
from tests.probing import copy, errors, mutate, ok, probe

# The first one is that of the command line, the others are numbered as the requests are.
NAME_SERVER = """
import itertools, pathlib, socket, time
numbers = itertools.count(-1)
def ask():
    number = next(numbers)
    with pathlib.Path({asked!r}).open("a") as asked:
        asked.write("x")
    if number in {hangs}:
        time.sleep(2)
    if number in {fails}:
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")
"""


def with_name_server(folder: Path, program: Path, *, fails: range = range(0), hangs: range = range(0)) -> Path:
    """A copy of the prober whose look-ups go wrong on command, and are counted in the file `asked`."""
    changed = copy(folder, program)
    (changed / "names.py").write_text(NAME_SERVER.format(asked=str(folder / "asked"), hangs=hangs, fails=fails))
    mutate(changed, "resolver.py", "import socket\n", "import socket\n\nimport names\n")
    look_up = "    family, _, _, _, address = socket"
    mutate(changed, "resolver.py", look_up, f"    names.ask()\n{look_up}")
    return changed


def look_up_options(port: int) -> list[str]:
    return ["--url", f"http://localhost:{port}", "--look-up"]


@pytest.mark.alone
@pytest.mark.parametrize(("kind", "look_ups"), [("new", 60), ("slow", 60), ("keep-alive", 20), ("upload", 20)])
def test_every_connection_is_looked_up(tmp_path: Path, program: Path, kind: str, look_ups: int) -> None:
    changed = with_name_server(tmp_path, program)
    with faulty_server(ok) as server:
        options = look_up_options(server.port)
        records = probe(server.port, tmp_path / "run", kind=kind, count=60, options=options, program=changed)
    assert errors(records) == {}
    assert server.received == dict.fromkeys(range(60), 1)
    assert len((tmp_path / "asked").read_text()) == 1 + look_ups


def test_a_look_up_that_fails_is_a_failure_and_not_tried_again(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, fails=range(20, 30))
    with faulty_server(ok) as server:
        records = probe(server.port, tmp_path / "run", count=60, options=look_up_options(server.port), program=changed)
    assert errors(records) == dict.fromkeys(range(20, 30), "unresolved")
    assert len((tmp_path / "asked").read_text()) == 1 + 60


@pytest.mark.alone
def test_a_look_up_that_hangs_fails_in_time_and_holds_up_no_other(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, hangs=range(20, 30))
    with faulty_server(ok) as server:
        options = [*look_up_options(server.port), "--timeout", "1"]
        # It goes on until the look-ups that hang have ended, whose requests are not to be sent any more.
        records = probe(server.port, tmp_path / "run", count=300, options=options, program=changed)
    assert errors(records) == dict.fromkeys(range(20, 30), "timeout")
    assert all(1 <= r.done - r.scheduled < 1 + MAX_LATENESS_SECONDS for r in records[20:30])
    assert not set(server.received) & set(range(20, 30))
    Figures.of("x", records).require_valid()


def test_more_look_ups_than_may_be_in_flight_are_failures(tmp_path: Path, program: Path) -> None:
    changed = with_name_server(tmp_path, program, hangs=range(90))
    mutate(changed, "resolver.py", "MAX_UNDER_WAY = 1000", "MAX_UNDER_WAY = 10")
    with faulty_server(ok) as server:
        options = [*look_up_options(server.port), "--timeout", "1.5"]
        records = probe(server.port, tmp_path / "run", count=90, options=options, program=changed)
    assert errors(records) == dict.fromkeys(range(10), "timeout") | dict.fromkeys(range(10, 90), "not-sent")
    assert all(record.sent == 0 for record in records[10:])
