"""The chart, rendered by Helm: what it deploys, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nodrop.config.settings import ServingSettings
from nodrop.health.probes import Health
from nodrop.management import paths as management

CHART = Path(__file__).resolve().parents[1] / "charts" / "flask-app"
# The oldest Kubernetes the chart says it works with, and the newest it is tested on.
KUBERNETES = ["1.30.0", "1.37.2"]
Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What Helm made of the chart."""

    objects: list[Object]

    def __getitem__(self, kind: str) -> Object:
        """The one object of this kind, hooks and the pods' own Service aside."""
        objects = (
            [o for o in self.objects if o.get("spec", {}).get("clusterIP") != "None"]
            if kind == "Service"
            else self.objects
        )
        (found,) = [o for o in objects if o["kind"] == kind and "helm.sh/hook" not in annotations_of(o)]
        return found

    @property
    def peers(self) -> Object:
        """The Service by which the pods see each other."""
        (found,) = [o for o in self.objects if o["kind"] == "Service" and o["spec"].get("clusterIP") == "None"]
        return found

    def kinds(self) -> list[str]:
        """The kinds of all objects, hooks aside."""
        return sorted(o["kind"] for o in self.objects if "helm.sh/hook" not in annotations_of(o))

    @property
    def pod(self) -> Object:
        """The Deployment's pod template."""
        return dict(self["Deployment"]["spec"]["template"])

    @property
    def container(self) -> Object:
        """The server's container."""
        (container,) = self.pod["spec"]["containers"]
        return dict(container)


def annotations_of(o: Object) -> Object:
    return o["metadata"].get("annotations") or {}


def template(helm: Path, *sets: str, values: Object | None = None, kubernetes: str = KUBERNETES[-1]) -> Any:
    """Run `helm template`; returns the finished process."""
    return subprocess.run(
        [
            str(helm), "template", "web", str(CHART), "--namespace", "shop", "--kube-version", kubernetes,
            "--values", "-", *(argument for value in sets for argument in ("--set", value)),
        ],
        input=json.dumps(values or {}), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def render(helm: Path, *sets: str, values: Object | None = None, kubernetes: str = KUBERNETES[-1]) -> Rendered:
    """The chart's objects with these values."""
    done = template(helm, *sets, values=values, kubernetes=kubernetes)
    assert done.returncode == 0, done.stderr
    return Rendered([o for o in yaml.safe_load_all(done.stdout) if o])


def refusal(helm: Path, *sets: str, values: Object | None = None) -> str:
    """What Helm says when it refuses these values."""
    done = template(helm, *sets, values=values)
    assert done.returncode != 0, "it was accepted"
    return str(done.stderr)


def test_it_has_no_lint(helm: Path) -> None:
    subprocess.run([str(helm), "lint", "--strict", str(CHART)], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_it_deploys_what_it_says(helm: Path, kubernetes: str) -> None:
    assert render(helm, kubernetes=kubernetes).kinds() == [
        "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Service", "ServiceAccount",
    ]  # fmt: skip


def test_an_older_kubernetes_is_refused(helm: Path) -> None:
    assert "requires kubeVersion: >=1.30.0-0" in template(helm, kubernetes="1.29.9").stderr


# --- Reaching it ----------------------------------------------------------------------------------------------------


def test_the_service_serves_port_5000_and_nothing_else(helm: Path) -> None:
    rendered = render(helm)
    (port,) = rendered["Service"]["spec"]["ports"]
    assert port["port"] == 5000
    ports = {p["name"]: p["containerPort"] for p in rendered.container["ports"]}
    assert ports[port["targetPort"]] == ServingSettings.from_environment({}).port == 5000


@pytest.mark.parametrize("name", ["web", "a" * 53, f"{'a' * 46}-bcdef"])
def test_a_pod_is_told_where_to_see_which_others_are_ready(helm: Path, name: str) -> None:
    rendered = render(helm, f"fullnameOverride={name}-flask-app")
    (told,) = [each["value"] for each in rendered.container["env"] if each["name"] == "PEER_SERVICE"]
    peers = rendered.peers
    assert peers["metadata"]["name"] == told
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])", told)
    assert told != rendered["Service"]["metadata"]["name"]
    assert peers["spec"] == {"clusterIP": "None", "selector": rendered["Service"]["spec"]["selector"]}
    assert ServingSettings.from_environment({"PEER_SERVICE": told}).peer_service == told


def test_the_service_selects_the_servers_pods_and_not_the_tests(helm: Path) -> None:
    rendered = render(helm)
    selector = rendered["Service"]["spec"]["selector"].items()
    assert selector <= rendered.pod["metadata"]["labels"].items()
    (test,) = [o for o in rendered.objects if annotations_of(o).get("helm.sh/hook") == "test"]
    assert not selector <= test["metadata"]["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert rendered[kind]["spec"]["selector"]["matchLabels"].items() == selector


def test_the_notes_end_with_the_command_to_reach_it(helm4: Path) -> None:
    done = subprocess.run(
        # Helm 3 asks a cluster even here.
        [str(helm4), "install", "web", str(CHART), "--namespace", "shop", "--dry-run=client"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert last == "kubectl --namespace shop port-forward service/web-flask-app 5000:5000"


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


# --- Going away -----------------------------------------------------------------------------------------------------


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
    assert {"name": "GRACEFUL_TIMEOUT", "value": str(graceful)} in rendered.container["env"]
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] == grace_period
    assert grace_period >= pre_stop + graceful + 5


@pytest.mark.parametrize("seconds", [44, 1])
def test_a_grace_period_that_would_kill_requests_is_refused(helm: Path, seconds: int) -> None:
    said = refusal(helm, f"shutdown.terminationGracePeriodSeconds={seconds}")
    assert f"({seconds}) would kill requests: set it to 45" in said


def test_no_prestop_delay_is_refused(helm: Path) -> None:
    assert "preStopSeconds" in refusal(helm, "shutdown.preStopSeconds=0")


def test_a_rollout_takes_no_pod_away_before_its_successor_is_ready(helm: Path) -> None:
    strategy = render(helm)["Deployment"]["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_a_surge_of_nothing_is_refused(helm: Path) -> None:
    for surge in ("0", "0%", "200%", "-1"):
        assert "maxSurge" in refusal(helm, f"rollout.maxSurge={surge}")


# --- Scaling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", [[], ["autoscaling.enabled=false"]])
def test_only_the_autoscaler_states_the_number_of_replicas(helm: Path, sets: list[str]) -> None:
    rendered = render(helm, *sets)
    assert "replicas" not in rendered["Deployment"]["spec"]
    target = rendered["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", rendered["Deployment"]["metadata"]["name"])


def test_it_scales_between_the_minimum_and_the_maximum(helm: Path) -> None:
    spec = render(helm, "autoscaling.minReplicas=3", "autoscaling.maxReplicas=7")["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 7)
    (metric,) = spec["metrics"]
    assert metric["containerResource"]["container"] == render(helm).container["name"]


def test_without_autoscaling_the_number_is_held(helm: Path) -> None:
    spec = render(helm, "autoscaling.enabled=false", "replicaCount=4")["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (4, 4)


def test_a_minimum_above_the_maximum_is_refused(helm: Path) -> None:
    assert "set maxReplicas to 11 or more" in refusal(helm, "autoscaling.minReplicas=11")


def test_autoscaling_without_a_processor_request_is_refused(helm: Path) -> None:
    assert "resources.requests.cpu, which is empty: set it" in refusal(helm, "resources.requests.cpu=null")
    assert "resources.requests.cpu, which is empty: set it" in refusal(helm, "resources.requests=null")
    render(helm, "resources.requests.cpu=null", "autoscaling.enabled=false")


# --- Drains ---------------------------------------------------------------------------------------------------------


def test_the_budget_lets_one_pod_go_at_a_time(helm: Path) -> None:
    spec = render(helm)["PodDisruptionBudget"]["spec"]
    assert (spec["maxUnavailable"], spec.get("minAvailable")) == (1, None)
    spec = render(helm, "podDisruptionBudget.minAvailable=50%")["PodDisruptionBudget"]["spec"]
    assert (spec.get("maxUnavailable"), spec["minAvailable"]) == (None, "50%")


@pytest.mark.parametrize(
    "sets",
    [
        ["autoscaling.enabled=false", "replicaCount=1"],
        ["podDisruptionBudget.enabled=false"],
    ],
)
def test_there_is_no_budget_where_it_would_protect_nothing(helm: Path, sets: list[str]) -> None:
    assert "PodDisruptionBudget" not in render(helm, *sets).kinds()


def test_there_is_a_budget_where_load_may_bring_more_than_the_one_replica(helm: Path) -> None:
    assert "PodDisruptionBudget" in render(helm, "autoscaling.minReplicas=1").kinds()
    assert "would block every drain" in refusal(helm, "autoscaling.minReplicas=1", "podDisruptionBudget.minAvailable=1")


@pytest.mark.parametrize("value", ["2", "3", "100%", "99%", "51%"])
def test_a_budget_that_would_block_every_drain_is_refused(helm: Path, value: str) -> None:
    assert "would block every drain" in refusal(helm, f"podDisruptionBudget.minAvailable={value}")
    render(helm, "podDisruptionBudget.minAvailable=1")
    render(helm, "podDisruptionBudget.minAvailable=50%")


def test_the_replicas_are_spread_over_nodes_or_what_was_asked(helm: Path) -> None:
    rendered = render(helm)
    # Not zones by default: Kubernetes spreads nothing over nodes that lack one of the labels, as kind's do.
    assert [c["topologyKey"] for c in rendered.pod["spec"]["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]
    keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    rendered = render(helm, values={"topologySpread": {"topologyKeys": keys}})
    assert [c["topologyKey"] for c in rendered.pod["spec"]["topologySpreadConstraints"]] == keys
    constraints = rendered.pod["spec"]["topologySpreadConstraints"]
    for constraint in constraints:
        assert constraint["labelSelector"] == rendered["Deployment"]["spec"]["selector"]


# --- Security -------------------------------------------------------------------------------------------------------


def pod_specs(rendered: Rendered) -> list[Object]:
    return [rendered.pod["spec"], *(o["spec"] for o in rendered.objects if o["kind"] == "Pod")]


def test_every_pod_meets_the_restricted_standard(helm: Path) -> None:
    specs = pod_specs(render(helm))
    assert len(specs) == 2
    for spec in specs:
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}


def test_the_service_account_has_no_token(helm: Path) -> None:
    assert render(helm)["ServiceAccount"]["automountServiceAccountToken"] is False


def test_a_service_account_of_ones_own_is_used(helm: Path) -> None:
    rendered = render(helm, "serviceAccount.create=false", "serviceAccount.name=mine")
    assert "ServiceAccount" not in rendered.kinds()
    assert {spec["serviceAccountName"] for spec in pod_specs(rendered)} == {"mine"}
    assert render(helm, "serviceAccount.create=false").pod["spec"]["serviceAccountName"] == "default"


# --- Values ---------------------------------------------------------------------------------------------------------


def test_settings_become_text_in_the_pod_template(helm: Path) -> None:
    values = {"config": {"A": "x", "ZERO": 0, "OFF": False, "BIG": 1000000, "QUOTED": 'a"b: {c}'}}
    env = {e["name"]: e["value"] for e in render(helm, values=values).container["env"]}
    assert env.items() >= {"A": "x", "ZERO": "0", "OFF": "false", "BIG": "1000000", "QUOTED": 'a"b: {c}'}.items()


@pytest.mark.parametrize("name", ["PORT", "MANAGEMENT_PORT", "GRACEFUL_TIMEOUT", "SECRETS_DIR"])
def test_a_setting_that_the_chart_depends_on_is_refused(helm: Path, name: str) -> None:
    assert f"config.{name} is set by the chart" in refusal(helm, f"config.{name}=1")


@pytest.mark.parametrize("name", ["PORT", "MANAGEMENT_PORT", "GRACEFUL_TIMEOUT"])
def test_what_the_chart_depends_on_can_not_be_moved_by_image_or_secret(helm: Path, name: str) -> None:
    """A variable of the container's own wins over envFrom and over the image."""
    assert name in {entry["name"] for entry in render(helm).container["env"]}
    assert f"extraEnv has {name}" in refusal(helm, values={"extraEnv": [{"name": name, "value": "1"}]})


def test_a_secret_is_mounted_where_the_server_looks_for_it(helm: Path) -> None:
    rendered = render(helm, "secrets.existingSecret=shop-secrets")
    env = {e["name"]: e["value"] for e in rendered.container["env"]}
    (volume,) = [v for v in rendered.pod["spec"]["volumes"] if v["name"] == "secrets"]
    (mount,) = [m for m in rendered.container["volumeMounts"] if m["name"] == "secrets"]
    assert volume["secret"] == {"secretName": "shop-secrets"}
    assert (mount["mountPath"], mount["readOnly"]) == (env["SECRETS_DIR"], True)
    assert ServingSettings.declarations()["secrets_dir"].kind.parse(env["SECRETS_DIR"])


def test_without_a_secret_nothing_of_it_is_there(helm: Path) -> None:
    assert "secrets" not in template(helm).stdout.lower()
    assert "secrets/existingSecret" in refusal(helm, "secrets.existingSecret=Not_A_Name")


@pytest.mark.parametrize("config", [{"STALL_TIMEOUT": 30}, {"STALL_TIMEOUT": "29"}, {"STALL_TIMEOUT": 1}])
def test_a_stall_timeout_that_would_cut_requests_off_is_refused(helm: Path, config: Object) -> None:
    assert "set it above shutdown.gracefulTimeoutSeconds (30)" in refusal(helm, values={"config": config})


@pytest.mark.parametrize("config", [{"STALL_TIMEOUT": 31}, {"STALL_TIMEOUT": "0"}, {"STALL_TIMEOUT": 0}, {}])
def test_the_chart_accepts_each_stall_timeout_that_the_server_accepts(helm: Path, config: Object) -> None:
    rendered = render(helm, values={"config": config})
    ServingSettings.from_environment({e["name"]: e["value"] for e in rendered.container["env"]})


def test_a_variable_that_is_set_twice_is_refused(helm: Path) -> None:
    twice = [{"name": "A", "value": "1"}]
    assert "A is set twice" in refusal(helm, values={"config": {"A": "1"}, "extraEnv": twice})
    assert "A is set twice" in refusal(helm, values={"extraEnv": twice * 2})


@pytest.mark.parametrize(
    "value",
    ["shutdown", "shutdown.preStopSeconds", "shutdown.gracefulTimeoutSeconds", "podDisruptionBudget.maxUnavailable",
     "probes.readiness", "probes", "config", "autoscaling", "autoscaling.minReplicas", "rollout", "service.port"],
)  # fmt: skip
def test_a_value_that_is_taken_away_is_refused_by_name(helm: Path, value: str) -> None:
    assert f"missing property '{value.rpartition('.')[2]}'" in refusal(helm, f"{value}=null")


def test_a_rollout_that_can_not_end_in_time_is_refused(helm: Path) -> None:
    assert "no rollout could ever end in time" in refusal(helm, "rollout.minReadySeconds=600")


def test_a_value_of_zero_is_not_dropped(helm: Path) -> None:
    assert render(helm, "rollout.minReadySeconds=0")["Deployment"]["spec"]["minReadySeconds"] == 0


def test_the_image_is_named_by_tag_or_digest(helm: Path) -> None:
    digest = "sha256:" + "0" * 64
    assert render(helm, "image.repository=r/i", "image.tag=v2").container["image"] == "r/i:v2"
    image = render(helm, "image.repository=r/i", "image.tag=v2", f"image.digest={digest}").container["image"]
    assert image == f"r/i:v2@{digest}"


def test_a_tag_that_yaml_takes_for_a_number_is_refused_rather_than_cut(helm: Path) -> None:
    assert "image/tag" in refusal(helm, values={"image": {"tag": 1.10}})
    assert render(helm, values={"image": {"tag": "1.10"}}).container["image"].endswith(":1.10")


def test_an_unknown_value_is_refused(helm: Path) -> None:
    assert "replicas" in refusal(helm, "autoscaling.replicas=3")
    assert "typo" in refusal(helm, "typo=3")


@pytest.mark.parametrize(
    "value",
    ["service.port=0", "service.port=http", "autoscaling.minReplicas=0", "image.repository=", "image.digest=abc",
     "service.type=External", "image.pullPolicy=Sometimes", "tmpSizeLimit=lots", "test.path=no-slash"],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name(helm: Path, value: str) -> None:
    path = value.partition("=")[0]
    assert path.replace(".", "/") in refusal(helm, value) or path in refusal(helm, value)


def test_it_works_as_a_subchart(helm: Path) -> None:
    render(helm, values={"global": {"anything": 1}, "enabled": True})


def test_a_new_chart_version_does_not_restart_the_pods(helm: Path) -> None:
    labels = render(helm).pod["metadata"]["labels"]
    assert set(labels) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


@pytest.mark.parametrize("name", ["web-flask-app", "x" * 53, "true", "null", "my.app", "e1"])
@pytest.mark.parametrize("tag", ["1.0", "a" * 61 + "_.bbb", "_x-", "true"])
def test_names_and_labels_are_valid_whatever_the_release_is_called(helm4: Path, name: str, tag: str) -> None:
    done = subprocess.run(
        [str(helm4), "template", name, str(CHART), "--set-string", f"image.tag={tag}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    for o in filter(None, yaml.safe_load_all(done.stdout)):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", o["metadata"]["name"])
        for label in o["metadata"]["labels"].values():
            assert isinstance(label, str)
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", label)


@pytest.mark.parametrize("name", ["123", "1st"])
def test_a_release_name_that_no_service_can_have_is_refused(helm4: Path, name: str) -> None:
    refused = subprocess.run(
        [str(helm4), "template", name, str(CHART)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "must begin with a letter" in refused.stderr
    assert "fullnameOverride" in refused.stderr


def test_every_optional_value_reaches_the_objects(helm: Path) -> None:
    values: Object = {
        "imagePullSecrets": [{"name": "pull"}],
        "extraEnv": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "extraEnvFrom": [{"secretRef": {"name": "s"}}],
        "podAnnotations": {"a": "1"},
        "podLabels": {"team": "x", "app.kubernetes.io/component": "mine"},
        "priorityClassName": "high",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "service": {"type": "NodePort", "annotations": {"b": "2"}},
        "serviceAccount": {"annotations": {"c": "3"}},
        "topologySpread": {"enabled": False},
    }
    rendered = render(helm, values=values)
    pod = rendered.pod
    assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert values["extraEnv"][0] in rendered.container["env"]
    assert rendered.container["envFrom"] == values["extraEnvFrom"]
    assert pod["metadata"]["annotations"] == {"a": "1"}
    assert pod["metadata"]["labels"]["team"] == "x"
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server", "the selector's labels win"
    text = template(helm, values=values).stdout
    assert text.partition("kind: Deployment")[2].count("app.kubernetes.io/component: mine") == 0
    assert pod["spec"]["priorityClassName"] == "high"
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["tolerations"] == values["tolerations"]
    assert pod["spec"]["affinity"] == {"nodeAffinity": {}}
    assert "topologySpreadConstraints" not in pod["spec"]
    assert rendered["Service"]["spec"]["type"] == "NodePort"
    assert rendered["Service"]["metadata"]["annotations"] == {"b": "2"}
    assert rendered["ServiceAccount"]["metadata"]["annotations"] == {"c": "3"}
