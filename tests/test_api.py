"""The example application, without a server."""

import base64
import hashlib
import json
import platform
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

import app
from app import create_app
from app.settings import Settings

SETTINGS = Settings(version="1.2.3", hostname="pod-1", load_endpoints=True)
CLIENT = create_app(SETTINGS).test_client()


@pytest.fixture
def client() -> FlaskClient:
    return CLIENT


def test_index_names_the_application_its_version_and_its_host(client: FlaskClient) -> None:
    assert client.get("/").json == {"name": "flask-app", "version": "1.2.3", "host": "pod-1"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MADEUP"])
def test_echo_takes_any_method(client: FlaskClient, method: str) -> None:
    answer = client.open("/echo?a=1&a=2&b=", method=method, headers={"X-Thing": "x"})
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["method"] == method
    assert answer.json["query"] == {"a": ["1", "2"], "b": [""]}
    assert ["X-Thing", "x"] in answer.json["headers"]


def test_echo_answers_head_without_a_body(client: FlaskClient) -> None:
    answer = client.head("/echo")
    assert (answer.status_code, answer.data) == (200, b"")


@given(body=st.binary(max_size=1000))
def test_echo_describes_any_body(body: bytes) -> None:
    echo = json.loads(CLIENT.post("/echo", data=body).data)
    assert echo["body_bytes"] == len(body)
    assert echo["body_sha256"] == hashlib.sha256(body).hexdigest()
    returned = echo["body"].encode() if "body" in echo else base64.b64decode(echo["body_base64"])
    assert returned == body


@given(query=st.text(max_size=50))
def test_echo_describes_any_query(query: str) -> None:
    # Surrogates can't be put in a URL.
    query = query.encode("utf-8", "replace").decode()
    assert json.loads(CLIENT.get("/echo", query_string={"q": query}).data)["query"] == {"q": [query]}


def test_work_uses_as_much_processor_time_as_asked(client: FlaskClient) -> None:
    answer = client.get("/work?cpu_ms=20")
    assert answer.json is not None
    assert 20 <= answer.json["cpu_ms"] < 100


def test_sleep_takes_as_long_as_asked(client: FlaskClient) -> None:
    expected = {"slept_ms": 1, "query": {"ms": ["1"], "probe": ["7"]}, "version": "1.2.3", "host": "pod-1"}
    assert client.get("/sleep?ms=1&probe=7").json == expected


@pytest.mark.parametrize(
    "query", ["", "?ms=", "?ms=-1", "?ms=1.5", "?ms=600001", "?ms=x", "?ms=١", "?ms=" + "9" * 5000]
)
def test_a_time_out_of_bounds_is_refused_with_what_is_accepted(client: FlaskClient, query: str) -> None:
    answer = client.get("/sleep" + query)
    assert answer.status_code == 400
    assert "ms must be a whole number of milliseconds from 0 to 600000" in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/work?cpu_ms=1", "/sleep?ms=1"])
def test_the_load_endpoints_are_off_by_default(path: str) -> None:
    assert create_app(Settings.from_environment({})).test_client().get(path).status_code == 404


@pytest.mark.parametrize(("text", "on"), [("1", True), ("Yes", True), (" on ", True), ("false", False), ("", False)])
def test_a_variable_switches_the_load_endpoints_on(text: str, on: bool) -> None:
    assert Settings.from_environment({"LOAD_ENDPOINTS": text}).load_endpoints is on


def test_a_variable_that_can_not_be_accepted_ends_the_process_with_a_line() -> None:
    with pytest.raises(SystemExit) as ended:
        create_app(Settings.from_environment({"LOAD_ENDPOINTS": "lots"}))
    assert ended.value.code == (
        "LOAD_ENDPOINTS='lots' can't be accepted: set it to one of 1, true, yes, on, 0, false, no, off"
    )


def test_version_and_host_are_read_from_the_environment() -> None:
    read = Settings.from_environment({"APP_VERSION": "2.0.0", "HOSTNAME": "pod-2"})
    assert (read.version, read.hostname) == ("2.0.0", "pod-2")
    default = Settings.from_environment({"APP_VERSION": ""})
    assert (default.version, default.hostname) == ("dev", platform.node())


def test_it_imports_nothing_from_nodrop() -> None:
    sources = [path.read_text() for path in Path(app.__file__).parent.glob("*.py")]
    assert len(sources) > 2
    assert not [source for source in sources if re.search(r"^\s*(from|import) nodrop\b", source, re.MULTILINE)]


def test_a_wrong_method_says_which_are_allowed(client: FlaskClient) -> None:
    answer = client.post("/")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "OPTIONS"}
