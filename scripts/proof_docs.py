"""Writes the tables of scenarios and mutants in docs/proof.md from their declarations: `make docs`. With --check, says
what has drifted."""

import sys
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path[:0] = [str(ROOT / "k8s-tests"), str(ROOT / "k8s-tests" / "prober")]

from baseline import BASELINES  # noqa: E402  # needs the path set above
from mutants import MUTANTS  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402

# The chart's default.
REPLICAS = 2
PAGE = ROOT / "docs" / "proof.md"


def scenarios() -> str:
    """The scenarios as a Markdown table."""
    compared = {baseline.name for baseline in BASELINES}
    rows = ["| scenario | fault | error budget | traffic | set |", "| --- | --- | --- | --- | --- |"]
    for each in SCENARIOS:
        budget = each.budget.of(each.traffic, REPLICAS).failed
        traffic = ", ".join(f"{one.rate:g}/s {one.name}" for one in each.traffic) or "a load of its own"
        marks = ("standard" if each.standard else "complete") + (", compared" if each.name in compared else "")
        rows.append(f"| {' | '.join(map(generated.cell, (each.name, each.fault, str(budget), traffic, marks)))} |")
    return "\n".join(rows)


def mutants() -> str:
    """The mutants as a Markdown table."""
    rows = ["| mutant | scenario that must fail | set |", "| --- | --- | --- |"]
    for each in MUTANTS:
        cells = (each.name, each.caught_by, "standard" if each.standard else "complete")
        rows.append(f"| {' | '.join(map(generated.cell, cells))} |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What docs/proof.md should hold."""
    text = PAGE.read_text()
    for name, table in (("scenarios", scenarios()), ("mutants", mutants())):
        text = generated.between(text, f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->", table)
    return {PAGE: text}


if __name__ == "__main__":
    sys.exit(generated.main("Write the tables of docs/proof.md.", "the declared scenarios", rendered))
