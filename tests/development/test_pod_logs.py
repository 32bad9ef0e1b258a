"""`make logs` and `make shell`: which pods, and how their lines are shown."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from delivery.development.cluster import Release
from delivery.development.errors import DevelopmentError
from delivery.development.logs import Logs, readable
from delivery.development.shell import SHELL, shell_command
from tests.development.fake_cluster import FakeRelease, pod


def line(**entry: Any) -> str:
    return json.dumps({"time": "2026-11-27T14:55:03.123+00:00", "logger": "shop", **entry})


ACCESS = {"request_id": "ab", "method": "GET", "url": "/", "status": 200, "client": "::1"}
FAILURE = "Traceback:\n  File\nKeyError: 1"


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"level": "info", "message": "ready"}, "14:55:03 info     ready"),
        ({"level": "info", "message": "GET / 200 4 ms", **ACCESS}, "14:55:03 info     GET / 200 4 ms request_id=ab"),
        ({"level": "warning", "message": "low", "stock": 3, "item": "a b"}, '14:55:03 warning  low stock=3 item="a b"'),
        (
            {"level": "error", "message": "lost", "traceback": FAILURE},
            "14:55:03 error    lost\n  Traceback:\n    File\n  KeyError: 1",
        ),
    ],
    ids=["plain", "access", "fields", "traceback"],
)
def test_a_line_of_json_is_made_readable(entry: dict[str, Any], shown: str) -> None:
    assert readable(line(**entry)) == shown


@pytest.mark.parametrize("text", ["worker has price 3", '{"a": 1}', "[1]", "{not json", ""])
def test_any_other_line_is_left_as_it_is(text: str) -> None:
    assert readable(text) == text


def logged(release: Release, number: int, *, for_terminal: bool) -> list[str]:
    """The first lines that `make logs` prints."""
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        if len(lines) == number:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        Logs(release, say, for_terminal=for_terminal).run()
    return sorted(lines)


def test_all_pods_are_followed_each_line_with_its_pod(tmp_path: Path) -> None:
    ready = line(level="info", message="ready")
    release = FakeRelease.made(
        tmp_path, pods=[pod("shop-7c-abc12"), pod("shop-queue-8d-def34", part="worker-queue", container="queue")],
        logs={"shop-7c-abc12": ready, "shop-queue-8d-def34": "works"},
    )  # fmt: skip
    assert logged(release, 2, for_terminal=False) == [f"[server-abc12] {ready}", "[worker-queue-def34] works"]
    plain = [text.partition("m")[2].replace("\x1b[0m", "") for text in logged(release, 2, for_terminal=True)]
    assert sorted(plain) == ["server-abc12 14:55:03 info     ready", "worker-queue-def34 works"]


# --- A shell --------------------------------------------------------------------------------------------------------


def test_a_shell_is_opened_in_a_pod_that_is_ready_and_stays(tmp_path: Path) -> None:
    pods = [
        pod("shop-old", created="2026-11-27T10:00:00Z"),
        pod("shop-new", created="2026-11-27T12:00:00Z"),
        pod("shop-newer-but-unready", created="2026-11-27T13:00:00Z", ready=False),
        pod("shop-newest-but-ending", created="2026-11-27T14:00:00Z", ending=True),
        pod("shop-queue", part="worker-queue", container="queue"),
    ]
    release = FakeRelease.made(tmp_path, pods=pods)
    command = shell_command(release, "", "server", for_terminal=True)
    expected = ["exec", "--stdin", "--tty", "shop-new", "--container", "flask-app", "--", "nodrop", "run", "--"]
    assert command[command.index("exec") :] == [*expected, "sh", "-c", SHELL]
    command = shell_command(release, "flask shell", "worker-queue", for_terminal=False)
    assert command[-10:] == [
        "shop-queue",
        "--container",
        "queue",
        "--",
        "nodrop",
        "run",
        "--",
        "sh",
        "-c",
        "flask shell",
    ]


def test_a_part_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    release = FakeRelease.made(tmp_path, pods=[pod("shop-new"), pod("shop-queue", part="worker-queue")])
    with pytest.raises(DevelopmentError, match=r"no worker-mail pod; its pods are server, worker-queue: see"):
        shell_command(release, "", "worker-mail", for_terminal=False)
    release = FakeRelease.made(tmp_path, pods=[pod("shop-new", phase="Pending")])
    with pytest.raises(DevelopmentError, match=r"no server pod is running: see kubectl .* describe pod shop-new"):
        shell_command(release, "", "server", for_terminal=False)
