"""What of HTTP the management port speaks, and how scrapes share what is rendered for one of them."""

import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection

import pytest
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from nodrop.management.parsing import HEAD_BYTES, RefusedError, Request, take
from nodrop.management.responses import Response
from nodrop.management.scrapes import KEEP_SECONDS, SHARE, Scrape, Scrapes
from tests.raw import split
from tests.serving_process import Server

# --- Requests ---------------------------------------------------------------------------------------------------------

KUBELET = (
    b"GET /readyz HTTP/1.1\r\nHost: 10.244.1.7:5001\r\nUser-Agent: kube-probe/1.37\r\nAccept: */*\r\n"
    b"Connection: close\r\n\r\n"
)
PROMETHEUS = (
    b"GET /metrics HTTP/1.1\r\nHost: 10.244.1.7:5001\r\nUser-Agent: Prometheus/3.5.0\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5\r\n"
    b"Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)


@pytest.mark.parametrize(
    ("sent", "request_"),
    [
        (KUBELET, Request("GET", "/readyz", accept="*/*", keep_alive=False)),
        (
            PROMETHEUS,
            Request(
                "GET",
                "/metrics",
                accept="application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                "text/plain;version=0.0.4;q=0.5",
                accept_encoding="gzip",
            ),
        ),
        (b"GET / HTTP/1.0\r\n\r\n", Request("GET", "/", keep_alive=False)),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Request("GET", "/")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", Request("GET", "/", keep_alive=False)),
        (b"GET / HTTP/1.9\r\nHost: a\r\n\r\n", Request("GET", "/")),
        (b"\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n", Request("HEAD", "/")),
        (b"GET http://a:5001/livez?b HTTP/1.1\r\nHost: a\r\n\r\n", Request("GET", "/livez", "b")),
        (b"GET http://[::1]?b HTTP/1.1\r\nHost: a\r\n\r\n", Request("GET", "/", "b")),
        (b"GET //[ HTTP/1.1\r\nHost: a\r\n\r\n", Request("GET", "//[")),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Request("OPTIONS", "*")),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", Request("CONNECT", "a:443")),
        (b"POST / HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n", Request("POST", "/")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", Request("GET", "/")),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nX: \xff\r\naccept:\tb \r\n\r\n",
            Request("GET", "/", accept="a, b"),
        ),
    ],
    ids=str,
)
def test_what_is_a_request_is_read_as_one_wherever_it_is_cut(sent: bytes, request_: Request) -> None:
    for cut in range(len(sent)):
        received = bytearray(sent[:cut])
        assert take(received) is None
        received += sent[cut:] + b"GET"
        assert take(received) == request_
        assert received == b"GET"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        (b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /#top HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 7\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET /" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"x" * (HEAD_BYTES + 1), 431),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_request_is_refused_at_once(server: Server, sent: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        take(bytearray(sent))
    assert refused.value.status == status
    # And nothing of what follows it is answered.
    (answer,) = split(exchange(server, sent + KUBELET))
    assert answer.status == status
    assert answer.headers["connection"] == "close"


def exchange(server: Server, data: bytes) -> bytes:
    """Send bytes to the management port and return all that is answered until it closes."""
    with socket.create_connection(("127.0.0.1", server.management_port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_several_requests_may_be_sent_at_once_and_are_answered_in_order(server: Server) -> None:
    keep = b"Host: a\r\n\r\n"
    answers = split(
        exchange(
            server,
            b"GET /livez HTTP/1.1\r\n" + keep + b"GET /nowhere HTTP/1.1\r\n" + keep
            + b"GET /metrics?name[]=nodrop_threads HTTP/1.1\r\n" + keep + b"POST /livez HTTP/1.1\r\n" + keep + KUBELET,
        )
    )  # fmt: skip
    assert [answer.status for answer in answers] == [200, 404, 200, 405, 200]
    assert answers[0].body == b"alive\n"
    assert b"\nnodrop_threads 8.0\n" in answers[2].body
    assert answers[3].headers["allow"] == "GET, HEAD"
    assert [answer.headers["connection"] for answer in answers] == ["keep-alive"] * 4 + ["close"]


def test_a_client_of_http_1_0_is_kept_if_it_asks_for_it(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.management_port), timeout=10) as client:
        for _ in range(2):
            client.sendall(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            (answer,) = split(client.recv(1000))
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(1000), b"")).endswith(b"alive\n")


def test_a_connection_is_kept_for_the_next_scrape(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.management_port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/metrics")
        first = connection.sock
        assert b"nodrop_threads" in connection.getresponse().read()
        assert connection.sock is first
        # Longer than a request may take.
        time.sleep(0.1)
    connection.request("HEAD", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 1000
    connection.close()


def test_an_answer_is_not_kept_by_whoever_passes_it_on(server: Server) -> None:
    for path in ("/livez", "/metrics", "/nowhere"):
        headers = server.manage(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["server"] == "management"


# --- Scrapes ----------------------------------------------------------------------------------------------------------


class Counting:
    """Metrics that say how often they were read, which takes `cpu_seconds`."""

    def __init__(self, cpu_seconds: float = 0.0) -> None:
        self.reads = 0
        self._cpu_seconds = cpu_seconds

    def collect(self) -> Iterator[Metric]:
        self.reads += 1
        end = time.thread_time() + self._cpu_seconds
        while time.thread_time() < end:
            pass
        yield GaugeMetricFamily("reads", "How often they were read", value=self.reads)
        yield CounterMetricFamily("orders", "Something else", value=7)


@contextmanager
def rendering(collector: Counting) -> Iterator[tuple[Scrapes, Callable[[Scrape], Response]]]:
    """The scrapes of these metrics, and a function that waits for the answer of one."""
    woken = threading.Event()
    scrapes = Scrapes(collector, woken.set)
    scrapes.start()

    def answered(scrape: Scrape) -> Response:
        answers: list[Response] = []
        scrapes.ask(scrape, answers.append)
        deadline = time.monotonic() + 10
        while not answers:
            assert woken.wait(deadline - time.monotonic()), "it was not rendered"
            woken.clear()
            scrapes.deliver()
        return answers[0]

    yield scrapes, answered


PLAIN = Scrape.of("", "", "")


@pytest.mark.alone
def test_a_scrape_is_kept_for_a_second_in_whichever_way_it_is_asked_for() -> None:
    collector = Counting()
    with rendering(collector) as (_, answered):
        began = time.monotonic()
        assert b"\nreads 1.0\n" in answered(PLAIN).body
        openmetrics = answered(Scrape.of("", "application/openmetrics-text;version=1.0.0", ""))
        assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert openmetrics.body.endswith(b"# EOF\n")
        zipped = answered(Scrape.of("", "", "gzip"))
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert b"\nreads 1.0\n" in gzip.decompress(zipped.body)
        only = answered(Scrape.of("name[]=orders_total", "", ""))
        assert b"orders_total 7.0" in only.body
        assert b"reads" not in only.body
        assert answered(PLAIN) is answered(PLAIN)
        assert time.monotonic() - began < KEEP_SECONDS, "this machine is too slow to tell"
        assert collector.reads == 1
        time.sleep(KEEP_SECONDS)
        assert b"\nreads 2.0\n" in answered(PLAIN).body


def test_scrapes_that_come_at_once_share_one_rendering(server: Server) -> None:
    with ThreadPoolExecutor(20) as scrapers:
        answers = list(scrapers.map(lambda _: server.manage("/metrics").body, range(20)))
    assert len(set(answers)) <= 2, "a second may have been over in between"


@pytest.mark.alone
def test_scrapers_that_each_want_something_else_use_a_fifth_of_a_core() -> None:
    collector = Counting(cpu_seconds=0.02)
    with rendering(collector) as (_, answered):
        # Without this thread, which asks as fast as it is answered.
        began, used = time.monotonic(), time.process_time() - time.thread_time()
        for number in itertools.count():
            answered(Scrape.of(f"name[]=a{number}", "", ""))
            if time.monotonic() - began > 3:
                break
        share = (time.process_time() - time.thread_time() - used) / (time.monotonic() - began)
    print(f"{share:.2f} of a core for {number / 3:.0f} different scrapes a second")
    assert share < SHARE + 0.1
    assert collector.reads <= 4


@pytest.mark.alone
def test_a_scrape_of_everything_does_not_wait_behind_those_of_a_few_names() -> None:
    collector = Counting(cpu_seconds=0.02)
    with rendering(collector) as (scrapes, answered):
        answered(PLAIN)
        for number in range(64):
            scrapes.ask(Scrape.of(f"name[]={'x' * 100}{number}", "", ""), lambda _: None)
        time.sleep(KEEP_SECONDS)
        began = time.monotonic()
        assert b"reads" in answered(PLAIN).body
        assert time.monotonic() - began < 0.5


def test_what_nobody_waits_for_any_more_is_not_rendered() -> None:
    collector = Counting()
    scrapes = Scrapes(collector, lambda: None)
    for number in range(1000):
        answers: list[Response] = []
        reply = answers.append
        scrapes.ask(Scrape.of(f"name[]={number}", "", ""), reply)
        scrapes.forget(reply)
    assert scrapes._waiting == {}


def test_one_who_leaves_costs_the_others_nothing() -> None:
    scrapes = Scrapes(Counting(), lambda: None)
    first, second, other = ([], [], [])  # type: tuple[list[Response], list[Response], list[Response]]
    replies = [each.append for each in (first, second, other)]
    scrapes.ask(PLAIN, replies[0])
    scrapes.ask(PLAIN, replies[1])
    scrapes.ask(Scrape.of("name[]=reads", "", ""), replies[2])
    scrapes.forget(replies[0])
    assert [each for waiting in scrapes._waiting.values() for each in waiting] == replies[1:]


def test_metrics_that_can_not_be_rendered_are_an_error_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Counting):
        def collect(self) -> Iterator[Metric]:
            if not self.reads:
                self.reads = 1
                raise ValueError("odd")
            yield from super().collect()

    with rendering(Broken()) as (_, answered):
        failed = answered(PLAIN)
        assert failed.status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert b"the log says why" in failed.body
        assert [record.getMessage() for record in caplog.records] == ["the metrics can't be rendered"]
        assert answered(PLAIN).status == HTTPStatus.OK
