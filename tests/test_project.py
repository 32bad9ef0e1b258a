"""What is written in two places agrees."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def versions() -> dict[str, str]:
    """versions.env."""
    lines = (ROOT / "versions.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize(
    "file", ["Dockerfile", *(f"k8s-tests/{name}/Dockerfile" for name in ("prober", "gateway", "observability"))]
)
def test_the_base_image_is_the_pinned_one(file: str) -> None:
    assert f"ARG PYTHON_IMAGE={versions()['PYTHON_IMAGE']}\n" in (ROOT / file).read_text()


def test_the_image_with_node_is_the_pinned_one() -> None:
    assert f"ARG NODE_IMAGE={versions()['NODE_IMAGE']}\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("manifest", "images"),
    [
        ("metrics-server", ["registry.k8s.io/metrics-server/metrics-server:v{METRICS_SERVER}"]),
        (
            "keda",
            [f"ghcr.io/kedacore/keda{suffix}:{{KEDA}}" for suffix in ("", "-admission-webhooks", "-metrics-apiserver")],
        ),
        ("network-policies", ["registry.k8s.io/networking/kube-network-policies:v{NETPOL}"]),
    ],
)
def test_what_is_installed_in_the_test_cluster_is_the_pinned_version(manifest: str, images: list[str]) -> None:
    text = (ROOT / "k8s-tests" / "manifests" / f"{manifest}.yaml").read_text()
    pinned = {name: version.removeprefix("v") for name, version in versions().items()}
    asked = re.findall(r"^\s+(?:- )?image: (\S+)$", text, re.MULTILINE)
    assert sorted(asked) == sorted(image.format(**pinned) for image in images)


def test_traefik_is_the_pinned_one() -> None:
    manifest = (ROOT / "k8s-tests" / "manifests" / "traefik.yaml").read_text()
    assert re.findall(r"image: docker\.io/library/traefik:(v\S+)", manifest) == [versions()["TRAEFIK"]]


def test_every_dependency_is_pinned_and_hashed() -> None:
    for name in (
        "requirements.txt",
        "requirements-otel.txt",
        "requirements-dev.txt",
        "requirements-tools.txt",
        "tests/applications.txt",
        "bench/requirements.txt",
    ):
        text = (ROOT / name).read_text()
        pins = re.findall(r"^[a-z][\w.-]*(?:\[\w+\])?==\S+", text, re.MULTILINE)
        requirements = re.findall(r"^[a-z]", text, re.MULTILINE)
        assert len(pins) == len(requirements) > 5
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", text)[1:])


def pinned(file: str) -> dict[str, str]:
    """The versions that a compiled file pins, by name."""
    return dict(re.findall(r"^([a-z][\w.-]*)(?:\[\w+\])?==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


@pytest.mark.parametrize(("file", "extras"), [("requirements.txt", []), ("requirements-otel.txt", ["otel"])])
def test_what_is_pinned_is_what_nodrop_itself_requires(file: str, extras: list[str]) -> None:
    """The image installs nodrop without a look at its requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    pins = pinned(file)
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
        block = re.search(rf"^{requirement.name}==(?:.*\n)+?(?=\S|\Z)", (ROOT / file).read_text(), re.MULTILINE)
        assert block
        # Nothing else bounds them, so that a version that nodrop does not work with is never locked.
        assert "nodrop (pyproject.toml)" in block[0]


def test_the_serving_layer_is_required_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {
        Requirement(each).name for each in [*project["dependencies"], *project["optional-dependencies"]["otel"]]
    }
    for name in ("app/requirements.in", "requirements-otel.in"):
        named = set(re.findall(r"^([a-z][\w-]*)", (ROOT / name).read_text(), re.MULTILINE))
        # The example imports Flask itself.
        assert named & required <= {"flask"}


def test_development_and_image_have_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z][\w-]*==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") < pins("requirements-otel.txt") < pins("requirements-dev.txt")
    assert pins("requirements.txt") <= pins("tests/applications.txt")
    assert pins("requirements-tools.txt") < pins("requirements-dev.txt")


def test_the_image_can_be_built_with_either_set_of_requirements() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "ARG REQUIREMENTS=requirements.txt\nCOPY ${REQUIREMENTS} requirements.txt\n" in dockerfile
    assert "--build-arg 'REQUIREMENTS=$(REQUIREMENTS)'" in (ROOT / "Makefile").read_text()


def test_the_cluster_has_a_control_plane_and_two_workers() -> None:
    roles = re.findall(r"^ *- role: (\S+)", (ROOT / "kind-config.yaml").read_text(), re.MULTILINE)
    assert roles == ["control-plane", "worker", "worker"]


def test_the_command_of_the_image_is_in_exec_form() -> None:
    """A shell would be process 1, and SIGTERM would end with it."""
    (command,) = re.findall(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert command == '["gunicorn", "--config", "python:nodrop.gunicorn"]'


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    (user,) = re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_every_file_the_readme_names_is_there() -> None:
    readme = (ROOT / "README.md").read_text()
    linked = {target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target}
    assert linked
    assert all((ROOT / target).exists() for target in linked)


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_file_and_test_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    tests = "\n".join(
        path.read_text() for path in (*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("k8s-tests/**/test_*.py"))
    )
    linked = re.findall(r"\]\(([^)#]+)\)", text)
    assert [target for target in linked if not (document.parent / target).exists()] == []
    named = set(re.findall(r"`(test_\w+)(?:`|\.\.\.`)", text))
    # What proves a behaviour stands in the verifier's pages alone.
    assert (linked and named) or document.name not in ("behaviour.md", "proof.md")
    assert [name for name in named if f"def {name}" not in tests] == []


def test_the_description_of_the_wheel_has_no_link_that_needs_the_repository() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    description = ROOT / project["readme"]
    # So the stage of the image that builds the wheel has it.
    assert description.parent == ROOT / "nodrop"
    links = re.findall(r"\]\(([^)]+)\)", description.read_text())
    assert links
    assert all(link.startswith("https://") for link in links), links


def test_the_readme_fits_on_a_screen_and_has_the_start_first() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 60
    assert next(line for line in lines if line.startswith("    ")).startswith("    make run ")


def test_every_make_target_the_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"run", "test", "up", "kind-test"} <= named <= targets


def test_the_readme_is_whole() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert "@@" not in document.read_text()
