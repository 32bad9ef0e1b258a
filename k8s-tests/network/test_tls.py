"""The edge, Traefik, over TLS. That it loses nothing while the pods behind it change, scenarios/edge.py shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from addons.traefik import HOSTS, NAMESPACE, ROUTES, Traefik, Way
from harness.cluster.forward import port_forward
from harness.cluster.release import Release, Target
from harness.cluster.shell import run

pytestmark = pytest.mark.complete


@pytest.fixture(scope="module")
def edge(target: Target, release: Release) -> Iterator[Traefik]:
    """Traefik, and the routes to this module's release."""
    with Traefik(target, release.namespace) as edge:
        release.ensure(release.image, ROUTES)
        edge.wait_for(release)
        yield edge


@pytest.mark.parametrize("way", HOSTS)
def test_a_client_gets_http_2_and_the_certificate_of_the_route(
    way: Way, target: Target, release: Release, edge: Traefik, tmp_path: Path
) -> None:
    """The application speaks HTTP/1.1, and is told by X-Forwarded-Proto that the client came by https."""
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(edge.certificate)
    with port_forward(target, NAMESPACE, "deployment/traefik", 8443) as url:
        local = urlsplit(url).netloc
        answer = run(
            [
                "curl", "--silent", "--show-error", "--fail", "--http2", "--cacert", certificate,
                "--connect-to", f"{HOSTS[way]}:443:{local}", "--write-out", "\n%{http_version}",
                f"https://{HOSTS[way]}/echo",
            ]
        ).stdout  # fmt: skip
    body, _, version = answer.rpartition("\n")
    assert version == "2"
    echo = json.loads(body)
    assert echo["host"] in {pod.metadata.name for pod in release.pods()}
    assert dict(echo["headers"])["X-Forwarded-Proto"] == "https"
