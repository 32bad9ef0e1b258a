"""Every scenario of the proof, on one release of the chart; scenarios/ has what they are."""

from __future__ import annotations

import pytest

from harness.cluster.release import Release
from harness.running.conduct import Conduct
from harness.running.scenario import Scenario
from scenarios import SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_scenario(scenario: Scenario, release: Release, conduct: Conduct) -> None:
    conduct(scenario, release)
