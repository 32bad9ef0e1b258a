"""offline/: what can be checked without building anything.

The refusals are those of the real offline/install, run as a process with a PATH of its own. Every such run has at least
one thing wrong with it, so that none of them can ever go on to change the machine.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = ROOT / "offline"
MODULES = OFFLINE / "modules"
SCRIPTS = sorted(
    path
    for path in OFFLINE.rglob("*")
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/bash", b"# shellcheck"))
)
# folder -> key in versions.env, the module, the commands it builds
LOCKED = {
    "helm": ("HELM", "helm.sh/helm/v4", ["helm.sh/helm/v4/cmd/helm"]),
    "helm3": ("HELM3", "helm.sh/helm/v3", ["helm.sh/helm/v3/cmd/helm"]),
    "kind": ("KIND", "sigs.k8s.io/kind", ["sigs.k8s.io/kind"]),
    "actionlint": ("ACTIONLINT", "github.com/rhysd/actionlint", ["github.com/rhysd/actionlint/cmd/actionlint"]),
    "kubernetes": (
        "KUBERNETES",
        "k8s.io/kubernetes",
        [
            f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubeadm",
                "kubectl",
                "kubelet",
            )
        ],
    ),
    "etcd": ("ETCD", "go.etcd.io/etcd/server/v3", ["go.etcd.io/etcd/server/v3"]),
    "containerd": (
        "CONTAINERD",
        "github.com/containerd/containerd/v2",
        [
            f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        ],
    ),
    "coredns": ("COREDNS", "github.com/coredns/coredns", ["github.com/coredns/coredns"]),
    "metrics-server": (
        "METRICS_SERVER",
        "sigs.k8s.io/metrics-server",
        ["sigs.k8s.io/metrics-server/cmd/metrics-server"],
    ),
    "traefik": ("TRAEFIK", "github.com/traefik/traefik/v3", ["github.com/traefik/traefik/v3/cmd/traefik"]),
    "gateway-api": ("GATEWAY_API", "sigs.k8s.io/gateway-api", []),
    "keda": (
        "KEDA",
        "github.com/kedacore/keda/v2",
        [f"github.com/kedacore/keda/v2/cmd/{name}" for name in ("adapter", "operator", "webhooks")],
    ),
    "netpol": ("NETPOL", "sigs.k8s.io/kube-network-policies", ["sigs.k8s.io/kube-network-policies/cmd"]),
}
ADD_ONS = sorted(path.stem for path in (OFFLINE / "addons").glob("*.sh"))
# All that the checks use, and nothing that could change a machine, should they let a run through by mistake.
COMMANDS = ["awk", "bash", "cat", "dirname", "env", "head", "python3", "sed", "sort", "tail", "timeout", "tr"]

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


def versions() -> dict[str, str]:
    lines = (ROOT / "versions.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def needed_go() -> str:
    found = [re.search(r"^go (\S+)$", (MODULES / name / "go.mod").read_text(), re.M) for name in LOCKED]
    return max((match[1] for match in found if match), key=lambda text: [int(part) for part in text.split(".")])


@dataclass
class Machine:
    """A machine as offline/install sees it: its commands, its release, its cache."""

    folder: Path
    release: str = DEBIAN_12
    commands: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def path(self) -> Path:
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for name in COMMANDS:
            found = shutil.which(name)
            assert found, f"the test needs {name} on PATH"
            (bin_folder / name).symlink_to(found)
        for name, body in self.commands.items():
            (bin_folder / name).unlink(missing_ok=True)
            (bin_folder / name).write_text(f"#!/bin/bash\n{body}\n")
            (bin_folder / name).chmod(0o755)
        return bin_folder

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        release = self.folder / "os-release"
        release.write_text(self.release)
        environment = {
            "PATH": str(self.path()),
            "HOME": str(self.folder),
            "OFFLINE_OS_RELEASE": str(release),
            "OFFLINE_CACHE": str(self.cache),
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def refusal(self, *arguments: str) -> str:
        result = self.run(str(OFFLINE / "install"), *arguments)
        assert result.returncode == 1
        assert not self.cache.exists(), "it changed something before it refused"
        assert "nothing was changed" in result.stderr
        assert "On an ordinary machine it is not needed" in result.stderr
        return result.stderr


def fake_go(version: str) -> str:
    return f'case "$2" in GOVERSION) echo {version} ;; *) echo "$HOME/go" ;; esac'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Debian 12, root, a fitting Go and a large disk; a test breaks one of them."""
    return Machine(
        tmp_path,
        commands={
            "id": "echo 0",
            "go": fake_go(f"go{needed_go()}"),
            "df": "echo header; echo /dev/vda 900000 1 500000 1% /",
        },
    )


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="GNU commands")


@linux_only
@pytest.mark.parametrize(
    "release",
    [
        pytest.param('ID=ubuntu\nVERSION_ID="26.04"\nPRETTY_NAME="Ubuntu 26.04"\n', id="another distribution"),
        pytest.param('ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11"\n', id="an old Debian"),
        pytest.param('ID=debian\nPRETTY_NAME="Debian GNU/Linux sid"\n', id="a Debian without a number"),
        pytest.param("", id="nothing known"),
    ],
)
def test_other_systems_are_refused(machine: Machine, release: str) -> None:
    machine.release = release
    message = machine.refusal()
    assert "Debian 12 and later only" in message
    name = re.search('PRETTY_NAME="(.*)"', release)
    assert (name[1] if name else "an unknown system") in message


@linux_only
def test_debian_13_is_not_refused_for_its_release(machine: Machine) -> None:
    machine.release = DEBIAN_12.replace("12", "13").replace("bookworm", "trixie")
    machine.commands["id"] = "echo 1000"
    assert "Debian 12 and later" not in machine.refusal()


@linux_only
def test_another_user_than_root_is_refused(machine: Machine) -> None:
    machine.commands["id"] = "echo 1000"
    assert "needs root: sudo" in machine.refusal()


@linux_only
def test_missing_go_is_refused(machine: Machine) -> None:
    del machine.commands["go"]
    assert f"there is no go on PATH, and the cluster's binaries are built with it: install Go {needed_go()}" in (
        machine.refusal()
    )


@linux_only
@pytest.mark.parametrize("version", ["go1.20.14", "go1.9"])
def test_old_go_is_refused(machine: Machine, version: str) -> None:
    machine.commands["go"] = fake_go(version)
    message = machine.refusal()
    assert f"go on PATH is {version.removeprefix('go')}" in message
    assert f"install Go {needed_go()} or later" in message


@linux_only
def test_go_of_no_known_version_is_refused(machine: Machine) -> None:
    machine.commands["go"] = fake_go("devel")
    assert "go on PATH is of an unknown version" in machine.refusal()


@linux_only
def test_newer_go_is_not_refused(machine: Machine) -> None:
    machine.commands["go"] = fake_go("go1.100.1 X:experiment")
    machine.commands["id"] = "echo 1000"
    assert "install Go" not in machine.refusal()


@linux_only
def test_too_little_disk_space_is_refused_with_the_numbers(machine: Machine) -> None:
    machine.commands["df"] = "echo header; echo /dev/vda 900000 1 5000 1% /data"
    message = machine.refusal()
    # What the four folders need adds up, because they are on one file system.
    assert re.search(r"too little disk space on /data: \d\d GiB needed, 4 GiB free", message)
    assert "OFFLINE_CACHE" in message


@linux_only
def test_add_ons_need_disk_space_of_their_own(machine: Machine) -> None:
    machine.commands["df"] = "echo header; echo /dev/vda 900000 1 5000 1% /data"
    needed = []
    for name, arguments in (("plain", []), ("keda", ["--with", "network-policies,keda"])):
        (machine.folder / name).mkdir()
        said = Machine(machine.folder / name, commands=machine.commands).refusal(*arguments)
        needed += [int(number) for number in re.findall(r"(\d\d) GiB needed", said)]
    plain, with_keda = needed
    assert with_keda > plain


@linux_only
def test_all_that_is_wrong_is_said_at_once(machine: Machine) -> None:
    machine.release = ""
    machine.commands["id"] = "echo 1000"
    del machine.commands["go"]
    assert machine.refusal().count("\n  - ") == 3


@linux_only
@pytest.mark.parametrize("arguments", [["--with", "nope"], ["--with"], ["traefik"]])
def test_an_unknown_add_on_is_refused_with_the_names_of_those_there_are(machine: Machine, arguments: list[str]) -> None:
    result = machine.run(str(OFFLINE / "install"), *arguments)
    assert result.returncode == 2
    assert not machine.cache.exists(), "it changed something before it refused"
    assert re.search(r"usage: .*--with NAME,.* NAME:.* traefik\b", result.stderr)


@linux_only
@pytest.mark.parametrize("name", ADD_ONS)
def test_an_add_on_defines_the_step_that_makes_it(machine: Machine, name: str) -> None:
    """offline/install calls make_NAME after everything else."""
    script = f'OFFLINE={OFFLINE}; source "{ROOT}/versions.env"; source "$OFFLINE/addons/{name}.sh"; type -t make_{name}'
    result = machine.run("bash", "-euc", script)
    assert result.stdout.strip() == "function", result.stderr


@linux_only
def test_uninstall_refuses_while_containers_run(machine: Machine) -> None:
    machine.commands["docker"] = "echo 0123456789ab"
    result = machine.run(str(OFFLINE / "uninstall"))
    assert result.returncode == 1
    assert "containers are running; stop them first" in result.stderr


def test_every_module_folder_is_checked_here() -> None:
    assert {path.name for path in MODULES.iterdir()} == set(LOCKED)


@pytest.mark.parametrize("name", LOCKED)
def test_locked_modules_agree_with_versions_env(name: str) -> None:
    key, module, packages = LOCKED[name]
    version = versions()[key]
    go_mod = (MODULES / name / "go.mod").read_text()
    remedy = f"modules/{name} is not at {key}={version}: run offline/lock {name}"
    assert re.search(rf"^(?:require )?\s*{re.escape(module)} {re.escape(version)}( // indirect)?$", go_mod, re.M), (
        remedy
    )
    tools = re.findall(r"^(?:tool )?\s*([a-z0-9.]+/\S+)$", go_mod, re.M)
    assert tools == packages, remedy
    go_sum = (MODULES / name / "go.sum").read_text()
    assert f"{module} {version} h1:" in go_sum, remedy


def test_kubernetes_libraries_are_those_of_its_version() -> None:
    go_mod = (MODULES / "kubernetes" / "go.mod").read_text()
    replaced = re.findall(r"^\s*(?:replace )?(k8s\.io/\S+) => (\S+) (\S+)$", go_mod, re.M)
    version = versions()["KUBERNETES"].replace("v1.", "v0.", 1)
    assert len(replaced) > 20
    assert [entry for entry in replaced if entry[0] != entry[1] or entry[2] != version] == []


def test_kubectl_and_the_cluster_have_one_version() -> None:
    pinned = versions()
    assert pinned["KUBECTL"] == pinned["KUBERNETES"], "one module builds both: offline/modules/kubernetes"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(OFFLINE)))
def test_scripts_parse(script: Path) -> None:
    result = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_front_doors_are_executable() -> None:
    for name in (
        "install",
        "uninstall",
        "lock",
        "node/pod-network.sh",
        "node/runc-capped",
        "network-policies/netpol",
        "traefik/prepare",
    ):
        assert (OFFLINE / name).stat().st_mode & 0o111, name


def test_nothing_names_a_mirror() -> None:
    """The mirrors are the machine's own settings, whatever they are."""
    for path in OFFLINE.rglob("*"):
        if path.is_file():
            assert not re.search(r"https?://", path.read_text()), path


@linux_only
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("10.1.2.3", False),
    ],
)
def test_fence_knows_which_addresses_a_range_holds(machine: Machine, address: str, expected: bool) -> None:
    script = f'source "{OFFLINE}/steps/fence.sh"; in_range {address} 172.16.0.0/12'
    assert (machine.run("bash", "-c", script).returncode == 0) is expected


@linux_only
def test_apt_sources_of_another_release_are_the_machines_own(machine: Machine) -> None:
    machine.commands["apt-get"] = """cat << 'EOF'
Debian mirror:/debian/ bookworm main
Debian mirror:/debian/ bookworm contrib
Debian mirror:/debian/ bookworm-updates main
Debian mirror:/debian/ bookworm-backports main
Debian mirror:/debian-security/ bookworm-security main
Elsewhere other:/tools/ bookworm main
EOF"""
    script = f'set -eu; source "{OFFLINE}/steps/rootfs.sh"; APT_KEYRING=/keys; apt_sources trixie'
    result = machine.run("bash", "-c", script)
    assert result.stdout.splitlines() == [
        "deb [signed-by=/keys] mirror:/debian-security/ trixie-security main",
        "deb [signed-by=/keys] mirror:/debian/ trixie main",
        "deb [signed-by=/keys] mirror:/debian/ trixie-updates main",
    ]
