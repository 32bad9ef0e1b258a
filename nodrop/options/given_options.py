"""What was configured for gunicorn itself: on its command line, in GUNICORN_CMD_ARGS, in a configuration file.

Options that are not honoured are refused before anything is bound or the application is imported, since ignored they
would change what is served without a word: with --certfile gunicorn's own parts call plain text https.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.config import Config

from nodrop.config.settings import ServingSettings
from nodrop.options import configuration
from nodrop.options.table import option, spelling

COMMAND_LINE = "command line"
CMD_ARGS = "GUNICORN_CMD_ARGS"
_OCTAL = frozenset({"umask", "control_socket_mode"})
CONFIG_FILE = "gunicorn.conf.py"
"""What gunicorn reads in the working directory when no --config is given."""


@dataclass(frozen=True)
class GivenOption:
    """An option, its value as gunicorn understands it, and where it is."""

    name: str
    value: Any
    origin: str

    @property
    def text(self) -> str:
        """The option as it was written, or nearly."""
        if self.value is True or self.value is False or callable(self.value):
            return spelling(self.name)
        return f"{spelling(self.name)}={self.shown}"

    @property
    def shown(self) -> str:
        """The value for people."""
        if self.name in _OCTAL and isinstance(self.value, int):
            return f"0{self.value:o}"
        return ",".join(map(str, self.value)) if isinstance(self.value, list) else str(self.value)


def _parsed(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The options that are given, by gunicorn's names; `args` is the application. Raises ValueError."""
    # Without the parser, which takes some 3 ms to make.
    return _parsed_once(tuple(arguments)) if arguments else {}


@functools.cache
def _parsed_once(arguments: tuple[str, ...]) -> Mapping[str, Any]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            parsed, _ = Config(prog="gunicorn").parser().parse_known_args(arguments)
        except SystemExit as error:
            raise ValueError(said.getvalue().strip().rpartition("\n")[2]) from error
    return {name: value for name, value in vars(parsed).items() if value is not None}


def application(arguments: Sequence[str]) -> str | None:
    """The application that gunicorn's command line names; None if it names none, or can't be read."""
    with contextlib.suppress(ValueError):
        if named := _parsed(arguments).get("args"):
            return str(named[0])
    return None


def import_folders(arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The folders of --pythonpath, which gunicorn puts in front of Python's path once it is configured."""
    with contextlib.suppress(ValueError):
        given = {**_parsed(shlex.split(variables.get(CMD_ARGS, ""))), **_parsed(arguments)}
        if path := given.get("pythonpath"):
            return [str(Path(folder).absolute()) for folder in path.split(",")]
    return []


def problems(settings: ServingSettings, arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """A line for each option on the command line, without its first word, or in GUNICORN_CMD_ARGS, that is refused."""
    try:
        on_line = _parsed(arguments)
    except ValueError:
        on_line = {}  # Not gunicorn's: something else that runs it in its own process.
    try:
        in_variable = _parsed(shlex.split(variables.get(CMD_ARGS, "")))
    except ValueError as error:
        return [f"{CMD_ARGS} can't be read: {error}"]
    lines = []
    if named := in_variable.get("args"):
        lines.append(f"{CMD_ARGS} names the application {named[0]}, where gunicorn does not look: set WSGI_APP")
    if "config" in on_line and in_variable.get("config", on_line["config"]) != on_line["config"]:
        lines.append(f"{CMD_ARGS} has a --config that is not read, since the command line has one: remove it")
    given = [
        GivenOption(name, value, origin)
        for origin, options in ((COMMAND_LINE, on_line), (CMD_ARGS, in_variable))
        for name, value in options.items()
        if name != "args"
    ]
    return [*lines, *_refusals(given, settings)]


class Ours:
    """The configuration that is as nodrop/gunicorn.py has it, or only as its settings make it."""

    def __init__(self, values: Mapping[str, Any], settings: ServingSettings) -> None:
        self._values = values
        self._config = Config()
        for name, value in values.items():
            self._config.set(name, value)
        self._same = configuration.same_as_ours(settings)

    def accepts(self, name: str, value: Any) -> bool:
        """Whether the option is honoured, or its value, as gunicorn keeps it, is what it is here anyway."""
        return option(name).honoured or value == self._config.settings[name].get() or value in self._same.get(name, ())

    def refusals(self, cfg: Any) -> list[str]:
        """A line for each option of gunicorn's final configuration that is refused.

        What is not as in nodrop/gunicorn.py, a configuration file has changed, since the command line was looked at
        before.
        """
        lines = []
        for name, setting in cfg.settings.items():
            value = setting.get()
            if self.accepts(name, value) or self._is_hook_of_its_own(name, value):
                continue
            given = GivenOption(name, value, "configuration file")
            what = f"{name} = {given.shown}" if not callable(value) else name
            lines.append(f"{what} ({given.origin}) can't be accepted: {option(name).remedy(given.shown)}")
        return lines

    def settle(self, cfg: Any) -> None:
        """Have options that mean the same as ours, or are refused, be as they are here, or else gunicorn's default."""
        for name, setting in cfg.settings.items():
            if not option(name).honoured and not self._is_hook_of_its_own(name, setting.get()):
                setting.value = self._config.settings[name].value

    def _is_hook_of_its_own(self, name: str, value: Any) -> bool:
        """A hook that is not one of ours stands in nobody's way."""
        return callable(value) and name not in self._values and option(name).setting == "HOOKS"


def _refusals(given: Iterable[GivenOption], settings: ServingSettings) -> Iterator[str]:
    theirs = Config()
    ours = functools.cache(lambda: Ours(configuration.values(settings), settings))
    for each in given:
        try:
            theirs.set(each.name, each.value)
        except Exception as error:
            yield f"{each.text} ({each.origin}) can't be accepted: {error}"
            continue
        value = theirs.settings[each.name].get()
        if each.name == "raw_env":
            yield from _late_variables(value, each.origin)
        elif not option(each.name).honoured and not ours().accepts(each.name, value):
            yield f"{each.text} ({each.origin}) can't be accepted: {option(each.name).remedy(each.shown)}"


def _late_variables(pairs: Iterable[str], origin: str) -> Iterator[str]:
    """gunicorn sets the variables of --env after the settings were read."""
    declared = {each.variable for each in ServingSettings.declarations().values()}
    for name in sorted({pair.partition("=")[0] for pair in pairs} & declared):
        # Without the value, which may be a secret.
        yield f"--env={name}=... ({origin}) comes too late for a setting: set the variable {name} itself"


def unread_file(arguments: Sequence[str], folder: Path) -> str | None:
    """A warning of gunicorn's own configuration file in the working directory, if it is there and not read."""
    with contextlib.suppress(ValueError):
        config = _parsed(arguments).get("config")
        if config and (folder / CONFIG_FILE).exists() and Path(config).name != CONFIG_FILE:
            return (
                f"{CONFIG_FILE} is not read, since --config names {config}: begin it with "
                "`from nodrop.gunicorn import *` and name it with --config, or remove it"
            )
    return None
