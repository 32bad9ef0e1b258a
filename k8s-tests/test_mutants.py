"""The checks are checked: charts and images that are broken on purpose, each of which its scenario must catch."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster as kind_cluster
from harness.cluster.images import Images, derived
from harness.cluster.release import CHART, Release, Target
from harness.cluster.shell import run
from harness.measuring.records import InvalidRun
from harness.report.report import Report
from harness.running.conduct import Conduct
from mutants import MUTANTS, Mutant
from scenarios import SCENARIOS


@pytest.fixture
def images_of_mutant(images_: Images, target: Target, mutant: Mutant) -> Images:
    """The images, the first two with the lines of the mutant's Dockerfile added."""
    if not mutant.dockerfile:
        return images_
    images = derived(images_, "mutant", mutant.dockerfile)
    kind_cluster.load(target.context.removeprefix("kind-"), images.first, images.second)
    return images


@pytest.fixture
def broken(target: Target, namespace: str, mutant: Mutant, tmp_path: Path) -> Iterator[Release]:
    """A release of the mutant's chart, not installed yet."""
    chart = shutil.copytree(CHART, tmp_path / CHART.name)
    if mutant.break_chart:
        mutant.break_chart(chart)
    release = Release(target, namespace, name="mutant", chart=chart, sets=dict(mutant.values))
    yield release
    # Also one that was refused is there, as a failed one.
    release.uninstall()
    # Pods that do not end when told to would be in the next mutant's way, whose labels are the same.
    run(target.kubectl_command("--namespace", namespace, "delete", "pods", "--all", "--force", "--grace-period=0"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_mutant_is_caught(
    mutant: Mutant, broken: Release, images_of_mutant: Images, conduct: Conduct, report: Report
) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == mutant.caught_by]
    if mutant.traffic is not None:
        scenario = dataclasses.replace(scenario, traffic=mutant.traffic)
    # What the mutant sets is what is broken: it goes before what the scenario asks for.
    values = {name: value for name, value in scenario.values.items() if name not in mutant.values}
    scenario = dataclasses.replace(scenario, values=values, after=None)
    outcome = report.add_mutant(mutant.name, caught_by=scenario.name, fault=scenario.fault)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=mutant.caught) as caught:
        dataclasses.replace(conduct, images=images_of_mutant)(scenario, broken, outcome)
    assert not isinstance(caught.value, InvalidRun), "an invalid run has caught nothing"
    assert outcome.verdict == "failed"
    outcome.caught = True
