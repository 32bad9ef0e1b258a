"""The management port under clients that mean harm: bounded, and the kubelet's probe is answered all the same."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from nodrop.management.client import SECONDS, Phase
from nodrop.management.server import MOST_CONNECTIONS
from tests.management_process import Usage, health_server, usage
from tests.raw import split
from tests.serving_process import ROOT, Server, at_full_speed, serving, tcp_table, until

pytestmark = pytest.mark.long

PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose management port is attacked, for the tests that measure time or CPU."""
    with at_full_speed(), unharmed(tmp_path_factory.mktemp("attacked")) as server:
        yield server


@pytest.fixture(scope="module")
def bothered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the others."""
    with unharmed(tmp_path_factory.mktemp("bothered")) as server:
        yield server


@contextmanager
def unharmed(folder: Path) -> Iterator[Server]:
    """A server that is ready in the end, and has logged no error."""
    with serving(folder) as server:
        yield server
        assert server.is_ready()
        assert [entry for entry in server.log() if entry["level"] in ("error", "critical")] == []


def connect(server: Server, data: bytes = b"") -> socket.socket:
    """A connection to the management port, on which this has been sent."""
    client = socket.create_connection(("127.0.0.1", server.management_port), timeout=20)
    client.sendall(data)
    return client


def received(client: socket.socket) -> bytes:
    """Everything until the server closes, in whichever way."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            data += part
    return data


def probes(server: Server, count: int = 300) -> list[float]:
    """How long probes took in seconds, each on a connection of its own, the quickest first."""
    times = []
    for number in range(count):
        began = time.monotonic()
        assert server.manage(("/livez", "/readyz", "/startupz")[number % 3]).status == 200
        times.append(time.monotonic() - began)
        time.sleep(0.01)
    return sorted(times)


def shown(times: list[float]) -> str:
    """Median, 95 % and maximum."""
    chosen = times[len(times) // 2], times[int(len(times) * 0.95)], times[-1]
    return "median {:.1f}, 95 % {:.1f}, most {:.1f} ms".format(*(1000 * each for each in chosen))


@contextmanager
def attack(server: Server, *, count: int, rate: int, options: Sequence[str] = ()) -> Iterator[None]:
    """Hostile clients, in a process of their own, all of whom have connected."""
    command = [sys.executable, "-m", "tests.hostile_clients", str(server.management_port)]
    command += ["--count", str(count), "--rate", str(rate), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            yield
        finally:
            process.terminate()
            print(f"{process.stdout.read().strip()} hostile connections were opened")  # type: ignore[union-attr]


# --- Two thousand hostile clients -------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.parametrize("rate", [500, 1000])
def test_probes_are_answered_while_two_thousand_hostile_clients_connect_again_and_again(
    attacked: Server, rate: int
) -> None:
    """Half requests, trickled ones, scrapes that nobody reads and idle connections; `rate` are opened a second."""
    pid = health_server(attacked)
    quiet, control = usage(pid), probes(attacked)
    with attack(attacked, count=2000, rate=rate):
        during: list[Usage] = [usage(pid)]
        times = probes(attacked)
        during.append(usage(pid))
    print(f"without an attack: {shown(control)}; in it: {shown(times)}")
    most = max(during, key=lambda each: each.resident_bytes)
    print(f"from {quiet} to {most}")
    assert times[int(len(times) * 0.95)] < 0.05
    assert max(each.threads for each in during) == quiet.threads
    assert max(each.files for each in during) <= quiet.files + MOST_CONNECTIONS + 1
    assert most.resident_bytes < quiet.resident_bytes + 4 * 1024 * 1024
    until("the connections are gone", lambda: usage(pid).files <= quiet.files, timeout=5)
    assert probes(attacked, 20)
    said = [entry for entry in attacked.log() if "health and metrics" in entry["message"]]
    assert len(said) == 1, "told once a minute, however often it happens"


@pytest.mark.alone
def test_probes_are_answered_while_scrapers_ask_in_thousands_of_words(attacked: Server) -> None:
    """400 scrapes a second, of 1,451 parameters each and no two alike."""
    pid = health_server(attacked)
    quiet, control = usage(pid), probes(attacked)
    with attack(attacked, count=200, rate=400, options=["--queries"]):
        times = probes(attacked)
        during = usage(pid)
    print(f"without an attack: {shown(control)}; in it: {shown(times)}; from {quiet} to {during}")
    assert times[int(len(times) * 0.95)] < 0.05
    assert during.threads == quiet.threads
    assert during.resident_bytes < quiet.resident_bytes + 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?" + "name[]=a&" * 49 + "name[]=b", "", 200),
        ("?" + "name[]=a&" * 50 + "name[]=b", "", 414),
        ("?name[]=" + "a" * 1017, "", 200),
        ("?name[]=" + "a" * 1018, "", 414),
        ("", "Accept: " + "a," * 512, 200),
        ("", "Accept: " + "a," * 513, 431),
        ("", "Accept-Encoding: " + "gzip," * 300, 431),
    ],
)
def test_what_a_scraper_asks_for_has_to_be_short(bothered: Server, query: str, header: str, status: int) -> None:
    name, _, value = header.partition(": ")
    assert bothered.manage(f"/metrics{query}", headers={name: value} if name else {}).status == status


def settled(value: Callable[[], int]) -> int:
    """The value once it stays the same: the server hears a moment later of what its clients have closed."""
    seen = [value()]
    while seen[-10:] != [seen[-1]] * 10:
        time.sleep(0.05)
        seen.append(value())
    return seen[-1]


def test_there_are_at_most_64_connections_and_the_newest_is_served(bothered: Server) -> None:
    pid = health_server(bothered)
    before = usage(pid)
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(bothered, PROBE[:-2]))
        # Its second half follows later: it is not pushed out by those that are there already.
        newest = stack.enter_context(connect(bothered, PROBE[:-2]))
        time.sleep(0.2)
        newest.sendall(b"\r\n")
        assert split(newest.recv(1000))[0].status == 200
        assert bothered.manage("/livez").status == 200
        during = usage(pid)
        assert during.threads == before.threads
        # A file of metrics may be open at the moment.
        until("it has no more", lambda: usage(pid).files <= before.files + MOST_CONNECTIONS, timeout=2)


def test_the_connection_that_is_closed_is_the_one_that_has_made_no_progress_for_longest(bothered: Server) -> None:
    pid = health_server(bothered)
    before = settled(lambda: usage(pid).files)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(bothered, PROBE[:-2])) for _ in range(MOST_CONNECTIONS)]
        until("all are accepted", lambda: usage(pid).files == before + MOST_CONNECTIONS, timeout=2)
        clients[0].sendall(b"\r\n")
        assert b" 200 " in clients[0].recv(1000)
        stack.enter_context(connect(bothered, PROBE[:-2]))
        assert received(clients[1]) == b""
        clients[0].sendall(PROBE)
        assert b" 200 " in clients[0].recv(1000)


# --- Time -------------------------------------------------------------------------------------------------------------


def test_a_request_has_its_time_as_a_whole_however_it_trickles(bothered: Server) -> None:
    began = time.monotonic()
    with connect(bothered, b"GET /livez HTTP/1.1\r\nX: ") as client:
        client.settimeout(0.25)
        answer = b""
        while not answer and time.monotonic() - began < 2 * SECONDS[Phase.READING]:
            client.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = client.recv(1000)
        took = time.monotonic() - began
    (refused,) = split(answer)
    assert (refused.status, refused.body) == (408, b"the request took too long to arrive\n")
    assert SECONDS[Phase.READING] - 0.5 < took < SECONDS[Phase.READING] + 3


def test_a_scraper_that_reads_nothing_is_cut_off(bothered: Server) -> None:
    pid = health_server(bothered)
    quiet = usage(pid)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", bothered.management_port))
        client.setblocking(False)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 2 * SECONDS[Phase.ANSWERING]:
                # More than all buffers hold of answers.
                with contextlib.suppress(BlockingIOError):
                    client.sendall(SCRAPE * 10)
                time.sleep(0.05)
        took = time.monotonic() - began
    assert SECONDS[Phase.ANSWERING] - 0.5 < took < SECONDS[Phase.ANSWERING] + 3
    after = usage(pid)
    assert after.resident_bytes < quiet.resident_bytes + 2 * 1024 * 1024
    assert after.files <= quiet.files


def test_a_client_that_has_closed_its_side_is_answered_in_full_and_closed(bothered: Server) -> None:
    for data in (PROBE, SCRAPE, SCRAPE * 3):
        with connect(bothered, data) as client:
            client.shutdown(socket.SHUT_WR)
            answers = split(b"".join(iter(lambda: client.recv(100), b"")))
            assert [answer.status for answer in answers] == [200] * data.count(b"GET")


def test_a_client_that_has_closed_its_side_and_reads_nothing_is_bounded_too(bothered: Server) -> None:
    pid = health_server(bothered)
    before = usage(pid).files
    with ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", bothered.management_port))
            client.sendall(SCRAPE)
            client.shutdown(socket.SHUT_WR)
        assert bothered.manage("/livez").status == 200
        until("they are bounded", lambda: before < usage(pid).files <= before + MOST_CONNECTIONS, timeout=2)
        longest = SECONDS[Phase.ANSWERING] + SECONDS[Phase.CLOSING]
        until("they are cut off", lambda: usage(pid).files <= before, timeout=longest + 1)
        assert orphans(bothered.management_port) == 0


def orphans(port: int) -> int:
    """Connections of the port that are closed here, and that the kernel keeps for what their clients have not taken."""
    half_closed = {"04", "05", "09", "0B"}  # FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] in half_closed for fields in tcp_table())


@pytest.mark.parametrize("data", [PROBE, SCRAPE], ids=["probe", "scrape"])
def test_clients_that_are_gone_before_their_answer_leave_no_connection(bothered: Server, data: bytes) -> None:
    """The answer resets the connection, and the kernel goes on counting it as not received."""
    pid = health_server(bothered)
    before = usage(pid).files
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            connect(bothered, data).close()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert bothered.manage("/livez").status == 200
    until("their connections are closed", lambda: usage(pid).files <= before, timeout=3)


def test_a_client_that_sends_a_body_without_end_is_answered_and_closed(bothered: Server) -> None:
    with connect(bothered, b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 2 * SECONDS[Phase.CLOSING]:
                client.sendall(b"5\r\nhello\r\n" * 100)
                time.sleep(0.05)
        took = time.monotonic() - began
    assert took < SECONDS[Phase.CLOSING] + 2


@pytest.mark.alone
def test_what_one_connection_sends_at_once_is_served_in_turns_with_the_others(bothered: Server) -> None:
    """400 requests in one piece: a probe that comes after them is not answered after them."""
    with connect(bothered) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
        began = time.monotonic()
        assert bothered.manage("/livez").status == 200
        took = time.monotonic() - began
        data, count = b"", 0
        while count < 400:
            data += client.recv(65536)
            count = data.count(b"HTTP/1.1 200")
        everything = time.monotonic() - began
    print(f"the probe took {1000 * took:.1f} of {1000 * everything:.1f} ms")
    assert took < everything / 2


# --- Descriptors ------------------------------------------------------------------------------------------------------


@contextmanager
def descriptors(pid: int, limit: int) -> Iterator[None]:
    """Let the process have descriptors below this number only."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.alone
def test_with_few_descriptors_it_has_fewer_connections_and_probes_are_answered(tmp_path: Path) -> None:
    with at_full_speed(), serving(tmp_path) as server:
        limit = 40
        first = health_server(server)
        supervisor = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        with descriptors(supervisor, limit):
            os.kill(first, signal.SIGKILL)
            until("another has it", lambda: server.is_ready() and health_server(server) != first)
        with attack(server, count=100, rate=500):
            times = probes(server, 100)
            assert usage(health_server(server)).files < limit
        print(shown(times))
        assert times[95] < 0.05
        assert [entry["message"] for entry in server.log() if entry["level"] == "error"] == [
            "health server died, starting another"
        ]


@pytest.mark.alone
def test_without_a_descriptor_it_waits_for_one_and_neither_spins_nor_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        pid = health_server(server)
        with descriptors(pid, lowest_free_descriptor(pid)), connect(server, PROBE) as client:
            before = usage(pid).cpu_seconds
            time.sleep(2)
            used = usage(pid).cpu_seconds - before
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(1000)
        print(f"{used:.2f} s of CPU time in 2 s")
        assert used < 0.2
        until("it answers", server.is_ready, timeout=1)
        assert health_server(server) == pid
        said = [entry["message"] for entry in server.log() if entry["message"].startswith("can't accept")]
        assert said == ["can't accept connections for health and metrics: [Errno 24] Too many open files"]


def lowest_free_descriptor(pid: int) -> int:
    """The lowest number of a file that the process has not open for good: a probe's connection is gone soon, and files
    are opened for a moment."""
    lowest = 100
    for _ in range(60):
        taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
        lowest = min(lowest, *(set(range(100)) - taken))
        time.sleep(0.02)
    return lowest


@pytest.mark.alone
def test_after_standing_still_in_an_attack_it_answers_at_once(bothered: Server) -> None:
    """As when its CPU time is used up, and the queue of the kernel is full of connections when it goes on."""
    pid = health_server(bothered)
    with attack(bothered, count=1000, rate=1000):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        began = time.monotonic()
        assert bothered.manage("/livez", timeout=2).status == 200
        print(f"{1000 * (time.monotonic() - began):.0f} ms")
