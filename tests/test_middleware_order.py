"""The middleware around the application stands in the order that the page draws."""

import itertools
import re
from pathlib import Path

from tests.serving_process import ROOT, own_application, serving

ROOMS = {"wsgi", "tracing", "metrics"}
"""Where the middleware is."""
WRAPPER = "body"
"""The module by which each of them calls the next."""

SHOWS_ITS_CALLERS = """
import sys, flask
app = flask.Flask(__name__)

@app.get("/callers")
def callers():
    frame, files = sys._getframe(), []
    while frame:
        files.insert(0, frame.f_code.co_filename)
        frame = frame.f_back
    return files
"""
EVERYTHING_ON = {
    "TRUSTED_PROXIES": "1",
    "ALLOWED_HOSTS": "*",
    "URL_PREFIX": "/shop",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}


def drawn() -> list[str]:
    """The modules between `answering` and the application in the picture, whose nodes have their names."""
    picture = (ROOT / "docs/request-path.md").read_text().partition("subgraph threads")[2].partition("    end")[0]
    following: dict[str, str] = {}
    for line in picture.splitlines()[1:]:
        nodes = [re.match(r"\w+", node.strip()) for node in line.split("-->")]
        names = [node[0] for node in nodes if node]
        following.update(itertools.pairwise(names))
    chain = ["answering"]
    while chain[-1] in following:
        chain.append(following[chain[-1]])
    assert chain[-1] == "app"
    return chain[1:-1]


def test_a_request_passes_the_middleware_in_the_order_of_the_picture(tmp_path: Path) -> None:
    with serving(tmp_path, **own_application(tmp_path, SHOWS_ITS_CALLERS), **EVERYTHING_ON) as server:
        files = [Path(file) for file in server.get("/shop/callers").json()]
    inner = [file.relative_to(ROOT / "nodrop") for file in files if file.is_relative_to(ROOT / "nodrop")]
    passed = [file.stem for file in inner if file.parts[0] in ROOMS and file.stem != WRAPPER]
    assert list(dict.fromkeys(passed)) == drawn()
