"""bench.json: the rows, the ratios by name and the machine; and the tables that are made of it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import Measured
from bench.servers import PYTHON, ROOT, SERVERS

OURS = "nodrop"
RIVALS = ("gthread-documented", "granian")
"""The two that every workload is compared with: what people use today, and the fastest."""
PACKAGES = ("flask", "gunicorn", "gevent", "waitress", "pyuwsgi", "granian", "prometheus-flask-exporter")
LEAST_CORE = 0.8
"""Share of its core that a server uses at least when it answers as much as it can, if it keeps connections."""
CLOSE_EACH = ("sync", "flask-run")
"""They close each connection, and use less of their core, since they wait for the next."""
NOT_FOR_SPEED = ("slow clients", "streams", "stop")
"""Workloads that are about who is answered at all."""


def report(measured: Sequence[Measured], *, seconds: float, server_cores: int) -> dict[str, Any]:
    """Everything that bench.json has. seconds: how long it took to measure. server_cores: those each server may use."""
    return {
        "machine": {**machine(), "server_cores": server_cores, "took_seconds": round(seconds)},
        "ratios": ratios(measured),
        "rows": [each.row() for each in measured],
    }


def as_json(report: dict[str, Any]) -> str:
    """Of one line for each row, so that a difference between two runs can be read."""
    rows = ",\n".join(f"    {json.dumps(row)}" for row in report["rows"])
    rest = {name: value for name, value in report.items() if name != "rows"}
    return f'{json.dumps(rest, indent=2)[:-2]},\n  "rows": [\n{rows}\n  ]\n}}\n'


def ratios(measured: Sequence[Measured]) -> dict[str, float]:
    """How the server of this project compares with the others: medians of what each round says.

    Each is this project's figure divided by the other's. "throughput to granian bare" is of requests a second, so more
    is better; "CPU time to ..." is of a request, and "p99 at 80 % to ..." of its latency, so less is better. A name
    that ends with ": title" is of that workload, any other of JSON with 16 connections.
    """
    found: dict[str, float] = {}
    table = {(each.workload.key, each.server): each for each in measured}
    for (key, name), ours in table.items():
        if name != OURS or key[0] in NOT_FOR_SPEED:
            continue
        workload, connections, kept = key
        main = (workload, connections, kept) == ("hello", 16, True)
        suffix = "" if main else f": {ours.workload.title}"
        for other in SERVERS if main else RIVALS:
            theirs = table.get((key, other))
            if not theirs or other == OURS:
                continue
            if workload in ("hello at 50 %", "hello at 80 %"):
                _add(found, f"p99 at {workload[9:]} to {SERVERS[other].short}", ours, theirs, "p99_ms")
            else:
                _add(found, f"throughput to {SERVERS[other].short}{suffix}", ours, theirs, "rps")
                _add(found, f"CPU time to {SERVERS[other].short}{suffix}", ours, theirs, "cpu_us")
    return found


def _add(found: dict[str, float], name: str, ours: Measured, theirs: Measured, column: str) -> None:
    pairs = zip(ours.figures(column), theirs.figures(column), strict=False)
    quotients = [a / b for a, b in pairs if b]
    if quotients:
        found[name] = round(statistics.median(quotients), 2)


def machine() -> dict[str, Any]:
    """What it was measured on, and with which versions."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    asked = (
        f"import importlib.metadata, json; print(json.dumps({{p: importlib.metadata.version(p) for p in {PACKAGES}}}))"
    )
    versions = subprocess.run([PYTHON, "-c", asked], check=True, capture_output=True, text=True).stdout
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "date": datetime.now(UTC).date().isoformat(), "cores": len(os.sched_getaffinity(0)), "cpu": model,
        "kernel": platform.release(), "python": platform.python_version(), "revision": revision,
        "load_average": round(os.getloadavg()[2], 1), "versions": json.loads(versions),
    }  # fmt: skip


def as_markdown(report: dict[str, Any]) -> str:
    """The tables of docs/speed.md."""
    rows = report["rows"]
    servers = [name for name in SERVERS if any(row["server"] == name for row in rows)]
    table = {(row["title"], row["server"]): row for row in rows}
    titles = list(dict.fromkeys(row["title"] for row in rows))
    beside = [title for title in titles if _workload(rows, title) in ("slow clients", "streams")]
    stops = [title for title in titles if _workload(rows, title) == "stop"]
    latencies = [title for title in titles if _workload(rows, title).startswith("hello at")]
    speeds = [title for title in titles if title not in (*beside, *stops, *latencies)]
    parts = []
    if speeds:
        parts.append(_table("requests a second", speeds, servers, table, lambda row: f"{row['rps']:,.0f}"))
        parts.append(_table("CPU time a request, us", speeds, servers, table, lambda row: _number(row["cpu_us"])))
    if latencies or beside:
        parts.append(_table("p50, p99 in ms", [*latencies, *beside], servers, table, _latency))
    if stops:
        parts.append(_table("requests lost", stops, servers, table, lambda row: str(row["errors"]), mark=False))
    memory = [title for title in titles if _workload(rows, title) == "hello" and title in speeds]
    if memory:
        parts.append(_table("memory (PSS), MiB", memory[:1], servers, table, lambda row: f"{row['pss_mib']:.0f}"))
    return "\n\n".join([*parts, *_ratio_tables(report["ratios"]), *disturbed(report), _about(report["machine"])])


def disturbed(report: dict[str, Any]) -> list[str]:
    """A sentence if other work has taken the servers' core: under a closed loop each would use all of it."""
    used = [
        row["rps"] * row["cpu_us"] / 1e6
        for row in report["rows"]
        if row["workload"] == "hello"
        and row["connections"] == 16
        and row["keepalive"]
        and row["cpu_us"]
        and row["server"] not in CLOSE_EACH
    ]
    if not used or min(used) > LEAST_CORE:
        return []
    return [
        f"Other work took the core: one server had {min(used):.0%} of it. "
        "Only CPU time can be compared, not throughput or latency."
    ]


def _ratio_tables(ratios: dict[str, float]) -> list[str]:
    """What every server is compared with, and below it the other workloads, compared with two."""
    main = [name for name in ratios if ":" not in name]
    others = list(dict.fromkeys(name.partition(": ")[2] for name in ratios if ":" in name))
    tables = []
    if main:
        lines = [f"| {name} | {ratios[name]:.2f} |" for name in main]
        tables.append(
            "\n".join(["| nodrop compared with others, JSON, 16 connections | ratio |", "|---|---:|", *lines])
        )
    if others:
        heads = [f"{what} to {SERVERS[rival].short}" for what in ("throughput", "CPU time") for rival in RIVALS]
        lines = [
            f"| {title} | "
            + " | ".join(f"{ratios[name]:.2f}" if (name := f"{head}: {title}") in ratios else "-" for head in heads)
            + " |"
            for title in others
        ]
        tables.append("\n".join([f"| nodrop | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|", *lines]))
    return tables


def _workload(rows: list[dict[str, Any]], title: str) -> str:
    return str(next(row["workload"] for row in rows if row["title"] == title))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _latency(row: dict[str, Any]) -> str:
    return "nobody answered" if not row["rps"] else f"{row['p50_ms']:.1f}, {row['p99_ms']:.1f}"


def _table(head: str, titles: list[str], servers: list[str], table: Any, cell: Any, mark: bool = True) -> str:
    """One line for each server. Where requests were lost, their number stands behind the figure."""
    lines = [f"| {head} | {' | '.join(titles)} |", "|---" + "|---:" * len(titles) + "|"]
    for name in servers:
        cells = []
        for title in titles:
            row = table.get((title, name))
            lost = f" ({row['errors']:,} lost)" if row and row["errors"] and mark else ""
            cells.append(f"{cell(row)}{lost}" if row else "-")
        title = f"**{SERVERS[name].title}**" if name == OURS else SERVERS[name].title
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _about(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"Measured on {facts['date']} in {facts['took_seconds'] / 60:.0f} minutes, at {facts['revision']}, on "
        f"{facts['cores']} cores ({facts['cpu']}, Linux {facts['kernel']}), of which a server had "
        f"{facts['server_cores']}, with Python {facts['python']}, {versions}."
    )
