"""Finds what a setting names as `module:name`: the application, its readiness checks, hooks. One place for all of them,
so that each is told of in the same words when it is not there."""

import contextlib
import difflib
import importlib
from collections.abc import Iterator
from typing import Any

from nodrop.config.sources import SettingsError
from nodrop.importing.import_errors import explained
from nodrop.system import children
from nodrop.system.signals import Stopping


class FindError(Exception):
    """What a setting names can't be had; str() names the setting, the cause and the remedy."""


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


def attribute(module: Any, path: str, remedy: str = "name the variable or function that has it") -> Any:
    """What `module` has by this name, which may have dots. Raises FindError when there is no such thing.

    remedy: what to do instead if nothing in the module is spelt like it.
    """
    found, where = module, module.__name__
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            near = difflib.get_close_matches(name, [other for other in dir(found) if not other.startswith("_")])
            hint = f"did you mean {' or '.join(near)}?" if near else remedy
            file = getattr(module, "__file__", None)
            seen = f" ({file})" if file and found is module else ""
            raise FindError(f"{where}{seen} has no {name!r}: {hint}") from error
        where += f".{name}"
    return found
