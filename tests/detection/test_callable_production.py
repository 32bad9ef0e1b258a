"""What production starts decides where more than one application could be meant."""

from pathlib import Path

import pytest

from delivery.detection.callables import find_callable
from delivery.detection.callables.production.commands import of_command
from delivery.detection.callables.production.declared import declared
from delivery.detection.callables.production.own_commands import own_commands
from delivery.detection.configuration import Configuration
from tests.detection.repositories import made

TWO = {
    "admin.py": "from flask import Flask\nshop = Flask('admin')\n",
    "shop.py": "from flask import Flask\nshop = Flask('shop')\n",
}
"""Two applications, between which nothing else decides."""

STARTS: dict[str, dict[str, str]] = {
    "Procfile": {"Procfile": "web: gunicorn -w 4 --bind 0.0.0.0:$PORT shop:shop\nworker: celery -A tasks worker\n"},
    "a Procfile with a second service": {"Procfile": "admin: gunicorn admin:shop\nweb: gunicorn shop:shop\n"},
    "Dockerfile, as a list": {"Dockerfile": 'CMD ["gunicorn", "-b", "0.0.0.0:8000", "shop:shop"]\n'},
    "Dockerfile, as a line": {"Dockerfile": "CMD gunicorn --bind 0.0.0.0:8000 \\\n  --workers=2 shop:shop\n"},
    "Dockerfile, through a shell": {"Dockerfile": 'CMD ["sh", "-c", "exec gunicorn shop:shop --workers 2"]\n'},
    "Dockerfile in a folder": {"docker/prod.Dockerfile": "ENTRYPOINT uv run gunicorn shop:shop\n"},
    "a default that a variable may replace": {"entrypoint.sh": 'exec gunicorn "${APP_MODULE:-shop:shop}"\n'},
    "compose": {"compose.yaml": "services:\n  web:\n    command: gunicorn --bind :80 shop:shop\n"},
    "compose, quoted": {"docker-compose.prod.yml": 'services:\n  web:\n    command: "gunicorn shop:shop"\n'},
    "compose, one word a line": {
        "docker-compose.yml": "services:\n  web:\n    command:\n    - gunicorn\n    - --preload\n    - shop:shop\n"
    },
    "Kubernetes": {"k8s/deployment.yaml": "containers:\n- name: web\n  args: ['gunicorn', 'shop:shop']\n"},
    "systemd": {"deploy/shop.service": "[Service]\nExecStart=/srv/venv/bin/gunicorn --workers 3 shop:shop\n"},
    "supervisor": {"supervisord.conf": "[program:web]\ncommand=/srv/bin/gunicorn -c conf.py shop:shop\n"},
    "uwsgi.ini": {"uwsgi.ini": "[uwsgi]\nmodule = shop:shop\nmaster = true\n"},
    "uwsgi.ini with a file": {"uwsgi.ini": "[uwsgi]\nwsgi-file = shop.py\ncallable = shop\n"},
    "a uwsgi command": {"start.sh": "uwsgi --http :5000 --module shop --callable shop\n"},
    "waitress": {"run.sh": "waitress-serve --port=5000 shop:shop\n"},
    "mod_wsgi": {"serve.sh": "mod_wsgi-express start-server --application-type module shop\n"},
    "App Engine": {"app.yaml": "runtime: python312\nentrypoint: gunicorn -b :$PORT shop:shop\n"},
    "Render": {"render.yaml": "services:\n  - type: web\n    startCommand: gunicorn shop:shop\n"},
    "gunicorn's configuration": {"gunicorn.conf.py": "workers = 2\nwsgi_app = 'shop:shop'\n"},
    "Zappa": {"zappa_settings.json": '{"production": {"app_function": "shop.shop"}}'},
    "a file for Apache": {"deploy/shop.wsgi": "import sys\nfrom shop import shop as application\n"},
    ".flaskenv": {".flaskenv": "FLASK_APP=shop.py\n"},
    "FLASK_APP in an image": {"Dockerfile": "ENV FLASK_APP=shop:shop\nCMD flask run\n"},
    "FLASK_APP in an example of an env file": {".env.example": 'export FLASK_APP="shop"\n'},
    "flask --app": {"Makefile": "run:\n\tflask --app shop run --port 5000\n"},
    "README": {"README.md": "Run it:\n\n    gunicorn shop:shop\n"},
    "the image rather than the README": {
        "README.md": "gunicorn admin:shop\n",
        "Dockerfile": "CMD gunicorn shop:shop\n",
    },
}


@pytest.mark.parametrize("start", STARTS)
def test_what_is_started_is_served(tmp_path: Path, start: str) -> None:
    found = find_callable(made(tmp_path, TWO | STARTS[start]), Configuration())
    assert found.value.reference == "shop:shop"


def test_the_arguments_that_production_gives_a_factory_are_kept(tmp_path: Path) -> None:
    files = {
        "shop.py": "from flask import Flask\ndef create_app(mode):\n    return Flask(mode)\n",
        "Dockerfile": """CMD ["gunicorn", "shop:create_app('production')"]\n""",
    }
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == "shop:create_app('production')"


def test_the_arguments_that_a_file_for_apache_gives_a_factory_are_kept(tmp_path: Path) -> None:
    files = {
        "shop.py": "from flask import Flask\ndef create_app(mode):\n    return Flask(mode)\n",
        "shop.wsgi": "from shop import create_app\napplication = create_app('production')\n",
    }
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == "shop:create_app('production')"


def test_a_file_for_apache_that_is_an_example_decides_nothing(tmp_path: Path) -> None:
    files = {"shop.wsgi": "from shop import create_app\napplication = create_app('/path/to/shop')\n"}
    assert declared(made(tmp_path, files)) == []


def test_the_folder_that_a_command_is_started_in_tells_two_of_one_name_apart(tmp_path: Path) -> None:
    flask = "from flask import Flask\napp = Flask('x')\n"
    files = {"one/app.py": flask, "two/app.py": flask, "start.sh": "cd two && gunicorn app:app\n"}
    found = find_callable(made(tmp_path, files), Configuration()).value
    assert (found.reference, found.root) == ("app:app", "two")


def test_an_image_built_in_the_folder_of_the_application_means_that_one(tmp_path: Path) -> None:
    flask = "from flask import Flask\napp = Flask('x')\n"
    files = {"one/app.py": flask, "two/app.py": flask, "two/Dockerfile": "CMD gunicorn app:app\n"}
    assert find_callable(made(tmp_path, files), Configuration()).value.root == "two"


def test_app_engine_serves_main_where_nothing_else_is_said(tmp_path: Path) -> None:
    flask = "from flask import Flask\napp = Flask('x')\n"
    files = {"main.py": flask, "tool.py": flask, "app.yaml": "runtime: python312\n"}
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == "main:app"


def test_an_application_that_production_starts_is_served_although_a_command_sets_more(tmp_path: Path) -> None:
    files = {
        "shop.py": "import flask\napp = flask.Flask('x')\ndef main():\n    app.config['TITLE'] = 'Shop'\n",
        "Procfile": "web: gunicorn shop:app\n",
    }
    assert find_callable(made(tmp_path, files), Configuration()).value.reference == "shop:app"


COMMANDS: dict[str, list[tuple[str, str]]] = {
    "gunicorn -w4 -b :80 --log-level info a.b:c": [("a.b:c", "gunicorn")],
    "gunicorn 'a:make(\"x y\")'": [('a:make("x y")', "gunicorn")],
    "python -m gunicorn a:b && rm -rf c:d": [("a:b", "gunicorn")],
    "waitress-serve --call a:make": [("a:make()", "waitress")],
    "uwsgi --http=:80 -w a:b": [("a:b", "uwsgi")],
    "uwsgi": [],
    "flask --app=a:make run": [("a:make", "flask")],
    "uvicorn a:b --host 0.0.0.0": [("a:b", "uvicorn")],
    "pip install gunicorn==23.0.0": [],
    "echo it's gunicorn": [],
}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_application_in_a_command_line(line: str) -> None:
    assert of_command(line) == COMMANDS[line]


def test_a_comment_starts_nothing(tmp_path: Path) -> None:
    assert declared(made(tmp_path, {"Procfile": "# web: gunicorn old:app\n"})) == []


def test_each_place_is_told_with_its_line(tmp_path: Path) -> None:
    repository = made(tmp_path, {"Dockerfile": "FROM python\nCMD gunicorn \\\n  shop:app\n"})
    assert [(each.module, each.name, each.by, each.place) for each in declared(repository)] == [
        ("shop", "app", "gunicorn", "Dockerfile:2")
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[project.scripts]\nshop = 'shop.cli:main'\n"},
        {"pyproject.toml": "[tool.poetry.scripts]\nshop = 'shop.cli:main'\n"},
        {"setup.py": "setup(entry_points={'console_scripts': ['shop = shop.cli:main']})\n"},
        {"setup.cfg": "[options.entry_points]\nconsole_scripts =\n    shop = shop.cli:main\n"},
    ],
)
def test_the_commands_that_a_package_installs(tmp_path: Path, files: dict[str, str]) -> None:
    found = own_commands(made(tmp_path, files))
    assert [(each.name, each.function) for each in found] == [("shop", "shop.cli:main")]
