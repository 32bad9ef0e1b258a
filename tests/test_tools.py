"""scripts/tools.py, run as a real process against a local HTTP server that has fake releases.

Each test has a repository of its own: a copy of the script, a versions.env with made-up versions, a PATH with nothing
on it but what the test puts there. Nothing depends on the tools or the network of the machine.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "tools.py"
VERSIONS = {"helm": "v9.8.7", "helm3": "v3.99.1", "kind": "v0.77.5", "kubectl": "v1.66.4", "actionlint": "v3.2.1"}
OS = sys.platform
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
MIRRORS = ("HELM", "KIND", "KUBECTL", "ACTIONLINT")

Completed = subprocess.CompletedProcess[str]


def fake_tool(name: str, version: str | None = None) -> bytes:
    """A shell script that tells its version as the real tool does, and only when asked as the real tool has to be."""
    version = version or VERSIONS[name]
    bare = version.removeprefix("v")
    about = {"clientVersion": {"major": "1", "gitVersion": version}, "kustomizeVersion": "v5.0.0"}
    ask, answer = {
        "helm": ("version --template {{.Version}}", version),
        "helm3": ("version --template {{.Version}}", version),
        "kind": ("version", f"kind {version} go1.99 linux/amd64"),
        "kubectl": ("version --client -o json", json.dumps(about, indent=2)),
        "actionlint": ("-version", f"{bare}\ninstalled by a test\nbuilt with go1.99"),
    }[name]
    return f"#!/bin/sh\n[ \"$*\" = '{ask}' ] || exit 9\necho '{answer}'\n".encode()


def tar_gz(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar.gz of (name, content); a TarInfo for the content is a member of a special kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            info.name = name
            info.size = len(content) if isinstance(content, bytes) else 0
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@dataclass
class Reply:
    """What the server answers at one address. `length` is a false Content-Length; `chunked` sends none."""

    body: bytes = b""
    status: int = 200
    location: str | None = None
    length: int | None = None
    chunked: bool = False
    hold_before: bool = False  # say nothing until the end of the test
    hold_halfway: bool = False  # or nothing after half the body
    wait_halfway: bool = False  # or nothing after half the body until told to go on


@dataclass
class Release:
    """A local release host. `asset` and `checksums` are the paths of the release published last."""

    url: str
    replies: dict[str, Reply] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    halfway: threading.Event = field(default_factory=threading.Event)  # half of an asset is out
    go_on: threading.Event = field(default_factory=threading.Event)
    finish: threading.Event = field(default_factory=threading.Event)
    asset: str = ""
    checksums: str = ""

    def publish(self, name: str, binary: bytes | None = None, archive: bytes | None = None) -> None:
        """Lay out a release of tool `name` where the real one has it, with its digest in the form of the real one."""
        version, binary = VERSIONS[name], fake_tool(name) if binary is None else binary
        bare = version.removeprefix("v")
        helm = f"/helm-{version}-{OS}-{ARCH}.tar.gz"
        kind, kubectl = f"/{version}/kind-{OS}-{ARCH}", f"/{version}/bin/{OS}/{ARCH}/kubectl"
        self.asset, self.checksums, member = {
            "helm": (helm, f"{helm}.sha256sum", f"{OS}-{ARCH}/helm"),
            "helm3": (helm, f"{helm}.sha256sum", f"{OS}-{ARCH}/helm"),
            "kind": (kind, f"{kind}.sha256sum", ""),
            "kubectl": (kubectl, f"{kubectl}.sha256", ""),
            "actionlint": (
                f"/{version}/actionlint_{bare}_{OS}_{ARCH}.tar.gz",
                f"/{version}/actionlint_{bare}_checksums.txt",
                "actionlint",
            ),
        }[name]
        body = binary
        if member:
            body = archive or tar_gz(("README.md", b"read me"), (member, binary), ("LICENSE", b"free"))
        digest, file_name = hashlib.sha256(body).hexdigest(), self.asset.rpartition("/")[2]
        self.replies[self.asset] = Reply(body)
        self.replies[self.checksums] = Reply(
            {
                "kubectl": digest,
                "actionlint": f"{'0' * 64}  other.tar.gz\n{digest}  {file_name}\n{'1' * 64}  {file_name}.sig\n",
            }.get(name, f"{digest}  {file_name}\n").encode()
        )


class Handler(BaseHTTPRequestHandler):
    release: Release

    def do_GET(self) -> None:
        self.release.requests.append(self.path)
        reply = self.release.replies.get(self.path, Reply(b"no such file", 404))
        if reply.hold_before:
            self.release.finish.wait(20)
            return
        self.send_response(reply.status)
        if reply.location:
            self.send_header("Location", reply.location)
        if not reply.chunked:
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        self.end_headers()
        half = len(reply.body) // 2
        self.wfile.write(reply.body[:half])
        if self.path == self.release.asset:
            self.release.halfway.set()
        if reply.wait_halfway:
            self.release.go_on.wait(20)
        if reply.hold_halfway:
            self.release.finish.wait(20)
            return
        self.wfile.write(reply.body[half:])

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is what some of the tests are about


@pytest.fixture
def release() -> Iterator[Release]:
    with Server(("127.0.0.1", 0), Handler) as server:
        it = Release(f"http://127.0.0.1:{server.server_address[1]}")
        server.RequestHandlerClass = type("BoundHandler", (Handler,), {"release": it})
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield it
        it.go_on.set()
        it.finish.set()
        server.shutdown()
        thread.join()


@dataclass
class Repo:
    """A repository with the script in it, and the environment to run it in."""

    root: Path
    env: dict[str, str]

    @property
    def script(self) -> Path:
        return self.root / "scripts" / "tools.py"

    def place(self, name: str) -> Path:
        return self.root / ".tools" / f"{name}-{VERSIONS[name]}" / name

    def put(self, command: str, content: bytes | str, folder: str = "bin") -> Path:
        """An executable file on the script's PATH."""
        path = self.root / folder / command
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755)
        return path

    def start(self, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [sys.executable, *python, str(self.script), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.env, stdout=pipe, stderr=pipe, text=True, cwd=self.root)

    def run(self, *arguments: str) -> Completed:
        # The script itself may not leave a file or socket open either (when interrupted, it may).
        with self.start(*arguments, python=("-W", "error")) as process:
            out, err = process.communicate(timeout=30)
        assert "Traceback" not in err, err
        assert "Warning" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def left(self) -> list[str]:
        """The files in the tools folder, the empty lock files apart."""
        return [str(path) for path in (self.root / ".tools").rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.fixture
def repo(tmp_path: Path, release: Release) -> Repo:
    it = Repo(tmp_path, {"PATH": str(tmp_path / "bin"), "NO_PROXY": "*"})
    it.env |= {f"TOOLS_BASE_URL_{mirror}": release.url for mirror in MIRRORS}
    it.script.parent.mkdir()
    it.script.write_bytes(SCRIPT.read_bytes())
    lines = [f"{name.upper()}={version}\n" for name, version in VERSIONS.items()]
    (tmp_path / "versions.env").write_text("# Comment: HELM=v0.0.1\n" + "".join(lines))
    return it


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it has not come to pass in 10 s"
        time.sleep(0.01)


def assert_got(result: Completed, path: Path) -> None:
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{path}\n"


def assert_failed(result: Completed, *parts: str) -> None:
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr


# --- PATH


def test_right_version_on_path_is_used_and_nothing_is_downloaded(repo: Repo, release: Release) -> None:
    paths = []
    for name in VERSIONS:
        release.publish(name)
        paths.append(repo.put(name, fake_tool(name)))
    result = repo.run("path", *VERSIONS)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [str(path) for path in paths]
    assert release.requests == []
    assert repo.left() == []


def test_helm3_may_be_called_helm(repo: Repo) -> None:
    path = repo.put("helm", fake_tool("helm3"))
    assert_got(repo.run("path", "helm3"), path)


def test_first_match_of_several_on_path(repo: Repo) -> None:
    repo.put("kind", fake_tool("kind", "v0.77.4"))
    second = repo.put("kind", fake_tool("kind"), "bin2")
    repo.put("kind", fake_tool("kind"), "bin3")
    repo.env["PATH"] = os.pathsep.join(str(repo.root / name) for name in ("missing", "bin", "bin2", "bin3"))
    assert_got(repo.run("path", "kind"), second)


def test_relative_path_entry_gives_an_absolute_path(repo: Repo) -> None:
    path = repo.put("kind", fake_tool("kind"))
    repo.env["PATH"] = "bin"
    assert_got(repo.run("path", "kind"), path)


@pytest.mark.parametrize("version", ["v0.77.50", "v0.77.5-rc.1"])
def test_other_version_on_path_is_noted_and_not_used(repo: Repo, release: Release, version: str) -> None:
    release.publish("kind")
    path = repo.put("kind", fake_tool("kind", version))
    result = repo.run("path", "kind")
    assert_got(result, repo.place("kind"))
    assert f"{path} is {version}, not v0.77.5" in result.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("#!/bin/sh\nexit 3\n", "exits with 3"),
        ("#!/bin/sh\necho hello\n", "does not tell its version"),
        ("#!/no/such/interpreter\n", "cannot be run"),
        (b"\x7fELF, not really", "cannot be run"),
        # The child keeps the pipe open: it has to go as well, or the script would wait for it.
        ("#!/bin/sh\n/bin/sleep 60\n", "did not tell its version within 1 s"),
    ],
    ids=["fails", "talks", "no-interpreter", "garbage", "hangs"],
)
def test_broken_binary_on_path_is_skipped(repo: Repo, release: Release, content: bytes | str, why: str) -> None:
    release.publish("kind")
    repo.put("kind", content)
    repo.env["TOOLS_TIMEOUT"] = "1"
    result = repo.run("path", "kind")
    assert_got(result, repo.place("kind"))
    assert why in result.stderr


# --- the tools folder


@pytest.mark.parametrize("name", VERSIONS)
def test_release_is_downloaded_once(repo: Repo, release: Release, name: str) -> None:
    release.publish(name)
    assert_got(repo.run("path", name), repo.place(name))
    assert repo.place(name).read_bytes() == fake_tool(name)
    assert repo.place(name).stat().st_mode & 0o777 == 0o755
    assert repo.left() == [str(repo.place(name))]
    assert release.requests == [release.checksums, release.asset]
    assert_got(repo.run("path", name), repo.place(name))
    assert release.requests == [release.checksums, release.asset]


def test_tools_dir_is_used(repo: Repo, release: Release, tmp_path: Path) -> None:
    release.publish("kind")
    repo.env["TOOLS_DIR"] = "elsewhere"
    assert_got(repo.run("path", "kind"), tmp_path / "elsewhere" / f"kind-{VERSIONS['kind']}" / "kind")
    assert not (repo.root / ".tools").exists()


def test_tool_that_is_there_needs_no_writing(repo: Repo) -> None:
    """The folder may be a part of a read-only image."""
    repo.place("kind").parent.mkdir(parents=True)
    repo.place("kind").write_bytes(fake_tool("kind"))
    repo.place("kind").chmod(0o755)
    (repo.place("kind").parent / ".lock").mkdir()  # cannot be opened, even by root
    assert_got(repo.run("path", "kind"), repo.place("kind"))


def test_unwritable_tools_dir_is_told(repo: Repo, release: Release) -> None:
    release.publish("kind")
    (repo.root / "file").write_text("not a folder")
    repo.env["TOOLS_DIR"] = str(repo.root / "file")
    assert_failed(repo.run("path", "kind"), "cannot write to", "set TOOLS_DIR")


def test_binary_of_another_machine_in_the_folder_is_replaced(repo: Repo, release: Release) -> None:
    release.publish("kind")
    repo.place("kind").parent.mkdir(parents=True)
    repo.place("kind").write_bytes(b"\xcf\xfa\xed\xfe of another system")
    repo.place("kind").chmod(0o755)
    assert_got(repo.run("path", "kind"), repo.place("kind"))
    assert repo.place("kind").read_bytes() == fake_tool("kind")


def test_rest_of_a_killed_run_is_removed(repo: Repo, release: Release) -> None:
    release.publish("kind")
    rest = repo.place("kind").parent / ".part-old" / "kind"
    rest.parent.mkdir(parents=True)
    rest.write_bytes(b"half")
    assert_got(repo.run("path", "kind"), repo.place("kind"))
    assert repo.left() == [str(repo.place("kind"))]


def test_two_processes_at_once(repo: Repo, release: Release) -> None:
    release.publish("helm")
    release.replies[release.asset].wait_halfway = True
    with repo.start("path", "helm") as first:
        assert release.halfway.wait(10), "the download has not started"
        with repo.start("path", "helm") as second:
            assert second.stderr is not None
            assert "waiting for another process" in second.stderr.readline()
            release.go_on.set()
            outputs = [first.communicate(timeout=20)[0], second.communicate(timeout=20)[0]]
    assert [first.returncode, second.returncode] == [0, 0]
    assert outputs == [f"{repo.place('helm')}\n"] * 2
    assert release.requests.count(release.asset) == 1
    assert repo.left() == [str(repo.place("helm"))]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_download_leaves_nothing(repo: Repo, release: Release, number: int, status: int) -> None:
    release.publish("helm")
    release.replies[release.asset].hold_halfway = True
    # A test run in the background may have SIGINT ignored, and a child inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = repo.start("path", "helm")
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        wait_until(lambda: release.halfway.is_set() and bool(repo.left()))
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == status, err
    assert out == ""
    assert "Traceback" not in err
    assert repo.left() == []


# --- no release to be had: the next way


def spoil(path: str, **changes: object) -> Callable[[Release], None]:
    """Change the reply at `asset` or `checksums`."""

    def change(release: Release) -> None:
        reply = release.replies[release.asset if path == "asset" else release.checksums]
        for key, value in changes.items():
            setattr(reply, key, value)

    return change


NO_RELEASE: dict[str, tuple[Callable[[Release], None], str]] = {
    "403": (spoil("asset", status=403), "HTTP 403"),
    "404": (spoil("checksums", status=404), "HTTP 404"),
    "503": (spoil("asset", status=503), "HTTP 503"),
    "truncated": (spoil("asset", length=10_000), "of 10000 bytes"),
    "truncated checksum": (spoil("checksums", length=10_000), "of 10000 bytes"),
    "stalled": (spoil("checksums", hold_before=True), "timed out"),
    "stalled halfway": (spoil("asset", hold_halfway=True), "timed out"),
    "redirect to http": (
        spoil("asset", status=302, location="http://releases.example/helm"),
        "http://releases.example/helm is refused",
    ),
    "redirect to a file": (spoil("asset", status=302, location="file:///etc/passwd"), "file:///etc/passwd"),
    "redirect to a name like loopback": (
        spoil("asset", status=302, location="http://127.0.0.1.example/helm"),
        "is refused",
    ),
    "redirect for ever": (spoil("asset", status=302, location="?"), "HTTP 302"),
}


@pytest.mark.parametrize("case", NO_RELEASE)
def test_unreachable_release_is_noted_and_go_is_tried(repo: Repo, release: Release, case: str) -> None:
    release.publish("helm")
    change, why = NO_RELEASE[case]
    change(release)
    repo.env["TOOLS_TIMEOUT"] = "1"
    result = repo.run("path", "helm")
    assert_failed(result, "no helm\n", "- download: http", why, "- Go build: no go on PATH", "HTTPS_PROXY", "GOPROXY")
    assert "put helm v9.8.7 on PATH" in result.stderr
    assert repo.left() == []


def test_refused_connection_is_noted_and_go_is_tried(repo: Repo) -> None:
    fake_go(repo)
    # Bound, so that nobody else takes the port, and without a listener.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        repo.env["TOOLS_BASE_URL_HELM"] = f"http://127.0.0.1:{bound.getsockname()[1]}"
        result = repo.run("path", "helm")
    assert_got(result, repo.place("helm"))
    assert "Connection refused" in result.stderr


def test_dead_host_is_asked_once_in_a_run(repo: Repo) -> None:
    fake_go(repo)
    calls: list[object] = []

    def hang_up() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, address = listener.accept()
                calls.append(address)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # https, so that the connection fails before there is an HTTP request.
        repo.env["TOOLS_BASE_URL_HELM"] = f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=hang_up)
        thread.start()
        result = repo.run("path", "helm", "helm3")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert result.returncode == 0, result.stderr
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("base", "why"),
    [("http://releases.example", "only https"), ("file:///tmp", "only https"), ("http://[x", "Invalid IPv6 URL")],
)
def test_base_url_has_to_be_https(repo: Repo, base: str, why: str) -> None:
    repo.env["TOOLS_BASE_URL_HELM"] = base
    assert_failed(repo.run("path", "helm"), f"- download: {base}", why)


def test_redirect_is_followed(repo: Repo, release: Release) -> None:
    release.publish("kind")
    release.replies["/cdn/kind"] = release.replies[release.asset]
    release.replies[release.asset] = Reply(status=302, location=f"{release.url}/cdn/kind")
    assert_got(repo.run("path", "kind"), repo.place("kind"))
    assert release.requests[-1] == "/cdn/kind"


def test_platform_without_release_is_told(repo: Repo) -> None:
    code = "import platform, runpy, sys; platform.machine = lambda: 'riscv64'; sys.argv = ['tools.py', 'path', 'kind']"
    command = [sys.executable, "-c", f"{code}; runpy.run_path({str(repo.script)!r}, run_name='__main__')"]
    result = subprocess.run(command, env=repo.env, capture_output=True, text=True, timeout=30, check=False)
    assert_failed(result, "no release for", "riscv64")


# --- something else than the release: the end


HELM_MEMBER = f"{OS}-{ARCH}/helm"
HTML = b"<html><body>Please log in to this network.</body></html>"
WRONG_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "no member": (tar_gz(("README.md", b"read me")), f"no regular file {HELM_MEMBER}"),
    "member elsewhere": (tar_gz(("other/helm", fake_tool("helm"))), "no regular file"),
    "symbolic link": (tar_gz(("real", fake_tool("helm")), (HELM_MEMBER, link("../real"))), "no regular file"),
    "hard link": (tar_gz(("real", fake_tool("helm")), (HELM_MEMBER, link("real", tarfile.LNKTYPE))), "no regular file"),
    "dots": (tar_gz((f"../../{HELM_MEMBER}", fake_tool("helm"))), "no regular file"),
    "dots inside": (tar_gz((f"{OS}-{ARCH}/../../helm", fake_tool("helm"))), "no regular file"),
    "not an archive": (HTML, "not a tar.gz archive"),
    "cut archive": (tar_gz((HELM_MEMBER, os.urandom(9000)))[:5000], "not a tar.gz archive"),
    "large member": (tar_gz((HELM_MEMBER, b"#" * 200_000)), "is larger than 100000 bytes"),
    "other version": (tar_gz((HELM_MEMBER, fake_tool("helm", "v9.8.6"))), "is v9.8.6, not v9.8.7"),
    "not a program": (tar_gz((HELM_MEMBER, b"hello")), "cannot be run"),
}
WRONG_REPLIES: dict[str, tuple[Callable[[Release], None], str]] = {
    "wrong digest": (spoil("checksums", body=f"{'a' * 64}  helm-v9.8.7-{OS}-{ARCH}.tar.gz\n".encode()), "a" * 64),
    "html for a digest": (spoil("checksums", body=HTML), "not a list of sha256"),
    "empty digest": (spoil("checksums", body=b""), "0 checksums for"),
    "short digest": (spoil("checksums", body=b"a" * 63), "not a list of sha256"),
    "digest of another file": (spoil("checksums", body=f"{'a' * 64}  helm.tar.gz\n".encode()), "0 checksums for"),
    "too large, announced": (spoil("asset", body=b"x" * 300_000), "larger than 100000 bytes"),
    "too large, not announced": (
        # The rest never comes: the script has to hang up, not to read to the end.
        spoil("asset", body=b"x" * 300_000, chunked=True, hold_halfway=True),
        "larger than 100000 bytes",
    ),
}


def assert_refused(repo: Repo, why: str) -> None:
    """The run fails for that reason, and Go is not asked, although it would have helped."""
    fake_go(repo)
    repo.env["TOOLS_MAX_BYTES"] = "100000"
    before = set(repo.root.rglob("*"))
    result = repo.run("path", "helm")
    assert_failed(result, why, "othing was installed")
    folder = repo.place("helm").parent
    # No file of the archive anywhere, and no go.log.
    assert set(repo.root.rglob("*")) - before == {folder.parent, folder, folder / ".lock"}


@pytest.mark.parametrize("case", WRONG_ARCHIVES)
def test_wrong_archive_is_refused(repo: Repo, release: Release, case: str) -> None:
    archive, why = WRONG_ARCHIVES[case]
    release.publish("helm", archive=archive)
    assert_refused(repo, why)


@pytest.mark.parametrize("case", WRONG_REPLIES)
def test_wrong_reply_is_refused(repo: Repo, release: Release, case: str) -> None:
    change, why = WRONG_REPLIES[case]
    release.publish("helm")
    change(release)
    assert_refused(repo, why)


def test_wrong_digest_names_the_file_and_both_digests(repo: Repo, release: Release) -> None:
    release.publish("kubectl")
    digest = hashlib.sha256(fake_tool("kubectl")).hexdigest()
    release.replies[release.checksums].body = b"b" * 64 + b"\n"
    result = repo.run("path", "kubectl")
    assert_failed(result, f"{release.url}{release.asset}", f"expected sha256 {'b' * 64}", f"got sha256 {digest}")


# --- built with Go


def fake_go(repo: Repo) -> None:
    """A `go` that writes down how it is called and makes the fake tool of that module, or the file FAKE_OUTPUT."""
    repo.put("go", f"#!{sys.executable} -I\n" + FAKE_GO.replace("LOG", repr(str(repo.root / "go.log"))))
    modules = {
        "helm": "helm.sh/helm/v4",
        "helm3": "helm.sh/helm/v3",
        "kind": "sigs.k8s.io/kind",
        "kubernetes": "k8s.io/kubernetes",
        "actionlint": "github.com/rhysd/actionlint",
    }
    for folder, module in modules.items():
        path = repo.root / "offline" / "modules" / folder
        path.mkdir(parents=True)
        name = "kubectl" if folder == "kubernetes" else folder
        requires = f"\tk8s.io/client-go v0.55.1 // indirect\n\t{module} {VERSIONS[name]} // indirect\n"
        (path / "go.mod").write_text(f"require (\n{requires})\n")
        (path / "fake").write_bytes(fake_tool(name))


FAKE_GO = """
import fcntl, json, os, shutil, subprocess, sys
keys = ("CGO_ENABLED", "GOFLAGS", "GOTOOLCHAIN", "GOWORK", "GOOS", "GOARCH")
with open(LOG, "a") as log:
    json.dump([sys.argv[1:], {key: os.environ.get(key) for key in keys}], log)
if "FAKE_ERROR" in os.environ:
    sys.exit(os.environ["FAKE_ERROR"])
if "FAKE_SECONDS" in os.environ:
    with open(sys.argv[sys.argv.index("-o") + 1], "w") as out:
        out.write("half")
    lock = open(LOG + ".lock", "w")  # held as long as this process or its child lives
    fcntl.flock(lock, fcntl.LOCK_EX)
    subprocess.run(["/bin/sleep", os.environ["FAKE_SECONDS"]], pass_fds=[lock.fileno()])
source = os.environ.get("FAKE_OUTPUT") or os.path.join(sys.argv[sys.argv.index("-C") + 1], "fake")
output = sys.argv[sys.argv.index("-o") + 1]
shutil.copy(source, output)
os.chmod(output, 0o755)
"""

COMPONENT = "k8s.io/component-base/version"
GO_BUILDS = {
    "helm": ("helm", "helm.sh/helm/v4/cmd/helm", "-s -w -X helm.sh/helm/v4/internal/version.version=v9.8.7"),
    "helm3": (
        "helm3",
        "helm.sh/helm/v3/cmd/helm",
        "-s -w -X helm.sh/helm/v3/internal/version.version=v3.99.1"
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=55"
        " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=55",
    ),
    "kind": ("kind", "sigs.k8s.io/kind", "-s -w"),
    "kubectl": (
        "kubernetes",
        "k8s.io/kubernetes/cmd/kubectl",
        f"-s -w -X {COMPONENT}.gitVersion=v1.66.4 -X {COMPONENT}.gitMajor=1 -X {COMPONENT}.gitMinor=66"
        f" -X {COMPONENT}.gitTreeState=clean",
    ),
    "actionlint": (
        "actionlint",
        "github.com/rhysd/actionlint/cmd/actionlint",
        "-s -w -X github.com/rhysd/actionlint.version=3.2.1",
    ),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_go_is_called_with_exactly_these_arguments(repo: Repo, name: str) -> None:
    folder, package, ldflags = GO_BUILDS[name]
    fake_go(repo)
    # The user's own settings do not count.
    repo.env |= {"GOFLAGS": "-mod=mod", "GOOS": "plan9", "GOARCH": "wasm", "GOWORK": "/go.work"}
    result = repo.run("path", name)
    assert_got(result, repo.place(name))
    assert "HTTP 404" in result.stderr
    arguments, env = json.loads((repo.root / "go.log").read_text())
    output = arguments.pop(arguments.index("-o") + 1)
    module = str(repo.root / "offline" / "modules" / folder)
    assert arguments == ["build", "-C", module, "-mod=readonly", "-trimpath", "-ldflags", ldflags, "-o", package]
    assert Path(output).is_relative_to(repo.place(name).parent)
    assert env == {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": None,
        "GOARCH": None,
    }
    assert repo.left() == [str(repo.place(name))]


def test_failed_build_is_told_in_its_own_words(repo: Repo) -> None:
    fake_go(repo)
    repo.env["FAKE_ERROR"] = "go: go.mod requires go >= 1.99 (running go 1.26; GOTOOLCHAIN=local)"
    assert_failed(repo.run("path", "kind"), "go build in", "requires go >= 1.99", "- download: http")
    assert repo.left() == []


def test_build_of_another_version_is_not_used(repo: Repo) -> None:
    fake_go(repo)
    (repo.root / "other").write_bytes(fake_tool("kind", "v0.77.6"))
    repo.env["FAKE_OUTPUT"] = str(repo.root / "other")
    assert_failed(repo.run("path", "kind"), "is v0.77.6, not v0.77.5")
    assert repo.left() == []


@pytest.mark.parametrize("version", ["v0.77.50", None])
def test_source_of_another_version_is_not_built(repo: Repo, version: str | None) -> None:
    """The linker flags would make it claim the pinned version all the same."""
    fake_go(repo)
    gomod = repo.root / "offline" / "modules" / "kind" / "go.mod"
    if version is None:
        gomod.unlink()
    else:
        gomod.write_text(f"require sigs.k8s.io/kind {version}\n")
    assert_failed(repo.run("path", "kind"), f"- Go build: {gomod}")
    assert not (repo.root / "go.log").exists()


def test_one_line_requirement_is_understood(repo: Repo) -> None:
    fake_go(repo)
    (repo.root / "offline" / "modules" / "kind" / "go.mod").write_text("require sigs.k8s.io/kind v0.77.5\n")
    assert_got(repo.run("path", "kind"), repo.place("kind"))


def test_interrupted_build_is_killed_and_leaves_nothing(repo: Repo) -> None:
    fake_go(repo)
    repo.env["FAKE_SECONDS"] = "60"
    lock = repo.root / "go.log.lock"
    with repo.start("path", "kind") as process:
        wait_until(lock.exists)
        assert repo.left()
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 143
    assert repo.left() == []
    with lock.open() as file:
        wait_until(lambda: is_free(file))  # the compilers, in this case /bin/sleep, are gone too


def is_free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- the command line and the module


def test_list_says_where_each_tool_is(repo: Repo, release: Release) -> None:
    on_path = repo.put("actionlint", fake_tool("actionlint"))
    release.publish("kind")
    repo.run("path", "kind")
    requests = list(release.requests)
    result = repo.run("list")
    assert result.returncode == 0, result.stderr
    rows = {line.split(maxsplit=2)[0]: line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()[1:]}
    assert rows.keys() == VERSIONS.keys()
    assert rows["actionlint"] == ["v3.2.1", f"PATH: {on_path}"]
    assert rows["kind"] == ["v0.77.5", str(repo.place("kind"))]
    assert rows["helm"] == ["v9.8.7", "not yet"]
    assert release.requests == requests


def test_pinned_versions_of_this_repository(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "TOOLS_DIR": str(tmp_path)}
    command = [sys.executable, str(SCRIPT), "list"]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == list(VERSIONS)
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", row[1]) and row[2] == "not yet" for row in rows)


def test_all_or_nothing(repo: Repo) -> None:
    repo.put("kind", fake_tool("kind"))
    assert_failed(repo.run("path", "kind", "helm"), "no way to get helm v9.8.7")


def test_usage_errors(repo: Repo) -> None:
    for arguments in (["path"], ["path", "docker"], []):
        assert repo.run(*arguments).returncode == 2


@pytest.mark.parametrize("value", ["", "1.2.3", "v1.2.3/../x"])
def test_version_that_is_none_is_told(repo: Repo, value: str) -> None:
    (repo.root / "versions.env").write_text(f"KIND={value}\n")
    assert_failed(repo.run("path", "kind"), "versions.env has no line KIND=vX.Y.Z")


def test_missing_versions_file_is_told(repo: Repo) -> None:
    (repo.root / "versions.env").unlink()
    assert_failed(repo.run("path", "kind"), "cannot read the pinned versions")


@pytest.mark.parametrize("value", ["soon", "0"])
def test_timeout_that_is_none_is_told(repo: Repo, value: str) -> None:
    repo.env["TOOLS_TIMEOUT"] = value
    assert_failed(repo.run("path", "kind"), f"TOOLS_TIMEOUT is '{value}'")


def test_as_a_module(repo: Repo, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("tools_under_test", repo.script)
    assert spec is not None
    assert spec.loader is not None
    tools = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, tools)
    spec.loader.exec_module(tools)
    for key, value in repo.env.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(RuntimeError, match="no way to get kind") as caught:
        tools.resolve("kind")
    assert type(caught.value) is tools.ToolUnavailable
    release.publish("kind")
    assert tools.resolve("kind") == repo.place("kind")
