"""The age of the oldest record waiting, over time: saw-teeth of slope one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.samples import Floats
from kinsim.measure.stretches import MINUTE_US, Int64, distinct


@dataclass(slots=True)
class Teeth:
    """Pieces of time from *start_us* to *end_us* in which the oldest record waiting arrived at *arrival_us*."""

    start_us: Int64
    end_us: Int64
    arrival_us: Int64
    line: Int64
    """Whose oldest record it is: a line's, or (see `oldest_of_each`) a shard's."""

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Teeth:
        """The pieces that *which* selects."""
        return Teeth(self.start_us[which], self.end_us[which], self.arrival_us[which], self.line[which])

    def after(self, warm_up_us: int) -> Teeth:
        """What lies at *warm_up_us* or later."""
        if not self.end_us.size or int(self.start_us.min()) >= warm_up_us:
            return self
        late = self.take(self.end_us >= warm_up_us)
        late.start_us = np.maximum(late.start_us, warm_up_us)
        return late

    def areas(self) -> Floats:
        """Age times microseconds of each piece."""
        low, high = self.start_us - self.arrival_us, self.end_us - self.arrival_us
        return np.asarray((self.end_us - self.start_us) * ((low + high) / 2), np.float64)

    def minute_peaks(self) -> tuple[NDArray[np.intp], Int64, Int64]:
        """Piece, minute and largest age in that minute, for each minute that a piece touches."""
        first = self.start_us // MINUTE_US
        last = np.maximum(self.end_us - 1, self.start_us) // MINUTE_US
        times = last - first + 1
        which = np.repeat(np.arange(times.size), times)
        minute = np.arange(which.size) - np.repeat(np.cumsum(times) - times, times) + first[which]
        age = np.minimum(self.end_us[which], (minute + 1) * MINUTE_US) - self.arrival_us[which]
        return which, minute, age


def oldest(teeth: Teeth) -> Teeth:
    """The oldest record over all lines: at each instant the piece whose record arrived first.

    >>> teeth = Teeth(np.array([0, 2]), np.array([10, 4]), np.array([0, -5]), np.array([0, 1]))
    >>> whole = oldest(teeth)
    >>> np.stack([whole.start_us, whole.end_us, whole.arrival_us], 1).tolist()
    [[0, 2, 0], [2, 4, -5], [4, 10, 0]]
    """
    long = teeth.take(teeth.end_us > teeth.start_us)
    bounds = distinct([long.start_us, long.end_us])
    if bounds.size < 2:
        return long
    first = np.searchsorted(bounds, long.start_us)
    length = np.searchsorted(bounds, long.end_us) - first
    arrival = _range_minimum(bounds.size - 1, first, length, long.arrival_us)
    some = arrival < _NEVER
    whole = np.zeros(int(some.sum()), np.int64)
    return Teeth(bounds[:-1][some], bounds[1:][some], arrival[some], whole)


def oldest_of_each(teeth: Teeth, lines: int) -> Teeth:
    """The oldest record of each shard, where a shard has so many *lines*; pieces have the shard's number.

    >>> teeth = Teeth(np.array([0, 2]), np.array([10, 4]), np.array([0, -5]), np.array([2, 3]))
    >>> oldest_of_each(teeth, 2).line.tolist(), oldest_of_each(teeth, 1).line.tolist()
    ([1, 1, 1], [2, 3])
    """
    if lines == 1 or not teeth.line.size:
        return teeth
    shard = teeth.line // lines
    parts = []
    for number in np.unique(shard).tolist():
        whole = oldest(teeth.take(shard == number))
        whole.line = np.full(whole.start_us.size, number)
        parts.append(whole)
    return Teeth(*(np.concatenate([getattr(part, name) for part in parts]) for name in Teeth.__slots__))


_NEVER = np.iinfo(np.int64).max


def _range_minimum(size: int, first: Int64, length: Int64, value: Int64) -> Int64:
    """For each of *size* places the least *value* of the ranges that hold it.

    Each range is two overlapping blocks whose length is a power of two; blocks are then halved until
    they are single places.
    """
    power = np.frexp(length.astype(np.float64))[1] - 1
    result = np.full(size, _NEVER, np.int64)
    for k in range(int(power.max()), -1, -1):
        here = power == k
        np.minimum.at(result, first[here], value[here])
        np.minimum.at(result, first[here] + length[here] - (1 << k), value[here])
        if k:
            half = 1 << (k - 1)
            lower = result.copy()
            np.minimum(lower[half:], result[:-half], out=lower[half:])
            result = lower
    return result


class CatchUp:
    """How long it takes, each time, until nothing that waits is older than *limit_us*."""

    def __init__(self, limit_us: int) -> None:
        self.limit_us = limit_us
        self._since: tuple[int, int] | None = None
        """Arrival of the record that was too old first, and where the open stretch of time ends so far."""

    def advance(self, whole: Teeth) -> tuple[Int64, Int64]:
        """Take in the next ascending pieces of the whole stream; durations and ends of what was caught up."""
        start = np.maximum(whole.start_us, whole.arrival_us + self.limit_us)
        above = start < whole.end_us
        start, end, arrival = start[above], whole.end_us[above], whole.arrival_us[above]
        if self._since is not None:
            begun, until = self._since
            start, end, arrival = (
                np.concatenate([[a], b]) for a, b in ((until, start), (until, end), (begun, arrival))
            )
        if not start.size:
            return start, start
        breaks = np.flatnonzero(start[1:] > end[:-1])
        begins, ends = np.concatenate([[0], breaks + 1]), np.append(breaks, start.size - 1)
        begun_us = np.maximum(arrival[begins], 0)  # what came before the run is to be caught up with from its start on
        self._since = int(begun_us[-1]), int(end[ends[-1]])
        done = end[ends[:-1]]
        return done - begun_us[:-1], done

    def finish(self, end_us: int) -> tuple[int, int, bool] | None:
        """The last one: its duration, its end and whether the run ended before it did."""
        if self._since is None:
            return None
        begun, until = self._since
        return until - begun, until, until >= end_us
