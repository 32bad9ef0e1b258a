"""Small repositories and their locks, made by uv; wheels and an index that only a test has."""

import base64
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from delivery.detection.configuration import Configuration
from delivery.detection.dependencies import find_dependencies
from delivery.detection.description import Description, Found, Served, Surroundings
from delivery.detection.repository import Repository
from delivery.images.lock import Locked, LockError, lock


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Files in a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def described(folder: Path, files: Mapping[str, str], python: str = "3.13") -> Description:
    """A repository of these files."""
    dependencies = find_dependencies(Repository(write(folder, files)), Configuration(), python)
    served = Found(Served("app:app", ".", "Flask"), "app.py:1")
    return Description(folder, folder.name, served, dependencies, Surroundings())


def locked(folder: Path, files: Mapping[str, str], **variables: str) -> Locked:
    """The lock of a repository of these files, which is made in its folder `repository`."""
    description = described(folder / "repository", files)
    return lock(
        description, folder / "output", cache=folder / "cache", variables={**os.environ, **variables}
    )  # fmt: skip


def refusal(folder: Path, files: Mapping[str, str], **variables: str) -> LockError:
    """Why it can't be locked."""
    with pytest.raises(LockError) as caught:
        locked(folder, files, **variables)
    return caught.value


def pins(found: Locked) -> dict[str, str]:
    """What is locked: versions by names."""
    text = found.requirements.read_text(encoding="utf-8")
    return {match[1]: match[2] for match in re.finditer(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", text, re.MULTILINE)}


def hashes(found: Locked, name: str) -> set[str]:
    """Those of a package."""
    text = found.requirements.read_text(encoding="utf-8")
    (block,) = re.findall(rf"^{name}==\S+ \\\n((?: +--hash=.*\n)+)", text, re.MULTILINE)
    return set(re.findall(r"--hash=([\w:]+)", block))


def wheel(folder: Path, name: str, version: str, *requires: str, python: str = "py3") -> Path:
    """A wheel with nothing in it but what it requires. python: as the name of a wheel has it, such as cp312."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{python}-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    inner = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{inner}/METADATA", metadata)
        archive.writestr(f"{inner}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{inner}/RECORD", "")
    return path


@dataclass
class Index:
    """An index of packages on this machine. login: user:password, without which nothing is answered."""

    folder: Path
    login: str
    port: int = 0
    logins: set[str] = field(default_factory=set)
    """Those that clients sent."""


@contextmanager
def index(folder: Path, login: str) -> Iterator[Index]:
    """Serve the wheels of a folder as an index, until the end of the block."""
    served = Index(folder, login)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.headers.get("Authorization", "").removeprefix("Basic ")
            served.logins.add(base64.b64decode(sent).decode())
            allowed = base64.b64decode(sent).decode() == login
            status, content = _answer(folder, self.path) if allowed else (401, b"")
            self.send_response(status)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Type", "application/octet-stream" if "/files/" in self.path else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.port = server.server_port
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def _answer(folder: Path, path: str) -> tuple[int, bytes]:
    if path.startswith("/files/"):
        return 200, (folder / path.removeprefix("/files/")).read_bytes()
    name = path.strip("/").rpartition("/")[2]
    links = [f'<a href="/files/{each.name}">{each.name}</a>' for each in folder.glob(f"{name.replace('-', '_')}-*.whl")]
    return (200, "".join(links).encode()) if links else (404, b"")
