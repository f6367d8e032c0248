"""What CloudWatch would show: counts, sums and extremes per minute, and percentiles per period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsim.measure.cells import grown
from kinsim.measure.samples import Floats
from kinsim.measure.stretches import MINUTE_US, Int64


class MinuteStat:
    """Samples per minute (or per cell of shard and minute): how many, their sum, least and largest."""

    def __init__(self, cells: int) -> None:
        self.count = np.zeros(cells)
        self.sum = np.zeros(cells)
        self.min = np.full(cells, np.inf)
        self.max = np.full(cells, -np.inf)

    def add(
        self,
        cell: Int64,
        high: Int64 | Floats,
        count: Int64 | Floats | None = None,
        total: Int64 | Floats | None = None,
        low: Int64 | Floats | None = None,
    ) -> None:
        """*count* samples of sum *total* between *low* and *high* in each cell; by default one of value *high*."""
        if count is not None:
            some = np.asarray(count) > 0
            if not some.all():
                cell, high, count = cell[some], high[some], count[some]
                total = None if total is None else total[some]
                low = None if low is None else low[some]
        if not cell.size:
            return
        first, last = int(cell.min()), int(cell.max())
        self._reserve(last)
        place = cell - first
        size = last - first + 1
        sums = total if total is not None else high if count is None else high * count
        self.count[first : last + 1] += np.bincount(place, count, size)
        self.sum[first : last + 1] += np.bincount(place, sums, size)
        top = np.asarray(high, np.float64)
        np.minimum.at(self.min, cell, top if low is None else np.asarray(low, np.float64))
        np.maximum.at(self.max, cell, top)

    def statistic(self, name: str, cells: int) -> Floats:
        """CloudWatch's statistic *name* of the first *cells* cells; NaN where there is no sample."""
        self._reserve(cells - 1)
        count, total = self.count[:cells], self.sum[:cells]
        values = {
            "SampleCount": count,
            "Sum": total,
            "Average": total / np.where(count > 0, count, 1.0),
            "Minimum": self.min[:cells],
            "Maximum": self.max[:cells],
        }[name]
        return np.where(count > 0, values, np.nan)

    def part(self, first: int, cells: int) -> MinuteStat:
        """*cells* cells from *first* on."""
        part = MinuteStat(0)
        for name in ("count", "sum", "min", "max"):
            setattr(part, name, getattr(self, name)[first : first + cells])
        return part

    def _reserve(self, last: int) -> None:
        more = last + 1 - self.count.size
        if more > 0:
            more = max(more, self.count.size)
            self.count = np.append(self.count, np.zeros(more))
            self.sum = np.append(self.sum, np.zeros(more))
            self.min = np.append(self.min, np.full(more, np.inf))
            self.max = np.append(self.max, np.full(more, -np.inf))


class Count:
    """A count by shard and by minute, since the end of the warm-up, and when it first happened."""

    def __init__(self, shards: int, minutes: int, warm_up_us: int) -> None:
        self.by_shard = np.zeros(shards, np.int64)
        self.late = np.zeros(shards, np.int64)
        self.first_us = np.full(shards, -1, np.int64)
        self.minutes = np.zeros(minutes)
        self.warm_up_us = warm_up_us

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.by_shard, self.late = grown(self.by_shard, shards), grown(self.late, shards)
        self.first_us = grown(self.first_us, shards, -1)

    @property
    def total(self) -> int:
        """Over the whole run."""
        return int(self.by_shard.sum())

    def add(self, shard: Int64, number: Int64, at_us: Int64) -> None:
        """*number* on each *shard* at each instant."""
        some = number > 0
        if not some.all():
            shard, number, at_us = shard[some], number[some], at_us[some]
        if not shard.size:
            return
        shards = self.by_shard.size
        if shards == 1:
            self.by_shard += number.sum()
            self.late += number[at_us >= self.warm_up_us].sum()
        else:
            self.by_shard += np.bincount(shard, number, shards).astype(np.int64)
            late = at_us >= self.warm_up_us
            self.late += np.bincount(shard[late], number[late], shards).astype(np.int64)
        if (self.first_us < 0).any():
            first = np.full(shards, np.iinfo(np.int64).max)
            np.minimum.at(first, shard, at_us)
            new = (self.first_us < 0) & (first < np.iinfo(np.int64).max)
            self.first_us[new] = first[new]
        minute = at_us // MINUTE_US
        last = int(minute.max())
        self._reserve(last)
        low = int(minute.min())
        self.minutes[low : last + 1] += np.bincount(minute - low, number, last - low + 1)

    def add_one(self, shard: int, number: Int64, at_us: Int64) -> None:
        """*number* on one shard at each of the ascending instants."""
        if not number.size:
            return
        total = int(number.sum())
        if not total:
            return
        self.by_shard[shard] += total
        early = int(np.searchsorted(at_us, self.warm_up_us)) if self.warm_up_us else 0
        self.late[shard] += total - int(number[:early].sum())
        if self.first_us[shard] < 0:
            self.first_us[shard] = at_us[np.argmax(number > 0)]
        minute = at_us // MINUTE_US
        low, last = int(minute[0]), int(minute[-1])
        self._reserve(last)
        self.minutes[low : last + 1] += np.bincount(minute - low, number, last - low + 1)

    def _reserve(self, last: int) -> None:
        if last >= self.minutes.size:
            self.minutes = np.append(self.minutes, np.zeros(max(last + 1, 2 * self.minutes.size) - self.minutes.size))

    def statistics(self, span_s: float, shard: int | None = None) -> dict[str, float | None]:
        """Sum of the run, rate per second since the warm-up, and time of the first."""
        by_shard = self.by_shard if shard is None else self.by_shard[shard : shard + 1]
        late = self.late if shard is None else self.late[shard : shard + 1]
        first = self.first_us if shard is None else self.first_us[shard : shard + 1]
        known = first[first >= 0]
        return {
            "sum": float(by_shard.sum()),
            "rate": float(late.sum()) / span_s if span_s > 0 else None,
            "time_of_first": float(known.min()) / 1e6 if known.size else None,
        }

    def minutes_until(self, minutes: int) -> Floats:
        """Counts of the first *minutes* minutes."""
        if minutes > self.minutes.size:
            return np.append(self.minutes, np.zeros(minutes - self.minutes.size))
        return self.minutes[:minutes]


class Grouped:
    """Percentiles of the samples in each period, exact: samples wait until their period is complete."""

    def __init__(self, period_us: int, percentiles: Sequence[float]) -> None:
        self.period_us = period_us
        self.percentiles = tuple(percentiles)
        self._pending: list[tuple[Int64, Int64]] = []
        self._done: list[tuple[Int64, Floats]] = []

    def add(self, at_us: Int64, value: Int64) -> None:
        """Samples, not before what has been made final."""
        if at_us.size:
            self._pending.append((at_us, value))

    def advance(self, to_us: int) -> None:
        """No more samples come before *to_us*."""
        if not self._pending:
            return
        at_us, value = (np.concatenate([p[k] for p in self._pending]) for k in (0, 1))
        ripe = at_us < to_us // self.period_us * self.period_us
        self._pending = [] if ripe.all() else [(at_us[~ripe], value[~ripe])]
        at_us, value = at_us[ripe], value[ripe]
        if not at_us.size:
            return
        group = at_us // self.period_us
        order = np.lexsort((value, group))
        group, value = group[order], value[order]
        starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
        size = np.diff(np.append(starts, group.size))
        ranks = np.array(self.percentiles)[:, None] / 100 * (size - 1)
        low = np.floor(ranks).astype(np.int64)
        a, b = value[starts + low], value[starts + np.minimum(low + 1, size - 1)]
        self._done.append((group[starts], a + (b - a) * (ranks - low)))

    def finish(self, periods: int) -> dict[float, Floats]:
        """By percentile, its value in each period; NaN where there is no sample."""
        self.advance(np.iinfo(np.int64).max)
        result = np.full((len(self.percentiles), periods), np.nan)
        for group, values in self._done:
            inside = group < periods
            result[:, group[inside]] = values[:, inside]
        return dict(zip(self.percentiles, result, strict=True))
