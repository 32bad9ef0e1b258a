"""The environment variables that an application reads, in all the ways that are in use."""

from pathlib import Path

import pytest

from tests.detection.surrounding import FLASK, found


def settings(folder: Path, files: dict[str, str], serve: str = "app:app", root: str = ".") -> list[str]:
    """Each variable: `!` is required, `*` secret, and the default follows `=`."""
    return [
        f"{each.name}{'!' * each.required}{'*' * each.secret}{f'={each.default}' if each.default else ''}"
        for each in found(folder, files, serve, root).settings
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nx = os.environ['CURRENCY']", ["CURRENCY!"]),
        ("from os import environ as e\nx = e['CURRENCY']", ["CURRENCY!"]),
        ("import os\nx = os.environ.get('CURRENCY', 'EUR')", ["CURRENCY=EUR"]),
        ("import os\nx = os.getenv('THREADS', 8)", ["THREADS=8"]),
        ("import os\nx = os.getenv('CURRENCY') or 'EUR'", ["CURRENCY=EUR"]),
        ("import os\nx = os.getenv('FOLDER', make())", ["FOLDER"]),
        ("import os\nx = 'DEBUG_TOOLBAR' in os.environ", ["DEBUG_TOOLBAR"]),
        ("import os\nif 'A_B' in os.environ:\n    x = os.environ['A_B']", ["A_B"]),
        ("import os\ntry:\n    x = os.environ['A_B']\nexcept KeyError:\n    x = ''", ["A_B"]),
        ("import os\ntry:\n    x = os.environ['A_B']\nexcept KeyError:\n    raise RuntimeError('A_B')", ["A_B!"]),
        ("import os\nx = os.environ.get('A_B')\nif not x:\n    raise RuntimeError('A_B')", ["A_B!"]),
        ("import os\nx = os.environ.get('A_B')\nif x is None:\n    sys.exit('A_B')", ["A_B!"]),
        ("import os\ndef create():\n    return os.environ['A_B']", ["A_B!"]),
        ("import os\ndef pay():\n    return os.environ['A_B']", ["A_B"]),
        ("import os\nos.environ['A_B'] = '1'\nx = os.environ['A_B']", ["A_B"]),
        ("import os\nif __name__ == '__main__':\n    x = os.environ['A_B']", []),
        ("import os\nx = os.environ['HOME'], os.environ['PORT']", []),
        ("def wsgi(environ, start):\n    return environ['PATH_INFO']", []),
        ("from decouple import config\nx = config('A_B'), config('C_D', default='1', cast=int)", ["A_B!", "C_D=1"]),
        ("from environs import Env\nenv = Env()\nx = env.str('A_B'), env.int('C_D', 1)", ["A_B!", "C_D=1"]),
        ("import environ\nenv = environ.Env()\nx = env.db(), env('A_B', default='1')", ["DATABASE_URL!*", "A_B=1"]),
        ("import os\nNAME = 'A_B'\nx = os.environ[NAME]", ["A_B!"]),
        ("import os\ndef get_env(name):\n    return os.environ[name]\nx = get_env('A_B')", ["A_B!"]),
        ("import os\ndef get_env(name, default=None):\n    return os.environ.get(name, default)\nx = get_env('A_B', 1)",
         ["A_B=1"]),
        ("import os\ndef first(names):\n    for each in names:\n        return os.getenv(each)\n"
         "x = first(['A_B', 'C_D'])",
         ["A_B", "C_D"]),
        ("app.config.from_prefixed_env()\nx = app.config['A_B'], app.config.get('API_KEY')",
         ["FLASK_A_B!", "FLASK_API_KEY*"]),
        ("app.config.from_prefixed_env('SHOP')\napp.config['A_B'] = '1'\nx = app.config['A_B']", ["SHOP_A_B"]),
        ("from flask_sqlalchemy import SQLAlchemy\napp.config.from_prefixed_env()\ndb = SQLAlchemy(app)",
         ["FLASK_SQLALCHEMY_DATABASE_URI!*"]),
        ("from flask import session\napp.config.from_prefixed_env()\nx = session", ["FLASK_SECRET_KEY!*"]),
        ("app.config.from_envvar('SHOP_SETTINGS')", ["SHOP_SETTINGS!"]),
        ("app.config.from_envvar('SHOP_SETTINGS', silent=True)", ["SHOP_SETTINGS"]),
    ],
)  # fmt: skip
def test_variables_are_found_however_they_are_read(tmp_path: Path, code: str, said: list[str]) -> None:
    assert settings(tmp_path, {"app.py": f"{FLASK}{code}\n"}) == said


def test_fields_of_a_pydantic_class_are_variables(tmp_path: Path) -> None:
    code = """
        from pydantic import Field, SecretStr
        from pydantic_settings import BaseSettings, SettingsConfigDict
        class Base(BaseSettings):
            model_config = SettingsConfigDict(env_prefix="SHOP_")
            currency: str = "EUR"
            region: str
            pin: SecretStr
            threads: int = Field(8)
            address: str = Field(..., alias="HOST_ADDRESS")
    """
    assert settings(tmp_path, {"app.py": code}) == [
        "SHOP_REGION!",
        "SHOP_PIN!*",
        "HOST_ADDRESS!",
        "SHOP_CURRENCY=EUR",
        "SHOP_THREADS=8",
    ]


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "MAIL_PASSWORD", "GITHUB_TOKEN", "API_KEY", "DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "SENTRY_DSN",
     "REDIS_URL", "CELERY_BROKER_URL", "PASSWORD_PEPPER"],
)  # fmt: skip
def test_a_name_that_says_so_is_a_secret(tmp_path: Path, name: str) -> None:
    assert settings(tmp_path, {"app.py": f"import os\nx = os.getenv('{name}')\n"}) == [f"{name}*"]


@pytest.mark.parametrize("name", ["BASE_URL", "SECRET_KEY_FILE", "PASSWORD_MIN_LENGTH", "CURRENCY", "TOKEN_TYPE"])
def test_another_name_is_none(tmp_path: Path, name: str) -> None:
    assert settings(tmp_path, {"app.py": f"import os\nx = os.getenv('{name}')\n"}) == [name]


def test_an_address_with_a_password_is_a_secret_under_any_name(tmp_path: Path) -> None:
    code = "import os\nx = os.getenv('BACKEND', 'http://me:hunter2@example.com')\n"
    assert settings(tmp_path, {"app.py": code}) == ["BACKEND*=http://me:hunter2@example.com"]


def test_the_stricter_of_two_places_counts(tmp_path: Path) -> None:
    code = "import os\nx = os.getenv('A_B', '1')\ny = os.environ['A_B']\n"
    [setting] = found(tmp_path, {"app.py": code}).settings
    assert (setting.required, setting.default, setting.place) == (True, "", "app.py:3")


def test_only_what_the_application_imports_counts(tmp_path: Path) -> None:
    files = {
        "src/shop/__init__.py": "from . import views\ndef create_app(): ...\napp.config.from_object('shop.config')\n",
        "src/shop/views.py": "import os\nx = os.environ['VIEWS']\n",
        "src/shop/config.py": "import os\nx = os.environ['CONFIG']\n",
        "src/shop/plugins/__init__.py": "",
        "scripts/release.py": "import os\nx = os.environ['RELEASE']\n",
        "tests/conftest.py": "import os\nx = os.environ['TESTED']\n",
    }
    assert settings(tmp_path, files, "shop:create_app()", "src") == ["VIEWS!", "CONFIG!"]


def test_a_helper_of_another_module_is_known(tmp_path: Path) -> None:
    files = {
        "app.py": "from env import require\nTOKEN = require('MAIL_TOKEN')\n",
        "env.py": """
            import os
            def require(name):
                try:
                    return os.environ[name]
                except KeyError:
                    raise RuntimeError(name)
        """,
    }
    assert settings(tmp_path, files) == ["MAIL_TOKEN!*"]


@pytest.mark.parametrize(
    "code",
    [
        f"SECRET_KEY = {' + '.join(['x'] * 900)}",
        f"UPLOAD_FOLDER = {' + '.join(['x'] * 900)}",
        f"x = a{'.b()' * 900}",
        "a = b\nb = a\nopen(a, 'w')",
        "def (",
    ],
)
def test_code_that_nobody_writes_is_read_too(tmp_path: Path, code: str) -> None:
    files = {"app.py": f"import other, os\n{FLASK}x = os.environ['A_B']\n", "other.py": f"{code}\n"}
    assert settings(tmp_path, files) == ["A_B!"]


def test_names_in_a_sample_file_are_optional(tmp_path: Path) -> None:
    files = {
        "app.py": "import os\nx = os.environ['A_B']\n",
        ".env.example": "# Comment\nA_B=1\nexport MAIL_PASSWORD='x'\nPORT=8000\n",
        ".env": "OWN=1\n",
    }
    assert settings(tmp_path, files) == ["A_B!", "MAIL_PASSWORD*"]


def test_what_flask_app_toml_says_takes_precedence(tmp_path: Path) -> None:
    files = {
        "app.py": "import os\nx = os.environ['A_B'], os.environ['C_D']\n",
        "flask-app.toml": 'secrets = ["A_B", "NEW"]\nenvironment = { C_D = "1" }\n',
    }
    assert settings(tmp_path, files) == ["A_B!*", "NEW!*", "C_D"]
