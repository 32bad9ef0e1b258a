"""Descriptions written by hand, and a cluster that is a dictionary."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delivery.deployment.release.kubectl import Kubectl
from delivery.detection.description import (
    Dependencies,
    Description,
    Found,
    Served,
    Setting,
    Style,
    Surroundings,
    Written,
)


def described(folder: Path = Path("/nowhere/shop"), files: Sequence[str] = (), **surroundings: Any) -> Description:
    """An application named shop, with these surroundings."""
    return Description(
        folder=folder,
        name="shop",
        served=Found(Served("shop:app", ".", "Flask"), "shop.py:3"),
        dependencies=Dependencies(
            Style.REQUIREMENTS, tuple(files), "requirements.txt", Found("3.13", "default"), is_package=False
        ),
        surroundings=Surroundings(**surroundings),
    )


def setting(name: str, default: str = "", *, required: bool = False, secret: bool = False) -> Setting:
    """A setting that config.py reads."""
    return Setting(name, "config.py:7", required, secret, default)


def written(path: str, what: str = "cache", *, shared: bool = False, setting: str = "") -> Written:
    """A path that shop.py writes to."""
    return Written(path, "shop.py:9", what, shared, setting)


@dataclass(frozen=True)
class FakeKubectl(Kubectl):
    """A namespace whose objects are in a dictionary, by kind and name."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        return ["kubectl", *arguments]

    def ask(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        self.calls.append(" ".join(arguments))
        if arguments[0] == "logs":
            return subprocess.CompletedProcess([], 0, self.objects.get(("Log", arguments[1]), {}).get("text", ""), "")
        if arguments[:2] == ("get", "events"):
            events = [each for (kind, _), each in self.objects.items() if kind == "Event"]
            return subprocess.CompletedProcess([], 0, json.dumps({"items": events}), "")
        raise AssertionError(f"not expected: {arguments} {stdin}")

    def items(self, kind: str, **labels: str) -> list[dict[str, Any]]:
        wanted = {f"app.kubernetes.io/{name}": value for name, value in labels.items()}
        return [
            each
            for (known, _), each in self.objects.items()
            if known.lower() + "s" == kind and wanted.items() <= each["metadata"].get("labels", {}).items()
        ]

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        return next(
            (each for (known, found), each in self.objects.items() if known.lower() == kind and found == name), None
        )

    def apply(self, *objects: Mapping[str, Any]) -> None:
        for each in objects:
            # As it is sent.
            self.objects[each["kind"], each["metadata"]["name"]] = json.loads(json.dumps(each))

    def delete(self, kind: str, names: Sequence[str]) -> None:
        for key in [key for key in self.objects if key[0].lower() + "s" == kind and key[1] in names]:
            del self.objects[key]

    def create_namespace(self) -> None:
        self.calls.append("create namespace")
