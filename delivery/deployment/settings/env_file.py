"""The env file, read as python-dotenv reads it, and sorted into what a pod gets as a secret and what not.

nodrop refuses a Secret that sets variables which decide what code runs or how the server is started, so that they are
sorted out here, where a word can be said about each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from dotenv.main import dotenv_values
from dotenv.parser import parse_stream

from delivery.deployment.errors import DeploymentError
from nodrop.config.reserved import IN_ANY_CASE, is_reserved
from nodrop.config.settings import ServingSettings
from nodrop.options.foreign_variables import refusals

SET_BY_THE_CHART = {"PORT", "MANAGEMENT_PORT", "GRACEFUL_TIMEOUT", "PEER_SERVICE", "SECRETS_DIR", "BIND_ADDRESS"}
SETTINGS = {each.variable for each in ServingSettings.declarations().values() if not each.secret}
"""nodrop's own settings that are no secrets."""
CERTIFICATES = {
    "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR", "SSL_CERT_FILE",
}  # fmt: skip
"""Files of certificates, by which the application's clients know other services."""
HONOURED = {"GUNICORN_CMD_ARGS", *CERTIFICATES}
"""What a Secret may not set, and the environment of a pod may."""
REMEDIES = {
    "FORWARDED_ALLOW_IPS": "set TRUSTED_PROXIES to the number or the networks of the proxies",
    "FLASK_APP": 'set serve = "module:name" in flask-app.toml',
    "FLASK_DEBUG": "make dev APP=... serves it with a debugger",
    "PYTHONPATH": 'set root = "src" in flask-app.toml',
}
"""What does here what the variable does elsewhere."""
ALIASES = {"SCRIPT_NAME": "URL_PREFIX"}
"""Variables of gunicorn, and nodrop's setting that is the same."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WITH_PASSWORD = re.compile(r"(?<=://)[^/\s]+(?=@)")
"""The user and the password in an address."""
MOST_BYTES = 1_000_000
"""A Secret holds 1 MiB."""


@dataclass(frozen=True)
class Given:
    """What an env file gives."""

    secret: dict[str, str] = field(default_factory=dict)
    """Goes into the Secret."""
    config: dict[str, str] = field(default_factory=dict)
    """Goes into the chart's `config`: nodrop's own settings and proxies, which a Secret may not set."""
    notes: tuple[str, ...] = ()
    """What is left out, and why. No values in them."""

    @property
    def names(self) -> set[str]:
        """All variables that the pods get."""
        return self.secret.keys() | self.config.keys()


def read(path: Path) -> Given:
    """Read an env file. Raises DeploymentError if it can't be read or understood; no value is ever in the message."""
    return sort_out(_values(path), str(path))


def _values(path: Path) -> dict[str, str | None]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeploymentError(
            f"ENV_FILE={path} is not there: write NAME=value lines into it, or leave ENV_FILE out"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"ENV_FILE={path} can't be read: {error}") from None
    for binding in parse_stream(StringIO(text)):
        line = binding.original.line + _blank_lines_before(binding.original.string)
        if binding.error:
            raise DeploymentError(
                f"{path}:{line} isn't a NAME=value line: quote a value of several words or lines, and close the quotes"
            )
        if binding.key is not None and not _NAME.fullmatch(binding.key):
            raise DeploymentError(
                f"{path}:{line}: {binding.key!r} isn't a valid variable name: use letters, digits and _"
            )
    if len(text) > MOST_BYTES:
        raise DeploymentError(
            f"ENV_FILE={path} is larger than a Secret can be (1 MiB): put files into a volume instead"
        )
    return dict(dotenv_values(stream=StringIO(text)))


def _blank_lines_before(text: str) -> int:
    """A binding begins after the one before it: with the blank lines between them."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _refuse_password(name: str, value: str, path: str) -> None:
    """Raise DeploymentError for an address with a password, which `config` would show to whoever may see a pod."""
    if WITH_PASSWORD.search(value):
        raise DeploymentError(
            f"{path}: the address in {name} has a password, and {name} can't be in the Secret of the settings, which "
            "may not decide through whom a pod reaches others: remove the line, write the address into a Secret of its "
            f"own (kubectl create secret generic proxy --from-literal={name}=...), and name that in a VALUES file: "
            f"extraEnv: [{{name: {name}, valueFrom: {{secretKeyRef: {{name: proxy, key: {name}}}}}}}]"
        )


def sort_out(values: dict[str, str | None], path: str) -> Given:
    """Sort what a file of this path gives. Raises DeploymentError for a password in what is no secret."""
    secret: dict[str, str] = {}
    config: dict[str, str] = {}
    notes: list[str] = []
    for name, value in values.items():
        if value is None:
            notes.append(f"{path}: {name} has no `=`, and is ignored")
        elif name in SET_BY_THE_CHART:
            notes.append(f"{path}: {name} is ignored, because the chart sets it")
        elif name in ALIASES:
            config[ALIASES[name]] = values.get(ALIASES[name]) or value
        elif name in HONOURED:
            config[name] = value
            if name in CERTIFICATES:
                notes.append(f"{path}: {name} names a file, which must be in the image or mounted (VALUES: volumes)")
        elif name in SETTINGS or name.upper() in IN_ANY_CASE:
            _refuse_password(name, value, path)
            config[name] = value
        elif is_reserved(name):
            notes.append(_left_out(path, name))
        else:
            secret[name] = value
    return Given(secret, config, tuple(notes))


def _left_out(path: str, name: str) -> str:
    why = f"{path}: {name} is left out, since it would decide how the server is started in the image"
    foreign = refusals({name: "VALUE"})
    # As the server itself says it, where it has a word on it.
    remedy = REMEDIES.get(name) or (foreign[0].partition(": ")[2] if foreign else "")
    return f"{why}: {remedy}" if remedy else why
