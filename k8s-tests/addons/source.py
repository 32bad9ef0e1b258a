"""Where an add-on's image and manifest come from: this machine if it has them, else the network, as anywhere else."""

from __future__ import annotations

from pathlib import Path

import cluster as kind_cluster
from harness.release import ROOT, Target
from harness.shell import run

MADE_HERE = ROOT / ".tools" / "addons"
"""Where `make offline` puts manifests that an ordinary machine takes from a release."""


def pinned(key: str) -> str:
    """A version in versions.env."""
    lines = (ROOT / "versions.env").read_text().splitlines()
    return next(line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}="))


def provide_image(target: Target, image: str) -> None:
    """Load an image into a kind cluster if the local engine has it; otherwise the nodes pull it."""
    there = run(["docker", "image", "inspect", image], check=False).returncode == 0
    if there and target.is_kind:
        kind_cluster.load(target.context.removeprefix("kind-"), image)


def manifest(name: str, url: str, made_here: Path = MADE_HERE) -> str:
    """What `kubectl apply --filename` is given: the file that `make offline` has made, or the release's address."""
    file = made_here / name
    return str(file) if file.is_file() else url
