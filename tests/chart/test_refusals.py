"""Wrong values, each with what Helm says of it: scripts/chart_values/tables/refusals.yaml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.chart.refusing import messages, refused
from tests.chart.rendering import CHART, IMAGE, Object, refusal, template

TABLE = yaml.safe_load((CHART.parents[1] / "scripts" / "chart_values" / "tables" / "refusals.yaml").read_text())
CASES = [(case["set"], case["says"]) for cases in TABLE.values() for case in cases]


@pytest.mark.parametrize(("values", "says"), CASES, ids=[str(values) for values, _ in CASES])
def test_a_wrong_value_is_refused_with_its_path_and_the_remedy(helm: Path, values: Object, says: str) -> None:
    assert messages(refused(helm, values)) == [says]


def test_every_message_of_the_checks_is_in_the_table() -> None:
    """Whoever adds a check adds a case. A message is known by its longest part without a value."""
    texts = [path.read_text() for path in sorted((CHART / "templates" / "checks").glob("*.tpl"))]
    found = re.findall(r'fail (?:\(printf )?"((?:[^"\\]|\\.)*)"', "".join(texts))
    assert len(found) >= 60
    said = "\n".join(says for _, says in CASES)
    elsewhere = "can't be the name of a Service"  # The release's name decides: see test_names_and_notes.py.
    parts = [max(re.split("%[a-z]", message), key=len) for message in found]
    assert [part for part in parts if part not in said and elsewhere not in part] == []


def test_all_that_the_schema_refuses_is_told_at_once(helm: Path) -> None:
    values = {"image": {"tag": 1.5}, "config": {"WEB_THREADS": 0, "A": 1}, "env": {}}
    said = messages(refused(helm, values))
    assert [line.partition(":")[0] for line in said] == [
        "at '/config/A'", "at '/config/WEB_THREADS'", "at '/env'", "at '/image/tag'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        # No budget is rendered where there is one replica.
        {"autoscaling": {"mode": "fixed"}, "replicaCount": 1, "podDisruptionBudget": {"minAvailable": 1}},
        {"config": {"PASSWORD_MIN_LENGTH": "12", "TOKEN": "", "DB_PASSWORD_FILE": "/run/secrets/app/db"}},
        {"config": {"DATABASE_URL": "postgresql://database/shop", "LOCALE": "de_CH.UTF-8"}},
        {"config": {"WEB_THREADS": "016", "MAX_BODY_BYTES": "16 MiB", "TRUSTED_PROXIES": 1, "WEB_CONCURRENCY": 1}},
        {"config": {"TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32", "ACCESS_LOG": "OFF", "LOG_QUERY": "Off"}},
        {"config": {"WEB_CONCURRENCY": 4}, "tmpSizeLimit": "768Mi"},
        {"resources": {"requests": {"cpu": "1500m"}, "limits": {"cpu": 1.5}}},
        {"resources": {"requests": {"cpu": None}, "limits": {"cpu": "2"}}},
        {"persistence": {"enabled": True, "accessModes": ["ReadWriteOnce"]}, "autoscaling": {"mode": "fixed"},
         "replicaCount": 1, "rollout": {"strategy": "Recreate"}},
        {"podLabels": {"a" * 63: "b" * 63, "example.org/team": ""}, "podAnnotations": {"a": "any\ntext: {}"}},
        {"volumes": [{"name": "data", "emptyDir": {}}], "volumeMounts": [{"name": "tmp", "mountPath": "/var/tmp"}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_right_is_accepted(helm: Path, values: Object) -> None:
    assert refused(helm, values) == ""


def test_a_number_on_the_command_line_is_told_the_other_option(helm: Path) -> None:
    """--set makes a number of digits, whatever the quotes."""
    assert "--set-string image.tag=1.10" in refusal(helm, "image.tag=110")
    assert "--set-string config.NAME=value" in refusal(helm, "config.PAGES=5")
    assert template(helm, "--set-string=image.tag=1.10,config.PAGES=5").returncode == 0


def test_the_image_is_asked_for_before_anything_else(helm: Path) -> None:
    """The first thing that a new user is told."""
    done = template(helm, image=False)
    assert messages(done.stderr) == messages(refused(helm, {"image": {"repository": ""}}))
    assert IMAGE["image"]["repository"] not in done.stderr
