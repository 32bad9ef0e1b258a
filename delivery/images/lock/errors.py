"""Why requirements can't be locked, in words that name the cause and what to do."""

from __future__ import annotations

from delivery.commands import Explained
from delivery.detection.description import Problem


class LockError(Explained):
    """The requirements can't be locked. python: the version of Python that they can be locked for, if there is one."""

    def __init__(self, problem: Problem, python: str = "") -> None:
        line = f"\n  {problem.line}" if problem.line else ""
        super().__init__(f"{problem.cause}. {problem.remedy}.{line}")
        self.problem = problem
        self.python = python
