"""flask-app.toml: what is read from it, and what is said of everything that is wrong in it."""

from pathlib import Path

import pytest

from delivery.detection.configuration import Configuration, Job, read
from delivery.detection.cron import problem_of
from delivery.detection.description import Undecided
from delivery.detection.keys import KEYS
from tests.detection.repositories import made

EVERY_KEY = """
name = "shop"
serve = "shop:create_app('production')"
root = "src"
python = "3.12"
requirements = ["requirements/prod.txt"]
extras = []
groups = ["production"]
apt = ["libpq5"]
apt-build = ["libpq-dev"]
build = ["python manage.py collectstatic --noinput"]
assets = false
migrate = "flask db upgrade"
health = "/healthz"
writable = ["instance"]
scratch = ["static/thumbnails"]
services = ["postgresql", "redis"]
secrets = ["API_TOKEN"]
[environment]
CURRENCY = "EUR"
EMPTY = ""
[workers]
mail = "celery --app shop.tasks worker"
[jobs.report]
schedule = "0 3 * * mon-fri"
command = "flask report"
"""
FILES = {"src/shop.py": "", "requirements/prod.txt": ""}


def problems(folder: Path, text: str) -> list[str]:
    """What is said of a flask-app.toml, each with its remedy."""
    with pytest.raises(Undecided) as raised:
        read(made(folder, {**FILES, "flask-app.toml": text}))
    return [f"{each.cause}. {each.remedy}" for each in raised.value.problems]


def test_every_key_is_read(tmp_path: Path) -> None:
    assert read(made(tmp_path, {**FILES, "flask-app.toml": EVERY_KEY})) == Configuration(
        name="shop",
        serve="shop:create_app('production')",
        root="src",
        python="3.12",
        requirements=("requirements/prod.txt",),
        extras=(),
        groups=("production",),
        apt=("libpq5",),
        apt_build=("libpq-dev",),
        build=("python manage.py collectstatic --noinput",),
        assets=False,
        migrate="flask db upgrade",
        health="/healthz",
        writable=("instance",),
        scratch=("static/thumbnails",),
        services=("postgresql", "redis"),
        secrets=("API_TOKEN",),
        environment={"CURRENCY": "EUR", "EMPTY": ""},
        workers={"mail": "celery --app shop.tasks worker"},
        jobs={"report": Job("0 3 * * mon-fri", "flask report")},
    )
    assert all(f"\n{key} = " in EVERY_KEY or f"[{key}" in EVERY_KEY for key in KEYS), "the test has every key"


@pytest.mark.parametrize("key", KEYS)
def test_the_example_of_each_key_is_right(tmp_path: Path, key: str) -> None:
    files = {**FILES, "requirements.txt": "", "frontend/package.json": "{}"}
    read(made(tmp_path, {**files, "flask-app.toml": KEYS[key].example}))


def test_the_table_of_pyproject_does_as_well(tmp_path: Path) -> None:
    found = read(made(tmp_path, {"pyproject.toml": '[tool.flask-app]\nhealth = "/up"\n'}))
    assert found == Configuration(place="pyproject.toml [tool.flask-app]", health="/up")


def test_a_repository_that_says_nothing_sets_nothing(tmp_path: Path) -> None:
    assert read(made(tmp_path, {"pyproject.toml": "[project]\n"})) == Configuration()


def test_both_places_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Undecided, match="both exist"):
        read(made(tmp_path, {"flask-app.toml": "", "pyproject.toml": "[tool.flask-app]\n"}))


def test_everything_wrong_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    text = """
        name = "My Shop"
        serv = "shop:app"
        python = 3.13
        health = true
        writable = "instance"
        [workers]
        mail = 3
        test = "celery worker"
        [jobs.report]
        schedule = "0 25 * * *"
        command = "flask report"
        [jobs.mail]
        shedule = "@daily"
        command = "flask mail"
        [environment]
        THREADS = 8
    """
    assert problems(tmp_path, text) == [
        "flask-app.toml:1: name is 'My Shop', but must be at most 40 lower-case letters, digits and hyphens, "
        "beginning with a letter and not ending with a hyphen. correct it",
        "flask-app.toml:2: unknown key 'serv'. write 'serve'",
        "flask-app.toml:3: python is a number instead of a string. put it in quotes",
        "flask-app.toml:4: health is true. write a string, or false for none",
        "flask-app.toml:5: writable is a string instead of a list. write a list",
        "flask-app.toml:7: workers.mail is a number instead of a string. put it in quotes",
        "flask-app.toml:8: workers: the chart reserves the name test. rename it",
        "flask-app.toml:9: jobs.report: '0 25 * * *' isn't a valid cron schedule: the hour 25 is not from 0 to 23. "
        "correct it",
        "flask-app.toml:12: jobs.mail has no schedule. add schedule",
        "flask-app.toml:12: jobs.mail: unknown key 'shedule'. delete it",
        "flask-app.toml:16: environment.THREADS is a number instead of a string. put it in quotes",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('apt_build = ["gcc"]', "unknown key 'apt_build'. write 'apt-build'"),
        ('colour = "red"', "unknown key 'colour'. delete it. The keys are name, serve, root"),
        ('serve = "shop.py app"', "serve is 'shop.py app', but must be module:name or module:factory()"),
        ('serve = " "', "serve is ' ', but must be module:name"),
        ('root = "scr"', "root: the folder scr doesn't exist. write src"),
        ('root = "../other"', "root ../other is outside the repository"),
        (
            'requirements = ["requirements/prd.txt"]',
            "the file requirements/prd.txt doesn't exist. write requirements/prod.txt",
        ),
        ('services = ["postgres"]', "services: 'postgres' isn't supported. write 'postgresql'"),
        ('services = ["cassandra"]', "use one of postgresql, mysql, redis, and run others yourself"),
        (
            'secrets = ["API-TOKEN"]',
            "secrets: an entry is 'API-TOKEN', but must be the name of an environment variable",
        ),
        ('health = "healthz"', "health is 'healthz', but must be a path that begins with /"),
        ('apt = ["libpq5; reboot"]', "but must be the name of a Debian package"),
        (
            'workers = { a = "x" }\njobs.a = { schedule = "@daily", command = "x" }',
            "a worker and a job are both named a",
        ),
        ("jobs = { a = 1 }", "jobs.a is a number instead of a table with schedule and command"),
        ("name = ", "flask-app.toml isn't valid TOML: Invalid value (at "),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(tmp_path: Path, line: str, said: str) -> None:
    [problem] = problems(tmp_path, line)
    assert said in problem


@pytest.mark.parametrize(
    "name", ["PATH", "LD_PRELOAD", "PYTHONPATH", "DOCKER_HOST", "BUILDX_CONFIG", "GUNICORN_CMD_ARGS", "https_proxy"]
)
def test_the_environment_does_not_decide_how_programs_start(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, f'environment = {{ {name} = "x", CURRENCY = "EUR" }}')
    assert f"environment: {name} decides how programs are started. delete it" in problem


def test_the_line_is_that_in_pyproject(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\n[tool.other]\npython = "x"\n[tool.flask-app]\npython = 3.13\n'
    with pytest.raises(Undecided) as raised:
        read(made(tmp_path, {"pyproject.toml": text}))
    assert raised.value.problems[0].cause == "pyproject.toml:6: python is a number instead of a string"


def test_a_pyproject_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Undecided, match=r"pyproject.toml isn't valid TOML: .*line 2"):
        read(made(tmp_path, {"pyproject.toml": "[tool.flask-app]\nname = \n"}))


@pytest.mark.parametrize("schedule", ["* * * * *", "*/5 0-6 1,15 jan-mar sun", "0 0 ? * MON", "@daily", "@every 1h30m"])
def test_a_schedule_that_kubernetes_reads(schedule: str) -> None:
    assert problem_of(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "cause"),
    [
        ("* * * *", "it has 4 fields instead of 5"),
        ("60 * * * *", "the minute 60 is not from 0 to 59"),
        ("0 0 0 * *", "the day of month 0 is not from 1 to 31"),
        ("0 0 * jam *", "the month jam is not from 1 to 12"),
        ("0 0 * * 7", "the day of week 7 is not from 0 to 6"),
        ("*/0 * * * *", "the step of the minute is 0"),
        ("1- * * * *", "the minute '1-' can't be read"),
        ("@reboot", "Kubernetes doesn't support @reboot"),
        ("CRON_TZ=UTC 0 0 * * *", "a time zone belongs in the CronJob's timeZone"),
    ],
)
def test_a_schedule_that_kubernetes_refuses(schedule: str, cause: str) -> None:
    assert cause in problem_of(schedule)
