"""The Dockerfile's arguments for an application."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from delivery.checkout import ROOT, pinned
from delivery.detection.description import Description
from delivery.git import answer

UNKNOWN_VERSION = "0+unknown"
VERSION_OF_AN_IMAGE = re.compile(r"(?<=:)\d+\.\d+(\.\d+)?(?=(?:-[\w.-]+)?$)")
"""The version in the tag of `python:3.13-slim`, also of `localhost:5000/python:3.13.1-slim`."""
DESCRIBED = re.compile(r"v?(?P<tag>\d+(?:\.\d+)*)-(?P<commits>\d+)-g(?P<commit>[0-9a-f]+)")


def arguments(description: Description, target: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The build arguments of an application whose files are at /srv/<target>."""
    served, dependencies = description.served.value, description.dependencies
    surroundings = description.surroundings
    made = {
        "PYTHON_IMAGE": python_image(dependencies.python.value, variables),
        "APP_DIR": "srv",
        "APP_TARGET": ".",
        "TITLE": description.name,
        "WSGI_APP": served.reference,
        "IMPORT_PATH": "" if served.root == "." else f"/srv/{served.root}",
        "APT": " ".join(each.value for each in dependencies.apt),
        "APT_BUILD": " ".join(each.value for each in dependencies.apt_build),
        # In parentheses, so that a `cd` ends with its step.
        "BUILD_STEPS": "\n".join(f"( {each.value} )" for each in surroundings.build_steps),
        "PACKAGE": package_version(description.folder) if dependencies.is_package else "",
    }
    if surroundings.assets:
        folder = Path(target, surroundings.assets.value).as_posix()
        made |= {"FRONTEND": "npm", "FRONTEND_DIR": folder, "NODE_IMAGE": node_image(variables)}
    return {name: value for name, value in made.items() if value}


def python_image(version: str, variables: Mapping[str, str]) -> str:
    """The base image for a version of Python: PYTHON_IMAGE, from the environment or versions.env, with that version.

    An image that names no version, or one of the same minor version, is taken as it is.
    """
    image = variables.get("PYTHON_IMAGE") or pinned()["PYTHON_IMAGE"]
    has = VERSION_OF_AN_IMAGE.search(image)
    if not has or f"{has[0]}.".startswith(f"{version}."):
        return image
    return image[: has.start()] + version + image[has.end() :]


def node_image(variables: Mapping[str, str]) -> str:
    """The image with Node: NODE_IMAGE, or the Dockerfile's own stage where `make offline` has prepared the machine."""
    if variables.get("NODE_IMAGE"):
        return variables["NODE_IMAGE"]
    return "debian-node" if (ROOT / ".tools" / "offline.env").exists() else pinned()["NODE_IMAGE"]


def package_version(folder: Path) -> str:
    """The version of a package whose build system asks git for it, which it can't in the image.

    That of the latest tag, as `1.2.0` or, with commits since then, `1.2.0.post3+g0a1b2c3`.
    """
    described = answer(folder, "describe", "--tags", "--long", "--match", "[v0-9]*")
    matched = DESCRIBED.fullmatch(described)
    if matched:
        since = f".post{matched['commits']}+g{matched['commit']}" if matched["commits"] != "0" else ""
        return matched["tag"] + since
    commit = answer(folder, "rev-parse", "--short", "HEAD")
    return f"0+g{commit}" if commit else UNKNOWN_VERSION
