"""Metrics by minute, as CloudWatch publishes them and as kinsim adds to them, and statistics of longer periods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.minutes import MinuteStat
from kinsim.measure.result import Series
from kinsim.measure.samples import Floats


@dataclass(slots=True)
class Minutes:
    """One metric by minute: number of data points, their sum, least and largest.

    A minute without data points has count 0 and is not published.
    """

    name: str
    unit: str
    statistics: tuple[str, ...]
    count: Floats
    sum: Floats
    min: Floats
    max: Floats

    @staticmethod
    def of(
        name: str, unit: str, statistics: tuple[str, ...], stat: MinuteStat, minutes: int, per: float = 1.0
    ) -> Minutes:
        """From samples per minute, in units of *per*."""
        count = stat.statistic("SampleCount", minutes)
        return Minutes(
            name, unit, statistics, np.nan_to_num(count),
            np.nan_to_num(stat.statistic("Sum", minutes)) / per,
            stat.statistic("Minimum", minutes) / per,
            stat.statistic("Maximum", minutes) / per,
        )  # fmt: skip

    @staticmethod
    def counted(name: str, unit: str, statistics: tuple[str, ...], number: Floats, points: Floats) -> Minutes:
        """A count per minute that is published in minutes with data points."""
        shown = np.where(points > 0, number, np.nan)
        return Minutes(name, unit, statistics, points.astype(np.float64), np.nan_to_num(shown), shown, shown)

    @staticmethod
    def state(name: str, unit: str, statistics: tuple[str, ...], average: Floats, top: Floats | None = None) -> Minutes:
        """A quantity over time: its average over each minute, and its maximum where that is known."""
        high = average if top is None else top
        return Minutes(name, unit, statistics, np.ones(average.size), average, average, high)

    def values(self, statistic: str, minutes: int = 1) -> Floats:
        """*statistic* of each period of that many minutes; NaN where there is no data point."""
        return self._of_rows(statistic, minutes, _cut)

    def sliding(self, statistic: str, minutes: int) -> Floats:
        """*statistic* of the period of that many minutes that ends with each minute; NaN without a data point."""
        return self._of_rows(statistic, minutes, _slid)

    def _of_rows(self, statistic: str, minutes: int, rows: Callable[[Floats, int, float], Floats]) -> Floats:
        points = rows(self.count, minutes, 0.0).sum(axis=1)
        there = self.count > 0
        found = {
            "SampleCount": lambda: points,
            "Sum": lambda: rows(self.sum, minutes, 0.0).sum(axis=1),
            "Average": lambda: rows(self.sum, minutes, 0.0).sum(axis=1) / np.maximum(points, 1e-300),
            "Minimum": lambda: rows(np.where(there, self.min, np.inf), minutes, np.inf).min(axis=1),
            "Maximum": lambda: rows(np.where(there, self.max, -np.inf), minutes, -np.inf).max(axis=1),
        }[statistic]()
        return np.where(points > 0, found, np.nan)

    def series(self, dimensions: str) -> Iterable[Series]:
        """Its statistics by minute; minutes without a data point are left out."""
        for statistic in self.statistics:
            yield from series_of(self.name, dimensions, statistic, self.unit, self.values(statistic))


def _cut(values: Floats, minutes: int, fill: float) -> Floats:
    """Rows of that many minutes, one after the other; *fill* is in place of what is missing of the last."""
    short = -values.size % minutes
    return np.pad(values, (0, short), constant_values=fill).reshape(-1, minutes)


def _slid(values: Floats, minutes: int, fill: float) -> Floats:
    """Rows of that many minutes, one up to each minute; *fill* is in place of what lies before the first.

    >>> _slid(np.array([3.0, 1.0, 2.0]), 2, 0.0).tolist()
    [[0.0, 3.0], [3.0, 1.0], [1.0, 2.0]]
    """
    padded = np.pad(values, (minutes - 1, 0), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(padded, minutes)


def series_of(name: str, dimensions: str, statistic: str, unit: str, values: Floats) -> Iterable[Series]:
    """The data points of *values* per minute; none if there is no data point at all."""
    there = np.flatnonzero(~np.isnan(values))
    if there.size:
        yield Series(name, dimensions, statistic, unit, there * 60, values[there].astype(np.float64))


def worst(values: Floats, upper: bool, fraction: float | None) -> float | None:
    """The value that *fraction* of the periods (all by default) keep to; None without a data point.

    >>> worst(np.array([3.0, 1.0, np.nan, 2.0]), True, None), worst(np.arange(1.0, 101.0), True, 0.99)
    (3.0, 99.0)
    >>> worst(np.array([3.0, 1.0]), False, None)
    1.0
    """
    there = np.sort(values[~np.isnan(values)])
    if not there.size:
        return None
    if not upper:
        there = there[::-1]
    kept = int(np.ceil((1.0 if fraction is None else fraction) * there.size - 1e-9))
    return float(there[max(kept, 1) - 1])


def first_minutes(values: NDArray[Any], n: int) -> NDArray[Any]:
    """The first *n* values, with zeros where there are fewer."""
    return values[:n] if values.size >= n else np.append(values, np.zeros(n - values.size, values.dtype))
