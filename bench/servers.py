"""The servers that are compared: the same application, eight threads, one worker; only what serves it differs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.serving_process import free_port, until  # noqa: E402 - needs the path set above

SERVERS = ("gthread", "gevent", "flask-app")
"""gunicorn's threaded worker, its gevent worker, and this project's serving layer, observability included."""


def gevent_python() -> Path:
    """The Python of an environment that has gevent too, which is made when it is not there."""
    folder = ROOT / "build" / "bench" / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(ROOT / "requirements.txt")]
        subprocess.run(install, check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "gunicorn[gevent]"], check=True)
    return python


@contextmanager
def server(name: str, **variables: str) -> Iterator[int]:
    """Serve with the server of this name; gives the port."""
    port = free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "MANAGEMENT_PORT": str(free_port()),
        "WEB_THREADS": "8",
        **variables,
    }
    if name == "flask-app":
        command = [sys.executable, "-m", "gunicorn", "--config", "python:nodrop.gunicorn"]
    else:
        python = gevent_python() if name == "gevent" else Path(sys.executable)
        command = [str(python), "-m", "gunicorn", "--worker-class", name, "--threads", "8", "--keep-alive", "75"]
        command += [
            "--bind",
            f"127.0.0.1:{port}",
            "--access-logfile",
            "-",
            environment.get("WSGI_APP", "app:create_app()"),
        ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(f"{name} answers", lambda: answers(port) or process.poll() is not None)
        assert process.poll() is None, f"{' '.join(command)} ended with {process.returncode}"
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    """Whether the application answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
