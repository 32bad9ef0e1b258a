"""`/work`, `/sleep` and `/memory`: requests that cost what they are told to. For load tests; off by default.

They echo the query and say who answers, so that a test can tell that an answer is the answer to its own request.
"""

import time
from typing import Any

from flask import Flask, abort, request

from app.routes import who_answers
from app.settings import ApiSettings

MAX_CPU_MS = 5_000
MAX_SLEEP_MS = 600_000
MAX_MEMORY_MIB = 65_536


def _number(name: str, unit: str, maximum: int) -> int:
    """The query parameter `name` as a whole number of `unit` from 0 to `maximum`, or a 400."""
    text = request.args.get(name, "")
    # isdecimal() alone accepts digits of other scripts; int() would take them too, but nobody means them.
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) <= maximum):
        abort(400, f"{name} must be a whole number of {unit} from 0 to {maximum}, got {text!r}")
    return int(text)


def register(app: Flask, settings: ApiSettings) -> None:
    """Add the load endpoints to `app`."""

    def answer() -> dict[str, Any]:
        return {**who_answers(settings), "query": request.args.to_dict(flat=False)}

    @app.get("/work")
    def work() -> dict[str, Any]:
        """Use `cpu_ms` milliseconds of CPU time, however long that takes on a busy machine."""
        wanted = _number("cpu_ms", "milliseconds", MAX_CPU_MS) / 1000
        started = time.thread_time()
        while (used := time.thread_time() - started) < wanted:
            pass
        return {**answer(), "cpu_ms": used * 1000}

    @app.get("/sleep")
    def sleep() -> dict[str, Any]:
        """Hold a thread for `ms` milliseconds without using the processor."""
        held = _number("ms", "milliseconds", MAX_SLEEP_MS)
        time.sleep(held / 1000)
        return {**answer(), "slept_ms": held}

    @app.get("/memory")
    def memory() -> dict[str, Any]:
        """Use `mib` MiB of memory until the answer is made: as much as one likes, and more than there may be."""
        wanted = _number("mib", "MiB", MAX_MEMORY_MIB)
        # In pieces that are written to, one after the other: memory that nobody has touched is not used.
        pieces = [bytes([1]) * 1024 * 1024 for _ in range(wanted)]
        return {**answer(), "memory_mib": len(pieces)}
