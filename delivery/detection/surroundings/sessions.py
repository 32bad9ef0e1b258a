"""What must be the same in every pod, or keeps a client with one: the key of sessions, and Socket.IO."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.code.modules import source_of, text_of
from delivery.detection.description import Found

RANDOM = re.compile(
    r"\b(?:os\.urandom|urandom|secrets\.token_\w+|token_(?:hex|bytes|urlsafe)|uuid4|get_random_secret_key|random\.\w+)\("
)


def find_affinity(application: Application) -> Found[str] | None:
    """Why clients must stay with one pod."""
    for module, call in application.calls("flask_socketio.SocketIO", "socketio.Server", "socketio.WSGIApp"):
        return Found("Flask-SocketIO" if "flask" in module.dotted(call.func) else "Socket.IO", module.place(call))
    return None


def find_single(application: Application, notes: list[str]) -> Found[str] | None:
    """Why there must be one replica: without a message queue, a message reaches only the clients of its own pod."""
    affinity = find_affinity(application)
    if not affinity:
        return None
    # Also in init_app(), and as the client manager of python-socketio.
    if any(
        each.arg in ("message_queue", "client_manager") and not is_none(each.value)
        for module in application.modules
        for call in module.calls
        for each in call.keywords
    ):
        notes.append(
            f"{affinity.place}: each client of {affinity.value} must stay with one pod. The Service keeps it there by "
            "its address; behind an ingress, set session affinity there too, such as "
            "nginx.ingress.kubernetes.io/affinity: cookie in ingress.annotations."
        )
        return None
    notes.append(
        f"{affinity.place}: {affinity.value} has no message_queue, so a message reaches only the clients of one pod. "
        'There is one replica for that reason. For more, set one, such as message_queue=os.environ["REDIS_URL"].'
    )
    return Found(f"{affinity.value} without message_queue", affinity.place)


def is_none(value: ast.expr) -> bool:
    """Whether it is None as it is written."""
    return isinstance(value, ast.Constant) and value.value is None


def session_notes(application: Application, configured: Configured) -> Iterator[str]:
    """What is wrong with the key that signs sessions, if anything."""
    if application.served.kind != "Flask":
        return
    values = configured.values.get("SECRET_KEY", [])
    for module, value in values:
        if RANDOM.search(source_of(value)):
            yield (
                f"{module.place(value)}: SECRET_KEY is random, so each process generates its own, and a session is "
                f"lost when another process answers. {_all_the_same(value)}"
            )
            return
    for module, value in values:
        if text_of(value) is not None or _default(value):
            name = _variable(value)
            what = "has a default in the source" if name else "is in the source"
            remedy = f"Set {name}" if name else 'Read it with os.environ["SECRET_KEY"], and set that'
            yield (
                f"{module.place(value)}: SECRET_KEY {what}, so anyone who can read the source can forge a session. "
                f"{remedy} in the env file."
            )
            return
    used = None if values or configured.is_read_from_outside else next(application.uses_of_sessions, None)
    if used:
        place = used[0].place(used[1])
        yield f'{place}: sessions are used, but no SECRET_KEY is set. Set app.secret_key = os.environ["SECRET_KEY"].'


def _all_the_same(value: ast.expr) -> str:
    name = _variable(value)
    if name:
        return f"Set {name} in the env file."
    return 'Read the same value in all of them: os.environ["SECRET_KEY"], with the value in the env file.'


def _variable(value: ast.expr) -> str:
    """The variable that is read for the key; empty if none is."""
    names = re.findall(r"(?:environ(?:\.get)?|getenv|config|env(?:\.str)?)[\(\[]+'(\w+)'", source_of(value))
    return names[0] if names else ""


def _default(value: ast.expr) -> str:
    """The default of `os.environ.get("SECRET_KEY", "dev")` or `os.environ.get("SECRET_KEY") or "dev"`."""
    if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or):
        return text_of(value.values[-1]) or ""
    if isinstance(value, ast.Call) and re.search(r"environ\.get$|getenv$|config$", source_of(value.func)):
        given = [*value.args[1:2], *(each.value for each in value.keywords if each.arg == "default")]
        return (text_of(given[0]) or "") if given else ""
    return ""
