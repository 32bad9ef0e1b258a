"""Everything in a repository that could be served: each object and each factory that makes one, and what it lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from delivery.detection.callables.code import mentions, signatures
from delivery.detection.callables.code.kinds import Kind
from delivery.detection.callables.code.made import Made, Origin
from delivery.detection.callables.code.making import Making
from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.modules import PARENT, Modules
from delivery.detection.callables.lacking.completion import Completion
from delivery.detection.callables.lacking.lack import Lack
from delivery.detection.callables.lacking.lacks import lacks
from delivery.detection.callables.roots import Roots
from delivery.detection.repository import Repository

ENTRY_MODULES = frozenset(("wsgi", "uwsgi", "passenger_wsgi", "wsgi_app", "application"))
"""Modules that are there to be served, by their last name."""
NAMES = ("application", "app")
"""What a server looks for in a module where no name is given."""
_PASSED_ON = {"app", "application", "flask_app", "wsgi_app", "wsgi", "request", "req", "environ"}
"""Arguments of functions that are given an application or a request, and so are no factories."""


@dataclass
class Candidate:
    """Something that could be served."""

    root: PurePosixPath
    module: Module
    module_name: str
    """The name that it is imported by from this root."""
    name: str
    """What it is bound to in the module: the object, or the factory."""
    made: Made
    line: int
    function: ast.FunctionDef | None = None
    """The factory; None for an object."""
    call: str = ""
    """The arguments of a factory with their parentheses."""
    modules: Modules | None = None
    """Those that it is imported with."""
    is_required: bool = True
    """Its framework is among what the repository requires, or nothing tells what it requires."""
    by_name_alone: bool = False
    """What it is bound to can't be told; its name and its module say that it is one."""
    lacks: list[Lack] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """What speaks for it, the strongest first."""
    weight: int = 0

    @property
    def reference(self) -> str:
        """As WSGI_APP takes it."""
        attribute = f".{self.made.attribute}" if self.made.attribute and not self.function else ""
        return f"{self.module_name}:{self.name}{attribute}{self.call}"

    def is_imported_with(self, other: Candidate) -> bool:
        """Whether importing one of the two imports the other: they are then parts of one application."""
        return any(
            one.modules is not None and two.module.name in one.modules.imported_by(one.module)
            for one, two in ((self, other), (other, self))
        )

    @property
    def written(self) -> str:
        """The line of flask-app.toml that has it served, with the names of arguments that it needs."""
        needed = next((lack.line for lack in self.lacks if self.function and lack.line), "")
        return needed or f'serve = "{self.reference}"'

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.module.file.path}:{self.line}"


@dataclass
class Below:
    """The modules below a root that have been looked into, and what makes what in them."""

    making: Making
    looked_into: list[Module]
    found: list[Candidate]


def below_each_root(repository: Repository) -> list[Below]:
    """All of them, root by root."""
    parts = [Modules(repository, root, files) for root, files in Roots(repository).all.items()]
    found = [_below(modules) for modules in parts]
    # What tests and examples hold counts only where nothing else is found.
    return found if any(each.found for each in found) else [_below(modules, beside=True) for modules in parts]


def below_root(repository: Repository, root: PurePosixPath) -> Below:
    """Those that are imported from this root, whatever else the files say."""
    inside = [
        file
        for file in repository.files.values()
        if file.path.suffix == ".py" and (root == PARENT or file.path.is_relative_to(root))
    ]
    below = _below(Modules(repository, root, inside), beside=True)
    for each in below.found:
        each.root, each.module_name = root, each.module.name
    return below


def _below(modules: Modules, *, beside: bool = False) -> Below:
    making = Making(modules)
    below = Below(making, [], [])
    seen: set[str] = set()
    carried: set[str] = set()
    announced: set[tuple[str, str]] = set()
    names = mentions.first(modules)
    while names:
        seen.update(names)
        new = [module for name in names if (beside or _counts(modules, name)) and (module := modules.get(name))]
        below.looked_into += new
        here = [each for module in new for each in (*_objects(making, module), *_factories(making, module))]
        below.found += here
        carried |= {each.name for each in here} | {name for module in new for name in _classes(making, module)}
        # Those that pass on what another module makes, too: a package often does.
        carrying = {(module.name, name) for module in below.looked_into for name in _passed_on(module, carried)}
        names = mentions.naming(modules, carrying - announced, seen)
        announced |= carrying
    completion = Completion(making, below.looked_into)
    for each in below.found:
        each.modules = modules
        each.lacks = lacks(making, completion, each.module, each.name, each.made, each.function)
    return below


def _counts(modules: Modules, name: str) -> bool:
    """Whether a module may be the application's; one in a folder such as contrib if it is there to be served."""
    return not modules.files[name].beside or name.rpartition(".")[2] in ENTRY_MODULES


def _classes(making: Making, module: Module) -> Iterator[str]:
    """The classes of a module whose instances are applications."""
    for node in module.top_level:
        if isinstance(node, ast.ClassDef) and making.kind_of_class(module, node):
            yield node.name


def _passed_on(module: Module, names: set[str]) -> set[str]:
    """Which of the names can be imported from a module."""
    return names if module.stars else names & {*module.bindings, *module.assigning}


def _root_of(modules: Modules, module: Module) -> tuple[PurePosixPath, str]:
    """From where it is imported, and by which name: a script that imports its neighbours, from its own folder."""
    if module.neighbours:
        return module.file.path.parent, module.last_name
    return modules.root, module.name


def _objects(making: Making, module: Module) -> Iterator[Candidate]:
    root, name = _root_of(making.modules, module)
    for bound in dict.fromkeys([*module.bindings, *module.assigning]):
        if bound.startswith("__"):
            continue
        if made := making.named(module, bound):
            yield Candidate(root, module, name, bound, made, module.line_of(bound))
        elif _is_entry(module, bound):
            made = Made(Kind.WSGI, Origin(module.name, bound, module.line_of(bound)))
            yield Candidate(root, module, name, bound, made, module.line_of(bound), by_name_alone=True)


def _is_entry(module: Module, bound: str) -> bool:
    """Whether a name is what a server looks for, in a module that is there for servers, and is bound to an object."""
    bound_to = [node.value if isinstance(node, ast.Subscript) else node for node in module.bindings.get(bound, [])]
    if not any(isinstance(node, ast.Call) for node in bound_to):
        return False
    in_entry = bool(ENTRY_MODULES & set(module.name.split(".")))
    return (bound in NAMES and in_entry) or (bound == "application" and "." not in module.name)


def _factories(making: Making, module: Module) -> Iterator[Candidate]:
    root, name = _root_of(making.modules, module)
    for bound, function in module.functions.items():
        if _PASSED_ON & set(signatures.required(function)) or _is_command(function):
            continue
        if made := making.returned(module, function, {}):
            made = replace(made, origin=Origin(module.name, bound, function.lineno))
            yield Candidate(root, module, name, bound, made, function.lineno, function, "()")


def _is_command(function: ast.FunctionDef) -> bool:
    return any("command" in ast.unparse(each) or "fixture" in ast.unparse(each) for each in function.decorator_list)


def own_classes(below: Below) -> Iterator[Candidate]:
    """Classes of the repository whose instances are applications, called as if they were factories."""
    for module in below.looked_into:
        root, name = _root_of(below.making.modules, module)
        for node in module.top_level:
            kind = below.making.kind_of_class(module, node) if isinstance(node, ast.ClassDef) else None
            if not isinstance(node, ast.ClassDef) or kind not in (Kind.FLASK, Kind.DASH):
                continue
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    if _PASSED_ON & set(signatures.required(method)):
                        continue
                    made = Made(kind, Origin(module.name, node.name, node.lineno))
                    found = Candidate(root, module, name, node.name, made, node.lineno, method, "()")
                    found.lacks = lacks(below.making, None, module, node.name, made, method)
                    yield found
