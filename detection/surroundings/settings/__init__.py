"""The environment variables that the application reads, by Python's own means or a library's.

Required is one whose absence raises an error. `required` says nothing of what fails later, such as an empty password.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from detection.code.application import Application
from detection.code.modules import Module, argument, text_of
from detection.configuration import Configuration
from detection.description import Setting
from detection.repository import Repository
from detection.surroundings.settings.libraries import by_libraries
from detection.surroundings.settings.variables import is_at_start, is_guarded, literal, setting

READERS = ("os.environ.get", "os.getenv", "os.environ.pop", "os.environ.setdefault")
SAMPLES = re.compile(
    r"(?:[^/]*/)?(?:\.?env|dotenv)[._-](?:example|sample|template|dist|defaults?|tmpl)|(?:example|sample)\.env"
)
"""Files that show which variables there are. A file .env itself belongs to one machine."""
MACHINE = re.compile(
    r"HOME|PATH|USER|USERNAME|LOGNAME|PWD|SHELL|TERM|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|HOSTNAME|DISPLAY|CI|EDITOR|APPDATA"
    r"|COLUMNS|LINES|VIRTUAL_ENV|PYTHON\w+|WERKZEUG_\w+|KUBERNETES_\w+|GITHUB_ACTIONS?|XDG_\w+|DYNO|FLASK_APP|FLASK_DEBUG"
    r"|FLASK_RUN_\w+|PORT|HOST|SERVER_SOFTWARE|GUNICORN_\w+|WEB_CONCURRENCY|COMPOSE_\w+|DOCKER_\w+|SystemRoot|LOCALAPPDATA|USERPROFILE|(?i:https?|no|all)_proxy|PYTEST_\w+|READTHEDOCS|SUDO_\w+"
)
"""What the machine, the serving layer or other programs set."""


def find_settings(
    repository: Repository, configuration: Configuration, application: Application
) -> tuple[Setting, ...]:
    """All variables, those that are required first. What the configuration calls a secret is one."""
    found: dict[str, Setting] = {}
    read = [each for module in application.modules for each in (*_read(module), *by_libraries(application, module))]
    for each in (*read, *_shown(repository)):
        if MACHINE.fullmatch(each.name) or not re.fullmatch(r"[A-Za-z_]\w*", each.name):
            continue
        one = found.get(each.name)
        found[each.name] = each if one is None else _merged(one, each)
    provided = {name for module in application.modules for name in _provided(module)}
    named = set(configuration.secrets or ())
    settings = [
        replace(
            each,
            secret=each.secret or each.name in named,
            required=each.required and each.name not in provided and each.name not in configuration.environment,
        )
        for each in found.values()
    ]
    settings += [Setting(name, configuration.place, required=True, secret=True) for name in sorted(named - set(found))]
    return tuple(sorted(settings, key=lambda each: not each.required))


def _merged(one: Setting, other: Setting) -> Setting:
    """Of two places where a variable is read, the stricter counts."""
    first, second = (other, one) if other.required and not one.required else (one, other)
    return replace(
        first, secret=one.secret or other.secret, default=first.default or ("" if first.required else second.default)
    )


def _provided(module: Module) -> Iterator[str]:
    """The variables that the application sets itself."""
    for node in module.nodes:
        name: str | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _is_environ(module, node.value):
            name = text_of(node.slice)
        elif isinstance(node, ast.Call) and module.dotted(node.func) == "os.environ.setdefault":
            name = text_of(argument(node, 0, "key"))
        if name:
            yield name


def _read(module: Module) -> Iterator[Setting]:
    for node in module.nodes:
        if isinstance(node, ast.Subscript) and _is_environ(module, node.value):
            name = text_of(node.slice)
            if name and isinstance(node.ctx, ast.Load):
                yield setting(
                    name, module.place(node), required=is_at_start(module, node) and not is_guarded(module, node, name)
                )
        elif isinstance(node, ast.Call) and module.dotted(node.func) in READERS:
            name = text_of(argument(node, 0, "key"))
            if name:
                default = literal(argument(node, 1, "default")) or _alternative(module, node)
                yield setting(
                    name,
                    module.place(node),
                    required=is_at_start(module, node) and _is_insisted_on(module, node),
                    default=default,
                )
        elif isinstance(node, ast.Compare) and any(_is_environ(module, each) for each in node.comparators):
            name = text_of(node.left)
            if name:
                yield setting(name, module.place(node), required=False)


def _is_environ(module: Module, node: ast.AST) -> bool:
    return module.dotted(node) == "os.environ"


def _alternative(module: Module, call: ast.Call) -> str:
    """The default in `os.environ.get("NAME") or "default"`."""
    parent = module.parents.get(call)
    return literal(parent.values[-1]) if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or) else ""


def _is_insisted_on(module: Module, call: ast.Call) -> bool:
    """Whether what is read without a default is checked, and its absence ends in an error: `if not key: raise ...`."""
    if argument(call, 1, "default") is not None or module.dotted(call.func).endswith(("pop", "setdefault")):
        return False
    parent = module.parents.get(call)
    names = (
        {each.id for each in parent.targets if isinstance(each, ast.Name)} if isinstance(parent, ast.Assign) else set()
    )
    scope = next((each for each in module.above(call) if isinstance(each, ast.FunctionDef)), module.tree)
    checks = [node for node in ast.walk(scope) if isinstance(node, ast.If)] if names else _checks(module, call)
    return any(_is_absent(each.test, names, call) and _fails(each.body) for each in checks)


def _checks(module: Module, call: ast.Call) -> list[ast.If]:
    return [each for each in module.above(call) if isinstance(each, ast.If) and call in ast.walk(each.test)]


def _is_absent(test: ast.expr, names: set[str], call: ast.Call) -> bool:
    """Whether a test alone asks for the absence of a name or of what is read."""
    asked: ast.AST | None = None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        asked = test.operand
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.Eq):
        asked = test.left if isinstance(test.comparators[0], ast.Constant) and not test.comparators[0].value else None
    return asked is call or (isinstance(asked, ast.Name) and asked.id in names)


def _fails(body: Iterable[ast.stmt]) -> bool:
    return any(
        isinstance(each, ast.Raise)
        or (isinstance(each, ast.Expr) and ast.unparse(each).startswith(("sys.exit(", "exit(", "quit(")))
        for each in body
    )


def _shown(repository: Repository) -> Iterator[Setting]:
    """The variables of a file such as .env.example. What it gives are examples, not defaults."""
    for path, file in repository.files.items():
        if not SAMPLES.fullmatch(path):
            continue
        for number, line in file.lines():
            if match := re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=.*", line):
                yield setting(match[1], f"{path}:{number}", required=False)
