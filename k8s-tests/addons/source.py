"""Where an add-on's image and manifest come from: this machine if it has them, else the network, as anywhere else."""

from __future__ import annotations

from pathlib import Path

import cluster as kind_cluster
from harness.cluster.release import ROOT, Target
from harness.cluster.shell import run

MADE_HERE = ROOT / ".tools" / "addons"
"""Where `make offline` puts manifests that an ordinary machine takes from a release."""


class AddonUnavailable(AssertionError):
    """An add-on can't be had; the message says what to do."""


def pinned(key: str) -> str:
    """A version in versions.env."""
    lines = (ROOT / "versions.env").read_text().splitlines()
    return next(line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}="))


def provide_images(target: Target, addon: str, *images: str) -> None:
    """Load images into a kind cluster if the local engine has them all; otherwise the nodes pull them.

    Raises AddonUnavailable where they are missing on a machine of `make offline`: a pull would fail after minutes.
    """
    if not target.is_kind:
        return
    missing = [each for each in images if run(["docker", "image", "inspect", each], check=False).returncode]
    if not missing:
        kind_cluster.load(target.context.removeprefix("kind-"), *images)
    elif kind_cluster.OFFLINE_SETTINGS.is_file():
        raise AddonUnavailable(f"the Docker engine does not have {', '.join(missing)}: {remedy(addon)}")


def remedy(addon: str) -> str:
    """What to do where the images of an add-on can't be had."""
    return f"where no image registry can be reached, on Debian 12 or later as root: make offline WITH={addon}"


def manifest(name: str, url: str, made_here: Path = MADE_HERE) -> str:
    """What `kubectl apply --filename` is given: the file that `make offline` has made, or the release's address."""
    file = made_here / name
    return str(file) if file.is_file() else url
