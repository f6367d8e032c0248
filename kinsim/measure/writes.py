"""The producers' side of the stream: offered, accepted and rejected, per second and per minute."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Writes
from kinsim.measure.cells import grown
from kinsim.measure.minutes import Count, MinuteStat
from kinsim.measure.per_shard import PerShard
from kinsim.measure.samples import NO_RANKS, Floats, Ranks, Statistics
from kinsim.measure.stretches import MINUTE_US, Int64, Stretches
from kinsim.measure.times import TimeWeighted

SECOND_US = 1_000_000
MOST_CELLS = 2_000_000
"""Seconds times shards that are looked at together."""

SCALE = 1_000_000
"""Utilization is kept in millionths among the whole numbers."""


class WriteSide:
    """Accounts of what the shards were offered; bytes are data and keys, as the write limit counts them.

    The size of a rejected record is not recorded: it is taken to be the mean of its source so far.
    """

    def __init__(
        self, shards: int, minutes: int, warm_up_us: int, shard_period_us: int, limits: tuple[int, int] | None
    ) -> None:
        """*limits*: bytes and records per second and shard, where a write limiter is on."""
        self.shards, self.warm_up_us, self.limits = shards, warm_up_us, limits
        self.shard_period_us = shard_period_us
        self.offered, self.accepted, self.rejected, self.retried, self.dropped, self.duplicates = (
            Count(shards, minutes, warm_up_us) for _ in range(6)
        )
        self.put_units = 0
        self.accepted_bytes = 0
        self.minute_bytes, self.minute_rejected_bytes = MinuteStat(minutes), MinuteStat(minutes)
        self.peaks = {name: MinuteStat(minutes) for name in PEAKS}
        periods = max(1, minutes * MINUTE_US // shard_period_us)
        self.shard_bytes = np.zeros((shards, periods))
        self.shard_records = np.zeros((shards, periods))
        self.shard_rejected = np.zeros((shards, periods))
        self.shard_use = np.zeros((shards, periods), np.float32)
        self.minute_use = MinuteStat(minutes if limits else 1)
        self.use = TimeWeighted()
        self.use_area = 0.0
        self.use_max = 0.0
        self.use_max_at_us = 0
        self.by_shard = PerShard.zeros(shards)
        self._sizes: dict[int, list[float]] = {}
        self._second = 0
        self._carry = np.zeros((4, shards))

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.shards = shards
        for count in (self.offered, self.accepted, self.rejected, self.retried, self.dropped, self.duplicates):
            count.grow(shards)
        self.by_shard.grow(shards)
        self._carry = np.concatenate([self._carry, np.zeros((4, shards - self._carry.shape[1]))], axis=1)
        for name in ("shard_bytes", "shard_records", "shard_rejected", "shard_use"):
            setattr(self, name, grown(getattr(self, name), shards))

    def window(self, until_us: int, writes: list[Writes], arrivals: dict[int, Stretches]) -> None:
        """Take in what was offered up to *until_us*, and the records that each shard stored of it."""
        for each in writes:
            self._account(each)
        last = -(-until_us // SECOND_US)
        step = max(1, MOST_CELLS // self.shards)
        while self._second < last:
            stop = min(last, self._second + step)
            cells = self._cells(self._second, stop, writes, arrivals)
            cells[:, :, 0] += self._carry
            whole = stop if stop * SECOND_US <= until_us else stop - 1
            self._carry = cells[:, :, -1].copy() if whole < stop else np.zeros((4, self.shards))
            if whole > self._second:
                self._seconds(self._second, whole, cells[:, :, : whole - self._second])
            self._second = whole
            if whole < stop:
                return

    def stored_minutes(self, minutes: int) -> Floats:
        """Records stored by minute, those stored once more included."""
        accepted = self.accepted.minutes_until(minutes)
        return accepted + self.duplicates.minutes_until(minutes) if self.duplicates.total else accepted

    def finish(self, end_us: int) -> None:
        """The run ends; what is left of its last second counts as a whole one."""
        if self._carry.any() or self._second * SECOND_US < end_us:
            cells = np.zeros((4, self.shards, 1))
            cells[:, :, 0] = self._carry
            self._seconds(self._second, self._second + 1, cells)
            self._second += 1
        span = max(0, end_us - self.warm_up_us)
        if self.limits and span != self.use.total_us:
            self.use.add(np.zeros(1), np.zeros(1), np.array([span - self.use.total_us]))

    def statistics(self, end_us: int, percentiles: Iterable[float], ranks: Ranks = NO_RANKS) -> Statistics:
        """Write utilization of the worst shard in each second."""
        if self.limits is None:
            return {}
        span = end_us - self.warm_up_us
        there = self.use.total_us > 0
        wanted = list(percentiles)
        values = self.use.percentiles(wanted, 0.0, self.use_max) if there else [None] * len(wanted)
        return {
            "time_average": self.use_area / span / SCALE if span > 0 else None,
            "max": self.use_max / SCALE,
            "time_of_max": self.use_max_at_us / 1e6,
            "last": None,
            **{f"p{p:g}": None if v is None else v / SCALE for p, v in zip(wanted, values, strict=True)},
            **{n: self.use.share(a * SCALE, b * SCALE) if there else None for n, (a, b) in ranks.items()},
        }

    def _account(self, writes: Writes) -> None:
        """Counts of one shard's offers."""
        if not writes.time_us.size:
            return
        shard, time_us, offered, accepted = writes.shard, writes.time_us, writes.offered, writes.accepted
        self.put_units += int(writes.put_units.sum())
        self.accepted_bytes += int(writes.data_bytes.sum()) + int(writes.key_bytes.sum())
        if writes.duplicates is None:
            self.accepted.add_one(shard, accepted, time_us)
        else:
            self.accepted.add_one(shard, accepted - writes.duplicates, time_us)
            self.duplicates.add_one(shard, writes.duplicates, time_us)
        first = writes.attempt == 0
        if first.all():
            self.offered.add_one(shard, offered, time_us)
        else:
            self.offered.add_one(shard, offered[first], time_us[first])
            self.retried.add_one(shard, offered[~first], time_us[~first])
        rejected = offered - accepted
        self._learn(writes)
        if rejected.any():
            self.rejected.add_one(shard, rejected, time_us)
        if writes.dropped.any():
            self.dropped.add_one(shard, writes.dropped, time_us)

    def _learn(self, writes: Writes) -> None:
        """Mean size of the records of each source."""
        source = writes.source
        one = int(source[0]) if bool((source == source[0]).all()) else None
        for number in [one] if one is not None else np.unique(source).tolist():
            mine = slice(None) if one is not None else source == number
            kept = self._sizes.setdefault(number, [0.0, 0.0])
            kept[0] += float(writes.accepted[mine].sum())
            kept[1] += float(writes.data_bytes[mine].sum() + writes.key_bytes[mine].sum())

    def _rejected_bytes(self, writes: Writes, some: NDArray[np.bool_]) -> Floats:
        """Bytes of the rejected records of some offers."""
        accepted, source = writes.accepted[some], writes.source[some]
        known = [total / count for count, total in self._sizes.values() if count]
        mean = np.full(int(source.max()) + 1, sum(known) / len(known) if known else 0.0)
        for number, (count, total) in self._sizes.items():
            if count and number < mean.size:
                mean[number] = total / count
        size = writes.data_bytes[some] + writes.key_bytes[some]
        each = np.where(accepted > 0, size / np.maximum(accepted, 1), mean[source])
        return np.asarray((writes.offered[some] - accepted) * each, np.float64)

    def _cells(self, start: int, stop: int, writes: list[Writes], arrivals: dict[int, Stretches]) -> Floats:
        """By kind (records and bytes stored, records and bytes rejected), shard and second."""
        cells = np.zeros((4, self.shards, stop - start))
        spread = {shard for shard, rows in arrivals.items() if rows.spread.any()}
        for each in writes:
            if not each.time_us.size:
                continue
            low, high = np.searchsorted(each.time_us, [start * SECOND_US, stop * SECOND_US])
            part = slice(int(low), int(high))
            second = each.time_us[part] // SECOND_US - start
            accepted, length = each.accepted[part], stop - start
            if each.shard not in spread:
                cells[0, each.shard] += np.bincount(second, accepted, length)
                size = each.data_bytes[part] + each.key_bytes[part]
                cells[1, each.shard] += np.bincount(second, size, length)
            rejected = each.offered[part] - accepted
            some = np.zeros(each.time_us.size, bool)
            some[part] = rejected > 0
            if some.any():
                cells[2, each.shard] += np.bincount(second, rejected, length)
                cells[3, each.shard] += np.bincount(second[some[part]], self._rejected_bytes(each, some), length)
        for shard in spread:
            cells[:2, shard] += self._spread_out(start, stop, [w for w in writes if w.shard == shard], arrivals[shard])
        return cells

    def _spread_out(self, start: int, stop: int, writes: list[Writes], rows: Stretches) -> Floats:
        """Records and bytes by second where records arrive one after another; sizes come from the accounts."""
        accepted = np.concatenate([w.accepted for w in writes])
        size = np.concatenate([w.data_bytes + w.key_bytes for w in writes])
        records = np.concatenate([[0], np.cumsum(accepted)]).astype(np.float64)
        upto = np.concatenate([[0], np.cumsum(size)]).astype(np.float64)
        first = np.maximum(rows.time_us // SECOND_US, start)
        times = np.maximum(np.minimum(rows.last_us // SECOND_US, stop - 1) - first + 1, 0)
        row = np.repeat(np.arange(times.size), times)
        second = np.arange(row.size) - np.repeat(np.cumsum(times) - times, times) + first[row]
        parts = rows.take(row)
        done = parts.arrived_by((second + 1) * SECOND_US - 1)
        before = parts.arrived_by(second * SECOND_US - 1)
        number = parts.first - rows.first[0]
        sizes = np.interp(number + done, records, upto) - np.interp(number + before, records, upto)
        return np.stack(
            [np.bincount(second - start, done - before, stop - start), np.bincount(second - start, sizes, stop - start)]
        )

    def _seconds(self, start: int, stop: int, cells: Floats) -> None:
        """Account for the whole seconds from *start* up to *stop*."""
        stored, size, rejected, lost = cells.sum(axis=1)
        minute = np.arange(start, stop) * SECOND_US // MINUTE_US
        busy = np.flatnonzero(stored + rejected)
        for name, values in zip(PEAKS, (stored + rejected, size + lost, stored, size), strict=True):
            self.peaks[name].add(minute[busy], values[busy])
        self.minute_bytes.add(minute, size, stored, size)
        self.minute_rejected_bytes.add(minute, lost, rejected, lost)
        column = np.arange(start, stop) * SECOND_US // self.shard_period_us
        self._reserve(int(column[-1]))
        edges = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1])))
        for table, kind in ((self.shard_records, 0), (self.shard_bytes, 1), (self.shard_rejected, 2)):
            if kind < 2 or rejected.any():
                table[:, column[edges]] += np.add.reduceat(cells[kind], edges, axis=1)
        if self.limits is not None:
            if not busy.size:
                self._idle(start, stop)
                return
            use = np.maximum(cells[0] / self.limits[1], cells[1] / self.limits[0])
            self.shard_use[:, column[edges]] += np.add.reduceat(use, edges, axis=1)
            self._utilization(start, minute, use * SCALE)

    def _reserve(self, column: int) -> None:
        more = column + 1 - self.shard_bytes.shape[1]
        if more > 0:
            more = max(more, self.shard_bytes.shape[1])
            for name in ("shard_bytes", "shard_records", "shard_rejected", "shard_use"):
                table = getattr(self, name)
                setattr(self, name, np.concatenate([table, np.zeros((self.shards, more), table.dtype)], axis=1))

    def _idle(self, start: int, stop: int) -> None:
        if self.limits is None:
            return
        weight = self._weight(np.array([start]), stop - start)
        self.use.add(np.zeros(1), np.zeros(1), weight)
        minute, count = np.unique(np.arange(start, stop) * SECOND_US // MINUTE_US, return_counts=True)
        self.minute_use.add(minute, np.zeros(minute.size), count, np.zeros(minute.size))

    def _weight(self, second: Int64, length: int = 1) -> Floats:
        """Microseconds of *length* seconds from *second* on that lie behind the warm-up."""
        end = (second + length) * SECOND_US
        return np.maximum(end - np.maximum(second * SECOND_US, self.warm_up_us), 0).astype(np.float64)

    def _utilization(self, start: int, minute: Int64, use: Floats) -> None:
        worst = use.max(axis=0)
        second = np.arange(start, start + worst.size)
        weight = self._weight(second)
        zero = worst == 0
        self.use.add(
            np.append(worst[~zero], 0.0), np.append(worst[~zero], 0.0), np.append(weight[~zero], weight[zero].sum())
        )
        self.use_area += float(np.dot(worst, weight))
        self.minute_use.add(minute, worst / SCALE)
        counts = weight > 0
        if counts.any():
            top = float(worst[counts].max())
            if top > self.use_max:
                self.use_max, self.use_max_at_us = top, int(second[counts][np.argmax(worst[counts])]) * SECOND_US
            self.by_shard.integral += use @ weight
            high = use[:, counts]
            better = high.max(axis=1) > self.by_shard.max
            at = second[counts][high.argmax(axis=1)] * float(SECOND_US)
            self.by_shard.max = np.where(better, high.max(axis=1), self.by_shard.max)
            self.by_shard.max_at_us = np.where(better, at, self.by_shard.max_at_us)


PEAKS = ("offered_records", "offered_bytes", "accepted_records", "accepted_bytes")
"""Amounts per second whose largest value in each minute is kept."""
