"""`make corpus`: what becomes of each application of a half, and the table of it.

Results are kept as they come (build/corpus/HALF.json), so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys

from delivery.checkout import BUILD, ROOT, default_python
from delivery.corpus.entries import HALVES, read
from delivery.corpus.stages import STAGES, Result, Verdict, judge
from delivery.corpus.table import summary, table

KEPT = BUILD / "corpus"
PAGE = ROOT / "docs" / "corpus.md"


def main() -> int:
    """The command line. Returns 1 if anything would be served wrongly."""
    parser = argparse.ArgumentParser(prog="python -m delivery.corpus", description="Try the corpus of applications.")
    parser.add_argument("--half", choices=HALVES, default="develop")
    parser.add_argument("--only", help="names of applications, separated by commas")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage that is tried")
    parser.add_argument("--again", action="store_true", help="try what has a result already, too")
    parser.add_argument("--publish", action="store_true", help=f"write the tables of all results to {PAGE.name}")
    arguments = parser.parse_args()
    if arguments.publish:
        return _publish()
    names = set(arguments.only.split(",")) if arguments.only else set()
    entries = [each for each in read(arguments.half) if not names or each.name in names]
    if missing := names - {each.name for each in entries}:
        parser.error(f"the half {arguments.half} has no {', '.join(sorted(missing))}")
    results = _kept(arguments.half)
    for entry in entries:
        if entry.name in results and not (arguments.again or names):
            continue
        work = KEPT / entry.name
        work.mkdir(parents=True, exist_ok=True)
        result = judge(entry, until=arguments.until, default_python=default_python(), work=work)
        results[entry.name] = result
        _keep(arguments.half, results)
        print(f"{result.verdict:16} {result.reached:9} {result.name:28} {_line(result)}", flush=True)
    print(summary([results[each.name] for each in entries]))
    return int(any(results[each.name].verdict == Verdict.WRONG.value for each in entries))


def _line(result: Result) -> str:
    return " ".join((result.reason or result.answer).split())[:200]


def _kept(half: str) -> dict[str, Result]:
    file = KEPT / f"{half}.json"
    return {each["name"]: Result(**each) for each in json.loads(file.read_text())} if file.is_file() else {}


def _keep(half: str, results: dict[str, Result]) -> None:
    file = KEPT / f"{half}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([each.as_json() for each in results.values()], indent=1))


def _publish() -> int:
    begin, end = "<!-- results: begin -->", "<!-- results: end -->"
    head, _, rest = PAGE.read_text().partition(begin)
    _, _, tail = rest.partition(end)
    parts = []
    for half in HALVES:
        results = list(_kept(half).values())
        if not results:
            continue
        parts.append(f"## The half `{half}`\n\n{summary(results)}\n\n{table(results)}")
    results_text = "\n\n".join(parts)
    PAGE.write_text(f"{head}{begin}\n\n{results_text}\n\n{end}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
