"""Heads that are read by nodrop itself: in everything that an application sees, gunicorn's parser finds the same."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import create
from hypothesis import given
from hypothesis import strategies as st

from nodrop.config.settings import ServingSettings
from nodrop.http.answers.environ import Environments
from nodrop.http.answers.refusals import Refusal
from nodrop.http.connection.incoming import Incoming
from nodrop.http.connection.limits import Limits
from nodrop.http.connection.spool import Budget
from nodrop.http.requests import names
from nodrop.http.requests.heads import Heads
from nodrop.http.requests.ordinary import METHODS, OrdinaryRequest
from nodrop.options import configuration
from nodrop.wsgi.edge import hosts
from tests.corpus import CASES
from tests.raw import exchange, split
from tests.serving_process import ROOT, own_application, serving
from tests.test_fuzz import VALID, WRONG, WRONG_CHUNKS, WRONG_HEADERS, malformed

CLIENT, SERVER = ("192.0.2.1", 1234), ("192.0.2.2", 5000)
SEED = 20_261_126
FUZZED = 20_000
BROWSER = (
    b"GET /api/items?page=2&q=%C3%A9 HTTP/1.1\r\nHost: shop.example:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=eyJ9.aBc; theme=dark\r\n"
    b"Sec-Fetch-Mode: navigate\r\nX-Forwarded-For: 10.1.2.3\r\nX-Request-ID: 0af7651916cd43dd8448eb211c80319c\r\n\r\n"
)
KUBELET = (
    b"GET /readyz HTTP/1.1\r\nHost: 10.0.0.7:5001\r\nUser-Agent: kube-probe/1.37\r\nAccept: */*\r\n"
    b"Connection: close\r\n\r\n"
)
QUOTED = b"GET /a%20b/%C3%A9%2f%zz?q=%20 HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = (
    b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"content-length: 7\r\n\r\na=b&c=d"
)


class AllByGunicorn(Heads):
    """As it would be without nodrop's own reading."""

    def ordinary(self, head: bytes, client: Any, number: int) -> OrdinaryRequest | None:  # noqa: ARG002
        return None


@functools.cache
def production() -> Config:
    """gunicorn's configuration, as it is in production."""
    settings = ServingSettings.from_environment({})
    made = Config()
    for name, value in configuration.values(settings).items():
        if name in made.settings and name not in ("wsgi_app", "logger_class", "worker_class"):
            made.set(name, value)
    return made


class Services:
    """The loop, as far as an arriving body asks it."""

    def room_for_body(self, connection: Any, request: Any) -> Budget:  # noqa: ARG002
        return Budget(1 << 20)


def requests(data: bytes, heads: Heads) -> tuple[list[dict[str, Any]], str]:
    """The environment and the body of each request in these bytes, and how they end."""
    connection: Any = SimpleNamespace(
        client=CLIENT, server=SERVER, progressed=lambda: None, sendall=lambda _: None, variables=None, taken_over=False
    )
    incoming = Incoming(connection, heads, Services(), Limits(head=65536, body=100_000, write_seconds=5))  # type: ignore[arg-type]
    connection.incoming = incoming
    found: list[dict[str, Any]] = []
    try:
        complete = incoming.receive(data)
        while complete:
            request = connection.request = incoming.request
            body = incoming.decode_chunks(lambda: None).recv(1 << 20) if incoming.chunked else request.body.read()
            response: Any = SimpleNamespace(send_early_hints=None)
            environ = Environments(production()).of(connection, response)
            found.append({name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)})
            found[-1] |= {"body": body, "closes": request.should_close(), "headers": request.headers}
            if request.should_close() or not incoming.finish():
                return found, "closed"
            complete = incoming.receive(b"")
    except Refusal as refusal:
        return found, f"{refusal.status} {refusal.detail} {refusal.request and refusal.request.method}"
    return found, "incomplete" if not incoming.empty else "end"


def agreed(data: bytes) -> tuple[list[dict[str, Any]], str]:
    """What is found in these bytes, by both."""
    own = requests(data, Heads(production()))
    assert own == requests(data, AllByGunicorn(production()))
    return own


def is_ordinary(data: bytes) -> bool:
    """Whether nodrop reads the head of the first request itself."""
    head = data.partition(b"\r\n\r\n")[0]
    return Heads(production()).ordinary(head, CLIENT, 1) is not None


# --- Equal ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [BROWSER, KUBELET, FORM, VALID[1], VALID[2], VALID[8]])
def test_what_browsers_probes_and_clients_send_is_ordinary(data: bytes) -> None:
    """Else nothing would be gained."""
    assert is_ordinary(data)
    found, end = agreed(data * 2)
    assert len(found) == (1 if end == "closed" else 2)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_of_the_corpus_is_the_same_for_both(case: Any) -> None:
    agreed(case.raw)


@pytest.mark.parametrize("byte", [b"\x85", b"\xa0"])
def test_what_only_python_takes_for_a_space_is_none_in_connection(byte: bytes) -> None:
    agreed(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close" + byte + b"\r\n\r\n")


def test_what_is_wrong_is_refused_with_the_same_status_by_both() -> None:
    with_header = [b"GET / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n" for header in WRONG_HEADERS]
    chunked = [b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk for chunk in WRONG_CHUNKS]
    for data in [*WRONG, *with_header]:
        found, end = agreed(data)
        assert (found, end[:1]) == ([], "4") or end.startswith("501"), data
    for data in chunked:
        agreed(data)


def test_twenty_thousand_fuzzed_requests_are_the_same_for_both() -> None:
    chance = random.Random(SEED)
    accepted = ordinary = 0
    for _ in range(FUZZED):
        data = malformed(chance)
        accepted += bool(agreed(data)[0])
        ordinary += is_ordinary(data)
    assert accepted > FUZZED / 40
    assert ordinary > FUZZED / 50, "else they would say little about nodrop's own reading"


BYTES = st.integers(0, 255).map(lambda each: bytes([each]))
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"Host", b"A", b"x-b", b"Connection", b"Content-Length", b"Cookie", b"Content-Type", b"X_Y"])
        | st.binary(max_size=3),
        st.sampled_from([b":", b": ", b":\t", b" :", b""]),
        st.sampled_from([b"x", b"close", b"keep-alive, Upgrade", b"0", b"3", b" a  b ", b"\xc3\xa9", b"\xb2", b""])
        | st.binary(max_size=4),
    ),
    max_size=5,
)


@given(
    method=st.sampled_from([*sorted(each.encode() for each in METHODS), b"CONNECT", b"get", b"QUERY", b"G T"]),
    target=st.sampled_from(
        [b"/", b"/a?b=c", b"//x/y", b"/%41%2f?%zz", b"*", b"http://h/a", b"/a#b", b"", b"/?", b"/a;b:c[d]"]
    )
    | st.binary(max_size=4).map(lambda each: b"/" + each),
    version=st.sampled_from(
        [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.10"]
    ),
    fields=FIELDS,
    end=st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n"]),
    cut=st.none() | st.tuples(st.integers(0, 60), BYTES),
)  # fmt: skip
def test_any_head_is_the_same_for_both(
    method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes, bytes]], end: bytes,
    cut: tuple[int, bytes] | None,
) -> None:  # fmt: skip
    lines = [b"%b %b %b" % (method, target, version), b"Host: x", *(b"".join(each) for each in fields)]
    data = end.join([*lines, b"", b""])
    if cut:
        data = data[: cut[0]] + cut[1] + data[cut[0] :]
    agreed(data + b"abc")


def test_as_many_fields_as_are_allowed_are_read_and_one_more_is_refused() -> None:
    most = production().limit_request_fields
    for fields in (most, most + 1):
        data = b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n" % b"".join(b"A-%d: b\r\n" % each for each in range(fields - 1))
        assert is_ordinary(data) == (fields == most)
        assert agreed(data)[1].startswith("end" if fields == most else "431")


def test_the_environment_is_the_one_that_gunicorn_makes() -> None:
    """Its own function makes it of its own request."""
    for data in (BROWSER, KUBELET, QUOTED, FORM, VALID[1], VALID[2], VALID[4]):
        request, _ = AllByGunicorn(production()).parse(data, CLIENT, 1)
        theirs = create(request, None, CLIENT, SERVER, production())[1]
        (ours, *_), _ = agreed(data)
        own = {"body", "closes", "headers", "wsgi.multithread"}
        assert {
            name for name, value in theirs.items() if isinstance(value, str | bool | tuple)
        } == ours.keys() - own | {"wsgi.multithread"}
        assert {name: theirs[name] for name in ours.keys() - own} == {name: ours[name] for name in ours.keys() - own}


def test_what_is_behind_a_request_is_the_next_ones_however_it_is_read() -> None:
    found, end = agreed(FORM + VALID[3] + BROWSER + KUBELET)
    assert [each["PATH_INFO"] for each in found] == ["/login", "/echo", "/api/items", "/readyz"]
    assert [each["body"] for each in found] == [b"a=b&c=d", b"abc0123456789", b"", b""]
    assert end == "closed"


# --- Hooks, memory, what is installed ---------------------------------------------------------------------------------


def test_headers_that_a_hook_has_changed_are_what_the_application_gets(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(
        "def pre_request(worker, req):\n"
        "    req.headers = [*req.headers, ('X-ADDED', 'a'), ('X-ADDED', 'b')]\n"
        "    req.path = '/elsewhere'\n"
    )
    echo = """
def app(environ, start_response):
    body = f"{environ['PATH_INFO']} {environ.get('HTTP_X_ADDED')} {environ['HTTP_HOST']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
    with serving(tmp_path, **own_application(tmp_path, echo), HOOKS="hooks") as server:
        (answer,) = split(exchange(server, KUBELET))
    assert answer.body == b"/elsewhere a,b 10.0.0.7:5001"


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    known = names.Names()
    for number in range(5 * names.MOST):
        assert known[f"X-{number}"] == f"HTTP_X_{number}"
    assert known["X" * 500] == f"HTTP_{'X' * 500}"
    assert len(known) == names.MOST
    assert all(names.field(variable) == name.upper() for name, variable in known.items())


def test_hosts_that_are_too_long_are_refused_and_not_remembered() -> None:
    """A thousand of 20 KB would take 20 MB."""
    remembered = hosts.is_valid.cache_info().currsize
    long = b"a" * 20_000
    for data in (b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % long, b"GET http://%b/ HTTP/1.1\r\nHost: x\r\n\r\n" % long):
        assert agreed(data)[1].startswith("400")
    assert hosts.is_valid.cache_info().currsize <= remembered + 1


def test_a_parser_that_is_installed_beside_changes_nothing(tmp_path: Path) -> None:
    """gunicorn would take its C parser by itself, which `gunicorn[fast]` brings along."""
    (tmp_path / "gunicorn_h1c.py").write_text(
        "class LimitRequestLine(Exception): pass\ndef __getattr__(name): exit(name)\n"
    )
    unusual = b"GET http://x/echo?a HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n"
    with serving(tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}") as server:
        answers = split(exchange(server, BROWSER + unusual))
    assert [answer.status for answer in answers] == [404, 200]
