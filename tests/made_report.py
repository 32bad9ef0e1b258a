"""A run of the proof that never was, through the classes of a real one: what the report's tests look at."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.measuring.records import Figures
from harness.measuring.sampler import Sample
from harness.report.report import Outcome, Report, Verdict
from harness.running.budget import Budget
from prober import Record

START = 1_760_000_000.0
OLD = ("web-6c9d-x2kqp", "web-6c9d-8hvzt")
NEW = ("web-77fb-m4rld", "web-77fb-tq9wn")

Fails = Callable[[float], str]
"""The class of error at a moment in seconds after the start; empty for an answer."""


def never(_: float) -> str:
    """Every request is answered."""
    return ""


@dataclass(frozen=True)
class Shape:
    """How a scenario goes: its length and when pods are replaced, in seconds, its rate, and what fails when."""

    seconds: float = 60.0
    fault: float = 5.0
    rate: float = 50.0
    fails: Fails = never
    start: float = START


def records(shape: Shape, *, seed: int = 1) -> list[Record]:
    """The records of one prober: versions change one pod at a time, answers take longer while they do."""
    chance = random.Random(seed)
    made = []
    for number in range(int(shape.seconds * shape.rate)):
        at = number / shape.rate
        # Each pod goes 8 seconds after the one before.
        gone = min(len(OLD), max(0, int((at - shape.fault - 4) // 8) + 1))
        host = chance.choice([*OLD[gone:], *NEW[:gone]])
        busy = 2.5 if shape.fault < at < shape.fault + 25 else 1.0
        took = min(4.0, chance.lognormvariate(-5.6, 0.5) * busy * (8 if chance.random() < 0.004 else 1))
        error, due = shape.fails(at), shape.start + at
        late = chance.random() * 0.003
        made.append(
            Record(number, due, due + late, 0.0, due + late + took, 0, "", "", error)
            if error
            else Record(
                number, due, due + late, due + late + took * 0.9, due + late + took, 200, host,
                "v1.4.1" if host in OLD else "v1.4.2", "",
            )
        )  # fmt: skip
    return made


def fill(
    scenario: Outcome,
    shape: Shape,
    *,
    verdict: Verdict,
    names: Iterable[str] = ("new connections", "keep-alive connections"),
    events: Iterable[tuple[float, str]] = (),
) -> Outcome:
    """Let `scenario` have gone as `shape` says, with a prober for each of `names`."""
    seeds = enumerate(names, 1)
    scenario.keep_records({name: records(shape, seed=seed) for seed, name in seeds})
    scenario.verdict = verdict
    scenario.started, scenario.fault_at = shape.start, shape.start + shape.fault
    scenario.ended = shape.start + shape.seconds
    scenario.events = [(shape.start + at, text) for at, text in events]
    for name, kept in scenario.records.items():
        scenario.probers.append(Figures.of(name, kept))
        before = [record for record in kept if record.scheduled < scenario.fault_at]
        scenario.control.append(Figures.of(name, before))
    samples = []
    for step in range(int(shape.seconds * 4)):
        at = step / 4
        rolling = shape.fault < at < shape.fault + 25
        samples.append(Sample(shape.start + at, 2, 3 if rolling and int(at) % 8 > 3 else 2, 2))
    scenario.replicas = samples
    return scenario


def between(first: float, last: float, error: str, *, share: float = 1.0) -> Fails:
    """Failures of a class from `first` to `last`, a `share` of the requests."""
    chance = random.Random(7)
    return lambda at: error if first <= at <= last and chance.random() < share else ""


def mixed() -> Fails:
    """What a chart that cuts requests off does."""
    phases = [
        between(8.0, 9.1, "refused", share=0.6),
        between(16.4, 17.2, "reset", share=0.5),
        between(21.0, 21.3, "status-503", share=0.5),
        between(30.0, 30.1, "timeout"),
    ]
    return lambda at: next(filter(None, (phase(at) for phase in phases)), "")


def made_report() -> Report:
    """Every verdict, a comparison, mutants of either outcome, with budgets that are and are not nothing."""
    report = Report()
    report.environment = {
        "kubernetes": "v1.37.0", "nodes": 3, "cores": 4, "helm": "v4.1.0", "kind": "v0.33.0",
        "time": "2026-01-05T10:12:44+00:00",
    }  # fmt: skip
    rollout = "helm upgrade replaces every pod by one of the next version"
    upgrade = [(5.2, "helm upgrade began"), (6.1, "the first new pod was created"), (29.8, "helm upgrade returned")]
    scenario = report.add("rolling update", fault=rollout)
    scenario.fault_confirmed = "every pod runs the second image"
    fill(scenario, Shape(), verdict="passed", events=upgrade)
    scenario = report.add("rolling update", fault=rollout, baseline=True)
    scenario.fault_confirmed = "every pod runs the second image"
    fill(scenario, Shape(fails=mixed()), verdict="failed", events=upgrade)
    scenario = report.add(
        "a pod's node loses its power",
        fault="the container of one worker node is killed",
        budget=Budget(
            120,
            "2 probers x 50 requests a second; of 2 pods 1 is gone, so half of the requests fail until its endpoint is "
            "taken away, 2.4 s at most: 2 x 50 x 0.5 x 2.4 = 120.",
        ),
    )
    scenario.fault_confirmed = "the node was NotReady for 43 s"
    scenario.notes = {"node lost after s": 41.2}
    fill(scenario, Shape(120, fails=between(5.1, 6.3, "timeout", share=0.5)), verdict="passed",
         events=[(46.3, "node NotReady"), (48.0, "a replacement was scheduled"), (48.4, "its image was there"),
                 (52.0, "the replacement was ready")])  # fmt: skip
    scenario = report.add("helm rollback", fault="helm rollback puts the pods of the release before back")
    scenario.fault_confirmed = "every pod runs the first image again"
    fill(scenario, Shape(45, fails=between(20.0, 20.019, "reset")), verdict="failed")
    scenario = report.add("scale out and in", fault="a load that needs four replicas begins, and ends")
    fill(scenario, Shape(90, rate=20), verdict="invalid", names=("new connections", "keep-alive connections", "load"))
    mutant = report.add_mutant(
        "no preStop delay", caught_by="rolling update", fault="preStop is taken out of the chart"
    )
    mutant.fault_confirmed = "every pod was replaced three times"
    fill(mutant, Shape(rate=250, fails=mixed()), verdict="failed", names=("new connections",))
    mutant.caught = True
    mutant = report.add_mutant(
        "no readiness probe", caught_by="rolling update", fault="the readiness probe is taken out"
    )
    mutant.fault_confirmed = "every pod was replaced"
    fill(mutant, Shape(30), verdict="passed", names=("new connections",))
    return report
