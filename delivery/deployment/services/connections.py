"""Which settings of an application name a service, and what they are set to so that it finds the one in the cluster.

The names are those that libraries and people use; the scheme, the driver and the database's number are the
application's own, where a setting has a default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from delivery.detection.description import Setting

POSTGRESQL, REDIS, MYSQL = "postgresql", "redis", "mysql"
DATABASE_URL = re.compile(
    r"(?:\w+_)?(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|SQLALCHEMY_DATABASE|SQLALCHEMY|SQL)_?(?:URL|URI|DSN)"
    r"|(?:\w+_)?DATABASE_CONNECTION(?:_STRING)?",
    re.ASCII,
)
"""Settings whose value is a database's URL."""
DATABASE_PART = re.compile(
    r"(?:\w+_)?(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|SQL)_?"
    r"(?:(?P<host>HOST|HOSTNAME|SERVER|ADDR|ADDRESS)|(?P<port>PORT)|(?P<user>USER|USERNAME)"
    r"|(?P<password>PASSWORD|PASS|PWD|PW)|(?P<database>NAME|DB|DATABASE|DBNAME))",
    re.ASCII,
)
REDIS_URL = re.compile(
    r"(?:\w+_)?REDIS\w*_?(?:URL|URI|DSN)|(?:\w+_)?(?:CELERY_)?(?:BROKER|BROKER_URL|RESULT_BACKEND|BACKEND_URL)"
    r"|CELERY_BROKER(?:_URI)?|(?:\w+_)?RATELIMIT_STORAGE_UR[LI]|(?:\w+_)?(?:QUEUE|CACHE)_UR[LI]"
    r"|SOCKETIO_MESSAGE_QUEUE|MESSAGE_QUEUE(?:_URL)?",
    re.ASCII,
)
REDIS_PART = re.compile(r"(?:\w+_)?REDIS_?(?:(?P<host>HOST|HOSTNAME|SERVER)|(?P<port>PORT)|(?P<database>DB))", re.ASCII)
# What libraries read by themselves, where the application reads no setting of its own.
LIBPQ = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "database"}
DRIVERS = (("psycopg2", "postgresql"), ("psycopg", "postgresql+psycopg"), ("pg8000", "postgresql+pg8000"))
"""Packages, and the scheme by which SQLAlchemy takes them. Without one in the scheme it takes psycopg2."""


@dataclass(frozen=True)
class Place:
    """Where a service is, and how to log in."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    database: str = ""

    def part(self, name: str) -> str:
        """One of its parts, as text."""
        return str(getattr(self, name))

    def url(self, scheme: str, path: str | None = None) -> str:
        """A URL. path: another database than its own."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{scheme}://{login}{self.host}:{self.port}/{self.database if path is None else path}"


def scheme_for(dependencies: str, *, sqlalchemy: bool | None = None) -> str:
    """The scheme of a PostgreSQL URL. dependencies: the text of the files that declare them."""
    named = {each.lower().replace("_", "-") for each in re.findall(r"[A-Za-z][\w.-]*", dependencies)}
    with_sqlalchemy = any("sqlalchemy" in each for each in named) if sqlalchemy is None else sqlalchemy
    if with_sqlalchemy and not named & {"psycopg2", "psycopg2-binary"}:
        for package, scheme in DRIVERS:
            if named & {package, f"{package}-binary", f"{package}-c"}:
                return scheme
    return "postgresql"


def postgresql(settings: Iterable[Setting], place: Place, scheme: str) -> dict[str, str]:
    """The settings by which an application finds PostgreSQL. Without any of its own, those that libraries read."""
    found: dict[str, str] = {}
    for each in settings:
        default = urlsplit(_unquoted(each.default))
        if DATABASE_URL.fullmatch(each.name):
            if default.scheme and not default.scheme.startswith(("postgres", "sqlite")):
                continue
            # A driver that the application names is the one that it has.
            found[each.name] = place.url(default.scheme if "+" in default.scheme else scheme)
        elif match := DATABASE_PART.fullmatch(each.name):
            found[each.name] = place.part(str(match.lastgroup))
    return found or {"DATABASE_URL": place.url(scheme)} | {name: place.part(part) for name, part in LIBPQ.items()}


def redis(settings: Iterable[Setting], place: Place) -> dict[str, str]:
    """The settings by which an application finds Redis. Without any of its own, those that libraries read."""
    found: dict[str, str] = {}
    for each in settings:
        default = urlsplit(_unquoted(each.default))
        if REDIS_URL.fullmatch(each.name):
            # Not a broker or a backend of another kind, such as amqp or db+sqlite, nor a cache's name.
            if each.default and default.scheme not in ("redis", "rediss"):
                continue
            found[each.name] = place.url("redis", default.path.strip("/") or None)
        elif match := REDIS_PART.fullmatch(each.name):
            found[each.name] = place.part(str(match.lastgroup))
    return found or {name: place.url("redis") for name in ("REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")}


def names_host(setting: str) -> bool:
    """Whether a setting gives a service's address, in contrast to what goes with it, such as a database's name."""
    parts = (DATABASE_PART.fullmatch(setting), REDIS_PART.fullmatch(setting))
    return bool(
        DATABASE_URL.fullmatch(setting)
        or REDIS_URL.fullmatch(setting)
        or LIBPQ.get(setting) == "host"
        or any(each and each["host"] for each in parts)
    )


def _unquoted(source: str) -> str:
    """A default as it stands in the source, without its quotes."""
    return source.strip().strip("'\"")
