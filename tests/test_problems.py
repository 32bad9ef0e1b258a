"""Problem details: for every error that the application leaves to Flask, and for none that it answers itself."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask import Flask, abort
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, ServiceUnavailable

from nodrop.wsgi import problems
from tests.serving_process import Answer, Server, own_application, serving, until

ERRORS = """
import flask
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import ImATeapot, RequestedRangeNotSatisfiable, ServiceUnavailable, Unauthorized

app = flask.Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1000

class Teapot(ImATeapot):
    def get_body(self, environ=None, scope=None):
        return "short and stout"

@app.get("/broken")
def broken(): raise RuntimeError("the secret")
@app.get("/busy")
def busy(): raise ServiceUnavailable("come back later", retry_after=7)
@app.get("/closed")
def closed(): raise Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "shop"}))
@app.get("/range")
def outside(): raise RequestedRangeNotSatisfiable(length=10)
@app.get("/fields")
def fields(): flask.abort(422, {"name": "<missing>"})
@app.get("/nothing")
def nothing(): flask.abort(400, "")
@app.get("/response")
def response(): flask.abort(flask.Response("mine", 409))
@app.get("/teapot")
def teapot(): raise Teapot
@app.get("/returned")
def returned(): return "my own words", 404
@app.get("/folder/")
def folder(): return "here"
@app.post("/body")
def body(): return str(len(flask.request.get_data()))
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("errors")
    with serving(folder, **own_application(folder, ERRORS)) as server:
        yield server


def problem(answer: Answer) -> dict[str, Any]:
    """The problem that the answer has to be, without what the rest of the serving layer adds to it."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status
    return {name: value for name, value in body.items() if name not in ("type", "request_id")}


def test_an_error_is_a_problem(errors: Server) -> None:
    answer = errors.get("/nowhere")
    assert answer.status == 404
    assert answer.json()["type"] == "about:blank"
    assert problem(answer) == {
        "title": "Not Found",
        "status": 404,
        "detail": "The requested URL was not found on the server. If you entered the URL manually please check your "
        "spelling and try again.",
    }


def test_an_unhandled_exception_is_a_problem_without_its_text_and_is_logged_once(errors: Server) -> None:
    answer = errors.get("/broken")
    assert problem(answer)["title"] == "Internal Server Error"
    assert answer.status == 500
    for internal in (b"secret", b"RuntimeError", b"Traceback", b"own.py"):
        assert internal not in answer.body

    def tracebacks() -> list[str]:
        return [entry["traceback"] for entry in errors.log() if "the secret" in entry.get("traceback", "")]

    until("it is logged", lambda: bool(tracebacks()))
    assert len(tracebacks()) == 1


@pytest.mark.parametrize(
    ("path", "status", "header", "value"),
    [
        ("/busy", 503, "retry-after", "7"),
        ("/closed", 401, "www-authenticate", "Basic realm=shop"),
        ("/range", 416, "content-range", "bytes */10"),
        ("/body", 405, "allow", "OPTIONS, POST"),
    ],
)
def test_what_belongs_to_the_status_stays(errors: Server, path: str, status: int, header: str, value: str) -> None:
    answer = errors.get(path)
    assert problem(answer)["status"] == status
    assert ", ".join(sorted(answer.headers[header].split(", "))) == value


def test_a_description_that_is_no_text_becomes_text(errors: Server) -> None:
    assert problem(errors.get("/fields"))["detail"] == "{'name': '<missing>'}"
    assert problem(errors.get("/nothing"))["detail"] == ""


def test_a_body_above_the_applications_own_limit_is_a_problem(errors: Server) -> None:
    assert errors.get("/body", method="POST", body=b"x" * 1000).body == b"1000"
    assert problem(errors.get("/body", method="POST", body=b"x" * 1001))["status"] == 413


def test_what_the_application_answers_itself_stays(errors: Server) -> None:
    for path, status, body in (
        ("/response", 409, b"mine"),
        ("/teapot", 418, b"short and stout"),
        ("/returned", 404, b"my own words"),
    ):
        answer = errors.get(path)
        assert (answer.status, answer.body, answer.headers["content-type"].partition(";")[0]) == (
            status, body, "text/html",
        )  # fmt: skip
    redirect = errors.get("/folder")
    assert (redirect.status, redirect.headers["location"].endswith("/folder/")) == (308, True)


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/problem+json"),
        ("", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/plain", "application/problem+json"),
        ("text/html, application/json", "application/problem+json"),
        ("text/html;q=0.1, */*", "application/problem+json"),
        ("a/b;q=x, ;;,", "application/problem+json"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("text/*", "text/html"),
        ("text/html, application/json;q=0.9", "text/html"),
    ],
)
def test_a_client_that_likes_html_better_gets_the_page(errors: Server, accept: str | None, kind: str) -> None:
    answer = errors.get("/nowhere", headers={} if accept is None else {"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert (b"<!doctype html>" in answer.body) == (kind == "text/html")
    assert answer.headers["vary"] == "Accept"


def test_they_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, ERRORS), PROBLEM_DETAILS="false") as server:
        assert server.get("/nowhere").headers["content-type"].startswith("text/html")


def test_the_body_that_the_server_itself_answers_with() -> None:
    body = problems.problem_body(400, "Bad Request", 'the "line" is\n malformed', "r-1")
    assert body.endswith(b"}\n")
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": 'the "line" is\n malformed',
        "request_id": "r-1",
    }
    assert "request_id" not in json.loads(problems.problem_body(400, "Bad Request", ""))


# --- Compared with the same application alone -----------------------------------------------------------------------


class OwnError(NotFound, ValueError):
    """An exception of an application's own, that is of two families."""


HANDLED: list[tuple[str, Any]] = [
    (where, kind)
    for where in ("app", "blueprint")
    for kind in (404, 500, NotFound, HTTPException, Exception, KeyError, ValueError, InternalServerError)
]


def application(handled: tuple[tuple[str, Any], ...], *, trap: bool) -> Flask:
    """An application with these error handlers, that raises all kinds of errors."""
    app = Flask("compared")
    app.config["TRAP_HTTP_EXCEPTIONS"] = trap
    blueprint = flask.Blueprint("shop", "compared", url_prefix="/shop")
    for where, kind in handled:
        target = app if where == "app" else blueprint
        words = f"handled by {where} {kind}"
        target.register_error_handler(kind, lambda error, words=words: (words, getattr(error, "code", None) or 599))

    def fail(how: str) -> str:
        match how:
            case "404":
                abort(404)
            case "key":
                return str(flask.request.form["missing"])
            case "own":
                raise OwnError
            case "500":
                abort(500)
            case "crash":
                raise ValueError
            case "response":
                raise NotFound(response=flask.Response("own response", 404))
            case "busy":
                raise ServiceUnavailable(retry_after=3)
        raise MethodNotAllowed(["PUT"])

    app.add_url_rule("/<how>", view_func=fail)
    blueprint.add_url_rule("/<how>", view_func=fail)
    app.register_blueprint(blueprint)
    return app


PATHS = [
    "/404",
    "/key",
    "/own",
    "/500",
    "/crash",
    "/response",
    "/busy",
    "/405",
    "/no/where",
    "/shop/404",
    "/shop/crash",
]


@pytest.mark.parametrize("trap", [False, True])
@pytest.mark.parametrize("handlers", [0, 1, 2])
def test_any_handlers_of_the_application_win_exactly_as_without_us(trap: bool, handlers: int) -> None:
    for handled in itertools.combinations(HANDLED, handlers):
        alone, ours = application(handled, trap=trap), application(handled, trap=trap)
        problems.register(ours)
        # A line of log for each is not wanted here.
        alone.logger.disabled = ours.logger.disabled = True
        for path in PATHS:
            expected, answer = alone.test_client().get(path), ours.test_client().get(path)
            assert answer.status == expected.status, (handled, path)
            if expected.data.startswith((b"handled", b"own")):
                assert (answer.data, list(answer.headers)) == (expected.data, list(expected.headers)), (handled, path)
            else:
                assert answer.content_type == problems.CONTENT_TYPE, (handled, path)
                for name in ("Allow", "Retry-After"):
                    assert answer.headers.get(name) == expected.headers.get(name)


@pytest.mark.parametrize("debugging", ["DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS"])
def test_an_application_that_wants_its_exceptions_raised_gets_them_raised(debugging: str) -> None:
    app = application((), trap=False)
    app.config[debugging] = True
    problems.register(app)
    with pytest.raises(ValueError):  # noqa: PT011  # it has no message
        app.test_client().get("/crash")
    assert app.test_client().get("/404").content_type == problems.CONTENT_TYPE


@pytest.mark.parametrize(
    "wrapping",
    [
        "from werkzeug.middleware.proxy_fix import ProxyFix\napp = ProxyFix(app)",
        "from werkzeug.middleware.proxy_fix import ProxyFix\napp = ProxyFix(app.wsgi_app)",
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
        "app = DispatcherMiddleware(lambda environ, start: [], {'/in': app})",
    ],
    ids=["wrapped", "wrapped method", "mounted"],
)
def test_a_flask_application_behind_middleware_gets_the_same(tmp_path: Path, wrapping: str) -> None:
    source = f"import flask\napp = flask.Flask(__name__)\n{wrapping}\n"
    with serving(tmp_path, STARTUP_PATH="/in/", **own_application(tmp_path, source)) as server:
        assert server.get("/in/nowhere").headers["content-type"] == "application/problem+json"
        assert not any("no Flask application was found" in entry["message"] for entry in server.log())


def test_that_no_flask_application_was_found_is_said(tmp_path: Path) -> None:
    source = "def app(environ, start):\n    start('200 OK', [])\n    return [b'plain']\n"
    with serving(tmp_path, **own_application(tmp_path, source)) as server:
        assert server.get("/").body == b"plain"
        assert any("no Flask application was found" in entry["message"] for entry in server.log())
