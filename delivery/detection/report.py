"""What `make detect` prints: each fact with its place, and each problem with what solves it."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator

from delivery.detection.description import Description, Found, Problem, Setting, Style, Surroundings

Row = tuple[str, str, str]
"""A label, which may be empty below one of the same, the fact and its place."""
WIDEST_FACT = 60


def describe(description: Description) -> str:
    """All that was found, as a table whose last column is the place of each fact, with notes below it."""
    groups = [
        ("Application", _application(description)),
        ("Image", _image(description)),
        ("Workers, CronJobs and migration", _beside(description.surroundings)),
        ("Environment variables", [_setting(each) for each in description.surroundings.settings]),
        ("Written to", _written(description.surroundings)),
    ]
    rows = [row for _, group in groups for row in group]
    first = max(len(row[0]) for row in rows)
    second = min(max(len(row[1]) for row in rows), WIDEST_FACT)
    lines = [f"{description.name}, from {description.folder}"]
    for title, group in groups:
        if group:
            lines += ["", title, *(_row(row, first, second) for row in group)]
    if description.notes:
        lines += ["", "Notes", *(_wrapped(each, "  - ") for each in description.notes)]
    lines += [
        "",
        "Any of it can be set in flask-app.toml, which takes precedence. `make detect APP=... WRITE=1` writes it.",
    ]
    return "\n".join(lines)


def _row(row: Row, first: int, second: int) -> str:
    return f"  {row[0]:{first}}  {row[1]:{second}}  {row[2]}".rstrip()


def _application(description: Description) -> list[Row]:
    served, surroundings = description.served, description.surroundings
    rows = [("serves", f"{served.value.reference} ({served.value.kind})", served.place)]
    if served.value.root != ".":
        rows.append(("import path", f"{served.value.root}/ is first", served.place))
    rows += _found("health check", surroundings.health)
    rows += _labelled("service", surroundings.services)
    rows += _found("session affinity", surroundings.affinity)
    rows += _found("one replica", surroundings.single)
    return rows


def _image(description: Description) -> list[Row]:
    needs, surroundings = description.dependencies, description.surroundings
    rows = [("Python", needs.python.value, needs.python.place)]
    files = ", ".join(needs.files) or Style.NONE.value
    rows.append(("requirements", files, needs.place if needs.place not in needs.files else ""))
    if needs.extras:
        rows.append(("extras", ", ".join(needs.extras), needs.place))
    if needs.groups:
        rows.append(("groups", ", ".join(needs.groups), needs.place))
    rows += _labelled("Debian package", needs.apt)
    rows += _labelled("to build wheels", needs.apt_build)
    rows += _found("frontend", surroundings.assets)
    rows += _labelled("build step", surroundings.build_steps)
    return rows


def _beside(surroundings: Surroundings) -> list[Row]:
    rows = _found("migration", surroundings.migration)
    for each in surroundings.processes:
        when = f"{each.schedule}  " if each.schedule else ""
        # A worker is often called worker.
        label = each.name if each.role.value in each.name else f"{each.role.value} {each.name}"
        rows.append((label, f"{when}{each.command}", each.place))
    return rows


def _setting(setting: Setting) -> Row:
    what = ["required" if setting.required else "optional"]
    if setting.secret:
        what.append("secret")
    if setting.default:
        what.append(f"default {_shortened(setting.default)}")
    return setting.name, ", ".join(what), setting.place


def _written(surroundings: Surroundings) -> list[Row]:
    return [
        (each.what, f"{each.path}{' (shared by all pods)' if each.shared else ''}", each.place)
        for each in surroundings.writes
    ]


def _shortened(text: str) -> str:
    return textwrap.shorten(text, WIDEST_FACT // 2, placeholder=" ...")


def _found(label: str, found: Found[str] | None) -> list[Row]:
    return [(label, found.value, found.place)] if found else []


def _labelled(label: str, found: Iterable[Found[str]]) -> list[Row]:
    """A row for each, of which only the first has the label."""
    return [(label if not number else "", each.value, each.place) for number, each in enumerate(found)]


def _wrapped(text: str, start: str) -> str:
    width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 120))
    # Commands and paths must stay whole, to be copied.
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=" " * len(start),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def explain(problems: Iterable[Problem]) -> str:
    """The problems, each with its remedy, and with the line of flask-app.toml that decides it."""
    found = list(problems)
    count = "" if len(found) == 1 else f": {len(found)} problems"
    heading = f"This application can't be served as it is{count}."
    return "\n".join([heading, *("\n".join(["", *_problem(each)]) for each in found)])


def _problem(problem: Problem) -> Iterator[str]:
    yield _wrapped(f"{_capitalized(problem.cause)}.", "  ")
    width = max((len(each.value) for each in problem.candidates), default=0)
    for each in problem.candidates:
        yield f"    {each.value:{width}}  {each.place}".rstrip()
    yield _wrapped(f"To solve it: {problem.remedy}{'' if problem.remedy.endswith('?') else '.'}", "  ")
    if problem.line:
        yield f"    {problem.line}"


def _capitalized(text: str) -> str:
    """With a capital first letter, unless the first word is code: a path, a setting or `module:name`."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+('s)?[ ,]", text) else text
