"""An on-demand stream grows while a run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsim.engine.controlling import Intake, IteratorAges
from kinsim.engine.shards import Shards
from kinsim.engine.tables import ShardCountCall, Writes
from kinsim.system.on_demand import Growth
from kinsim.system.resharding import OpenShards, Operation

if TYPE_CHECKING:
    from kinsim.engine.plan import Plan

NEVER = 1 << 62


class Grower:
    """Splits shards as the traffic of a period demands, one delay after that period has begun."""

    def __init__(self, growth: Growth, shard_count: int) -> None:
        self.growth, self.shards = growth, OpenShards(shard_count)
        self.intake = Intake(growth.period_us)
        self.ages: IteratorAges | None = None
        self.calls: list[ShardCountCall] = []
        """None: nobody calls, Kinesis acts by itself."""
        self.period = 0
        """Number of the period that it looks at next."""
        self.next_us = growth.delay_us

    def take_note(self, writes: Sequence[Writes]) -> None:
        """See what the shards have accepted."""
        self.intake.add(writes)

    def decide(self, now_us: int, shards: Shards) -> list[Operation]:
        """Splits that end at *now_us*: the delay holds all that they take."""
        growth = self.growth
        growth.grow(self.shards, self._loads(self.period), self._loads(now_us // growth.period_us - 1))
        self.period += 1
        self.intake.forget_before(self.period)
        self.next_us = growth.delay_us + self.period * growth.period_us
        if len(self.shards.ranges) >= growth.most_shards:
            self.next_us = NEVER
        return self.shards.operations(now_us, 0)

    def _loads(self, period: int) -> dict[int, tuple[int, int]]:
        return {shard: (taken.records, taken.size) for shard, taken in self.intake.of_shards(period).items()}


def grower_of(plan: Plan) -> Grower | None:
    """What splits the shards of an on-demand stream; None for a provisioned one."""
    return None if plan.growth is None else Grower(plan.growth, plan.shard_count)
