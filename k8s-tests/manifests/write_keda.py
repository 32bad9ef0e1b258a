"""Write keda.yaml, KEDA's release manifest, from the Go module of the version in versions.env. Needs Go and kubectl.

    python3 k8s-tests/manifests/write_keda.py

It is kept here so that a run downloads nothing but images. It is without descriptions and without the schema of a
ScaledJob's pods, which are 90 % of it: a ScaledJob's template is not validated.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import tools  # noqa: E402  # the path is put in order first

MANIFEST = ROOT / "k8s-tests" / "manifests" / "keda.yaml"
MODULE = "github.com/kedacore/keda/v2"
IMAGES = ("keda", "keda-metrics-apiserver", "keda-admission-webhooks")
HEADER = """\
# KEDA, for the tests that scale by it: its release manifest, shortened. Written by write_keda.py; do not edit.
# KEDA is under the Apache License 2.0, Copyright The KEDA Authors: https://github.com/kedacore/keda
"""


def version() -> str:
    """KEDA's version in versions.env, such as v2.21.0."""
    lines = (ROOT / "versions.env").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("KEDA="))


def built(number: str) -> list[dict[str, Any]]:
    """The objects as KEDA's own `make release` builds them."""
    download = ["go", "mod", "download", "-json", f"{MODULE}@v{number}"]
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    said = subprocess.run(download, check=True, capture_output=True, text=True, env=environment).stdout
    with tempfile.TemporaryDirectory() as folder:
        # kustomize takes no file from outside of its folder.
        shutil.copytree(Path(json.loads(said)["Dir"]) / "config", Path(folder) / "config", copy_function=shutil.copy)
        images = [{"name": f"ghcr.io/kedacore/{name}", "newTag": number} for name in IMAGES]
        overlay = {"resources": ["config/default"], "images": images}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        command = [str(tools.resolve("kubectl")), "kustomize", folder]
        made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [each for each in yaml.safe_load_all(made) if each]


def without_descriptions(schema: Any) -> Any:
    """A schema without what only a reader needs. A property may be called `description`: that one is a mapping."""
    if isinstance(schema, dict):
        return {
            key: without_descriptions(value)
            for key, value in schema.items()
            if not (key == "description" and isinstance(value, str))
        }
    return [without_descriptions(each) for each in schema] if isinstance(schema, list) else schema


def shortened(thing: dict[str, Any], number: str) -> dict[str, Any]:
    """An object with its version named, its image not pulled again, and its schema made short."""
    labels = thing["metadata"].get("labels", {})
    if "app.kubernetes.io/version" in labels:
        labels["app.kubernetes.io/version"] = number
    if thing["kind"] == "Deployment":
        for container in thing["spec"]["template"]["spec"]["containers"]:
            # One that was loaded into the nodes is in no registry.
            container["imagePullPolicy"] = "IfNotPresent"
    if thing["kind"] == "CustomResourceDefinition":
        thing["spec"]["versions"] = without_descriptions(thing["spec"]["versions"])
        if thing["spec"]["names"]["kind"] == "ScaledJob":
            schema = thing["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            schema["properties"]["spec"]["properties"]["jobTargetRef"] = {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
            }
    return thing


def main() -> None:
    number = version().removeprefix("v")
    things = [shortened(thing, number) for thing in built(number)]
    MANIFEST.write_text(HEADER + yaml.safe_dump_all(things, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
