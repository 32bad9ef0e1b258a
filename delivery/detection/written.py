"""flask-app.toml as `make detect WRITE=1` writes it: what was found and is likely to be changed, with its place.

What changes with the code, such as the requirements, stays out: a key that is set is not detected any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator

from delivery.detection.configuration import FILE, TABLE
from delivery.detection.description import Description, Found, Problem, Role, Surroundings, Undecided
from delivery.detection.repository import Repository
from delivery.detection.surroundings.file_databases import DATABASE, OTHER
from delivery.detection.surroundings.writes import FILE as ONE_FILE
from delivery.detection.surroundings.writes import LOG
from delivery.own_files import Linked, write_text

FILES = (DATABASE, OTHER, LOG, ONE_FILE)
"""What is written to and no folder, so that it isn't to be mounted."""
HEAD = """\
# How this application runs in production. Each key takes precedence over what is detected in the code: delete a key to
# have it detected again.
"""


def write(description: Description) -> str:
    """Write the file into the application's folder, and return its content. Raises Undecided if there is one."""
    repository = Repository(description.folder)
    text = content(description)
    tool = repository.pyproject.get("tool")
    in_table = isinstance(tool, dict) and "flask-app" in tool
    if os.path.lexists(description.folder / FILE) or in_table:
        there = TABLE if in_table else FILE
        raise Undecided(Problem(f"{there} exists and isn't overwritten", "edit it, or delete it and write it again"))
    try:
        write_text(description.folder, FILE, text)
    except Linked as error:
        raise Undecided(Problem(str(error), "write the file by hand")) from None
    except OSError as error:
        raise Undecided(Problem(f"{FILE} can't be written: {error.strerror}", "make the folder writable")) from None
    return text


def content(description: Description) -> str:
    """The text of the file."""
    served, surroundings = description.served, description.surroundings
    lines = [HEAD, _line("name", quoted(description.name), "the folder's name"), ""]
    lines.append(_line("serve", quoted(served.value.reference), served.place))
    if served.value.root != ".":
        lines.append(_line("root", quoted(served.value.root), served.place))
    python = description.dependencies.python
    # The default moves with the image's.
    lines.append(f"{'# ' * (python.place == 'default')}{_line('python', quoted(python.value), python.place)}")
    for key, one in (("migrate", surroundings.migration), ("health", surroundings.health)):
        if one:
            lines.append(_line(key, quoted(one.value), one.place))
    lines += _list("build", surroundings.build_steps)
    lines += _list("services", surroundings.services)
    folders = [each for each in surroundings.writes if each.what not in FILES]
    # Others are found again: as `scratch`, they would stay so when something that must be kept comes into them.
    lines += _list("writable", [Found(each.path, f"{each.what}, {each.place}") for each in folders if each.shared])
    lines += _variables(surroundings)
    lines += _processes(surroundings)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text as a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(key: str, value: str, place: str) -> str:
    return f"{key} = {value}  # {_comment(place)}"


def _comment(text: str) -> str:
    """The text in one line, as a comment must be, whatever the names of files have in them."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _list(key: str, found: Iterable[Found[str]]) -> list[str]:
    entries = [f"    {quoted(each.value)},  # {_comment(each.place)}" for each in found]
    return [f"{key} = [", *entries, "]"] if entries else []


def _variables(surroundings: Surroundings) -> list[str]:
    """The secret settings, and, as a comment, the other ones that have no default, whose values only a user knows."""
    lines = _list("secrets", [Found(each.name, each.place) for each in surroundings.settings if each.secret])
    required = [each for each in surroundings.settings if each.required and not each.secret]
    if required:
        lines += ["", "# The application fails without these. Uncomment and set them, or set them in the env file.",
                  "# [environment]"]  # fmt: skip
        lines += [f'# {_comment(each.name)} = ""  # {_comment(each.place)}' for each in required]
    return lines


def _processes(surroundings: Surroundings) -> Iterator[str]:
    workers = [each for each in surroundings.processes if each.role is not Role.JOB]
    if workers:
        yield from ("", "[workers]")
        yield from (_line(each.name, quoted(each.command), each.place) for each in workers)
    for each in surroundings.processes:
        if each.role is Role.JOB:
            yield from ("", f"[jobs.{each.name}]  # {_comment(each.place)}")
            yield f"schedule = {quoted(each.schedule)}"
            yield f"command = {quoted(each.command)}"
