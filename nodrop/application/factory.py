"""Calls the function that makes an application, and says how when it can't be called so."""

import inspect
from collections.abc import Callable
from typing import Any

from nodrop.importing.find import FindError


def call(factory: Callable[..., Any], name: str, *positional: Any, **named: Any) -> Any:
    """What the factory returns. Raises FindError when it can't be called so."""
    if not callable(factory):
        raise FindError(f"it is of type {type(factory).__name__}, not a function: leave out the ()")
    try:
        inspect.signature(factory).bind(*positional, **named)
    except TypeError as error:
        needed = _required_parameters(factory)
        if positional or named or not needed:
            raise FindError(f"the factory takes {inspect.signature(factory)}: {error}") from error
        raise FindError(
            f"the factory needs {', '.join(needed)}: write them, as in {name.removesuffix('()')}('...'), or give them "
            "defaults, read from the environment for example"
        ) from error
    except ValueError:
        # Written in C: it may be called, that is all that can be known.
        pass
    return factory(*positional, **named)


def _required_parameters(function: Callable[..., Any]) -> list[str]:
    """The parameters that have no default. None if the function is written in C, of which nothing can be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
