"""Headers that harden browsers, added where the application has not set them itself.

Only such as can't break an ordinary application are added. A Content-Security-Policy, and the Cross-Origin- family,
have to know what a page loads and who may embed or open it, so they are the application's to set.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ALWAYS = [
    # A file that a user uploaded is not run as a script because it looks like one.
    ("X-Content-Type-Options", "nosniff"),
    # What current browsers do anyway: other sites learn where a visitor came from, but not the path and the query.
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    # Another site can't lay its own page over this one (clickjacking).
    ("X-Frame-Options", "SAMEORIGIN"),
]
"""The headers of every answer."""


def security_headers(scheme: str, hsts_seconds: int) -> list[tuple[str, str]]:
    """The headers of an answer that has none of its own. scheme: that of the request; hsts_seconds: see below."""
    if scheme == "https" and hsts_seconds:
        return [*ALWAYS, ("Strict-Transport-Security", f"max-age={hsts_seconds}")]
    return ALWAYS


class SecurityHeaders:
    """WSGI middleware. A header that the application has set, to whatever value, stays as it is.

    Stands inside of whatever corrects wsgi.url_scheme, since Strict-Transport-Security is only for https.
    """

    def __init__(self, application: "WSGIApplication", *, hsts_seconds: int) -> None:
        """hsts_seconds: for how long browsers are to insist on https; 0 leaves Strict-Transport-Security out."""
        self.application = application
        self._http = security_headers("http", hsts_seconds)
        self._https = security_headers("https", hsts_seconds)
        self._decisive = {name.lower() for name, _ in self._https} | {"content-security-policy"}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        wanted = self._https if environ["wsgi.url_scheme"] == "https" else self._http

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            # The short way, which most answers take.
            if self._decisive.isdisjoint([name.lower() for name, _ in headers]):
                return start_response(status, headers + wanted, *exc_info)
            return start_response(status, headers + _missing(wanted, headers), *exc_info)

        return self.application(environ, start)


def _missing(wanted: list[tuple[str, str]], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of `wanted` that the application's `headers` say nothing about."""
    own = {name.lower(): value for name, value in headers}
    # The newer way to say who may embed the page; browsers heed it alone where there are both.
    if "frame-ancestors" in own.get("content-security-policy", ""):
        own["x-frame-options"] = ""
    return [header for header in wanted if header[0].lower() not in own]
