"""Finds what a setting names as `module:name`: the application, its readiness checks, hooks. One place for all of them,
so that each is told of in the same words when it is not there."""

import ast
import contextlib
import dataclasses
import difflib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodrop.application.import_errors import explained
from nodrop.config.sources import SettingsError
from nodrop.server import children
from nodrop.server.signals import Stopping

_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_REFERENCE = re.compile(rf"(?P<module>{_DOTTED})(?::(?P<path>{_DOTTED})(?P<call>\((?s:.*)\))?)?", re.ASCII)


class FindError(Exception):
    """What a setting names can't be had; str() names the setting, the cause and the remedy."""


@dataclass(frozen=True)
class Reference:
    """The parts of `module`, `module:name` or `module:function(arguments)`."""

    module: str
    path: str
    """The name in the module, which may have dots; empty where only the module is named."""
    arguments: tuple[list[Any], dict[str, Any]] | None = None
    """What to call it with, by position and by name; None where it is not to be called."""


def reference(text: str) -> Reference | None:
    """The parts of `text`; None if it is of no such form, or has arguments that are not literals.

    It is what gunicorn accepts for an application, and dots in the name besides.
    """
    match = _REFERENCE.fullmatch(text)
    if not match:
        return None
    parts = Reference(match["module"], match["path"] or "")
    if match["call"] is None:
        return parts
    try:
        parsed = ast.parse(f"f{match['call']}", mode="eval").body
        # f(1)(2) is a call too, and **names are keywords without a name.
        if isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name) and all(k.arg for k in parsed.keywords):
            positional = [ast.literal_eval(each) for each in parsed.args]
            named = {str(each.arg): ast.literal_eval(each.value) for each in parsed.keywords}
            return dataclasses.replace(parts, arguments=(positional, named))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pass
    return None


def find(name: str, *, setting: str) -> Any:
    """The object that `name` stands for, a `module:name` that the setting with this name holds.

    Raises FindError when it is not there, and SettingsError when the module refuses its settings. Any other error of
    the module's own code is raised as it is, with a note.
    """
    module, _, path = name.partition(":")
    with explaining(f"{setting}={name}"):
        return attribute(import_module(module), path)


@contextlib.contextmanager
def explaining(what: str, *, loaded: str = "") -> Iterator[None]:
    """Begin every FindError of the block with `what`, such as `HOOKS=shop:hooks`; note it on errors of other code.

    loaded: what the note says was loaded, if not `what`.
    """
    try:
        yield
    except FindError as error:
        raise FindError(f"{what} can't be loaded: {error}") from error
    except SettingsError:
        raise
    except SystemExit as error:
        if children.is_child or isinstance(error, Stopping):
            raise
        # Left alone it would end the worker, and gunicorn start another, for ever.
        raise FindError(f"{what} can't be loaded: its own code ended the process: {error}") from error
    except Exception as error:
        if told := explained(error):
            raise FindError(f"{what} can't be loaded: {told}") from error
        error.add_note(f"This came from the application's own code, loading {loaded or what}.")
        raise


def import_module(name: str) -> Any:
    """The module. Raises FindError when it, or one that it imports, is not there."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise FindError(explained(error, wanted=name)) from error


def attribute(module: Any, path: str) -> Any:
    """What `module` has by this name, which may have dots. Raises FindError when there is no such thing."""
    found, where = module, module.__name__
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            near = difflib.get_close_matches(name, [other for other in dir(found) if not other.startswith("_")])
            hint = f"did you mean {' or '.join(near)}?" if near else "name the variable or function that has it"
            file = getattr(module, "__file__", None)
            seen = f" ({file})" if file and found is module else ""
            raise FindError(f"{where}{seen} has no {name!r}: {hint}") from error
        where += f".{name}"
    return found
