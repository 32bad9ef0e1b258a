"""One request's way through the application: its environment is made, the application called, its answer sent."""

from __future__ import annotations

import contextvars
import datetime
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from gunicorn.http.body import Body

from nodrop.http.answers.environ import Environments
from nodrop.http.answers.files import FileBody
from nodrop.http.answers.refusals import Refusal
from nodrop.http.answers.response import MalformedAnswerError, Response
from nodrop.http.connection.connection import Connection
from nodrop.http.connection.outgoing import ClientGone
from nodrop.http.connection.spool import Spool, Spooled
from nodrop.http.threads.in_flight import InFlight
from nodrop.logs.access import path_of
from nodrop.metrics.worker_metrics import ServerMetrics
from nodrop.system import children


@dataclass(slots=True)
class _Answer:
    """A request that is being answered."""

    request: Any
    response: Response
    environ: dict[str, Any]
    began: float
    """By time.monotonic()."""
    body: Iterable[bytes] = ()


class Answering:
    """Answers requests with a WSGI application. Threads call it, each for a connection of its own."""

    def __init__(
        self,
        application: Any,
        in_flight: InFlight,
        metrics: ServerMetrics,
        *,
        cfg: Any,
        log: Any,
        stopping: Callable[[], bool],
        security_headers: Callable[[dict[str, Any]], list[tuple[str, str]]],
        pre_request: Callable[[Any], None] | None = None,
        post_request: Callable[[Any, dict[str, Any], Response], None] | None = None,
    ) -> None:
        """cfg, log: gunicorn's. stopping: whether connections are to be closed after their answer.
        security_headers: those for an answer in the application's place, by the request's environment.

        pre_request, post_request: hooks of the user's, if there are any.
        """
        self._application = application
        self._in_flight = in_flight
        self._metrics = metrics
        self._environments = Environments(cfg)
        self._log = log
        self._stopping = stopping
        self._security_headers = security_headers
        self._pre_request = pre_request
        self._post_request = post_request

    def answer(self, connection: Connection) -> tuple[bool, Callable[[int], None] | None]:
        """Have the application answer. Raises Refusal and ClientGone.

        Whether the connection can be kept; and what is to be called, in any thread, when the loop has sent the rest of
        a file, with how many bytes of the file were sent in all.
        """
        began = time.monotonic()
        queued = began - connection.handed_over
        self._metrics.queued(queued)
        decoded: Spool | None = None
        try:
            if connection.incoming.chunked:
                decoded = connection.incoming.decode_chunks(connection.progressed)
            request = connection.incoming.request
            response, environ = self._begin(connection, request, decoded)
            environ["nodrop.queued_ms"] = queued * 1000
            self._in_flight.begin(connection.thread, environ, began)
            answer = _Answer(request, response, environ, began)
            # Another thread may have to finish the request, with the application's context variables.
            context = contextvars.copy_context()
            complete = context.run(self._run, answer, connection)
            keep = not connection.taken_over and not response.should_close() and connection.incoming.finish()
            return keep, None if complete else lambda file_sent: context.run(self._finish, answer, file_sent)
        finally:
            if decoded is not None:
                decoded.clear()

    def _run(self, answer: _Answer, connection: Connection) -> bool:
        """Have the application answer, and finish the request; False if the loop sends the rest of it before that."""
        complete = True
        try:
            complete = self._send(answer, connection)
        finally:
            answer.environ["gunicorn.socket"].end()
            if connection.taken_over:
                # Whatever the application has begun to answer besides.
                answer.response.status, answer.response.sent = "101 Switching Protocols", 0
            if complete:
                self._finish(answer, connection.outgoing.file_sent)
        return complete

    def _finish(self, answer: _Answer, file_sent: int) -> None:
        """All is sent that will be, file_sent bytes of it from a file: tell the application, and log the request."""
        if isinstance(answer.body, FileBody):
            answer.response.sent += file_sent
            answer.body.sent = answer.response.sent
        self._close(answer.body, answer.environ)
        took = datetime.timedelta(seconds=time.monotonic() - answer.began)
        self._log.access(answer.response, answer.request, answer.environ, took)
        if self._post_request:
            self._call_post_request(answer.request, answer.environ, answer.response)

    def _begin(self, connection: Connection, request: Any, decoded: Spool | None) -> tuple[Response, dict[str, Any]]:
        """The response to write to, and the environment. decoded: the body, if it came in chunks. Raises Refusal."""
        if decoded is not None:
            request.body = Body(Spooled(decoded))
        try:
            if self._pre_request:
                self._pre_request(request)
            response = Response(request, connection)
            environ = self._environments.of(connection, response)
        except Exception as error:
            self._log.exception("Error handling request")
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed", request) from error
        if decoded is not None:
            # Its length is known by now; without it Werkzeug cuts a body at MAX_CONTENT_LENGTH and says nothing.
            environ["CONTENT_LENGTH"] = str(len(decoded))
            del environ["HTTP_TRANSFER_ENCODING"]
        if self._stopping():
            response.force_close()
        return response, environ

    def _call_post_request(self, request: Any, environ: dict[str, Any], response: Response) -> None:
        assert self._post_request
        try:
            self._post_request(request, environ, response)
        except Exception:
            self._log.exception("Error in the hook post_request")

    def _send(self, answer: _Answer, connection: Connection) -> bool:
        """Have the application answer; False if the loop sends the rest of it."""
        connection.outgoing.begin_answer(answer.began)
        response, environ = answer.response, answer.environ
        complete = True
        try:
            body = answer.body = self._application(environ, response.start_response)
            if children.is_child:
                _leave(environ)
            if connection.taken_over:
                return True
            sent = response.send_file(body, connection.outgoing) if isinstance(body, FileBody) else None
            if sent is None:
                for part in body:
                    if children.is_child:
                        _leave(environ)
                    response.write(part)
                if children.is_child:
                    _leave(environ)
                response.close()
            else:
                complete = sent
        except BaseException as error:
            if children.is_child:
                _leave(environ, error)
            if isinstance(error, ClientGone) or not isinstance(error, Exception | SystemExit):
                raise
            self._failed(error, response, environ, connection)
        return complete

    def _failed(
        self, error: BaseException, response: Response, environ: dict[str, Any], connection: Connection
    ) -> None:
        """Handle an error of the application: answer in its place, if nothing has been sent."""
        if connection.taken_over:
            self._log.exception("Error on a connection that the application has taken over")
            return
        if isinstance(error, MalformedAnswerError):
            self._log.error("Error handling request %s: %s", path_of(environ), error)
        else:
            self._log.exception("Error handling request %s", path_of(environ))
        if response.on_the_wire:
            connection.abort()
        else:
            response.answer_error(environ, self._security_headers(environ))

    def _close(self, body: Iterable[bytes], environ: dict[str, Any]) -> None:
        try:
            close = getattr(body, "close", None)
            if close:
                close()
        except (Exception, SystemExit) as error:
            if children.is_child:
                _leave(environ, error)
            self._log.exception("Error closing the answer to %s", path_of(environ))


def _leave(environ: dict[str, Any], error: BaseException | None = None) -> NoReturn:
    """End a child process that the application has forked while it answered, and that has come back from there."""
    children.leave(f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')!r}", error)
