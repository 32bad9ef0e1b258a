"""From the first version of the chart to this one and back, on a release that serves.

chart-0.1.0/ renders what that version did: its templates and values, without its checks, its schema and its comments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cluster.images import Images
from harness.cluster.release import CHART, Release, Target
from harness.measuring.measurement import under_traffic
from harness.measuring.prober import StartProber
from harness.measuring.sampler import Sampler
from harness.report.report import Report

FOLDER = Path(__file__).parent
OLD = FOLDER / "chart-0.1.0"
REPLICAS = 3


@pytest.fixture(scope="module")
def old(request: pytest.FixtureRequest, target: Target, namespace: str, images_: Images) -> Iterator[Release]:
    """A release of the old chart."""
    major: int = request.param
    helm = target.helm3 if major == 3 else target.helm
    values = [FOLDER / "values.yaml"]
    release = Release(target, namespace, name=f"helm{major}", helm=helm, chart=OLD, values_files=values)
    release.upgrade(images_.first)
    yield release
    release.uninstall()


def under_clients(release: Release, probe: StartProber, report: Report, name: str, act: Callable[[], str]) -> None:
    """Do what is to be done; nothing may be lost, and there may never be fewer pods, nor may fewer be asked for."""
    sending = [probe(release, kind="new"), probe(release, kind="keep-alive")]
    outcome = report.add(f"{name}, {release.name}", fault=name)
    with (
        Sampler(release.target.apps, release.namespace, release.fullname) as sampler,
        under_traffic(outcome, release, sending) as scenario,
    ):
        scenario.fault_confirmed = act()
    sampler.require_complete()
    assert (sampler.fewest_desired(), sampler.most_desired()) == (REPLICAS, REPLICAS)
    assert sampler.fewest_ready() == REPLICAS


def version(release: Release) -> str:
    """The version of the chart that the Deployment is of."""
    return str(release.deployment().metadata.labels["helm.sh/chart"].rpartition("-")[2])


BOTH = pytest.mark.parametrize("old", [4, 3], indirect=True)


@BOTH
def test_an_upgrade_from_the_first_version_loses_nothing(
    old: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    def upgrade() -> str:
        old.chart = CHART
        old.upgrade(images_.first)
        return f"the chart is {version(old)}"

    assert version(old) == "0.1.0"
    under_clients(old, probe, report, "upgrade from chart 0.1.0", upgrade)
    assert version(old) != "0.1.0"


@pytest.mark.complete
@BOTH
def test_a_rollback_to_the_first_version_and_the_upgrade_after_it_lose_nothing(
    old: Release, images_: Images, probe: StartProber, report: Report
) -> None:
    def back_and_again() -> str:
        old.rollback()
        assert version(old) == "0.1.0"
        old.upgrade(images_.first)
        return f"the chart was 0.1.0, and is {version(old)}"

    old.chart = CHART
    if version(old) == "0.1.0":
        old.upgrade(images_.first)
    under_clients(old, probe, report, "rollback to chart 0.1.0, and upgrade again", back_and_again)
