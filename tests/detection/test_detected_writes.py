"""The files and folders that an application writes to."""

from pathlib import Path

import pytest

from tests.detection.surrounding import FLASK, found


def writes(folder: Path, files: dict[str, str], serve: str = "app:app", root: str = ".") -> list[tuple[str, str, bool]]:
    """Path, kind and whether all pods must see the same."""
    return [(each.path, each.what, each.shared) for each in found(folder, files, serve, root).writes]


ALCHEMY = "from flask_sqlalchemy import SQLAlchemy\n"
CONNECT = "import sqlite3\nsqlite3.connect"
INSTANCE = ("instance", "instance folder", False)
SHOP = ("shop.db", "SQLite database", True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///shop.db'", [SHOP]),
        (f"{ALCHEMY}URI = 'sqlite:///shop.db'", [("instance/shop.db", "SQLite database", True)]),
        ("URI = 'sqlite:////data/shop.db'", [("/data/shop.db", "SQLite database", True)]),
        ("import os\nURI = os.environ.get('DATABASE_URL', 'sqlite:///shop.db')", [SHOP]),
        ("import os\nHERE = os.path.abspath(os.path.dirname(__file__))\n"
         "URI = 'sqlite:///' + os.path.join(HERE, 'shop.db')",
         [SHOP]),
        ("import os\nURI = f\"sqlite:///{os.path.join(app.instance_path, 'shop.db')}\"",
         [("instance/shop.db", "SQLite database", True)]),
        ("from pathlib import Path\nURI = f\"sqlite:///{Path(__file__).parent / 'data' / 'shop.db'}\"",
         [("data/shop.db", "SQLite database", True)]),
        ("URI = 'sqlite://'\nOTHER = 'sqlite:///:memory:'", []),
        ("URI = 'sqlite:////tmp/shop.db'", []),
        (f"{CONNECT}('shop.db')", [SHOP]),
        (f"{CONNECT}(':memory:')", []),
        ("import os\nos.makedirs(app.instance_path, exist_ok=True)", [INSTANCE]),
        ("app.config['UPLOAD_FOLDER'] = 'static/uploads'", [("static/uploads", "upload folder", True)]),
        ("import os\nUPLOAD_FOLDER = os.path.join(os.getcwd(), 'files')", [("files", "upload folder", True)]),
        ("import os\ndef up(f):\n    f.save(os.path.join('uploads', f.filename))",
         [("uploads", "upload folder", True)]),
        ("with open('data.json', 'w') as f: ...", [("data.json", "file", False)]),
        ("with open('data.json') as f: ...", []),
        ("open('data.json', 'w')\nopen('data.json')", [("data.json", "file", True)]),
        ("import os\nos.mkdir('out')\nopen(f'out/{x}', 'w')\nsend_from_directory('out', x)", [("out", "folder", True)]),
        ("def write(path):\n    open(path, 'w')", []),
        ("def write(name):\n    open(f'reports/{name}.pdf', 'wb')", [("reports", "folder", False)]),
        ("from pathlib import Path\nPath('state.txt').write_text('')", [("state.txt", "file", False)]),
        ("from pathlib import Path\nPath.home().joinpath('.shop').mkdir()", [("~/.shop", "folder", False)]),
        ("from pathlib import Path\nPath('~/.shop').expanduser().mkdir()", [("~/.shop", "folder", False)]),
        ("import os\nopen(os.path.join(app.root_path, 'a.txt'), 'w')", [("a.txt", "file", False)]),
        ("import os\nopen(os.path.join(os.getenv('DATA', 'data'), 'a.txt'), 'w')", [("data/a.txt", "file", False)]),
        ("import os\nopen(os.environ['DATA'] + '/a.txt', 'w')", []),
        ("open('../a.txt', 'w')", []),
        ("A = 'out'\ndef write(A):\n    open(A, 'w')", []),
        ("A = 'out'\ndef write():\n    A = 'in'\n    open(A, 'w')", [("in", "file", False)]),
        ("app.config['OUT'] = 'out'\nopen(app.config.get('OUT', 'x') + '/a', 'w')", [("out/a", "file", False)]),
        ("open('%s.txt' % name, 'w')\nopen('out/%s.txt' % name, 'w')", [("out", "folder", False)]),
        ("import logging\nlogging.FileHandler('logs/shop.log')", [("logs/shop.log", "log file", False)]),
        ("import logging\nlogging.basicConfig(filename='shop.log')", [("shop.log", "log file", False)]),
        ("import os\nos.mkdir('cache')", [("cache", "cache", False)]),
        ("import os\nos.mkdir('logs')", [("logs", "log folder", False)]),
        ("app.config['CACHE_DIR'] = '.cache'", [(".cache", "cache", False)]),
        ("figure.savefig('static/plot.png')", [("static/plot.png", "file", False)]),
        ("app.config['LOG_PATH'] = 'log'\nLOG_FILE = 'shop.log'",
         [("log", "log folder", False), ("shop.log", "log file", False)]),
        ("name = ''\nopen('pages/' + name, 'w')", [("pages", "folder", False)]),
        ("import shelve\nshelve.open('state')", [("state", "database file", True)]),
        ("import shelve\nshelve.open('state', 'r')", []),
        ("import dbm\ndbm.open('state', 'c')", [("state", "database file", True)]),
        ("from tinydb import TinyDB\nTinyDB('shop.json')", [("shop.json", "database file", True)]),
        ("from tinydb import TinyDB\nTinyDB(f'stores/{name}.json')", [("stores", "folder", True)]),
        ("from peewee import SqliteDatabase\nSqliteDatabase('people.db')", [("people.db", "SQLite database", True)]),
        ("from playhouse.pool import PooledSqliteDatabase as Pooled\nPooled('people')",
         [("people", "SQLite database", True)]),
        ("from peewee import SqliteDatabase\nSqliteDatabase(':memory:')", []),
        ("from pony.orm import Database\ndb = Database()\ndb.bind(provider='sqlite', filename='shop.sqlite')",
         [("shop.sqlite", "SQLite database", True)]),
        ("from pony.orm import Database\ndb = Database()\ndb.bind('postgres', 'shop')", []),
        ("from whoosh.index import create_in\ncreate_in('found', schema)", [("found", "search index", True)]),
        ("def at(user):\n    URI = f'sqlite:///users/{user}.db'", [("users", "folder", True)]),
        ("open('visits.csv', 'a')", [("visits.csv", "file", True)]),
        ("open('visits.log', 'a')", [("visits.log", "log file", False)]),
        ("from pathlib import Path\nP = Path('state.json')\nP.open('w')\nP.open()", [("state.json", "file", True)]),
        ("app.config['SESSION_TYPE'] = 'filesystem'", [("flask_session", "session files", True)]),
        ("import tempfile\nopen(tempfile.gettempdir() + '/x', 'w')", []),
        ("if __name__ == '__main__':\n    open('x', 'w')", []),
        ("path = path + '/x'\nopen(path, 'w')", []),
    ],
)  # fmt: skip
def test_what_is_written(tmp_path: Path, code: str, expected: list[tuple[str, str, bool]]) -> None:
    assert writes(tmp_path, {"app.py": f"{FLASK}{code}\n"}) == expected


def test_the_database_of_flasks_tutorial_is_in_the_instance_folder(tmp_path: Path) -> None:
    files = {
        "flaskr/__init__.py": """
            import os
            from flask import Flask
            def create_app():
                app = Flask(__name__, instance_relative_config=True)
                app.config.from_mapping(SECRET_KEY="dev", DATABASE=os.path.join(app.instance_path, "flaskr.sqlite"))
                os.makedirs(app.instance_path, exist_ok=True)
                from . import db
                return app
        """,
        "flaskr/db.py": """
            import sqlite3
            from flask import current_app
            def get_db():
                return sqlite3.connect(current_app.config["DATABASE"])
        """,
    }
    assert writes(tmp_path, files, "flaskr:create_app()") == [
        ("instance/flaskr.sqlite", "SQLite database", True),
        ("instance", "instance folder", False),
    ]


def test_the_default_database_of_django_is_one(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/wsgi.py": """
            import os
            from django.core.wsgi import get_wsgi_application
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
            application = get_wsgi_application()
        """,
        "shop/settings.py": """
            from pathlib import Path
            BASE_DIR = Path(__file__).resolve().parent.parent
            DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
        """,
        "manage.py": "",
    }
    (only,) = found(tmp_path, files, "shop.wsgi:application", kind="Django").writes
    assert (only.path, only.what, only.shared) == ("db.sqlite3", "SQLite database", True)


READ = "import os\nOTHER = os.environ.get('DEV_DATABASE_URL')\nDEBUG = os.environ.get('DEBUG')\n"


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("URI = os.environ.get('SHOP_DB_URL', 'sqlite:///shop.db')", "SHOP_DB_URL"),
        ("URI = os.environ.get('SHOP_DB_URL',\n    'sqlite:///' + os.path.join('.', 'shop.db'))", "SHOP_DB_URL"),
        ("URI = os.environ.get('SHOP_DB_URL') or 'sqlite:///shop.db'", "SHOP_DB_URL"),
        ("uri = os.environ.get('SHOP_DB_URL')\nif not uri:\n    uri = 'sqlite:///shop.db'", "SHOP_DB_URL"),
        ("HERE = 'sqlite:///shop.db'\nURI = os.environ.get('SHOP_DB_URL', HERE)", "SHOP_DB_URL"),
        ("engine = create_engine('sqlite:///shop.db', echo=os.environ.get('DEBUG'))", ""),
        ("URI = 'sqlite:///shop.db'", ""),
    ],
)  # fmt: skip
def test_a_database_has_the_setting_of_its_own_assignment(tmp_path: Path, code: str, setting: str) -> None:
    (only,) = found(tmp_path, {"app.py": f"{FLASK}{READ}{code}\n"}).writes
    assert (only.path, only.setting) == ("shop.db", setting)


def test_the_database_of_production_counts(tmp_path: Path) -> None:
    config = """
        class Config: ...
        class TestingConfig(Config):
            SQLALCHEMY_DATABASE_URI = "sqlite:///test.db"
        class DevelopmentConfig(Config):
            SQLALCHEMY_DATABASE_URI = "sqlite:///dev.db"
        class ProductionConfig(Config):
            SQLALCHEMY_DATABASE_URI = "postgresql://db/shop"
    """
    assert writes(tmp_path, {"app.py": f"import config\n{FLASK}", "config.py": config}) == []


def test_a_path_that_another_module_defines_is_followed(tmp_path: Path) -> None:
    files = {
        "src/shop/__init__.py": "from .paths import DATA\ndef create_app():\n    open(DATA / 'state.json', 'w')\n",
        "src/shop/paths.py": """
            from pathlib import Path
            ROOT = Path(__file__).resolve().parents[2]
            DATA = ROOT / "data"
        """,
    }
    assert writes(tmp_path, files, "shop:create_app()", "src") == [("data/state.json", "file", False)]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ('writable = ["var"]', [("var", "folder", True)]),
        ('writable = ["catalog/shop.db"]', [("catalog/shop.db", "SQLite database", True)]),
        *((f'writable = ["{name}"]', [(name, "folder", False)]) for name in ("cache", ".webcache", "var/tmp", "logs")),
        ('scratch = ["var"]', [("var", "folder", False)]),
    ],
)
def test_a_declared_folder_is_kept_unless_its_name_or_its_key_says_that_it_may_be_lost(
    tmp_path: Path, declared: str, expected: list[tuple[str, str, bool]]
) -> None:
    assert writes(tmp_path, {"app.py": FLASK, "flask-app.toml": f"{declared}\n"}) == expected


def test_what_lies_in_a_scratch_folder_may_be_lost_whatever_it_is(tmp_path: Path) -> None:
    files = {"app.py": f"{FLASK}{CONNECT}('var/shop.db')\n", "flask-app.toml": 'scratch = ["var"]\n'}
    assert writes(tmp_path, files) == [("var", "folder", False), ("var/shop.db", "SQLite database", False)]
