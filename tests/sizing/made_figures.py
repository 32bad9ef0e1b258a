"""Figures as a measurement gives them, for tests of what follows from them."""

from __future__ import annotations

from delivery.sizing.figures import Burst, Figures, MemoryUse, Series, Start

MIB = 1 << 20
ORDINARY = Figures(
    starts=(Start(2.0, 1.0, 0.1), Start(1.0, 0.5, 0.1), Start(1.2, 0.5, 0.1)),
    series=(Series("/", (0.040, 0.060), 0.005), Series("/search?q=x", (0.040, 0.060), 0.005)),
    burst=Burst(clients=8, requests=100, seconds=0.7, slowest=0.08, cpu=0.005),
    memory=MemoryUse(60 * MIB, 64 * MIB, 80 * MIB, 8 * MIB, 0.0, 50),
    idle=0.001,
)
"""A request takes 50 ms, 5 of them CPU time."""
