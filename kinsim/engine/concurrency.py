"""Who may run: the account's concurrency, shared by its functions and growing at its own pace."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import simpy

from kinsim.system.account import (
    Account,
    PerFunction,
    RegionBurst,
    environments_after,
    executions_left,
    function_may_grow_us,
    region_allows,
)

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
    """What functions without a reserved concurrency have of the account over time, and how fast all may grow."""

    from_us: tuple[int, ...]
    most: tuple[int, ...]
    """Executions from each of these instants on."""
    pace: Pace

    @staticmethod
    def of(account: Account, reserved: int = 0) -> Shares:
        """What *account* says of it where its functions have *reserved* executions together."""
        scaling = account.scaling
        pace = Pace()
        if isinstance(scaling, PerFunction):
            pace = Pace(step=scaling.step, every_us=round(scaling.every_s * 1e6))
        elif isinstance(scaling, RegionBurst):
            pace = Pace(burst=scaling.burst, per_minute=scaling.then_per_minute)
        limit = account.concurrent_executions
        if limit is None:
            return Shares((0,), (NO_LIMIT,), pace)
        steps = account.others_over_time
        return Shares(
            tuple(round(from_s * 1e6) for from_s, _ in steps),
            tuple(executions_left(limit - reserved, others) for _, others in steps),
            pace,
        )

    def at(self, now_us: int) -> int:
        """Executions that there are at *now_us*."""
        return self.most[bisect_right(self.from_us, now_us) - 1]

    def changes_after_us(self, now_us: int) -> int | None:
        """When there are next more or fewer."""
        place = bisect_right(self.from_us, now_us)
        return self.from_us[place] if place < len(self.from_us) else None


class Executions:
    """The account's executions in use, and the functions that share them, first come, first served."""

    def __init__(self, clock: simpy.Environment, shares: Shares) -> None:
        self.clock, self.shares, self.pace = clock, shares, shares.pace
        self.functions: list[Slots] = []
        self.in_use = self.unreserved_in_use = 0
        self.exceeded_us = -1
        """When the region's burst was first not enough."""
        self._tickets = count()

    def slots(self, reserved: int | None) -> Slots:
        """The executions of another function."""
        self.functions.append(Slots(self, reserved))
        return self.functions[-1]

    def may_bind(self, lanes: Sequence[int]) -> bool:
        """Whether so many lanes of each function could ever be held up."""
        pairs = list(zip(self.functions, lanes, strict=True))
        unreserved = sum(most for function, most in pairs if function.reserved is None)
        return (
            min(self.shares.most) < unreserved
            or self.pace.burst < sum(lanes)
            or any(0 < self.pace.step < most for most in lanes)
            or any(function.reserved is not None and function.reserved < most for function, most in pairs)
        )

    def ticket(self) -> int:
        """The next place in line."""
        return next(self._tickets)

    def serve(self, now_us: int) -> None:
        """Let those in line start for whom there is room."""
        while ready := [each for each in self.functions if each.line and each.has_room(now_us)]:
            min(ready, key=_first_in_line).start_next(now_us)


class Slots:
    """Executions of one function in use, and those who wait for one."""

    def __init__(self, account: Executions, reserved: int | None = None) -> None:
        self.account, self.reserved, self.pace = account, reserved, account.pace
        self.in_use = 0
        self.environments = 0
        """Most executions at once so far, each in an environment of its own."""
        self.grown_us = 0
        """When the function will have had the time to grow to its environments."""
        self.line: deque[tuple[int, simpy.Event]] = deque()
        self.looks_later = False
        """Whether somebody will look when time alone has made room."""

    def has_room(self, now_us: int) -> bool:
        """Whether another execution may start."""
        return self.opens_us(now_us) == now_us

    def opens_us(self, now_us: int) -> int | None:
        """*now_us* if another execution may start, else when time alone makes room for one; None: it does not."""
        account = self.account
        if self.reserved is not None:
            if self.in_use >= self.reserved:
                return None
        elif account.unreserved_in_use >= account.shares.at(now_us):
            return account.shares.changes_after_us(now_us)
        if self.in_use < self.environments:
            return now_us
        if self.pace.step:
            return function_may_grow_us(self.grown_us, now_us, self.pace.step, self.pace.every_us)
        if self.pace.burst != NO_LIMIT:
            if account.in_use >= self.pace.burst and account.exceeded_us < 0:
                account.exceeded_us = now_us
            return region_allows(account.in_use, now_us, account.exceeded_us, self.pace.burst, self.pace.per_minute)
        return now_us

    def take(self, now_us: int) -> None:
        """Start an execution."""
        self._use(1)
        if self.in_use > self.environments:
            self.environments = self.in_use
            if self.pace.step:
                self.grown_us = environments_after(self.grown_us, now_us, self.pace.step, self.pace.every_us)

    def wait(self) -> simpy.Event:
        """An event that comes when it is the caller's turn; the execution is taken then."""
        event = self.account.clock.event()
        self.line.append((self.account.ticket(), event))
        return event

    def release(self, now_us: int) -> None:
        """End an execution, and let the next in line start."""
        self._use(-1)
        self.account.serve(now_us)

    def start_next(self, now_us: int) -> None:
        """Let the first in line start."""
        self.take(now_us)
        self.line.popleft()[1].succeed()

    def _use(self, change: int) -> None:
        self.in_use += change
        self.account.in_use += change
        if self.reserved is None:
            self.account.unreserved_in_use += change


def _first_in_line(slots: Slots) -> int:
    return slots.line[0][0]
