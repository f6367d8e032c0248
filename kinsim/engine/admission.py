"""The stream's door: what a shard accepts of what it is offered, and when the rest is offered again.

Writes never depend on reads, so a shard's door is run ahead of the clock, one window of arrivals at
a time.  Where no rejection is possible in a window, whole columns pass at once; else records and
retries are taken one by one in order of (time, source, index).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import uniform
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import TOTALS, cut, record_time_us, singles
from kinsim.engine.tables import Int64, Rows, Writes
from kinsim.rule import compilable, compiled
from kinsim.system.producer import RetryPlan, may_retry, retry_delay_us
from kinsim.system.stream import FIXED_SECOND, MICRO, TOKEN_BUCKET, Stream, deficit_at, room_for, second_of

WORTH_COMPILING = 60_000
"""Offers taken one by one in this process before machine code pays for its compilation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A shard's write limits as whole numbers; capacities in millionths."""

    limiter: int
    bytes_per_s: int
    records_per_s: int
    bytes_capacity: int
    records_capacity: int
    rejected_consumes: bool
    max_record_bytes: int

    @classmethod
    def of(cls, stream: Stream) -> Limits:
        """Limits of one shard of *stream*; -1 where a record may be of any size."""
        return cls(
            limiter=stream.limiter,
            bytes_per_s=stream.bytes_per_s,
            records_per_s=stream.records_per_s,
            bytes_capacity=(stream.write_burst_bytes or stream.bytes_per_s) * MICRO,
            records_capacity=(stream.write_burst_records or stream.records_per_s) * MICRO,
            rejected_consumes=stream.rejected_consumes_tokens,
            max_record_bytes=-1 if stream.max_record_size_bytes is None else stream.max_record_size_bytes,
        )

    def as_array(self) -> Int64:
        """For the loop that may be compiled."""
        return np.array(
            [
                self.limiter,
                self.bytes_per_s,
                self.records_per_s,
                self.bytes_capacity,
                self.records_capacity,
                self.rejected_consumes,
                self.max_record_bytes,
            ],
            np.int64,
        )


class Door:
    """The write limits of one shard and the records that wait to be offered to it again."""

    taken_one_by_one: ClassVar[int] = 0
    """By all doors of this process."""

    def __init__(self, shard: int, limits: Limits, plans: list[RetryPlan], jitter_key: int) -> None:
        """*plans* holds the retry plan of each source, *jitter_key* the address of its waits."""
        self.shard = shard
        self.limits = limits
        self.settings = limits.as_array()
        self.plans = np.array(
            [[p.kind, p.max_attempts, p.base_us, p.cap_us, p.jitter, p.give_up_after_us] for p in plans], np.int64
        ).reshape(len(plans), 6)
        self.jitter_key = np.uint64(jitter_key)
        self.level = np.zeros(6, np.int64)
        self.pending = np.zeros((0, 9), np.int64)
        self.pending_rows = Rows.empty()
        self.pending_records = 0

    def offer(self, rows: Rows, until_us: int) -> tuple[Rows, list[Writes]]:
        """Take the rows of one window, and the retries due before *until_us*; what was stored, and the account."""
        retries_due = len(self.pending) and int(self.pending[:, 0].min()) < until_us
        if not (len(rows) or retries_due):
            return rows, []
        if not retries_due and self._nothing_rejected(rows):
            return rows, [self._all_accepted(rows)]
        return self._one_by_one(rows if self.limits.limiter == 0 else in_records(rows), until_us)

    def next_retry_us(self) -> int | None:
        """Instant of the earliest retry that waits, or None."""
        return int(self.pending[:, 0].min()) if len(self.pending) else None

    def _all_accepted(self, rows: Rows) -> Writes:
        nothing = np.zeros(len(rows), np.int64)
        return Writes(
            shard=self.shard,
            time_us=rows.time_us,
            source=rows.source,
            attempt=nothing,
            offered=rows.count,
            accepted=rows.count,
            dropped=nothing,
            data_bytes=rows.data_bytes,
            key_bytes=rows.key_bytes,
            put_units=rows.put_units,
        )

    def _nothing_rejected(self, rows: Rows) -> bool:
        """Whether all of *rows* pass; if so the limiter has taken them."""
        limits = self.limits
        largest = int((-(-(rows.data_bytes + rows.key_bytes) // rows.count)).max())
        if 0 <= limits.max_record_bytes < largest:
            return False
        if limits.limiter == TOKEN_BUCKET:
            return self._bucket_has_room(in_records(rows))
        return limits.limiter == 0 or self._seconds_have_room(cut(rows, MICRO))

    def _bucket_has_room(self, rows: Rows) -> bool:
        limits, time_us = self.limits, rows.time_us
        missing_bytes, missing_records, since_us = (int(level) for level in self.level[:3])
        levels = _bucket_levels(time_us, rows.count * MICRO, missing_records, since_us, limits.records_per_s)
        if int(levels.max()) > limits.records_capacity:
            return False
        weight = rows.data_bytes + rows.key_bytes
        bytes_levels = _bucket_levels(time_us, weight * MICRO, missing_bytes, since_us, limits.bytes_per_s)
        if int(bytes_levels.max()) > limits.bytes_capacity:
            return False
        self.level[:3] = bytes_levels[-1], levels[-1], time_us[-1]
        return True

    def _seconds_have_room(self, rows: Rows) -> bool:
        second = rows.time_us // MICRO
        first = int(second[0])
        records = np.bincount(second - first, rows.count).astype(np.int64)
        used = np.bincount(second - first, rows.data_bytes + rows.key_bytes).astype(np.int64)
        if self.level[3] == first:
            used[0] += self.level[4]
            records[0] += self.level[5]
        if int(records.max()) > self.limits.records_per_s or int(used.max()) > self.limits.bytes_per_s:
            return False
        self.level[3:] = int(second[-1]), int(used[-1]), int(records[-1])
        return True

    def _one_by_one(self, fresh: Rows, until_us: int) -> tuple[Rows, list[Writes]]:
        known = Rows.concatenate([fresh, self.pending_rows])
        weight = -(-(known.data_bytes + known.key_bytes) // known.count)
        waiting = self.pending.copy()
        waiting[:, 8] += len(fresh)
        loop = compiled(_take_in_order) if Door.taken_one_by_one > WORTH_COMPILING else _take_in_order
        events, left = loop(
            fresh.time_us, fresh.count, known.source, known.index, weight, waiting, self.plans, self.settings,
            self.level, self.jitter_key, until_us,
        )  # fmt: skip
        Door.taken_one_by_one += len(events)
        self._remember(known, left)
        taken = _parts(known, events[:, 1], events[:, 4], events[:, 0])
        account = Writes(
            shard=self.shard,
            time_us=events[:, 0],
            source=known.source[events[:, 1]],
            attempt=events[:, 2],
            offered=events[:, 3],
            accepted=events[:, 4],
            dropped=events[:, 5],
            data_bytes=taken.data_bytes,
            key_bytes=taken.key_bytes,
            put_units=taken.put_units,
        )
        return taken.take(events[:, 4] > 0), [account]

    def _remember(self, known: Rows, left: Int64) -> None:
        kept, places = np.unique(left[:, 8], return_inverse=True)
        left[:, 8] = places.reshape(-1)
        self.pending, self.pending_rows = left, known.take(kept)
        self.pending_records = int(left[:, 4].sum())


def in_parts(windows: Iterable[tuple[int, int, Rows]], most_records: int = 250_000) -> Iterator[tuple[int, int, Rows]]:
    """The same rows in windows (start, end, rows) that hold no more than about *most_records* each.

    Where writes are limited records are taken one by one, and hours of a workload in bins are too many to be held so.
    No row is cut, so that shards get what they get without parts.

    >>> rows = Rows.empty(3)
    >>> rows.time_us[:], rows.count[:] = (1, 4, 9), 5
    >>> [(start, end, part.time_us.tolist()) for start, end, part in in_parts([(0, 10, rows)], 10)]
    [(0, 9, [1, 4]), (9, 10, [9])]
    """
    for start_us, end_us, rows in windows:
        first = 0
        for begin in _cuts(rows, most_records):
            until_us = int(rows.time_us[begin])
            yield start_us, until_us, rows.take(slice(first, begin))
            start_us, first = until_us, begin
        yield start_us, end_us, rows.take(slice(first, None)) if first else rows


def _cuts(rows: Rows, most_records: int) -> list[int]:
    """Numbers of the rows that begin another part: all before them have come to their end."""
    ends = np.cumsum(rows.count)
    if not len(rows) or int(ends[-1]) <= most_records:
        return []
    last_us = np.maximum.accumulate(record_time_us(rows, rows.count - 1))
    possible = np.flatnonzero(rows.time_us[1:] > last_us[:-1]) + 1
    _, first = np.unique((ends[possible] - 1) // most_records, return_index=True)
    return [int(row) for row in possible[first] if ends[row] > most_records]


def _bucket_levels(time_us: Int64, amount: Int64, deficit: int, since_us: int, per_s: int) -> Int64:
    """What is missing from a bucket after each instant if everything is taken, in millionths.

    The recursion max(d - refill, 0) + amount in closed form: the running sum less the refill, above
    its lowest point so far.
    """
    taken = np.cumsum(amount)
    refill = per_s * (time_us - since_us)
    empty_since = np.maximum.accumulate(refill - (taken - amount))
    return np.asarray(taken - refill + np.maximum(empty_since, deficit), np.int64)


def in_records(rows: Rows) -> Rows:
    """*rows* with those that are spread in time taken apart into rows of one record, in order."""
    spread = (rows.count > 1) & (rows.step_numerator > 0)
    if not spread.any():
        return rows
    if spread.all():
        return in_order(singles(rows))
    return in_order(Rows.concatenate([singles(rows.take(spread)), rows.take(~spread)]))


def _parts(known: Rows, which: Int64, accepted: Int64, time_us: Int64) -> Rows:
    """The *accepted* first records of rows *which*, as stored at *time_us*."""
    part = known.take(which)
    for name in TOTALS:
        setattr(part, name, getattr(part, name) * accepted // part.count)
    part.lag_us = part.lag_us + (time_us - part.time_us)
    part.count = accepted
    part.time_us = time_us
    return part


def _take_in_order(
    fresh_us: Int64,
    fresh_count: Int64,
    source: Int64,
    index: Int64,
    weight: Int64,
    waiting: Int64,
    plans: Int64,
    settings: Int64,
    level: Int64,
    jitter_key: Any,
    until_us: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offer everything in order of (time, source, index, first record); may be compiled.

    *waiting* and the second result have columns: time, source, index, number of the first record in
    its row, records, attempts so far, first offer, previous wait, row.  Columns of the first result:
    time, row, attempt, offered, accepted, dropped.
    """
    heap = [(0, 0, 0, 0, 0, 0, 0, 0, 0) for _ in range(0)]
    for at in range(waiting.shape[0]):
        heap.append(
            (waiting[at, 0], waiting[at, 1], waiting[at, 2], waiting[at, 3], waiting[at, 4], waiting[at, 5],
             waiting[at, 6], waiting[at, 7], waiting[at, 8])
        )  # fmt: skip
    heapq.heapify(heap)
    events = [(0, 0, 0, 0, 0, 0) for _ in range(0)]
    position = 0
    while True:
        fresh_is_next = position < fresh_us.size and (
            len(heap) == 0
            or (fresh_us[position], source[position], index[position]) <= (heap[0][0], heap[0][1], heap[0][2])
        )
        if fresh_is_next:
            row = position
            now_us, first, count, attempts, offered_us, previous_us = (
                fresh_us[row],
                0,
                fresh_count[row],
                0,
                fresh_us[row],
                0,
            )
            position += 1
        elif len(heap) > 0 and heap[0][0] < until_us:
            now_us, _, _, first, count, attempts, offered_us, previous_us, row = heapq.heappop(heap)
        else:
            break
        accepted = _admit(now_us, count, weight[row], settings, level)
        dropped = 0
        plan = plans[source[row]]
        if accepted < count:
            retry_at_all = plan[0] != 0 and (settings[6] < 0 or weight[row] <= settings[6])
            together = plan[4] == 0
            record = accepted
            while record < count:
                size = count - record if together or not retry_at_all else 1
                kept = False
                if retry_at_all:
                    u = uniform(jitter_key, source[row], index[row] + first + record, attempts, 0)
                    wait_us = retry_delay_us(plan[0], attempts + 1, plan[2], plan[3], plan[4], u, previous_us)
                    kept = may_retry(attempts + 1, plan[1], now_us + wait_us - offered_us, plan[5])
                    if kept:
                        heapq.heappush(
                            heap,
                            (now_us + wait_us, source[row], index[row], first + record, size, attempts + 1,
                             offered_us, wait_us, row),
                        )  # fmt: skip
                if not kept:
                    dropped += size
                record += size
        events.append((now_us, row, attempts, count, accepted, dropped))
    taken = np.empty((len(events), 6), np.int64)
    for at in range(len(events)):
        for column in range(6):
            taken[at, column] = events[at][column]
    left = np.empty((len(heap), 9), np.int64)
    for at in range(len(heap)):
        for column in range(9):
            left[at, column] = heap[at][column]
    return taken, left


@compilable
def _admit(now_us: int, count: int, weight: int, settings: Int64, level: Int64) -> int:
    """How many of *count* equal records the shard takes at *now_us*; *level* is brought up to date."""
    limiter, bytes_per_s, records_per_s = settings[0], settings[1], settings[2]
    if settings[6] >= 0 and weight > settings[6]:
        return 0
    if limiter == TOKEN_BUCKET:
        missing = deficit_at(level[0], level[2], now_us, bytes_per_s)
        missing_records = deficit_at(level[1], level[2], now_us, records_per_s)
        fit = min(
            count,
            room_for(missing, settings[3], weight * MICRO),
            room_for(missing_records, settings[4], MICRO),
        )
        charged = count if settings[5] else fit
        level[0] = (
            min(missing + charged * weight * MICRO, settings[3]) if charged > fit else missing + fit * weight * MICRO
        )
        level[1] = (
            min(missing_records + charged * MICRO, settings[4]) if charged > fit else missing_records + fit * MICRO
        )
        level[2] = now_us
        return fit
    if limiter == FIXED_SECOND:
        second = second_of(now_us)
        if second != level[3]:
            level[3], level[4], level[5] = second, 0, 0
        fit = min(count, room_for(level[4], bytes_per_s, weight), room_for(level[5], records_per_s, 1))
        charged = count if settings[5] else fit
        level[4] = min(level[4] + charged * weight, bytes_per_s) if charged > fit else level[4] + fit * weight
        level[5] = min(level[5] + charged, records_per_s) if charged > fit else level[5] + fit
        return fit
    return count
