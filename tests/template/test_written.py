"""The written files work as they are: with Helm, GitHub, make and Docker, and without this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values

from delivery.detection.description import Found, Served, Setting, Style, Surroundings
from delivery.ejection.answers import detected
from delivery.ejection.eject import eject
from delivery.ejection.refusal import Refused
from delivery.images.content import CONFIDENTIAL, CONFIDENTIAL_FOLDERS, CREDENTIALS, TEMPLATES
from tests.serving_process import ROOT
from tests.template.repositories import APP, PIN, Lock, commit, described, git, parts, write

RICH = Surroundings(
    build_steps=(Found("flask translate compile --dir 'my texts'", "Makefile:3"),),
    assets=Found("frontend", "frontend/package.json"),
)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory, nodrop: Path) -> Path:
    """An application that needs everything."""
    shop = tmp_path_factory.mktemp("rich") / "shop"
    write(shop, {"src/shop/__init__.py": APP, "pyproject.toml": "", "frontend/package-lock.json": "{}"})
    description = described(
        shop, RICH, style=Style.PYPROJECT, files=("pyproject.toml",), is_package=True, python=Found("3.12", "default"),
        extras=("web",), groups=("prod",),
    )  # fmt: skip
    served = Found(Served("shop:create_app('dev')", "src", "Flask"), "src/shop/__init__.py:4")

    def lock(_: object, folder: Path) -> Lock:
        write(folder, {"requirements.txt": PIN, "requirements-unhashed.txt": "./local/tool\n", "local/tool/x": ""})
        return Lock(apt=(Found("libpq5", ""), Found("libxml2", "")), apt_build=(Found("libpq-dev", ""),))

    eject(replace(description, served=served), replace(parts(), lock=lock), root=nodrop)
    return shop


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """docker, helm and kubectl, which write down what they are asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("docker", "helm", "kubectl"):
        (folder / name).write_text(
            f'#!/bin/sh\n[ "$1" = version ] && echo "${{HELM:-v4.3.1}}" && exit\necho {name} "$@" >> {folder}/asked\n'
        )
        (folder / name).chmod(0o755)
    return folder


def make(folder: Path, programs: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make there, with these programs."""
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(programs), **variables}
    return subprocess.run(
        ["make", "--file", "deploy/nodrop.mk", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def asked(programs: Path) -> str:
    return (programs / "asked").read_text()


# --- The chart and the workflow -------------------------------------------------------------------------------------


def test_the_chart_renders_with_the_values(tmp_path: Path, whole: Path, helm: Path) -> None:
    shop = write(tmp_path / "shop", {"app.py": APP, "requirements.txt": "flask\n"})
    eject(described(shop), parts(), root=whole)
    rendered = subprocess.run(
        [helm, "template", "shop", "deploy/chart", "--values", "deploy/values.yaml",
         "--set-string", "image.repository=registry.example/shop,image.tag=1"],
        cwd=shop, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rendered.returncode == 0, rendered.stderr
    (deployment,) = [each for each in yaml.safe_load_all(rendered.stdout) if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/shop:1"
    assert {"name": "CURRENCY", "value": "EUR"} in container["env"]


def test_the_workflow_has_no_lint(once_ejected: Path, actionlint: Path) -> None:
    file = once_ejected / ".github" / "workflows" / "deploy.yml"
    checked = subprocess.run(
        [actionlint, "-shellcheck=", "-pyflakes=", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_the_workflow_runs_targets_that_are_there(once_ejected: Path, programs: Path) -> None:
    jobs = yaml.safe_load((once_ejected / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]
    named = re.findall(r"make -f deploy/nodrop\.mk ([a-z]+)", str(jobs))
    assert named == ["image", "push", "deploy"]
    # GitHub sets what is not configured to nothing.
    unset = dict.fromkeys(("RELEASE", "NAMESPACE", "VALUES"), "")
    for name in named:
        assert make(once_ejected, programs, name, IMAGE="ghcr.io/example/shop:1", **unset).returncode == 0
    assert "upgrade --install shop deploy/chart --namespace default " in asked(programs)
    assert jobs["deploy"]["needs"] == "image"


# --- The targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [("shop:1", "shop", "1"), ("registry.example:5000/team/shop:1.0", "registry.example:5000/team/shop", "1.0")],
)
def test_deploy_sets_the_image_and_rolls_back(
    image: str, repository: str, tag: str, once_ejected: Path, programs: Path
) -> None:
    done = make(once_ejected, programs, "deploy", f"IMAGE={image}", "VALUES=more.yaml", "NAMESPACE=web", "RELEASE=blue")
    assert done.returncode == 0, done.stderr
    assert asked(programs) == (
        "helm upgrade --install blue deploy/chart --namespace web --create-namespace "
        "--values deploy/values.yaml --values more.yaml "
        f"--set-string image.repository={repository},image.tag={tag} --wait --rollback-on-failure --timeout 5m\n"
    )


def test_helm_3_is_asked_in_its_own_words(once_ejected: Path, programs: Path) -> None:
    make(once_ejected, programs, "deploy", "IMAGE=shop:1", HELM="v3.22.0")
    assert "--wait --atomic --timeout" in asked(programs)


@pytest.mark.parametrize("image", ["shop", "registry.example:5000/shop", f"shop@sha256:{'0' * 64}", "shop:"])
def test_an_image_without_a_tag_is_not_deployed(image: str, once_ejected: Path, programs: Path) -> None:
    done = make(once_ejected, programs, "deploy", f"IMAGE={image}")
    assert done.returncode != 0
    assert "registry/name:tag" in done.stderr
    assert not (programs / "asked").exists()


def test_the_container_is_run_as_strictly_as_the_pod(once_ejected: Path, programs: Path) -> None:
    make(once_ejected, programs, "run", "ENV_FILE=.env", "PORT=8000")
    command = asked(programs)
    for option in ("--read-only", "--cap-drop ALL", "no-new-privileges", "127.0.0.1:8000:5000", "--env-file .env"):
        assert option in command


def test_the_index_reaches_the_build_as_a_secret(once_ejected: Path, programs: Path) -> None:
    (programs / "docker").write_text(
        f'#!/bin/sh\necho "$@" > {programs}/asked\nfor each; do case "$each" in id=pip.conf,src=*) '
        f'cat "${{each#*src=}}" > {programs}/conf; esac; done\n'
    )
    done = make(once_ejected, programs, "image", PIP_INDEX_URL="https://user:password@mirror.example/simple")
    assert done.returncode == 0, done.stderr
    assert (programs / "conf").read_text() == "[global]\nindex-url = https://user:password@mirror.example/simple\n"
    assert "password" not in asked(programs) + done.stdout + done.stderr


def test_an_included_file_neither_becomes_the_goal_nor_takes_names(once_ejected: Path, tmp_path: Path) -> None:
    text = f"include {once_ejected}/deploy/nodrop.mk\nmine:\n\t@echo mine\nimage:\n\t@echo my image\n"
    write(tmp_path, {"Makefile": f"NODROP := nodrop-\n{text}"})
    for arguments, expected in ((["-s"], "mine\n"), (["-s", "image"], "my image\n")):
        done = subprocess.run(["make", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize("prefix", ["", "nodrop-"])
def test_help_lists_the_targets_under_their_names(prefix: str, once_ejected: Path, programs: Path) -> None:
    listed = re.findall(
        r"^  make (\S+)", make(once_ejected, programs, f"NODROP={prefix}", f"{prefix}help").stdout, re.MULTILINE
    )
    assert listed == [f"{prefix}{name}" for name in ("help", "image", "run", "push", "deploy", "lock")]


def test_the_requirements_are_named_for_the_lock(
    once_ejected: Path, tmp_path: Path, nodrop: Path, programs: Path
) -> None:
    package = write(tmp_path / "package", {"app.py": APP, "pyproject.toml": ""})
    files, extras, groups = ("pyproject.toml",), ("web",), ("prod",)
    its = described(package, style=Style.PYPROJECT, files=files, extras=extras, groups=groups)
    eject(its, parts(), root=nodrop)
    for folder, named in ((once_ejected, "requirements.txt"), (package, "pyproject.toml --extra web --group prod")):
        assert make(folder, programs, "lock").returncode == 0
        assert f'--output-file deploy/requirements.txt "$@" - sh {named}\n' in (programs / "asked").read_text()
        assert not (folder / "deploy" / ".overrides").exists()


def test_what_uv_can_not_lock_is_left_to_update(rich: Path, tmp_path: Path, nodrop: Path, programs: Path) -> None:
    shop = write(tmp_path / "shop", {"app.py": APP})
    eject(described(shop, style=Style.POETRY_LOCK, files=("poetry.lock",)), parts(), root=nodrop)
    for folder in (shop, rich):
        done = make(folder, programs, "lock")
        assert done.returncode != 0
        assert "make update" in done.stderr


def test_a_deployment_without_its_secret_is_refused_with_the_remedy(
    tmp_path: Path, nodrop: Path, programs: Path
) -> None:
    setting = Setting("SECRET_KEY", "app.py:4", required=True, secret=True)
    shop = write(tmp_path / "shop", {"app.py": APP, "requirements.txt": "flask\n", "production.env": "SECRET_KEY=x\n"})
    eject(described(shop, Surroundings(settings=(setting,))), parts(), root=nodrop)
    assert make(shop, programs, "deploy", "IMAGE=shop:1").returncode == 0
    assert make(shop, programs, "secret", "ENV_FILE=production.env", "NAMESPACE=web").returncode == 0
    assert re.search(
        r"kubectl create secret generic shop-env-[0-9a-f]{12} --namespace web --from-env-file=production.env",
        asked(programs),
    )
    assert "ENV_FILE is not a file" in make(shop, programs, "secret").stderr
    (programs / "asked").unlink()
    (programs / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    done = make(shop, programs, "deploy", "IMAGE=shop:1")
    assert done.returncode != 0
    assert "make secret ENV_FILE=production.env" in done.stderr
    assert not (programs / "asked").exists()


# --- The image ------------------------------------------------------------------------------------------------------


def test_the_dockerfile_has_what_the_application_needs(rich: Path) -> None:
    text = (rich / "Dockerfile").read_text()
    for line in (
        "ARG PYTHON_IMAGE=python:3.12-slim",
        'ARG APT="libpq5 libxml2"',
        'ARG APT_BUILD="libpq-dev"',
        "WORKDIR /srv/frontend",
        "COPY --from=frontend /srv/frontend /srv/frontend",
        "    PYTHONPATH=/srv/src \\",
        "    WSGI_APP=\"shop:create_app('dev')\"",
        """RUN HOME=/tmp nodrop run -- sh -euxc 'flask translate compile --dir '"'"'my texts'"'"''""",
    ):
        assert f"\n{line}\n" in text, line
    assert "--editable ." in text
    assert "\nCOPY deploy/requirements-unhashed.txt unhashed.txt\n" in text
    assert "\nCOPY deploy/local local\n" in text


def test_the_dockerfile_of_a_plain_application_has_none_of_it(once_ejected: Path) -> None:
    text = (once_ejected / "Dockerfile").read_text()
    assert not re.findall(r"(?i)npm|node|--editable|PYTHONPATH|sh -euxc", text)
    assert "\n\n\n" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_image_starts_as_that_of_this_checkout(once_ejected: Path) -> None:
    def kept(file: Path) -> list[str]:
        return re.findall(r"^(?:USER|EXPOSE|STOPSIGNAL|CMD) .*$", file.read_text(), re.MULTILINE)

    assert kept(once_ejected / "Dockerfile") == kept(ROOT / "Dockerfile")


def test_a_repository_that_is_a_package_keeps_its_name(tmp_path: Path, nodrop: Path) -> None:
    shop = write(tmp_path / "shop", {"__init__.py": APP, "requirements.txt": "flask\n"})
    eject(described(shop), parts(place="shop"), root=nodrop)
    assert "\nCOPY . /srv/shop\n" in (shop / "Dockerfile").read_text()


def test_a_frontend_without_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"run `npm install` in frontend and commit the file"):
        detected(described(tmp_path, RICH), parts(), Lock(), tmp_path)


# --- What the build is not sent -------------------------------------------------------------------------------------


def test_no_kind_of_credentials_is_sent(once_ejected: Path) -> None:
    lines = (once_ejected / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = {*CONFIDENTIAL, *CONFIDENTIAL_FOLDERS, *CREDENTIALS, "pip.conf"}
    assert {f"**/{pattern}" for pattern in patterns} - set(lines) == set()
    assert {f"!**/.env{suffix}" for suffix in TEMPLATES} - set(lines) == set()


def test_what_the_repository_ignores_is_not_sent_and_credentials_come_last(tmp_path: Path, nodrop: Path) -> None:
    shop = write(
        tmp_path / "shop",
        {
            "app.py": APP, "requirements.txt": "flask\n", ".dockerignore": "# mine\nfixtures\n!.env\n",
            ".gitignore": "*.sqlite\n/data/\nvar/[!a]*\n!keep.sqlite\n# a comment\n[broken\n*.txt\n",
            "certs/ca.pem": "-----BEGIN CERTIFICATE-----\n", "certs/own.pem": "-----BEGIN PRIVATE KEY-----\n",
        },
    )  # fmt: skip
    commit(shop)
    git(shop, "add", "--force", "requirements.txt")
    git(shop, "commit", "--quiet", "--message", "a file that is ignored")
    eject(described(shop), parts(), root=nodrop)
    lines = (shop / "Dockerfile.dockerignore").read_text().splitlines()
    start = lines.index("**/*.sqlite")
    assert lines[start : start + 11] == [
        "**/*.sqlite", "data", "var/[^a]*", "!**/keep.sqlite", "**/*.txt", "!requirements.txt", "fixtures", "!.env",
        "!deploy/*.whl", "!deploy/requirements.txt", "!deploy/requirements-unhashed.txt",
    ]  # fmt: skip
    assert lines.index("**/.env") > lines.index("!.env")
    assert lines[-1] == "!certs/ca.pem"


# --- Names are words, never commands --------------------------------------------------------------------------------


def test_a_tag_of_git_is_no_command(once_ejected: Path, tmp_path: Path, programs: Path) -> None:
    shop = Path(shutil.copytree(once_ejected, tmp_path / "shop"))
    git(shop, "tag", "1';touch${IFS}broken;'")
    done = make(shop, programs, "image")
    assert done.returncode == 0, done.stderr
    assert not (shop / "broken").exists()
    assert "--build-arg VERSION=1';touch${IFS}broken;'" in asked(programs)


def test_a_version_is_given_by_hand(once_ejected: Path, programs: Path) -> None:
    assert make(once_ejected, programs, "image", "VERSION=2'0").returncode == 0
    assert "--build-arg VERSION=2'0 " in asked(programs)


@pytest.mark.parametrize("name", ["a'$(touch broken)'.txt", "a;touch broken;.txt", "$(touch broken).txt", "-r.txt"])
def test_the_name_of_a_requirements_file_is_no_command(tmp_path: Path, nodrop: Path, programs: Path, name: str) -> None:
    shop = write(tmp_path / "shop", {"app.py": APP, name: "flask\n"})
    eject(described(shop, files=(name,)), parts(), root=nodrop)
    # What the container would run, here without uv.
    words = 'while [ "$1" != -euc ]; do shift; done\nshift 2\nprintf "%s\\n" "$@" > words\n'
    (programs / "docker").write_text(f"#!/bin/sh\n{words}")
    assert make(shop, programs, "lock").returncode == 0
    assert (shop / "words").read_text().splitlines()[-1] == (f"./{name}" if name.startswith("-") else name)
    assert not (shop / "broken").exists()


# --- The Secret -----------------------------------------------------------------------------------------------------


@pytest.fixture
def needing_a_secret(tmp_path: Path, nodrop: Path, programs: Path) -> Path:
    """An application that reads SECRET_KEY, and a kubectl that keeps the one ConfigMap."""
    setting = Setting("SECRET_KEY", "app.py:4", required=True, secret=True)
    shop = write(tmp_path / "shop", {"app.py": APP, "requirements.txt": "flask\n"})
    eject(described(shop, Surroundings(settings=(setting,))), parts(), root=nodrop)
    (programs / "kubectl").write_text(
        f"""#!/bin/sh
echo kubectl "$@" >> {programs}/asked
case "$1 $2" in
"create configmap") for each; do
  case $each in --from-literal=secret=*) echo "${{each##*=}}" > {programs}/kept;; esac
done;;
"get configmap") cat {programs}/kept 2>/dev/null || true;;
esac
"""
    )
    return shop


def secret_deployed(shop: Path, programs: Path, text: str) -> str:
    """The name of the Secret that a deployment uses after these lines were written to it."""
    (shop / "production.env").write_text(text)
    done = make(shop, programs, "secret", "deploy", "ENV_FILE=production.env", "IMAGE=shop:1")
    assert done.returncode == 0, done.stderr
    return str(re.findall(r"--set-string secrets\.existingSecret=(\S+)", asked(programs))[-1])


def test_a_secret_is_named_after_its_content(needing_a_secret: Path, programs: Path) -> None:
    first = secret_deployed(needing_a_secret, programs, "A=1\nB=2\n")
    second = secret_deployed(needing_a_secret, programs, "A=1\nB=3\n")
    again = secret_deployed(needing_a_secret, programs, "# the same\n\nB=2\nA=1\n")
    assert re.fullmatch(r"shop-env-[0-9a-f]{12}", first)
    assert first != second
    assert first == again


@pytest.mark.parametrize(
    "line",
    ["A='hunter2'", 'A="hunter2"', "export A=hunter2", "A = hunter2", "A=hunter2 # mine", "A=hunter2 ", "A=${B}hunter2",
     "hunter2", 'A="hunter2\nhunter2"', "A=hunter2\r", "A=x\rB=hunter2", "A=#hunter2"],
)  # fmt: skip
def test_a_line_that_dotenv_reads_differently_is_refused_without_its_value(
    needing_a_secret: Path, programs: Path, line: str
) -> None:
    (needing_a_secret / "production.env").write_bytes(f"# a file\nZ=1\n{line}\n".encode())
    done = make(needing_a_secret, programs, "secret", "ENV_FILE=production.env")
    assert done.returncode != 0
    assert "differently: 3 " in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert not (programs / "asked").exists()


def test_what_is_accepted_is_read_as_dotenv_reads_it(needing_a_secret: Path, programs: Path) -> None:
    """kubectl takes a line as it is: what is behind the first = is the value."""
    text = "# é\n\n  # more\nA=\nB=a b$c'd\"e#f=\\n\nURL=https://me:p%20w@host/é?x=1#y\nL=x"
    secret_deployed(needing_a_secret, programs, text)
    lines = [line for line in text.splitlines() if "=" in line and "#" not in line.split("=")[0]]
    assert dotenv_values(stream=StringIO(text)) == dict(line.split("=", 1) for line in lines)
