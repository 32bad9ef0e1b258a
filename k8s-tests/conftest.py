"""Options and fixtures: the cluster, the images, a release for each test module, probers, diagnostics."""

from __future__ import annotations

import datetime
import os
import random
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

import cluster as kind_cluster
import tools
from harness.cluster import diagnostics, images, wait
from harness.cluster.images import Images
from harness.cluster.release import CHART, TEST_VALUES, Release, Target
from harness.cluster.shell import run
from harness.measuring.prober import NAMESPACE as PROBERS
from harness.measuring.prober import REQUEST_TIMEOUT_SECONDS, Prober, StartProber
from harness.measuring.traffic import Kind
from harness.report import page
from harness.report.report import Report
from harness.running import options, progress
from harness.running.conduct import Application, Conduct

ROOT = Path(__file__).resolve().parents[1]
DIAGNOSTICS = ROOT / "build" / "diagnostics"
# On the namespaces that the tests make, and so may delete.
OURS = "proof-of-the-deployment"

pytest_plugins = ["addons.fixtures"]

# Hooks of pytest's.
pytest_addoption = options.add
pytest_collection_modifyitems = options.select

_report = pytest.StashKey[Report]()
_target = pytest.StashKey[Target]()


def pytest_configure(config: pytest.Config) -> None:
    # A run that is ended from outside, as a cancelled job is, must not leave its probers and its cluster there: SIGTERM
    # has it torn down too. What runs in the background may have inherited that Ctrl-C is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    options.check(config)
    config.stash[_report] = Report(progress.console())


def pytest_runtestloop(session: pytest.Session) -> None:
    """What is there afterwards is of this run, also if it ends before it has begun. Listing the tests is no run."""
    if not session.config.option.collectonly:
        for folder in (session.config.getoption("--report"), DIAGNOSTICS):
            shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    report = config.stash[_report]
    if not (report.scenarios or report.mutants):
        return
    terminalreporter.section("availability and scaling")
    for line in report.lines():
        terminalreporter.write_line(line)
    report.environment |= {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    folder = config.getoption("--report")
    report.write(folder)
    shown = page.write(folder)
    terminalreporter.write_line(f"kept in {os.path.relpath(folder)}: see {os.path.relpath(shown)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A scenario whose test fails has failed, also where its own verdict was reached before."""
    scenarios = item.session.config.stash[_report].scenarios
    before = len(scenarios)
    try:
        yield
    except BaseException:
        for scenario in scenarios[before:]:
            if scenario.verdict == "passed":
                scenario.verdict = "failed"
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    target = item.session.stash.get(_target, None)
    if report.failed and target:
        # Before fixtures are torn down, with the cluster as the failure left it.
        folder = DIAGNOSTICS / item.name
        release = getattr(item, "funcargs", {}).get("release")
        diagnostics.collect(target, [PROBERS, "kube-system", *([release.namespace] if release else [])], folder)
        report.sections.append(("diagnostics", f"collected in {folder.relative_to(ROOT)}"))
    return report


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """The report that every scenario is added to."""
    return request.config.stash[_report]


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Access to the cluster, which is created first. A cluster that can't be created is a failure, never a skip."""
    given: Path | None = request.config.getoption("--kubeconfig")
    if given:
        yield given.resolve()
        return
    name = request.config.getoption("--cluster-name")
    file = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    was_there = kind_cluster.exists(name)
    keep = request.config.getoption("--keep-cluster") or was_there
    try:
        kind_cluster.create(name, file)
        # The probers' node goes first where the processor is short, or starting pods would hold up what measures them.
        run(["docker", "update", "--cpu-shares", "8192", f"{name}-control-plane"])
        yield file
    finally:
        if not keep:
            kind_cluster.delete(name)
        else:
            print(f"cluster {name} was left there: kind delete cluster --name {name}", file=sys.stderr)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, kubeconfig: Path, report: Report) -> Iterator[Target]:
    """The cluster and the tools for it, with a namespace for the probers."""
    with config.new_client_from_config(str(kubeconfig)) as api:
        core, context = client.CoreV1Api(api), config.list_kube_config_contexts(str(kubeconfig))[1]["name"]
        nodes: list[Any] = core.list_node().items
        target = Target(
            kubeconfig=kubeconfig,
            helm=tools.resolve("helm"),
            helm3=tools.resolve("helm3"),
            kubectl=tools.resolve("kubectl"),
            apps=client.AppsV1Api(api),
            autoscaling=client.AutoscalingV2Api(api),
            core=core,
            context=context,
            # A context can have any name; the nodes say whose they are.
            is_kind=context.startswith("kind-")
            and all((node.spec.provider_id or "").startswith("kind://") for node in nodes),
        )
        request.session.stash[_target] = target
        _make_namespace(target, PROBERS, "privileged")
        report.environment = {
            "kubernetes": nodes[0].status.node_info.kubelet_version,
            "nodes": len(nodes),
            "cores": os.cpu_count() or 0,
            "helm": tools.pinned("helm"),
            "kind": tools.pinned("kind"),
        }
        yield target
        # No prober may outlive what it sends to: its requests would go looking for it elsewhere.
        run(target.kubectl_command("delete", "namespace", PROBERS, "--timeout=180s"), timeout=200)


@pytest.fixture(scope="session")
def images_(request: pytest.FixtureRequest, target: Target) -> Images:
    """The images: built here and loaded into the cluster, or those of --image."""
    own, prober = request.config.getoption("--image"), request.config.getoption("--prober-image")
    if not target.is_kind:
        if not (own and len(own) == 2 and prober):
            pytest.fail(
                f"nothing can be loaded into {target.context}, which is not a kind cluster: give --image twice and "
                "--prober-image, all of which it can pull (build the prober's from k8s-tests/prober)",
                pytrace=False,
            )
        return Images(own[0], own[1], "", "", prober, "")
    built = images.build_around(own) if own else images.build()
    kind_cluster.load(target.context.removeprefix("kind-"), *built.all())
    return built


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, target: Target) -> Iterator[str]:
    """A namespace for this module, which admits only pods of the restricted Pod Security Standard unless the module has
    another POD_SECURITY."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    own = request.config.getoption("--chart") == CHART
    level = getattr(request.module, "POD_SECURITY", "restricted" if own else "privileged")
    _make_namespace(target, name, level)
    yield name
    run(target.kubectl_command("delete", "namespace", name, "--wait=false"))


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest, target: Target, namespace: str, images_: Images) -> Release:
    """The chart, installed with the first image in this module's namespace."""
    chart, values = request.config.getoption("--chart"), request.config.getoption("--values")
    files = [*([TEST_VALUES] if chart == CHART else []), *(values or [])]
    release = Release(target, namespace, chart=chart, values_files=files)
    release.upgrade(images_.first)
    return release


@pytest.fixture(scope="session")
def conduct(request: pytest.FixtureRequest, target: Target, images_: Images, report: Report) -> Conduct:
    """Measures scenarios; see Conduct."""
    option = request.config.getoption
    seed = option("--seed")
    return Conduct(
        target,
        images_,
        report,
        rate=option("--rate"),
        seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
        example=not option("--image") and option("--chart") == CHART,
        own_chart=option("--chart") == CHART,
        application=Application(
            **{
                name: option(f"--{name.replace('_', '-')}")
                for name in ("path", "slow_path", "upload_path", "expect_body", "host_header", "version_header")
            }
        ),
        prober_node=option("--prober-node"),
        allowed=target.is_kind or option("--destructive") == target.context,
    )


@pytest.fixture
def probe(target: Target, images_: Images) -> StartProber:
    """Makes probers; see StartProber."""

    def make(
        release: Release,
        *,
        kind: Kind = "new",
        rate: float = 50.0,
        path: str | None = None,
        url: str | None = None,
        name: str | None = None,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Prober:
        return Prober(
            target, images_.prober, url or release.url, rate=rate, kind=kind, path=path, name=name, timeout=timeout
        )

    return make


def _make_namespace(target: Target, name: str, level: str) -> None:
    """A new namespace that admits pods of this level of the Pod Security Standards."""
    # One of a run before may still be there, or on its way out, on a cluster that was kept.
    there = target.core.list_namespace(field_selector=f"metadata.name={name}").items
    if there and (there[0].metadata.labels or {}).get(OURS) != "true":
        pytest.fail(f"the namespace {name} is there and not of these tests: use another cluster", pytrace=False)
    run(target.kubectl_command("delete", "namespace", name, "--ignore-not-found", "--wait", "--timeout=120s"))
    namespace = (
        f"{{apiVersion: v1, kind: Namespace, metadata: "
        f"{{name: {name}, labels: {{{OURS}: 'true', pod-security.kubernetes.io/enforce: {level}}}}}}}"
    )
    run(target.kubectl_command("create", "--filename", "-"), stdin=namespace)

    def has_what_the_cluster_puts_there() -> bool:
        accounts = target.core.list_namespaced_service_account(name).items
        maps = target.core.list_namespaced_config_map(name).items
        return bool(accounts and maps)

    # Pods need the service account, and whoever compares what is there must not take either for the release's.
    wait.until(f"the namespace {name} is complete", has_what_the_cluster_puts_there, timeout=60, interval=0.1)
