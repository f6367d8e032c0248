"""How long each invocation runs and how it ends: the rules of the function, on a shard's records and draws."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import Purpose, address_key, generator, uniform
from kinsim.engine.plan import OFF, Plan
from kinsim.engine.shard_log import ShardLog
from kinsim.system.alert_rules import share_reached
from kinsim.system.function import (
    CALL_FAILS,
    CRASH,
    ERROR,
    PARTIAL,
    SLOW,
    TIMEOUT,
    DurationParts,
    draw_invocation_calls,
    fault_strikes,
    init_phases,
    is_cold,
    memory_needed_mb,
    outcome,
    run_us,
    share_until_out_of_memory,
    times_out,
    wall_us,
    work_us,
)

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

LANE_SHIFT = 32

BLOCK = 1_024
"""Draws are made this many batches at a time."""


class Run(NamedTuple):
    """One invocation, decided when it starts."""

    init_us: int
    duration_us: int
    outcome: int
    hopeless: bool
    """Whether no later attempt of the same records can end otherwise."""
    reported: int
    """Records before the first that a partial response names; -1 without such a response."""
    front_us: int = 0
    """Where the function has rules: run time before the work on the log events begins, and at which all of it is done
    if nothing stops the run."""
    needed_us: int = 0
    rules_us: tuple[float, ...] = ()
    """Time that each of the function's rules takes in it, its calls included."""


class Own(NamedTuple):
    """What an invocation costs besides its records, in microseconds, and the noise on all of it."""

    whole_us: float
    fixed_us: float
    per_invocation_us: float
    calls_us: float
    noise: float


class Struck(NamedTuple):
    """What the faults do to one invocation."""

    calls_fail: bool = False
    factor: float = 1.0
    hangs: bool = False
    crashes: bool = False
    fails: bool = False
    for_ever: bool = False
    reported: int = -1
    """Records before the first that the function reports as failed."""


NO_FAULT = Struck()


class Draws:
    """What is random about a lane's batches, drawn in blocks by address and remembered for one block."""

    def __init__(self, scenario: Scenario, replication: int, address: int) -> None:
        self.function, self.seed, self.replication = scenario.function, scenario.member.reader_seed, replication
        self.address = address
        self._blocks: dict[tuple[str, int], tuple[int, NDArray[np.float64]]] = {}

    def of_batch(self, name: str, batch: int, attempt: int) -> float:
        """Draw *name* of a batch's attempt: seconds, or a factor."""
        number, place = divmod(batch, BLOCK)
        held = self._blocks.get((name, attempt))
        if held is None or held[0] != number:
            held = (number, self._draw(name, number, attempt))
            self._blocks[name, attempt] = held
        return float(held[1][place])

    def cold_start_us(self, environment: int) -> int:
        """Initialisation of the lane's environment number *environment*."""
        spread = self.function.cold_start_s
        if spread is None:
            return 0
        if spread.constant is not None:
            return round(spread.constant * 1e6)
        held = self._blocks.get(("cold_start", 0))
        number, place = divmod(environment, BLOCK)
        if held is None or held[0] != number:
            rng = generator(self.seed, self.replication, Purpose.COLD_START, self.address, number)
            held = (number, spread.sample(rng, BLOCK))
            self._blocks["cold_start", 0] = held
        return round(float(held[1][place]) * 1e6)

    def _draw(self, name: str, number: int, attempt: int) -> NDArray[np.float64]:
        parts = self.function.duration
        which = ("whole", "fixed", "per_invocation", "noise", "calls", "calls_failing").index(name)
        purpose = Purpose.CALLS if which >= 4 else Purpose.DURATION
        rng = generator(self.seed, self.replication, purpose, self.address, min(which, 4), attempt, number)
        if which >= 4:
            return draw_invocation_calls(self.function, rng, BLOCK)[which - 4].astype(np.float64)
        if not isinstance(parts, DurationParts):
            return parts.sample(rng, BLOCK)
        if name == "noise":
            variance = np.log1p(parts.cv**2)
            return np.asarray(rng.lognormal(-variance / 2, np.sqrt(variance), BLOCK))
        return (parts.fixed_s if name == "fixed" else parts.per_invocation_s).sample(rng, BLOCK)


class Invoker:
    """The function as one lane invokes it: its cost, its faults and the life of its environment."""

    def __init__(
        self, scenario: Scenario, replication: int, shard: int, plan: Plan, log: ShardLog, lane: int = 0
    ) -> None:
        self.plan, self.cost, self.log = plan, plan.cost, log
        self.address = shard + (lane << LANE_SHIFT)
        """Of the lane's draws: they stay the same whatever the number of lanes and shards is."""
        self.draws = Draws(scenario, replication, self.address)
        self.fault_key = address_key(scenario.member.reader_seed, replication, Purpose.FAULTS)
        self.environments = 0
        self.created_us = self.last_end_us = 0
        self.was_reset = False
        self.alike = not (plan.cold_starts or plan.faults or plan.calls or self.cost.draws)
        """Whether an invocation's time depends on its records alone."""
        self.poison: list[list[int]] = [[] for _ in plan.faults]
        """For each fault the records of its line that it strikes, those that have arrived, in order."""
        self._last: tuple[tuple[int, int, int, int], Run] | None = None

    def invoke(self, now_us: int, batch: int, tries: int, first: int, end: int, provided: bool = False) -> Run:
        """The invocation of records *first* up to *end* that starts at *now_us*; the batch has had *tries* before.

        *provided*: in an environment of the provisioned concurrency.
        """
        cost, log = self.cost, self.log
        needs = (
            end - first,
            log.amount("log_events", first, end) if cost.reads_log_events else 0,
            log.amount("body_bytes", first, end) if cost.reads_body else 0,
            log.amount("cpu_us", first, end) if log.has_work else 0,
        )
        if self.alike and self._last is not None and self._last[0] == needs:
            return self._last[1]
        before_us, inside_us = self._initialisation(now_us, provided)
        struck = self._faults(now_us, batch, tries, first, end) if self.plan.faults else NO_FAULT
        failing, factor = struck.calls_fail, struck.factor
        calls_us = log.amount("call_failing_us" if failing else "call_us", first, end) if self.plan.calls else 0
        own = self._own(batch, tries, failing)
        needed_us = self._needed_us(needs, calls_us, own, factor)
        until_full = self._until_out_of_memory(needs[2])
        out_of_memory = until_full < 1.0
        runs_us = int(needed_us * until_full + 0.5) if out_of_memory else needed_us
        kind, duration_us = outcome(
            runs_us + inside_us, self.plan.timeout_us, struck.hangs, struck.crashes or out_of_memory, struck.fails,
            struck.reported >= 0,
        )  # fmt: skip
        self.was_reset = kind in (TIMEOUT, CRASH)
        self.last_end_us = now_us + self.plan.overhead_us + before_us + duration_us
        slow = factor == 1.0 and not failing and not cost.redraw and times_out(needed_us, self.plan.timeout_us)
        reported = struck.reported if kind == PARTIAL else -1
        hopeless = slow or out_of_memory or (struck.for_ever and reported <= 0)
        run = Run(before_us, duration_us, kind, hopeless, reported)
        if cost.rules_us:
            run = self._with_rules(run, first, end, needs, calls_us, own, struck, inside_us)
        self._last = (needs, run)
        return run

    def _initialisation(self, now_us: int, provided: bool) -> tuple[int, int]:
        """Initialisation before the run and inside it (aws:M11, M16); none in a provisioned environment (aws:M21)."""
        plan = self.plan
        if not plan.cold_starts:
            return 0, 0
        if self.was_reset:
            self.environments += 1
            self.created_us = now_us
            return 0, self.draws.cold_start_us(self.environments - 1)
        if provided:
            return 0, 0
        if not is_cold(self.environments, now_us, self.last_end_us, self.created_us, plan.idle_us, plan.max_age_us):
            return 0, 0
        self.environments += 1
        self.created_us = now_us
        return init_phases(self.draws.cold_start_us(self.environments - 1), plan.init_limit_us)

    def _faults(self, now_us: int, batch: int, tries: int, first: int, end: int) -> Struck:
        """Faults that strike this invocation."""
        failing, factor, hangs, crashes, fails, for_ever, reported = False, 1.0, False, False, False, False, -1
        for number, fault in enumerate(self.plan.faults):
            poisoned = self._poisoned(number, first, end) if fault.records else first
            if fault.records and poisoned >= end:
                continue
            u = uniform(self.fault_key, self.address, batch, tries, number) if fault.probability < 1.0 else 0.0
            if not fault_strikes(now_us, fault.from_us, fault.to_us, fault.probability, u):
                continue
            failing |= fault.kind == CALL_FAILS
            factor *= fault.factor if fault.kind == SLOW else 1.0
            hangs |= fault.kind == TIMEOUT
            crashes |= fault.kind == CRASH
            if fault.kind == ERROR and fault.records and self.plan.reports_items:
                reported = poisoned - first if reported < 0 else min(reported, poisoned - first)
            else:
                fails |= fault.kind == ERROR
            ends_batch = fault.kind in (TIMEOUT, CRASH, ERROR)
            for_ever |= ends_batch and fault.to_us == OFF and fault.probability >= 1.0
        return Struck(failing, factor, hangs, crashes, fails, for_ever, reported)

    def _until_out_of_memory(self, body_bytes: int) -> float:
        cost = self.cost
        if not (cost.base_mb or cost.per_mib_mb):
            return 1.0
        needed_mb = memory_needed_mb(cost.base_mb, cost.per_mib_mb, body_bytes)
        return share_until_out_of_memory(needed_mb, cost.base_mb, cost.memory_mb)

    def _poisoned(self, fault: int, first: int, end: int) -> int:
        """First record from *first* on that a fault strikes, *end* if it comes before them all."""
        records = self.poison[fault]
        place = bisect_left(records, first)
        return records[place] if place < len(records) else end

    def _own(self, batch: int, tries: int, failing: bool) -> Own:
        """What the invocation costs whatever its records, drawn where it varies."""
        cost, noise = self.cost, 1.0
        whole_us, fixed_us, per_invocation_us, calls_us = cost.whole_us, cost.fixed_us, cost.per_invocation_us, 0.0
        for name in cost.draws:
            drawn = self.draws.of_batch(
                "calls_failing" if name == "calls" and failing else name, batch, tries if cost.redraw else 0
            )
            if name == "whole":
                whole_us = drawn * 1e6
            elif name == "fixed":
                fixed_us = drawn * 1e6
            elif name == "per_invocation":
                per_invocation_us = drawn * 1e6
            elif name == "noise":
                noise = drawn
            else:
                calls_us = drawn
        return Own(whole_us, fixed_us, per_invocation_us, calls_us, noise)

    def _needed_us(self, needs: tuple[int, int, int, int], calls_us: float, own: Own, factor: float) -> int:
        """Time the run would take if nothing stopped it; *needs*: records, log events, bytes and work of their own."""
        cost = self.cost
        waiting_us = own.calls_us + calls_us if cost.measured else own.fixed_us + (own.calls_us + calls_us)
        measured_us, cpu_us = self._work_us(needs, own)
        return run_us(
            own.whole_us, waiting_us, measured_us, cpu_us, cost.cpu_fraction, cost.reference_share, cost.share,
            cost.mode, cost.period_us, own.noise, factor,
        )  # fmt: skip

    def _work_us(self, needs: tuple[int, int, int, int], own: Own) -> tuple[float, float]:
        """Work of the run: as it was measured at a reference memory, and at one vCPU."""
        cost = self.cost
        records, log_events, body_bytes, own_us = needs
        work = work_us(
            own.fixed_us if cost.measured else 0.0, own.per_invocation_us, cost.per_record_us, cost.per_log_event_us,
            cost.per_mib_us, records, log_events, body_bytes, 0 if cost.measured else own_us,
        )  # fmt: skip
        measured_us, cpu_us = (work, float(own_us)) if cost.measured else (0.0, work)
        return measured_us, cpu_us + sum(cost.rules_us) * log_events

    def _with_rules(
        self, run: Run, first: int, end: int, needs: tuple[int, int, int, int], calls_us: float, own: Own,
        struck: Struck, inside_us: int,
    ) -> Run:  # fmt: skip
        """*run* with when it is through with its log events, and what its rules take of it."""
        cost, stretch = self.cost, own.noise * struck.factor
        bare = own._replace(whole_us=0.0)
        front_us = inside_us + self._needed_us((0, 0, 0, 0), 0.0, bare, struck.factor)
        needed_us = inside_us + self._needed_us(needs, calls_us, own, struck.factor)
        reached = share_reached(front_us, needed_us, run.duration_us)
        measured_us, cpu_us = self._work_us(needs, own)
        cpu_us += measured_us * cost.cpu_fraction * cost.reference_share
        wall = wall_us(cpu_us, cost.share, cost.mode, cost.period_us)
        of_each = wall / cpu_us * needs[1] * stretch * reached if cpu_us else 0.0
        spent_us = [each * of_each for each in cost.rules_us]
        for number, healthy, failing in cost.rule_calls:
            spent_us[number] += (
                self.log.amount(failing if struck.calls_fail else healthy, first, end) * stretch * reached
            )
        return run._replace(front_us=front_us, needed_us=needed_us, rules_us=tuple(spent_us))
