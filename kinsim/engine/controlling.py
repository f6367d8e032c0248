"""What a controller of the shards may know while a run goes on: what has happened until it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.tables import INVOCATION, Int64, Tables, Writes

if TYPE_CHECKING:
    from kinsim.engine.lane import Lane
    from kinsim.engine.shard_log import ShardLog

MINUTE_US = 60_000_000


@dataclass(slots=True)
class Taken:
    """What one shard took in within a period, or several shards together."""

    records: int = 0
    """Records accepted."""
    size: int = 0
    """Their bytes, data and keys, as the write limit counts them."""
    rejected: int = 0
    """Records rejected, each offer counted."""

    def add(self, other: Taken) -> None:
        """Count that of another one too."""
        self.records += other.records
        self.size += other.size
        self.rejected += other.rejected


class Intake:
    """What each shard took in by period, a minute unless told otherwise, from the answers of their doors.

    >>> zero, at_us = np.zeros(2, np.int64), np.array([59_000_000, 61_000_000])
    >>> intake = Intake()
    >>> intake.add([Writes(3, at_us, zero, zero, zero + 5, np.array([4, 5]), zero, zero + 70, zero + 30, zero)])
    >>> intake.of_shards(0), intake.whole(1)
    ({3: Taken(records=4, size=100, rejected=1)}, Taken(records=5, size=100, rejected=0))
    """

    def __init__(self, period_us: int = MINUTE_US) -> None:
        self._period_us = period_us
        self._minutes: dict[int, dict[int, Taken]] = {}

    def add(self, writes: Sequence[Writes]) -> None:
        """Count these."""
        for each in writes:
            if not each.time_us.size:
                continue
            minute = each.time_us // self._period_us
            edges = [0, *(np.flatnonzero(minute[1:] != minute[:-1]) + 1).tolist(), minute.size]
            for start, end in pairwise(edges):
                part = slice(start, end)
                accepted = int(each.accepted[part].sum())
                taken = Taken(
                    accepted,
                    int(each.data_bytes[part].sum() + each.key_bytes[part].sum()),
                    int(each.offered[part].sum()) - accepted,
                )
                self._minutes.setdefault(int(minute[start]), {}).setdefault(each.shard, Taken()).add(taken)

    def of_shards(self, minute: int) -> dict[int, Taken]:
        """By shard, those that were offered something in the minute of that number."""
        return self._minutes.get(minute, {})

    def whole(self, minute: int) -> Taken:
        """Of the whole stream."""
        total = Taken()
        for taken in self.of_shards(minute).values():
            total.add(taken)
        return total

    def forget_before(self, minute: int) -> None:
        """Earlier minutes are not asked for any more."""
        for number in [each for each in self._minutes if each < minute]:
            del self._minutes[number]


class IteratorAges:
    """IteratorAge of the invocations that have started, by minute of the start (aws:T8).

    Looked at from time to time, so that a run without a controller pays nothing: what has ended since is in the tables,
    what has not is in the lanes' hands.
    """

    def __init__(self, at_receipt: bool) -> None:
        """*at_receipt*: taken when the batch was there, not when its invocation started."""
        self._at = READY if at_receipt else START
        self._since_us = 0
        self._read = 0
        self._minutes: dict[int, list[int]] = {}

    def look(self, now_us: int, tables: Tables, lanes: Iterable[Lane], logs: Mapping[int, ShardLog]) -> None:
        """Take in what has started before *now_us*; those that have ended may be forgotten then."""
        ended = np.array(tables.invocations[self._read :], np.int64).reshape(-1, len(COLUMNS))
        self._read = len(tables.invocations)
        ended = ended[(ended[:, START] >= self._since_us) & (ended[:, RECORDS] > 0)]
        line = tables.lines.of(ended[:, SHARD], ended[:, LANE])
        for number in np.unique(line).tolist():
            rows = ended[line == number]
            last_us = logs[number].arrivals_us(rows[:, FIRST] + rows[:, RECORDS] - 1)
            self._add(rows[:, START], rows[:, self._at] - last_us)
        for lane in lanes:
            if lane.running is None:
                continue
            end, _, ready_us, start_us = lane.running
            if start_us >= self._since_us and end > lane.held:
                age_us = (ready_us if self._at == READY else start_us) - lane.log.arrival_us(end - 1)
                self._minutes.setdefault(start_us // MINUTE_US, []).append(age_us)
        self._since_us = now_us

    def begin_again(self) -> None:
        """The tables have been handed over."""
        self._read = 0

    def minute(self, number: int) -> list[int]:
        """In microseconds, in no particular order."""
        return self._minutes.get(number, [])

    def forget_before(self, minute: int) -> None:
        """Earlier minutes are not asked for any more."""
        for number in [each for each in self._minutes if each < minute]:
            del self._minutes[number]

    def _add(self, start_us: Int64, age_us: Int64) -> None:
        for minute, age in zip((start_us // MINUTE_US).tolist(), age_us.tolist(), strict=True):
            self._minutes.setdefault(minute, []).append(age)


COLUMNS = INVOCATION.names or ()
SHARD, LANE, FIRST, RECORDS, READY, START = (
    COLUMNS.index(name) for name in ("shard", "lane", "first", "records", "ready_us", "start_us")
)
