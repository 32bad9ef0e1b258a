"""What the proof declares: scenarios, budgets, mutants. All of it can be checked without a cluster."""

from __future__ import annotations

import itertools
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import proof_docs
import tools
from app import create_app
from app.settings import Settings
from baseline import BASELINES, create
from harness.cluster.release import CHART, TEST_VALUES
from harness.measuring.traffic import CLIENTS, EVERY_KIND, KEPT, NEW, SLOW, Traffic
from harness.running.budget import Budget, Loss, Timer
from harness.running.scenario import Scenario
from mutants import MUTANTS, Mutant
from prober import POOL
from scenarios import SCENARIOS, pods, scaling
from scenarios.combined import AT_RANDOM
from tests.serving_process import ROOT, until

NAMES = [scenario.name for scenario in SCENARIOS]


def by_name(thing: Scenario | Mutant) -> str:
    return thing.name


# --- Budgets ----------------------------------------------------------------------------------------------------------


def test_new_connections_are_lost_in_the_share_of_the_lost_pod_and_three_deviations() -> None:
    budget = Loss((Timer(2, "a"), Timer(1, "b"))).of([Traffic("new", 100, request_seconds=0.1)], 2)
    # 300 requests are due, of which 150 and three deviations of 8.7; and 5 are in flight.
    assert budget.failed == math.ceil(150 + 3 * math.sqrt(300 * 0.25) + 5) == 181
    assert "3 s (2 s a; 1 s b)" in budget.derivation
    assert "5.0 in flight and 176.0 of 300 routed to it" in budget.derivation


@pytest.mark.parametrize(("replicas", "beside", "pods"), [(2, 0, 2), (4, 0, 4), (2, 1, 3)])
def test_one_pod_is_lost_of_those_that_there_are(replicas: int, beside: int, pods: int) -> None:
    budget = Loss((Timer(10, "a"),), beside=beside).of([Traffic("new", 100, request_seconds=0.0)], replicas)
    assert budget.failed == math.ceil(1000 / pods + 3 * math.sqrt(1000 / pods * (1 - 1 / pods)))
    assert f"one of {pods} pods" in budget.derivation


def test_a_kept_connection_costs_one_request_for_each_time_that_it_is_drawn_wrong_however_long_it_takes() -> None:
    kept = Traffic("keep-alive", 100, request_seconds=0.0)
    bound = Loss((Timer(50, "a"),)).of([kept], 2).failed
    assert bound == Loss((Timer(500, "a"),)).of([kept], 2).failed
    chance, most = random.Random(1), 0
    for _ in range(10_000):
        lost = 0
        for _ in range(POOL):
            while chance.random() < 0.5:
                lost += 1
        most = max(most, lost)
    # Three deviations and a little: what is never, or hardly ever, exceeded, and far from all that is due.
    assert most - 15 < bound < most + 5


def test_no_more_is_lost_than_is_sent() -> None:
    for replicas in (1, 2, 50):
        assert Loss((Timer(0.1, "a"),)).of([NEW, KEPT], replicas).failed <= (NEW.rate + KEPT.rate) * 0.15 + 2


def test_all_is_lost_with_the_only_pod() -> None:
    assert Loss((Timer(1, "a"),)).of([Traffic("keep-alive", 50, request_seconds=0.0)], 1).failed == 50


def test_without_timers_only_what_is_in_flight_is_lost() -> None:
    assert Loss().of([SLOW], 2).failed == SLOW.rate * SLOW.request_seconds * 0.5


def test_a_loss_that_happens_often_is_lost_as_often() -> None:
    once, thrice = (Loss((Timer(1, "a"),), times=times).of(EVERY_KIND, 2) for times in (1, 3))
    assert thrice.failed == 3 * once.failed
    assert ", 3 times" in thrice.derivation


def test_a_budget_of_none_is_the_same_under_any_traffic() -> None:
    assert Budget().of(CLIENTS, 2) == Budget() == Budget().of((), 5)


# --- Scenarios --------------------------------------------------------------------------------------------------------


def test_scenarios_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_a_scenario_says_what_is_done_and_what_it_may_cost(scenario: Scenario) -> None:
    assert scenario.fault
    budget = scenario.budget.of(scenario.traffic, 2)
    assert budget.failed == 0 or str(budget.failed) in budget.derivation


@pytest.mark.parametrize("scenario", SCENARIOS, ids=by_name)
def test_only_sudden_losses_may_cost_anything(scenario: Scenario) -> None:
    """Whatever is announced, or tried again by a gateway, costs nothing."""
    sudden = {
        "image that crashes after it was ready", "pod force-deleted", "worker killed", "master killed", "out of memory",
        "server wedged", "server wedged, noticed soon", "node cut off", "node paused", "node stopped",
    }  # fmt: skip
    assert (scenario.budget.of(scenario.traffic, 2).failed > 0) == (scenario.name in sudden)


def test_the_standard_set_is_a_part_of_all() -> None:
    assert 10 < sum(scenario.standard for scenario in SCENARIOS) < len(SCENARIOS)


def test_the_example_serves_what_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(time, "thread_time", itertools.count().__next__)
    client = create_app(Settings(version="1", hostname="pod", load_endpoints=True)).test_client()
    declared = [*(scenario.traffic for scenario in SCENARIOS), *(mutant.traffic or () for mutant in MUTANTS)]
    loads = (pods.OVERLOAD, scaling.LOAD, *scaling.RAMP)
    paths = {each.path for each in [*itertools.chain(*declared), *loads] if each.path}
    paths |= {f"/sleep?ms={pods.held_ms(seconds)}" for seconds in (pods.STALL_SECONDS, pods.STALL_SECONDS_AT_LEAST)}
    assert len(paths) >= 5
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_two_faults_can_be_drawn() -> None:
    assert len(AT_RANDOM) >= 2


# --- Mutants and the baseline -----------------------------------------------------------------------------------------


IMAGE = ("--set", "image.repository=flask-app", "--set", "image.tag=test-1")


def rendered(chart: Path, *arguments: str) -> str:
    return subprocess.run(
        [str(tools.resolve("helm")), "template", "x", str(chart), *IMAGE, *arguments],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.values], ids=by_name)
def test_the_chart_accepts_the_values_of_a_scenario(scenario: Scenario) -> None:
    sets = [argument for name, value in scenario.values.items() for argument in ("--set", f"{name}={value}")]
    values = ["--values", str(TEST_VALUES)]
    assert rendered(CHART, *values, *sets) != rendered(CHART, *values)


def test_there_are_at_least_ten_mutants() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=by_name)
def test_a_mutant_is_caught_by_a_scenario_that_there_is_and_its_chart_renders_to_something_else(
    mutant: Mutant, tmp_path: Path
) -> None:
    assert mutant.caught_by in NAMES
    chart = shutil.copytree(CHART, tmp_path / CHART.name)
    if mutant.break_chart:
        mutant.break_chart(chart)
    sets = [argument for name, value in mutant.values.items() for argument in ("--set", f"{name}={value}")]
    values = ["--values", str(TEST_VALUES)]
    assert rendered(chart, *values, *sets) != rendered(CHART, *values) or mutant.dockerfile


def test_the_baseline_is_what_helm_create_writes(tmp_path: Path) -> None:
    chart, values = create(tools.resolve("helm"), tmp_path)
    text = rendered(chart, "--values", str(values))
    assert "kind: Deployment" in text
    assert "containerPort: 5000" in text
    assert {baseline.name for baseline in BASELINES} <= set(NAMES)


def test_the_document_lists_what_is_declared() -> None:
    assert {path: path.read_text() for path in proof_docs.rendered()} == proof_docs.rendered(), "run make docs"


# --- Options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scenario", "no such"], "--scenario no such: there is none; there are: rolling update,"),
        (["--image", "web"], "--image web is not an image with a tag"),
        (["--image", "a:1", "--image", "b:1", "--image", "c:1"], "--image is given once or twice"),
        (["--chart", "charts"], "charts: there is no Chart.yaml in it"),
        (["--values", "none.yaml"], "none.yaml is not a file"),
        (["--kubeconfig", "none"], "none is not a file"),
        (["--rate", "0"], "invalid _positive value: '0'"),
        (["--rate", "10000"], "--rate: the records of more than"),
        (["--slow-path", "/slow"], "--slow-path is for your own application: give --image too"),
        (["--image", "a:1", "--expect-body", "("], "--expect-body is no regular expression"),
        (["--report", "{folder}"], "is there and is no report: name a new folder"),
    ],
)
def test_an_option_that_can_not_be_meant_is_refused_before_anything_is_done(
    tmp_path: Path, options: list[str], message: str
) -> None:
    options = [option.format(folder=tmp_path) for option in options]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "k8s-tests", "--collect-only", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert tmp_path.exists()


PRETENDED_KIND = """
import time, pathlib
import cluster
folder = pathlib.Path({folder!r})
def create(name, kubeconfig):
    (folder / "making").write_text(name)
    # It is whole as soon as it is there: the test ends this process then.
    (folder / "making").rename(folder / "made")
    time.sleep(60)
cluster.exists = lambda name: False
cluster.create = create
cluster.delete = lambda name: (folder / "deleted").write_text(name)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_deletes_its_cluster(tmp_path: Path, number: signal.Signals) -> None:
    """Also one that was started in the background, where a shell has Ctrl-C ignored."""
    # A copy, since a run begins by removing the diagnostics of the one before.
    copied = tmp_path / "project"
    for name in ("k8s-tests", "scripts", "charts"):
        shutil.copytree(ROOT / name, copied / name)
    shutil.copy(ROOT / "versions.env", copied)
    (tmp_path / "pretended_kind.py").write_text(PRETENDED_KIND.format(folder=str(tmp_path)))
    options = ["-p", "pretended_kind", "-k", "port_forward"]
    with subprocess.Popen(
        ["sh", "-c", 'trap "" INT && exec "$@"', "sh", sys.executable, "-m", "pytest", "k8s-tests", *options],
        cwd=copied, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{copied}/scripts"}, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            until("the cluster is being made", (tmp_path / "made").exists)
            assert not (tmp_path / "deleted").exists()
            process.send_signal(number)
            assert process.wait(20) == pytest.ExitCode.INTERRUPTED
        finally:
            process.kill()
    assert (tmp_path / "deleted").read_text() == (tmp_path / "made").read_text()
