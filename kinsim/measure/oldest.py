"""The age of the oldest record waiting, on each shard and over all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.ages import CatchUp, Teeth, oldest, oldest_of_each
from kinsim.measure.cells import grown, reserved
from kinsim.measure.per_shard import PerShard, by_group
from kinsim.measure.samples import NO_RANKS, Ranks, Samples, Spread, Statistics
from kinsim.measure.stretches import MINUTE_US, Int64
from kinsim.measure.times import TimeWeighted


class Age:
    """Age of the oldest record waiting, on each shard and over all."""

    def __init__(
        self, shards: int, lines: int, warm_up_us: int, minutes: int, limit_us: int, shard_period_us: int
    ) -> None:
        """*lines* of each shard."""
        self.warm_up_us = warm_up_us
        self.shards, self.lines = shards, lines
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

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.shards = shards
        self.by_shard.grow(shards)
        self.shard_max = grown(self.shard_max, shards)

    def advance(self, done: Teeth, still: Teeth) -> None:
        """Records that stopped being the oldest in the next span, and those that go on."""
        self._open = still
        teeth = Teeth(*(np.concatenate([getattr(t, n) for t in (done, still)]) for n in Teeth.__slots__))
        if not teeth.end_us.size:
            return
        teeth = oldest_of_each(teeth, self.lines)
        late = teeth.after(self.warm_up_us)
        self._shard_curves(teeth)
        age = late.end_us - late.arrival_us
        if self.shards > 1:
            order = by_group(late.line, late.end_us)
            self.by_shard.peak(late.line[order], age[order], late.end_us[order])
            self.by_shard.integral += np.bincount(late.line, late.areas(), self.shards)
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
        cell = teeth.line[which] * self.shard_max.shape[1] + column
        np.maximum.at(self.shard_max.reshape(-1), cell, (peak / 1e6).astype(np.float32))

    def _caught_up(self, took_us: Int64, at_us: Int64) -> None:
        counts = at_us >= self.warm_up_us
        took_us, at_us = took_us[counts], at_us[counts]
        zero = np.zeros(took_us.size, np.int64)
        self.catch_ups.add(Spread(zero, took_us, zero + 1, at_us))

    def finish(self, end_us: int) -> None:
        """The run ends."""
        if self._open is not None and self._open.end_us.size:
            np.maximum.at(self.by_shard.last, self._open.line // self.lines, end_us - self._open.arrival_us)
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
