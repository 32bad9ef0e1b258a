"""Workers, schedulers and cron jobs, from files for operators and from the code."""

from pathlib import Path

import pytest

from delivery.detection.description import Undecided
from tests.detection.surrounding import FLASK, found


def processes(folder: Path, files: dict[str, str], serve: str = "app:app") -> list[tuple[str, str, str, str]]:
    """Name, role, command with its schedule, and place of each process."""
    return [
        (each.name, each.role.value, f"{each.schedule} {each.command}".strip(), each.place)
        for each in found(folder, {"app.py": FLASK, **files}, serve).processes
    ]


CELERY = {"requirements.txt": "flask\ncelery[redis]\n"}
"""Declares Celery."""


def test_each_line_of_a_procfile_but_web_and_release_is_a_process(tmp_path: Path) -> None:
    procfile = """
        web: gunicorn app:app
        release: flask db upgrade
        # A comment
        Mail_Worker: celery -A tasks worker -Q mail
        all: celery -A tasks worker -B
        clock: python clock.py
    """
    assert processes(tmp_path, {"Procfile": procfile}) == [
        ("mail-worker", "worker", "celery -A tasks worker -Q mail", "Procfile:4"),
        ("all", "scheduler", "celery -A tasks worker -B --schedule /tmp/celerybeat-schedule", "Procfile:5"),
        ("clock", "scheduler", "python clock.py", "Procfile:6"),
    ]


def test_a_second_server_in_a_procfile_is_no_worker(tmp_path: Path) -> None:
    files = {"app.py": FLASK, "Procfile": "web: gunicorn app:app\nadmin: gunicorn admin:app\n"}
    surroundings = found(tmp_path, files)
    assert surroundings.processes == ()
    assert "Procfile:2: 'admin' is a separate server" in surroundings.notes[0]


def test_compose_commands_of_task_queues_are_processes(tmp_path: Path) -> None:
    compose = """
        services:
          web:
            build: .
            command: gunicorn app:app
          worker:
            build: .
            command: celery -A tasks worker --loglevel $$LEVEL
          beat:
            build: .
            command: [celery, -A, tasks, beat]
          other:
            image: example/other
            command: celery -A other worker
    """
    assert processes(tmp_path, {"compose.yaml": compose}) == [
        ("worker", "worker", "celery -A tasks worker --loglevel $LEVEL", "compose.yaml:5"),
        ("beat", "scheduler", "celery -A tasks beat --schedule /tmp/celerybeat-schedule", "compose.yaml:8"),
    ]


def test_of_a_second_file_only_the_kinds_that_the_first_lacks_are_taken(tmp_path: Path) -> None:
    """Else two beats would start every task twice."""
    compose = """
        services:
          celery-beat:
            build: .
            command: celery -A app.tasks beat -l info
          celery:
            build: .
            command: celery -A app.tasks worker -l info
          worker:
            build: .
            command: rq worker
    """
    procfile = "worker: celery -A app.tasks worker\nbeat: celery -A app.tasks beat\n"
    files = {"Procfile": procfile, "compose.yaml": compose, "docker-compose.prod.yml": compose}
    assert [(each[0], each[2]) for each in processes(tmp_path, files)] == [
        ("worker", "celery -A app.tasks worker"),
        ("beat", "celery -A app.tasks beat --schedule /tmp/celerybeat-schedule"),
        ("worker-2", "rq worker"),
    ]


@pytest.mark.parametrize("other", ["celery -A app.tasks worker --beat", "celery -A app.tasks beat -l info"])
def test_two_schedulers_are_refused_and_decided_in_flask_app_toml(tmp_path: Path, other: str) -> None:
    procfile = f"beat: celery -A app.tasks beat\nother: {other}\n"
    with pytest.raises(Undecided) as raised:
        processes(tmp_path, {"Procfile": procfile})
    [problem] = raised.value.problems
    assert "(Procfile:1)" in problem.cause
    assert "(Procfile:2)" in problem.cause
    assert 'workers.beat = "celery -A app.tasks beat"' in problem.remedy
    configuration = '[workers]\nbeat = "celery -A app.tasks beat"\n'
    assert len(processes(tmp_path, {"Procfile": procfile, "flask-app.toml": configuration})) == 1


def test_a_job_that_is_called_like_a_worker_has_another_name(tmp_path: Path) -> None:
    cron = '{"cron": [{"schedule": "0 3 * * *", "command": "flask mail"}]}'
    found = processes(tmp_path, {"Procfile": "mail: celery -A tasks worker\n", "app.json": cron})
    assert [each[:2] for each in found] == [("mail", "worker"), ("mail-job", "cron job")]


def test_celery_in_the_code_has_a_worker(tmp_path: Path) -> None:
    tasks = """
        from celery import Celery
        celery = Celery(__name__, broker="redis://localhost")
        @celery.task
        def mail(): ...
    """
    assert processes(tmp_path, {**CELERY, "tasks.py": tasks}) == [
        ("celery", "worker", "celery --app tasks:celery worker", "tasks.py:2")
    ]


def test_a_schedule_of_celery_has_one_scheduler_whose_state_is_in_a_writable_folder(tmp_path: Path) -> None:
    tasks = """
        from celery import Celery
        celery = Celery(__name__)
        celery.conf.beat_schedule = {"report": {"task": "tasks.report", "schedule": 60.0}}
        @celery.task
        def report(): ...
    """
    assert processes(tmp_path, {**CELERY, "tasks.py": tasks})[1:] == [
        (
            "celery-beat",
            "scheduler",
            "celery --app tasks:celery beat --schedule /tmp/celerybeat-schedule",
            "tasks.py:3",
        )
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("celery -A tasks beat -l info", "celery -A tasks beat --schedule /tmp/celerybeat-schedule -l info"),
        ("celery -A tasks worker -B", "celery -A tasks worker -B --schedule /tmp/celerybeat-schedule"),
        ("celery -A heartbeat worker", "celery -A heartbeat worker"),
        ("celery -A beat worker --beat -c 2", "celery -A beat worker --beat --schedule /tmp/celerybeat-schedule -c 2"),
        ("celery -A tasks beat -s /data/schedule", "celery -A tasks beat -s /data/schedule"),
        ("celery -A tasks beat --schedule=x", "celery -A tasks beat --schedule=x"),
        ("celery -A tasks beat --scheduler redbeat", "celery -A tasks beat --scheduler redbeat"),
        ("python clock.py", "python clock.py"),
    ],
)
def test_a_declared_beat_has_its_state_in_a_writable_folder(tmp_path: Path, command: str, expected: str) -> None:
    [(_, _, found, _)] = processes(tmp_path, {"app.py": FLASK, "Procfile": f"clock: {command}\n"})
    assert found == expected


def test_celery_as_flasks_documentation_has_it(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": """
            from celery import Celery, Task
            from flask import Flask
            def create_app():
                app = Flask(__name__)
                celery_init_app(app)
                from . import views
                return app
            def celery_init_app(app):
                celery_app = Celery(app.name)
                app.extensions["celery"] = celery_app
                return celery_app
        """,
        "shop/views.py": "from . import tasks",
        "shop/tasks.py": """
            from celery import shared_task
            @shared_task
            def mail(): ...
        """,
        "make_celery.py": """
            from shop import create_app
            flask_app = create_app()
            celery_app = flask_app.extensions["celery"]
        """,
    }
    assert processes(tmp_path, {**CELERY, **files}, "shop:create_app()") == [
        ("celery", "worker", "celery --app make_celery:celery_app worker", "make_celery.py:3")
    ]


def test_the_module_for_the_worker_is_preferred_to_the_one_that_makes_the_object(tmp_path: Path) -> None:
    files = {
        "shop/extensions.py": "from celery import Celery\ncelery = Celery()\n",
        "shop/__init__.py": "from .extensions import celery\nfrom . import mails\ndef create_app(): ...\n",
        "shop/mails.py": "from .extensions import celery\n@celery.task\ndef mail(): ...\n",
        "celery_worker.py": "from shop import create_app\nfrom shop.extensions import celery\napp = create_app()\n",
    }
    assert processes(tmp_path, {**CELERY, **files}, "shop:create_app()") == [
        ("celery", "worker", "celery --app celery_worker:celery worker", "celery_worker.py:2")
    ]


def test_a_module_that_does_not_import_the_tasks_is_no_guess(tmp_path: Path) -> None:
    files = {
        "app.py": "import extensions, mails\nfrom flask import Flask\napp = Flask(__name__)\n",
        "extensions.py": "from celery import Celery\nqueue = Celery()\n",
        "mails.py": "import extensions\n@extensions.queue.task\ndef mail(): ...\n",
    }
    surroundings = found(tmp_path, {**CELERY, **files})
    assert surroundings.processes == ()
    assert "Applications are extensions:queue (extensions.py:2)" in surroundings.notes[0]
    assert "workers.celery" in surroundings.notes[0]


def test_the_command_in_a_readme_counts(tmp_path: Path) -> None:
    files = {
        "extensions.py": "from celery import Celery\ncelery = Celery()\n",
        "README.md": "Start it:\n\n    celery -A extensions.celery worker --loglevel=info\n",
    }
    assert processes(tmp_path, {**CELERY, **files}) == [
        ("celery", "worker", "celery --app extensions.celery worker", "README.md:3")
    ]


def test_celery_that_is_no_dependency_is_an_option_of_operators(tmp_path: Path) -> None:
    tasks = "from celery import Celery\ncelery = Celery()\n@celery.task\ndef mail(): ...\n"
    assert processes(tmp_path, {"requirements.txt": "flask\n", "tasks.py": tasks}) == []


@pytest.mark.parametrize(
    ("files", "command", "role"),
    [
        (
            {"worker.py": "from rq import Worker\nif __name__ == '__main__':\n    Worker(['default']).work()\n"},
            "python worker.py",
            "worker",
        ),
        (
            {
                "app.py": f"{FLASK}import os\nfrom redis import from_url\nfrom rq import Queue\n"
                "mails = Queue('mails', connection=from_url(os.environ['REDIS_URL']))\n"
            },
            'rq worker --url "$REDIS_URL" mails',
            "worker",
        ),
        (
            {"shop/jobs.py": "from rq import Worker\nif '__main__' == __name__:\n    Worker(['default']).work()\n"},
            "python -m shop.jobs",
            "worker",
        ),
        ({"app.py": f"{FLASK}from flask_rq2 import RQ\nRQ(app)\n"}, "flask rq worker", "worker"),
        ({"mails.py": "import dramatiq\n@dramatiq.actor\ndef mail(): ...\n"}, "dramatiq mails", "worker"),
        (
            {"mails.py": "from huey import RedisHuey\nqueue = RedisHuey()\n@queue.task()\ndef mail(): ...\n"},
            "huey_consumer.py mails.queue",
            "worker",
        ),
        (
            {"mails.py": "from huey import RedisHuey\nqueue = RedisHuey()\n@queue.periodic_task(1)\ndef mail(): ...\n"},
            "huey_consumer.py mails.queue",
            "scheduler",
        ),
    ],
    ids=["rq script", "rq queue", "rq module", "flask-rq2", "dramatiq", "huey", "huey with a schedule"],
)
def test_other_task_queues(tmp_path: Path, files: dict[str, str], command: str, role: str) -> None:
    [process] = processes(tmp_path, files)
    assert process[1:3] == (role, command)


def test_a_queue_whose_redis_is_not_known_is_noted(tmp_path: Path) -> None:
    code = f"{FLASK}from redis import Redis\nfrom rq import Queue\nmails = Queue('mails', connection=Redis('queue'))\n"
    [note] = found(tmp_path, {"app.py": code}).notes
    assert note.startswith("app.py:5: RQ is used, but the address of its Redis isn't known.")
    assert 'workers.rq = "rq worker --url redis://HOST mails"' in note


def test_what_a_procfile_has_is_not_looked_for_in_the_code(tmp_path: Path) -> None:
    tasks = (
        "from celery import Celery\ncelery = Celery()\n@celery.task\ndef mail(): ...\ncelery.conf.beat_schedule = {}\n"
    )
    files = {**CELERY, "tasks.py": tasks, "Procfile": "mail: celery -A tasks worker -c 4\n"}
    assert [each[:2] for each in processes(tmp_path, files)] == [("mail", "worker"), ("celery-beat", "scheduler")]


def test_a_scheduler_within_the_server_has_one_replica_unless_somebody_decides(tmp_path: Path) -> None:
    code = f"{FLASK}from apscheduler.schedulers.background import BackgroundScheduler\nBackgroundScheduler().start()\n"
    surroundings = found(tmp_path, {"app.py": code})
    [note] = surroundings.notes
    assert note.startswith("app.py:4: a scheduler starts within the server, so each job would run in every pod")
    assert surroundings.single
    assert surroundings.single.place == "app.py:4"
    decided = {"app.py": code, "flask-app.toml": '[workers]\nscheduler = "python clock.py"\n'}
    assert found(tmp_path, decided).single is None


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("pyproject.toml", "[project.scripts]\nshop = 'shop:main'\nshop-notifier = 'shop.mail:main'\n", 3),
        ("setup.cfg", "[options.entry_points]\nconsole_scripts =\n    shop-notifier = shop.mail:main\n", 3),
        ("setup.py", "setup(entry_points={\n  'console_scripts': [\n    'shop-notifier = shop.mail:main'\n  ]})\n", 3),
    ],
)
def test_commands_that_sound_like_a_process_are_noted(tmp_path: Path, file: str, text: str, line: int) -> None:
    [note] = found(tmp_path, {"app.py": FLASK, file: text}).notes
    assert f"may have to run as workers: `shop-notifier` ({file}:{line})." in note
    assert 'workers.NAME = "shop-notifier"' in note


def test_cron_jobs_come_from_app_json_and_crontabs(tmp_path: Path) -> None:
    crontab = """
        MAILTO=me@example.com
        # m h dom mon dow command
        0 3 * * 7 cd /srv/app && /usr/bin/python scripts/send_report.py --all >> /var/log/report.log 2>&1
        @daily flask clean-up
    """
    app_json = '{"cron": [{"command": "flask send-mails", "schedule": "*/5 * * * *"}]}'
    assert processes(tmp_path, {"app.json": app_json, "crontab": crontab}) == [
        ("send-mails", "cron job", "*/5 * * * * flask send-mails", "app.json"),
        ("send-report", "cron job", "0 3 * * 0 python scripts/send_report.py --all", "crontab:3"),
        ("clean-up", "cron job", "@daily flask clean-up", "crontab:4"),
    ]


def test_a_schedule_that_kubernetes_has_not_is_noted(tmp_path: Path) -> None:
    [note] = found(tmp_path, {"app.py": FLASK, "crontab": "@reboot flask start\n"}).notes
    assert note == "crontab:1: '@reboot' isn't a valid cron schedule: Kubernetes doesn't support @reboot."


def test_what_flask_app_toml_sets_replaces_what_is_found(tmp_path: Path) -> None:
    files = {
        "Procfile": "mail: celery -A tasks worker\n",
        "crontab": "@daily flask clean-up\n",
        "flask-app.toml": '[workers]\nbeat = "celery -A tasks beat"\n[jobs]\n',
    }
    assert processes(tmp_path, files) == [
        ("beat", "scheduler", "celery -A tasks beat --schedule /tmp/celerybeat-schedule", "flask-app.toml")
    ]
