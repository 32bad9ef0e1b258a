"""What completes an application after its object is made, in functions that importing it does not call.

A command of the application's own often does so before it serves: it registers the pages, sets what they need, or
starts a thread that works beside the server. Served without that, the object answers 404 or fails at the first request.
So an object is not enough where a function that the import does not call always does this to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from delivery.detection.callables.code.made import Made, Origin, Scope
from delivery.detection.callables.code.making import Making
from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.statements import calls, of_function, unconditional, when_run
from delivery.detection.callables.lacking.steps import registers, served_by, starts_thread, steps

Target = tuple[ast.expr, str]
"""The expression that is completed, and what is done to it."""


@dataclass(frozen=True)
class Step:
    """Something that is done to an application. place: the file and the line."""

    function: str
    """The full name of the function that does it; "" for a module that is run as a program."""
    what: str
    place: str


class Completion:
    """The steps that complete each application below one root."""

    def __init__(self, making: Making, modules: Iterable[Module]) -> None:
        self._making, self._modules = making, making.modules
        self._steps: dict[Origin, list[Step]] = {}
        self._called: dict[str, set[str]] = {}
        for module in modules:
            if not module.file.beside:
                self._look_into_program(module)
                for function in module.statements:
                    if isinstance(function, ast.FunctionDef):
                        self._look_into(module, function)

    def missing(self, module: Module, made: Made) -> list[Step]:
        """The steps for an application that importing this module leaves out."""
        done = self._steps.get(made.origin, [])
        if not done:
            return []
        called = self.called_at_import(module)
        return [each for each in done if each.function not in called]

    def _look_into(self, module: Module, function: ast.FunctionDef) -> None:
        body = list(unconditional(function.body))
        found = [(statement, target) for statement in body for target in steps(statement)]
        content = self._modules.repository.content(module.file)
        if (b"Thread(" in content or b"Process(" in content) and (
            thread := next((what for each in body if (what := starts_thread(each, module, self._modules))), "")
        ):
            found += [(each, (served, thread)) for each in body for served in served_by(each)]
        if not found:
            return
        scope = self._making.scope_of(module, function)
        name = f"{module.name}.{function.name}"
        for statement, (target, what) in found:
            if isinstance(target, ast.Name) and target.id in scope.given:
                continue
            step = Step(name, what, f"{module.file.path}:{statement.lineno}")
            if what.startswith("registers") and (factory := self._factory(module, target, scope)):
                self._steps.setdefault(factory, []).append(step)
            made = self._making.made_by(target, scope)
            if made and not _is_made_in(made, function, module):
                self._steps.setdefault(made.origin, []).append(step)

    def _look_into_program(self, module: Module) -> None:
        for statement in when_run(module.tree):
            for target in registers(statement):
                if made := self._making.made_by(target, Scope.of(module)):
                    step = Step("", "registers routes", f"{module.file.path}:{statement.lineno}")
                    self._steps.setdefault(made.origin, []).append(step)

    def _factory(self, module: Module, target: ast.expr, scope: Scope) -> Origin | None:
        """The function of this repository that a local object comes from."""
        for value in scope.local.get(target.id, []) if isinstance(target, ast.Name) else []:
            if isinstance(value, ast.Call) and (found := self._modules.function(module, value.func)):
                where, function = found
                return Origin(where.name, function.name, function.lineno)
        return None

    def called_at_import(self, module: Module) -> set[str]:
        """The full names of functions of this repository that are called when the module is imported."""
        if module.name not in self._called:
            found: set[str] = set()
            for name in self._modules.imported_by(module):
                if imported := self._modules.get(name):
                    self._follow(imported, imported.top_level, found)
            self._called[module.name] = found
        return self._called[module.name]

    def _follow(self, module: Module, statements: Iterable[ast.stmt], found: set[str]) -> None:
        for call in _calls_in(statements):
            if definition := self._modules.function(module, call.func):
                where, function = definition
                full = f"{where.name}.{function.name}"
                if full not in found:
                    found.add(full)
                    self._follow(where, of_function(function), found)


def _calls_in(statements: Iterable[ast.stmt]) -> Iterator[ast.Call]:
    for statement in statements:
        yield from calls(statement)


def _is_made_in(made: Made, function: ast.FunctionDef, module: Module) -> bool:
    """Whether the function makes the object itself: it is then a factory of it."""
    end = function.end_lineno or function.lineno
    return made.origin.module == module.name and function.lineno <= made.origin.line <= end
