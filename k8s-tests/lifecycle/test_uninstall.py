"""Uninstalling leaves nothing behind, with either Helm."""

import pytest

from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import Release, Target
from harness.cluster.shell import run

# What the cluster itself writes about what happens; none of it belongs to a release.
IGNORED = {"events", "events.events.k8s.io", "pods.metrics.k8s.io"}


def objects(target: Target, namespace: str) -> set[str]:
    """Every object in the namespace, of every kind that can be listed, as kind/name."""
    listing = target.kubectl_command("api-resources", "--verbs=list", "--namespaced", "--output=name")
    kinds = ",".join(sorted(set(run(listing).stdout.split()) - IGNORED))
    found = run(target.kubectl_command("--namespace", namespace, "get", kinds, "--output=name")).stdout
    return set(found.split())


@pytest.mark.parametrize("major", [3, 4])
def test_uninstalling_leaves_nothing_behind(target: Target, namespace: str, images_: Images, major: int) -> None:
    helm = target.helm3 if major == 3 else target.helm
    release = Release(target, namespace, name=f"helm{major}", helm=helm)
    before = objects(target, namespace)
    release.upgrade(images_.first)
    release.upgrade(images_.second)
    release.rollback()
    during = objects(target, namespace) - before
    assert {f"deployment.apps/{release.fullname}", f"service/{release.fullname}"} <= during
    release.uninstall()
    wait.until(
        f"the namespace is as it was; still there: {objects(target, namespace) - before}",
        lambda: objects(target, namespace) == before,
        timeout=90,
        interval=2,
    )
