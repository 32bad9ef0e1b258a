"""k8s-tests/addons: where an add-on's images come from, and what is said where they can't be had. No cluster; docker,
kind and kubectl are scripts that note how they were called."""

from pathlib import Path

import pytest

import cluster
from addons.addon import Addon
from addons.keda import KEDA
from addons.network_policies import ENFORCER
from addons.source import AddonUnavailable
from harness.cluster.release import Target


class Commands:
    """The commands on PATH, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "log"
        self.add("docker", 0)
        self.add("kubectl", 0)

    def add(self, name: str, status: int) -> Path:
        """A command that ends with this status."""
        path = self._folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self._log}"\nexit {status}\n')
        path.chmod(0o755)
        return path

    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def target(self, context: str = "kind-proof") -> Target:
        tool = self._folder / "kubectl"
        return Target(
            Path("kubeconfig"), tool, tool, tool, None, None, None, context=context, is_kind=context == "kind-proof"
        )


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """An ordinary machine that has the add-ons' images; a test changes one of the two."""
    made = Commands(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(cluster, "resolve", lambda name: made.add(name, 0))
    monkeypatch.setattr(cluster, "OFFLINE_SETTINGS", tmp_path / "offline.env")
    return made


ADDONS = pytest.mark.parametrize("addon", [KEDA, ENFORCER], ids=lambda addon: addon.name)


@ADDONS
def test_images_of_the_local_engine_are_loaded_before_the_manifest_asks_for_them(
    commands: Commands, addon: Addon
) -> None:
    addon.install(commands.target())
    calls = commands.calls()
    load = f"kind load docker-image --name proof {' '.join(addon.images())}"
    apply = next(call for call in calls if " apply " in call)
    assert calls.index(load) < calls.index(apply)
    assert str(addon.manifest) in apply


@ADDONS
def test_images_that_the_engine_lacks_are_left_to_the_nodes_to_pull(commands: Commands, addon: Addon) -> None:
    commands.add("docker", 1)
    addon.install(commands.target())
    assert not any(call.startswith("kind ") for call in commands.calls())
    waited = [call for call in commands.calls() if "rollout status" in call]
    assert len(waited) == len(addon.workloads)


@ADDONS
def test_missing_images_where_nothing_can_be_pulled_say_what_builds_them(
    commands: Commands, addon: Addon, tmp_path: Path
) -> None:
    commands.add("docker", 1)
    (tmp_path / "offline.env").write_text("KIND_NODE_IMAGE=node\n")
    with pytest.raises(AddonUnavailable, match=f"{addon.images()[0]}.*make offline WITH={addon.name}"):
        addon.install(commands.target())
    assert not any("apply" in call for call in commands.calls())


def test_an_add_on_that_does_not_run_says_what_to_do(commands: Commands) -> None:
    target = commands.target()
    target.kubectl.write_text('#!/bin/sh\ncase "$*" in *rollout*) echo ImagePullBackOff >&2; exit 1 ;; esac\n')
    with pytest.raises(AddonUnavailable, match=r"(?s)ImagePullBackOff.*make offline WITH=keda"):
        KEDA.install(target)


def test_nothing_is_installed_in_a_cluster_that_is_not_a_kind_one(commands: Commands) -> None:
    with pytest.raises(AddonUnavailable, match="production is no kind cluster"):
        KEDA.install(commands.target("production"))
    assert commands.calls() == []
