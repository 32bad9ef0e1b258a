"""Packages without a wheel for the image: those that are built, and those that no longer can be.

A package that has wheels for other versions of Python is compiled, and this release does not know the image's Python:
building it most often fails after minutes. A package without any wheel is made to be built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from delivery.detection.dependencies import system_packages
from delivery.detection.dependencies.pythons import OFFERED
from delivery.detection.description import Found, Problem
from delivery.images.lock.errors import LockError
from delivery.images.lock.resolution import Package, Resolver

OLDEST = "3.7"
"""Of the versions that are asked for where none of those that nodrop runs on has a wheel."""
WITHOUT_COMPILER = {"docopt", "future", "sgmllib3k", "termcolor", "wget"}
"""Published as source alone, and Python alone."""
COMPILED_IF_POSSIBLE = {
    "coverage",
    "markupsafe",
    "msgpack",
    "pyrsistent",
    "simplejson",
    "sqlalchemy",
    "tornado",
    "websockets",
    "wrapt",
    "zope-interface",
}
"""They work without their compiled part, and build without it where it doesn't compile."""


def check(resolver: Resolver, packages: Iterable[Package]) -> tuple[str, ...]:
    """The names of the packages to be built. Raises LockError for those that know only other versions of Python."""
    bare = [each for each in packages if each.indexed and not each.wheels and "sdist" in each.table]
    doubtful = [each for each in bare if each.name not in WITHOUT_COMPILER | COMPILED_IF_POSSIBLE]
    known = _known(resolver, doubtful)
    foreign = [each for each in doubtful if each.name in known]
    if foreign:
        common = [python for python in reversed(OFFERED) if all(python in known[each.name] for each in foreign)]
        raise LockError(_foreign(resolver, foreign[0], known[foreign[0].name]), common[0] if common else "")
    return tuple(each.name for each in bare)


def _known(resolver: Resolver, packages: list[Package]) -> dict[str, list[str]]:
    """The versions of Python that releases have wheels for on Linux, by names: those of now, else older ones."""
    known: dict[str, list[str]] = {}
    for oldest in (OFFERED[0], OLDEST):
        left = [f"{each.name}=={each.version}" for each in packages if each.name not in known]
        where = ("--universal", f"--python-version={oldest}")
        for name, package in resolver.ask(left, where=where).items() if left else ():
            addresses = [str(each.get("url", each.get("path", ""))) for each in package.wheels]
            versions = {int(minor) for each in addresses for minor in re.findall(r"-cp3(\d+)-[^/]*linux", each)}
            if versions:
                known[name] = [f"3.{minor}" for minor in sorted(versions)]
    return known


def _foreign(resolver: Resolver, package: Package, known: list[str]) -> Problem:
    image = resolver.inputs.python
    newer = resolver.ask([package.name], "--only-binary=:all:").get(package.name)
    place = resolver.inputs.place_of(package.name)
    asked = f" ({place})" if place else ""
    offered = [python for python in known if python in OFFERED]
    remedies = []
    if offered:
        remedies.append(f"choose Python {offered[-1]} in flask-app.toml")
    if newer is not None:
        remedies.append(f"raise it to {newer.name}=={newer.version}, which has one")
    remedy = ", or ".join(remedies) or f"replace {package.name}"
    return Problem(
        f"{package.name} {package.version}{asked} has wheels for Python {', '.join(known)}, but none for {image}, the"
        " image's version. It would have to be compiled, and is older than this Python",
        remedy[0].upper() + remedy[1:],
        line=f'python = "{offered[-1]}"' if offered else "",
    )


def debian(
    packages: Iterable[Package], built: tuple[str, ...], detected: Iterable[Found[str]]
) -> tuple[tuple[Found[str], ...], tuple[Found[str], ...]]:
    """(apt, apt_build): Debian's packages for what was chosen, with those of the repository's own choice.

    A package with headers to compile against needs them, and the library, only where it is built.
    """
    names = []
    for package in packages:
        needs = system_packages.TABLE.get(package.name)
        if needs and (not needs.apt_build or package.name in built or not package.indexed):
            names.append(Found(package.name, "requirements"))
    apt, apt_build = system_packages.needed(names)
    compiled = [name for name in built if name not in WITHOUT_COMPILER]
    have = {each.value for each in (*apt_build, *detected)}
    if compiled:
        place = f"requirements ({', '.join(compiled)})"
        apt_build += tuple(Found(name, place) for name in system_packages.COMPILER if name not in have)
    return apt, apt_build
