"""`make up APP=shop`: a repository that knows nothing of the deployment runs with its database, queue and worker.

Its images of PostgreSQL and Redis are not part of a plain `make offline`: this is in the complete set.
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bringing.make_up import made_up
from harness.cluster import wait
from harness.cluster.release import Target

SHOP = Path(__file__).with_name("shop")


def asked(url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON that a request is answered with: a POST with a body."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


@pytest.mark.complete
def test_an_application_with_database_queue_worker_and_migration_runs_with_nothing_edited(
    target: Target, namespace: str, tmp_path: Path
) -> None:
    if not target.is_kind:
        pytest.skip("make up is for kind clusters")
    with made_up(target, namespace, SHOP, tmp_path / "first") as url:
        order = asked(f"{url}/orders", {"article": "tea"})
        page = f"{url}/orders/{order['id']}"
        wait.until("the worker has shipped the order", lambda: asked(page)["shipped"], timeout=60)
    with made_up(target, namespace, SHOP, tmp_path / "second") as url:
        assert "nothing has changed since" in (tmp_path / "second").read_text()
        assert asked(f"{url}/orders/{order['id']}")["article"] == "tea"
