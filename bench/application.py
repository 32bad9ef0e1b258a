"""The application that every server runs: what a request costs without it is what the server costs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask, render_template_string, request

ITEMS = [
    {"id": number, "name": f"item {number}", "price": number * 1.25, "tags": ["blue", "small"], "in_stock": True}
    for number in range(1221)
]
"""About 100 KiB as JSON."""
LARGE = 8 * 1024 * 1024
"""Bytes of an answer that is larger than what the kernel keeps for a client that doesn't read."""
STREAM_SECONDS = 60
PAGE = """<!doctype html><title>{{ title }}</title><table>
{% for item in items %}<tr><td>{{ item.id }}<td>{{ item.name }}<td>{{ "%.2f" | format(item.price) }}</tr>
{% endfor %}</table>"""


def create_app() -> Flask:
    """The application, without anything that a server or an extension adds."""
    app = Flask("bench")

    @app.get("/")
    def hello() -> dict[str, str]:
        return {"name": "flask-app", "version": "1", "host": "localhost"}

    @app.get("/json")
    def large_json() -> list[dict[str, object]]:
        return ITEMS

    @app.get("/template")
    def template() -> str:
        return render_template_string(PAGE, title="Items", items=ITEMS[:50])

    @app.get("/compute")
    def compute() -> str:
        ends = time.thread_time() + 0.005
        while time.thread_time() < ends:
            pass
        return "computed"

    @app.get("/wait")
    def wait() -> str:
        time.sleep(0.05)
        return "waited"

    @app.post("/echo")
    def upload() -> dict[str, int]:
        return {"bytes": len(request.get_data(cache=False))}

    @app.get("/large")
    def large() -> bytes:
        return b"x" * LARGE

    @app.get("/events")
    def events() -> tuple[Iterator[str], dict[str, str]]:
        def each_second() -> Iterator[str]:
            for number in range(STREAM_SECONDS):
                yield f"data: {number}\n\n"
                time.sleep(1)

        return each_second(), {"Content-Type": "text/event-stream"}

    return app


def exported() -> Flask:
    """The application with prometheus-flask-exporter, as its documentation shows it."""
    from prometheus_flask_exporter import PrometheusMetrics  # the other servers run without it

    app = create_app()
    PrometheusMetrics(app)
    return app
