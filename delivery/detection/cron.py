"""Schedules in cron's syntax, as Kubernetes reads them.

It counts the days of the week from 0 to 6, where crontab(5) also has 7 for Sunday, and has no @reboot.
"""

from __future__ import annotations

import re

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 6, DAYS),
)
"""Name, least and largest value, and names that stand for values, of which the first is the least."""
SHORT = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every (\d+(\.\d+)?(ms|h|m|s))+")
_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


def problem_of(schedule: str) -> str:
    """What is wrong with a schedule, such as `the hour 25 is not from 0 to 23`; empty if nothing is."""
    if "TZ=" in schedule:
        return "a time zone belongs in the CronJob's timeZone"
    if schedule.strip().startswith("@"):
        return "" if SHORT.fullmatch(schedule.strip()) else f"Kubernetes doesn't support {schedule.strip()}"
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        return f"it has {len(fields)} fields instead of 5 (minute, hour, day of month, month, day of week)"
    for text, (name, least, largest, names) in zip(fields, FIELDS, strict=True):
        for part in text.split(","):
            if wrong := _wrong(part, name, least, largest, names):
                return wrong
    return ""


def _wrong(part: str, name: str, least: int, largest: int, names: tuple[str, ...]) -> str:
    match = _PART.fullmatch(part)
    if not match:
        return f"the {name} {part!r} can't be read"
    ends = [each for each in (match["first"], match["last"]) if each and each not in ("*", "?")]
    for each in ends:
        value = names.index(each.lower()) + least if each.lower() in names else int(each) if each.isdecimal() else -1
        if not least <= value <= largest:
            return f"the {name} {each} is not from {least} to {largest}"
    return f"the step of the {name} is 0" if match["step"] and not int(match["step"]) else ""
