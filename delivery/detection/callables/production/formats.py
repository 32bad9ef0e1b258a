"""The application that files of a format of their own name: gunicorn's configuration, Zappa's, App Engine's default."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from delivery.detection.callables.lacking.placeholders import placeholder
from delivery.detection.reading import from_json
from delivery.detection.repository import Repository

Found = tuple[str, str, str]
"""The reference, what it is given to, and its place."""


def of_configuration(repository: Repository) -> Iterator[Found]:
    """All of them, as they are written."""
    yield from _gunicorn(repository)
    yield from _zappa(repository)
    yield from _app_engine(repository)
    yield from _mod_wsgi(repository)


def _gunicorn(repository: Repository) -> Iterator[Found]:
    for file in repository.matching(r"(.*/)?gunicorn[\w.]*\.py"):
        tree = repository.parse(file)
        for node in tree.body if tree else []:
            if (
                isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == "wsgi_app" for target in node.targets)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield node.value.value, "gunicorn", f"{file.path}:{node.lineno}"


def _zappa(repository: Repository) -> Iterator[Found]:
    for file in repository.named("zappa_settings.json"):
        try:
            stages = from_json(repository.content(file))
        except ValueError:
            continue
        for stage in stages.values() if isinstance(stages, dict) else []:
            if isinstance(stage, dict) and isinstance(written := stage.get("app_function"), str):
                module, _, name = written.rpartition(".")
                yield f"{module}:{name}", "Zappa", str(file.path)


def _app_engine(repository: Repository) -> Iterator[Found]:
    """Where app.yaml names no command, App Engine serves `app` of main.py."""
    for file in repository.named("app.yaml", "app.yml"):
        text = file.text()
        if "runtime: python" in text and "entrypoint" not in text and "main.py" in repository.files:
            yield "main:app", "App Engine", str(file.path)


def _mod_wsgi(repository: Repository) -> Iterator[Found]:
    """What a .wsgi file, which Apache loads, binds to `application`."""
    for file in repository.matching(r"(.*/)?[\w.-]+\.wsgi"):
        tree = repository.parse(file)
        if tree is None or placeholder(tree.body):
            continue
        imported = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    imported[alias.asname or alias.name] = f"{node.module}:{alias.name}"
                    if (alias.asname or alias.name) == "application":
                        yield imported["application"], "mod_wsgi", f"{file.path}:{node.lineno}"
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "application":
                made, call = node.value, ""
                if isinstance(made, ast.Call):
                    call = ast.unparse(made).removeprefix(ast.unparse(made.func))
                    made = made.func
                if reference := imported.get(ast.unparse(made)):
                    yield f"{reference}{call}", "mod_wsgi", f"{file.path}:{node.lineno}"
