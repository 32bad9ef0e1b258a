"""networkPolicy.enabled: who is not named is kept out, in both directions, and what the pods need still works."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from addons.network_policies import denied_within
from addons.peer import PORT, Peer, connects
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import Release, Target
from harness.cluster.shell import run
from harness.measuring.prober import NAMESPACE as ELSEWHERE

pytestmark = pytest.mark.complete

APPLICATION, MANAGEMENT = 5000, 5001
VALUES = {
    "networkPolicy": {
        "enabled": True,
        "from": [{"podSelector": {"matchLabels": {"role": "client"}}}],
        "metricsFrom": [{"podSelector": {"matchLabels": {"role": "scraper"}}}],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"role": "database"}}}], "ports": [{"port": PORT}]}],
    }
}
LOOK_UP = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], None)[0][4][0])"


@dataclass
class Guarded:
    """A release with the policy, and pods that try to reach it and that it tries to reach."""

    release: Release = field(repr=False)
    client: Peer
    scraper: Peer
    database: Peer
    stranger: Peer
    """Of the same namespace, and named nowhere."""
    foreigner: Peer
    """Of another namespace."""

    def addresses(self) -> list[str]:
        """The addresses of the server pods."""
        return [pod.status.pod_ip for pod in self.release.pods()]

    def server_connects(self, peer: Peer) -> bool:
        """Whether the application's process reaches the peer."""
        release = self.release
        return connects(release.target, release.namespace, release.pods()[0].metadata.name, peer.address, PORT)


@pytest.fixture(scope="module")
def guarded(
    target: Target,
    namespace: str,
    release: Release,
    images_: Images,
    network_policies: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Guarded]:
    """The release, to which the policy comes when every pod is known to reach every other without it."""
    with ExitStack() as stack:
        peers = {
            role: stack.enter_context(Peer(target, images_.prober, namespace, role, {"role": role}))
            for role in ("client", "scraper", "database", "stranger")
        }
        # The labels of those that are named, but not their namespace.
        labels = {"role": "client"}
        name = f"foreigner-{secrets.token_hex(2)}"
        foreigner = stack.enter_context(Peer(target, images_.prober, ELSEWHERE, name, labels))
        made = Guarded(release, foreigner=foreigner, **peers)
        for address in made.addresses():
            for port in (APPLICATION, MANAGEMENT):
                assert all(peer.connects(address, port) for peer in (*peers.values(), foreigner))
        assert made.server_connects(made.stranger)
        file = tmp_path_factory.mktemp("values") / "network-policy.yaml"
        file.write_text(yaml.safe_dump(VALUES))
        release.values_files = [*map(Path, release.values_files), file]
        release.upgrade(images_.first)
        yield made


@pytest.mark.parametrize("port", [APPLICATION, MANAGEMENT])
@pytest.mark.parametrize("who", ["stranger", "foreigner"])
def test_a_pod_that_is_not_named_is_denied(guarded: Guarded, who: str, port: int) -> None:
    """A foreigner has the labels of one that is named, in another namespace."""
    peer: Peer = getattr(guarded, who)
    for address in guarded.addresses():
        assert denied_within(peer, address, port)


def test_a_pod_that_is_not_named_is_denied_at_the_service(guarded: Guarded) -> None:
    service = guarded.release.service_object()
    assert denied_within(guarded.stranger, service.spec.cluster_ip, service.spec.ports[0].port)


def test_a_named_client_reaches_the_application_alone(guarded: Guarded) -> None:
    for address in guarded.addresses():
        assert guarded.client.connects(address, APPLICATION)
        assert denied_within(guarded.client, address, MANAGEMENT)


def test_a_named_scraper_reaches_the_management_port_alone(guarded: Guarded) -> None:
    for address in guarded.addresses():
        assert guarded.scraper.connects(address, MANAGEMENT)
        assert denied_within(guarded.scraper, address, APPLICATION)


def test_egress_that_is_not_stated_is_denied(guarded: Guarded, target: Target) -> None:
    assert guarded.server_connects(guarded.database)
    assert not guarded.server_connects(guarded.stranger)
    pod = guarded.release.pods()[0].metadata.name
    assert not connects(target, guarded.release.namespace, pod, "kubernetes.default", 443)


def test_dns_works_from_the_pods(guarded: Guarded, target: Target) -> None:
    release = guarded.release
    for pod in release.pods():
        look_up = ["exec", pod.metadata.name, "--", "python", "-c", LOOK_UP, f"{release.service}.{release.namespace}"]
        found = run(target.kubectl_command("--namespace", release.namespace, *look_up)).stdout.strip()
        assert found == release.service_object().spec.cluster_ip


def test_the_probes_work(guarded: Guarded) -> None:
    """A pod that starts under the policy gets ready, and none is restarted for a probe that was denied."""
    release = guarded.release
    gone = release.pods()[0].metadata.name
    release.target.core.delete_namespaced_pod(gone, release.namespace)
    wait.until("the pod is replaced", lambda: gone not in {pod.metadata.name for pod in release.pods()}, timeout=120)
    release.wait_rolled_out()
    assert [status.restart_count for pod in release.pods() for status in pod.status.container_statuses] == [0, 0]


def test_helm_test_passes_under_the_policy(guarded: Guarded) -> None:
    assert "Succeeded" in guarded.release.test()
