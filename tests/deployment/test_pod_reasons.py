"""Why a pod does not start: its state, the last lines of its log, and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from delivery.deployment.release.reasons import Watch, readable
from delivery.deployment.release.remedies import remedy
from tests.deployment.fakes import FakeKubectl

IMAGE = "shop:1"


def pod(name: str = "shop-1", image: str = IMAGE, conditions: Any = (), **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/instance": "shop"}},
        "spec": {"containers": [{"name": "flask-app", "image": image}]},
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [{"name": "flask-app", **status}] if status else [],
        },
    }


def watched(found: dict[str, Any], log: str = "") -> tuple[Watch, bool]:
    kubectl = FakeKubectl("default")
    kubectl.apply(found, {"kind": "Log", "metadata": {"name": found["metadata"]["name"]}, "text": log})
    watch = Watch(kubectl, "shop", IMAGE, give_up=True)
    return watch, watch.look()


def ended(status: int, restarts: int, reason: str = "Error") -> dict[str, Any]:
    return {
        "restartCount": restarts,
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": status, "reason": reason}},
    }


TRACEBACK = json.dumps(
    {"level": "error", "message": "Exception in worker process", "traceback": "Traceback:\nKeyError: 'PAYMENT_TOKEN'"}
)


def test_a_crash_is_told_with_its_log_and_what_to_do() -> None:
    watch, hopeless = watched(pod(**ended(3, 2)), f'{{"level": "info", "message": "Starting"}}\n{TRACEBACK}')
    assert hopeless
    assert watch.explain().splitlines() == [
        "pod shop-1 exited with status 3 (container flask-app):",
        "    Exception in worker process",
        "    Traceback:",
        "    KeyError: 'PAYMENT_TOKEN'",
        "=> PAYMENT_TOKEN is not set: write PAYMENT_TOKEN=... into your env file, ENV_FILE=<path>",
    ]


def test_a_first_crash_may_pass() -> None:
    assert not watched(pod(**ended(1, 1)))[1]


def test_a_pod_that_needs_more_memory_is_told_so() -> None:
    watch, _ = watched(pod(**ended(137, 1, "OOMKilled")))
    assert "exceeded its memory limit (OOMKilled, container flask-app)" in watch.explain()
    assert "resources.limits.memory" in watch.explain()


def test_an_image_that_can_not_be_pulled_is_not_waited_for() -> None:
    waiting: dict[str, Any] = {
        "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
    }
    watch, hopeless = watched(pod(**waiting))
    assert hopeless
    assert "can't pull its image: not found" in watch.explain()


def test_a_secret_that_is_missing_is_named() -> None:
    message = 'secret "shop" not found'
    waiting: dict[str, Any] = {
        "restartCount": 0,
        "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}},
    }
    assert message in watched(pod(**waiting))[0].explain()


def test_a_pod_without_a_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient memory"}
    watch, hopeless = watched(pod(conditions=[condition]))
    assert not hopeless, "the autoscaler of a cluster may bring a node"
    assert "can't be scheduled: 0/3 nodes: Insufficient memory" in watch.explain()


def test_a_server_that_runs_but_is_not_ready_is_told_with_its_probe() -> None:
    running: dict[str, Any] = {"restartCount": 0, "ready": False, "started": False}
    running["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    watch, hopeless = watched(pod(**running))
    assert not hopeless, "it may still start"
    assert "shop-1 isn't ready: its startup probe hasn't succeeded (container flask-app)" in watch.explain()


def test_a_pod_whose_claim_has_no_volume_says_what_the_cluster_says_of_the_claim() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "pod has unbound PersistentVolumeClaims"}
    kubectl = FakeKubectl("default")
    kubectl.apply(
        pod(conditions=[condition]),
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "shop-data", "labels": {"app.kubernetes.io/instance": "shop"}},
            "status": {"phase": "Pending"},
        },
        {"kind": "Event", "metadata": {"name": "e"}, "message": "no storage class is set"},
    )
    watch = Watch(kubectl, "shop", IMAGE)
    watch.look()
    assert "the claim shop-data has no volume: no storage class is set" in watch.explain()
    assert "persistence.storageClassName in your VALUES file" in watch.explain()


def test_replicas_with_one_reason_are_told_once() -> None:
    kubectl = FakeKubectl("default")
    kubectl.apply(pod("shop-1", **ended(3, 2)), pod("shop-2", **ended(3, 2)))
    watch = Watch(kubectl, "shop", IMAGE)
    watch.look()
    assert watch.explain().count("exited with status 3") == 1


def test_pods_of_the_version_before_and_pods_that_are_well_are_not_told() -> None:
    kubectl = FakeKubectl("default")
    well: dict[str, Any] = {"restartCount": 4, "ready": True, "started": True, "state": {"running": {}}}
    kubectl.apply(pod("shop-1", "shop:0", **ended(3, 9)), pod("shop-2", **well))
    watch = Watch(kubectl, "shop", IMAGE, give_up=True)
    assert not watch.look()
    assert watch.explain() == ""


def test_what_was_seen_is_still_known_when_the_rollback_has_deleted_the_pod() -> None:
    kubectl = FakeKubectl("default")
    kubectl.apply(pod(**ended(3, 1)), {"kind": "Log", "metadata": {"name": "shop-1"}, "text": "the reason"})
    watch = Watch(kubectl, "shop", IMAGE)
    watch.look()
    kubectl.objects.clear()
    watch.look()
    assert "the reason" in watch.explain()


def test_of_a_long_log_the_end_is_shown() -> None:
    assert readable("\n".join(map(str, range(100)))).splitlines()[-1] == "99"
    assert len(readable("\n".join(map(str, range(100)))).splitlines()) == 20


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("OSError: [Errno 30] Read-only file system: '/srv/uploads/a.png'", 'writable = ["uploads"]'),
        ("OSError: [Errno 30] Read-only file system: '/srv/instance'", 'writable = ["instance"]'),
        ("OSError: [Errno 30] Read-only file system: '/srv/var/lock/shop'", 'writable = ["var/lock"]'),
        (
            "  os.makedirs(PATH)\nOSError: [Errno 30] Read-only file system: '/srv/var/pages'",
            'writable = ["var/pages"]',
        ),
        (
            "OSError: [Errno 30] Read-only file system: '/srv/state.json'",
            'data/state.json, and write writable = ["data"]',
        ),
        ("OSError: [Errno 30] Read-only file system: 'celerybeat-schedule'", "--schedule /tmp/celerybeat-schedule"),
        ("/srv/shop/__init__.py, line 56, wants 'uploads', which is on a read-only file system", '["uploads"]'),
        ("sqlite3.OperationalError: unable to open database file", "SQLite"),
        ("ModuleNotFoundError: No module named 'celery'", "the module celery"),
        ("ImportError: libpq.so.5: cannot open shared object file: No such file", "libpq.so.5"),
        ('could not translate host name "db" to address', "can't resolve the host"),
        ("connection to server at localhost failed: Connection refused", "localhost is the pod itself"),
        ('FATAL:  password authentication failed for user "x"', "rejected the user"),
        ('psycopg.errors.UndefinedTable: relation "orders" does not exist', "migrate ="),
        ("ValueError: something else", ""),
    ],
)
def test_a_known_error_has_a_remedy(log: str, advice: str) -> None:
    assert advice in remedy(log)
    assert bool(remedy(log)) == bool(advice)
