"""The images the tests use: the application in two versions and one that can't start, the prober and the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.shell import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Images:
    """Image references. `first` and `second` differ in the version they report; `broken` never becomes ready."""

    first: str
    second: str
    broken: str
    prober: str
    gateway: str

    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return self.first, self.second, self.broken, self.prober, self.gateway


def version_of(image: str) -> str:
    """The version an image built here reports: its tag."""
    return image.rpartition(":")[2]


def build() -> Images:
    """Build all images with the local engine, the application's from the Dockerfile that is shipped."""
    # Not the Makefile's variables of whoever started the tests: make passes them on in the environment.
    images = Images(
        first="flask-app:test-1",
        second="flask-app:test-2",
        broken="flask-app:test-broken",
        prober="flask-app-prober:test",
        gateway="flask-app-gateway:test",
    )
    for image in (images.first, images.second):
        run(["make", "-C", ROOT, "image", f"IMAGE={image}", f"VERSION={version_of(image)}"], timeout=900)
    broken = f"FROM {images.second}\nENV WSGI_APP=app.gone:app APP_VERSION={version_of(images.broken)}\n"
    run(["docker", "build", "--tag", images.broken, "-"], stdin=broken)
    for image, folder in ((images.prober, "prober"), (images.gateway, "gateway")):
        run(["docker", "build", "--tag", image, ROOT / "k8s-tests" / folder])
    return images
