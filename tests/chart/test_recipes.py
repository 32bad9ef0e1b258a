"""The recipes for the chart's users: each of their YAML blocks, rendered by both Helms."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.recipes import KINDS, RECIPES, Block, block, blocks
from tests.chart.rendering import CHART, Object, Rendered, annotations_of, render, template

OTHERS = {
    "workers": {"queue": {"command": ["work"]}},
    "cronJobs": {"nightly": {"schedule": "0 3 * * *", "command": ["tidy"]}},
    "migrations": {"enabled": True},
}
"""One of each workload beside the server."""
COMPONENTS = {"server", "worker-queue", "cronjob-nightly", "migration", "test"}


def only(rendered: Rendered, kind: str) -> Object:
    """The one object of this kind."""
    (found,) = rendered.all(kind)
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


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*sorted(RECIPES.glob("*.md")), RECIPES.parent / "chart-features.md"], ids=lambda p: p.stem
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def test_every_recipe_is_in_the_list() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (RECIPES / "README.md").read_text())
    assert sorted([*listed, "README.md"]) == sorted(page.name for page in RECIPES.glob("*.md"))


@pytest.mark.parametrize("found", blocks("values"), ids=str)
def test_values_render(helm: Path, found: Block) -> None:
    assert render(helm, values=found.content).objects


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
    whole = render(helm4, values=found.content).objects
    for path in leaves(found.content):
        value: Any = found.content
        for key in path:
            value = value[key]
        if path[0] == "image" or value == default(path):
            continue
        done = template(helm4, values=without(found.content, path))
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


def of_the_parent(helm: Path, parent: Path, values: Object) -> Object:
    """The Deployment that a release of the parent chart has."""
    done = template(helm, values=values, image=False, chart=parent)
    assert done.returncode == 0, done.stderr
    (found,) = [o for o in yaml.safe_load_all(done.stdout) if o and o["kind"] == "Deployment"]
    return dict(found)


def test_the_parent_chart_renders(helm: Path, parent: Path) -> None:
    deployment = of_the_parent(helm, parent, {})
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/team/shop:1.2.3"
    assert deployment["metadata"]["name"] == "shop"


def test_the_recipes_name_the_chart_s_version() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    (chart,) = blocks("chart")
    assert [each["version"] for each in chart.content["dependencies"]] == [version]
    (application,) = [each.content for each in blocks("manifest") if each.content["kind"] == "Application"]
    assert application["spec"]["source"]["targetRevision"] == version


IDS = {"runAsUser", "runAsGroup", "fsGroup"}
NULLS = {"podSecurityContext": dict.fromkeys(sorted(IDS))}


def test_where_a_null_removes_a_default(helm: Path, parent: Path) -> None:
    """What the table of subchart.md says, so that a Helm that changes its mind is noticed."""

    def kept(values: Object) -> set[str]:
        return IDS & set(of_the_parent(helm, parent, values)["spec"]["template"]["spec"]["securityContext"])

    assert not IDS & set(render(helm, values=NULLS).pod["spec"]["securityContext"])
    assert kept({"web": NULLS}) == set()
    values = yaml.safe_load((parent / "values.yaml").read_text())
    values["web"].update(NULLS)
    (parent / "values.yaml").write_text(yaml.safe_dump(values))
    assert kept({}) == (IDS if helm.name == "helm" else set())


def test_on_openshift_no_pod_asks_for_an_id(helm: Path) -> None:
    """OpenShift refuses a pod that asks for an id outside of its namespace's range."""
    pods = render(helm, values={**OTHERS, **block("openshift", "Install on OpenShift")}).pod_specs()
    assert pods.keys() == COMPONENTS
    for component, spec in pods.items():
        assert not [field for field in IDS if field in json.dumps(spec)], component
        assert spec["securityContext"]["runAsNonRoot"] is True, component


def test_a_sidecar_runs_beside_every_workload(helm: Path) -> None:
    """Also beside jobs, which end although it runs."""
    pods = render(helm, values={**OTHERS, **block("sidecars", "cloud-sql-proxy")}).pod_specs()
    for component in COMPONENTS - {"test"}:
        (sidecar,) = [each for each in pods[component]["initContainers"] if each["name"] == "cloud-sql-proxy"]
        assert sidecar["restartPolicy"] == "Always", component


def test_behind_an_authenticating_sidecar_nobody_reaches_the_server_itself(helm: Path) -> None:
    """The Service leads to the sidecar, and the NetworkPolicy opens the sidecar's port alone."""
    rendered = render(helm, values=block("sidecars", "A proxy that authenticates, such as oauth2-proxy"))
    assert [port["targetPort"] for port in rendered["Service"]["spec"]["ports"]] == [4180]
    rules = only(rendered, "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == [4180]


def test_behind_an_alb_a_pod_outlives_its_deregistration(helm: Path) -> None:
    values = block("aws-alb", "2. Install with these values")
    rendered = render(helm, values=values)
    assert rendered.container["lifecycle"]["preStop"] == {"sleep": {"seconds": 60}}
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] == 95
    attributes = values["ingress"]["annotations"]["alb.ingress.kubernetes.io/target-group-attributes"]
    assert int(attributes.removeprefix("deregistration_delay.timeout_seconds=")) > 30


def test_the_alb_asks_the_port_and_path_of_the_readiness_probe(helm: Path) -> None:
    container = render(helm, values=block("aws-alb", "2. Install with these values")).container
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    annotations = block("aws-alb", "2. Install with these values")["ingress"]["annotations"]
    probe = container["readinessProbe"]["httpGet"]
    assert annotations["alb.ingress.kubernetes.io/healthcheck-port"] == ports[probe["port"]]
    assert annotations["alb.ingress.kubernetes.io/healthcheck-path"] == probe["path"]


def test_datadog_s_annotation_names_the_container(helm: Path) -> None:
    rendered = render(helm, values=next(each.content for each in blocks("values") if each.heading == "With Datadog"))
    annotation = annotations_of(rendered.pod)[f"ad.datadoghq.com/{rendered.container['name']}.checks"]
    (check,) = json.loads(annotation)["openmetrics"]["instances"]
    (port,) = [each["containerPort"] for each in rendered.container["ports"] if each["name"] == "management"]
    assert check["openmetrics_endpoint"] == f"http://%%host%%:{port}/metrics"


def test_reloader_watches_the_secret_of_the_deployment(helm: Path) -> None:
    rendered = render(helm, values=block("secrets", "From a cloud's secret store, with External Secrets"))
    watched = annotations_of(rendered["Deployment"])["secret.reloader.stakater.com/reload"]
    assert watched == only(rendered, "ExternalSecret")["spec"]["target"]["name"]
    volumes = rendered.pod["spec"]["volumes"]
    assert watched in [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]


def test_cloud_identity_leaves_the_api_server_s_token_out(helm: Path) -> None:
    for found in [each for each in blocks("values") if each.heading == "Use a cloud's API without a key"]:
        for component, spec in render(helm, values={**OTHERS, **found.content}).pod_specs().items():
            assert spec["automountServiceAccountToken"] is False, component


def test_an_object_of_the_reader_s_is_named_like_the_release(helm: Path) -> None:
    route = only(render(helm, values=block("openshift", "Expose it with a Route")), "Route")
    assert route["metadata"]["name"] == route["spec"]["to"]["name"] == "web-flask-app"


def test_celery_beat_never_runs_twice(helm: Path) -> None:
    beat = render(helm, values=block("workers", "Celery beat")).of("Deployment", "worker-beat")
    assert beat["spec"]["strategy"]["type"] == "Recreate"


def test_a_worker_has_the_time_that_its_recipe_says(helm: Path) -> None:
    values = block("workers", "Dramatiq")
    worker = render(helm, values=values).of("Deployment", "worker-dramatiq")
    grace = worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    (limit,) = [a for a in values["workers"]["dramatiq"]["command"] if a.startswith("--worker-shutdown-timeout=")]
    assert int(limit.partition("=")[2]) < grace * 1000


def test_the_migration_runs_before_everything_else(helm: Path) -> None:
    job = only(render(helm, values=block("migrations", "Migrate the database before a rollout")), "Job")
    assert annotations_of(job)["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["nodrop", "run", "--"]
