"""What an expression makes.

A name is followed through imports, assignments, calls of the repository's own functions and instances of its own
classes until something known is reached: what makes an application (kinds.py), or nothing that can be told.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from detection.callables.code import signatures
from detection.callables.code.kinds import MAKERS, WRAPPERS, Kind
from detection.callables.code.module import Module, bindings
from detection.callables.code.modules import DEPTH, Modules
from detection.callables.code.statements import of_function


@dataclass(frozen=True)
class Origin:
    """Where an object is made: two names of the same origin are the same application."""

    module: str
    name: str
    line: int


@dataclass(frozen=True)
class Made:
    """What an expression makes."""

    kind: Kind
    origin: Origin
    attribute: str = ""
    """The attribute of the object that is to be served, such as a Dash's `server`; "" for itself."""


Given = Mapping[str, "tuple[ast.AST, Scope] | None"]
"""What a call gives for each parameter, and where that is written; None for what it does not give."""


@dataclass(frozen=True)
class Scope:
    """The module that an expression is in, and in a function the local names and what a call gave for parameters."""

    module: Module
    local: dict[str, list[ast.AST]]
    given: Given

    @classmethod
    def of(cls, module: Module) -> Scope:
        """The top level of a module."""
        return cls(module, {}, {})

    def without(self, name: str) -> Scope:
        """The same, where this name is not looked up again."""
        return replace(self, local={each: nodes for each, nodes in self.local.items() if each != name})


class Making:
    """What the expressions of the modules below one root make."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self._named: dict[tuple[str, str], Made | None] = {}

    def named(self, module: Module, name: str, depth: int = DEPTH) -> Made | None:
        """What the name in this module is bound to, if that is an application: the last binding that is one.

        Also a function or a class of instances that takes environ and start_response.
        """
        key = (module.name, name)
        if key not in self._named:
            # Until it is known: whoever comes here in a circle finds nothing.
            self._named[key] = None
            self._named[key] = self._bound(module, name, depth) if depth > 0 else None
        return self._named[key]

    def _bound(self, module: Module, name: str, depth: int) -> Made | None:
        nodes = module.bindings.get(name, [])
        for position, node in reversed(list(enumerate(nodes))):
            # `app = ProxyFix(app)`: within, the name stands for what it was bound to before.
            before = Scope(module, {name: nodes[:position]}, {})
            if made := self._by_binding(name, node, before, depth):
                return made
        # A global that a function assigns, as under a lock.
        for function in module.assigning.get(name, []):
            scope = self.scope_of(module, function)
            for value in reversed(scope.local.get(name, [])):
                if isinstance(value, ast.expr) and (made := self.made_by(value, scope, depth - 1)):
                    return made
        for source in module.stars:
            other = self.modules.get(source)
            if other and source != module.name and (made := self.named(other, name, depth - 1)):
                return made
        return None

    def _by_binding(self, name: str, node: ast.AST, scope: Scope, depth: int) -> Made | None:
        module = scope.module
        here = Origin(module.name, name, getattr(node, "lineno", 1))
        if isinstance(node, ast.FunctionDef):
            return Made(Kind.WSGI, here) if signatures.is_wsgi(node) else None
        if isinstance(node, ast.AsyncFunctionDef):
            return Made(Kind.ASGI, here) if signatures.is_asgi(node) else None
        if isinstance(node, ast.ImportFrom):
            target = self.modules.resolve(module.imports.get(name, ""))
            if target and target[1] and (target[0].name, target[1]) != (module.name, name):
                return self.named(*target, depth - 1)
        if isinstance(node, ast.expr):
            made = self.made_by(node, scope, depth - 1)
            # A call makes an object of its own; anything else refers to one.
            return replace(made, origin=here) if made and isinstance(node, ast.Call) else made
        return None

    def made_by(self, node: ast.AST, scope: Scope, depth: int = DEPTH) -> Made | None:
        """What an expression makes. None: nothing that is known to be an application."""
        if depth <= 0:
            return None
        if isinstance(node, ast.Name):
            return self._of_name(node, scope, depth)
        if isinstance(node, ast.Call):
            return self._call(node, scope, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope, depth)
        either = (self.made_by(each, scope, depth - 1) for each in _values(node))
        return next((made for made in either if made), None)

    def _of_name(self, node: ast.Name, scope: Scope, depth: int) -> Made | None:
        for value in reversed(scope.local.get(node.id, [])):
            inner = scope.without(node.id)
            made = (
                self.made_by(value, inner, depth - 1)
                if isinstance(value, ast.expr)
                else self._by_binding(node.id, value, inner, depth - 1)
            )
            if made:
                return made
        if node.id in scope.given:
            argument = scope.given[node.id]
            return self.made_by(*argument, depth - 1) if argument else None
        return self.named(scope.module, node.id, depth - 1)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Made | None:
        full = self._called(node.func, scope)
        here = Origin(scope.module.name, full or ast.unparse(node.func), node.lineno)
        if full in WRAPPERS and node.args and (inner := self.made_by(node.args[0], scope, depth - 1)):
            return Made(inner.kind if inner.kind.is_wsgi else MAKERS[full], here)
        if full in MAKERS:
            return _made(MAKERS[full], here)
        target = self.modules.resolve(full) if full else None
        found = self.modules.definition(*target) if target and target[1] else None
        if found is None:
            return None
        where, definition = found
        if isinstance(definition, ast.ClassDef):
            kind = self.kind_of_class(where, definition)
            return _made(kind, here) if kind else None
        given: Given = {name: (value, scope) for name, value in signatures.given(definition, node).items()}
        made = self.returned(where, definition, given, depth - 1)
        return replace(made, origin=here) if made else None

    def _called(self, func: ast.AST, scope: Scope) -> str:
        """The full name of what is called; a method of an object is named by what makes the object: `App().make`."""
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            name, module = func.value.id, scope.module
            values = scope.local.get(name) or ([] if name in module.imports else module.bindings.get(name, []))
            for value in reversed(values):
                if isinstance(value, ast.Call) and (made := self.modules.full_name(module, value.func)):
                    return f"{made}().{func.attr}"
        return self.modules.full_name(scope.module, func)

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Made | None:
        inner = self.made_by(node.value, scope, depth - 1)
        if inner and node.attr == inner.attribute:
            return replace(inner, attribute="")
        if inner and node.attr in ("wsgi_app", "wsgi"):
            return inner
        target = self.modules.resolve(self.modules.full_name(scope.module, node))
        return self.named(*target, depth - 1) if target and target[1] else None

    def kind_of_class(self, module: Module, node: ast.ClassDef, depth: int = DEPTH) -> Kind | None:
        """What its instances are: by what it is derived from, or by its __call__."""
        if depth <= 0:
            return None
        for base in node.bases:
            full = self.modules.full_name(module, base)
            if full in MAKERS:
                return MAKERS[full]
            target = self.modules.resolve(full)
            found = self.modules.definition(*target) if target and target[1] else None
            kind = (
                self.kind_of_class(found[0], found[1], depth - 1)
                if found and isinstance(found[1], ast.ClassDef)
                else None
            )
            if kind:
                return kind
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__call__" and signatures.is_wsgi(method):
                return Kind.WSGI
        return None

    @staticmethod
    def scope_of(module: Module, function: ast.FunctionDef) -> Scope:
        """The inside of a function, where nothing is known of its arguments."""
        return Scope(module, bindings(of_function(function)), dict.fromkeys(signatures.parameters(function)))

    def returned(self, module: Module, function: ast.FunctionDef, given: Given, depth: int = DEPTH) -> Made | None:
        """The application that a function returns when these are its arguments, if it returns one."""
        if depth <= 0:
            return None
        statements = list(of_function(function))
        scope = Scope(module, bindings(statements), {**dict.fromkeys(signatures.parameters(function)), **given})
        for node in statements:
            value = node.value if isinstance(node, ast.Return) else None
            if value is not None and (made := self.made_by(value, scope, depth - 1)):
                return made
        kind = MAKERS.get(self._annotated(module, function.returns))
        return _made(kind, Origin(module.name, function.name, function.lineno)) if kind else None

    def _annotated(self, module: Module, annotation: ast.expr | None) -> str:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return ""
        return self.modules.full_name(module, annotation) if annotation else ""


def _values(node: ast.AST) -> list[ast.expr]:
    """The expressions of which one is the value of this one."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    return [node.value] if isinstance(node, ast.NamedExpr) else []


def _made(kind: Kind, origin: Origin) -> Made:
    # Only recent versions of Dash are WSGI callables themselves; their server is one in all.
    return Made(kind, origin, "server" if kind is Kind.DASH else "")
