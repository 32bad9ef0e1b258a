"""From the description of an application to the chart's values, each with a comment that says where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from delivery.deployment.chart.commands import container_command
from delivery.deployment.chart.commented import Value
from delivery.deployment.chart.folders import Folders
from delivery.detection.description import Description, Process, Role

CELERY_PROCESSES = 2
"""Processes of a Celery worker whose command names no number. Celery's default is one for each core of the node."""
WORKER_MEMORY = "512Mi"
ORIGIN = ("service", "annotations", "flask-app/origin")
"""The value, and so the annotation of the Service, that says where an application comes from."""

OF_ENV_FILE = ("service", "annotations", "flask-app/env-file")
"""The value that names which of `config` an env file gave."""


@dataclass(frozen=True)
class Circumstances:
    """What a description does not say."""

    release: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """The table [environment] of flask-app.toml."""
    origin: str = ""
    """Where the application comes from, by which another one of its name is known."""
    configuration_place: str = "flask-app.toml"
    config: Mapping[str, str] = field(default_factory=dict)
    """What an env file gives that can't be in a Secret."""
    secret: str = ""
    """The Secret with the environment."""
    claim: str = ""
    """The claim of the folders that all pods share."""


def values(description: Description | None, given: Circumstances, folders: Folders | None = None) -> list[Value]:
    """The values, in the order in which they are written. Without a description, only what is given besides."""
    found = [
        Value(("config", name), value, f"{given.configuration_place} [environment]")
        for name, value in given.environment.items()
    ]
    found += [Value(("config", name), value, "the env file") for name, value in given.config.items()]
    if given.config:
        found.append(Value(OF_ENV_FILE, " ".join(given.config), "kept by a deployment without an env file"))
    if given.secret:
        found.append(Value(("secrets", "existingSecret"), given.secret, "the env file, and what make up generated"))
    if description:
        found.insert(0, Value(("fullnameOverride",), _label(given.release), "the name of the release"))
        if given.origin:
            found.append(Value(ORIGIN, given.origin, "by which another application of this name is known"))
        found += _of(description, given, folders or Folders())
    return found


def kept_config(deployed: Mapping[str, Any]) -> dict[str, str]:
    """What an env file gave to `config` of a release. deployed: the values of the release."""
    annotations = (deployed.get(OF_ENV_FILE[0]) or {}).get(OF_ENV_FILE[1]) or {}
    config = deployed.get("config") or {}
    return {name: str(config[name]) for name in str(annotations.get(OF_ENV_FILE[2]) or "").split() if name in config}


def _of(description: Description, given: Circumstances, folders: Folders) -> Iterator[Value]:
    surroundings = description.surroundings
    if surroundings.health:
        if "STARTUP_PATH" not in {*given.environment, *given.config}:
            yield Value(("config", "STARTUP_PATH"), surroundings.health.value, surroundings.health.place)
        yield Value(("test", "path"), surroundings.health.value, surroundings.health.place)
    yield from folders.values(given.claim, given.release)
    if surroundings.affinity:
        yield Value(("service", "spec", "sessionAffinity"), "ClientIP", surroundings.affinity.place)
    if surroundings.single:
        why = f"{surroundings.single.place}: {surroundings.single.value}"
        yield Value(("autoscaling", "mode"), "fixed", why)
        yield Value(("replicaCount",), 1, why)
    for process in surroundings.processes:
        yield from _process(process)
    if surroundings.migration:
        command = container_command(surroundings.migration.value)
        yield Value(("migrations", "enabled"), True, surroundings.migration.place)
        yield Value(("migrations", "command"), command, surroundings.migration.value)


def _process(process: Process) -> Iterator[Value]:
    what = f"{process.place}: {process.command}"
    if process.role is Role.JOB:
        path = ("cronJobs", process.name)
        yield Value((*path, "schedule"), process.schedule, process.place)
        yield Value((*path, "command"), container_command(process.command), what)
        return
    path = ("workers", process.name)
    yield Value((*path, "command"), container_command(process.command), what)
    yield Value((*path, "resources", "limits", "memory"), WORKER_MEMORY, "default")
    yield Value((*path, "resources", "requests"), {"cpu": "50m", "memory": "128Mi"}, "default")
    if process.role is Role.SCHEDULER:
        yield Value((*path, "replicaCount"), 1, "it must never run twice at once")
        yield Value((*path, "strategy", "type"), "Recreate", "it must never run twice at once")
    elif _counts_cores(process.command):
        concurrency = (*path, "config", "CELERY_WORKER_CONCURRENCY")
        yield Value(concurrency, str(CELERY_PROCESSES), "by default it starts one process for each core of the node")


def _counts_cores(command: str) -> bool:
    """Whether it is a Celery worker that starts as many processes as there are cores."""
    return bool(re.search(r"\bcelery\b.*\bworker\b", command)) and not re.search(
        r"(?:\s-c\s?\d|--concurrency|--autoscale|(?:-P|--pool)[ =](?:solo|gevent|eventlet|threads))", command
    )


def _label(name: str) -> str:
    """A name of a Service, which begins with a letter."""
    return name if re.match(r"[a-z]", name) else f"app-{name}"


def fullname(release: str) -> str:
    """The name of the resources of a release that was deployed with a description."""
    return _label(release)[:63].rstrip("-")
