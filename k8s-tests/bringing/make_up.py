"""`make up` as a person runs it, in the tests' cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.cluster import wait
from harness.cluster.release import ROOT, Target

UP_SECONDS = 600
"""The application's packages are fetched, and its image is built and copied to the nodes."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def made_up(target: Target, namespace: str, app: str | Path, log: Path) -> Iterator[str]:
    """`make up APP=app` while the `with` block does; yields the URL that it prints."""
    port = _free_port()
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("KUBE", "HELM_", "MAKE", "MFLAGS"))}
    command = [
        "make", "-C", str(ROOT), "up", f"APP={app}", f"NAMESPACE={namespace}", f"PORT={port}",
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
