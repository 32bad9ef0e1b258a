"""The page of a report, in a real browser: its figures, its looks in every form, and what must not happen in it."""

import base64
import json
import os
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from harness.report import page
from harness.report.browser import Browser, BrowserError, find
from harness.report.report import Report
from prober import Record
from tests.made_report import START, Shape, fill, made_report

# In the page: the contrast of every text and mark with what it stands on, as WCAG 2 computes it.
CONTRAST = """(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(value => linear(value / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
  };
  const control = rgb(getComputedStyle(document.querySelector('rect.control')).fill);
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    const style = getComputedStyle(node), drawn = node.closest('svg.timeline');
    if (node.matches('.definitions .v0, .definitions .v1, .definitions .v2, .definitions .v3')) {
      const card = ground(document.querySelector('svg.timeline'));
      for (const one of [card, control]) found.push([ratio(light(rgb(style.fill)), light(one)), 3, node.className]);
    }
    if (['TITLE', 'DESC', 'STYLE'].includes(node.tagName.toUpperCase()) || node.closest('.definitions')) continue;
    if (own && drawn) {
      const under = node.closest('.flag-fault') ? [rgb(getComputedStyle(node.parentNode.querySelector('circle')).fill)]
        : [ground(drawn), control];
      for (const one of under) {
        // The sign of a legend is no text to read.
        const due = node.matches('tspan[class]') ? 3 : 4.5;
        found.push([ratio(light(rgb(style.fill)), light(one)), due, node.textContent]);
      }
    } else if (own) {
      found.push([ratio(light(rgb(style.color)), light(ground(node))), 4.5, node.textContent]);
    } else if (drawn && node.matches('path[class], use')) {
      const paint = node.matches('.p50, .p99, .desired') ? style.stroke : style.fill;
      found.push([ratio(light(rgb(paint)), light(ground(drawn))), 3, node.getAttribute('class')]);
    }
  }
  return found;
})()"""

# In the page: pairs of texts and flags of one timeline that cover one another.
OVERLAPS = """[...document.querySelectorAll('svg.timeline')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text, circle')].filter(node => !node.closest('.flag text, .flag-fault text'))
    .map(node => [node.textContent || 'flag', node.getBoundingClientRect()]).filter(([, box]) => box.width);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([, other]) =>
    Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
    Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 4).map(([b]) => [a, b]));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    try:
        find()
    except BrowserError as error:
        pytest.skip(str(error))
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, with its page."""
    folder = tmp_path_factory.mktemp("proof")
    made_report().write(folder)
    page.write(folder)
    return folder


def show(browser: Browser, folder: Path, *, width: int = 1280, scheme: str = "light", kind: str = "screen") -> None:
    browser.media(scheme=scheme, kind=kind)
    browser.resize(width, 800)
    browser.open((folder / "report.html").as_uri())


def report_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return content


def rows(browser: Browser, selector: str) -> list[list[str]]:
    """The cells' texts of each row in the body of the first table that `selector` finds."""
    found: list[list[str]] = browser.evaluate(
        f"[...document.querySelector({json.dumps(selector)}).tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.textContent.replaceAll('\\u202f', '')))"
    )
    return found


KEYS = ("max_gap_s", "p50_ms", "p99_ms", "p999_ms")


def test_the_figures_of_each_scenario_are_those_of_the_report(browser: Browser, run: Path) -> None:
    show(browser, run)
    scenarios = [scenario for scenario in report_of(run)["scenarios"] if not scenario["baseline"]]
    for shown, scenario in zip(rows(browser, "[aria-labelledby=summary] table"), scenarios, strict=True):
        probers = scenario["probers"]
        assert shown[0] == scenario["name"]
        assert shown[1][1:] == scenario["verdict"]
        assert [float(cell) for cell in shown[2:9]] == [
            sum(prober["failed"] for prober in probers), scenario["budget"]["failed"],
            sum(prober["sent"] for prober in probers), *(max(prober[key] for prober in probers) for key in KEYS),
        ]  # fmt: skip
        assert shown[9] == scenario["fault"]


@pytest.mark.parametrize("kind", ["scenario", "mutant"])
def test_the_figures_of_each_prober_are_those_of_the_report(browser: Browser, run: Path, kind: str) -> None:
    show(browser, run)
    entries = [entry for entry in report_of(run)[f"{kind}s"] if not entry["baseline"]]
    for number, entry in enumerate(entries, 1):
        shown = rows(browser, f"#{kind}-{number} > .scroll table")
        for row, prober, control in zip(shown, entry["probers"], entry["control"], strict=True):
            errors = ", ".join(f"{count} {error}" for error, count in prober["errors"].items())
            assert row[:2] == [prober["name"], errors or "none"]
            assert [float(cell) for cell in row[2:]] == [
                *(prober[key] for key in ("scheduled", "sent", "failed", *KEYS)), control["sent"], control["failed"],
            ]  # fmt: skip


def test_what_is_done_seen_and_allowed_is_said(browser: Browser, run: Path) -> None:
    show(browser, run)
    scenarios = [scenario for scenario in report_of(run)["scenarios"] if not scenario["baseline"]]
    for number, scenario in enumerate(scenarios, 1):
        said = browser.evaluate(f"document.querySelector('#scenario-{number} .about').textContent")
        for text in (scenario["fault"], scenario["fault_confirmed"], scenario["budget"]["derivation"]):
            assert text in said
        markers = browser.evaluate(f"document.querySelector('#scenario-{number} ol.markers').textContent")
        assert all(event["text"] in markers for event in scenario["events"])


def test_the_first_glance_has_the_totals_of_the_report(browser: Browser, run: Path) -> None:
    show(browser, run)
    tiles = browser.evaluate("[...document.querySelectorAll('.tiles dd')].map(node => node.textContent)")
    totals = report_of(run)["totals"]
    zero, losses = totals["zero_budget"], totals["losses"]
    assert [tiles[0], tiles[5]] == ["2 of 4", "1 of 2"]
    assert [int(tile.replace("\u202f", "")) for tile in tiles[1:3]] == [totals["sent"], zero["failed"]]
    assert float(tiles[3].removesuffix("\u00a0%")) == pytest.approx(100 * zero["upper_bound_95"], rel=0.05)
    assert tiles[4] == f"{losses['failed']} of {losses['budget']}"
    assert (
        browser.evaluate("document.querySelector('h1').textContent") == "Of 4 scenarios: 1 failed, 1 invalid, 2 passed"
    )


def test_the_baseline_stands_beside_the_chart_and_mutants_say_who_caught_them(browser: Browser, run: Path) -> None:
    show(browser, run)
    ours, theirs = report_of(run)["scenarios"][:2]
    (row,) = rows(browser, "[aria-labelledby=comparison] table")
    expected = [
        figure
        for scenario in (ours, theirs)
        for figure in (
            scenario["failed"], scenario["sent"],
            *(max(prober[key] for prober in scenario["probers"]) for key in ("max_gap_s", "p99_ms")),
        )
    ]  # fmt: skip
    assert row[0] == ours["name"] == theirs["name"]
    assert [float(cell) for cell in row[1:]] == expected
    mutants = rows(browser, "[aria-labelledby=mutants] table")
    assert [row[:3] for row in mutants] == [
        ["no preStop delay", "✓caught", "rolling update"],
        ["no readiness probe", "✕survived", "rolling update"],
    ]


def test_nothing_is_fetched_and_nothing_goes_wrong(browser: Browser, run: Path) -> None:
    show(browser, run)
    browser.evaluate("new Promise(done => setTimeout(done, 200))")
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert asked == [(run / "report.html").as_uri()]
    wrong = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert not [event for event in browser.events if event.get("method") in wrong]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_no_wider_than_the_screen(browser: Browser, run: Path, width: int) -> None:
    show(browser, run, width=width)
    browser.evaluate("document.querySelectorAll('details').forEach(node => node.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    # What is wider scrolls in a box of its own; nothing else reaches beyond.
    beyond = browser.evaluate(
        "[...document.querySelectorAll('body *')].filter(node => !node.closest('.scroll, .skip') "
        "&& node.getBoundingClientRect().right > innerWidth + 1).map(node => node.outerHTML.slice(0, 80))"
    )
    assert not beyond


@pytest.mark.parametrize("width", [360, 1280])
def test_no_label_covers_another(browser: Browser, run: Path, width: int) -> None:
    show(browser, run, width=width)
    browser.evaluate("document.querySelectorAll('details').forEach(node => node.open = true)")
    assert browser.evaluate(OVERLAPS) == []


@pytest.mark.parametrize(("scheme", "kind"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_texts_and_marks_have_the_contrast_of_wcag_aa(browser: Browser, run: Path, scheme: str, kind: str) -> None:
    show(browser, run, scheme=scheme, kind=kind)
    found = browser.evaluate(CONTRAST)
    assert len(found) > 300
    assert [entry for entry in found if entry[0] < entry[1]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_inaccessible(browser: Browser, run: Path, scheme: str) -> None:
    show(browser, run, scheme=scheme)
    browser.evaluate("document.querySelectorAll('details').forEach(node => node.open = true)")
    browser.evaluate((files("axe_core_python") / "axe.min.js").read_text() + ";0")
    result = browser.evaluate("axe.run().then(({violations, passes}) => ({violations, passes: passes.length}))")
    assert result["passes"] > 20
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in result["violations"]] == []


def test_dark_is_dark_and_print_is_light(browser: Browser, run: Path) -> None:
    def ground() -> Any:
        return browser.evaluate("getComputedStyle(document.body).backgroundColor")

    show(browser, run, scheme="light")
    assert ground() == "rgb(246, 247, 249)"
    show(browser, run, scheme="dark")
    assert ground() == "rgb(14, 17, 22)"
    show(browser, run, scheme="dark", kind="print")
    assert ground() == "rgb(255, 255, 255)"


def test_each_scenario_is_printed_on_a_page_of_its_own(browser: Browser, tmp_path: Path) -> None:
    report = Report()
    # All of these would fit on one.
    for name in ("one", "two", "three"):
        report.add(name)
    report.write(tmp_path)
    page.write(tmp_path)
    show(browser, tmp_path, kind="print")
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1 + 3


def test_what_is_folded_away_is_printed(browser: Browser, run: Path) -> None:
    folded = "[...document.querySelectorAll('details > :not(summary)')].map(node => node.checkVisibility())"
    show(browser, run)
    assert not any(browser.evaluate(folded))
    show(browser, run, kind="print")
    visible = browser.evaluate(folded)
    assert visible
    assert all(visible)


def test_what_was_not_run_is_not_passed_over(browser: Browser, tmp_path: Path) -> None:
    report = Report()
    report.add("one").verdict = "passed"
    report.not_run["two"] = "it breaks <nodes>"
    report.write(tmp_path)
    page.write(tmp_path)
    show(browser, tmp_path)
    assert browser.evaluate("document.querySelector('h1').textContent") == "The scenario passed, 1 was not run"
    assert browser.evaluate("document.querySelector('#not-run + .card tbody').textContent") == "twoit breaks <nodes>"


def test_the_keyboard_reaches_the_content_and_what_scrolls(browser: Browser, run: Path) -> None:
    show(browser, run, width=360)

    def press_tab() -> Any:
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        return browser.evaluate(
            "(() => { const node = document.activeElement; return [node.className || node.tagName, "
            "node.getBoundingClientRect().left >= 0, getComputedStyle(node).outlineStyle] })()"
        )

    assert press_tab() == ["skip", True, "solid"]
    assert press_tab() == ["scroll", True, "solid"]


def test_each_timeline_is_an_image_with_a_name_and_a_description(browser: Browser, run: Path) -> None:
    show(browser, run)
    named = browser.evaluate(
        "[...document.querySelectorAll('svg.timeline')].map(svg => [svg.getAttribute('role'), "
        "svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent).join(': ')])"
    )
    assert {role for role, _ in named} == {"img"}
    assert named[0][1].startswith("Timeline of rolling update: 6000 requests answered over 60 s; failed: none.")
    assert "v1.4.1, v1.4.2" in named[0][1]


def colours_at(browser: Browser, selector: str) -> list[list[int]]:
    """The colours in the box of the element that `selector` finds, of a picture of it."""
    box = browser.evaluate(
        f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
        " return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height} })()"
    )
    shot = browser.call("Page.captureScreenshot", clip={**box, "scale": 4}, captureBeyondViewport=True)
    # The page itself may not load pictures, so another one reads this.
    browser.open("about:blank")
    seen: list[list[int]] = browser.evaluate(
        f"fetch('data:image/png;base64,{shot['data']}').then(answer => answer.blob()).then(createImageBitmap)"
        ".then(image => {"
        "const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');"
        "context.drawImage(image, 0, 0); const data = context.getImageData(0, 0, image.width, image.height).data;"
        "const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());"
        "return [...seen].map(text => text.split(',').map(Number)) })"
    )
    return seen


@pytest.fixture(scope="module")
def one_in_thirty_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one scenario of 30 000 requests, of which the one at two thirds of the time failed."""
    report = Report()
    shape = Shape(600, rate=50, fails=lambda at: "reset" if at == 400.0 else "")
    fill(report.add("long"), shape, verdict="failed", names=("one",))
    folder = tmp_path_factory.mktemp("one")
    report.write(folder)
    page.write(folder)
    return folder


@pytest.mark.parametrize(("scheme", "colour"), [("light", [123, 63, 196]), ("dark", [187, 147, 255])])
@pytest.mark.parametrize("selector", ["svg.timeline use", "path.filled"])
@pytest.mark.parametrize("width", [360, 1280])
def test_one_failure_among_thirty_thousand_is_seen_where_it_happened(
    browser: Browser, one_in_thirty_thousand: Path, scheme: str, colour: list[int], selector: str, width: int
) -> None:
    totals = report_of(one_in_thirty_thousand)["totals"]
    assert totals["zero_budget"] | {"upper_bound_95": 0} == {
        "sent": 30000, "failed": 1, "upper_bound_95": 0,
    }  # fmt: skip
    show(browser, one_in_thirty_thousand, scheme=scheme, width=width)
    where, least = browser.evaluate(
        "(() => { const plot = document.querySelector('rect.control').ownerSVGElement.getBoundingClientRect();"
        f" const box = document.querySelector('{selector}').getBoundingClientRect();"
        " return [(box.left + box.width / 2 - plot.left) / plot.width, Math.min(box.width, box.height)] })()"
    )
    assert where == pytest.approx(400 / 600, abs=0.01)
    assert least >= 1, "at least a pixel wide and high"
    assert colour in colours_at(browser, selector)


HOSTILE = """</title></style><script>document.title='run'</script><img src=x onerror="document.title='run'">'"&amp;"""


def test_hostile_names_are_shown_and_not_obeyed(browser: Browser, tmp_path: Path) -> None:
    report = Report()
    report.environment = {HOSTILE: HOSTILE}
    made = report.add(HOSTILE, fault=HOSTILE)
    fill(made, Shape(3, fault=1, fails=lambda at: HOSTILE if at > 2 else ""), verdict="failed", names=(HOSTILE,))
    made.events = [(START + 1, HOSTILE)]
    made.fault_confirmed, made.notes = HOSTILE, {HOSTILE: HOSTILE}
    kept = made.records[HOSTILE]
    # Half a character, as JSON can have it.
    made.keep_records({HOSTILE: [r._replace(host=HOSTILE, version="\ud800" + HOSTILE) for r in kept]})
    fill(report.add_mutant(HOSTILE, caught_by=HOSTILE), Shape(3, fault=1), verdict="failed", names=(HOSTILE,))
    fill(report.add(HOSTILE, baseline=True), Shape(3, fault=1), verdict="failed", names=(HOSTILE,))
    report.write(tmp_path)
    page.write(tmp_path)
    show(browser, tmp_path)
    assert browser.evaluate("document.title") == "Of 1 scenario: 1 failed"
    assert browser.evaluate("document.querySelectorAll('script, img, iframe, [onerror], [onload]').length") == 0
    assert browser.evaluate("document.querySelector('#scenario-1 h3').textContent") == HOSTILE
    for selector in (".facts dd", ".about", ".markers", "#scenario-1 > .scroll th[scope=row]", "svg.timeline desc"):
        assert HOSTILE in browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"), selector


def test_a_page_of_a_long_run_is_less_than_three_megabytes() -> None:
    """30 scenarios with all that makes them large: each class of failure all the time, four probers, many pods."""
    classes = ["refused", "reset", "closed", "timeout", "status-503", "status-500", "body", "unreachable", "internal"]
    kept = [
        Record(n, due, due, 0.0, due + n % 7 / 1000, 200, f"pod-{n % 23}", f"v{n % 23 % 5}",
               "" if n % 3 else classes[n // 3 % len(classes)])
        for n, due in ((n, START + n / 50) for n in range(10_000))
    ]  # fmt: skip
    report = Report()
    for number in range(30):
        made = report.add(f"scenario {number}")
        made.started, made.fault_at, made.ended = START, START + 5, START + 200
        made.events = [(START + n * 10, f"event {n}") for n in range(20)]
        made.probers = []
    content = json.loads(json.dumps({
        "environment": {}, "totals": report.totals(), "mutants": [],
        "scenarios": [made.figures({}) for made in report.scenarios],
    }))  # fmt: skip
    prober = {"scheduled": 1, "sent": 1, "failed": 0, "errors": {}, **dict.fromkeys(KEYS, 1)}
    for scenario in content["scenarios"]:
        scenario["probers"] = [{**prober, "name": f"prober {n}", "records": "x"} for n in range(4)]
    assert len(page.build(content, lambda _: kept)) < 3_000_000


# --- Without a browser ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "headline"),
    [
        ([], "No scenario was run"),
        (["passed"], "The scenario passed"),
        (["passed", "passed"], "All 2 scenarios passed"),
        (["invalid", "passed"], "Of 2 scenarios: 1 invalid, 1 passed"),
        (["failed"], "Of 1 scenario: 1 failed"),
    ],
)
def test_the_headline_says_what_came_of_it(tmp_path: Path, verdicts: list[Any], headline: str) -> None:
    report = Report()
    for number, verdict in enumerate(verdicts):
        report.add(str(number)).verdict = verdict
    report.write(tmp_path)
    assert f"<h1>{headline}</h1>" in page.write(tmp_path).read_text()


def test_a_mutant_that_could_not_be_judged_was_not_caught(tmp_path: Path) -> None:
    report = Report()
    report.add_mutant("never tried", caught_by="x")
    report.write(tmp_path)
    text = page.write(tmp_path).read_text()
    assert "invalid</span>" in text
    assert "<dd class=bad>0 of 1</dd>" in text


def test_records_that_are_gone_cost_their_timeline_alone(tmp_path: Path) -> None:
    report = Report()
    fill(report.add("x"), Shape(3, fault=1), verdict="passed", names=("here", "gone"))
    report.write(tmp_path)
    (tmp_path / "x-gone.jsonl").unlink()
    text = page.write(tmp_path).read_text()
    assert "Not in the timeline, for want of records: gone." in text
    assert "150 requests answered" in text


@pytest.mark.parametrize(
    ("report", "records", "said"),
    [
        (None, None, r"report\.json is not there: give the folder of a run"),
        ("{", None, r"report\.json is not JSON"),
        ('{"scenarios": []}', None, r"not a report as report\.schema\.json describes it: at the top: .* required"),
        ("good", "[1, 2]\n", r"x-one\.jsonl has a line that is no record"),
        ("good", "[1, 2\n", r"x-one\.jsonl has a line that is no record"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: str | None, records: str | None, said: str
) -> None:
    if report == "good":
        good = Report()
        fill(good.add("x"), Shape(3, fault=1), verdict="passed", names=("one",))
        good.write(tmp_path)
    elif report:
        (tmp_path / "report.json").write_text(report)
    if records:
        (tmp_path / "x-one.jsonl").write_text(records)
    assert page.main([str(tmp_path)]) == 1
    assert re.search(said, capsys.readouterr().err)


def test_a_picture_is_of_the_scenario_that_is_asked_for(
    browser: Browser,  # noqa: ARG001  # skipped without one
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "picture.png"
    sizes = []
    for name in ("rolling update", "a pod's node loses its power"):
        assert page.main([str(run), "--picture", str(file), "--scenario", name]) == 0
        data = file.read_bytes()
        assert data.startswith(b"\x89PNG")
        sizes.append((int.from_bytes(data[16:20]), int.from_bytes(data[20:24])))
    assert sizes[0][0] == sizes[1][0] > page.PICTURE_WIDTH
    assert sizes[0][1] != sizes[1][1]
    assert page.main([str(run), "--picture", str(file), "--scenario", "none such"]) == 1
    assert "there are: rolling update, a pod's node" in capsys.readouterr().err


def test_without_a_browser_a_picture_is_refused_with_the_remedy(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert page.main([str(run), "--picture", str(tmp_path / "x.png")]) == 1
    assert "no browser on PATH" in (said := capsys.readouterr().err)
    assert "apt-get install chromium" in said


def test_a_browser_that_ends_is_an_error_and_not_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BrowserError, match="the browser has ended"), Browser():
        pass
