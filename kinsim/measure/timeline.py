"""What depends on the order of events over all shards: backlog, age of the oldest record, concurrency.

Invocations are known when they end, so the past is final only up to a frontier; what lies beyond it
waits here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from kinsim.errors import InternalError
from kinsim.measure.ages import Teeth
from kinsim.measure.cells import grown
from kinsim.measure.climb import Ups
from kinsim.measure.concurrency import Concurrency
from kinsim.measure.levels import Downs, Level, MinuteLevels
from kinsim.measure.oldest import Age
from kinsim.measure.per_shard import PerShard, by_group
from kinsim.measure.samples import NO_RANKS, Floats, Ranks, Statistics
from kinsim.measure.stretches import MINUTE_US, Int64, Stretches

LINE, TIME, KIND, FIRST, RECORDS, BYTES, HEAD = range(7)
"""Rows of a table of removals: HEAD is the arrival of the first record removed."""

BY_LINE = (
    "arrived", "removed", "last_arrival_us", "last_removal_us", "_arrived_bytes", "_removed_bytes", "_span_arrivals",
)  # fmt: skip

NEVER_US = 1 << 60
"""End of an invocation that is under way when the run ends."""


class Timeline:
    """States of the stream and its shards over time, from what happens on their lines."""

    def __init__(
        self, shards: int, lines: int, warm_up_us: int, minutes: int, age_limit_us: int, shard_period_us: int
    ) -> None:
        """*lines* of each shard: records in an order of their own."""
        self.shards, self.lines_each, self.lines = shards, lines, shards * lines
        self.warm_up_us = warm_up_us
        self.now_us = 0
        self.horizon_us = NEVER_US
        """End of the run, once it is known: nothing grows older after it."""
        self.backlog = Level(warm_up_us, minutes)
        self.bytes_each: int | None = None
        """Bytes of each record, while all have the same: then bytes need no account of their own."""
        self.own_bytes: Level | None = None
        self.in_system = Level(warm_up_us, minutes)
        self.concurrency = Concurrency(warm_up_us, minutes)
        self.age = Age(shards, lines, warm_up_us, minutes, age_limit_us, shard_period_us)
        self.shard_backlog = PerShard.zeros(shards)
        self.shard_backlog_bytes: PerShard | None = None
        self.arrived = np.zeros(self.lines, np.int64)
        self.removed = np.zeros(self.lines, np.int64)
        self.last_arrival_us = np.zeros(self.lines, np.int64)
        self.last_removal_us = np.zeros(self.lines, np.int64)
        self._arrived_bytes = np.zeros(self.lines, np.int64)
        self._removed_bytes = np.zeros(self.lines, np.int64)
        self._span_arrivals = np.zeros(self.lines, np.int64)
        self._arrivals: list[list[Stretches]] = [[] for _ in range(self.lines)]
        self._removals: list[Int64] = []
        self._settles: list[Int64] = []
        self._runs: list[Int64] = []

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.shards, self.lines = shards, shards * self.lines_each
        self.age.grow(shards)
        self.shard_backlog.grow(shards)
        if self.shard_backlog_bytes is not None:
            self.shard_backlog_bytes.grow(shards)
        for name in BY_LINE:
            setattr(self, name, grown(getattr(self, name), self.lines))
        self._arrivals += [[] for _ in range(self.lines - len(self._arrivals))]

    def begin(self, line: int, end: int, rows: Stretches) -> None:
        """*rows* of a line wait at time 0, its last records up to number *end*: no arrivals of the run."""
        records, size = int(rows.count.sum()), int(rows.totals["bytes"].sum())
        self._look_at_sizes(rows)
        for level in (self.backlog, self.in_system):
            level.begin(records)
        if self.own_bytes is not None:
            self.own_bytes.begin(size)
        self.arrived[line], self.removed[line] = end, end - records
        self._arrived_bytes[line] += size

    def add(self, arrivals: list[list[Stretches]], removals: Int64, settles: Int64, runs: Int64) -> None:
        """Take note of arrivals by line, removals from the backlog, ends of records' stay (time, kind, records) and
        invocations (start, end)."""
        for part, row, pending in (
            (removals, TIME, self._removals),
            (settles, 0, self._settles),
            (runs, 0, self._runs),
        ):
            if part.shape[1]:
                if int(part[row].min()) < self.now_us:
                    raise InternalError(f"{part[row].min() / 1e6} s came up when {self.now_us / 1e6} s had been final")
                pending.append(part)
        for held, fresh in zip(self._arrivals, arrivals, strict=False):
            held += fresh

    def advance(self, to_us: int, head_us: Callable[[int, int], int]) -> None:
        """Make everything before *to_us* final; *head_us* gives the arrival of a line's record that still waits."""
        start_us = self.now_us
        if to_us <= start_us:
            return
        ups = Ups(self._ups_before(to_us), self.lines)
        self._span_arrivals = np.bincount(ups.cell_line, ups.cell_records, self.lines).astype(np.int64)
        removals = self._before(self._removals, to_us, TIME, 7)
        settles = self._before(self._settles, to_us, 0, 3)
        since_us = (removals[TIME] - start_us) * 4 + removals[KIND]
        removals = removals[:, by_group(removals[LINE], since_us)]
        latest_us = int(self.last_arrival_us.max())
        self._look_at_sizes(ups.rows)
        self._by_shard(start_us, to_us, ups, removals)
        by_time = np.argsort(removals[TIME] * 4 + removals[KIND], kind="stable") if self.lines > 1 else slice(None)
        time_us, kind = removals[TIME][by_time], removals[KIND][by_time]
        self.backlog.advance(start_us, to_us, ups, Downs(time_us, kind, removals[RECORDS][by_time]), latest_us)
        if self.own_bytes is not None:
            self.own_bytes.advance(start_us, to_us, ups, Downs(time_us, kind, removals[BYTES][by_time]), latest_us)
        settles = settles[:, np.argsort(settles[0] * 4 + settles[1], kind="stable")]
        self.in_system.advance(start_us, to_us, ups, Downs(settles[0], settles[1], settles[2]), latest_us)
        self._advance_runs(start_us, to_us)
        self._advance_age(start_us, to_us, removals, head_us)
        self._move_on(ups, removals)
        self.now_us = to_us

    def finish(self, end_us: int) -> None:
        """The run ends at *end_us*; everything has been made final."""
        latest_us = int(self.last_arrival_us.max())
        for level in (self.backlog, self.own_bytes, self.in_system):
            if level is not None:
                level.finish(end_us, self.now_us, latest_us)
        self.concurrency.finish(end_us, self.now_us)
        self.age.finish(end_us)
        extra_us = max(0, self.now_us - max(end_us, self.warm_up_us))
        waiting = self._of_shards(self.arrived - self.removed)
        size = self._of_shards(self._arrived_bytes - self._removed_bytes)
        shard = np.arange(self.shards)
        at_us = np.maximum(self.last_arrival_us.reshape(self.shards, -1).max(axis=1), self.warm_up_us)
        for state, value in ((self.shard_backlog, waiting), (self.shard_backlog_bytes, size)):
            if state is None:
                continue
            state.peak(shard, value, at_us)
            state.last = value.astype(np.float64)
            state.integral -= value * float(extra_us)

    def bytes_statistics(self, end_us: int, percentiles: Iterable[float], ranks: Ranks = NO_RANKS) -> Statistics:
        """Statistics of the bytes in the backlog."""
        if self.own_bytes is not None:
            return self.own_bytes.statistics(end_us, percentiles, ranks)
        return self.backlog.statistics(end_us, percentiles, ranks, self.bytes_each or 0)

    def bytes_minutes(self) -> tuple[MinuteLevels, int]:
        """Bytes in the backlog by minute: a table, and what each of its units stands for."""
        if self.own_bytes is not None:
            return self.own_bytes.minutes, 1
        return self.backlog.minutes, self.bytes_each or 0

    def _look_at_sizes(self, rows: Stretches) -> None:
        """Give bytes an account of their own as soon as records differ in size."""
        if self.own_bytes is not None or not len(rows):
            return
        size = rows.totals["bytes"]
        each = int(size[0]) // int(rows.count[0]) if self.bytes_each is None else self.bytes_each
        if bool((size == each).all()) if rows.single else np.array_equal(size, rows.count * each):
            self.bytes_each = each
        else:
            each = self.bytes_each or 0
            self.own_bytes = self.backlog.scaled(each)
            self.shard_backlog_bytes = self.shard_backlog.scaled(each)

    def latest_event_us(self) -> int:
        """Latest instant that is known and not final yet, or -1."""
        rows = [t[TIME] for t in self._removals] + [t[0] for t in self._settles] + [t[1] for t in self._runs]
        return max((int(row[row < NEVER_US].max(initial=-1)) for row in rows), default=-1)

    def _ups_before(self, to_us: int) -> Stretches:
        """The arrivals before *to_us*, by line; the others go on waiting."""
        parts = []
        for line, pending in enumerate(self._arrivals):
            if not pending:
                continue
            rows = Stretches.concatenate(pending)
            before = int(np.searchsorted(rows.time_us, to_us))
            early, late = rows.take(slice(before)), [rows.take(slice(before, None))]
            if before and not rows.single and int(early.take(slice(-1, None)).last_us[0]) >= to_us:
                under_way = early.take(slice(-1, None))
                head, tail = under_way.split(under_way.arrived_by(to_us - 1))
                early, late = Stretches.concatenate([early.take(slice(-1)), head]), [tail, *late]
            parts.append(early)
            self._arrivals[line] = [rest for rest in late if len(rest)]
        return Stretches.concatenate(parts) if parts else Stretches.empty(totals=("bytes",))

    @staticmethod
    def _before(pending: list[Int64], to_us: int, row: int, rows: int) -> Int64:
        if not pending:
            return np.zeros((rows, 0), np.int64)
        table = np.concatenate(pending, axis=1) if len(pending) > 1 else pending[0]
        pending.clear()
        ripe = table[row] < to_us
        if ripe.all():
            return table
        pending.append(table[:, ~ripe])
        return table[:, ripe]

    def _advance_runs(self, start_us: int, to_us: int) -> None:
        if not self._runs:
            self.concurrency.advance(start_us, to_us, np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
            return
        runs = np.concatenate(self._runs, axis=1)
        begun, ended = runs[0] < to_us, runs[1] < to_us
        fresh = runs[0] >= start_us
        instant = int((runs[0] == runs[1])[fresh & begun].sum())
        self.concurrency.advance(start_us, to_us, runs[0][begun & fresh], runs[1][ended], instant)
        self._runs = [runs[:, ~ended]] if not ended.all() else []

    def shard_bytes_statistics(self, shard: int, span_us: int) -> Statistics:
        """Statistics of the bytes in one shard's backlog."""
        state = self.shard_backlog_bytes or self.shard_backlog.scaled(self.bytes_each or 0)
        return state.statistics(shard, span_us, 1.0)

    def _of_shards(self, amounts: Int64) -> Int64:
        """Sums of each shard's lines."""
        return amounts if self.lines_each == 1 else amounts.reshape(self.shards, -1).sum(axis=1)

    def _in_shards(self, ups: Ups, removals: Int64) -> tuple[Ups, Int64]:
        """Arrivals and removals numbered shard by shard, as if each were one line of records that leave as they go."""
        if self.lines_each == 1:
            return ups, removals
        rows = ups.rows.take(slice(None))
        rows.line = rows.line // self.lines_each
        rows = rows.take(np.lexsort((rows.time_us, rows.line)))
        rows.first = self._of_shards(self.arrived)[rows.line] + _cumulative_by(rows.line, rows.count)
        shard = removals[LINE] // self.lines_each
        removals = removals[:, np.lexsort((removals[TIME] * 4 + removals[KIND], shard))]
        removals[LINE] //= self.lines_each
        removals[FIRST] = self._of_shards(self.removed)[removals[LINE]] + _cumulative_by(
            removals[LINE], removals[RECORDS]
        )
        return Ups(rows, self.shards), removals

    def _by_shard(self, start_us: int, to_us: int, ups: Ups, removals: Int64) -> None:
        """Backlog of each shard: what had arrived by each removal, less what had been taken before."""
        if self.shards == 1:
            return
        ups, removals = self._in_shards(ups, removals)
        shard, time_us = removals[LINE], removals[TIME]
        rows = ups.rows
        bits = int(to_us - start_us + 1).bit_length()
        arrived_key = (rows.line << bits) + (rows.time_us - start_us)
        row = np.searchsorted(arrived_key, (shard << bits) + (time_us - start_us), "right") - 1
        own = row >= 0
        own[own] = rows.line[row[own]] == shard[own]
        here = rows.take(row[own])
        inside = here.arrived_by(time_us[own])
        arrived = self._of_shards(self.arrived)[shard]
        arrival_us = self.last_arrival_us.reshape(self.shards, -1).max(axis=1)[shard]
        arrived[own] = here.first + inside
        arrival_us[own] = here.time_us + (np.maximum(inside - 1, 0) * here.numerator + here.offset) // here.denominator
        waiting = arrived - removals[FIRST]
        if (waiting < removals[RECORDS]).any():
            at = int(np.argmin(waiting - removals[RECORDS]))
            raise InternalError(
                f"at {time_us[at] / 1e6} s shard {shard[at]} lost or gave {removals[RECORDS][at]} records, "
                f"but {waiting[at]} were waiting"
            )
        counts = time_us >= self.warm_up_us
        at_us = np.maximum(arrival_us, self.warm_up_us)[counts]
        self.shard_backlog.peak(shard[counts], waiting[counts], at_us)
        if self.shard_backlog_bytes is not None:
            size = self._of_shards(self._arrived_bytes)[shard]
            before = _cumulative_by(rows.line, ups.sizes)
            size[own] += before[row[own]] + here.totals["bytes"] * inside // np.maximum(here.count, 1)
            size -= self._of_shards(self._removed_bytes)[shard] + _cumulative_by(shard, removals[BYTES])
            self.shard_backlog_bytes.peak(shard[counts], size[counts], at_us)
        self._integrate_shards(start_us, to_us, ups, removals)

    def _integrate_shards(self, start_us: int, to_us: int, ups: Ups, removals: Int64) -> None:
        warm_us = max(start_us, self.warm_up_us)
        if to_us <= warm_us:
            return
        left = to_us - np.maximum(removals[TIME], warm_us)
        waiting = self._of_shards(self.arrived - self.removed)
        size = self._of_shards(self._arrived_bytes - self._removed_bytes)
        for state, level, in_bytes, gone in (
            (self.shard_backlog, waiting, False, removals[RECORDS]),
            (self.shard_backlog_bytes, size, True, removals[BYTES]),
        ):
            if state is None:
                continue
            state.integral += level * float(to_us - warm_us)
            state.integral += self._areas(start_us, to_us, ups, in_bytes)
            state.integral -= np.bincount(removals[LINE], gone * left.astype(np.float64), self.shards)

    def _areas(self, start_us: int, to_us: int, ups: Ups, in_bytes: bool) -> Floats:
        """Of each shard: arrivals times their microseconds up to *to_us* that are after the warm-up."""
        if start_us >= self.warm_up_us:
            left = (to_us - ups.cell_minute * MINUTE_US) * ups.cell_amount(in_bytes) - ups.cell_late(in_bytes)
            return np.asarray(np.bincount(ups.cell_line, left, self.shards), np.float64)
        rows, amount = ups.rows, ups.amount(in_bytes)
        warm_us = max(start_us, self.warm_up_us)
        head = rows.arrived_by(warm_us) if start_us < warm_us else np.zeros(len(rows), np.int64)
        late_rows = rows.split(head)[1]
        since = (to_us - late_rows.time_us) - late_rows.offsets_sum() / np.maximum(late_rows.count, 1)
        early = amount * head // rows.count
        up = (amount - early) * since + early * float(to_us - warm_us)
        return np.asarray(np.bincount(rows.line, up, self.shards), np.float64)

    def _advance_age(self, start_us: int, to_us: int, removals: Int64, head_us: Callable[[int, int], int]) -> None:
        line, time_us, head = removals[LINE], removals[TIME], removals[HEAD]
        before = self.last_removal_us[line]
        same = line[1:] == line[:-1]
        before[1:][same] = time_us[:-1][same]
        teeth = Teeth(np.maximum(np.maximum(before, head), start_us), time_us, head, line)
        self.age.advance(teeth, self._open_teeth(start_us, to_us, removals, head_us))

    def _open_teeth(self, start_us: int, to_us: int, removals: Int64, head_us: Callable[[int, int], int]) -> Teeth:
        """The oldest record of each line that goes on waiting at *to_us*."""
        waiting = self.arrived - self.removed
        removed, last_us = self.removed.copy(), self.last_removal_us.copy()
        np.add.at(removed, removals[LINE], removals[RECORDS])
        np.maximum.at(last_us, removals[LINE], removals[TIME])
        np.subtract.at(waiting, removals[LINE], removals[RECORDS])
        waiting += self._span_arrivals
        rows = np.flatnonzero(waiting > 0)
        head = np.array([self._head(int(s), int(removed[s]), head_us) for s in rows], np.int64)
        start = np.maximum(np.maximum(last_us[rows], head), start_us)
        end = np.maximum(start, min(to_us, self.horizon_us))
        return Teeth(start, end, head, rows.astype(np.int64))

    def _head(self, line: int, number: int, head_us: Callable[[int, int], int]) -> int:
        for table in self._removals:
            at = np.flatnonzero((table[LINE] == line) & (table[FIRST] == number))
            if at.size:
                return int(table[HEAD][at[0]])
        return head_us(line, number)

    def _move_on(self, ups: Ups, removals: Int64) -> None:
        np.add.at(self.arrived, ups.cell_line, ups.cell_records)
        np.add.at(self._arrived_bytes, ups.cell_line, ups.cell_bytes)
        if len(ups):
            rows = ups.rows
            ends = np.append(np.flatnonzero(rows.line[1:] != rows.line[:-1]), len(rows) - 1)
            self.last_arrival_us[rows.line[ends]] = rows.take(ends).last_us
        np.add.at(self.removed, removals[LINE], removals[RECORDS])
        np.add.at(self._removed_bytes, removals[LINE], removals[BYTES])
        np.maximum.at(self.last_removal_us, removals[LINE], removals[TIME])


def _cumulative_by(group: Int64, values: Int64) -> Int64:
    """Running total before each element, starting anew with each group; groups are contiguous."""
    before = np.cumsum(values) - values
    if not before.size:
        return before
    starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    return np.asarray(before - np.repeat(before[starts], np.diff(np.append(starts, group.size))), np.int64)
