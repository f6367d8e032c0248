"""A shard with the lanes that work its records off: one, several that share its line, or several by partition key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kinsim.engine.dealing import Dealer, LaneLog
from kinsim.engine.lane import Lane
from kinsim.engine.plan import Plan
from kinsim.engine.pushes import Listener
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.reader import Reader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import Final, Int64, Rows


class ShardLanes:
    """A shard whose lanes share its line: a free one takes the next batch."""

    def __init__(self, log: ShardLog, reader: Reader, lanes: Sequence[Lane]) -> None:
        self.shard, self.log, self.reader, self.lanes = reader.shard, log, reader, lanes
        for lane in lanes:
            lane.siblings = lanes
        reader.idle = lambda: lanes[0].shard_idle
        self.listeners: Sequence[Listener] = ()

    @property
    def finished(self) -> bool:
        """Whether all its lanes have come to their end."""
        return all(lane.finished for lane in self.lanes)

    def lines(self) -> dict[int, Sequence[Lane]]:
        """The lanes of each of its lines, by the line's number."""
        return {self.shard: self.lanes}

    def logs(self) -> dict[int, ShardLog]:
        """The records of each of its lines."""
        return {line: lanes[0].log for line, lanes in self.lines().items()}

    def store(self, rows: Rows, shards: int) -> None:
        """Store *rows* while so many *shards* are open, and let the lanes look."""
        self.log.append(rows)
        self.wake()

    def begin_to_read(self, now_us: int) -> None:
        """The mapping takes up its starting position."""
        for lane in self.lanes:
            lane.begin_to_read(now_us)

    def wake(self) -> None:
        """Let the lanes look again."""
        for lane in self.lanes:
            lane.wake()

    def close(self) -> None:
        """Nothing more comes."""
        for lane in self.lanes:
            lane.closed = True
        self.wake()

    def end(self, now_us: int) -> None:
        """The shard is split or merged: nothing more comes, and its readers come to an end."""
        for other in () if self.reader.budget is None else self.reader.budget.others:
            other.close(now_us)
        for lane in self.lanes:
            if lane.window is not None:
                lane.window.shard_ends_us = now_us
        self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self.lanes[0].closed

    def pause(self, now_us: int) -> None:
        """The mapping is disabled from *now_us* on."""
        self.reader.pause(now_us, self.lanes[0].shard_idle)

    def wait_for_parents(self) -> None:
        """The mapping does not read yet."""
        self.reader.paused = True

    def resume(self, now_us: int) -> None:
        """The mapping reads again."""
        self.reader.resume(now_us)
        self.wake()

    def lanes_of(self, record: int) -> list[tuple[Lane, int]]:
        """The lanes that may hold a record of the shard, and its number on their line."""
        return [(lane, record) for lane in self.lanes]

    def rest_until(self, until_us: int) -> None:
        """Account for the calls before *until_us*, empty ones too."""
        self.reader.rest_until(until_us, self.lanes[0].shard_idle)
        if self.reader.budget is not None:
            self.reader.budget.advance(until_us)
        for listener in self.listeners:
            listener.advance(until_us, self.closed)

    def forget(self) -> None:
        """Forget the records that are settled."""
        self.log.forget(self.unread(min(lane.unsettled for lane in self.lanes)))

    def unread(self, settled: int) -> int:
        """First record that any reader of the shard still needs, where the mapping needs none before *settled*."""
        budget = self.reader.budget
        settled = settled if budget is None else budget.unread(settled)
        return min([settled, *(listener.seen for listener in self.listeners)])

    def tell(self, final: Final, end_us: int) -> None:
        """Settle what has expired by the end, and tell the state of each line."""
        for lane in self.lanes:
            lane.put_back()
        for line, lanes in self.lines().items():
            lanes[0].settle_expired(end_us)
            log, head = lanes[0].log, lanes[0].reader.head
            hands = [(lane.held, lane.parts[0][0]) for lane in lanes if lane.parts]
            final.accepted[line], final.waiting[line] = log.end, log.end - head
            final.in_hand[line], final.in_flight[line] = hands, sum(end - first for first, end in hands)
            if head < log.end:
                final.oldest_waiting_us[line] = log.arrival_us(head)
        failing = [(lane.begun_us, lane.tries) for lane in self.lanes if lane.parts and lane.tries]
        if failing:
            begun_us, tries = min(failing)
            final.failing[self.shard] = tries, begun_us


class DealtLanes(ShardLanes):
    """A shard whose records are dealt to its lanes by their keys; each lane keeps a line of its own."""

    def __init__(self, log: ShardLog, reader: DealtReader, lanes: Sequence[Lane], dealer: Dealer | None) -> None:
        super().__init__(log, reader, lanes)
        self.dealer = dealer
        reader.lanes = lanes

    def lines(self) -> dict[int, Sequence[Lane]]:
        """The lanes of each of its lines, by the line's number."""
        return {lane.number: (lane,) for lane in self.lanes}

    def store(self, rows: Rows, shards: int) -> None:
        """Store *rows* while *shards* are open, and let the lanes look."""
        assert self.dealer is not None
        self.append(*self.dealer.deal(rows, shards), {lane.lane: lane.log for lane in self.lanes})
        self.wake()

    def append(self, rows: Rows, lane_of_row: Int64, logs: Mapping[int, ShardLog]) -> None:
        """Store *rows* on the shard, and those of each lane in its log."""
        numbers = self.log.end + rows.count.cumsum() - rows.count
        self.log.append(rows)
        for lane, log in logs.items():
            mine = lane_of_row == lane
            assert isinstance(log, LaneLog)
            log.append_dealt(rows.take(mine), numbers[mine])

    def lanes_of(self, record: int) -> list[tuple[Lane, int]]:
        """The lanes that may hold a record of the shard, and its number on their line; none if it is left out."""
        found = []
        for lanes in self.lines().values():
            log = lanes[0].log
            assert isinstance(log, LaneLog)
            place = log.before(record)
            if log.before(record + 1) > place:
                found += [(lane, place) for lane in lanes]
        return found

    def forget(self) -> None:
        """Forget the records that are settled."""
        assert isinstance(self.reader, DealtReader)
        self.log.forget(self.unread(self.reader.low_water_mark()))
        for lane in self.lanes:
            lane.log.forget(lane.unsettled)


class DealtReader(Reader):
    """The mapping's place in a shard whose records are dealt: what it has read goes to the lanes' own readers.

    It reads on while less than the read-ahead lies beyond the first record that is not settled, so that a lane
    that fails again and again holds up the others in the end (ASSUMPTION aws:E21, E22).
    """

    __slots__ = ("lanes",)

    def __init__(
        self, shard: int, plan: Plan, log: ShardLog, phase_us: int, polls: list[int], budget: ReadBudget | None
    ) -> None:
        super().__init__(shard, plan, log, phase_us, polls, budget)
        self.lanes: Sequence[Lane] = ()

    def low_water_mark(self) -> int:
        """Number on the shard of the first record that is not settled."""
        lowest = self.log.end
        for lane in self.lanes:
            first = lane.batch_first if not lane.idle else lane.reader.head
            if first < lane.log.end:
                assert isinstance(lane.log, LaneLog)
                lowest = min(lowest, lane.log.number_on_shard(first))
        return lowest

    def catch_up(self, now_us: int, idle: bool) -> None:
        """Make up for all polls due by *now_us*; *idle*: nothing is in flight for this shard since the last call."""
        self.head = self.low_water_mark()
        self.read = max(self.read, self.head)
        super().catch_up(now_us, idle)

    def pause(self, now_us: int, idle: bool) -> None:
        """The mapping is disabled from *now_us* on: it forgets what it has read and not yet in hand."""
        super().pause(now_us, idle)
        for lane in self.lanes:
            lane.reader.read = lane.reader.head

    def polls_on(self) -> bool:
        """Whether the mapping polls, with what it has in its buffer."""
        self.head = self.low_water_mark()
        return self._polls_on(all(lane.idle for lane in self.lanes))


class LaneReader:
    """What the mapping has read of one lane's records: those before *head* are taken, those before *read* are there."""

    __slots__ = ("head", "log", "of_shard", "phase_us", "read", "shard")

    def __init__(self, of_shard: DealtReader, log: LaneLog) -> None:
        self.of_shard, self.log, self.shard, self.phase_us = of_shard, log, of_shard.shard, of_shard.phase_us
        self.head = self.read = 0

    @property
    def eager(self) -> bool:
        """Whether polls do not depend on what is taken from the buffer."""
        return self.of_shard.eager

    @property
    def paused(self) -> bool:
        """Whether the mapping is disabled."""
        return self.of_shard.paused

    def catch_up(self, now_us: int, idle: bool) -> None:
        """Make up for all polls of the shard due by *now_us*, and see what they brought for this lane."""
        self.of_shard.catch_up(now_us, idle)
        self.read = max(self.read, self.head, self.log.before(self.of_shard.read))

    def next_look_us(self, now_us: int) -> int | None:
        """When the mapping can next see a record of the lane; None if nothing tells yet."""
        if self.paused or self.read >= self.log.end:
            return None
        if self.of_shard.plan.poll_interval_us == 0:
            return max(now_us, self.log.arrival_us(self.read) + self.of_shard.plan.put_to_get_us)
        return self.of_shard.next_look_us(now_us) if self.of_shard.polls_on() else None

    def fuller_at_us(self, now_us: int, end: int) -> int | None:
        """When the mapping next sees more of the lane than it has read, up to record *end*; None if nothing tells."""
        if self.of_shard.plan.poll_interval_us == 0:
            put_to_get_us = self.of_shard.plan.put_to_get_us
            return self.log.arrival_us(end - 1) + put_to_get_us if end <= self.log.end else None
        return self.of_shard.next_look_us(now_us) if self.of_shard.polls_on() else None

    def polls_on(self) -> bool:
        """Whether the mapping polls, with what it has in its buffer."""
        return self.of_shard.polls_on()

    def read_again(self, now_us: int, first: int, end: int) -> int | None:
        """Read a batch that failed once more; if the call is refused, when the next may be made."""
        return self.of_shard.read_again(now_us, first, end, self.log)
