"""Everything that the chart can run is admitted where the restricted Pod Security Standard is enforced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import TEST_VALUES, Release, Target
from harness.cluster.shell import run

PYTHON = ["nodrop", "run", "--", "python", "-c"]
VALUES = {
    "autoscaling": {"mode": "fixed"},
    "replicaCount": 1,
    "workers": {"idle": {"command": [*PYTHON, "import signal; signal.pause()"]}},
    "cronJobs": {"daily": {"schedule": "0 0 1 1 *", "command": [*PYTHON, "print('the report is written')"]}},
    "migrations": {"enabled": True, "command": [*PYTHON, "print('migrated')"]},
}


@pytest.fixture(params=[4, pytest.param(3, marks=pytest.mark.complete)])
def restricted(request: pytest.FixtureRequest, target: Target, namespace: str, images_: Images, tmp_path: Path) -> Any:
    """A release with everything that runs, in a namespace that enforces the standard."""
    labels = target.core.read_namespace(namespace).metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(VALUES))
    helm = target.helm3 if request.param == 3 else target.helm
    release = Release(target, namespace, name=f"helm{request.param}", helm=helm, values_files=[TEST_VALUES, file])
    # Its migration is the first to be admitted.
    release.upgrade(images_.first)
    yield release
    release.uninstall()


def test_workers_cron_jobs_migrations_and_the_test_run_where_the_restricted_standard_is_enforced(
    restricted: Release,
) -> None:
    target, namespace = restricted.target, restricted.namespace
    kubectl = target.kubectl_command("--namespace", namespace)
    worker = f"{restricted.fullname}-idle"
    wait.until(
        "the worker is there",
        lambda: target.apps.read_namespaced_deployment(worker, namespace).status.ready_replicas == 1,
        timeout=60,
    )
    job = f"daily-{restricted.name}"
    run([*kubectl, "create", "job", job, "--from", f"cronjob/{restricted.fullname}-daily"])
    run([*kubectl, "wait", f"job/{job}", "--for=condition=Complete", "--timeout=60s"], timeout=90)
    assert "the report is written" in run([*kubectl, "logs", f"job/{job}"]).stdout
    said = restricted.test()
    assert f"http://{restricted.service}:5000/ 200" in said
    run([*kubectl, "delete", "job", job])
