"""Flask's session cookie: SameSite=Lax, and Secure on https, unless the application decides otherwise."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask
import pytest

from nodrop.wsgi.session_cookies import harden, noting_what_is_set
from tests.serving_process import Server, own_application, serving
from tests.test_dev import developing

LOGIN = """
import flask
app = flask.Flask(__name__)

@app.get("/login")
def login():
    flask.session["user"] = "ada"
    answer = flask.make_response("in")
    answer.set_cookie("plain", "1")
    return answer

@app.get("/logout")
def logout():
    flask.session.clear()
    return "out"
"""
KEY = "k" * 16 + "0123456789abcdef"
HTTPS = {"X-Forwarded-Proto": "https"}


@contextmanager
def served(folder: Path, more: str = "", **variables: str) -> Iterator[Server]:
    """The application, with more lines at its end."""
    own = own_application(folder, LOGIN + more)
    with serving(folder, **own, **{"TRUSTED_PROXIES": "1", "SECRET_KEY": KEY, **variables}) as server:
        yield server


def attributes(answer_cookies: str, name: str = "session") -> set[str]:
    """The attributes of a cookie that decide where it is sent."""
    (cookie,) = [each for each in re.split(r", (?=\w+=)", answer_cookies) if each.startswith(f"{name}=")]
    return {each for each in cookie.split("; ") if each == "Secure" or each.startswith("SameSite")}


def of_login(server: Server, headers: dict[str, str] | None = None) -> set[str]:
    return attributes(server.get("/login", headers=headers).headers["set-cookie"])


def test_the_session_is_lax_and_secure_on_https_alone_and_other_cookies_are_the_applications(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert of_login(server) == {"SameSite=Lax"}
        assert of_login(server, HTTPS) == {"SameSite=Lax", "Secure"}
        # Whatever was asked before, by whichever thread.
        assert of_login(server) == {"SameSite=Lax"}
        out = server.get("/logout", headers=HTTPS | {"Cookie": session_of(server)}).headers["set-cookie"]
        assert attributes(out) == {"SameSite=Lax", "Secure"}


def session_of(server: Server) -> str:
    """The cookie of a session, to be sent back."""
    found = re.search(r"session=[^;]+", server.get("/login").headers["set-cookie"])
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("said", "on_http", "on_https"),
    [
        ("app.config['SESSION_COOKIE_SAMESITE'] = 'Strict'", {"SameSite=Strict"}, {"SameSite=Strict", "Secure"}),
        ("app.config.update(SESSION_COOKIE_SECURE=True)", {"SameSite=Lax", "Secure"}, {"SameSite=Lax", "Secure"}),
        ("app.config.from_mapping(SESSION_COOKIE_SECURE=False)", {"SameSite=Lax"}, {"SameSite=Lax"}),
        ("app.config |= {'SESSION_COOKIE_SAMESITE': None}", set(), {"Secure"}),
    ],
)
def test_what_the_application_says_counts_even_flasks_own_default(
    tmp_path: Path, said: str, on_http: set[str], on_https: set[str]
) -> None:
    with served(tmp_path, f"{said}\n") as server:
        assert of_login(server) == on_http
        assert of_login(server, HTTPS) == on_https


def test_a_session_interface_of_the_applications_own_is_asked_too(tmp_path: Path) -> None:
    own = """
from flask.sessions import SecureCookieSessionInterface
class Own(SecureCookieSessionInterface):
    salt = "own"
app.session_interface = Own()
"""
    with served(tmp_path, own) as server:
        assert of_login(server, HTTPS) == {"SameSite=Lax", "Secure"}
        assert of_login(server) == {"SameSite=Lax"}


def test_each_flask_application_of_several_decides_for_itself(tmp_path: Path) -> None:
    more = """
from werkzeug.middleware.dispatcher import DispatcherMiddleware
plain = app
strict = flask.Flask("strict")
strict.secret_key = "s" * 32
strict.config["SESSION_COOKIE_SECURE"] = False
strict.config["SESSION_COOKIE_NAME"] = "strict"
strict.add_url_rule("/login", view_func=login)
app = DispatcherMiddleware(app, {"/strict": strict})
"""
    with served(tmp_path, more) as server:
        assert of_login(server, HTTPS) == {"SameSite=Lax", "Secure"}
        cookies = server.get("/strict/login", headers=HTTPS).headers["set-cookie"]
        assert attributes(cookies, "strict") == {"SameSite=Lax"}


def test_the_development_server_does_the_same_and_warns_of_no_key(tmp_path: Path) -> None:
    own = own_application(tmp_path, LOGIN + "app.secret_key = 'dev'\n")
    with developing(tmp_path, **own, TRUSTED_PROXIES="1") as server:
        assert of_login(server) == {"SameSite=Lax"}
        assert of_login(server, HTTPS) == {"SameSite=Lax", "Secure"}
        assert "SECRET_KEY" not in server.log_file.read_text()


def test_a_key_of_the_applications_own_that_could_be_guessed_is_warned_of(tmp_path: Path) -> None:
    with served(tmp_path, "app.secret_key = 'dev'\n", SECRET_KEY="") as server:
        (line,) = [entry["message"] for entry in server.log() if "SECRET_KEY" in entry["message"]]
        assert "the application's own SECRET_KEY has 3 bytes" in line
        assert "secrets.token_hex()" in line
        assert "dev" not in line


def test_a_long_key_of_the_applications_own_that_could_be_guessed_is_warned_of(tmp_path: Path) -> None:
    with served(tmp_path, "app.secret_key = 'change-me-' * 4\n", SECRET_KEY="") as server:
        (line,) = [entry["message"] for entry in server.log() if "SECRET_KEY" in entry["message"]]
        assert "is a placeholder, or has few different characters" in line
        assert "secrets.token_hex()" in line
        assert "change-me" not in line


def test_no_other_applications_default_is_changed() -> None:
    usual = flask.Flask.session_interface
    with noting_what_is_set():
        app = flask.Flask("inside")
    harden(app)
    assert app.config["SESSION_COOKIE_SAMESITE"] == "Lax"
    other = flask.Flask("outside")
    assert other.session_interface is usual
    assert other.config["SESSION_COOKIE_SAMESITE"] is None
    assert type(other.config) is flask.Config
    with other.test_request_context(base_url="https://x"):
        assert usual.get_cookie_secure(other) is False
        assert app.session_interface.get_cookie_secure(app) is True
    assert app.session_interface.get_cookie_secure(app) is False


def test_another_class_for_configurations_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(flask.Config):
        pass

    monkeypatch.setattr(flask.Flask, "config_class", Own)
    with noting_what_is_set():
        assert type(flask.Flask("own").config) is Own


def test_a_session_interface_that_knows_nothing_of_secure_cookies_is_left_alone() -> None:
    app, interface = flask.Flask("own"), object()
    app.session_interface = interface  # type: ignore[assignment]
    harden(app)
    assert app.session_interface is interface
