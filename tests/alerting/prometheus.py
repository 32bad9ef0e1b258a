"""Prometheus and promtool: rules are tested, and queries run, by the real thing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.serving_process import free_port, until

SELECTOR = re.compile(r"""([a-zA-Z_:][\w:]*)\{((?:[^{}"]|"(?:[^"\\]|\\.)*")*)\}""")
"""A metric with its matchers; a pattern among them may have braces."""


def find(name: str) -> str:
    """A program of Prometheus', or a skip with the reason and the remedy."""
    # Debian's service may be on a path that is not everybody's.
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if not found:
        pytest.skip(f"no {name} on PATH: install Prometheus 2.42 or later, on Debian apt-get install prometheus")
    return found


@dataclass(frozen=True)
class Selector:
    """A metric in a query, with its matchers."""

    metric: str
    text: str

    @property
    def labels(self) -> set[str]:
        """The labels that it is selected by."""
        matchers = SELECTOR.fullmatch(self.text)
        assert matchers
        return set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers[2]))


def selectors(expression: str) -> list[Selector]:
    """The metrics that an expression reads."""
    return [Selector(found[1], found[0]) for found in SELECTOR.finditer(expression)]


def check(promtool: str, groups: Sequence[Mapping[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have promtool check the rules."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": list(groups)}))
    command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def firing_at(
    promtool: str,
    groups: Sequence[Mapping[str, Any]],
    series: Mapping[str, Sequence[str]],
    expected: Mapping[int, int],
    folder: Path,
    *,
    alert: str,
    step: int = 1,
) -> str:
    """Have promtool replay the series, and compare how many alerts fire; returns what is wrong, or an empty text.

    series: the samples of each, one every `step` minutes. expected: how many alerts fire, by minute. alert: matchers of
    theirs.
    """
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": list(groups)}))
    query = f'count(ALERTS{{alertstate="firing",{alert}}}) or vector(0)'
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{step}m",
        "tests": [
            {
                "interval": f"{step}m",
                "input_series": [{"series": name, "values": " ".join(values)} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": count}]}
                    for minute, count in expected.items()
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    command = [promtool, "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(parameters)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples that an expression gives now."""
        return list(self.get("query", query=expression)["result"])


@contextmanager
def scraping(
    program: str, folder: Path, targets: Mapping[int, Mapping[str, str]], groups: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Prometheus]:
    """Prometheus, which scrapes these ports every second, each with its labels, and evaluates the rules."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "pods",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)} for port, labels in targets.items()
                ],
            }
        ],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": list(groups)}))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    prometheus = Prometheus(free_port())
    command = [
        program, "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{prometheus.port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        until("Prometheus is ready", lambda: process.poll() is not None or is_ready(prometheus))
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)


def is_ready(prometheus: Prometheus) -> bool:
    """Whether it answers queries."""
    try:
        return len(prometheus.query("vector(1)")) == 1
    except (OSError, json.JSONDecodeError):
        # It has not begun to listen, or says in plain text that it is starting.
        return False
