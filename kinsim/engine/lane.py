"""A shard's records between stream and function: which batch forms, what becomes of it, what is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simpy

from kinsim.engine.draws import uniform
from kinsim.engine.invoking import Invoker, Run
from kinsim.engine.plan import NO_LIMIT, Plan, Waits
from kinsim.engine.reader import LineReader
from kinsim.engine.redriving import Redrive
from kinsim.engine.tables import Loss, Outcome, Tables
from kinsim.engine.tumbling import TumblingWindow
from kinsim.system.event_source_mapping import (
    after_failure,
    backoff_us,
    batch_records,
    may_retry,
    skipped_before_us,
    too_old_by,
    window_ends_us,
)
from kinsim.system.stream import expired_by, expires_at


class Lane:
    """One lane of a shard as its process sees it: what is stored, what is read and the batch in hand.

    Its methods are what is done at an instant, by the rules; it waits for nothing.
    """

    __slots__ = (
        "address",
        "backoff_key",
        "batch",
        "batch_first",
        "begun_us",
        "closed",
        "filled",
        "finished",
        "held",
        "idle",
        "invoker",
        "lane",
        "last_end_us",
        "log",
        "nothing_lost_before_us",
        "number",
        "parts",
        "plan",
        "reader",
        "redrive",
        "running",
        "shard",
        "siblings",
        "stuck",
        "tables",
        "tries",
        "window",
    )

    def __init__(
        self, plan: Plan, tables: Tables, reader: LineReader, invoker: Invoker, backoff_key: int, lane: int = 0
    ) -> None:
        self.plan, self.tables, self.lane = plan, tables, lane
        self.reader, self.invoker, self.backoff_key = reader, invoker, backoff_key
        self.shard, self.log = reader.shard, reader.log
        self.nothing_lost_before_us = min(plan.retention_us, plan.maximum_age_us)
        self.number = self.shard * plan.lanes + lane
        self.address = invoker.address
        self.siblings: Sequence[Lane] = (self,)
        """The lanes of its shard, itself too."""
        self.batch = self.batch_first = 0
        self.idle = True
        self.held = 0
        self.parts: list[tuple[int, int]] = []
        """What is left of the batch in hand, from record `held` on, last part first: its end and its retries so far."""
        self.tries = self.begun_us = 0
        """Invocations that the batch in hand has had, and when the first of them began."""
        self.running: tuple[int, int, int, int] | None = None
        """The invocation under way: end of its records, retries used, when it could start and when it did."""
        self.last_end_us = 0
        self.redrive: Redrive | None = None
        self.window = TumblingWindow(plan, reader) if plan.tumbling_us else None
        self.filled: simpy.Event | None = None
        self.closed = self.finished = self.stuck = False

    def wake(self) -> None:
        """Let its process look again."""
        if self.filled is not None and not self.filled.triggered:
            self.filled.succeed()

    def wake_siblings(self) -> None:
        """Let the other lanes of its shard look again: what is read, and who is blocked, may have changed."""
        if len(self.siblings) > 1:
            for lane in self.siblings:
                lane.wake()

    @property
    def shard_idle(self) -> bool:
        """Whether nothing of its shard is in flight."""
        return self.idle if len(self.siblings) == 1 else all(lane.idle for lane in self.siblings)

    @property
    def blocked(self) -> bool:
        """Whether it may not go on because another lane of its shard fails (aws:E22)."""
        return self.plan.failure_blocks_shard and any(lane.parts and lane.tries for lane in self.siblings)

    @property
    def held_up(self) -> bool:
        """Whether it waits for a lane of its shard that never gets on, so that nothing is read or it is blocked."""
        if self.finished or not self.idle or not any(lane.stuck for lane in self.siblings):
            return False
        return self.blocked or (self.reader.read == self.reader.head and not self.reader.polls_on())

    @property
    def unsettled(self) -> int:
        """First record that is neither processed nor lost, or is to be put back."""
        first = self.reader.head if self.idle else self.held
        return first if self.redrive is None else min(first, self.redrive.needs_from)

    def begin_to_read(self, now_us: int) -> None:
        """The mapping begins to read: what came before its starting position is not for it."""
        self.settle_expired(now_us)
        reader, first = self.reader, self.reader.head
        end = self.log.arrived_by(skipped_before_us(self.plan.position_us, now_us) - 1)
        if end > first:
            reader.head = reader.read = end
            self.lose(first, end, now_us, Loss.SKIPPED)

    # -- the batch in hand

    def form_batch(self, now_us: int) -> bool:
        """Drop what has expired and take the next batch; False if nothing is left of what was read."""
        planned, reader, log = self.plan, self.reader, self.log
        if now_us >= self.nothing_lost_before_us:
            gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
            old_us = too_old_by(now_us, planned.maximum_age_us)
            head_us = log.arrival_us(reader.head)
            self.nothing_lost_before_us = min(
                expires_at(head_us, planned.retention_us, planned.trim_us), head_us + planned.maximum_age_us
            )
            if head_us <= gone_us:
                first, reader.head = reader.head, log.arrived_by(gone_us)
                reader.read = max(reader.read, reader.head)
                self.lose_expired(first, reader.head)
                return False
            if head_us <= old_us:
                first, reader.head = reader.head, min(reader.read, log.arrived_by(old_us))
                self.lose(first, reader.head, now_us, Loss.DISCARDED)
                return False
        first, available = reader.head, reader.read - reader.head
        if self.window is not None:
            available = self.window.room(first, available)
        fits = batch_records(available, planned.batch_size, planned.batch_size)
        if (
            planned.payload_limit != NO_LIMIT
            and log.amount("payload_bytes", first, first + fits) > planned.payload_limit
        ):
            within = log.within("payload_bytes", first, planned.payload_limit) - first
            if within == 0:
                reader.head = first + 1
                self.lose(first, first + 1, now_us, Loss.TOO_LARGE)
                return False
            fits = batch_records(available, planned.batch_size, within)
        if self.window is not None:
            self.window.open(first)
        self.held, self.batch_first, reader.head = first, first, first + fits
        self.parts.append((reader.head, 0))
        return True

    def take_state(self) -> None:
        """Take the state of the tumbling window that is over: a batch without records, for its final invocation."""
        assert self.window is not None
        self.window.close()
        self.held = self.reader.head
        self.parts.append((self.held, 0))

    def look_again_us(self, now_us: int) -> int | None:
        """When to look whether a batch is full enough: *now_us* if it is, None if only new records tell (aws:E14)."""
        planned, reader, log = self.plan, self.reader, self.log
        first, buffered = reader.head, reader.read - reader.head
        limit, payload_end = planned.payload_limit, log.end
        if limit != NO_LIMIT:
            payload_end = log.within("payload_bytes", first, limit)
        full = buffered >= planned.batch_size or payload_end < reader.read
        closes_us = NO_LIMIT
        if self.window is not None:
            full |= self.window.room(first, buffered) < buffered
            closes_us = max(now_us, self.window.end_of(first))
        if full or (planned.window_us == 0 and buffered >= planned.minimum_batch):
            return now_us
        ends_us = NO_LIMIT
        if buffered >= planned.minimum_batch or self.closed:
            ends_us = max(now_us, window_ends_us(log.arrival_us(first), self.last_end_us, planned.window_us))
        wanted = first + (planned.batch_size if planned.window_us else planned.minimum_batch)
        if payload_end < log.end:
            wanted = min(wanted, payload_end + 1)
        fuller_us = reader.fuller_at_us(now_us, wanted)
        look_us = min(ends_us, closes_us, NO_LIMIT if fuller_us is None else fuller_us)
        return None if look_us == NO_LIMIT else look_us

    def still_there(self, now_us: int) -> bool:
        """Whether the next part of the batch in hand has members left; those lost meanwhile are dropped (aws:T5)."""
        planned, part_end = self.plan, self.parts[-1][0]
        if now_us < self.nothing_lost_before_us or part_end == self.held:
            return True
        gone_us = expired_by(now_us, planned.retention_us, planned.trim_us)
        old_us = too_old_by(now_us, planned.maximum_age_us)
        for limit_us, cause in ((gone_us, Loss.EXPIRED), (old_us, Loss.DISCARDED)):
            if self.held < part_end and self.log.arrival_us(self.held) <= limit_us:
                first, self.held = self.held, min(part_end, self.log.arrived_by(limit_us))
                self.lose(first, self.held, now_us, cause)
        if self.held == part_end:
            self.parts.pop()
            return False
        return True

    def try_again(self, run: Run, now_us: int) -> bool:
        """Make the parts that are left after a run that failed; False if it was the last try and they are given up."""
        planned = self.plan
        part_end, attempt = self.parts.pop()
        records = part_end - self.held
        if not records:  # the state of a window: nothing goes on until its final invocation succeeds (aws:E36)
            self.parts.append((part_end, attempt + 1))
            self.stuck = run.hopeless
            return True
        done, first, next_attempt = after_failure(records, run.reported, attempt, planned.bisects)
        self.held += done
        if not may_retry(next_attempt, planned.maximum_retries):
            self.lose(self.held, part_end, now_us, Loss.DISCARDED)
            self.held = part_end
            return False
        if self.held + first < part_end:
            self.parts.append((part_end, next_attempt))
        self.parts.append((self.held + first, next_attempt))
        self.stuck = run.hopeless and planned.keeps_for_ever and not (planned.bisects and records > 1)
        return True

    def wait_us(self, waits: Waits | None, retry: int, kind: int) -> int:
        """Back-off before retry number *retry*; *kind* 0 after a failure, 1 after a throttle."""
        if waits is None:
            return 0
        address = self.tries if kind == 0 else retry
        u = uniform(self.backoff_key, self.address, self.batch, address, kind) if waits.jitter else 0.0
        return backoff_us(retry, waits.base_us, waits.factor, waits.cap_us, waits.jitter, u)

    # -- what is told of it

    def record(self, run: Run, end_us: int) -> None:
        """One row of the table INVOCATION: the invocation under way has ended."""
        assert self.running is not None
        part_end, attempt, ready_us, start_us = self.running
        self.running = None
        self.tables.settled_us = self.last_end_us = end_us
        records = part_end - self.held
        done = records if run.outcome == Outcome.OK else max(run.reported, 0)
        self.tables.invocations += (
            self.shard, self.lane, self.batch, self.held, records, 0, 0, attempt, self.tries, done, ready_us, start_us,
            end_us, run.init_us, run.duration_us, run.outcome, 0, 0, run.front_us,
            run.needed_us,
        )  # fmt: skip
        if run.rules_us:
            self.tables.count_rules(run.rules_us)

    def redriven(self, run: Run, batch: int, first: int, end: int, times_us: tuple[int, int, int]) -> tuple[int, ...]:
        """A row of the table INVOCATION for records that were put back; *times_us*: ready, start and end."""
        self.tables.settled_us = max(self.tables.settled_us, times_us[2])
        done = end - first if run.outcome == Outcome.OK else max(run.reported, 0)
        if run.rules_us:
            self.tables.count_rules(run.rules_us)
        return (
            self.shard, self.lane, batch, first, end - first, 0, 0, 0, 1, done, *times_us, run.init_us, run.duration_us,
            run.outcome, 0, 0, run.front_us,
            run.needed_us,
        )  # fmt: skip

    def lose(self, first: int, end: int, time_us: int, cause: Loss) -> None:
        """One row of the table LOSS."""
        if self.redrive is not None and cause == Loss.DISCARDED:
            self.redrive.discard(first, end, time_us)
        events = self.log.amount("log_events", first, end)
        self.tables.settled_us = max(self.tables.settled_us, time_us)
        self.tables.losses.append(
            np.array([[self.shard, self.lane, time_us, first, end - first, events, cause]], np.int64)
        )

    def lose_expired(self, first: int, end: int) -> None:
        """Records that expired while they waited, each at its own instant; one row a second."""
        planned, log, bounds = self.plan, self.log, [first]
        while bounds[-1] < end:
            second = log.arrival_us(bounds[-1]) // 1_000_000
            bounds.append(min(end, log.arrived_by((second + 1) * 1_000_000 - 1)))
        starts, ends = np.array(bounds[:-1], np.int64), np.array(bounds[1:], np.int64)
        time_us = [expires_at(log.arrival_us(each), planned.retention_us, planned.trim_us) for each in bounds[:-1]]
        self.tables.settled_us = max(self.tables.settled_us, time_us[-1])
        self.tables.losses.append(
            np.column_stack(
                [
                    np.full(starts.size, self.shard),
                    np.full(starts.size, self.lane),
                    np.array(time_us, np.int64),
                    starts,
                    ends - starts,
                    log.amounts("log_events", starts, ends),
                    np.full(starts.size, int(Loss.EXPIRED)),
                ]
            )
        )

    # -- the end of the run

    def under_way(self) -> None:
        """A row of the table INVOCATION for the invocation in progress, if there is one."""
        if self.running is not None:
            part_end, attempt, ready_us, start_us = self.running
            self.tables.invocations += (
                self.shard, self.lane, self.batch, self.held, part_end - self.held, 0, 0, attempt, self.tries, 0,
                ready_us, start_us, 0, 0, 0, 0, 0, 0, 0, 0,
            )  # fmt: skip

    def put_back(self) -> None:
        """A batch that was formed and never invoked is waiting, as before."""
        if self.parts and self.running is None and not self.tries:
            self.reader.head = self.held
            self.parts.clear()
            self.idle = True

    def settle_expired(self, end_us: int) -> None:
        planned, reader = self.plan, self.reader
        if planned.retention_us == NO_LIMIT or reader.head >= self.log.end:
            return
        gone = self.log.arrived_by(expired_by(end_us, planned.retention_us, planned.trim_us))
        if gone > reader.head:
            first, reader.head = reader.head, gone
            reader.read = max(reader.read, gone)
            self.lose_expired(first, gone)
