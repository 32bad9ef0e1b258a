"""The description of an application, from all that its repository says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from delivery.detection.callables import find_callable
from delivery.detection.configuration import read
from delivery.detection.dependencies import find_dependencies
from delivery.detection.description import Description, Problem, Undecided
from delivery.detection.identity.name import name_of
from delivery.detection.repository import Repository, TooLarge
from delivery.detection.surroundings import find_surroundings

T = TypeVar("T")


def detect(folder: Path, default_python: str) -> Description:
    """Describe the application in a folder. default_python: the image's, such as 3.13, where nothing asks for another.

    Raises Undecided with the problems of all parts.
    """
    repository = Repository(folder.resolve())
    try:
        configuration = read(repository)
    except TooLarge as error:
        raise Undecided(Problem(str(error), "name the folder of the application: APP=../shop/backend")) from error
    problems: list[Problem] = []
    served = _try(problems, lambda: find_callable(repository, configuration))
    dependencies = _try(problems, lambda: find_dependencies(repository, configuration, default_python))
    surroundings = None
    if served:
        application = served.value
        surroundings = _try(problems, lambda: find_surroundings(repository, configuration, application))
    if served is None or dependencies is None or surroundings is None:
        # What two parts say of one cause is said once.
        raise Undecided(*dict.fromkeys(problems))
    return Description(
        folder=repository.folder,
        name=configuration.name or name_of(repository.folder),
        served=served,
        dependencies=dependencies,
        surroundings=surroundings,
    )


def _try(problems: list[Problem], find: Callable[[], T]) -> T | None:
    """What is found; None, and the problems in the list, where it can't be decided."""
    try:
        return find()
    except Undecided as undecided:
        problems += undecided.problems
    except RecursionError:
        problems.append(Problem("a file of the repository nests its code too deeply to be read", "remove that file"))
    return None
