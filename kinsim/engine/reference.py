"""The reference engine: the pipeline as SimPy processes that only wait and acquire; rules decide.

One process brings the arrivals, window by window, to the doors of the shards; one process per shard
reads, invokes and retries.  Simultaneous events are ordered by named ranks: changes of settings, arrivals
of a new window, invocation ends, then polls and invocation starts, each by shard.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from kinsim.engine.admission import Door, in_parts
from kinsim.engine.concurrency import Slots
from kinsim.engine.draws import Purpose, address_key, uniform
from kinsim.engine.invoking import Invoker, Run
from kinsim.engine.plan import NO_LIMIT, Plan, Waits, plan
from kinsim.engine.reader import Reader
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.stream_numbers import StreamNumbers
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
from kinsim.system.event_source_mapping import (
    after_failure,
    backoff_us,
    batch_records,
    may_retry,
    too_old_by,
    window_ends_us,
)
from kinsim.system.partition_keys import hash_key_ranges
from kinsim.system.stream import expired_by, expires_at

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.producer import RetryPlan

CHANGES, ARRIVALS, ENDS, STARTS = -(1 << 51), -(1 << 50), -(1 << 40), 1 << 40
"""Ranks at one instant, before SimPy's own (grants of a resource are at 1); the shard's number is added."""

LEAST_CYCLE_US = 1_000
"""A run that fails in no time is not tried again at the same instant, for ever, even without any back-off."""

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
        "idle",
        "invoker",
        "last_end_us",
        "log",
        "nothing_lost_before_us",
        "parts",
        "reader",
        "running",
        "shard",
        "stuck",
        "tries",
    )

    def __init__(self, shard: int, door: Door, reader: Reader, invoker: Invoker, keeps_us: int) -> None:
        self.shard, self.door, self.reader, self.invoker = shard, door, reader, invoker
        self.log = reader.log
        self.nothing_lost_before_us = keeps_us
        self.batch = 0
        self.idle = True
        self.held = 0
        self.parts: list[tuple[int, int]] = []
        """What is left of the batch in hand, from record `held` on, last part first: its end and its retries so far."""
        self.tries = 0
        self.running: tuple[int, int, int, int] | None = None
        """The invocation under way: end of its records, retries used, when it could start and when it did."""
        self.last_end_us = 0
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
        self.disabled_for_ever = False
        self.provisioned_in_use = 0
        self.settled_us = 0
        """When the last invocation ended or the last record was lost."""
        self.ranges = hash_key_ranges(self.plan.shard_count)
        self.lanes = [self._lane(scenario, replication, shard) for shard in range(self.plan.shard_count)]
        self.slots = Slots(self.clock, self.plan.shares) if self.plan.shares.may_bind(len(self.lanes)) else None
        self.looks_later = False
        poison = [record for fault in self.plan.faults for record in fault.records]
        self.numbers = StreamNumbers(poison) if poison else None

    def _lane(self, scenario: Scenario, replication: int, shard: int) -> Lane:
        seed, planned = scenario.run.seed, self.plan
        phase_us = 0
        if planned.random_phase and planned.poll_interval_us:
            phase_key = address_key(seed, replication, Purpose.POLL_PHASE)
            phase_us = int(uniform(phase_key, shard, 0, 0, 0) * planned.poll_interval_us)
        jitter_key = address_key(seed, replication, Purpose.RETRY_JITTER)
        door = Door(shard, planned.limits, self.arrivals.retry_plans(), jitter_key)
        reader = Reader(shard, planned, ShardLog(), phase_us, self.polls)
        invoker = Invoker(scenario, replication, shard, planned, reader.log)
        return Lane(shard, door, reader, invoker, min(planned.retention_us, planned.maximum_age_us))

    def run(self) -> None:
        """Run to the end of the scenario's duration, or until everything is settled."""
        clock, end_us = self.clock, self.plan.duration_us
        clock.process(self.bring_arrivals())
        if self.plan.outages:
            clock.process(self.disable())
        for lane in self.lanes:
            clock.process(self.consume(lane))
        while (next_us := clock.peek()) < end_us:
            clock.step()
        if self.plan.drained:
            while next_us != simpy.core.Infinity and not self._only_stuck():
                clock.step()
                next_us = clock.peek()
            end_us = self.settled_us or end_us
        self.finish(int(end_us))

    def _only_stuck(self) -> bool:
        """Whether nothing is left but what can never be processed."""
        open_lanes = [lane for lane in self.lanes if not lane.finished]
        return bool(open_lanes) and all(lane.closed and self._never_done(lane) for lane in open_lanes)

    def _never_done(self, lane: Lane) -> bool:
        waits_for_ever = self.disabled_for_ever and lane.running is None and not lane.finished
        return lane.stuck or waits_for_ever

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
            self.store_all(splitter.split(rows), end_us)
        while self.plan.drained:
            yield At(self.clock, end_us, ARRIVALS)
            self.hand_over(end_us)
            end_us += self.arrivals.window_us
            self.store_all([Rows.empty(0)] * len(self.lanes), end_us)
            for lane in self.lanes:
                if lane.door.next_retry_us() is None and not lane.closed:
                    lane.closed = True
                    self.wake(lane)
            if all(lane.finished for lane in self.lanes):
                return

    def disable(self) -> Process:
        """Process: disable the mapping and enable it again (aws:E16)."""
        for from_us, to_us in self.plan.outages:
            yield At(self.clock, from_us, CHANGES)
            for lane in self.lanes:
                lane.reader.pause(from_us, lane.idle)
            if to_us == NO_LIMIT:
                self.disabled_for_ever = True
                return
            yield At(self.clock, to_us, CHANGES)
            for lane in self.lanes:
                lane.reader.resume(to_us)
                self.wake(lane)

    def consume(self, lane: Lane) -> Process:
        """Process: read a shard, form a batch, work it off, move on."""
        clock, planned, reader, shard = self.clock, self.plan, lane.reader, lane.shard
        while True:
            now_us = clock.now_us
            if not (reader.eager and reader.read - reader.head >= planned.batch_size):
                reader.catch_up(now_us, True)
            if reader.read == reader.head:
                look_us = reader.next_look_us(now_us)
                if look_us is not None:
                    yield At(clock, look_us, STARTS + shard)
                elif lane.closed and not reader.paused:
                    lane.finished = True
                    return
                else:
                    lane.filled = clock.event()
                    yield lane.filled
                continue
            if planned.gathers and (look_us := self.look_again_us(lane, now_us)) != now_us:
                yield from self.gather(lane, look_us)
                continue
            if not self.form_batch(lane, now_us):
                continue
            lane.idle = False
            yield from self.work_off(lane)
            if not reader.eager:
                reader.catch_up(clock.now_us - 1, False)
            lane.idle, lane.stuck = True, False
            lane.batch, lane.tries = lane.batch + 1, 0

    def work_off(self, lane: Lane) -> Process:
        """Invoke until every part of the batch in hand has succeeded or is lost."""
        clock, planned, shard = self.clock, self.plan, lane.shard
        ready_us, failures = clock.now_us, 0
        while lane.parts:
            if lane.reader.paused:
                lane.filled = clock.event()
                yield lane.filled
                yield At(clock, clock.now_us, STARTS + shard)
                continue
            if lane.tries and not self.still_there(lane, clock.now_us):
                continue
            if self.slots is not None:
                yield from self.acquire(lane, self.slots)
                if lane.reader.paused or not self.still_there(lane, clock.now_us):
                    self.slots.release(clock.now_us)
                    continue
            part_end, attempt = lane.parts[-1]
            provided = self.provisioned_in_use < planned.provisioned
            run = lane.invoker.invoke(clock.now_us, lane.batch, lane.tries, lane.held, part_end, provided)
            start_us = clock.now_us
            self.provisioned_in_use += provided
            lane.running = part_end, attempt, ready_us, start_us
            yield At(clock, start_us + planned.overhead_us + run.init_us + run.duration_us, ENDS + shard)
            lane.running = None
            self.provisioned_in_use -= provided
            if self.slots is not None:
                self.slots.release(clock.now_us)
            self.record(lane, part_end, attempt, ready_us, start_us, run)
            lane.tries += 1
            if run.outcome == Outcome.OK:
                lane.parts.pop()
                lane.held, ready_us, failures = part_end, clock.now_us, 0
                continue
            failures += 1
            if not self.try_again(lane, run):
                ready_us, failures = clock.now_us, 0
                continue
            ready_us = clock.now_us + self.wait_us(planned.retry_waits, lane, failures, 0)
            if ready_us == start_us:
                ready_us += LEAST_CYCLE_US
            yield At(clock, ready_us, STARTS + shard)

    def gather(self, lane: Lane, look_us: int | None) -> Process:
        """Wait for more records, until *look_us* or until others are stored."""
        lane.filled = self.clock.event()
        wakes = [lane.filled] if look_us is None else [lane.filled, At(self.clock, look_us, STARTS + lane.shard)]
        yield simpy.AnyOf(self.clock, wakes)

    def acquire(self, lane: Lane, slots: Slots) -> Process:
        """Wait for a free execution: in line, or by trying again after a throttle."""
        clock = self.clock
        yield At(clock, clock.now_us, STARTS + lane.shard)
        throttled = 0
        while not slots.has_room(clock.now_us) or slots.line:
            if self.plan.throttle_waits is None:
                self.open_in_time(slots)
                yield slots.wait()
                return
            throttled += 1
            self.throttles += (lane.shard, 0, clock.now_us)
            wait_us = self.wait_us(self.plan.throttle_waits, lane, throttled, 1)
            yield At(clock, clock.now_us + wait_us, STARTS + lane.shard)
        slots.take(clock.now_us)

    def open_in_time(self, slots: Slots) -> None:
        """See to it that the line is served when time alone makes room."""
        opens_us = slots.opens_us(self.clock.now_us)
        if opens_us is not None and not self.looks_later:
            self.looks_later = True
            self.clock.process(self.serve(slots, opens_us))

    def serve(self, slots: Slots, at_us: int) -> Process:
        """Process: let the next in line start when there is room."""
        yield At(self.clock, at_us, CHANGES)
        self.looks_later = False
        slots.serve(self.clock.now_us)
        if slots.line:
            self.open_in_time(slots)

    # -- what a lane does at an instant ----------------------------------------------------------------------

    def form_batch(self, lane: Lane, now_us: int) -> bool:
        """Drop what has expired and take the next batch; False if nothing is left of what was read."""
        planned, reader, log = self.plan, lane.reader, lane.log
        if now_us >= lane.nothing_lost_before_us:
            gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
            old_us = too_old_by(now_us, planned.maximum_age_us)
            head_us = log.arrival_us(reader.head)
            lane.nothing_lost_before_us = min(
                expires_at(head_us, planned.retention_us, planned.trim_us), head_us + planned.maximum_age_us
            )
            if head_us <= gone_us:
                first, reader.head = reader.head, log.arrived_by(gone_us)
                reader.read = max(reader.read, reader.head)
                self.lose_expired(lane, first, reader.head)
                return False
            if head_us <= old_us:
                first, reader.head = reader.head, min(reader.read, log.arrived_by(old_us))
                self.lose(lane, first, reader.head, now_us, Loss.DISCARDED)
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
        lane.held, reader.head = first, first + fits
        lane.parts.append((reader.head, 0))
        return True

    def look_again_us(self, lane: Lane, now_us: int) -> int | None:
        """When to look whether a batch is full enough: *now_us* if it is, None if only new records tell (aws:E14)."""
        planned, reader, log = self.plan, lane.reader, lane.log
        first, buffered = reader.head, reader.read - reader.head
        limit, payload_end = planned.payload_limit, log.end
        if limit != NO_LIMIT:
            payload_end = log.within("payload_bytes", first, limit)
        full = buffered >= planned.batch_size or payload_end < reader.read
        if full or (planned.window_us == 0 and buffered >= planned.minimum_batch):
            return now_us
        ends_us = NO_LIMIT
        if buffered >= planned.minimum_batch or lane.closed:
            ends_us = max(now_us, window_ends_us(log.arrival_us(first), lane.last_end_us, planned.window_us))
        wanted = first + (planned.batch_size if planned.window_us else planned.minimum_batch)
        if payload_end < log.end:
            wanted = min(wanted, payload_end + 1)
        fuller_us = reader.fuller_at_us(now_us, wanted)
        look_us = min(ends_us, NO_LIMIT if fuller_us is None else fuller_us)
        return None if look_us == NO_LIMIT else look_us

    def still_there(self, lane: Lane, now_us: int) -> bool:
        """Whether the next part of the batch in hand has members left; those lost meanwhile are dropped (aws:T5)."""
        if now_us < lane.nothing_lost_before_us:
            return True
        planned, part_end = self.plan, lane.parts[-1][0]
        gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
        old_us = too_old_by(now_us, planned.maximum_age_us)
        for limit_us, cause in ((gone_us, Loss.EXPIRED), (old_us, Loss.DISCARDED)):
            if lane.held < part_end and lane.log.arrival_us(lane.held) <= limit_us:
                first, lane.held = lane.held, min(part_end, lane.log.arrived_by(limit_us))
                self.lose(lane, first, lane.held, now_us, cause)
        if lane.held == part_end:
            lane.parts.pop()
            return False
        return True

    def try_again(self, lane: Lane, run: Run) -> bool:
        """Make the parts that are left after a run that failed; False if it was the last try and they are given up."""
        planned = self.plan
        part_end, attempt = lane.parts.pop()
        records = part_end - lane.held
        done, first, next_attempt = after_failure(records, run.reported, attempt, planned.bisects)
        lane.held += done
        if not may_retry(next_attempt, planned.maximum_retries):
            self.lose(lane, lane.held, part_end, self.clock.now_us, Loss.DISCARDED)
            lane.held = part_end
            return False
        if lane.held + first < part_end:
            lane.parts.append((part_end, next_attempt))
        lane.parts.append((lane.held + first, next_attempt))
        lane.stuck = run.hopeless and planned.keeps_for_ever and not (planned.bisects and records > 1)
        return True

    def wait_us(self, waits: Waits | None, lane: Lane, retry: int, kind: int) -> int:
        """Back-off before retry number *retry*; *kind* 0 after a failure, 1 after a throttle."""
        if waits is None:
            return 0
        address = lane.tries if kind == 0 else retry
        u = uniform(self.backoff_key, lane.shard, lane.batch, address, kind) if waits.jitter else 0.0
        return backoff_us(retry, waits.base_us, waits.factor, waits.cap_us, waits.jitter, u)

    # -- tables ----------------------------------------------------------------------------------------------

    def record(self, lane: Lane, part_end: int, attempt: int, ready_us: int, start_us: int, run: Run) -> None:
        """One row of the table INVOCATION."""
        end_us = self.clock.now_us
        self.settled_us = lane.last_end_us = end_us
        records = part_end - lane.held
        done = records if run.outcome == Outcome.OK else max(run.reported, 0)
        self.invocations += (
            lane.shard, 0, lane.batch, lane.held, records, 0, 0, attempt, lane.tries, done, ready_us, start_us, end_us,
            run.init_us, run.duration_us, run.outcome, 0, 0,
        )  # fmt: skip

    def lose(self, lane: Lane, first: int, end: int, time_us: int, cause: Loss) -> None:
        """One row of the table LOSS."""
        events = lane.log.amount("log_events", first, end)
        self.settled_us = max(self.settled_us, time_us)
        self.losses.append(np.array([[lane.shard, time_us, first, end - first, events, cause]], np.int64))

    def lose_expired(self, lane: Lane, first: int, end: int) -> None:
        """Records that expired while they waited, each at its own instant; one row a second."""
        pieces = lane.log.pieces(first, end)
        last_us = pieces.last_us
        second = last_us // 1_000_000
        starts = np.flatnonzero(np.concatenate(([True], second[1:] != second[:-1])))
        planned = self.plan
        time_us = [expires_at(int(t), planned.retention_us, planned.trim_us) for t in pieces.time_us[starts]]
        self.settled_us = max(self.settled_us, time_us[-1])
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

    def store_all(self, parts: Sequence[Rows], until_us: int) -> None:
        """Offer the records of a window to their shards; what they accept is stored and wakes their processes."""
        stored = []
        for lane, rows in zip(self.lanes, parts, strict=True):
            accepted, account = lane.door.offer(rows, until_us)
            self.writes += account
            if len(accepted):
                stored.append((lane.shard, lane.log.end, accepted))
                lane.log.append(accepted)
                self.wake(lane)
        if self.numbers is not None:
            self.mark_poison(self.numbers.find(stored))

    def mark_poison(self, found: list[tuple[int, int, int]]) -> None:
        """Tell the invokers which of the records that have just been stored a fault strikes."""
        for record, shard, place in found:
            poison = self.lanes[shard].invoker.poison
            for number, fault in enumerate(self.plan.faults):
                if record in fault.records:
                    insort(poison[number], place)

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
            stuck_shards=tuple(lane.shard for lane in self.lanes if self.plan.drained and self._never_done(lane)),
        )
        for lane in self.lanes:
            self._put_back(lane)
            self._settle_expired(lane, end_us)
            reader, shard = lane.reader, lane.shard
            final.accepted[shard] = lane.log.end
            final.taken[shard] = reader.head
            final.waiting[shard] = lane.log.end - reader.head
            final.in_flight[shard] = lane.parts[0][0] - lane.held if lane.parts else 0
            if reader.head < lane.log.end:
                final.oldest_waiting_us[shard] = lane.log.arrival_us(reader.head)
        self.hand_over(max(end_us, self.window_start_us))
        final.under_way = self._under_way()
        self.sink.finish(final)

    def _put_back(self, lane: Lane) -> None:
        """A batch that was formed and never invoked is waiting, as before."""
        if lane.parts and lane.running is None and not lane.tries:
            lane.reader.head = lane.held
            lane.parts.clear()
            lane.idle = True

    def _under_way(self) -> NDArray[np.void]:
        for lane in self.lanes:
            if lane.running is not None:
                part_end, attempt, ready_us, start_us = lane.running
                self.invocations += (
                    lane.shard, 0, lane.batch, lane.held, part_end - lane.held, 0, 0, attempt, lane.tries, 0, ready_us,
                    start_us, 0, 0, 0, 0, 0, 0,
                )  # fmt: skip
        return self._invocations()

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
