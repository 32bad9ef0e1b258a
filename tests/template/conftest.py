"""A checkout of nodrop, and a repository that was ejected from it, for all tests that do not change them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from delivery.ejection import compiled, wheel
from delivery.ejection.checkout import Checkout
from delivery.ejection.eject import eject
from tests.template.repositories import APP, PIN, checkout, commit, described, git, parts, write

pytest.importorskip("copier", reason="copier is not installed: make test installs it")


@pytest.fixture(scope="session")
def nodrop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, with some files of the chart."""
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with all of the chart."""
    return checkout(tmp_path_factory.mktemp("whole"), whole=True)


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Checkout, Path], Path]:
    """The building of wheels, once for each state of nodrop."""
    built: dict[str, Path] = {}

    def build(checkout: Checkout, folder: Path) -> Path:
        source = git(checkout.folder, "rev-parse", "HEAD:nodrop")
        if source not in built:
            built[source] = wheel.build(checkout, tmp_path_factory.mktemp("wheel"))
        return Path(shutil.copy2(built[source], folder))

    return build


@pytest.fixture(autouse=True)
def wheels(build_once: Callable[[Checkout, Path], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a wheel that another has built."""
    monkeypatch.setattr(compiled, "build", build_once)


@pytest.fixture(scope="session")
def once_ejected(tmp_path_factory: pytest.TempPathFactory, nodrop: Path) -> Path:
    """A repository with the written files, committed."""
    shop = tmp_path_factory.mktemp("repositories") / "shop"
    write(shop, {"app.py": APP, "requirements.txt": "flask\n"})
    commit(shop)
    eject(described(shop), parts(lock=f"# uv pip compile {shop}/requirements.txt\n{PIN}"), root=nodrop)
    return commit(shop)


@pytest.fixture
def ejected(once_ejected: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(once_ejected, tmp_path / "shop"))


@pytest.fixture
def later(nodrop: Path, tmp_path: Path) -> Path:
    """A copy of the checkout, for a later version."""
    return Path(shutil.copytree(nodrop, tmp_path / "later", symlinks=True))
