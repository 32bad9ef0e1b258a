"""What this checkout has committed: the state that an update can find again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from delivery.ejection.git import git, paths, succeeds
from delivery.ejection.refusal import Refused

NAME = "nodrop"
"""The name of the copy, which the answers file records as the template's source: it is the same on every machine."""
USED = ("copier.yml", "delivery/template", "charts/flask-app", "nodrop", "pyproject.toml", "LICENSE")
"""What the written files are made from."""
WHEEL = ("nodrop", "pyproject.toml", "LICENSE")
"""What the wheel is made from."""


@dataclass(frozen=True)
class Checkout:
    """A copy of a checkout without its uncommitted changes."""

    folder: Path
    left_out: tuple[str, ...]
    """Changes of what is used that are not committed."""

    @property
    def version(self) -> str:
        """Of nodrop."""
        text = (self.folder / "nodrop" / "__init__.py").read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
        if not found:
            raise Refused(f"{self.folder} isn't a checkout of nodrop: nodrop/__init__.py has no version")
        return found[1]

    @property
    def date(self) -> str:
        """When the wheel's source was last changed, in seconds since 1970."""
        return git(self.folder, "log", "-1", "--format=%ct", "--", *WHEEL)

    @property
    def server(self) -> list[str]:
        """What nodrop requires of gunicorn, which takes precedence over what an application pins."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return [each for each in project["dependencies"] if re.match(r"gunicorn\b", each)]

    def has(self, commit: str) -> bool:
        """Whether this commit can be had."""
        return succeeds(self.folder, "cat-file", "-e", f"{commit}^{{commit}}")

    def is_before(self, commit: str) -> bool:
        """Whether this is an earlier version than that of the commit."""
        other = git(self.folder, "rev-parse", f"{commit}^{{commit}}")
        return git(self.folder, "rev-parse", "HEAD") != other and succeeds(
            self.folder, "merge-base", "--is-ancestor", "HEAD", other
        )


@contextmanager
def committed(root: Path) -> Iterator[Checkout]:
    """A copy of what the checkout at `root` has committed, while this lasts.

    Raises Refused if it is not a git checkout.
    """
    if not succeeds(root, "rev-parse", "--verify", "HEAD"):
        raise Refused(
            f"{root} isn't a git checkout, so a later update couldn't find this version: clone nodrop with git"
        )
    with TemporaryDirectory(prefix="nodrop-") as parent:
        folder = Path(parent) / NAME
        # Shared: the objects are not copied, and commits that no branch has are there too.
        git(root, "clone", "--quiet", "--shared", str(root), str(folder))
        yield Checkout(folder, tuple(paths(root, "diff", "HEAD", "--name-only", "--", *USED)))
