"""Environment variables that are read through a library: decouple, environs, django-environ, pydantic, Flask itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.modules import Module, argument, source_of, text_of
from delivery.detection.description import Setting
from delivery.detection.surroundings.settings.variables import is_guarded, literal, setting

ENVIRONMENTS = ("environs.Env()", "environs.FlaskEnv()", "environ.Env()", "environ.FileAwareEnv()", "environs.env",
                "environ.Env")  # fmt: skip
"""Objects that are called, or have a method for each type, with the name of a variable."""
DECOUPLE = ("decouple.config", "decouple.AutoConfig()", "decouple.Config()", "starlette.config.Config()")
IMPLIED = {"db": "DATABASE_URL", "db_url": "DATABASE_URL", "cache": "CACHE_URL", "cache_url": "CACHE_URL",
           "email": "EMAIL_URL", "email_url": "EMAIL_URL", "search_url": "SEARCH_URL"}  # fmt: skip
"""What django-environ's methods read if they are given no name."""
TYPED = ("str", "bool", "int", "float", "list", "dict", "json", "url", "path", "tuple", "decimal", "datetime", "date",
         "timedelta", "uuid", "log_level", "enum", "bytes", "get_value", "unicode", *IMPLIED, "dj_db_url")  # fmt: skip
PYDANTIC = ("pydantic_settings.BaseSettings", "pydantic.BaseSettings", "pydantic.v1.BaseSettings",
            "pydantic_settings.main.BaseSettings")  # fmt: skip


def by_libraries(application: Application, module: Module) -> Iterator[Setting]:
    """The variables that a module reads through a library."""
    for node in module.nodes:
        if isinstance(node, ast.Call):
            yield from _called(application, module, node)
        elif isinstance(node, ast.ClassDef):
            yield from _fields(application, module, node)


def _called(application: Application, module: Module, call: ast.Call) -> Iterator[Setting]:
    meaning = application.meaning(module, call.func)
    object_, _, method = meaning.rpartition(".")
    place = module.place(call)
    name = application.text(module, argument(call, 0, "name", "var", "option", "variable_name"))
    default = argument(call, 1, "default")
    if meaning in DECOUPLE and name:
        yield setting(name, place, required=default is None, default=literal(default))
    elif meaning in ENVIRONMENTS or (object_ in ENVIRONMENTS and method in TYPED):
        name = name or IMPLIED.get(method)
        # The second argument of django-environ's types is the type.
        default = (
            argument(call, -1, "default")
            if object_.startswith("environ.") or meaning.startswith("environ.")
            else default
        )
        if name:
            yield setting(name, place, required=default is None, default=literal(default))
    elif meaning == "dj_database_url.config":
        default = argument(call, 1, "default")
        name = text_of(argument(call, 0, "env")) or "DATABASE_URL"
        yield setting(name, place, required=False, default=literal(default))
    elif method == "from_envvar" and name:
        silent = argument(call, 1, "silent")
        yield setting(
            name,
            place,
            required=not (isinstance(silent, ast.Constant) and silent.value is True)
            and not is_guarded(module, call, repr(name)),
        )


def _fields(application: Application, module: Module, node: ast.ClassDef) -> Iterator[Setting]:
    """The fields of a settings class of pydantic, whose names are those of variables in upper case."""
    if not any(_is_settings(application, module, each) for each in node.bases):
        return
    prefix = _prefix(node)
    for each in node.body:
        if (
            not isinstance(each, ast.AnnAssign)
            or not isinstance(each.target, ast.Name)
            or each.target.id == "model_config"
        ):
            continue
        name, value = f"{prefix}{each.target.id}".upper(), each.value
        annotation = source_of(each.annotation)
        if annotation.startswith(("ClassVar", "typing.ClassVar")):
            continue
        if isinstance(value, ast.Call) and module.dotted(value.func).endswith("Field"):
            alias = text_of(argument(value, -1, "validation_alias", "alias", "env"))
            name = alias.upper() if alias else name
            factory = argument(value, -1, "default_factory")
            value = argument(value, 0, "default") or factory
        required = value is None or (isinstance(value, ast.Constant) and value.value is ...)
        one = setting(name, module.place(each), required=required, default=literal(value) if not required else "")
        yield Setting(
            one.name, one.place, required=required, secret=one.secret or "Secret" in annotation, default=one.default
        )


def _is_settings(application: Application, module: Module, base: ast.expr, depth: int = 5) -> bool:
    """Whether a base class is pydantic's, or a class of this module that has it as base."""
    if application.meaning(module, base) in PYDANTIC:
        return True
    if not depth or not isinstance(base, ast.Name):
        return False
    classes = [each for each in module.nodes if isinstance(each, ast.ClassDef) and each.name == base.id]
    return any(_is_settings(application, module, each, depth - 1) for one in classes for each in one.bases)


def _prefix(node: ast.ClassDef) -> str:
    """env_prefix of the class, in model_config or in a class Config."""
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == "env_prefix":
            return text_of(each.value) or ""
        if isinstance(each, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "env_prefix" for one in each.targets
        ):
            return text_of(each.value) or ""
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if text_of(key) == "env_prefix":
                    return text_of(value) or ""
    return ""
