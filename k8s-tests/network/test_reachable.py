"""The application is reached on port 5000: through a port-forward, through the Service, by `helm test`."""

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import AbstractContextManager

import pytest

from harness.cluster.forward import port_forward
from harness.cluster.release import Release
from harness.measuring.measurement import judge
from harness.measuring.prober import StartProber
from harness.measuring.traffic import NAMES, Kind
from harness.report.report import Report
from traffic import KINDS

PROBER_SHARE = 0.6
"""The most that a prober may take of a core."""


def forwarded(release: Release) -> AbstractContextManager[str]:
    """The local URL of the release's Service, as the chart's notes say."""
    return port_forward(release.target, release.namespace, f"service/{release.fullname}", 5000)


def test_answers_through_a_port_forward(release: Release) -> None:
    with forwarded(release) as url, urllib.request.urlopen(url, timeout=10) as response:
        answer = json.load(response)
    assert answer["host"] in {pod.metadata.name for pod in release.pods()}
    assert answer["version"] == "test-1"


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/startupz"])
def test_health_and_metrics_are_not_served_on_port_5000(release: Release, path: str) -> None:
    with forwarded(release) as url, pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url + path, timeout=10)
    error.value.close()
    assert error.value.code == 404


def test_the_service_leads_to_port_5000_only(release: Release) -> None:
    service = release.target.core.read_namespaced_service(release.fullname, release.namespace)
    assert [(port.port, port.target_port) for port in service.spec.ports] == [(5000, "http")]


def test_helm_test_passes(release: Release) -> None:
    assert "200" in release.test()


def test_the_service_balances_over_pods_on_different_nodes(
    release: Release, probe: StartProber, report: Report
) -> None:
    scenario = report.add("balancing", fault="none: requests go to every pod, a fair share each")
    prober = probe(release)
    with prober:
        time.sleep(6)
    scenario.probers = [prober.figures()]
    shares = Counter(record.host for record in prober.records)
    scenario.notes = dict(shares)
    pods = {pod.metadata.name for pod in release.pods()}
    assert set(shares) == pods, "every pod, and nothing else, answers"
    assert len(release.nodes_of(shares)) >= 2, "the pods are on different nodes"
    # kube-proxy picks at random: of 300 requests to 2 pods, one gets fewer than 100 once in a hundred million runs.
    assert min(shares.values()) > len(prober.records) / len(pods) * 2 / 3
    scenario.fault_confirmed = "none intended"
    judge(scenario, [record for record in prober.records if record.error])


@pytest.mark.complete
@pytest.mark.parametrize("kind", KINDS)
def test_a_prober_sends_500_requests_a_second_in_time_beside_the_cluster(
    release: Release, probe: StartProber, report: Report, kind: Kind
) -> None:
    """On the processors that the nodes and the application share. Ten times the usual rate."""
    scenario = report.add(f"500 requests a second, {NAMES[kind]}", fault="none: one prober sends 500 requests a second")
    prober = probe(release, kind=kind, rate=500, path="/echo?slow=no" if kind == "slow" else None)
    with prober:
        used, began = prober.processor_seconds(), time.monotonic()
        time.sleep(8)
        share = (prober.processor_seconds() - used) / (time.monotonic() - began)
    scenario.probers = [prober.figures()]
    scenario.notes = {"share of a core": round(share, 2)}
    scenario.fault_confirmed = "none intended"
    assert share < PROBER_SHARE, f"the prober took {share:.0%} of a core"
    judge(scenario, [record for record in prober.records if record.error])
