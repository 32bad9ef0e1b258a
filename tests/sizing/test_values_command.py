"""`python -m delivery.sizing`, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from delivery.sizing.__main__ import main, require_idle, require_own
from delivery.sizing.unmeasurable import Unmeasurable
from tests.chart.rendering import render
from tests.serving_process import until
from tests.sizing.applications import BYTECODE, MANY_ROUTES, ROOT, WITHOUT_SETTING

TELLS_ITS_PROCESS = """
import os, pathlib, time
pathlib.Path("process").write_text(f"{os.getpid()}\\n")
time.sleep(60)
"""


def command(folder: Path, source: str, *arguments: str) -> subprocess.Popen[str]:
    """The command for an application of this source."""
    (folder / "shop.py").write_text(source)
    words = ["--python", sys.executable, "--wsgi-app", "shop:app", "--busy", "--starts", "2", *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(BYTECODE),
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "delivery.sizing", str(folder), *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_file_has_the_command_the_figures_and_values_that_the_chart_accepts(tmp_path: Path, helm4: Path) -> None:
    folder, output = tmp_path / "shop", tmp_path / "new" / "values.yaml"
    folder.mkdir()
    ran = command(
        folder, MANY_ROUTES, "--requests", "8", "--url", "/articles?q=a&token=s3cret", "--output", str(output)
    )
    told, problems = ran.communicate()
    assert ran.returncode == 0, problems
    text = output.read_text()
    assert text.startswith(
        f"# Values for shop, computed from a measurement by:\n#   python -m delivery.sizing {folder} "
    )
    assert "--url '/articles?q=a&token=REDACTED'" in text
    assert "#   GET /articles?q=a&token=REDACTED  8 requests: " in text
    assert "s3cret" not in text + told
    assert "/articles/delete-all" not in text
    rendered = render(helm4, values=yaml.safe_load(text))
    assert int(rendered.env["WEB_THREADS"]) >= 4
    assert f"Wrote {output}" in told


def test_an_application_that_does_not_start_is_told_in_two_lines(tmp_path: Path) -> None:
    ran = command(tmp_path, WITHOUT_SETTING, "--output", str(tmp_path / "values.yaml"))
    _, problems = ran.communicate()
    assert ran.returncode == 1
    assert problems == (
        "the application doesn't start (exit status 3): KeyError: 'DATABASE_URL' This came from the application's own "
        "code, loading WSGI_APP=shop:app.\n"
        '=> set DATABASE_URL in the environment, or in flask-app.toml: environment = { DATABASE_URL = "..." }\n'
    )
    assert not (tmp_path / "values.yaml").exists()


def test_a_command_that_is_stopped_leaves_no_server(tmp_path: Path) -> None:
    ran = command(tmp_path, TELLS_ITS_PROCESS)
    process = tmp_path / "process"
    until("the application is being loaded", lambda: process.exists() and process.read_text().endswith("\n"))
    ran.terminate()
    ran.communicate()
    assert ran.returncode == 128 + 15
    assert not Path("/proc", process.read_text().strip()).exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--python", sys.executable], "--python and --wsgi-app must be set together\n=> set both or neither\n"),
        (
            ["--python", "nowhere/python", "--wsgi-app", "shop:app"],
            "--python nowhere/python doesn't exist\n=> set it to bin/python of a virtual environment\n",
        ),
        (
            ["--python", sys.executable, "--wsgi-app", "shop:app", "--url", "search"],
            "--url search isn't a path\n=> write the part after the host, such as /search?q=x\n",
        ),
        (
            ["--python", sys.executable, "--wsgi-app", "shop:app", "--header", "Cookie"],
            "--header Cookie has no value\n=> write it as 'Name: value'\n",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--busy", *arguments]) == 1
    assert capsys.readouterr().err == problem


def test_a_machine_without_an_idle_core_is_refused() -> None:
    require_idle(None)
    require_idle(1.5)
    with pytest.raises(Unmeasurable, match=r"only 0\.2 of this machine's \d+ cores are idle"):
        require_idle(0.2)


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    own, other = tmp_path / "own.yaml", tmp_path / "values.yaml"
    own.write_text("# Values for shop, computed\n")
    other.write_text("config:\n  WEB_THREADS: 16\n")
    require_own(own)
    require_own(tmp_path / "new.yaml")
    with pytest.raises(Unmeasurable, match="wasn't written by this command"):
        require_own(other)
    with pytest.raises(Unmeasurable, match="is a folder"):
        require_own(tmp_path)
