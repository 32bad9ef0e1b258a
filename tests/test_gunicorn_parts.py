"""Each part of gunicorn that nodrop is built from, most of them not public: an upgrade that changes one fails by name.

gunicorn is held below its next major. To raise that, change the bounds in pyproject.toml, run this, and look at the
code that uses what it names.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import textwrap
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config, make_settings
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers import base, gthread

from nodrop.http.requests.ordinary import OrdinaryRequest
from nodrop.http.worker import Worker
from nodrop.logs.gunicorn_logger import Logger
from nodrop.server.gthread import Worker as GthreadWorker
from tests.serving_process import ROOT

CLASS = "a class"
PARTS: dict[str, dict[str, str | None]] = {
    "gunicorn.arbiter": {"Arbiter.LISTENERS": None, "Arbiter.WORKERS": None, "Arbiter.num_workers": None},
    "gunicorn.config": {
        "Config": "(usage=None, prog=None)",
        "Config.parser": "(self)",
        "Config.set": "(self, name, value)",
        "Setting.get": "(self)",
        "Setting.set": "(self, val)",
        "Setting.default": None,
        "Setting.cli": None,
        "make_settings": "(ignore=None)",
    },
    "gunicorn.errors": {"AppImportError": CLASS},
    "gunicorn.glogging": {
        "Logger": "(cfg)",
        "Logger.setup": "(self, cfg)",
        "Logger.access": "(self, resp, req, environ, request_time)",
        "Logger.debug": "(self, msg, *args, **kwargs)",
        "Logger.info": "(self, msg, *args, **kwargs)",
        "Logger.warning": "(self, msg, *args, **kwargs)",
        "Logger.error": "(self, msg, *args, **kwargs)",
        "Logger.exception": "(self, msg, *args, **kwargs)",
    },
    "gunicorn.http.body": {
        "Body": "(reader)",
        "Body.read": "(self, size=None)",
        "Body.readline": "(self, size=None)",
        "Body.readlines": "(self, size=None)",
        "ChunkedReader": "(req, unreader)",
        "LengthReader": "(unreader, length)",
    },
    "gunicorn.http.errors": {
        "ExpectationFailed": CLASS,
        "InvalidResponseHeader": CLASS,
        "InvalidResponseHeaderName": CLASS,
        "LimitRequestHeaders": CLASS,
        "NoMoreData": CLASS,
        "ParseException": CLASS,
        "UnsupportedTransferCoding": CLASS,
    },
    "gunicorn.http.message": {
        "MAX_HEADERS": None,
        "Request": "(cfg, unreader, peer_addr, req_number=1)",
        "Request.force_close": "(self)",
        "Request.should_close": "(self)",
    },
    "gunicorn.http.unreader": {
        "SocketUnreader": "(sock, max_chunk=8192)",
        "SocketUnreader.chunk": "(self, size_hint=None)",
        "Unreader.take_buffered": "(self)",
    },
    "gunicorn.http.wsgi": {"base_environ": "(cfg)"},
    "gunicorn.sock": {
        "TCP6Socket": "(address, conf, log, fd=None)",
        "TCPSocket": "(address, conf, log, fd=None)",
    },
    "gunicorn.util": {"parse_address": "(netloc, default_port='8000')", "unquote_to_wsgi_str": "(string)"},
    "gunicorn.workers.base": {
        "Worker": "(age, ppid, sockets, app, timeout, cfg, log)",
        "Worker.SIGNALS": None,
        "Worker.handle_exit": "(self, sig, frame)",
        "Worker.handle_quit": "(self, sig, frame)",
        "Worker.init_process": "(self)",
        "Worker.init_signals": "(self)",
        "Worker.load_wsgi": "(self)",
        "Worker.notify": "(self)",
        "Worker.run": "(self)",
    },
    "gunicorn.workers.gthread": {
        "PollableMethodQueue.fileno": "(self)",
        "TConn": "(cfg, sock, client, server)",
        "ThreadWorker": "(*args, **kwargs)",
        "ThreadWorker.accept": "(self, listener)",
        "ThreadWorker.check_config": "(cfg, log)",
        "ThreadWorker.enqueue_req": "(self, conn)",
        "ThreadWorker.handle": "(self, conn)",
        "ThreadWorker.handle_exit": "(self, sig, frame)",
        "ThreadWorker.handle_quit": "(self, sig, frame)",
        "ThreadWorker.init_process": "(self)",
        "ThreadWorker.notify": "(self)",
        "ThreadWorker.run": "(self)",
        "ThreadWorker.set_accept_enabled": "(self, enabled)",
    },
}
"""By module: functions, methods and classes with how they are called, and what is only read (None)."""
HOOKS = {
    "nworkers_changed": "(server, new_value, old_value)",
    "on_starting": "(server)",
    "when_ready": "(server)",
    "pre_fork": "(server, worker)",
    "post_fork": "(server, worker)",
    "post_worker_init": "(worker)",
    "worker_exit": "(server, worker)",
    "child_exit": "(server, worker)",
    "on_exit": "(server)",
    "pre_request": "(worker, req)",
    "post_request": "(worker, req, environ, resp)",
}
"""How gunicorn calls the hooks."""
ATTRIBUTES = {
    "configuration": {"settings"},
    "request": {
        "_expected_100_continue", "body", "headers", "method", "path", "query", "scheme", "trailers", "uri", "version",
    },
    "unreader": {"sock"},
    "body": {"failed", "reader"},
    "length reader": {"length"},
    "worker": {
        "age", "alive", "booted", "cfg", "log", "max_requests", "nr", "pid", "ppid", "sockets", "timeout", "tmp",
    },
    "thread worker": {"alive", "method_queue", "nr_conns", "poller"},
    "logger": {"access_log", "access_log_enabled", "error_log"},
}  # fmt: skip
"""What objects of gunicorn's have of their own, once they are made."""
ASSIGNED = {
    "init_process of a worker": (base.Worker.init_process, {"PIPE"}),
    "load_wsgi of a worker": (base.Worker.load_wsgi, {"wsgi"}),
    "init_process of a thread worker": (gthread.ThreadWorker.init_process, {"poller"}),
    "the arbiter": (Arbiter.__init__, {"SIG_QUEUE", "log"}),
    "setup of the arbiter": (Arbiter.setup, {"app", "cfg", "num_workers"}),
}
"""What such a function leaves in `self`."""


def changed_parts() -> Iterator[str]:
    """Those that are gone, or are called in another way, by name."""
    for module, parts in PARTS.items():
        for name, wanted in parts.items():
            try:
                part: Any = importlib.import_module(module)
                for attribute in name.split("."):
                    part = getattr(part, attribute)
                # Of a class by what calls it, whatever it inherits that from.
                signature = str(inspect.signature(part)) if wanted not in (None, CLASS) else wanted
            except (ImportError, AttributeError) as error:
                yield f"{module}.{name}: {error}"
                continue
            if signature != wanted:
                yield f"{module}.{name} is called with {signature}, was {wanted}"


def test_no_part_has_changed() -> None:
    assert list(changed_parts()) == []


def test_a_part_that_has_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be in an upgrade that takes one away, and changes how another is called."""
    monkeypatch.delattr("gunicorn.http.unreader.Unreader.take_buffered")
    monkeypatch.setattr("gunicorn.http.wsgi.base_environ", lambda: {})
    assert [line.split(" ")[0] for line in changed_parts()] == [
        "gunicorn.http.unreader.Unreader.take_buffered:",
        "gunicorn.http.wsgi.base_environ",
    ]


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_called_as_before(name: str) -> None:
    assert str(inspect.signature(make_settings()[name].default)) == HOOKS[name]


# --- Objects ----------------------------------------------------------------------------------------------------------


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no type information
    app_uri = "own:app"

    def load_config(self) -> None:
        pass

    def load(self) -> None:
        pass


def parsed(head: bytes) -> Any:
    """The request that gunicorn makes of this."""
    source = io.BytesIO(head)
    source.recv = source.read  # type: ignore[attr-defined]
    return Request(Config(), SocketUnreader(source), ("127.0.0.1", 1))


def made(kind: str) -> Any:
    """An object of gunicorn's."""
    request = parsed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    cfg = Config()
    match kind:
        case "request" | "unreader":
            return {"request": request, "unreader": request.unreader}[kind]
        case "body" | "length reader":
            return request.body if kind == "body" else request.body.reader
        case "configuration":
            return cfg
        case "logger":
            return glogging.Logger(cfg)
        case _:
            worker = {"worker": base.Worker, "thread worker": gthread.ThreadWorker}[kind]
            return worker(1, 2, [], _Application(), 30, cfg, None)


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_objects_have_what_is_read_of_them(kind: str) -> None:
    thing = made(kind)
    try:
        assert {name for name in ATTRIBUTES[kind] if not hasattr(thing, name)} == set()
    finally:
        if "worker" in kind:
            thing.tmp.close()


@pytest.mark.parametrize("function", ASSIGNED)
def test_functions_leave_what_is_read_afterwards(function: str) -> None:
    code, names = ASSIGNED[function]
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    stored = {
        each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
    }
    assert names - stored == set()


def test_a_parser_reads_what_is_there_and_keeps_the_rest() -> None:
    """What is built on: it takes no more than the source has, and gives back what it has read beyond the request."""
    request = parsed(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcdef")
    assert request._expected_100_continue is True
    assert request.unreader.take_buffered() == b"abcdef"
    assert request.headers == [("HOST", "x"), ("EXPECT", "100-continue"), ("CONTENT-LENGTH", "3")]
    assert (request.uri, request.path, request.version, request.body.reader.length) == ("/", "/", (1, 1), 3)


# --- The list is complete ---------------------------------------------------------------------------------------------


def imported() -> set[tuple[str, str]]:
    """Each part of gunicorn that the code imports, by its module and its name there."""
    found = set()
    for file in sorted((ROOT / "nodrop").rglob("*.py")):
        tree = ast.parse(file.read_text())
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                # Not by this way, or what is used of it would have to be looked for.
                assert not [each.name for each in node.names if each.name.partition(".")[0] == "gunicorn"], file
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "gunicorn":
                for each in node.names:
                    if f"{node.module}.{each.name}" in PARTS or node.module == "gunicorn":
                        modules[each.asname or each.name] = f"{node.module}.{each.name}"
                    else:
                        found.add((str(node.module), each.name))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                found.add((modules[node.value.id], node.attr))
    return found


def test_all_that_is_imported_is_in_the_list() -> None:
    assert imported() - {(module, name) for module, parts in PARTS.items() for name in parts} == set()


@pytest.mark.parametrize("own", [Worker, GthreadWorker, OrdinaryRequest, Logger])
def test_all_that_is_overridden_is_in_the_list(own: type) -> None:
    theirs = [each for each in own.__mro__ if each.__module__.startswith("gunicorn")]
    mine = {name for each in own.__mro__ if each.__module__.startswith("nodrop") for name in vars(each)}
    listed = {name.partition(".")[2] for each in theirs for name in PARTS.get(each.__module__, {})}
    listed |= {name for names in ATTRIBUTES.values() for name in names}
    overridden = {name for name in mine for each in theirs if name in vars(each) and not name.startswith("__")}
    assert overridden - listed == set()


def test_gunicorn_is_held_below_its_next_major() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (held,) = (each for each in dependencies if each.startswith("gunicorn"))
    bounds = re.fullmatch(r"gunicorn>=(\d+)\.[\d.]+,<(\d+)", held)
    assert bounds
    assert int(bounds[1]) + 1 == int(bounds[2])
    assert bounds[1] == version("gunicorn").partition(".")[0]
