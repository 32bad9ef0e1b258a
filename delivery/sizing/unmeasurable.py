"""Why an application can't be measured."""

from __future__ import annotations

from delivery.detection.description import Problem


class Unmeasurable(Exception):
    """No values can be computed. problem: the cause and what to do, to be printed as they are."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.problem = Problem(cause, remedy)
