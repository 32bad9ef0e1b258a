"""What is measured of applications whose behaviour is known, and the values that follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.sizing.figures import Figures
from delivery.sizing.measuring.measurement import Wanted, measure
from delivery.sizing.serving import server
from delivery.sizing.unmeasurable import Unmeasurable
from delivery.sizing.values.basis import Assumed
from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.derivation import derive
from delivery.sizing.values.value import Value
from tests.sizing.applications import (
    COMPUTES,
    GROWS,
    MANY_ROUTES,
    MEMBERS_ONLY,
    NEVER_LOADED,
    ONE_AT_A_TIME,
    SLOW_AND_LARGE,
    WAITS,
    WITHOUT_TABLES,
    application,
    measured,
    place,
)

MIB = 1 << 20


def values(figures: Figures) -> dict[str, Value]:
    """What is computed from the figures, by path."""
    return {value.path: value for value in derive(figures, Assumed(), Defaults())}


def amount(value: Value) -> int:
    """The number in `640m` or `64Mi`."""
    return int(str(value.value).rstrip("mMi"))


@pytest.mark.alone
def test_requests_that_wait_get_many_threads_and_little_cpu(tmp_path: Path) -> None:
    # Its own number of threads is what is to be found.
    figures = measured(tmp_path, WAITS, WEB_THREADS="1")
    assert 0.050 <= figures.mean < 0.060
    assert figures.cpu is not None
    assert figures.cpu < 0.005
    found = values(figures)
    # 1 + 50 ms / (0.8 to 2 ms) = 26 to 63.5
    assert 20 <= amount(found["config.WEB_THREADS"]) <= 64
    # 20 requests/s x 2 ms / 0.7 = 57m, which the chart's default exceeds
    assert found["resources.requests.cpu"].value == "100m"


@pytest.mark.alone
def test_requests_that_compute_get_few_threads_and_the_cpu_they_need(tmp_path: Path) -> None:
    figures = measured(tmp_path, COMPUTES)
    assert figures.cpu is not None
    assert 0.020 <= figures.cpu < 0.030
    found = values(figures)
    # 1 + (0 to 20 ms) / 20 ms = 1 to 2, and 4 at the least
    assert found["config.WEB_THREADS"].value == 4
    # 20 requests/s x (20 to 30 ms) / 0.7 = 571m to 857m
    assert 570 <= amount(found["resources.requests.cpu"]) <= 860


@pytest.mark.alone
def test_requests_that_wait_for_one_lock_get_no_more_threads(tmp_path: Path) -> None:
    found = values(measured(tmp_path, ONE_AT_A_TIME))["config.WEB_THREADS"]
    assert found.value is None
    assert "such as a lock" in found.why[0]


@pytest.mark.alone
def test_a_slow_start_and_a_large_process_are_seen_in_the_autoscaler_and_the_memory(tmp_path: Path) -> None:
    figures = measured(tmp_path, SLOW_AND_LARGE)
    assert 2.0 <= figures.start < 4.0
    assert figures.memory is not None
    # 100 MB are 95 MiB, and 50 to 65 MiB are the server's own
    assert 140 * MIB <= figures.memory.served < 170 * MIB
    found = values(figures)
    # 1.15 x (140 to 170) MiB = 161 to 196 MiB, in steps of 16
    assert 176 <= amount(found["resources.requests.memory"]) <= 208
    # 1.5 x (140 to 170) MiB = 210 to 255 MiB, and the default of 256 at the least
    assert found["resources.limits.memory"].value == "256Mi"
    # 15 + 15 + (2.0 to 4.0) s
    target = found["autoscaling.targetCPUUtilizationPercentage"]
    assert target.why[0].startswith(("A new pod serves 32", "A new pod serves 33"))


def test_memory_that_grows_with_each_request_is_warned_of(tmp_path: Path) -> None:
    figures = measured(tmp_path, GROWS, requests=40)
    assert figures.memory is not None
    # 200,000 bytes are 195 KiB
    assert 150 * 1024 <= figures.memory.growth <= 250 * 1024
    assert "WARNING: memory grew by" in " ".join(values(figures)["resources.limits.memory"].why)


def test_an_application_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match=r"^the application wasn't ready within \d+ s: ") as raised:
        measure(application(tmp_path, NEVER_LOADED), Wanted(), place(tmp_path, start_seconds=1.0))
    assert raised.value.problem.remedy == "give it more time with --start-timeout"


def test_an_application_whose_first_page_fails_is_given_up_before_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FAILING_SECONDS", 0.2)
    with pytest.raises(Unmeasurable) as raised:
        measured(tmp_path, WITHOUT_TABLES)
    assert "the first request, GET /, was answered 500" in raised.value.problem.cause
    assert raised.value.problem.cause.endswith("its log says: sqlite3.OperationalError: no such table: posts")
    assert raised.value.problem.remedy.startswith("prepare what it needs, such as its database with the tables")


def test_paths_that_ask_for_a_login_are_named_if_none_is_left(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable) as raised:
        measured(tmp_path, MEMBERS_ONLY)
    assert raised.value.problem.cause == (
        "no path answered 2xx (/: answered 302: redirects to /login?next=/, a login; "
        "/api: answered 401: it requires authentication; /gone: answered 410)"
    )
    assert raised.value.problem.remedy.startswith("log in with a browser and pass its session: --header")


def test_routes_are_found_in_the_served_application_and_actions_are_not_asked_for(tmp_path: Path) -> None:
    figures = measure(application(tmp_path, MANY_ROUTES), Wanted(requests=8, starts=2), place(tmp_path))
    assert [each.path for each in figures.series] == ["/", "/asked", "/articles"]
    why = {each.path: each.why for each in figures.skipped}
    assert why == {
        "/bye": "not requested, because its name has the action `logout`",
        "/articles/delete-all": "not requested, because its name has the action `delete`",
        "/broken": "answered 500",
        "/events": "streams, or takes longer than 60 s",
    }


def test_given_paths_alone_are_asked_for_and_nothing_is_written_beside_the_application(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    wanted = Wanted(paths=("/asked?page=2",), requests=4, starts=2)
    # Bytecode too is kept elsewhere, where nobody has said where.
    started = application(folder, MANY_ROUTES, PYTHONPYCACHEPREFIX="", PYTHONDONTWRITEBYTECODE="")
    figures = measure(started, wanted, place(tmp_path))
    assert [each.path for each in figures.series] == ["/asked?page=2"]
    assert figures.skipped == ()
    assert [each.name for each in folder.iterdir()] == ["shop.py"]
