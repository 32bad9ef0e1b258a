"""An application with signal handlers of its own, and with functions that run at the end: it writes what has run."""

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from flask import Flask

app = Flask(__name__)
TOLD = Path(os.environ["TOLD"])
WAY = os.environ.get("WAY", "")
loop = asyncio.new_event_loop()


def tell(what: str) -> None:
    with TOLD.open("a") as file:
        file.write(f"{what}\n")


def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    tell(signal.Signals(number).name)
    if WAY == "raise":
        raise RuntimeError("in the handler")
    if WAY != "note":
        sys.exit(int(WAY or 0))


def create_app() -> Flask:
    """The application; handlers that are set by a factory are no different."""
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGQUIT, on_signal)
    signal.signal(signal.SIGUSR1, lambda *_: tell("SIGUSR1"))
    signal.signal(signal.SIGHUP, lambda *_: tell("SIGHUP"))
    atexit.register(tell, "atexit, at import")
    if WAY == "asyncio":
        # Takes the wake-up descriptor as well.
        for number in (signal.SIGTERM, signal.SIGUSR1):
            loop.add_signal_handler(number, tell, f"asyncio {number.name}")
        threading.Thread(target=loop.run_forever, daemon=True).start()
    if "LOADING" in os.environ:
        tell("loading")
        time.sleep(float(os.environ["LOADING"]))
    return app


@app.get("/slow")
def slow() -> str:
    atexit.register(tell, "atexit, in a view")
    tell("began")
    time.sleep(2)
    tell("answered")
    return "whole"


@app.get("/")
def index() -> str:
    return "ok"
