"""Why an application has not started, as the log of its server says."""

from __future__ import annotations

import json

import pytest

from delivery.sizing.serving.start_errors import ended, not_ready, reason

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop.py", line 2, in <module>
    import pandas
ModuleNotFoundError: No module named 'pandas'
This came from the application's own code, loading WSGI_APP=shop:app."""


def line(level: str, message: str, **more: str) -> str:
    """A line of nodrop's log."""
    return json.dumps({"level": level, "logger": "gunicorn.error", "message": message, **more})


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([], ""),
        (
            [
                line("error", "Exception in worker process", traceback=TRACEBACK),
                line("error", "Worker (pid:7) exited with code 3."),
                line("error", "Shutting down: Master"),
                line("error", "Reason: Worker failed to boot."),
            ],
            "ModuleNotFoundError: No module named 'pandas' This came from the application's own code, loading "
            "WSGI_APP=shop:app.",
        ),
        ([line("error", "there is no module 'shop'"), line("info", "Worker exiting")], "there is no module 'shop'"),
        (["WEB_THREADS='x' can't be accepted"], "WEB_THREADS='x' can't be accepted"),
        ([*map(str, range(8)), "[1, 2]"], "4 / 5 / 6 / 7 / [1, 2]"),
    ],
)  # fmt: skip
def test_the_reason_is_the_last_error_that_is_not_gunicorns_own_or_the_last_lines(log: list[str], why: str) -> None:
    assert reason("\n".join(log)) == why


def test_a_server_that_has_ended_is_told_with_its_status() -> None:
    problem = ended("port 5000 is already in use", 1).problem
    assert problem.cause == "the application doesn't start (exit status 1): port 5000 is already in use"
    assert problem.remedy.startswith("fix the start first: `make run`")


@pytest.mark.parametrize(
    ("probe", "log", "cause", "remedy"),
    [
        ("", "", "the management port doesn't answer", "give it more time with --start-timeout"),
        (
            "not ready: the application has been loading for 60 s, and is at shop.py, line 3\n",
            "",
            "not ready: the application has been loading for 60 s, and is at shop.py, line 3",
            "give it more time with --start-timeout",
        ),
        (
            "not ready: the first request, GET /, was answered 500",
            line("error", "Exception on / [GET]", traceback="Traceback\n  File\nKeyError: 'API_KEY'"),
            "not ready: the first request, GET /, was answered 500; its log says: KeyError: 'API_KEY'",
            'set API_KEY in the environment, or in flask-app.toml: environment = { API_KEY = "..." }',
        ),
    ],
)
def test_a_server_that_is_not_ready_is_told_with_what_its_probe_and_its_log_say(
    probe: str, log: str, cause: str, remedy: str
) -> None:
    problem = not_ready(log, probe, 60.2).problem
    assert problem.cause == f"the application wasn't ready within 60 s: {cause}"
    assert problem.remedy == remedy
