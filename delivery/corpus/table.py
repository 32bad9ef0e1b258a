"""The results as a table of Markdown, and in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from delivery.corpus.stages import STAGES, Result, Verdict

LONGEST = 160
"""Characters of a reason in the table."""


def summary(results: Sequence[Result]) -> str:
    """How many of how many, by verdict and by stage."""
    verdicts = Counter(each.verdict for each in results)
    decided = verdicts[Verdict.RIGHT.value] + verdicts[Verdict.RIGHTLY_REFUSED.value]
    parts = [f"{decided} of {len(results)} decided rightly ({decided / max(1, len(results)):.0%})"]
    parts += [f"{verdicts[each.value]} {each.value}" for each in Verdict if verdicts[each.value]]
    reached = Counter(STAGES.index(each.reached) for each in results if each.reached)
    came = {stage: sum(reached[number] for number in range(at, len(STAGES))) for at, stage in enumerate(STAGES)}
    stages = [f"{number} {stage}" for stage, number in came.items() if number]
    return f"{parts[0]}: {', '.join(parts[1:])}. Stages: {', '.join(stages)}."


def table(results: Sequence[Result]) -> str:
    """A row for each application, by name."""
    rows = ["| application | detection | what is served | last stage | why no further |", "|---|---|---|---|---|"]
    for each in sorted(results, key=lambda result: result.name):
        served = f"`{each.answer}`" if each.reached else ""
        reason = each.reason or ("" if each.reached else each.answer)
        rows.append(f"| {each.name} {each.version} | {each.verdict} | {served} | {each.reached} | {_cell(reason)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    last = " ".join((text.strip().splitlines() or [""])[-1].split())
    shown = last if len(last) <= LONGEST else f"{last[:LONGEST]} ..."
    return shown.replace("|", "\\|").replace("<", "&lt;")
