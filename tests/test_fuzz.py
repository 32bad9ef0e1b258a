"""Twenty thousand requests that are refused as malformed, after which the server is what it was before."""

import contextlib
import json
import random
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving_process import Server, at_full_speed, serving, until

pytestmark = pytest.mark.long

REFUSED = 20_000
ROUND = 10_000
"""Of which some 8,000 are refused; the others are valid after all, or break off."""
SEED = 20_261_123
CLIENTS = 8

VALID = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /echo?a=b&c=%41 HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nUser-Agent: fuzz\r\n\r\n",
    b'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nContent-Type: application/json\r\n\r\n{"a": "b"}\n',
    b"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://user:secret@host/echo?token=secret HTTP/1.1\r\nHost: host\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc\r\ntraceparent: 00-"
    + b"a" * 32
    + b"-"
    + b"b" * 16
    + b"-01\r\n\r\n",
]
PIECES = [
    *(b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"%", b"%00", b"%ff", b"\xff", b"\xc3\x28"),
    *(
        b"\x1b[31m",
        b"'\"\\{}",
        b"../" * 20,
        b"\xe2\x80\xa8",
        b"HTTP/1.1",
        b"HTTP/2.0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"0\r\n\r\n",
        b"-1\r\n",
        b"f" * 16 + b"\r\n",
    ),
    *(b"Host: y\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n"),
    *(b"A" * 9000, b"A: B\r\n" * 150),
]


# What no server may accept, each as a whole; the rest of the variety is what is changed in them and in valid ones.
WRONG = [
    *(b"GET\r\n\r\n", b"GET /\r\n\r\n", b" GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n"),
    *(b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"),
    *(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"GET / HTTP/1\r\nHost: x\r\n\r\n", b"GET / http/1.1\r\nHost: x\r\n\r\n"),
    *(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n"),
    *(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    b"GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n",
]
WRONG_HEADERS = [
    *(b"A B: c", b"A : b", b": b", b"A(b): c", b"A\x00: b", b"\xff: b", b"no colon", b" folded: b", b"A: b\r\n folded"),
    *(b"A: \x00", b"A: b\rc", b"A: b\nC: d", b"A: \x01\r", b"A: " + b"b" * 70_000, b"A" * 70_000 + b": b"),
    *(b"Host: y", b"Content-Length: -1", b"Content-Length: +1", b"Content-Length: 1_0", b"Content-Length: 0x1"),
    *(b"Content-Length: 1, 2", b"Content-Length: \xb2", b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length:"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
    *(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: chunked, chunked"),
    *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: xchunked"),
    b"\r\n".join([b"A: B"] * 150),
]
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
WRONG_CHUNKS = [
    *(b"-1\r\n", b"+3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3_0\r\n", b"g\r\n", b"\r\n", b" 3\r\nabc\r\n", b"\xb2\r\n"),
    *(b"3\r\nabcd\r\n", b"3\r\nabc0\r\n\r\n", b"3\nabc\r\n", b"f" * 17 + b"\r\n", b"3;" + b"x" * 9000, b"3\r\nabc\rx"),
]


def wrong(chance: random.Random) -> bytes:
    """A request with one thing wrong: in its request line, a header, its framing or its chunks."""
    match chance.randrange(4):
        case 0:
            return chance.choice(WRONG)
        case 1:
            return CHUNKED + b"3\r\nabc\r\n" * chance.randrange(3) + chance.choice(WRONG_CHUNKS) + b"0\r\n\r\n"
        case _:
            line, _, rest = chance.choice(VALID).partition(b"\r\n")
            return line + b"\r\n" + chance.choice(WRONG_HEADERS) + b"\r\n" + rest


def malformed(chance: random.Random) -> bytes:
    """A request with one thing wrong, one of those or a valid one with up to four changes, or plain noise."""
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(1, 300))
    if kind < 0.5:
        return wrong(chance)
    data = bytearray(wrong(chance) if kind < 0.8 else chance.choice(VALID))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                del data[at : at + chance.randrange(1, 12)]
            case 2:
                data[at : at + 1] = chance.randbytes(1)
            case 3:
                data += chance.choice(VALID)
            case _:
                del data[at:]
    return bytes(data)


def send(port: int, requests: list[bytes], chance: random.Random) -> int:
    """Send each on a connection of its own, wait for an answer to some, leave others; how many were answered."""
    answered = 0
    for data in requests:
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            half = chance.randrange(len(data) + 1) if chance.random() < 0.2 else len(data)
            client.sendall(data[:half])
            client.sendall(data[half:])
            if chance.random() < 0.7:
                client.shutdown(socket.SHUT_WR)
                answered += bool(client.recv(65536))
    return answered


def resources(server: Server) -> tuple[int, int, int]:
    """Threads, open files and resident memory in KiB of the worker."""
    (worker,) = server.workers()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
    return int(status["Threads"]), len(list(Path(f"/proc/{worker}/fd").iterdir())), int(status["VmRSS"].split()[0])


def fuzz(server: Server, number: int, seed: int) -> int:
    """Send that many malformed requests; how many were answered."""
    share = number // CLIENTS

    def client(index: int) -> int:
        chance = random.Random(seed + index)
        return send(server.port, [malformed(chance) for _ in range(share)], chance)

    with ThreadPoolExecutor(CLIENTS) as clients:
        return sum(clients.map(client, range(CLIENTS)))


def refused(server: Server) -> int:
    """How many requests the server has refused. Others were valid after all, or broke off."""
    return server.log_file.read_bytes().count(b"Invalid request from")


def test_each_thing_that_is_wrong_is_refused(tmp_path: Path) -> None:
    """So that the requests below are malformed indeed."""
    with_header = [b"GET / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n" for header in WRONG_HEADERS]
    chunked = [CHUNKED + chunk + b"0\r\n\r\n" for chunk in WRONG_CHUNKS]
    accepted = []
    with at_full_speed(), serving(tmp_path) as server:
        for data in [*WRONG, *with_header, *chunked]:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            if not re.match(rb"HTTP/1\.[01] [45][0-9][0-9] ", answer):
                accepted.append((data[:100], answer[:30]))
        assert not accepted
        assert refused(server) == len(WRONG) + len(with_header) + len(chunked)


@pytest.mark.alone
def test_twenty_thousand_malformed_requests_leave_nothing_behind(tmp_path: Path) -> None:
    with at_full_speed(), serving(tmp_path, READ_TIMEOUT="2", KEEP_ALIVE="2", WEB_THREADS="8") as server:
        fuzz(server, ROUND // 2, SEED)
        until("it is idle", lambda: resources(server)[1] < 40, timeout=30)
        threads, files, memory = resources(server)
        already, answered, rounds = refused(server), 0, 0
        while refused(server) - already < REFUSED:
            rounds += 1
            assert rounds <= 3, "too few of them are refused"
            answered += fuzz(server, ROUND, SEED + 1000 * rounds)
        assert answered > rounds * ROUND / 4
        began = time.monotonic()
        assert server.get("/").status == 200
        assert time.monotonic() - began < 0.5
        until("connections are closed", lambda: resources(server)[1] <= files, timeout=30)
        after = resources(server)
        assert after[0] == threads
        assert after[2] - memory < 4096, "resident memory has grown by this many KiB"
        assert len(server.workers()) == 1, "no worker was replaced"
        assert server.is_ready()
        assert server.manage("/livez").status == 200
        lines = server.log_file.read_text(errors="strict").splitlines()
        assert len(lines) > answered / 2
        for line in lines:
            assert isinstance(json.loads(line), dict)
        errors = [entry for entry in server.log() if entry["level"] in ("error", "critical")]
        assert not errors
