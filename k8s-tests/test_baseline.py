"""The same scenarios against the chart that `helm create` writes, with the same image: the report shows both."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

import cluster as kind_cluster
from baseline import BASELINES, Baseline, create
from harness.cluster.images import Images, derived
from harness.cluster.release import Release, Target
from harness.measuring.measurement import OverBudget
from harness.report.report import Report
from harness.running.conduct import Conduct
from scenarios import SCENARIOS

# Its pods ask for no security context.
POD_SECURITY = "baseline"


@pytest.fixture(scope="module")
def images_of_baseline(target: Target, images_: Images) -> Images:
    """The images, with the example's slow requests: that chart has no value for environment variables."""
    images = derived(images_, "baseline", "ENV LOAD_ENDPOINTS=true")
    kind_cluster.load(target.context.removeprefix("kind-"), images.first, images.second)
    return images


@pytest.fixture(scope="module")
def release(
    target: Target, namespace: str, images_of_baseline: Images, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """That chart, installed with the first image."""
    chart, values = create(target.helm, tmp_path_factory.mktemp("chart"))
    release = Release(target, namespace, name="baseline", chart=chart, values_files=[values])
    release.upgrade(images_of_baseline.first)
    return release


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name.replace(" ", "-"))
def test_baseline(
    baseline: Baseline, release: Release, images_of_baseline: Images, conduct: Conduct, report: Report
) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == baseline.name]
    scenario = dataclasses.replace(scenario, after=None, fewer_ready=None)
    outcome = report.add(scenario.name, fault=scenario.fault, baseline=True)
    # What it loses is what is to be shown; anything else that goes wrong is an error.
    with contextlib.suppress(OverBudget):
        dataclasses.replace(conduct, images=images_of_baseline)(scenario, release, outcome)
    assert outcome.fault_confirmed
    if baseline.loses:
        assert outcome.failed, "the probers saw no failure where others have always seen some"
