"""Who decides the number of pods: one owner at most, in every mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.rendering import Object, render


@pytest.mark.parametrize("mode", ["hpa", "keda", "fixed", "external"])
def test_no_deployment_states_the_number_of_replicas(helm: Path, mode: str) -> None:
    values: Object = {
        "autoscaling": {"mode": mode},
        "workers": {"w": {"command": ["w"], "autoscaling": {"mode": mode}}},
    }
    rendered = render(helm, values=values)
    for deployment in rendered.all("Deployment"):
        assert "replicas" not in deployment["spec"]
        owners = [
            o
            for o in rendered.objects
            if o.get("spec", {}).get("scaleTargetRef", {}).get("name") == deployment["metadata"]["name"]
        ]
        assert len(owners) == (mode != "external")


def test_it_scales_between_the_minimum_and_the_maximum(helm: Path) -> None:
    rendered = render(helm, "autoscaling.minReplicas=3", "autoscaling.maxReplicas=7")
    spec = rendered["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 7)
    (metric,) = spec["metrics"]
    assert metric["containerResource"]["container"] == rendered.container["name"]


def test_in_mode_fixed_the_number_is_held(helm: Path) -> None:
    spec = render(helm, "autoscaling.mode=fixed", "replicaCount=4")["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (4, 4)


def test_cpu_memory_and_other_metrics_are_scaled_on_together(helm: Path) -> None:
    pods = {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}}
    values: Object = {"autoscaling": {"targetMemoryUtilizationPercentage": 80, "metrics": [pods]}}
    metrics = render(helm, values=values)["HorizontalPodAutoscaler"]["spec"]["metrics"]
    resources = {
        m["containerResource"]["name"]: m["containerResource"]["target"]["averageUtilization"] for m in metrics[:-1]
    }
    assert resources == {"cpu": 70, "memory": 80}
    assert metrics[-1] == pods


def test_the_cpu_target_can_be_left_out(helm: Path) -> None:
    values: Object = {
        "autoscaling": {"targetCPUUtilizationPercentage": 0, "targetMemoryUtilizationPercentage": 80},
    }
    (metric,) = render(helm, values=values)["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["containerResource"]["name"] == "memory"


def test_the_tolerance_and_the_policies_reach_the_autoscaler(helm: Path) -> None:
    values: Object = {"autoscaling": {"behavior": {"scaleUp": {"tolerance": "0.05"}}}}
    autoscaler = render(helm, values=values)["HorizontalPodAutoscaler"]
    assert autoscaler["spec"]["behavior"]["scaleUp"]["tolerance"] == "0.05"
    assert autoscaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


@pytest.mark.parametrize("mode", ["hpa", "fixed"])
def test_keda_can_take_over_from_an_autoscaler_that_helm_removes_a_moment_later(helm: Path, mode: str) -> None:
    """KEDA's webhook looks for the annotation there, not at the ScaledObject."""
    values: Object = {"autoscaling": {"mode": mode, "annotations": {"team": "shop"}}}
    annotations = render(helm, values=values)["HorizontalPodAutoscaler"]["metadata"]["annotations"]
    assert annotations == {"team": "shop", "validations.keda.sh/hpa-ownership": "false"}


def test_keda_gets_the_same_bounds_behavior_and_targets_and_its_own_triggers(helm: Path) -> None:
    trigger = {"type": "redis", "metadata": {"listName": "jobs"}}
    values: Object = {
        "autoscaling": {
            "mode": "keda",
            "minReplicas": 3,
            "keda": {"triggers": [trigger], "spec": {"pollingInterval": 7, "advanced": {"scalingModifiers": {"x": 1}}}},
        }
    }
    rendered = render(helm, "--skip-schema-validation", values=values)
    assert "HorizontalPodAutoscaler" not in rendered.kinds()
    scaled = rendered["ScaledObject"]
    spec = scaled["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["pollingInterval"]) == (3, 10, 7)
    advanced = spec["advanced"]
    assert advanced["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert advanced["scalingModifiers"] == {"x": 1}
    assert [t["type"] for t in spec["triggers"]] == ["cpu", "redis"]
    assert spec["triggers"][0]["metadata"] == {"value": "70", "containerName": "flask-app"}
    # For the moment in which the autoscaler of mode hpa is still there.


def test_a_worker_is_scaled_by_its_own_values(helm: Path) -> None:
    values: Object = {
        "workers": {
            "held": {"command": ["w"], "replicaCount": 3},
            "scaled": {"command": ["w"], "autoscaling": {"mode": "hpa", "maxReplicas": 4}},
        }
    }
    rendered = render(helm, values=values)
    held = rendered.of("HorizontalPodAutoscaler", "worker-held")["spec"]
    assert (held["minReplicas"], held["maxReplicas"]) == (3, 3)
    scaled = rendered.of("HorizontalPodAutoscaler", "worker-scaled")["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (1, 4)
    assert scaled["metrics"][0]["containerResource"]["container"] == "scaled"
