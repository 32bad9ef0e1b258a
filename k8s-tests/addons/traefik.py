"""Traefik in front of a release: an Ingress and an HTTPRoute lead to it, each by a host name of its own."""

from __future__ import annotations

import base64
import json
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from addons import source
from harness import wait
from harness.release import Release, Target
from harness.shell import run

Way = Literal["ingress", "HTTPRoute"]
HOSTS: dict[Way, str] = {"ingress": "ingress.edge", "HTTPRoute": "gateway.edge"}
"""The host name of each way in, which is its Service's name too."""

NAMESPACE = "edge"
CERTIFICATE = "edge-tls"
MANIFEST = Path(__file__).with_name("traefik.yaml")
IMAGE = f"docker.io/library/traefik:{source.pinned('TRAEFIK')}"
GATEWAY_API = source.pinned("GATEWAY_API")
CUSTOM_RESOURCES = (
    f"gateway-api-{GATEWAY_API}.yaml",
    f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{GATEWAY_API}/standard-install.yaml",
)
# An image that has to be pulled first included.
START_SECONDS = 180
_FETCH = "from urllib.request import urlopen; print(urlopen('http://{host}/', timeout=3).status)"


class Traefik:
    """Traefik, and the routes to a release, for as long as the `with` block lasts.

    The custom resources of the Gateway API stay: other users of the cluster may have come to need them.
    """

    def __init__(self, target: Target, release: Release) -> None:
        self._target, self._release = target, release
        self.authority = ""
        """The certificate by which clients recognize the edge, as PEM."""

    def __enter__(self) -> Traefik:
        source.provide_images(self._target, "traefik", IMAGE)
        try:
            self._apply("--filename", source.manifest(*CUSTOM_RESOURCES))
            self._apply("--filename", "-", stdin=json.dumps(self._secrets()))
            self._apply("--filename", str(MANIFEST))
            self._apply("--filename", "-", stdin=json.dumps(_list(self._ingress(), self._http_route())))
            wait_for = ("rollout", "status", "deployment/traefik", f"--timeout={START_SECONDS}s")
            run(self._kubectl(*wait_for), timeout=START_SECONDS + 30)
            for way, host in HOSTS.items():
                wait.until(f"the {way} leads to the release", partial(self._answers, host), timeout=60)
        except BaseException:
            print(self.log())
            self._delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error:
                print(self.log())
        finally:
            self._delete()

    def log(self) -> str:
        """What Traefik has said."""
        return run(self._kubectl("logs", "deployment/traefik"), check=False).stdout

    def _delete(self) -> None:
        routes = [f"{kind}/{self._release.service}" for kind in ("ingress", "httproute")]
        run(self._in_release("delete", *routes, f"secret/{CERTIFICATE}", "--ignore-not-found"), check=False)
        run(self._kubectl("delete", "--filename", str(MANIFEST), "--ignore-not-found"), check=False)
        run(self._kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s"), timeout=90)

    def _kubectl(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", NAMESPACE, *arguments)

    def _in_release(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", self._release.namespace, *arguments)

    def _apply(self, *arguments: str, stdin: str | None = None) -> None:
        # By the server: a client would keep all of a custom resource in an annotation, which is too small for it.
        run(self._target.kubectl_command("apply", "--server-side", *arguments), stdin=stdin, timeout=120)

    def _answers(self, host: str) -> bool:
        command = ["exec", f"deployment/{self._release.fullname}", "--", "python", "-c", _FETCH.format(host=host)]
        return run(self._in_release(*command), check=False).stdout.strip() == "200"

    def _secrets(self) -> dict[str, Any]:
        """The namespace, and the certificate where the Gateway and where the Ingress look for it."""
        self.authority, key = make_certificate(*HOSTS.values())
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
        data = {
            name: base64.b64encode(text.encode()).decode()
            for name, text in (("tls.crt", self.authority), ("tls.key", key))
        }
        secrets = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": CERTIFICATE, "namespace": where},
                "data": data,
            }
            for where in (NAMESPACE, self._release.namespace)
        ]
        return _list(namespace, *secrets)

    def _ingress(self) -> dict[str, Any]:
        host, port = HOSTS["ingress"], self._release.service_object().spec.ports[0].port
        service = {"name": self._release.service, "port": {"number": port}}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": self._release.service, "namespace": self._release.namespace},
            "spec": {
                "ingressClassName": "traefik",
                "tls": [{"hosts": [host], "secretName": CERTIFICATE}],
                "rules": [
                    {
                        "host": host,
                        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]},
                    }
                ],
            },
        }

    def _http_route(self) -> dict[str, Any]:
        port = self._release.service_object().spec.ports[0].port
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": self._release.service, "namespace": self._release.namespace},
            "spec": {
                "parentRefs": [{"name": "edge", "namespace": NAMESPACE}],
                "hostnames": [HOSTS["HTTPRoute"]],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [{"name": self._release.service, "port": port}],
                    }
                ],
            },
        }


def _list(*items: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def make_certificate(*hosts: str) -> tuple[str, str]:
    """A certificate for these hosts that signs itself, and its key, as PEM."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                "-days", "2", "-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}",
                "-out", certificate, "-keyout", key,
            ]
        )  # fmt: skip
        return certificate.read_text(), key.read_text()
