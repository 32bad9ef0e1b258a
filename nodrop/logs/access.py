"""The access line: one for each request that was answered, or refused.

Of what a client sends it says the method, the URL without its secrets, and three headers: others carry credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from nodrop.logs.formats import cut
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.credentials import credentials_of, mask, mask_of
from nodrop.logs.masking.redaction import redact_text
from nodrop.logs.masking.urls import policy, redact_segments, redact_url, secret_segments

# Bytes of the JSON that a client can make long. An access line takes at most 4096 with all of them at their longest,
# which is what the kernel writes in one piece whatever else is going on.
URL_BYTES = 1400
USER_AGENT_BYTES = 400
REFERER_BYTES = 400
ROUTE_BYTES = 200
HOST_BYTES = 200
SHORT_BYTES = 64
MESSAGE_URL_BYTES = 300
_SHOWN = (
    *("nodrop.request_id", "nodrop.trace_id", "REMOTE_ADDR", "REQUEST_METHOD", "HTTP_HOST"),
    *("RAW_URI", "HTTP_USER_AGENT", "HTTP_REFERER"),
)
_LONGEST_CACHED = 400
"""Longer texts are redacted each time: what clients make up must not fill the memory."""
_LONGEST = 4
"""Texts that are longer than so many times what is shown are cut first. What is cut off from a secret's beginning is
far behind what is shown."""


def access_fields(resp: Any, environ: Mapping[str, Any], milliseconds: float) -> dict[str, Any]:
    """What an access line says of a request.

    resp: has `status`, and `sent` if anything was. environ: may lack anything. milliseconds: how long it took.
    """
    get = environ.get
    status = resp.status
    own = repeated(environ)
    route = get("nodrop.route") or ""
    request_id, trace_id = get("nodrop.request_id", ""), get("nodrop.trace_id", "")
    fields = {
        # One that was made here is the trace's too, and no secret.
        "request_id": request_id if request_id == trace_id else known_secrets.mask(request_id),
        "trace_id": trace_id,
        "span_id": get("nodrop.span_id", ""),
        "client": shown_text(get("REMOTE_ADDR") or "", SHORT_BYTES, own),
        "method": shown_text(get("REQUEST_METHOD") or "", SHORT_BYTES, own),
        "host": shown_text(get("HTTP_HOST") or "", HOST_BYTES, own),
        "url": shown_url(get("RAW_URI") or "", URL_BYTES, route, get("nodrop.prefix") or "", own),
        "route": cut(route, ROUTE_BYTES),
        "status": status_code(status),
        "bytes": getattr(resp, "sent", None) or 0,
        "ms": round(milliseconds, 3),
        "queued_ms": round(get("nodrop.queued_ms", 0.0), 3),
        "protocol": shown_text(get("SERVER_PROTOCOL") or "", SHORT_BYTES, own),
        "user_agent": shown_text(get("HTTP_USER_AGENT") or "", USER_AGENT_BYTES, own),
    }
    if own:
        fields |= {name: mask(fields[name], own) for name in ("request_id", "trace_id")}
    if referer := get("HTTP_REFERER"):
        fields["referer"] = shown_url(referer, REFERER_BYTES, "", "", own)
    return fields


def status_code(status: object) -> int | None:
    """The number of a status such as "200 OK" or 200; None for None, if nothing was answered."""
    return int(str(status).split(None, 1)[0]) if status is not None else None


def repeated(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """The request's credentials if what is shown of it has one of them in it; mostly none, which is cheap to tell."""
    own = credentials_of(environ)
    if own:
        shown = "\n".join([environ.get(name) or "" for name in _SHOWN])
        if mask(shown, own) == shown:
            return ()
    return own


def access_message(fields: Mapping[str, Any]) -> str:
    """The same in a line for people."""
    return f"{fields['method']} {cut(fields['url'], MESSAGE_URL_BYTES)} {fields['status']} {fields['ms']:.1f} ms"


def path_of(environ: Mapping[str, Any]) -> str:
    """The path of a request for a line about it, without the query and without secrets."""
    path = str(environ.get("PATH_INFO") or environ.get("RAW_URI", "").partition("?")[0])
    return redact_url(mask_of(environ, path))


def shown_text(text: str, size: int, own: tuple[str, ...]) -> str:
    """The text without its secrets and the request's `own`, cut to `size` bytes. The same few come again and again."""
    if own:
        # Before anything is cut or kept.
        text = mask(text, own)
    if len(text) > _LONGEST_CACHED:
        return cut(redact_text(_beginning(known_secrets.mask(text), size)), size)
    return _cached_text(text, size, known_secrets.version())


@lru_cache(maxsize=512)
def _cached_text(text: str, size: int, version: int) -> str:  # noqa: ARG001  # what is known is a part of the key
    return cut(redact_text(text), size)


def shown_url(url: str, size: int, route: str, prefix: str, own: tuple[str, ...]) -> str:
    """The URL without its secrets and the request's `own`, and without what its route, which begins behind `prefix`,
    calls a token."""
    if own:
        url = mask(url, own)
    if len(url) <= _LONGEST_CACHED:
        return _cached_url(url, size, route, prefix, known_secrets.version(), policy.show)
    return cut(_redacted_url(_beginning(known_secrets.mask(url), size), route, prefix), size)


def _beginning(text: str, size: int) -> str:
    return text if len(text) <= _LONGEST * size else text[: _LONGEST * size] + "..."


@lru_cache(maxsize=1024)
def _cached_url(url: str, size: int, route: str, prefix: str, version: int, show: str) -> str:  # noqa: ARG001
    return cut(_redacted_url(known_secrets.mask(url), route, prefix), size)


def _redacted_url(url: str, route: str, prefix: str) -> str:
    shown = redact_url(url)
    if "<" in route and (numbers := _secret_segments(route)):
        shown = redact_segments(shown, numbers, prefix.count("/"))
    return shown


_secret_segments = lru_cache(maxsize=1024)(secret_segments)
