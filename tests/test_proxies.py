"""Whom forwarded headers are trusted of, which of them, and what is taken for the client."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodrop.config.network_types import TrustedProxies, trusted_proxies
from nodrop.wsgi.edge import proxies
from nodrop.wsgi.edge.client_address import parse_address
from tests.log_lines import access_line
from tests.raw import exchange, split
from tests.seen import SEEN
from tests.serving_process import Server, own_application, serving

CLIENT, PEER = "198.51.100.7", "10.0.0.9"


def environ_of(trusted: str, headers: str = "for, proto", peer: str = PEER, **told: str) -> dict[str, Any]:
    """What the application's environment becomes for a request with these headers, named as in the environment."""
    kind: TrustedProxies | None = trusted_proxies().parse(trusted)
    assert kind is not None
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ARG001
        seen.update(environ)
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "shop.example", **told}
    proxies.behind(application, kind, headers.split(", "))(environ, lambda *_: print)
    return seen


def client_of(trusted: str, forwarded_for: str, peer: str = PEER) -> str:
    """The client's address, as the application sees it."""
    return str(environ_of(trusted, peer=peer, HTTP_X_FORWARDED_FOR=forwarded_for)["REMOTE_ADDR"])


# --- Whatever a client prepends -------------------------------------------------------------------------------------

# What a header may hold, which a WSGI server hands over as Latin-1; with what separates and quotes more often.
PREFIX = st.text(st.characters(max_codepoint=255)) | st.lists(
    st.sampled_from(['"', "\\", ",", " ", "\t", ";", "6.6.6.6", "10.0.0.1", "[", "]", ":", "%", "unknown", "="])
).map("".join)
SEPARATOR = st.sampled_from([",", ", ", " ,\t"])
PROXY = st.sampled_from(["10.0.0.1", "2001:db8::5", "[2001:db8::6]:1"])


@given(prefix=PREFIX, separator=SEPARATOR, count=st.integers(1, 10), address=st.ip_addresses())
def test_a_counted_proxys_entry_is_the_client_whatever_stands_before_it(
    prefix: str, separator: str, count: int, address: Any
) -> None:
    header = separator.join([prefix, str(address), *["10.0.0.1"] * (count - 1)])
    assert client_of(str(count), header) == str(getattr(address, "ipv4_mapped", None) or address)


@given(prefix=PREFIX, separator=SEPARATOR, more=st.lists(PROXY, max_size=proxies.MAX_HOPS - 1))
def test_a_named_proxys_entry_is_the_client_whatever_stands_before_it(
    prefix: str, separator: str, more: list[str]
) -> None:
    header = separator.join([prefix, CLIENT, *more])
    assert client_of("10.0.0.0/8, 2001:db8::/32", header) == CLIENT


@given(told=st.text(st.characters(max_codepoint=255)))
def test_the_client_is_an_address_whatever_is_told(told: str) -> None:
    for trusted in ("1", "2", "10.0.0.0/8"):
        assert parse_address(client_of(trusted, told)) is not None


@pytest.mark.parametrize(
    "before",
    [
        b'X-Forwarded-For: "\r\n',
        b'X-Forwarded-For: "6.6.6.6, \r\nX-Forwarded-For: 7.7.7.7"\r\n',
        b'X-Forwarded-For: 6.6.6.6", "\\\r\n',
        b"X-Forwarded-For: ,,,\r\n",
        b"X-Forwarded-For:\r\n",
        b"X-Forwarded-For: 127.0.0.1, 10.0.0.1\r\n",
        b"X-Forwarded-For: \xff\xfe, " + b"a," * 5000 + b"\r\n",
    ],
)
@pytest.mark.parametrize("server", ["counting", "naming"], indirect=True)
def test_a_proxy_that_adds_a_line_of_its_own_is_heard_whatever_the_client_has_sent(
    server: Server, before: bytes
) -> None:
    lines = before + f"X-Forwarded-For: {CLIENT}\r\n".encode()
    (answer,) = split(exchange(server, b"GET /seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n"))
    assert f'"client":"{CLIENT}"'.encode() in answer.body


# --- Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("\t192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%25eth0]:1", "fe80::7"),
        ("fe80::7%<script>", "fe80::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:c000:207]:1", "192.0.2.7"),
    ],
)
def test_an_address_is_read_as_proxies_write_it(entry: str, address: str) -> None:
    assert client_of("1", entry) == client_of("10.0.0.0/8", entry) == address


@pytest.mark.parametrize(
    "entry",
    [
        "", '"192.0.2.7"', "unknown", "_hidden", "for=192.0.2.7", "192.0.2.7:", "192.0.2.7:x", "192.0.2.7:123456",
        "[192.0.2.7]", "[::7", "::7]", "[::7]x", "192.0.2.7%0", "192.0.2.07", "999.0.0.1", "192.0.2.7 6.6.6.6",
        "0x7f.1", "2001:db8::7" + "0" * 100, "shop.example", "%", "1" * 30_000,
    ],
)  # fmt: skip
def test_what_is_no_address_leaves_that_of_the_connection(entry: str) -> None:
    assert client_of("1", entry) == client_of("10.0.0.0/8", entry) == PEER


def test_a_peer_that_is_mapped_to_ipv6_is_the_same_peer() -> None:
    mapped = f"::ffff:{PEER}"
    assert environ_of("0", peer=mapped)["REMOTE_ADDR"] == PEER
    assert client_of("10.0.0.0/8", CLIENT, peer=mapped) == CLIENT
    assert environ_of("1", peer="::1")["REMOTE_ADDR"] == "::1"


# --- Networks -------------------------------------------------------------------------------------------------------


def test_entries_are_peeled_from_the_right_while_they_are_in_the_networks() -> None:
    chain = f"6.6.6.6, {CLIENT}, 10.1.1.1, 172.16.0.1:80"
    assert client_of("10.0.0.0/8, 172.16.0.0/12", chain) == CLIENT
    assert client_of("10.0.0.0/8", chain) == "172.16.0.1"
    # All of them are proxies: the request began at the leftmost.
    assert client_of("10.0.0.0/8", "10.1.1.1, 10.2.2.2") == "10.1.1.1"
    # The client of 10.1.1.1 is hidden, so that is as near as one gets.
    assert client_of("10.0.0.0/8", "6.6.6.6, unknown, 10.1.1.1") == "10.1.1.1"


def test_a_chain_of_addresses_in_the_networks_is_looked_at_to_a_bound() -> None:
    assert client_of("10.0.0.0/8", ", ".join(f"10.0.{n // 256}.{n % 256}" for n in range(9999))).startswith("10.0.")


def test_no_peer_outside_of_the_networks_is_trusted(naming: Server, elsewhere: Server) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "666", "X-Forwarded-Prefix": "/evil", "X-Request-ID": "forged",
        "traceparent": f"00-{trace}-b7ad6b7169203331-01", "tracestate": "forged=1",
    }  # fmt: skip
    inside, outside = (server.get("/seen", headers=headers) for server in (naming, elsewhere))
    told = inside.json()
    assert (told["client"], told["scheme"], told["id"], told["trace"]) == ("6.6.6.6", "https", "forged", trace)
    assert inside.headers["x-request-id"] == "forged"
    told = outside.json()
    assert (told["client"], told["scheme"]) == ("127.0.0.1", "http")
    assert told["url"] == f"http://127.0.0.1:{elsewhere.port}/seen"
    assert told["id"] != "forged"
    assert outside.headers["x-request-id"] == told["id"]
    assert (told["trace"] == trace, told["sampled"]) == (False, False)


def test_a_refusal_and_its_access_line_have_the_client_and_the_id_only_of_a_trusted_peer(
    naming: Server, elsewhere: Server
) -> None:
    lines = b"Host: x\r\nX-Request-ID: mine\r\nX-Forwarded-For: 192.0.2.7\r\nContent-Length: 99999999\r\n\r\n"
    for server, client in ((naming, "192.0.2.7"), (elsewhere, "127.0.0.1")):
        (answer,) = split(exchange(server, b"POST /refused HTTP/1.1\r\n" + lines))
        entry = access_line(server, "/refused")
        assert (answer.status, entry["status"], entry["client"]) == (413, 413, client)
        assert entry["request_id"] == answer.headers["x-request-id"]
        assert (entry["request_id"] == "mine") is (server is naming)


# --- One by one -----------------------------------------------------------------------------------------------------

TOLD = {
    "HTTP_X_FORWARDED_FOR": CLIENT,
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "other.example:8443",
    "HTTP_X_FORWARDED_PORT": "444",
    "HTTP_X_FORWARDED_PREFIX": "/shop/",
    "HTTP_FORWARDED": "for=6.6.6.6;proto=https;host=evil.example",
}
UNTOLD = {"REMOTE_ADDR": PEER, "wsgi.url_scheme": "http", "HTTP_HOST": "shop.example"}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("for", {"REMOTE_ADDR": CLIENT}),
        ("proto", {"wsgi.url_scheme": "https"}),
        ("host", {"HTTP_HOST": "other.example:8443", "SERVER_NAME": "other.example", "SERVER_PORT": "8443"}),
        ("port", {"HTTP_HOST": "shop.example:444", "SERVER_PORT": "444"}),
        ("prefix", {"SCRIPT_NAME": "/shop"}),
    ],
)
@pytest.mark.parametrize("trusted", ["1", "10.0.0.0/8"])
def test_each_header_is_trusted_by_itself(trusted: str, name: str, changed: dict[str, str]) -> None:
    seen = environ_of(trusted, name, **TOLD)
    assert {key: value for key, value in seen.items() if key not in TOLD} == {**UNTOLD, **changed}


def test_behind_a_load_balancer_that_sets_no_host_a_clients_is_not_the_applications(counting: Server) -> None:
    headers = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    answer = counting.get("/seen", headers={"Host": "shop.example", "X-Forwarded-Host": "evil.example", **headers})
    assert answer.json()["url"] == "https://shop.example/seen"
    assert answer.json()["client"] == CLIENT


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("HTTPS", "https"), ("wss", "https"), ("ws", "http"), ("javascript", "http"), ("https;", "http"), ("", "http")],
)
def test_a_scheme_is_http_or_https_of_a_websocket_too(told: str, scheme: str) -> None:
    assert environ_of("1", HTTP_X_FORWARDED_PROTO=told)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "told",
    [
        "", "a b", "evil.example/path", "user@evil.example", "a:b", "[::1", "é", "a:123456", "a:65536", "a:99999",
        "[::::]", "[1:2]", "[1.2.3.4]", "[:]", "a" * 301,
    ],
)  # fmt: skip
def test_a_malformed_host_counts_as_not_sent(told: str) -> None:
    assert environ_of("1", "host", HTTP_X_FORWARDED_HOST=told)["HTTP_HOST"] == "shop.example"


@pytest.mark.parametrize("told", [b"[::::]", b"a:99999"])
def test_an_application_builds_its_links_whatever_host_is_told(telling: Server, told: bytes) -> None:
    head = b"GET /seen HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Forwarded-Host: " + told
    (answer,) = split(exchange(telling, head + b"\r\n\r\n"))
    assert answer.status == 200
    assert b"http://shop.example/seen" in answer.body


@pytest.mark.parametrize(
    ("scheme", "port", "host"), [("https", "443", "a"), ("http", "443", "a:443"), ("http", "80", "a")]
)
def test_a_port_replaces_that_of_the_host_and_is_left_out_if_it_is_the_schemes(
    scheme: str, port: str, host: str
) -> None:
    told = {"HTTP_X_FORWARDED_PROTO": scheme, "HTTP_X_FORWARDED_PORT": port, "HTTP_X_FORWARDED_HOST": "a:1"}
    assert environ_of("1", "port, host, proto", **told)["HTTP_HOST"] == host


@pytest.mark.parametrize("told", ["0", "65536", "x", "-1", "٤٤٣", "", "443\x00"])
def test_a_malformed_port_counts_as_not_sent(told: str) -> None:
    assert environ_of("1", "port", HTTP_X_FORWARDED_PORT=told)["HTTP_HOST"] == "shop.example"


@pytest.mark.parametrize("told", ["//evil.example", "shop", "/a/../b", "/\\evil.example", "https://x/", "/a b", "/a?b"])
def test_a_malformed_prefix_counts_as_not_sent(told: str) -> None:
    assert "SCRIPT_NAME" not in environ_of("1", "prefix", HTTP_X_FORWARDED_PREFIX=told)


@pytest.mark.parametrize("trusted", ["2", "10.0.0.0/8"])
def test_of_two_proxies_the_outer_one_knows_whether_each_adds_an_entry_or_the_inner_one_passes_it_on(
    trusted: str,
) -> None:
    addresses = f"6.6.6.6, {CLIENT}, 10.0.0.1"
    for told in ("https", "https, http", "http, https, http"):
        seen = environ_of(trusted, HTTP_X_FORWARDED_FOR=addresses, HTTP_X_FORWARDED_PROTO=told)
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (CLIENT, "https")


# --- Servers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts one proxy, whoever it is."""
    folder = tmp_path_factory.mktemp("counting")
    with serving(folder, **own_application(folder, SEEN), TRUSTED_PROXIES="1") as server:
        yield server


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts one proxy with all that it tells."""
    folder = tmp_path_factory.mktemp("telling")
    variables = {"TRUSTED_PROXIES": "1", "FORWARDED_HEADERS": "for, proto, host, port, prefix"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


@pytest.fixture(scope="module")
def naming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts proxies of this machine."""
    folder = tmp_path_factory.mktemp("naming")
    with serving(folder, **own_application(folder, SEEN), TRUSTED_PROXIES="127.0.0.0/8, ::1") as server:
        yield server


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts proxies of another network, with all that they tell."""
    folder = tmp_path_factory.mktemp("elsewhere")
    variables = {"TRUSTED_PROXIES": "10.0.0.0/8", "FORWARDED_HEADERS": "for, proto, host, port, prefix"}
    with serving(folder, **own_application(folder, SEEN), **variables) as server:
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """One of the servers, by name."""
    found: Server = request.getfixturevalue(request.param)
    return found


def test_the_settings_in_effect_are_told_as_they_are_written() -> None:
    kind = trusted_proxies()
    for text in ("0", "10", "10.0.0.0/8, 2001:db8::/32"):
        value = kind.parse(text)
        assert value is not None
        assert kind.show(value) == text
