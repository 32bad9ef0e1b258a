"""An application under a path of its site: whether its proxy passes the prefix on, strips it, or tells what it has
stripped, its routes don't know of it and its URLs have it."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.log_lines import access_line
from tests.raw import exchange, split
from tests.serving_process import Server, own_application, serving, until

SEEN = """
import os, flask
app = flask.Flask(__name__)
first = []

@app.before_request
def note():
    if not first:
        first.append([flask.request.script_root, flask.request.path, flask.request.host])

@app.get("/")
def index(): return {"first": first[0], "pid": os.getpid()}

@app.get("/seen/<path:rest>")
def seen(rest):
    request = flask.request
    return {"root": request.script_root, "path": request.path, "url": flask.url_for("index"), "rest": rest}

@app.get("/away")
def away(): return flask.redirect(flask.url_for("seen", rest="there"))

@app.get("/folder/")
def folder(): return "folder"
"""


@pytest.fixture(scope="module", params=["URL_PREFIX", "SCRIPT_NAME"])
def passed_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose proxy passes the prefix on, told by either name of the setting."""
    folder = tmp_path_factory.mktemp("passed")
    variables = {request.param: "/shop", "STARTUP_PATH": "/seen/first"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


@pytest.fixture(scope="module")
def stripped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose proxy strips the prefix and says nothing of it."""
    folder = tmp_path_factory.mktemp("stripped")
    variables = {"URL_PREFIX": "/shop/", "URL_PREFIX_STRIPPED": "true"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose proxy strips any prefix and tells which."""
    folder = tmp_path_factory.mktemp("told")
    variables = {"TRUSTED_PROXIES": "1", "FORWARDED_HEADERS": "for, proto, prefix"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


def seen(server: Server, path: str, **headers: str) -> dict[str, Any]:
    answer = server.get(path, headers=headers)
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


IN_SHOP = {"root": "/shop", "path": "/seen/a", "url": "/shop/", "rest": "a"}


def test_the_rest_of_the_path_is_the_applications_and_its_urls_have_the_prefix(
    passed_on: Server, stripped: Server, told: Server
) -> None:
    assert seen(passed_on, "/shop/seen/a") == IN_SHOP
    assert seen(stripped, "/seen/a") == IN_SHOP
    assert seen(told, "/seen/a", **{"X-Forwarded-Prefix": "/shop"}) == IN_SHOP
    assert seen(told, "/seen/a") == {"root": "", "path": "/seen/a", "url": "/", "rest": "a"}


def test_redirects_stay_under_the_prefix(passed_on: Server, stripped: Server, told: Server) -> None:
    for server, before, headers in (
        (passed_on, "/shop", {}),
        (stripped, "", {}),
        (told, "", {"X-Forwarded-Prefix": "/shop"}),
    ):
        assert server.get(f"{before}/away", headers=headers).headers["location"].endswith("/shop/seen/there")
        assert server.get(f"{before}/folder", headers=headers).headers["location"].endswith("/shop/folder/")


@pytest.mark.parametrize(
    "path", ["/", "/seen/a", "/shopping", "/sho", "/SHOP/", "//shop/", "/%2Fshop/", "/other/shop/"]
)
def test_what_is_outside_of_the_prefix_is_not_found_and_reaches_no_application(passed_on: Server, path: str) -> None:
    before = passed_on.metrics().get('nodrop_requests_refused_total{status="404"}', 0)
    answer = passed_on.get(path, headers={"X-Request-ID": "outside"})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "this server serves paths under /shop/ alone"
    assert (answer.json()["request_id"], answer.headers["x-content-type-options"]) == ("outside", "nosniff")
    assert passed_on.metrics()['nodrop_requests_refused_total{status="404"}'] == before + 1
    assert not [entry for entry in passed_on.log() if "traceback" in entry]


def test_a_connection_is_kept_after_it_and_a_head_request_gets_no_body(passed_on: Server) -> None:
    requests = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
    last = b"GET /shop/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, answer = exchange(passed_on, requests + last).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert [each.status for each in split(answer)] == [404, 200]


@pytest.mark.parametrize(("path", "rest"), [("/shop/seen/shop/a", "shop/a"), ("/sho%70/seen/%C3%A9", "é")])
def test_the_prefix_is_taken_off_once_however_it_is_written(passed_on: Server, path: str, rest: str) -> None:
    assert seen(passed_on, path)["rest"] == rest


def test_the_prefix_alone_leads_to_its_root(passed_on: Server) -> None:
    answer = passed_on.get("/shop")
    assert answer.status == 200 or answer.headers["location"].endswith("/shop/")


def test_the_first_request_goes_through_the_application_at_its_startup_path(
    passed_on: Server, stripped: Server
) -> None:
    assert seen(passed_on, "/shop/")["first"][:2] == ["/shop", "/seen/first"]
    assert seen(stripped, "/")["first"][:2] == ["/shop", "/"]


def test_a_stripped_path_is_never_outside(stripped: Server) -> None:
    assert seen(stripped, "/seen/shop")["root"] == "/shop"
    assert stripped.get("/shop/seen/a").status == 404
    assert stripped.get("/shop/seen/a").headers["content-type"] == "application/problem+json"


def test_what_a_trusted_proxy_has_stripped_counts_before_the_setting(tmp_path: Path) -> None:
    variables = {"TRUSTED_PROXIES": "1", "FORWARDED_HEADERS": "prefix", "URL_PREFIX": "/shop"}
    with serving(tmp_path, **own_application(tmp_path, SEEN), **variables) as server:
        assert seen(server, "/seen/a", **{"X-Forwarded-Prefix": "/other"})["root"] == "/other"
        assert seen(server, "/shop/seen/a")["root"] == "/shop"
        assert server.get("/seen/a").status == 404


def test_a_prefix_that_is_not_trusted_changes_nothing(stripped: Server, passed_on: Server) -> None:
    assert seen(stripped, "/seen/a", **{"X-Forwarded-Prefix": "/evil"})["root"] == "/shop"
    assert seen(passed_on, "/shop/seen/a", **{"X-Forwarded-Prefix": "/evil"})["root"] == "/shop"


def test_lines_and_routes_name_the_path_as_it_was_asked_for(passed_on: Server) -> None:
    passed_on.get("/shop/seen/logged")
    entry = access_line(passed_on, "/shop/seen/logged")
    assert (entry["route"], entry["status"]) == ("/seen/<path:rest>", 200)


def test_a_reload_keeps_the_prefix(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, SEEN), SCRIPT_NAME="/shop") as server:
        pid = seen(server, "/shop/")["pid"]
        server.process.send_signal(signal.SIGHUP)
        until("another worker serves", lambda: seen(server, "/shop/")["pid"] != pid)
        assert server.get("/").status == 404
