"""`make up APP=shop`: a repository that knows nothing of the deployment runs with its database, queue and worker.

Its images of PostgreSQL and Redis are not part of a plain `make offline`: this is in the complete set.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.cluster import wait
from harness.cluster.release import ROOT, Target

SHOP = Path(__file__).with_name("shop")
UP_SECONDS = 600
"""The application's packages are fetched, and its image is built and copied to the nodes."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON that a request is answered with: a POST with a body."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


@contextmanager
def made_up(target: Target, namespace: str, log: Path) -> Iterator[str]:
    """`make up` as a person runs it, while the `with` block does; yields the URL that it prints."""
    port = free_port()
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("KUBE", "HELM_", "MAKE", "MFLAGS"))}
    command = [
        "make", "-C", str(ROOT), "up", f"APP={SHOP}", f"NAMESPACE={namespace}", f"PORT={port}",
        f"CLUSTER={target.context.removeprefix('kind-')}",
    ]  # fmt: skip
    with log.open("w") as file, subprocess.Popen(
        command, env={**kept, "KUBECONFIG": str(target.kubeconfig)}, stdout=file, stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait.until(
                "make up forwards the port",
                lambda: process.poll() is not None or "Forwarding from" in log.read_text(),
                timeout=UP_SECONDS,
            )
            assert process.poll() is None, log.read_text()[-5000:]
            yield f"http://127.0.0.1:{port}"
        finally:
            # As Ctrl-C in a terminal: to the whole group.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)


@pytest.mark.complete
def test_an_application_with_database_queue_worker_and_migration_runs_with_nothing_edited(
    target: Target, namespace: str, tmp_path: Path
) -> None:
    if not target.is_kind:
        pytest.skip("make up is for kind clusters")
    with made_up(target, namespace, tmp_path / "first") as url:
        order = asked(f"{url}/orders", {"article": "tea"})
        page = f"{url}/orders/{order['id']}"
        wait.until("the worker has shipped the order", lambda: asked(page)["shipped"], timeout=60)
    with made_up(target, namespace, tmp_path / "second") as url:
        assert "nothing has changed since" in (tmp_path / "second").read_text()
        assert asked(f"{url}/orders/{order['id']}")["article"] == "tea"
