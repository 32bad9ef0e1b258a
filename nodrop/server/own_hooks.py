"""The hooks of your own: HOOKS names a module whose functions have the names of gunicorn's hooks.

They run beside those of nodrop: after them, and before them where something ends, so that metrics and logs still work.
Where there is none of nodrop's, gunicorn calls yours alone. An error that a hook raises does what it does under
gunicorn.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from gunicorn.config import make_settings

from nodrop.importing import import_path
from nodrop.importing.find import FindError, explaining, import_module
from nodrop.options.table import option

AT_THE_END = frozenset({"worker_exit", "child_exit", "on_exit"})
"""The hooks of which yours is called first."""
Hook = Callable[..., Any]


class HooksError(ValueError):
    """HOOKS can't be accepted; str() names the cause and the remedy."""


def hook_names() -> list[str]:
    """gunicorn's hooks that a module may have, in the order in which gunicorn lists them."""
    return [name for name in make_settings() if option(name).setting == "HOOKS"]


def load(module_name: str) -> dict[str, Hook]:
    """The hooks of the module, by name, each taking what gunicorn passes; none if the name is empty.

    The module is imported in gunicorn's master, so it should not import the application. Raises HooksError.
    """
    if not module_name:
        return {}
    what = f"HOOKS={module_name}"
    import_path.application_first()
    try:
        with explaining(what):
            module = import_module(module_name)
    except FindError as error:
        raise HooksError(str(error)) from error
    except Exception as error:
        raise HooksError(f"{what} can't be imported: {type(error).__name__}: {error}") from error
    finally:
        import_path.working_folder_last()
    names = hook_names()
    functions = _own_functions(module)
    for name in functions.keys() - names:
        if not name.startswith("_") and (near := difflib.get_close_matches(name, names, n=1, cutoff=0.85)):
            raise HooksError(f"{what} has a function {name}, which is no hook: is {near[0]} meant?")
    found = {name: _accepted(name, getattr(module, name), what) for name in names if hasattr(module, name)}
    if not found:
        raise HooksError(f"{what} has no hook: name its functions after gunicorn's, such as {', '.join(names[:5])}")
    return found


def _own_functions(module: ModuleType) -> dict[str, Hook]:
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }


def _accepted(name: str, function: Any, what: str) -> Hook:
    """The function as gunicorn calls it: post_request may take fewer arguments than the others."""
    setting = make_settings()[name]
    wanted = list(inspect.signature(setting.default).parameters)
    try:
        setting.set(function)
    except TypeError as error:
        raise HooksError(f"{what}: {name} must be a function of {', '.join(wanted)}") from error
    return setting.get()  # type: ignore[no-any-return]


def combined(ours: Mapping[str, Hook], theirs: Mapping[str, Hook]) -> dict[str, Hook]:
    """One function for each hook that either has."""
    return {
        name: _both(name, ours[name], theirs[name]) if name in ours and name in theirs else {**theirs, **ours}[name]
        for name in {**theirs, **ours}
    }


def _both(name: str, our: Hook, their: Hook) -> Hook:
    if name in AT_THE_END:

        def run(*arguments: Any) -> None:
            try:
                their(*arguments)
            finally:
                our(*arguments)
    else:

        def run(*arguments: Any) -> None:
            our(*arguments)
            their(*arguments)

    # gunicorn counts the parameters.
    run.__signature__ = inspect.signature(our)  # type: ignore[attr-defined]
    return run
