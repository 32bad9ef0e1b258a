"""A command ends with an explanation of what its user can solve, and with a traceback only for a fault of its own."""

from __future__ import annotations

import subprocess

import pytest

from delivery.commands import FAILED, INTERRUPTED, UNDECIDED, Explained, ending
from delivery.deployment import deploy, plan, proof, up
from delivery.deployment.errors import DeploymentError
from delivery.detection.description import Problem, Undecided
from delivery.development import __main__ as development
from delivery.development.errors import DevelopmentError
from delivery.development.strict import __main__ as strict
from delivery.ejection import __main__ as ejection
from delivery.ejection.refusal import Refused
from delivery.images import __main__ as images
from delivery.images.errors import ImageError
from delivery.images.lock import LockError
from delivery.images.lock import __main__ as lock
from delivery.sizing import __main__ as sizing

PROBLEM = Problem("Two lock files are there", "name one", line='requirements = ["requirements.txt"]')


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Undecided(PROBLEM), UNDECIDED, 'requirements = ["requirements.txt"]'),
        (DeploymentError("cause and remedy"), FAILED, "cause and remedy"),
        (ImageError("cause and remedy"), FAILED, "cause and remedy"),
        (DevelopmentError("cause and remedy"), FAILED, "cause and remedy"),
        (LockError(PROBLEM), FAILED, "Two lock files are there"),
        (Refused("cause and remedy"), FAILED, "cause and remedy"),
        (OverflowError("also one"), FAILED, "also one"),
        (subprocess.CalledProcessError(3, ["docker", "tag", "a", "b"]), FAILED, "docker tag a ... failed with exit"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_user_can_solve_is_explained(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @ending(OverflowError)
    def main() -> int:
        raise error

    assert main() == status
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed


def test_a_fault_of_the_program_is_shown_as_one() -> None:
    @ending()
    def main() -> int:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        main()


def test_each_exception_of_ours_is_explained() -> None:
    assert all(issubclass(each, Explained) for each in (DeploymentError, DevelopmentError, ImageError, LockError))


@pytest.mark.parametrize(
    "command",
    [deploy, plan, proof, up, development, strict, ejection, images, lock, sizing],
    ids=lambda each: each.__name__,
)
def test_every_command_ends_so(command: object) -> None:
    assert hasattr(command.main, "__wrapped__")  # type: ignore[attr-defined]


def test_a_question_of_the_lock_is_explained_when_it_comes_up_late(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def undecided(_: object) -> None:
        raise Undecided(PROBLEM)

    monkeypatch.setattr(up, "up", undecided)
    monkeypatch.setattr("sys.argv", ["up", "--cluster", "c", "--namespace", "n", "--port", "5000"])
    assert up.main() == UNDECIDED
    assert "Two lock files are there" in capsys.readouterr().err
