"""SimPy's clock in whole microseconds, and the order of what happens at one instant."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

CHANGES, ARRIVALS, ENDS, STARTS = -(1 << 51), -(1 << 50), -(1 << 40), 1 << 40
"""Ranks at one instant, before SimPy's own (grants of a resource are at 1); the shard's number is added."""

LEAST_CYCLE_US = 1_000
"""What fails in no time is not tried again at the same instant, for ever, even without any back-off."""

Process = Generator[simpy.Event, Any, None]


class Clock(simpy.Environment):
    """SimPy's environment in whole microseconds."""

    _now: int

    @property
    def now_us(self) -> int:
        """The present instant."""
        return self._now


class At(simpy.Event):
    """A wake-up at *at_us* with an explicit rank among simultaneous events."""

    def __init__(self, clock: Clock, at_us: int, rank: int) -> None:
        self.env = clock
        self.callbacks = []
        self._ok, self._value = True, None
        clock.schedule(self, rank, at_us - clock.now_us)  # type: ignore[arg-type]  # SimPy names three ranks, any integer works
