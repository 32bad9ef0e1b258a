"""What a single statement does to an object that may be an application."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.modules import Modules
from delivery.detection.callables.code.statements import calls

REGISTERING = {"register_blueprint", "add_url_rule", "add_api", "add_resource", "add_route", "register_api"}
"""Methods by which an application gets its pages."""
OF_NO_WEIGHT = {
    "DEBUG", "TESTING", "ENV", "TEMPLATES_AUTO_RELOAD", "PROPAGATE_EXCEPTIONS", "SEND_FILE_MAX_AGE_DEFAULT",
    "SQLALCHEMY_ECHO", "EXPLAIN_TEMPLATE_LOADING", "WTF_CSRF_ENABLED", "LOGIN_DISABLED",
}  # fmt: skip
"""Configuration for debugging and tests, which pages do not need."""
SERVERS = {
    "waitress.serve": 0,
    "werkzeug.serving.run_simple": 2,
    "wsgiref.simple_server.make_server": 2,
    "gevent.pywsgi.WSGIServer": 1,
    "cheroot.wsgi.Server": 1,
    "eventlet.wsgi.server": 1,
    "bottle.run": 0,
}
"""Functions that serve an application, and the position of it among their arguments."""


def steps(statement: ast.stmt) -> list[tuple[ast.expr, str]]:
    """The objects that a statement completes, and what it does to each."""
    found = [(target, f"registers routes ({method})") for target, method in _registering(statement)]
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Subscript) and (configured := _configured(target.value)):
                key = target.slice.value if isinstance(target.slice, ast.Constant) else ast.unparse(target.slice)
                if key not in OF_NO_WEIGHT:
                    found.append((configured, f"sets {key!r}"))
            elif isinstance(target, ast.Attribute) and target.attr == "secret_key":
                found.append((target.value, "sets secret_key"))
    elif call := _method(statement):
        function, arguments = call
        if function.attr == "init_app" and arguments:
            found.append((arguments[0], f"initializes {ast.unparse(function.value)}"))
        elif function.attr.startswith(("from_", "update")) and (configured := _configured(function.value)):
            found.append((configured, "sets its configuration"))
    return found


def registers(statement: ast.stmt) -> list[ast.expr]:
    """The objects that a statement registers pages on."""
    return [target for target, _ in _registering(statement)]


def _registering(statement: ast.stmt) -> Iterator[tuple[ast.expr, str]]:
    if (call := _method(statement)) and call[0].attr in REGISTERING:
        yield call[0].value, call[0].attr


def served_by(statement: ast.stmt) -> Iterator[ast.expr]:
    """The objects that a statement gives to a server, or runs as one."""
    for call in calls(statement):
        name = ast.unparse(call.func)
        for server, position in SERVERS.items():
            if server == name or server.endswith(f".{name}"):
                yield from call.args[position : position + 1]
        if isinstance(call.func, ast.Attribute) and call.func.attr == "run":
            yield call.func.value
            yield from call.args[:1]


def starts_thread(statement: ast.stmt, module: Module, modules: Modules) -> str:
    """The function of the repository that a statement starts in a thread, as a reason; "" if it starts none.

    Threads that open a browser, and timers, are for whoever starts the application by hand.
    """
    for call in calls(statement):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name not in ("Thread", "Process"):
            continue
        for target in (each.value for each in call.keywords if each.arg == "target"):
            name = ast.unparse(target)
            if "open" not in name and "browser" not in name and modules.function(module, target):
                return f"starts the thread {name}"
    return ""


def _method(statement: ast.stmt) -> tuple[ast.Attribute, list[ast.expr]] | None:
    """The method that a statement calls, and its arguments."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        return (call.func, call.args) if isinstance(call.func, ast.Attribute) else None
    return None


def _configured(node: ast.expr) -> ast.expr | None:
    """The object whose configuration this is."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "config" else None
