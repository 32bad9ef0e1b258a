"""Plain, coloured lines in a terminal, and how to have the one or the other."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.log_lines import answers
from tests.serving_process import Answer, command, environment, free_port, request, serving, until

ESCAPE = "\x1b["


def in_terminal(tmp_path: Path, **variables: str) -> str:
    """What a server prints in a terminal, asked for /users/ada, with control characters, and for what is not there."""
    terminal, its_end = pty.openpty()
    port = free_port()
    env = environment(PORT=str(port), MANAGEMENT_PORT=str(free_port()), WSGI_APP="tests.talkative:app")
    env = {name: value for name, value in env.items() if name != "NO_COLOR"} | {"TERM": "xterm", **variables}
    process = subprocess.Popen(
        command(), cwd=tmp_path, env=env, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
    printed = b""

    def read() -> None:
        nonlocal printed
        while select.select([terminal], [], [], 0)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # what Linux says when the other end is closed
                return
            printed += data

    def shows(text: bytes) -> bool:
        read()
        return text in printed

    answered: list[Answer] = []

    def answers_users() -> bool:
        read()
        if answers(port):
            answered.append(request(port, "/users/ada"))
        return bool(answered)

    try:
        until("it answers", answers_users)
        raw = b"GET /\xc2\x9b31m?\x9b31m HTTP/1.1\r\nHost: x\r\nUser-Agent: \x9b\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(raw)
            client.recv(65536)
        request(port, "/users/%1B%5B31mred%0A12:00:00%20forged")
        request(port, "/nowhere")
        request(port, "/users/last")
        until("it is printed", lambda: shows(b"/users/last 200"))
    finally:
        process.send_signal(signal.SIGTERM)
        until("it has ended", lambda: shows(b"no such text") or process.poll() is not None)
        os.close(terminal)
    return printed.decode()


def test_a_terminal_shows_plain_coloured_lines_and_nothing_of_a_clients_making(tmp_path: Path) -> None:
    printed = in_terminal(tmp_path)
    assert re.search(r"\x1b\[2m\d\d:\d\d:\d\d\.\d{3}\x1b\[0m \x1b\[32mGET /users/ada 200 [\d.]+ ms\x1b\[0m", printed)
    assert re.search(r"\x1b\[32mINFO    \x1b\[0m talkative: hello ada", printed)
    assert re.search(r"\x1b\[33mGET /nowhere 404", printed)
    without_colours = re.sub(r"\x1b\[[\d;]*m", "", printed)
    assert all(line.isprintable() for line in without_colours.replace("\r\n", "\n").split("\n"))
    assert r"hello \x1b[31mred" in printed
    assert "\n    12:00:00 forged" in without_colours.replace("\r\n", "\n")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(tmp_path: Path, variables: dict[str, str]) -> None:
    printed = in_terminal(tmp_path, **variables)
    assert "hello ada" in printed
    assert ESCAPE not in printed


def test_json_can_be_had_in_a_terminal(tmp_path: Path) -> None:
    lines = in_terminal(tmp_path, LOG_FORMAT="json").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_plain_lines_can_be_had_without_a_terminal_and_have_no_colours(tmp_path: Path) -> None:
    process_line = r"\d\d:\d\d:\d\d\.\d{3} ERROR    nodrop\.management\.process: health server died, starting another "
    with serving(tmp_path, LOG_FORMAT="plain", WSGI_APP="tests.talkative:app") as server:
        server.get("/users/ada")
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        for child in children.read_text().split():
            for grandchild in Path(f"/proc/{child}/task/{child}/children").read_text().split():
                os.kill(int(grandchild), signal.SIGKILL)
        until("it is logged", lambda: bool(re.search(process_line, server.log_file.read_text())))
        text = server.log_file.read_text()
    assert re.search(r"(?m)^\d\d:\d\d:\d\d\.\d{3} INFO     talkative: hello ada$", text)
    assert re.search(r"(?m)^\d\d:\d\d:\d\d\.\d{3} GET /users/ada 200 [\d.]+ ms$", text)
    assert ESCAPE not in text
