"""What would change is told by resource, without what is secret."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from delivery.deployment import plan as module
from delivery.deployment.errors import DeploymentError
from delivery.deployment.plan import changes, environment_changes, plan, resources
from delivery.deployment.prepare import Application, Prepared, Wanted
from delivery.deployment.release.helm import Helm
from delivery.deployment.settings.secret import EnvironmentSecrets
from tests.deployment.fakes import FakeKubectl, described

BEFORE = """
kind: Deployment
metadata: {name: shop, labels: {app.kubernetes.io/version: "1", helm.sh/chart: flask-app-1}}
spec: {image: "shop:1", threads: 8}
---
kind: Service
metadata: {name: shop, labels: {app.kubernetes.io/version: "1"}}
---
kind: CronJob
metadata: {name: shop-report}
"""
AFTER = """
kind: Deployment
metadata: {name: shop, labels: {app.kubernetes.io/version: "2", helm.sh/chart: flask-app-2}}
spec: {image: "shop:2", threads: 8}
---
kind: Service
metadata: {name: shop, labels: {app.kubernetes.io/version: "2"}}
---
kind: Deployment
metadata: {name: shop-celery}
"""


def test_what_is_created_deleted_and_changed_is_told_by_resource() -> None:
    assert list(changes(resources(BEFORE), resources(AFTER))) == [
        "- CronJob/shop-report is deleted",
        "~ Deployment/shop is changed",
        "       name: shop",
        "     spec:",
        "    -  image: shop:1",
        "    +  image: shop:2",
        "       threads: 8",
        "+ Deployment/shop-celery is created",
    ]


def test_nothing_that_is_secret_is_told() -> None:
    before = {"Secret/shop": {"kind": "Secret", "stringData": {"A": "one", "B": "two"}}}
    after = {"Secret/shop": {"kind": "Secret", "stringData": {"A": "one", "B": "three"}}}
    text = "\n".join(changes(before, after))
    assert "B: (hidden, differs)" in text
    assert not {"one", "two", "three"} & set(text.replace(":", " ").split())


def test_of_the_environment_the_names_are_told() -> None:
    kubectl = FakeKubectl("default")
    secrets = EnvironmentSecrets(kubectl, "shop")
    secrets.create(secrets.version({"KEPT": "1", "GONE": "s3cret", "OTHER": "s3cret"}, ""))
    version = secrets.version({"KEPT": "1", "NEW": "s3cret", "OTHER": "t"}, "shop-env-1")
    wanted = Wanted(kubectl, "shop", Application(described()))
    prepared = Prepared(wanted, (), version, claim="", storage_class="", notes=())
    assert list(environment_changes(prepared, "shop-env-1")) == [
        "+ Secret/shop-env-2 is created, with these settings",
        "    - GONE",
        "    + NEW",
        "    ~ OTHER has a new value",
    ]


def test_a_plan_without_the_application_is_refused_as_the_deployment_is(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = {"image": {"repository": "r/shop", "tag": "1"}, "fullnameOverride": "shop"}
    with pytest.raises(DeploymentError, match="name the application too, APP="):
        planned(monkeypatch, FakeHelm(deployed, AFTER))


class FakeHelm:
    """helm with a release whose manifest is BEFORE; the planned one is AFTER."""

    def __init__(self, deployed: dict[str, Any], planned: str) -> None:
        self.deployed, self.planned = deployed, planned
        self.asked: list[tuple[str, ...]] = []

    def ask(self, *arguments: str) -> str:
        self.asked.append(arguments)
        if arguments[:2] == ("get", "values"):
            return json.dumps(self.deployed)
        if arguments[:2] == ("get", "manifest"):
            return BEFORE
        job = {"kind": "Job", "spec": {"template": {"spec": {"containers": [{"command": ["flask", "db", "upgrade"]}]}}}}
        hook = {"events": ["pre-install", "pre-upgrade"], "manifest": json.dumps(job)}
        return json.dumps({"manifest": self.planned, "hooks": [hook]})


def planned(monkeypatch: pytest.MonkeyPatch, helm: FakeHelm, image: str = "") -> bool:
    monkeypatch.setattr(Helm, "ask", lambda _, *arguments: helm.ask(*arguments))
    options = argparse.Namespace(app="", env=None, values=None, release="shop", image=image)
    return plan(options, FakeKubectl("web"))


def test_a_plan_asks_the_server_and_says_what_runs_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    helm = FakeHelm({"image": {"repository": "r/shop", "tag": "1"}}, AFTER)
    assert planned(monkeypatch, helm) is True
    said = capsys.readouterr().out
    assert "shop in the namespace web:\n- CronJob/shop-report is deleted" in said
    assert said.endswith("Before that, this runs: flask db upgrade\n")
    upgrade = next(each for each in helm.asked if each[0] == "upgrade")
    assert "--dry-run=server" in upgrade
    assert "image.repository=r/shop,image.tag=1,image.digest=" in upgrade, "the image that runs"


def test_a_plan_without_changes_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(monkeypatch, FakeHelm({}, BEFORE), image="shop:1") is False
    assert capsys.readouterr().out == "shop in the namespace web: nothing changes\n"


def test_a_first_plan_needs_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeploymentError, match="set IMAGE=registry/name:tag"):
        planned(monkeypatch, FakeHelm({}, AFTER))


@pytest.mark.parametrize(
    ("changed", "option", "status"),
    [(True, [], 0), (True, ["--detailed-exitcode"], 2), (False, ["--detailed-exitcode"], 0)],
)
def test_the_exit_status_tells_of_changes_only_if_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: bool, option: list[str], status: int
) -> None:
    monkeypatch.setattr(module, "plan", lambda *_: changed)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("sys.argv", ["plan", "--namespace", "web", *option])
    assert module.main() == status


def test_passwords_in_addresses_are_hidden() -> None:
    def pod(proxy: str) -> dict[str, dict[str, Any]]:
        return resources(f"kind: Deployment\nmetadata: {{name: shop}}\nspec: {{t: {'a ' * 80}, url: '{proxy}'}}\n")

    said = "\n".join(changes(pod("http://me:hunter@2@old:1"), pod("http://me:hunter3@new:1")))
    assert not re.search("hunter|2@", said)
    assert "http://(hidden)@old:1" in said
