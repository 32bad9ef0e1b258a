"""The picture of bench.json: how much each server answers, how late, and what it loses."""

from __future__ import annotations

import statistics
from html import escape
from typing import Any

from bench.figures.report import OURS, disturbed
from bench.servers import CONTROL, SERVERS

WIDTH, ROW, TOP = 1060, 34, 118
NAMES_END = 252
SPEED_X, SPEED_WIDTH = 264, 250
LATENCY_X, LATENCY_WIDTH = 562, 130
MARKS_X, MARK_STEP = 800, 74
INK, SOFT, OURS_COLOR, OTHER_COLOR, BAD, GOOD = "#1f2328", "#59636e", "#0b6bcb", "#a9b4c0", "#c62828", "#1a7f37"
MARKS = (
    ("slow clients", False, "96 slow", "clients"),
    ("streams", False, "200 event", "streams"),
    ("stop", True, "stop, kept", "connections"),
    ("stop", False, "stop, new", "connections"),
)
"""Workload, whether connections are kept, and the two lines of the column's head."""
SHOWN = tuple(name for name in SERVERS if name != CONTROL)

Row = dict[str, Any]


def can_show(report: dict[str, Any]) -> bool:
    """Whether a report has what the picture orders the servers by: hello, of one of those that it shows."""
    return any(row["workload"] == "hello" and row["server"] in SHOWN for row in report["rows"])


def svg(report: dict[str, Any]) -> str:
    """The picture as SVG, for a page of any colour. `report`: what bench.json has, of which it can show something."""
    rows = {(row["workload"], row["connections"], row["keepalive"], row["server"]): row for row in report["rows"]}
    main = {name: rows["hello", 16, True, name] for name in SHOWN if ("hello", 16, True, name) in rows}
    late = {name: rows["hello at 80 %", 16, True, name] for name in main if ("hello at 80 %", 16, True, name) in rows}
    ordered = sorted(main, key=lambda name: -main[name]["rps"])
    height = TOP + ROW * len(ordered) + 64
    parts = [*_frame(height), *_heads(bool(late))]
    fastest = max(row["rps"] for row in main.values())
    # A server that is overrun would make the bars of all others too short to compare: its own fills the room.
    latest = 3 * statistics.median([row["p99_ms"] for row in late.values()] or [1.0])
    for place, name in enumerate(ordered):
        y = TOP + ROW * place
        parts += _line(name, y, main[name], late.get(name), fastest, latest)
        for column, (workload, kept, *_) in enumerate(MARKS):
            row = next(
                (r for r in report["rows"] if (r["workload"], r["keepalive"], r["server"]) == (workload, kept, name)),
                None,
            )
            parts += _mark(MARKS_X + MARK_STEP * column, y, row)
    parts.append(_text(24, height - 34, _legend(), size=12, color=SOFT))
    facts = report["machine"]
    for warning in disturbed(report):
        parts.append(_text(24, 54, warning, size=12, weight=600, color=BAD))
    parts.append(
        _text(
            24,
            height - 16,
            f"{facts['cpu']}, Python {facts['python']}, {facts['date']}. make bench. "
            "A latency bar of full width is cut off at three times the median.",
            size=12,
            color=SOFT,
        )
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title" font-family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif">',
        '<title id="title">Requests a second, latency at 80 % load and lost requests of servers for Flask</title>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#d1d9e0"/>',
        _text(24, 36, "One Flask application on one core, behind different servers", size=19, weight=600),
    ]  # fmt: skip


def _heads(with_latency: bool) -> list[str]:
    heads = [
        _text(SPEED_X, 72, "requests a second", size=13, weight=600),
        _text(SPEED_X, 90, "16 connections, more is better", size=12, color=SOFT),
        _text(MARKS_X - 22, 72, "requests lost", size=13, weight=600),
    ]
    if with_latency:
        heads += [
            _text(LATENCY_X, 72, "p99 at 80 % load", size=13, weight=600),
            _text(LATENCY_X, 90, "of its own maximum", size=12, color=SOFT),
        ]
    for column, (_, _, first, second) in enumerate(MARKS):
        x = MARKS_X + MARK_STEP * column
        heads.append(_text(x, 90, first, size=11, color=SOFT, anchor="middle"))
        heads.append(_text(x, 104, second, size=11, color=SOFT, anchor="middle"))
    return heads


def _line(name: str, y: int, row: Row, late: Row | None, fastest: float, latest: float) -> list[str]:
    """A server's name and its two bars."""
    ours = name == OURS
    color, weight = (OURS_COLOR, 600) if ours else (OTHER_COLOR, 400)
    title = SERVERS[name].title.replace("gunicorn gthread, exporter and access log", "gthread, metrics and access log")
    parts = [
        _text(NAMES_END, y + 20, title, size=13, weight=weight, anchor="end"),
        *_bar(SPEED_X, y, SPEED_WIDTH * row["rps"] / fastest, color, f"{row['rps']:,.0f}", row["errors"]),
    ]
    if late:
        parts += _bar(
            LATENCY_X,
            y,
            LATENCY_WIDTH * min(1.0, late["p99_ms"] / latest),
            color,
            f"{late['p99_ms']:,.1f} ms",
            late["errors"],
        )
    return parts


def _bar(x: int, y: int, width: float, color: str, label: str, lost: int) -> list[str]:
    """A bar with its figure inside if it has the room, else behind it. One with lost requests is marked."""
    width = max(width, 2)
    inside = width > 110
    ink = "#ffffff" if inside and color == OURS_COLOR else INK
    at, anchor = (x + width - 8, "end") if inside else (x + width + 6, "start")
    bar = f'<rect x="{x}" y="{y + 4}" width="{width:.1f}" height="{ROW - 10}" rx="3" fill="{color}"/>'
    parts = [bar, _text(round(at), y + 20, label, size=12, weight=600, color=ink, anchor=anchor)]
    if lost:
        mark = x + width + (6 if inside else 12 + 7.5 * len(label))
        parts.append(_text(round(mark), y + 20, f"✗ {lost:,} lost", size=12, color=BAD))
    return parts


def _mark(x: int, y: int, row: Row | None) -> list[str]:
    if row is None:
        return [_text(x, y + 20, "-", size=13, color=SOFT, anchor="middle")]
    if not row["errors"]:
        return [_text(x, y + 20, "✓ 0", size=13, weight=600, color=GOOD, anchor="middle")]
    words = "all" if not row["rps"] else f"{row['errors']:,}"
    return [_text(x, y + 20, f"✗ {words}", size=13, weight=600, color=BAD, anchor="middle")]


def _legend() -> str:
    return (
        "Servers other than nodrop run without metrics and log unless named. Slow clients, event streams: beside 50 "
        "requests a second. Stop: SIGTERM at 80."
    )


def _text(
    x: int, y: int, text: str, *, size: int, weight: int = 400, color: str = INK, anchor: str = "start"
) -> str:  # fmt: skip
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{color}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
