"""What flask-app.toml says of the application: `serve` and `root`, checked against the files."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from delivery.detection.callables.candidates import NAMES, Candidate
from delivery.detection.callables.code import signatures
from delivery.detection.callables.code.kinds import Kind
from delivery.detection.callables.code.module import Module
from delivery.detection.callables.code.modules import PARENT, Modules
from delivery.detection.callables.required import normalized, required
from delivery.detection.callables.roots import HERE, Roots
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found, Problem, Served, Undecided
from delivery.detection.repository import File, Repository
from nodrop.config.references import Reference, reference

FACTORIES = ("create_app", "make_app")
"""What a server looks for where a module alone is named, and has no object."""
WSGI_ARGUMENTS = 2
"""What a WSGI application is called with: environ and start_response."""
MOST = 8
"""Candidates that are listed."""


def root(repository: Repository, configuration: Configuration) -> PurePosixPath | None:
    """The configured root; None if it is to be found. Raises Undecided when there is no such folder."""
    if configuration.root is None:
        return None
    written = PurePosixPath(configuration.root)
    if written == PARENT and "__init__.py" in repository.files:
        return PARENT
    if written.is_absolute() or ".." in written.parts or not (repository.folder / written).is_dir():
        raise Undecided(
            Problem(
                f"{configuration.place}: root = {configuration.root!r} isn't a folder of the repository",
                "set it to the folder in the repository that modules are imported from",
                line='root = "src"',
            )
        )
    return written


def served(
    repository: Repository, configuration: Configuration, at: PurePosixPath | None, found: list[Candidate]
) -> Found[Served]:
    """What `serve` names. at: the configured root. found: what the files hold. Raises Undecided."""
    written = configuration.serve or ""
    parts = reference(written)
    if parts is None:
        raise _refused(
            configuration,
            "isn't a module, module:name or module:factory(arguments) with literal arguments",
            "write it as you would for gunicorn",
            found,
        )
    possible = [at] if at else list(dict.fromkeys([*Roots(repository).all, HERE]))
    files = {each: _file(repository, each, parts.module) for each in possible}
    if there := {each: file for each, file in files.items() if file}:
        where = _only(configuration, there)
        module = _parsed(repository, configuration, where, there[where], parts.module)
        return Found(_checked(configuration, parts, module, where, found), configuration.place)
    if normalized(parts.module.partition(".")[0]) in required(repository) and at is None:
        # Installed with the dependencies: what is in it can't be read here.
        return Found(Served(written, str(HERE), Kind.WSGI.value), configuration.place)
    path = parts.module.replace(".", "/")
    below = "" if possible[0] in (HERE, PARENT) else f"{possible[0]}/"
    raise _refused(
        configuration,
        f"names the module {parts.module}, but neither {below}{path}.py nor {below}{path}/__init__.py exists",
        "use a module of the repository, or set `root` to the folder that the module is in",
        found,
    )


def _file(repository: Repository, at: PurePosixPath, name: str) -> File | None:
    """The file of a module that is imported from this root."""
    return _modules(repository, at).files.get(name)


def _modules(repository: Repository, at: PurePosixPath) -> Modules:
    return Modules(repository, at, [each for each in repository.files.values() if each.path.suffix == ".py"])


def _only(configuration: Configuration, there: dict[PurePosixPath, File]) -> PurePosixPath:
    """The root that a module is meant to be imported from: the repository's own, or the only one that has it."""
    own = [each for each in there if each in (HERE, PARENT)]
    if not own and len(there) > 1:
        listed = ", ".join(str(file.path) for file in there.values())
        line = f'root = "{next(iter(there))}"'
        raise _refused(configuration, f"matches several files: {listed}", "choose one with `root`", [], line)
    return next(iter(own or there))


def _parsed(repository: Repository, configuration: Configuration, at: PurePosixPath, file: File, name: str) -> Module:
    module = _modules(repository, at).get(name)
    if module is None:
        why = repository.unreadable.get(str(file.path), "it can't be read")
        raise _refused(configuration, f"names {file.path}, which can't be parsed: {why}", "correct the file", [])
    return module


def _checked(
    configuration: Configuration, parts: Reference, module: Module, at: PurePosixPath, found: list[Candidate]
) -> Served:
    here = [each for each in found if each.module.file == module.file]
    name = parts.path.partition(".")[0] or _default_name(here)
    match = next((each for each in here if each.name == name), None)
    if match and not match.made.kind.is_wsgi:
        raise _refused(
            configuration, f"names {match.place}, which is {match.made.kind.value}", "choose a WSGI application", found
        )
    if not parts.path:
        written = match.reference if match and not match.lacks else parts.module
        _require(configuration, bool(match) or bool(module.stars), parts.module, module, found)
        return Served(written, str(at), match.made.kind.value if match else Kind.WSGI.value)
    is_there = name in module.bindings or name in module.assigning or module.stars or "__getattr__" in module.bindings
    _require(configuration, bool(is_there), f"{parts.module}:{name}", module, found)
    if (function := module.functions.get(name)) and "." not in parts.path:
        place = f"{module.file.path}:{function.lineno}"
        if parts.arguments is None:
            _check_function(configuration, function, place, [match] if match else [])
        else:
            _check_call(configuration, parts, function, place)
    return Served(configuration.serve or "", str(at), match.made.kind.value if match else Kind.WSGI.value)


def _default_name(here: list[Candidate]) -> str:
    """What a server takes of a module that is named alone."""
    objects = [each.name for each in here if not each.function]
    factories = [each.name for each in here if each.function and each.name in FACTORIES]
    usual = [name for name in NAMES if name in objects]
    return next(iter(usual or (objects if len(objects) == 1 else factories)), "")


def _require(configuration: Configuration, is_there: bool, what: str, module: Module, found: list[Candidate]) -> None:
    if not is_there:
        here = [each for each in found if each.module.file == module.file]
        raise _refused(
            configuration,
            f"names {what}, but {module.file.path} has no such application",
            "choose one that the file has" if here else "choose another module",
            here or found,
        )


def _check_function(
    configuration: Configuration, function: ast.FunctionDef, place: str, match: list[Candidate]
) -> None:
    """Raise Undecided where a function that is named without a call can't be a WSGI application itself."""
    if match and match[0].function:
        raise _refused(configuration, f"names the factory {place} without calling it", "add the parentheses", match)
    if not match and len(function.args.args) != WSGI_ARGUMENTS and not function.args.vararg:
        raise _refused(
            configuration,
            f"names {place}, a function that doesn't take environ and start_response",
            "add the parentheses if it is a factory",
            match,
            f'serve = "{configuration.serve}()"',
        )


def _check_call(configuration: Configuration, parts: Reference, function: ast.FunctionDef, place: str) -> None:
    """Raise Undecided where a factory can't be called so."""
    positional, named = parts.arguments or ([], {})
    names = list(signatures.parameters(function))
    missing = [each for each in signatures.required(function) if each not in {*names[: len(positional)], *named}]
    unknown = [] if function.args.kwarg else [each for each in named if each not in names]
    if missing:
        what = f"calls {parts.path} without {', '.join(missing)} ({place})"
    elif unknown or (len(positional) > len(names) and not function.args.vararg):
        what = f"calls {parts.path} with arguments that it doesn't take ({place})"
    else:
        return
    written = signatures.call_with(signatures.required(function))
    raise _refused(configuration, what, "correct its arguments", [], f'serve = "{parts.module}:{parts.path}{written}"')


def _refused(configuration: Configuration, what: str, remedy: str, found: list[Candidate], line: str = "") -> Undecided:
    wsgi = [each for each in found if each.made.kind.is_wsgi and not each.module.file.beside]
    wsgi.sort(key=lambda each: bool(each.lacks))
    return Undecided(
        Problem(
            f"{configuration.place}: serve = {configuration.serve!r} {what}",
            remedy,
            tuple(Found(each.reference, each.place) for each in wsgi[:MOST]),
            line or (wsgi[0].written if wsgi else 'serve = "module:name"'),
        )
    )
