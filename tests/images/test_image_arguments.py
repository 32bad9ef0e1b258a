"""The Dockerfile's arguments for an application."""

from pathlib import Path

import pytest

from delivery.checkout import default_python, pinned
from delivery.images.arguments import arguments, node_image, package_version, python_image
from tests.images.applications import commit, describe, git, write


@pytest.mark.parametrize(
    ("image", "version", "wanted"),
    [
        ("python:3.13-slim", "3.13", "python:3.13-slim"),
        ("python:3.13.5-slim-bookworm", "3.13", "python:3.13.5-slim-bookworm"),
        ("python:3.13-slim", "3.12", "python:3.12-slim"),
        ("localhost:5000/mirror/python:3.13-slim", "3.11", "localhost:5000/mirror/python:3.11-slim"),
        ("registry.example/company-python:stable", "3.12", "registry.example/company-python:stable"),
        ("python@sha256:aa", "3.12", "python@sha256:aa"),
    ],
)
def test_the_base_image_has_the_application_s_python(image: str, version: str, wanted: str) -> None:
    assert python_image(version, {"PYTHON_IMAGE": image}) == wanted


def test_the_base_image_is_the_pinned_one_by_default() -> None:
    image = pinned()["PYTHON_IMAGE"]
    assert python_image(default_python(), {}) == image


def test_the_image_with_node_can_be_named() -> None:
    assert node_image({"NODE_IMAGE": "mirror.example/node:24"}) == "mirror.example/node:24"
    assert node_image({}) in (pinned()["NODE_IMAGE"], "debian-node")


def test_what_the_application_needs_is_passed_on(tmp_path: Path) -> None:
    description = describe(
        tmp_path, "shop:create_app()", root="src", apt=["libpq5"], apt_build=["libpq-dev", "libffi-dev"],
        build_steps=["cd web && make", "flask digest compile"], assets="web",
    )  # fmt: skip
    made = arguments(description, ".", {"NODE_IMAGE": "node:24", "PYTHON_IMAGE": "python:3.13-slim"})
    assert made == {
        "PYTHON_IMAGE": "python:3.13-slim", "APP_DIR": "srv", "APP_TARGET": ".", "TITLE": "shop",
        "WSGI_APP": "shop:create_app()", "IMPORT_PATH": "/srv/src", "APT": "libpq5",
        "APT_BUILD": "libpq-dev libffi-dev", "BUILD_STEPS": "( cd web && make )\n( flask digest compile )",
        "FRONTEND": "npm", "FRONTEND_DIR": "web", "NODE_IMAGE": "node:24",
    }  # fmt: skip


def test_the_frontend_of_a_repository_that_is_a_package_is_in_its_folder(tmp_path: Path) -> None:
    assert arguments(describe(tmp_path, assets="web"), "shop", {})["FRONTEND_DIR"] == "shop/web"


def test_a_package_has_the_version_that_git_says(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": ""})
    assert package_version(tmp_path) == "0+unknown"
    commit(tmp_path)
    assert package_version(tmp_path).startswith("0+g")
    git(tmp_path, "tag", "v1.2.0")
    assert package_version(tmp_path) == "1.2.0"
    git(tmp_path, "commit", "--allow-empty", "--message", "more")
    assert package_version(tmp_path).startswith("1.2.0.post1+g")
    assert arguments(describe(tmp_path, is_package=True), ".", {})["PACKAGE"] == package_version(tmp_path)
