"""The comment on top of a values file: what was measured, where, when and how."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from delivery.sizing.figures import Figures
from delivery.sizing.values.value import mib, ms, number

FIRST_WORDS = "Values for"
"""With which the comment begins, so that the file is known again."""
DISTURBED = 0.3
"""From which share of disturbed time on the figures are not to be relied on. On an idle machine it is below 0.1."""


def header(name: str, figures: Figures, *, command: str, machine: str, when: datetime) -> list[str]:
    """Its lines. command: with which it was measured, without secrets."""
    return [
        f"{FIRST_WORDS} {name}, computed from a measurement by:",
        f"  {command}",
        f"on {when:%Y-%m-%d %H:%M} UTC, on {machine}.",
        "They are as good as these paths match your traffic, and this machine matches your nodes.",
        "",
        *_table(figures),
        *_warnings(figures),
    ]


def machine(python: Path, cores: int) -> str:
    """This machine, and the application's Python."""
    version = subprocess.run([python, "--version"], capture_output=True, text=True, timeout=30, check=False)
    return (
        f"{platform.system()} {platform.release()}, {_processor()}, {cores} core{'s' if cores > 1 else ''}, "
        f"{version.stdout.strip()}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _table(figures: Figures) -> list[str]:
    first, *later = (
        ms(each.seconds) + (f" ({ms(each.cpu)} CPU)" if each.cpu is not None else "") for each in figures.starts
    )
    burst = figures.burst
    rows = [
        ("first start", f"{first}, which may include compiling modules"),
        *([("later starts", ", ".join(later))] if later else []),
        *(
            (
                f"GET {each.path}",
                f"{len(each.seconds)} requests: {ms(each.mean)} on average, {ms(max(each.seconds))} the slowest"
                + (f", {ms(each.cpu)} CPU" if each.cpu is not None else ""),
            )
            for each in figures.series
        ),
        (
            f"{burst.clients} clients",
            f"{burst.requests} requests: {number(burst.rate)}/s, {ms(burst.slowest)} the slowest"
            + (f", {ms(burst.cpu)} CPU each" if burst.cpu is not None else ""),
        ),
    ]
    if figures.idle is not None:
        rows.append(("idle", f"{ms(figures.idle)} CPU a second"))
    if use := figures.memory:
        memory = f"{mib(use.started)} after the start, {mib(use.served)} after the requests, peak {mib(use.peak)}"
        rows.append(("memory", memory))
    width = max(len(name) for name, _ in rows)
    return [f"  {name:{width}}  {text}" for name, text in rows]


def _warnings(figures: Figures) -> list[str]:
    lines = [f"not measured: {each.path} ({each.why})" for each in figures.skipped]
    if figures.failed:
        lines.append(f"WARNING: {figures.failed} of these requests weren't answered 2xx, though the first ones were.")
    if figures.disturbed > DISTURBED:
        lines.append(
            f"WARNING: for {100 * figures.disturbed:.0f} % of the time in which the server could have run, other "
            "processes had the CPU. Measure again on an idle machine."
        )
    return ["", *lines] if lines else []


def shown_command(arguments: Sequence[str]) -> str:
    """The command line, with the values of headers masked, which may be a session's."""
    words = ["python -m delivery.sizing"]
    previous = ""
    for word in arguments:
        shown = word
        if previous == "--header" or word.startswith("--header="):
            name = word.removeprefix("--header=").partition(":")[0]
            shown = f"{'--header=' if word.startswith('--header=') else ''}{name}: ********"
        words.append(shown if all(each.isalnum() or each in "-_./=:,@+" for each in shown) else f"'{shown}'")
        previous = word
    return " ".join(words)
