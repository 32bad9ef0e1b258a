"""How settings are declared, once each, and read, with every problem told at once.

    @dataclass(frozen=True, kw_only=True)
    class ShopSettings(Settings):
        page_size: int = setting("PAGE_SIZE", integer(1, 100), default=20, meaning="Articles on a page.")

    ShopSettings.from_environment().page_size

What the program reads, `nodrop check` prints and the tables of docs/settings.md say comes from that one line.

pydantic-settings 2.16 was measured as a replacement: 8.4 MB on disk against 52 KB, and 340 ms of CPU time against 65
for the import and one reading, in each process that starts (Python 3.11, two shared cores). It would also hold every
application to pydantic 2, and each message here, with its remedy and without its secret, would still be ours to write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Self, TypeVar

from nodrop.config.sources import ENVIRONMENT, Environment, Found, SettingsError
from nodrop.config.types import Kind

T = TypeVar("T")
MASK = "********"


@dataclass(frozen=True)
class Computed(Generic[T]):
    """A default that is not the same everywhere."""

    text: str
    """How it is computed, for the tables."""
    compute: Callable[[Mapping[str, Any]], T]
    """The default, given the values of the settings declared before this one, by attribute."""


@dataclass(frozen=True)
class Declaration:
    """All there is to say about one setting."""

    variable: str
    kind: Kind[Any]
    default: Any
    """The value when nothing else is given, or how to compute it."""
    meaning: str
    """One or two sentences in Markdown."""
    secret: bool
    """The value is never printed and can be given as a file, with the variable's name and _FILE."""
    group: str = ""
    """The heading it stands under."""
    common: bool = False
    """One of the few that most people change."""
    alias: str = ""
    """Another variable that is read where this one is not set, since people bring it along."""

    @property
    def default_text(self) -> str:
        """The default as it would be written, or how it is computed; empty for none."""
        return str(self.default.text if isinstance(self.default, Computed) else self.kind.show(self.default))

    def default_value(self, values: Mapping[str, Any]) -> Any:
        """The default, given the values of the settings declared before this one, by attribute."""
        return self.default.compute(values) if isinstance(self.default, Computed) else self.default

    def find(self, environment: Environment) -> Found | None:
        """The text of the variable, or of its alias; None when both are unset."""
        found = environment.find(self.variable, secret=self.secret)
        if self.alias and (other := environment.find(self.alias)):
            if found:
                environment.problems.append(f"{self.variable} and {self.alias} are both set: unset one of them")
            return replace(other, origin=f"{other.origin}, {self.alias}")
        return found

    def refusal(self, found: Found) -> str:
        """The line that says that `found` can't be accepted, and what can."""
        given = f"={found.text!r}"
        if found.hidden:
            given = "" if found.origin == ENVIRONMENT else f" (from {found.origin})"
        name = self.alias if self.alias and found.origin.endswith(f", {self.alias}") else self.variable
        return f"{name}{given} can't be accepted: set it to {self.kind.accepted}"


@dataclass(frozen=True)
class Effective:
    """A setting as it was read."""

    declaration: Declaration
    value: Any
    found: Found | None
    """None where the value is the default."""

    @property
    def origin(self) -> str:
        """`default` and how it is computed, `environment`, or the path of a file."""
        if self.found:
            return self.found.origin
        computed = isinstance(self.declaration.default, Computed)
        # Its Markdown is for the page.
        return f"default ({self.declaration.default_text.replace('`', '')})" if computed else "default"

    @property
    def hidden(self) -> bool:
        """The value must not be printed."""
        return self.declaration.secret or (self.found is not None and self.found.hidden)

    @property
    def text(self) -> str:
        """The value for people, masked if it must not be printed."""
        shown = str(self.declaration.kind.show(self.value))
        return "(not set)" if not shown else MASK if self.hidden else shown


def setting(
    variable: str,
    kind: Kind[T],
    *,
    default: T | Computed[T],
    meaning: str,
    secret: bool = False,
    group: str = "",
    common: bool = False,
    alias: str = "",
) -> T:
    """Declare a field of a Settings class, with the type that it has in an instance.

    group: the heading that it stands under.
    common: it is one of the few that most people change. alias: another variable that is read where it is not set.
    """
    declaration = Declaration(variable, kind, default, meaning, secret, group, common, alias)
    # A secret stays out of repr() too, which ends up in logs.
    return field(metadata={"declaration": declaration}, repr=not secret)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that are read from the environment. Each field of a subclass is declared by setting()."""

    @classmethod
    def declarations(cls) -> dict[str, Declaration]:
        """What is declared, by attribute."""
        return {each.name: each.metadata["declaration"] for each in fields(cls)}

    @classmethod
    def groups(cls) -> dict[str, list[Declaration]]:
        """What is declared, by heading, in the order of declaration."""
        groups: dict[str, list[Declaration]] = {}
        for declared in cls.declarations().values():
            groups.setdefault(declared.group, []).append(declared)
        return groups

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read and validate; raises SettingsError that tells every problem."""
        return cls.read(Environment(variables))[0]

    @classmethod
    def read(cls, environment: Environment) -> tuple[Self, list[Effective]]:
        """The settings, and where each comes from; raises SettingsError that tells every problem."""
        problems: list[str] = []
        refused: set[str] = set()
        values: dict[str, Any] = {}
        effective: list[Effective] = []
        for attribute, declared in cls.declarations().items():
            found = declared.find(environment)
            value = declared.kind.parse(found.text) if found else None
            if found and value is None:
                problems.append(declared.refusal(found))
                refused.add(declared.variable)
            if value is None:
                value = declared.default_value(values)
            values[attribute] = value
            effective.append(Effective(declared, value, found))
        settings = cls(**values)
        # What contradicts a value that is refused anyway would only be confusing.
        problems += [text for variables, text in settings.contradictions() if not variables & refused]
        problems = environment.problems + problems
        if problems:
            raise SettingsError(problems)
        return settings, effective

    def contradictions(self) -> Iterator[tuple[set[str], str]]:
        """What can't be accepted together: the variables, and a line that says so and what to do."""
        return iter(())
