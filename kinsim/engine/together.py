"""Pipelines of one account on one clock: what they share, and the run of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import simpy

from kinsim.engine.clock import Clock
from kinsim.engine.concurrency import Executions, Shares

if TYPE_CHECKING:
    from kinsim.engine.read_budget import ReadBudget
    from kinsim.engine.reference import Pipeline
    from kinsim.scenario import Scenario
    from kinsim.system.account import Account

RANKS_OF_A_PIPELINE = 32
"""Bits of a rank that are left to the lanes of one pipeline."""


@dataclass(slots=True)
class Provisioned:
    """Environments of a function's provisioned concurrency that are in use."""

    in_use: int = 0


@dataclass(slots=True)
class Tally:
    """Invocations in progress over all pipelines; one that ends at an instant makes room for one that starts."""

    clock: Clock
    from_us: int
    """End of the warm-up, before which nothing counts."""
    level: int = 0
    time_us: dict[int, int] = field(default_factory=dict)
    """For how long there were so many."""
    most: int = 0
    most_at_us: int = 0
    _since_us: int = 0

    def change(self, by: int) -> None:
        """So many more are in progress from now on."""
        self.pass_time(self.clock.now_us)
        self.level += by

    def pass_time(self, now_us: int) -> None:
        """Nothing changes until *now_us*."""
        since_us, self._since_us = max(self._since_us, self.from_us), now_us
        if now_us <= since_us:
            return
        self.time_us[self.level] = self.time_us.get(self.level, 0) + now_us - since_us
        if self.level > self.most:
            self.most, self.most_at_us = self.level, since_us


@dataclass(slots=True)
class Place:
    """Where a pipeline stands among those of the account, and what it shares with them."""

    number: int = 0
    budgets: dict[int, ReadBudget] = field(default_factory=dict)
    """Read limits of its stream's shards, by shard."""
    shares_stream: bool = False
    """Whether other mappings read its stream."""
    provisioned: Provisioned = field(default_factory=Provisioned)

    @property
    def rank(self) -> int:
        """What is added to the rank of a lane, so that pipelines come one after another at one instant."""
        return self.number << RANKS_OF_A_PIPELINE


def places(scenarios: Sequence[Scenario]) -> list[Place]:
    """The place of each scenario; those that name the same stream or function share what belongs to it."""
    streams = [each.member.stream for each in scenarios]
    budgets: dict[str, dict[int, ReadBudget]] = {name: {} for name in streams}
    functions = {each.member.function: Provisioned() for each in scenarios}
    return [
        Place(
            number, budgets[each.member.stream], streams.count(each.member.stream) > 1, functions[each.member.function]
        )
        for number, each in enumerate(scenarios)
    ]


def give_executions(clock: Clock, account: Account, pipelines: Sequence[Pipeline]) -> None:
    """Let the functions share the account's concurrency, where it could ever hold one of them up."""
    functions: dict[str, list[Pipeline]] = {}
    for pipeline in pipelines:
        functions.setdefault(pipeline.scenario.member.function, []).append(pipeline)
    reserved = [each[0].plan.reserved for each in functions.values()]
    executions = Executions(clock, Shares.of(account, sum(each or 0 for each in reserved)))
    slots = [executions.slots(each) for each in reserved]
    if executions.may_bind([sum(each.most_at_once for each in group) for group in functions.values()]):
        for group, shared in zip(functions.values(), slots, strict=True):
            for pipeline in group:
                pipeline.slots = shared


def run_together(clock: Clock, account: Account, pipelines: Sequence[Pipeline]) -> Tally:
    """Run *pipelines* to the end of the scenario's duration, or until everything of all of them is settled."""
    tally = Tally(clock, round(pipelines[0].scenario.run.warm_up_s * 1e6))
    if len(pipelines) > 1:
        for pipeline in pipelines:
            pipeline.tally = tally
    give_executions(clock, account, pipelines)
    planned = pipelines[0].plan
    for pipeline in pipelines:
        pipeline.begin()
    end_us: float = planned.duration_us
    while (next_us := clock.peek()) < end_us:
        clock.step()
    if planned.drained:
        while next_us != simpy.core.Infinity and not _only_stuck(pipelines):
            clock.step()
            next_us = clock.peek()
    ends_us = [pipeline.tables.settled_us if planned.drained else 0 for pipeline in pipelines]
    tally.pass_time(max(ends_us) or int(end_us))
    for pipeline, settled_us in zip(pipelines, ends_us, strict=True):
        pipeline.finish(settled_us or int(end_us))
    return tally


def _only_stuck(pipelines: Sequence[Pipeline]) -> bool:
    """Whether some are left with what can never be processed, and the others are done."""
    left = [each for each in pipelines if not each.is_done]
    return bool(left) and all(each.only_stuck() for each in left)
