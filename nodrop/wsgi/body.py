"""The one wrapper around an application's answer, for all that has to know how it goes and when it ends.

An application may also take the connection over, for a WebSocket, and answer through `gunicorn.socket`. nodrop's own
socket (nodrop/http/connection/takeover.py) tells of it; that of another server does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def is_taken_over(sock: object) -> bool:
    """Whether the application has taken over the connection of this `gunicorn.socket`."""
    return getattr(sock, "taken_over", False) is True


def when_taken_over(sock: Any, function: Callable[[], None]) -> None:
    """Have `function` called if the application takes the connection over, while it still knows its request.

    No answer begins then, where most is noted otherwise.
    """
    functions = getattr(sock, "when_taken_over", None)
    if functions is not None:
        functions.append(function)


class Watcher:
    """What happens to an answer. Each of these does nothing, unless it is overridden."""

    __slots__ = ()

    def asked(self) -> None:
        """The application is about to be called, or asked for a piece of its body."""

    def answered(self) -> None:
        """The application has returned its body, of which nothing has been asked yet."""

    def piece(self, data: bytes) -> None:
        """The application has given a piece of its body, which the server gets next."""

    def complete(self) -> None:
        """The application has given its last piece."""

    def failed(self, error: BaseException) -> None:
        """The application has raised an error to the server, when it was called, asked for a piece, or closed."""

    def file(self, body: Iterable[bytes]) -> None:
        """The body is a `wsgi.file_wrapper`, which the server sends without asking for pieces."""

    def closed(self) -> None:
        """The server is done with the answer, or there is none. Called once, whatever has happened before."""


def call(
    application: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    watcher: Watcher,
    *,
    ends_only: bool = False,
) -> Iterable[bytes]:
    """Call the application, and return its answer watched.

    ends_only: the watcher wants to know of failures and the end alone. So a list or tuple is returned as it is, and
    called closed, as nothing of the application runs any more; the server may want its length. And an answer that is
    watched already is not wrapped once more. A `wsgi.file_wrapper` always stays the object that it is, since the server
    recognises it by its type and sends the file without reading it.
    """
    try:
        watcher.asked()
        body = _answer(application, environ, start_response)
        watcher.answered()
        if ends_only:
            if type(body) is _Body:
                body.others += (watcher,)
                return body
            if type(body) in (list, tuple):
                watcher.closed()
                return body
        file_wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            watcher.file(body)
            try:
                body.close = _Watched(body, watcher).close  # type: ignore[attr-defined]
            except AttributeError:
                # It takes no attributes, so its end can't be seen.
                watcher.closed()
            return body
        return _Body(body, watcher)
    except BaseException as error:
        watcher.failed(error)
        watcher.closed()
        raise


def _answer(application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        return application(environ, start_response)
    except StopIteration:
        # How libraries for WebSockets end, for want of a better way. It is no failure, and there is nothing to send.
        if is_taken_over(environ.get("gunicorn.socket")):
            return ()
        raise


class _Watched:
    """An application's answer: closed, and then called closed, once."""

    __slots__ = ("_close", "_watcher", "others")

    def __init__(self, body: Iterable[bytes], watcher: Watcher) -> None:
        self._close = getattr(body, "close", None)
        self._watcher: Watcher | None = watcher
        self.others: tuple[Watcher, ...] = ()
        """Those further out, which want to know of failures and the end alone."""

    def close(self) -> None:
        """For the server. Does nothing the second time."""
        watcher, self._watcher = self._watcher, None
        if not watcher:
            return
        # The body may lead back to the request, which leads here: nothing should be left to the garbage collector.
        close, self._close = self._close, None
        try:
            if close:
                close()
        except BaseException as error:
            self._failed(watcher, error)
            raise
        finally:
            others, self.others = self.others, ()
            try:
                watcher.closed()
            finally:
                for each in others:
                    each.closed()

    def _failed(self, watcher: Watcher, error: BaseException) -> None:
        watcher.failed(error)
        for each in self.others:
            each.failed(error)


class _Body(_Watched):
    """One that is iterated for the server."""

    __slots__ = ("_iterator",)

    def __init__(self, body: Iterable[bytes], watcher: Watcher) -> None:
        self._iterator = iter(body)
        super().__init__(body, watcher)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        watcher = self._watcher
        if watcher is None:
            raise StopIteration  # Closed.
        watcher.asked()
        try:
            piece = next(self._iterator)
        except StopIteration:
            watcher.complete()
            raise
        except BaseException as error:
            self._failed(watcher, error)
            raise
        watcher.piece(piece)
        return piece
