"""Installs the release of a trouble, injects its faults and takes them away again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import yaml

from harness.cluster import wait
from harness.cluster.release import CHART, Target
from harness.cluster.shell import run
from observability.manifests import Object, pod_spec
from observability.troubles import COMMON, Trouble, Values, merged

# The processes that answer at the management port, by the name that they give themselves.
_MANAGEMENT = """\
import os, pathlib, sys
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if (process / "comm").read_text().strip() == "nodrop-health":
        os.kill(int(process.name), int(sys.argv[1]))
        print(process.name)
"""
_STOP, _CONTINUE = "19", "18"
_EXIT = "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/exit', timeout=5)"
EXITS = 5
HELM_SECONDS = 120
WITHOUT_OPERATOR: Values = {"podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
"""The cluster has no Prometheus Operator, so what is for it is rendered, and not installed."""


class Troubled:
    """The release of a trouble. image: the application's."""

    def __init__(self, target: Target, namespace: str, image: str, prometheus_image: str, trouble: Trouble) -> None:
        self._target, self._namespace, self.trouble = target, namespace, trouble
        self._image, self._clients_image = image, prometheus_image
        repository, _, tag = image.rpartition(":")
        text = json.dumps(merged(COMMON, trouble.values)).replace('"IMAGE"', json.dumps(image))
        self._values = merged(json.loads(text), {"image": {"repository": repository, "tag": tag}})
        self.name = f"{trouble.name}-flask-app"

    def rendered(self, kind: str) -> Object:
        """The chart's one object of this kind."""
        command = [str(self._target.helm), "template", self.trouble.name, str(CHART), "--namespace", self._namespace]
        text = run([*command, "--values", "-"], stdin=json.dumps(self._values)).stdout
        [found] = [each for each in yaml.safe_load_all(text) if each and each["kind"] == kind]
        return dict(found)

    def install(self, extra: Values | None = None) -> None:
        """Install or upgrade it, without waiting for what may never be."""
        run(self._helm_upgrade(), stdin=self._stdin(extra), timeout=HELM_SECONDS)

    def wait_ready(self) -> None:
        """Wait until all its pods are ready."""
        status = ("rollout", "status", f"deployment/{self.name}", "--timeout=180s")
        run(self._kubectl(*status), timeout=200)

    def begin(self) -> None:
        """Inject the faults."""
        self._clients("meanwhile", self.trouble.meanwhile)
        match self.trouble.act:
            case "exit workers":
                for _ in range(EXITS):
                    # It ends without an answer, and another must be there before the next.
                    self._execute(_EXIT)
                    time.sleep(6)
            case "stop management":
                assert self._execute(_MANAGEMENT, _STOP), "no process of the management port was found"
            case "uninstall":
                run(self._helm("uninstall", self.trouble.name, "--wait"), timeout=HELM_SECONDS)
            case "install and kill Helm":
                self._install_and_kill_helm()

    def end(self) -> None:
        """Take the faults away."""
        self._delete_clients("meanwhile")
        if self.trouble.healed is not None:
            self.install(self.trouble.healed)
        match self.trouble.undo:
            case "continue management":
                assert self._execute(_MANAGEMENT, _CONTINUE), "no process of the management port was found"
            case "install":
                self.install()

    def start_clients(self) -> None:
        """Start the clients that send requests from beginning to end."""
        self._clients("always", self.trouble.always)

    def _install_and_kill_helm(self) -> None:
        """Have Helm end in the middle of a migration that fails, as when its CI job is cancelled."""
        with subprocess.Popen(self._helm_upgrade(), stdin=subprocess.PIPE, text=True) as helm:
            assert helm.stdin
            helm.stdin.write(self._stdin(None))
            helm.stdin.close()
            try:
                wait.until("the migration's Job is there", self._has_migration, timeout=60)
            finally:
                helm.kill()

    def _has_migration(self) -> bool:
        found = run(self._kubectl("get", f"job/{self.name}-migrations", "--ignore-not-found", "--output=name"))
        return bool(found.stdout.strip())

    def _helm(self, *arguments: str) -> list[str]:
        kubeconfig = ["--kubeconfig", str(self._target.kubeconfig), "--namespace", self._namespace]
        return [str(self._target.helm), *kubeconfig, *arguments]

    def _helm_upgrade(self) -> list[str]:
        return self._helm("upgrade", "--install", self.trouble.name, str(CHART), "--values", "-")

    def _stdin(self, extra: Values | None) -> str:
        return json.dumps(merged(self._values, WITHOUT_OPERATOR, extra or {}))

    def _kubectl(self, *arguments: str) -> list[str]:
        return self._target.kubectl_command("--namespace", self._namespace, *arguments)

    def _execute(self, program: str, *arguments: str) -> str:
        inside = ["exec", f"deployment/{self.name}", "--container", "flask-app", "--", "python", "-c", program]
        return run(self._kubectl(*inside, *arguments), check=False, timeout=60).stdout.strip()

    def _clients(self, name: str, requests: Sequence[str]) -> None:
        if not requests:
            return
        sent = [f"{rate}=http://{self.name}:5000{path}" for rate, path in (each.split("=", 1) for each in requests)]
        command = ["python", "-m", "observability.clients", *sent]
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{self.trouble.name}-{name}", "labels": {"app.kubernetes.io/name": "clients"}},
            "spec": pod_spec(self._clients_image, {"name": "clients", "command": command}),
        }
        run(self._kubectl("create", "--filename", "-"), stdin=json.dumps(pod))

    def _delete_clients(self, name: str) -> None:
        pod = f"pod/{self.trouble.name}-{name}"
        run(self._kubectl("delete", pod, "--ignore-not-found"))
