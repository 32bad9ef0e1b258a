"""What runs in the ledger's pod: keeps the lines that are POSTed, each with the time it came, and gives them back."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080
entries: list[dict[str, object]] = []
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """POST adds the entry in the body, a JSON object; GET lists them all, in the order they came."""

    def do_POST(self) -> None:
        """Keep an entry."""
        entry = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            entries.append({**entry, "at": time.time()})
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        """Answer with all entries."""
        with lock:
            body = json.dumps(entries).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
