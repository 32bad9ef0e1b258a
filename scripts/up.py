"""`make up`: from nothing to the application on http://localhost:5000, served from a kind cluster.

Safe to run again: what is there already is kept, and what changed is rolled out. Standard library only.
"""

import argparse
import errno
import socket
import subprocess
import sys
from pathlib import Path

import cluster
from deploy import Image, command, run_to_its_end
from tools import ToolUnavailable, resolve

ROOT = Path(__file__).resolve().parents[1]


def require_free(port: int) -> None:
    """Raise ClusterError if something listens on `port` of this machine: better now than after five minutes."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise cluster.ClusterError(
                f"port {port} is already in use: stop what uses it, or choose another with PORT=<port>"
            ) from error


def build_image() -> str:
    """Build the image and return its reference, whose tag names the content: a new build is rolled out by it."""
    subprocess.run(["make", "--directory", str(ROOT), "image", "IMAGE=flask-app:dev"], check=True)
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", "flask-app:dev"],
        check=True,
        capture_output=True,
        text=True,
    )
    reference = f"flask-app:{asked.stdout.strip().removeprefix('sha256:')[:12]}"
    subprocess.run(["docker", "tag", "flask-app:dev", reference], check=True)
    return reference


def up(name: str, release: str, namespace: str, port: int) -> None:
    """Create, build, deploy and forward; returns when the forwarding is interrupted."""
    require_free(port)
    cluster.create(name)
    image = build_image()
    cluster.load(name, image)
    context = f"kind-{name}"
    helm = command(
        Image.parse(image),
        release=release,
        namespace=namespace,
        timeout="5m",
        values=[],
        extra=["--kube-context", context],
    )
    if run_to_its_end(helm):
        raise cluster.ClusterError(f"{image} was not deployed; kubectl --context {context} get pods,events shows why")
    print(f"\nServing on http://localhost:{port} until Ctrl-C. The cluster stays: make down deletes it.\n", flush=True)
    kubectl = [str(resolve("kubectl")), "--context", context, "--namespace", namespace]
    fullname = release if "flask-app" in release else f"{release}-flask-app"
    subprocess.run([*kubectl, "port-forward", f"service/{fullname}", f"{port}:5000"], check=True)


def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Deploy the application to a kind cluster and forward a port to it.")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    try:
        up(arguments.cluster, arguments.release, arguments.namespace, arguments.port)
    except (cluster.ClusterError, ToolUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd[:3]))} ... failed with exit status {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
