"""A route that tells whether the application works, such as /healthz, with the prefixes of its blueprints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.modules import FUNCTIONS, Module, argument, source_of, text_of
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found

NAMES = (
    "healthz", "health", "health-check", "healthcheck", "readyz", "ready", "readiness", "livez", "live", "liveness",
    "alive", "heartbeat", "lbheartbeat", "ping", "up",
)  # fmt: skip
"""The last parts of paths that are such a route, the most telling first. `status` may be that of an order."""
METHODS = ("route", "get")
BLUEPRINTS = re.compile(r"(?:flask(?:_smorest|_openapi3|_restx)?|apiflask)(?:\.\w+)*\.(?:Blueprint|APIBlueprint)\(\)")
APPLICATIONS = re.compile(r"\w+(?:\.\w+)*\.(?:Flask|APIFlask|OpenAPI|Connexion)\(\)")
PROTECTED = re.compile(r"login|auth|permission|jwt|token|role|admin")
"""In the name of a decorator: the route needs a client who is known."""


def find_health(configuration: Configuration, application: Application) -> Found[str] | None:
    """The path of the health route; None if there is none, or its prefix isn't known."""
    if configuration.health is not None:
        return Found(configuration.health, configuration.place) if isinstance(configuration.health, str) else None
    found: list[tuple[int, str, str]] = []
    prefixes = _Prefixes(application)
    for module in application.modules:
        for path, owner, node in _routes(module):
            rank = _rank(path)
            prefix = prefixes.of(module, owner) if rank is not None else None
            if rank is not None and prefix is not None:
                whole = f"{prefix.rstrip('/')}/{path.lstrip('/')}"
                # The path with the fewest parts is the one meant for machines, not part of an interface's version.
                found.append((rank + 100 * whole.count("/"), whole, module.place(node)))
    return Found(*min(found)[1:]) if found else None


def _rank(path: str) -> int | None:
    if "<" in path or "{" in path:
        return None
    last = re.sub(r"^_+|_+$", "", path.strip("/").rpartition("/")[2].lower()).replace("_", "-")
    return NAMES.index(last) if last in NAMES else None


def _routes(module: Module) -> Iterator[tuple[str, ast.expr, ast.AST]]:
    """The paths that are routed for GET, the object they are routed on, and where."""
    for node in module.nodes:
        if isinstance(node, FUNCTIONS):
            decorators = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            if any(
                PROTECTED.search(source_of(each).lower())
                for each in node.decorator_list
                if each not in _routing(decorators)
            ):
                continue
            for each in _routing(decorators):
                path = text_of(argument(each, 0, "rule", "path"))
                assert isinstance(each.func, ast.Attribute)
                if path is not None and _gets(each):
                    yield path, each.func.value, each
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_url_rule":
            path = text_of(argument(node, 0, "rule"))
            if path is not None and _gets(node):
                yield path, node.func.value, node


def _routing(decorators: list[ast.Call]) -> list[ast.Call]:
    return [each for each in decorators if isinstance(each.func, ast.Attribute) and each.func.attr in METHODS]


def _gets(call: ast.Call) -> bool:
    methods = argument(call, -1, "methods")
    if not isinstance(methods, ast.List | ast.Tuple | ast.Set):
        return methods is None
    return any((text_of(each) or "").upper() == "GET" for each in methods.elts)


class _Prefixes:
    """The prefixes that paths get from the blueprints they are routed on."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.registered: dict[str, tuple[Module, ast.Call]] = {}
        for module in application.modules:
            for call in module.calls:
                if isinstance(call.func, ast.Attribute) and call.func.attr == "register_blueprint" and call.args:
                    self.registered.setdefault(self._name(module, call.args[0]), (module, call))

    def of(self, module: Module, owner: ast.expr, depth: int = 5) -> str | None:
        """The prefix of an application or a blueprint; None if it isn't known, or the blueprint isn't registered."""
        meaning = self.application.meaning(module, owner)
        name = self._name(module, owner)
        if not BLUEPRINTS.fullmatch(meaning):
            known = APPLICATIONS.fullmatch(meaning) or name.rpartition(".")[2] in ("app", "application", "server")
            return "" if known else None
        if name not in self.registered or not depth:
            return None
        where, call = self.registered[name]
        own = self._own(name)
        given = argument(call, -1, "url_prefix")
        prefix = own if given is None else text_of(given)
        assert isinstance(call.func, ast.Attribute)
        above = self.of(where, call.func.value, depth - 1)
        # What is passed when a blueprint is registered replaces its own prefix.
        return None if prefix is None or above is None else f"{above.rstrip('/')}/{prefix.strip('/')}".rstrip("/")

    def _own(self, name: str) -> str | None:
        """The prefix that a blueprint is made with; None if it is computed."""
        parts = name.rpartition(".")
        module = self.application.module(parts[0])
        made = module.values.get(parts[2]) if module else None
        prefix = argument(made, -1, "url_prefix") if isinstance(made, ast.Call) else None
        return "" if prefix is None else text_of(prefix)

    def _name(self, module: Module, node: ast.AST) -> str:
        """Where a blueprint is made, as module and name, through imports."""
        name = module.dotted(node)
        for _ in range(5):
            owner, _, last = name.rpartition(".")
            other = self.application.module(owner) if owner in self.application.index else None
            if not other or last not in other.imports:
                break
            name = other.imports[last]
        return name
