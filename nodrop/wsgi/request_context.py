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
| `nodrop.route` | the route that Flask matched (nodrop/wsgi/route.py); empty if none; set when the answer begins |

`HTTP_TRACEPARENT` is `nodrop.traceparent` if the caller sent a valid one, else it is removed, `HTTP_TRACESTATE` with
it. A trace that begins here is not sampled, the specification's default, and is not put there: OpenTelemetry in the
application would take "not sampled" for the caller's decision and drop every span, instead of deciding by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nodrop import current_request
from nodrop.current_request import RequestContext
from nodrop.wsgi import body, ids, route, traceparent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Long enough for every usual kind of id. The characters need no quoting in a header, a URL, a shell or JSON; without
# the comma, with which servers join headers that are sent twice.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}", re.ASCII)


class RequestContextMiddleware:
    """Gives each request its ids. The outermost part, so that nothing is logged of a request without them."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application with the ids in place."""
        handled = _Handled(environ, start_response)
        return body.call(self._application, environ, handled.start, handled, ends_only=True)


class _Handled(body.Watcher):
    """One request: its context lasts until the answer is closed."""

    __slots__ = ("_context", "_environ", "_start_response")

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response
        self._context = _begin(environ)
        current_request.enter(self._context)
        body.when_taken_over(environ.get("gunicorn.socket"), self.note_route)

    def note_route(self) -> None:
        # Now, because Flask's request is over before the server logs it. The metrics have seen it before.
        environ = self._environ
        if route.ROUTE not in environ:
            request = route.note()
            environ[route.ROUTE] = request.environ[route.ROUTE] if request else ""

    def start(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        """The application's start_response."""
        self.note_route()
        for name, _ in headers:
            # The length first: it spares most headers the copy in lower case.
            if len(name) == 12 and name.lower() == "x-request-id":
                break
        else:
            headers = [*headers, ("X-Request-ID", self._context.request_id)]
        return self._start_response(status, headers, *exc_info)

    def failed(self, error: BaseException) -> None:
        error.nodrop_context = self._context  # type: ignore[attr-defined]

    def closed(self) -> None:
        current_request.leave()


def _begin(environ: WSGIEnvironment) -> RequestContext:
    """Put the request's ids into the environment."""
    new = ids.digits()
    request_id = environ.get("HTTP_X_REQUEST_ID")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = new[:32]
    environ[route.PATH] = environ.get("PATH_INFO", "")
    environ["nodrop.request_id"] = environ["HTTP_X_REQUEST_ID"] = request_id
    span_id = new[32:]
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
