"""A quantity over time on each shard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.cells import grown
from kinsim.measure.samples import Floats, Statistics
from kinsim.measure.stretches import Int64


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

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.integral, self.max_at_us, self.last = (
            grown(cells, shards) for cells in (self.integral, self.max_at_us, self.last)
        )
        self.max = grown(self.max, shards, -1.0)

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


def by_group(group: Int64, value: Int64) -> NDArray[np.intp]:
    """Order of rows by group and, within one, by *value*."""
    if not value.size:
        return np.zeros(0, np.intp)
    least = int(value.min())
    bits = (int(value.max()) - least + 1).bit_length()
    return np.argsort((group << bits) + (value - least), kind="stable")
