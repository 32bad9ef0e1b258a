"""`make live` from end to end, with pods that are folders: their agents run here (fake_kubectl.py)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.checkout import CHART
from delivery.development.errors import DevelopmentError
from delivery.development.live.files import Files
from delivery.development.live.session import Session
from tests.development.applications import write
from tests.development.fake_cluster import FakeRelease, pod
from tests.serving_process import until

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
DECLARING = ("requirements.txt",)


@contextmanager
def editing(tmp_path: Path, *pods: dict[str, Any]) -> Iterator[list[str]]:
    """`make live` of the repository `shop` in the block; what it has said so far."""
    for each in pods:
        (tmp_path / "cluster" / each["metadata"]["name"]).mkdir(parents=True, exist_ok=True)
    release = FakeRelease.made(tmp_path, pods=list(pods), values=VALUES)
    lines: list[str] = []
    session = Session(release, Files(tmp_path / "shop"), lines.append, declaring=DECLARING)
    thread = threading.Thread(target=session.run)
    thread.start()
    try:
        until("it takes edits", lambda: any("edit the files in" in line for line in lines))
        yield lines
    finally:
        session.end()
        thread.join(20)
    assert not thread.is_alive()


def in_pod(tmp_path: Path, name: str, file: str) -> str:
    """A file in a pod; empty if it is not there."""
    path = tmp_path / "cluster" / name / file
    return path.read_text() if path.exists() else ""


def asked(tmp_path: Path) -> list[str]:
    """The command lines so far, each shortened."""
    return (tmp_path / "cluster" / "asked").read_text().splitlines()


def test_every_pod_gets_each_change(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="one", prices="1")
    with editing(tmp_path, pod("shop-a"), pod("shop-b")) as lines:
        for name in ("shop-a", "shop-b"):
            until("it has the files", lambda: in_pod(tmp_path, name, "shop.py") == "one")  # noqa: B023
        write(repository, shop="two")
        until("it is told", lambda: any(line.startswith("shop.py: in 2 pods after ") for line in lines))
        assert {in_pod(tmp_path, name, "shop.py") for name in ("shop-a", "shop-b")} == {"two"}
        (repository / "prices.py").unlink()
        until("it is told", lambda: any(line.startswith("prices.py: in 2 pods after ") for line in lines))
        assert in_pod(tmp_path, "shop-a", "prices.py") == ""


def test_a_pod_that_comes_gets_what_has_been_edited_and_loses_what_was_deleted(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="one", prices="1")
    with editing(tmp_path, pod("shop-a")):
        until("it has the files", lambda: in_pod(tmp_path, "shop-a", "prices.py") == "1")
        (repository / "prices.py").unlink()
        until("it is gone", lambda: in_pod(tmp_path, "shop-a", "prices.py") == "")
        write(repository, shop="two")
        until("it has changed", lambda: in_pod(tmp_path, "shop-a", "shop.py") == "two")
        # With what its image has: of the files that were deleted, and of those that the image's build has made.
        write(tmp_path / "cluster" / "shop-b", shop="one", prices="1", built="made")
        FakeRelease.set_pods(tmp_path, [pod("shop-a"), pod("shop-b")])
        until("it is up to date", lambda: in_pod(tmp_path, "shop-b", "shop.py") == "two")
        until("it is up to date", lambda: in_pod(tmp_path, "shop-b", "prices.py") == "")
        assert in_pod(tmp_path, "shop-b", "built.py") == "made"
        # Its application starts with all of it.
        until("it may start", (tmp_path / "cluster" / "shop-b.marker").exists)
        FakeRelease.set_pods(tmp_path, [pod("shop-b")])
        write(repository, shop="three")
        until("the other one is left", lambda: in_pod(tmp_path, "shop-b", "shop.py") == "three")


def test_the_release_is_made_live_and_rolled_back(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop="one")
    with editing(tmp_path, pod("shop-a")):
        values = json.loads((tmp_path / "cluster" / "asked-values").read_text())
        assert values["podAnnotations"] == {"flask-app/live-since-revision": "1"}
    assert [line for line in asked(tmp_path) if line.startswith(("helm upgrade", "helm rollback"))] == [
        f"helm upgrade shop {CHART}",
        "helm rollback shop 1",
    ]


def test_a_change_of_what_the_packages_come_from_asks_for_a_new_image(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", **{"shop.py": "one", "requirements.txt": "flask\n"})
    with editing(tmp_path, pod("shop-a")) as lines:
        write(repository, **{"requirements.txt": "flask\nredis\n"})
        told = "requirements.txt has changed: the pods keep the packages of their image until make up builds a new one"
        until("it is told", lambda: told in lines)


def test_code_that_can_not_be_loaded_is_told_as_the_pod_sees_it(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="one")
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "shop-a.check").write_text("SyntaxError: invalid syntax (shop.py, line 1)\n")
    # A supervisor that can't be read stands for a server that can't be reloaded.
    (tmp_path / "cluster" / "shop-a.worker").write_text("nobody")
    with editing(tmp_path, pod("shop-a")) as lines:
        until("it has the files", lambda: in_pod(tmp_path, "shop-a", "shop.py") == "one")
        write(repository, shop="two")
        until("it is told", lambda: any("shop.py can't be loaded" in line for line in lines))
        until("it is told why", lambda: "  SyntaxError: invalid syntax (shop.py, line 1)" in lines)


def test_a_pod_that_waits_to_be_started_again_is_replaced_once_it_is_mended(tmp_path: Path) -> None:
    repository = write(tmp_path / "shop", shop="def (")
    with editing(tmp_path, pod("shop-a", crashing=True)) as lines:
        until("it has the files", lambda: in_pod(tmp_path, "shop-a", "shop.py") == "def (")
        assert "kubectl delete pod shop-a" not in asked(tmp_path)
        write(repository, shop="mended")
        until("it is told", lambda: any(line.startswith("shop.py: in 1 pod after") for line in lines))
        until("it is deleted", lambda: "kubectl delete pod shop-a" in asked(tmp_path))


def test_a_release_that_another_server_serves_is_refused(tmp_path: Path) -> None:
    values = {**VALUES, "management": {"enabled": False}}
    release = FakeRelease.made(tmp_path, pods=[], values=values)
    with pytest.raises(DevelopmentError, match="shop isn't served by nodrop"):
        Session(release, Files(write(tmp_path / "shop")), print).run()
    assert not any(line.startswith(("helm upgrade", "helm rollback")) for line in asked(tmp_path))
