"""A shard whose mapping has a filter: its lanes see what the filter keeps, its reader sees everything (aws:E35)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsim.engine.dealing import Dealer, LaneLog
from kinsim.engine.filtering import Filter, LeftOut
from kinsim.engine.lane import Lane
from kinsim.engine.plan import Plan
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.shard_lanes import DealtLanes, DealtReader, LaneReader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import LEFT_OUT, Final, Rows, Tables
from kinsim.system.event_source_mapping import skipped_before_us


class FilteredReader(DealtReader):
    """The mapping's place in a shard: what it has read and keeps goes to the lanes, the rest is done with.

    ASSUMPTION: what the filter leaves out counts for the read-ahead as long as something kept before it does.
    """

    __slots__ = ("_resumed_us", "left_out", "shares_line")

    def __init__(
        self, shard: int, plan: Plan, log: ShardLog, phase_us: int, tables: Tables, budget: ReadBudget | None
    ) -> None:
        super().__init__(shard, plan, log, phase_us, tables.polls, budget)
        self.left_out = LeftOut(shard, plan, tables)
        self.shares_line = plan.lanes == 1 or plan.pooled
        """Whether all lanes take from one line, so that what is in flight is out of the buffer."""
        self._resumed_us = 0

    def low_water_mark(self) -> int:
        """Number on the shard of the first record that is kept and still in the buffer."""
        lowest = self.read
        for lane in self.lanes[:1] if self.shares_line else self.lanes:
            first = lane.reader.head if self.shares_line or lane.idle else lane.batch_first
            lowest = min(lowest, self._number(lane.log, first))
        return lowest

    def first_needed(self) -> int:
        """Number on the shard of the first record that may have to be read once more, or has never been read."""
        firsts = [self._number(lane.log, lane.reader.head if lane.idle else lane.held) for lane in self.lanes]
        return min(self.read, *firsts)

    def _number(self, log: ShardLog, record: int) -> int:
        assert isinstance(log, LaneLog)
        return log.number_on_shard(record) if record < log.end else self.log.end

    def catch_up(self, now_us: int, idle: bool) -> None:
        """Make up for all polls due by *now_us*; *idle*: nothing is in flight for this shard since the last call."""
        self._pass_over()
        super().catch_up(now_us, idle)
        if self.plan.poll_interval_us == 0 and not self.paused and now_us >= 0:
            self.left_out.seen_by(now_us, self._resumed_us)
            self.head = self.low_water_mark()

    def _pass_over(self) -> None:
        """What the lanes have lost unread is not read any more."""
        for lane in self.lanes[:1] if self.shares_line else self.lanes:
            assert isinstance(lane.log, LaneLog)
            if lane.reader.head > lane.log.before(self.read):
                self.read = lane.log.number_on_shard(lane.reader.head - 1) + 1

    def resume(self, now_us: int) -> None:
        """The mapping reads again, from the first record that is not settled."""
        super().resume(now_us)
        self._resumed_us = now_us
        self.left_out.expire(now_us)

    def rest_until(self, until_us: int, idle: bool) -> None:
        """Account for the calls before *until_us*, empty ones too, and for what has expired unread."""
        super().rest_until(until_us, idle)
        self.left_out.expire(until_us - 1)

    def _poll(self, at_us: int) -> None:
        super()._poll(at_us)
        self.left_out.read_up_to(self.read, at_us)
        self.head = self.low_water_mark()


class FilteredLaneReader(LaneReader):
    """What the mapping has read of one line's records, where others of the shard are left out."""

    __slots__ = ()

    of_shard: FilteredReader

    def next_look_us(self, now_us: int) -> int | None:
        """When the mapping can next see a record, of the line or left out; None if nothing tells yet."""
        shard = self.of_shard
        if self.paused or self.read < self.log.end or shard.read >= shard.log.end:
            return super().next_look_us(now_us)
        if shard.plan.poll_interval_us == 0:
            return max(now_us, shard.log.arrival_us(shard.log.end - 1) + shard.plan.put_to_get_us)
        return shard.next_look_us(now_us) if shard.polls_on() else None

    def read_again(self, now_us: int, first: int, end: int) -> int | None:
        """Read a batch that failed once more, with what lies between its records and is left out again."""
        if first == end or not self.of_shard.shares_line:
            return super().read_again(now_us, first, end)
        numbers = self.log.number_on_shard(first), self.log.number_on_shard(end - 1) + 1
        return self.of_shard.read_again(now_us, *numbers)


class FilteredLanes(DealtLanes):
    """A shard of whose records a filter keeps a share; its lanes share a line, or have one each by a dealer."""

    def __init__(
        self, log: ShardLog, reader: FilteredReader, lanes: Sequence[Lane], dealer: Dealer | None, filter: Filter
    ) -> None:
        super().__init__(log, reader, lanes, dealer)
        self.filter, self.left_out, self.position_us = filter, reader.left_out, reader.plan.position_us

    def lines(self) -> dict[int, Sequence[Lane]]:
        """The lanes of each of its lines, by the line's number."""
        if self.dealer is None:
            return {2 * self.shard: self.lanes}
        first = self.shard * (len(self.lanes) + 1)
        return {first + lane.lane: (lane,) for lane in self.lanes}

    def logs(self) -> dict[int, ShardLog]:
        """The records of each of its lines; the last one holds what is left out."""
        logs = super().logs()
        return {**logs, max(logs) + 1: self.left_out.log}

    def store(self, rows: Rows, shards: int) -> None:
        """Store *rows* while *shards* are open, kept and left out, and let the lanes look."""
        rows = self.filter.apart(rows)
        lane_of_row = np.zeros(len(rows), np.int64)
        if self.dealer is not None:
            rows, lane_of_row = self.dealer.deal(rows, shards)
        rows, lane_of_row = self.filter.sift(rows, lane_of_row)
        logs = {place: lanes[0].log for place, lanes in enumerate(self.lines().values())}
        self.append(rows, lane_of_row, {**logs, LEFT_OUT: self.left_out.log})
        self.wake()

    def begin_to_read(self, now_us: int) -> None:
        """The mapping takes up its starting position, for what it would leave out too."""
        super().begin_to_read(now_us)
        self.left_out.expire(now_us)
        self.left_out.skip(skipped_before_us(self.position_us, now_us), now_us)

    def forget(self) -> None:
        """Forget the records that are settled."""
        assert isinstance(self.reader, FilteredReader)
        self.log.forget(self.unread(self.reader.first_needed()))
        for lanes in self.lines().values():
            lanes[0].log.forget(min(lane.unsettled for lane in lanes))
        self.left_out.log.forget(self.left_out.done)

    def tell(self, final: Final, end_us: int) -> None:
        """Settle what has expired by the end, and tell the state of each line."""
        for lane in self.lanes:
            lane.put_back()
        self.rest_until(end_us)
        self.left_out.expire(end_us)
        self.left_out.over = True
        super().tell(final, end_us)
        line, done, log = max(self.logs()), self.left_out.done, self.left_out.log
        final.accepted[line], final.waiting[line] = log.end, log.end - done
        if done < log.end:
            final.oldest_waiting_us[line] = log.arrival_us(done)
