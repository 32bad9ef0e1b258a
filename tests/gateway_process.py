"""The gateway as a real process, with pods that are only pretended, and the name server that tells it of them.

A pod is an address of the loopback interface, of which Linux has 127.0.0.0/8, with the application at one port and its
health at another, the same two for all pods: as in a cluster.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faulty_server import Behaviour, FaultyServer
from tests.serving_process import free_port, until

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "k8s-tests" / "gateway" / "haproxy.cfg"
NAME = "web-pods.default.svc.cluster.local"

_A = 1
_ANSWERED, _NO_SUCH_NAME = 0x8580, 0x8583


class NoHAProxy(Exception):
    """There is no HAProxy."""


def find() -> str:
    """HAProxy's program. Raises NoHAProxy, which says what to install."""
    # Debian has it in a folder that is not on everybody's PATH.
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise NoHAProxy("no haproxy on PATH: install HAProxy 2.6 or later, on Debian apt-get install haproxy")
    return found


class NameServer:
    """Answers what is asked for NAME with `addresses`, in order; with none there is no such name. May be `silent`."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.silent = False
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._answering = threading.Thread(target=self._answer, daemon=True)
        self._answering.start()

    def close(self) -> None:
        """Stop answering."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answering.join(5)
        self._socket.close()

    def _answer(self) -> None:
        while True:
            # `close` may come while an answer is made: then there is nothing to send it with.
            try:
                query, client = self._socket.recvfrom(4096)
                if not query:
                    return
                self.asked += 1
                if not self.silent:
                    self._socket.sendto(self._reply(query), client)
            except OSError:
                return

    def _reply(self, query: bytes) -> bytes:
        # One question: its name ends with an empty label, then come type and class.
        end = query.index(b"\0", 12) + 5
        (kind,) = struct.unpack_from(">H", query, end - 4)
        addresses = self.addresses if kind == _A else []
        flags = _ANSWERED if self.addresses else _NO_SUCH_NAME
        head = query[:2] + struct.pack(">5H", flags, 1, len(addresses), 0, 0)
        # 0xC00C: the name is that of the question.
        records = [struct.pack(">HHHIH", 0xC00C, _A, 1, 0, 4) + socket.inet_aton(address) for address in addresses]
        return head + query[12:end] + b"".join(records)


@dataclass(frozen=True)
class Ports:
    """The ports that all pods have."""

    application: int
    health: int


class Pod:
    """A pod in this process. `received` of its `application` says what came."""

    def __init__(self, address: str, ports: Ports, behaviour: Behaviour) -> None:
        self.address = address
        self.application = FaultyServer(behaviour, address=(address, ports.application))
        self.health = FaultyServer(lambda _: "ok", address=(address, ports.health))

    def close(self) -> None:
        """Refuse connections from now on."""
        self.application.close()
        self.health.close()


class PodProcess:
    """A pod as a process of its own, which can be killed or stopped. It takes `delay` seconds for an answer."""

    def __init__(self, address: str, ports: Ports, delay: float) -> None:
        self.address = address
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.gateway_process",
                address, str(ports.application), str(ports.health), str(delay),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout
        self._process.stdout.readline()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class LostPod:
    """A pod whose node is gone: nothing that is sent to it is answered, not even by a kernel.

    A listening socket whose queue is full takes no part in any handshake. With `ready` its health is served all the
    same.
    """

    def __init__(self, address: str, ports: Ports, *, ready: bool) -> None:
        self.address = address
        self._sockets: list[socket.socket] = []
        self._health = FaultyServer(lambda _: "ok", address=(address, ports.health)) if ready else None
        for port in (ports.application,) if ready else (ports.application, ports.health):
            listener = socket.create_server((address, port), backlog=0)
            self._sockets.append(listener)
            while self._joins_queue((address, port)):
                pass

    def _joins_queue(self, address: tuple[str, int]) -> bool:
        client = socket.socket()
        self._sockets.append(client)
        client.settimeout(0.2)
        try:
            client.connect(address)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let go of its address."""
        for each in self._sockets:
            each.close()
        if self._health:
            self._health.close()


@dataclass
class Gateway:
    """A running gateway. `log_file` has what HAProxy said."""

    port: int
    status_port: int
    names: NameServer
    log_file: Path

    def is_started(self) -> bool:
        """Whether /startupz says so."""
        return self.status("/startupz")[0] == 200

    def status(self, path: str) -> tuple[int, str]:
        """The status and body of an answer at the status port; (0, "") while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""


class Cluster:
    """Pods, and gateways in front of them, for the `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = Ports(free_port(), free_port())
        self._made = 0
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _address(self) -> str:
        self._made += 1
        return f"127.0.77.{self._made}"

    def pod(self, behaviour: Behaviour = lambda _: "ok") -> Pod:
        """A pod that does what `behaviour` says."""
        pod = Pod(self._address(), self.ports, behaviour)
        self._stack.callback(pod.close)
        return pod

    def pod_process(self, delay: float) -> PodProcess:
        """A pod that can be killed."""
        pod = PodProcess(self._address(), self.ports, delay)
        self._stack.callback(pod.close)
        return pod

    def lost_pod(self, *, ready: bool = False) -> LostPod:
        """A pod that can't be reached, though it may be `ready`."""
        pod = LostPod(self._address(), self.ports, ready=ready)
        self._stack.callback(pod.close)
        return pod

    def gateway(self, *addresses: str, config: Path = CONFIG, least: int | None = None) -> Gateway:
        """A gateway that has been told of `addresses`, once `least` (default: all) of them are up."""
        names = NameServer()
        self._stack.callback(names.close)
        names.addresses = list(addresses)
        wanted = len(addresses) if least is None else least
        gateway = self._stack.enter_context(_running(self._folder, names, self.ports, config, at_start=len(addresses)))
        if wanted:
            until(f"{wanted} pods are up: see {gateway.log_file}", gateway.is_started)
        return gateway


def environment(names_port: int, ports: Ports, listen: int, status: int, at_start: int) -> dict[str, str]:
    """What the configuration takes from the environment."""
    return {
        "PODS_NAME": NAME,
        "PODS_PORT": str(ports.application),
        "PODS_HEALTH_PORT": str(ports.health),
        "PODS_AT_START": str(at_start),
        "LISTEN_PORT": str(listen),
        "STATUS_PORT": str(status),
        "NAMESERVER": f"127.0.0.1:{names_port}",
    }


@contextmanager
def _running(folder: Path, names: NameServer, ports: Ports, config: Path, *, at_start: int) -> Iterator[Gateway]:
    gateway = Gateway(free_port(), free_port(), names, folder / "haproxy.log")
    variables = environment(names.port, ports, gateway.port, gateway.status_port, at_start)
    with gateway.log_file.open("w") as log:
        process = subprocess.Popen(
            [find(), "-db", "-f", str(config)], env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until("the gateway answers", lambda: gateway.status("/startupz")[0] != 0 or process.poll() is not None)
        assert process.poll() is None, gateway.log_file.read_text()
        yield gateway
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    given = Ports(int(sys.argv[2]), int(sys.argv[3]))
    running = Pod(sys.argv[1], given, lambda _: f"delay {sys.argv[4]}")
    print("serving", flush=True)
    sys.stdin.read()
    running.close()
