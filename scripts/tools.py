#!/usr/bin/env python3
"""Find helm, helm3, kind, kubectl and actionlint at exactly the versions that versions.env pins.

    python3 scripts/tools.py path NAME [NAME...]   one absolute path per NAME on stdout, everything else on stderr
    python3 scripts/tools.py list                  a table: tool, pinned version, where it is found now

A tool is looked for in this order; the binary itself is asked for its version each time:
  1. on PATH, at exactly the pinned version (another version is not used: everybody works with the same one);
  2. in the tools folder, as <name>-<version>/<name>;
  3. downloaded from the official release over HTTPS and checked against the sha256 published beside it;
  4. built with Go from offline/modules/, where go.sum holds the checksums.

A server that cannot be reached, refuses, or sends half a file is noted and the next way is tried. A server that sends
something else than the release (a wrong digest, no digest, no such file in the archive) is the end of it: that may be
tampering, and building the same tool another way would hide it.

Environment, all optional:
  TOOLS_DIR                 the tools folder; .tools in the repository by default
  TOOLS_BASE_URL_HELM, TOOLS_BASE_URL_KIND, TOOLS_BASE_URL_KUBECTL, TOOLS_BASE_URL_ACTIONLINT
                            a mirror in place of the release host, laid out as `base_url` in TOOLS below; https only
                            (http for this machine itself)
  TOOLS_TIMEOUT             seconds to wait for a server to send something, or for a binary to tell its version; 15
  TOOLS_MAX_BYTES           the largest file to accept, packed or unpacked; 314572800, which is 300 MiB
  HTTPS_PROXY, NO_PROXY     as everywhere

Standard library only: this runs before there is a virtual environment.
"""

import argparse
import hashlib
import http.client
import ipaddress
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

if sys.platform == "win32":
    raise SystemExit("tools.py: Windows is not supported; run it in WSL")
import fcntl

ROOT = Path(__file__).resolve().parent.parent
DOWNLOAD_SECONDS = 900  # for one whole file, however steadily it drips
BUILD_SECONDS = 3600  # for one `go build`: kubectl takes some minutes on two cores with nothing cached
CHECKSUMS_BYTES = 1 << 20  # the longest list of checksums to read


class ToolUnavailable(RuntimeError):
    """The tool cannot be had; the message says why and what to do."""


class _NextWay(Exception):
    """This way of getting the tool is closed, for the reason in the message; another may be open."""


@dataclass(frozen=True)
class Tool:
    """What there is to know about one tool.

    `{v}` stands for the version as in versions.env (v1.2.3), `{bare}` for the same without the v, `{minor}` for its
    second number, `{os}` and `{arch}` for the platform as Go names it, `{client_go}` for the second number of the
    version of k8s.io/client-go in go.mod (37 for v0.37.2).
    """

    key: str  # in versions.env
    commands: tuple[str, ...]  # file names to look for on PATH
    ask: tuple[str, ...]  # arguments that make it tell its version
    answer: str  # regular expression for the output; group 1 is the version, with or without the v
    mirror: str  # TOOLS_BASE_URL_<mirror> replaces base_url
    base_url: str
    asset: str  # the file of the release, below base_url
    checksums: str  # the file with its sha256
    member: str  # the binary in the archive; empty if the asset is the binary
    folder: str  # of the Go module, in offline/modules
    module: str
    package: str
    ldflags: str = ""  # without them the binary would not know its version


_HELM3_FLAGS = " ".join(
    # The last four are the Kubernetes version that charts see in `helm template` and `helm lint`; v1.20 without them.
    f"-X helm.sh/helm/v3/{variable}"
    for variable in (
        "internal/version.version={v}",
        "pkg/chartutil.k8sVersionMajor=1",
        "pkg/chartutil.k8sVersionMinor={client_go}",
        "pkg/lint/rules.k8sVersionMajor=1",
        "pkg/lint/rules.k8sVersionMinor={client_go}",
    )
)
_KUBECTL_FLAGS = " ".join(
    f"-X k8s.io/component-base/version.{variable}"
    for variable in ("gitVersion={v}", "gitMajor=1", "gitMinor={minor}", "gitTreeState=clean")
)

# fmt: off
TOOLS = {
    "helm": Tool(
        "HELM", ("helm",), ("version", "--template", "{{.Version}}"), r"(\S+)$",
        "HELM", "https://get.helm.sh",
        "helm-{v}-{os}-{arch}.tar.gz", "helm-{v}-{os}-{arch}.tar.gz.sha256sum", "{os}-{arch}/helm",
        "helm", "helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm", "-X helm.sh/helm/v4/internal/version.version={v}",
    ),
    "helm3": Tool(
        "HELM3", ("helm3", "helm"), ("version", "--template", "{{.Version}}"), r"(\S+)$",
        "HELM", "https://get.helm.sh",
        "helm-{v}-{os}-{arch}.tar.gz", "helm-{v}-{os}-{arch}.tar.gz.sha256sum", "{os}-{arch}/helm",
        "helm3", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm", _HELM3_FLAGS,
    ),
    "kind": Tool(
        "KIND", ("kind",), ("version",), r"kind (\S+)",
        "KIND", "https://github.com/kubernetes-sigs/kind/releases/download",
        "{v}/kind-{os}-{arch}", "{v}/kind-{os}-{arch}.sha256sum", "",
        "kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind",
    ),
    "kubectl": Tool(
        "KUBECTL", ("kubectl",), ("version", "--client", "-o", "json"), r'\{[^}]*"gitVersion":\s*"([^"]+)"',
        "KUBECTL", "https://dl.k8s.io/release",
        "{v}/bin/{os}/{arch}/kubectl", "{v}/bin/{os}/{arch}/kubectl.sha256", "",
        "kubernetes", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kubectl", _KUBECTL_FLAGS,
    ),
    "actionlint": Tool(
        "ACTIONLINT", ("actionlint",), ("-version",), r"(\S+)$",
        "ACTIONLINT", "https://github.com/rhysd/actionlint/releases/download",
        "{v}/actionlint_{bare}_{os}_{arch}.tar.gz", "{v}/actionlint_{bare}_checksums.txt", "actionlint",
        "actionlint", "github.com/rhysd/actionlint", "github.com/rhysd/actionlint/cmd/actionlint",
        "-X github.com/rhysd/actionlint.version={bare}",
    ),
}
# fmt: on

_down: dict[str, str] = {}  # host -> why it cannot be reached: a dead network costs one time-out in a run, not five


def _note(text: str) -> None:
    print(f"tools.py: {text}", file=sys.stderr, flush=True)


def _number(variable: str, default: float) -> float:
    """The positive number in an environment variable. Raises ToolUnavailable for anything else."""
    text = os.environ.get(variable) or str(default)
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", text) or float(text) == 0:
        raise ToolUnavailable(f"{variable} is {text!r}, which is not a positive number")
    return float(text)


def pinned(name: str) -> str:
    """The version of tool `name` in versions.env, such as v1.2.3. Raises ToolUnavailable if there is none."""
    env, key = ROOT / "versions.env", TOOLS[name].key
    try:
        found = re.search(rf"^{key}=(.*)$", env.read_text(), re.MULTILINE)
    except OSError as error:
        raise ToolUnavailable(f"cannot read the pinned versions: {error}") from None
    # It becomes a part of URLs, paths and linker flags.
    if not found or not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", found[1].strip()):
        raise ToolUnavailable(f"{env} has no line {key}=vX.Y.Z")
    return found[1].strip()


# --- asking a binary


def _run(command: list[str], seconds: float, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `command`; subprocess.TimeoutExpired after `seconds`.

    It runs in a process group of its own, so that whatever it has started (a wrapper's child, Go's compilers) is
    killed with it on a time-out or Ctrl-C.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace", env=env,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, err


def _check_version(tool: Tool, version: str, binary: Path) -> None:
    """Raise _NextWay, saying why, unless `binary` reports `version`."""
    seconds = _number("TOOLS_TIMEOUT", 15)
    try:
        status, out, _ = _run([str(binary), *tool.ask], seconds)
    except subprocess.TimeoutExpired:
        raise _NextWay(f"{binary} did not tell its version within {seconds:g} s") from None
    except OSError as error:
        raise _NextWay(f"{binary} cannot be run: {error.strerror}") from None
    if status != 0:
        raise _NextWay(f"{binary} exits with {status} when asked for its version")
    answer = re.match(tool.answer, out.strip(), re.MULTILINE)
    if not answer:
        raise _NextWay(f"{binary} does not tell its version in a known form")
    if answer[1].removeprefix("v") != version.removeprefix("v"):
        raise _NextWay(f"{binary} is {answer[1]}, not {version}")


# --- way 1 and 2: it is there already


def _on_path(tool: Tool, version: str, tried: list[str]) -> Path | None:
    seen: set[str] = set()  # /bin is often a link to /usr/bin
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for command in tool.commands:
            found = shutil.which(command, path=folder)
            if found is None or os.path.realpath(found) in seen:
                continue
            seen.add(os.path.realpath(found))
            try:
                _check_version(tool, version, Path(found))
            except _NextWay as reason:
                _note(f"not used: {reason}")
                tried.append(f"PATH: {reason}")
            else:
                return Path(found).absolute()
    if not seen:
        tried.append(f"PATH: no {' or '.join(tool.commands)}")
    return None


def _place(name: str, version: str) -> Path:
    """Where the tools folder has, or will have, the tool: an absolute path."""
    folder = os.environ.get("TOOLS_DIR")
    return (Path(folder) if folder else ROOT / ".tools").absolute() / f"{name}-{version}" / name


def _in_place(tool: Tool, version: str, place: Path) -> bool:
    if not place.exists():
        return False
    try:
        # Files get here whole or not at all, but the folder may have come from another kind of machine.
        _check_version(tool, version, place)
    except _NextWay as reason:
        _note(f"to be replaced: {reason}")
        return False
    return True


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, gone at the end whatever happens; other processes wait at `folder`/.lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # never removed: that would let two processes lock two files
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _note(f"waiting for another process that is getting {folder.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".part-*"):  # by a process that was killed: a living one would hold the lock
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


# --- way 3: the official release


def _check_url(url: str) -> None:
    """Raise _NextWay unless `url` is https, or http on this machine's own loopback interface."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _NextWay(f"{url}: {error}") from None
    loopback = parts.hostname == "localhost"
    with suppress(ValueError):  # a name, not an address
        loopback = loopback or ipaddress.ip_address(parts.hostname or "").is_loopback
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise _NextWay(f"{url} is refused: only https is used")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _stream(url: str, limit: int) -> Iterator[bytes]:
    """The body of `url` in pieces.

    Raises _NextWay if it cannot be had, or not whole; ToolUnavailable if it is longer than `limit` bytes.
    """
    _check_url(url)
    host = urlsplit(url).netloc
    if host in _down:
        raise _NextWay(f"{url}: {_down[host]}")
    seconds = _number("TOOLS_TIMEOUT", 15)
    end, received = time.monotonic() + DOWNLOAD_SECONDS, 0
    opener = urllib.request.build_opener(_CheckedRedirects)
    opener.addheaders = [("User-Agent", "tools.py")]
    try:
        with opener.open(url, timeout=seconds) as response:
            length = response.headers.get("Content-Length", "")
            while received <= limit and (piece := response.read1(1 << 16)):
                received += len(piece)
                yield piece
                if time.monotonic() > end:
                    raise _NextWay(f"{url}: not finished after {DOWNLOAD_SECONDS} s")
    except urllib.error.HTTPError as error:
        with error:
            raise _NextWay(f"{url}: HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        _down[host] = str(error.reason)
        raise _NextWay(f"{url}: {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _NextWay(f"{url}: {error!r}") from None
    if received > limit:
        raise ToolUnavailable(f"{url} is larger than {limit} bytes, so it is not the release. Nothing was installed.")
    if length.isdigit() and received != int(length):
        raise _NextWay(f"{url}: ended after {received} of {length} bytes")


def parse_checksums(body: str, file_name: str) -> str:
    """The sha256 of `file_name`, 64 lower-case hex digits, out of a published list.

    Lines are `<hex>  <name>` as sha256sum writes them (Helm, kind, actionlint); or the body is one bare `<hex>`
    (kubectl). Raises ValueError if any line is something else, or not exactly one digest belongs to the file.
    """
    digests: set[str] = set()
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    for line in lines:
        found = re.fullmatch(r"([0-9a-fA-F]{64})(?: [ *](\S.*))?", line)
        if not found:
            raise ValueError(f"not a list of sha256 checksums: {line[:60]!r}")
        if found[2] == file_name or (found[2] is None and len(lines) == 1):
            digests.add(found[1].lower())
    if len(digests) != 1:
        raise ValueError(f"{len(digests)} checksums for {file_name}")
    return digests.pop()


def _platform() -> tuple[str, str]:
    """Operating system and processor as Go names them. Raises _NextWay where the projects release nothing to use."""
    machines = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    arch = machines.get(platform.machine().lower())
    if sys.platform not in ("linux", "darwin") or arch is None:
        raise _NextWay(
            f"no release for {sys.platform} on {platform.machine()}, only Linux and macOS on amd64 and arm64"
        )
    return sys.platform, arch


def _unpack(archive: Path, member: str, target: Path, limit: int) -> None:
    """Write the regular file `member` of the tar.gz to `target`. Raises ValueError if it is not there or no such."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            info = next((entry for entry in tar if entry.name == member), None)
            if info is None or not info.isreg():
                raise ValueError(f"no regular file {member} in the archive")
            if info.size > limit:
                raise ValueError(f"{member} is larger than {limit} bytes")
            source = tar.extractfile(info)
            assert source is not None  # only for what is not a regular file
            with source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise ValueError(f"not a tar.gz archive: {error}") from None


def _download(tool: Tool, version: str, binary: Path) -> None:
    """Put the released binary, digest and version checked, at `binary`.

    Raises _NextWay if the release cannot be had, ToolUnavailable if what came is not the release.
    """
    system, arch = _platform()
    base = (os.environ.get(f"TOOLS_BASE_URL_{tool.mirror}") or tool.base_url).rstrip("/")
    names = {"v": version, "bare": version.removeprefix("v"), "os": system, "arch": arch}
    url, checksums = (f"{base}/{path.format(**names)}" for path in (tool.asset, tool.checksums))
    limit = int(_number("TOOLS_MAX_BYTES", 300 << 20))
    _note(f"downloading {url}")
    digest, asset = hashlib.sha256(), binary.with_suffix(".asset")
    # The checksum first: with no network, or no such release, that is all there is to wait for.
    body = b"".join(_stream(checksums, CHECKSUMS_BYTES)).decode(errors="replace")
    try:
        expected = parse_checksums(body, url.rpartition("/")[2])
    except ValueError as error:
        raise ToolUnavailable(_rejected(checksums, str(error))) from None
    with asset.open("wb") as out:
        for piece in _stream(url, limit):
            digest.update(piece)
            out.write(piece)
    if digest.hexdigest() != expected:
        raise ToolUnavailable(_rejected(url, f"expected sha256 {expected}\n         got sha256 {digest.hexdigest()}"))
    try:
        if tool.member:
            _unpack(asset, tool.member.format(**names), binary, limit)
        else:
            asset.rename(binary)
        binary.chmod(0o755)
        _check_version(tool, version, binary)
    except (ValueError, _NextWay) as error:
        raise ToolUnavailable(_rejected(url, str(error))) from None


def _rejected(url: str, why: str) -> str:
    return (
        f"what the server sent is not the release, and nothing was installed:\n  {url}\n         {why}\n"
        "It may have been tampered with, or a proxy or mirror answered in its place. Look at that address from another "
        "network. If it is a proxy's doing, set HTTPS_PROXY or TOOLS_BASE_URL_* (see scripts/tools.py); else put the "
        "tool on PATH yourself."
    )


# --- way 4: from source


def _build(tool: Tool, version: str, binary: Path) -> None:
    """Build `binary` with Go. Raises _NextWay if that is not possible."""
    go, folder = shutil.which("go"), ROOT / "offline" / "modules" / tool.folder
    if go is None:
        raise _NextWay("no go on PATH")
    try:
        gomod = (folder / "go.mod").read_text()
    except OSError as error:
        raise _NextWay(f"{error.filename}: {error.strerror}") from None
    # The flags below make the binary claim the pinned version, so its source has to be of that version.
    if not re.search(rf"^\s*(require )?{re.escape(tool.module)} {re.escape(version)}(\s|$)", gomod, re.MULTILINE):
        raise _NextWay(f"{folder / 'go.mod'} does not require {tool.module} {version}: run offline/lock")
    client_go = re.search(r"^\s*k8s\.io/client-go v0\.(\d+)\.", gomod, re.MULTILINE)
    flags = tool.ldflags.format(
        v=version, bare=version.removeprefix("v"), minor=version.split(".")[1],
        client_go=client_go[1] if client_go else "",
    )  # fmt: skip
    # Settings of the user which would change what is built, or for which machine, do not count here.
    env = {key: value for key, value in os.environ.items() if key not in ("GOOS", "GOARCH")}
    env |= {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [go, "build", "-C", str(folder), "-mod=readonly", "-trimpath", "-ldflags", f"-s -w {flags}".strip()]
    _note(f"building {tool.package} {version} with Go; the first time takes minutes")
    try:
        status, _, err = _run([*command, "-o", str(binary), tool.package], BUILD_SECONDS, env)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NextWay(f"{go}: {error}") from None
    if status != 0:
        last = "\n      ".join(err.strip().splitlines()[-5:])
        raise _NextWay(f"go build in {folder} failed:\n      {last}")
    _check_version(tool, version, binary)


# --- all together


def resolve(name: str) -> Path:
    """The absolute path of tool `name` (a key of TOOLS) at its pinned version, got if need be.

    Raises ToolUnavailable if there is no way to have it. Takes seconds for a download, minutes for a build.
    """
    tool, version, tried = TOOLS[name], pinned(name), list[str]()
    place = _place(name, version)
    found = _on_path(tool, version, tried)
    if found is not None:
        return found
    if _in_place(tool, version, place):
        return place
    try:
        with _staging(place.parent) as staging:
            # Another process may have got it while this one waited.
            if _in_place(tool, version, place):
                return place
            for label, way in (("download", _download), ("Go build", _build)):
                binary = staging / f"{name}-{label.split()[0].lower()}"
                try:
                    way(tool, version, binary)
                except _NextWay as reason:
                    _note(f"{label}: {reason}")
                    tried.append(f"{label}: {reason}")
                else:
                    binary.replace(place)
                    return place
    except ToolUnavailable as error:
        raise ToolUnavailable(f"{name} {version}: {error}") from None
    except OSError as error:
        raise ToolUnavailable(f"{name} {version}: cannot write to {place.parent} ({error}); set TOOLS_DIR") from None
    raise ToolUnavailable(
        f"there is no way to get {name} {version} here. Tried:\n"
        + "".join(f"  - {line}\n" for line in tried)
        + f"One of these helps: put {name} {version} on PATH; give this machine a way to "
        f"{urlsplit(tool.base_url).netloc} (HTTPS_PROXY, or a mirror in TOOLS_BASE_URL_{tool.mirror}); or install the "
        f"Go named in offline/modules/{tool.folder}/go.mod, with a module mirror in reach (GOPROXY)."
    )


def place(name: str) -> Path | None:
    """Where tool `name` is at its pinned version; None if it would have to be fetched first. Gets nothing."""
    version = pinned(name)
    there = _place(name, version)
    return _on_path(TOOLS[name], version, []) or (there if _in_place(TOOLS[name], version, there) else None)


def _table() -> Iterator[str]:
    yield f"{'TOOL':<12}{'PINNED':<12}FOUND"
    for name, tool in TOOLS.items():
        version = pinned(name)
        place = _place(name, version)
        found = _on_path(tool, version, [])
        where = f"PATH: {found}" if found else f"{place}" if _in_place(tool, version, place) else "not yet"
        yield f"{name:<12}{version:<12}{where}"


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)  # like Ctrl-C, so that temporary files go


def main() -> int:
    """Run the command line; the exit status: 0, 1 if a tool cannot be had, 130 on Ctrl-C (2 is a usage error)."""
    parser = argparse.ArgumentParser(description="Find the command-line tools at the versions pinned in versions.env.")
    commands = parser.add_subparsers(dest="command", required=True)
    path = commands.add_parser("path", help="print one absolute path per tool; get the tool if need be")
    path.add_argument("name", nargs="+", choices=TOOLS, help=", ".join(TOOLS), metavar="NAME")
    commands.add_parser("list", help="print a table of the tools; get nothing")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup it is to stay ignored
            signal.signal(number, _stop)
    try:
        # All or nothing, so that a caller who overlooks the exit status does not take half a list.
        print("\n".join(_table() if arguments.command == "list" else [str(resolve(name)) for name in arguments.name]))
    except ToolUnavailable as error:
        _note(str(error))
        return 1
    except KeyboardInterrupt:
        _note("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
