"""Which addresses the server listens at, and what it calls its clients."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from nodrop.system.addresses import ALL, all_addresses, as_ipv4, bound, in_proc
from tests.serving_process import ROOT, Server, command, environment, free_port, hold, own_application, serving, until

TELLING = """
import flask
app = flask.Flask(__name__)
@app.get("/")
def index():
    environ = flask.request.environ
    return {name: environ[name] for name in ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT")}
"""


def ask(address: str, port: int, head: str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") -> str:
    """What is answered at this address."""
    with socket.create_connection((address, port), timeout=10) as client:
        client.sendall(head.encode())
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def listeners(port: int) -> set[str]:
    """The local addresses at which something listens with this port, as the kernel writes them."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(address)
    return found


def refused(**variables: str) -> str:
    """What a server says that does not start."""
    ports = {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}
    done = subprocess.run(
        command(), env=environment(**{**ports, **variables}), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    return done.stderr


# --- All addresses --------------------------------------------------------------------------------------------------


def test_both_ports_are_answered_over_ipv6_and_ipv4_by_default(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, TELLING)) as server:
        for address in ("127.0.0.1", "::1"):
            assert ask(address, server.port).startswith("HTTP/1.1 200 OK")
            readiness = ask(address, server.management_port, "GET /readyz HTTP/1.0\r\n\r\n")
            assert readiness.endswith("ready: 1 worker\n")


def test_a_client_of_ipv4_is_called_by_its_ipv4_address_wherever_it_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, TELLING)) as server:
        told = server.get("/").json()
        assert told == {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "0.0.0.0", "SERVER_PORT": str(server.port)}
        ask("127.0.0.1", server.port, "GET / HTTP/1.1\r\nno header\r\n\r\n")
        assert '"REMOTE_ADDR":"::1"' in ask("::1", server.port)
        until("the lines are there", lambda: sum("::1" in str(entry) for entry in server.log()) == 1)
        text = server.log_file.read_text()
        assert "Invalid request from 127.0.0.1" in text
        assert "::ffff" not in text


def test_the_accept_queue_is_read_from_the_socket_of_both_families(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        (worker,) = server.workers()
        hold(server.process.pid)
        hold(worker)
        clients = [socket.create_connection((host, server.port)) for host in ("127.0.0.1", "::1")]
        try:
            assert server.metrics()["nodrop_accept_queue_length"] == 2
        finally:
            for client in clients:
                client.close()
            os.kill(worker, signal.SIGCONT)
            server.process.send_signal(signal.SIGCONT)


def system(folder: Path, source: str) -> dict[str, str]:
    """The variables of a server whose every process runs this source first, to behave as on another system."""
    (folder / "sitecustomize.py").write_text(f"import socket, errno, os\nReal = socket.socket\n{source}\n")
    return own_application(folder, TELLING)


WITHOUT_IPV6 = """
class Socket(Real):
    def __init__(self, family=-1, *rest, **named):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        super().__init__(family, *rest, **named)
socket.socket = Socket
"""
# net.ipv6.bindv6only=1: a socket takes IPv6 alone unless it is told otherwise.
IPV6_ALONE = """
class Socket(Real):
    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        super().__init__(family, type, proto, fileno)
        if family == socket.AF_INET6 and fileno is None:
            self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
socket.socket = Socket
"""


def test_a_host_without_ipv6_is_served_over_ipv4(tmp_path: Path) -> None:
    with serving(tmp_path, **system(tmp_path, WITHOUT_IPV6)) as server:
        assert server.get("/").json()["REMOTE_ADDR"] == "127.0.0.1"
        assert listeners(server.port) == {in_proc("0.0.0.0")}
        assert listeners(server.management_port) == {in_proc("0.0.0.0")}
        assert server.metrics()["nodrop_accept_queue_length"] == 0


def test_both_families_are_served_where_the_system_separates_them(tmp_path: Path) -> None:
    with serving(tmp_path, **system(tmp_path, IPV6_ALONE)) as server:
        for address in ("127.0.0.1", "::1"):
            assert ask(address, server.port).startswith("HTTP/1.1 200 OK")
            assert "ready" in ask(address, server.management_port, "GET /readyz HTTP/1.0\r\n\r\n")


# --- One address ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_nothing_else_listens_where_one_address_is_set(tmp_path: Path, address: str) -> None:
    variables = own_application(tmp_path, TELLING)
    port, management = free_port(), free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command(),
            env=environment(PORT=str(port), MANAGEMENT_PORT=str(management), BIND_ADDRESS=address, **variables),
            stdout=log, stderr=log,
        )  # fmt: skip
    try:

        def ready() -> bool:
            try:
                return "ready: " in ask(address, management, "GET /readyz HTTP/1.0\r\n\r\n")
            except OSError:
                return False

        until("it is ready", ready)
        assert f'"SERVER_NAME":"{address}"' in ask(address, port)
        assert listeners(port) == listeners(management) == {in_proc(address)}
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_an_ipv6_address_in_brackets_is_served(tmp_path: Path) -> None:
    port, management = free_port(), free_port()
    variables = own_application(tmp_path, TELLING)
    ports = {"PORT": str(port), "MANAGEMENT_PORT": str(management), "BIND_ADDRESS": "[::1]"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command(), env=environment(**ports, **variables), stdout=log, stderr=log)
    try:
        until("it listens", lambda: bool(listeners(management) and listeners(port)))
        assert '"REMOTE_ADDR":"::1"' in ask("::1", port)
        assert listeners(port) == listeners(management) == {in_proc("::1")}
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_an_address_of_another_host_is_refused_in_one_line() -> None:
    said = refused(BIND_ADDRESS="192.0.2.7")
    assert said.startswith("can't listen at 192.0.2.7:")
    assert said.endswith("set BIND_ADDRESS to an address of this host\n")
    assert said.count("\n") == 1


def test_what_is_no_address_is_refused() -> None:
    assert refused(BIND_ADDRESS="localhost").startswith(
        "BIND_ADDRESS='localhost' can't be accepted: set it to an IP address of this host, such as 127.0.0.1"
    )


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_that_is_taken_in_either_family_is_refused(family: socket.AddressFamily) -> None:
    with socket.create_server(("", 0), family=family) as busy:
        port = busy.getsockname()[1]
        assert refused(PORT=str(port)).startswith(f"port {port} is already in use: ")


def test_make_run_listens_on_this_machine_alone(tmp_path: Path) -> None:
    port, management = free_port(), free_port()
    log_file = tmp_path / "log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            ["make", "-C", str(ROOT), "run", f"PORT={port}"],
            env=environment(MANAGEMENT_PORT=str(management)), stdout=log, stderr=log, start_new_session=True, text=True,
        )  # fmt: skip
    server = Server(process, port, management, log_file)
    try:
        until("it serves", server.is_ready, timeout=60)
        assert listeners(port) == listeners(management) == {in_proc("127.0.0.1")}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


def test_the_image_listens_at_every_address() -> None:
    """Nothing in it says otherwise, so that the default holds."""
    assert "BIND_ADDRESS" not in (ROOT / "Dockerfile").read_text()


# --- The functions --------------------------------------------------------------------------------------------------


def test_the_default_is_every_address_of_both_families_here() -> None:
    assert all_addresses() == ALL


def test_addresses_are_written_as_the_kernel_writes_them() -> None:
    assert in_proc("127.0.0.1") in ("0100007F", "7F000001")
    with bound("::1", 0) as listener:
        listener.listen()
        assert listeners(listener.getsockname()[1]) == {in_proc("::1")}


@pytest.mark.parametrize(
    ("client", "server", "seen"),
    [
        (("::ffff:10.1.2.3", 5, 0, 0), ("::", 80, 0, 0), (("10.1.2.3", 5), ("0.0.0.0", 80))),
        (("::1", 5, 0, 0), ("::", 80, 0, 0), (("::1", 5, 0, 0), ("::", 80, 0, 0))),
        (("10.1.2.3", 5), ("0.0.0.0", 80), (("10.1.2.3", 5), ("0.0.0.0", 80))),
    ],
)
def test_a_mapped_address_is_the_ipv4_address_in_it(client: object, server: object, seen: object) -> None:
    assert as_ipv4(client, server) == seen
