"""Traefik in front of a release: the chart's Ingress and HTTPRoute lead to it, each by a host name of its own."""

from __future__ import annotations

import base64
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Literal

from addons import source
from addons.addon import Addon
from harness.cluster import wait
from harness.cluster.release import Release, Target
from harness.cluster.shell import run
from harness.cluster.temporary import Temporary

Way = Literal["ingress", "HTTPRoute"]
HOSTS: dict[Way, str] = {"ingress": "ingress.edge", "HTTPRoute": "gateway.edge"}
"""The host name of each way in, which is its Service's name too."""
NAMESPACE, GATEWAY, CERTIFICATE = "edge", "edge", "edge-tls"
TRAEFIK = Addon(name="traefik", namespace=NAMESPACE, workloads=("deployment/traefik",))
ROUTES = {
    "ingress.enabled": "true",
    "ingress.className": "traefik",
    "ingress.hosts[0].host": HOSTS["ingress"],
    "ingress.tls[0].secretName": CERTIFICATE,
    "ingress.tls[0].hosts[0]": HOSTS["ingress"],
    "httpRoute.enabled": "true",
    "httpRoute.parentRefs[0].name": GATEWAY,
    "httpRoute.parentRefs[0].namespace": NAMESPACE,
    "httpRoute.hostnames[0]": HOSTS["HTTPRoute"],
}
"""The chart's values for both ways in."""

GATEWAY_API = source.pinned("GATEWAY_API")
CUSTOM_RESOURCES = (
    f"gateway-api-{GATEWAY_API}.yaml",
    f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{GATEWAY_API}/standard-install.yaml",
)
KINDS = ("gatewayclasses", "gateways", "httproutes")
_FETCH = "from urllib.request import urlopen; print(urlopen('http://{host}/', timeout=3).status)"


class Traefik(Temporary):
    """Traefik while the `with` block runs, for releases in one namespace that set ROUTES.

    The custom resources stay, with the HTTPRoute of a release that is still there.
    """

    def __init__(self, target: Target, namespace: str) -> None:
        self._target, self._namespace = target, namespace
        self.certificate, self._key = make_certificate(*HOSTS.values())

    def wait_for(self, release: Release) -> None:
        """Wait until both ways lead to the release."""
        try:
            for way, host in HOSTS.items():
                wait.until(f"the {way} leads to the release", partial(_answers, release, host), timeout=60)
        except AssertionError:
            print(self.log())
            raise

    def log(self) -> str:
        """What Traefik has said, but for the pod that it chose for each request."""
        command = self._target.kubectl_command("--namespace", NAMESPACE, "logs", "deployment/traefik")
        said = run(command, check=False).stdout.splitlines(keepends=True)
        return "".join(line for line in said if "/loadbalancer/" not in line)

    def start(self) -> None:
        """Install the custom resources, the certificates and Traefik."""
        # By the server: a client would keep all of a custom resource in an annotation, which is too small for it.
        self._run("apply", "--server-side", "--force-conflicts", "--filename", source.manifest(*CUSTOM_RESOURCES))
        kinds = [f"crd/{kind}.gateway.networking.k8s.io" for kind in KINDS]
        self._run("wait", "--for=condition=Established", "--timeout=60s", *kinds)
        # Before Traefik looks for it; the namespace of the other one comes with Traefik.
        self._create_secret(self._namespace)
        TRAEFIK.install(self._target)
        self._create_secret(NAMESPACE)

    def delete(self) -> None:
        """Uninstall Traefik. The custom resources stay: other releases may have routes."""
        self._run("--namespace", self._namespace, "delete", "secret", CERTIFICATE, "--ignore-not-found")
        TRAEFIK.uninstall(self._target)

    def _run(self, *arguments: str, stdin: str | None = None) -> None:
        run(self._target.kubectl_command(*arguments), stdin=stdin, timeout=120)

    def _create_secret(self, namespace: str) -> None:
        """The certificate, for the Gateway in one namespace and for the Ingress in another."""
        pem = {"tls.crt": self.certificate, "tls.key": self._key}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": CERTIFICATE, "namespace": namespace},
            "data": {name: base64.b64encode(text.encode()).decode() for name, text in pem.items()},
        }
        self._run("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=json.dumps(secret))


def _answers(release: Release, host: str) -> bool:
    """Whether a pod of the release, whose image has Python, gets an answer from this host."""
    command = ("exec", f"deployment/{release.fullname}", "--", "python", "-c", _FETCH.format(host=host))
    kubectl = release.target.kubectl_command("--namespace", release.namespace)
    return run([*kubectl, *command], check=False).stdout.strip() == "200"


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
