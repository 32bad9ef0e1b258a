"""The CI workflow: every change is tested and built, and only then published and deployed."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def jobs(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text())["jobs"])


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_workflows_have_no_lint(actionlint: Path) -> None:
    # shellcheck and pyflakes are other programs, which actionlint would use if they happen to be there.
    checked = subprocess.run(
        [actionlint, "-shellcheck=", "-pyflakes=", *WORKFLOWS], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_step_runs_a_make_target() -> None:
    steps = [step["run"] for file in WORKFLOWS for job in jobs(file).values() for step in job["steps"] if "run" in step]
    assert steps
    for step in steps:
        match = re.fullmatch(r"make ([a-z-]+)", step)
        assert match, f"not a make target: {step}"
        assert match[1] in make_targets()


def test_nothing_is_published_or_deployed_untested() -> None:
    ci = jobs(ROOT / ".github" / "workflows" / "ci.yml")
    assert set(ci["publish"]["needs"]) == {"test", "kind"}
    assert ci["deploy"]["needs"] == "publish"
    assert "refs/heads/main" in ci["publish"]["if"]
