"""What enhanced fan-out pushes to the consumers of a shard, each at a rate of its own (aws:G9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import SUBSCRIBED
from kinsim.system.fan_out import EVENT_MAX_BYTES, SUBSCRIPTION_US, event_records, millis_behind_us, pushed_at
from kinsim.system.stream import MICRO, expired_by, may_read, read_level_after, read_level_at, reads_again_at

FREELY = 1 << 62
"""Room of a consumer that takes whatever comes."""


@dataclass(frozen=True, slots=True)
class PushPlan:
    """Enhanced fan-out in plain numbers."""

    delay_us: int
    """From a record's arrival in the stream to the event that brings it."""
    bytes_per_s: int
    """What each consumer gets of a shard at the most; 0: without limit."""
    mapping: bool
    """Whether the event source mapping is one of the consumers, number 0."""
    others: int
    """Other consumers, from number 1 on."""


class Pushes:
    """One consumer's subscription to one shard.

    Events happen whether or not anybody looks, but nothing depends on one until its records are wanted; so they
    are made up for then, each as it was at its own instant.
    """

    __slots__ = ("_level", "_renewed_us", "_since_us", "consumer", "log", "plan", "rows", "shard")

    def __init__(self, plan: PushPlan, consumer: int, shard: int, log: ShardLog, rows: list[int]) -> None:
        """*rows* is where those of the table PUSH go, one number after another."""
        self.plan, self.consumer, self.shard, self.log, self.rows = plan, consumer, shard, log, rows
        self._level = self._since_us = 0
        """Level of its allowance in millionths of a byte, at that instant."""
        self._renewed_us = 0

    def due_us(self, first: int) -> int:
        """When record *first* is pushed, if it is the next."""
        free_us = 0
        if self.plan.bytes_per_s:
            free_us = reads_again_at(self._level, self._since_us, self.plan.bytes_per_s)
        return pushed_at(self.log.arrival_us(first), self.plan.delay_us, free_us)

    def take(self, first: int, from_us: int, until_us: int, room: int) -> int:
        """Push what is due from *from_us* up to *until_us*; number one past the last record that has come.

        One event, or several of which none has to wait for the rate; *room* is what the consumer can hold in bytes.
        """
        at_us = max(self.due_us(first), from_us)
        if at_us > until_us:
            return first
        log, free = self.log, min(room, EVENT_MAX_BYTES)
        if self.plan.bytes_per_s:
            self._pass_time(at_us)
            free = min(free, self.plan.bytes_per_s - -(-self._level // MICRO))
        there = log.arrived_by(until_us - self.plan.delay_us) - first
        stop = first + event_records(there, log.within("data_bytes", first, max(free, 0)) - first)
        if stop < first + there:
            stop = self._whole_instants(first, stop, at_us)
        if stop == first or log.amount("data_bytes", first, stop) > free:
            there = log.arrived_by(at_us - self.plan.delay_us) - first
            stop = first + event_records(there, log.within("data_bytes", first, EVENT_MAX_BYTES) - first)
            self._event(at_us, first, stop)
        elif stop == first + 1:
            self._event(at_us, first, stop)
        else:
            self._events(at_us, first, stop)
        return stop

    def again(self, at_us: int, first: int, end: int, log: ShardLog) -> int | None:
        """Push records that came before, numbered as in *log*; if the rate does not allow it, when it will."""
        self._pass_time(at_us)
        if self.plan.bytes_per_s and not may_read(self._level, self.plan.bytes_per_s):
            return reads_again_at(self._level, at_us, self.plan.bytes_per_s)
        size = log.amount("data_bytes", first, end)
        self._give(size)
        self.rows += (self.consumer, self.shard, at_us, end - first, size, at_us - log.arrival_us(end - 1))
        return None

    def subscribe(self, at_us: int) -> None:
        """The consumer subscribes at *at_us*, anew or for the first time."""
        self._renewed_us = at_us

    def renew(self, until_us: int) -> None:
        """Account for the calls of SubscribeToShard before *until_us*."""
        while self._renewed_us < until_us:
            self.rows += (self.consumer, self.shard, self._renewed_us, SUBSCRIBED, 0, 0)
            self._renewed_us += SUBSCRIPTION_US

    def _whole_instants(self, first: int, stop: int, from_us: int) -> int:
        """Records from *first* on up to those that are pushed at an instant before record *stop* is."""
        arrival_us = self.log.arrival_us(stop)
        return first if arrival_us + self.plan.delay_us <= from_us else max(first, self.log.arrived_by(arrival_us - 1))

    def _event(self, at_us: int, first: int, stop: int) -> None:
        log = self.log
        size = log.amount("data_bytes", first, stop)
        left = log.arrived_by(at_us - self.plan.delay_us) - stop
        self._give(size)
        behind_us = millis_behind_us(at_us, log.arrival_us(stop - 1), left)
        self.rows += (self.consumer, self.shard, at_us, stop - first, size, behind_us)

    def _events(self, from_us: int, first: int, stop: int) -> None:
        """Events from *from_us* on, each as soon as its records are there; those of one row of records share one."""
        pieces = self.log.pieces(first, stop)
        time_us = np.maximum(pieces.last_us + self.plan.delay_us, from_us)
        starts = np.flatnonzero(np.concatenate(([True], time_us[1:] != time_us[:-1])))
        time_us = time_us[starts]
        size = np.add.reduceat(pieces.data_bytes, starts)
        if self.plan.bytes_per_s:
            came = np.cumsum(size) * MICRO
            drained = self.plan.bytes_per_s * (time_us - from_us)
            before = int((drained - (came - size * MICRO)).max())
            self._level = int(came[-1] - drained[-1]) + max(self._level, before)
            self._since_us = int(time_us[-1])
        behind_us = np.zeros(starts.size, np.int64)
        last_us = int(time_us[-1])
        left = self.log.arrived_by(last_us - self.plan.delay_us) - stop
        behind_us[-1] = millis_behind_us(last_us, self.log.arrival_us(stop - 1), left)
        events = (
            np.full(starts.size, self.consumer), np.full(starts.size, self.shard), time_us,
            np.add.reduceat(pieces.count, starts), size, behind_us,
        )  # fmt: skip
        self.rows.extend(np.column_stack(events).ravel().tolist())

    def _give(self, size: int) -> None:
        if self.plan.bytes_per_s:
            self._level = read_level_after(self._level, size, self.plan.bytes_per_s)

    def _pass_time(self, at_us: int) -> None:
        since_us, self._since_us = self._since_us, at_us
        self._level = read_level_at(self._level, since_us, at_us, self.plan.bytes_per_s)


class Listener:
    """Another registered consumer at one shard: it takes whatever is pushed."""

    __slots__ = ("_from_us", "_retention_us", "_trim_us", "pushes", "seen")

    def __init__(self, pushes: Pushes, opened_us: int, retention_us: int, trim_us: int) -> None:
        self.pushes, self._from_us, self._retention_us, self._trim_us = pushes, opened_us, retention_us, trim_us
        pushes.subscribe(opened_us)
        self.seen = -1
        """First record that it has not got, -1 before it begins: with what the run brings."""

    def advance(self, until_us: int, closed: bool) -> None:
        """Make up for all that was pushed before *until_us*; *closed*: the shard takes no more records."""
        log, pushes = self.pushes.log, self.pushes
        if self.seen < 0:
            self.seen = log.arrived_by(-1)
        while self.seen < log.end:
            due_us = max(pushes.due_us(self.seen), self._from_us)
            first = max(self.seen, log.arrived_by(expired_by(due_us, self._retention_us, self._trim_us)))
            end = first if first > self.seen else pushes.take(first, self._from_us, until_us - 1, FREELY)
            if end == self.seen:
                break
            self.seen = end
        if not closed or self.seen < log.end:
            pushes.renew(until_us)
