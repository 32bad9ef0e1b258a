"""Brings the application's requirements and nodrop's together.

The application is resolved alone first. Then all that it got is held, and what nodrop requires is added: so nothing
that the application gets is another or an older release because of nodrop, except what nodrop itself is built on.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from delivery.detection.description import Problem
from delivery.images.lock.errors import LockError
from delivery.images.lock.inputs import Inputs, nodrop
from delivery.images.lock.resolution import Package, Resolver, Unsatisfiable

APPLICATIONS = "flask"
"""The one requirement of nodrop of which the application's version counts."""
COMPANIONS = (
    ("flask", "<2.3", "werkzeug", "<3", "Flask before 2.3 imports names that Werkzeug 3 removed"),
    ("flask-sqlalchemy", "<3", "sqlalchemy", "<2", "Flask-SQLAlchemy before 3 uses names that SQLAlchemy 2 removed"),
    ("flask-login", "<0.6.3", "werkzeug", "<3", "Flask-Login before 0.6.3 imports names that Werkzeug 3 removed"),
)
"""Releases that allow newer ones of another package than they work with: pinned, but not with that other."""


def alone(resolver: Resolver, notes: list[str]) -> dict[str, Package]:
    """What the application gets without nodrop. Raises Unsatisfiable."""
    chosen = resolver.packages(["application.in"], "--constraints=constraints.in", *_overrides(resolver, ()))
    capped = [] if resolver.inputs.lock else _companions(resolver.inputs, chosen, notes)
    if capped:
        resolver.write("constraints.in", [each.text for each in resolver.inputs.constraints] + capped)
        chosen = resolver.packages(["application.in"], "--constraints=constraints.in", *_overrides(resolver, ()))
    return chosen


def _companions(inputs: Inputs, chosen: dict[str, Package], notes: list[str]) -> list[str]:
    capped = []
    for name, old, other, cap, why in COMPANIONS:
        if name not in chosen or other not in chosen or inputs.place_of(other):
            continue
        if chosen[name].version in SpecifierSet(old) and chosen[other].version not in SpecifierSet(cap):
            capped.append(f"{other}{cap}")
            notes.append(f"{other}{cap} is installed because {why}.")
    return capped


def _overrides(resolver: Resolver, more: tuple[str, ...]) -> tuple[str, ...]:
    lines = [*(each.text for each in resolver.inputs.overrides), *more]
    resolver.write("overrides.in", lines)
    return ("--overrides=overrides.in",) if lines else ()


def together(resolver: Resolver, application: dict[str, Package], notes: list[str]) -> tuple[str, ...]:
    """The arguments that resolve both. Raises LockError where the application's Flask is too old."""
    required = [Requirement(text) for text in nodrop()]
    ours = {str(canonicalize_name(each.name)): each for each in required}
    replaced = []
    for name, requirement in ours.items():
        package = application.get(name)
        if package is None or not package.version or Version(package.version) in requirement.specifier:
            continue
        if name == APPLICATIONS:
            raise LockError(_old_flask(resolver, package, requirement))
        replaced.append(str(requirement))
        notes.append(_replaced(resolver, package, requirement))
    free = set(ours) - {APPLICATIONS}
    held = [f"{each.name}=={each.version}" for each in application.values() if each.indexed and each.name not in free]
    resolver.write("nodrop.in", [str(each) for each in required])
    resolver.write("held.in", [each.text for each in resolver.inputs.constraints if each.name not in free] + held)
    return ("--constraints=held.in", *_overrides(resolver, tuple(replaced)))


def _old_flask(resolver: Resolver, package: Package, requirement: Requirement) -> Problem:
    place = resolver.inputs.place_of(package.name)
    requirers = place or _requirers(resolver, package.name)
    return Problem(
        f"{requirers} requires Flask {package.version}, but nodrop supports {requirement}",
        f"Raise it: `{requirement}`" if place else f"Replace {requirers}, or use a release that allows {requirement}",
    )


def _replaced(resolver: Resolver, package: Package, requirement: Requirement) -> str:
    """Why another version is installed than the application alone would get, and who asked for that one."""
    place = resolver.inputs.place_of(package.name)
    asked = f"{place} requires" if place else f"is the newest that {_requirers(resolver, package.name)} allows"
    return (
        f"{package.name}{requirement.specifier} replaces {package.version}, which {asked}:"
        f" nodrop, which serves the application, depends on it."
    )


def _requirers(resolver: Resolver, name: str) -> str:
    """The packages that ask for one, from uv's annotations."""
    try:
        text = resolver.compile(
            ["application.in"], "--constraints=constraints.in", "--annotation-style=line", form="requirements.txt",
        )  # fmt: skip
    except Unsatisfiable:
        return "another package"
    lines = [line for line in text.splitlines() if line.startswith(f"{name}==")]
    return lines[0].partition("# via ")[2].strip() if lines else "another package"
