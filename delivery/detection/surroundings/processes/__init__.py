"""The processes beside the server: workers, schedulers and cron jobs.

What a file for operators says comes first: a Procfile, then docker-compose's commands. Only what is not in them is
looked for in the code. A second file that starts the same kind of process is another way to run the same application.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from delivery.detection.code.application import Application
from delivery.detection.configuration import Configuration
from delivery.detection.description import Problem, Process, Role, Undecided
from delivery.detection.repository import Repository
from delivery.detection.surroundings.processes.celery import with_writable_schedule
from delivery.detection.surroundings.processes.commands import command_notes
from delivery.detection.surroundings.processes.compose import services_of
from delivery.detection.surroundings.processes.procfile import procfile
from delivery.detection.surroundings.processes.queues import in_code
from delivery.detection.surroundings.processes.schedules import cron_jobs

SCHEDULER = re.compile(r"beat|clock|schedul(?:e|er|ing)|cron")
SCHEDULES = re.compile(r"\bcelery\b.*(?:\bbeat|\s-B|\s--beat)\b|\brqscheduler\b|\brq\s+cron\b|\bapscheduler\b")
SERVERS = re.compile(
    r"\b(?:gunicorn|uvicorn|hypercorn|waitress-serve|uwsgi|daphne|granian|mod_wsgi-express|flower|runserver|nginx"
    r"|flask\s+(?:--\S+\s+(?:\S+\s+)?)?run|npm|yarn|ng|streamlit|celery\s.*\bflower)\b"
)
"""Commands of servers: a second one is a release of its own, and not a worker."""
BACKGROUND = re.compile(
    r"\bcelery\b.*\b(?:worker|beat)\b|\brqworker\b|\brq\s+worker\b|\brqscheduler\b|\bdramatiq\b|\bhuey_consumer"
    r"|\barq\b|\bflask\s+rq\s+worker\b|\bprocrastinate\b.*\bworker\b|\bmanage\.py\s+(?:qcluster|rqworker|process_tasks)"
)
"""Commands of task queues' workers, by which a process is known that nothing else names."""


def find_processes(
    repository: Repository, configuration: Configuration, application: Application
) -> tuple[tuple[Process, ...], tuple[str, ...]]:
    """All processes, each name once, and notes on those that are none. The configuration's replace those found."""
    notes: list[str] = []
    workers = _unique([*_configured_workers(configuration)])
    if configuration.workers is None:
        workers = []
        for source in (*_declared(repository, notes), list(in_code(repository, application, notes))):
            kinds = {kind for each in workers for kind in _kinds(each.command)}
            workers = _unique([*workers, *(each for each in source if not _kinds(each.command) & kinds)])
        _refuse_two_schedulers(workers)
    if not workers and configuration.workers is None:
        notes += command_notes(repository)
    jobs = (
        [
            Process(name, Role.JOB, each.command, configuration.place, each.schedule)
            for name, each in configuration.jobs.items()
        ]
        if configuration.jobs is not None
        else list(cron_jobs(repository, notes))
    )
    workers = [replace(each, command=with_writable_schedule(each.command)) for each in workers]
    return tuple(_unique([*workers, *jobs])), tuple(notes)


def _configured_workers(configuration: Configuration) -> Iterator[Process]:
    for name, command in (configuration.workers or {}).items():
        yield Process(name, role_of(name, command), command, configuration.place)


def role_of(name: str, command: str) -> Role:
    """Scheduler if there must be exactly one of the process, else worker."""
    return Role.SCHEDULER if SCHEDULER.search(name.lower()) or SCHEDULES.search(command) else Role.WORKER


def _kinds(command: str) -> set[str]:
    """What a command runs of a task queue, such as `celery worker`: found once, it isn't looked for any more."""
    kinds = {name for name in ("dramatiq", "huey", "arq") if re.search(rf"\b{name}", command)}
    if re.search(r"\brq", command):
        kinds.add("rq scheduler" if re.search(r"\brq-?scheduler\b|\brq\s+cron\b", command) else "rq")
    if "celery" in command:
        kinds |= {f"celery {name}" for name in ("worker", "beat") if re.search(rf"\b{name}\b", command)}
        kinds |= {"celery beat"} if re.search(r"\s(?:-B|--beat)\b", command) else set()
    return kinds


def _refuse_two_schedulers(processes: list[Process]) -> None:
    """Raise Undecided where two processes would start each scheduled task twice."""
    for kind in ("celery beat", "rq scheduler"):
        found = [each for each in processes if kind in _kinds(each.command)]
        if len(found) > 1:
            places = " and ".join(f"`{each.command}` ({each.place})" for each in found)
            kept = ", ".join(f'workers.{each.name} = "{each.command}"' for each in processes if each not in found[1:])
            raise Undecided(
                Problem(
                    f"{places} are schedulers of one kind, so that each task would be started more than once",
                    f"write all workers into flask-app.toml, with one of the schedulers: {kept}",
                )
            )


def _declared(repository: Repository, notes: list[str]) -> Iterator[list[Process]]:
    """The processes of the Procfile, and of each compose file."""
    yield list(_of_procfile(repository, notes))
    composed: dict[str, list[Process]] = {}
    for service in services_of(repository):
        command = _text(service.get("command")) or _text(service.get("entrypoint"))
        if service.is_own and BACKGROUND.search(command) and not SERVERS.search(command):
            process = Process(label(service.name), role_of(service.name, command), command, service.place)
            composed.setdefault(service.place.partition(":")[0], []).append(process)
    yield from composed.values()


def _of_procfile(repository: Repository, notes: list[str]) -> Iterator[Process]:
    for name, (command, place) in procfile(repository).items():
        if name in ("web", "release"):
            continue
        if SERVERS.search(command):
            notes.append(f"{place}: {name!r} is a separate server: deploy it as a second release with its own `serve`.")
            continue
        yield Process(label(name), role_of(name, command), command, place)


def _text(command: Any) -> str:
    """A command of a compose file, whose variables are written $$NAME where the container's are meant."""
    if isinstance(command, list):
        # The text of a list in it can be larger than the file, where that has aliases.
        command = shlex.join(str(each) for each in command if isinstance(each, str | int | float))
    text = command if isinstance(command, str) else ""
    return re.sub(r"\s+", " ", text.replace("$$", "$")).strip()


def label(name: str) -> str:
    """The name as a DNS label, which the chart doesn't use for something else."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    plain = plain if plain and plain[0].isalpha() else f"worker-{plain}".strip("-")
    return (
        f"{plain}-worker"
        if plain in ("data", "files", "flask-app", "migrations", "peers", "secrets", "test")
        else plain
    )


def _unique(processes: Iterable[Process]) -> list[Process]:
    """The processes without those whose command is there already; one whose name is taken gets another."""
    found: list[Process] = []
    for each in processes:
        if (each.command, each.schedule) not in {(one.command, one.schedule) for one in found}:
            found.append(replace(each, name=_free(each, {one.name for one in found})))
    return found


def _free(process: Process, taken: set[str]) -> str:
    """The name, with something behind it if it is taken."""
    behind = ["", "-job"] if process.role is Role.JOB else [""]
    behind += [f"-{number}" for number in range(2, 1000)]
    names = [process.name[: 40 - len(each)].rstrip("-") + each for each in behind]
    return next(each for each in names if each not in taken)
