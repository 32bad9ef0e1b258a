"""Metrics: what is counted, and that no client can add series."""

import os
import signal
from pathlib import Path

from tests.serving_process import ROOT, Server, serving, until


def test_requests_are_counted_by_route_method_and_status(server: Server) -> None:
    name = 'flask_http_request_duration_seconds_count{method="POST",route="/echo",status="200"}'
    before = server.metrics().get(name, 0)
    for number in range(3):
        server.get(f"/echo?{number}", method="POST", body=b"x")
    assert server.metrics()[name] == before + 3


def test_made_up_urls_and_methods_add_no_series(server: Server) -> None:
    server.get("/nowhere")
    server.get("/echo", method="FIRST")
    before = server.metrics()
    for number in range(20):
        server.get(f"/nowhere/{number}")
        server.get("/echo", method=f"MADEUP{chr(ord('A') + number)}")
    assert server.metrics().keys() == before.keys()
    assert server.metrics()["flask_http_request_unusual_method_total"] >= 21


def test_an_application_that_answers_in_a_hook_of_its_own_adds_no_series_either(tmp_path: Path) -> None:
    (tmp_path / "guarded.py").write_text(
        "import flask\napp = flask.Flask(__name__)\n@app.before_request\ndef guard(): return 'no', 401\n"
    )
    with serving(tmp_path, WSGI_APP="guarded:app", PYTHONPATH=f"{ROOT}:{tmp_path}") as server:
        server.get("/")
        server.get("/", method="FIRST")
        before = server.metrics()
        assert before['flask_http_request_duration_seconds_count{method="GET",route="",status="401"}'] == 1
        for number in range(5):
            server.get("/", method=f"MADE{chr(ord('A') + number)}")
        assert server.metrics().keys() == before.keys()
        assert server.metrics()["flask_http_request_unusual_method_total"] == 6


def test_counts_are_summed_over_workers_and_survive_them(tmp_path: Path) -> None:
    name = 'flask_http_request_total{method="GET",status="200"}'
    with serving(tmp_path, WEB_CONCURRENCY="2") as server:
        until("two workers", lambda: server.manage("/readyz").body == b"ready: 2 workers\n")
        for _ in range(20):
            server.get("/")
        assert server.metrics()[name] == 20
        os.kill(server.workers()[0], signal.SIGKILL)
        until("a third worker", lambda: len(server.workers()) == 3 and server.is_ready())
        assert server.metrics()[name] == 20
