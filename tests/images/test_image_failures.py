"""What is said of a failed build: one line, from output that the engine and the tools have written."""

import re

import pytest

from delivery.images.failures import HEADERS, explain


def failed(stage: str, *output: str, error: str = "process did not complete successfully: exit code: 1") -> list[str]:
    """The engine's output when a step of a stage fails, beside a step that does not."""
    lines = [f"#9 [{stage} 4/5] RUN something", "#8 [wheel 2/6] WORKDIR /build", "#8 0.100 fine"]
    lines += [f"#9 {number}.123 {line}" for number, line in enumerate(output)]
    return [*lines, f"#9 ERROR: {error}", "------", f" > [{stage} 4/5] RUN something:", "------", f"ERROR: {error}"]


NO_WHEEL = "ERROR: No matching distribution found for docopt==0.6.2"


@pytest.mark.parametrize(
    ("stage", "output", "said"),
    [
        (
            "dependencies",
            [NO_WHEEL, "psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory"],
            "The dependencies can't be installed: the header libpq-fe.h is missing. "
            'Set apt-build = ["libpq-dev"] in flask-app.toml',
        ),
        (
            "dependencies",
            ["x.c:1:10: fatal error: unheard.h: No such file or directory"],
            "Set apt-build with the Debian package that has unheard.h (packages.debian.org finds it) in",
        ),
        ("dependencies", ["Error: pg_config executable not found."], 'apt-build = ["libpq-dev"]'),
        (
            "dependencies",
            ["Exception: Can not find valid pkg-config name."],
            'apt-build = ["default-libmysqlclient-dev"]',
        ),
        ("dependencies", ["No package 'cairo' found"], "the library cairo is missing"),
        ("dependencies", ["error: can't find Rust compiler"], 'apt-build = ["cargo"]'),
        (
            "dependencies",
            ["Collecting numpy==1.24.0", "AttributeError: module 'pkgutil' has no attribute 'ImpImporter'"],
            "numpy==1.24.0 was written for an older Python",
        ),
        (
            "dependencies",
            ["ERROR: Package 'shop' requires a different Python: 3.13.5 not in '<3.12'"],
            "a package needs Python <3.12, but the image has 3.13.5",
        ),
        ("dependencies", ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."], "lock again"),
        ("dependencies", ["ERROR: HTTP error 401 while getting https://b.example/x.whl"], "denies access"),
        ("dependencies", ["Retrying after NewConnectionError('<pip> Failed')", NO_WHEEL], "PIP_INDEX_URL"),
        ("dependencies", [NO_WHEEL], "no package index has docopt==0.6.2 for this Python"),
        ("dependencies", ["ERROR: Failed building wheel for lxml"], "building lxml failed"),
        (
            "runtime",
            ["E: Unable to locate package libpq55"],
            "The Debian packages can't be installed: Debian has no package libpq55. Correct apt",
        ),
        ("frontend", ['npm error Missing script: "build"'], "The frontend can't be built: its package.json has no"),
        (
            "frontend",
            ["npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync."],
            "Run npm install and commit package-lock.json",
        ),
        (
            "application",
            ["+ python manage.py collectstatic", "KeyError: 'SECRET_KEY'"],
            'Set build = ["SECRET_KEY=unused python manage.py collectstatic"] in flask-app.toml',
        ),
        ("application", ["+ gulp build", "sh: 1: gulp: not found"], "the step `gulp build` runs the command gulp,"),
        ("application", ["+ false"], "the step `false` failed"),
        ("dependencies", ["write /x: no space left on device"], "the disk is full"),
        ("dependencies", ["ERROR: what nobody knows"], "ERROR: what nobody knows"),
    ],
)
def test_the_line_names_the_stage_the_cause_and_the_remedy(stage: str, output: list[str], said: str) -> None:
    line = explain(failed(stage, *output))
    assert said in line
    assert "\n" not in line


def test_a_base_image_that_can_t_be_had_is_named_with_the_settings_that_choose_it() -> None:
    log = [
        "#2 [internal] load metadata for docker.io/library/python:3.9-slim",
        "#2 ERROR: failed to do request: Head https://registry.example/v2: dial tcp: no such host",
        "ERROR: failed to solve",
    ]
    assert explain(log) == (
        "The image python:3.9-slim can't be pulled (no such host). Check that its registry is reachable, or set "
        "PYTHON_IMAGE to another image. If there is no image for this Python version, set `python` in flask-app.toml."
    )


def test_what_the_engine_says_before_it_begins_is_passed_on() -> None:
    assert explain(["ERROR: Cannot connect to the Docker daemon"]).endswith("Cannot connect to the Docker daemon")
    missing = "ERROR: BuildKit is enabled but the buildx component is missing or broken."
    assert explain([missing]).endswith("Install the docker-buildx plugin")


def test_every_header_has_a_package_for_development() -> None:
    assert all(re.fullmatch(r"[a-z0-9.+-]+-dev", package) for package in HEADERS.values())
