"""Environment variables that Flask itself reads, by `app.config.from_prefixed_env()`: FLASK_NAME sets the key NAME.

The names are those of the keys that the application reads, or that its extensions and sessions need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.code.modules import argument, is_configuration, text_of
from delivery.detection.description import Setting
from delivery.detection.surroundings.settings.variables import setting

KEYS_OF_EXTENSIONS = {"flask_sqlalchemy.SQLAlchemy": "SQLALCHEMY_DATABASE_URI", "flask_pymongo.PyMongo": "MONGO_URI"}
"""Keys without which an extension fails."""
FLASKS_OWN = ("DEBUG", "TESTING", "ENV", "APPLICATION_ROOT", "SERVER_NAME", "MAX_CONTENT_LENGTH", "JSON_SORT_KEYS")


def by_prefix(application: Application, configured: Configured) -> Iterator[Setting]:
    """The variables of the keys that are read. Those that the source sets too are optional."""
    for module in application.modules:
        for call in module.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "from_prefixed_env":
                prefix = text_of(argument(call, 0, "prefix")) or "FLASK"
                for key, place, required in _keys(application):
                    yield setting(f"{prefix}_{key}", place, required=required and not configured.value(key))
                return


def _keys(application: Application) -> Iterator[tuple[str, str, bool]]:
    """Each key that is read, where, and whether its absence is an error."""
    for module in application.modules:
        for node in module.nodes:
            key, required = _read(node)
            if key and key.isupper() and key not in FLASKS_OWN:
                yield key, module.place(node), required
    for extension, key in KEYS_OF_EXTENSIONS.items():
        for module, call in application.calls(extension):
            yield key, module.place(call), True
    for module, node in application.uses_of_sessions:
        yield "SECRET_KEY", module.place(node), True


def _read(node: ast.AST) -> tuple[str, bool]:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_configuration(node.value):
        return text_of(node.slice) or "", True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return (text_of(argument(node, 0)) or "", False) if is_configuration(node.func.value) else ("", False)
    return "", False
