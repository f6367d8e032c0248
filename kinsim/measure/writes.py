"""The producers' side of the stream: offered, accepted and rejected, per second and per minute."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Writes
from kinsim.measure.levels import MINUTE_US, TimeWeighted
from kinsim.measure.minutes import Count, MinuteStat
from kinsim.measure.samples import NO_RANKS, Floats, Ranks, Statistics
from kinsim.measure.stretches import Int64, Stretches
from kinsim.measure.timeline import PerShard

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
        self.offered, self.accepted, self.rejected, self.retried, self.dropped = (
            Count(shards, minutes, warm_up_us) for _ in range(5)
        )
        self.put_units = 0
        self.accepted_bytes = 0
        self.minute_bytes = MinuteStat(minutes)
        self.minute_rejected_bytes = MinuteStat(minutes)
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
        self._numbers = np.zeros(shards, np.int64)
        self._cells: list[tuple[Int64, Int64, Int64, Floats, Int64, Floats]] = []
        self._second = 0

    def add(self, writes: list[Writes], arrivals: Stretches) -> None:
        """Take in the offers of some windows, and the records that the shards stored in them."""
        if not writes:
            return
        writes = sorted(writes, key=lambda w: w.shard)
        shard = np.repeat(np.array([w.shard for w in writes]), [w.time_us.size for w in writes])
        time_us, source, attempt, offered, accepted, dropped, data, keys, units = (
            np.concatenate([getattr(w, name) for w in writes]) for name in _COLUMNS
        )
        size = data + keys
        first = attempt == 0
        self.put_units += int(units.sum())
        self.accepted_bytes += int(size.sum())
        nothing = np.zeros_like(offered)
        rejected = offered - accepted
        self.offered.add(shard, np.where(first, offered, nothing), time_us)
        self.retried.add(shard, np.where(first, nothing, offered), time_us)
        self.accepted.add(shard, accepted, time_us)
        self.rejected.add(shard, rejected, time_us)
        self.dropped.add(shard, dropped, time_us)
        lost = self._rejected_bytes(source, accepted, rejected, size)
        minute = time_us // MINUTE_US
        self.minute_bytes.add(minute, size, accepted, size)
        self.minute_rejected_bytes.add(minute, lost, rejected, lost)
        self._by_period(shard, time_us, size, accepted, rejected)
        some = rejected > 0
        self._cells.append(
            (shard[some], time_us[some] // SECOND_US, nothing[some], lost[some] * 0, rejected[some], lost[some])
        )
        if not arrivals.spread.any():
            self._stored(shard, time_us // SECOND_US, accepted, size.astype(np.float64))
        else:
            self._spread_out(shard, accepted, size, arrivals)
        np.add.at(self._numbers, arrivals.shard, arrivals.count)

    def advance(self, to_us: int) -> None:
        """Every write before *to_us* is there: make its whole seconds final."""
        end = to_us // SECOND_US
        if end <= self._second:
            return
        columns = [np.concatenate([c[k] for c in self._cells]) for k in range(6)] if self._cells else []
        if columns:
            late = columns[1] >= end
            self._cells = [tuple(c[late] for c in columns)] if late.any() else []  # type: ignore[list-item]
            columns = [c[~late] for c in columns] if late.any() else columns
        step = max(1, MOST_CELLS // self.shards)
        second = columns[1] if columns else np.zeros(0, np.int64)
        order = np.argsort(second, kind="stable") if end - self._second > step else None
        if order is not None:
            columns = [c[order] for c in columns]
            second = second[order]
        for start in range(self._second, end, step):
            stop = min(end, start + step)
            part = slice(None)
            if order is not None:
                part = slice(*np.searchsorted(second, [start, stop]).tolist())
            self._seconds(start, stop, [c[part] for c in columns])
        self._second = end

    def finish(self, end_us: int) -> None:
        """The run ends; what is left of its last second counts in full."""
        last = max((int(c[1].max()) for c in self._cells if c[1].size), default=-1)
        self.advance(max((last + 1) * SECOND_US, -(-end_us // SECOND_US) * SECOND_US))
        shown = self.use.total_us
        span = max(0, end_us - self.warm_up_us)
        if self.limits and span != shown:
            self.use.add(np.zeros(1), np.zeros(1), np.array([float(span - shown)]))

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

    def _rejected_bytes(self, source: Int64, accepted: Int64, rejected: Int64, size: Int64) -> Floats:
        if not rejected.any():
            self._learn(source, accepted, size)
            return np.zeros(rejected.size)
        self._learn(source, accepted, size)
        known = [total / count for count, total in self._sizes.values() if count]
        otherwise = sum(known) / len(known) if known else 0.0
        mean = np.full(int(source.max()) + 1, otherwise)
        for number, (count, total) in self._sizes.items():
            if count and number < mean.size:
                mean[number] = total / count
        each = np.where(accepted > 0, size / np.maximum(accepted, 1), mean[source])
        return np.asarray(rejected * each, np.float64)

    def _learn(self, source: Int64, accepted: Int64, size: Int64) -> None:
        for number in np.unique(source).tolist():
            mine = source == number
            kept = self._sizes.setdefault(number, [0.0, 0.0])
            kept[0] += float(accepted[mine].sum())
            kept[1] += float(size[mine].sum())

    def _by_period(self, shard: Int64, time_us: Int64, size: Int64, accepted: Int64, rejected: Int64) -> None:
        column = time_us // self.shard_period_us
        self._reserve(int(column.max()) if column.size else 0)
        periods = self.shard_bytes.shape[1]
        cell = shard * periods + column
        for table, amount in (
            (self.shard_bytes, size),
            (self.shard_records, accepted),
            (self.shard_rejected, rejected),
        ):
            if amount.any():
                np.add.at(table.reshape(-1), cell, amount)

    def _reserve(self, column: int) -> None:
        more = column + 1 - self.shard_bytes.shape[1]
        if more > 0:
            more = max(more, self.shard_bytes.shape[1])
            for name in ("shard_bytes", "shard_records", "shard_rejected", "shard_use"):
                table = getattr(self, name)
                setattr(self, name, np.concatenate([table, np.zeros((self.shards, more), table.dtype)], axis=1))

    def _stored(self, shard: Int64, second: Int64, records: Int64, size: Floats) -> None:
        self._cells.append((shard, second, records, size, np.zeros_like(records), np.zeros(records.size)))

    def _spread_out(self, shard: Int64, accepted: Int64, size: Int64, arrivals: Stretches) -> None:
        """Records that arrive one after another, each in its own second; sizes come from the accounts."""
        upto = np.concatenate([[0], np.cumsum(size)]).astype(np.float64)
        records = np.concatenate([[0], np.cumsum(accepted)]).astype(np.float64)
        begin = np.searchsorted(shard, np.arange(self.shards))
        number = arrivals.first - self._numbers[arrivals.shard] + records[begin][arrivals.shard]
        first, last = arrivals.time_us // SECOND_US, arrivals.last_us // SECOND_US
        times = last - first + 1
        row = np.repeat(np.arange(times.size), times)
        second = np.arange(row.size) - np.repeat(np.cumsum(times) - times, times) + first[row]
        rows = arrivals.take(row)
        done = rows.arrived_by((second + 1) * SECOND_US - 1)
        before = np.where(second == first[row], 0, rows.arrived_by(second * SECOND_US - 1))
        low = np.interp(number[row] + before, records, upto)
        high = np.interp(number[row] + done, records, upto)
        self._stored(rows.shard, second, done - before, high - low)

    def _seconds(self, start: int, stop: int, columns: list[NDArray[np.int64]]) -> None:
        """Account for the whole seconds from *start* up to *stop*."""
        length = stop - start
        if not columns or not columns[0].size:
            self._idle(start, stop)
            return
        shard, second, records, size, rejected, lost = columns
        place = second - start
        by_second = [np.bincount(place, x, length) for x in (records, size, rejected, lost)]
        minute = np.arange(start, stop) * SECOND_US // MINUTE_US
        busy = np.flatnonzero(by_second[0] + by_second[2])
        offered = (by_second[0] + by_second[2], by_second[1] + by_second[3])
        for name, values in zip(PEAKS, (*offered, by_second[0], by_second[1]), strict=True):
            self.peaks[name].add(minute[busy], values[busy])
        if self.limits is None:
            return
        cell = shard * length + place
        use = np.bincount(cell, records, self.shards * length) / self.limits[1]
        use = np.maximum(use, np.bincount(cell, size, self.shards * length) / self.limits[0])
        self._utilization(start, minute, use.reshape(self.shards, length) * SCALE)

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
        column = second * SECOND_US // self.shard_period_us
        self._reserve(int(column[-1]))
        edges = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1])))
        self.shard_use[:, column[edges]] += np.add.reduceat(use, edges, axis=1) / SCALE


PEAKS = ("offered_records", "offered_bytes", "accepted_records", "accepted_bytes")
"""Amounts per second whose largest value in each minute is kept."""

_COLUMNS = ("time_us", "source", "attempt", "offered", "accepted", "dropped", "data_bytes", "key_bytes", "put_units")
