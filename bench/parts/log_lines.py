"""What a log line costs, and what it cost at another commit, side by side in one run.

    python bench/parts/log_lines.py [COMMIT]

Each version has a process of its own, with ten secrets in its environment, and the two take turns. The median of the
rounds counts; it is CPU time, from the record to the text.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 15

MEASURE = r"""
import json, logging, sys, time
from nodrop.logs import output
from nodrop.logs.formats import JsonFormatter
try:
    from nodrop.logs.access import access_fields
except ImportError:
    from nodrop.logs.gunicorn_logger import access_fields
output.configure()
formatter = JsonFormatter()

class Response:
    status, sent = "200 OK", 512

BASE = {"nodrop.request_id": "0" * 32, "nodrop.trace_id": "0" * 32, "nodrop.span_id": "0" * 16,
    "REMOTE_ADDR": "10.1.2.3", "REQUEST_METHOD": "GET", "HTTP_HOST": "shop.example.org", "nodrop.route": "/orders/<id>",
    "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_REFERER": "https://shop.example.org/orders?page=2",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"}

def access(url):
    fields = access_fields(Response, BASE | {"RAW_URI": url}, 12.345)
    message = f"{fields['method']} {fields['url']} {fields['status']} {fields['ms']:.1f} ms"
    record = logging.LogRecord("gunicorn.access", 20, "x", 1, "%s", (message,), None)
    record.fields = fields
    formatter.format(record)

def line(message, *args, **extra):
    record = logging.LogRecord("shop", 20, "x", 1, message, args, None)
    record.__dict__.update({f"x_{name}": value for name, value in extra.items()})
    formatter.format(record)

CASES = {
    "access line, the same URL again": lambda n: access("/orders/17"),
    "access line, a new URL": lambda n: access(f"/orders/{n}"),
    "access line, a new URL with a query": lambda n: access(f"/orders/{n}?page=2&sort=name&customer={n}"),
    "application line of plain words": lambda n: line("order %d of customer %s was paid", n, "ada"),
    "application line with names and a URL": lambda n: line("GET https://api.example/items/%d status=200 took=12", n),
    "application line with three fields": lambda n: line("paid", order=n, name="ada", lines=[{"sku": "a1", "n": 2}]),
}
number = 0
for request in sys.stdin:
    times = {}
    for name, case in CASES.items():
        began = time.process_time()
        for _ in range(2000):
            number += 1
            case(number)
        times[name] = (time.process_time() - began) / 2000 * 1e6
    print(json.dumps(times), flush=True)
"""
SECRETS = {f"SERVICE_{number}_PASSWORD": f"q9Zx{number}-not-a-real-one" for number in range(8)} | {
    "SECRET_KEY": "k" * 16 + "0123456789abcdef",
    "DATABASE_URL": "postgresql://app:t7Kp-not-a-real-one@db/shop",
}


def start(tree: Path) -> subprocess.Popen[str]:
    """A process that measures with the package in this tree, once for each line that it is sent."""
    variables = {**os.environ, **SECRETS, "PYTHONPATH": str(tree), "LOG_FORMAT": "json"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", MEASURE], env=variables, cwd=tree, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def measured(process: subprocess.Popen[str]) -> dict[str, float]:
    """Microseconds by case."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    times: dict[str, float] = json.loads(process.stdout.readline())
    return times


def main() -> int:
    """Print a table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "nodrop"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        processes = [start(Path(folder)), start(ROOT)]
        rounds = [[measured(process) for process in processes] for _ in range(ROUNDS)]
        for process in processes:
            process.communicate()
    print(f"| us of CPU a line | {commit} | here | ratio (median of {ROUNDS} rounds) |\n|---|---|---|---|")
    for name in rounds[0][0]:
        before, here = (statistics.median(each[version][name] for each in rounds) for version in (0, 1))
        ratio = statistics.median(each[1][name] / each[0][name] for each in rounds)
        print(f"| {name} | {before:.1f} | {here:.1f} | {ratio:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
