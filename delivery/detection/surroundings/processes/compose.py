"""The services of a docker-compose file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from delivery.detection.repository import File, Repository

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "docker-compose.prod.yml",
         "docker-compose.production.yml")  # fmt: skip
LARGEST = 200_000
"""Characters of a file, which PyYAML reads in seconds."""
MOST_KEYS = 1000
"""Of one mapping."""


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
        return re.sub(r"[:@].*", "", _text(self.keys.get("image")).rpartition("/")[2])


def services_of(repository: Repository) -> Iterator[Service]:
    """The services of the repository's compose files. A file that can't be read has none."""
    for file in repository.named(*FILES):
        try:
            content = _content(file)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
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
        known = {name: each for name, each in services.items() if isinstance(each, dict) and isinstance(name, str)}
        built = {_text(each.get("image")) for each in known.values() if each.get("build")} - {""}
        for name, each in known.items():
            own = bool(each.get("build")) or _text(each.get("image")) in built or "extends" in each
            place = f"{file.path}:{lines[name]}" if name in lines else str(file.path)
            yield Service(name, place, each, own)


def _content(file: File) -> Any:
    """Raises YAMLError, ValueError and RecursionError."""
    text = file.text()
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} characters")
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """Keys that are merged (`<<: *common`) are copied, so that a few lines of merges of merges would fill memory."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace the merge keys of a mapping by what they name. Raises ComposerError if that is too much."""
        super().flatten_mapping(node)
        if len(node.value) > MOST_KEYS:
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_KEYS} keys are merged", node.start_mark)


def _text(value: object) -> str:
    """A text; empty for anything else, whose text can be larger than the file: aliases stand for what they name."""
    return value if isinstance(value, str) else ""
