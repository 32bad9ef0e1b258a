"""What an application lacks so that it can't be served as it is found, each with what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lack:
    """Why something that looks like the application isn't served."""

    cause: str
    """With the name of the application and the place. No full stop."""
    remedy: str
    """As an imperative. No full stop."""
    line: str = ""
    """The line of flask-app.toml that helps, such as `serve = "shop:create_app('...')"`."""
    is_certain: bool = True
    """It fails however it is started, so that a file which starts it so is no proof of the contrary."""
