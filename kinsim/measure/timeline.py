"""What depends on the order of events over all shards: backlog, age of the oldest record, concurrency.

Invocations are known when they end, so the past is final only up to a frontier; what lies beyond it
waits here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kinsim.errors import InternalError
from kinsim.measure.ages import CatchUp, Teeth, oldest
from kinsim.measure.levels import MINUTE_US, Downs, Level, MinuteLevels, TimeWeighted, Ups
from kinsim.measure.samples import NO_RANKS, Floats, Ranks, Samples, Spread, Statistics
from kinsim.measure.stretches import Int64, Stretches, exact_dot

SHARD, TIME, KIND, FIRST, RECORDS, BYTES, HEAD = range(7)
"""Rows of a table of removals: HEAD is the arrival of the first record removed."""

NEVER_US = 1 << 60
"""End of an invocation that is under way when the run ends."""

Cell = TypeVar("Cell", np.int64, np.float64)


@dataclass(slots=True)
class PerShard:
    """One quantity over time on each shard."""

    integral: Floats
    max: Floats
    max_at_us: Floats
    last: Floats

    @staticmethod
    def zeros(shards: int) -> PerShard:
        """Nothing yet."""
        return PerShard(np.zeros(shards), np.full(shards, -1.0), np.zeros(shards), np.zeros(shards))

    def scaled(self, factor: int) -> PerShard:
        """A quantity *factor* times as large."""
        top = np.where(self.max < 0, self.max, self.max * factor)
        return PerShard(self.integral * factor, top, self.max_at_us.copy(), self.last * factor)

    def peak(self, shard: Int64, value: Int64, at_us: Int64) -> None:
        """Keep the largest value of each shard and its first instant; rows ascend in time on each shard."""
        if not shard.size:
            return
        high = np.full(self.max.size, -1, np.int64)
        np.maximum.at(high, shard, value)
        top = np.flatnonzero(value == high[shard])
        first = top[::-1]
        when = np.zeros(self.max.size)
        when[shard[first]] = at_us[first]
        higher = high > self.max
        self.max = np.where(higher, high, self.max)
        self.max_at_us = np.where(higher, when, self.max_at_us)

    def statistics(self, shard: int, span_us: int, per: float) -> Statistics:
        """Average over *span_us*, maximum and state at the end, in units of *per*."""
        return {
            "time_average": float(self.integral[shard]) / span_us / per if span_us > 0 else None,
            "max": max(float(self.max[shard]), 0.0) / per,
            "time_of_max": float(self.max_at_us[shard]) / 1e6,
            "last": float(self.last[shard]) / per,
        }


class Timeline:
    """States of the stream and its shards over time."""

    def __init__(self, shards: int, warm_up_us: int, minutes: int, age_limit_us: int, shard_period_us: int) -> None:
        self.shards = shards
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
        self.age = Age(shards, warm_up_us, minutes, age_limit_us, shard_period_us)
        self.shard_backlog = PerShard.zeros(shards)
        self.shard_backlog_bytes: PerShard | None = None
        self.arrived = np.zeros(shards, np.int64)
        self.removed = np.zeros(shards, np.int64)
        self.last_arrival_us = np.zeros(shards, np.int64)
        self.last_removal_us = np.zeros(shards, np.int64)
        self._arrived_bytes = np.zeros(shards, np.int64)
        self._removed_bytes = np.zeros(shards, np.int64)
        self._span_arrivals = np.zeros(shards, np.int64)
        self._arrivals: list[list[Stretches]] = [[] for _ in range(shards)]
        self._removals: list[Int64] = []
        self._settles: list[Int64] = []
        self._runs: list[Int64] = []

    def add(self, arrivals: list[list[Stretches]], removals: Int64, settles: Int64, runs: Int64) -> None:
        """Take note of arrivals by shard, removals from the backlog, ends of records' stay (time, kind, records) and
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
        """Make everything before *to_us* final; *head_us* gives the arrival of a shard's record that still waits."""
        start_us = self.now_us
        if to_us <= start_us:
            return
        ups = Ups(self._ups_before(to_us), self.shards)
        self._span_arrivals = np.bincount(ups.cell_shard, ups.cell_records, self.shards).astype(np.int64)
        removals = self._before(self._removals, to_us, TIME, 7)
        settles = self._before(self._settles, to_us, 0, 3)
        since_us = (removals[TIME] - start_us) * 4 + removals[KIND]
        removals = removals[:, by_group(removals[SHARD], since_us)]
        latest_us = int(self.last_arrival_us.max())
        self._look_at_sizes(ups)
        self._by_shard(start_us, to_us, ups, removals)
        by_time = np.argsort(removals[TIME] * 4 + removals[KIND], kind="stable") if self.shards > 1 else slice(None)
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
        waiting = self.arrived - self.removed
        size = self._arrived_bytes - self._removed_bytes
        shard = np.arange(self.shards)
        at_us = np.maximum(self.last_arrival_us, self.warm_up_us)
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

    def _look_at_sizes(self, ups: Ups) -> None:
        """Give bytes an account of their own as soon as records differ in size."""
        if self.own_bytes is not None or not len(ups):
            return
        rows, size = ups.rows, ups.sizes
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
        """The arrivals before *to_us*, by shard; the others go on waiting."""
        parts = []
        for shard, pending in enumerate(self._arrivals):
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
            self._arrivals[shard] = [rest for rest in late if len(rest)]
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

    def _by_shard(self, start_us: int, to_us: int, ups: Ups, removals: Int64) -> None:
        """Backlog of each shard: what had arrived by each removal, less what had been taken before."""
        if self.shards == 1:
            return
        shard, time_us = removals[SHARD], removals[TIME]
        rows = ups.rows
        bits = int(to_us - start_us + 1).bit_length()
        arrived_key = (rows.shard << bits) + (rows.time_us - start_us)
        row = np.searchsorted(arrived_key, (shard << bits) + (time_us - start_us), "right") - 1
        own = row >= 0
        own[own] = rows.shard[row[own]] == shard[own]
        here = rows.take(row[own])
        inside = here.arrived_by(time_us[own])
        arrived, arrival_us = self.arrived[shard], self.last_arrival_us[shard]
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
            size = self._arrived_bytes[shard]
            before = _cumulative_by(rows.shard, ups.sizes)
            size[own] += before[row[own]] + here.totals["bytes"] * inside // np.maximum(here.count, 1)
            size -= self._removed_bytes[shard] + _cumulative_by(shard, removals[BYTES])
            self.shard_backlog_bytes.peak(shard[counts], size[counts], at_us)
        self._integrate_shards(start_us, to_us, ups, removals)

    def _integrate_shards(self, start_us: int, to_us: int, ups: Ups, removals: Int64) -> None:
        warm_us = max(start_us, self.warm_up_us)
        if to_us <= warm_us:
            return
        left = to_us - np.maximum(removals[TIME], warm_us)
        waiting = self.arrived - self.removed
        size = self._arrived_bytes - self._removed_bytes
        for state, level, in_bytes, gone in (
            (self.shard_backlog, waiting, False, removals[RECORDS]),
            (self.shard_backlog_bytes, size, True, removals[BYTES]),
        ):
            if state is None:
                continue
            state.integral += level * float(to_us - warm_us)
            state.integral += self._areas(start_us, to_us, ups, in_bytes)
            state.integral -= np.bincount(removals[SHARD], gone * left.astype(np.float64), self.shards)

    def _areas(self, start_us: int, to_us: int, ups: Ups, in_bytes: bool) -> Floats:
        """Of each shard: arrivals times their microseconds up to *to_us* that are after the warm-up."""
        if start_us >= self.warm_up_us:
            left = (to_us - ups.cell_minute * MINUTE_US) * ups.cell_amount(in_bytes) - ups.cell_late(in_bytes)
            return np.asarray(np.bincount(ups.cell_shard, left, self.shards), np.float64)
        rows, amount = ups.rows, ups.amount(in_bytes)
        warm_us = max(start_us, self.warm_up_us)
        head = rows.arrived_by(warm_us) if start_us < warm_us else np.zeros(len(rows), np.int64)
        late_rows = rows.split(head)[1]
        since = (to_us - late_rows.time_us) - late_rows.offsets_sum() / np.maximum(late_rows.count, 1)
        early = amount * head // rows.count
        up = (amount - early) * since + early * float(to_us - warm_us)
        return np.asarray(np.bincount(rows.shard, up, self.shards), np.float64)

    def _advance_age(self, start_us: int, to_us: int, removals: Int64, head_us: Callable[[int, int], int]) -> None:
        shard, time_us, head = removals[SHARD], removals[TIME], removals[HEAD]
        before = self.last_removal_us[shard]
        same = shard[1:] == shard[:-1]
        before[1:][same] = time_us[:-1][same]
        teeth = Teeth(np.maximum(np.maximum(before, head), start_us), time_us, head, shard)
        self.age.advance(teeth, self._open_teeth(start_us, to_us, removals, head_us))

    def _open_teeth(self, start_us: int, to_us: int, removals: Int64, head_us: Callable[[int, int], int]) -> Teeth:
        """The oldest record of each shard that goes on waiting at *to_us*."""
        waiting = self.arrived - self.removed
        removed, last_us = self.removed.copy(), self.last_removal_us.copy()
        np.add.at(removed, removals[SHARD], removals[RECORDS])
        np.maximum.at(last_us, removals[SHARD], removals[TIME])
        np.subtract.at(waiting, removals[SHARD], removals[RECORDS])
        waiting += self._span_arrivals
        rows = np.flatnonzero(waiting > 0)
        head = np.array([self._head(int(s), int(removed[s]), head_us) for s in rows], np.int64)
        start = np.maximum(np.maximum(last_us[rows], head), start_us)
        end = np.maximum(start, min(to_us, self.horizon_us))
        return Teeth(start, end, head, rows.astype(np.int64))

    def _head(self, shard: int, number: int, head_us: Callable[[int, int], int]) -> int:
        for table in self._removals:
            at = np.flatnonzero((table[SHARD] == shard) & (table[FIRST] == number))
            if at.size:
                return int(table[HEAD][at[0]])
        return head_us(shard, number)

    def _move_on(self, ups: Ups, removals: Int64) -> None:
        np.add.at(self.arrived, ups.cell_shard, ups.cell_records)
        np.add.at(self._arrived_bytes, ups.cell_shard, ups.cell_bytes)
        if len(ups):
            rows = ups.rows
            ends = np.append(np.flatnonzero(rows.shard[1:] != rows.shard[:-1]), len(rows) - 1)
            self.last_arrival_us[rows.shard[ends]] = rows.take(ends).last_us
        np.add.at(self.removed, removals[SHARD], removals[RECORDS])
        np.add.at(self._removed_bytes, removals[SHARD], removals[BYTES])
        np.maximum.at(self.last_removal_us, removals[SHARD], removals[TIME])


def by_group(group: Int64, value: Int64) -> NDArray[np.intp]:
    """Order of rows by group and, within one, by *value*."""
    if not value.size:
        return np.zeros(0, np.intp)
    least = int(value.min())
    bits = (int(value.max()) - least + 1).bit_length()
    return np.argsort((group << bits) + (value - least), kind="stable")


def _cumulative_by(group: Int64, values: Int64) -> Int64:
    """Running total before each element, starting anew with each group; groups are contiguous."""
    before = np.cumsum(values) - values
    if not before.size:
        return before
    starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    return np.asarray(before - np.repeat(before[starts], np.diff(np.append(starts, group.size))), np.int64)


class Concurrency:
    """How many invocations are in progress; one that ends at an instant makes room for one that starts."""

    def __init__(self, warm_up_us: int, minutes: int) -> None:
        self.warm_up_us = warm_up_us
        self.level = 0
        self.integral = 0
        self.max = 0
        self.max_at_us = warm_up_us
        self.minutes = MinuteLevels(minutes)
        self.minute_max = np.zeros(minutes, np.int64)
        self._time = np.zeros(64)

    def advance(self, start_us: int, to_us: int, starts: Int64, ends: Int64, instant: int) -> None:
        """Starts and ends in the next span; *instant* of the invocations take no time at all."""
        self.minutes.down(Downs(starts, starts, np.full(starts.size, -1)))
        self.minutes.down(Downs(ends, ends, np.ones(ends.size, np.int64)))
        time_us = np.concatenate([[start_us], ends, starts])
        change = np.concatenate([[self.level], np.full(ends.size, -1), np.ones(starts.size, np.int64)])
        order = np.argsort(time_us * 2 + (change > 0), kind="stable") if time_us.size > 1 else slice(None)
        time_us, levels = time_us[order], np.cumsum(change[order])
        until_us = np.append(time_us[1:], to_us)
        self.level = int(levels[-1])
        self._peaks(time_us, until_us, levels)
        shown = np.maximum(until_us, self.warm_up_us) - np.maximum(time_us, self.warm_up_us)
        some = shown > 0
        levels, shown, time_us = levels[some], shown[some], time_us[some]
        if not shown.size:
            return
        self.integral += exact_dot(levels, shown)
        top = int(levels.max())
        if top >= self._time.size:
            self._time = np.append(self._time, np.zeros(top * 2 - self._time.size))
        self._time[: top + 1] += np.bincount(levels, shown)
        if top > self.max:
            self.max, self.max_at_us = top, max(int(time_us[np.argmax(levels)]), self.warm_up_us)
        if instant and not self.max:
            self.max, self.max_at_us = 1, int(starts.min())

    def _peaks(self, time_us: Int64, until_us: Int64, levels: Int64) -> None:
        some = (until_us > time_us) & (levels > 0)
        time_us, until_us, levels = time_us[some], until_us[some], levels[some]
        if not levels.size:
            return
        teeth = Teeth(time_us, until_us, time_us, time_us)
        which, minute, _ = teeth.minute_peaks()
        self.minute_max = reserved(self.minute_max, int(minute.max()))
        np.maximum.at(self.minute_max, minute, levels[which])

    def finish(self, end_us: int, passed_us: int) -> None:
        """Time was followed beyond the end of the run."""
        extra = passed_us - max(end_us, self.warm_up_us)
        if extra > 0:
            self.integral -= extra * self.level
            self._time[self.level] -= extra

    def statistics(self, end_us: int, percentiles: Iterable[float]) -> Statistics:
        """Statistics over the time from the end of the warm-up to *end_us*."""
        span = end_us - self.warm_up_us
        upto = np.cumsum(self._time)
        result: Statistics = {
            "time_average": self.integral / span if span > 0 else None,
            "max": float(self.max),
            "time_of_max": self.max_at_us / 1e6,
            "last": float(self.level),
        }
        for p in percentiles:
            there = upto[-1] > 0
            result[f"p{p:g}"] = float(np.searchsorted(upto, p / 100 * upto[-1] * (1 - 1e-15))) if there else None
        return result


class Age:
    """Age of the oldest record waiting, on each shard and over all."""

    def __init__(self, shards: int, warm_up_us: int, minutes: int, limit_us: int, shard_period_us: int) -> None:
        self.warm_up_us = warm_up_us
        self.shards = shards
        self.integral = 0.0
        self.times = TimeWeighted()
        self.by_shard = PerShard.zeros(shards)
        self.minute_max = np.zeros(minutes, np.int64)
        self.minute_area = np.zeros(minutes)
        self.shard_period_us = shard_period_us
        self.shard_max = np.zeros((shards, max(1, minutes * MINUTE_US // shard_period_us)), np.float32)
        self.max = 0
        self.max_at_us = warm_up_us
        self.catch_up = CatchUp(limit_us)
        self.catch_ups = Samples(1)
        self.unfinished = 0
        self.last_us = 0
        self._open: Teeth | None = None

    def advance(self, done: Teeth, still: Teeth) -> None:
        """Records that stopped being the oldest in the next span, and those that go on."""
        self._open = still
        teeth = Teeth(*(np.concatenate([getattr(t, n) for t in (done, still)]) for n in Teeth.__slots__))
        if not teeth.end_us.size:
            return
        late = teeth.after(self.warm_up_us)
        self._shard_curves(teeth)
        age = late.end_us - late.arrival_us
        if self.shards > 1:
            order = by_group(late.shard, late.end_us)
            self.by_shard.peak(late.shard[order], age[order], late.end_us[order])
            self.by_shard.integral += np.bincount(late.shard, late.areas(), self.shards)
        if age.size and int(age.max()) > self.max:
            self.max = int(age.max())
            self.max_at_us = int(late.end_us[age == self.max].min())
        whole = oldest(teeth) if self.shards > 1 else teeth
        self._caught_up(*self.catch_up.advance(whole))
        which, minute, peak = whole.minute_peaks()
        self.minute_max = reserved(self.minute_max, int(minute.max()) if minute.size else 0)
        np.maximum.at(self.minute_max, minute, peak)
        self._minute_areas(whole, which, minute)
        whole = whole.after(self.warm_up_us)
        self.integral += float(whole.areas().sum())
        low = whole.start_us - whole.arrival_us
        self.times.add(low, low + (whole.end_us - whole.start_us), whole.end_us - whole.start_us)

    def _minute_areas(self, whole: Teeth, which: NDArray[np.intp], minute: Int64) -> None:
        self.minute_area = reserved(self.minute_area, self.minute_max.size - 1)
        start = np.maximum(whole.start_us[which], minute * MINUTE_US)
        end = np.minimum(whole.end_us[which], (minute + 1) * MINUTE_US)
        middle = (start + end) / 2 - whole.arrival_us[which]
        np.add.at(self.minute_area, minute, (end - start) * middle)

    def _shard_curves(self, teeth: Teeth) -> None:
        which, minute, peak = teeth.minute_peaks()
        if not minute.size:
            return
        column = minute * MINUTE_US // self.shard_period_us
        more = int(column.max()) + 1 - self.shard_max.shape[1]
        if more > 0:
            wider = max(more, self.shard_max.shape[1])
            self.shard_max = np.concatenate([self.shard_max, np.zeros((self.shards, wider), np.float32)], axis=1)
        cell = teeth.shard[which] * self.shard_max.shape[1] + column
        np.maximum.at(self.shard_max.reshape(-1), cell, (peak / 1e6).astype(np.float32))

    def _caught_up(self, took_us: Int64, at_us: Int64) -> None:
        counts = at_us >= self.warm_up_us
        took_us, at_us = took_us[counts], at_us[counts]
        zero = np.zeros(took_us.size, np.int64)
        self.catch_ups.add(Spread(zero, took_us, zero + 1, at_us))

    def finish(self, end_us: int) -> None:
        """The run ends."""
        if self._open is not None and self._open.end_us.size:
            self.by_shard.last[self._open.shard] = end_us - self._open.arrival_us
            self.last_us = int(end_us - self._open.arrival_us.min())
        final = self.catch_up.finish(end_us)
        if final is not None:
            took_us, at_us, unfinished = final
            self.unfinished = int(unfinished)
            self._caught_up(np.array([took_us]), np.array([at_us]))

    def statistics(self, end_us: int, percentiles: Iterable[float], ranks: Ranks = NO_RANKS) -> Statistics:
        """Statistics in seconds over the time from the end of the warm-up to *end_us*."""
        span = end_us - self.warm_up_us
        idle = span - self.times.total_us
        if idle > 0.5:  # nothing waited then
            self.times.add(np.zeros(1), np.zeros(1), np.array([float(idle)]))
        wanted = list(percentiles)
        there = self.times.total_us > 0
        values = self.times.percentiles(wanted, 0.0, float(self.max)) if there else [None] * len(wanted)
        return {
            "time_average": self.integral / span / 1e6 if span > 0 else None,
            "max": self.max / 1e6,
            "time_of_max": self.max_at_us / 1e6,
            "last": self.last_us / 1e6,
            **{f"p{p:g}": None if v is None else v / 1e6 for p, v in zip(wanted, values, strict=True)},
            **{n: self.times.share(a * 1e6, b * 1e6) if there else None for n, (a, b) in ranks.items()},
        }


def reserved(cells: NDArray[Cell], last: int) -> NDArray[Cell]:
    """*cells* with room up to index *last*."""
    if last < cells.size:
        return cells
    more = max(last + 1, 2 * cells.size) - cells.size
    return np.concatenate([cells, np.zeros(more, cells.dtype)])
