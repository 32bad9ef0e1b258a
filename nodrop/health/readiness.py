"""The application's own readiness checks, such as whether its database answers.

READINESS_CHECKS names functions that take no argument. A check fails by raising an exception, by returning False, or by
not returning in time. They run in the background of each worker, where the application's connections are. The result
is kept in a file, so that a probe never waits for a dependency.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nodrop.importing.find import FindError, find

Check = Callable[[], Any]
_log = logging.getLogger(__name__)


def find_check(name: str) -> Check:
    """The function that `module:function` names. Raises FindError."""
    check = find(name, setting="READINESS_CHECKS")
    if not callable(check):
        raise FindError(f"READINESS_CHECKS={name} is of type {type(check).__name__}, not a function")
    return check  # type: ignore[no-any-return]


class CheckResults:
    """The latest result of each worker's checks, in `folder`: one file for each process id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, pid: int, problem: str, valid_seconds: float) -> None:
        """Keep a result: what is wrong, or "" if nothing is. It expires after `valid_seconds`."""
        self._folder.mkdir(exist_ok=True)
        new = self._folder / f".{pid}"
        new.write_text(json.dumps({"problem": problem, "until": time.monotonic() + valid_seconds}))
        new.rename(self._folder / str(pid))

    def problem(self, pids: set[int]) -> str | None:
        """The problem of the first of these processes that has one, or None. A process without a result has none."""
        for pid in sorted(pids):
            with contextlib.suppress(FileNotFoundError):
                result = json.loads((self._folder / str(pid)).read_text())
                if result["problem"]:
                    return str(result["problem"])
                if time.monotonic() > result["until"]:
                    return "the readiness checks have not come to a result in time"
        return None

    def forget(self, pid: int) -> None:
        """Remove the result of a process that has exited."""
        (self._folder / str(pid)).unlink(missing_ok=True)


class Checker:
    """Runs the checks of one worker again and again, from a thread of its own."""

    def __init__(
        self,
        checks: dict[str, Check],
        *,
        report: Callable[[str, float], None],
        interval: float,
        timeout: float,
        context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        """checks: by name. report: called with what is wrong, or "", and for how many seconds that is valid. interval,
        timeout: in seconds. context: entered around each check, such as Flask's app.app_context.
        """
        self._checks = [_Check(name, check, context) for name, check in checks.items()]
        self._report = report
        self._interval = interval
        self._timeout = timeout

    def start(self) -> None:
        """Run the checks once, which takes up to the timeout, and then again and again in the background."""
        self._run()
        threading.Thread(target=self._repeat, name="readiness", daemon=True).start()

    def _repeat(self) -> None:
        while True:
            time.sleep(self._interval)
            try:
                self._run()
            except Exception:
                # Such as a full disk, or no thread to be had. The last result expires meanwhile.
                _log.exception("the readiness checks could not be run, and are run again in %.0f s", self._interval)

    def _run(self) -> None:
        deadline = time.monotonic() + self._timeout
        for check in self._checks:
            check.begin()
        problems = [problem for check in self._checks if (problem := check.problem(deadline, self._timeout))]
        # Twice the time until the next result, so that the last one expires if the checker hangs.
        self._report("; ".join(problems), 2 * (self._interval + self._timeout))


class _Check:
    """One check. While a run hangs, no other is started."""

    def __init__(
        self, name: str, function: Check, context: Callable[[], contextlib.AbstractContextManager[Any]]
    ) -> None:
        self._name = name
        self._function = function
        self._context = context
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._logged = ""

    def begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._call, name=f"readiness {self._name}", daemon=True)
            self._thread.start()

    def _call(self) -> None:
        try:
            with self._context():
                self._problem = f"{self._name} returned False" if self._function() is False else ""
        except BaseException as error:
            # SystemExit too: a check that exits has failed.
            self._problem = f"{self._name} raised {type(error).__name__}"
            self._log_once(self._problem, error)

    def problem(self, deadline: float, timeout: float) -> str:
        """What is wrong, waiting until `deadline` at most."""
        assert self._thread
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            return f"{self._name} has not returned within {timeout:.0f} s"
        if not self._problem:
            self._logged = ""
        return self._problem

    def _log_once(self, problem: str, error: BaseException) -> None:
        """Log the error, once. Its text, which may hold a secret, is not part of the answer to a probe."""
        if problem != self._logged:
            self._logged = problem
            _log.error("readiness check %s", problem, exc_info=error)


def in_context_of(application: object) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """The context to run an application's checks in: Flask's application context, or none."""
    app_context = getattr(application, "app_context", None)
    return app_context if callable(app_context) else _no_context


@contextlib.contextmanager
def _no_context() -> Iterator[None]:
    yield
