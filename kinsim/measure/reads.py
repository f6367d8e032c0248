"""GetRecords calls as CloudWatch counts them (aws:T6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import ELSEWHERE, THROTTLED
from kinsim.measure.minutes import MinuteStat
from kinsim.measure.stretches import MINUTE_US, Int64

MOST_CELLS = 2_000_000
"""Shards times minutes beyond which shard-level metrics of reads are not kept."""


class ReadSide:
    """GetRecords calls per minute, of the stream and, where shard-level metrics are on, of each shard."""

    def __init__(self, shards: int, minutes: int, poll_interval_us: int, by_shard: bool) -> None:
        self.interval_us = poll_interval_us
        self.minutes = minutes
        self.shards = shards
        self.whole = ReadTables(minutes)
        self.by_shard = ReadTables(shards * minutes) if by_shard and shards * minutes <= MOST_CELLS else None
        """Cells by shard and then minute."""

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.shards = shards
        if self.by_shard is not None and shards * self.minutes > MOST_CELLS:
            self.by_shard = None

    def add(self, polls: NDArray[np.void]) -> None:
        """Take in rows of the table POLL."""
        if not polls.size:
            return
        shard, time_us, calls, records, size, age = (np.ascontiguousarray(polls[name]) for name in _COLUMNS)
        row, minute, calls = calls_by_minute(time_us, calls, self.interval_us)
        columns = (minute, calls, records[row], size[row], age[row])
        self.whole.add(*columns)
        if self.by_shard is not None:
            inside = minute < self.minutes
            cell = shard[row] * self.minutes + minute
            self.by_shard.add(*(c[inside] for c in (cell, *columns[1:])))


class ReadTables:
    """Per minute: records, bytes and age of the calls that were served, and how many were and were not."""

    def __init__(self, minutes: int) -> None:
        self.records, self.bytes, self.age = MinuteStat(minutes), MinuteStat(minutes), MinuteStat(minutes)
        self.success, self.exceeded = MinuteStat(minutes), MinuteStat(minutes)

    @property
    def refused_share(self) -> float:
        """Share of the calls that were refused."""
        calls = float(self.exceeded.count.sum())
        return float(self.exceeded.sum.sum()) / calls if calls else 0.0

    def add(self, minute: Int64, calls: Int64, records: Int64, size: Int64, age: Int64) -> None:
        """Calls; those with records THROTTLED were refused."""
        refused = (records == THROTTLED).astype(np.int64)
        self.success.add(minute, 1 - refused, calls)
        self.exceeded.add(minute, refused, calls)
        if refused.any():
            served = refused == 0
            minute, calls, records, size, age = (x[served] for x in (minute, calls, records, size, age))
        self.bytes.add(minute, size, calls)
        known = records != ELSEWHERE
        if not known.all():
            minute, calls, records, age = (x[known] for x in (minute, calls, records, age))
        self.records.add(minute, records, calls)
        self.age.add(minute, age / 1e3, calls)


def calls_by_minute(time_us: Int64, calls: Int64, interval_us: int) -> tuple[NDArray[np.intp], Int64, Int64]:
    """Row, minute and number of calls, with runs of calls *interval_us* apart cut at whole minutes."""
    last_us = time_us + (calls - 1) * interval_us
    first, last = time_us // MINUTE_US, last_us // MINUTE_US
    if np.array_equal(first, last):
        return np.arange(calls.size), first, calls
    times = last - first + 1
    row = np.repeat(np.arange(times.size), times)
    minute = np.arange(row.size) - np.repeat(np.cumsum(times) - times, times) + first[row]
    interval = max(interval_us, 1)
    done = np.clip(-(-((minute + 1) * MINUTE_US - time_us[row]) // interval), 0, calls[row])
    before = np.clip(-(-(minute * MINUTE_US - time_us[row]) // interval), 0, calls[row])
    return row, minute, done - before


_COLUMNS = ("shard", "time_us", "calls", "records", "bytes", "age_us")
