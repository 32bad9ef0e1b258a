"""Which request is being handled: its ids, for the application, for every log line and for the answer.

The ids are in the WSGI environment, and in a context variable while the application runs and its answer is iterated,
so that whatever is logged meanwhile in that thread can be told to belong to the request.

| environ | |
|---|---|
| `nodrop.request_id` | the request's id, also as `HTTP_X_REQUEST_ID` and in the answer's header X-Request-ID |
| `nodrop.trace_id` | 32 hex digits: the caller's trace, or a new one |
| `nodrop.span_id` | 16 hex digits: this request in the trace |
| `nodrop.sampled` | bool: whether the trace is recorded |
| `nodrop.traceparent` | what to send as `traceparent` to the services that the application calls |
| `nodrop.route` | the rule that Flask matched, such as `/users/<id>`; empty if none; set when the answer begins |

`HTTP_TRACEPARENT` is `nodrop.traceparent` if the caller sent a valid one, else it is removed, `HTTP_TRACESTATE` with
it. A trace that begins here is not sampled, the specification's default, and is not put there: OpenTelemetry in the
application would take "not sampled" for the caller's decision and drop every span, instead of deciding by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodrop.tracing import traceparent
from nodrop.tracing.traceparent import TraceParent
from nodrop.wsgi import body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Long enough for every usual kind of id. The characters need no quoting in a header, a URL, a shell or JSON; without
# the comma, with which servers join headers that are sent twice.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}", re.ASCII)


@dataclass(slots=True)
class RequestContext:
    """The ids of a request. Changed only by tracing, which knows the span better, before the application is called."""

    request_id: str
    trace_id: str
    span_id: str
    caller: TraceParent | None
    """The traceparent that came; None if none did, or an invalid one."""
    environ: WSGIEnvironment
    """Where the log learns which credentials the request has, should a line be written meanwhile."""
    secrets: tuple[str, ...] | None = None
    """Those credentials, once a line has been written."""


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)


def current() -> RequestContext | None:
    """The request that this thread handles now, if any."""
    return _current.get()


@contextmanager
def handling(request: RequestContext) -> Iterator[None]:
    """Have this request as the current one, for what is written about it afterwards."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def context_of(error: BaseException | None) -> RequestContext | None:
    """The request that an error ended. Servers log such an error when the request is not the current one any more."""
    return getattr(error, "nodrop_context", None)


class RequestContextMiddleware:
    """Gives each request its ids. The outermost part, so that nothing is logged of a request without them."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application with the ids in place."""
        context = _begin(environ)
        request_id = context.request_id
        _current.set(context)

        def note_route() -> None:
            # Now, because Flask takes the request out of the environment before the server logs it.
            rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
            environ["nodrop.route"] = rule.rule if rule else ""

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            note_route()
            for name, _ in headers:
                # The length first: it spares most headers the copy in lower case.
                if len(name) == 12 and name.lower() == "x-request-id":
                    break
            else:
                headers = [*headers, ("X-Request-ID", request_id)]
            return start_response(status, headers, *exc_info)

        sock: Any = environ.get("gunicorn.socket")
        if sock is not None and hasattr(sock, "when_taken_over"):
            # For a WebSocket no answer begins.
            sock.when_taken_over.append(note_route)
        return body.call(self._application, environ, start, _Ending(context), keep_lists=True)


class _Ending(body.Watcher):
    """Ends the context with the answer."""

    __slots__ = ("_context",)

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def failed(self, error: BaseException) -> None:
        error.nodrop_context = self._context  # type: ignore[attr-defined]

    def closed(self) -> None:
        _current.set(None)


def _begin(environ: WSGIEnvironment) -> RequestContext:
    """Put the request's ids into the environment."""
    # One call for both ids; from the system, because the application may seed `random` the same in every process.
    new = os.urandom(32).hex()
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = new[:32]
    environ["nodrop.request_id"] = environ["HTTP_X_REQUEST_ID"] = request_id
    span_id = new[32:48]
    header = environ.get("HTTP_TRACEPARENT")
    caller = traceparent.parse(header) if header is not None else None
    if caller:
        context = RequestContext(request_id, caller.trace_id, span_id, caller, environ)
        set_trace(environ, context, caller.flags, pass_on=True)
    else:
        environ.pop("HTTP_TRACEPARENT", None)
        environ.pop("HTTP_TRACESTATE", None)
        # The request id's bytes serve again when it was made here: two names of one thing need not differ.
        context = RequestContext(request_id, new[:32], span_id, None, environ)
        set_trace(environ, context, traceparent.RANDOM, pass_on=False)
    return context


def set_trace(environ: WSGIEnvironment, context: RequestContext, flags: int, *, pass_on: bool) -> None:
    """Put the trace of `context` into the environment; with `pass_on` also in place of the caller's traceparent."""
    environ["nodrop.trace_id"] = context.trace_id
    environ["nodrop.span_id"] = context.span_id
    environ["nodrop.sampled"] = bool(flags & traceparent.SAMPLED)
    environ["nodrop.traceparent"] = header = f"00-{context.trace_id}-{context.span_id}-{flags:02x}"
    if pass_on:
        environ["HTTP_TRACEPARENT"] = header
