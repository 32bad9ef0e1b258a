"""The recipes for the chart's users: each of their YAML blocks, rendered by both Helms."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.recipes import KINDS, RECIPES, Block, block, blocks

CHART = Path(__file__).resolve().parents[2] / "charts" / "flask-app"
KUBERNETES = "1.37.2"
Object = dict[str, Any]
IMAGE = {"image": {"repository": "registry.example/shop", "tag": "1.2.3"}}
"""What every release needs and no recipe repeats."""
OTHERS = {
    "workers": {"queue": {"command": ["work"]}},
    "cronJobs": {"nightly": {"schedule": "0 3 * * *", "command": ["tidy"]}},
    "migrations": {"enabled": True},
}
"""One of each workload beside the server."""


def run(helm: Path, chart: Path, values: Object, *options: str) -> subprocess.CompletedProcess[str]:
    """`helm template` with these values."""
    return subprocess.run(
        [str(helm), "template", "shop", str(chart), "--namespace", "shop", "--values", "-", *options],
        input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def render(helm: Path, values: Object, chart: Path = CHART) -> list[Object]:
    """The objects of a release with these values."""
    done = run(helm, chart, values, "--kube-version", KUBERNETES)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pod specs by the kind of object that makes them."""
    found = {}
    for o in objects:
        spec = o.get("spec", {})
        if o["kind"] == "Pod":
            found["Pod " + o["metadata"]["name"]] = spec
        elif o["kind"] == "CronJob":
            found["CronJob " + o["metadata"]["name"]] = spec["jobTemplate"]["spec"]["template"]["spec"]
        elif o["kind"] in ("Deployment", "Job"):
            found[o["kind"] + " " + o["metadata"]["name"]] = spec["template"]["spec"]
    return found


def server(objects: list[Object]) -> Object:
    """The Deployment of the server."""
    (found,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "shop-flask-app"]
    return found


def only(objects: list[Object], kind: str) -> Object:
    """The one object of this kind."""
    (found,) = [o for o in objects if o["kind"] == kind]
    return found


@pytest.mark.parametrize("found", blocks(), ids=str)
def test_every_block_says_what_it_is(found: Block) -> None:
    assert found.kind in KINDS, f"mark it as one of {', '.join(KINDS)}"
    assert isinstance(found.content, dict)


def test_no_yaml_hides_in_another_fence() -> None:
    """A block of another language, or none, is not checked; so it must not look like values."""
    for page in RECIPES.glob("*.md"):
        fences = [line for line in page.read_text().splitlines() if line.startswith("```") and line != "```"]
        assert {line.split()[0] for line in fences} <= {"```yaml", "```python"}, page.name


@pytest.mark.parametrize("found", blocks("values"), ids=str)
def test_values_render(helm: Path, found: Block) -> None:
    assert render(helm, {**IMAGE, **found.content})


def leaves(values: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of what is not a map; a list counts as one."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def without(values: Object, path: tuple[str, ...]) -> Object:
    """A copy of the values without this path, and without what would be empty then."""
    key, *rest = path
    inner = without(values[key], tuple(rest)) if rest else {}
    return {name: inner if name == key else value for name, value in values.items() if name != key or inner}


def default(path: tuple[str, ...]) -> Any:
    """The chart's default at this path."""
    found: Any = yaml.safe_load((CHART / "values.yaml").read_text())
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize("found", blocks("values"), ids=str)
def test_each_line_of_the_values_has_an_effect(helm4: Path, found: Block) -> None:
    """Without it the chart renders something else, or refuses the rest; unless it repeats a default for the reader."""
    whole = render(helm4, {**IMAGE, **found.content})
    for path in leaves(found.content):
        value: Any = found.content
        for key in path:
            value = value[key]
        if path[0] == "image" or value == default(path):
            continue
        done = run(helm4, CHART, {**IMAGE, **without(found.content, path)}, "--kube-version", KUBERNETES)
        same = done.returncode == 0 and [o for o in yaml.safe_load_all(done.stdout) if o] == whole
        assert not same, f"{'.'.join(path)} does nothing"


@pytest.mark.parametrize("found", blocks("manifest"), ids=str)
def test_a_manifest_is_an_object(found: Block) -> None:
    assert {"apiVersion", "kind", "metadata"} <= found.content.keys()


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """The parent chart of the recipe, with the chart in its charts folder as `helm dependency update` leaves it."""
    (chart,), (values,) = blocks("chart"), blocks("parent")
    path = tmp_path / "shop"
    shutil.copytree(CHART, path / "charts" / "flask-app")
    (path / "Chart.yaml").write_text(chart.text)
    (path / "values.yaml").write_text(values.text)
    return path


def test_the_parent_chart_renders(helm: Path, parent: Path) -> None:
    objects = render(helm, {}, parent)
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/team/shop:1.2.3"
    assert only(objects, "Deployment")["metadata"]["name"] == "shop"


def test_the_recipes_name_the_chart_s_version() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    (chart,) = blocks("chart")
    assert [each["version"] for each in chart.content["dependencies"]] == [version]
    (application,) = [each.content for each in blocks("manifest") if each.content["kind"] == "Application"]
    assert application["spec"]["source"]["targetRevision"] == version


NULLS = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}


def test_where_a_null_removes_a_default(helm: Path, parent: Path) -> None:
    """What the table of subchart.md says, so that a Helm that changes its mind is noticed."""

    def ids(chart: Path, values: Object) -> set[str]:
        security = only(render(helm, values, chart), "Deployment")["spec"]["template"]["spec"]["securityContext"]
        return set(security) & {"runAsUser", "runAsGroup", "fsGroup"}

    assert ids(CHART, {**IMAGE, **NULLS}) == set()
    assert ids(parent, {"web": NULLS}) == set()
    values = yaml.safe_load((parent / "values.yaml").read_text())
    values["web"].update(NULLS)
    (parent / "values.yaml").write_text(yaml.safe_dump(values))
    kept = {"runAsUser", "runAsGroup", "fsGroup"} if helm.name == "helm" else set()
    assert ids(parent, {}) == kept


def test_on_openshift_no_pod_asks_for_an_id(helm: Path) -> None:
    """OpenShift refuses a pod that asks for an id outside of its namespace's range."""
    found = pods(render(helm, {**IMAGE, **OTHERS, **block("openshift", "Install on OpenShift")}))
    assert {name.split()[0] for name in found} == {"Deployment", "CronJob", "Job", "Pod"}
    for name, spec in found.items():
        text = json.dumps(spec)
        assert not any(field in text for field in ("runAsUser", "runAsGroup", "fsGroup")), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name


def test_a_sidecar_runs_beside_every_workload(helm: Path) -> None:
    """Also beside jobs, which end although it runs."""
    found = pods(render(helm, {**IMAGE, **OTHERS, **block("sidecars", "cloud-sql-proxy")}))
    found = {name: spec for name, spec in found.items() if not name.startswith("Pod ")}
    assert len(found) == 4
    for name, spec in found.items():
        (sidecar,) = [each for each in spec["initContainers"] if each["name"] == "cloud-sql-proxy"]
        assert sidecar["restartPolicy"] == "Always", name


def test_behind_an_authenticating_sidecar_nobody_reaches_the_server_itself(helm: Path) -> None:
    """The Service leads to the sidecar, and the NetworkPolicy opens the sidecar's port alone."""
    objects = render(helm, {**IMAGE, **block("sidecars", "A proxy that authenticates, such as oauth2-proxy")})
    (service,) = [o for o in objects if o["kind"] == "Service" and o["spec"].get("clusterIP") != "None"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [4180]
    rules = only(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == [4180]


def test_behind_an_alb_a_pod_outlives_its_deregistration(helm: Path) -> None:
    values = block("aws-alb", "2. Install with these values")
    spec = server(render(helm, {**IMAGE, **values}))["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": 60}}
    assert spec["terminationGracePeriodSeconds"] == 95
    attributes = values["ingress"]["annotations"]["alb.ingress.kubernetes.io/target-group-attributes"]
    assert int(attributes.removeprefix("deregistration_delay.timeout_seconds=")) > 30


def test_the_alb_asks_the_port_and_path_of_the_readiness_probe(helm: Path) -> None:
    values = block("aws-alb", "2. Install with these values")
    (container,) = server(render(helm, {**IMAGE, **values}))["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    annotations = values["ingress"]["annotations"]
    probe = container["readinessProbe"]["httpGet"]
    assert annotations["alb.ingress.kubernetes.io/healthcheck-port"] == ports[probe["port"]]
    assert annotations["alb.ingress.kubernetes.io/healthcheck-path"] == probe["path"]


def test_datadog_s_annotation_names_the_container(helm: Path) -> None:
    values = next(each.content for each in blocks("values") if each.heading == "With Datadog")
    pod = server(render(helm, {**IMAGE, **values}))["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    checks = json.loads(pod["metadata"]["annotations"][f"ad.datadoghq.com/{container['name']}.checks"])
    (check,) = checks["openmetrics"]["instances"]
    ports = [port["containerPort"] for port in container["ports"]]
    assert any(check["openmetrics_endpoint"].endswith(f":{port}/metrics") for port in ports)


def test_reloader_watches_the_secret_of_the_deployment(helm: Path) -> None:
    values = block("secrets", "From a cloud's secret store, with External Secrets")
    objects = render(helm, {**IMAGE, **values})
    watched = server(objects)["metadata"]["annotations"]["secret.reloader.stakater.com/reload"]
    assert watched == only(objects, "ExternalSecret")["spec"]["target"]["name"]
    volumes = server(objects)["spec"]["template"]["spec"]["volumes"]
    assert watched in [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]


def test_cloud_identity_leaves_the_api_server_s_token_out(helm: Path) -> None:
    for found in [each for each in blocks("values") if each.heading == "Use a cloud's API without a key"]:
        for name, spec in pods(render(helm, {**IMAGE, **OTHERS, **found.content})).items():
            assert spec["automountServiceAccountToken"] is False, name


def test_an_object_of_the_reader_s_is_named_like_the_release(helm: Path) -> None:
    route = only(render(helm, {**IMAGE, **block("openshift", "Expose it with a Route")}), "Route")
    assert route["metadata"]["name"] == route["spec"]["to"]["name"] == "shop-flask-app"


def test_celery_beat_never_runs_twice(helm: Path) -> None:
    objects = render(helm, {**IMAGE, **block("workers", "Celery beat")})
    (beat,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith("-beat")]
    assert beat["spec"]["strategy"]["type"] == "Recreate"


def test_a_worker_has_the_time_that_its_recipe_says(helm: Path) -> None:
    values = block("workers", "Dramatiq")
    objects = render(helm, {**IMAGE, **values})
    (worker,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith("-dramatiq")]
    grace = worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    (limit,) = [a for a in values["workers"]["dramatiq"]["command"] if a.startswith("--worker-shutdown-timeout=")]
    assert int(limit.partition("=")[2]) < grace * 1000


def test_the_migration_runs_before_everything_else(helm: Path) -> None:
    objects = render(helm, {**IMAGE, **block("migrations", "Migrate the database before a rollout")})
    job = only(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["nodrop", "run", "--"]
