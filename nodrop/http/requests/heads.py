"""Heads of requests: ordinary ones are read by nodrop itself, all others by gunicorn's parser, which decides."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import MAX_HEADERS, Request
from gunicorn.http.unreader import SocketUnreader

from nodrop.http.answers.refusals import Refusal, status_of
from nodrop.http.requests import ordinary


class Heads:
    """The parser of a worker."""

    def __init__(self, cfg: Any) -> None:
        """cfg: gunicorn's configuration."""
        self._cfg = cfg
        limit = cfg.limit_request_fields
        self._most_fields = limit if 0 < limit <= MAX_HEADERS else MAX_HEADERS
        limits = [each for each in (cfg.limit_request_line, cfg.limit_request_field_size) if each > 0]
        # Where a head is longer, one of its lines may be too long.
        self._longest = min(limits, default=0)

    def ordinary(self, head: bytes, client: Any, number: int) -> ordinary.OrdinaryRequest | None:
        """The request with this head, which is given without its empty line; None if it is not ordinary.

        client: its address. number: of the request on its connection, from 1.
        """
        if self._longest and len(head) > self._longest:
            return None
        return ordinary.parse(head, self._cfg, client, number, self._most_fields)

    def parse(self, data: bytes, client: Any, number: int) -> tuple[Any, bytes]:
        """gunicorn's request, of which data has the head, and what follows. Raises Refusal.

        The body is read from `request.unreader.sock`, which the caller puts there.
        """
        source = _Source(data)
        unreader = SocketUnreader(source)
        try:
            request = Request(self._cfg, unreader, client, number)
        except errors.NoMoreData as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "incomplete request") from error
        except errors.ParseException as error:
            # Some errors have the request here, for the access log; others have text.
            refused = getattr(error, "req", None)
            raise Refusal(status_of(error), str(error), refused if isinstance(refused, Request) else None) from error
        return request, unreader.take_buffered() + source.recv()


class _Source:
    """What has come, for gunicorn's parser to read as from a socket."""

    def __init__(self, data: bytes) -> None:
        self.recv = io.BytesIO(data).read
