"""The application that WSGI_APP names, checked to be one, and what to do when it is not."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nodrop.application import unnamed
from nodrop.application.factory import call
from nodrop.config.references import reference
from nodrop.importing import import_path
from nodrop.importing.find import FindError, attribute, explaining, import_module

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def find_application(name: str) -> "WSGIApplication":
    """The application that WSGI_APP=`name` stands for, looked for in the working folder first.

    name: `module`, `module:name` or `module:factory(arguments)`; empty for the one that `flask run` would find.
    Raises FindError when it is not there or is not a WSGI application, and SettingsError when it refuses its settings.
    Any other error of the application's own code is raised as it is, with a note.
    """
    import_path.application_first()
    if not name:
        with explaining("WSGI_APP is not set, and the application", loaded="it as `flask run` does, without WSGI_APP"):
            return checked(unnamed.find())
    parts = reference(name)
    assert parts, "the setting accepts no other"
    with explaining(f"WSGI_APP={name}"):
        module = import_module(parts.module)
        if not parts.path:
            return checked(unnamed.of_module(module, names=("application", "app")))
        found = attribute(module, parts.path, *_factory_to_call(module, parts.module))
        if parts.arguments is None:
            return checked(found, factory=f"{parts.module}:{parts.path}()")
        positional, named = parts.arguments
        return checked(call(found, name, *positional, **named), is_result=True)


def _factory_to_call(module: ModuleType, name: str) -> list[str]:
    """The remedy for a name that the module does not have, if the module has a factory."""
    return [
        f"write {name}:{factory}() to call the factory" for factory in unnamed.FACTORIES if hasattr(module, factory)
    ][:1]


def checked(found: Any, *, is_result: bool = False, factory: str = "") -> "WSGIApplication":
    """`found` if it can be a WSGI application, that is be called with an environment and start_response.

    is_result: it is what a factory returned.
    factory: how to write it if it is a factory; by this it is told from an application that is a function.
    """
    what = f"{'what the factory returned' if is_result else 'it'} is of type {type(found).__name__}"
    if found is None:
        raise FindError("the factory returned None: have it end with `return app`" if is_result else "it is None")
    if not callable(found):
        raise FindError(f"{what}, not a WSGI application such as a flask.Flask")
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__):
        raise FindError(
            f"{what}, an ASGI application, and this serves WSGI: serve it with an ASGI server such as uvicorn, or wrap "
            "it with a2wsgi.ASGIMiddleware"
        )
    if factory and inspect.isroutine(found) and _needs_nothing(found):
        raise FindError(f"it is a function that needs nothing, so a factory: write {factory} to call it")
    try:
        inspect.signature(found).bind({}, None)
    except TypeError as error:
        raise FindError(
            f"{what}, which can't be called with an environment and start_response as WSGI asks ({error})"
        ) from error
    except ValueError:
        # Written in C: what it takes can't be known.
        pass
    return found  # type: ignore[no-any-return]


def _needs_nothing(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(parameter.default is not parameter.empty for parameter in parameters)
