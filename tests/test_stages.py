"""The stages of a connection: what the page says, and that no stage leads elsewhere."""

import socket

import pytest
from gunicorn.config import Config

from nodrop.http.connection.connection import Connection
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.spool import Budget
from nodrop.http.connection.stages import TABLE, Owner, Stage
from nodrop.http.requests.heads import Heads
from tests.serving_process import ROOT
from tests.test_connection import Asked


def rows() -> dict[str, list[str]]:
    """The rows of the page's table of stages, by stage."""
    lines = (ROOT / "docs/request-path.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


@pytest.mark.parametrize("stage", Stage)
def test_the_page_says_of_each_stage_what_the_code_does(stage: Stage) -> None:
    rule = TABLE[stage]
    _, owner, read, _, _, makes_room, following = rows()[stage.name]
    assert owner == rule.owner.name.lower()
    assert (read != "no") == rule.reads
    assert {name.strip("` ") for name in following.split(",") if name} == {each.name for each in rule.next}
    assert makes_room == ("never" if rule.makes_room is None else ("first", "second", "third")[rule.makes_room])


def test_only_the_loop_closes_connections_to_make_room() -> None:
    assert {stage for stage in Stage if TABLE[stage].makes_room is None} == {
        stage for stage in Stage if TABLE[stage].owner is Owner.THREAD
    }


def test_a_connection_goes_only_where_the_table_leads() -> None:
    ours, theirs = socket.socketpair()
    limits = Limits(head=4096, body=4096, write_seconds=1)
    address = ("127.0.0.1", 1)
    connection = Connection(
        ours, address, address, heads=Heads(Config()), services=Asked(), answers=Budget(1 << 20), limits=limits
    )
    with pytest.raises(RuntimeError, match="can't go from"):
        connection.enter(Stage.CLOSING, 1)
    for stage in (Stage.APPLICATION, Stage.SENDING, Stage.IDLE, Stage.HEAD, Stage.BODY, Stage.SENDING, Stage.CLOSING):
        connection.enter(stage, 1)
    connection.close()
    theirs.close()
