"""Runs uv, which is pinned in requirements-tools.in."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from uv import find_uv_bin

from delivery.images.indexes import Login
from delivery.images.lock import indexes
from delivery.images.lock.scrubbed import hosts_in, scrubbed

SECONDS = 600
"""For one run; a resolution that builds metadata of many packages takes minutes."""


def run(
    arguments: list[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    addresses: str = "",
    logins: Iterable[Login] = (),
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run uv in a folder, whatever it answers. It runs build code of packages, and gets what `scrubbed` leaves.

    addresses: a text with those of the requirements and their indexes. logins: for their hosts.
    """
    given = indexes.environment(variables)
    hosts = hosts_in("\n".join([addresses, *(value for name, value in given.items() if name.startswith("UV_"))]))
    with scrubbed(given, hosts=hosts, logins=logins, ssh="ssh://" in addresses) as left:
        return subprocess.run(
            [find_uv_bin(), "--quiet", *arguments],
            cwd=folder, env=left, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip


def target(python: str) -> list[str]:
    """The arguments that name the image: its Python, and Linux on this machine's kind of processor."""
    machine = "aarch64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    return [f"--python-version={python}", f"--python-platform={machine}-manylinux_2_36"]


def interpreter() -> list[str]:
    """The arguments for the Python that builds metadata: this one. Others on this machine may not even start."""
    return [f"--python={sys.executable}"]
