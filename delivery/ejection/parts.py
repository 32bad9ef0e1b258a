"""The other parts of this checkout, as `make eject` and `make update` use them."""

from __future__ import annotations

from collections.abc import Iterator

from delivery.deployment.chart.commented import Value, render
from delivery.deployment.chart.folders import find_folders
from delivery.deployment.chart.values import Circumstances, values
from delivery.deployment.prepare import CLAIM_SIZE
from delivery.deployment.services.storage import claim
from delivery.detection.configuration import read
from delivery.detection.description import Description
from delivery.detection.repository import Repository
from delivery.ejection.answers import Parts
from delivery.images.context import place
from delivery.images.lock import lock

DATABASES = {"postgresql", "mysql"}


def parts() -> Parts:
    """Those of this checkout."""
    return Parts(lock=lock, values=_values, place=place)


def _values(description: Description, secret: str) -> str:
    """The values, each with a comment that says where it comes from."""
    configuration = read(Repository(description.folder))
    has_database = any(each.value in DATABASES for each in description.surroundings.services)
    folders = find_folders(description, development=False, has_database=has_database, given=configuration.environment)
    shared = f"{description.name}-data" if folders.shared else ""
    given = Circumstances(
        release=description.name,
        environment=configuration.environment,
        configuration_place=configuration.place,
        secret=secret,
        claim=shared,
    )
    found = values(description, given, folders)
    return render([*(_secret(each) for each in found), *_claim(description, shared)], "")


def _secret(found: Value) -> Value:
    if found.path == ("secrets", "existingSecret"):
        return Value(found.path, found.value, "what `make -f deploy/nodrop.mk secret` writes")
    return found


def _claim(description: Description, name: str) -> Iterator[Value]:
    """The claim of the folders that all pods share. It outlives the release."""
    if not name:
        return
    made = claim(description.name, name, CLAIM_SIZE)
    made["metadata"] |= {"annotations": {"helm.sh/resource-policy": "keep"}}
    yield Value(("extraObjects",), [made], "the folders above, which all pods share")
