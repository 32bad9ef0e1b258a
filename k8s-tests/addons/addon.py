"""Install an add-on in a kind cluster, and remove it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from addons import source
from addons.source import AddonUnavailable
from harness.cluster.release import Target
from harness.cluster.shell import CommandError, run

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
# The images may have to be pulled first.
RUNNING_SECONDS = 300
REMOVED_SECONDS = 120


@dataclass(frozen=True)
class Addon:
    """An add-on whose objects are all in one manifest; for the images see `source`."""

    name: str
    """As offline/install knows it, and its manifest."""
    namespace: str
    workloads: tuple[str, ...]
    """What runs, such as deployment/NAME."""

    @property
    def manifest(self) -> Path:
        """The file with all its objects."""
        return MANIFESTS / f"{self.name}.yaml"

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
        source.provide_images(target, self.name, *self.images())
        run(target.kubectl_command("apply", "--server-side", "--force-conflicts", "--filename", str(self.manifest)))
        try:
            for workload in self.workloads:
                status = ("rollout", "status", workload, f"--timeout={RUNNING_SECONDS}s")
                run(target.kubectl_command("--namespace", self.namespace, *status), timeout=RUNNING_SECONDS + 30)
        except CommandError as error:
            pods = run(target.kubectl_command("--namespace", self.namespace, "get", "pods"), check=False).stdout
            raise AddonUnavailable(
                f"{self.name} does not run: {error}\n{pods}\nIf an image can't be pulled: {source.remedy(self.name)}"
            ) from error

    def uninstall(self, target: Target) -> None:
        """Remove it, if it is there, and wait until it is gone."""
        delete = ("delete", "--ignore-not-found", "--wait", f"--timeout={REMOVED_SECONDS}s")
        run(target.kubectl_command(*delete, "--filename", str(self.manifest)), timeout=REMOVED_SECONDS + 30)
