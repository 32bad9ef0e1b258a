"""Sends the corpus through a proxy, and compares what the proxy, the server and RFC 9112 take it for."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from tests.corpus import CASES, Case
from tests.differential import strict
from tests.differential.application import SEEN, UNREAD
from tests.differential.client import exchange
from tests.differential.proxies import CLIENT, Proxy, running
from tests.differential.strict import Answer, Incomplete, Malformed
from tests.differential.tap import Tap, Tapped
from tests.serving_process import until

SILENCE_SECONDS = 10.0
UNFINISHED_SECONDS = 0.4
"""How long the client of a request that is not complete waits before it gives up."""
BYSTANDER = b"GET /bystander/%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""A request of another client, sent after each case, that must get its own answer."""
OTHER_PROTOCOLS = {
    "request_lines: HTTP/0.9",
    "request_lines: HTTP/0.9 without an end",
    "request_lines: no version, though headers follow",
    "request_lines: the preface of HTTP/2",
}
"""Cases that a proxy may answer in another protocol than HTTP/1."""
UNSAID = (-1, 0, 408, 499)
"""Statuses that are logged when the client was told nothing, or, 408, may have been told nothing."""
_CLIENTS = re.compile(rb"(?i)" + CLIENT.encode() + rb": ([0-9.]+)")


@dataclass
class Findings:
    """What came of it. `forwarded`: requests that reached the server; `refused`: how many of them it refused."""

    disagreements: list[str] = field(default_factory=list)
    forwarded: int = 0
    refused: int = 0


@dataclass
class _Sent:
    """A case, or the bystander's request after it, as its client saw it."""

    name: str
    answered: bytes
    methods: list[str]
    bystander: str = ""
    """The target of the bystander's request."""
    gave_up: bool = False
    """The client has not waited for the end, so that nobody knows which answer was on its way."""


def through(
    name: str, folder: Path, server: int, seen_file: Path, cases: list[Case] = CASES, silence: float = SILENCE_SECONDS
) -> Findings:
    """Send `cases` through the proxy of that name to `server`, whose application writes to `seen_file`.

    silence: how many seconds the proxy may say nothing where an answer is due.
    """
    tap = Tap(server)
    try:
        with running(name, folder, tap.port) as proxy:
            sent = _send(proxy, cases, silence)
            # It may log a request only after it is answered.
            until("every bystander is logged", lambda: sent.keys() <= {line.client for line in proxy.log()}, 15)
    finally:
        tap.close()
    findings = Findings()
    attributed = _at_the_server(tap.connections, read_seen(seen_file), findings)
    _at_the_client(proxy, sent, attributed, findings)
    return findings


def _send(proxy: Proxy, cases: list[Case], silence: float) -> dict[str, _Sent]:
    """Send each case and then a bystander's request; by the address that they were sent from."""
    sent = {}
    for number, case in enumerate(cases):
        wanted = strict.requests(case.raw)
        gives_up = wanted.end == "incomplete"
        answered, address = exchange(proxy.port, case.raw, seconds=UNFINISHED_SECONDS if gives_up else silence)
        methods = [request.method for request in wanted.complete]
        sent[address] = _Sent(case.name, answered, methods, gave_up=gives_up)
        answered, address = exchange(proxy.port, BYSTANDER % number, seconds=silence)
        sent[address] = _Sent(f"after {case.name}", answered, ["GET"], f"/bystander/{number}")
    return sent


def read_seen(file: Path) -> dict[str, list[dict[str, object]]]:
    """What the application has seen, by the address that the connection came from."""
    found: dict[str, list[dict[str, object]]] = {}
    for line in file.read_text().splitlines():
        address, _, seen = line.partition(" ")
        found.setdefault(address, []).append(json.loads(seen))
    return found


def _at_the_server(
    connections: list[Tapped], seen: dict[str, list[dict[str, object]]], findings: Findings
) -> dict[str, list[int]]:
    """Compare what was sent to the server with what it saw; the statuses of its answers, by the client's address, and 0
    for a request that was not complete and was not answered."""
    attributed: dict[str, list[int]] = {}
    for connection in connections:
        sent = bytes(connection.sent)
        wanted = strict.requests(sent)
        requests = wanted.complete
        findings.forwarded += len(requests)
        try:
            answers = strict.answers(bytes(connection.answered), [request.method for request in requests])
        except (Malformed, Incomplete) as error:
            findings.disagreements.append(f"an answer can't be read: {error!r} in {bytes(connection.answered)!r}")
            continue
        for complaint in compare(wanted, answers, seen.get(connection.address, [])):
            findings.disagreements.append(f"{complaint}: {sent[-600:]!r}")
        findings.refused += sum(SEEN.lower() not in answer.fields for answer in answers)
        addresses = [request.fields.get(CLIENT.lower(), "") for request in requests]
        # What the RFC forbids has no fields; the proxy has put its own into it all the same, behind the client's.
        if wanted.end in ("malformed", "incomplete"):
            addresses.append((_CLIENTS.findall(wanted.rest) or [b""])[-1].decode())
        for address, answer in zip_longest(addresses, answers):
            attributed.setdefault(address or "", []).append(answer.status if answer else 0)
    return attributed


def compare(wanted: strict.Requests, answers: list[Answer], seen: list[dict[str, object]]) -> list[str]:
    """What is wrong with what the server made of a connection: its answers, and the requests it has run.

    It may refuse what the RFC allows, and then reads no further, and has to refuse what the RFC forbids.
    """
    wrong = []
    requests, run = wanted.complete, [answer for answer in answers if SEEN.lower() in answer.fields]
    if [json.loads(answer.fields[SEEN.lower()]) for answer in run] != seen:
        wrong.append(f"it has run {len(seen)} requests and answered {len(run)} of them")
    for number, (one, other) in enumerate(zip(seen, requests, strict=False)):
        told = ["method", "target", "host", *(["length", "sha256"] if not other.target.startswith(UNREAD) else [])]
        if any(one[name] != getattr(other, name) for name in told):
            wrong.append(f"request {number} is {other}, and it saw {one}")
    if len(seen) > len(requests):
        wrong.append(f"there are {len(requests)} requests, and it has run {len(seen)}")
    refused = [answer for answer in answers if SEEN.lower() not in answer.fields]
    if refused and (len(refused) > 1 or refused[0] is not answers[-1] or refused[0].status < 400):
        wrong.append("it has gone on after a refusal")
    if not refused and (len(seen) < len(requests) or wanted.end == "malformed"):
        wrong.append(f"{len(requests)} requests, then {wanted.end} {wanted.why}: it has run {len(seen)}, refused none")
    return wrong


def _at_the_client(proxy: Proxy, sent: dict[str, _Sent], attributed: dict[str, list[int]], findings: Findings) -> None:
    """Compare what the proxy has logged for each client with what went to the server and what the client got."""
    logged = proxy.log()
    for address, client in sent.items():
        if client.bystander:
            _check_bystander(client, findings)
        forwarded = sorted(line.status for line in logged if line.client == address and line.forwarded)
        answered = sorted(attributed.pop(address, []))
        # To what was not complete the proxy has an answer of its own, if any; nginx does not say that it was forwarded.
        whole = [status for status in answered if status]
        other = Counter(whole) - Counter(forwarded) if not client.gave_up else None
        if not len(whole) <= len(forwarded) <= len(answered) or other:
            findings.disagreements.append(f"{client.name}: forwarded {forwarded}, answered {answered}")
        if client.name in OTHER_PROTOCOLS and not client.answered.startswith(b"HTTP/1."):
            continue
        try:
            answers = strict.answers(client.answered, client.methods)
        except (Malformed, Incomplete) as error:
            findings.disagreements.append(f"{client.name}: the client got {client.answered!r}: {error!r}")
            continue
        got = [answer.status for answer in answers if answer.status not in UNSAID]
        said = [line.status for line in logged if line.client == address and line.status not in UNSAID]
        if got != (said[: len(got)] if client.gave_up else said):
            findings.disagreements.append(f"{client.name}: the proxy logged {said}, the client got {got}")
    if attributed:
        findings.disagreements.append(f"requests that no client sent: {attributed}")


def _check_bystander(client: _Sent, findings: Findings) -> None:
    """Whether another client's request got the answer to itself."""
    if f'"target": "{client.bystander}"'.encode() not in client.answered:
        findings.disagreements.append(f"{client.name}: {client.bystander} got {client.answered!r}")
