"""`make up`: what is missing is said first, services and keys come with it, and nothing is done twice."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cluster
from delivery.deployment import prepare, up
from delivery.deployment.errors import DeploymentError
from delivery.deployment.prepare import Application
from delivery.deployment.release.helm import Helm
from delivery.deployment.services import databases, storage
from delivery.deployment.settings.secret import decoded
from delivery.detection.description import Found
from tests.deployment.fakes import FakeKubectl, described, setting

NEEDS: dict[str, Any] = {
    "services": (Found("postgresql", "requirements.txt:3"),),
    "settings": (
        setting("DATABASE_URL", required=True),
        setting("SECRET_KEY", required=True),
        setting("PAYMENT_TOKEN", required=True),
    ),
}


class Machine:
    """What `make up` does on this machine, in order; a cluster that is a dictionary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.kubectl = FakeKubectl("default", "kind-trial")
        node = {"kind": "Node", "metadata": {"name": "trial-worker"}, "spec": {}}
        self.kubectl.apply(node)
        self.status = ""
        self.manifest = "the same"

    def up(self, env: str | None = "", **surroundings: Any) -> dict[str, str]:
        """Run it with an env file, or with None; returns the environment that the pods get."""
        file = None if env is None else self.folder / "my.env"
        if file:
            file.write_text(env or "")
        self.application = Application(described(self.folder, **surroundings))
        where = {"namespace": "default", "cluster": "trial", "port": 5099, "release": ""}
        up.up(argparse.Namespace(app="shop", env=file, values=None, timeout="5m", **where))
        versions = sorted(name for _, name in self.kubectl.objects if name.startswith("shop-env-"))
        return decoded(self.kubectl.objects["Secret", versions[-1]])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)

    def does(what: str, answer: object = None) -> Callable[..., object]:
        def do(*arguments: object, **_: object) -> object:
            made.done.append(what.format(*arguments))
            return answer

        return do

    monkeypatch.setattr(up, "describe", lambda _: made.application)
    monkeypatch.setattr(up, "Kubectl", lambda *_: made.kubectl)
    monkeypatch.setattr(up, "require_free", does("port {0}"))
    monkeypatch.setattr(cluster, "require_engine", does("engine"))
    monkeypatch.setattr(cluster, "create", does("create {0}"))
    monkeypatch.setattr(cluster, "load_once", does("load {1}"))
    monkeypatch.setattr(up, "build_image", does("build", "shop:0123"))
    monkeypatch.setattr(databases, "local_images", lambda services: [each.image for each in services])
    monkeypatch.setattr(databases, "wait", does("wait for services"))
    monkeypatch.setattr(storage, "make_folder", does("folder on {0}"))
    monkeypatch.setattr(up, "run_to_its_end", does("helm", 0))
    monkeypatch.setattr(prepare, "origin_of", lambda _: "github.com/acme/shop")
    monkeypatch.setattr(subprocess, "run", does("forward"))
    monkeypatch.setattr(Helm, "values", lambda _: {"secrets": {"existingSecret": "shop-env-1"}})
    monkeypatch.setattr(Helm, "status", lambda _: made.status)
    monkeypatch.setattr(Helm, "manifest", lambda _: made.manifest)
    monkeypatch.setattr(Helm, "planned", lambda *_: {"manifest": "the same"})
    monkeypatch.setattr(prepare, "BUILD", tmp_path / "build")
    return made


def test_the_application_gets_a_database_and_keys_without_a_word_of_its_user(machine: Machine) -> None:
    given = machine.up("PAYMENT_TOKEN=t\n", **NEEDS)
    assert given.keys() == {"DATABASE_URL", "SECRET_KEY", "PAYMENT_TOKEN"}
    made_up = decoded(machine.kubectl.objects["Secret", "shop-development"])
    password = made_up[databases.PASSWORD]
    assert given["DATABASE_URL"] == f"postgresql://flask:{password}@shop-postgresql:5432/flask"
    assert given["SECRET_KEY"] == made_up["SECRET_KEY"]
    assert machine.done == [
        "port 5099",
        "engine",
        "create trial",
        "load postgres:17",
        "folder on trial-worker",
        "build",
        "load shop:0123",
        "wait for services",
        "helm",
        "forward",
    ]


def test_what_is_missing_is_said_before_anything_is_changed(machine: Machine) -> None:
    with pytest.raises(DeploymentError, match=r"(?s)PAYMENT_TOKEN +config.py:7.*PAYMENT_TOKEN=<value>"):
        machine.up("A=1\n", **NEEDS)
    assert machine.done == ["port 5099", "engine"]
    assert machine.kubectl.objects.keys() == {("Node", "trial-worker")}


def test_another_application_of_the_name_is_refused_before_a_database_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"service": {"annotations": {"flask-app/origin": "github.com/other/shop"}}}
    monkeypatch.setattr(Helm, "values", lambda _: other)
    with pytest.raises(DeploymentError, match="the release shop is that of another application"):
        machine.up("PAYMENT_TOKEN=t\n", **NEEDS)
    assert machine.kubectl.objects.keys() == {("Node", "trial-worker")}


@pytest.mark.parametrize(
    "line",
    [
        "DATABASE_URL=postgresql://me:s3cret@localhost:5432/shop",
        "DATABASE_URL=postgresql://me:s3cret@127.0.0.1/shop",
        "DATABASE_URL=postgresql://me:s3cret@db/shop",
        "DB_HOST=localhost",
        "PGHOST=db:5432",
        "REDIS_URL=redis://[::1]:6379/0",
    ],
)
def test_an_address_that_no_pod_reaches_is_refused_before_anything_is_changed(machine: Machine, line: str) -> None:
    (machine.folder / "compose.yaml").write_text("services: {db: {image: postgres}}\n")
    name = line.partition("=")[0]
    with pytest.raises(DeploymentError, match=rf"(?s)  {name} .*make up runs postgresql, and sets them") as refused:
        machine.up(f"PAYMENT_TOKEN=t\n{line}\n", **NEEDS)
    assert "s3cret" not in str(refused.value)
    assert machine.done == ["port 5099", "engine"]


def test_an_address_of_elsewhere_is_taken_and_no_database_runs(machine: Machine) -> None:
    url = "postgresql://me@db.example.com/shop"
    assert machine.up(f"PAYMENT_TOKEN=t\nDATABASE_URL={url}\n", **NEEDS)["DATABASE_URL"] == url
    assert "load postgres:17" not in machine.done


def test_the_name_of_a_database_is_no_address(machine: Machine) -> None:
    needs = {"services": NEEDS["services"], "settings": (setting("DB_HOST", required=True), setting("DB_NAME"))}
    with pytest.raises(DeploymentError, match="DB_NAME would not fit the PostgreSQL that make up runs"):
        machine.up("DB_NAME=shop\n", **needs)
    assert machine.up("A=1\n", **needs)["DB_HOST"] == "shop-postgresql"


def test_the_image_that_was_built_is_deployed_whatever_its_name_means_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("delivery.images.build.build", lambda *_: "sha256:0123456789abcdef")
    monkeypatch.setattr(subprocess, "run", lambda line, **_: ran.append(line))
    assert up.build_image(Application(described(tmp_path))) == "shop:0123456789ab"
    assert ran == [["docker", "tag", "sha256:0123456789abcdef", "shop:0123456789ab"]]


def test_an_env_file_of_the_repository_is_named_and_not_taken_by_itself(machine: Machine) -> None:
    (machine.folder / ".env").write_text("PAYMENT_TOKEN=t\n")
    with pytest.raises(DeploymentError, match=r"There is one in the repository\. To use it: ENV_FILE=.*/\.env"):
        machine.up(None, **NEEDS)


def test_a_service_that_can_not_be_run_is_said_with_what_is_missing(machine: Machine) -> None:
    needs: dict[str, Any] = {
        "services": (Found("mysql", "requirements.txt:3"),),
        "settings": (setting("DATABASE_URL", required=True),),
    }
    with pytest.raises(DeploymentError, match=r"(?s)DATABASE_URL.*make up runs no mysql.*mysql\+pymysql://"):
        machine.up(**needs)


def test_a_second_run_keeps_the_keys_and_upgrades_nothing(machine: Machine) -> None:
    first = machine.up("PAYMENT_TOKEN=t\n", **NEEDS)
    machine.status = "deployed"
    machine.done.clear()
    assert machine.up("PAYMENT_TOKEN=t\n", **NEEDS) == first
    assert "helm" not in machine.done
    assert not any(each.startswith("folder") for each in machine.done), "the data stays where it is"


@pytest.mark.parametrize("change", ["status", "manifest", "env"])
def test_whatever_changed_is_rolled_out(machine: Machine, change: str) -> None:
    machine.up("PAYMENT_TOKEN=t\n", **NEEDS)
    machine.status, machine.manifest = "deployed", "the same"
    machine.done.clear()
    if change == "status":
        machine.status = "failed"
    elif change == "manifest":
        machine.manifest = "another"
    assert machine.up("PAYMENT_TOKEN=" + ("u\n" if change == "env" else "t\n"), **NEEDS)["PAYMENT_TOKEN"]
    assert "helm" in machine.done


def test_a_deployment_that_fails_says_why(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "shop-1", "labels": {"app.kubernetes.io/instance": "shop"}},
        "spec": {"containers": [{"image": "shop:0123"}]},
        "status": {"containerStatuses": [{"name": "flask-app", "state": {"terminated": {"exitCode": 4}}}]},
    }
    machine.kubectl.apply(pod, {"kind": "Log", "metadata": {"name": "shop-1"}, "text": "KeyError: 'MAIL_HOST'"})
    monkeypatch.setattr(up, "run_to_its_end", lambda *_, **__: 1)
    with pytest.raises(cluster.ClusterError, match=r"(?s)exited with status 4.*MAIL_HOST is not set.*was not deployed"):
        machine.up("PAYMENT_TOKEN=t\n", **NEEDS)


def fake_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """kind with two workers, of which the first has the image shop:1; both commands note how they are called."""
    notes = folder / "calls"
    (folder / "kind").write_text(
        f'#!/bin/sh\necho "kind $*" >> {notes}\n[ "$1" = get ] && echo "c-control-plane c-worker c-worker2"\ntrue\n'
    )
    (folder / "docker").write_text('#!/bin/sh\n[ "$2" = c-worker ] && echo docker.io/library/shop:1\ntrue\n')
    for name in ("kind", "docker"):
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cluster, "resolve", lambda name: folder / name)
    return notes


def test_an_image_is_copied_only_to_the_nodes_that_lack_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = fake_commands(tmp_path, monkeypatch)
    cluster.load_once("c", "shop:1")
    assert notes.read_text().splitlines()[-1] == "kind load docker-image --name c --nodes c-worker2 shop:1"
    notes.unlink()
    cluster.load_once("c", "shop:1", nodes=["c-worker"])
    assert not notes.exists()


def test_data_is_always_on_the_same_node_of_those_that_take_pods() -> None:
    kubectl = FakeKubectl("default")
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    for name, taints in (("c-worker2", []), ("c-worker", []), ("c-control-plane", [taint])):
        kubectl.apply({"kind": "Node", "metadata": {"name": name}, "spec": {"taints": taints}})
    assert storage.storage_node(kubectl) == "c-worker"
    volume, claim = storage.node_claim("shop", "default", "shop-data", "1Gi", "c-worker", "default-shop-data-1")
    assert "c-worker" in json.dumps(volume["spec"]["nodeAffinity"])
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"] == "shop-data"
    assert claim["spec"]["storageClassName"] == "", "a cluster without a provisioner has it too"


def test_missing_images_where_nothing_can_be_pulled_say_what_builds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{Path(sys.executable).parent}")
    services = databases.wanted("shop", ["postgresql", "redis"])
    monkeypatch.setattr(databases, "OFFLINE_SETTINGS", tmp_path / "none")
    assert databases.local_images(services) == [], "the nodes pull them"
    (tmp_path / "none").touch()
    with pytest.raises(DeploymentError, match=r"postgres:17, redis:7.*make offline WITH=databases"):
        databases.local_images(services)
