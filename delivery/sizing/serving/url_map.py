"""The routes of an application, told by the server that has loaded it.

This file is copied into a folder on the server's path and named by HOOKS, so that the application's code runs nowhere
but in its server. It must not import anything of this package.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

VARIABLE = "SIZING_URL_MAP"
"""The file to write to."""


def post_worker_init(worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Write path, endpoint and methods of each route that has no parameters."""
    from nodrop.application import load  # the application is loaded, in the worker alone
    from nodrop.application.nested import flasks_of

    routes = [
        {"path": rule.rule, "endpoint": rule.endpoint, "methods": sorted(rule.methods or ())}
        for flask in (flasks_of(load.loaded) if load.loaded else [])
        for rule in flask.url_map.iter_rules()
        if not rule.arguments and not rule.subdomain and not rule.host and not rule.websocket
    ]
    file = Path(os.environ[VARIABLE])
    new = file.with_suffix(".new")
    new.write_text(json.dumps(routes))
    new.rename(file)
