"""Tells Prometheus of a namespace: its pods as targets at /targets, and the state of its objects at /metrics.

    python -m observability.state NAMESPACE PORT      (in a pod whose ServiceAccount may list what is in LISTED)

Standard library only: it runs in the image of Prometheus.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

from observability import discovery, kube_state

LISTED = {
    "pods": "api/v1",
    "deployments": "apis/apps/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
    "poddisruptionbudgets": "apis/policy/v1",
    "cronjobs": "apis/batch/v1",
    "jobs": "apis/batch/v1",
}
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def listed(namespace: str) -> dict[str, list[kube_state.Object]]:
    """The namespace's objects, by kind."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"}
    found = {}
    for kind, api in LISTED.items():
        request = Request(f"https://{host}:{port}/{api}/namespaces/{namespace}/{kind}", headers=headers)
        with urlopen(request, timeout=8, context=context) as answer:
            found[kind] = json.load(answer)["items"]
    return found


class Handler(BaseHTTPRequestHandler):
    """Answers with what there is at that moment."""

    namespace = ""

    def do_GET(self) -> None:
        objects = listed(self.namespace)
        if self.path == "/targets":
            body, kind = json.dumps(discovery.targets(objects["pods"])).encode(), "application/json"
        else:
            body, kind = kube_state.exposition(objects).encode(), "text/plain; version=0.0.4"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    Handler.namespace = sys.argv[1]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
