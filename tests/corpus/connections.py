"""What a connection is good for afterwards: kept, closed, taken over, with more than one request on it."""

from tests.corpus.building import ACCEPTED, LAST_ONE, REFUSED, Cases, chunked, get, lined, post, request

_WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_THREE = post(b"Content-Length: 3", body=b"abc")

_CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def unread(query: bytes, *fields: bytes, body: bytes) -> bytes:
    """A request whose body the application leaves, but for as many bytes as the query says."""
    return request(b"POST /unread" + query + b" HTTP/1.1", *fields, body=body)


CASES: Cases = {
    # --- Connection
    "close": (get(b"Connection: close"), LAST_ONE),
    "close in capitals": (get(b"Connection: CLOSE"), LAST_ONE),
    "close in a list": (get(b"Connection: TE, close"), LAST_ONE),
    "close in a second line": (get(b"Connection: TE", b"Connection: close"), LAST_ONE),
    "keep-alive": (get(b"Connection: keep-alive"), ACCEPTED),
    "keep-alive and close": (get(b"Connection: keep-alive, close"), LAST_ONE),
    "closed": (get(b"Connection: closed"), ACCEPTED),
    "an empty Connection": (get(b"Connection:"), ACCEPTED),
    "commas in Connection": (get(b"Connection: ,,close,,"), LAST_ONE),
    "Proxy-Connection": (get(b"Proxy-Connection: close"), ACCEPTED),
    "close with a body": (post(b"Connection: close", b"Content-Length: 5", body=b"12345"), LAST_ONE),
    "Content-Length named in Connection": (
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"12345"),
        ACCEPTED,
    ),
    "Transfer-Encoding named in Connection": (
        chunked(b"5\r\n12345\r\n0\r\n\r\n", b"Connection: Transfer-Encoding"),
        ACCEPTED,
    ),
    "Host named in Connection": (get(b"Connection: Host"), ACCEPTED),
    "another header named in Connection": (get(b"Connection: X-A", b"X-A: b"), ACCEPTED),
    "Cookie named in Connection": (get(b"Connection: close, Cookie", b"Cookie: a=b"), LAST_ONE),
    "Keep-Alive": (get(b"Connection: keep-alive", b"Keep-Alive: timeout=5, max=1"), ACCEPTED),
    "TE": (get(b"Connection: TE", b"TE: trailers"), ACCEPTED),
    "keep-alive of HTTP/1.0 in capitals": (request(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), ACCEPTED),
    "close of HTTP/1.0": (request(b"GET / HTTP/1.0", b"Connection: close"), LAST_ONE),
    "keep-alive of HTTP/1.0 for HEAD": (request(b"HEAD / HTTP/1.0", b"Connection: keep-alive"), ACCEPTED),
    # --- Expect
    "Expect with the body at once": (
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"12345"),
        ACCEPTED,
    ),
    "Expect in capitals": (post(b"Expect: 100-CONTINUE", b"Content-Length: 5", body=b"12345"), ACCEPTED),
    "Expect with chunks": (chunked(b"5\r\n12345\r\n0\r\n\r\n", b"Expect: 100-continue"), ACCEPTED),
    "Expect without a body": (get(b"Expect: 100-continue"), ACCEPTED),
    "Expect of HTTP/1.0": (
        request(b"POST / HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 5", body=b"12345"),
        LAST_ONE,
    ),
    "Expect of something else": (get(b"Expect: a-miracle"), "417"),
    "Expect of a list": (get(b"Expect: 100-continue, x"), "417"),
    "an empty Expect": (get(b"Expect:"), "417"),
    # --- Upgrade
    "a WebSocket that the application does not take": (get(*_WEBSOCKET), ACCEPTED),
    "a WebSocket with a body": (get(*_WEBSOCKET, b"Content-Length: 5") + b"12345", ACCEPTED),
    "HTTP/2 in clear text": (
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        ACCEPTED,
    ),
    "an Upgrade that Connection does not name": (get(b"Upgrade: websocket"), ACCEPTED),
    "an Upgrade to TLS": (get(b"Connection: Upgrade", b"Upgrade: TLS/1.0"), ACCEPTED),
    "an Upgrade of HTTP/1.0": (
        request(b"GET / HTTP/1.0", b"Connection: Upgrade", b"Upgrade: websocket"),
        LAST_ONE,
    ),
    # --- One behind the other
    "two requests": (get() + get(), "200 200 200"),
    "ten requests": (get() * 10, " ".join(["200"] * 11)),
    "two with bodies": (_THREE * 2, "200 200 200"),
    "a length, then chunks": (_THREE + chunked(b"3\r\nabc\r\n0\r\n\r\n"), "200 200 200"),
    "chunks, then a length": (chunked(b"3\r\nabc\r\n0\r\n\r\n") + _THREE, "200 200 200"),
    "HEAD, then GET": (lined(b"HEAD / HTTP/1.1") + get(), "200 200 200"),
    "an empty line between two": (get() + b"\r\n" + get(), "200 200 200"),
    "close, then another": (get(b"Connection: close") + get(), LAST_ONE),
    "HTTP/1.0, then another": (request(b"GET / HTTP/1.0") + get(), LAST_ONE),
    "kept HTTP/1.0, then HTTP/1.1": (request(b"GET / HTTP/1.0", b"Connection: keep-alive") + get(), "200 200 200"),
    "one, then an invalid one": (get() + get(b"A : b"), "200 400"),
    "an invalid one, then one": (get(b"A : b") + get(), REFUSED),
    "one, then half of one": (get() + b"GET /half", "200 400"),
    "one, then an unfinished body": (get() + post(b"Content-Length: 500", body=b"12345"), LAST_ONE),
    "one, then both framings": (get() + chunked(b"0\r\n\r\n", b"Content-Length: 5"), "200 400"),
    "one, then a hello of TLS": (get() + b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "200 400"),
    "CONNECT, then another": (lined(b"CONNECT x:443 HTTP/1.1") + get(), LAST_ONE),
    # --- Bodies that the application leaves
    "an unread body": (unread(b"", b"Content-Length: 5", body=b"12345"), ACCEPTED),
    "an unread body that looks like a request": (
        unread(b"", b"Content-Length: %d" % len(get()), body=get()),
        ACCEPTED,
    ),
    "an unread body of 100 kB": (unread(b"", b"Content-Length: 100000", body=(get() * 4000)[:100_000]), ACCEPTED),
    "unread chunks": (unread(b"", b"Transfer-Encoding: chunked", body=_CHUNKS), ACCEPTED),
    "unread chunks that look like a request": (
        unread(b"", b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(get()), get())),
        ACCEPTED,
    ),
    "unread chunks with a trailer": (
        unread(b"", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\nA: b\r\n\r\n"),
        ACCEPTED,
    ),
    "a body that is read in part": (unread(b"?2", b"Content-Length: 5", body=b"12345"), ACCEPTED),
    "a body that looks like a request, read in part": (
        unread(b"?2", b"Content-Length: %d" % (2 + len(get())), body=b"12" + get()),
        ACCEPTED,
    ),
    "chunks that are read in part": (unread(b"?2", b"Transfer-Encoding: chunked", body=_CHUNKS), ACCEPTED),
    "unread bodies, one behind the other": (
        unread(b"", b"Content-Length: 5", body=b"12345") + unread(b"?1", b"Transfer-Encoding: chunked", body=_CHUNKS),
        "200 200 200",
    ),
    "nothing": (b"", LAST_ONE),
    "an empty line": (b"\r\n", LAST_ONE),
    "the first byte of a request": (b"G", LAST_ONE),
}
