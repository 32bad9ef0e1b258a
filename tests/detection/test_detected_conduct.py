"""Health routes, services, sessions and Socket.IO."""

from pathlib import Path

import pytest

from tests.detection.surrounding import FLASK, found


def health(folder: Path, files: dict[str, str], serve: str = "app:app") -> tuple[str, str] | None:
    """The path and place of the health route."""
    one = found(folder, files, serve).health
    return (one.value, one.place) if one else None


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("@app.route('/healthz')\ndef up(): ...", "/healthz"),
        ("@app.get('/_health/')\ndef up(): ...", "/_health/"),
        ("app.add_url_rule('/ping', view_func=print)", "/ping"),
        ("@app.route('/ping')\ndef a(): ...\n@app.route('/health')\ndef b(): ...", "/health"),
        ("@app.route('/health', methods=['POST'])\ndef up(): ...", None),
        ("@app.route('/health')\n@login_required\ndef up(): ...", None),
        ("@app.route('/users/<name>/health')\ndef up(): ...", None),
        ("@app.route('/status')\ndef status_of_order(): ...", None),
    ],
)
def test_the_route_that_tells_health(tmp_path: Path, code: str, path: str | None) -> None:
    one = health(tmp_path, {"app.py": f"{FLASK}{code}\n"})
    assert (one[0] if one else None) == path


def test_prefixes_of_blueprints_count(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": """
            from flask import Blueprint, Flask
            from . import ops
            from .orders import bp as orders_bp
            api = Blueprint("api", __name__, url_prefix="/api")
            def create_app():
                app = Flask(__name__)
                api.register_blueprint(ops.bp)
                app.register_blueprint(api, url_prefix="/v2")
                app.register_blueprint(orders_bp, url_prefix=PREFIX)
                return app
        """,
        "shop/ops.py": """
            from flask import Blueprint
            bp = Blueprint("ops", __name__, url_prefix="/ops")
            @bp.route("/health")
            def health(): ...
        """,
        "shop/orders.py": """
            from flask import Blueprint
            bp = Blueprint("orders", __name__)
            @bp.get("/healthz")
            def health(): ...
        """,
    }
    assert health(tmp_path, files, "shop:create_app()") == ("/v2/ops/health", "shop/ops.py:3")


def test_a_blueprint_that_is_not_registered_has_no_route(tmp_path: Path) -> None:
    code = "from flask import Blueprint\nbp = Blueprint('ops', __name__)\n@bp.get('/healthz')\ndef health(): ...\n"
    assert health(tmp_path, {"app.py": FLASK + code}) is None


def test_the_health_route_can_be_set(tmp_path: Path) -> None:
    code = f"{FLASK}@app.route('/healthz')\ndef up(): ...\n"
    assert health(tmp_path, {"app.py": code, "flask-app.toml": 'health = "/up"\n'}) == ("/up", "flask-app.toml")
    assert health(tmp_path, {"app.py": code, "flask-app.toml": "health = false\n"}) is None


READS = f"{FLASK}import os\nurl = os.environ['DATABASE_URL']\n"


@pytest.mark.parametrize(
    ("files", "services"),
    [
        ({"app.py": READS, "requirements.txt": "flask\npsycopg2-binary\n"}, [("postgresql", "requirements.txt:2")]),
        ({"app.py": READS, "pyproject.toml": "[project]\ndependencies = [\n  'PyMySQL',\n]\n"},
         [("mysql", "pyproject.toml:3")]),
        ({"app.py": READS, "pyproject.toml": "[project.optional-dependencies]\nmysql = ['PyMySQL']\n"}, []),
        ({"app.py": FLASK, "requirements.txt": "psycopg\n"}, []),
        ({"app.py": f"{FLASK}url = 'postgresql+psycopg://db/shop'\n"}, [("postgresql", "app.py:3")]),
        ({"app.py": f"{FLASK}url = url.replace('postgres://', 'postgresql://')\n"}, []),
        ({"app.py": FLASK, "compose.yaml": "services:\n  db:\n    image: docker.io/library/mariadb:11\n"},
         [("mysql", "compose.yaml:2")]),
        ({"app.py": f"{FLASK}import os\nx = os.environ['CELERY_BROKER_URL']\n", "requirements.txt": "celery[redis]\n"},
         [("redis", "requirements.txt:1")]),
        ({"app.py": READS, "requirements.txt": "psycopg\n", "flask-app.toml": "services = []\n"}, []),
    ],
)  # fmt: skip
def test_the_services_that_are_used(tmp_path: Path, files: dict[str, str], services: list[tuple[str, str]]) -> None:
    assert [(each.value, each.place) for each in found(tmp_path, files).services] == services


def test_two_databases_that_could_be_meant_are_noted(tmp_path: Path) -> None:
    files = {"app.py": READS, "requirements.txt": "psycopg\npymysql\n"}
    surroundings = found(tmp_path / "one", files)
    assert surroundings.services == ()
    assert "Drivers of PostgreSQL (requirements.txt:1) and of MySQL (requirements.txt:2)" in surroundings.notes[0]
    compose = "services:\n  db:\n    image: postgres:17\n"
    assert [each.value for each in found(tmp_path / "two", {**files, "compose.yaml": compose}).services] == [
        "postgresql"
    ]


def test_a_service_that_cannot_be_set_up_is_noted(tmp_path: Path) -> None:
    compose = "services:\n  queue:\n    image: rabbitmq:4\n"
    [note] = found(tmp_path, {"app.py": FLASK, "compose.yaml": compose}).notes
    assert note.startswith("compose.yaml:2: RabbitMQ is used. It isn't set up for development")


def test_socket_io_keeps_clients_with_one_pod(tmp_path: Path) -> None:
    code = f"{FLASK}from flask_socketio import SocketIO\nsocketio = SocketIO(app)\n"
    affinity = found(tmp_path, {"app.py": code}).affinity
    assert affinity is not None
    assert (affinity.value, affinity.place) == ("Flask-SocketIO", "app.py:4")


@pytest.mark.parametrize(
    ("code", "single", "said"),
    [
        ("socketio = SocketIO(app)", True, "There is one replica for that reason"),
        ("socketio = SocketIO(app, message_queue=None)", True, "There is one replica for that reason"),
        ("socketio = SocketIO(app, message_queue='redis://')", False, "nginx.ingress.kubernetes.io/affinity: cookie"),
        ("socketio = SocketIO()\nsocketio.init_app(app, message_queue=url)", False, "affinity: cookie"),
    ],
)
def test_socket_io_has_one_replica_unless_pods_pass_messages_on(
    tmp_path: Path, code: str, single: bool, said: str
) -> None:
    surroundings = found(tmp_path, {"app.py": f"{FLASK}from flask_socketio import SocketIO\n{code}\n"})
    assert (surroundings.single is not None) is single
    [note] = surroundings.notes
    assert said in note


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\napp.secret_key = os.urandom(24)",
         "app.py:4: SECRET_KEY is random, so each process generates its own"),
        ("import os, secrets\napp.config['SECRET_KEY'] = os.environ.get('SECRET_KEY') or secrets.token_hex()",
         "a session is lost when another process answers. Set SECRET_KEY in the env file."),
        ("app.secret_key = 'dev'", "app.py:3: SECRET_KEY is in the source"),
        ("import os\napp.secret_key = os.environ.get('SECRET_KEY', 'dev')", "SECRET_KEY has a default in the source"),
        ("from flask import session\ndef view():\n    session['a'] = 1", "app.py:5: sessions are used, but no"),
        ("from flask import session\nclass Settings: ...\napp.config.from_object(Settings)\nx = session",
         "sessions are used, but no SECRET_KEY"),
        ("from flask import session\napp.config.update({'DEBUG': False})\nx = session",
         "sessions are used, but no SECRET_KEY"),
    ],
)  # fmt: skip
def test_a_key_of_sessions_that_does_not_do_is_noted(tmp_path: Path, code: str, said: str) -> None:
    [note] = found(tmp_path, {"app.py": f"{FLASK}{code}\n"}).notes
    assert said in note


@pytest.mark.parametrize(
    "code",
    [
        "import os\napp.secret_key = os.environ['SECRET_KEY']",
        "import os\napp.secret_key = os.environ.get('SECRET_KEY')",
        "from flask import session\napp.config.from_prefixed_env()\ndef view():\n    session['a'] = 1",
        "from flask import session\napp.config.from_object(settings_of(stage))\nx = session",
        "from flask import session\napp.config.from_object('company.settings')\nx = session",
        "from flask import session\napp.config.update(read_settings())\nx = session",
        "from flask import session\napp.config.from_mapping(**given)\nx = session",
        "from flask import session",
        "",
    ],
)
def test_nothing_is_said_of_a_key_that_does(tmp_path: Path, code: str) -> None:
    assert found(tmp_path, {"app.py": f"{FLASK}{code}\n"}).notes == ()
