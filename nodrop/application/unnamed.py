"""The application where WSGI_APP does not name it: found as `flask run` finds it.

That is what FLASK_APP names, else the module `wsgi`, else the module or package `app`; and in that module the name
`app` or `application`, else the only Flask object, else what `create_app` or `make_app` returns. For us, an
application by these names may be any WSGI application, such as a Flask one behind a middleware.
"""

import importlib.util
import inspect
import logging
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask

from nodrop.application.factory import call
from nodrop.config.references import reference
from nodrop.importing.find import FindError, attribute, import_module

MODULES = ("wsgi", "app")
FACTORIES = ("create_app", "make_app")
_log = logging.getLogger(__name__)
taken_from = ""
"""Where find() has found the application: a file, or `FLASK_APP=...`."""


def find() -> Any:
    """The application. Raises FindError when there is none, or more than one that could be meant."""
    if named := os.environ.get("FLASK_APP", "").strip():
        return _by_flask_app(named)
    for name in MODULES:
        if importlib.util.find_spec(name):
            module = import_module(name)
            _note_place(_file(module))
            return of_module(module)
    raise FindError(
        f"there is neither wsgi.py nor app.py in {Path.cwd()}: start the server in the folder of the application, or "
        "set WSGI_APP to module:name or module:factory()"
    )


def of_module(module: ModuleType, names: tuple[str, ...] = ("app", "application")) -> Any:
    """The application in `module`, by these names in this order if it has them. Raises FindError."""
    named = [found for name in names if (found := getattr(module, name, None)) is not None]
    flasks = [found for found in named if isinstance(found, Flask)]
    # A package `app` may have a module `app`, and a function of this name is more often a factory than an application.
    others = [found for found in named if callable(found) and not inspect.isclass(found)]
    if flasks or others:
        return (flasks or others)[0]
    anywhere = {id(found): found for found in vars(module).values() if isinstance(found, Flask)}
    if len(anywhere) == 1:
        return next(iter(anywhere.values()))
    if anywhere:
        raise FindError(
            f"{_file(module)} has {len(anywhere)} Flask applications: set WSGI_APP={module.__name__}:<name>"
        )
    for name in FACTORIES:
        if inspect.isfunction(factory := getattr(module, name, None)):
            return _made_by(factory, module)
    raise FindError(
        f"{_file(module)} has no {' or '.join(names)}, no Flask object and no {' or '.join(FACTORIES)}: set WSGI_APP="
        f"{module.__name__}:<name>"
    )


def _made_by(factory: Any, module: ModuleType) -> Any:
    made = call(factory, f"WSGI_APP={module.__name__}:{factory.__name__}")
    if made is None:
        raise FindError(f"{factory.__name__} in {_file(module)} returned None: have it end with `return app`")
    return made


def _by_flask_app(named: str) -> Any:
    """What FLASK_APP stands for: a module or a file, and maybe a name or a factory in it."""
    place, *rest = re.split(r":(?![\\/])", named, maxsplit=1)
    if place.endswith(".py") or "/" in place:
        place = _module_of(Path(place))
    parts = reference(":".join([place, *rest]))
    if not parts:
        raise FindError(f"FLASK_APP={named} is no module:name: set WSGI_APP to module:name or module:factory()")
    module = import_module(parts.module)
    _note_place(f"FLASK_APP={named}")
    if not parts.path:
        return of_module(module)
    found = attribute(module, parts.path)
    # As Flask does: there the parentheses of a factory without arguments may be left out.
    if parts.arguments is None and not inspect.isfunction(found):
        return found
    positional, by_name = parts.arguments or ([], {})
    return call(found, named, *positional, **by_name)


def _module_of(path: Path) -> str:
    """The name of the module in the file or folder `path`, whose outermost package's folder is put on the path."""
    path = path.resolve().with_suffix("")
    if path.name == "__init__":
        path = path.parent
    names = [path.name]
    while (path.parent / "__init__.py").is_file():
        path = path.parent
        names.insert(0, path.name)
    sys.path.insert(0, str(path.parent))
    return ".".join(names)


def _note_place(place: str) -> None:
    global taken_from  # noqa: PLW0603  # `nodrop check --app` asks for it once the application is loaded
    taken_from = place
    _log.info("WSGI_APP is not set: the application is taken from %s", place)


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
