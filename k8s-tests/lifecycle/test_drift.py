"""What is rendered is what lives: a GitOps controller would find nothing to do, and neither does a second upgrade."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import CHART, Release, Target
from harness.cluster.shell import run
from lifecycle.drift import Object, differences, identity, kinds_known, stable

# Some of the values have pods that the restricted standard would refuse.
POD_SECURITY = "privileged"
FILES = sorted((CHART / "ci").glob("*-values.yaml"))
# What most releases are made of; the others in the complete set.
STANDARD = {"default", "pod", "workers"}


def name_of(file: Path) -> str:
    """What the file of values is about."""
    return file.name.removesuffix("-values.yaml")


EXAMPLES = [
    pytest.param(file, id=name_of(file), marks=[] if name_of(file) in STANDARD else [pytest.mark.complete])
    for file in FILES
]


class Applied:
    """A release of a file of values, and its objects as they were rendered and as they live.

    Nothing waits until its pods are ready, which most of these values only name.
    """

    def __init__(self, release: Release, values: list[Path], image: str) -> None:
        repository, _, tag = image.rpartition(":")
        self._release = release
        self._values = [argument for file in values for argument in ("--values", str(file))]
        self._values += ["--set", f"image.repository={repository}", "--set-string", f"image.tag={tag}"]

    def rendered(self) -> list[Object]:
        """What helm renders, without hooks."""
        command = self._release.helm_command("template", self._release.name, str(self._release.chart), "--no-hooks")
        listed: list[Object] = list(yaml.safe_load_all(run([*command, *self._values]).stdout))
        return [thing for thing in listed if thing]

    def upgrade(self) -> None:
        """helm upgrade --install."""
        command = self._release.helm_command("upgrade", "--install", self._release.name, str(self._release.chart))
        run([*command, *self._values])

    def live(self) -> dict[str, Object]:
        """The objects as they are in the cluster, by kind and name.

        Waits until the autoscaler has set the number of pods and the Deployments have made their ReplicaSets.
        """
        return wait.until("the release is settled", self._settled, timeout=60, interval=1)

    def _settled(self) -> dict[str, Object]:
        manifest = "\n---\n".join(json.dumps(thing) for thing in self.rendered())
        kubectl = self._release.target.kubectl_command("--namespace", self._release.namespace)
        shown = run([*kubectl, "get", "--filename", "-", "--output", "json", "--show-managed-fields"], stdin=manifest)
        found = {identity(each): each for each in json.loads(shown.stdout)["items"]}
        for each in found.values():
            generation = each.get("status", {}).get("observedGeneration")
            if each["kind"] == "Deployment" and generation != each["metadata"]["generation"]:
                return {}
            if each["kind"] == "HorizontalPodAutoscaler":
                scaled = found[f"Deployment/{each['spec']['scaleTargetRef']['name']}"]
                if scaled["spec"]["replicas"] < each["spec"]["minReplicas"]:
                    return {}
        return found

    def replica_sets(self) -> set[str]:
        """The names of the release's ReplicaSets: one more means that a rollout has begun."""
        command = self._release.target.kubectl_command("--namespace", self._release.namespace)
        selector = f"app.kubernetes.io/instance={self._release.name}"
        return set(run([*command, "get", "replicasets", "--selector", selector, "--output", "name"]).stdout.split())


@pytest.mark.parametrize("major", [4, pytest.param(3, marks=pytest.mark.complete)])
@pytest.mark.parametrize("file", EXAMPLES)
def test_what_was_rendered_lives_unchanged_and_a_second_upgrade_changes_nothing(
    target: Target, namespace: str, images_: Images, tmp_path: Path, file: Path, major: int
) -> None:
    # Beside what the file is about: a migration that succeeds.
    own = tmp_path / "own.yaml"
    own.write_text('{image: {digest: ""}, migrations: {command: ["true"]}}')
    helm = target.helm3 if major == 3 else target.helm
    name = f"{file.name.removesuffix('-values.yaml')}-{major}"
    release = Release(target, namespace, name=name, helm=helm)
    applied = Applied(release, [file, own], images_.first)
    rendered = applied.rendered()
    with kinds_known(target, rendered):
        try:
            applied.upgrade()
            before, replica_sets = applied.live(), applied.replica_sets()
            assert replica_sets
            drift = [line for thing in rendered for line in differences(thing, before[identity(thing)])]
            assert not drift, "\n".join(drift)
            applied.upgrade()
            after = applied.live()
            assert {name: stable(thing) for name, thing in after.items()} == {
                name: stable(thing) for name, thing in before.items()
            }
            assert applied.replica_sets() == replica_sets
        finally:
            release.uninstall()
