"""The stream's door: what a shard accepts of what it is offered, and when the rest is offered again.

Writes never depend on reads, so a shard's door is run ahead of the clock, one window of arrivals at
a time.  Where no rejection is possible in a window, whole columns pass at once; else records and
retries are taken one by one in order of (time, source, index).

A client that keeps a retry quota or a rate keeps it for all shards, so that their doors decide together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import numpy as np

from kinsim.engine.clients import new_clients, take_through_clients
from kinsim.engine.offers import WAITING_COLUMNS, take_in_order
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import cut, record_time_us, singles, totals
from kinsim.engine.tables import Int64, Rows, Writes
from kinsim.rule import compiled
from kinsim.system.producer import RetryPlan
from kinsim.system.stream import MICRO, TOKEN_BUCKET, Stream

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


@dataclass(slots=True)
class Waiting:
    """Records that wait to be offered (again)."""

    entries: Int64
    """`WAITING_COLUMNS`; the number of its row is that of the entry."""
    rows: Rows
    """The row of each entry."""
    shard: Int64
    """The shard that each is offered to."""

    @classmethod
    def together(cls, parts: list[Waiting]) -> Waiting:
        """All that wait, one part after another."""
        return cls(
            np.concatenate([part.entries for part in parts]),
            Rows.concatenate([part.rows for part in parts]),
            np.concatenate([part.shard for part in parts]),
        )

    def take(self, chosen: Any) -> Waiting:
        """The chosen ones."""
        return Waiting(self.entries[chosen], self.rows.take(chosen), self.shard[chosen])


class Doors:
    """The write limits of some shards, and the records that wait to be offered to them (again)."""

    taken_one_by_one: ClassVar[int] = 0
    """By all doors of this process."""
    merged_records = 0
    """Records that went into the stream as part of another one."""

    def __init__(self, shards: list[int], limits: Limits, plans: list[RetryPlan], jitter_key: int) -> None:
        """*plans* holds the retry plan of each source, *jitter_key* the address of its waits."""
        self.shards = shards
        self.limits = limits
        self.settings = limits.as_array()
        self.retry_plans = plans
        self.plans = np.array([astuple(plan) for plan in plans], np.int64)
        self.quota = self.plans[:, 6].copy()
        self.clients = new_clients(len(plans))
        self.paced = any(plan.paced for plan in plans)
        self.holding_back = any(plan.holds_back for plan in plans)
        self.jitter_key = np.uint64(jitter_key)
        self.level = np.zeros((len(shards), 6), np.int64)
        self.pending = np.zeros((0, WAITING_COLUMNS), np.int64)
        self.pending_rows = Rows.empty()
        self.pending_place = np.zeros(0, np.int64)

    def offer(self, parts: list[Rows], until_us: int) -> list[tuple[Rows, list[Writes]]]:
        """Take each shard's rows of one window, and what waits until *until_us*; what was stored, and the accounts."""
        due = len(self.pending) and int(self.pending[:, 0].min()) < until_us
        if not (due or any(len(rows) for rows in parts)):
            return [(rows, []) for rows in parts]
        if not (due or self.paced) and self._nothing_rejected(parts):
            self._give_back(parts)
            return [
                (rows, [_all_accepted(shard, rows)] if len(rows) else [])
                for shard, rows in zip(self.shards, parts, strict=True)
            ]
        return self._one_by_one([self._as_taken(rows) for rows in parts], until_us)

    def next_retry_us(self, place: int) -> int | None:
        """Instant of the earliest retry that waits for a shard, or None."""
        waiting = self.pending[self.pending_place[self.pending[:, 8]] == place, 0]
        return int(waiting.min()) if len(waiting) else None

    def waiting(self) -> Waiting:
        """What waits, each entry with its row and its shard."""
        row = self.pending[:, 8]
        shard = np.array(self.shards, np.int64)[self.pending_place[row]]
        return Waiting(self.pending.copy(), self.pending_rows.take(row), shard)

    def let_wait(self, waiting: Waiting) -> None:
        """Let these wait, and no others."""
        place = {shard: at for at, shard in enumerate(self.shards)}
        self.pending, self.pending_rows = waiting.entries.copy(), waiting.rows
        self.pending[:, 8] = np.arange(len(self.pending))
        self.pending_place = np.array([place[shard] for shard in waiting.shard.tolist()], np.int64)

    def replace(self, closes: Sequence[int], opens: Sequence[int]) -> None:
        """Take some shards away and add others, whose limits have not been used; nothing may wait meanwhile."""
        kept = [at for at, shard in enumerate(self.shards) if shard not in closes]
        self.shards = [self.shards[at] for at in kept] + list(opens)
        self.level = np.concatenate([self.level[kept], np.zeros((len(opens), self.level.shape[1]), np.int64)])

    @property
    def pending_records(self) -> int:
        """Records that wait."""
        return int(self.pending[:, 4].sum())

    def _as_taken(self, rows: Rows) -> Rows:
        if self.holding_back:
            return in_order(singles(rows))
        return rows if self.limits.limiter == 0 else in_records(rows)

    def _nothing_rejected(self, parts: list[Rows]) -> bool:
        """Whether all rows pass; if so the limiters have taken them."""
        before = self.level.copy()
        for place, rows in enumerate(parts):
            if len(rows) and not self._passes(self.level[place], rows):
                self.level = before
                return False
        return True

    def _passes(self, level: Int64, rows: Rows) -> bool:
        limits = self.limits
        largest = int((-(-(rows.data_bytes + rows.key_bytes) // rows.count)).max())
        if 0 <= limits.max_record_bytes < largest:
            return False
        if limits.limiter == TOKEN_BUCKET:
            return self._bucket_has_room(level, in_records(rows))
        return limits.limiter == 0 or self._seconds_have_room(level, cut(rows, MICRO))

    def _bucket_has_room(self, level: Int64, rows: Rows) -> bool:
        limits, time_us = self.limits, rows.time_us
        missing_bytes, missing_records, since_us = (int(each) for each in level[:3])
        levels = _bucket_levels(time_us, rows.count * MICRO, missing_records, since_us, limits.records_per_s)
        if int(levels.max()) > limits.records_capacity:
            return False
        weight = rows.data_bytes + rows.key_bytes
        bytes_levels = _bucket_levels(time_us, weight * MICRO, missing_bytes, since_us, limits.bytes_per_s)
        if int(bytes_levels.max()) > limits.bytes_capacity:
            return False
        level[:3] = bytes_levels[-1], levels[-1], time_us[-1]
        return True

    def _seconds_have_room(self, level: Int64, rows: Rows) -> bool:
        second = rows.time_us // MICRO
        first = int(second[0])
        records = np.bincount(second - first, rows.count).astype(np.int64)
        used = np.bincount(second - first, rows.data_bytes + rows.key_bytes).astype(np.int64)
        if level[3] == first:
            used[0] += level[4]
            records[0] += level[5]
        if int(records.max()) > self.limits.records_per_s or int(used.max()) > self.limits.bytes_per_s:
            return False
        level[3:] = int(second[-1]), int(used[-1]), int(records[-1])
        return True

    def _give_back(self, parts: list[Rows]) -> None:
        """Retry tokens for records that were all accepted at once."""
        if (self.quota == self.plans[:, 6]).all():
            return
        for rows in parts:
            calls = np.bincount(rows.source, rows.count, len(self.plans)).astype(np.int64)
            self.quota = np.minimum(self.plans[:, 6], self.quota + calls * self.plans[:, 8])

    def _loop(self) -> Any:
        loop = take_through_clients if self.holding_back else take_in_order
        return compiled(loop) if Doors.taken_one_by_one > WORTH_COMPILING else loop

    def _one_by_one(self, parts: list[Rows], until_us: int) -> list[tuple[Rows, list[Writes]]]:
        fresh, place = together(parts)
        known = Rows.concatenate([fresh, self.pending_rows])
        place = np.concatenate([place, self.pending_place])
        weight = -(-(known.data_bytes + known.key_bytes) // known.count)
        waiting = self.pending.copy()
        waiting[:, 8] += len(fresh)
        events, left = self._loop()(
            fresh.time_us, *(() if self.holding_back else (fresh.count,)), place, known.source, known.index, weight,
            waiting, self.plans, self.settings, self.level, self.quota,
            *((self.clients,) if self.holding_back else ()), self.jitter_key, until_us,
        )  # fmt: skip
        Doors.taken_one_by_one += len(events)
        kept, places = np.unique(left[:, 8], return_inverse=True)
        left[:, 8] = places.reshape(-1)
        self.pending, self.pending_rows, self.pending_place = left, known.take(kept), place[kept]
        if len(parts) == 1:
            return [accepted_of(self.shards[0], known, events)]
        of_event = place[events[:, 1]]
        return [accepted_of(shard, known, events[of_event == at]) for at, shard in enumerate(self.shards)]


def doors_of(shards: int, limits: Limits, plans: list[RetryPlan], jitter_key: int) -> list[Doors]:
    """The doors of a run: together where a client keeps something for all shards, else each shard's on its own.

    *plans* holds the retry plan of each source, *jitter_key* the address of its waits.
    """
    numbers = list(range(shards))
    if decide_together(plans):
        return [Doors(numbers, limits, plans, jitter_key)]
    return [Doors([shard], limits, plans, jitter_key) for shard in numbers]


def decide_together(plans: list[RetryPlan]) -> bool:
    """Whether a client keeps something for all shards."""
    return any(plan.quota or plan.holds_back for plan in plans)


def resharded(
    doors: list[Doors], closes: Sequence[int], opens: Sequence[int], reroute: Callable[[Waiting], Waiting]
) -> list[Doors]:
    """The doors once some shards are closed and others open; what waited for the former goes where *reroute* says."""
    first = doors[0]
    if decide_together(first.retry_plans):
        waiting = reroute(first.waiting())
        first.replace(closes, opens)
        first.let_wait(waiting)
        return doors
    waiting = reroute(Waiting.together([each.waiting() for each in doors if each.shards[0] in closes]))
    new = [Doors([shard], first.limits, first.retry_plans, int(first.jitter_key)) for shard in opens]
    for each in new:
        each.let_wait(waiting.take(waiting.shard == each.shards[0]))
    return [each for each in doors if each.shards[0] not in closes] + new


def together(parts: list[Rows]) -> tuple[Rows, Int64]:
    """The rows of several shards in order of (time, source, index), and the place of each row's shard."""
    if len(parts) == 1:
        return parts[0], np.zeros(len(parts[0]), np.int64)
    rows = Rows.concatenate(parts)
    place = np.repeat(np.arange(len(parts)), [len(each) for each in parts])
    order = np.lexsort((rows.index, rows.source, rows.time_us))
    return rows.take(order), place[order]


def accepted_of(shard: int, known: Rows, events: Int64) -> tuple[Rows, list[Writes]]:
    """What a shard stored of the rows that its *events* name, and its account."""
    taken = _parts(known, events[:, 1], events[:, 4], events[:, 0])
    account = Writes(
        shard=shard,
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
    if len(known.by_rule):
        account.dropped_by_rule = known.by_rule[:, events[:, 1]] * events[:, 5] // known.count[events[:, 1]]
    return taken.take(events[:, 4] > 0), [account]


def _all_accepted(shard: int, rows: Rows) -> Writes:
    nothing = np.zeros(len(rows), np.int64)
    return Writes(
        shard=shard,
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
    for name in totals(part):
        setattr(part, name, getattr(part, name) * accepted // part.count)
    part.lag_us = part.lag_us + (time_us - part.time_us)
    part.count = accepted
    part.time_us = time_us
    return part
