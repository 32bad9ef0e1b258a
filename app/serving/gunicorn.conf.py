"""How gunicorn runs, in production and in `make run` alike: `gunicorn --config app/serving/gunicorn.conf.py`.

Everything that differs between places comes from the environment, through ServingSettings.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
# Not there by itself when the `gunicorn` command is what Python was started with.
sys.path.insert(0, str(ROOT))

from app.serving.environment import SettingsError  # needs the path set above
from app.serving.runtime import runtime_folder
from app.serving.settings import ServingSettings
from app.serving.state import WorkerState

try:
    _settings = ServingSettings.from_environment()
except SettingsError as error:
    sys.exit(str(error))

# In memory: gunicorn's heartbeat touches a file every second, and a slow disk would look like a hung worker.
_in_memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
# One folder for the life of this master, whose process id is kept with it, since this file is read again on SIGHUP.
_owner, _, _folder_name = os.environ.get("SERVING_RUNTIME", "").partition(":")
if _owner != str(os.getpid()):
    _folder_name = str(runtime_folder(_in_memory))
    os.environ["SERVING_RUNTIME"] = f"{os.getpid()}:{_folder_name}"
_runtime = Path(_folder_name)
_state = WorkerState(_runtime / "workers")
_metrics = _runtime / "metrics"
for _folder in (_state.folder, _metrics):
    _folder.mkdir(exist_ok=True)
# Read by prometheus_client when it is first imported.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)

wsgi_app = "app.serving.wsgi:load()"
bind = f"0.0.0.0:{_settings.port}"
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
graceful_timeout = _settings.graceful_timeout
keepalive = _settings.keep_alive
worker_tmp_dir = str(_in_memory)
# gunicorn's own ceiling for the request line; the headers' sum is bounded by the worker.
limit_request_line = min(_settings.max_header_bytes, 8190)
limit_request_field_size = _settings.max_header_bytes
# gunicorn would believe what a proxy tells from 127.0.0.1, which to a pod is any container beside it. Here
# TRUSTED_PROXIES alone says who is believed (app/serving/proxies.py).
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
proxy_protocol = "off"
# X_Forwarded_For would become the same variable as X-Forwarded-For, past a proxy that sets only the one.
header_map = "drop"
# A second way in, that nothing here uses and that a read-only root file system has no place for.
control_socket_disable = True
logger_class = "app.serving.logs.Logger"
loglevel = _settings.log_level
errorlog = "-"
accesslog = "-" if _settings.access_log else None


def on_starting(server: Any) -> None:
    """Before anything is bound: say plainly that a port is taken, instead of gunicorn's five retries."""
    if os.environ.get("GUNICORN_PID"):
        _remove_runtime()
        sys.exit("an upgrade in place (SIGUSR2) is not supported: start a new server, as a rollout does")
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
    command = [sys.executable, "-m", "app.serving.management", str(_runtime), str(_settings.management_port)]
    # A process group of its own, so that Ctrl-C does not reach it and its child ends with it.
    server.management = subprocess.Popen(command, cwd=ROOT, process_group=0)


def post_worker_init(worker: Any) -> None:
    """The worker has loaded the application: it is ready from now until it is told to stop."""
    report = _state.report(worker.pid, _settings.threads)
    report.set_ready(True)
    handle_exit = signal.getsignal(signal.SIGTERM)

    def stop(signum: int, frame: FrameType | None) -> None:
        report.set_ready(False)
        if callable(handle_exit):
            handle_exit(signum, frame)

    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C reaches the workers too; what becomes of them is the master's decision, which tells them by SIGQUIT.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, quit_at_once)


def quit_at_once(signum: int, frame: FrameType | None) -> NoReturn:
    """End the worker, whatever it has in hand: the quick stop of SIGQUIT and Ctrl-C.

    In place of gunicorn's own handler, which shuts the thread pool down and so waits for a lock; if the signal came
    while the main thread held that lock, to hand over a request, the worker hung until it was killed (4 of 60 stops
    on a busy machine).
    """
    _state.forget(os.getpid())
    os._exit(0)


def child_exit(server: Any, worker: Any) -> None:
    """A worker is gone, however it went: it is not ready, and its live gauges no longer count."""
    _state.forget(worker.pid)
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid, path=str(_metrics))  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """The last worker has finished: health may stop being answered."""
    management = getattr(server, "management", None)
    if management:
        os.killpg(management.pid, signal.SIGKILL)
        management.wait()
    _remove_runtime()


def _remove_runtime() -> None:
    shutil.rmtree(_runtime, ignore_errors=True)
