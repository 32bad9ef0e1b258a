"""A release that migrates, with the ledger in which its migrations are counted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from background.ledger import URL, Ledger
from harness.cluster import wait
from harness.cluster.images import Images
from harness.cluster.release import Release
from harness.cluster.shell import run

SCRIPT = Path(__file__).with_name("migration.py")
GREETING = "pa$$word, 1.10 and 0755"
PASSWORD = "only-for-this-test"
SETTINGS = 'currency = "EUR"\n'
PODS = 4
VALUES = {
    "autoscaling": {"mode": "fixed"},
    "replicaCount": PODS,
    "config": {"GREETING": GREETING, "LEDGER": URL},
    "secrets": {"values": {"DATABASE_PASSWORD": PASSWORD}},
    "configFiles": {"/etc/shop/settings.toml": SETTINGS, "/etc/shop/migration.py": SCRIPT.read_text()},
    "migrations": {"enabled": True, "command": ["nodrop", "run", "--", "python", "/etc/shop/migration.py"]},
}
# The Job's ttlSecondsAfterFinished.
TTL_SECONDS = 60
SECONDS = "migrations.config.MIGRATION_SECONDS"
FAILS = "migrations.config.MIGRATION_FAILS"


def write_values(folder: Path) -> Path:
    """The values of such a release, as a file."""
    file = folder / "migrations.yaml"
    file.write_text(yaml.safe_dump(VALUES))
    return file


@dataclass
class Migrating:
    """The release and the ledger. `images` are what it is upgraded to, in turn."""

    release: Release
    ledger: Ledger
    images: Images

    def next_image(self) -> str:
        """The one of the two images that does not run now."""
        runs = self.release.deployment().spec.template.spec.containers[0].image
        return self.images.second if runs == self.images.first else self.images.first

    def runs(self, event: str, since: float = 0.0) -> list[dict[str, Any]]:
        """What migrations of the release have written of this event, since a time in seconds since the epoch."""
        written = self.ledger.entries(event=event, release=self.release.name)
        return [entry for entry in written if entry["at"] >= since]

    def begun(self, since: float) -> dict[str, Any]:
        """Wait until a migration has begun since then, and return what it has written."""
        return wait.until("a migration has begun", lambda: self.runs("begins", since), timeout=60)[0]

    def leftovers(self) -> set[str]:
        """What there is of a migration in the namespace, as kind/name."""
        kinds = "jobs,pods,configmaps,secrets,serviceaccounts"
        selector = f"app.kubernetes.io/component=migration,app.kubernetes.io/instance={self.release.name}"
        command = ["--namespace", self.release.namespace, "get", kinds, "--selector", selector, "--output", "name"]
        return set(run(self.release.target.kubectl_command(*command)).stdout.split())

    def wait_no_leftovers(self) -> None:
        """Wait until nothing is left of a migration. Its Job's pod is deleted a moment after the Job."""
        wait.until("nothing of a migration is left", lambda: not self.leftovers(), timeout=30)

    def wait_no_job(self) -> None:
        """Wait until there is no Job: one whose helm was killed is there for a while after it has ended."""

        def none() -> bool:
            return not any("job" in name for name in self.leftovers())

        wait.until("no Job of a migration is there", none, timeout=TTL_SECONDS + 30, interval=2)

    def pods(self) -> dict[str, float]:
        """When each server pod was created, in seconds since the epoch, by its name. Waits for those that terminate."""
        self.release.wait_no_pod_stopping()
        return {pod.metadata.name: pod.metadata.creation_timestamp.timestamp() for pod in self.release.pods()}

    def revision(self, status: str) -> int:
        """The number of the newest revision of this status."""
        listed = run(self.release.helm_command("history", self.release.name, "--output", "json")).stdout
        return int([each for each in json.loads(listed) if each["status"] == status][-1]["revision"])

    @contextmanager
    def upgrade_begun(self, image: str, sets: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
        """helm upgrade, which goes on while the `with` block runs and is killed, if it still does, at its end."""
        command = self.release.upgrade_command(image, sets)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.kill()
