"""A ledger in the cluster, in which what runs there writes down what it has done: each run of a migration or a task is
counted where no restart of its own can make it forget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from background.pods import running
from harness.cluster.release import Target
from harness.cluster.shell import run

NAME = "ledger"
PORT = 8080
URL = f"http://{NAME}:{PORT}"
"""Where pods of the same namespace POST their entries, as JSON objects."""
SERVER = Path(__file__).with_name("ledger_server.py")


@dataclass(frozen=True)
class Ledger:
    """The ledger of a namespace."""

    target: Target
    namespace: str

    def entries(self, **matching: object) -> list[dict[str, Any]]:
        """The entries that have these values, in the order they came; `at` is when, in seconds since the epoch."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{NAME}:{PORT}/proxy/"
        everything = json.loads(run(self.target.kubectl_command("get", "--raw", path)).stdout)
        return [each for each in everything if matching.items() <= each.items()]


@contextmanager
def kept(target: Target, namespace: str, image: str) -> Iterator[Ledger]:
    """A ledger for the time of the `with` block; `image` must have Python."""
    with running(target, namespace, NAME, image, command=["python", "-c", SERVER.read_text()], port=PORT):
        yield Ledger(target, namespace)
