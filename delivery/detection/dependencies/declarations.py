"""What is declared: requirements with their places, whatever kind of file they are from."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Line:
    """A requirement."""

    text: str
    """As PEP 508 has it. Of a local one: the extras with their brackets, or nothing."""
    place: str
    local: str = ""
    """The path of a folder or an archive, relative to the repository or absolute."""
    hashes: tuple[str, ...] = ()
    """Such as sha256:...; one of them must be that of the file that is installed."""

    @property
    def name(self) -> str:
        """In canonical form; empty where only building it tells."""
        try:
            return "" if self.local else str(canonicalize_name(Requirement(self.text).name))
        except InvalidRequirement:
            return ""

    def concerns(self, python: str) -> bool:
        """Its marker, if it has one, is true for this Python on Linux."""
        try:
            marker = None if self.local else Requirement(self.text).marker
        except InvalidRequirement:
            return True
        return marker is None or marker.evaluate(environment(python))


@dataclass
class Declarations:
    """What one or several files declare."""

    requirements: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)
    overrides: list[Line] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    """Of the resolver, such as `--extra-index-url https://...`: names of variables in them are not replaced."""
    files: list[str] = field(default_factory=list)
    """Those that were read."""
    dynamic: str = ""
    """The place of dependencies that are computed, so that only building the package's metadata tells them."""
    notes: list[str] = field(default_factory=list)

    def add(self, other: Declarations) -> None:
        """Take over what another has."""
        for mine, theirs in (
            (self.requirements, other.requirements),
            (self.constraints, other.constraints),
            (self.overrides, other.overrides),
        ):
            mine += [each for each in theirs if each not in mine]
        for own, foreign in (
            (self.options, other.options),
            (self.files, other.files),
            (self.notes, other.notes),
        ):
            own += [each for each in foreign if each not in own]
        self.dynamic = self.dynamic or other.dynamic


def environment(python: str, machine: str = "x86_64") -> dict[str, str]:
    """The values that markers are evaluated with: those of the image. python: such as 3.13."""
    values = {key: str(value) for key, value in default_environment().items()}
    return values | {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }
