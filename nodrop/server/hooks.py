"""What nodrop does when gunicorn starts, forks a worker, and ends. gunicorn calls the methods by their names."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gunicorn.errors import AppImportError
from gunicorn.sock import TCP6Socket, TCPSocket

from nodrop.application.slow_load import SlowLoad
from nodrop.config.settings import ServingSettings
from nodrop.health.load_report import LoadReport
from nodrop.health.readiness import Checker, CheckResults, find_check, in_context_of
from nodrop.health.worker_state import WorkerState
from nodrop.importing import import_path
from nodrop.importing.find import FindError
from nodrop.logs.masking.redaction import redact_text
from nodrop.options import configuration, foreign_variables, given_options
from nodrop.server.replacement import Replacement, Replacements
from nodrop.system import early_signals
from nodrop.system.addresses import bound, shown
from nodrop.system.forked import Forked
from nodrop.system.runtime_folder import BACKLOG_FILE, MASTER_FILE, OWN_METRICS, WORKER_STARTS
from nodrop.tracing import opentelemetry as tracing

MANAGEMENT_SECONDS = 2.0
"""How long the management process may take to end."""
GTHREAD_DIFFERS = (
    "SERVER=gthread: gunicorn's own threads serve. A client that is slow to send a request or to take its answer holds "
    "a thread, as does each event stream and WebSocket. READ_TIMEOUT, WRITE_TIMEOUT, MAX_BODY_BYTES and "
    "BODY_BUFFER_BYTES do not apply, nor MAX_STREAMS, and no request is answered 503 after QUEUE_TIMEOUT: set "
    "MAX_CONTENT_LENGTH in the application, and put a proxy that buffers requests in front"
)


class Hooks:
    """The hooks of one server."""

    def __init__(self, settings: ServingSettings, runtime: Path, start_management: Callable[[], Forked]) -> None:
        """runtime: the folder that the server's processes share. start_management: starts the process that answers on
        the management port, from here, the master."""
        self._settings = settings
        self._runtime = runtime
        self._start_management = start_management
        self._state = WorkerState(runtime / "workers")
        self._checks = CheckResults(runtime / "checks")
        self._metrics = runtime / "metrics"
        for folder in (self._state.folder, self._metrics, self._metrics / OWN_METRICS):
            folder.mkdir(exist_ok=True)
        self._replacements = Replacements(runtime)
        self._has_looked = False
        self.ours: Mapping[str, Any] = {}
        """What nodrop/gunicorn.py configures gunicorn with."""

    def named(self) -> dict[str, Callable[..., None]]:
        """The hooks by gunicorn's names."""
        return {
            name: getattr(self, name)
            for name in (
                "nworkers_changed", "on_starting", "when_ready", "pre_fork", "post_fork", "post_worker_init",
                "worker_exit", "child_exit", "on_exit",
            )
        }  # fmt: skip

    # --- The master --------------------------------------------------------------------------------------------------

    def nworkers_changed(self, server: Any, new_value: int, old_value: int | None) -> None:
        """The number of workers is set: for the first time before gunicorn does anything else, then by each reload."""
        if old_value is None:
            self._look_at_configuration(server, is_start=True)
        self._replacements.number_changed(new_value, old_value, set(server.WORKERS))

    def _look_at_configuration(self, server: Any, *, is_start: bool) -> None:
        """Refuse what a configuration file has changed; on a reload, when the server runs, say so and leave it out."""
        ours = given_options.Ours(self.ours, self._settings)
        problems = ours.refusals(server.app.cfg)
        if problems and is_start:
            self._refuse_to_start("\n".join(problems))
        for problem in problems:
            server.log.error("%s", problem)
        ours.settle(server.app.cfg)
        # A configuration file may name the application too.
        if server.app.app_uri != configuration.LOADER:
            os.environ["WSGI_APP"] = server.app.app_uri
        if not self._has_looked:
            self._has_looked = True
            self._look_at_each_reload(server)

    def _look_at_each_reload(self, server: Any) -> None:
        """Look at the configuration as soon as it is loaded again.

        gunicorn calls its first hook when it has taken the number of workers, their class and more from it already.
        """
        load = server.app.do_load_config

        def load_and_look() -> None:
            load()
            self._look_at_configuration(server, is_start=False)

        server.app.do_load_config = load_and_look

    def _require_look(self, server: Any) -> None:
        """For hooks that are called later, should a configuration file have replaced nworkers_changed."""
        if not self._has_looked:
            self._look_at_configuration(server, is_start=True)

    def _refuse_to_start(self, why: str) -> None:
        self._remove_runtime()
        sys.exit(why)

    def on_starting(self, server: Any) -> None:
        """Bind the application's port, and see whether the other one is free.

        Here rather than by gunicorn, which would try five times, say little, and leave it to the system whether a
        socket of IPv6 takes IPv4 too.
        """
        self._require_look(server)
        for warning in self._warnings():
            server.log.warning("%s", warning)
        address = self._settings.bind_address
        listener = self._bound("PORT", self._settings.port)
        self._bound("MANAGEMENT_PORT", self._settings.management_port).close()
        kind = TCP6Socket if ":" in address else TCPSocket
        (self._runtime / BACKLOG_FILE).write_text(str(server.cfg.backlog))
        server.LISTENERS = [
            kind((address, self._settings.port), server.cfg, server.log, fd=listener.detach()),
        ]

    def _warnings(self) -> list[str]:
        lines = foreign_variables.warnings(os.environ)
        if unread := given_options.unread_file(sys.argv[1:], Path.cwd()):
            lines.append(unread)
        if self._settings.server == "gthread":
            lines.append(GTHREAD_DIFFERS)
        return lines

    def _bound(self, variable: str, port: int) -> Any:
        address = self._settings.bind_address
        try:
            return bound(address, port)
        except OSError as error:
            # Told as well as it can be from here; the port may be held by anything.
            holder = " (on macOS, AirPlay Receiver holds port 5000)" if sys.platform == "darwin" else ""
            choose = f"stop what uses it{holder}, or choose another with {variable}=<port>"
            if error.errno == errno.EADDRINUSE:
                self._refuse_to_start(f"port {port} is already in use: {choose}")
            if error.errno == errno.EACCES:
                self._refuse_to_start(f"port {port} is not allowed for this user: {choose}")
            self._refuse_to_start(
                f"can't listen at {shown(address, port)}: {error.strerror}; set BIND_ADDRESS to an address of this host"
            )

    def when_ready(self, server: Any) -> None:
        """The application's port is bound: start the management process."""
        self._require_look(server)
        # What is there now stays for good, and workers share it: a collection of garbage that went through it would
        # write to each of its pages, which gives each process a copy of them.
        gc.freeze()
        early_signals.keep_at_forks()
        (self._runtime / MASTER_FILE).write_text(str(os.getpid()))
        server.management = self._start_management()

    def pre_fork(self, server: Any, worker: Any) -> None:  # noqa: ARG002
        """A worker is about to start: tell its number, from 1, to the management process."""
        # gunicorn puts it first where --chdir names another. load() does so for the application.
        import_path.working_folder_last()
        worker.replaces = self._replacements.next_replaces()
        new = self._runtime / f".{WORKER_STARTS}"
        # What is raised here would end the server, and a count is not worth that.
        with contextlib.suppress(OSError):
            new.write_text(str(worker.age))
            new.rename(self._runtime / WORKER_STARTS)

    def child_exit(self, server: Any, worker: Any) -> None:
        """A worker is gone, however it went: it is not ready, and its live gauges no longer count."""
        if self._replacements.worker_gone(worker.pid, worker.replaces, is_serving=self._state.is_ready):
            server.num_workers = max(1, server.num_workers - 1)
        self._state.forget(worker.pid)
        self._checks.forget(worker.pid)
        from prometheus_client.multiprocess import mark_process_dead

        # The health server, which merges what the dead have left, may move a file just when it is to be removed.
        with contextlib.suppress(FileNotFoundError):
            mark_process_dead(worker.pid, path=str(self._metrics))  # type: ignore[no-untyped-call]

    def on_exit(self, server: Any) -> None:
        """The last worker has finished: health may stop being answered."""
        management: Forked | None = getattr(server, "management", None)
        if management:
            management.stop(MANAGEMENT_SECONDS)
        self._remove_runtime()

    def _remove_runtime(self) -> None:
        # Again, should the management process have written a last file while it was being killed.
        for _ in range(20):
            shutil.rmtree(self._runtime, ignore_errors=True)
            if not self._runtime.exists():
                return
            time.sleep(0.05)

    # --- A worker ----------------------------------------------------------------------------------------------------

    def post_fork(self, server: Any, worker: Any) -> None:
        """Give a new worker what it can't know by itself."""
        worker.settings, worker.server = self._settings, server
        # gunicorn's own threads are all there are.
        streams = 0 if self._settings.server == "gthread" else self._settings.max_streams
        worker.report = self._state.report(worker.pid, self._settings.threads, streams)
        worker.replacement = Replacement(self._runtime, self._state, master=worker.ppid, log=server.log)
        if worker.replaces:
            worker.replacement.announce(worker.replaces)
        # Until the application is loaded. The master takes a worker for dead that is not heard of.
        worker.loading = SlowLoad(report=LoadReport(self._runtime).write, alive=worker.notify)
        worker.loading.begin()

    def post_worker_init(self, worker: Any) -> None:
        """The worker has loaded the application: begin the application's own readiness checks."""
        worker.loading.end()
        if self._settings.readiness_checks:
            from nodrop.application import load as loading  # loaded in the worker alone

            try:
                checks = {name: find_check(name) for name in self._settings.readiness_checks}
            except FindError as error:
                # Which gunicorn prints as it is, and then stops.
                raise AppImportError(redact_text(str(error))) from error
            Checker(
                checks,
                report=lambda problem, seconds: self._checks.write(worker.pid, problem, seconds),
                interval=self._settings.readiness_check_interval,
                timeout=self._settings.readiness_check_timeout,
                context=in_context_of(loading.loaded),
            ).start()

    def worker_exit(self, server: Any, worker: Any) -> None:  # noqa: ARG002
        """The worker has answered its last request."""
        tracing.flush()
