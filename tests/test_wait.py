"""Waiting for a condition in the cluster, whose API server may be away for a moment."""

from __future__ import annotations

import pytest
from kubernetes.client import ApiException
from urllib3.exceptions import ReadTimeoutError

from harness.cluster.shell import CommandError
from harness.cluster.wait import until

AWAY = [
    ApiException(status=500, reason="etcdserver: request timed out"),
    ApiException(status=429),
    ReadTimeoutError(None, "/api", "read timed out"),  # type: ignore[arg-type]
    CommandError("kubectl get pods\nexit status 1\n\nThe connection to the server was refused: connection refused"),
]
REAL = [ApiException(status=404), ApiException(status=403), CommandError("kubectl get pods\nexit status 1\nNotFound")]


def asked(*answers: object, timeout: float = 10) -> tuple[list[object], object]:
    """What the condition was answered with, and what is waited for in vain or not."""
    left = list(answers)

    def condition() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return left, until("it is there", condition, timeout=timeout, interval=0.01)


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_an_api_server_that_is_away_for_a_moment_is_asked_again(error: Exception) -> None:
    assert asked(None, error, error, "there", "not asked for")[0] == ["not asked for"]


@pytest.mark.parametrize("error", REAL, ids=repr)
def test_any_other_error_ends_the_wait(error: Exception) -> None:
    with pytest.raises(type(error)):
        asked(error, "there")


def test_an_api_server_that_stays_away_is_named_when_the_time_is_over() -> None:
    with pytest.raises(AssertionError, match=r"(?s)not within 0.2 s: it is there \(last seen: .*etcdserver"):
        asked(*[AWAY[0]] * 1000, timeout=0.2)
