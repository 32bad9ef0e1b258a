"""Environment variables that people bring along from images that start gunicorn: none of them is read here.

One that can only be meant for gunicorn is refused, since ignoring it would change what is served. One with a common
name may be the application's own, so that there is a warning and no more.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from nodrop.options.table import named, option

PREFIX = "GUNICORN_"
# GUNICORN_CMD_ARGS is read; the others gunicorn sets itself.
_GUNICORNS_OWN = {"GUNICORN_CMD_ARGS", "GUNICORN_PID", "GUNICORN_FD", "GUNICORN_DIRTY_SOCKET"}
# What Kubernetes sets in every pod of a namespace that has a Service by the name of gunicorn, unless
# enableServiceLinks is off.
_SERVICE_LINK = re.compile(r"\w+_SERVICE_(?:HOST|PORT(?:_\w+)?)=.*|\w+_PORT_\d+_\w+=.*|\w+_PORT=\w+://.*", re.DOTALL)
# What others call gunicorn's options, where it is not the option's name.
_ALIASES = {"keep_alive": "keepalive", "log_level": "loglevel"}
_PARTS_OF_BIND = {"GUNICORN_HOST": "BIND_ADDRESS", "GUNICORN_PORT": "PORT"}
COMMON = {
    "TIMEOUT": "STALL_TIMEOUT",
    "WORKERS": "WEB_CONCURRENCY",
    "MAX_WORKERS": "WEB_CONCURRENCY",
    "WORKERS_PER_CORE": "WEB_CONCURRENCY",
    "THREADS": "WEB_THREADS",
    "BIND": "BIND_ADDRESS and PORT",
    "HOST": "BIND_ADDRESS",
    "WORKER_CLASS": "SERVER",
    "WORKER_CONNECTIONS": "MAX_CONNECTIONS",
    "KEEPALIVE": "KEEP_ALIVE",
    "LOGLEVEL": "LOG_LEVEL",
    "APP_MODULE": "WSGI_APP",
    "PROXY_ALLOW_IPS": "TRUSTED_PROXIES",
}
"""Variables of images that start gunicorn, and the setting of ours that does what they do there."""


def refusals(variables: Mapping[str, str]) -> list[str]:
    """A line for each variable that is meant for gunicorn and is not read."""
    lines = []
    for name in sorted(variables):
        if name == "FORWARDED_ALLOW_IPS":
            lines.append(_line(name, option("forwarded_allow_ips").remedy(variables[name])))
        elif name in _PARTS_OF_BIND and not _is_service_link(name, variables[name]):
            lines.append(_line(name, f"set {_PARTS_OF_BIND[name]}={variables[name]}"))
        elif name.startswith(PREFIX) and name not in _GUNICORNS_OWN and not _is_service_link(name, variables[name]):
            wanted = name.removeprefix(PREFIX).lower()
            wanted = _ALIASES.get(wanted, wanted)
            honoured = f"write it into GUNICORN_CMD_ARGS, or unset {name}"
            unknown = f"gunicorn has no such variable: unset {name}"
            remedy = option(wanted).remedy(variables[name]) if not option(wanted).honoured else honoured
            lines.append(_line(name, remedy if wanted in named() else unknown))
    return lines


def _line(name: str, remedy: str) -> str:
    return f"{name} is not read: {remedy.replace('leave it out;', f'unset {name};')}"


def _is_service_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(f"{name}={value}"))


def warnings(variables: Mapping[str, str]) -> list[str]:
    """A line for each variable that may be meant for gunicorn, and may be the application's own."""
    return [
        f"{name} is not a setting of the server: if it is meant to be one, set {setting}"
        for name, setting in COMMON.items()
        # Some shells put the machine's name there.
        if name in variables and (name != "HOST" or _is_address(variables[name]))
    ]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text == "localhost"
    return True
