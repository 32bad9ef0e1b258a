"""Requests as bytes, well-formed and hostile, with what is right for each of them.

Whoever disagrees about one of them with a proxy in front, about how many requests there are or where one ends, can be
made to take a part of one client's request for another client's (request smuggling).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.corpus import chunks, connections, fields, lengths, request_lines, targets

LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""What is sent behind every case. It is answered only if the case ended where it should."""


@dataclass(frozen=True)
class Case:
    """A case. `raw`: what is sent, LAST included. `statuses`: what the server answers, informational ones left out."""

    name: str
    raw: bytes
    statuses: list[int]


GROUPS = {
    module.__name__.rpartition(".")[2]: module.CASES
    for module in (request_lines, targets, fields, lengths, chunks, connections)
}
CASES = [
    Case(f"{group}: {name}", raw + LAST, [int(status) for status in statuses.split()])
    for group, cases in GROUPS.items()
    for name, (raw, statuses) in cases.items()
]
