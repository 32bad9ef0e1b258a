"""The values that a description becomes: accepted by the chart, with the place of each above it."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import tools
from delivery.checkout import CHART
from delivery.deployment.chart.commented import Value, render
from delivery.deployment.chart.folders import find_folders
from delivery.deployment.chart.values import Circumstances, fullname, values
from delivery.detection.description import Description, Found, Process, Role
from tests.deployment.fakes import described, written

SHOP = described(
    health=Found("/healthz", "shop.py:20"),
    affinity=Found("Flask-SocketIO", "shop.py:2"),
    migration=Found("flask db upgrade", "migrations/env.py"),
    processes=(
        Process("celery", Role.WORKER, "celery --app shop.tasks worker", "Procfile:2"),
        Process("beat", Role.SCHEDULER, "celery --app shop.tasks beat", "Procfile:3"),
        Process("newsletter", Role.JOB, "flask newsletter", "flask-app.toml", "0 7 * * 1"),
    ),
    writes=(written("cache"), written("uploads", "upload folder", shared=True)),
)


def rendered(description: Description, **given: Any) -> tuple[str, dict[str, Any]]:
    folders = find_folders(description, development=True, has_database=False)
    found = values(description, Circumstances(release="shop", claim="shop-data", **given), folders)
    text = render(found, "Written by a test.")
    return text, yaml.safe_load(text)


def test_the_chart_accepts_all_that_an_application_can_have(tmp_path: Path) -> None:
    text, _ = rendered(SHOP, environment={"CURRENCY": "EUR"}, config={"WEB_THREADS": "4"}, secret="shop-env-1")
    file = tmp_path / "values.yaml"
    file.write_text(text)
    made = subprocess.run(
        [str(tools.resolve("helm")), "template", "shop", str(CHART), "--values", str(file),
         "--set-string", "image.repository=shop,image.tag=1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made.stdout) if each}
    assert {name for kind, name in objects if kind == "Deployment"} == {"shop", "shop-celery", "shop-beat"}
    assert objects["Service", "shop"]["spec"]["sessionAffinity"] == "ClientIP"
    migration = objects["Job", "shop-migrations"]["spec"]["template"]["spec"]["containers"][0]
    assert "/srv/uploads" in [each["mountPath"] for each in migration["volumeMounts"]]
    pod = objects["Deployment", "shop"]["spec"]["template"]["spec"]
    assert {"name": "shared", "persistentVolumeClaim": {"claimName": "shop-data"}} in pod["volumes"]


def test_each_value_has_its_place_above_it() -> None:
    text, _ = rendered(SHOP, environment={"CURRENCY": "EUR"}, configuration_place="pyproject.toml [tool.flask-app]")
    lines = [line.strip() for line in text.splitlines()]
    for place, value in (
        ("# pyproject.toml [tool.flask-app] [environment]", 'CURRENCY: "EUR"'),
        ("# shop.py:20", 'STARTUP_PATH: "/healthz"'),
        ("# shop.py:2", 'sessionAffinity: "ClientIP"'),
        ("# Procfile:2: celery --app shop.tasks worker", 'command: ["nodrop", "run", "--", "celery",'),
        ("# migrations/env.py", "enabled: true"),
    ):
        assert any(above == place and below.startswith(value) for above, below in itertools.pairwise(lines)), (
            place,
            text,
        )


def test_workers_and_jobs_run_with_the_settings_of_the_application() -> None:
    _, found = rendered(SHOP)
    assert found["workers"]["celery"]["command"][:4] == ["nodrop", "run", "--", "celery"]
    assert found["cronJobs"] == {
        "newsletter": {"schedule": "0 7 * * 1", "command": ["nodrop", "run", "--", "flask", "newsletter"]}
    }
    assert found["migrations"] == {"enabled": True, "command": ["nodrop", "run", "--", "flask", "db", "upgrade"]}


def test_what_may_run_once_has_one_replica_that_is_not_scaled() -> None:
    _, found = rendered(described(single=Found("a scheduler within the server", "app.py:4")))
    assert (found["autoscaling"]["mode"], found["replicaCount"]) == ("fixed", 1)


def test_there_are_never_two_schedulers() -> None:
    _, found = rendered(SHOP)
    assert found["workers"]["beat"].items() >= {"replicaCount": 1, "strategy": {"type": "Recreate"}}.items()


@pytest.mark.parametrize(
    ("command", "processes"),
    [
        ("celery --app shop worker", "2"),
        ("celery -A shop worker --loglevel info", "2"),
        ("celery --app shop worker -c 4", None),
        ("celery --app shop worker --concurrency=4", None),
        ("celery --app shop worker --pool gevent", None),
        ("celery --app shop flower", None),
        ("rq worker", None),
    ],
)
def test_a_celery_worker_has_not_a_process_for_each_core_of_the_node(command: str, processes: str | None) -> None:
    _, found = rendered(described(processes=(Process("tasks", Role.WORKER, command, "Procfile:1"),)))
    assert found["workers"]["tasks"].get("config", {}).get("CELERY_WORKER_CONCURRENCY") == processes


def test_an_application_that_asks_for_nothing_has_only_its_name() -> None:
    assert rendered(described())[1] == {"fullnameOverride": "shop"}


def test_a_setting_of_the_user_is_not_replaced_by_what_was_detected() -> None:
    _, found = rendered(SHOP, environment={"STARTUP_PATH": "/live"})
    assert found["config"]["STARTUP_PATH"] == "/live"


def test_a_release_that_begins_with_a_digit_can_be_the_name_of_a_service() -> None:
    assert (fullname("2048"), fullname("shop")) == ("app-2048", "shop")


@pytest.mark.parametrize("text", ["a: b", "# no comment", "yes", "1.10", "two\nlines", "'\"", "ü\u2028", "{{ x }}"])
def test_text_of_any_kind_comes_back_as_it_was(text: str) -> None:
    found = render([Value(("config", "yes"), text, f"a place\nof {text}"), Value(("on",), [text], "")], "")
    assert yaml.safe_load(found) == {"config": {"yes": text}, "on": [text]}, json.dumps(found)
