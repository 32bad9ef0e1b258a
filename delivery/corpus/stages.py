"""What becomes of one application, stage by stage, until one fails: detected, locked, built, ready, answering."""

from __future__ import annotations

import subprocess
import time
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from delivery.corpus.answers import difference
from delivery.corpus.containers import Container, ContainerError
from delivery.corpus.entries import Entry
from delivery.corpus.sources import SourceError, unpacked
from delivery.detection.description import Description, Undecided
from delivery.detection.detect import detect
from delivery.images.build import build
from delivery.images.errors import ImageError
from delivery.images.lock import LockError, lock

STAGES = ("detected", "locked", "built", "ready", "answers")
PLAIN = ["gunicorn", "--worker-class", "gthread", "--threads", "8", "--no-control-socket", "--bind", "0.0.0.0:5000"]
"""The same image under gunicorn alone, for comparison."""


class Verdict(Enum):
    """Whether the detection is right."""

    RIGHT = "right"
    RIGHTLY_REFUSED = "rightly refused"
    REFUSED = "refused"
    """An answer exists, and it was not given."""
    WRONG = "wrong"
    """Something else would be served."""


@dataclass
class Result:
    """How far an application came."""

    name: str
    version: str
    kind: str
    verdict: str = ""
    answer: str = ""
    """What would be served, or the message."""
    reached: str = ""
    """The last stage that succeeded."""
    reason: str = ""
    """Why the next one did not."""
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As it is kept."""
        return asdict(self)


def judge(entry: Entry, *, until: str, default_python: str, work: Path) -> Result:
    """Take one application as far as it comes. until: the last stage that is tried."""
    result = Result(entry.name, entry.version, entry.kind)
    try:
        description = _detected(entry, result, default_python)
        if description is None:
            return result
        for stage in STAGES[1 : STAGES.index(until) + 1]:
            started = time.monotonic()
            _STAGE[stage](entry, description, work)
            result.seconds[stage] = round(time.monotonic() - started, 1)
            result.reached = stage
    except (SourceError, LockError, ImageError, ContainerError, subprocess.TimeoutExpired) as error:
        result.reason = str(error)
    return result


def _detected(entry: Entry, result: Result, default_python: str) -> Description | None:
    folder = unpacked(entry)
    started = time.monotonic()
    try:
        description = detect(folder, default_python)
    except Undecided as error:
        result.answer = "\n".join(f"{each.cause}: {each.remedy}" for each in error.problems)
        right = entry.accepts_refusal(result.answer)
        result.verdict = (Verdict.RIGHTLY_REFUSED if right else Verdict.REFUSED).value
        return None
    finally:
        result.seconds["detected"] = round(time.monotonic() - started, 1)
    served = description.served.value
    result.answer = served.reference
    result.reached = "detected"
    right = entry.accepts(served.reference, served.root)
    result.verdict = (Verdict.RIGHT if right else Verdict.WRONG).value
    return description


def _image(entry: Entry) -> str:
    return f"flask-app-corpus/{entry.name}:{entry.version}".lower().replace("+", "-")


def _lock(entry: Entry, description: Description, work: Path) -> None:  # noqa: ARG001  # all stages are called alike
    lock(description, work)


def _build(entry: Entry, description: Description, work: Path) -> None:  # noqa: ARG001
    build(description, _image(entry))


def _ready(entry: Entry, description: Description, work: Path) -> None:  # noqa: ARG001
    with Container(_image(entry), entry.environment) as container:
        container.until_ready()


def _answers(entry: Entry, description: Description, work: Path) -> None:  # noqa: ARG001
    with (
        Container(_image(entry), entry.environment) as ours,
        Container(_image(entry), entry.environment, [*PLAIN, description.served.value.reference]) as plain,
    ):
        ours.until_ready()
        plain.until_answers()
        if found := difference(ours.address, plain.address, [entry.path or "/", "/", "/no-such-page"]):
            raise ContainerError(found)


_STAGE = {"locked": _lock, "built": _build, "ready": _ready, "answers": _answers}
