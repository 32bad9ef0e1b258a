"""What the text of a variable can be: each kind says what it accepts, and parses and shows it."""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nodrop.config.references import reference

T = TypeVar("T")

MAKE_KEY = "python3 -c 'import secrets; print(secrets.token_hex())'"
"""The command that makes a key of 32 random bytes, in 64 hex digits."""
KEY_CHARACTERS = 8
"""Different ones that a key has at least. Of keys of 32 random hex digits, one in 28 million has fewer."""
_PLACEHOLDER = re.compile(
    r"(?:[\W_]*(?:app|change|default|dev|development|django|example|flask|here|insecure|it|key|me|my|password|please|"
    r"prod|production|random|replace|secret|secure|something|string|super|test|this|value|very|with|your))+[\W_]*"
)
"""Nothing but words that stand for a key in instructions, such as `your-secret-key` and `changeme`."""
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_SIZE = re.compile(r"(?P<number>[0-9]{1,18}) ?(?:(?P<unit>[KMGT])i(?:B)?)?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_DECIMAL = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,18})?(?:e[+-]?[0-9]{1,3})?", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """What is accepted, as far as it can be said without Python. The chart's schema is made of it."""

    numbers: tuple[int, int] | None = None
    """The least and the greatest whole number."""
    units: bool = False
    """The numbers are bytes, and may have a unit."""
    words: tuple[str, ...] = ()
    """The accepted words, in any case."""
    pattern: str = ""
    """A regular expression of the whole text, without look-around. Empty for any text, unless there are words."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of value."""

    accepted: str
    """What is accepted, as it ends the sentence "set it to ..."."""
    range: str
    """The same in as few words as a table has room for."""
    parse: Callable[[str], T | None]
    """The value of a text without space around it; None if it can't be accepted."""
    show: Callable[[T], str] = str
    """A text that parses to the value, as a person would write it."""
    form: Form = Form()


def text(accepted: str, range: str, *, pattern: str) -> Kind[str]:
    """Text of printable characters that matches `pattern` from end to end."""
    compiled = re.compile(pattern, re.ASCII)
    return Kind(
        accepted,
        range,
        lambda value: value if value.isprintable() and compiled.fullmatch(value) else None,
        form=Form(pattern=pattern),
    )


def key(minimum: int) -> Kind[str]:
    """Printable text that signs something, of at least `minimum` bytes that are not easy to guess."""

    def parse(value: str) -> str | None:
        long_enough = value.isprintable() and len(value.encode()) >= minimum
        return value if long_enough and not is_guessable(value) else None

    return Kind(
        f"printable text of at least {minimum} bytes at random, with {KEY_CHARACTERS} different characters or more, "
        f"such as what {MAKE_KEY} prints",
        f"at least {minimum} bytes at random",
        parse,
    )


def is_guessable(value: str) -> bool:
    """Whether a key, however long, has few different characters, or is what stands for one in instructions."""
    return len(set(value)) < KEY_CHARACTERS or bool(_PLACEHOLDER.fullmatch(value.lower()))


def address() -> Kind[str]:
    """An IP address of this host, or `::` or `0.0.0.0` for all of them; IPv6 may be written in brackets."""

    def parse(value: str) -> str | None:
        try:
            return str(ipaddress.ip_address(value[1:-1] if value[:1] + value[-1:] == "[]" else value))
        except ValueError:
            return None

    accepted = (
        "an IP address of this host, such as 127.0.0.1, to :: for every address, IPv4 included, or to 0.0.0.0 for "
        "every one of IPv4"
    )
    return Kind(accepted, "an IP address", parse)


def integer(minimum: int, maximum: int, unit: str = "") -> Kind[int]:
    """A whole number in decimal digits, from `minimum` to `maximum`, both included. `unit` is for messages only."""

    def parse(value: str) -> int | None:
        digits = value.removeprefix("-")
        # int() also takes underscores, other scripts' digits and, for thousands of digits, minutes.
        if digits.isascii() and digits.isdecimal() and len(digits) <= 18 and minimum <= int(value) <= maximum:
            return int(value)
        return None

    of = f" of {unit}" if unit else ""
    return Kind(
        f"a whole number{of} from {minimum} to {maximum}",
        f"{minimum} to {maximum}{unit and f' {unit}'}",
        parse,
        form=Form(numbers=(minimum, maximum)),
    )


def seconds(minimum: int, maximum: int) -> Kind[int]:
    """A whole number of seconds."""
    return integer(minimum, maximum, "seconds")


def size(minimum: int, maximum: int) -> Kind[int]:
    """A number of bytes, from `minimum` to `maximum`, both included; may be written with Ki, Mi, Gi or Ti."""

    def parse(value: str) -> int | None:
        match = _SIZE.fullmatch(value)
        if not match:
            return None
        number = int(match["number"]) * _UNITS[(match["unit"] or "").upper()]
        return number if minimum <= number <= maximum else None

    least, most = show_size(minimum), show_size(maximum)
    return Kind(
        f"a size from {least} to {most}: a number of bytes, or one with Ki, Mi, Gi or Ti, such as 64Mi",
        f"{least} to {most}",
        parse,
        show_size,
        form=Form(numbers=(minimum, maximum), units=True),
    )


def show_size(number: int) -> str:
    """A number of bytes with the largest unit that leaves it whole: 65536 is 64Ki."""
    for letter, factor in reversed(_UNITS.items()):
        if letter and number and number % factor == 0:
            return f"{number // factor}{letter}i"
    return str(number)


def boolean() -> Kind[bool]:
    """1, true, yes, on or 0, false, no, off, in any case."""

    def parse(value: str) -> bool | None:
        lower = value.lower()
        return True if lower in _TRUE else False if lower in _FALSE else None

    words = _TRUE + _FALSE
    return Kind(
        f"one of {', '.join(words)}", "true or false", parse, lambda value: str(value).lower(), form=Form(words=words)
    )


def choice(*choices: str) -> Kind[str]:
    """One of `choices`, which are in lower case, written in any case."""
    listed = ", ".join(choices)
    return Kind(
        f"one of {listed}",
        listed,
        lambda value: value.lower() if value.lower() in choices else None,
        form=Form(words=choices),
    )


def application() -> Kind[str]:
    """The name of an application, as gunicorn accepts it."""
    return Kind(
        "module:name or module:factory(), such as shop:create_app(), with literals as arguments if it takes any",
        "`module`, `module:name` or `module:factory(...)`",
        lambda value: value if value.isprintable() and reference(value) else None,
    )


def names(accepted: str, range: str, *, pattern: str) -> Kind[tuple[str, ...]]:
    """Names that match `pattern`, separated by commas."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(value: str) -> tuple[str, ...] | None:
        parts = tuple(part.strip() for part in value.split(","))
        return parts if all(map(compiled.fullmatch, parts)) else None

    return Kind(accepted, range, parse, ", ".join)


def rising_numbers(most: int) -> Kind[tuple[float, ...]]:
    """At most `most` numbers above 0 in rising order, separated by commas."""

    def parse(value: str) -> tuple[float, ...] | None:
        parts = [part.strip() for part in value.split(",")]
        if len(parts) > most or not all(map(_DECIMAL.fullmatch, parts)):
            return None
        numbers = tuple(map(float, parts))
        rising = all(low < high for low, high in zip((0.0, *numbers), numbers, strict=False))
        return numbers if rising and math.isfinite(numbers[-1]) else None

    return Kind(
        f"at most {most} numbers above 0 in rising order, separated by commas",
        f"at most {most} rising numbers",
        parse,
        lambda numbers: ", ".join(
            f"{number:g}" if float(f"{number:g}") == number else repr(number) for number in numbers
        ),
    )
