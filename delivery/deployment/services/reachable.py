"""The addresses that a user gives to `make up`: those of the user's own machine or of docker-compose reach nothing.

In a pod, localhost is the pod itself, and the services of a compose file are not there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from delivery.deployment.errors import DeploymentError
from delivery.deployment.services.connections import (
    DATABASE_PART,
    DATABASE_URL,
    LIBPQ,
    POSTGRESQL,
    REDIS_PART,
    REDIS_URL,
    names_host,
)


def refuse_unreachable(values: Mapping[str, str], compose: Collection[str], run: Collection[str]) -> None:
    """Raise DeploymentError for addresses that no pod reaches.

    values: settings that the user gives. compose: the services of the repository's compose files. run: the kinds of
    service that `make up` can run for this application.
    """
    found = {name: host for name, value in values.items() if (host := _host(name, value)) and _is_here(host, compose)}
    if not found:
        return
    lines = "\n".join(f"  {name:<30} {host}" for name, host in found.items())
    raise DeploymentError(
        f"These settings name a host that a pod does not reach, since localhost is the pod itself and the services of "
        f"docker-compose are not in the cluster:\n{lines}\n"
        + ("Leave them out of the env file, with the user, password and name that go with them: make up runs "
           f"{' and '.join(run)}, and sets them. Or name a host that the cluster reaches."
           if run else "Name a host that the cluster reaches.")
    )  # fmt: skip


def refuse_parts(values: Collection[str], running: Collection[str]) -> None:
    """Raise DeploymentError for a database's user, password or name without its host: make up's database has its own.

    running: the kinds of service that `make up` runs.
    """
    if POSTGRESQL not in running:
        return
    found = [name for name in values if (LIBPQ.get(name) or DATABASE_PART.fullmatch(name)) and not names_host(name)]
    if found:
        raise DeploymentError(
            f"{', '.join(sorted(found))} would not fit the PostgreSQL that make up runs, since no host is given: leave "
            "them out, and make up sets them, or give the host of the database too"
        )


def _host(name: str, value: str) -> str:
    """The host that a setting names; empty if it names none."""
    if DATABASE_URL.fullmatch(name) or REDIS_URL.fullmatch(name):
        try:
            return urlsplit(value).hostname or ""
        except ValueError:
            return ""
    is_part = DATABASE_PART.fullmatch(name) or REDIS_PART.fullmatch(name) or name in LIBPQ
    return value.strip().rpartition(":")[0] or value.strip() if is_part and names_host(name) else ""


def _is_here(host: str, compose: Collection[str]) -> bool:
    if host.lower() == "localhost" or host in compose:
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
