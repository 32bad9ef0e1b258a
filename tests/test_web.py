"""What reaches clients and what is believed of them: security headers, proxies, limits, and no versions told."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.seen import SEEN
from tests.serving_process import Answer, Server, own_application, serving, until

APPLICATION = (
    SEEN
    + """
@app.get("/own")
def own():
    headers = {"x-frame-options": "DENY", "Referrer-Policy": "", "Strict-Transport-Security": "max-age=1"}
    return "own", 200, headers

@app.get("/embedded")
def embedded():
    return "embedded", 200, {"Content-Security-Policy": "default-src 'self'; frame-ancestors https://partner.example"}

@app.get("/broken")
def broken(): raise RuntimeError

@app.get("/stream")
def stream(): return flask.Response(iter(["a", "b"]))
"""
)
ADDED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts no proxy, the default."""
    folder = tmp_path_factory.mktemp("alone")
    variables = {**own_application(folder, APPLICATION), "HSTS_SECONDS": "3600"}
    with serving(folder, **variables) as server:
        yield server


@pytest.fixture(scope="module", params=[1, 2])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """A server that trusts one proxy, or two, and how many."""
    folder = tmp_path_factory.mktemp("behind")
    variables = {"TRUSTED_PROXIES": str(request.param), "FORWARDED_HEADERS": "for, proto, host", "HSTS_SECONDS": "3600"}
    with serving(folder, **own_application(folder, APPLICATION), **variables) as server:
        yield server, request.param


def raw(port: int, head: bytes, *, and_close: bool = False) -> bytes:
    """What comes back for these bytes, until the server closes, which it does at once if we close our side."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        if and_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


# --- Security headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/seen", "/nowhere", "/broken", "/stream"])
def test_every_answer_of_the_application_has_the_security_headers(alone: Server, path: str) -> None:
    assert ADDED.items() <= alone.get(path).headers.items()


def test_an_application_overrides_them_with_any_value_of_its_own(alone: Server) -> None:
    headers = alone.get("/own").headers
    assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "")
    assert headers["strict-transport-security"] == "max-age=1"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_policy_of_its_own_about_embedding_is_not_contradicted(alone: Server) -> None:
    assert "x-frame-options" not in alone.get("/embedded").headers


def test_strict_transport_security_is_for_https_alone(alone: Server, behind: tuple[Server, int]) -> None:
    server, hops = behind
    https = {"X-Forwarded-Proto": ", ".join(["https"] * hops)}
    assert server.get("/seen", headers=https).headers["strict-transport-security"] == "max-age=3600"
    assert "strict-transport-security" not in server.get("/seen").headers
    assert "strict-transport-security" not in alone.get("/seen", headers=https).headers


def test_they_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), SECURITY_HEADERS="off") as server:
        assert not ADDED.keys() & server.get("/seen").headers.keys()


# --- Proxies --------------------------------------------------------------------------------------------------------

FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
    "X-Real-IP": "6.6.6.6",
    "SCRIPT_NAME": "/seen",
    "PATH_INFO": "/evil",
    "REMOTE_USER": "admin",
    "X_Forwarded_For": "6.6.6.6",
}


def seen(answer: Answer) -> tuple[Any, Any, Any]:
    """Client, scheme and host, as the application saw them."""
    body = answer.json()
    assert (body["path"], body["root"]) == ("/seen", "")
    assert body["url"] == f"{body['scheme']}://{body['host']}/seen"
    return body["client"], body["scheme"], body["host"]


def test_by_default_nobody_is_trusted_not_even_this_host(alone: Server) -> None:
    answer = alone.get("/seen", headers=FORGED)
    assert seen(answer) == ("127.0.0.1", "http", f"127.0.0.1:{alone.port}")
    # Those that would be mistaken for others are not even passed on.
    assert not {"Script-Name", "Path-Info", "Remote-User"} & answer.json()["headers"].keys()
    assert answer.json()["headers"]["X-Forwarded-For"] == "6.6.6.6"


def test_the_proxy_protocol_is_not_understood(alone: Server) -> None:
    answer = raw(alone.port, b"PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\nGET /seen HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_as_many_proxies_are_trusted_as_are_set_and_no_entry_more(behind: tuple[Server, int]) -> None:
    server, hops = behind
    headers = {
        "X-Forwarded-For": ["6.6.6.6", "192.0.2.1", "192.0.2.2"],
        "X-Forwarded-Proto": ["http", "https", "https"],
        "X-Forwarded-Host": ["evil.example", "one.example", "two.example"],
    }
    expected = (f"192.0.2.{3 - hops}", "https", {1: "two.example", 2: "one.example"}[hops])
    joined = {name: ", ".join(values) for name, values in headers.items()}
    assert seen(server.get("/seen", headers=FORGED | joined)) == expected
    # As lines of their own, which is how some proxies add theirs.
    lines = "".join(f"{name}: {value}\r\n" for name, values in headers.items() for value in values)
    answer = raw(server.port, f"GET /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n".encode())
    assert f'"client":"{expected[0]}"'.encode() in answer.replace(b": ", b":")


def test_fewer_addresses_than_trusted_proxies_are_not_trusted(behind: tuple[Server, int]) -> None:
    server, hops = behind
    if hops == 2:
        assert seen(server.get("/seen", headers={"X-Forwarded-For": "6.6.6.6"}))[0] == "127.0.0.1"
    assert seen(server.get("/seen")) == ("127.0.0.1", "http", f"127.0.0.1:{server.port}")


def test_a_scheme_and_a_host_that_the_second_proxy_passes_on_are_trusted(behind: tuple[Server, int]) -> None:
    server, hops = behind
    addresses = ", ".join(["192.0.2.7", "192.0.2.99"][:hops])
    headers = {"X-Forwarded-For": addresses, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "one.example"}
    assert seen(server.get("/seen", headers=headers)) == ("192.0.2.7", "https", "one.example")


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("unknown", "127.0.0.1"),
        ("_hidden", "127.0.0.1"),
        ("999.1.1.1", "127.0.0.1"),
        ("<script>", "127.0.0.1"),
        ("", "127.0.0.1"),
        ('"', "127.0.0.1"),
    ],
)
def test_an_address_is_one_or_is_not_trusted(behind: tuple[Server, int], given: str, client: str) -> None:
    server, hops = behind
    headers = {"X-Forwarded-For": ", ".join([given, "192.0.2.99"][:hops])}
    assert seen(server.get("/seen", headers=headers))[0] == client


@pytest.mark.parametrize(("given", "scheme"), [("HTTPS", "https"), ("javascript", "http"), ("https;", "http")])
def test_a_scheme_is_http_or_https(behind: tuple[Server, int], given: str, scheme: str) -> None:
    server, hops = behind
    assert seen(server.get("/seen", headers={"X-Forwarded-Proto": ", ".join([given] * hops)}))[1] == scheme


def test_the_access_log_names_the_client_that_the_proxy_told(behind: tuple[Server, int]) -> None:
    server, hops = behind
    server.get("/seen?page=17", headers={"X-Forwarded-For": ", ".join(["192.0.2.42", "192.0.2.99"][:hops])})

    def clients() -> list[str]:
        return [entry["client"] for entry in server.log() if entry.get("url") == "/seen?page=17"]

    until("it is logged", lambda: clients() == ["192.0.2.42"])


# --- Limits ---------------------------------------------------------------------------------------------------------


def test_headers_above_the_limit_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, APPLICATION), MAX_HEADER_BYTES="2048") as server:
        assert server.get("/seen", headers={"X-Large": "x" * 1500}).status == 200
        assert server.get("/seen", headers={"X-Large": "x" * 2100}).status == 431
        assert server.get("/seen?" + "x" * 2100).status in (414, 431)
        assert server.get("/seen", headers={f"X-{number}": "" for number in range(101)}).status == 431


def test_a_limit_of_the_applications_that_can_not_be_reached_is_told(tmp_path: Path) -> None:
    source = SEEN + "app.config['MAX_CONTENT_LENGTH'] = 1001\n"
    with serving(tmp_path, **own_application(tmp_path, source), MAX_BODY_BYTES="1000") as server:
        warnings = [entry["message"] for entry in server.log() if entry["level"] == "warning"]
        assert any("MAX_CONTENT_LENGTH is 1001" in text and "raise MAX_BODY_BYTES" in text for text in warnings)


# --- Nothing told about what runs -----------------------------------------------------------------------------------

REFUSED = [
    b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
    b"POST /seen HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"GET /broken HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: strange\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nExpect: the unexpected\r\n\r\n",
    b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
]
PRODUCTS = re.compile(rb"werkzeug|python|flask/|gunicorn|traceback|\b(27\.0|3\.1\.\d|3\.1[1-4])\b", re.IGNORECASE)


@pytest.mark.parametrize("sent", REFUSED, ids=lambda sent: bytes(sent[:24]).decode())
@pytest.mark.parametrize("port", ["port", "management_port"])
def test_no_error_tells_what_runs_and_in_which_version(alone: Server, port: str, sent: bytes) -> None:
    answer = raw(getattr(alone, port), sent, and_close=port == "management_port")
    assert b" HTTP/1." not in answer
    assert len(answer) > 20
    assert not PRODUCTS.search(answer), answer
