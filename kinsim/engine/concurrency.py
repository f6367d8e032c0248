"""Who may run: the function's concurrency, shared with the account's other functions and growing at its own pace."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from kinsim.system.account import (
    PerFunction,
    RegionBurst,
    environments_after,
    executions,
    executions_left,
    function_may_grow_us,
    region_allows,
)

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast concurrency may grow, in plain numbers; `step` 0: at once."""

    step: int = 0
    every_us: int = 0
    burst: int = NO_LIMIT
    per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """The function's part of the account's concurrency over time."""

    from_us: tuple[int, ...]
    most: tuple[int, ...]
    """Executions from each of these instants on."""
    pace: Pace

    @staticmethod
    def of(scenario: Scenario) -> Shares:
        """What *scenario* says of it."""
        account, reserved = scenario.account, scenario.function.reserved_concurrency
        limit = executions(account.concurrent_executions, reserved)
        scaling = account.scaling
        pace = Pace()
        if isinstance(scaling, PerFunction):
            pace = Pace(step=scaling.step, every_us=round(scaling.every_s * 1e6))
        elif isinstance(scaling, RegionBurst):
            pace = Pace(burst=scaling.burst, per_minute=scaling.then_per_minute)
        if limit is None:
            return Shares((0,), (NO_LIMIT,), pace)
        if reserved is not None:
            return Shares((0,), (limit,), pace)
        steps = account.others_over_time
        return Shares(
            tuple(round(from_s * 1e6) for from_s, _ in steps),
            tuple(executions_left(limit, others) for _, others in steps),
            pace,
        )

    def may_bind(self, lanes: int) -> bool:
        """Whether so many lanes could ever be held up."""
        return min(self.most) < lanes or 0 < self.pace.step < lanes or self.pace.burst < lanes

    def at(self, now_us: int) -> int:
        """Executions that the function may have at *now_us*."""
        return self.most[bisect_right(self.from_us, now_us) - 1]

    def changes_after_us(self, now_us: int) -> int | None:
        """When its part is next a different one."""
        place = bisect_right(self.from_us, now_us)
        return self.from_us[place] if place < len(self.from_us) else None


class Slots:
    """Executions in use, and those who wait for one, first come, first served."""

    def __init__(self, clock: simpy.Environment, shares: Shares) -> None:
        self.clock, self.shares, self.pace = clock, shares, shares.pace
        self.in_use = 0
        self.environments = 0
        """Most executions at once so far, each in an environment of its own."""
        self.grown_us = 0
        """When the function will have had the time to grow to its environments."""
        self.exceeded_us = -1
        """When the region's burst was first not enough."""
        self.line: deque[simpy.Event] = deque()

    def has_room(self, now_us: int) -> bool:
        """Whether another execution may start."""
        return self.opens_us(now_us) == now_us

    def opens_us(self, now_us: int) -> int | None:
        """*now_us* if another execution may start, else when time alone makes room for one; None: it does not."""
        if self.in_use >= self.shares.at(now_us):
            return self.shares.changes_after_us(now_us)
        if self.in_use < self.environments:
            return now_us
        if self.pace.step:
            return function_may_grow_us(self.grown_us, now_us, self.pace.step, self.pace.every_us)
        if self.pace.burst != NO_LIMIT:
            if self.in_use >= self.pace.burst and self.exceeded_us < 0:
                self.exceeded_us = now_us
            return region_allows(self.in_use, now_us, self.exceeded_us, self.pace.burst, self.pace.per_minute)
        return now_us

    def take(self, now_us: int) -> None:
        """Start an execution."""
        self.in_use += 1
        if self.in_use > self.environments:
            self.environments = self.in_use
            if self.pace.step:
                self.grown_us = environments_after(self.grown_us, now_us, self.pace.step, self.pace.every_us)

    def wait(self) -> simpy.Event:
        """An event that comes when it is the caller's turn; the execution is taken then."""
        event = self.clock.event()
        self.line.append(event)
        return event

    def release(self, now_us: int) -> None:
        """End an execution, and let the next in line start."""
        self.in_use -= 1
        self.serve(now_us)

    def serve(self, now_us: int) -> None:
        """Let those in line start for whom there is room."""
        while self.line and self.has_room(now_us):
            self.take(now_us)
            self.line.popleft().succeed()
