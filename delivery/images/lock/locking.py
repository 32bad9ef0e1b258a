"""The lock of an application, made once and kept in build/lock until what it is made from changes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from delivery.checkout import ROOT, private
from delivery.detection.dependencies.pythons import OFFERED
from delivery.detection.description import Description, Found, Problem
from delivery.images.indexes import Login
from delivery.images.lock import files, indexes, serving, sources
from delivery.images.lock.errors import LockError
from delivery.images.lock.inputs import Inputs, gather, nodrop
from delivery.images.lock.resolution import Resolver, Unsatisfiable
from delivery.images.lock.uv import target
from delivery.own_files import Linked, write_text

KEPT = "requirements.lock"
"""What `keep` writes into the repository, where detection finds it."""
FORMAT = "2"
"""Of what is kept; another number makes all locks anew."""


@dataclass(frozen=True)
class Locked:
    """Requirements that are pinned and hashed."""

    requirements: Path
    """For `pip install --require-hashes`."""
    notes: tuple[str, ...]
    unhashed: Path | None = None
    """For `pip install --no-deps` afterwards, in the folder where it lies: packages from git and from paths."""
    apt: tuple[Found[str], ...] = ()
    """Debian's packages for the image: those of the description, and those that other packages ask for."""
    apt_build: tuple[Found[str], ...] = ()
    """Debian's packages to build wheels with; empty where nothing has to be compiled or cloned."""
    built: tuple[str, ...] = ()
    """Packages that are built, since they have no wheel for the image."""
    pip_conf: str = ""
    """The content of a pip.conf with the addresses of indexes, which may hold passwords: a secret of the build."""
    logins: tuple[Login, ...] = ()
    """Hosts, users and passwords of the requirements' addresses: a secret of the build. No file has them."""


def lock(
    description: Description,
    output: Path,
    *,
    upgrade: bool = False,
    cache: Path = ROOT / "build" / "lock",
    variables: Mapping[str, str] | None = None,
) -> Locked:
    """Lock the application's requirements with nodrop's into a folder. Raises LockError, and Undecided.

    output: gets requirements.txt, and where they are needed requirements-unhashed.txt and local/. upgrade: look for
    newer releases, though nothing has changed; what the repository's own lock file pins stays. cache: where locks are
    kept. variables: the environment.
    """
    variables = indexes.of_this_process() if variables is None else variables
    inputs = gather(description, variables)
    kept = cache / _key(inputs, description, variables)
    if upgrade or not (kept / "locked.json").exists():
        _make(inputs, description, variables, kept, refresh=upgrade)
    return replace(
        _handed_out(kept, output, indexes.pip_conf(inputs.options, variables)), logins=inputs.logins
    )  # fmt: skip


def _key(inputs: Inputs, description: Description, variables: Mapping[str, str]) -> str:
    """Of all that decides what is locked."""
    dependencies = description.dependencies
    detected = [repr(each) for each in (*dependencies.apt, *dependencies.apt_build)]
    parts = [FORMAT, version("uv"), *target(inputs.python), *nodrop()]
    whole = "\0".join([*parts, *indexes.identity(variables), *inputs.identity(), *detected])
    return hashlib.sha256(whole.encode()).hexdigest()[:20]


def _make(inputs: Inputs, description: Description, variables: Mapping[str, str], kept: Path, *, refresh: bool) -> None:
    """Resolve, check and write. What is written is complete or not there."""
    # Not in the folder for temporary files: uv looks for its configuration in all folders above.
    with (
        tempfile.TemporaryDirectory(dir=private(kept.parent)) as made,
        tempfile.TemporaryDirectory(dir=kept.parent) as folder,
    ):
        resolver = Resolver(inputs, Path(folder), variables, refresh)
        found = _resolve(resolver, description, Path(made))
        (Path(made) / "locked.json").write_text(json.dumps(asdict(found), default=str), encoding="utf-8")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(made, kept)


def _resolve(resolver: Resolver, description: Description, folder: Path) -> Locked:
    notes: list[str] = []
    try:
        application = serving.alone(resolver, notes)
    except Unsatisfiable as error:
        raise _refused(resolver, str(error)) from None
    resolver.refresh = False
    more = serving.together(resolver, application, notes)
    both = ["application.in", "nodrop.in"]
    try:
        packages = resolver.packages(both, *more)
        text = resolver.compile_again(both, "--generate-hashes", "--no-strip-extras", *more)
    except Unsatisfiable as error:
        raise LockError(
            Problem(
                f"The application's requirements conflict with nodrop's: {error}",
                "Relax the application's requirements",
            )
        ) from None
    built = sources.check(resolver, packages.values())
    files.write(resolver, text, packages, folder)
    notes += _unpinned(resolver.inputs, set(application))
    apt, apt_build = _debian(description, sources.debian(packages.values(), built, ()))
    return Locked(Path(files.HASHED), tuple(notes), None, apt, apt_build, built)


def _debian(
    description: Description,
    needed: tuple[tuple[Found[str], ...], tuple[Found[str], ...]],
) -> tuple[tuple[Found[str], ...], tuple[Found[str], ...]]:
    """Those of the description with those that are needed.

    What detection found for a package, which its place names in brackets, is decided again now that all are known.
    """
    both = []
    for mine, theirs in zip((description.dependencies.apt, description.dependencies.apt_build), needed, strict=True):
        chosen = {each.value: each for each in theirs}
        chosen |= {each.value: each for each in mine if not each.place.endswith(")")}
        both.append(tuple(chosen[name] for name in sorted(chosen)))
    return both[0], both[1]


def _unpinned(inputs: Inputs, chosen: set[str]) -> list[str]:
    """What the repository leaves open, so that a later lock may choose other releases."""
    lines = (*inputs.constraints, *inputs.requirements)
    pinned = {each.name for each in lines if re.search(r"==|@", each.text)}
    left = sorted(chosen - pinned)
    if not left:
        return []
    names = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    if inputs.lock:
        return [f"{inputs.lock} doesn't pin {names}: the newest release is installed."]
    return [f"Nothing in the repository pins {names}. `make lock APP=... KEEP=1` keeps this lock there as {KEPT}."]


def _refused(resolver: Resolver, reason: str) -> LockError:
    """Why there is no solution, with what to do: another Python, another name, a network."""
    inputs = resolver.inputs
    if any(word in reason for word in ("error sending request", "Failed to fetch", "Could not connect", "timed out")):
        return LockError(
            Problem(f"The package index can't be reached: {reason}", "Check the network, or set PIP_INDEX_URL")
        )
    missing = [each for each in inputs.requirements if each.name and f"{each.name} was not found" in reason]
    if missing:
        return LockError(
            Problem(
                f"{missing[0].place} requires {missing[0].name}, which the package index doesn't have",
                "Correct the name, or add its index: PIP_EXTRA_INDEX_URL, or `--extra-index-url` in the file",
            )
        )
    place = next((each.place for each in inputs.requirements if each.name and f"{each.name}" in reason), "")
    for python in reversed(OFFERED):
        if python != inputs.python and _works(resolver, python):
            return LockError(
                Problem(
                    f"The requirements can't be resolved for Python {inputs.python}, but can for {python}: {reason}",
                    "Set `python` in flask-app.toml, or relax the requirements",
                    line=f'python = "{python}"',
                ),
                python,
            )
    what = "can't be built" if "Failed to build" in reason or "build backend" in reason else "can't be resolved"
    return LockError(Problem(f"The requirements {what}: {reason}", f"Correct {place or inputs.lock or 'them'}"))


def _works(resolver: Resolver, python: str) -> bool:
    other = replace(resolver.inputs, python=python)
    with tempfile.TemporaryDirectory(dir=resolver.folder) as folder:
        try:
            chosen = serving.alone(again := Resolver(other, Path(folder), resolver.variables), [])
            sources.check(again, chosen.values())
        except (Unsatisfiable, LockError):
            return False
        return True


def _handed_out(kept: Path, output: Path, pip_conf: str) -> Locked:
    """Copies, so that what is kept stays as it is."""
    output.mkdir(parents=True, exist_ok=True)
    for name in (files.UNHASHED, files.HASHED):
        (output / name).unlink(missing_ok=True)
        if (kept / name).exists():
            shutil.copyfile(kept / name, output / name)
    shutil.rmtree(output / files.LOCAL, ignore_errors=True)
    if (kept / files.LOCAL).exists():
        shutil.copytree(kept / files.LOCAL, output / files.LOCAL)
    data = json.loads((kept / "locked.json").read_text(encoding="utf-8"))
    os.utime(kept)
    return Locked(
        requirements=output / files.HASHED,
        notes=tuple(data["notes"]),
        unhashed=output / files.UNHASHED if (output / files.UNHASHED).exists() else None,
        apt=tuple(Found(**each) for each in data["apt"]),
        apt_build=tuple(Found(**each) for each in data["apt_build"]),
        built=tuple(data["built"]),
        pip_conf=pip_conf,
    )


def keep(description: Description, locked: Locked) -> Path:
    """Write the lock into the repository, as requirements.lock, and say where. Only on request. Raises LockError."""
    lines = locked.unhashed.read_text(encoding="utf-8").splitlines() if locked.unhashed else []
    local = [line for line in lines if line.startswith("./")]
    if local:
        raise LockError(
            Problem(
                f"{', '.join(local)} is installed from a path, which a lock file can't pin",
                "Publish it, or refer to it by git+https://...@commit",
            )
        )
    text = locked.requirements.read_text(encoding="utf-8")
    if line := files.login_in("\n".join([text, *lines])):
        raise LockError(
            Problem(f"The address in {line.split(' --hash')[0]} has a login in it", "Give the login in ~/.netrc")
        )
    try:
        return write_text(description.folder, KEPT, text + "".join(f"{line}\n" for line in lines))
    except Linked as error:
        raise LockError(Problem(str(error), f"Remove {KEPT}")) from None
