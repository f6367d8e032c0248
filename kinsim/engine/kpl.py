"""The Kinesis Producer Library on the way to the doors: aggregates, the rate limit, calls, retries at once.

User records are aggregated per shard as they come; an aggregate that was rejected is put again as it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from kinsim.engine.callers import Caller, Latency, Moves, Record, Retries
from kinsim.engine.clock import LEAST_CYCLE_US
from kinsim.engine.tables import Int64, Rows
from kinsim.rule import compiled
from kinsim.system.kpl import (
    AGGREGATE_BYTES,
    KplPlan,
    has_expired,
    next_drain_us,
    retry_deadline_us,
    table_key_bytes,
    tokens_after,
    user_record_bytes,
)
from kinsim.system.producer import NEVER_US
from kinsim.system.stream import MICRO

WORTH_COMPILING = 60_000
"""User records in one window from which on machine code pays for its compilation."""

AT_DOORS, MADE, DRAIN, FULL_TIME = range(4)
"""What happens: a call is at the doors, an aggregate is made, the rate limit is looked at, a call has waited enough."""

SUMS = ("body_bytes", "log_events", "cpu_us", "call_us", "call_failing_us")
"""Columns that an aggregate has from its user records together."""

Weights = Callable[[Rows], tuple[Int64, Int64]]
"""Payload bytes and PUT units of rows."""


def aggregate_ends(
    times: Int64, data: Int64, key: Int64, key_bytes: Int64, plan: Int64, keys: int, until_us: int
) -> tuple[list[int], list[int], list[int]]:
    """For each aggregate of a shard the number after its last record, when it is made, and its bytes.

    *plan* is the buffered time, the most bytes and the most records; negative keys occur once.  An aggregate is made
    when it is full, when a record comes that does not fit any more, or when its first record has waited long enough;
    one that will be made at *until_us* or later is left out.  One record goes as it is.

    >>> some, plan = np.array([0, 10, 20, 90]), np.array([50, 300, 99])
    >>> aggregate_ends(some, np.full(4, 100), np.zeros(4, np.int64), np.full(4, 4), plan, 1, 1_000)
    ([2, 3, 4], [20, 70, 140], [238, 100, 100])
    """
    buffered_us, most_bytes, most_records = plan[0], plan[1], plan[2]
    seen_in, seen_as = np.full(keys + 1, -1, np.int64), np.zeros(keys + 1, np.int64)
    ends, made_us, sizes = [0 for _ in range(0)], [0 for _ in range(0)], [0 for _ in range(0)]
    start, total = 0, times.size
    while start < total:
        deadline_us = times[start] + buffered_us
        size, in_table, at, made = AGGREGATE_BYTES, 0, start, -1
        while at < total and times[at] <= deadline_us:
            own, more = in_table, 0
            if key[at] >= 0 and seen_in[key[at]] == start:
                own = seen_as[key[at]]
            else:
                more = table_key_bytes(key_bytes[at])
            more += user_record_bytes(data[at], own)
            if at > start and size + more > most_bytes:
                made = times[at]
                break
            if own == in_table:
                if key[at] >= 0:
                    seen_in[key[at]], seen_as[key[at]] = start, in_table
                in_table += 1
            size += more
            at += 1
            if at - start >= most_records or (at - start == 1 and data[start] >= most_bytes):
                made = times[at - 1]
                break
        if made < 0:
            if deadline_us >= until_us:
                break
            made = deadline_us
        ends.append(at)
        made_us.append(int(made))
        sizes.append(int(size) if at - start > 1 else int(data[start]))
        start = at
    return ends, made_us, sizes


@dataclass(slots=True)
class ShardLimit:
    """The rate limit of one shard, and what waits for it in order of deadline."""

    tokens: int = 0
    byte_tokens: int = 0
    since_us: int = 0
    drain_us: int = NEVER_US
    queue: list[tuple[int, int, Record]] = field(default_factory=list)
    oldest: list[tuple[int, int, Record]] = field(default_factory=list)
    """The same by the time at which they are given up; those that have passed are still in it."""


class KplCaller(Caller):
    """One process with the library: an aggregate passes its shard's rate limit, then it is collected into a call."""

    def __init__(self, plan: KplPlan, latency: Latency, retries: Retries, weights: Weights, keys: int) -> None:
        """*keys* is the number of keys that the source's rows may name; a trace names more as it is read."""
        super().__init__()
        self.plan, self.latency, self.retries, self.weights, self.keys = plan, latency, retries, weights, keys
        limited = plan.aggregates and plan.rate > 0 and retries.settings[0] != 0
        self.bytes_per_s = round(retries.settings[1] * plan.rate) if limited else 0
        self.records_per_s = round(retries.settings[2] * plan.rate) if limited else 0
        self.open: dict[int, Rows] = {}
        """User records of each shard that are in no aggregate yet."""
        self.user_records = self.made = 0
        self.began: list[int] = []
        """When the first user record of each new aggregate came."""
        self.since: dict[int, int] = {}
        """The same of every record that is neither stored nor given up."""
        self.alive: dict[int, Record] = {}
        self.queued: set[int] = set()
        self.limits: dict[int, ShardLimit] = {}
        self.events: list[tuple[int, int, int, list[Record]]] = []
        self.collected: list[Record] = []
        self.collected_bytes, self.number, self.sent = 0, 0, 0
        self.rejected_us = -1
        self.resharded_us = 0
        """When shards were last closed and opened."""

    # -- user records become Kinesis records

    def prepare(self, rows: Rows, place: Int64, until_us: int) -> tuple[Rows, Int64]:
        self.user_records += len(rows)
        self.began = []
        if not self.plan.aggregates:
            self.began = rows.time_us.tolist()
            self.made += len(rows)
            return rows, place
        parts, places, began = [], [], []
        for shard in sorted({*np.unique(place).tolist(), *self.open}):
            mine = rows.take(place == shard)
            mine = Rows.concatenate([self.open.pop(shard), mine]) if shard in self.open else mine
            part, first_us = self._aggregated(shard, mine, until_us)
            parts.append(part)
            places.append(np.full(len(part), shard))
            began.append(first_us)
        if not parts:
            return rows, place
        together, at, since = Rows.concatenate(parts), np.concatenate(places), np.concatenate(began)
        order = np.lexsort((together.index, together.time_us))
        self.began = since[order].tolist()
        self.made += len(together)
        return together.take(order), at[order]

    def _aggregated(self, shard: int, rows: Rows, until_us: int) -> tuple[Rows, Int64]:
        """The aggregates of a shard's user records, and when each began."""
        plan = np.array([self.plan.buffered_us, self.plan.size_bytes, self.plan.count], np.int64)
        loop = compiled(aggregate_ends) if len(rows) > WORTH_COMPILING else aggregate_ends
        times, data, key, key_bytes = (
            np.ascontiguousarray(column) for column in (rows.time_us, rows.data_bytes, rows.key, rows.key_bytes)
        )
        self.keys = max(self.keys, int(key.max(initial=-1)) + 1)
        ends, made_us, sizes = loop(times, data, key, key_bytes, plan, self.keys, until_us)
        done = ends[-1] if ends else 0
        if done < len(rows):
            self.open[shard] = rows.take(slice(done, None))
        starts = np.array([0, *ends[:-1]] if ends else [], np.int64)
        out = rows.take(starts)
        if not ends:
            return out, out.time_us
        made = np.maximum(np.array(made_us, np.int64), self.resharded_us)
        several = np.diff(np.array([0, *ends])) > 1
        packed = rows.take(slice(0, done))
        names = (*SUMS, "by_rule") if len(packed.by_rule) else SUMS
        sums = {name: np.add.reduceat(getattr(packed, name), starts, axis=-1) for name in names}
        late_us = packed.lag_us + np.repeat(made, np.diff(np.array([0, *ends]))) - packed.time_us
        events = np.maximum(packed.log_events, 0)
        weight = np.where(np.repeat(sums["log_events"] > 0, np.diff(np.array([0, *ends]))), events, 1)
        lag_us = np.add.reduceat(late_us * weight, starts) // np.add.reduceat(weight, starts)
        key_bytes = np.where(several, 1, out.key_bytes)
        began = out.time_us
        out = replace(
            out, time_us=made, data_bytes=np.array(sizes, np.int64), key_bytes=key_bytes, lag_us=lag_us, **sums
        )
        payload_bytes, put_units = self.weights(out)
        return replace(out, payload_bytes=payload_bytes, put_units=put_units), began

    def reshard(self, moves: Moves) -> None:
        """Part what is in no aggregate yet by its new shards, and let the limits of new shards begin (aws:K6)."""
        super().reshard(moves)
        now_us, closes = moves.now_us, moves.closes
        self.resharded_us = now_us
        for shard in closes:
            if shard in self.open:
                rows = self.open.pop(shard)
                self._open_in(rows, moves.where(rows, np.full(len(rows), shard)))
        waits = [entry for shard in closes if shard in self.limits for entry in self.limits.pop(shard).queue]
        self.events = [event for event in self.events if event[1] != DRAIN or event[2] not in closes]
        heapq.heapify(self.events)
        if self.records_per_s:
            self.limits |= {shard: ShardLimit(since_us=now_us) for shard in moves.opens}
        for deadline_us, row, record in waits:
            if row in self.queued:
                self._queue(record, deadline_us)
                self._drain_soon(record.place, now_us)
        self._look()

    def _open_in(self, rows: Rows, shards: Int64) -> None:
        """Let user records wait for others of their shards, in order of time."""
        for shard in np.unique(shards).tolist():
            mine = rows.take(shards == shard)
            if shard in self.open:
                mine = Rows.concatenate([self.open[shard], mine])
                mine = mine.take(np.lexsort((mine.index, mine.time_us)))
            self.open[shard] = mine

    @property
    def merged(self) -> int:  # type: ignore[override]
        """User records less the Kinesis records that they are, or will be; what is open is one for each shard."""
        return self.user_records - self.made - len(self.open)

    # -- from the aggregates to the doors

    def take(self, records: list[Record], until_us: int) -> None:
        for record, since_us in zip(records, self.began, strict=True):
            self.since[record.row] = since_us
            self.alive[record.row] = record
            self._at(record.created_us, MADE, [record])
        self._look()

    def act(self, now_us: int) -> list[Record]:
        _, what, number, records = heapq.heappop(self.events)
        if what == AT_DOORS:
            self._look()
            return records
        if what == MADE:
            self._pass(records[0], now_us, self.since[records[0].row] + self.plan.buffered_us)
        elif what == DRAIN:
            self.limits[number].drain_us = NEVER_US
            self._drain(number, now_us)
        elif number == self.number:
            self._put(now_us)
        self._look()
        return []

    def answered(self, now_us: int, call: list[Record], rejected: list[Record]) -> list[Record]:
        gone = []
        self.rejected_us = now_us if rejected else self.rejected_us
        for record in call:
            if record.stored:
                self._let_go(record)
        for record in rejected:
            since_us = self.since[record.row]
            if self.retries.too_large(record) or has_expired(now_us - since_us, self.plan.ttl_us):
                gone.append(record)
                self._let_go(record)
            else:
                self._pass(record, now_us, retry_deadline_us(now_us, since_us, self.plan.buffered_us, self.plan.ttl_us))
        self._look()
        return gone

    def held(self) -> Iterator[Record]:
        yield from self.alive.values()

    def waiting(self) -> int:
        return len(self.alive) + len(self.open)

    def _pass(self, record: Record, now_us: int, deadline_us: int) -> None:
        """Send a record through its shard's rate limit."""
        if not self.records_per_s:
            self._collect(record, now_us, deadline_us)
            return
        self._queue(record, deadline_us)
        self._drain(record.place, now_us)

    def _queue(self, record: Record, deadline_us: int) -> None:
        limit = self.limits.setdefault(record.place, ShardLimit())
        heapq.heappush(limit.queue, (deadline_us, record.row, record))
        heapq.heappush(limit.oldest, (self.since[record.row], record.row, record))
        self.queued.add(record.row)

    def _drain(self, place: int, now_us: int) -> None:
        """Give up what is too old, then let pass what there are tokens for, in order of deadline."""
        limit = self.limits[place]
        while limit.oldest and has_expired(now_us - limit.oldest[0][0], self.plan.ttl_us):
            record = heapq.heappop(limit.oldest)[2]
            if record.row in self.queued:
                self.queued.remove(record.row)
                self.given_up.append(record)
                self._let_go(record)
        elapsed_us, records = now_us - limit.since_us, self.retries.settings[2] * MICRO
        limit.tokens = tokens_after(limit.tokens, elapsed_us, self.records_per_s, records)
        limit.byte_tokens = tokens_after(limit.byte_tokens, elapsed_us, self.bytes_per_s, self.plan.burst_bytes * MICRO)
        limit.since_us = now_us
        while limit.queue:
            deadline_us, row, record = limit.queue[0]
            need = record.data_bytes * MICRO
            if row in self.queued:
                if limit.tokens < MICRO or limit.byte_tokens < need:
                    break
                limit.tokens, limit.byte_tokens = limit.tokens - MICRO, limit.byte_tokens - need
                self.queued.remove(row)
                self._collect(record, now_us, deadline_us)
            heapq.heappop(limit.queue)
        if limit.queue:
            self._drain_soon(place, now_us)

    def _drain_soon(self, place: int, now_us: int) -> None:
        limit = self.limits[place]
        if limit.drain_us == NEVER_US:
            limit.drain_us = next_drain_us(now_us)
            heapq.heappush(self.events, (limit.drain_us, DRAIN, place, []))

    def _collect(self, record: Record, now_us: int, deadline_us: int) -> None:
        """Add a record to the call that is being gathered."""
        if self.collected and self.collected_bytes + record.weight > self.plan.call_bytes:
            self._put(now_us)
        self.collected.append(record)
        self.collected_bytes += record.weight
        if deadline_us <= now_us or len(self.collected) >= self.plan.call_records:
            self._put(now_us)
        else:
            heapq.heappush(self.events, (deadline_us, FULL_TIME, self.number, []))

    def _put(self, now_us: int) -> None:
        """Start a PutRecords call with what has been gathered."""
        latency_us = self.latency.of(self.sent)
        if not latency_us and now_us == self.rejected_us:
            latency_us = LEAST_CYCLE_US
        self._at(now_us + latency_us, AT_DOORS, self.collected)
        self.collected, self.collected_bytes = [], 0
        self.sent += 1
        self.number += 1

    def _at(self, at_us: int, what: int, records: list[Record]) -> None:
        heapq.heappush(self.events, (at_us, what, records[0].row, records))

    def _let_go(self, record: Record) -> None:
        del self.alive[record.row], self.since[record.row]

    def _look(self) -> None:
        self.next_us = self.events[0][0] if self.events else NEVER_US
