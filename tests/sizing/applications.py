"""Tiny applications whose behaviour is known, and how they are measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from delivery.sizing.figures import Figures
from delivery.sizing.measuring.measurement import Wanted, measure
from delivery.sizing.serving.server import Application, Place

ROOT = Path(__file__).resolve().parents[2]
BYTECODE = ROOT / "build" / "bytecode"
"""Of all tests, so that not each of them compiles Flask again."""

WAITS = """
import time, flask
app = flask.Flask(__name__)
@app.get("/")
def index():
    time.sleep(0.05)
    return "waited"
"""
COMPUTES = """
import time, flask
app = flask.Flask(__name__)
@app.get("/")
def index():
    end = time.thread_time() + 0.02
    while time.thread_time() < end: pass
    return "computed"
"""
ONE_AT_A_TIME = """
import threading, time, flask
app = flask.Flask(__name__)
database = threading.Lock()
@app.get("/")
def index():
    with database:
        time.sleep(0.02)
    return "done"
"""
SLOW_AND_LARGE = """
import time, flask
model = bytearray(b"x") * 100_000_000
time.sleep(2)
app = flask.Flask(__name__)
@app.get("/")
def index(): return "loaded"
"""
GROWS = """
import flask
app = flask.Flask(__name__)
seen = []
@app.get("/")
def index():
    seen.append(bytearray(b"x") * 200_000)
    return str(len(seen))
"""
WITHOUT_SETTING = """
import os, flask
app = flask.Flask(__name__)
app.config["URL"] = os.environ["DATABASE_URL"]
"""
NEVER_LOADED = """
import time
time.sleep(60)
"""
WITHOUT_TABLES = """
import sqlite3, flask
app = flask.Flask(__name__)
@app.get("/")
def index(): return sqlite3.connect(":memory:").execute("select * from posts").fetchall()
"""
MEMBERS_ONLY = """
import flask
app = flask.Flask(__name__)
@app.get("/")
def index(): return flask.redirect("/login?next=/")
@app.get("/api")
def api(): return ("who are you?", 401)
@app.get("/gone")
def gone(): return ("gone", 410)
"""
MANY_ROUTES = """
import flask
app = flask.Flask(__name__)
asked = set()
@app.before_request
def note(): asked.add(flask.request.method + " " + flask.request.path)
@app.get("/")
def index(): return "index"
@app.get("/articles")
def articles(): return "articles"
@app.get("/articles/<int:number>")
def article(number): return "article"
@app.get("/articles/delete-all")
def forget(): return "deleted"
@app.get("/bye")
def logout(): return "logged out"
@app.post("/orders")
def orders(): return "ordered"
@app.get("/broken")
def broken(): return ("broken", 500)
@app.get("/asked")
def what_was_asked(): return sorted(asked)
@app.get("/events")
def events():
    def lines():
        while True: yield "data: x\\n\\n"
    return flask.Response(lines(), mimetype="text/event-stream")
"""


def application(folder: Path, source: str, **environment: str) -> Application:
    """The application of this source, with no more in its environment than a pod has."""
    (folder / "shop.py").write_text(source)
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    return Application(Path(sys.executable), folder, {**own, **environment}, "shop:app")


def place(folder: Path, start_seconds: float = 30.0) -> Place:
    """Where its servers write."""
    written = folder / "written"
    written.mkdir(exist_ok=True)
    return Place(written, start_seconds)


def measured(folder: Path, source: str, *, requests: int = 20, **environment: str) -> Figures:
    """The figures of a short measurement."""
    return measure(application(folder, source, **environment), Wanted(requests=requests, starts=2), place(folder))
