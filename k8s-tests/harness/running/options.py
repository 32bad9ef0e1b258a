"""The options of a run, and which tests they choose."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.release import CHART, ROOT
from harness.measuring.prober import MOST_RATE
from harness.measuring.traffic import NEW
from scenarios import SCENARIOS

PROOF = ROOT / "build" / "proof"


def add(parser: pytest.Parser) -> None:
    """Add the options to the command line."""
    group = parser.getgroup("cluster")
    group.addoption("--cluster-name", default="flask-app-test", help="name of the kind cluster (%(default)s)")
    group.addoption("--keep-cluster", action="store_true", help="leave the cluster there afterwards")
    group.addoption("--kubeconfig", type=Path, help="use the cluster of this kubeconfig, which is then left there")
    group.addoption(
        "--destructive",
        metavar="CONTEXT",
        help="also drain nodes and restart parts of a cluster that is not a kind one: the kubeconfig's current context",
    )
    group = parser.getgroup("proof")
    group.addoption("--complete", action="store_true", help="every scenario and mutant, not only the standard set")
    group.addoption(
        "--scenario", action="append", default=[], help="only scenarios with this in their name (repeatable)"
    )
    group.addoption("--rate", type=_positive, default=NEW.rate, help="requests a second of each client (%(default)s)")
    group.addoption(
        "--seed", type=int, help="what is chosen at random is chosen with this (default: another each time)"
    )
    group.addoption("--report", type=Path, default=PROOF, metavar="FOLDER", help="where the report goes (build/proof)")
    group = parser.getgroup("your own application or chart")
    group.addoption(
        "--image", action="append", help="an image of it (name:tag); twice, to roll out from one to the other"
    )
    group.addoption("--chart", type=_resolved, default=CHART, help="the chart's folder (charts/flask-app)")
    group.addoption("--values", action="append", type=Path, help="a values file for the chart (repeatable)")
    group.addoption("--path", default="/", help="what --image is asked for; it must answer 200 (%(default)s)")
    group.addoption("--slow-path", help="what slow requests ask --image for, which it answers after about a second")
    group.addoption("--upload-path", help="where uploads of 64 KiB are POSTed to; it must answer 200")
    group.addoption(
        "--expect-body", default="none", metavar="REGEX", help="what must be in the body of every answer of --image"
    )
    group.addoption("--host-header", help="the header of --image's answers that names the pod")
    group.addoption("--version-header", help="the header of --image's answers that names the version")
    group.addoption("--prober-node", help="where the probers run, which no fault should hit (the control plane's node)")
    group.addoption("--prober-image", help="the prober's image, for a cluster that is not a kind one")


def _positive(text: str) -> float:
    """A number above 0. Raises ValueError, which argparse turns into a message."""
    if not (number := float(text)) > 0:
        raise ValueError(text)
    return number


def _resolved(text: str) -> Path:
    """A path that names the same folder whatever way it is written."""
    return Path(text).resolve()


def check(config: pytest.Config) -> None:
    """Raise pytest.UsageError for options that can't be meant, before anything is done."""
    option = config.getoption
    for file in [*(option("--values") or []), *filter(None, [option("--kubeconfig")])]:
        if not file.is_file():
            raise pytest.UsageError(f"{file} is not a file")
    if option("--rate") > MOST_RATE:
        raise pytest.UsageError(f"--rate: the records of more than {MOST_RATE} requests/s would not fit into memory")
    folder = option("--report")
    if folder != PROOF and folder.exists() and not is_report(folder):
        # It is emptied before a run.
        raise pytest.UsageError(f"--report {folder} is there and is no report: name a new folder")
    known = [scenario.name for scenario in SCENARIOS]
    for name in option("--scenario"):
        if not any(name in each for each in known):
            raise pytest.UsageError(f"--scenario {name}: there is none; there are: {', '.join(known)}")
    _check_own(option)


def _check_own(option: Callable[[str], Any]) -> None:
    """The same for the options about your own application and chart."""
    images, chart = option("--image") or [], option("--chart")
    if not (chart / "Chart.yaml").is_file():
        raise pytest.UsageError(f"--chart {chart}: there is no Chart.yaml in it")
    if chart != CHART and not option("--values"):
        raise pytest.UsageError(
            "--chart: give --values too, as many as the chart needs; those of the tests are not for it"
        )
    for image in images:
        if ":" not in image.rpartition("/")[2]:
            raise pytest.UsageError(f"--image {image} is not an image with a tag, such as registry/name:1.0")
    if len(images) > 2:
        raise pytest.UsageError("--image is given once or twice: what runs first, and what is rolled out")
    for name in ("--slow-path", "--upload-path", "--host-header", "--version-header"):
        if option(name) and not images and chart == CHART:
            raise pytest.UsageError(f"{name} is for your own application: give --image too")
    try:
        re.compile(option("--expect-body"))
    except re.error as error:
        raise pytest.UsageError(f"--expect-body is no regular expression: {error}") from None


def is_report(folder: Path) -> bool:
    """Whether a folder holds the report of a run, and nothing of anything else."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return bool(names) and all(name in ("report.json", "report.html") or name.endswith(".jsonl") for name in names)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what --scenario does not name and, without it and --complete, what is not in the standard set."""
    names, complete = config.getoption("--scenario"), config.getoption("--complete")
    own = config.getoption("--image") or config.getoption("--chart") != CHART
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        declared = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        scenario: Any = declared.get("scenario")
        each: Any = scenario or declared.get("mutant") or declared.get("baseline")
        if names:
            keep = scenario is not None and any(name in scenario.name for name in names)
        elif own and scenario is None:
            # The other tests are of this project's own chart and application.
            keep = False
        else:
            standard = each.standard if each else item.get_closest_marker("complete") is None
            keep = standard or complete
        (kept if keep else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
