"""Writes the JSON schemas in this folder from the CustomResourceDefinitions of the projects they belong to.

Usage: python tests/chart/schemas/write.py (needs Go, which fetches the modules).

The schemas have no descriptions, which are most of them, and no object in them takes a field that is not named: the API
server would drop it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
# kind: module, file in it.
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.94.1"
SOURCES = {
    "HTTPRoute": (
        "sigs.k8s.io/gateway-api@v1.6.3",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    **{
        kind: (OPERATOR, f"example/prometheus-operator-crd/monitoring.coreos.com_{kind.lower()}s.yaml")
        for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    },
}


def module_folder(module: str) -> Path:
    """Where Go keeps a module, fetched if it is not there."""
    with tempfile.TemporaryDirectory() as scratch:
        found = subprocess.run(
            ["go", "mod", "download", "-json", module], cwd=scratch, capture_output=True, text=True, check=True
        )
    return Path(json.loads(found.stdout)["Dir"])


def closed(node: Any) -> Any:
    """A schema without descriptions in which no object has fields that are not named, unless it is made for them."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    result = {
        key: {name: closed(each) for name, each in value.items()} if key == "properties" else closed(value)
        for key, value in node.items()
        if key not in {"description", "x-kubernetes-validations", "status"} or key == "properties"
    }
    if "properties" in result and not node.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if str(node.get("pattern")).startswith("^(?i)"):
        # Go's place for a flag; Python has it in front.
        result["pattern"] = "(?i)^" + node["pattern"].removeprefix("^(?i)")
    if result.pop("x-kubernetes-int-or-string", False):
        result = {"type": ["integer", "string"]}
    return result


def main() -> None:
    """Write one file a kind."""
    for kind, (module, file) in SOURCES.items():
        definition = yaml.safe_load((module_folder(module) / file).read_text())
        versions = {
            version["name"]: closed(version["schema"]["openAPIV3Schema"])
            for version in definition["spec"]["versions"]
            if version["served"]
        }
        for schema in versions.values():
            # The API server's own, for every kind.
            schema["properties"]["metadata"] = {"type": "object"}
        content = {"source": f"{module} {file}", "group": definition["spec"]["group"], "versions": versions}
        (FOLDER / f"{kind}.json").write_text(json.dumps(content, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
