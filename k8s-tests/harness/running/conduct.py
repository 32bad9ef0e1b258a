"""Conduct scenarios as the options of a run say: with which images, at which rate, on which cluster."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import pytest

from addons.traefik import HOSTS, Traefik
from harness.cluster.gateway import Gateway
from harness.cluster.images import Images
from harness.cluster.nodes import Nodes
from harness.cluster.release import Release, Target
from harness.measuring.measurement import perform
from harness.measuring.prober import Prober
from harness.measuring.records import InvalidRun
from harness.measuring.traffic import NEW, Kind, Traffic, Via
from harness.report.report import Outcome, Report
from harness.running.scenario import Scenario


@dataclass(frozen=True)
class Application:
    """What is asked of an application that is not the example.

    path, slow_path, upload_path: what plain requests, slow ones and uploads ask for; without the last two there is no
    such traffic. expect_body: a regular expression, or `none`. host_header, version_header: the headers of its answers
    that name the pod and the version.
    """

    path: str = "/"
    slow_path: str | None = None
    upload_path: str | None = None
    expect_body: str = "none"
    host_header: str | None = None
    version_header: str | None = None

    def asked(self, traffic: Traffic) -> Traffic | None:
        """The traffic, with the path that this application has for it; None if it has none."""
        if traffic.path:
            return None
        paths: dict[Kind, str | None] = {"slow": self.slow_path, "upload": self.upload_path}
        path = paths.get(traffic.kind, self.path)
        return replace(traffic, path=path) if path else None

    def options(self) -> tuple[str, ...]:
        """The prober's arguments."""
        headers = {"--host-header": self.host_header, "--version-header": self.version_header}
        given = [text for name, value in headers.items() if value for text in (name, value)]
        return ("--expect-body", self.expect_body, *given)


@dataclass
class Conduct:
    """Measures scenarios, one at a time; the verdict on each is in `report`.

    rate: what the clients send, in requests a second; others in proportion, but for the loads of single scenarios.
    example: whether image and chart are this project's own. own_chart: whether the chart is. application: what is asked
    of any other one. prober_node: where the probers run, if not on the control plane's node. allowed: whether faults
    that reach beyond the release may be injected.
    """

    target: Target
    images: Images
    report: Report
    rate: float
    seed: int
    example: bool
    own_chart: bool
    application: Application
    allowed: bool
    prober_node: str | None = None

    def __call__(self, scenario: Scenario, release: Release, outcome: Outcome | None = None) -> Outcome:
        """Measure `scenario` on `release` and judge it; raises as `measurement.perform` does.

        outcome: where to, if not into a new one of the report. What can't be shown with this application, or must not
        be done to this cluster, is skipped with the reason.
        """
        self._require(scenario)
        outcome = outcome or self.report.add(scenario.name, fault=scenario.fault)
        asked = {each.name: each if self.example else self.application.asked(each) for each in scenario.traffic}
        traffic = tuple(self._scaled(each) for each in asked.values() if each)
        played = replace(scenario, traffic=traffic, after=scenario.after if self.example else None)
        if left_out := [name for name, each in asked.items() if not each]:
            outcome.notes["not sent, for want of a path"] = " and ".join(left_out)
        nodes = Nodes(self.target, self.prober_node)
        open_before = nodes.can_be_scheduled_to()
        try:
            with ExitStack() as stack:
                gateway, tries_before, urls = None, 0, dict[Via, str]()
                ways = {each.via for each in traffic}
                if ways & {*HOSTS}:
                    edge = stack.enter_context(Traefik(self.target, release.namespace))
                    urls |= {way: f"http://{host}" for way, host in HOSTS.items()}
                    release.ensure(self.images.first, scenario.values)
                    edge.wait_for(release)
                if "gateway" in ways:
                    # It looks for the pods that there are.
                    release.ensure(self.images.first, scenario.values)
                    gateway = stack.enter_context(Gateway(self.target, self.images.gateway, release))
                    urls["gateway"] = gateway.url
                    tries_before = gateway.retried()
                perform(played, outcome, release, self.images, nodes, partial(self._start, urls), self.seed)
                if gateway:
                    self._require_tries(outcome, gateway.retried() - tries_before)
        finally:
            # A drain that failed half-way must not be the next scenario's business.
            for worker in open_before:
                if scenario.reach != "release":
                    nodes.uncordon(worker)
        return outcome

    def _require_tries(self, outcome: Outcome, tries: int) -> None:
        """That nothing failed is the gateway's doing only if it had something to do."""
        outcome.notes["tried again at another pod"] = tries
        if not tries:
            outcome.verdict = "invalid"
            raise InvalidRun(f"{outcome.name}: no request was tried again, so the gateway was not needed")

    def _start(self, urls: Mapping[Via, str], release: Release, traffic: Traffic) -> Prober:
        """The prober of `traffic`, which does not send yet. urls: the ways through what is in front of the release."""
        if traffic.via in urls:
            url = urls[traffic.via]
        else:
            url = node_port(release) if traffic.via == "node port" else release.url
        return Prober(
            self.target,
            self.images.prober,
            url,
            rate=traffic.rate,
            kind=traffic.kind,
            path=traffic.path,
            name=traffic.name,
            timeout=traffic.timeout,
            node=self.prober_node,
            looks_up=traffic.looks_up,
            options=() if self.example else self.application.options(),
        )

    def _scaled(self, traffic: Traffic) -> Traffic:
        return replace(traffic, rate=round(traffic.rate * self.rate / NEW.rate, 3))

    def _require(self, scenario: Scenario) -> None:
        if scenario.needs_example and not self.example:
            self._skip(scenario, "it needs what only the example application, or this project's chart, has")
        if scenario.needs_chart and not self.own_chart:
            self._skip(scenario, "it sets values that only this project's chart is known to have")
        if scenario.reach == "nodes" and not self.target.is_kind:
            self._skip(scenario, "it breaks nodes, which only a kind cluster lets one do")
        if scenario.reach != "release" and not self.allowed:
            refusal = (
                f"it reaches beyond the release, and the context {self.target.context} is not a kind cluster's: give "
                f"--destructive {self.target.context} if it may be done there"
            )
            self.report.not_run[scenario.name] = refusal
            pytest.fail(f"{scenario.name}: {refusal}", pytrace=False)

    def _skip(self, scenario: Scenario, reason: str) -> None:
        """Leave the scenario out, which the report must tell from one that passed."""
        self.report.not_run[scenario.name] = reason
        pytest.skip(reason)


def node_port(release: Release) -> str:
    """The Service's node port, on a worker."""
    port = release.service_object().spec.ports[0].node_port
    assert port, f"the Service {release.service} has no node port"
    nodes = Nodes(release.target)
    return f"http://{nodes.address(nodes.workers[0])}:{port}"
