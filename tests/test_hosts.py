"""ALLOWED_HOSTS: the hosts that requests may be for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodrop.wsgi.edge.hosts import is_allowed
from tests.log_lines import access_line
from tests.raw import exchange, split
from tests.serving_process import Server, own_application, serving, until

SEEN = """
import flask
app = flask.Flask(__name__)
hosts = []

@app.before_request
def note(): hosts.append(flask.request.host)

@app.get("/")
def index(): return {"hosts": hosts}
"""
ALLOWED = "Shop.example, .cdn.example, [2001:db8::1], 192.0.2.1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with some hosts, behind a proxy that tells the host."""
    folder = tmp_path_factory.mktemp("hosts")
    variables = {"ALLOWED_HOSTS": ALLOWED, "TRUSTED_PROXIES": "1", "FORWARDED_HEADERS": "host"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


@pytest.mark.parametrize(
    "host",
    [
        "shop.example", "SHOP.example", "shop.example.", "shop.example:5000", "cdn.example", "a.b.cdn.example:80",
        "[2001:db8::1]", "[2001:DB8::1]:80", "192.0.2.1:5000",
    ],
)  # fmt: skip
def test_an_allowed_host_is_served_with_any_port(server: Server, host: str) -> None:
    assert server.get("/", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "a.shop.example", "shop.example.evil.example", "evilcdn.example", "127.0.0.1", "localhost",
        "[::1]", "192.0.2.10",
    ],
)  # fmt: skip
def test_any_other_host_is_refused_with_a_line_that_names_the_setting(server: Server, host: str) -> None:
    before = server.metrics().get('nodrop_requests_refused_total{status="400"}', 0)
    answer = server.get("/", headers={"Host": host})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert host not in answer.json()["detail"]
    found = [entry for entry in server.log() if entry.get("request_id") == answer.headers["x-request-id"]]
    (line,) = [entry for entry in found if entry["level"] == "warning"]
    assert f"the host {host!r} was refused" in line["message"]
    assert "ALLOWED_HOSTS=shop.example, .cdn.example, [2001:db8::1], 192.0.2.1" in line["message"]
    assert server.metrics()['nodrop_requests_refused_total{status="400"}'] == before + 1


@pytest.mark.parametrize("host", [".cdn.example", "a..cdn.example", "shop.example..", "shop.example@cdn.example"])
def test_what_is_no_host_at_all_is_refused_before(server: Server, host: str) -> None:
    assert server.get("/", headers={"Host": host}).status == 400


def test_the_host_that_a_trusted_proxy_tells_is_the_one_that_counts(server: Server) -> None:
    inside, outside = {"Host": "10.0.0.1"}, {"Host": "shop.example"}
    assert server.get("/", headers={**inside, "X-Forwarded-Host": "shop.example"}).status == 200
    assert server.get("/", headers={**outside, "X-Forwarded-Host": "evil.example"}).status == 400


def test_a_request_without_a_host_is_refused(server: Server) -> None:
    (answer,) = split(exchange(server, b"GET /hostless HTTP/1.0\r\n\r\n"))
    assert answer.status == 400
    assert access_line(server, "/hostless")["status"] == 400


def test_the_first_request_is_for_an_allowed_host_and_probes_need_none(server: Server, tmp_path: Path) -> None:
    assert server.get("/", headers={"Host": "shop.example"}).json()["hosts"][0] == "shop.example"
    for path in ("/livez", "/readyz", "/startupz"):
        assert server.manage(path, headers={"Host": "10.0.0.1"}).status == 200
    with serving(tmp_path, **own_application(tmp_path, SEEN), ALLOWED_HOSTS=".cdn.example") as wild:
        assert wild.get("/", headers={"Host": "a.cdn.example"}).json()["hosts"][0] == "cdn.example"


@pytest.mark.parametrize("variables", [{}, {"ALLOWED_HOSTS": "shop.example, *"}], ids=["unset", "any"])
def test_any_host_is_allowed_unless_some_are_named(tmp_path: Path, variables: dict[str, str]) -> None:
    with serving(tmp_path, **own_application(tmp_path, SEEN), **variables) as server:
        assert server.get("/", headers={"Host": "anything.example"}).status == 200
        until("it has started", lambda: server.manage("/startupz").status == 200)


@given(host=st.text(st.characters(max_codepoint=255)) | st.from_regex(r"[a-z.:@/\[\]-]*shop\.example[a-z.:@/\[\]-]*"))
def test_whatever_host_is_allowed_is_one_of_those_that_are_named(host: str) -> None:
    named = re.fullmatch(r"(?i:(?:[a-z0-9_-]+\.)*shop\.example\.?(?::([0-9]{0,5}))?)", host)
    assert is_allowed(host, [".shop.example"]) == bool(named and int(named[1] or 0) <= 65535)
