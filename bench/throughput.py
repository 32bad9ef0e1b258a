"""Requests a second, side by side in one run: `make bench`. Needs wrk."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys

from servers import server

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 16


def requests_per_second(port: int, *headers: str) -> float:
    """What wrk says of a few seconds with this server."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s"]
    command += [argument for header in headers for argument in ("--header", header)]
    printed = subprocess.run([*command, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in printed, printed
    (found,) = re.findall(r"Requests/sec:\s*([\d.]+)", printed)
    return float(found)


def main() -> int:
    """Print a table; each round measures every server, so that a noisy machine is noisy for all of them."""
    if not shutil.which("wrk"):
        print("wrk is needed: on Debian and Ubuntu, apt-get install wrk", file=sys.stderr)
        return 1
    kinds = {"keep-alive": (), "new connections": ("Connection: close",)}
    measured: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for name in ("gthread", "flask-app"):
            with server(name) as port:
                for kind, headers in kinds.items():
                    measured.setdefault((name, kind), []).append(requests_per_second(port, *headers))
    print(f"| requests a second, {CONNECTIONS} clients | gthread | flask-app | ratio (median of {ROUNDS} rounds) |")
    print("|---|---|---|---|")
    for kind in kinds:
        plain, ours = measured["gthread", kind], measured["flask-app", kind]
        ratio = statistics.median(b / a for a, b in zip(plain, ours, strict=True))
        print(f"| {kind} | {statistics.median(plain):.0f} | {statistics.median(ours):.0f} | {ratio:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
