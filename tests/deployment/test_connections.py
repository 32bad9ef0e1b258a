"""Which settings name a service, and what they are set to."""

from __future__ import annotations

import pytest

from delivery.deployment.services.connections import Place, postgresql, redis, scheme_for
from tests.deployment.fakes import setting

DATABASE = Place("shop-postgresql", 5432, "flask", "p@ss/word", "flask")
REDIS = Place("shop-redis", 6379, database="0")
URL = "postgresql://flask:p%40ss%2Fword@shop-postgresql:5432/flask"


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL",
        "DATABASE_URI",
        "SQLALCHEMY_DATABASE_URI",
        "DB_URL",
        "POSTGRES_URL",
        "SHOP_DATABASE_URL",
        "PG_DSN",
    ],
)
def test_a_setting_with_the_url_of_a_database_gets_it(name: str) -> None:
    assert postgresql([setting(name), setting("SHOP_TITLE")], DATABASE, "postgresql") == {name: URL}


def test_settings_with_its_parts_get_them() -> None:
    names = ["POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "DB_NAME"]
    assert postgresql([setting(each) for each in names], DATABASE, "postgresql") == {
        "POSTGRES_HOST": "shop-postgresql",
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": "flask",
        "POSTGRES_PASSWORD": "p@ss/word",
        "POSTGRES_DB": "flask",
        "DB_NAME": "flask",
    }


def test_a_driver_that_the_application_names_is_kept() -> None:
    found = postgresql([setting("DATABASE_URL", "'postgresql+asyncpg://localhost/shop'")], DATABASE, "postgresql")
    assert found["DATABASE_URL"].startswith("postgresql+asyncpg://flask:")


def test_a_url_of_another_kind_of_database_stays() -> None:
    settings = [setting("DATABASE_URL"), setting("LEGACY_DATABASE_URL", "'mysql://localhost/old'")]
    assert postgresql(settings, DATABASE, "postgresql") == {"DATABASE_URL": URL}


def test_sqlite_for_development_is_replaced() -> None:
    settings = [setting("DATABASE_URL", "'sqlite:///shop.db'")]
    assert postgresql(settings, DATABASE, "postgresql") == {"DATABASE_URL": URL}


def test_without_a_setting_of_its_own_it_is_what_libraries_read() -> None:
    found = postgresql([setting("SHOP_TITLE")], DATABASE, "postgresql")
    assert found.items() >= {"PGHOST": "shop-postgresql", "PGPASSWORD": "p@ss/word", "DATABASE_URL": URL}.items()
    assert redis([], REDIS)["CELERY_BROKER_URL"] == "redis://shop-redis:6379/0"


@pytest.mark.parametrize(
    ("name", "default", "value"),
    [
        ("REDIS_URL", "", "redis://shop-redis:6379/0"),
        ("REDIS_URL", "'redis://localhost:6379/3'", "redis://shop-redis:6379/3"),
        ("CELERY_BROKER_URL", "'redis://localhost:6379'", "redis://shop-redis:6379/0"),
        ("CELERY_RESULT_BACKEND", "", "redis://shop-redis:6379/0"),
        ("CACHE_REDIS_URL", "", "redis://shop-redis:6379/0"),
        ("RATELIMIT_STORAGE_URI", "", "redis://shop-redis:6379/0"),
        ("SHOP_REDIS_HOST", "'localhost'", "shop-redis"),
        ("REDIS_PORT", "6379", "6379"),
    ],
)
def test_a_setting_that_names_redis_gets_it(name: str, default: str, value: str) -> None:
    assert redis([setting(name, default)], REDIS) == {name: value}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("CELERY_BROKER_URL", "'amqp://localhost'"),
        ("CELERY_RESULT_BACKEND", "'db+sqlite:///x'"),
        ("CACHE_URL", "'simple'"),
    ],
)
def test_another_broker_stays(name: str, default: str) -> None:
    assert name not in redis([setting(name, default), setting("REDIS_URL")], REDIS)


@pytest.mark.parametrize(
    ("declared", "scheme"),
    [
        ("flask\nFlask-SQLAlchemy==3.1\npsycopg2-binary==2.9\n", "postgresql"),
        ("flask_sqlalchemy\npsycopg[binary]>=3.1\n", "postgresql+psycopg"),
        ("sqlalchemy\npsycopg-c\n", "postgresql+psycopg"),
        ("sqlalchemy\npg8000\n", "postgresql+pg8000"),
        # psycopg itself takes no driver in a URL.
        ("flask\npsycopg[binary]\n", "postgresql"),
        ('[[package]]\nname = "sqlalchemy"\n[[package]]\nname = "psycopg"\n', "postgresql+psycopg"),
    ],
)
def test_the_scheme_names_the_driver_that_is_installed(declared: str, scheme: str) -> None:
    assert scheme_for(declared) == scheme
