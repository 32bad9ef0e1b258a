"""How long things may take: requests in a queue and at a stop, the first request, a start, a rollout."""

from __future__ import annotations

from delivery.sizing.values import formulas
from delivery.sizing.values.basis import Basis
from delivery.sizing.values.value import Value, left, ms


def queue_timeout(basis: Basis) -> Value:
    """From the slowest request."""
    path = "config.QUEUE_TIMEOUT"
    least, slowest = basis.defaults.number(path), basis.figures.slowest
    return Value(
        path,
        formulas.queue_timeout(slowest, least),
        (
            f"A request may have to wait for a thread until the slowest one is done: {formulas.QUEUE_MARGIN:.0f} x "
            f"{ms(slowest)}, and at least the default of {least} s.",
        ),
    )


def startup_timeout(basis: Basis) -> Value:
    """From the first request of each start."""
    path = "config.STARTUP_TIMEOUT"
    least = basis.defaults.number(path)
    times = [each.first_request for each in basis.figures.starts if each.first_request is not None]
    if not times:
        return left(path, "the log has no access line of the first request, in JSON.")
    return Value(
        path,
        formulas.startup_timeout(max(times), least),
        (
            f"{formulas.FIRST_MARGIN:.0f} x {ms(max(times))}, the slowest first request after a start, and at least "
            f"the default of {least} s.",
        ),
    )


def graceful_timeout(basis: Basis) -> Value:
    """From the slowest request; the grace period follows from it."""
    path = "shutdown.gracefulTimeoutSeconds"
    least, slowest = basis.defaults.number(path), basis.figures.slowest
    value = formulas.graceful_timeout(slowest, least)
    stop = basis.defaults.number("shutdown.preStopSeconds")
    return Value(
        path,
        value,
        (
            f"{formulas.REQUEST_MARGIN:.0f} x {ms(slowest)}, the slowest request, and at least the default of "
            f"{least} s.",
            f"The chart computes terminationGracePeriodSeconds = {stop} (preStopSeconds) + {value} + 5 = "
            f"{stop + value + 5}.",
        ),
    )


def startup(basis: Basis) -> list[Value]:
    """The startup probe, after the deadline of a rollout if that would be over first."""
    path = "probes.startup.failureThreshold"
    period, least = basis.defaults.number("probes.startup.periodSeconds"), basis.defaults.number(path)
    worst, why = _worst_start(basis)
    failures = formulas.startup_failures(worst, period, least)
    probe = Value(
        path,
        failures,
        (
            why,
            f"{formulas.START_MARGIN:.0f} x {worst:.1f} s / {period} s (periodSeconds), and at least the default of "
            f"{least}.",
        ),
    )
    path, ready = "rollout.progressDeadlineSeconds", basis.defaults.number("rollout.minReadySeconds")
    least = basis.defaults.number(path)
    deadline = formulas.progress_deadline(failures * period, ready, least)
    if deadline == least:
        return [probe]
    why = (
        f"More than a pod may take to become available: {failures * period} s to start, {ready} s of minReadySeconds, "
        "and 60 s to be scheduled and to pull its image."
    )
    return [Value(path, deadline, (why,)), probe]


def _worst_start(basis: Basis) -> tuple[float, str]:
    """Seconds of a start on a busy node, and how they are computed."""
    slowest = max(basis.figures.starts, key=lambda each: each.seconds)
    took = f"The slowest of {len(basis.figures.starts)} starts took {slowest.seconds:.1f} s"
    if basis.cpu is None or slowest.cpu is None:
        return slowest.seconds, f"{took}."
    cores = min(1.0, basis.cpu.millicores / 1000)
    worst = formulas.worst_start(slowest.seconds, slowest.cpu, cores)
    return worst, (
        f"{took}, of which {slowest.cpu:.1f} s are CPU time. On a busy node, a pod gets the CPU that it requests: "
        f"{max(0.0, slowest.seconds - slowest.cpu):.1f} s + {slowest.cpu:.1f} s / {cores:g} = {worst:.1f} s."
    )
