"""What the event source mapping has been pushed of a shard by enhanced fan-out, in place of polls (aws:G9)."""

from __future__ import annotations

from kinsim.engine.dealing import LaneLog
from kinsim.engine.plan import NO_LIMIT, Plan
from kinsim.engine.pushes import FREELY, Pushes
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.reader import Reader
from kinsim.engine.shard_lanes import DealtReader, LaneReader
from kinsim.engine.shard_log import ShardLog


class PushedReader(Reader):
    """A reader that is told what comes: what it holds bounds what it is pushed, as the read-ahead bounds polls.

    It has no `__slots__`, so that a dealt reader can be one too.
    """

    def __init__(
        self, shard: int, plan: Plan, log: ShardLog, phase_us: int, pushes: list[int], budget: ReadBudget | None
    ) -> None:
        """*pushes* is where rows of the table PUSH go; *budget* is that of others, who poll."""
        super().__init__(shard, plan, log, phase_us, pushes, budget)
        assert plan.pushes is not None
        self.pushes = Pushes(plan.pushes, 0, shard, log, pushes)
        self.eager = plan.read_ahead_bytes == NO_LIMIT
        self._full = False
        """Whether nothing is pushed until something is taken."""

    def catch_up(self, now_us: int, idle: bool) -> None:
        """Make up for what was pushed by *now_us*; *idle*: nothing is in flight for this shard since the last call."""
        if self.paused:
            return
        self._full = False
        while self.read < self.log.end:
            if not self._polls_on(idle):
                self._full, self._resume_us = True, now_us + 1
                return
            end = self.pushes.take(self.read, self._resume_us, now_us, self._room())
            if end == self.read:
                return
            self.read = end

    def next_look_us(self, now_us: int) -> int | None:
        """When the next record comes; None if none is stored, or nothing is pushed for now."""
        if self.paused or self._full or self.read >= self.log.end:
            return None
        return max(now_us, self._resume_us, self.pushes.due_us(self.read))

    def fuller_at_us(self, now_us: int, end: int) -> int | None:
        """When all up to record *end* may have come; None if it is not stored yet, or nothing is pushed for now."""
        look_us = self.next_look_us(now_us)
        if look_us is None or end > self.log.end:
            return None
        return max(look_us, self.visible_us(self.log, end - 1))

    def visible_us(self, log: ShardLog, record: int) -> int:
        """When a record of *log* is pushed at the earliest."""
        return log.arrival_us(record) + self.pushes.plan.delay_us

    def resume(self, now_us: int) -> None:
        """The mapping subscribes again, from the first record that is not settled."""
        super().resume(now_us)
        self.pushes.subscribe(now_us)

    def rest_until(self, until_us: int, idle: bool) -> None:
        """Account for what was pushed before *until_us*, and for the subscriptions."""
        self.catch_up(until_us - 1, idle)
        if not self.paused:
            self.pushes.renew(until_us)

    def read_again(self, now_us: int, first: int, end: int, log: ShardLog | None = None) -> int | None:
        """Have a batch that failed pushed once more; if the rate does not allow it, when it will."""
        if first == end:
            return None
        self.rest_until(now_us, False)
        return self.pushes.again(now_us, first, end, log or self.log)

    def _room(self) -> int:
        limit = self.plan.read_ahead_bytes
        return FREELY if limit == NO_LIMIT else limit - self.log.amount("data_bytes", self.head, self.read)


class DealtPushedReader(DealtReader, PushedReader):
    """The same where the records of the shard are dealt to lanes."""


class PushedLaneReader(LaneReader):
    """What a lane has been pushed of its records."""

    __slots__ = ()

    def next_look_us(self, now_us: int) -> int | None:
        """When the next record of the lane may come; None if nothing tells yet."""
        if self.read >= self.log.end:
            return None
        return self._after(now_us, self.read)

    def fuller_at_us(self, now_us: int, end: int) -> int | None:
        """When all of the lane up to record *end* may have come; None if nothing tells yet."""
        return self._after(now_us, end - 1) if end <= self.log.end else None

    def _after(self, now_us: int, record: int) -> int | None:
        of_shard, log = self.of_shard, self.log
        assert isinstance(of_shard, DealtPushedReader) and isinstance(log, LaneLog)
        look_us = of_shard.next_look_us(now_us)
        return None if look_us is None else max(look_us, of_shard.visible_us(log, record))
