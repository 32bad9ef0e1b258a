"""Logs: one valid JSON object a line."""

import socket
from pathlib import Path

from tests.serving_process import Server, serving, until


def send_raw(server: Server, data: bytes) -> bytes:
    """Send bytes and return all that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_every_line_is_json_whatever_is_sent(server: Server) -> None:
    rest = b' HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff"\\\r\nConnection: close\r\n\r\n'
    assert b" 200 " in send_raw(server, b'GET /echo?a"b\\c%22%0a{}' + rest)
    # Refused, and logged by gunicorn itself.
    assert b" 400 " in send_raw(server, b'GET /echo?"\xff' + rest)
    assert b" 400 " in send_raw(server, b'"\\\n{\x00\r\n\r\n')
    until("it is logged", lambda: any('a"b\\c' in entry.get("url", "") for entry in server.log()))
    until("the refusals too", lambda: sum("Invalid" in entry["message"] for entry in server.log()) >= 2)


def test_an_access_line_says_what_was_asked_and_answered(server: Server) -> None:
    server.get("/echo?find-me", method="PUT", headers={"User-Agent": "test"})

    def found() -> bool:
        return any(entry.get("url") == "/echo?find-me" for entry in server.log())

    until("it is logged", found)
    entry = next(entry for entry in server.log() if entry.get("url") == "/echo?find-me")
    assert (entry["method"], entry["status"], entry["client"], entry["user_agent"]) == ("PUT", 200, "127.0.0.1", "test")
    assert entry["bytes"] > 0
    assert entry["ms"] > 0


def test_the_access_log_can_be_turned_off(tmp_path: Path) -> None:
    with serving(tmp_path, ACCESS_LOG="0") as server:
        server.get("/")
        server.stop()
        assert not [entry for entry in server.log() if "url" in entry]
