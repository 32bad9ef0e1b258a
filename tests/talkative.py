"""An application that logs in every way an application may, for the tests of logs, ids and traces.

It imports nothing of the serving layer, as no application has to.
"""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from logging.config import dictConfig
from typing import Any

import flask

app = flask.Flask(__name__)
log = logging.getLogger("talkative")

if os.environ.get("TALKATIVE") == "basicConfig":
    logging.basicConfig(level=logging.DEBUG, format="not JSON %(message)s")
if os.environ.get("TALKATIVE") == "dictConfig":
    # As copied from a tutorial; existing loggers are disabled by default.
    dictConfig(
        {
            "version": 1,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "root": {"level": "INFO", "handlers": ["null"]},
        }
    )


class Unprintable:
    """Neither str() nor repr() works."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class UnprintableError(Exception):
    """An exception that can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@app.before_request
def guard() -> Any:
    """Answers by itself when it is asked to, as authentication does."""
    return ("no", 401) if "X-Refuse" in flask.request.headers else None


@app.get("/users/<name>")
def user(name: str) -> str:
    """Says hello, and logs it."""
    log.info("hello %s", name)
    return f"hello {name}\n"


@app.get("/environ")
def environ() -> dict[str, Any]:
    """What the request's environment says of the request."""
    return {
        name: value
        for name, value in flask.request.environ.items()
        if name.startswith(("nodrop.", "HTTP_")) and isinstance(value, str | bool)
    }


@app.get("/own-id")
def own_id() -> flask.Response:
    """An answer with an id that the application chose."""
    return flask.Response("", headers={"x-request-id": "mine"})


@app.get("/stream")
def stream() -> flask.Response:
    """Logs while its answer is sent, and when it is closed."""

    def parts() -> Iterator[str]:
        for number in range(3):
            log.info("part %d", number)
            yield f"{number}\n"

    response = flask.Response(parts())
    response.call_on_close(lambda: log.info("closed"))
    return response


@app.get("/file")
def file() -> flask.Response:
    """A file, which the server may send by itself."""
    return flask.send_file(__file__)


@app.get("/fail")
def fail() -> str:
    """Fails."""
    raise ValueError("failed with https://api/?access_token=s3cret")


@app.get("/fail-in-stream")
def fail_in_stream() -> flask.Response:
    """Fails when some of the answer is sent already."""

    def parts() -> Iterator[str]:
        yield "x"
        raise ValueError("failed half way")

    return flask.Response(parts())


@app.get("/odd")
def odd() -> str:
    """Logs what is hard to log."""
    circle: dict[Any, Any] = {(1, 2): float("nan"), "inf": float("inf")}
    circle["self"] = circle
    log.info("odd %s", 1, extra={"structure": circle, "nan": float("nan"), "big": 10**5000, "bytes": b"\xff"})
    log.info("odd %d", "no number")
    log.info("odd %s %s", "one only")  # noqa: PLE1206  # what it is about
    log.info("odd %s", Unprintable())
    log.info("odd\nlines\x1b[31m\u2028\ud800")
    log.info("odd extra", extra={"level": "fake", "time": 0, "request_id": "fake", "order": 17, "thing": Unprintable()})
    log.info("odd long %s", "\U0001f600" * 20_000, extra={f"field{n}": "y" * 5000 for n in range(100)})
    try:
        raise UnprintableError
    except UnprintableError:
        log.exception("odd exception", stack_info=True)
    return "logged"


@app.get("/noise")
def noise() -> str:
    """What is not logged on purpose: a warning, an error in a thread, one in a destructor."""
    warnings.warn("a warning", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="adder")
    thread.start()
    thread.join()

    class Fragile:
        def __del__(self) -> None:
            raise ValueError("in the destructor")

    Fragile()
    return "made"


@app.get("/long-lines")
def long_lines() -> str:
    """Many lines of 4000 bytes."""
    for number in range(50):
        log.info("%s %d", "x" * 3700, number)
    return "logged"


@app.get("/modules")
def modules() -> list[str]:
    """The modules that this worker has imported."""
    return sorted(sys.modules)


@app.get("/traced")
def traced() -> str:
    """Makes a span by itself, as an application that uses OpenTelemetry does."""
    from opentelemetry import trace

    with trace.get_tracer("talkative").start_as_current_span("lookup"):
        log.info("in a span")
    return "traced"


@app.get("/spans")
def spans() -> list[str]:
    """The spans that the application's own provider got."""
    return [span.name for span in exported.get_finished_spans()]


if os.environ.get("TALKATIVE") == "own provider":
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    trace.set_tracer_provider(provider)


def plain(environ: dict[str, Any], start_response: Any) -> Any:
    """An application of WSGI alone; /fail fails before it answers."""
    log.info("plain")
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("failed before an answer")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain\n"]
