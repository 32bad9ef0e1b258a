"""Traefik as an add-on of the test cluster: all of it that can be checked without a cluster."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml

from addons import source, traefik


def test_a_manifest_that_was_made_on_this_machine_is_taken_before_the_network(tmp_path: Path) -> None:
    name, url = traefik.CUSTOM_RESOURCES
    assert source.manifest(name, url, tmp_path) == url
    (tmp_path / name).touch()
    assert source.manifest(name, url, tmp_path) == str(tmp_path / name)


def test_the_gateway_apis_resources_are_those_of_the_pinned_version() -> None:
    name, url = traefik.CUSTOM_RESOURCES
    version = source.pinned("GATEWAY_API")
    assert name == f"gateway-api-{version}.yaml"
    assert f"/{version}/" in url


def test_each_way_in_has_a_service_of_its_name() -> None:
    """Probers send the host of their URL, by which Traefik tells the ways apart."""
    objects = list(yaml.safe_load_all(traefik.TRAEFIK.manifest.read_text()))
    services = {
        f"{each['metadata']['name']}.{each['metadata']['namespace']}" for each in objects if each["kind"] == "Service"
    }
    assert services == set(traefik.HOSTS.values())


def test_traefik_tries_nothing_again() -> None:
    """A retry would hide what a client of another edge would meet."""
    assert "retry" not in traefik.TRAEFIK.manifest.read_text().lower()


@pytest.mark.parametrize("host", traefik.HOSTS.values())
def test_a_client_accepts_the_certificate_for_each_host_and_for_no_other(host: str, tmp_path: Path) -> None:
    certificate, key = traefik.make_certificate(*traefik.HOSTS.values())
    (tmp_path / "both.pem").write_text(certificate + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=certificate)

    def shake_hands(name: str) -> None:
        near, far = socket.socketpair()
        with near, far:
            near.settimeout(10)
            far.settimeout(10)
            # What the server makes of a client that leaves is of no interest.
            thread = threading.Thread(target=lambda: _accept(server, far))
            thread.start()
            try:
                client.wrap_socket(near, server_hostname=name).close()
            finally:
                near.close()
                thread.join()

    shake_hands(host)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands("other.edge")


def _accept(context: ssl.SSLContext, connection: socket.socket) -> None:
    try:
        context.wrap_socket(connection, server_side=True).close()
    except (ssl.SSLError, OSError):
        return
