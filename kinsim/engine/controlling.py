"""What a controller of the shards may know while a run goes on: what the stream took in until it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kinsim.engine.tables import Writes

MINUTE_US = 60_000_000


@dataclass(slots=True)
class Taken:
    """What one shard took in within a minute, or several shards together."""

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
    """What each shard took in by minute, from the answers of their doors.

    >>> zero, at_us = np.zeros(2, np.int64), np.array([59_000_000, 61_000_000])
    >>> intake = Intake()
    >>> intake.add([Writes(3, at_us, zero, zero, zero + 5, np.array([4, 5]), zero, zero + 70, zero + 30, zero)])
    >>> intake.of_shards(0), intake.whole(1)
    ({3: Taken(records=4, size=100, rejected=1)}, Taken(records=5, size=100, rejected=0))
    """

    def __init__(self) -> None:
        self._minutes: dict[int, dict[int, Taken]] = {}

    def add(self, writes: Sequence[Writes]) -> None:
        """Count these."""
        for each in writes:
            minute = each.time_us // MINUTE_US
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
