"""What HTTP asks of a server beyond parsing: whom a request is for, and what is said to one that is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw import RawAnswer, connect, exchange, receive_all, split
from tests.serving_process import Server, own_application, serving, until

ECHO = """
import json
def app(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("the application's own fault")
    body = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
HARDENED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
}
LIMITS = {"MAX_HEADER_BYTES": "64Ki", "MAX_BODY_BYTES": "100000", "READ_TIMEOUT": "1", "HSTS_SECONDS": "60"}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application that answers with its environment, behind a proxy that is trusted to tell the scheme."""
    folder = tmp_path_factory.mktemp("echo")
    with serving(folder, **own_application(folder, ECHO), **LIMITS, TRUSTED_PROXIES="1") as server:
        yield server


def answer(server: Server, line: bytes, *fields: bytes, body: bytes = b"") -> RawAnswer:
    """The answer to one request, of this request line and these header lines, which closes the connection."""
    head = b"\r\n".join([line, *fields, b"Connection: close", b"", b""])
    (only,) = split(exchange(server, head + body))
    return only


def environ(server: Server, line: bytes, *fields: bytes) -> dict[str, Any]:
    """The environment that the application gets for a request."""
    answered = answer(server, line, *fields)
    assert answered.status == 200, answered
    found: dict[str, Any] = json.loads(answered.body)
    return found


# --- Whom it is for ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "host", "path"),
    [
        (b"GET http://good.example/a HTTP/1.1", "good.example", "/a"),
        (b"GET http://good.example:8080/a HTTP/1.1", "good.example:8080", "/a"),
        (b"GET HTTPS://GOOD.example/a HTTP/1.1", "GOOD.example", "/a"),
        (b"GET http://[2001:db8::1]:80/a HTTP/1.1", "[2001:db8::1]:80", "/a"),
        (b"GET http://good.example HTTP/1.1", "good.example", "/"),
        (b"GET http://good.example?a=b HTTP/1.1", "good.example", "/"),
        (b"GET http://good.example/a HTTP/1.0", "good.example", "/a"),
        (b"OPTIONS http://good.example HTTP/1.1", "good.example", "*"),
        (b"GET //good.example/a HTTP/1.1", "evil.example", "//good.example/a"),
        (b"GET /http://good.example/a HTTP/1.1", "evil.example", "/http://good.example/a"),
    ],
)
def test_a_target_that_names_a_host_decides_over_the_host_header(
    echo: Server, line: bytes, host: str, path: str
) -> None:
    seen = environ(echo, line, b"Host: evil.example")
    assert (seen["HTTP_HOST"], seen["PATH_INFO"]) == (host, path)
    # Whoever says who is in front of an application has no say in the scheme.
    assert seen["wsgi.url_scheme"] == "http"


def test_a_target_that_names_a_host_gives_one_to_a_request_without(echo: Server) -> None:
    assert environ(echo, b"GET http://good.example/ HTTP/1.0")["HTTP_HOST"] == "good.example"


@pytest.mark.parametrize("host", [b"a b@c/d", b"user@x", b"", b"x:65536", b"x:1:2", b"[::1", b"[1::2::3]", b"x,y"])
def test_what_is_not_the_name_of_a_host_is_refused(echo: Server, host: bytes) -> None:
    for line in (b"GET / HTTP/1.1", b"GET http://good.example/ HTTP/1.1", b"GET / HTTP/1.0"):
        assert answer(echo, line, b"Host: " + host).status == 400
    assert answer(echo, b"GET http://" + host + b"/ HTTP/1.1", b"Host: x").status == 400


@pytest.mark.parametrize("host", [b"[::1]", b"[::ffff:10.0.0.1]:5000", b"x:65535", b"x:", b"x.example.", b"10.0.0.1"])
def test_every_form_of_a_host_is_accepted(echo: Server, host: bytes) -> None:
    assert environ(echo, b"GET / HTTP/1.1", b"Host: " + host)["HTTP_HOST"] == host.decode()


def test_a_fragment_is_refused(echo: Server) -> None:
    for target in (b"/a#b", b"/#", b"/a?b#c", b"http://x/a#b"):
        assert answer(echo, b"GET " + target + b" HTTP/1.1", b"Host: x").status == 400


@pytest.mark.parametrize("variable", ["SCRIPT_NAME", "URL_PREFIX"])
def test_what_is_outside_of_a_prefix_is_not_found_and_is_no_error(tmp_path: Path, variable: str) -> None:
    prefixed = own_application(tmp_path, ECHO) | {variable: "/shop", "STARTUP_PATH": "/shop/"}
    with serving(tmp_path, **prefixed) as server:
        for path in ("/", "/shopping", "/other/shop/"):
            assert server.get(path).status == 404
        seen = server.get("/shop/cart").json()
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop", "/cart")
        assert not [entry for entry in server.log() if "traceback" in entry or entry["level"] == "error"]


# --- The answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.2", b"1.9"])
def test_the_version_that_is_answered_is_the_servers(echo: Server, version: bytes) -> None:
    sent = b"GET / HTTP/" + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(echo, sent).startswith(b"HTTP/1.1 200 ")


def test_a_request_line_may_be_as_long_as_a_head(echo: Server) -> None:
    path = b"/" + b"a" * 20_000
    assert environ(echo, b"GET " + path + b" HTTP/1.1", b"Host: x")["RAW_URI"] == path.decode()
    assert answer(echo, b"GET /" + b"a" * 70_000 + b" HTTP/1.1", b"Host: x").status == 431


REFUSED = [
    (400, b"GET / HTTP/1.1", ()),
    (400, b"GET /#a HTTP/1.1", (b"Host: x",)),
    (413, b"POST / HTTP/1.1", (b"Host: x", b"Content-Length: 100001")),
    (417, b"GET / HTTP/1.1", (b"Host: x", b"Expect: a-miracle")),
    (431, b"GET / HTTP/1.1", (b"Host: x", b"A: " + b"b" * 70_000)),
    (501, b"POST / HTTP/1.1", (b"Host: x", b"Transfer-Encoding: gzip, chunked")),
    (500, b"GET /fails HTTP/1.1", (b"Host: x",)),
]


@pytest.mark.parametrize(("status", "line", "fields"), REFUSED)
def test_an_answer_of_the_servers_own_is_hardened_as_any_other(
    echo: Server, status: int, line: bytes, fields: tuple[bytes, ...]
) -> None:
    answered = answer(echo, line, *fields)
    assert answered.status == status
    assert HARDENED.items() <= answered.headers.items()
    assert "strict-transport-security" not in answered.headers


def test_a_request_that_does_not_arrive_in_time_gets_a_hardened_answer_too(echo: Server) -> None:
    with connect(echo) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        (answered,) = split(receive_all(client))
    assert answered.status == 408
    assert HARDENED.items() <= answered.headers.items()


def test_a_refusal_that_goes_out_by_https_has_strict_transport_security(echo: Server) -> None:
    for line, *more in ((b"GET /fails HTTP/1.1",), (b"POST / HTTP/1.1", b"Content-Length: 100001")):
        answered = answer(echo, line, b"Host: x", b"X-Forwarded-Proto: https", *more)
        assert answered.status in (413, 500)
        assert answered.headers["strict-transport-security"] == "max-age=60"


def test_refusals_are_left_as_they_are_where_headers_are_not_wanted(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, ECHO), SECURITY_HEADERS="0") as server:
        for line in (b"GET / HTTP/1.1", b"GET /fails HTTP/1.0"):
            assert not HARDENED.keys() & answer(server, line).headers.keys()


def test_the_log_names_the_setting_that_refused_a_request_and_its_value(echo: Server) -> None:
    answer(echo, b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100001")
    answer(echo, b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"186a1\r\n")
    answer(echo, b"GET / HTTP/1.1", b"Host: x", b"A: " + b"b" * 70_000)
    with connect(echo) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        receive_all(client)
    for named, times in (("MAX_BODY_BYTES=100000", 2), ("MAX_HEADER_BYTES=64Ki", 1), ("READ_TIMEOUT=1", 1)):

        def lines(named: str = named) -> list[str]:
            return [entry["message"] for entry in echo.log() if entry["message"].endswith(named)]

        until(f"{named} is logged", lambda times=times, lines=lines: len(lines()) >= times)  # type: ignore[misc]
