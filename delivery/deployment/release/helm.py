"""helm upgrade: its command line, and how it is left to finish what it does."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.checkout import CHART
from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.kubectl import Kubectl
from tools import resolve

LOOK_SECONDS = 2.0
# registry:port/path:tag@digest, of which tag or digest may be missing
_IMAGE = re.compile(
    r"(?P<repository>(?:[\w.-]+(?::\d+)?/)?[\w./-]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Image:
    """An image reference, in the parts that the chart's values have."""

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, reference: str) -> Image:
        """Take `registry/name:tag`, `name@sha256:...` or both apart.

        Raises ValueError for anything else: an image without tag and digest would be another one each time.
        """
        match = _IMAGE.fullmatch(reference)
        if not match or not (match["tag"] or match["digest"]):
            raise ValueError(f"IMAGE={reference!r} is not an image with a tag or a digest, such as registry/name:1.0")
        return cls(match["repository"], match["tag"] or "", match["digest"] or "")


def command(
    image: Image,
    *,
    release: str,
    namespace: str,
    timeout: str,
    values: Sequence[str],
    extra: Sequence[str] = (),
    roll_back: bool = True,
) -> list[str]:
    """The helm command line. values: files, of which a later one takes precedence. extra: more arguments of helm.

    roll_back: bring back what ran before if this does not become ready; otherwise it stays, to be looked at.
    """
    return [
        str(resolve("helm")), "upgrade", "--install", release, str(CHART),
        "--namespace", namespace, "--create-namespace",
        *_values(image, values),
        "--wait", *(["--rollback-on-failure"] if roll_back else []), "--timeout", timeout,
        *extra,
    ]  # fmt: skip


def _values(image: Image, files: Sequence[str]) -> list[str]:
    parts = f"image.repository={image.repository},image.tag={image.tag},image.digest={image.digest}"
    return [*(argument for file in files for argument in ("--values", file)), "--set-string", parts]


def run_to_its_end(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    hopeless: Callable[[], bool] | None = None,
) -> int:
    """Run a command that must be left to finish what it does when it is interrupted; returns its exit status.

    Interrupted, helm rolls back first. Killed in the middle of that, it would leave the release in a state that the
    next deployment refuses. So Ctrl-C, which reaches it anyway, is left to it, and SIGTERM is passed on.

    hopeless: asked every LOOK_SECONDS whether waiting is of no use any more; the command is then interrupted.
    """
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if running:
            running[0].send_signal(number)
        else:
            # It may be running already: Popen has not returned yet.
            early.append(number)

    # Set before it starts, so that none is missed; a handler, unlike SIG_IGN, is not inherited by it.
    interrupt = signal.signal(signal.SIGINT, lambda *_: None)
    terminate = signal.signal(signal.SIGTERM, pass_on)
    try:
        running.append(subprocess.Popen(command, env=environment))
        for number in early:
            running[0].send_signal(number)
        return _wait(running[0], hopeless)
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


def _wait(process: subprocess.Popen[bytes], hopeless: Callable[[], bool] | None) -> int:
    while hopeless:
        try:
            return process.wait(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if hopeless():
                process.send_signal(signal.SIGINT)
                break
    return process.wait()


@dataclass(frozen=True)
class Helm:
    """helm's questions about one release."""

    release: str
    kubectl: Kubectl

    def command(self, *arguments: str) -> list[str]:
        """The command line, for the cluster and the namespace of `kubectl`."""
        context = ["--kube-context", self.kubectl.context] if self.kubectl.context else []
        return [str(resolve("helm")), *arguments, "--namespace", self.kubectl.namespace, *context]

    def ask(self, *arguments: str) -> str | None:
        """What helm prints; None if there is no such release. Raises DeploymentError for anything else."""
        done = subprocess.run(
            self.command(*arguments), env=dict(self.kubectl.environment), capture_output=True, text=True, check=False
        )
        if done.returncode and "release: not found" in done.stderr:
            return None
        if done.returncode:
            raise DeploymentError(f"helm {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
        return done.stdout

    def values(self) -> dict[str, Any]:
        """The values that the release was deployed with; empty if there is none."""
        return json.loads(self.ask("get", "values", self.release, "--output", "json") or "{}") or {}

    def manifest(self) -> str:
        """The resources of the release, as YAML; empty if there is none."""
        return self.ask("get", "manifest", self.release) or ""

    def planned(self, image: Image, files: Sequence[str]) -> dict[str, Any]:
        """The release as an upgrade would make it, with `manifest` and `hooks`. The API server looks at it too."""
        said = self.ask(
            "upgrade", "--install", self.release, str(CHART), *_values(image, files), "--dry-run=server",
            "--output", "json",
        )  # fmt: skip
        found: dict[str, Any] = json.loads(said or "{}")
        return found

    def status(self) -> str:
        """Such as `deployed`, `failed` or `pending-upgrade`; empty if there is no release."""
        found = self.ask("status", self.release, "--output", "json")
        return str(json.loads(found)["info"]["status"]) if found else ""
