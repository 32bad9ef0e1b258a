"""The chart, rendered by Helm: what every test of it uses."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "flask-app"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
# The oldest Kubernetes the chart says it works with, and the newest it is tested on.
KUBERNETES = ["1.30.0", "1.37.2"]
IMAGE = {"image": {"repository": "registry.example/shop", "tag": "1"}}
Object = dict[str, Any]


def annotations_of(o: Object) -> Object:
    """The annotations of an object; empty if it has none."""
    return o["metadata"].get("annotations") or {}


def is_hook(o: Object) -> bool:
    """Whether Helm runs it at a moment of its own, instead of keeping it in the release."""
    return "helm.sh/hook" in annotations_of(o)


def component_of(o: Object) -> str:
    """The component that an object belongs to, such as `server`."""
    return str(o["metadata"]["labels"]["app.kubernetes.io/component"])


@dataclass(frozen=True)
class Rendered:
    """What Helm made of the chart."""

    objects: list[Object]

    def all(self, kind: str) -> list[Object]:
        """Every object of this kind, hooks included."""
        return [o for o in self.objects if o["kind"] == kind]

    def __getitem__(self, kind: str) -> Object:
        """The server's one object of this kind, hooks and the headless Service aside."""
        (found,) = [
            o
            for o in self.all(kind)
            if not is_hook(o) and component_of(o) == "server" and o.get("spec", {}).get("clusterIP") != "None"
        ]
        return found

    def of(self, kind: str, component: str) -> Object:
        """The one object of this kind and component, hooks included."""
        (found,) = [o for o in self.all(kind) if component_of(o) == component]
        return found

    @property
    def peers(self) -> Object:
        """The headless Service by which the pods see each other."""
        (found,) = [o for o in self.all("Service") if o["spec"].get("clusterIP") == "None"]
        return found

    def kinds(self) -> list[str]:
        """The kinds of all objects, hooks aside."""
        return sorted(o["kind"] for o in self.objects if not is_hook(o))

    @property
    def pod(self) -> Object:
        """The server's pod template."""
        return dict(self["Deployment"]["spec"]["template"])

    @property
    def container(self) -> Object:
        """The server's container, which is the first one."""
        return dict(self.pod["spec"]["containers"][0])

    @property
    def env(self) -> dict[str, str]:
        """The server's environment variables that have a value."""
        return {each["name"]: each["value"] for each in self.container["env"] if "value" in each}

    def pod_specs(self) -> dict[str, Object]:
        """The pods of every workload, by component."""
        specs = {}
        for o in self.objects:
            spec = o.get("spec") or {}
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template:
                specs[component_of(o)] = template["spec"]
            elif o["kind"] == "Pod":
                specs[component_of(o)] = spec
        return specs


def template(
    helm: Path,
    *arguments: str,
    values: Object | None = None,
    kubernetes: str = KUBERNETES[-1],
    image: bool = True,
    chart: Path = CHART,
) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with `--set` for each argument that has no dash, and return the finished process.

    image: whether to name an image, which the chart requires. chart: a parent chart, instead of the chart itself.
    """
    sets = (part for each in arguments for part in ([each] if each.startswith("-") else ["--set", each]))
    return subprocess.run(
        [
            str(helm), "template", "web", str(chart), "--namespace", "shop", "--kube-version", kubernetes,
            *(["--values", "-"]), *sets,
        ],
        input=json.dumps((IMAGE if image else {}) | (values or {})),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def render(helm: Path, *arguments: str, values: Object | None = None, kubernetes: str = KUBERNETES[-1]) -> Rendered:
    """The chart's objects with these values."""
    done = template(helm, *arguments, values=values, kubernetes=kubernetes)
    assert done.returncode == 0, done.stderr
    return Rendered([o for o in yaml.safe_load_all(done.stdout) if o])


def refusal(helm: Path, *arguments: str, values: Object | None = None) -> str:
    """What Helm says when it refuses these values."""
    done = template(helm, *arguments, values=values)
    assert done.returncode != 0, "it was accepted"
    return str(done.stderr)
