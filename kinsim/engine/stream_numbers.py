"""Which record of which shard a number on the whole stream stands for: poison records are named so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import numpy as np

from kinsim.engine.admission import in_records
from kinsim.engine.tables import Rows


class StreamNumbers:
    """Finds records by their number in arrival order on the whole stream, from 1.

    >>> rows = [Rows.empty(1), Rows.empty(2)]
    >>> rows[0].time_us[:], rows[0].count[:] = 20, 3
    >>> rows[1].time_us[:] = 10, 30
    >>> numbers = StreamNumbers([1, 3, 5, 6])
    >>> numbers.find([(0, 0, rows[0]), (1, 0, rows[1])])     # (number, shard, place on the shard from 0)
    [(1, 1, 0), (3, 0, 1), (5, 1, 1)]
    """

    def __init__(self, wanted: Iterable[int]) -> None:
        self.wanted = sorted(set(wanted))
        self.seen = 0

    def find(self, stored: list[tuple[int, int, Rows]]) -> list[tuple[int, int, int]]:
        """The wanted ones among the records that the shards stored next: shard, number of the first, rows."""
        before = self.seen
        self.seen += sum(int(rows.count.sum()) for _, _, rows in stored)
        low, high = bisect_right(self.wanted, before), bisect_right(self.wanted, self.seen)
        if low == high:
            return []
        parts = [(shard, first, in_records(rows)) for shard, first, rows in stored if len(rows)]
        every = Rows.concatenate([rows for _, _, rows in parts])
        shard = np.concatenate([np.full(len(rows), shard) for shard, _, rows in parts])
        place = np.concatenate([first + np.cumsum(rows.count) - rows.count for _, first, rows in parts])
        order = np.lexsort((shard, every.index, every.source, every.time_us))
        ends = before + np.cumsum(every.count[order])
        found = []
        for number in self.wanted[low:high]:
            at = int(np.searchsorted(ends, number))
            row = order[at]
            inside = number - 1 - int(ends[at] - every.count[row])
            found.append((number, int(shard[row]), int(place[row]) + inside))
        return found
