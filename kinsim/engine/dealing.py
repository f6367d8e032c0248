"""Which lane of its shard takes which record, and the records of each lane in a log of its own.

Records are dealt by their partition keys, so that those of one key stay in order (aws:E18, E19).  A shard keeps one
log of all its records too: that is what GetRecords reads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import words
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import singles
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.splitting import WORD, SourceKeys, nested_counts, shared_out, with_keys
from kinsim.engine.tables import Int64, Rows
from kinsim.system.partition_keys import EVEN, RANDOM, lane_of_hash

LANE_BITS = 3
"""Tells the address of the lower halves of random hash keys from that of the upper ones."""


class Dealer:
    """Deals the records of shards to so many lanes each, by the lower 64 bits of their hash keys."""

    def __init__(self, sources: Sequence[SourceKeys], lanes: int, one_by_one: bool = False) -> None:
        """*one_by_one*: records of one row may part on their way, so that none is drawn with the others."""
        self.sources, self.lanes, self.one_by_one = sources, lanes, one_by_one
        self.inner = [place * WORD // lanes for place in range(1, lanes)]
        self._lanes_of_keys: dict[int, Int64] = {}

    def apart(self, rows: Rows) -> Rows:
        """*rows* of which those whose records do not all go one way, or come one after another, are single records."""
        together = rows.count == 1
        if not self.one_by_one:
            together |= (rows.step_numerator == 0) & ((rows.key == RANDOM) | (rows.key >= 0))
        return taken_apart(rows, together, self.sources)

    def deal(self, rows: Rows, shards: int) -> tuple[Rows, Int64]:
        """Rows of one lane each, in order, and their lanes; *shards* are open."""
        lane = np.zeros(len(rows), np.int64)
        for source in np.unique(rows.source).tolist():
            mine = rows.source == source
            random, named = mine & (rows.key == RANDOM), mine & (rows.key >= 0)
            if random.any():
                drawn = words(self.sources[source].hash_key ^ LANE_BITS, rows.index[random].astype(np.uint64))
                lane[random] = (drawn % np.uint64(self.lanes)).astype(np.int64)
            if named.any():
                lane[named] = self._of_keys(source)[rows.key[named]]
        even = rows.key == EVEN
        lane[even] = rows.index[even] // shards % self.lanes
        groups = np.flatnonzero((rows.count > 1) & (rows.key == RANDOM))
        return self._with_groups(rows, lane, groups) if groups.size else (rows, lane)

    def _of_keys(self, source: int) -> Int64:
        """Lane of each key of a source's table."""
        table, known = self.sources[source].table, self._lanes_of_keys.get(source)
        assert table is not None
        if known is None or known.size < len(table):
            known = np.array([lane_of_hash(each, self.lanes) for each in table.hashes], np.int64)
            self._lanes_of_keys[source] = known
        return known

    def _with_groups(self, rows: Rows, lane: Int64, groups: NDArray[np.intp]) -> tuple[Rows, Int64]:
        """The same where rows of several random keys are split."""
        counts = np.zeros((len(rows), self.lanes), np.int64)
        counts[np.arange(len(rows)), lane] = rows.count
        for source in np.unique(rows.source[groups]).tolist():
            mine = groups[rows.source[groups] == source]
            key = self.sources[source].split_key ^ LANE_BITS
            row_words = words(key, rows.index[mine].astype(np.uint64))
            counts[mine] = nested_counts(key, row_words, rows.count[mine], self.inner)
        return shared_out(rows, counts)


def taken_apart(rows: Rows, together: NDArray[np.bool_], sources: Sequence[SourceKeys]) -> Rows:
    """*rows* in order, of which those that may not stay *together* are single records with keys of their own."""
    if together.all():
        return rows
    parts = [rows.take(together)]
    alone = singles(rows.take(~together))
    for source in np.unique(alone.source).tolist():
        parts.append(with_keys(alone.take(alone.source == source), sources[source]))
    return in_order(Rows.concatenate(parts))


class LaneLog(ShardLog):
    """Some of a shard's records, such as those of one lane, which know their numbers on the shard.

    >>> log = LaneLog()
    >>> rows = Rows.empty(2)
    >>> rows.count[:] = 1, 3
    >>> log.append_dealt(rows, np.array([4, 9]))               # the shard's records 4, 9, 10 and 11
    >>> log.on_shard(np.array([0, 1, 3])).tolist()
    [4, 9, 11]
    >>> [log.before(number) for number in (4, 5, 11, 12)]
    [0, 1, 3, 4]
    """

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        super().__init__()
        self._numbers: list[Int64] = []

    def append_dealt(self, rows: Rows, numbers: Int64) -> None:
        """Store *rows*, whose first records have these numbers on the shard."""
        if len(rows):
            self._numbers.append(numbers)
            self.append(rows)

    def forget(self, before: int) -> None:
        """Drop the chunks whose records all have numbers below *before*."""
        del self._numbers[: bisect_right(self._ends, before)]
        super().forget(before)

    def on_shard(self, records: Int64) -> Int64:
        """Numbers on the shard of *records* of the lane."""
        where = np.searchsorted(self._ends, records, "right")
        numbers = np.empty(records.size, np.int64)
        for at in np.unique(where).tolist():
            here, chunk = where == at, self._chunks[at]
            row = np.searchsorted(chunk.first_of_row, records[here], "right") - 1
            numbers[here] = self._numbers[at][row] + records[here] - chunk.first_of_row[row]
        return numbers

    def number_on_shard(self, record: int) -> int:
        """The same for one record."""
        at = bisect_right(self._ends, record)
        chunk = self._chunks[at]
        row = chunk.row_of(record)
        return int(self._numbers[at].item(row) + record - chunk.first_of_row.item(row))

    def before(self, number: int) -> int:
        """How many records of the lane come before *number* on the shard, which is not forgotten."""
        at = bisect_right(self._numbers, number - 1, key=lambda numbers: numbers.item(0)) - 1
        if at < 0:
            return self._chunks[0].first if self._chunks else self.end
        chunk = self._chunks[at]
        row = int(self._numbers[at].searchsorted(number, "left")) - 1
        inside = min(number - self._numbers[at].item(row), chunk.rows.count.item(row))
        return int(chunk.first_of_row.item(row) + inside)
