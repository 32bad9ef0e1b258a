"""Who the client is, as the proxies in front tell it: believed of exactly as many as are set, by default of none."""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def behind(application: "WSGIApplication", trusted: int) -> "WSGIApplication":
    """`application` with REMOTE_ADDR, wsgi.url_scheme and HTTP_HOST as the outermost of `trusted` proxies saw them.

    Each of the proxies has to set X-Forwarded-For, -Proto and -Host, or remove what the client sent under these
    names. Not -Port and -Prefix: few proxies set or remove them, so a client's own would be believed; -Host names
    the port. What is malformed counts as not sent.
    """
    if not trusted:
        return application

    def checked(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        connection = environ["werkzeug.proxy_fix.orig"]
        environ["REMOTE_ADDR"] = _address(environ["REMOTE_ADDR"]) or connection["REMOTE_ADDR"]
        scheme = environ["wsgi.url_scheme"].lower()
        environ["wsgi.url_scheme"] = scheme if scheme in ("http", "https") else connection["wsgi.url_scheme"]
        return application(environ, start_response)

    return ProxyFix(checked, x_for=trusted, x_proto=trusted, x_host=trusted)


def _address(text: str) -> str:
    """The IP address in `text`, which some proxies give with a port or in brackets; empty if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
