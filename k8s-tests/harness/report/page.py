"""The report as one HTML page, for people: report.html beside report.json.

It needs no network and no script; its style sheet is page.css, and the timelines are SVGs from
harness.report.timeline. Every figure in it is one of report.json, where it is shown in a table as it is there.

    python -m harness.report.page FOLDER                              writes report.html again
    python -m harness.report.page FOLDER --picture FILE [--scenario NAME]  a scenario's timeline as a PNG
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import jsonschema

from harness.report import timeline
from harness.report.browser import Browser, BrowserError
from harness.report.buckets import Buckets, cut
from harness.report.report import SCHEMA
from harness.report.timeline import Marker
from prober import Record

STYLE = Path(__file__).with_name("page.css")
SHOWN_FAILURES = 20
PICTURE_WIDTH, PICTURE_MARGIN = 900, 16
SIGNS = {"passed": "✓", "failed": "✕", "invalid": "?", "caught": "✓", "survived": "✕"}
# The chart's pages are looked at from a file: nothing may be fetched, run or sent, whatever a name in it holds.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

Load = Callable[[str], Sequence[Record] | None]
"""Gives the records of a file that the report names; None if it is not there."""


class ReportError(Exception):
    """A report that can't be shown; the message has the cause and the remedy."""


def build(report: Mapping[str, Any], load: Load) -> str:
    """The page of a report as report.schema.json describes it."""
    judged = [scenario for scenario in report["scenarios"] if not scenario["baseline"]]
    baselines = {scenario["name"]: scenario for scenario in report["scenarios"] if scenario["baseline"]}
    not_run = report.get("not_run", [])
    headline = _headline(judged) + (
        f", {len(not_run)} {'was' if len(not_run) == 1 else 'were'} not run" if not_run else ""
    )
    body = [
        f'<header><h1>{headline}</h1><p class="muted">Constant-rate traffic on a Service while its pods come and go: '
        "every request is recorded, none is repeated.</p></header>",
        f'<main id="content">{_tiles(report, judged)}{_environment(report["environment"])}',
        f'<section aria-labelledby="summary"><h2 id="summary">Scenarios at a glance</h2>{_summary(judged)}</section>',
    ]
    if not_run:
        body.append(_not_run(not_run))
    if baselines:
        body.append(_comparison(judged, baselines))
    if report["mutants"]:
        body.append(_mutants(report["mutants"]))
    body.append('<section id="scenarios" aria-labelledby="each"><h2 id="each">Each scenario</h2>')
    for number, scenario in enumerate(judged, 1):
        body.append(_scenario(f"scenario-{number}", scenario, load, baselines.pop(scenario["name"], None)))
    # Those left over have no counterpart: shown all the same.
    for number, scenario in enumerate(baselines.values(), 1):
        body.append(_scenario(f"baseline-{number}", scenario, load))
    body.append("</section>")
    if report["mutants"]:
        body.append('<section aria-labelledby="each-mutant"><h2 id="each-mutant">Each mutant</h2>')
        for number, mutant in enumerate(report["mutants"], 1):
            body.append(_scenario(f"mutant-{number}", mutant, load))
        body.append("</section>")
    return _document(headline, "\n".join([*body, "</main>"]))


def write(folder: Path) -> Path:
    """Make report.html from report.json and the records in `folder`. Raises ReportError if that can't be shown."""
    page = folder / "report.html"
    # Whatever bytes a server sent as its name: what is no character is replaced.
    page.write_bytes(build(read(folder), lambda name: read_records(folder / name)).encode("utf-8", "replace"))
    return page


def read(folder: Path) -> dict[str, Any]:
    """The report.json of a folder. Raises ReportError if it is not there or not a report."""
    file = folder / "report.json"
    try:
        report: dict[str, Any] = json.loads(file.read_text())
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    except FileNotFoundError:
        raise ReportError(
            f"{file} is not there: give the folder of a run, build/proof after `make kind-test`"
        ) from None
    except json.JSONDecodeError as error:
        raise ReportError(f"{file} is not JSON ({error}): run `make kind-test` again") from None
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        raise ReportError(
            f"{file} is not a report as {SCHEMA.name} describes it: at {where}: {error.message}. One of another "
            "version is shown by that version"
        ) from None
    return report


def read_records(file: Path) -> list[Record] | None:
    """The records of a .jsonl file, None if it is not there. Raises ReportError if it holds anything else."""
    try:
        lines = file.read_text().splitlines()
        # In one go: ten times faster than line by line.
        return [Record(*row) for row in json.loads(f"[{','.join(lines)}]")]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ReportError(f"{file} has a line that is no record ({error}): run the scenario again") from None


def picture(folder: Path, file: Path, name: str | None) -> None:
    """Write a PNG of a scenario's timeline, the first one's without a `name`, to `file`.

    Raises ReportError if there is no such scenario, BrowserError without a browser.
    """
    names = [scenario["name"] for scenario in read(folder)["scenarios"] if not scenario["baseline"]]
    if not names or (name or names[0]) not in names:
        raise ReportError(f"there is no scenario {name!r} in {folder}; there are: {', '.join(names) or 'none'}")
    number = names.index(name or names[0]) + 1
    with Browser() as browser:
        browser.resize(PICTURE_WIDTH, 800, scale=2)
        browser.open(write(folder).resolve().as_uri())
        file.write_bytes(browser.screenshot(f"#scenario-{number} .picture", margin=PICTURE_MARGIN))


# --- Parts of the page ----------------------------------------------------------------------------------------------


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{STYLE.read_text()}</style></head>\n<body>"
        f'<a class="skip" href="#content">Skip to the content</a>{timeline.DEFINITIONS}\n{body}</body></html>\n'
    )


def _headline(judged: Sequence[Mapping[str, Any]]) -> str:
    """What came of it in a sentence."""
    verdicts = Counter(scenario["verdict"] for scenario in judged)
    if not judged:
        return "No scenario was run"
    if verdicts["passed"] == len(judged):
        return f"All {len(judged)} scenarios passed" if len(judged) > 1 else "The scenario passed"
    parts = [f"{verdicts[verdict]} {verdict}" for verdict in ("failed", "invalid", "passed") if verdicts[verdict]]
    return f"Of {len(judged)} scenario{'s' * (len(judged) > 1)}: {', '.join(parts)}"


def _tiles(report: Mapping[str, Any], judged: Sequence[Mapping[str, Any]]) -> str:
    totals, mutants = report["totals"], report["mutants"]
    zero, losses = totals["zero_budget"], totals["losses"]
    passed = sum(scenario["verdict"] == "passed" for scenario in judged)
    caught = sum(mutant["caught"] for mutant in mutants)
    # A term, its text, and whether it is as it should be.
    tiles = [
        ("Scenarios passed", f"{passed} of {len(judged)}", passed == len(judged)),
        ("Requests recorded", _number(totals["sent"]), True),
        ("Failed where none may", _number(zero["failed"]), not zero["failed"]),
        ("That is at most", _percent(zero["upper_bound_95"]), True),
    ]
    if losses["sent"]:
        within = losses["failed"] <= losses["budget"]
        text = f"{_number(losses['failed'])} of {_number(losses['budget'])}"
        tiles.append(("Failed in sudden losses, of what may", text, within))
    if mutants:
        tiles.append(("Mutants caught", f"{caught} of {len(mutants)}", caught == len(mutants)))
    shown = "".join(
        f"<div><dt>{term}</dt><dd{'' if good else ' class=bad'}>{text}</dd></div>" for term, text, good in tiles
    )
    return (
        f'<dl class="tiles">{shown}</dl><p class="small muted">Where none may fail, the share of failures is below '
        "an upper bound with 95 % confidence (Clopper-Pearson), for failures that are independent of one another: it "
        "holds for this traffic and these faults. A sudden loss may cost what its budget derives. An invalid scenario "
        "is one whose measurement can't be trusted, whatever it shows.</p>"
    )


def _environment(environment: Mapping[str, Any]) -> str:
    pairs = (f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in environment.items())
    return f'<dl class="facts">{"".join(pairs)}</dl>'


def _summary(judged: Sequence[Mapping[str, Any]]) -> str:
    head = _head("Scenario", "Verdict", number=("Failed", "Budget", "Sent", *_LATENCIES), last="What is done")
    rows = []
    for number, scenario in enumerate(judged, 1):
        over = scenario["failed"] > scenario["budget"]["failed"]
        rows.append(
            f'<tr><th scope="row"><a href="#scenario-{number}">{escape(scenario["name"])}</a></th>'
            f"<td>{_verdict(scenario['verdict'])}</td>"
            f"{_cell(scenario['failed'], bad=over)}{_cell(scenario['budget']['failed'])}{_cell(scenario['sent'])}"
            f"{_worst(scenario['probers'])}"
            f'<td class="text">{escape(scenario["fault"])}</td></tr>'
        )
    caption = "Sent and failed by all probers together; gap and latency of the prober that fared worst."
    return f'<div class="card">{_table(caption, head, rows)}</div>'


def _not_run(scenarios: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        f'<tr><th scope="row">{escape(each["name"])}</th><td class="text">{escape(each["reason"])}</td></tr>'
        for each in scenarios
    ]
    return (
        '<section aria-labelledby="not-run"><h2 id="not-run">Not run</h2><div class="card">'
        f"{_table('Nothing is known of these.', _head('Scenario', 'Why'), rows)}</div></section>"
    )


def _comparison(judged: Sequence[Mapping[str, Any]], baselines: Mapping[str, Mapping[str, Any]]) -> str:
    pairs = [(ours, baselines[ours["name"]]) for ours in judged if ours["name"] in baselines]
    columns = "".join(
        f'<th scope="col" class="number">{name}</th>' for name in ("Failed", "Sent", *_LATENCIES[:1], "p99 ms")
    )
    head = (
        '<tr><td rowspan="2"></td><th scope="colgroup" colspan="4" class="group">this chart</th>'
        '<th scope="colgroup" colspan="4" class="group">chart of <code>helm create</code></th></tr>'
        f"<tr>{columns}{columns}</tr>"
    )

    def half(scenario: Mapping[str, Any]) -> str:
        gap, _, p99, _ = (_most(scenario["probers"], key) for key in _LATENCY_KEYS)
        failed = _cell(scenario["failed"], bad=scenario["failed"] > 0)
        return f"{failed}{_cell(scenario['sent'])}{_cell(gap)}{_cell(p99)}"

    rows = [f'<tr><th scope="row">{escape(a["name"])}</th>{half(a)}{half(b)}</tr>' for a, b in pairs]
    return (
        '<section aria-labelledby="comparison"><h2 id="comparison">Compared with the chart of '
        '<code>helm create</code></h2><div class="card">'
        f"{_table('The same scenarios, application and traffic; only the chart differs.', head, rows)}</div></section>"
    )


def _mutants(mutants: Sequence[Mapping[str, Any]]) -> str:
    head = _head("Mutant", "Outcome", "Scenario that must catch it", number=("Sent", "Failed"))
    rows = [
        f'<tr><th scope="row"><a href="#mutant-{number}">{escape(mutant["name"])}</a></th><td>{_outcome(mutant)}</td>'
        f'<td class="text">{escape(mutant["caught_by"])}</td>{_cell(mutant["sent"])}{_cell(mutant["failed"])}</tr>'
        for number, mutant in enumerate(mutants, 1)
    ]
    return (
        '<section aria-labelledby="mutants"><h2 id="mutants">Charts that are broken on purpose</h2>'
        "<p>A test that can't fail shows nothing. Each mutant is the chart with one thing taken away; it is caught if "
        f'its scenario fails.</p><div class="card">{_table("What became of each mutant.", head, rows)}</div></section>'
    )


def _scenario(identity: str, scenario: Mapping[str, Any], load: Load, baseline: Mapping[str, Any] | None = None) -> str:
    """A scenario's, a mutant's or a baseline's section."""
    mutant = "caught" in scenario
    badge = _outcome(scenario) if mutant else _verdict(scenario["verdict"])
    about = [
        ("Done", escape(scenario["fault"])),
        ("Seen", escape(scenario["fault_confirmed"]) or "it was not seen that this happened"),
        ("Requests", f"{_number(scenario['sent'])} sent, {_number(scenario['failed'])} failed"),
    ]
    if mutant:
        about.append(("Must be caught by", escape(scenario["caught_by"])))
    else:
        budget = scenario["budget"]
        about += [
            ("Budget", f"{_number(budget['failed'])} failed requests"),
            ("Derivation", escape(budget["derivation"])),
            (
                "Upper bound",
                f"fewer than {_percent(scenario['upper_bound_95'])} of requests fail, with 95 % confidence",
            ),
        ]
    about += [(escape(name), escape(str(value))) for name, value in scenario["notes"].items()]
    picture, failures = _timeline(identity, scenario, load)
    return (
        f'<section class="scenario" id="{identity}" aria-labelledby="{identity}-name"><div class="picture">'
        f'<div class="title"><h3 id="{identity}-name">{_title(scenario)}</h3>{badge}</div>'
        f'<dl class="about">{"".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in about if text)}</dl>'
        f"{picture}</div>{failures}{_probers(scenario)}"
        f"{_baseline(identity, baseline, load) if baseline else ''}</section>"
    )


def _baseline(identity: str, baseline: Mapping[str, Any], load: Load) -> str:
    said = f"{_number(baseline['sent'])} sent, {_number(baseline['failed'])} failed"
    picture, failures = _timeline(f"{identity}-baseline", baseline, load)
    return (
        f"<details><summary>The same with the chart of helm create: {said}</summary>"
        f"{picture}{failures}{_probers(baseline)}</details>"
    )


def _timeline(identity: str, scenario: Mapping[str, Any], load: Load) -> tuple[str, str]:
    """The figure with its markers; and the failed requests in words."""
    loaded = {f["name"]: load(f["records"]) if "records" in f else None for f in scenario["probers"]}
    missing = [name for name, records in loaded.items() if records is None]
    records = {name: records for name, records in loaded.items() if records}
    buckets = cut(records, scenario["started"], scenario["ended"])
    said = (
        f'<p class="muted">Not in the timeline, for want of records: {escape(", ".join(missing))}.</p>'
        if missing
        else ""
    )
    if not buckets:
        return said or '<p class="muted">No request was recorded.</p>', ""
    fault_at = scenario["fault_at"]
    zero = fault_at or buckets.start
    markers = [Marker(event["at"], event["text"]) for event in scenario["events"]]
    if fault_at:
        text = scenario["fault"] or "the fault begins"
        markers.append(Marker(fault_at, f"end of the control phase (shaded); {text}", fault=True))
    markers.sort(key=lambda marker: (marker.at, not marker.fault))
    image = timeline.draw(
        buckets,
        identity=identity,
        name=scenario["name"],
        description=_description(scenario, buckets),
        zero=zero,
        control_end=fault_at,
        markers=markers,
        replicas=scenario["replicas"],
    )
    listed = "".join(
        f"<li{' class=is-fault' * marker.fault}><b>{number}</b>"
        f'<span class="at">{timeline.seconds(marker.at - zero)}</span><span>{escape(marker.text)}</span></li>'
        for number, marker in enumerate(markers, 1)
    )
    axis = f"seconds {'from the fault on' if fault_at else 'from the start on'}, {buckets.width:g} s a column"
    figure = (
        f'{said}<figure>{image}<p class="axis-title small muted">{axis}</p>'
        f"{'<figcaption><ol class=markers>' + listed + '</ol></figcaption>' if markers else ''}</figure>"
    )
    return figure, _failures(buckets, zero)


def _description(scenario: Mapping[str, Any], buckets: Buckets) -> str:
    """What the picture shows, in words."""
    p99 = [value for value in buckets.p99_ms if value is not None]
    failed = ", ".join(f"{sum(counts)} {error}" for error, counts in buckets.failed.items()) or "none"
    parts = [
        f"{sum(buckets.answered)} requests answered over {buckets.end - buckets.start:.0f} s; failed: {failed}.",
        f"The 99th percentile of latency lies between {min(p99):.0f} and {max(p99):.0f} ms." if p99 else "",
        f"{len(buckets.pods)} pods answered, of versions {', '.join(dict.fromkeys(p.version for p in buckets.pods))}."
        if buckets.pods
        else "",
    ]
    if scenario["replicas"]:
        ready = [sample["ready"] for sample in scenario["replicas"]]
        parts.append(f"Between {min(ready)} and {max(ready)} replicas were ready.")
    return " ".join(filter(None, parts))


def _failures(buckets: Buckets, zero: float) -> str:
    if not buckets.failures:
        return ""
    head = _head("Prober", "Class", "Pod", number=("Request", "Due", "Known after ms"))
    rows = [
        f'<tr><th scope="row">{escape(failure.prober)}</th><td>{escape(failure.record.error)}</td>'
        f'<td>{escape(failure.record.host) or "none"}</td><td class="number">{failure.record.number}</td>'
        f'<td class="number">{timeline.seconds(failure.record.scheduled - zero)}</td>'
        f'<td class="number">{(failure.record.done - failure.record.scheduled) * 1000:.0f}</td></tr>'
        for failure in buckets.failures[:SHOWN_FAILURES]
    ]
    shown = f"The first {len(rows)} of {len(buckets.failures)}" if len(buckets.failures) > len(rows) else "The"
    said = f"{shown} failed request{'s' * (len(buckets.failures) != 1)}"
    table = _table(f"{said}, by when due.", head, rows)
    return f"<details><summary>{said}</summary>{table}</details>"


def _probers(scenario: Mapping[str, Any]) -> str:
    """A row for each prober."""
    if not scenario["probers"]:
        return ""
    control = {figures["name"]: figures for figures in scenario["control"]}
    before_fault = ("Before the fault: sent", "Before the fault: failed")
    head = _head("Prober", "Failed, by class", number=("Scheduled", "Sent", "Failed", *_LATENCIES, *before_fault))
    rows = []
    for figures in scenario["probers"]:
        errors = ", ".join(f"{count} {escape(error)}" for error, count in figures["errors"].items()) or "none"
        before = control.get(figures["name"])
        then = _cell(before["sent"]) + _cell(before["failed"], bad=before["failed"] > 0) if before else "<td></td>" * 2
        rows.append(
            f'<tr><th scope="row">{escape(figures["name"])}</th><td class="text">{errors}</td>'
            f"{_cell(figures['scheduled'])}{_cell(figures['sent'])}"
            f"{_cell(figures['failed'], bad=figures['failed'] > 0)}"
            f"{''.join(_cell(figures[key]) for key in _LATENCY_KEYS)}"
            f"{then}</tr>"
        )
    caption = "what each prober saw. Latency is from when a request was due to its whole answer."
    return _table(f"{_title(scenario)}: {caption}", head, rows)


# --- Pieces ---------------------------------------------------------------------------------------------------------

_LATENCIES = ("Largest gap s", "p50 ms", "p99 ms", "p99.9 ms")
_LATENCY_KEYS = ("max_gap_s", "p50_ms", "p99_ms", "p999_ms")


def _number(value: float) -> str:
    """The number as JSON has it, with a narrow space between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g}\u00a0%" if rate < 1 else "100\u00a0%"


def _title(scenario: Mapping[str, Any]) -> str:
    return escape(scenario["name"]) + (", chart of helm create" if scenario["baseline"] else "")


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}"><span aria-hidden="true">{SIGNS[verdict]}</span>{verdict}</span>'


def _outcome(mutant: Mapping[str, Any]) -> str:
    """Of a mutant: what could not be judged was not caught, but did not survive either."""
    return _verdict("caught" if mutant["caught"] else "invalid" if mutant["verdict"] == "invalid" else "survived")


def _head(*names: str, number: Sequence[str] = (), last: str = "") -> str:
    cells = [f'<th scope="col">{name}</th>' for name in names]
    cells += [f'<th scope="col" class="number">{name}</th>' for name in number]
    cells += [f'<th scope="col">{last}</th>'] if last else []
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: float, *, bad: bool = False) -> str:
    return f'<td class="number{" bad" * bad}">{_number(value)}</td>'


def _most(probers: Sequence[Mapping[str, Any]], key: str) -> Any:
    return max((figures[key] for figures in probers), default=0)


def _worst(probers: Sequence[Mapping[str, Any]]) -> str:
    return "".join(_cell(_most(probers, key)) for key in _LATENCY_KEYS)


def _table(caption: str, head: str, rows: Sequence[str]) -> str:
    # It is scrolled with the keyboard too, so it takes the focus and has a name.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption><span>{caption}</span></caption><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.report.page", description="Show the report of a run.")
    parser.add_argument("folder", type=Path, help="the folder of a run, such as build/proof")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also write a PNG of a scenario's timeline")
    parser.add_argument("--scenario", metavar="NAME", help="the scenario of the picture; the first without")
    given = parser.parse_args(arguments)
    try:
        if given.picture:
            picture(given.folder, given.picture, given.scenario)
            print(given.picture)
        else:
            print(write(given.folder))
    except (ReportError, BrowserError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
