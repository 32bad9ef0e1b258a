"""What operators and the cluster do on purpose: pods are deleted, nodes are drained. No request is lost."""

from collections.abc import Iterator

import pytest

from harness.nodes import Nodes
from harness.prober import Prober, StartProber
from harness.release import Release, Target
from harness.report import Report
from harness.scenario import under_traffic
from harness.shell import run


@pytest.fixture
def nodes(target: Target) -> Iterator[Nodes]:
    """The nodes, which can be scheduled to afterwards, whatever happened."""
    nodes = Nodes(target)
    yield nodes
    for worker in nodes.workers:
        nodes.uncordon(worker)


def probers(probe: StartProber, release: Release) -> list[Prober]:
    """Both kinds of client."""
    return [probe(release, kind="new"), probe(release, kind="keep-alive")]


def names(release: Release) -> set[str]:
    """The pods there are."""
    return {pod.metadata.name for pod in release.pods()}


def test_deleting_every_pod_one_after_the_other_loses_no_request(
    release: Release, probe: StartProber, report: Report
) -> None:
    before = names(release)
    with under_traffic(
        report.add("pods deleted", fault="every pod is deleted, one after the other"), release, probers(probe, release)
    ) as scenario:
        for pod in sorted(before):
            run(release.target.kubectl_command("--namespace", release.namespace, "delete", "pod", pod))
            release.wait_rolled_out()
        assert not before & names(release)
        scenario.fault_confirmed = f"{len(before)} pods are gone, and others have taken their place"


def test_draining_both_nodes_one_after_the_other_loses_no_request(
    release: Release, probe: StartProber, report: Report, nodes: Nodes
) -> None:
    before = names(release)
    assert len(release.nodes_of(before)) == 2, "the pods are spread over both nodes"
    with under_traffic(
        report.add("nodes drained", fault="both workers are drained, one after the other"),
        release,
        probers(probe, release),
    ) as scenario:
        for worker in nodes.workers:
            nodes.drain(worker)
            release.wait_rolled_out()
            assert worker not in release.nodes_of(names(release))
            nodes.uncordon(worker)
        assert not before & names(release)
        scenario.fault_confirmed = f"{' and '.join(nodes.workers)} were drained, and every pod is another"
