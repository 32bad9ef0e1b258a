"""An application that makes child processes, in every way in which applications do."""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from prometheus_client import Counter

app = Flask(__name__)
fork = multiprocessing.get_context("fork")
counted = Counter("counted", "By the application, in whichever process")


STUCK = Path("stuck.txt")
"""Where a child that still lives after STUCK_SECONDS writes what it is doing, all of it in one go."""
STUCK_SECONDS = 10
_stuck = STUCK.open("w")
_worker = os.getpid()


def _watch() -> None:
    # A child of another thread ends with it, which it would not as long as this watches. And a child's child would wait
    # for the thread that watches the child.
    if threading.current_thread().name.startswith("request-") and os.getppid() == _worker:
        faulthandler.dump_traceback_later(STUCK_SECONDS, file=_stuck)


os.register_at_fork(after_in_child=_watch)


@app.get("/")
def index() -> str:
    return "ok"


@app.get("/terminate")
def terminate() -> dict[str, Any]:
    child = fork.Process(target=time.sleep, args=(8,))
    child.start()
    # At once, too: before the child has run any code of its own.
    time.sleep(float(request.args.get("after", 0)))
    child.terminate()
    child.join(4)
    return {"alive": child.is_alive(), "code": child.exitcode}


@app.get("/signal")
def send_signal() -> dict[str, int]:
    pid = os.fork()
    if pid == 0:
        time.sleep(8)
        os._exit(0)
    os.kill(pid, signal.Signals[request.args["name"]])
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


@app.get("/pool")
def pool() -> dict[str, list[int]]:
    with fork.Pool(2) as workers:
        return {"result": workers.map(abs, [-1, -2, 3])}


@app.get("/spawn")
def spawn() -> dict[str, list[int]]:
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        return {"result": workers.map(abs, [-1])}


def _come_back(way: str) -> str:
    if way == "raise":
        raise RuntimeError("in the child")
    if way == "exit":
        sys.exit(3)
    if way == "exit with a text":
        sys.exit("no disk")
    if way == "interrupt":
        raise KeyboardInterrupt
    return "child"


@app.get("/come-back")
def come_back() -> Any:
    """A child that goes on as if it were the worker: `way` says how, `where` from which part of the answer."""
    way, where = request.args["way"], request.args["where"]
    if where == "view":
        pid = os.fork()
        if pid == 0:
            return _come_back(way)
        return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}

    def parts() -> Any:
        yield "a"
        pid = os.fork()
        if pid == 0:
            yield _come_back(way)
            return
        yield str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    return Response(parts())


@app.get("/grandchild")
def grandchild() -> dict[str, int]:
    """A child that has one of its own, whose exit status it takes over."""
    pid = os.fork()
    if pid == 0:
        own = os.fork()
        os._exit(7 if own == 0 else os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]))
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


@app.get("/thread")
def in_thread() -> dict[str, int]:
    """A child that is forked in a thread of the application, and returns from it."""
    codes = []

    def run() -> None:
        pid = os.fork()
        if pid:
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return {"code": codes[0]}


SHOW_OPEN = """
import os
for descriptor in range(3, 256):
    try:
        print(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:
        pass
"""


def _describe() -> list[str]:
    """What this process has open, without the standard streams."""
    found = []
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) > 2:
            with contextlib.suppress(OSError):
                found.append(str(path.readlink()))
    return found


@app.get("/folder")
def folder() -> str:
    """The folder that the server's processes share."""
    return str(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).parent)


@app.get("/open")
def open_files() -> dict[str, list[str]]:
    """What a forked child and an exec'd one have open."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(sending, "\n".join(_describe()).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as text:
        forked = text.read().splitlines()
    os.waitpid(pid, 0)
    done = subprocess.run(
        [sys.executable, "-c", SHOW_OPEN], close_fds=False, stdout=subprocess.PIPE, text=True, check=True
    )
    return {"forked": forked, "executed": done.stdout.splitlines()}


@app.get("/live-on")
def live_on() -> dict[str, int]:
    """A child that outlives everything, as a daemon does."""
    pid = os.fork()
    if pid == 0:
        faulthandler.cancel_dump_traceback_later()
        os.setsid()
        time.sleep(60)
        os._exit(0)
    return {"pid": pid}


@app.get("/count")
def count() -> str:
    """Counts in five children, of which each would also count for the worker."""
    counted.inc()
    children = [fork.Process(target=counted.inc) for _ in range(5)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return "counted"


@app.get("/log")
def log() -> str:
    def tell() -> None:
        app.logger.warning("from the child")

    child = fork.Process(target=tell)
    child.start()
    child.join()
    return "logged"


@app.get("/interrupt")
def interrupt() -> dict[str, int]:
    """Ctrl-C for a program that the application has started."""
    source = "import time; print(1, flush=True); time.sleep(8)"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        return {"code": program.wait()}


def fork_in_check() -> bool:
    """A readiness check that forks a child, which returns from it."""
    pid = os.fork()
    if pid == 0:
        return False
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


if os.environ.get("FORK_AT_IMPORT"):
    started = os.fork()
    if started:
        os.waitpid(started, 0)
    elif os.environ["FORK_AT_IMPORT"] == "exit":
        sys.exit(0)
