"""What is computed from figures, and what is said where they are missing or odd."""

from __future__ import annotations

from dataclasses import replace

from delivery.sizing.figures import Burst, Figures, Series, Start
from delivery.sizing.values.basis import Assumed
from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.derivation import derive
from delivery.sizing.values.value import Value
from tests.sizing.made_figures import MIB, ORDINARY


def values(figures: Figures, assumed: Assumed | None = None) -> dict[str, Value]:
    """By path."""
    return {value.path: value for value in derive(figures, assumed or Assumed(), Defaults())}


def test_every_value_of_ordinary_figures() -> None:
    assert {path: value.value for path, value in values(ORDINARY).items()} == {
        "config.WEB_THREADS": 10,  # 1 + 45 / 5
        "config.WEB_CONCURRENCY": 1,
        "config.QUEUE_TIMEOUT": 15,  # 2 x 0.08 s, and the default
        "config.STARTUP_TIMEOUT": 60,  # 4 x 0.1 s, and the default
        "resources.requests.cpu": "150m",  # (20 x 5 ms + 1 ms) / 0.7 = 144.3m
        "resources.requests.memory": "80Mi",  # 1.15 x 64 = 73.6
        "resources.limits.memory": "256Mi",  # 1.5 x (80 + 8 x 2 / 8) = 123, and the default
        "autoscaling.targetCPUUtilizationPercentage": 70,  # 100 / (1.1 x (1 + 0.5 x 31.1 / 60)) = 72.2
        "shutdown.gracefulTimeoutSeconds": 30,  # 3 x 0.08 s, and the default
        "probes.startup.failureThreshold": 120,  # 2 x (1 + 1 / 0.15) = 15.3, and the default
    }


def test_a_slow_application_gets_more_time_for_everything() -> None:
    slow = replace(
        ORDINARY,
        starts=(Start(90.0, 60.0, 40.0), Start(70.0, 50.0, 35.0)),
        burst=replace(ORDINARY.burst, slowest=25.0),
    )
    found = {path: value.value for path, value in values(slow).items()}
    # (20 x 5 ms + 1 ms) / 0.45 = 224.4m, where 100 / (1.1 x (1 + 0.5 x 100 / 60)) = 49.6
    assert found["autoscaling.targetCPUUtilizationPercentage"] == 45
    assert found["resources.requests.cpu"] == "230m"
    # 2 x (30 + 60 / 0.23) = 581.7
    assert found["probes.startup.failureThreshold"] == 582
    # 582 + 5 + 60 = 647, in minutes
    assert found["rollout.progressDeadlineSeconds"] == 660
    assert found["shutdown.gracefulTimeoutSeconds"] == 75
    assert found["config.QUEUE_TIMEOUT"] == 50
    assert found["config.STARTUP_TIMEOUT"] == 160


def test_a_higher_rate_gets_more_cpu_up_to_what_a_pod_can_serve() -> None:
    # 1 core / 5 ms = 200/s, 80 % of which are 160/s: (160 x 5 ms + 1 ms) / 0.7 = 1144.3m
    found = values(ORDINARY, Assumed(rate=500.0))["resources.requests.cpu"]
    assert found.value == "1150m"
    assert "it is to serve 80 % of that, 160/s, because 500/s (--rate) is more." in found.why[0]


def test_what_a_pod_can_serve_is_written_without_an_exponent() -> None:
    quick = replace(
        ORDINARY,
        series=(Series("/", (0.0005,), 0.0005),),
        burst=replace(ORDINARY.burst, cpu=0.0005),
    )
    # One core / 0.5 ms
    assert values(quick)["resources.requests.cpu"].why[0].startswith("A pod can serve 2000 requests/s.")


def test_requests_that_wait_in_a_row_leave_the_threads_alone_and_bound_the_rate() -> None:
    # 20 requests/s x 50 ms = 1 request in flight, where 8 were possible
    row = replace(ORDINARY, burst=Burst(clients=8, requests=100, seconds=5.0, slowest=0.4, cpu=0.005))
    found = values(row)
    assert found["config.WEB_THREADS"].value is None
    assert "had 1.0 requests in flight, of 8.0 that were possible" in found["config.WEB_THREADS"].why[0]
    assert found["resources.requests.cpu"].why[0].startswith("A pod can serve 20 requests/s.")


def test_short_waits_are_not_judged_since_the_clients_bound_the_rate() -> None:
    # 250/s x 2 ms = 0.5 requests in flight, where 2 ms / 1 ms = 2 were possible
    short = replace(
        ORDINARY,
        series=(Series("/", (0.002, 0.002), 0.001),),
        burst=Burst(clients=8, requests=250, seconds=1.0, slowest=0.03, cpu=0.001),
    )
    found = values(short)["config.WEB_THREADS"]
    assert found.value == 4
    assert "in flight" not in " ".join(found.why)


def test_time_in_which_other_processes_had_the_cpu_is_no_wait() -> None:
    # 50 ms - 5 ms - 40 ms = 5 ms: 1 + 5 / 5 = 2, and 4 at the least
    disturbed = replace(ORDINARY, series=tuple(replace(each, delay=0.04) for each in ORDINARY.series))
    found = values(disturbed)
    assert found["config.WEB_THREADS"].value == 4
    # One core / 5 ms, and not 4 threads / 50 ms = 80
    assert found["resources.requests.cpu"].why[0].startswith("A pod can serve 200 requests/s.")


def test_without_proc_what_depends_on_it_is_left_at_its_default() -> None:
    bare = replace(
        ORDINARY,
        starts=(Start(2.0, None, None),),
        series=tuple(replace(each, cpu=None) for each in ORDINARY.series),
        burst=replace(ORDINARY.burst, cpu=None),
        memory=None,
        idle=None,
    )
    found = values(bare)
    left = {path for path, value in found.items() if value.value is None}
    assert left == {
        "config.WEB_THREADS",
        "config.STARTUP_TIMEOUT",
        "resources.requests.cpu",
        "resources.requests.memory",
        "resources.limits.memory",
    }
    assert found["resources.requests.cpu"].why == (
        "this machine has no /proc to read CPU time from: measure on Linux.",
    )
    assert found["probes.startup.failureThreshold"].why[0] == "The slowest of 1 starts took 2.0 s."


def test_a_request_that_takes_no_measurable_cpu_time_divides_nothing_by_zero() -> None:
    idle = replace(
        ORDINARY,
        series=tuple(replace(each, cpu=0.0) for each in ORDINARY.series),
        burst=replace(ORDINARY.burst, cpu=0.0),
    )
    assert values(idle)["config.WEB_THREADS"].value == 64


def test_memory_that_grows_is_told_with_the_number_of_requests_to_the_limit() -> None:
    assert ORDINARY.memory is not None
    growing = replace(ORDINARY, memory=replace(ORDINARY.memory, growth=MIB, growth_requests=50))
    # (256 - 64) MiB / 1 MiB = 192 requests; 192 / 20 / 60 = 0.16 minutes
    assert values(growing)["resources.limits.memory"].why[-1] == (
        "WARNING: memory grew by 1024 KiB a request over 50 requests. If it goes on, the limit is reached after 192 "
        "more, which is 0.2 minutes at 20/s. Find the leak, or set config.MAX_REQUESTS to 96, after which a "
        "worker is replaced."
    )
