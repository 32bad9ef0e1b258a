"""Install an add-on in a kind cluster, and remove it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cluster as kind_cluster
from harness.release import Target
from harness.shell import CommandError, run

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
# The images may have to be pulled first.
RUNNING_SECONDS = 300
REMOVED_SECONDS = 120


class AddonUnavailable(AssertionError):
    """An add-on can't be had; the message says what to do."""


@dataclass(frozen=True)
class Addon:
    """An add-on of the test cluster.

    Its images come from the local engine if it has them all, as after `offline/install --with`. Else the nodes pull
    them, which they can do wherever an image registry is reached.
    """

    name: str
    """As offline/install knows it, and its manifest."""
    namespace: str
    workloads: tuple[str, ...]
    """What runs, such as deployment/NAME."""

    @property
    def manifest(self) -> Path:
        """The file with all its objects."""
        return MANIFESTS / f"{self.name}.yaml"

    @property
    def remedy(self) -> str:
        """What to do where its images can't be had."""
        return (
            f"where no image registry can be reached, on Debian 12 or later as root: offline/install --with {self.name}"
        )

    def images(self) -> list[str]:
        """The images that its manifest asks for."""
        return re.findall(r"^\s+(?:- )?image: (\S+)$", self.manifest.read_text(), re.MULTILINE)

    def install(self, target: Target) -> None:
        """Install it and wait until it runs; raises AddonUnavailable."""
        if not target.is_kind:
            raise AddonUnavailable(
                f"{target.context} is no kind cluster, and these tests install {self.name} in none but those: "
                "install it there yourself, or leave out --kubeconfig"
            )
        self._load(target)
        run(target.kubectl_command("apply", "--server-side", "--force-conflicts", "--filename", str(self.manifest)))
        try:
            for workload in self.workloads:
                status = ("rollout", "status", workload, f"--timeout={RUNNING_SECONDS}s")
                run(target.kubectl_command("--namespace", self.namespace, *status), timeout=RUNNING_SECONDS + 30)
        except CommandError as error:
            pods = run(target.kubectl_command("--namespace", self.namespace, "get", "pods"), check=False).stdout
            raise AddonUnavailable(
                f"{self.name} does not run: {error}\n{pods}\nIf an image can't be pulled: {self.remedy}"
            ) from error

    def uninstall(self, target: Target) -> None:
        """Remove it, if it is there, and wait until it is gone."""
        delete = ("delete", "--ignore-not-found", "--wait", f"--timeout={REMOVED_SECONDS}s")
        run(target.kubectl_command(*delete, "--filename", str(self.manifest)), timeout=REMOVED_SECONDS + 30)

    def _load(self, target: Target) -> None:
        missing = [
            image for image in self.images() if run(["docker", "image", "inspect", image], check=False).returncode
        ]
        if not missing:
            kind_cluster.load(target.context.removeprefix("kind-"), *self.images())
        elif kind_cluster.OFFLINE_SETTINGS.is_file():
            # This machine reaches no registry, and a pull would fail only after minutes.
            raise AddonUnavailable(f"{', '.join(missing)} is not in the local engine; {self.remedy}")
