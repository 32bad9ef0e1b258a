"""Whatever path, query and headers a client may send reach the application as they were sent (PEP 3333)."""

import json
import string
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving_process import Server, at_full_speed, own_application, serving

APPLICATION = """
import json
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    kept = {name: value for name, value in environ.items() if isinstance(value, str)}
    return [json.dumps(kept).encode()]
"""
SEGMENT = st.binary(max_size=40)
TOKEN = st.text(st.sampled_from("!#$%&'*+-.^`|~" + string.digits + string.ascii_letters), min_size=1)
# Of 3 to 20 characters and none of them small, or gunicorn refuses it (permit_unconventional_http_method). HEAD has no
# answer to compare, CONNECT no path.
METHOD = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) | st.text(
    st.sampled_from("!$%&'*+-.^_`|~" + string.digits + string.ascii_uppercase), min_size=3, max_size=20
).filter(lambda method: method not in ("HEAD", "CONNECT"))
# Names with an underscore are dropped (gunicorn's header_map), as one with a hyphen would look the same to WSGI.
# Values: visible characters and bytes above ASCII, with spaces and tabs between them (RFC 9110, field-content).
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"))
GAP = st.text(st.sampled_from(" \t"), min_size=1, max_size=3)
VALUE = st.lists(st.tuples(GAP, WORD), max_size=6).map(lambda parts: "".join(map("".join, parts)).strip(" \t"))
MANY = settings(max_examples=300, deadline=None)


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose application answers with its environment."""
    folder = tmp_path_factory.mktemp("echoing")
    with at_full_speed(), serving(folder, ACCESS_LOG="0", **own_application(folder, APPLICATION)) as server:
        yield server


def environ(
    server: Server, target: str, headers: dict[str, str] | None = None, *, method: str = "GET"
) -> dict[str, Any]:
    """What the application was told of this request."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, target)
        for name, value in (headers or {}).items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return dict(json.loads(response.read()))
    finally:
        connection.close()


@MANY
@given(segments=st.lists(SEGMENT, max_size=4), query=st.binary(max_size=40), plain=st.booleans())
def test_any_path_and_query_arrive(echoing: Server, segments: list[bytes], query: bytes, plain: bool) -> None:
    path = "/" + "/".join(quote_from_bytes(segment, safe="" if plain else "~!$&'()*+,;=:@") for segment in segments)
    sent = quote_from_bytes(query, safe="/?&=+")
    told = environ(echoing, f"{path}?{sent}")
    assert told["PATH_INFO"].encode("latin-1") == unquote_to_bytes(path)
    assert told["QUERY_STRING"] == sent
    assert told["RAW_URI"] == f"{path}?{sent}"


@MANY
@given(method=METHOD)
def test_any_method_arrives(echoing: Server, method: str) -> None:
    assert environ(echoing, "/", method=method)["REQUEST_METHOD"] == method


@MANY
@given(name=TOKEN, value=VALUE)
def test_any_header_arrives(echoing: Server, name: str, value: str) -> None:
    told = environ(echoing, "/", {f"X-{name}": value})
    assert told[f"HTTP_X_{name.upper().replace('-', '_')}"] == value


@MANY
@given(values=st.lists(VALUE.filter(bool), min_size=2, max_size=4))
def test_a_header_that_comes_more_than_once_arrives_joined(echoing: Server, values: list[str]) -> None:
    connection = HTTPConnection("127.0.0.1", echoing.port, timeout=10)
    connection.putrequest("GET", "/")
    for value in values:
        connection.putheader("X-Thing", value.encode("latin-1"))
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["HTTP_X_THING"] == ",".join(values)
    connection.close()


def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_hyphen(echoing: Server) -> None:
    assert "HTTP_X_FORWARDED_USER" not in environ(echoing, "/", {"X_Forwarded_User": "root"})
