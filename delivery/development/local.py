"""The application on this machine: served as in production, or for development.

Nothing is written into its repository, but what its own code writes: byte code goes to build/.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from honcho.manager import Manager

from delivery.checkout import ROOT
from delivery.deployment.settings import env_file
from delivery.detection.description import Description, Process, Role
from delivery.development.environment import Environment
from delivery.development.make import without_make
from delivery.images.context import place

SERVER = ["gunicorn", "--config", "python:nodrop.gunicorn"]
DEVELOPMENT_SERVER = ["nodrop", "dev"]
WORKER = ["nodrop", "run", "--", "sh", "-c"]
BYTECODE = ROOT / "build" / "bytecode"


@dataclass(frozen=True)
class Local:
    """How the processes of an application are started on this machine."""

    folder: Path
    """Their working folder, as /srv is in the image."""
    variables: dict[str, str]


def local(
    description: Description,
    environment: Environment,
    *,
    given: Mapping[str, str],
    own: Mapping[str, str] = os.environ,
    port: int = 5000,
    address: str = "127.0.0.1",
) -> Local:
    """given: what the env file and flask-app.toml set. own: the variables of the shell, which take precedence."""
    path, own = own.get("PATH", os.defpath), without_make(own)
    repository, target = description.folder, place(description)
    # A repository that is a package is imported from the folder that it lies in.
    folder = repository if target == "." else repository.parent
    served = description.served.value
    paths = [str(repository / served.root)] if served.root != "." else []
    variables = {
        **given,
        **own,
        "PATH": f"{environment.programs}{os.pathsep}{path}",
        "VIRTUAL_ENV": str(environment.folder),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONPYCACHEPREFIX": str(BYTECODE / environment.folder.name),
        "WSGI_APP": served.reference,
        "PORT": str(port),
        "BIND_ADDRESS": address,
    }
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME"):
        variables.pop(name, None)
    return Local(folder, variables)


def read_env_file(path: Path | None) -> dict[str, str]:
    """What an env file sets, but for what the chart sets in a pod; nothing without one. Raises DeploymentError."""
    given = env_file.read(path) if path else env_file.Given()
    return {**given.config, **given.secret}


def become(start: Local, command: list[str]) -> NoReturn:
    """Become a command of the application's environment, which signals reach then."""
    os.chdir(start.folder)
    os.execvpe(command[0], command, start.variables)


def serve_with_workers(start: Local, command: list[str], processes: tuple[Process, ...]) -> int:
    """Run the server and the workers side by side until Ctrl-C, or until one of them ends. Returns the exit status.

    Cron jobs are left to the cluster.
    """
    manager = Manager()
    manager.add_process("server", f"exec {shlex.join(command)}", env=start.variables, cwd=str(start.folder))
    for each in processes:
        if each.role is not Role.JOB:
            worker = f"exec {shlex.join([*WORKER, each.command])}"
            manager.add_process(each.name, worker, env=start.variables, cwd=str(start.folder))
    manager.loop()
    return manager.returncode or 0
