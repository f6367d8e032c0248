"""Statistics of samples: moments without loss, percentiles exact up to a million samples, then by histogram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.cells import grown
from kinsim.measure.histogram import DOUBLINGS, LogHistogram
from kinsim.measure.stretches import Int64, exact_dot, floor_sum

Floats = NDArray[np.float64]
Statistics = dict[str, float | None]
Ranks = Mapping[str, tuple[float, float]]
"""Percentile ranks that are asked for: name, and bounds in the quantity's unit."""

NO_RANKS: Ranks = {}

EXACT_SAMPLES = 1_000_000
"""Percentiles are exact while at most this many different samples are kept."""

STREAM_BITS = 8
"""Bins of a histogram: 2**bits for each doubling of the value."""

HISTOGRAM_CELLS = 4_000_000
"""Most bins of the histograms of all shards together."""


@dataclass(slots=True)
class Spread:
    """Samples as rows: row r holds ``count`` values ``value - (i * numerator + offset) // denominator``.

    *offset* is below *denominator*; *weight* is the total of the row, shared evenly by its values; *at_us* is when
    they were measured.
    """

    shard: Int64
    value: Int64
    weight: Int64
    at_us: Int64
    count: Int64 | None = None
    numerator: Int64 | None = None
    offset: Int64 | None = None
    denominator: Int64 | None = None


@dataclass(slots=True)
class Groups:
    """Samples summed up in groups: total weight, mean, variance inside, extremes and when they were measured."""

    shard: Int64
    weight: Floats | Int64
    mean: Floats
    within: Floats | None
    low: Int64
    high: Int64
    at_us: Int64
    whole: int | float
    """Sum of all samples, as a whole number where it is one."""


class Samples:
    """Samples of one quantity on all shards: whole numbers with weights."""

    def __init__(self, shards: int, budget: int = EXACT_SAMPLES) -> None:
        self.budget = budget
        self.shards = shards
        self.total = Moments(1)
        self.by_shard = Moments(shards) if shards > 1 else self.total
        self.kept = 0
        self._chunks: list[tuple[NDArray[Any], Int64, Int64]] = []
        self._histogram: LogHistogram | None = None
        self._shard_histogram: LogHistogram | None = None
        self._sorted: tuple[NDArray[Any], Int64, Int64] | None = None
        self._grouped: tuple[NDArray[np.intp], Int64, Int64] | None = None

    def grow(self, shards: int) -> None:
        """Have room for so many shards; there were two or more before."""
        self.shards = shards
        self.by_shard.grow(shards)
        self._grouped = None
        if self._shard_histogram is not None:
            self._shard_histogram.grow(shards)
        elif self._histogram is not None:
            self._histogram.grow(shards)

    @property
    def exact(self) -> bool:
        """Whether percentiles are still exact."""
        return self._histogram is None

    def has_room(self, rows: int) -> bool:
        """Whether percentiles stay exact with so many more rows."""
        return self.exact and self.kept + rows <= self.budget

    @property
    def relative_error(self) -> float:
        """Largest relative error of the percentiles over all shards."""
        return 0.0 if self._histogram is None else self._histogram.relative_error

    def add(self, spread: Spread, groups: Groups | None = None) -> None:
        """Take in rows of samples; *groups* sums them up where that is known already."""
        if not spread.value.size:
            return
        self._sorted = self._grouped = None
        ramps = _has_ramps(spread)
        if ramps and self.has_room(_expanded_size(spread)):
            spread, ramps = _expanded(spread), False
        lowest = _lowest(spread) if ramps else spread.value
        groups = groups or _groups(spread, lowest)
        self.total.add(groups)
        if self.by_shard is not self.total:
            self.by_shard.add(groups)
        self._keep(spread, lowest, ramps)

    def _keep(self, spread: Spread, lowest: Int64, ramps: bool) -> None:
        if self.exact:
            if not ramps and self.has_room(spread.value.size):
                self.kept += spread.value.size
                shard = spread.shard if self.shards > 1 else np.broadcast_to(np.int64(0), spread.value.shape)
                self._chunks.append((shard.astype(np.int32, copy=False), spread.value, spread.weight))
                return
            self._switch_to_histogram()
        for histogram, row in self._histograms(spread.shard):
            if not ramps:
                histogram.add(row, spread.value, spread.weight)
            else:
                assert spread.numerator is not None and spread.denominator is not None
                half = spread.numerator / spread.denominator / 2
                histogram.add_spread(row, lowest - half, spread.value + half, spread.weight.astype(np.float64))

    def _histograms(self, shard: Int64) -> Iterable[tuple[LogHistogram, Int64 | int]]:
        assert self._histogram is not None
        yield self._histogram, shard if self._histogram.rows > 1 else 0
        if self._shard_histogram is not None:
            yield self._shard_histogram, shard

    def _switch_to_histogram(self) -> None:
        bits = STREAM_BITS
        while bits > 3 and self.shards * (DOUBLINGS << bits) > HISTOGRAM_CELLS:
            bits -= 1
        self._histogram = LogHistogram(self.shards if bits == STREAM_BITS else 1, STREAM_BITS)
        if bits < STREAM_BITS:
            self._shard_histogram = LogHistogram(self.shards, bits)
        for shard, value, weight in self._chunks:
            for histogram, row in self._histograms(shard):
                histogram.add(row, value, weight)
        self._chunks = []

    def statistics(self, percentiles: Iterable[float], ranks: Ranks = NO_RANKS, per: float = 1e6) -> Statistics:
        """All statistics over all shards; values in units of *per*, *ranks* (low, high] too."""
        return self._statistics(None, percentiles, ranks, per)

    def shard_statistics(self, shard: int, percentiles: Iterable[float], per: float = 1e6) -> Statistics:
        """The same for one shard."""
        return self._statistics(shard if self.shards > 1 else None, percentiles, NO_RANKS, per)

    def _statistics(self, shard: int | None, percentiles: Iterable[float], ranks: Ranks, per: float) -> Statistics:
        moments, row = (self.total, 0) if shard is None else (self.by_shard, shard)
        result = moments.statistics(row, per)
        wanted = list(percentiles)
        values = self.percentiles(wanted, shard) if result["count"] else [None] * len(wanted)
        for p, value in zip(wanted, values, strict=True):
            result[f"p{p:g}"] = None if value is None else value / per
        for name, (low, high) in ranks.items():
            result[name] = self.share(low * per, high * per) if result["count"] else None
        return result

    def percentiles(self, wanted: Sequence[float], shard: int | None = None) -> list[float]:
        """Percentiles by linear interpolation between samples, unscaled; there is at least one sample."""
        row = shard or 0
        if self._histogram is not None:
            moments = self.total if shard is None else self.by_shard
            histogram = self._histogram if shard is None else (self._shard_histogram or self._histogram)
            shares = [p / 100 for p in wanted]
            return histogram.quantiles(shard, shares, float(moments.low[row]), float(moments.high[row]))
        value, weight = self._of_shard(shard) if shard is not None else self._in_order()[1:]
        return weighted_percentiles(value, weight, wanted)

    def share(self, low: float, high: float) -> float:
        """Share of the samples above *low* and not above *high* (CloudWatch's PR), unscaled."""
        if self._histogram is not None:
            upper = 1.0 if high == np.inf else self._histogram.share_up_to(None, high)
            return upper - (0.0 if low == -np.inf else self._histogram.share_up_to(None, low))
        _, value, weight = self._in_order()
        return float(weight[(value > low) & (value <= high)].sum() / weight.sum())

    def _in_order(self) -> tuple[NDArray[Any], Int64, Int64]:
        """Shards, values and weights of all samples kept, by value."""
        if self._sorted is None:
            shard, value, weight = (np.concatenate([c[k] for c in self._chunks]) for k in range(3))
            order = np.argsort(value, kind="stable")
            self._sorted = shard[order], value[order], weight[order]
            self._chunks = [self._sorted]
        return self._sorted

    def _of_shard(self, shard: int) -> tuple[Int64, Int64]:
        """Values and weights of one shard, by value."""
        if self._grouped is None:
            shards, value, weight = self._in_order()
            order = np.argsort(shards.astype(np.int16) if self.shards < 1 << 15 else shards, kind="stable")
            begins = np.searchsorted(shards[order], np.arange(self.shards + 1))
            self._grouped = begins, value[order], weight[order]
        begins, value, weight = self._grouped
        part = slice(int(begins[shard]), int(begins[shard + 1]))
        return value[part], weight[part]

    def distribution(self, per: float = 1e6) -> tuple[Floats, Floats]:
        """Upper values (in units of *per*) and the share of samples up to each, as a picture needs them."""
        if not self.total.count[0]:
            return np.zeros(0), np.zeros(0)
        histogram = self._histogram
        if histogram is None:
            histogram = LogHistogram(1, 5)
            _, value, weight = self._in_order()
            histogram.add(0, value, weight)
        masses = histogram.masses(None)
        some = np.flatnonzero(masses)
        upper = np.minimum(np.append(histogram.edges[1:], histogram.edges[-1] * 2)[some], self.total.high[0])
        return upper / per, np.cumsum(masses[some]) / masses.sum()


@dataclass(slots=True)
class Moments:
    """Count, sum, variance and extremes per row, merged without cancellation (Chan, Golub and LeVeque)."""

    rows: int
    count: Floats = field(init=False)
    mean: Floats = field(init=False)
    squares: Floats = field(init=False)
    low: Floats = field(init=False)
    high: Floats = field(init=False)
    high_at: Floats = field(init=False)
    exact_sum: int = 0
    """Sum of the first row as a whole number; valid where *rest* is all that did not come in whole."""
    rest: float = 0.0

    def __post_init__(self) -> None:
        self.count, self.mean, self.squares = np.zeros(self.rows), np.zeros(self.rows), np.zeros(self.rows)
        self.low, self.high = np.full(self.rows, np.inf), np.full(self.rows, -np.inf)
        self.high_at = np.full(self.rows, np.inf)

    def grow(self, rows: int) -> None:
        """Have so many rows."""
        self.rows = rows
        self.count, self.mean, self.squares = (grown(each, rows) for each in (self.count, self.mean, self.squares))
        self.low, self.high_at = grown(self.low, rows, np.inf), grown(self.high_at, rows, np.inf)
        self.high = grown(self.high, rows, -np.inf)

    def add(self, groups: Groups) -> None:
        """Take in groups of samples; one row takes them all, several by shard."""
        mean = groups.mean
        where = np.zeros(mean.size, np.int64) if self.rows == 1 else groups.shard
        weight = groups.weight.astype(np.float64)
        count = _sum_by(where, weight, self.rows)
        sums = _sum_by(where, weight * mean, self.rows)
        new_mean = np.where(count > 0, sums / np.where(count > 0, count, 1.0), 0.0)
        deviation = mean - new_mean[where]
        inner = deviation * deviation if groups.within is None else deviation * deviation + groups.within
        squares = _sum_by(where, weight * inner, self.rows)
        total = self.count + count
        safe = np.where(total > 0, total, 1.0)
        gap = new_mean - self.mean
        self.squares += squares + gap * gap * self.count * count / safe
        self.mean += np.where(total > 0, gap * count / safe, 0.0)
        self.count = total
        if isinstance(groups.whole, int):
            self.exact_sum += groups.whole
        else:
            self.rest += groups.whole
        self._extremes(where, groups, weight > 0)

    def _extremes(self, row: Int64, groups: Groups, counts: NDArray[np.bool_]) -> None:
        value, at, lowest = groups.high, groups.at_us, groups.low
        if not counts.all():
            row, value, at, lowest = row[counts], value[counts], at[counts], lowest[counts]
        if not value.size:
            return
        high = np.full(self.rows, -np.inf)
        if self.rows == 1:
            high[0] = value.max()
            self.low[0] = min(self.low[0], lowest.min())
        else:
            np.maximum.at(high, row, value.astype(np.float64))
            np.minimum.at(self.low, row, lowest.astype(np.float64))
        if (high < self.high).all():
            return
        top = value == high[row]
        first = np.full(self.rows, np.inf)
        np.minimum.at(first, row[top], at[top].astype(np.float64))
        same = np.where(high == self.high, np.minimum(first, self.high_at), self.high_at)
        self.high_at = np.where(high > self.high, first, same)
        self.high = np.maximum(high, self.high)

    def statistics(self, row: int, per: float) -> Statistics:
        """Moments of one row, values in units of *per*; variance with n - 1."""
        count = float(self.count[row])
        if count == 0:
            none = dict.fromkeys(("mean", "variance", "min", "max", "time_of_max"))
            return {**none, "sum": 0.0, "count": 0.0}
        mean = (self.exact_sum + self.rest) / count if self.rows == 1 else float(self.mean[row])
        return {
            "mean": mean / per,
            "variance": float(self.squares[row]) / (count - 1) / per / per if count > 1 else None,
            "min": float(self.low[row]) / per,
            "max": float(self.high[row]) / per,
            "time_of_max": float(self.high_at[row]) / 1e6,
            "sum": (self.exact_sum + self.rest if self.rows == 1 else mean * count) / per,
            "count": count,
        }


def _sum_by(row: Int64, values: Floats, rows: int) -> Floats:
    if rows == 1:
        return np.array([values.sum()])
    return np.asarray(np.bincount(row, values, rows), np.float64)


def _has_ramps(spread: Spread) -> bool:
    if spread.count is None or spread.numerator is None:
        return False
    return bool(((spread.count > 1) & (spread.numerator > 0)).any())


def _expanded_size(spread: Spread) -> int:
    assert spread.count is not None and spread.numerator is not None
    return int(np.where((spread.count > 1) & (spread.numerator > 0), spread.count, 1).sum())


def _expanded(spread: Spread) -> Spread:
    """Each ramp as its single values, with whole shares of its weight."""
    assert spread.count is not None and spread.numerator is not None
    assert spread.offset is not None and spread.denominator is not None
    times = np.where((spread.count > 1) & (spread.numerator > 0), spread.count, 1)
    origin = np.repeat(np.arange(times.size), times)
    inside = np.arange(origin.size) - np.repeat(np.cumsum(times) - times, times)
    moved = (inside * spread.numerator[origin] + spread.offset[origin]) // spread.denominator[origin]
    weight, parts = spread.weight[origin], times[origin]
    return Spread(
        spread.shard[origin],
        spread.value[origin] - moved,
        weight * (inside + 1) // parts - weight * inside // parts,
        spread.at_us[origin],
    )


def _lowest(spread: Spread) -> Int64:
    """Last and least value of each row."""
    assert spread.count is not None and spread.numerator is not None
    assert spread.offset is not None and spread.denominator is not None
    return spread.value - ((spread.count - 1) * spread.numerator + spread.offset) // spread.denominator


def _groups(spread: Spread, lowest: Int64) -> Groups:
    """Each row as a group."""
    if lowest is spread.value:
        whole: int | float = exact_dot(spread.weight, spread.value)
        mean = spread.value.astype(np.float64)
        return Groups(spread.shard, spread.weight, mean, None, spread.value, spread.value, spread.at_us, whole)
    assert spread.count is not None and spread.numerator is not None
    assert spread.offset is not None and spread.denominator is not None
    offsets = floor_sum(spread.count, spread.denominator, spread.numerator, spread.offset)
    sums = spread.count * spread.value - offsets
    step = spread.numerator / spread.denominator
    within = step * step * (spread.count.astype(np.float64) ** 2 - 1.0) / 12.0
    whole = share_of(spread.weight, spread.count, sums)
    return Groups(spread.shard, spread.weight, sums / spread.count, within, lowest, spread.value, spread.at_us, whole)


def share_of(weight: Int64, count: Int64, sums: Int64) -> int | float:
    """Sum over rows of weight times mean value; whole where each value's weight is."""
    if (weight % count == 0).all():
        return exact_dot(weight // count, sums)
    return float(np.dot(weight / count, sums.astype(np.float64)))


def weighted_percentiles(value: Int64, weight: Int64, wanted: Sequence[float]) -> list[float]:
    """Percentiles of ascending *value*, each there *weight* times, by linear interpolation between samples.

    >>> weighted_percentiles(np.array([1, 2, 10]), np.array([1, 2, 1]), [0, 50, 75, 100])
    [1.0, 2.0, 4.0, 10.0]
    """
    ends = np.cumsum(weight)
    top = int(ends[-1]) - 1
    result = []
    for p in wanted:
        rank = p / 100 * top
        low = min(int(rank), top)
        a = float(value[np.searchsorted(ends, low, "right")])
        b = float(value[np.searchsorted(ends, min(low + 1, top), "right")])
        result.append(a + (b - a) * (rank - low))
    return result
