"""Bytes on their way: whatever goes in comes out, in order, and no room is lost."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodrop.http.connection.chunked import ChunkScanner
from nodrop.http.connection.spool import IN_MEMORY, Budget, BudgetExceeded, Spool

STEPS = st.lists(st.one_of(st.binary(max_size=20), st.integers(0, 3 * IN_MEMORY), st.just("clear")), max_size=30)


@given(STEPS)
def test_what_goes_in_comes_out_in_order(steps: list[bytes | int | str]) -> None:
    budget = Budget(100 * IN_MEMORY)
    spool = Spool(budget)
    model = b""
    for step in steps:
        if isinstance(step, bytes):
            data = step * (IN_MEMORY // 7)
            spool.append(data)
            model += data
        elif isinstance(step, int):
            assert spool.recv(step) == model[:step]
            model = model[step:]
        else:
            spool.clear()
            model = b""
        assert len(spool) == len(model)
        assert spool.peek(10) == model[:10]
    spool.clear()
    assert budget.used == 0


def test_no_more_is_overwritten_than_was_read() -> None:
    spool = Spool(Budget(4 * IN_MEMORY))
    spool.append(bytes(2 * IN_MEMORY))
    spool.recv(10)
    spool.overwrite(b"ten bytes!")
    with pytest.raises(ValueError, match="than was read"):
        spool.overwrite(b"x")
    spool.clear()


def test_above_the_budget_nothing_is_added_and_what_is_there_stays() -> None:
    budget = Budget(3 * IN_MEMORY)
    first, second = Spool(budget), Spool(budget)
    first.append(b"a" * 2 * IN_MEMORY)
    with pytest.raises(BudgetExceeded, match="more do not fit"):
        second.append(b"b" * 2 * IN_MEMORY)
    assert (len(second), budget.used) == (0, 2 * IN_MEMORY)
    second.append(b"small")
    with pytest.raises(BudgetExceeded):
        second.append(b"b" * 2 * IN_MEMORY)
    assert second.recv(100) == b"small"
    first.clear()
    second.append(b"b" * 2 * IN_MEMORY)
    second.clear()
    assert budget.used == 0


def test_a_full_disk_is_an_error_that_leaves_the_spool_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    budget = Budget(10 * IN_MEMORY)
    spool = Spool(budget)
    spool.append(b"before")
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            spool.append(b"x" * IN_MEMORY)
    assert spool.peek(10) == b"before"
    spool.append(b"x" * IN_MEMORY)
    assert spool.recv(10) == b"beforexxxx"
    spool.clear()


def test_the_file_has_no_name_that_could_be_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool(Budget(10 * IN_MEMORY))
    spool.append(b"x" * 2 * IN_MEMORY)
    assert not list(tmp_path.iterdir())
    spool.clear()


# --- Chunks ---------------------------------------------------------------------------------------------------------

CHUNK = st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from([b"", b";a", b" ; a=b", b';a="b"']))
TRAILERS = st.lists(st.sampled_from([b"A: 1\r\n", b"Long-Name: value\r\n"]), max_size=3)


@given(st.lists(CHUNK, max_size=5), TRAILERS, st.binary(max_size=20), st.data())
def test_the_end_of_a_chunked_body_is_found_however_it_is_cut(
    chunks: list[tuple[bytes, bytes]], trailers: list[bytes], after: bytes, data: st.DataObject
) -> None:
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part, extension in chunks)
    body += b"0\r\n" + b"".join(trailers) + b"\r\n"
    whole = body + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    scanner = ChunkScanner(1000)
    sent = 0
    for cut in [*cuts, len(whole)]:
        scanner.feed(whole[sent:cut])
        sent = cut
        assert not scanner.malformed
        assert scanner.complete == (sent >= len(body))
    assert scanner.body_bytes == sum(len(part) for part, _ in chunks)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_verdict(data: bytes) -> None:
    scanner = ChunkScanner(100)
    scanner.feed(data)
    scanner.feed(b"0\r\n\r\n0\r\n\r\n")
    assert scanner.body_bytes >= 0


def test_a_trailer_without_end_is_malformed() -> None:
    scanner = ChunkScanner(100)
    scanner.feed(b"0\r\n" + b"A: 1\r\n" * 25)
    assert scanner.malformed


@given(st.integers(1, 4 * IN_MEMORY), st.integers(1000, IN_MEMORY), st.integers(0, 100))
def test_what_overwrites_what_was_read_costs_no_room_and_comes_out_whole(size: int, step: int, saved: int) -> None:
    """As a chunked body is decoded: each piece is read and a shorter one put in its place."""
    budget = Budget(size)
    spool = Spool(budget)
    spool.append(bytes(range(256)) * (size // 256) + bytes(size % 256))
    model = b""
    while data := spool.recv(step):
        spool.overwrite(data[saved:])
        model += data[saved:]
    taken = spool.take_overwritten()
    assert (len(spool), len(taken), taken.peek(len(model))) == (0, len(model), model)
    spool.append(b"next")
    assert spool.recv(10) == b"next"
    taken.clear()
    spool.clear()
    assert budget.used == 0
