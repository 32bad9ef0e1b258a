"""The services of a docker-compose file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from delivery.detection.repository import Repository

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "docker-compose.prod.yml",
         "docker-compose.production.yml")  # fmt: skip


@dataclass(frozen=True)
class Service:
    """A service. keys: what the file says of it."""

    name: str
    place: str
    keys: dict[str, Any]
    is_own: bool
    """It runs the repository's own code: it is built here, or shares the image of a service that is."""

    def get(self, key: str) -> Any:
        """What a key holds; None if it isn't there."""
        return self.keys.get(key)

    @property
    def image(self) -> str:
        """The last part of the image's name, without the tag."""
        return re.sub(r"[:@].*", "", str(self.keys.get("image") or "").rpartition("/")[2])


def services_of(repository: Repository) -> Iterator[Service]:
    """The services of the repository's compose files. A file that can't be read has none."""
    for file in repository.named(*FILES):
        try:
            content = yaml.safe_load(file.text())
        except yaml.YAMLError as error:
            repository.unreadable[str(file.path)] = str(error)
            continue
        services = content.get("services") if isinstance(content, dict) else None
        if not isinstance(services, dict):
            continue
        lines = {
            match[1]: number
            for number, line in file.lines()
            if (match := re.match(r"\s+[\"']?([\w.-]+)[\"']?:\s*$", line))
        }
        known = {name: each for name, each in services.items() if isinstance(each, dict)}
        built = {str(each.get("image")) for each in known.values() if each.get("build") and each.get("image")}
        for name, each in known.items():
            own = bool(each.get("build")) or str(each.get("image")) in built or "extends" in each
            place = f"{file.path}:{lines[name]}" if name in lines else str(file.path)
            yield Service(str(name), place, each, own)
