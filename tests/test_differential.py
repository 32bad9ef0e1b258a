"""Request smuggling: server, proxy and RFC 9112 agree how many requests there are, and where each of them ends.

The corpus (tests/corpus) is sent to the server as it is, and through the real HAProxy and the real nginx, which are run
as they are documented and as lenient as they can be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.corpus import CASES, Case
from tests.differential import strict
from tests.differential.agreement import compare, read_seen, through
from tests.differential.client import exchange
from tests.differential.lax_server import Laxity, LaxServer
from tests.differential.proxies import NAMES, NoProxy, find
from tests.gateway_process import NoHAProxy
from tests.serving_process import serving

SILENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Observed:
    """A server that writes down what it runs. `seen_file` has it."""

    port: int
    seen_file: Path


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The real server."""
    folder = tmp_path_factory.mktemp("observed")
    seen_file = folder / "seen"
    seen_file.touch()
    with serving(folder, WSGI_APP="tests.differential.application:app", SEEN_FILE=str(seen_file)) as server:
        yield Observed(server.port, seen_file)


def sent_directly(server: Observed, case: Case) -> tuple[list[int], list[str]]:
    """The statuses that a case is answered with when no proxy is between, and what is wrong with them."""
    wanted = strict.requests(case.raw)
    answered, address = exchange(server.port, case.raw, seconds=SILENCE_SECONDS, half_close=True)
    answers = strict.answers(answered, [request.method for request in wanted.complete])
    return [answer.status for answer in answers], compare(wanted, answers, read_seen(server.seen_file).get(address, []))


def test_the_corpus_is_large_and_no_request_is_in_it_twice() -> None:
    assert len({case.raw for case in CASES}) == len(CASES) >= 200
    accepted = [case for case in CASES if set(case.statuses) == {200}]
    refused = [case for case in CASES if set(case.statuses) - {200}]
    assert min(len(accepted), len(refused)) > 100, "it is both well-formed and hostile"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_is_accepted_or_refused_and_ends_where_the_rfc_says(observed: Observed, case: Case) -> None:
    statuses, wrong = sent_directly(observed, case)
    assert (statuses, wrong) == (case.statuses, [])


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> str:
    """A proxy's name, or a skip with the reason and the remedy."""
    name: str = request.param
    try:
        find(name)
    except (NoProxy, NoHAProxy) as error:
        pytest.skip(str(error))
    return name


@pytest.mark.parametrize("proxy", NAMES, indirect=True)
def test_a_proxy_and_the_server_agree_about_every_request(observed: Observed, proxy: str, tmp_path: Path) -> None:
    findings = through(proxy, tmp_path, observed.port, observed.seen_file)
    assert findings.disagreements == []
    assert findings.forwarded > 700, "what a proxy refuses by itself proves nothing about the server"
    assert findings.refused > 10, "some of what a proxy forwards is hostile"


# --- A careless server is found out ---------------------------------------------------------------------------------

BEHIND = {
    Laxity.IGNORES_CHUNKS: ["haproxy"],
    Laxity.NO_BODY_OF_GET: ["haproxy", "nginx"],
    Laxity.UNDERSCORES: ["haproxy", "nginx-lenient"],
}
"""The proxies behind which it shows; what would show the other kinds they take out of a request, or refuse."""


def found_out(laxity: Laxity, proxy: str, folder: Path) -> list[str]:
    """The disagreements between a careless server and the proxy in front of it, about what is well-formed."""
    groups = ("lengths:", "chunks:", "fields:")
    cases = [case for case in CASES if case.name.startswith(groups) and strict.requests(case.raw).end == "closed"]
    folder.mkdir()
    # A careless server may wait for what does not come.
    silence = SILENCE_SECONDS if laxity is Laxity.NONE else 1
    with LaxServer(laxity, folder / "seen") as server:
        return through(proxy, folder, server.port, folder / "seen", cases, silence).disagreements


@pytest.mark.parametrize("proxy", ["haproxy", "nginx", "nginx-lenient"], indirect=True)
def test_a_careless_server_is_found_out_behind_a_proxy(proxy: str, tmp_path: Path) -> None:
    wanted = [laxity for laxity, proxies in BEHIND.items() if proxy in proxies]
    with ThreadPoolExecutor() as pool:
        tried = [Laxity.NONE, *wanted]
        each = pool.map(lambda laxity: found_out(laxity, proxy, tmp_path / laxity.name), tried)
        found = dict(zip(tried, each, strict=True))
    assert not found[Laxity.NONE], "a careful server agrees:\n" + "\n".join(found[Laxity.NONE])
    assert all(found[laxity] for laxity in wanted), found


def test_a_careless_server_is_found_out_without_a_proxy(tmp_path: Path) -> None:
    def disagreements(laxity: Laxity) -> set[str]:
        seen_file = tmp_path / laxity.name
        with LaxServer(laxity, seen_file) as server:
            return {case.name for case in CASES if sent_directly(Observed(server.port, seen_file), case)[1]}

    with ThreadPoolExecutor() as pool:
        found = dict(zip(Laxity, pool.map(disagreements, Laxity), strict=True))
    for laxity in Laxity:
        assert laxity is Laxity.NONE or found[laxity] - found[Laxity.NONE], laxity
