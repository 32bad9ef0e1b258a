"""What `make up` provides for an application that nobody gives settings: keys, and the addresses of its services."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from delivery.deployment.services import connections, databases
from delivery.deployment.services.connections import POSTGRESQL, REDIS, Place
from delivery.deployment.services.databases import PASSWORD, Service
from delivery.deployment.settings import required
from delivery.deployment.settings.secret import MadeUp
from delivery.detection.description import Description

SOMEWHERE = Place("host", 1)
"""For the names of settings alone."""


def services_of(description: Description, release: str, given: Collection[str]) -> list[Service]:
    """The services to run: those that the application needs and whose address nobody gives."""
    settings = description.surroundings.settings
    kinds = dict.fromkeys(each.value for each in description.surroundings.services)
    names = {
        POSTGRESQL: connections.postgresql(settings, SOMEWHERE, "postgresql").keys(),
        REDIS: connections.redis(settings, SOMEWHERE).keys(),
    }
    # The name of a database alone is no address.
    addressed = {name for name in given if connections.names_host(name)}
    return databases.wanted(release, [kind for kind in kinds if not addressed & set(names.get(kind, ()))])


def addresses(description: Description, services: Sequence[Service], password: str) -> dict[str, str]:
    """The settings by which the application finds these services."""
    settings = description.surroundings.settings
    found: dict[str, str] = {}
    for service in services:
        place = service.place(password)
        if service.kind == REDIS:
            found |= connections.redis(settings, place)
        else:
            declared = "\n".join(_text(description.folder / file) for file in description.dependencies.files)
            found |= connections.postgresql(settings, place, connections.scheme_for(declared))
    return found


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def make_up(
    secret: MadeUp, description: Description, services: Sequence[Service], given: Collection[str]
) -> Mapping[str, str]:
    """The keys and passwords: those of the runs before, and new ones for what has none yet."""
    names = required.keys_to_make(description.surroundings.settings, given)
    wanted = {name: required.new_key() for name in names}
    if any(each.kind == POSTGRESQL for each in services):
        # Without characters that mean something in a URL, which some applications put together by hand.
        wanted[PASSWORD] = secrets.token_hex(16)
    there = secret.read()
    # What has been made up before stays: the database knows its password, and browsers have cookies of the key.
    kept = wanted | there
    if kept != there:
        secret.keep(kept)
    return {name: kept[name] for name in wanted}
