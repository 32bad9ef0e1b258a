"""The services that the application connects to: from docker-compose, addresses in the source, and declared drivers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from delivery.detection.code.application import Application
from delivery.detection.code.configured import Configured
from delivery.detection.configuration import Configuration
from delivery.detection.description import Found, Setting
from delivery.detection.keys import SERVICES
from delivery.detection.repository import Repository
from delivery.detection.surroundings.declared import declared
from delivery.detection.surroundings.processes.compose import services_of

POSTGRESQL, MYSQL, REDIS = SERVICES[0], SERVICES[1], SERVICES[2]
IMAGES = {
    r"postgres(?:ql)?|postgis|timescaledb|pgvector": POSTGRESQL,
    r"mysql|mariadb|percona": MYSQL,
    r"redis|valkey|keydb|redis-stack": REDIS,
    r"mongo(?:db)?": "MongoDB",
    r"rabbitmq": "RabbitMQ",
    r"elasticsearch|opensearch": "Elasticsearch",
    r"memcached": "Memcached",
}
SCHEMES = {
    r"postgres(?:ql)?(?:\+\w+)?": POSTGRESQL,
    r"(?:mysql|mariadb)(?:\+\w+)?": MYSQL,
    r"rediss?": REDIS,
    r"mongodb(?:\+srv)?": "MongoDB",
    r"amqps?|pyamqp": "RabbitMQ",
}
DRIVERS = {
    r"psycopg2?(?:-binary|-c)?|psycopg2cffi|pg8000|asyncpg": POSTGRESQL,
    r"mysqlclient|pymysql|mysql-connector(?:-python)?|flask-mysqldb|flask-mysql|aiomysql": MYSQL,
    r"redis|flask-redis|rq|flask-rq2|django-redis|hiredis": REDIS,
    r"pymongo|flask-pymongo|mongoengine|flask-mongoengine|motor": "MongoDB",
    r"elasticsearch|opensearch-py": "Elasticsearch",
    r"pylibmc|pymemcache|python-memcached": "Memcached",
    r"pika": "RabbitMQ",
}
VARIABLES = {
    POSTGRESQL: r"DATABASE|DB|POSTGRES|PG|SQL|URI|URL", MYSQL: r"DATABASE|DB|MYSQL|MARIADB|SQL|URI|URL",
    REDIS: r"REDIS|BROKER|CELERY|CACHE|RQ|QUEUE", "MongoDB": r"MONGO|DATABASE|DB", "Elasticsearch": "ELASTIC|SEARCH",
    "Memcached": "MEMCACHE|CACHE", "RabbitMQ": "RABBIT|AMQP|BROKER",
}  # fmt: skip
"""What the name of a variable has in it that gives the service's address."""


def find_services(
    repository: Repository,
    configuration: Configuration,
    application: Application,
    configured: Configured,
    settings: tuple[Setting, ...],
    notes: list[str],
) -> tuple[Found[str], ...]:
    """The services that can be set up for development. The others are notes, as is a choice that isn't certain."""
    if configuration.services is not None:
        return tuple(Found(each, configuration.place) for each in configuration.services)
    strong: dict[str, str] = {}
    for name, place in (*_composed(repository), *_addressed(application)):
        strong.setdefault(name, place)
    drivers: dict[str, str] = {}
    for driver, place in declared(repository):
        for pattern, name in DRIVERS.items():
            if re.fullmatch(pattern, driver) and (configured.is_read_from_outside or _has_variable(name, settings)):
                drivers.setdefault(name, place)
    databases = [each for each in (POSTGRESQL, MYSQL) if each in strong]
    if not databases and POSTGRESQL in drivers and MYSQL in drivers:
        notes.append(
            f"Drivers of PostgreSQL ({drivers.pop(POSTGRESQL)}) and of MySQL ({drivers.pop(MYSQL)}) are declared. Set "
            'the one that is used in flask-app.toml: services = ["postgresql"].'
        )
    elif databases:
        # What is used is known, so that the other one's driver is a choice that users of it have.
        drivers = {name: place for name, place in drivers.items() if name not in (POSTGRESQL, MYSQL)}
    found = {**drivers, **strong}
    notes += [
        f"{place}: {name} is used. It isn't set up for development: give its address in the env file."
        for name, place in found.items()
        if name not in SERVICES
    ]
    return tuple(Found(name, found[name]) for name in SERVICES if name in found)


def _has_variable(service: str, settings: tuple[Setting, ...]) -> bool:
    """Whether a variable can name the service's address. Where none can, a driver is a choice that isn't taken."""
    return any(re.search(VARIABLES[service], each.name, re.IGNORECASE) for each in settings)


def _composed(repository: Repository) -> Iterator[tuple[str, str]]:
    for service in services_of(repository):
        for pattern, name in IMAGES.items():
            if re.fullmatch(pattern, service.image):
                yield name, service.place


def _addressed(application: Application) -> Iterator[tuple[str, str]]:
    """The addresses in the source that have a host: `postgresql://db/shop`, but not a comparison with a prefix."""
    for module in application.modules:
        for node in module.nodes:
            if (
                not isinstance(node, ast.Constant)
                or not isinstance(node.value, str)
                or isinstance(module.parents.get(node), ast.Expr)
            ):
                continue
            match = re.match(r"(?P<scheme>[a-z]\w*(?:\+\w+)?)://(?P<rest>\S*)", node.value)
            parent = module.parents.get(node)
            replaced = (
                isinstance(parent, ast.Call)
                and isinstance(parent.func, ast.Attribute)
                and parent.func.attr in ("replace", "startswith")
            )
            if not match or replaced or (not match["rest"] and not isinstance(parent, ast.JoinedStr | ast.BinOp)):
                continue
            for pattern, name in SCHEMES.items():
                if re.fullmatch(pattern, match["scheme"]):
                    yield name, module.place(node)
