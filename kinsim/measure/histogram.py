"""Weights by value in log-spaced bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Floats = NDArray[np.float64]


DOUBLINGS = 54


class LogHistogram:
    """Weights by value in log-spaced bins, one histogram per row; values are integers or floats of 0 or more.

    Each doubling of the value has ``2**bits`` bins, so a percentile is off by less than one part in ``2**bits``.
    """

    def __init__(self, rows: int, bits: int) -> None:
        self.bits = bits
        self.bins = (DOUBLINGS << bits) + 1
        self.rows = rows
        self.weight = np.zeros(rows * self.bins)
        self._density = np.zeros(rows * self.bins + 1)
        self._spread = False
        mantissa = 1.0 + np.arange(1 << bits) / (1 << bits)
        self.edges = np.concatenate([[0.0], np.ldexp(mantissa[None, :], np.arange(DOUBLINGS)[:, None]).ravel()])

    def grow(self, rows: int) -> None:
        """Have so many rows."""
        more = np.zeros((rows - self.rows) * self.bins)
        self.rows = rows
        self.weight, self._density = np.append(self.weight, more), np.append(self._density, more)

    @property
    def relative_error(self) -> float:
        """Largest relative error of a percentile."""
        return 2.0**-self.bits

    def bin_of(self, values: Floats | Int64) -> Int64:
        """Bin of each value; those below 1 share the first."""
        bins = np.array(values, np.float64).view(np.int64)
        bins >>= 52 - self.bits
        bins -= (1023 << self.bits) - 1
        np.maximum(bins, 0, out=bins)
        return np.asarray(np.minimum(bins, self.bins - 1, out=bins), np.int64)

    def add(self, row: Int64 | int, values: Floats | Int64, weights: Floats | Int64) -> None:
        """Put *weights* into the bins of *values*."""
        bins = self.bin_of(values)
        if self.rows > 1:
            bins += row * self.bins
        add_at(self.weight, bins, weights)

    def add_spread(self, row: Int64 | int, low: Floats, high: Floats, weights: Floats) -> None:
        """Spread each of *weights* evenly over the values from *low* to *high*."""
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        base = np.broadcast_to(np.asarray(row, np.int64) * self.bins, low.shape)
        first, last = self.bin_of(low), self.bin_of(high)
        inside = first == last
        add_at(self.weight, (first + base)[inside], weights[inside])
        across = ~inside
        if not across.any():
            return
        low, high, base, first, last = low[across], high[across], base[across], first[across], last[across]
        density = weights[across] / (high - low)
        self._spread = True
        add_at(self.weight, first + base, density * (self.edges[first + 1] - low))
        add_at(self.weight, last + base, density * (high - self.edges[last]))
        add_at(self._density, first + base + 1, density)
        add_at(self._density, last + base, -density)

    def masses(self, row: int | None) -> Floats:
        """Weight in each bin of a row, or of all rows together."""
        if row is None:
            every = self.weight.reshape(self.rows, self.bins).sum(axis=0)
            density = self._density[:-1].reshape(self.rows, self.bins).sum(axis=0)
        else:
            cells = slice(row * self.bins, (row + 1) * self.bins)
            every, density = self.weight[cells].copy(), self._density[cells]
        if self._spread:
            widths = np.append(np.diff(self.edges), 0.0)
            every += np.maximum(np.cumsum(density), 0.0) * widths
        return np.asarray(every, np.float64)

    def quantiles(self, row: int | None, shares: Sequence[float], low: float, high: float) -> list[float]:
        """Values below which lie the given *shares* of the weight; *low* and *high* are the extremes."""
        cumulative = np.cumsum(self.masses(row))
        upper = np.append(self.edges[1:], self.edges[-1] * 2)
        result = []
        for share in shares:
            target = share * cumulative[-1]
            at = min(int(np.searchsorted(cumulative, target, "left")), self.bins - 1)
            before = cumulative[at - 1] if at else 0.0
            inside = (target - before) / max(cumulative[at] - before, 1e-300)
            value = self.edges[at] + inside * (upper[at] - self.edges[at])
            result.append(float(min(max(value, low), high)))
        return result

    def share_up_to(self, row: int | None, value: float) -> float:
        """Share of the weight at *value* or below."""
        masses = self.masses(row)
        at = int(self.bin_of(np.array([value]))[0])
        upper = self.edges[at + 1] if at + 1 < self.bins else self.edges[-1] * 2
        part = (value - self.edges[at]) / (upper - self.edges[at])
        return float((masses[:at].sum() + masses[at] * part) / masses.sum())


def add_at(cells: Floats, at: Int64, weights: Floats | Int64) -> None:
    """``cells[at] += weights``, where cells may repeat."""
    if at.size * 16 > cells.size:
        cells += np.bincount(at, weights, cells.size)
    else:
        np.add.at(cells, at, weights)
