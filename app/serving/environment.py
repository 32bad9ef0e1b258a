"""Typed, validated reading of environment variables, with messages that say what to set."""

from collections.abc import Mapping

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class SettingsError(ValueError):
    """One or more variables can't be accepted. `problems` holds one line for each, and str() all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment:
    """Reads variables and collects what is wrong with them, so that one start shows every mistake.

    Each method returns the parsed value, or the default when the variable is unset or empty. A value that
    can't be accepted is recorded and the default returned: call `check()` before using any of them.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def check(self) -> None:
        """Raise SettingsError if a variable read so far can't be accepted."""
        if self._problems:
            raise SettingsError(self._problems)

    def _refuse(self, name: str, value: str, accepted: str) -> None:
        self._problems.append(f"{name}={value!r} can't be accepted: set it to {accepted}")

    def text(self, name: str, *, default: str) -> str:
        """Any text without control characters."""
        value = self._variables.get(name, "").strip()
        if not value:
            return default
        if not value.isprintable():
            self._refuse(name, value, "printable text")
            return default
        return value

    def integer(self, name: str, *, default: int, minimum: int, maximum: int) -> int:
        """A whole number in decimal digits, from `minimum` to `maximum`, both included."""
        value = self._variables.get(name, "").strip()
        if not value:
            return default
        digits = value[1:] if value.startswith("-") else value
        # int() also takes underscores, other scripts' digits and, for thousands of digits, minutes.
        if digits.isascii() and digits.isdecimal() and len(digits) <= 18 and minimum <= int(value) <= maximum:
            return int(value)
        self._refuse(name, value, f"a whole number from {minimum} to {maximum}")
        return default

    def boolean(self, name: str, *, default: bool) -> bool:
        """1, true, yes, on or 0, false, no, off, in any case."""
        value = self._variables.get(name, "").strip()
        if not value:
            return default
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        self._refuse(name, value, f"one of {', '.join(_TRUE + _FALSE)}")
        return default

    def choice(self, name: str, *, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, in any case; returned as written in `choices`."""
        value = self._variables.get(name, "").strip()
        if not value:
            return default
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        self._refuse(name, value, f"one of {', '.join(choices)}")
        return default

    def names(self, name: str) -> tuple[str, ...]:
        """`module:function` names separated by commas; none by default."""
        return tuple(part.strip() for part in self.text(name, default="").split(",") if part.strip())

    def numbers(self, name: str, *, default: tuple[float, ...]) -> tuple[float, ...]:
        """Numbers in rising order, separated by commas."""
        text = self.text(name, default="")
        if not text:
            return default
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if numbers and list(numbers) == sorted(set(numbers)):
            return numbers
        self._refuse(name, text, "numbers in rising order, separated by commas")
        return default
