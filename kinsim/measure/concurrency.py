"""How many invocations are in progress."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kinsim.measure.ages import Teeth
from kinsim.measure.cells import reserved
from kinsim.measure.levels import Downs, MinuteLevels
from kinsim.measure.samples import Statistics
from kinsim.measure.stretches import Int64, exact_dot


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
