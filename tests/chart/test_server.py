"""The server: what the chart deploys for it, how it starts, and how it stops."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nodrop.config.settings import ServingSettings
from nodrop.health.probes import Health
from nodrop.management import paths as management
from tests.chart.rendering import CHART, KUBERNETES, Object, is_hook, render, template


def test_it_has_no_lint(helm: Path) -> None:
    subprocess.run([str(helm), "lint", "--strict", str(CHART)], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_it_deploys_what_it_says(helm: Path, kubernetes: str) -> None:
    assert render(helm, kubernetes=kubernetes).kinds() == [
        "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Service", "ServiceAccount",
    ]  # fmt: skip


def test_an_older_kubernetes_is_refused(helm: Path) -> None:
    assert "requires kubeVersion: >=1.30.0-0" in template(helm, kubernetes="1.29.9").stderr


def test_the_comments_of_templates_stay_out_of_the_manifests(helm: Path) -> None:
    lines = template(helm).stdout.splitlines()
    assert [line for line in lines if line.strip().startswith("#") and "# Source:" not in line] == []


def test_the_manifests_have_no_trailing_blanks(helm: Path) -> None:
    text = template(helm, values={"extraEnv": [{"name": "A", "value": "1"}], "persistence": {"enabled": True}}).stdout
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


# --- Probes ---------------------------------------------------------------------------------------------------------


def test_each_probe_asks_a_path_that_the_management_server_answers(helm: Path, tmp_path: Path) -> None:
    container = render(helm).container
    checks = management.checks(Health(tmp_path, ServingSettings.from_environment({})))
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    expected = {"startupProbe": "/startupz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    for probe, path in expected.items():
        assert container[probe]["httpGet"]["path"] == path
        assert path in checks
        assert ports[container[probe]["httpGet"]["port"]] == ServingSettings.from_environment({}).management_port


def test_a_probe_can_name_a_port_a_path_or_a_command_of_its_own(helm: Path) -> None:
    handlers: Object = {
        "startup": {"tcpSocket": {"port": "http"}},
        "readiness": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 7},
        "liveness": {"exec": {"command": ["true"]}},
    }
    container = render(helm, values={"probes": handlers}).container
    assert container["startupProbe"]["tcpSocket"] == {"port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert (container["readinessProbe"]["periodSeconds"], container["readinessProbe"]["failureThreshold"]) == (7, 2)
    assert container["livenessProbe"]["exec"] == {"command": ["true"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert len(container[probe].keys() & {"httpGet", "tcpSocket", "exec", "grpc"}) == 1


def test_a_probe_can_be_disabled(helm: Path) -> None:
    container = render(helm, "probes.liveness.enabled=false").container
    assert "livenessProbe" not in container
    assert "enabled" not in container["readinessProbe"]


def test_a_server_without_a_management_port_has_only_the_probes_that_it_names(helm: Path) -> None:
    values: Object = {
        "management": {"enabled": False},
        "containerPort": 8000,
        "probes": {"readiness": {"httpGet": {"path": "/health", "port": "http"}}},
    }
    rendered = render(helm, values=values)
    container = rendered.container
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert "readinessProbe" in container
    assert not {"startupProbe", "livenessProbe"} & container.keys()
    assert rendered.env == {"HOME": "/tmp", "PORT": "8000"}
    assert rendered.kinds().count("Service") == 1


# --- Stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pre_stop", "graceful", "given", "grace_period"),
    [(10, 30, None, 45), (1, 1, None, 7), (20, 60, None, 85), (10, 30, 45, 45), (10, 30, 600, 600)],
)
def test_a_pod_serves_on_then_finishes_then_is_killed(
    helm: Path, pre_stop: int, graceful: int, given: int | None, grace_period: int
) -> None:
    shutdown = {
        "preStopSeconds": pre_stop,
        "gracefulTimeoutSeconds": graceful,
        "terminationGracePeriodSeconds": given,
    }
    rendered = render(helm, values={"shutdown": shutdown})
    assert rendered.container["lifecycle"] == {"preStop": {"sleep": {"seconds": pre_stop}}}
    assert rendered.env["GRACEFUL_TIMEOUT"] == str(graceful)
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] == grace_period
    assert grace_period >= pre_stop + graceful + 5


def test_a_rollout_takes_no_pod_away_before_its_successor_is_ready(helm: Path) -> None:
    strategy = render(helm, "rollout.maxSurge=2")["Deployment"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}}


def test_an_application_that_can_not_run_twice_is_recreated(helm: Path) -> None:
    assert render(helm, "rollout.strategy=Recreate")["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def test_a_value_of_zero_is_not_dropped(helm: Path) -> None:
    spec = render(helm, "rollout.minReadySeconds=0", "rollout.revisionHistoryLimit=0")["Deployment"]["spec"]
    # Kubernetes' own default for the first is 0, and it keeps none.
    assert (spec.get("minReadySeconds", 0), spec["revisionHistoryLimit"]) == (0, 0)


def test_empty_requests_and_limits_are_none(helm: Path) -> None:
    worker = {"command": ["w"], "resources": {"limits": None, "requests": None}}
    values: Object = {
        "resources": {"limits": None, "requests": {"cpu": "1", "memory": None}},
        "workers": {"w": worker},
    }
    container = render(helm, values=values).container
    assert container["resources"]["requests"]["cpu"] == "1"


# --- Drains ---------------------------------------------------------------------------------------------------------


def test_the_budget_lets_one_pod_go_at_a_time(helm: Path) -> None:
    spec = render(helm)["PodDisruptionBudget"]["spec"]
    assert (spec["maxUnavailable"], spec.get("minAvailable")) == (1, None)
    spec = render(helm, "podDisruptionBudget.minAvailable=50%")["PodDisruptionBudget"]["spec"]
    assert (spec.get("maxUnavailable"), spec["minAvailable"]) == (None, "50%")


@pytest.mark.parametrize(
    "values",
    [
        {"autoscaling": {"mode": "fixed"}, "replicaCount": 1},
        {"autoscaling": {"mode": "fixed"}, "replicaCount": 1, "podDisruptionBudget": {"minAvailable": 1}},
        {"podDisruptionBudget": {"enabled": False}},
    ],
)
def test_there_is_no_budget_where_it_would_protect_nothing(helm: Path, values: Object) -> None:
    assert "PodDisruptionBudget" not in render(helm, values=values).kinds()


@pytest.mark.parametrize("mode", ["hpa", "keda", "external"])
def test_there_is_a_budget_where_there_may_be_more_than_the_one_replica(helm: Path, mode: str) -> None:
    assert "PodDisruptionBudget" in render(helm, "autoscaling.minReplicas=1", f"autoscaling.mode={mode}").kinds()


def test_a_minimum_of_pods_is_accepted_where_another_controller_scales(helm: Path) -> None:
    rendered = render(helm, "autoscaling.mode=external", "podDisruptionBudget.minAvailable=50%")
    assert rendered["PodDisruptionBudget"]["spec"]["minAvailable"] == "50%"


# --- Spreading ------------------------------------------------------------------------------------------------------


def test_the_replicas_are_spread_over_nodes_or_what_was_asked(helm: Path) -> None:
    (constraint,) = render(helm).pod["spec"]["topologySpreadConstraints"]
    # Not zones by default: Kubernetes spreads nothing over nodes that lack one of the labels, as kind's do.
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    rendered = render(helm, values={"topologySpread": {"topologyKeys": keys}})
    constraints = rendered.pod["spec"]["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in constraints] == keys
    for constraint in constraints:
        assert constraint["labelSelector"] == rendered["Deployment"]["spec"]["selector"]
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]


def test_constraints_in_kubernetes_form_get_the_label_selector(helm: Path) -> None:
    zone = {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
    rendered = render(helm, values={"topologySpread": {"constraints": [zone]}})
    (constraint,) = rendered.pod["spec"]["topologySpreadConstraints"]
    assert zone.items() <= constraint.items()
    assert constraint["labelSelector"] == rendered["Deployment"]["spec"]["selector"]


def test_spreading_can_be_disabled(helm: Path) -> None:
    assert "topologySpreadConstraints" not in render(helm, "topologySpread.enabled=false").pod["spec"]


# --- The test -------------------------------------------------------------------------------------------------------


def test_the_test_pod_runs_where_and_as_the_servers_do(helm: Path) -> None:
    values: Object = {
        "podLabels": {"team": "x"},
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"disk": "ssd"},
        "test": {"path": "/health?a=1&b=2"},
    }
    test = render(helm, values=values).of("Pod", "test")
    assert is_hook(test)
    assert test["metadata"]["labels"]["team"] == "x"
    assert test["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
    # Helm 3 would delete it before `helm test --logs` reads its log.
    assert "hook-succeeded" not in test["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert test["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert test["spec"]["nodeSelector"] == {"disk": "ssd"}
    (container,) = test["spec"]["containers"]
    assert container["command"][-1] == "http://web-flask-app:5000/health?a=1&b=2"
