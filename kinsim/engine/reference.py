"""The reference engine: the pipeline as SimPy processes that only wait and acquire; rules decide.

One process brings the arrivals, window by window, to the doors of the shards; one process per shard
reads, invokes and retries.  Simultaneous events are ordered by named ranks: arrivals of a new window,
invocation ends, then polls and invocation starts, each by shard.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from kinsim.engine.admission import Door, in_parts
from kinsim.engine.draws import Purpose, address_key, uniform
from kinsim.engine.invoking import Invoker, Run
from kinsim.engine.plan import NO_LIMIT, Plan, Waits, plan
from kinsim.engine.reader import Reader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import (
    INVOCATION,
    LOSS,
    POLL,
    THROTTLE,
    Final,
    Loss,
    Outcome,
    Rows,
    Shard,
    Sink,
    Window,
    Writes,
)
from kinsim.system.event_source_mapping import backoff_us, batch_records
from kinsim.system.partition_keys import hash_key_ranges
from kinsim.system.stream import expired_by, expires_at

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.producer import RetryPlan

ARRIVALS, ENDS, STARTS = -(1 << 50), -(1 << 40), 1 << 40
"""Ranks at one instant, before SimPy's own (grants of a resource are at 1); the shard's number is added."""

Process = Generator[simpy.Event, Any, None]


class Arrivals(Protocol):
    """Where the engine gets the records that are offered to the stream."""

    window_us: int
    created: int
    sampled_out: int
    in_producer: int

    def windows(self) -> Iterator[tuple[int, int, Rows]]: ...

    def splitter(self, ranges: list[tuple[int, int]]) -> Any: ...

    def retry_plans(self) -> list[RetryPlan]: ...


class Clock(simpy.Environment):
    """SimPy's environment in whole microseconds."""

    _now: int

    @property
    def now_us(self) -> int:
        """The present instant."""
        return self._now


class At(simpy.Event):
    """A wake-up at *at_us* with an explicit rank among simultaneous events."""

    def __init__(self, clock: Clock, at_us: int, rank: int) -> None:
        self.env = clock
        self.callbacks = []
        self._ok, self._value = True, None
        clock.schedule(self, rank, at_us - clock.now_us)  # type: ignore[arg-type]  # SimPy names three ranks, any integer works


class Lane:
    """One shard as its process sees it: what is stored, what is read and the batch in hand."""

    __slots__ = (
        "batch",
        "closed",
        "door",
        "filled",
        "finished",
        "held",
        "held_end",
        "idle",
        "invoker",
        "log",
        "nothing_expires_before_us",
        "reader",
        "shard",
        "stuck",
    )

    def __init__(self, shard: int, door: Door, reader: Reader, invoker: Invoker, retention_us: int) -> None:
        self.shard, self.door, self.reader, self.invoker = shard, door, reader, invoker
        self.log = reader.log
        self.nothing_expires_before_us = retention_us
        self.batch = 0
        self.idle = True
        self.held = self.held_end = 0
        self.filled: simpy.Event | None = None
        self.closed = self.finished = self.stuck = False

    @property
    def unsettled(self) -> int:
        """First record that is neither processed nor lost."""
        return self.reader.head if self.idle else self.held


class Pipeline:
    """One run: the environment, the lanes and the tables that fill up until they are handed over."""

    def __init__(self, scenario: Scenario, replication: int, sink: Sink, arrivals: Arrivals) -> None:
        self.plan: Plan = plan(scenario)
        self.sink, self.arrivals = sink, arrivals
        self.clock = Clock(initial_time=0)
        seed = scenario.run.seed
        self.backoff_key = address_key(seed, replication, Purpose.BACKOFF)
        self.invocations: list[int] = []
        self.polls: list[int] = []
        self.throttles: list[int] = []
        self.losses: list[NDArray[np.int64]] = []
        self.writes: list[Writes] = []
        self.window_start_us = 0
        self.last_end_us = 0
        self.ranges = hash_key_ranges(self.plan.shard_count)
        self.lanes = [self._lane(scenario, replication, shard) for shard in range(self.plan.shard_count)]
        self.slots = (
            simpy.Resource(self.clock, self.plan.concurrency) if self.plan.concurrency < len(self.lanes) else None
        )

    def _lane(self, scenario: Scenario, replication: int, shard: int) -> Lane:
        seed, planned = scenario.run.seed, self.plan
        phase_us = 0
        if planned.random_phase and planned.poll_interval_us:
            phase_key = address_key(seed, replication, Purpose.POLL_PHASE)
            phase_us = int(uniform(phase_key, shard, 0, 0, 0) * planned.poll_interval_us)
        jitter_key = address_key(seed, replication, Purpose.RETRY_JITTER)
        door = Door(shard, planned.limits, self.arrivals.retry_plans(), jitter_key)
        reader = Reader(shard, planned, ShardLog(), phase_us, self.polls)
        return Lane(
            shard, door, reader, Invoker(scenario, replication, shard, planned, reader.log), planned.retention_us
        )

    def run(self) -> None:
        """Run to the end of the scenario's duration, or until everything is settled."""
        clock, end_us = self.clock, self.plan.duration_us
        clock.process(self.bring_arrivals())
        for lane in self.lanes:
            clock.process(self.consume(lane))
        while (next_us := clock.peek()) < end_us:
            clock.step()
        if self.plan.drained:
            while next_us != simpy.core.Infinity and not self._only_stuck():
                clock.step()
                next_us = clock.peek()
            end_us = self.last_end_us or end_us
        self.finish(int(end_us))

    def _only_stuck(self) -> bool:
        """Whether nothing is left but batches that can never succeed."""
        open_lanes = [lane for lane in self.lanes if not lane.finished]
        return bool(open_lanes) and all(lane.stuck and lane.closed for lane in open_lanes)

    # -- processes -------------------------------------------------------------------------------------------

    def bring_arrivals(self) -> Process:
        """Process: at the start of each window, offer its records to the shards and hand over the last window."""
        splitter = self.arrivals.splitter(self.ranges)
        end_us = 0
        windows = self.arrivals.windows()
        for start_us, end_us, rows in in_parts(windows) if self.plan.limits.limiter else windows:
            if start_us:
                yield At(self.clock, start_us, ARRIVALS)
                self.hand_over(start_us)
            for lane, part in zip(self.lanes, splitter.split(rows), strict=True):
                self.store(lane, part, end_us)
        while self.plan.drained:
            yield At(self.clock, end_us, ARRIVALS)
            self.hand_over(end_us)
            end_us += self.arrivals.window_us
            for lane in self.lanes:
                self.store(lane, Rows.empty(0), end_us)
                if lane.door.next_retry_us() is None and not lane.closed:
                    lane.closed = True
                    self.wake(lane)
            if all(lane.finished for lane in self.lanes):
                return

    def consume(self, lane: Lane) -> Process:
        """Process: read a shard, form a batch, invoke until it succeeds or is lost, move on."""
        clock, planned, reader, shard = self.clock, self.plan, lane.reader, lane.shard
        while True:
            now_us = clock.now_us
            if not (reader.eager and reader.read - reader.head >= planned.batch_size):
                reader.catch_up(now_us, True)
            if reader.read == reader.head:
                look_us = reader.next_look_us(now_us)
                if look_us is not None:
                    yield At(clock, look_us, STARTS + shard)
                elif lane.closed:
                    lane.finished = True
                    return
                else:
                    lane.filled = clock.event()
                    yield lane.filled
                continue
            if not self.form_batch(lane, now_us):
                continue
            lane.idle = False
            ready_us, attempt = now_us, 0
            while lane.held < lane.held_end:
                slot = None
                if self.slots is not None:
                    slot = yield from self.acquire(lane, self.slots)
                    if not self.still_there(lane, clock.now_us, attempt):
                        self.slots.release(slot)
                        break
                run = lane.invoker.invoke(clock.now_us, lane.batch, attempt, lane.held, lane.held_end)
                start_us = clock.now_us
                yield At(clock, start_us + planned.overhead_us + run.init_us + run.duration_us, ENDS + shard)
                if slot is not None:
                    self.slots.release(slot)  # type: ignore[union-attr]
                self.record(lane, attempt, ready_us, start_us, run)
                if run.outcome == Outcome.OK:
                    break
                attempt += 1
                lane.stuck = run.hopeless and planned.retention_us == NO_LIMIT
                ready_us = clock.now_us + self.wait_us(planned.retry_waits, shard, lane.batch, attempt, 0)
                yield At(clock, ready_us, STARTS + shard)
                self.drop_expired_members(lane, clock.now_us)
            if not reader.eager:
                reader.catch_up(clock.now_us - 1, False)
            lane.idle, lane.stuck = True, False
            lane.batch += 1

    def acquire(
        self, lane: Lane, slots: simpy.Resource
    ) -> Generator[simpy.Event, Any, simpy.resources.resource.Request]:
        """Wait for a free invocation slot: in line, or by trying again after a throttle."""
        yield At(self.clock, self.clock.now_us, STARTS + lane.shard)
        throttled = 0
        while self.plan.throttle_waits is not None and slots.count >= slots.capacity:
            throttled += 1
            self.throttles += (lane.shard, 0, self.clock.now_us)
            wait_us = self.wait_us(self.plan.throttle_waits, lane.shard, lane.batch, throttled, 1)
            yield At(self.clock, self.clock.now_us + wait_us, STARTS + lane.shard)
        request = slots.request()
        yield request
        return request

    # -- what a lane does at an instant ----------------------------------------------------------------------

    def form_batch(self, lane: Lane, now_us: int) -> bool:
        """Drop what has expired and take the next batch; False if nothing is left of what was read."""
        planned, reader, log = self.plan, lane.reader, lane.log
        if now_us >= lane.nothing_expires_before_us:
            gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
            head_us = log.arrival_us(reader.head)
            lane.nothing_expires_before_us = expires_at(head_us, planned.retention_us, planned.trim_us)
            if head_us <= gone_us:
                first, reader.head = reader.head, log.arrived_by(gone_us)
                reader.read = max(reader.read, reader.head)
                self.lose_expired(lane, first, reader.head)
                return False
        first = reader.head
        fits = batch_records(reader.read - first, planned.batch_size, planned.batch_size)
        if (
            planned.payload_limit != NO_LIMIT
            and log.amount("payload_bytes", first, first + fits) > planned.payload_limit
        ):
            within = log.within("payload_bytes", first, planned.payload_limit) - first
            if within == 0:
                reader.head = first + 1
                self.lose(lane, first, first + 1, now_us, Loss.TOO_LARGE)
                return False
            fits = batch_records(reader.read - first, planned.batch_size, within)
        lane.held, lane.held_end = first, first + fits
        reader.head = lane.held_end
        return True

    def still_there(self, lane: Lane, now_us: int, attempt: int) -> bool:
        """Whether the batch in hand has members left after a wait for concurrency."""
        self.drop_expired_members(lane, now_us)
        return lane.held < lane.held_end

    def drop_expired_members(self, lane: Lane, now_us: int) -> None:
        """Members of the batch in hand that have expired are lost before it is tried (aws:T5)."""
        planned = self.plan
        if now_us < lane.nothing_expires_before_us:
            return
        gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
        if lane.log.arrival_us(lane.held) <= gone_us:
            first, lane.held = lane.held, min(lane.held_end, lane.log.arrived_by(gone_us))
            self.lose(lane, first, lane.held, now_us, Loss.EXPIRED)

    def wait_us(self, waits: Waits | None, shard: int, batch: int, retry: int, kind: int) -> int:
        """Back-off before retry number *retry* of a batch; *kind* 0 after a failure, 1 after a throttle."""
        if waits is None:
            return 0
        u = uniform(self.backoff_key, shard, batch, retry, kind) if waits.jitter else 0.0
        return backoff_us(retry, waits.base_us, waits.factor, waits.cap_us, waits.jitter, u)

    # -- tables ----------------------------------------------------------------------------------------------

    def record(self, lane: Lane, attempt: int, ready_us: int, start_us: int, run: Run) -> None:
        """One row of the table INVOCATION."""
        end_us = self.clock.now_us
        self.last_end_us = end_us
        self.invocations += (
            lane.shard, 0, lane.batch, lane.held, lane.held_end - lane.held, 0, 0, attempt, ready_us, start_us, end_us,
            run.init_us, run.duration_us, run.outcome, 0, 0,
        )  # fmt: skip

    def lose(self, lane: Lane, first: int, end: int, time_us: int, cause: Loss) -> None:
        """One row of the table LOSS."""
        events = lane.log.amount("log_events", first, end)
        self.losses.append(np.array([[lane.shard, time_us, first, end - first, events, cause]], np.int64))

    def lose_expired(self, lane: Lane, first: int, end: int) -> None:
        """Records that expired while they waited, each at its own instant; one row a second."""
        pieces = lane.log.pieces(first, end)
        last_us = pieces.last_us
        second = last_us // 1_000_000
        starts = np.flatnonzero(np.concatenate(([True], second[1:] != second[:-1])))
        planned = self.plan
        time_us = [expires_at(int(t), planned.retention_us, planned.trim_us) for t in pieces.time_us[starts]]
        self.losses.append(
            np.column_stack(
                [
                    np.full(starts.size, lane.shard),
                    np.array(time_us, np.int64),
                    pieces.first[starts],
                    np.add.reduceat(pieces.count, starts),
                    np.add.reduceat(pieces.log_events, starts),
                    np.full(starts.size, int(Loss.EXPIRED)),
                ]
            )
        )

    def store(self, lane: Lane, rows: Rows, until_us: int) -> None:
        """Offer *rows* to a shard; what it accepts is stored and wakes the shard's process."""
        stored, account = lane.door.offer(rows, until_us)
        self.writes += account
        if len(stored):
            lane.log.append(stored)
            self.wake(lane)

    def wake(self, lane: Lane) -> None:
        """Let a shard's process look again."""
        if lane.filled is not None and not lane.filled.triggered:
            lane.filled.succeed()

    def hand_over(self, until_us: int) -> None:
        """Give the sink what happened before *until_us*, then forget the records that are settled."""
        for lane in self.lanes:
            lane.reader.rest_until(until_us, lane.idle)
        losses = np.concatenate([np.zeros((0, 6), np.int64), *self.losses])
        self.sink.window(
            Window(
                start_us=self.window_start_us,
                end_us=until_us,
                invocations=self._invocations(),
                polls=_table(self.polls, POLL),
                throttles=_table(self.throttles, THROTTLE),
                losses=np.ascontiguousarray(losses).reshape(-1).view(LOSS),
                writes=self.writes,
                logs={lane.shard: lane.log for lane in self.lanes},
            )
        )
        self.invocations.clear()
        self.polls.clear()
        self.throttles.clear()
        self.losses, self.writes = [], []
        self.window_start_us = until_us
        for lane in self.lanes:
            lane.log.forget(lane.unsettled)

    def _invocations(self) -> NDArray[np.void]:
        """The table INVOCATION, with what is known of the records from their shards' logs."""
        table = _table(self.invocations, INVOCATION)
        order = np.argsort(table["shard"], kind="stable")
        shards, starts = np.unique(table["shard"][order], return_index=True)
        for shard, rows in zip(shards, np.split(order, starts[1:]), strict=True) if len(table) else ():
            log, first = self.lanes[shard].log, table["first"][rows]
            end = first + table["records"][rows]
            table["bytes"][rows] = log.amounts("data_bytes", first, end)
            table["log_events"][rows] = log.amounts("log_events", first, end)
            table["first_arrival_us"][rows] = log.arrivals_us(first)
            table["last_arrival_us"][rows] = log.arrivals_us(end - 1)
        return table

    def finish(self, end_us: int) -> None:
        """Settle what has expired by the end, hand over the last window and the final state."""
        final = Final(
            end_us=end_us,
            shards=[Shard(number, low, high) for number, (low, high) in enumerate(self.ranges)],
            created=self.arrivals.created,
            sampled_out=self.arrivals.sampled_out,
            in_producer=self.arrivals.in_producer + sum(lane.door.pending_records for lane in self.lanes),
            stuck_shards=tuple(lane.shard for lane in self.lanes if lane.stuck),
        )
        for lane in self.lanes:
            self._settle_expired(lane, end_us)
            reader, shard = lane.reader, lane.shard
            final.accepted[shard] = lane.log.end
            final.taken[shard] = reader.head
            final.waiting[shard] = lane.log.end - reader.head
            final.in_flight[shard] = 0 if lane.idle else lane.held_end - lane.held
            if reader.head < lane.log.end:
                final.oldest_waiting_us[shard] = lane.log.arrival_us(reader.head)
        self.hand_over(max(end_us, self.window_start_us))
        self.sink.finish(final)

    def _settle_expired(self, lane: Lane, end_us: int) -> None:
        planned, reader = self.plan, lane.reader
        if planned.retention_us == NO_LIMIT or reader.head >= lane.log.end:
            return
        gone = lane.log.arrived_by(expired_by(end_us, planned.retention_us, planned.trim_us))
        if gone > reader.head:
            first, reader.head = reader.head, gone
            reader.read = max(reader.read, gone)
            self.lose_expired(lane, first, gone)


def _table(numbers: list[int], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    return np.array(numbers, np.int64).view(dtype)


def run(scenario: Scenario, replication: int, sink: Sink, arrivals: Arrivals) -> None:
    """Simulate one replication of *scenario*; tables go to *sink* window by window."""
    Pipeline(scenario, replication, sink, arrivals).run()
