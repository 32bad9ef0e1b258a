"""The images the tests use: the application in two versions and one that can't start, the prober and the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cluster.shell import run

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Images:
    """Image references.

    `first` and `second` differ in the version they report; `broken` never becomes ready; `crashing` becomes ready, and
    ends a moment later.
    """

    first: str
    second: str
    broken: str
    crashing: str
    prober: str
    gateway: str

    def all(self) -> tuple[str, ...]:
        """Every one that there is."""
        everything = (self.first, self.second, self.broken, self.crashing, self.prober, self.gateway)
        return tuple(dict.fromkeys(filter(None, everything)))


def version_of(image: str) -> str:
    """The version an image built here reports: its tag."""
    return image.rpartition(":")[2]


# A worker that ends with status 3 makes gunicorn's master end too, 1.2 s after the first request, when it has
# been ready for little more. kubelet takes some two seconds to tell of it, for which it counts as ready too; and starts
# it again at once, so it takes longer to load than that, or nobody would learn that it was not ready.
CRASHING = """\
FROM {image}
USER root
RUN printf '%s\\n' 'import os, threading, time' 'from app import create_app' 'time.sleep(3)' 'app = create_app()' \\
    'app.before_request(lambda: threading.Timer(1.2, os._exit, [3]).start())' \\
    > /srv/crashing.py && chmod a+r /srv/crashing.py
USER 10001:10001
ENV WSGI_APP=crashing:app APP_VERSION={version}
"""


def build() -> Images:
    """Build all images with the local engine, the application's from the Dockerfile that is shipped."""
    first, second, broken, crashing = (f"flask-app:test-{tag}" for tag in ("1", "2", "broken", "crashing"))
    for image in (first, second):
        # Not the Makefile's variables of whoever started the tests: make passes them on in the environment.
        run(["make", "-C", ROOT, "image", f"IMAGE={image}", f"VERSION={version_of(image)}"], timeout=900)
    build_from(f"FROM {second}\nENV WSGI_APP=app.gone:app APP_VERSION={version_of(broken)}\n", broken)
    build_from(CRASHING.format(image=second, version=version_of(crashing)), crashing)
    return Images(first, second, broken, crashing, build_prober(), build_gateway())


def build_around(given: Sequence[str]) -> Images:
    """The images for your own application: one or two of its images, which the local engine has."""
    first, second = given[0], given[-1]
    if first == second:
        # So that there is something to roll out.
        second = f"{first}-second"
        build_from(f"FROM {first}\nLABEL proof=second\n", second)
    return Images(first, second, "", "", build_prober(), build_gateway())


def derived(images: Images, suffix: str, lines: str) -> Images:
    """The first two images with these lines of a Dockerfile added, as images of their own."""
    made = []
    for image in (images.first, images.second):
        build_from(f"FROM {image}\n{lines}\nENV APP_VERSION={version_of(image)}\n", f"{image}-{suffix}")
        made.append(f"{image}-{suffix}")
    return replace(images, first=made[0], second=made[1])


def build_from(dockerfile: str, image: str) -> None:
    """Build an image from the text of a Dockerfile that needs no files."""
    run(["docker", "build", "--tag", image, "-"], stdin=dockerfile)


def build_prober() -> str:
    """The prober's image."""
    return build_folder("prober", "flask-app-prober:test")


def build_gateway() -> str:
    """The gateway's image."""
    return build_folder("gateway", "flask-app-gateway:test")


def build_folder(name: str, image: str) -> str:
    """Build an image from a folder of these tests, and return its name."""
    run(["docker", "build", "--tag", image, ROOT / "k8s-tests" / name], timeout=900)
    return image
