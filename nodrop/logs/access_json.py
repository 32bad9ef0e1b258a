"""The access line as JSON without a record: byte for byte what JsonFormatter makes of one, at a fraction of the cost.

Of the line only the ids and the figures are new with each request. The rest is kept as JSON, by what it was made of.
And the line is made when it is written, a few together, which is faster than one between two requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from json.encoder import encode_basestring_ascii as quoted
from math import isfinite
from time import gmtime, strftime
from typing import Any

from nodrop.logs import access
from nodrop.logs.formats import ACCESS, cut
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.urls import policy

_LONGEST = 800
"""Lines with more characters in all are left to the formatter: what clients make up must not fill the memory."""
_second = (0, "1970-01-01T00:00:00")
"""The last second of which there was a line, and how it is written."""


def access_json(resp: Any, environ: Mapping[str, Any], milliseconds: float, now: int) -> Callable[[], bytes] | None:
    """What makes the line, its end included, whenever it is to be written; the environment may change meanwhile.

    None if the line has to be made of a record, as for what is long, strange, or shows the request's credentials.
    resp, environ, milliseconds: as of access_fields. now: the time in nanoseconds since the epoch.
    """
    get = environ.get
    texts = (
        get("REMOTE_ADDR") or "", get("REQUEST_METHOD") or "", get("HTTP_HOST") or "", get("SERVER_PROTOCOL") or "",
        get("HTTP_USER_AGENT") or "", get("RAW_URI") or "", get("nodrop.route") or "", get("nodrop.prefix") or "",
        get("HTTP_REFERER") or "", get("nodrop.request_id", ""), get("nodrop.trace_id", ""), get("nodrop.span_id", ""),
    )  # fmt: skip
    sent, queued = getattr(resp, "sent", None) or 0, get("nodrop.queued_ms", 0.0)
    try:
        if len("".join(texts)) > _LONGEST or type(sent) is not int or type(queued) is not float or not isfinite(queued):
            return None
        status = _status(resp.status)
    except (TypeError, ValueError):
        return None
    return None if access.repeated(environ) else partial(_line, texts, status, sent, milliseconds, queued, now)


def _line(
    texts: tuple[str, ...], status: tuple[str, str], sent: int, milliseconds: float, queued: float, now: int
) -> bytes:
    client, method, host, protocol, user_agent, url, route, prefix, referer, request_id, trace_id, span_id = texts
    version = known_secrets.version()
    shown_method, who, how = _client(client, method, host, protocol, user_agent, version)
    shown_url, what = _url(url, route, prefix, version, policy.show)
    if referer:
        how += _referer(referer, version, policy.show)
    ms = round(milliseconds, 3)
    request_id = quoted(request_id if request_id == trace_id else known_secrets.mask(request_id))
    return (
        f'{{"time": "{_time(now)}", "level": "info", "logger": "{ACCESS}", '
        f'"message": "{shown_method} {shown_url} {status[0]} {ms:.1f} ms", '
        f'"request_id": {request_id}, "trace_id": {quoted(trace_id)}, "span_id": {quoted(span_id)}, '
        f'{who}, {what}, "status": {status[1]}, "bytes": {sent}, '
        f'"ms": {ms!r}, "queued_ms": {round(queued, 3)!r}, {how}}}\n'
    ).encode("ascii")


@lru_cache(maxsize=512)
def _client(
    client: str, method: str, host: str, protocol: str, user_agent: str, version: int  # noqa: ARG001
) -> tuple[str, str, str]:  # fmt: skip
    """The method as it stands in the message, and the fields of the client that stand before and behind the URL's."""
    text = access.shown_text
    shown = quoted(text(method, access.SHORT_BYTES, ()))
    return (
        shown[1:-1],
        f'"client": {quoted(text(client, access.SHORT_BYTES, ()))}, "method": {shown}, '
        f'"host": {quoted(text(host, access.HOST_BYTES, ()))}',
        f'"protocol": {quoted(text(protocol, access.SHORT_BYTES, ()))}, '
        f'"user_agent": {quoted(text(user_agent, access.USER_AGENT_BYTES, ()))}',
    )


@lru_cache(maxsize=1024)
def _url(url: str, route: str, prefix: str, version: int, show: str) -> tuple[str, str]:  # noqa: ARG001
    """The URL as it stands in the message, and the fields `url` and `route`."""
    shown = access.shown_url(url, access.URL_BYTES, route, prefix, ())
    return (
        quoted(cut(shown, access.MESSAGE_URL_BYTES))[1:-1],
        f'"url": {quoted(shown)}, "route": {quoted(cut(route, access.ROUTE_BYTES))}',
    )


@lru_cache(maxsize=256)
def _referer(referer: str, version: int, show: str) -> str:  # noqa: ARG001
    return f', "referer": {quoted(access.shown_url(referer, access.REFERER_BYTES, "", "", ()))}'


@lru_cache(maxsize=256, typed=True)
def _status(status: object) -> tuple[str, str]:
    """The status in the message, and in its field."""
    code = access.status_code(status)
    return (str(code), "null" if code is None else str(code))


def _time(nanoseconds: int) -> str:
    global _second  # noqa: PLW0603
    second, rest = divmod(nanoseconds, 1_000_000_000)
    # In one piece, since threads share it.
    last, text = _second
    if second != last:
        text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        _second = second, text
    return f"{text}.{rest // 1_000_000:03}+00:00"
