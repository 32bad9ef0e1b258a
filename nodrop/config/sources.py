"""Where the value of a setting comes from: a variable, a file that a variable names, or a mounted folder of secrets.

The first of these that has it decides:

1. the variable NAME; empty counts as unset
2. for a secret: the file whose path is in NAME_FILE. NAME and NAME_FILE together are refused
3. for a secret: the file NAME in the folder SECRETS_DIR, as Kubernetes mounts a Secret: one file for each key

What was read from a file is never printed, whatever is wrong with it. A file in SECRETS_DIR is refused if its name is
reserved (nodrop/config/reserved.py), or that of a setting that is no secret: whoever can write to a Secret could choose
the code that runs (HOOKS) and the proxies that are trusted.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodrop.config.reserved import is_reserved

SECRETS_DIR = "SECRETS_DIR"
ENVIRONMENT = "environment"
"""The origin of what is in no file."""
MAX_FILE_BYTES = 1024 * 1024
"""The largest file that is read; a Secret can't be larger."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SettingsError(ValueError):
    """One or more settings can't be accepted. `problems` holds one line for each, and str() all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Found:
    """The text of a variable, and where it was found."""

    text: str
    origin: str
    """`environment`, or the path of a file."""
    hidden: bool
    """The text must not be printed."""


class Environment:
    """The variables, with the files that stand in for some of them. Collects what is wrong with them in `problems`."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Read the folder SECRETS_DIR of `variables`, if there is one."""
        self.problems: list[str] = []
        self.variables = variables
        self.folder: Mapping[str, str] = self._read_folder(self._text(SECRETS_DIR))
        """What the folder SECRETS_DIR holds, by name."""

    def find(self, name: str, *, secret: bool = False) -> Found | None:
        """The value of the variable `name`, without the space around it; None when it is unset or empty."""
        text = self._text(name)
        path = self._text(f"{name}_FILE") if secret else ""
        if text and path:
            self.problems.append(f"{name} and {name}_FILE are both set: unset one of them")
        elif text:
            return Found(text, ENVIRONMENT, secret)
        elif path:
            return self._from_file(name, path)
        elif name in self.folder:
            return self._from_folder(name, secret=secret)
        return None

    def secret_variables(self) -> dict[str, str]:
        """What SECRETS_DIR holds that is not set already: in no variable, not even an empty one, nor in a NAME_FILE."""
        taken = {*self.variables, *(name.removesuffix("_FILE") for name in self.variables)}
        return {name: text for name, text in self.folder.items() if name not in taken}

    def _text(self, name: str) -> str:
        return self.variables.get(name, "").strip()

    def _from_folder(self, name: str, *, secret: bool) -> Found | None:
        path = str(Path(self._text(SECRETS_DIR)) / name)
        if not secret:
            self.problems.append(
                f"{SECRETS_DIR}: {path!r} can't be accepted: {name} is a setting that is no secret; remove the key, "
                "and set the variable in the environment"
            )
            return None
        text = self.folder[name].strip()
        return Found(text, path, hidden=True) if text else None

    def _from_file(self, name: str, path: str) -> Found | None:
        # Not printed: it may well be the secret itself, put into the wrong variable.
        if not path.startswith("/"):
            self.problems.append(f"{name}_FILE is no absolute path: set it to the path of a file, which begins with /")
            return None
        text = self._read(f"{name}_FILE={path!r}", Path(path))
        if text is None:
            return None
        if not text.strip():
            self.problems.append(f"{name}_FILE={path!r} is empty: write the value into it, or unset {name}_FILE")
            return None
        return Found(text.strip(), path, hidden=True)

    def _read_folder(self, folder: str) -> dict[str, str]:
        # The setting itself says what is wrong with anything else.
        if not folder.startswith("/"):
            return {}
        values = {}
        try:
            for path in sorted(Path(folder).iterdir()):
                # Kubernetes' own entries, such as ..data, are no names of variables, nor is tls.crt.
                if not _NAME.fullmatch(path.name) or path.is_dir():
                    continue
                what = f"{SECRETS_DIR}: {str(path)!r}"
                if is_reserved(path.name):
                    self.problems.append(
                        f"{what} can't be accepted: a secret never sets {path.name}, which decides what code runs, "
                        "whom it trusts or how the server is started; rename the key, or set the variable in the "
                        "environment"
                    )
                elif (text := self._read(what, path)) is not None:
                    values[path.name] = text
        except (OSError, ValueError) as error:
            self.problems.append(
                f"{SECRETS_DIR}={folder!r} can't be read: {_reason(error)}; set it to a folder of files, one for each "
                "variable, or unset it"
            )
        return values

    def _read(self, what: str, path: Path) -> str | None:
        """The text of the file without its last line end; None, and a problem that begins with `what`, without."""
        try:
            data = _content(path)
        except (OSError, ValueError) as error:
            self.problems.append(f"{what} can't be read: {_reason(error)}")
            return None
        if len(data) > MAX_FILE_BYTES:
            self.problems.append(f"{what} can't be accepted: it is larger than 1 MiB")
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self.problems.append(
                f"{what} can't be accepted: it is not text in UTF-8. A file of {SECRETS_DIR} that is to be no variable "
                "needs a name that no variable can have, such as key.bin"
            )
            return None
        return text.removesuffix("\n").removesuffix("\r")


def _content(path: Path) -> bytes:
    """The first MAX_FILE_BYTES + 1 bytes of a regular file. Anything else, such as a pipe, might never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a file")
        return file.read(MAX_FILE_BYTES + 1)


def _reason(error: OSError | ValueError) -> str:
    """What is wrong, without the path, which the message has already."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
