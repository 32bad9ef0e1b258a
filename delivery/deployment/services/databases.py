"""PostgreSQL and Redis for development, in the cluster of `make up`.

Never for production: there is one small pod of each, without backups. What they store is kept as long as the cluster.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.checkout import ROOT
from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.services import storage
from delivery.deployment.services.connections import MYSQL, POSTGRESQL, REDIS, Place
from delivery.deployment.settings.secret import labels

OFFLINE_SETTINGS = ROOT / ".tools" / "offline.env"
READY_SECONDS = 180
"""The image may have to be pulled first."""
DATABASE_USER = "flask"
PASSWORD = "POSTGRES_PASSWORD"
"""Where the password is kept: a key of the Secret of what `make up` has made up."""
USER = 999
"""That of both images, the official ones and those of `make offline WITH=databases`."""
SERVED = {POSTGRESQL: 5432, REDIS: 6379}


@dataclass(frozen=True)
class Service:
    """A service of a release, as it runs in the cluster."""

    kind: str
    release: str
    image: str

    @property
    def name(self) -> str:
        """Of its Service, and so its host name."""
        return f"{self.release}-{self.kind}"

    def place(self, password: str) -> Place:
        """Where it is, and how to log in."""
        if self.kind == REDIS:
            return Place(self.name, SERVED[REDIS], database="0")
        return Place(self.name, SERVED[POSTGRESQL], DATABASE_USER, password, DATABASE_USER)

    def objects(self, passwords: str) -> list[dict[str, Any]]:
        """Its StatefulSet and its Service. passwords: the name of the Secret with PASSWORD."""
        container = _postgresql(passwords) if self.kind == POSTGRESQL else _redis()
        data = {"name": "data", "persistentVolumeClaim": {"claimName": self.name}}
        chosen = labels(self.release, self.kind)
        pod = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(self.kind, self.image, SERVED[self.kind], container)],
            "volumes": [data, {"name": "run", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        }  # fmt: skip
        return [
            {
                "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": self.name, "labels": chosen},
                "spec": {
                    "replicas": 1, "serviceName": self.name, "selector": {"matchLabels": chosen},
                    "template": {"metadata": {"labels": chosen}, "spec": pod},
                },
            },
            {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name, "labels": chosen},
                "spec": {"selector": chosen, "ports": [{"name": self.kind, "port": SERVED[self.kind]}]},
            },
        ]  # fmt: skip


def _container(name: str, image: str, port: int, own: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": name, "containerPort": port}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        **own,
    }  # fmt: skip


def _probe(*command: str) -> dict[str, Any]:
    return {"exec": {"command": list(command)}, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3}


def _postgresql(passwords: str) -> dict[str, Any]:
    variables = {"POSTGRES_USER": DATABASE_USER, "POSTGRES_DB": DATABASE_USER, "PGDATA": "/var/lib/postgresql/data/pg"}
    password = {"secretKeyRef": {"name": passwords, "key": PASSWORD}}
    return {
        "env": [
            *({"name": name, "value": value} for name, value in variables.items()),
            {"name": PASSWORD, "valueFrom": password},
        ],
        # By its address: on the socket alone it answers already while it still sets itself up.
        "readinessProbe": _probe("pg_isready", "--host", "127.0.0.1", "--username", DATABASE_USER),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _redis() -> dict[str, Any]:
    return {
        # No password: only pods of the cluster reach it, and applications that read a host name alone know none.
        "args": ["redis-server", "--save", "60", "1", "--dir", "/data", "--protected-mode", "no"],
        "readinessProbe": _probe("redis-cli", "ping"),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    }


def images() -> dict[str, str]:
    """The pinned image of each service."""
    lines = (ROOT / "versions.env").read_text().splitlines()
    pinned = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {POSTGRESQL: pinned["POSTGRESQL_IMAGE"], REDIS: pinned["REDIS_IMAGE"]}


def wanted(release: str, kinds: Sequence[str]) -> list[Service]:
    """The services to run for a release. Kinds that can't be run here are left out: see refused."""
    available = images()
    return [Service(kind, release, available[kind]) for kind in kinds if kind in available]


def refused(kinds: Sequence[str]) -> list[str]:
    """What to say about each kind that can't be run here."""
    return [
        f"make up runs no {kind} for development: start one, and give its address in your env file, such as "
        + ("DATABASE_URL=mysql+pymysql://user:password@host/name" if kind == MYSQL else f"{kind.upper()}_URL=...")
        for kind in kinds
        if kind not in SERVED
    ]


def local_images(services: Sequence[Service]) -> list[str]:
    """Those of their images that the local engine has, to be loaded into the cluster; the nodes pull the others.

    Raises DeploymentError where they are missing on a machine of `make offline`: a pull would fail after minutes.
    """
    wanted_images = dict.fromkeys(each.image for each in services)
    lacking = [
        image
        for image in wanted_images
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
    ]
    if lacking and OFFLINE_SETTINGS.is_file():
        raise DeploymentError(
            f"the Docker engine does not have {', '.join(lacking)}, and no registry can be reached from here: "
            "make offline WITH=databases, or give the address of your own in ENV_FILE=<path>"
        )
    return [image for image in wanted_images if image not in lacking]


def start(kubectl: Kubectl, services: Sequence[Service], passwords: str) -> None:
    """Have the services in the cluster. `wait` waits for them."""
    for service in services:
        storage.provide_on_node(kubectl, service.release, service.name, "1Gi")
    kubectl.apply(*(each for service in services for each in service.objects(passwords)))


def wait(kubectl: Kubectl, services: Sequence[Service]) -> None:
    """Wait until they are ready. Raises DeploymentError with the last lines of the log."""
    for service in services:
        status = ["rollout", "status", f"statefulset/{service.name}", "--timeout", f"{READY_SECONDS}s"]
        done = subprocess.run(
            kubectl.command(*status), env=dict(kubectl.environment), capture_output=True, text=True, check=False
        )
        if done.returncode:
            log = kubectl.ask("logs", f"{service.name}-0", "--tail", "15")
            pods = kubectl.ask("get", "pods", f"{service.name}-0")
            raise DeploymentError(
                f"{service.name} ({service.image}) isn't ready after {READY_SECONDS} s: {done.stderr.strip()}\n"
                f"{pods.stdout}{log.stdout}{log.stderr}"
                "Where no image registry can be reached, on Debian 12 or later as root: make offline WITH=databases"
            )
