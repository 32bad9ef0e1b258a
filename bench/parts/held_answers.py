"""What a request costs with and without answers that are held back: `python bench/parts/held_answers.py [ROUNDS]`.

The same server twice, one of them with an application that switches it off. They take turns, and medians count. The
clients are a closed loop, so several requests wait for the thread most of the time.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.application import create_app
from bench.guard import CONNECTIONS, PYTHON, cpu_us
from bench.servers import SERVERS, running
from nodrop.http.event_loop import held

if TYPE_CHECKING:
    from flask import Flask

ROUNDS = 12
_USUAL = SERVERS["nodrop"]
_AT_ONCE = dataclasses.replace(
    _USUAL, variables={**_USUAL.variables, "WSGI_APP": "bench.parts.held_answers:create_app_without()"}
)


def create_app_without() -> Flask:
    """The application, in a worker that sends each answer at once."""
    held.HOLD_SECONDS = 0.0
    return create_app()


def main() -> None:
    """Print both figures, and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with running(_AT_ONCE, PYTHON) as at_once, running(_USUAL, PYTHON) as usual:
        figures = [(cpu_us(at_once), cpu_us(usual)) for _ in range(rounds + 1)][1:]
    before, after = (statistics.median(column) for column in zip(*figures, strict=True))
    ratio = statistics.median(each[1] / each[0] for each in figures)
    print(f"CPU time of a request, JSON, {CONNECTIONS} connections, medians of {rounds} rounds")
    print(f"each answer sent at once: {before:.0f} us")
    print(f"answers held back and sent together: {after:.0f} us, {ratio:.2f} times as much")


if __name__ == "__main__":
    main()
