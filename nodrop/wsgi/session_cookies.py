"""Flask's session cookie, kept from other sites and from unencrypted connections unless the application decides.

Flask itself sets neither SameSite nor Secure. Here SameSite is Lax, so that a form of another site is not sent with the
session, and a session that is begun on https is never sent over http. What the application's configuration says about
SESSION_COOKIE_SAMESITE and SESSION_COOKIE_SECURE counts, be it Flask's own default.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Config, Flask, has_request_context, request

SAMESITE, SECURE = "SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_SECURE"


class _NotingConfig(Config):
    """A configuration that knows which of its keys have been set, even to what they were."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.noted: set[str] = set()
        super().__init__(*args, **options)

    def __setitem__(self, key: str, value: Any) -> None:
        self.noted.add(key)
        super().__setitem__(key, value)

    def update(self, *args: Any, **values: Any) -> None:
        for key, value in dict(*args, **values).items():
            self[key] = value

    def __ior__(self, other: Any) -> _NotingConfig:  # type: ignore[misc]
        self.update(other)
        return self


@contextmanager
def noting_what_is_set() -> Iterator[None]:
    """Flask applications that are made inside the block note what their configuration is told."""
    usual = Flask.config_class
    # Somebody else's is left alone; what is set there to Flask's default is then taken for not set.
    if usual is Config:
        Flask.config_class = _NotingConfig
    try:
        yield
    finally:
        Flask.config_class = usual


def harden(app: Flask) -> None:
    """Give the session cookie of `app` SameSite=Lax, and Secure on https, each unless the application has set it."""
    noted = getattr(app.config, "noted", ())
    if SAMESITE not in noted and app.config.get(SAMESITE) is None:
        app.config[SAMESITE] = "Lax"
    if SECURE not in noted and not app.config.get(SECURE):
        _secure_on_https(app)


def _secure_on_https(app: Flask) -> None:
    interface: Any = app.session_interface
    if not hasattr(interface, "get_cookie_secure"):
        return  # One of its own that is no flask.sessions.SessionInterface.
    if "session_interface" not in vars(app):
        # Flask's own, which all applications of the process share.
        interface = app.session_interface = copy.copy(interface)
    usual = interface.get_cookie_secure
    interface.get_cookie_secure = lambda of: bool(usual(of) or (has_request_context() and request.is_secure))
