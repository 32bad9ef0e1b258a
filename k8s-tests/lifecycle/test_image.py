"""What the image weighs, and what a change of the application costs: to build, and to push."""

import gzip
import json
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster.images import ROOT
from harness.cluster.shell import run

MB = 1_000_000
ADDED_BYTES = 8 * MB
PUSHED_BYTES = 1 * MB
BUILD_SECONDS = 3.0
IMAGE = "flask-app:test-size"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of this checkout, whose image has been built."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.splitlines()
    for file in filter(Path.is_file, (ROOT / name for name in listed)):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    build(folder)
    yield folder
    run(["docker", "image", "rm", IMAGE], check=False)


def build(folder: Path) -> None:
    """Build the image as `make image` does, with one version, since it is a label and no change."""
    run(["make", "-C", folder, "image", f"IMAGE={IMAGE}", "VERSION=size", "REVISION=size"], timeout=900)


def size(image: str) -> int:
    return int(run(["docker", "image", "inspect", "--format", "{{.Size}}", image]).stdout)


def layers(folder: Path) -> dict[str, int]:
    """What a registry is sent of the image: of each layer its digest, and its bytes once compressed."""
    with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            archive.extractall(folder, filter="data")
    (manifest,) = json.loads((folder / "manifest.json").read_text())
    return {name: len(gzip.compress((folder / name).read_bytes(), 6)) for name in manifest["Layers"]}


def seconds_to_build_a_change(folder: Path) -> float:
    """Change a line of the application, and build the image again."""
    with (folder / "app" / "routes.py").open("a") as file:
        file.write("# A change.\n")
    began = time.monotonic()
    build(folder)
    return time.monotonic() - began


def test_the_image_adds_at_most_8_mb_to_its_base(checkout: Path) -> None:
    """Application, dependencies, nodrop, and the byte code of all three."""
    assert checkout.exists()
    base = re.search(r"(?m)^PYTHON_IMAGE=(\S+)$", (ROOT / "versions.env").read_text())
    assert base
    added = size(IMAGE) - size(base[1])
    print(f"{added / MB:.2f} MB")
    assert added <= ADDED_BYTES


def test_the_server_s_user_has_a_name_and_a_home(checkout: Path) -> None:
    assert checkout.exists()
    asked = (
        "import getpass, os, pwd; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser('~'))"
    )
    said = run(["docker", "run", "--rm", "--network=none", IMAGE, "python", "-c", asked]).stdout
    assert said.split() == ["app", "/tmp", "/tmp"]


def test_a_change_of_the_application_is_built_in_3_s_and_pushes_less_than_1_mb(checkout: Path, tmp_path: Path) -> None:
    """All else comes from what was built before, and is on the registry already."""
    before = layers(tmp_path / "before")
    # The quickest of three, since other work on the machine only ever adds to it.
    seconds = min(seconds_to_build_a_change(checkout) for _ in range(3))
    changed = {name: number for name, number in layers(tmp_path / "after").items() if name not in before}
    print(f"{seconds:.1f} s, {sum(changed.values())} bytes in {len(changed)} layers")
    assert changed
    assert seconds < BUILD_SECONDS
    assert sum(changed.values()) < PUSHED_BYTES
