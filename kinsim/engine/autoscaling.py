"""Autoscaling while a run goes on: alarms are evaluated minute by minute, and UpdateShardCount is called."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsim.engine.controlling import MINUTE_US, Intake, IteratorAges
from kinsim.engine.shards import Shards
from kinsim.engine.tables import ShardCountCall, Writes
from kinsim.scenario.checks import reshard_limits
from kinsim.system.autoscaling import Point, Trigger, Watched, may_call_again, target_shards
from kinsim.system.resharding import ControlPlane, Operation, Refused

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

NEVER_US = 1 << 62
NOTHING: Point = (0.0, 0.0, 0.0, 0.0)


class _Watch:
    """A trigger with the alarm's state at present."""

    def __init__(self, trigger: Trigger, watched: Watched, limit_of_shard: float | None) -> None:
        self.trigger, self.watched = trigger, watched
        self.limit_of_shard = limit_of_shard
        """What one shard may take in a period, times the share of it that is the threshold."""
        self.delay_us = round(trigger.alarm.metric_delay_s * 1e6)
        self.minute = 0
        """The next one to be evaluated."""
        self.wanted = False
        """Whether the alarm is in the state that leads to calls."""

    @property
    def next_us(self) -> int:
        """When the next minute is evaluated."""
        return (self.minute + 1) * MINUTE_US + self.delay_us


class Autoscaler:
    """The controller of `stream.autoscaling`."""

    def __init__(self, scenario: Scenario) -> None:
        stream = scenario.stream
        settings = stream.autoscaling
        assert settings is not None
        limits = reshard_limits(scenario, scenario.profile_data)
        self.plane = ControlPlane(stream.shard_count, limits)
        self.least, self.most = settings.min_shards, settings.max_shards or limits.most_shards or NEVER_US
        self.delay_us = round(settings.delay_s * 1e6)
        self.on_change = settings.acts == "on_state_change"
        per_s = {"IncomingBytes": stream.bytes_per_s, "IncomingRecords": stream.records_per_s}
        self.watches = []
        for trigger in settings.triggers(scenario.alarms):
            share, limit = trigger.way.of_limit, None
            if share is not None:
                limit = share * per_s[trigger.alarm.metric] * trigger.alarm.period_s
            self.watches.append(_Watch(trigger, Watched(trigger.alarm), limit))
        self.intake = Intake()
        watches_age = any(watch.trigger.alarm.metric == "IteratorAge" for watch in self.watches)
        at_receipt = scenario.event_source_mapping.iterator_age == "batch_received"
        self.ages = IteratorAges(at_receipt) if watches_age else None
        self.calls: list[ShardCountCall] = []
        self.due: list[tuple[int, int]] = []
        """Calls to come: when, and of which watch."""
        self.last_us = self.last_out_us = -1
        self.duration_us = round(scenario.run.duration_s * 1e6)

    @property
    def next_us(self) -> int:
        """When it is asked next."""
        next_us = min(watch.next_us for watch in self.watches)
        if self.due:
            next_us = min(next_us, self.due[0][0])
        return next_us if next_us < self.duration_us else NEVER_US

    def take_note(self, writes: Sequence[Writes]) -> None:
        """See how the shards have answered."""
        self.intake.add(writes)

    def decide(self, now_us: int, shards: Shards) -> list[Operation]:
        """Evaluate the alarms whose time it is, then make the calls whose time it is."""
        for number, watch in enumerate(self.watches):
            if watch.next_us == now_us:
                self._evaluate(number, watch, now_us, len(shards.open))
        oldest = min(watch.minute for watch in self.watches)
        self.intake.forget_before(oldest)
        if self.ages is not None:
            self.ages.forget_before(oldest)
        operations: list[Operation] = []
        while self.due and self.due[0][0] == now_us:
            _, number = heapq.heappop(self.due)
            operations += self._call(self.watches[number], now_us, len(shards.open))
        return operations

    def _evaluate(self, number: int, watch: _Watch, now_us: int, open_shards: int) -> None:
        before = watch.wanted
        threshold = None if watch.limit_of_shard is None else watch.limit_of_shard * open_shards
        metric = watch.trigger.alarm.metric
        samples = self.ages.minute(watch.minute) if self.ages is not None and metric == "IteratorAge" else []
        state = watch.watched.evaluate(self._point(metric, watch.minute, samples), samples, threshold)
        watch.minute += 1
        watch.wanted = state == watch.trigger.state
        if watch.wanted and not (before and self.on_change):
            heapq.heappush(self.due, (now_us + self.delay_us, number))

    def _point(self, metric: str, minute: int, ages_us: Sequence[int]) -> Point:
        if metric == "IteratorAge":
            if not ages_us:
                return NOTHING
            return float(len(ages_us)), sum(ages_us) / 1e3, min(ages_us) / 1e3, max(ages_us) / 1e3
        taken = self.intake.whole(minute)
        points = taken.records
        value = float(taken.size if metric == "IncomingBytes" else taken.records)
        if metric == "WriteProvisionedThroughputExceeded":
            points, value = taken.records + taken.rejected, float(taken.rejected)
        return (float(points), value, value, value) if points else NOTHING

    def _call(self, watch: _Watch, now_us: int, open_shards: int) -> list[Operation]:
        """Call UpdateShardCount, unless it would ask for what is there or the cooldown is not over."""
        way = watch.trigger.way
        if not watch.trigger.out and any(other.trigger.out and other.wanted for other in self.watches):
            return []
        cooldown_us = round(way.cooldown_s * 1e6)
        if not may_call_again(now_us, self.last_out_us, self.last_us, watch.trigger.out, cooldown_us):
            return []
        target = target_shards(open_shards, way.factor or 1.0, way.add or 0, self.least, self.most)
        if (target > open_shards) != watch.trigger.out or target == open_shards:
            return []
        call = ShardCountCall(now_us, open_shards, target, watch.trigger.name)
        try:
            operations = self.plane.update_shard_count(now_us, target)
        except Refused as refused:
            call.refused, call.exception = refused.message, refused.exception
            self._note(call)
            return []
        call.done_us = operations[-1].end_us
        self._note(call)
        self.last_us = now_us
        if watch.trigger.out:
            self.last_out_us = now_us
        return operations

    def _note(self, call: ShardCountCall) -> None:
        """Refusals of the same call one after another are one entry."""
        last = self.calls[-1] if self.calls else None
        same = last is not None and call.exception and last.exception == call.exception
        if last is not None and same and (last.from_shards, last.to_shards) == (call.from_shards, call.to_shards):
            last.times, last.last_us = last.times + 1, call.time_us
        else:
            self.calls.append(call)


def controller_of(scenario: Scenario) -> Autoscaler | None:
    """What decides during the run of *scenario* which shards there are; None where nothing does."""
    return None if scenario.stream.autoscaling is None else Autoscaler(scenario)
