"""Options and fixtures: the cluster, the images, a release for each test module, probers, diagnostics."""

from __future__ import annotations

import datetime
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

import cluster as kind_cluster
import tools
from harness import diagnostics, images, page, progress
from harness.images import Images
from harness.prober import NAMESPACE as PROBERS
from harness.prober import Kind, Prober, StartProber
from harness.release import Release, Target
from harness.report import Report
from harness.shell import run

ROOT = Path(__file__).resolve().parents[1]
PROOF = ROOT / "build" / "proof"
DIAGNOSTICS = ROOT / "build" / "diagnostics"

_report = pytest.StashKey[Report]()
_target = pytest.StashKey[Target]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster")
    group.addoption("--cluster-name", default="flask-app-test", help="name of the kind cluster (%(default)s)")
    group.addoption("--keep-cluster", action="store_true", help="leave the cluster there afterwards")
    group.addoption("--kubeconfig", type=Path, help="use the kind cluster of this kubeconfig, which is then left there")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_report] = Report(progress.console())
    # What is there afterwards is of this run, also if it ends before it has begun.
    for folder in (PROOF, DIAGNOSTICS):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    report = config.stash[_report]
    if report.scenarios or report.mutants:
        terminalreporter.section("availability and scaling")
        for line in report.lines():
            terminalreporter.write_line(line)
    report.environment |= {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    report.write(PROOF)
    shown = page.write(PROOF)
    terminalreporter.write_line(f"kept in {PROOF.relative_to(ROOT)}: see {shown.relative_to(ROOT)}")


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
        run(["docker", "update", "--cpu-shares", "4096", f"{name}-control-plane"])
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
        target = Target(
            kubeconfig=kubeconfig,
            helm=tools.resolve("helm"),
            helm3=tools.resolve("helm3"),
            kubectl=tools.resolve("kubectl"),
            apps=client.AppsV1Api(api),
            autoscaling=client.AutoscalingV2Api(api),
            core=client.CoreV1Api(api),
        )
        request.session.stash[_target] = target
        run(target.kubectl_command("apply", "--filename", "-"), stdin=_namespace(PROBERS, "privileged"))
        nodes = target.core.list_node().items
        report.environment = {
            "kubernetes": nodes[0].status.node_info.kubelet_version,
            "nodes": len(nodes),
            "cores": os.cpu_count() or 0,
            "helm": tools.pinned("helm"),
            "kind": tools.pinned("kind"),
        }
        remove_probers = target.kubectl_command("--namespace", PROBERS, "delete", "pods", "--all", "--now")
        # Of a run before that was killed, on a cluster that was kept.
        run(remove_probers)
        yield target
        # No prober may outlive what it sends to: its requests would go looking for it elsewhere.
        run(remove_probers)


@pytest.fixture(scope="session")
def images_(target: Target) -> Images:
    """The images, built and loaded into the cluster."""
    built = images.build()
    context = run(target.kubectl_command("config", "current-context")).stdout.strip()
    kind_cluster.load(context.removeprefix("kind-"), *built.all())
    return built


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, target: Target) -> Iterator[str]:
    """A namespace for this module that admits only pods of the restricted Pod Security Standard."""
    name = request.module.__name__.removeprefix("test_").replace("_", "-")
    # One of a run before may still be there, or on its way out, on a cluster that was kept.
    run(target.kubectl_command("delete", "namespace", name, "--ignore-not-found", "--wait", "--timeout=120s"))
    run(target.kubectl_command("create", "--filename", "-"), stdin=_namespace(name, "restricted"))
    yield name
    run(target.kubectl_command("delete", "namespace", name, "--wait=false"))


@pytest.fixture(scope="module")
def release(target: Target, namespace: str, images_: Images) -> Release:
    """The chart, installed with the first image in this module's namespace."""
    release = Release(target, namespace)
    release.upgrade(images_.first)
    return release


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
    ) -> Prober:
        return Prober(target, images_.prober, url or release.url, rate=rate, kind=kind, path=path, name=name)

    return make


def _namespace(name: str, level: str) -> str:
    return (
        f"{{apiVersion: v1, kind: Namespace, metadata: "
        f"{{name: {name}, labels: {{pod-security.kubernetes.io/enforce: {level}}}}}}}"
    )
