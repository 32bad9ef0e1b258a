"""The name of an application, and its origin: two that share a folder's name are two."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from delivery.detection.identity.name import name_of
from delivery.detection.identity.origin import origin_of


def repository(folder: Path, remote: str = "") -> Path:
    """A folder with a git repository."""
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    if remote:
        subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", remote], check=True)
    return folder


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"),
        ("My Shop", "my-shop"),
        ("my_flask.app", "my-flask-app"),
        ("Café", "cafe"),
        ("2048", "app-2048"),
        ("-", "application"),
        ("a" * 60, "a" * 40),
    ],
)
def test_image_and_release_are_named_after_the_folder(folder: str, name: str) -> None:
    assert name_of(Path(folder)) == name


@pytest.mark.parametrize(
    ("remote", "inside", "name"),
    [
        ("", "backend", "shop-backend"),
        ("https://github.com/acme/shop.git", "services/api", "shop-api"),
        ("", ".", "shop"),
    ],
)
def test_a_generic_folder_is_named_after_its_repository_too(
    tmp_path: Path, remote: str, inside: str, name: str
) -> None:
    folder = repository(tmp_path / "shop", remote) / inside
    folder.mkdir(parents=True, exist_ok=True)
    assert name_of(folder) == name


def test_a_repository_of_a_generic_name_is_named_after_its_owner_or_the_folder_around_it(tmp_path: Path) -> None:
    assert name_of(repository(tmp_path / "one" / "backend", "git@github.com:acme/backend.git")) == "acme-backend"
    assert name_of(repository(tmp_path / "two" / "backend")) == "two-backend"
    (tmp_path / ("a" * 60) / "backend").mkdir(parents=True)
    assert name_of(tmp_path / ("a" * 60) / "backend") == "a" * 32 + "-backend"


def test_every_clone_of_a_repository_has_one_origin_and_each_subfolder_its_own(tmp_path: Path) -> None:
    remotes = (
        "https://github.com/acme/shop.git",
        "https://token:s3cret@github.com/acme/shop",
        "git@github.com:acme/shop.git",
        "ssh://git@GitHub.com:22/acme/shop.git/",
    )
    for number, remote in enumerate(remotes):
        clone = repository(tmp_path / str(number), remote)
        (clone / "backend").mkdir()
        assert origin_of(clone) == "github.com/acme/shop"
        assert origin_of(clone / "backend") == "github.com/acme/shop#backend"


@pytest.mark.parametrize("remote", ["", "/srv/git/shop.git", "file:///srv/git/shop.git", "../shop.git"])
def test_without_a_remote_the_folder_is_the_origin(tmp_path: Path, remote: str) -> None:
    one, two = repository(tmp_path / "one" / "backend", remote), repository(tmp_path / "two" / "backend", remote)
    assert origin_of(one) == origin_of(one.parent / "." / "backend") != origin_of(two)
    assert "one" not in origin_of(one), "the release doesn't tell whose machine it was"
