"""Builds the image of an application, or of the example of this checkout, with the engine's BuildKit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from delivery.checkout import BUILD, ROOT, pinned, private
from delivery.detection.description import Description
from delivery.git import answer
from delivery.images.arguments import arguments
from delivery.images.context import assemble
from delivery.images.errors import ImageError
from delivery.images.failures import explain
from delivery.images.folders import alone, own_folder
from delivery.images.indexes import Login, Sources, options_of, secrets

CONTEXTS = BUILD / "context"
LOCKS = BUILD / "lock"


def build(description: Description, reference: str, *, version: str = "", revision: str = "") -> str:
    """Lock an application, and build its image as `reference`; returns the image's ID.

    Raises ImageError, and Undecided for what the lock asks.

    version, revision: what the application reports; by default what git says of the repository.
    """
    # The example is built without it, with the standard library alone.
    from delivery.images.lock import LockError, lock

    with alone(own_folder(private(LOCKS), description)) as folder:
        try:
            locked = lock(description, folder)
        except LockError as error:
            raise ImageError(str(error)) from error
        for note in locked.notes:
            print(note, file=sys.stderr)
        dependencies = replace(description.dependencies, apt=locked.apt, apt_build=locked.apt_build)
        return build_locked(
            replace(description, dependencies=dependencies), reference, locked.requirements, unhashed=locked.unhashed,
            pip_conf=locked.pip_conf, logins=locked.logins, version=version, revision=revision,
        )  # fmt: skip


def build_locked(
    description: Description,
    reference: str,
    requirements: Path,
    *,
    unhashed: Path | None = None,
    pip_conf: str = "",
    logins: Sequence[Login] = (),
    version: str = "",
    revision: str = "",
) -> str:
    """Build the image of an application that is locked; returns the image's ID. Raises ImageError.

    requirements, unhashed: its locked files. pip_conf: the content of a pip.conf with the indexes of the application.
    logins: those of its requirements' addresses.
    """
    with alone(own_folder(private(CONTEXTS), description)) as folder:
        context = assemble(description, folder, requirements, unhashed)
        for note in context.notes:
            print(note, file=sys.stderr)
        made = arguments(description, context.target, os.environ)
        made["VERSION"] = version or answer(description.folder, "describe", "--tags", "--always", "--dirty") or "dev"
        made["REVISION"] = revision or answer(description.folder, "rev-parse", "HEAD") or "unknown"
        context.sources.logins += logins
        context.sources.options += options_of(pip_conf)
        return _run(reference, context.folder, made, secrets(context.sources, os.environ, Path.home()))


def build_example(reference: str, given: Mapping[str, str]) -> None:
    """Build the image of the example as `reference`. given: arguments of the Dockerfile. Raises ImageError."""
    made = {"PYTHON_IMAGE": os.environ.get("PYTHON_IMAGE") or pinned()["PYTHON_IMAGE"], **given}
    _run(reference, ROOT, made, secrets(Sources(), os.environ, Path.home()))


def _run(reference: str, context: Path, made: Mapping[str, str], confidential: Mapping[str, str]) -> str:
    """Run the engine, and show its output; returns the image's ID, which no other build changes. Raises ImageError.

    The secrets reach it in environment variables, so that they are on no disk and in no list of processes.
    """
    command = ["docker", "build", "--progress", "plain", "--tag", reference]
    variables = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    for name, value in made.items():
        command += ["--build-arg", f"{name}={value}"]
    for number, (name, content) in enumerate(confidential.items()):
        variables[f"BUILD_SECRET_{number}"] = content
        command += ["--secret", f"id={name},env=BUILD_SECRET_{number}"]
    with tempfile.TemporaryDirectory(prefix="image-") as temporary:
        identity = Path(temporary, "id")
        _show([*command, "--iidfile", str(identity), str(context)], variables)
        return identity.read_text(encoding="utf-8").strip()


def _show(command: list[str], variables: Mapping[str, str]) -> None:
    try:
        process = subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ImageError("docker is not on PATH: install Docker Engine or Docker Desktop") from error
    log = []
    with process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            log.append(line.rstrip("\n"))
    if process.returncode:
        raise ImageError(explain(log))
