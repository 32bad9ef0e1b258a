"""How gunicorn runs, in production and in `make run` alike: `gunicorn --config python:nodrop.gunicorn`.

Everything that differs between places comes from the environment, through ServingSettings.
"""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# gunicorn's variable for the master that SIGUSR2 starts.
if os.environ.get("GUNICORN_PID"):
    sys.exit("an upgrade in place (SIGUSR2) is not supported: start a new server, as a rollout does")

from gunicorn.errors import AppImportError

from nodrop.config.sources import Environment, SettingsError
from nodrop.config.startup import settings_to_start_with
from nodrop.health.readiness import Checker, CheckError, CheckResults, find, in_context_of
from nodrop.health.worker_state import WorkerState
from nodrop.logs.redaction import redact_text
from nodrop.server.runtime_folder import OWN_METRICS, WORKER_STARTS, runtime_folder
from nodrop.tracing import opentelemetry as tracing

try:
    _settings = settings_to_start_with(Environment(os.environ))[0]
except SettingsError as error:
    sys.exit(redact_text(str(error)))

# In memory: gunicorn's heartbeat touches a file every second, and a slow disk would look like a hung worker.
_in_memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
# One folder for the life of this master, whose process id is kept with it, since this file is read again on SIGHUP.
_owner, _, _folder_name = os.environ.get("NODROP_RUNTIME", "").partition(":")
if _owner != str(os.getpid()):
    _folder_name = str(runtime_folder(_in_memory))
    os.environ["NODROP_RUNTIME"] = f"{os.getpid()}:{_folder_name}"
_runtime = Path(_folder_name)
_state = WorkerState(_runtime / "workers")
_checks = CheckResults(_runtime / "checks")
_metrics = _runtime / "metrics"
for _folder in (_state.folder, _metrics, _metrics / OWN_METRICS):
    _folder.mkdir(exist_ok=True)
# Read by prometheus_client when it is first imported.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)

wsgi_app = "nodrop.wsgi.load:load()"
bind = f"0.0.0.0:{_settings.port}"
worker_class = "nodrop.http.worker.Worker"
workers = _settings.workers
threads = _settings.threads
# The worker ends by itself when GRACEFUL_TIMEOUT is over, and says what it cut off; this is for one that can't.
graceful_timeout = _settings.graceful_timeout + 2
# For a worker whose loop stands still, as when native code never lets other threads run.
timeout = _settings.stall_timeout
keepalive = _settings.keep_alive
worker_tmp_dir = str(_in_memory)
# gunicorn's own ceiling for the request line; the headers' sum is bounded by the worker.
limit_request_line = min(_settings.max_header_bytes, 8190)
limit_request_field_size = _settings.max_header_bytes
# gunicorn would believe what a proxy tells from 127.0.0.1, which to a pod is any container beside it. Here
# TRUSTED_PROXIES alone says who is believed (nodrop/wsgi/proxies.py).
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
proxy_protocol = "off"
# X_Forwarded_For would become the same variable as X-Forwarded-For, past a proxy that sets only the one.
header_map = "drop"
# A second way in, that nothing here uses and that a read-only root file system has no place for.
control_socket_disable = True
logger_class = "nodrop.logs.gunicorn_logger.Logger"
loglevel = _settings.log_level
errorlog = "-"
accesslog = "-" if _settings.access_log else None


def on_starting(server: Any) -> None:
    """Before anything is bound: say plainly that a port is taken, instead of gunicorn's five retries."""
    for variable, port in (("PORT", _settings.port), ("MANAGEMENT_PORT", _settings.management_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                _remove_runtime()
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                why = "already in use" if error.errno == errno.EADDRINUSE else "not allowed for this user"
                # Told as well as it can be from here; the port may be held by anything.
                holder = " (on macOS, AirPlay Receiver holds port 5000)" if sys.platform == "darwin" else ""
                sys.exit(f"port {port} is {why}: stop what uses it{holder}, or choose another with {variable}=<port>")


def when_ready(server: Any) -> None:
    """The application's port is bound: start the management process."""
    command = [sys.executable, "-P", "-m", "nodrop.management.process", str(_runtime), str(_settings.management_port)]
    # A process group of its own, so that Ctrl-C does not reach it and its child ends with it.
    server.management = subprocess.Popen(command, process_group=0)


def pre_fork(server: Any, worker: Any) -> None:
    """A worker is about to start: tell its number, from 1, to the management process."""
    new = _runtime / f".{WORKER_STARTS}"
    new.write_text(str(worker.age))
    new.rename(_runtime / WORKER_STARTS)


def post_fork(server: Any, worker: Any) -> None:
    """Give a new worker what it can't know by itself."""
    worker.settings = _settings
    worker.report = _state.report(worker.pid, _settings.threads)


def post_worker_init(worker: Any) -> None:
    """The worker has loaded the application: begin the application's own readiness checks."""
    if _settings.readiness_checks:
        from nodrop.wsgi import load as wsgi  # loaded in the worker alone

        try:
            checks = {name: find(name) for name in _settings.readiness_checks}
        except CheckError as error:
            # Which gunicorn prints as it is, and then stops.
            raise AppImportError(redact_text(str(error))) from error
        Checker(
            checks,
            report=lambda problem, seconds: _checks.write(worker.pid, problem, seconds),
            interval=_settings.readiness_check_interval,
            timeout=_settings.readiness_check_timeout,
            context=in_context_of(wsgi.loaded),
        ).start()


def worker_exit(server: Any, worker: Any) -> None:
    """The worker has answered its last request."""
    tracing.flush()


def child_exit(server: Any, worker: Any) -> None:
    """A worker is gone, however it went: it is not ready, and its live gauges no longer count."""
    _state.forget(worker.pid)
    _checks.forget(worker.pid)
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid, path=str(_metrics))  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """The last worker has finished: health may stop being answered."""
    management = getattr(server, "management", None)
    if management:
        # It may have been killed, and its child have ended with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(management.pid, signal.SIGTERM)
        try:
            management.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(management.pid, signal.SIGKILL)
            management.wait()
    _remove_runtime()


def _remove_runtime() -> None:
    # Again, should the management process have written a last file while it was being killed.
    for _ in range(20):
        shutil.rmtree(_runtime, ignore_errors=True)
        if not _runtime.exists():
            return
        time.sleep(0.05)
