"""How many requests a pod runs at once: WEB_THREADS and WEB_CONCURRENCY."""

from __future__ import annotations

from delivery.sizing.values.basis import LEAST_CPU, Basis
from delivery.sizing.values.formulas import JUDGED_SECONDS, LEAST_THREADS, MOST_THREADS
from delivery.sizing.values.value import Value, left, ms, unread


def threads(basis: Basis) -> Value:
    """From the share of a request in which it waits."""
    path = "config.WEB_THREADS"
    cpu, wait, clients = basis.figures.cpu, basis.figures.wait, basis.figures.burst.clients
    if cpu is None or wait is None:
        return unread(path, "CPU time")
    if not basis.overlaps:
        return left(
            path,
            f"{clients} clients at once had {basis.at_once:.1f} requests in flight, of {basis.possible:.1f} that were "
            "possible: something they share, such as a lock, a connection pool or a database file, admits fewer. More "
            "threads would wait for it too.",
        )
    exact = 1 + wait / max(cpu, LEAST_CPU)
    kind = "waits more than it computes" if wait > cpu else "computes more than it waits"
    bounds = f"{LEAST_THREADS} at least, {MOST_THREADS} at most"
    connections = basis.threads * basis.defaults.number("autoscaling.maxReplicas")
    return Value(
        path,
        basis.threads,
        (
            f"A request {kind}: {ms(cpu)} of CPU time, {ms(wait)} of waiting.",
            f"1 + wait / CPU time = 1 + {ms(wait)} / {ms(cpu)} = {exact:.1f} threads keep one core busy; {bounds}.",
            *_seen(basis),
            f"If each thread holds a database connection, the database must accept maxReplicas x WEB_THREADS = "
            f"{connections}.",
        ),
    )


def _seen(basis: Basis) -> list[str]:
    """What clients at once have shown, where requests wait for long enough."""
    if basis.figures.wait is None or basis.figures.wait < JUDGED_SECONDS:
        return []
    return [
        f"With {basis.figures.burst.clients} clients at once, {basis.at_once:.1f} requests were in flight, of "
        f"{basis.possible:.1f} that are possible."
    ]


def workers(basis: Basis) -> Value:
    """One, since pods are what is added."""
    path = "config.WEB_CONCURRENCY"
    return Value(
        path,
        basis.defaults.number(path),
        ("A worker uses one core at most. The autoscaler adds pods instead, which also survive the loss of a node.",),
    )
