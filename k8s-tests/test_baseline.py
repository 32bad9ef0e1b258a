"""The same scenarios against the chart that `helm create` writes, with the same image: the report shows both."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from baseline import BASELINES, Baseline, create
from harness.conduct import Conduct
from harness.images import Images
from harness.measurement import OverBudget
from harness.release import Release, Target
from harness.report import Report
from harness.traffic import CLIENTS
from scenarios import SCENARIOS

# Its pods ask for no security context.
POD_SECURITY = "baseline"


@pytest.fixture(scope="module")
def release(target: Target, namespace: str, images_: Images, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """That chart, installed with the first image."""
    chart, values = create(target.helm, tmp_path_factory.mktemp("chart"))
    release = Release(target, namespace, name="baseline", chart=chart, values_files=[values])
    release.upgrade(images_.first)
    return release


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name.replace(" ", "-"))
def test_baseline(baseline: Baseline, release: Release, conduct: Conduct, report: Report) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == baseline.name]
    # It has no setting for the example's slow requests.
    scenario = dataclasses.replace(scenario, traffic=CLIENTS, after=None, least_ready=None)
    outcome = report.add(scenario.name, fault=scenario.fault, baseline=True)
    # What it loses is what is to be shown; anything else that goes wrong is an error.
    with contextlib.suppress(OverBudget):
        conduct(scenario, release, outcome)
    assert outcome.fault_confirmed
    if baseline.loses:
        assert outcome.failed, "the probers saw no failure where others have always seen some"
