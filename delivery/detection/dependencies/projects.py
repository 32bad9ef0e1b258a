"""pyproject.toml: the dependencies of [project] and [tool.poetry], with where uv, Poetry and PDM find them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from poetry.core.factory import Factory

from delivery.detection.dependencies import requirement_files, setup_files, workspaces
from delivery.detection.dependencies.declarations import Declarations, Line
from delivery.detection.description import Problem, Undecided
from delivery.detection.reading import from_toml
from delivery.detection.repository import Repository

FILE = "pyproject.toml"


def table(repository: Repository, *names: str) -> Any:
    """A table of pyproject.toml; empty where there is none."""
    found: Any = repository.pyproject
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return {} if found is None else found


def declares(repository: Repository) -> bool:
    """It has a project, in one of the forms that are known."""
    return any(table(repository, *names) for names in (("project",), ("tool", "poetry"), ("tool", "flit", "metadata")))


def project_name(repository: Repository) -> str:
    """In canonical form; empty where nothing tells."""
    names = [table(repository, *path, "name") for path in (("project",), ("tool", "poetry"))]
    names.append(setup_files.cfg(repository).get("metadata", "name", fallback=""))
    return next((str(canonicalize_name(name)) for name in names if isinstance(name, str) and name), "")


def read(repository: Repository, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> Declarations:
    """What it declares. dynamic is set where only the build backend tells. Raises Undecided."""
    found = Declarations(files=[FILE])
    project, poetry = table(repository, "project"), table(repository, "tool", "poetry")
    dynamic = project.get("dynamic", [])
    if poetry and ("dependencies" not in project or poetry.get("dependencies")):
        found.add(_poetry(repository, extras, groups))
    elif project:
        lines = [(text, f"{FILE} [project] dependencies") for text in project.get("dependencies", [])]
        for extra in extras:
            lines += [(text, f"{FILE} [project.optional-dependencies] {extra}") for text in _extra(project, extra)]
        found.requirements = [Line(text, place) for text, place in lines]
        if "dependencies" in dynamic:
            found.add(_dynamic(repository))
    else:
        requires = table(repository, "tool", "flit", "metadata", "requires") or []
        found.requirements = [Line(text, f"{FILE} [tool.flit.metadata] requires") for text in requires]
    for group in () if poetry else groups:
        found.requirements += [
            Line(text, f"{FILE} [dependency-groups] {group}") for text in _group(repository, group, ())
        ]
    _take_sources(repository, found)
    return found


def _extra(project: dict[str, Any], name: str) -> list[str]:
    extras = project.get("optional-dependencies", {})
    for key, lines in extras.items():
        if canonicalize_name(key) == canonicalize_name(name):
            return list(lines)
    raise Undecided(
        Problem(
            f"{FILE} has no extra {name!r}, which flask-app.toml lists",
            f"Use one of {', '.join(extras) or 'none'}",
            line="extras = []",
        )
    )


def _group(repository: Repository, name: str, seen: tuple[str, ...]) -> Iterator[str]:
    groups = {str(canonicalize_name(key)): value for key, value in table(repository, "dependency-groups").items()}
    wanted = str(canonicalize_name(name))
    if wanted not in groups or wanted in seen:
        raise Undecided(
            Problem(
                f"{FILE} has no group {name!r}, which flask-app.toml lists",
                f"Use one of {', '.join(groups) or 'none'}",
                line="groups = []",
            )
        )
    for each in groups[wanted]:
        if isinstance(each, dict):
            yield from _group(repository, str(each.get("include-group")), (*seen, wanted))
        else:
            yield each


def _dynamic(repository: Repository) -> Declarations:
    """Files that setuptools and Hatch take them from; setup.py and setup.cfg."""
    files = table(repository, "tool", "setuptools", "dynamic", "dependencies")
    named = files.get("file", []) if isinstance(files, dict) else []
    named = [named] if isinstance(named, str) else named
    named = named or table(repository, "tool", "hatch", "metadata", "hooks", "requirements_txt", "files") or []
    found = Declarations()
    for name in named:
        found.add(requirement_files.read(repository, name))
    if not named:
        found = setup_files.read(repository)
        if not found.requirements:
            found.dynamic = found.dynamic or f"{FILE} [project] dynamic"
    return found


def _poetry_package(repository: Repository) -> Any:
    # What Poetry finds outdated in the file, it logs.
    logging.getLogger("poetry.core").setLevel(logging.ERROR)
    return Factory().create_poetry(repository.folder).package


def _poetry(repository: Repository, extras: tuple[str, ...], groups: tuple[str, ...]) -> Declarations:
    """By Poetry's own library, which knows ^1.2, several constraints for one package, and where each is from."""
    found = Declarations()
    try:
        package = _poetry_package(repository)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        problem = Problem(f"Poetry can't read {FILE}: {reason}", "Correct it; `poetry check` shows the error too")
        raise Undecided(problem) from None
    wanted = {canonicalize_name(each) for each in extras}
    for group in ("main", *groups):
        if not package.has_dependency_group(group):
            continue
        for dependency in package.dependency_group(group).dependencies:
            if dependency.is_optional() and not wanted & set(dependency.in_extras):
                continue
            text = dependency.to_pep_508(with_extras=False)
            found.requirements.append(_poetry_line(repository, text, f"{FILE} [tool.poetry] {dependency.name}"))
    for source in table(repository, "tool", "poetry", "source") or []:
        priority = source.get("priority", "primary")
        if source.get("url") and priority != "explicit":
            option = "--index-url" if source.get("default") or priority == "default" else "--extra-index-url"
            found.options.append(f"{option} {source['url']}")
        elif source.get("url"):
            found.options.append(f"--extra-index-url {source['url']}")
    return found


def _poetry_line(repository: Repository, text: str, place: str) -> Line:
    match = Requirement(text)
    if match.url and match.url.startswith("file:"):
        path = os.path.relpath(match.url.removeprefix("file://"), repository.folder)
        return Line(f"[{','.join(sorted(match.extras))}]" if match.extras else "", place, local=path)
    return Line(text, place)


def _take_sources(repository: Repository, found: Declarations) -> None:
    """[tool.uv.sources], and the indexes and limits that uv and PDM are given."""
    sources = {str(canonicalize_name(key)): value for key, value in table(repository, "tool", "uv", "sources").items()}
    found.requirements = [_from_source(repository, line, sources.get(line.name)) for line in found.requirements]
    for index in table(repository, "tool", "uv", "index") or []:
        option = "--index-url" if index.get("default") else "--extra-index-url"
        found.options.append(f"{option} {index.get('url', '')}")
    for key, lines in (("constraint", found.constraints), ("override", found.overrides)):
        limits = table(repository, "tool", "uv", f"{key}-dependencies") or []
        lines += [Line(text, f"{FILE} [tool.uv] {key}-dependencies") for text in limits]
    for source in table(repository, "tool", "pdm", "source") or []:
        option = "--index-url" if source.get("name") == "pypi" else "--extra-index-url"
        if source.get("url"):
            found.options.append(f"{option} {source['url']}")


def _from_source(repository: Repository, line: Line, source: Any) -> Line:
    """A requirement as its source in [tool.uv.sources] says. Of several, the first that Linux takes."""
    if isinstance(source, list):
        source = next((each for each in source if "linux" in str(each.get("marker", "linux"))), None)
    try:
        requirement = Requirement(line.text)
    except InvalidRequirement:
        return line
    if not isinstance(source, dict):
        return line
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    address = source.get("url", "")
    if "git" in source:
        reference = next((f"@{source[key]}" for key in ("rev", "tag", "branch") if key in source), "")
        folder = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        address = f"git+{source['git']}{reference}{folder}"
    if address:
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        return Line(f"{requirement.name}{extras} @ {address}{marker}", line.place)
    if "path" in source:
        return Line(extras, line.place, local=str(source["path"]))
    if source.get("workspace"):
        return Line(extras, line.place, local=_member(repository, requirement.name, line.place))
    return line


def _member(repository: Repository, name: str, place: str) -> str:
    """The folder of a workspace's member."""
    for file in repository.matching(r".*/pyproject\.toml", beside=True):
        try:
            other = from_toml(file.text()).get("project", {}).get("name", "")
        except ValueError:
            continue
        if canonicalize_name(other) == canonicalize_name(name):
            return str(file.path.parent)
    if workspace := workspaces.workspace_of(repository.folder):
        cause = f"{place} takes {name} from the workspace in {workspace}, which is outside of APP"
        raise Undecided(Problem(cause, workspaces.remedy(repository.folder, workspace, project_name(repository))))
    raise Undecided(
        Problem(
            f"{place} takes {name} from the workspace, but no member has that name", f"Add {name} to the repository"
        )
    )
