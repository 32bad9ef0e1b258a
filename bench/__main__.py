"""Measure, and write build/bench/bench.json and bench.svg: `make bench`, a part of it with ARGS='--servers ... '."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import picture, report
from bench.measure import measure
from bench.processes import ANY_CORE, SERVER_CORES
from bench.servers import CONTROL, PYTHON, SERVERS
from bench.workloads import PLAN

FOLDER = Path(__file__).resolve().parents[1] / "build" / "bench"


def names(accepted: list[str]) -> Callable[[str], list[str]]:
    """A parser of names with commas between them."""

    def parsed(text: str) -> list[str]:
        given = [each.strip() for each in text.split(",")]
        if unknown := sorted(set(given) - set(accepted)):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(accepted)}")
        return given

    return parsed


def rounds(text: str) -> int:
    """A number of rounds: at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: it is a whole number, 1 or more")
    return int(text)


def main() -> int:
    """Returns the exit status."""
    workloads = list(dict.fromkeys(each.name for each in PLAN))
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description="Compare servers of Flask applications.")
    parser.add_argument(
        "--servers",
        type=names(list(SERVERS)),
        default=[each for each in SERVERS if each != CONTROL],
        help=f"{', '.join(SERVERS)}; the default is all but {CONTROL}",
    )
    parser.add_argument(
        "--workloads",
        type=names(workloads),
        default=workloads,
        # argparse formats a help text with %.
        help=f"{', '.join(workloads)}; the default is all".replace("%", "%%"),
    )
    parser.add_argument("--rounds", type=rounds, default=3, help="at most; the default is %(default)s")
    parser.add_argument("--any-core", action="store_true", help="do not keep each server on one core")
    options = parser.parse_args()
    cores = ANY_CORE if options.any_core else SERVER_CORES
    if not PYTHON.exists():
        print("the servers are not installed: make bench does it", file=sys.stderr)
        return 1
    # The servers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    plan = [each for each in PLAN if each.name in options.workloads]
    measured = measure(options.servers, plan, options.rounds, cores)
    written = report.report(measured, seconds=time.monotonic() - began, server_cores=len(cores))
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures, drawn = FOLDER / "bench.json", FOLDER / "bench.svg"
    figures.write_text(report.as_json(written))
    # That of an earlier run would show other figures.
    drawn.unlink(missing_ok=True)
    if picture.can_show(written):
        drawn.write_text(picture.svg(written))
    print(report.as_markdown(written))
    print(f"\nIn {FOLDER}: {', '.join(each.name for each in (figures, drawn) if each.exists())}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
