"""Images that are really built: what is in them, what is not, and how long a change takes.

Each test builds one image; what they have in common, such as Flask, comes from the builder's cache.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from delivery.checkout import ROOT, pinned
from delivery.detection.description import Description
from delivery.images.build import build_locked
from delivery.images.errors import ImageError
from tests.images.applications import commit, describe, git, write

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker"),
]
SHOP = """
import flask
app = flask.Flask(__name__)

@app.get("/")
def index():
    return "served"
"""
IMAGE = "flask-app:test-brought"
DOCOPT = "docopt==0.6.2 --hash=sha256:49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491\n"
"""It has no wheel."""
BUILD_AGAIN_SECONDS = 10.0
"""Generous: the machine may be busy. It took 1.2 s alone."""


@pytest.fixture(autouse=True)
def _contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("delivery.images.build.CONTEXTS", tmp_path / "context")
    yield
    subprocess.run(["docker", "image", "rm", "--force", IMAGE], capture_output=True, check=False)


def built(description: Description, tmp_path: Path, lines: str = "", unhashed: str = "") -> None:
    """Build the image with the requirements of the example, and these lines more."""
    lock = tmp_path / "requirements.txt"
    lock.write_text((ROOT / "requirements.txt").read_text() + lines)
    if unhashed:
        (tmp_path / "unhashed.txt").write_text(unhashed)
    build_locked(description, IMAGE, lock, unhashed=tmp_path / "unhashed.txt" if unhashed else None)


def inside(*command: str) -> str:
    """What a command prints in the image, as restricted as in a pod."""
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", IMAGE, *command],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_an_application_in_a_folder_with_a_blank_is_served_without_its_credentials(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "my shop", {"shop.py": SHOP, ".env": "SECRET_KEY=hunter2", "notes.md": "", "README.md": ""}
    )
    write(folder, {".dockerignore": "*.md\n!README.md\n"})
    folder.chmod(0o700)
    (folder / "shop.py").chmod(0o600)
    built(describe(folder, build_steps=["mkdir made", "(echo $FLASK_APP; id -un) > made/file"]), tmp_path)
    assert inside("sh", "-c", "ls -A /srv").split() == [".dockerignore", "README.md", "__pycache__", "made", "shop.py"]
    assert inside("cat", "/srv/made/file").split() == ["shop:app", "root"]
    ask = "import shop; print(shop.app.test_client().get('/').text)"
    assert inside("python", "-c", ask) == "served\n"
    who = "import getpass, pathlib; (pathlib.Path.home() / '.cache').mkdir(); print(getpass.getuser())"
    assert inside("python", "-c", who) == "app\n"
    assert inside("sh", "-c", "echo $WSGI_APP") == "shop:app\n"
    assert [name for name in _all_files() if name.endswith(".env") or "hunter2" in name] == []


def test_a_change_of_the_application_is_built_quickly(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", {"shop.py": SHOP})
    built(describe(folder), tmp_path)
    (folder / "shop.py").write_text(SHOP.replace("served", "changed"))
    began = time.monotonic()
    built(describe(folder), tmp_path)
    assert time.monotonic() - began < BUILD_AGAIN_SECONDS
    assert "changed" in inside("cat", "/srv/shop.py")


def test_a_package_has_its_metadata_its_commands_and_its_code_in_srv(tmp_path: Path) -> None:
    pyproject = """
[build-system]
requires = ["setuptools>=77", "setuptools-scm>=8"]
build-backend = "setuptools.build_meta"
[project]
name = "shop"
dynamic = ["version"]
scripts = { shopctl = "shop:main" }
[tool.setuptools_scm]
"""
    code = "from importlib.metadata import version\ndef main(): print(version('shop'), __file__)\n"
    folder = write(tmp_path / "shop", {"src/shop/__init__.py": code, "pyproject.toml": pyproject})
    commit(folder)
    git(folder, "tag", "v1.2.0")
    # Without a root that would put its code on the path.
    built(describe(folder, is_package=True), tmp_path)
    assert inside("shopctl").split() == ["1.2.0", "/srv/src/shop/__init__.py"]


def test_what_has_no_wheel_and_what_has_no_hash_is_built_and_the_compiler_stays_out(tmp_path: Path) -> None:
    setup = (
        "from setuptools import Extension, setup\n"
        "setup(name='mail', ext_modules=[Extension('mail', ['mail.c'], libraries=['yaml'])])\n"
    )
    source = """
#include <Python.h>
#include <yaml.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "mail", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_mail(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddStringConstant(made, "yaml", yaml_get_version_string());
    return made;
}
"""
    folder = write(tmp_path / "shop", {"shop.py": SHOP})
    write(tmp_path / "libs" / "mail", {"setup.py": setup, "mail.c": source})
    description = describe(folder, apt=["hello"], apt_build=["libyaml-dev"])
    built(description, tmp_path, DOCOPT, unhashed="./libs/mail\n")
    # libyaml is there since the extension loads it, though nothing names it.
    assert inside("python", "-c", "import docopt, mail; print(docopt.__version__, mail.yaml)").startswith("0.6.2 0.")
    assert inside("hello") == "Hello, world!\n"
    assert "build-essential" not in inside("dpkg-query", "--show", "--showformat", "${Package} ")


def test_a_missing_header_ends_with_the_line_to_write(tmp_path: Path) -> None:
    setup = "from setuptools import Extension, setup\nsetup(name='mail', ext_modules=[Extension('mail', ['mail.c'])])\n"
    folder = write(tmp_path / "shop", {"shop.py": SHOP, "mail/setup.py": setup, "mail/mail.c": "#include <yaml.h>\n"})
    with pytest.raises(ImageError, match=r"yaml\.h is missing\. Set apt-build = \[\"libyaml-dev\"\] in flask-app"):
        built(describe(folder), tmp_path, unhashed="./shop/mail\n")


def test_a_frontend_is_built_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which every machine has that reaches Debian's packages.
    monkeypatch.setenv("NODE_IMAGE", os.environ.get("NODE_IMAGE", "debian-node"))
    package = '{"name": "web", "version": "1.0.0", "scripts": {"build": "mkdir -p ../static && cp main.js ../static/"}}'
    lock = '{"name": "web", "lockfileVersion": 3, "packages": {"": {"name": "web", "version": "1.0.0"}}}'
    folder = write(tmp_path / "shop", {"shop.py": SHOP, "web/package.json": package, "web/package-lock.json": lock})
    write(folder, {"web/main.js": "let x = 1;"})
    built(describe(folder, assets="web"), tmp_path)
    assert inside("cat", "/srv/static/main.js") == "let x = 1;"


# --- Secrets ----------------------------------------------------------------------------------------------------------

PASSWORD = "hunter2-of-the-index"


@cache
def wheel() -> bytes:
    """A wheel of the package `private`, always the same one."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("private.py", "HERE = True\n")
        archive.writestr("private-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: private\nVersion: 1.0\n")
        archive.writestr(
            "private-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("private-1.0.dist-info/RECORD", "")
    return content.getvalue()


class Index(BaseHTTPRequestHandler):
    """A package index that has one package, for those who know the password."""

    def __init__(self, *arguments: object, content: bytes, **options: object) -> None:
        self.content = content
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        known = self.headers.get("Authorization") == expected
        is_wheel = self.path.endswith(".whl")
        has = is_wheel or self.path == "/simple/private/"
        self.send_response(200 if known and has else 404 if known else 401)
        body = (
            self.content
            if is_wheel
            else b'<a href="/files/private-1.0-py3-none-any.whl">private-1.0-py3-none-any.whl</a>'
        )
        self.send_header("Content-Type", "application/octet-stream" if is_wheel else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def index() -> Iterator[str]:
    """The address of the index as containers reach it, with the password."""
    gateway = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    server = ThreadingHTTPServer(("0.0.0.0", 0), partial(Index, content=wheel()))
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://me:{PASSWORD}@{gateway}:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def test_the_password_of_an_index_is_in_no_layer_and_no_history(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
    monkeypatch.setenv("PIP_TRUSTED_HOST", index.rpartition("@")[2].partition(":")[0])
    folder = write(tmp_path / "shop", {"shop.py": SHOP})
    built(describe(folder), tmp_path, f"private==1.0 --hash=sha256:{hashlib.sha256(wheel()).hexdigest()}\n")
    assert inside("python", "-c", "import private; print(private.HERE)") == "True\n"
    history = subprocess.run(["docker", "history", "--no-trunc", IMAGE], capture_output=True, check=True).stdout
    described = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=True).stdout
    for where in (history, described, capfd.readouterr().err.encode(), *_all_files().values()):
        assert PASSWORD.encode() not in where
        assert base64.b64encode(f"me:{PASSWORD}".encode()) not in where


def _all_files() -> dict[str, bytes]:
    """The content of each file that the image adds to its base, by its name in its layer; and what is said of it."""
    base = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{len .RootFS.Layers}}", pinned()["PYTHON_IMAGE"]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    saved = subprocess.run(["docker", "save", IMAGE], capture_output=True, check=True).stdout
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        # A layer that is equal to another is a link to it.
        read = {each.name: file.read() for each in archive.getmembers() if (file := archive.extractfile(each))}
    layers = json.loads(read["manifest.json"])[0]["Layers"]
    for layer in layers[int(base.stdout) :]:
        with tarfile.open(fileobj=io.BytesIO(read[layer])) as archive:
            for each in archive:
                file = archive.extractfile(each) if each.isfile() else None
                found[f"{layer}/{each.name}"] = file.read() if file else b""
    return found | {name: text for name, text in read.items() if name.endswith(".json")}
