"""An application that has Python's blocking calls replaced, as its first act, by the library that LIBRARY names."""

import atexit
import logging
import os
import threading

LIBRARY = os.environ["LIBRARY"]
if LIBRARY == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()

import multiprocessing  # noqa: E402 - after the calls have been replaced, as the libraries ask for
import time  # noqa: E402
from typing import Any  # noqa: E402

from flask import Flask, Response, request  # noqa: E402

app = Flask(__name__)
beats = 0


def beat() -> None:
    """Something of the application's that runs in the background."""
    global beats  # noqa: PLW0603
    while True:
        beats += 1
        time.sleep(0.05)


threading.Thread(target=beat, daemon=True).start()
atexit.register(lambda: app.logger.warning("the last words"))


@app.get("/")
def index() -> dict[str, int]:
    return {"beats": beats}


@app.get("/sleep")
def sleep() -> str:
    time.sleep(float(request.args["seconds"]))
    return "slept"


@app.get("/log")
def log() -> str:
    for number in range(int(request.args["lines"])):
        app.logger.warning("line %s.%d", request.args["of"], number, extra={"filling": "x" * 2000})
        time.sleep(0)
    return "logged"


@app.get("/callback")
def callback() -> str:
    """Logs from where nothing may wait: the event loop itself."""
    if LIBRARY == "gevent":
        gevent.get_hub().loop.run_callback(logging.getLogger("callback").warning, "from the event loop")
    else:
        eventlet.hubs.get_hub().schedule_call_global(0, logging.getLogger("callback").warning, "from the event loop")
    time.sleep(0.1)
    return "logged"


@app.post("/body")
def body() -> str:
    return str(len(request.get_data()))


@app.get("/large")
def large() -> Response:
    return Response(b"x" * 5_000_000)


@app.get("/terminate")
def terminate() -> dict[str, Any]:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(8,))
    child.start()
    # Longer than a turn of the worker's loop, which the child has a copy of.
    time.sleep(1.5)
    alive = child.is_alive()
    child.terminate()
    child.join(4)
    return {"alive": alive, "code": child.exitcode}
