"""Finds what is to be served: as the repository says itself, or by what its files hold."""

from __future__ import annotations

from delivery.detection.callables import configured, refusals
from delivery.detection.callables.candidates import Candidate, below_each_root, below_root, own_classes
from delivery.detection.callables.choice import NAMED, choose, is_part, weigh
from delivery.detection.callables.code.kinds import Kind
from delivery.detection.callables.production.declared import declared
from delivery.detection.callables.required import required
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found, Problem, Served, Undecided
from delivery.detection.repository import Repository, TooLarge


def find_callable(repository: Repository, configuration: Configuration) -> Found[Served]:
    """What gunicorn is to serve, and where it is written. Nothing of the repository is run.

    `serve` and `root` of flask-app.toml take precedence over what is found.
    Raises Undecided where it can't be served or nobody can tell which is meant: with the candidates, and the line to
    write.
    """
    try:
        root = configured.root(repository, configuration)
        below = [below_root(repository, root)] if root else below_each_root(repository)
    except TooLarge as error:
        raise Undecided(Problem(str(error), "pass the folder that contains the application")) from error
    found = [each for part in below for each in part.found]
    if configuration.serve is not None:
        return configured.served(repository, configuration, root, found)
    named = declared(repository)
    requires = required(repository)
    for each in found:
        weigh(each, named, requires)
    asgi = [each for each in found if each.made.kind is Kind.ASGI]
    wsgi = [each for each in found if each.made.kind.is_wsgi] or [each for part in below for each in own_classes(part)]
    chosen, possible = choose(wsgi)
    if refusals.is_served_as_asgi(asgi, chosen):
        raise Undecided(refusals.asgi(asgi))
    is_example = chosen is not None and not is_part(chosen) and chosen.weight < NAMED and root is None
    if is_example and refusals.has_more_than_examples(repository):
        raise Undecided(refusals.only_examples(possible))
    if chosen:
        return found_as(chosen)
    if possible:
        raise Undecided(refusals.several(possible))
    raise Undecided(refusals.nothing(repository, below, wsgi, asgi))


def found_as(candidate: Candidate) -> Found[Served]:
    """A candidate as the description has it."""
    return Found(Served(candidate.reference, str(candidate.root), candidate.made.kind.value), candidate.place)
