"""What the proof puts into a cluster is gone afterwards, whatever happens, and says first what went wrong."""

from __future__ import annotations

import pytest

from harness.cluster.temporary import Temporary


class Thing(Temporary):
    """Notes what is done with it; `fails` names the step that fails."""

    def __init__(self, fails: str = "") -> None:
        self.done: list[str] = []
        self.fails = fails

    def _step(self, name: str) -> None:
        self.done.append(name)
        if name == self.fails:
            raise RuntimeError(name)

    def start(self) -> None:
        self._step("start")

    def finish(self) -> None:
        self._step("finish")

    def delete(self) -> None:
        self._step("delete")

    def log(self) -> str:
        return "what it has said"


def test_it_is_deleted_when_the_block_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Thing() as thing:
        assert thing.done == ["start"]
    assert thing.done == ["start", "finish", "delete"]
    assert capsys.readouterr().out == ""


def test_what_does_not_get_ready_is_deleted_and_its_log_shown(capsys: pytest.CaptureFixture[str]) -> None:
    thing = Thing(fails="start")
    with pytest.raises(RuntimeError, match="start"), thing:
        pytest.fail("the block must not be entered")
    assert thing.done == ["start", "delete"]
    assert "what it has said" in capsys.readouterr().out


def test_a_block_that_fails_has_it_finished_and_deleted_and_its_log_shown(capsys: pytest.CaptureFixture[str]) -> None:
    thing = Thing()
    with pytest.raises(RuntimeError, match="block"), thing:
        raise RuntimeError("block")
    assert thing.done == ["start", "finish", "delete"]
    assert "what it has said" in capsys.readouterr().out


def test_what_can_not_be_finished_is_deleted_all_the_same() -> None:
    thing = Thing(fails="finish")
    with pytest.raises(RuntimeError, match="finish"), thing:
        pass
    assert thing.done == ["start", "finish", "delete"]
