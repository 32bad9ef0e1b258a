"""The request that a thread handles, by which the log knows whose line it writes.

nodrop/wsgi/request_context.py sets it while the application runs and its answer is iterated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from nodrop.wsgi.traceparent import TraceParent


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


def enter(context: RequestContext) -> None:
    """This thread handles the request from now on."""
    _current.set(context)


def leave() -> None:
    """This thread handles no request any more."""
    _current.set(None)


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
