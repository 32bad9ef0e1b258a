"""Cron jobs that files declare: app.json, as Dokku and Heroku's scheduler read it, and crontabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.detection.cron import problem_of
from delivery.detection.description import Process, Role
from delivery.detection.reading import from_json
from delivery.detection.repository import Repository

CRONTABS = r"(?:.*/)?(?:crontab(?:\.\w+)?|\w[\w.-]*\.(?:cron|crontab)|cronfile)|(?:.*/)?cron\.d/[\w-]+"
_LINE = re.compile(r"\s*(?P<schedule>@\w+|(?:[\d*,/\-A-Za-z?]+\s+){4}[\d*,/\-A-Za-z?]+)\s+(?P<command>\S.*)")


def cron_jobs(repository: Repository, notes: list[str]) -> Iterator[Process]:
    """The jobs, each with a name after its command. A schedule that Kubernetes hasn't is a note."""
    taken: set[str] = set()
    for given, command, place in (*_from_app_json(repository), *_from_crontabs(repository)):
        # crontab(5) has two numbers for Sunday.
        schedule = re.sub(r"\b7$", "0", given)
        if wrong := problem_of(schedule):
            notes.append(f"{place}: {schedule!r} isn't a valid cron schedule: {wrong}.")
            continue
        name = _named(command, taken)
        taken.add(name)
        yield Process(name, Role.JOB, command, place, schedule)


def _from_app_json(repository: Repository) -> Iterator[tuple[str, str, str]]:
    for file in repository.named("app.json"):
        try:
            content = from_json(file.text())
        except ValueError as error:
            repository.unreadable["app.json"] = str(error)
            continue
        jobs = content.get("cron") if isinstance(content, dict) else None
        for each in jobs if isinstance(jobs, list) else ():
            if isinstance(each, dict) and each.get("schedule") and each.get("command"):
                yield str(each["schedule"]), str(each["command"]), "app.json"


def _from_crontabs(repository: Repository) -> Iterator[tuple[str, str, str]]:
    for file in repository.matching(CRONTABS):
        for number, line in file.lines():
            match = _LINE.fullmatch(line)
            if not match or line.lstrip().startswith("#"):
                continue
            command = match["command"]
            if "cron.d" in file.path.parts or file.path.name == "crontab.system":
                # With the user's name in front.
                command = command.partition(" ")[2].strip()
            yield match["schedule"], _bare(command), f"{file.path}:{number}"


def _bare(command: str) -> str:
    """The command without the folder of another machine in front, and the log file behind."""
    command = re.sub(r"^cd\s+\S+\s*(?:&&|;)\s*", "", command)
    command = re.sub(r"\s*(?:>>?|2>>?|&>>?)\s*(?:/\S+|&1)(?:\s*2>&1)?\s*$", "", command)
    return re.sub(r"^(?:/\S*/)?(python3?|flask|celery)\b", r"\1", command).strip()


def _named(command: str, taken: set[str]) -> str:
    """After the last word that is no option, such as send-mail for `flask send-mail --all`."""
    words = [each for each in command.split() if not each.startswith("-") and "=" not in each]
    plain = re.sub(
        r"[^a-z0-9]+", "-", (words[-1] if words else "job").rpartition("/")[2].removesuffix(".py").lower()
    ).strip("-")
    name = plain[:36].strip("-") if plain and plain[0].isalpha() else f"job-{plain}"[:36].strip("-")
    number = 2
    base = name
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
