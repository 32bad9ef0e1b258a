"""Writes the tables of docs/metrics.md from what a real server serves at /metrics: `make docs`. With --check, says what
drifted."""

import contextlib
import socket
import sys
import tempfile
from pathlib import Path

import generated

ROOT = Path(__file__).resolve().parents[1]
# Not there by itself when a script is what Python was started with.
sys.path.insert(0, str(ROOT))

from prometheus_client import Metric  # noqa: E402  # needs the path set above
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from tests.serving_process import Server, own_application, request, serving  # noqa: E402

PAGE = ROOT / "docs" / "metrics.md"
GROUPS = {"requests": ("flask_",), "server": ("nodrop_",), "processes": ("process_", "python_")}
"""The tables, and how the metrics in them begin."""
APPLICATION = """
import flask

app = flask.Flask(__name__)


@app.get("/")
def index():
    return "served"


@app.get("/broken")
def broken():
    raise LookupError
"""
MAX_CONNECTIONS = 10
# They say how a histogram is kept, and not what it is about.
_OF_THE_TYPE = {"le", "quantile"}


def served() -> list[Metric]:
    """Every family of a server that has answered, failed, refused and closed a connection."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = {**own_application(folder, APPLICATION), "WEB_THREADS": "2"}
        with serving(folder, **variables, MAX_CONNECTIONS=str(MAX_CONNECTIONS)) as server:
            for path in ("/", "/broken"):
                server.get(path)
            request(server.port, "/", headers={"Content-Length": "x"})
            _crowd(server)
            return list(text_string_to_metric_families(server.manage("/metrics").body.decode()))


def _crowd(server: Server) -> None:
    """Have the server close a connection to make room for another."""
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS + 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        # Answered once the others are accepted.
        server.get("/")


def table(families: list[Metric]) -> str:
    """The metrics as a Markdown table."""
    rows = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for family in sorted(families, key=lambda each: each.name):
        labels = sorted({label for sample in family.samples for label in sample.labels} - _OF_THE_TYPE)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {family.type} | {shown} | {generated.cell(family.documentation)} |")
    return "\n".join(rows)


def rendered() -> dict[Path, str]:
    """What the page should hold. Raises ValueError for a metric that belongs to no table."""
    families = served()
    if strange := [each.name for each in families if not each.name.startswith(sum(GROUPS.values(), ()))]:
        raise ValueError(f"no table of docs/metrics.md is for {', '.join(strange)}")
    text = PAGE.read_text()
    for name, prefixes in GROUPS.items():
        listed = table([each for each in families if each.name.startswith(prefixes)])
        text = generated.between(text, f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->", listed)
    return {PAGE: text}


if __name__ == "__main__":
    sys.exit(generated.main("Write docs/metrics.md.", "what a server serves at /metrics", rendered))
