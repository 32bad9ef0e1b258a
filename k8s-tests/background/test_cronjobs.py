"""Cron jobs on nodes that go away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from background import ledger
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.nodes import Nodes
from harness.cluster.release import TEST_VALUES, Release, Target
from harness.cluster.shell import run

# It takes longer than its node waits for it.
SECONDS = 25
GRACE_SECONDS = 3
TASK = f"""\
import json, os, time, urllib.request
def write(event):
    entry = {{"event": event, "pod": os.environ["HOSTNAME"]}}
    urllib.request.urlopen({ledger.URL!r}, json.dumps(entry).encode(), timeout=10)
write("begins")
time.sleep({SECONDS})
write("ends")
"""
VALUES = {
    "autoscaling": {"mode": "fixed"},
    "replicaCount": 1,
    "cronJobs": {
        "report": {
            "schedule": "0 0 1 1 *",
            "command": ["nodrop", "run", "--", "python", "-c", TASK],
            "terminationGracePeriodSeconds": GRACE_SECONDS,
        }
    },
}


@pytest.fixture
def ledger_(target: Target, namespace: str, images_: Images) -> Iterator[ledger.Ledger]:
    with ledger.kept(target, namespace, images_.first) as kept:
        yield kept


@pytest.mark.complete
def test_a_job_whose_node_is_drained_is_done_again_and_has_not_failed(
    ledger_: ledger.Ledger, images_: Images, tmp_path: Path
) -> None:
    """Though it may not be repeated at all if it fails by itself: backoffLimit is 0."""
    target, namespace, nodes = ledger_.target, ledger_.namespace, Nodes(ledger_.target)
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES))
    release = Release(target, namespace, values_files=[TEST_VALUES, file])
    release.upgrade(images_.first)
    kubectl = target.kubectl_command("--namespace", namespace)
    run([*kubectl, "create", "job", "now", "--from", f"cronjob/{release.fullname}-report"])
    begun: dict[str, Any] = wait.until("it has begun", lambda: ledger_.entries(event="begins"), timeout=60)[0]
    node = target.core.read_namespaced_pod(begun["pod"], namespace).spec.node_name
    try:
        nodes.drain(node)
        run([*kubectl, "wait", "job/now", "--for=condition=Complete", "--timeout=90s"], timeout=120)
    finally:
        nodes.uncordon(node)
    [first, second], [ended] = ledger_.entries(event="begins"), ledger_.entries(event="ends")
    assert first["pod"] != second["pod"] == ended["pod"]
    shown = run([*kubectl, "get", "job", "now", "--output", "jsonpath={.status.failed}/{.status.succeeded}"]).stdout
    assert shown in ("/1", "0/1")
    release.uninstall()
