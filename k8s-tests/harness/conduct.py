"""Conduct scenarios as the options of a run say: with which images, at which rate, on which cluster."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import pytest

from harness.gateway import Gateway
from harness.images import Images
from harness.measurement import perform
from harness.nodes import Nodes
from harness.prober import Prober
from harness.records import InvalidRun
from harness.release import Release, Target
from harness.report import Outcome, Report
from harness.scenario import Scenario
from harness.traffic import NEW, Traffic


@dataclass
class Conduct:
    """Measures scenarios, one at a time; what becomes of each is in `report`.

    rate: what the clients send, in requests a second; others in proportion, but for the loads of single scenarios.
    example: whether image and chart are this project's own. path: what is asked of any other application. prober_node:
    where the probers run, if not on the control plane's node. allowed: whether faults that reach beyond the release may
    be brought about.
    """

    target: Target
    images: Images
    report: Report
    rate: float
    seed: int
    example: bool
    path: str
    allowed: bool
    prober_node: str | None = None

    def __call__(self, scenario: Scenario, release: Release, outcome: Outcome | None = None) -> Outcome:
        """Measure `scenario` on `release` and judge it; raises as `measurement.perform` does.

        outcome: where to, if not into a new one of the report. What can't be shown with this application, or must not
        be done to this cluster, is skipped with the reason.
        """
        self._require(scenario)
        outcome = outcome or self.report.add(scenario.name, fault=scenario.fault)
        traffic = tuple(self._scaled(each) for each in scenario.traffic if self.example or not each.needs_example)
        played = replace(scenario, traffic=traffic, after=scenario.after if self.example else None)
        nodes = Nodes(self.target)
        open_before = nodes.can_be_scheduled_to()
        try:
            with ExitStack() as stack:
                gateway = None
                if any(each.via == "gateway" for each in traffic):
                    # It looks for the pods that there are.
                    release.ensure(self.images.first, scenario.values)
                    gateway = stack.enter_context(Gateway(self.target, self.images.gateway, release))
                perform(played, outcome, release, self.images, nodes, partial(self._start, gateway), self.seed)
                if gateway:
                    self._require_tries(outcome, gateway)
        finally:
            # A drain that failed half-way must not be the next scenario's business.
            for worker in open_before:
                if scenario.reach != "release":
                    nodes.uncordon(worker)
        return outcome

    def _require_tries(self, outcome: Outcome, gateway: Gateway) -> None:
        """That nothing failed is the gateway's doing only if it had something to do."""
        tries = outcome.notes["tried again at another pod"] = gateway.retried()
        if not tries:
            outcome.verdict = "invalid"
            raise InvalidRun(f"{outcome.name}: no request was tried again, so the gateway was not needed")

    def _start(self, gateway: Gateway | None, release: Release, traffic: Traffic) -> Prober:
        """The prober of `traffic`, which does not send yet."""
        if traffic.via == "gateway":
            assert gateway
            url = gateway.url
        else:
            url = node_port(release) if traffic.via == "node port" else release.url
        return Prober(
            self.target,
            self.images.prober,
            url,
            rate=traffic.rate,
            kind=traffic.kind,
            path=traffic.path if self.example else self.path,
            name=traffic.name,
            timeout=traffic.timeout,
            node=self.prober_node,
            options=()
            if self.example
            else (
                "--expect-body",
                "none",
            ),
        )

    def _scaled(self, traffic: Traffic) -> Traffic:
        return replace(traffic, rate=round(traffic.rate * self.rate / NEW.rate, 3))

    def _require(self, scenario: Scenario) -> None:
        if scenario.needs_example and not self.example:
            pytest.skip("it needs what only the example application, or this project's chart, has")
        if scenario.reach == "nodes" and not self.target.is_kind:
            pytest.skip("it breaks nodes, which only a kind cluster lets one do")
        if scenario.reach != "release" and not self.allowed:
            pytest.fail(
                f"{scenario.name} reaches beyond the release, and the context {self.target.context} is not a kind "
                f"cluster's: give --destructive {self.target.context} if it may be done there",
                pytrace=False,
            )


def node_port(release: Release) -> str:
    """The Service's node port, on a worker."""
    port = release.service_object().spec.ports[0].node_port
    assert port, f"the Service {release.service} has no node port"
    nodes = Nodes(release.target)
    return f"http://{nodes.address(nodes.workers[0])}:{port}"
