"""The figures of every scenario: printed at the end of a run and kept in build/proof/report.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.records import Figures
from prober import Record

if TYPE_CHECKING:
    from harness.prober import Prober


def _bound(sent: int, failed: int) -> str:
    """What no failure in `sent` requests says of the rate: the rule of three."""
    return f"; with 95 % confidence fewer than {3 / sent:.3%} of requests fail" if sent and not failed else ""


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
    others: list[Prober] = field(default_factory=list, repr=False)
    """Probers that ran for a part of the scenario only, such as a load."""
    records: dict[str, Sequence[Record]] = field(default_factory=dict, repr=False)

    def keep_records(self, records: dict[str, Sequence[Record]]) -> None:
        """Keep the records of each prober for the report's folder."""
        self.records = records

    def figures(self) -> dict[str, object]:
        """What goes into the report."""
        kept = ("name", "budget", "verdict", "fault_confirmed", "notes")
        return {
            **{name: getattr(self, name) for name in kept},
            "control": [asdict(figures) for figures in self.control],
            "probers": [asdict(figures) for figures in self.probers],
        }


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
        lines.append(f"in all: {sent} requests recorded, {failed} failed{_bound(sent, failed)}")
        for caught_by, mutant in self.mutants:
            caught = "CAUGHT" if mutant.verdict == "failed" else "SURVIVED"
            lines.append(f"{caught} mutant: {mutant.name} (by {caught_by})")
            lines += [f"        {figures}" for figures in mutant.probers]
        return lines

    def write(self, folder: Path) -> None:
        """Write report.json, and each prober's records as <scenario>-<prober>.jsonl beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        for scenario in [*self.scenarios, *(mutant for _, mutant in self.mutants)]:
            for name, records in scenario.records.items():
                file = folder / (re.sub(r"[^a-z0-9]+", "-", f"{scenario.name} {name}".lower()) + ".jsonl")
                file.write_text("".join(json.dumps(record) + "\n" for record in records))
        report = {
            "environment": self.environment,
            "scenarios": [scenario.figures() for scenario in self.scenarios],
            "mutants": [{"caught_by": caught_by, **mutant.figures()} for caught_by, mutant in self.mutants],
        }
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
