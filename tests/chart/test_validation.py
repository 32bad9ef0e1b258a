"""The four newest versions of Kubernetes, and the projects around it, accept what every example of values gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.chart.rendering import EXAMPLES, KUBERNETES, Object, template

VERSIONS = ["1.34", "1.35", "1.36", "1.37"]
CUSTOM = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "schemas").glob("*.json")}
ids = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.stem).removesuffix("-values"))


def objects(helm: Path, example: Path, *arguments: str) -> list[Object]:
    """What the chart makes of an example."""
    done = template(helm, f"--values={example}", *arguments, values={})
    assert done.returncode == 0, done.stderr
    return [o for o in yaml.safe_load_all(done.stdout) if o]


def validate(o: Object, version: str) -> None:
    """Raise where Kubernetes, or the project whose kind it is, does not know a field or refuses its type."""
    if o["kind"] in CUSTOM:
        group, _, name = o["apiVersion"].partition("/")
        known: Any = CUSTOM[o["kind"]]
        assert group == known["group"]
        jsonschema.validate(o, known["versions"][name])
    else:
        kubernetes_validate.validate(o, version, strict=True)


def test_there_are_examples_of_every_kind(helm4: Path) -> None:
    kinds = {o["kind"] for example in EXAMPLES for o in objects(helm4, example)}
    assert kinds >= {
        "Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap",
        "Secret", "PersistentVolumeClaim", "Role", "RoleBinding", "CronJob", "Job", "Pod", "Ingress", "NetworkPolicy",
        *CUSTOM,
    } - {"ServiceMonitor"}  # fmt: skip


@ids
def test_both_helms_make_the_same_of_it(helm4: Path, helm: Path, example: Path) -> None:
    def by_name(helm: Path) -> dict[str, Object]:
        return {f"{o['kind']} {o['metadata']['name']}": o for o in objects(helm, example)}

    assert by_name(helm) == by_name(helm4)


@ids
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_it(helm4: Path, example: Path, version: str) -> None:
    for o in objects(helm4, example):
        validate(o, version)


@ids
def test_the_oldest_kubernetes_renders_it(helm4: Path, example: Path) -> None:
    assert objects(helm4, example, f"--kube-version={KUBERNETES[0]}")


def test_a_field_that_does_not_exist_is_seen(helm4: Path) -> None:
    """The check itself can fail, for Kubernetes' kinds and for the others."""
    for example in EXAMPLES:
        for o in objects(helm4, example):
            if "spec" in o:
                o["spec"]["noSuchField"] = 1
                with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError)):
                    validate(o, VERSIONS[-1])
