"""A scenario's timeline as one SVG: failures, requests, latency, replicas and pods over the same seconds.

It is legible at any width without a script: lengths along the time are percentages, everything else is in pixels. Lines
and areas are in nested SVGs that are stretched along the time only. The labels of the axes stand to the left of x = 0,
in a margin that the style sheet leaves free. Colours come from the style sheet, so that they follow the theme; none
is alone in telling things apart: a class of failure has a row and a shape, a version a heading and a pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from harness.report.buckets import Buckets, Pod

# Of the stretched SVGs: fine enough for any screen, short in the file.
UNITS = 2000
# The narrowest plot, on a phone of 360 pixels: what does not overlap there does not overlap anywhere.
NARROWEST = 240
FLAG = 18
# At most so many marks in a timeline, and in a row as many as stand side by side: nearer failures share one.
MOST_MARKS, MOST_IN_ROW = 360, 120
MOST_PODS = 14
# Classes of error as the prober names them, each with its shape and colour in the style sheet; others share the last.
SHAPES = ("refused", "reset", "closed", "timeout", "status", "other")
PATTERNS = 4
# A failure among ten thousand answers is less than a pixel high: it is drawn with this many.
LEAST_HEIGHT = 3

# Shapes of failures, around their centre, and patterns of versions. Once in a page; `shape` and `pattern` name them.
DEFINITIONS = """<svg width="0" height="0" aria-hidden="true" focusable="false" class="definitions"><defs>
<path id="shape-refused" d="M-4-4 4 4M4-4-4 4" class="stroked"/>
<path id="shape-reset" d="M0-5.5 5.5 0 0 5.5-5.5 0z"/>
<path id="shape-closed" d="M0-5 5.5 4.5h-11z"/>
<circle id="shape-timeout" r="4" class="stroked"/>
<path id="shape-status" d="M-4.5-4.5h9v9h-9z"/>
<path id="shape-other" d="M0 5-5.5-4.5h11z"/>
<pattern id="version-0" width="8" height="8" patternUnits="userSpaceOnUse"><path d="M0 0h8v8H0z" class="v0"/></pattern>
<pattern id="version-1" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path
 d="M0 0h6v6H0z" class="v1"/><path d="M0 0h2v6H0z" class="v-line"/></pattern>
<pattern id="version-2" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 0h6v6H0z" class="v2"/><circle
 cx="3" cy="3" r="1.5" class="v-line"/></pattern>
<pattern id="version-3" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 0h6v6H0z" class="v3"/><path
 d="M0 0h6v2H0z" class="v-line"/></pattern>
</defs></svg>"""


@dataclass(frozen=True)
class Marker:
    """A moment with a number in the picture, which a list beside it explains. `fault` is the moment of the fault."""

    at: float
    text: str
    fault: bool = False


def shape(error: str) -> str:
    """The shape and colour of a class of error."""
    kind = error.partition("-")[0]
    return kind if kind in SHAPES else SHAPES[-1]


def seconds(value: float) -> str:
    """A moment in seconds from the fault on, with its sign."""
    return f"{'−' if round(value, 1) < 0 else '+'}{abs(value):.1f} s"


@dataclass
class _Drawing:
    """The elements so far, and how far down they reach."""

    start: float
    length: float
    y: float = 0.0

    def __post_init__(self) -> None:
        self.elements: list[str] = []
        self.texts: list[str] = []

    def add(self, element: str) -> None:
        self.elements.append(element)

    def text(self, x: str, y: float, kind: str, content: str) -> None:
        """A text above everything else; `content` is escaped already."""
        self.texts.append(f'<text x="{x}" y="{y:g}" class="{kind}">{content}</text>')

    def share(self, at: float) -> float:
        """Where a moment is along the width, from 0 to 1."""
        return min(1.0, max(0.0, (at - self.start) / self.length))

    def percent(self, at: float) -> str:
        return f"{100 * self.share(at):.2f}%"

    def title(self, text: str, extra: str = "") -> None:
        """The line of text above a panel; `extra` are elements of its legend."""
        self.y += 28
        self.text("0", self.y - 7, "panel", escape(text) + extra)

    def stretched(self, height: float, content: str) -> None:
        """Paths in UNITS along the time, and pixels down from the drawing's present position."""
        self.add(
            f'<svg y="{self.y:g}" width="100%" height="{height:g}" viewBox="0 0 {UNITS} {height:g}" '
            f'preserveAspectRatio="none">{content}</svg>'
        )

    def rule(self, y: float, label: str, kind: str = "grid") -> None:
        """A line across, with its label in the margin."""
        self.add(f'<line x2="100%" y1="{y:g}" y2="{y:g}" class="{kind}"/>')
        self.text("-8", y + 4, "axis", escape(label))


def draw(
    buckets: Buckets,
    *,
    identity: str,
    name: str,
    description: str,
    zero: float,
    control_end: float,
    markers: Sequence[Marker],
    replicas: Sequence[Mapping[str, Any]],
) -> str:
    """The SVG of a scenario called `name`.

    identity: a prefix for its ids. description: what it shows, for those who can't see it. zero: the moment that is
    0 s. control_end: until when the control phase is shaded, 0 for none. replicas: as in the report.
    """
    drawing = _Drawing(buckets.start, buckets.end - buckets.start)
    flags = _flags(drawing, markers)
    _failures(drawing, buckets, zero)
    _requests(drawing, buckets)
    _latency(drawing, buckets)
    if replicas:
        _replicas(drawing, replicas)
    _pods(drawing, buckets)
    bottom = drawing.y + 6
    _time_axis(drawing, bottom, zero)
    control = drawing.percent(control_end) if control_end > buckets.start else "0"
    for marker in markers:
        x, kind = drawing.percent(marker.at), "fault" if marker.fault else "event"
        drawing.add(f'<line x1="{x}" x2="{x}" y1="{FLAG:g}" y2="{bottom:g}" class="{kind}"/>')
    return (
        f'<svg class="timeline" role="img" aria-labelledby="{identity}-title {identity}-desc" '
        f'width="100%" height="{bottom + 24:g}">'
        f'<title id="{identity}-title">Timeline of {escape(name)}</title>'
        f'<desc id="{identity}-desc">{escape(description)}</desc>'
        f'<rect width="{control}" height="{bottom:g}" class="control"/>'
        f"{''.join(drawing.elements)}{''.join(drawing.texts)}{flags}</svg>"
    )


def _flags(drawing: _Drawing, markers: Sequence[Marker]) -> str:
    """The numbers of the markers, in as many rows as it takes for none to cover another."""
    ends: list[float] = []
    flags = []
    for number, marker in enumerate(markers, 1):
        x = drawing.share(marker.at) * NARROWEST
        row = next((row for row, end in enumerate(ends) if x - end >= FLAG + 2), len(ends))
        ends[row:] = [x, *ends[row + 1 :]]
        kind = "flag-fault" if marker.fault else "flag"
        y = row * (FLAG + 2) + FLAG / 2 + 1
        flags.append(
            f'<g class="{kind}"><title>{escape(marker.text)}</title>'
            f'<circle cx="{drawing.percent(marker.at)}" cy="{y:g}" r="{FLAG / 2:g}"/>'
            f'<text x="{drawing.percent(marker.at)}" y="{y + 4:g}">{number}</text></g>'
        )
    drawing.y = len(ends) * (FLAG + 2)
    return "".join(flags)


def _failures(drawing: _Drawing, buckets: Buckets, zero: float) -> None:
    """A row for each class of failure, with a mark wherever one happened, however few they are."""
    drawing.title("Failed requests" if buckets.failures else "Failed requests: none")
    slots = min(MOST_IN_ROW, MOST_MARKS // max(1, len(buckets.failed)))
    times: dict[str, dict[int, list[float]]] = {error: {} for error in buckets.failed}
    for failure in buckets.failures:
        at = failure.record.scheduled
        times[failure.record.error].setdefault(int(drawing.share(at) * slots), []).append(at)
    for error, marks in times.items():
        middle, kind = drawing.y + 9, shape(error)
        drawing.rule(middle, _short(error, 11))
        drawing.add(f'<g class="f-{kind}">')
        for first, *more in marks.values():
            said = escape(f"{1 + len(more)} {error}, {seconds(first - zero)}")
            drawing.add(
                f'<use href="#shape-{kind}" x="{drawing.percent(first)}" y="{middle:g}"><title>{said}</title></use>'
            )
        drawing.add("</g>")
        drawing.y += 18


def _requests(drawing: _Drawing, buckets: Buckets) -> None:
    """Requests a second, failures on top of answers."""
    height = 70.0
    keys = [("swatch", "answered", "answered")]
    if buckets.failed:
        keys.append(("swatch", f"f-{shape(next(iter(buckets.failed)))}", "failed"))
    drawing.title("Requests/s", _key(*keys))
    lengths = [buckets.seconds(index) for index in range(len(buckets.answered))]
    sums = [sum(counts) for counts in zip(buckets.answered, *buckets.failed.values(), strict=True)]
    highest, step = _scale(max(count / length for count, length in zip(sums, lengths, strict=True)))
    for tick in range(0, int(highest) + 1, step):
        drawing.rule(drawing.y + height * (1 - tick / highest), str(tick), "grid" if tick else "base")
    # How high each column is already, in pixels.
    filled = [height * count / length / highest for count, length in zip(buckets.answered, lengths, strict=True)]
    paths = [f'<path class="answered" d="{_area(filled, height, buckets)}"/>']
    for error, counts in buckets.failed.items():
        path = []
        for index, count in enumerate(counts):
            if count:
                tall = max(LEAST_HEIGHT, height * count / lengths[index] / highest)
                left, right = _edges(index, buckets)
                top = max(0.0, height - filled[index] - tall)
                path.append(f"M{left:g} {top:.1f}H{right:g}v{tall:.1f}H{left:g}z")
                filled[index] += tall
        paths.append(f'<path class="f-{shape(error)} filled" d="{"".join(path)}"/>')
    drawing.stretched(height, "".join(paths))
    drawing.y += height


def _latency(drawing: _Drawing, buckets: Buckets) -> None:
    """The median and the 99th percentile of answered requests, on a logarithmic scale."""
    height = 84.0
    drawing.title("Latency, log scale", _key(("line", "p50", "p50"), ("line", "p99", "p99")))
    values = [value for value in (*buckets.p50_ms, *buckets.p99_ms) if value]
    low = math.floor(math.log10(max(min(values, default=1.0), 0.1)))
    high = max(low + 2, math.ceil(math.log10(max(max(values, default=1.0), 0.1))))

    def down(value: float) -> float:
        return height * (1 - (math.log10(max(value, 10**low)) - low) / (high - low))

    for power in range(low, high + 1):
        label = f"{10**power:g} ms" if power < 3 else f"{10 ** (power - 3):g} s"
        drawing.rule(drawing.y + down(10**power), label, "base" if power == low else "grid")
    lines = [
        f'<path class="{kind}" d="{_steps(values, down, buckets)}"/>'
        for kind, values in (("p99", buckets.p99_ms), ("p50", buckets.p50_ms))
    ]
    drawing.stretched(height, "".join(lines))
    drawing.y += height


def _replicas(drawing: _Drawing, replicas: Sequence[Mapping[str, Any]]) -> None:
    """Ready and desired replicas, as steps."""
    height = 60.0
    drawing.title("Replicas", _key(("swatch", "ready", "ready"), ("line", "desired", "desired")))
    highest, step = _scale(max(max(sample["ready"], sample["desired"]) for sample in replicas))
    for tick in range(0, int(highest) + 1, step):
        drawing.rule(drawing.y + height * (1 - tick / highest), str(tick), "grid" if tick else "base")

    def line(what: str) -> str:
        steps: list[str] = []
        before = None
        for sample in replicas:
            x, y = UNITS * drawing.share(sample["at"]), height * (1 - sample[what] / highest)
            if before is None:
                steps.append(f"M{x:.0f} {y:.1f}")
            elif before != y:
                steps.append(f"H{x:.0f}V{y:.1f}")
            before = y
        return "".join([*steps, f"H{UNITS * drawing.share(replicas[-1]['at']):.0f}"])

    left, right = (UNITS * drawing.share(replicas[end]["at"]) for end in (0, -1))
    drawing.stretched(
        height,
        f'<path class="ready" d="{line("ready")}V{height:g}H{left:.0f}z"/><path class="desired" d="{line("desired")}"/>'
        if right > left
        else "",
    )
    drawing.y += height


def _pods(drawing: _Drawing, buckets: Buckets) -> None:
    """Which pods answered when, under the version that they run."""
    if not buckets.pods:
        return
    drawing.title("Pods that answered")
    versions: dict[str, list[Pod]] = {}
    for pod in buckets.pods:
        versions.setdefault(pod.version, []).append(pod)
    left_over = max(0, len(buckets.pods) - MOST_PODS)
    rows = 0
    for number, (version, pods) in enumerate(versions.items()):
        if rows >= MOST_PODS:
            break
        drawing.y += 16
        drawing.text("-8", drawing.y - 4, "axis", "version")
        drawing.text("0", drawing.y - 4, "version", escape(_short(version, 30)))
        for pod in pods[: MOST_PODS - rows]:
            rows += 1
            drawing.rule(drawing.y + 6, _short(pod.host.rpartition("-")[2] or pod.host, 11), "faint")
            bars = []
            for first, last in pod.spans:
                left, right = (100 / UNITS * edge for edge in (_edges(first, buckets)[0], _edges(last, buckets)[1]))
                bars.append(f'<rect x="{left:.1f}%" y="{drawing.y + 1:g}" width="{right - left:.1f}%" height="10"/>')
            drawing.add(
                f'<g fill="url(#version-{number % PATTERNS})"><title>{escape(pod.host)}</title>{"".join(bars)}</g>'
            )
            drawing.y += 14
    if left_over:
        drawing.y += 16
        drawing.text("0", drawing.y - 4, "version", f"and {left_over} more pods")


def _time_axis(drawing: _Drawing, y: float, zero: float) -> None:
    drawing.add(f'<line x2="100%" y1="{y:g}" y2="{y:g}" class="base"/>')
    step = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if drawing.length / s <= 6), 1200)
    tick = math.ceil(round((drawing.start - zero) / step, 6))
    while tick * step <= drawing.start + drawing.length - zero + 1e-6:
        x = drawing.percent(zero + tick * step)
        label = f"{tick * step:g}".replace("-", "−")
        drawing.add(f'<line x1="{x}" x2="{x}" y1="{y:g}" y2="{y + 4:g}" class="base"/>')
        drawing.text(x, y + 17, "tick", label)
        tick += 1


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _scale(highest: float) -> tuple[float, int]:
    """The top of an axis from 0 and the step of its ticks, for whole numbers up to `highest`."""
    step = next(s * 10**power for power in range(12) for s in (1, 2, 5) if highest / (s * 10**power) <= 4)
    return float(max(1, math.ceil(highest / step)) * step), step


def _edges(index: int, buckets: Buckets) -> tuple[float, float]:
    """Where a bucket begins and ends, in UNITS."""
    length = (buckets.end - buckets.start) / buckets.width
    return round(UNITS * index / length, 1), round(UNITS * min(1.0, (index + 1) / length), 1)


def _area(heights: Sequence[float], bottom: float, buckets: Buckets) -> str:
    """Columns of these heights, side by side, as one area."""
    path = [f"M0 {bottom:g}"]
    tops = [f"{bottom - height:.1f}" for height in heights]
    for index, top in enumerate(tops):
        if not index or top != tops[index - 1]:
            path.append(f"V{top}")
        path.append(f"H{_edges(index, buckets)[1]:g}")
    return "".join([*path, f"V{bottom:g}z"])


def _steps(values: Sequence[float | None], down: Callable[[float], float], buckets: Buckets) -> str:
    """A line of steps through the values, broken where there is none."""
    path = []
    for index, (before, value) in enumerate(pairwise([None, *values])):
        if value is None:
            continue
        left, right = _edges(index, buckets)
        path.append(f"M{left:g} {down(value):.1f}" if before is None else f"V{down(value):.1f}")
        path.append(f"H{right:g}")
    return "".join(path)


def _key(*entries: tuple[str, str, str]) -> str:
    """A legend, as text that follows a panel's title; an entry is a sign, its colour in the style sheet, a name."""
    signs = {"swatch": "■", "line": "━"}
    return "".join(
        f'<tspan dx="12" class="key-{colour}">{signs[sign]}</tspan><tspan dx="4">{escape(name)}</tspan>'
        for sign, colour, name in entries
    )
