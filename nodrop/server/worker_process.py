"""What every worker of ours is, whoever does the HTTP: it loads the application, handles signals, can be replaced."""

from __future__ import annotations

import os
import signal
import sys

# By name, before gevent or eventlet in an application replace them.
from _thread import start_new_thread
from collections.abc import Callable
from time import sleep
from types import FrameType
from typing import Any, NoReturn

from nodrop.application.slow_load import SlowLoad
from nodrop.config.settings import ServingSettings
from nodrop.health.worker_state import WorkerReport
from nodrop.logs.lines import standard_output
from nodrop.server.replacement import Replacement
from nodrop.system import children, early_signals
from nodrop.system.runtime_folder import lock_descriptor
from nodrop.system.signals import Handler, Stopping, WorkerSignals

HOOK_SECONDS = 1.5
"""How long the hooks may take when the worker is to stop at once. gunicorn's master kills it after 2 seconds, if it was
stopping already."""


class WorkerProcess:
    """Mixed into a gunicorn worker, before it."""

    settings: ServingSettings
    """Set by the hook post_fork, as are `report`, `replacement`, `loading` and `server`."""
    report: WorkerReport
    replacement: Replacement
    loading: SlowLoad
    server: Any
    """gunicorn's master as it was at the fork, which the hook worker_exit is given."""
    replaces: int = 0
    """The process id of the worker that this one is to replace; 0 for none. Set by the hook pre_fork."""

    # gunicorn's.
    cfg: Any
    PIPE: Any
    SIGNALS: list[int]
    alive: bool
    booted: bool
    log: Any
    sockets: list[Any]
    tmp: Any
    max_requests: int
    nr: int
    """Requests that it has been given."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # With gunicorn's own the worker would stop before the next one has loaded the application.
        self._request_limit, self.max_requests = self.max_requests, sys.maxsize

    # --- Starting ----------------------------------------------------------------------------------------------------

    def init_process(self) -> None:
        """Load the application and serve.

        gunicorn's master stops the server when a worker fails to load. A replacement ends alone, since the worker that
        it was to replace can serve on.
        """
        try:
            super().init_process()  # type: ignore[misc]
        except Exception as error:
            if self.booted or not self.replaces:
                raise
            self.log.exception("the worker that was to replace %d can't load the application: %s", self.replaces, error)
            raise SystemExit(1) from error
        finally:
            # gunicorn closes next what it tells that the worker is alive.
            self.loading.end()

    def load_wsgi(self) -> None:
        """Load the application, whatever gunicorn's command line names: WSGI_APP has it by now.

        A child process that the application's code forks, and lets come back to here, is ended.
        """
        # Not before the fork: the worker alone imports the application, and what reads its environment.
        from nodrop.application.load import load

        try:
            self.wsgi = load()
        except BaseException as error:
            if children.is_child:
                children.leave("the application's code at import", error)
            if self.signals.stopping():
                # By a handler of the application's, perhaps; it has nothing more to say about it.
                raise Stopping from error
            raise
        if children.is_child:
            children.leave("the application's code at import")

    # --- Stopping ----------------------------------------------------------------------------------------------------

    def stop_if_replaced(self) -> None:
        """Drain if MAX_REQUESTS have been served and the replacement serves; ask for one first. For each tick."""
        if self.alive and self.nr >= self._request_limit and self.replacement.is_ready():
            self.log.info("replaced after %d requests (MAX_REQUESTS), stopping", self.nr)
            self.alive = False
            self.report.set_ready(False)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM: finish the requests in flight and stop. The signal itself wakes the loop, through the pipe."""
        self.alive = False
        if not self.booted:
            raise Stopping  # The application is still being loaded; nothing is in flight.
        self.report.set_ready(False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        """SIGQUIT: stop at once, whatever is in flight; the hooks that gunicorn calls then have HOOK_SECONDS."""
        calling = [True]
        start_new_thread(self._leave_while, (calling,))
        for name, arguments in (("worker_int", (self,)), ("worker_exit", (self.server, self))):
            self._call(name, getattr(self.cfg, name), arguments)
        calling.clear()
        self.signals.leave()

    def _call(self, name: str, hook: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            hook(*arguments)
        except BaseException:
            # One that exits, too: the process is about to end.
            self.log.exception("Exception in the hook %s", name)

    def _leave_while(self, calling: list[bool]) -> None:
        """In a thread: end the process if the hooks are still being called when their time is over."""
        sleep(HOOK_SECONDS)
        if calling:
            # In yet another one, since the hook may hold what the log needs.
            told = f"a hook has not returned within {HOOK_SECONDS} s at a stop without grace, and is cut off"
            start_new_thread(self.log.warning, (told,))
            sleep(0.2)
            os._exit(0)

    def init_signals(self) -> None:
        """gunicorn's, but for Ctrl-C: it reaches the workers too, and what becomes of them is the master's decision.

        It is not ignored for good, or every program that the application starts would ignore it too.
        """
        with early_signals.held_back():
            self._set_handlers()
        early_signals.send_again(self.server.SIG_QUEUE)

    def _set_handlers(self) -> None:
        super().init_signals()  # type: ignore[misc]
        stopping: dict[int, Handler] = {
            signal.SIGTERM: self.handle_exit,
            signal.SIGQUIT: self.handle_quit,
            signal.SIGINT: lambda *_: None,
        }
        self.signals = WorkerSignals(stopping, self.PIPE, self.SIGNALS, before_hand_over=standard_output.close)
        self._addresses = [listener.getsockname() for listener in self.sockets]
        children.guard(
            signals=self.signals.numbers, reset_signals=self.signals.reset, descriptors=self._forked_descriptors
        )

    # --- Child processes of the application --------------------------------------------------------------------------

    def own_descriptors(self) -> set[int]:
        """This worker's open files, but for sockets, that a child process must not have."""
        own = {*self.PIPE, self.tmp.fileno(), lock_descriptor()}
        return {each for each in own if each is not None}

    def _forked_descriptors(self) -> set[int]:
        return self.own_descriptors() | children.sockets_at(self._addresses)
