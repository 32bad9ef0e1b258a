"""What a release is to be: the values, the Secret and the claim, from a description and what the user gives besides.

Everything that can be known to be missing or contradictory is said here, before anything is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delivery.checkout import BUILD
from delivery.deployment import overrides
from delivery.deployment.chart import continuity
from delivery.deployment.chart import values as chart_values
from delivery.deployment.chart.commented import Value, render
from delivery.deployment.chart.folders import Folders, find_folders
from delivery.deployment.chart.precedence import joined_lists, refuse_more_pods
from delivery.deployment.errors import DeploymentError
from delivery.deployment.overrides import Overrides
from delivery.deployment.release import ownership
from delivery.deployment.release.helm import Helm
from delivery.deployment.release.kubectl import Kubectl
from delivery.deployment.services import storage
from delivery.deployment.services.connections import DATABASE_PART, DATABASE_URL
from delivery.deployment.settings import env_file, required
from delivery.deployment.settings.env_file import Given
from delivery.deployment.settings.secret import EnvironmentSecrets, Version
from delivery.detection.description import Description
from delivery.detection.identity.origin import origin_of

CLAIM_SIZE = "1Gi"
HEADING = """How {name} is deployed. Written anew each time by make {target}: change nothing here.
Your own values go into a file of your own, which takes precedence: VALUES=<path>.
The image is set on helm's command line."""

JOINED = """The lists that both values.yaml and your own file have, joined for {name}: helm would take yours alone.
Written anew each time by make {target}: change nothing here."""


@dataclass(frozen=True)
class Application:
    """What is deployed. environment: the table of flask-app.toml, which stands in `place`."""

    description: Description
    environment: Mapping[str, str] = field(default_factory=dict)
    place: str = "flask-app.toml"


@dataclass(frozen=True)
class Wanted:
    """What the user asks for, and what `make up` provides besides (development)."""

    kubectl: Kubectl
    release: str
    application: Application | None
    env: Path | None = None
    values: Path | None = None
    provided: Mapping[str, str] = field(default_factory=dict)
    """Settings that are used where nobody else gives them."""
    development: bool = False


@dataclass(frozen=True)
class Prepared:
    """What is to be put into the cluster."""

    wanted: Wanted
    files: tuple[str, ...]
    """The values files, for helm."""
    version: Version | None
    """The Secret with the environment; None if there is none, or it is the user's own."""
    claim: str
    """The claim to have; empty for none."""
    storage_class: str
    """Of the claim; empty for the cluster's default."""
    notes: tuple[str, ...]

    @property
    def secrets(self) -> EnvironmentSecrets:
        """The Secrets of the release."""
        return EnvironmentSecrets(self.wanted.kubectl, self.wanted.release)

    def put(self) -> None:
        """Put into the cluster what helm's release refers to."""
        kubectl, release = self.wanted.kubectl, self.wanted.release
        if not (self.version or self.claim):
            return
        kubectl.create_namespace()
        if self.version:
            self.secrets.create(self.version)
        if self.claim and self.wanted.development:
            storage.provide_on_node(kubectl, release, self.claim, CLAIM_SIZE)
        elif self.claim:
            storage.provide(kubectl, release, self.claim, CLAIM_SIZE, self.storage_class)

    def finish(self, *, deployed: bool) -> None:
        """Remove what is not needed any more."""
        if self.version and deployed:
            self.secrets.prune(self.version)
        # Where the rollback failed too, pods still name it.
        elif self.version and self._deployed() != self.version.name:
            self.secrets.withdraw(self.version)

    def _deployed(self) -> str:
        return _current_secret(self.wanted.release, Helm(self.wanted.release, self.wanted.kubectl).values())


def read_given(env: Path | None) -> Given:
    """What the env file gives; nothing without one."""
    return env_file.read(env) if env else Given()


def prepare(wanted: Wanted) -> Prepared:
    """Raises DeploymentError for what is missing or contradictory. Asks the cluster, and changes nothing in it."""
    user = overrides.read(wanted.values)
    deployed = Helm(wanted.release, wanted.kubectl).values()
    refuse_another(wanted, deployed, user)
    is_kept = not (wanted.env or wanted.development)
    given = Given(config=chart_values.kept_config(deployed)) if is_kept else read_given(wanted.env)
    current = _current_secret(wanted.release, deployed)
    secret = _secret_values(wanted, given, user, current)
    _refuse_two_secrets(wanted, user, secret)
    known = {*secret, *given.config, *user.names, *_environment(wanted), *_keys(wanted.kubectl, user.existing_secret)}
    notes = [*_found_notes(wanted), *given.notes, *_check_settings(wanted, known, user)]
    version = EnvironmentSecrets(wanted.kubectl, wanted.release).version(secret, current) if secret else None
    folders = _folders(wanted, {**_environment(wanted), **given.config, **secret, **user.values}, known)
    folders, more = _continued(wanted, folders)
    notes += more
    refuse_more_pods(folders, user.chart, wanted.values)
    claim = _claim(wanted) if folders.shared else ""
    found = chart_values.values(
        wanted.application.description if wanted.application else None,
        chart_values.Circumstances(
            release=wanted.release,
            # A variable of the pod would take precedence over the same one in the Secret.
            environment={
                name: value for name, value in _environment(wanted).items() if name not in secret | given.config
            },
            configuration_place=wanted.application.place if wanted.application else "",
            origin=_origin(wanted, user),
            config=given.config,
            secret=version.name if version else "",
            claim=claim,
        ),
        folders,
    )
    files = [str(_write(wanted, found, HEADING, "values.yaml")), *([str(wanted.values)] if wanted.values else [])]
    if joined := joined_lists(found, user.chart):
        files.append(str(_write(wanted, joined, JOINED, "lists.yaml")))
    return Prepared(wanted, tuple(files), version, claim, user.storage_class, tuple(notes))


def _environment(wanted: Wanted) -> Mapping[str, str]:
    return wanted.application.environment if wanted.application else {}


def _found_notes(wanted: Wanted) -> tuple[str, ...]:
    return wanted.application.description.notes if wanted.application else ()


def _origin(wanted: Wanted, user: Overrides) -> str:
    return user.origin or (origin_of(wanted.application.description.folder) if wanted.application else "")


def refuse_another(wanted: Wanted, deployed: Mapping[str, Any], user: Overrides) -> None:
    """Raise DeploymentError if the release is that of another application. deployed: its values."""
    if wanted.application:
        ownership.refuse_other_origin(deployed, wanted.release, _origin(wanted, user), wanted.application.place)
    else:
        ownership.refuse_without_application(deployed, wanted.release, wanted.values, with_env=bool(wanted.env))


def _current_secret(release: str, deployed: Mapping[str, Any]) -> str:
    """The name of the version that is deployed; empty for none."""
    named = str((deployed.get("secrets") or {}).get("existingSecret") or "")
    return named if ownership.is_of_environment(named, release) else ""


def _secret_values(wanted: Wanted, given: Given, user: Overrides, current: str) -> dict[str, str]:
    """What goes into the Secret. Without an env file, what is deployed stays."""
    taken = {*user.names, *_environment(wanted), *given.config}
    provided = {name: value for name, value in wanted.provided.items() if name not in taken}
    if wanted.env or wanted.development:
        return provided | given.secret
    if user.existing_secret or user.has_secret_values:
        return {}
    return EnvironmentSecrets(wanted.kubectl, wanted.release).content(current)


def _refuse_two_secrets(wanted: Wanted, user: Overrides, secret: Mapping[str, str]) -> None:
    if not secret or not (user.existing_secret or user.has_secret_values):
        return
    key = "secrets.existingSecret" if user.existing_secret else "secrets.values"
    what = "ENV_FILE" if wanted.env else "make up"
    raise DeploymentError(
        f"{wanted.values} sets {key}, and {what} creates a Secret too. A pod uses only one: move the values to the env "
        f"file and remove {key}"
    )


def _keys(kubectl: Kubectl, secret: str) -> set[str]:
    """The names in a Secret of the user's."""
    if not secret:
        return set()
    found = kubectl.find("secret", secret)
    if found is None:
        raise DeploymentError(
            f"there is no Secret {secret} in the namespace {kubectl.namespace}, which secrets.existingSecret of your "
            "VALUES file names: create it, or give the settings with ENV_FILE=<path>"
        )
    return set(found.get("data") or {})


def _check_settings(wanted: Wanted, known: set[str], user: Overrides) -> list[str]:
    """Refuse what is missing. Returns what a user should know."""
    if not wanted.application:
        return []
    settings = wanted.application.description.surroundings.settings
    if user.has_more and (missing := required.missing(settings, known)):
        names = ", ".join(each.name for each in missing)
        return [f"Can't check the keys of extraEnvFrom in {wanted.values}. It must provide: {names}."]
    required.refuse_missing(settings, known, wanted.env)
    return required.insecure_defaults(settings, known)


def _folders(wanted: Wanted, values: Mapping[str, str], known: set[str]) -> Folders:
    if not wanted.application:
        return Folders()
    has_database = any(_names_server(name) and not values.get(name, "").startswith("sqlite") for name in known)
    return find_folders(
        wanted.application.description,
        development=wanted.development,
        has_database=has_database,
        given={name: values.get(name, "") for name in sorted(known)},
    )


def _continued(wanted: Wanted, folders: Folders) -> tuple[Folders, list[str]]:
    """The folders with what is mounted already, and what a user should know. Refuses to leave data in production."""
    if not wanted.application:
        return folders, []
    folders, notes, refused = continuity.continued(
        folders,
        Helm(wanted.release, wanted.kubectl).values(),
        _claim(wanted),
        wanted.application.description,
        wanted.application.place,
    )
    if wanted.development:
        return folders, [*notes, *refused]
    continuity.refuse(refused)
    return folders, notes


def _claim(wanted: Wanted) -> str:
    """The name of the claim of the release."""
    return f"{wanted.release}-data"


def _names_server(setting: str) -> bool:
    if setting.startswith(("DEV_", "TEST_", "TESTING_", "DEVELOPMENT_")):
        # The server doesn't use it.
        return False
    part = DATABASE_PART.fullmatch(setting)
    return bool(DATABASE_URL.fullmatch(setting) or (part and part["host"]))


def _write(wanted: Wanted, found: list[Value], heading: str, file_name: str) -> Path:
    """Write the values for the user to see, and helm to read."""
    name = wanted.application.description.name if wanted.application else wanted.release
    heading = heading.format(name=name, target="up" if wanted.development else "deploy")
    file = BUILD / name / file_name
    file.parent.mkdir(parents=True, exist_ok=True)
    # Values may be nobody else's business, though none is a password.
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(render(found, heading), encoding="utf-8")
    return file


def say(notes: tuple[str, ...]) -> None:
    """Print what a user should know."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
