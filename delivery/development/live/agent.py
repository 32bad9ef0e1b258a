"""In the sidecar of a pod, for as long as `make live` is connected: takes files, and has the application reloaded.

It reads orders from standard input, each a line of JSON and then the bytes of a tar archive, and answers each with a
line of JSON. The first line, with what the volume has, is sent unasked. Arguments: the volume, the marker that lets the
application start, and the file of a worker's supervisor.
"""

import hashlib
import io
import json
import os
import py_compile
import signal
import sys
import tarfile
import time
from pathlib import Path

SERVES_SECONDS = 30.0
"""How long a server may take until it serves for the first time, after which it can be reloaded."""
RESTART_SECONDS = 10.0
"""How long it is waited for a worker that finishes what it does."""
LOOK_SECONDS = 0.02
CACHE = "__pycache__"


class Volume:
    """The application's files in the pod."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def listing(self) -> dict[str, str]:
        """The files, and of each the SHA-256, or where a link leads."""
        found = {}
        for path in self._folder.rglob("*"):
            relative = path.relative_to(self._folder)
            if CACHE in relative.parts:
                continue
            if path.is_symlink():
                found[relative.as_posix()] = f"link {path.readlink()}"
            elif path.is_file():
                found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def _inside(self, path: str) -> Path:
        if path.startswith("/") or ".." in Path(path).parts:
            raise ValueError(f"{path} is outside the volume")
        return self._folder / path

    def delete(self, path: str) -> None:
        """Delete a file, and each folder that has nothing else then."""
        place = self._inside(path)
        place.unlink(missing_ok=True)
        for compiled in (place.parent / CACHE).glob(f"{place.stem}.*.pyc"):
            compiled.unlink()
        for folder in (place.parent / CACHE, *place.parents):
            if folder == self._folder or (folder.exists() and any(folder.iterdir())):
                break
            if folder.exists():
                folder.rmdir()

    def put(self, archive: tarfile.TarFile) -> None:
        """Put each file in its place at once, so that nobody reads half of one."""
        for member in archive:
            place = self._inside(member.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            new = place.parent / ".live-new"
            new.unlink(missing_ok=True)
            if member.issym():
                new.symlink_to(member.linkname)
            else:
                content = archive.extractfile(member)
                new.write_bytes(content.read() if content else b"")
                new.chmod(0o755 if member.mode & 0o100 else 0o644)
                os.utime(new, (member.mtime, member.mtime))
            new.rename(place)
            if place.suffix == ".py" and not member.issym():
                # Whose source is compared at each import. Errors are told by whoever imports it.
                checked = py_compile.PycInvalidationMode.CHECKED_HASH
                py_compile.compile(str(place), quiet=2, invalidation_mode=checked)


def reload_worker(file: Path) -> dict[str, str]:
    """Have the worker of this pod started anew; what came of it. file: its supervisor's."""
    process, starts = map(int, file.read_text().split())
    os.kill(process, signal.SIGHUP)
    deadline = time.monotonic() + RESTART_SECONDS
    while time.monotonic() < deadline:
        if int(file.read_text().split()[1]) > starts:
            return {"reloaded": "worker"}
        time.sleep(LOOK_SECONDS)
    return {"reloaded": "worker, after the current task"}


def reload_server() -> dict[str, str]:
    """Have the server of this pod load the application anew; what came of it."""
    try:
        from nodrop.server import reload  # of the image
    except ImportError as error:
        return {"error": f"the image's version of nodrop can't reload ({error}): make up builds a new image"}
    deadline = time.monotonic() + SERVES_SECONDS
    while True:
        servers = reload.servers()
        if not servers:
            return {"reloaded": ""}
        try:
            reload.reload(servers[0])
        except reload.NotServing as error:
            # It was started while files changed.
            if time.monotonic() > deadline:
                return {"error": str(error)}
            time.sleep(LOOK_SECONDS)
        except reload.ReloadError as error:
            return {"error": str(error)}
        else:
            return {"reloaded": "server"}


def say(answer: object) -> None:
    """Send a line."""
    print(json.dumps(answer), flush=True)


def main(folder: str, marker: str, worker: str) -> None:
    """Serve until the connection ends."""
    while not Path(f"{marker}-copied").exists():
        time.sleep(LOOK_SECONDS)
    volume = Volume(Path(folder))
    say({"files": volume.listing()})
    for line in sys.stdin.buffer:
        order = json.loads(line)
        archive = io.BytesIO(sys.stdin.buffer.read(order["size"]))
        try:
            for path in order["deleted"]:
                volume.delete(path)
            with tarfile.open(fileobj=archive, mode="r:") as opened:
                volume.put(opened)
            # Before the first time the application has not been started.
            is_running = Path(marker).exists()
            Path(marker).touch()
            if not (is_running and order["reload"]):
                say({"reloaded": ""})
            else:
                say(reload_worker(Path(worker)) if Path(worker).exists() else reload_server())
        except (OSError, ValueError, tarfile.TarError) as error:
            say({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main(*sys.argv[1:])
