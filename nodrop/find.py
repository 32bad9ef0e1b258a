"""Finds the application that WSGI_APP names, and says what to do when it can't be had."""

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodrop.config.sources import SettingsError
from nodrop.server import children
from nodrop.server.signals import Stopping

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class ApplicationError(Exception):
    """There is no application where WSGI_APP says; str() names the cause and the remedy."""


def find(name: str) -> "WSGIApplication":
    """The application that `name` stands for: `module:name` or `module:factory()`, where the name may have dots.

    Raises ApplicationError when it is not there or is not a WSGI application, and SettingsError when it refuses its
    settings. Any other error of the application's own code is raised as it is.
    """
    module_name, _, path = name.partition(":")
    try:
        found = _attribute(_module(module_name), path.removesuffix("()"))
        if path.endswith("()"):
            found = _call(found)
        return _checked(found, is_result=path.endswith("()"))
    except ApplicationError as error:
        raise ApplicationError(f"WSGI_APP={name} can't be loaded: {error}") from error
    except SettingsError:
        raise
    except SystemExit as error:
        if children.is_child or isinstance(error, Stopping):
            raise
        # Left alone it would end the worker, and gunicorn start another, for ever.
        raise ApplicationError(f"WSGI_APP={name} can't be loaded: its own code ended the process: {error}") from error
    except Exception as error:
        error.add_note(f"This came from the application's own code, loading WSGI_APP={name}.")
        raise


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if missing != name and not name.startswith(f"{missing}."):
            where = _last_file(error)
            if missing.partition(".")[0] == name.partition(".")[0]:
                raise ApplicationError(f"{where} imports {missing!r}, which is not there") from error
            raise ApplicationError(
                f"{where} imports {missing!r}, which is not installed: add the package that has it to the requirements "
                "of the application, then `make lock`"
            ) from error
        folders = dict.fromkeys(str(Path(folder).resolve()) for folder in sys.path if Path(folder).is_dir())
        raise ApplicationError(
            f"there is no module {missing!r} in {', '.join(folders)}: put its folder beside app/, or name the folder "
            "that it is in with PYTHONPATH=<folder>"
        ) from error


def _last_file(error: BaseException) -> str:
    """The place in a file, rather than in Python's import system, that raised the error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    return f"{frames[-1].filename}, line {frames[-1].lineno},"


def _attribute(module: Any, path: str) -> Any:
    found, where = module, module.__name__
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            near = difflib.get_close_matches(name, [other for other in dir(found) if not other.startswith("_")])
            hint = f"did you mean {' or '.join(near)}?" if near else "name the variable or function that has it"
            if where == "app":
                hint = "that is this project's own package: give yours another name"
            raise ApplicationError(f"{where} has no {name!r}: {hint}") from error
        where += f".{name}"
    return found


def _call(factory: Callable[[], Any]) -> Any:
    if not callable(factory):
        raise ApplicationError(f"it is of type {type(factory).__name__}, not a function: leave out the ()")
    needed = _required_parameters(factory)
    if needed:
        raise ApplicationError(
            f"the factory needs {', '.join(needed)}: give them defaults, read from the environment for example"
        )
    return factory()


def _checked(found: Any, *, is_result: bool) -> "WSGIApplication":
    """`found` if it can be a WSGI application, that is be called with an environment and start_response."""
    what = f"{'what the factory returned' if is_result else 'it'} is of type {type(found).__name__}"
    if found is None:
        raise ApplicationError(
            "the factory returned None: have it end with `return app`" if is_result else "it is None"
        )
    if not callable(found):
        raise ApplicationError(f"{what}, not a WSGI application such as a flask.Flask")
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__):
        raise ApplicationError(
            f"{what}, an ASGI application, and this serves WSGI: serve it with an ASGI server such as uvicorn, or wrap "
            "it with a2wsgi.ASGIMiddleware"
        )
    if inspect.isroutine(found) and not is_result and _needs_nothing(found):
        raise ApplicationError(
            f"it is a function that needs nothing, so a factory: write {found.__name__}() to call it"
        )
    try:
        inspect.signature(found).bind({}, None)
    except TypeError as error:
        raise ApplicationError(
            f"{what}, which can't be called with an environment and start_response as WSGI asks ({error})"
        ) from error
    except ValueError:
        # Written in C: what it takes can't be known.
        pass
    return found  # type: ignore[no-any-return]


def _needs_nothing(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(parameter.default is not parameter.empty for parameter in parameters)


def _required_parameters(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # Written in C: it may be called, that is all that can be known.
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
