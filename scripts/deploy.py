"""`make deploy`: one helm upgrade that waits, and rolls back by itself when the new version does not become ready.

It prints the command, which a person may run by hand. The cluster is the one of the current kubeconfig, or, where
KUBECONFIG_CONTENT is set, of that kubeconfig: for pipelines, which hold it as a secret and not as a file.
Standard library only, like tools.py.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import ToolUnavailable, resolve

CHART = Path(__file__).resolve().parents[1] / "charts" / "flask-app"
# registry:port/path:tag@digest, of which tag or digest may be missing
_IMAGE = re.compile(
    r"(?P<repository>(?:[\w.-]+(?::\d+)?/)?[\w./-]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Image:
    """An image reference, in the parts that the chart's values have."""

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, reference: str) -> "Image":
        """Take `registry/name:tag`, `name@sha256:...` or both apart.

        Raises ValueError for anything else: an image without tag and digest would be another one each time.
        """
        match = _IMAGE.fullmatch(reference)
        if not match or not (match["tag"] or match["digest"]):
            raise ValueError(f"IMAGE={reference!r} is not an image with a tag or a digest, such as registry/name:1.0")
        return cls(match["repository"], match["tag"] or "", match["digest"] or "")


def command(
    image: Image, *, release: str, namespace: str, timeout: str, values: list[str], extra: list[str]
) -> list[str]:
    """The helm command line. `values` are files, `extra` further arguments of helm."""
    return [
        str(resolve("helm")), "upgrade", "--install", release, str(CHART),
        "--namespace", namespace, "--create-namespace",
        *(argument for file in values for argument in ("--values", file)),
        "--set-string", f"image.repository={image.repository},image.tag={image.tag},image.digest={image.digest}",
        "--wait", "--rollback-on-failure", "--timeout", timeout,
        *extra,
    ]  # fmt: skip


def run_to_its_end(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Run a command that must be left to finish what it does when it is interrupted; returns its exit status.

    Interrupted, helm rolls back first. Killed in the middle of that, it would leave the release in a state that the
    next deployment refuses. So Ctrl-C, which reaches it anyway, is left to it, and SIGTERM is passed on.
    """
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if running:
            running[0].send_signal(number)
        else:
            # It may be running already: Popen has not returned yet.
            early.append(number)

    # Set before it starts, so that none is missed; a handler, unlike SIG_IGN, is not inherited by it.
    interrupt = signal.signal(signal.SIGINT, lambda *_: None)
    terminate = signal.signal(signal.SIGTERM, pass_on)
    try:
        running.append(subprocess.Popen(command, env=environment))
        for number in early:
            running[0].send_signal(number)
        return running[0].wait()
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


@contextmanager
def _kubeconfig() -> Iterator[dict[str, str]]:
    """The environment for helm. A kubeconfig from KUBECONFIG_CONTENT is a file, for us alone, while this lasts."""
    environment = dict(os.environ)
    content = environment.pop("KUBECONFIG_CONTENT", "")
    if not content:
        yield environment
        return
    # Made with mode 0600.
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:
        file.write(content)
        file.flush()
        yield {**environment, "KUBECONFIG": file.name}


def main() -> int:
    """The command line. Returns helm's exit status."""
    parser = argparse.ArgumentParser(description="Deploy an image to the cluster of the current kubeconfig.")
    parser.add_argument("--image", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--timeout", default="5m")
    parser.add_argument("--values", action="append", default=[])
    arguments, extra = parser.parse_known_args()
    try:
        image = Image.parse(arguments.image)
        for file in arguments.values:
            if not Path(file).is_file():
                raise ValueError(f"VALUES={file!r} is not a file")
        helm = command(
            image,
            release=arguments.release,
            namespace=arguments.namespace,
            timeout=arguments.timeout,
            values=arguments.values,
            extra=extra,
        )
    except (ValueError, ToolUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(shlex.join(helm), flush=True)
    with _kubeconfig() as environment:
        status = run_to_its_end(helm, environment)
    if status:
        print(
            f"{arguments.image} was not deployed. If {arguments.release} was running before, it runs as it did: "
            f"see helm --namespace {arguments.namespace} history {arguments.release}",
            file=sys.stderr,
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
