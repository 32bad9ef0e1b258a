"""The outcome of every scenario: printed at the end of a run, and kept in build/proof.

The folder holds `report.json`, each prober's records as `<scenario>-<prober>.jsonl` (one array a request, see
prober.Record), and `report.html`, made of these by harness.report.page. `report.schema.json`, beside this module, is
the JSON Schema of report.json and says what each field means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from harness.measuring.bound import upper_bound
from harness.measuring.records import Figures
from harness.measuring.sampler import Sample
from harness.running.budget import Budget
from prober import Record

if TYPE_CHECKING:
    from harness.measuring.prober import Prober

SCHEMA = Path(__file__).with_name("report.schema.json")

Verdict = Literal["passed", "failed", "invalid"]


@dataclass
class Outcome:
    """One scenario's outcome. `failed` until it has been judged, so that one that breaks off counts as failed.

    Times are seconds since the epoch, 0 for what was not reached.
    """

    name: str
    budget: Budget = field(default_factory=Budget)
    fault: str = ""
    """What is done, in one sentence."""
    baseline: bool = False
    """Whether this is the scenario of the same name against the chart that `helm create` writes, for comparison."""
    verdict: Verdict = "failed"
    fault_confirmed: str = ""
    """How it was seen that the fault really happened; empty until then."""
    started: float = 0.0
    fault_at: float = 0.0
    ended: float = 0.0
    events: list[tuple[float, str]] = field(default_factory=list)
    """What happened meanwhile, as (time, text)."""
    replicas: Sequence[Sample] = field(default_factory=list)
    control: list[Figures] = field(default_factory=list)
    """What the probers saw before the fault."""
    probers: list[Figures] = field(default_factory=list)
    """What the probers saw in all."""
    notes: dict[str, float | str] = field(default_factory=dict)
    caught: bool = False
    """Of a mutant: whether the scenario failed, and as it was expected to."""
    others: list[Prober] = field(default_factory=list, repr=False)
    """Probers that ran for a part of the scenario only, such as a load."""
    records: dict[str, Sequence[Record]] = field(default_factory=dict, repr=False)
    """The records of each prober, by its name."""
    console: TextIO | None = field(default=None, repr=False)
    """Where progress is shown while it runs."""

    def keep_records(self, records: dict[str, Sequence[Record]]) -> None:
        """Keep the records of each prober for the report's folder."""
        self.records = records

    @property
    def sent(self) -> int:
        """The requests of all probers."""
        return sum(figures.sent for figures in self.probers)

    @property
    def scheduled(self) -> int:
        """The requests that were due. Those that a prober could not send any more count as failed."""
        return sum(figures.scheduled for figures in self.probers)

    @property
    def failed(self) -> int:
        """The failed requests of all probers."""
        return sum(figures.failed for figures in self.probers)

    def figures(self, files: dict[str, str]) -> dict[str, Any]:
        """What goes into the report; `files` has the file of each prober's records."""
        kept = ("name", "baseline", "verdict", "fault", "fault_confirmed", "started", "fault_at", "ended", "notes")
        return {
            **{name: getattr(self, name) for name in kept},
            "budget": asdict(self.budget),
            "sent": self.sent,
            "failed": self.failed,
            "upper_bound_95": upper_bound(self.failed, self.scheduled),
            "control": [asdict(figures) for figures in self.control],
            "probers": [
                {**asdict(figures), "records": files[figures.name]} if figures.name in files else asdict(figures)
                for figures in self.probers
            ],
            "events": [{"at": at, "text": text} for at, text in self.events],
            "replicas": [asdict(sample) for sample in _steps(self.replicas)],
        }


class Report:
    """The scenarios of one run, and the mutants: charts that are broken on purpose, whose scenario must fail."""

    def __init__(self, console: TextIO | None = None) -> None:
        self._console = console
        self.scenarios: list[Outcome] = []
        self.mutants: list[tuple[str, Outcome]] = []
        self.not_run: dict[str, str] = {}
        """The scenarios that were chosen and not run, and why."""
        self.environment: dict[str, str | int] = {}

    def add(
        self,
        name: str,
        *,
        fault: str = "",
        budget: Budget = Budget(),  # noqa: B008  # frozen
        baseline: bool = False,
    ) -> Outcome:
        """A new scenario, in the report from now on whatever becomes of it."""
        scenario = Outcome(name, budget, fault, baseline, console=self._console)
        self.scenarios.append(scenario)
        return scenario

    def add_mutant(self, name: str, *, caught_by: str, fault: str = "") -> Outcome:
        """What becomes of the scenario `caught_by` with the mutant `name`. It must fail; set `caught` when it has."""
        outcome = Outcome(name, fault=fault, verdict="invalid", console=self._console)
        self.mutants.append((caught_by, outcome))
        return outcome

    def totals(self) -> dict[str, Any]:
        """The requests of all scenarios that are judged: neither of the mutants nor of the chart compared with.

        Those of the scenarios in which none may fail are there once more by themselves, and so are the others with the
        sum of their error budgets: one rate of failures for both would say nothing of either.
        """
        judged = [scenario for scenario in self.scenarios if not scenario.baseline]
        losses = [scenario for scenario in judged if scenario.budget.failed]
        announced = [scenario for scenario in judged if not scenario.budget.failed]
        return {
            **_counts(judged),
            "zero_budget": _counts(announced),
            "losses": {**_counts(losses), "budget": sum(scenario.budget.failed for scenario in losses)},
        }

    def lines(self) -> list[str]:
        """The report for a terminal."""
        lines = []
        for scenario in self.scenarios:
            verdict = "BASELINE" if scenario.baseline else f"{scenario.verdict.upper():7}"
            lines.append(f"{verdict} {scenario.name} ({scenario.budget})")
            lines += [f"        {figures}" for figures in scenario.probers]
            if scenario.notes:
                lines.append("        " + ", ".join(f"{name} {value}" for name, value in scenario.notes.items()))
        totals = self.totals()
        zero, losses = totals["zero_budget"], totals["losses"]
        lines.append(f"in all: {totals['sent']} requests recorded, {totals['failed']} failed")
        if zero["sent"]:
            lines.append(
                f"where none may fail: {zero['sent']} requests recorded, {zero['failed']} failed; "
                f"with 95 % confidence fewer than {zero['upper_bound_95']:.3%} of requests fail"
            )
        if losses["sent"]:
            lines.append(
                f"in sudden losses: {losses['sent']} requests recorded, {losses['failed']} failed, of the "
                f"{losses['budget']} that may"
            )
        lines += [f"NOT RUN {name}: {why}" for name, why in self.not_run.items()]
        for caught_by, mutant in self.mutants:
            caught = "CAUGHT" if mutant.caught else "INVALID" if mutant.verdict == "invalid" else "SURVIVED"
            lines.append(f"{caught} mutant: {mutant.name} (by {caught_by})")
            lines += [f"        {figures}" for figures in mutant.probers]
        return lines

    def write(self, folder: Path) -> dict[str, Any]:
        """Write report.json and the records of every prober to `folder`; returns what report.json holds."""
        folder.mkdir(parents=True, exist_ok=True)
        taken: set[str] = set()
        report = {
            "environment": self.environment,
            "totals": self.totals(),
            "not_run": [{"name": name, "reason": reason} for name, reason in self.not_run.items()],
            "scenarios": [scenario.figures(_write_records(folder, scenario, taken)) for scenario in self.scenarios],
            "mutants": [
                {
                    "caught_by": caught_by,
                    "caught": mutant.caught,
                    **mutant.figures(_write_records(folder, mutant, taken)),
                }
                for caught_by, mutant in self.mutants
            ],
        }
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        return report


def _counts(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The requests of these scenarios together."""
    sent, failed = sum(outcome.sent for outcome in outcomes), sum(outcome.failed for outcome in outcomes)
    due = sum(outcome.scheduled for outcome in outcomes)
    return {"sent": sent, "failed": failed, "upper_bound_95": upper_bound(failed, due)}


def _write_records(folder: Path, scenario: Outcome, taken: set[str]) -> dict[str, str]:
    """Write the records of each prober; returns their files by the prober's name. `taken` are files not to use."""
    files = {}
    for prober, records in scenario.records.items():
        # Names that differ in capitals or signs alone, or a scenario and its baseline, each keep a file of their own.
        stem = re.sub(r"[^a-z0-9]+", "-", f"{scenario.name} {prober}{' baseline' * scenario.baseline}".lower())
        number, name = 1, f"{stem}.jsonl"
        while name in taken:
            number += 1
            name = f"{stem}-{number}.jsonl"
        taken.add(name)
        files[prober] = name
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return files


def _steps(samples: Sequence[Sample]) -> list[Sample]:
    """The first and the last sample of each run of equal numbers: the others say nothing more."""

    def same(one: Sample, other: Sample) -> bool:
        return (one.desired, one.ready, one.available) == (other.desired, other.ready, other.available)

    last = len(samples) - 1
    return [
        sample
        for index, sample in enumerate(samples)
        if index in (0, last) or not (same(samples[index - 1], sample) and same(sample, samples[index + 1]))
    ]
