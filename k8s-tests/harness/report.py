"""The figures of every scenario: printed at the end of a run and kept in build/proof/report.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from harness.records import Figures


@dataclass
class Scenario:
    """One scenario's outcome. `failed` until it has been judged, so that one that breaks off counts as failed."""

    name: str
    budget: str
    verdict: Literal["passed", "failed", "invalid"] = "failed"
    fault_confirmed: str = ""
    """How it was seen that the fault really happened; empty until then."""
    control: list[Figures] = field(default_factory=list)
    """What the probers saw before the fault."""
    probers: list[Figures] = field(default_factory=list)
    """What the probers saw in all."""
    notes: dict[str, float | str] = field(default_factory=dict)


class Report:
    """The scenarios of one run, and the mutants: charts that are broken on purpose, whose scenario must fail."""

    def __init__(self) -> None:
        self.scenarios: list[Scenario] = []
        self.mutants: list[tuple[str, Scenario]] = []
        self.environment: dict[str, str | int] = {}

    def add(self, name: str, budget: str = "0 failed requests") -> Scenario:
        """A new scenario, in the report from now on whatever becomes of it."""
        scenario = Scenario(name, budget)
        self.scenarios.append(scenario)
        return scenario

    def add_mutant(self, name: str, *, caught_by: str) -> Scenario:
        """What becomes of the scenario `caught_by` with the mutant `name`, whose verdict must be `failed`."""
        outcome = Scenario(name, "must fail", verdict="invalid")
        self.mutants.append((caught_by, outcome))
        return outcome

    def lines(self) -> list[str]:
        """The report for a terminal."""
        lines = []
        for scenario in self.scenarios:
            lines.append(f"{scenario.verdict.upper():7} {scenario.name} (budget: {scenario.budget})")
            lines += [f"        {figures}" for figures in scenario.probers]
            if scenario.notes:
                lines.append("        " + ", ".join(f"{name} {value}" for name, value in scenario.notes.items()))
        sent = sum(figures.sent for scenario in self.scenarios for figures in scenario.probers)
        failed = sum(figures.failed for scenario in self.scenarios for figures in scenario.probers)
        lines.append(f"in all: {sent} requests recorded, {failed} failed")
        for caught_by, mutant in self.mutants:
            caught = "CAUGHT" if mutant.verdict == "failed" else "SURVIVED"
            lines.append(f"{caught} mutant: {mutant.name} (by {caught_by})")
            lines += [f"        {figures}" for figures in mutant.probers]
        return lines

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        report = {
            "environment": self.environment,
            "scenarios": [asdict(scenario) for scenario in self.scenarios],
            "mutants": [{"caught_by": caught_by, **asdict(mutant)} for caught_by, mutant in self.mutants],
        }
        file.write_text(json.dumps(report, indent=2) + "\n")
