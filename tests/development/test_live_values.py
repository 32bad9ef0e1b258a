"""The values of `make live`, as the chart renders them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.development.live.values import live_values, revision_before
from tests.serving_process import ROOT

CHART = ROOT / "charts" / "flask-app"
BASE: dict[str, Any] = {
    "image": {"repository": "shop", "tag": "1"},
    "initContainers": [{"name": "own", "command": ["true"]}],
    "volumes": [{"name": "cache", "emptyDir": {}}],
    "volumeMounts": [{"name": "cache", "mountPath": "/srv/cache"}],
    "configFiles": {"/srv/settings.toml": "a = 1"},
    "migrations": {"enabled": True},
    "workers": {"queue": {"command": ["nodrop", "run", "--", "celery"], "initContainers": []}},
    "cronJobs": {"nightly": {"schedule": "0 3 * * *", "command": ["nodrop", "run", "--", "true"]}},
}


def effective(own: dict[str, Any]) -> dict[str, Any]:
    """All values in effect, as `helm get values --all` tells them."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return {**values, **own}


def rendered(helm: Path, own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pods of a live release, by the name of what makes them."""
    values = json.dumps({**own, **live_values(effective(own), 7)})
    # Helm merges maps.
    merged = json.loads(values)
    for kind in ("workers", "cronJobs"):
        for name, each in own.get(kind, {}).items():
            merged.setdefault(kind, {})[name] = {**each, **merged.get(kind, {}).get(name, {})}
    done = subprocess.run(
        [helm, "template", "shop", CHART, "--values", "-"],
        input=json.dumps(merged), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pods = {}
    for thing in filter(None, yaml.safe_load_all(done.stdout)):
        if thing["kind"] in ("Deployment", "Job"):
            pods[thing["metadata"]["name"]] = thing["spec"]["template"]
        if thing["kind"] == "CronJob":
            pods[thing["metadata"]["name"]] = thing["spec"]["jobTemplate"]["spec"]["template"]
    return pods


def mounts(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The mounts of a container, by their paths."""
    return {each["mountPath"]: each for each in container["volumeMounts"]}


def test_every_pod_has_the_volume_in_place_of_the_application_s_folder(helm4: Path) -> None:
    pods = rendered(helm4, BASE)
    assert set(pods) == {"shop-flask-app", "shop-flask-app-queue", "shop-flask-app-nightly"}
    for pod in pods.values():
        first, spec = pod["spec"]["initContainers"][0], pod["spec"]
        assert (first["name"], first["restartPolicy"]) == ("live", "Always")
        # What the sidecar has is the image's own folder.
        assert "/srv" not in mounts(first)
        assert mounts(first)["/live"]["name"] == "live"
        assert first["securityContext"]["readOnlyRootFilesystem"]
        assert mounts(spec["containers"][0])["/srv"] == {"name": "live", "mountPath": "/srv", "readOnly": True}
        assert "/srv/cache" in mounts(spec["containers"][0])
        assert {"folder:cache", "file:settings.toml"} <= set(first["command"])
        assert spec["shareProcessNamespace"]
        assert pod["metadata"]["annotations"]["flask-app/live-since-revision"] == "7"
    assert [each["name"] for each in pods["shop-flask-app"]["spec"]["initContainers"]] == ["live", "own"]


def test_a_worker_has_a_supervisor_and_the_server_is_started_as_ever(helm4: Path) -> None:
    pods = rendered(helm4, BASE)
    assert "command" not in pods["shop-flask-app"]["spec"]["containers"][0]
    command = pods["shop-flask-app-queue"]["spec"]["containers"][0]["command"]
    assert command[:2] == ["python", "-c"]
    assert command[-4:] == ["nodrop", "run", "--", "celery"]
    assert pods["shop-flask-app-nightly"]["spec"]["containers"][0]["command"] == ["nodrop", "run", "--", "true"]


@pytest.mark.parametrize("mount", ["/srv", "/srv/"])
def test_a_folder_that_the_release_can_write_to_stays_writable(helm4: Path, mount: str) -> None:
    own = {**BASE, "volumeMounts": [{"name": "cache", "mountPath": mount}]}
    container = rendered(helm4, own)["shop-flask-app"]["spec"]["containers"][0]
    assert mounts(container)["/srv"] == {"name": "live", "mountPath": "/srv", "readOnly": False}


def test_a_release_that_is_live_knows_where_to_go_back_to() -> None:
    assert revision_before(effective({})) is None
    assert revision_before(live_values(effective({}), 7)) == 7
