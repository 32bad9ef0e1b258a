"""make and its scripts, as a stranger runs them: help, refusals, what the commands become."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import cluster
from delivery.deployment import up
from delivery.deployment.release import helm
from tests.serving_process import ROOT, Server, free_port, until


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the project, with `variables` in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-C", str(ROOT), *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def no_docker(tmp_path: Path) -> str:
    """A PATH without docker."""
    for name in ("python3", "make", "sh", "bash", "git", "awk", "env", "uname"):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found:
            (tmp_path / name).symlink_to(found)
    return str(tmp_path)


# --- make -----------------------------------------------------------------------------------------------------------


def test_make_lists_its_targets_one_line_each() -> None:
    lines = [line for line in make().stdout.splitlines() if line.startswith("  make ")]
    listed = {line.split()[1] for line in lines}
    assert {"run", "test", "up", "down", "kind-test", "image", "lock", "offline", "deploy", "help"} <= listed
    assert all(len(line.split()) > 3 for line in lines), "each says what it does"
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert listed | {"require-python"} == phony


def test_make_run_serves_until_interrupted_and_leaves_nothing() -> None:
    port, management = free_port(), free_port()
    process = subprocess.Popen(
        ["make", "-C", str(ROOT), "run", f"PORT={port}"],
        env={**os.environ, "MANAGEMENT_PORT": str(management)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    server = Server(process, port, management, Path(os.devnull))
    try:
        until("it serves", server.is_ready, timeout=60)
        assert server.get("/").json()["name"] == "flask-app"
    finally:
        # As Ctrl-C in a terminal: to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=20)

    def gone() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    until("every process has ended", gone, timeout=5)
    assert "Traceback" not in output


def test_make_run_says_that_the_port_is_busy() -> None:
    with socket.create_server(("0.0.0.0", 0)) as busy:
        port = busy.getsockname()[1]
        refused = make("run", f"PORT={port}")
    assert refused.returncode != 0
    assert f"port {port} is already in use: stop what uses it, or choose another with PORT=<port>" in refused.stderr


def test_make_push_without_a_chart_registry_pushes_the_image_alone(tmp_path: Path) -> None:
    for name in ("docker", "helm"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n')
        (tmp_path / name).chmod(0o755)
    pushed = make("push", "IMAGE=a:1", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert pushed.returncode == 0, pushed.stderr
    assert (tmp_path / "asked").read_text() == "docker push a:1\n"


def test_an_old_python_is_refused_with_what_is_needed() -> None:
    script = f"import sys; sys.version_info = (3, 9, 1); sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
    script += "import make_venv; sys.exit(make_venv.is_old())"
    refused = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 1
    assert "Python 3.11 or later is needed" in refused.stderr
    assert "PYTHON=<path>" in refused.stderr


# --- the cluster ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["image", "up", "down"])
def test_without_docker_it_says_what_to_install(no_docker: str, target: str) -> None:
    refused = make(target, f"PORT={free_port()}", PATH=no_docker)
    assert refused.returncode != 0
    assert "docker is not on PATH: install Docker Engine" in refused.stderr
    assert "make offline" in refused.stderr


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'permission denied' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cluster.ClusterError, match=r"does not answer \(permission denied\): start it"):
        cluster.require_engine()


def test_make_up_says_that_the_port_is_busy_before_anything_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        began = time.monotonic()
        refused = make("up", f"PORT={busy.getsockname()[1]}")
    assert refused.returncode != 0
    assert "is already in use" in refused.stderr
    assert time.monotonic() - began < 10


def test_the_node_image_is_the_one_that_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "offline.env"
    monkeypatch.setattr(cluster, "OFFLINE_SETTINGS", settings)
    assert cluster.node_image({}) is None, "kind's own default, the official one"
    settings.write_text("KIND_NODE_IMAGE=built/node:1\n")
    assert cluster.node_image({}) == "built/node:1"
    assert cluster.node_image({"KIND_NODE_IMAGE": "mine:2"}) == "mine:2"


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(cluster.ClusterError, match=f"port {port} is already in use"):
            up.require_free(port)
    up.require_free(port)


# --- make deploy ----------------------------------------------------------------------------------------------------

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("app:1", ("app", "1", "")),
        ("registry.example/team/app:v1.2-rc.1", ("registry.example/team/app", "v1.2-rc.1", "")),
        ("localhost:5001/app:1", ("localhost:5001/app", "1", "")),
        (f"localhost:5001/app@{DIGEST}", ("localhost:5001/app", "", DIGEST)),
        (f"r/app:1@{DIGEST}", ("r/app", "1", DIGEST)),
    ],
)
def test_an_image_reference_is_taken_apart(reference: str, parts: tuple[str, str, str]) -> None:
    image = helm.Image.parse(reference)
    assert (image.repository, image.tag, image.digest) == parts


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "app",
        "localhost:5001/app",
        "app:",
        "a b:1",
        "app:1 --set x=y",
        "a,service.type=LoadBalancer:1",
        "app@sha256:1",
    ],
)
def test_an_image_without_tag_or_digest_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="not an image with a tag or a digest"):
        helm.Image.parse(reference)


def fake_helm(folder: Path) -> str:
    """A PATH whose helm says that it is the pinned one and otherwise prints its arguments and kubeconfig."""
    version = re.search(r"^HELM=(.*)$", (ROOT / "versions.env").read_text(), re.MULTILINE)
    assert version
    command = folder / "helm"
    command.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && echo {version[1]} && exit\n[ "$1" = get ] && exit\n'
        'echo "called with $*"\necho "kubeconfig: $(cat "$KUBECONFIG")"\nls -l "$KUBECONFIG"\n'
    )
    command.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_deploying_is_one_helm_upgrade_that_waits_and_rolls_back(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.touch()
    deployed = make(
        "deploy", "IMAGE=r/app:2", "RELEASE=shop", "NAMESPACE=web", f"VALUES={values}", "TIMEOUT=3m",
        PATH=fake_helm(tmp_path), KUBECONFIG_CONTENT="the kubeconfig",
    )  # fmt: skip
    assert deployed.returncode == 0, deployed.stderr
    (called,) = re.findall(r"^called with (.*)$", deployed.stdout, re.MULTILINE)
    assert called.startswith("upgrade --install shop ")
    for expected in (
        "--namespace web --create-namespace", f"--values {values}", "--wait --rollback-on-failure --timeout 3m",
        "image.repository=r/app,image.tag=2,image.digest=",
    ):  # fmt: skip
        assert expected in called
    assert "kubeconfig: the kubeconfig" in deployed.stdout
    assert "-rw------- " in deployed.stdout, "nobody else can read it"


def test_the_context_that_is_deployed_to_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config"
    context = {"name": "production", "context": {"cluster": "a", "user": "b"}}
    config.write_text(json.dumps({"apiVersion": "v1", "current-context": "production", "contexts": [context]}))
    deployed = make("deploy", "IMAGE=a:1", PATH=fake_helm(tmp_path), KUBECONFIG=str(config))
    assert re.search(r"^context: production$", deployed.stdout, re.MULTILINE), deployed.stdout


def test_the_kubeconfig_of_a_pipeline_does_not_stay_behind(tmp_path: Path) -> None:
    make("deploy", "IMAGE=a:1", PATH=fake_helm(tmp_path), KUBECONFIG_CONTENT="secret", TMPDIR=str(tmp_path))
    assert not list(tmp_path.glob("*.kubeconfig"))


SLOW_HELM = """#!/bin/bash
[ "$1" = version ] && echo {version} && exit
[ "$1" = get ] && exit
finish() {{ echo interrupted > {folder}/state; sleep 1; echo rolled back > {folder}/state; exit 1; }}
trap finish INT TERM
echo started > {folder}/state
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_deployment_lets_helm_roll_back_and_leaves_no_secret(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = fake_helm(tmp_path)
    version = re.search(r"^HELM=(.*)$", (ROOT / "versions.env").read_text(), re.MULTILINE)
    assert version
    (tmp_path / "helm").write_text(SLOW_HELM.format(version=version[1], folder=tmp_path))
    state = tmp_path / "state"
    process = subprocess.Popen(
        [sys.executable, "-m", "delivery.deployment.deploy", "--image", "a:1", "--release", "r", "--namespace", "n"],
        cwd=ROOT,
        env={
            **os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "scripts"), "KUBECONFIG_CONTENT": "secret",
            "TMPDIR": str(tmp_path),
        },
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until("helm runs", state.exists)
    # Ctrl-C reaches the whole group, a pipeline's SIGTERM this process alone.
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    try:
        _, said = process.communicate(timeout=20)
    finally:
        # Of a failed test too, nothing goes on running.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert state.read_text() == "rolled back\n"
    assert process.returncode == 1
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.kubeconfig"))


def test_a_stop_at_the_very_moment_helm_starts_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def start_and_be_stopped(*arguments: Any, **options: Any) -> Any:
        started = start(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return started

    monkeypatch.setattr(subprocess, "Popen", start_and_be_stopped)
    assert helm.run_to_its_end(["sleep", "30"]) == -signal.SIGTERM


# --- an interrupted or broken cluster -------------------------------------------------------------------------------


@pytest.fixture
def fake_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """kind and kubectl that note how they are called; each fails where a file named fail-<first argument> is there."""
    script = f'#!/bin/sh\necho "${{0##*/}} $*" >> {tmp_path}/calls\n[ ! -e "{tmp_path}/fail-$1" ]\n'
    for name in ("kind", "kubectl"):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(cluster, "resolve", lambda name: tmp_path / name)
    monkeypatch.setattr(cluster, "require_engine", lambda: None)
    return tmp_path


def test_a_cluster_that_could_not_be_finished_is_removed(fake_tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "exists", lambda _: False)
    monkeypatch.setattr(cluster, "_wait_for_nodes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cluster.create("c")
    calls = (fake_tools / "calls").read_text().splitlines()
    assert calls[0].startswith("kind create cluster --name c")
    assert calls[-1] == "kind delete cluster --name c"


def test_a_cluster_that_was_there_and_does_not_work_is_named_with_the_remedy_and_kept(
    fake_tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "exists", lambda _: True)
    (fake_tools / "fail-export").touch()
    with pytest.raises(cluster.ClusterError, match="delete it with kind delete cluster --name c, then try again"):
        cluster.create("c")
    assert "delete" not in (fake_tools / "calls").read_text()
