"""Regular expressions that are computed, in the dialect of Go (RE2), which has no look-ahead."""

import re


def whole_numbers(minimum: int, maximum: int) -> str:
    """The decimal digits of each whole number from `minimum`, which is not negative, to `maximum`."""
    return "|".join(_same_length(low, high) for low, high in _split(minimum, maximum))


def _split(minimum: int, maximum: int) -> list[tuple[int, int]]:
    """The range in parts whose ends differ by whole digits: 8 to 123 is 8 to 9, 10 to 99, 100 to 119, 120 to 123."""
    ends = {maximum}
    digits = 1
    while (
        end := int(str(minimum)[:-digits] + "9" * digits) if digits < len(str(minimum)) else 10**digits - 1
    ) < maximum:
        if end >= minimum:
            ends.add(end)
        digits += 1
    digits = 1
    while (end := (maximum + 1) // 10**digits * 10**digits - 1) >= minimum:
        ends.add(end)
        digits += 1
    starts = [minimum, *(end + 1 for end in sorted(ends))]
    return list(zip(starts, sorted(ends), strict=False))


def _same_length(low: int, high: int) -> str:
    """The numbers from `low` to `high`, whose digits can be chosen independently."""
    pattern, repeated = "", 0
    for first, last in zip(str(low), str(high), strict=True):
        if (first, last) == ("0", "9"):
            repeated += 1
        else:
            pattern += first if first == last else f"[{first}-{last}]"
    return pattern + ("[0-9]" + (f"{{{repeated}}}" if repeated > 1 else "") if repeated else "")


def schedule() -> str:
    """What Kubernetes accepts as the schedule of a CronJob, but for ranges whose end is below their beginning.

    Source: github.com/robfig/cron/v3, parser.go, which the API server and the controller use.
    """
    months = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
    days = "sun|mon|tue|wed|thu|fri|sat"
    ranges = [(0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, months), (0, 6, days)]
    fields = r"\s+".join(_schedule_field(*each) for each in ranges)
    words = "yearly|annually|monthly|weekly|daily|midnight|hourly"
    return rf"^\s*(@({words})|@every ([0-9]+(\.[0-9]+)?(ms|h|m|s))+|(?i:{fields}))\s*$"


def _schedule_field(minimum: int, maximum: int, names: str) -> str:
    """A list of values, ranges, and either of them in steps."""
    value = f"0*({whole_numbers(minimum, maximum)}{'|' + names if names else ''})"
    each = rf"([*?]|{value}(-{value})?)(/0*[1-9][0-9]*)?"
    return f"{each}(,{each})*"


def one_edit(word: str) -> str:
    """Each text that one edit turns `word` into: a character left out, added or replaced, or two neighbours swapped."""
    return f"^(?:{_edited(word)}|{re.escape(word)}.)$"


def _edited(word: str) -> str:
    """The edits but for an addition at the end. Of two halves one is as it was: so the pattern is short."""
    if len(word) == 1:
        return f"(?:[^{re.escape(word)}]?|.{re.escape(word)})"
    left, right = word[: len(word) // 2], word[len(word) // 2 :]
    edits = [_edited(left) + re.escape(right), re.escape(left) + _edited(right)]
    if left[-1] != right[0]:
        edits.append(re.escape(left[:-1] + right[0] + left[-1] + right[1:]))
    return f"(?:{'|'.join(edits)})"
