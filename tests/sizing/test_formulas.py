"""The formulas, as tables with the arithmetic beside each row."""

from __future__ import annotations

import pytest

from delivery.sizing.values import formulas

MIB = 1 << 20


@pytest.mark.parametrize(
    ("wait", "cpu", "threads"),
    [
        (0.000, 0.020, 4),  # 1 + 0 / 20 = 1, and 4 at the least
        (0.020, 0.020, 4),  # 1 + 20 / 20 = 2
        (0.045, 0.005, 10),  # 1 + 45 / 5 = 10
        (0.046, 0.005, 11),  # 1 + 46 / 5 = 10.2, rounded up
        (0.500, 0.001, 64),  # 1 + 500 / 1 = 501, and 64 at the most
    ],
)
def test_threads_keep_a_core_busy(wait: float, cpu: float, threads: int) -> None:
    assert formulas.threads(wait, cpu) == threads


@pytest.mark.parametrize(
    ("clients", "mean", "cpu", "possible"),
    [
        (8, 0.050, 0.001, 8.0),  # a core would do 50 at once, 8 clients send no more than 8
        (8, 0.010, 0.005, 2.0),  # a core does 10 / 5 = 2
        (8, 0.020, 0.020, 1.0),  # nothing waits
        (8, 0.010, 0.040, 1.0),  # native code computes on 4 cores
    ],
)
def test_clients_and_a_core_bound_the_concurrency(clients: int, mean: float, cpu: float, possible: float) -> None:
    assert formulas.possible_concurrency(clients, mean, cpu) == pytest.approx(possible)


@pytest.mark.parametrize(
    ("threads", "mean", "cpu", "capacity"),
    [
        (8, 0.100, 0.001, 80.0),  # threads: 8 / 0.1 s; the core: 1 / 0.001 s = 1000
        (64, 0.050, 0.005, 200.0),  # the core: 1 / 0.005 s; threads: 64 / 0.05 s = 1280
        (4, 0.020, 0.020, 50.0),  # the core: 1 / 0.02 s
        (4, 0.010, 0.040, 100.0),  # 4 cores: 4 / 0.04 s
    ],
)
def test_threads_and_a_core_bound_what_a_pod_can_serve(threads: int, mean: float, cpu: float, capacity: float) -> None:
    assert formulas.capacity(threads, mean, cpu) == pytest.approx(capacity)


@pytest.mark.parametrize(
    ("start", "growth", "target"),
    [
        (2.0, 0.5, 70),  # 100 / (1.1 x (1 + 0.5 x 32 / 60)) = 71.8
        (30.0, 0.5, 60),  # 100 / (1.1 x (1 + 0.5 x 60 / 60)) = 60.6
        (90.0, 0.5, 45),  # 100 / (1.1 x (1 + 0.5 x 120 / 60)) = 45.5
        (2.0, 0.1, 80),  # 100 / (1.1 x (1 + 0.1 x 32 / 60)) = 86.3, and 80 at the most
        (300.0, 1.0, 30),  # 100 / (1.1 x (1 + 330 / 60)) = 14.0, and 30 at the least
    ],
)
def test_the_target_leaves_room_for_the_load_to_grow_while_a_pod_starts(
    start: float, growth: float, target: int
) -> None:
    assert formulas.cpu_target(start, growth) == target


@pytest.mark.parametrize(
    ("cpu", "idle", "capacity", "rate", "millicores"),
    [
        (0.010, 0.000, 100.0, 20.0, 290),  # 20 x 0.01 / 0.7 = 285.7m
        (0.010, 0.014, 100.0, 20.0, 310),  # (20 x 0.01 + 0.014) / 0.7 = 305.7m
        (0.001, 0.000, 1000.0, 20.0, 100),  # 20 x 0.001 / 0.7 = 28.6m, and the default of 100m
        (0.100, 0.000, 10.0, 8.0, 1150),  # 80 % of 10 = 8, not 20: 8 x 0.1 / 0.7 = 1142.9m
        (0.001, 0.000, 50.0, 20.0, 60),  # 28.6m; the default is out of reach: 0.8 x 50 x 0.001 / 0.7 = 57.1m
        (0.00001, 0.000, 10.0, 8.0, 10),  # 8 x 0.00001 / 0.7 = 0.1m, and 10m at the least
    ],
)
def test_the_cpu_request_is_such_that_the_rate_is_the_autoscalers_target(
    cpu: float, idle: float, capacity: float, rate: float, millicores: int
) -> None:
    request = formulas.cpu_request(rate=20.0, cpu=cpu, idle=idle, target=70, capacity=capacity, least=0.1)
    assert request.rate == pytest.approx(rate)
    assert request.millicores == millicores


@pytest.mark.parametrize(
    ("used", "request_"),
    [
        (55, 64),  # 1.15 x 55 = 63.3
        (56, 80),  # 1.15 x 56 = 64.4
        (500, 576),  # 1.15 x 500 = 575
    ],
)
def test_the_memory_request_is_what_is_used_with_a_margin(used: int, request_: int) -> None:
    assert formulas.memory_request(used * MIB) == request_ * MIB


@pytest.mark.parametrize(
    ("peak", "concurrent", "threads", "at_most"),
    [
        (100, 16, 8, 100),  # as many threads as clients
        (100, 16, 24, 132),  # 100 + 16 x (24 - 8) / 8
        (100, 16, 4, 100),  # fewer threads: what was seen can happen
    ],
)
def test_more_threads_raise_the_peak(peak: int, concurrent: int, threads: int, at_most: int) -> None:
    assert formulas.memory_peak(peak * MIB, concurrent * MIB, 8, threads) == at_most * MIB


@pytest.mark.parametrize(
    ("peak", "limit"),
    [
        (100, 256),  # 1.5 x 100 = 150, and the default
        (400, 608),  # 1.5 x 400 = 600
    ],
)
def test_the_memory_limit_is_the_peak_with_a_margin(peak: int, limit: int) -> None:
    assert formulas.memory_limit(peak * MIB, 256 * MIB) == limit * MIB


@pytest.mark.parametrize(
    ("seconds", "cpu", "request_", "worst"),
    [
        (3.0, 1.0, 0.1, 12.0),  # 2 s of waiting + 1 s / 0.1 cores
        (3.0, 1.0, 2.0, 3.0),  # a start uses one core, however many are requested
        (2.0, 4.0, 0.5, 8.0),  # it has computed on two cores: 4 s / 0.5 cores
    ],
)
def test_a_start_on_a_busy_node_gets_the_cpu_that_is_requested(
    seconds: float, cpu: float, request_: float, worst: float
) -> None:
    assert formulas.worst_start(seconds, cpu, request_) == pytest.approx(worst)


@pytest.mark.parametrize(
    ("formula", "measured", "least", "value"),
    [
        (formulas.graceful_timeout, 4.0, 30, 30),  # 3 x 4 = 12, and the default
        (formulas.graceful_timeout, 20.5, 30, 65),  # 3 x 20.5 = 61.5, in steps of 5
        (formulas.graceful_timeout, 2000.0, 30, 3600),  # 6000; the chart accepts an hour
        (formulas.queue_timeout, 7.0, 15, 15),  # 2 x 7 = 14, and the default
        (formulas.queue_timeout, 20.5, 15, 41),  # 2 x 20.5
        (formulas.startup_timeout, 10.0, 60, 60),  # 4 x 10 = 40, and the default
        (formulas.startup_timeout, 25.0, 60, 100),  # 4 x 25
    ],
)
def test_timeouts_are_above_what_was_measured(formula: object, measured: float, least: int, value: int) -> None:
    assert callable(formula)
    assert formula(measured, least) == value


@pytest.mark.parametrize("slowest", [0.1, 5.0, 7.5, 14.0, 100.0])
def test_a_request_that_waits_and_then_runs_is_over_within_the_graceful_timeout(slowest: float) -> None:
    assert formulas.graceful_timeout(slowest, 30) >= formulas.queue_timeout(slowest, 15) + slowest - 1


@pytest.mark.parametrize(
    ("worst", "period", "failures"),
    [
        (12.0, 1, 120),  # 2 x 12 = 24, and the default
        (80.0, 1, 160),  # 2 x 80
        (700.0, 5, 280),  # 2 x 700 / 5
    ],
)
def test_the_startup_probe_waits_for_twice_the_worst_start(worst: float, period: int, failures: int) -> None:
    assert formulas.startup_failures(worst, period, 120) == failures


@pytest.mark.parametrize(
    ("startup", "deadline"),
    [
        (120, 600),  # 120 + 5 + 60 = 185, and the default
        (700, 780),  # 700 + 5 + 60 = 765, in minutes
    ],
)
def test_a_rollout_fails_no_sooner_than_a_start(startup: float, deadline: int) -> None:
    assert formulas.progress_deadline(startup, 5, 600) == deadline


@pytest.mark.parametrize(
    ("bytes_a_request", "requests", "grows"),
    [
        (200_000.0, 20, True),  # 4 MB in all
        (200_000.0, 5, False),  # 1 MB in all: it may be what the allocator keeps
        (2_000.0, 5000, False),  # 10 MB in all, but 2 kB a request
        (-200_000.0, 20, False),  # it shrinks
    ],
)
def test_memory_grows_only_if_it_is_more_than_the_allocator_keeps(
    bytes_a_request: float, requests: int, grows: bool
) -> None:
    assert formulas.grows(bytes_a_request, requests) is grows
