"""All values that are computed from a measurement."""

from __future__ import annotations

from delivery.sizing.figures import Figures
from delivery.sizing.values import concurrency, resources, timeouts
from delivery.sizing.values.basis import Assumed, Basis
from delivery.sizing.values.defaults import Defaults
from delivery.sizing.values.value import Value


def derive(figures: Figures, assumed: Assumed, defaults: Defaults) -> list[Value]:
    """In the chart's order."""
    basis = Basis(figures, assumed, defaults)
    return [
        concurrency.threads(basis),
        concurrency.workers(basis),
        timeouts.queue_timeout(basis),
        timeouts.startup_timeout(basis),
        resources.cpu(basis),
        *resources.memory(basis),
        resources.target(basis),
        timeouts.graceful_timeout(basis),
        *timeouts.startup(basis),
    ]
