"""kubectl port-forward: for a request or two from this machine, never to measure through, since it leads to one pod."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from harness.cluster.release import Target


@contextmanager
def port_forward(target: Target, namespace: str, what: str, port: int) -> Iterator[str]:
    """Forward a free local port to a port of `what`, such as service/web; yields the URL."""
    command = target.kubectl_command("--namespace", namespace, "port-forward", what, f":{port}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            local = re.search(rf"127\.0\.0\.1:(\d+) -> {port}", line)
            assert local, f"unexpected first line of kubectl port-forward: {line!r}"
            yield f"http://127.0.0.1:{local[1]}"
        finally:
            process.terminate()
