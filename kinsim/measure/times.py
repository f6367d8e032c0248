"""How long a quantity had which value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinsim.measure.histogram import LogHistogram, add_at
from kinsim.measure.samples import EXACT_SAMPLES, STREAM_BITS, Floats
from kinsim.measure.stretches import Int64


class TimeWeighted:
    """How long a quantity had which value: pieces of time in which it stood still or ran evenly from low to high."""

    def __init__(self, budget: int = EXACT_SAMPLES) -> None:
        self.budget = budget
        self.kept = 0
        self.total_us = 0.0
        self._chunks: list[tuple[Floats, Floats, Floats]] = []
        self._histogram: LogHistogram | None = None
        self._cdf: tuple[Floats, Floats, Floats, Floats] | None = None

    @property
    def relative_error(self) -> float:
        """Largest relative error of a percentile."""
        return 0.0 if self._histogram is None else self._histogram.relative_error

    def add(self, low: Floats | Int64, high: Floats | Int64, weight_us: Floats | Int64) -> None:
        """The value ran from *low* to *high* during *weight_us*."""
        some = weight_us != 0
        low, high = np.asarray(low[some], np.float64), np.asarray(high[some], np.float64)
        weight = np.asarray(weight_us[some], np.float64)
        if not weight.size:
            return
        self._cdf = None
        self.total_us += float(weight.sum())
        if self._histogram is None and self.kept + weight.size <= self.budget:
            self.kept += weight.size
            self._chunks.append((low, high, weight))
            return
        if self._histogram is None:
            self._histogram = LogHistogram(1, STREAM_BITS)
            for chunk in self._chunks:
                self._to_histogram(*chunk)
            self._chunks = []
        self._to_histogram(low, high, weight)

    def add_scaled(self, other: TimeWeighted, factor: float) -> None:
        """The times of *other*, at values *factor* times as large."""
        for low, high, weight in other._chunks:
            self.add(low * factor, high * factor, weight)
        if other._histogram is not None:
            masses = other._histogram.masses(0)
            some = np.flatnonzero(masses)
            middle = other._histogram.edges[some] * factor
            self.add(middle, middle, masses[some])

    def _to_histogram(self, low: Floats, high: Floats, weight: Floats) -> None:
        assert self._histogram is not None
        flat = low == high
        self._histogram.add(0, low[flat], weight[flat])
        self._histogram.add_spread(0, low[~flat], high[~flat], weight[~flat])

    def percentiles(self, wanted: Sequence[float], low: float, high: float) -> list[float]:
        """Smallest values at or below which the quantity was for these percentages of the time."""
        if self._histogram is not None:
            return self._histogram.quantiles(0, [p / 100 for p in wanted], low, high)
        at, below, upto, density = self._distribution()
        result = []
        for p in wanted:
            target = p / 100 * upto[-1]
            k = min(int(np.searchsorted(upto, target * (1 - 1e-15), "left")), at.size - 1)
            value = at[k]
            if below[k] > target and k and density[k - 1] > 0:
                value -= (below[k] - target) / density[k - 1]
            result.append(float(min(max(value, low), high)))
        return result

    def share(self, low: float, high: float) -> float:
        """Share of the time above *low* and not above *high*."""
        return self._share_up_to(high) - self._share_up_to(low)

    def _share_up_to(self, value: float) -> float:
        if not np.isfinite(value):
            return 1.0 if value > 0 else 0.0
        if self._histogram is not None:
            return self._histogram.share_up_to(0, value) if value >= 0 else 0.0
        at, _, upto, density = self._distribution()
        k = int(np.searchsorted(at, value, "right")) - 1
        return 0.0 if k < 0 else float((upto[k] + density[k] * (value - at[k])) / upto[-1])

    def _distribution(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Values at which the distribution bends, time below and up to each, and the density behind it."""
        if self._cdf is None:
            low, high, weight = (np.concatenate([c[k] for c in self._chunks]) for k in range(3))
            flat = low == high
            ramp = ~flat
            density = weight[ramp] / (high[ramp] - low[ramp])
            at, where = np.unique(np.concatenate([low[flat], low[ramp], high[ramp]]), return_inverse=True)
            zeros, flats, ramps = np.zeros, int(flat.sum()), int(ramp.sum())
            mass = np.bincount(where, np.concatenate([weight[flat], zeros(2 * ramps)]), at.size)
            bend = np.bincount(where, np.concatenate([zeros(flats), density, -density]), at.size)
            behind = np.maximum(np.cumsum(bend), 0.0)
            area = np.concatenate([[0.0], behind[:-1] * np.diff(at)])
            below = np.cumsum(area) + np.cumsum(mass) - mass
            floats = [np.asarray(x, np.float64) for x in (at, below, below + mass, behind)]
            self._cdf = floats[0], floats[1], floats[2], floats[3]
        return self._cdf


DENSE_LEVELS = 1 << 20
"""Whole levels below this have a cell each."""


class LevelTimes:
    """How long a whole-numbered quantity had which value; exact below a million, in log-spaced bins above."""

    def __init__(self) -> None:
        self.total_us = 0.0
        self._time = np.zeros(1024)
        self._density = np.zeros(1025)
        self._above = TimeWeighted(budget=0)

    @property
    def relative_error(self) -> float:
        """Largest relative error of a percentile."""
        return self._above.relative_error

    def add(self, low: Floats | Int64, high: Floats | Int64, weight_us: Floats | Int64) -> None:
        """The value ran evenly from *low* to *high* during *weight_us*, or stood there."""
        some = weight_us != 0
        same = low is high
        low = low[some]
        high = low if same else high[some]
        weight = np.asarray(weight_us[some], np.float64)
        if not weight.size:
            return
        self.total_us += float(weight.sum())
        first = _whole(low)
        last = first if same else _whole(high)
        if int(last.max()) >= DENSE_LEVELS:
            dense = last < DENSE_LEVELS
            self._above.add(*(np.asarray(x[~dense], np.float64) for x in (low, high, weight)))
            first, last, weight = first[dense], last[dense], weight[dense]
            if not weight.size:
                return
        self._reserve(int(last.max()) + 1)
        if same:
            add_at(self._time, first, weight)
            return
        flat = first == last
        add_at(self._time, first[flat], weight[flat])
        if not flat.all():
            first, last = first[~flat], last[~flat]
            density = weight[~flat] / (last - first + 1)
            add_at(self._density, first, density)
            add_at(self._density, last + 1, -density)

    def _reserve(self, levels: int) -> None:
        if levels > self._time.size:
            more = np.zeros(max(levels, 2 * self._time.size) - self._time.size)
            self._time, self._density = np.append(self._time, more), np.append(self._density, more)

    def _upto(self) -> Floats:
        return np.cumsum(self._time + np.maximum(np.cumsum(self._density[:-1]), 0.0))

    def percentiles(self, wanted: Sequence[float], low: float, high: float) -> list[float]:
        """Smallest values at or below which the quantity was for these percentages of the time."""
        upto = self._upto()
        result = []
        for p in wanted:
            target = p / 100 * self.total_us * (1 - 1e-12)
            if target <= upto[-1] or self._above.total_us <= 0:
                value = float(min(int(np.searchsorted(upto, target)), upto.size - 1))
            else:
                share = (target - upto[-1]) / self._above.total_us
                value = self._above.percentiles([100 * min(share, 1.0)], low, high)[0]
            result.append(min(max(value, low), high))
        return result

    def share(self, low: float, high: float) -> float:
        """Share of the time above *low* and not above *high*."""
        return self._share_up_to(high) - self._share_up_to(low)

    def _share_up_to(self, value: float) -> float:
        if value < 0 or value == np.inf:
            return float(value > 0)
        upto = self._upto()
        time = float(upto[min(int(value), upto.size - 1)])
        if value >= DENSE_LEVELS and self._above.total_us > 0:
            time += self._above.share(-1.0, value) * self._above.total_us
        return time / self.total_us

    def scaled(self, factor: int) -> TimeWeighted:
        """The times of a quantity that is *factor* times as large."""
        times = TimeWeighted()
        held = self._time + np.maximum(np.cumsum(self._density[:-1]), 0.0)
        levels = np.flatnonzero(held)
        scaled = np.asarray(levels * float(factor), np.float64)
        times.add(scaled, scaled, held[levels])
        times.add_scaled(self._above, factor)
        return times


def _whole(values: Floats | Int64) -> Int64:
    return values if values.dtype == np.int64 else np.rint(values).astype(np.int64)  # type: ignore[return-value]
