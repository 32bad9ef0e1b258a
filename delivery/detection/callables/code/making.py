"""What an expression makes.

A name is followed through imports, assignments, calls of the repository's own functions and instances of its own
classes until something known is reached: what makes an application (kinds.py), or nothing that can be told.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from delivery.detection.callables.code import signatures
from delivery.detection.callables.code.kinds import MAKERS, WRAPPERS, Kind
from delivery.detection.callables.code.made import Given, Made, Origin, Scope, object_of, returned, values
from delivery.detection.callables.code.module import Module, bindings
from delivery.detection.callables.code.modules import DEPTH, Modules
from delivery.detection.callables.code.statements import of_function


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
            is_call = isinstance(node.value if isinstance(node, ast.Subscript) else node, ast.Call)
            return replace(made, origin=here) if made and is_call else made
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
        if isinstance(node, ast.Subscript):
            return self._element(node, scope, depth)
        either = (self.made_by(each, scope, depth - 1) for each in values(node))
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
            return object_of(MAKERS[full], here)
        target = self.modules.resolve(full) if full else None
        found = self.modules.definition(*target) if target and target[1] else None
        if found is None:
            return None
        where, definition = found
        if isinstance(definition, ast.ClassDef):
            kind = self.kind_of_class(where, definition)
            return object_of(kind, here) if kind else None
        return self._result((where, definition), node, scope, depth)

    def _element(self, node: ast.Subscript, scope: Scope, depth: int) -> Made | None:
        """One of several values: of a tuple, or of what a function of the repository returns."""
        position = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(position, int):
            return None
        if isinstance(node.value, ast.Tuple):
            return (
                self.made_by(node.value.elts[position], scope, depth - 1) if position < len(node.value.elts) else None
            )
        if isinstance(node.value, ast.Call) and (found := self.modules.function(scope.module, node.value.func)):
            return self._result(found, node.value, scope, depth, position)
        return None

    def _result(
        self,
        found: tuple[Module, ast.FunctionDef],
        call: ast.Call,
        scope: Scope,
        depth: int,
        position: int | None = None,
    ) -> Made | None:
        """What a call of a function of the repository makes. position: of what is meant, where it returns a tuple."""
        where, definition = found
        given: Given = {name: (value, scope) for name, value in signatures.given(definition, call).items()}
        made = self.returned(where, definition, given, depth - 1, position)
        function = Origin(where.name, definition.name, definition.lineno)
        here = Origin(scope.module.name, definition.name, call.lineno)
        return replace(made, origin=here, by=made.by | {function}) if made else None

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

    def returned(
        self,
        module: Module,
        function: ast.FunctionDef,
        given: Given,
        depth: int = DEPTH,
        position: int | None = None,
    ) -> Made | None:
        """The application that a function returns when these are its arguments, if it returns one.

        position: of what is meant, where it returns a tuple.
        """
        if depth <= 0:
            return None
        statements = list(of_function(function))
        scope = Scope(module, bindings(statements), {**dict.fromkeys(signatures.parameters(function)), **given})
        for node in statements:
            value = returned(node, position)
            if value is not None and (made := self.made_by(value, scope, depth - 1)):
                return made
        kind = MAKERS.get(self._annotated(module, function.returns))
        return object_of(kind, Origin(module.name, function.name, function.lineno)) if kind else None

    def _annotated(self, module: Module, annotation: ast.expr | None) -> str:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return ""
        return self.modules.full_name(module, annotation) if annotation else ""
