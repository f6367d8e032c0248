"""The records stored in one shard: columns by window of arrival, found by bisection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Int64, Rows


@dataclass(slots=True)
class Pieces:
    """Stretches of a shard's records, each within one row, ascending.

    ``first`` is the number of a stretch's first record; times as in :class:`Rows`; ``data_bytes``
    and ``log_events`` are totals of the stretch; ``row`` tells which row of the log it came from.
    """

    first: NDArray[np.int64]
    count: NDArray[np.int64]
    time_us: NDArray[np.int64]
    step_numerator: NDArray[np.int64]
    step_offset: NDArray[np.int64]
    step_denominator: NDArray[np.int64]
    data_bytes: NDArray[np.int64]
    log_events: NDArray[np.int64]
    lag_us: NDArray[np.int64]
    source: NDArray[np.int64]
    key: NDArray[np.int64]
    hash_high: NDArray[np.uint64]

    @property
    def last_us(self) -> NDArray[np.int64]:
        """Arrival of each stretch's last record."""
        return self.time_us + ((self.count - 1) * self.step_numerator + self.step_offset) // self.step_denominator


class Chunk:
    """The rows that one window of arrivals brought to a shard."""

    __slots__ = ("columns", "each", "end", "first", "first_of_row", "last_us", "rows", "single")

    def __init__(self, rows: Rows, first: int) -> None:
        """*first* is the number of the chunk's first record."""
        self.rows = rows
        self.first = first
        self.single = bool((rows.count == 1).all()) if rows.count.strides[0] else int(rows.count[0]) == 1
        self.first_of_row = np.arange(first, first + len(rows) + 1) if self.single else _numbers(rows.count, first)
        self.end = int(self.first_of_row[-1])
        self.last_us = int(
            rows.time_us[-1]
            + ((rows.count[-1] - 1) * rows.step_numerator[-1] + rows.step_offset[-1]) // rows.step_denominator[-1]
        )
        self.each: dict[str, int] = {}
        self.columns: dict[str, NDArray[np.int64]] = {}

    def row_of(self, record: int) -> int:
        """Row that holds *record*."""
        if self.single:
            return record - self.first
        return int(self.first_of_row.searchsorted(record, "right")) - 1

    def _prepare(self, name: str) -> None:
        """Keep what every record has of column *name*, where all have the same, else its running total.

        ``by_rule.2`` is line 2 of that column.
        """
        line = name.removeprefix("by_rule.")
        values = getattr(self.rows, name) if line == name else self.rows.by_rule[int(line)]
        each = int(values[0]) // int(self.rows.count[0])
        if np.array_equal(values, self.rows.count * each):
            self.each[name] = each
            return
        column = np.zeros(len(self.rows) + 1, np.int64)
        np.cumsum(values, out=column[1:])
        self.columns[name] = column

    def before(self, name: str, record: int) -> int:
        """Total of column *name* over the chunk's records before *record*."""
        each = self.each.get(name)
        if each is not None:
            return each * (record - self.first)
        if name not in self.columns:
            self._prepare(name)
            return self.before(name, record)
        column = self.columns[name]
        if self.single:
            return int(column.item(record - self.first))
        if record >= self.end:
            return int(column.item(-1))
        row = self.row_of(record)
        start = column.item(row)
        inside = record - self.first_of_row.item(row)
        if inside == 0:
            return int(start)
        return int(start + (column.item(row + 1) - start) * inside // self.rows.count.item(row))

    def all_before(self, name: str, records: Int64) -> Int64:
        """The same as :meth:`before` for many records at once."""
        if name not in self.each and name not in self.columns:
            self._prepare(name)
        if name in self.each:
            return self.each[name] * (records - self.first)
        column = self.columns[name]
        row = np.minimum(np.searchsorted(self.first_of_row, records, "right") - 1, len(self.rows) - 1)
        inside = records - self.first_of_row[row]
        return np.asarray(column[row] + (column[row + 1] - column[row]) * inside // self.rows.count[row], np.int64)

    def times_of(self, records: Int64) -> Int64:
        """The same as :meth:`time_of` for many records at once."""
        row = np.searchsorted(self.first_of_row, records, "right") - 1
        moved = (records - self.first_of_row[row]) * self.rows.step_numerator[row] + self.rows.step_offset[row]
        return np.asarray(self.rows.time_us[row] + moved // self.rows.step_denominator[row], np.int64)

    def find(self, name: str, total: int) -> int:
        """Most records of the chunk whose column *name* adds up to at most *total*, as a record number."""
        self.before(name, self.first)
        each = self.each.get(name)
        if each is not None:
            return self.end if each == 0 else min(self.end, self.first + total // each)
        column = self.columns[name]
        row = int(column.searchsorted(total, "right")) - 1
        if row >= len(self.rows):
            return self.end
        start, stop = column.item(row), column.item(row + 1)
        count = self.rows.count.item(row)
        inside = ((total - start + 1) * count - 1) // (stop - start)
        return int(self.first_of_row.item(row) + min(count, inside))

    def time_of(self, record: int) -> int:
        """Arrival of *record*."""
        rows, row = self.rows, self.row_of(record)
        start = rows.time_us.item(row)
        if self.single:
            return int(start)
        inside = record - self.first_of_row.item(row)
        return int(
            start
            + (inside * rows.step_numerator.item(row) + rows.step_offset.item(row)) // rows.step_denominator.item(row)
        )

    def arrived_by(self, time_us: int) -> int:
        """Number one past the last record that has arrived at *time_us*."""
        if time_us >= self.last_us:
            return self.end
        rows = self.rows
        row = int(rows.time_us.searchsorted(time_us, "right")) - 1
        if row < 0:
            return self.first
        if self.single:
            return self.first + row + 1
        count = rows.count.item(row)
        step = rows.step_numerator.item(row)
        if step:
            since = (time_us - rows.time_us.item(row) + 1) * rows.step_denominator.item(row)
            arrived = -((rows.step_offset.item(row) - since) // step)
            count = max(0, min(count, arrived))
        return int(self.first_of_row.item(row) + count)


class ShardLog:
    """Records of one shard in arrival order, numbered from 0; what was settled can be forgotten.

    >>> rows = Rows.empty(2)
    >>> rows.time_us[:] = 10, 30
    >>> rows.count[:] = 1, 5                       # five records at 30 us
    >>> rows.data_bytes[:] = 7, 100                # twenty bytes each
    >>> log = ShardLog(); log.append(rows)
    >>> log.arrived_by(29), log.arrived_by(30), log.arrival_us(3)
    (1, 6, 30)
    >>> log.amount("data_bytes", 0, 3), log.within("data_bytes", 0, 50)
    (47, 3)
    """

    __slots__ = ("_chunks", "_ends", "_starts_us", "end", "has_work")

    def __init__(self) -> None:
        self.has_work = False
        """Whether any record stored so far brings work of its own."""
        self._chunks: list[Chunk] = []
        self._ends: list[int] = []
        self._starts_us: list[int] = []
        self.end = 0
        """Number of records stored so far, those forgotten included."""

    def append(self, rows: Rows) -> None:
        """Store *rows*, which arrive after all that is there."""
        if not len(rows):
            return
        chunk = Chunk(rows, self.end)
        self._chunks.append(chunk)
        self.has_work = self.has_work or bool(rows.cpu_us.any())
        self._ends.append(chunk.end)
        self._starts_us.append(int(rows.time_us[0]))
        self.end = chunk.end

    def forget(self, before: int) -> None:
        """Drop the chunks whose records all have numbers below *before*."""
        gone = bisect_right(self._ends, before)
        if gone:
            del self._chunks[:gone], self._ends[:gone], self._starts_us[:gone]

    def stored_since(self, record: int) -> Iterator[tuple[Rows, Int64]]:
        """What was stored since the log held *record* records: rows, and the number of each row's first record."""
        for chunk in self._chunks[bisect_right(self._ends, record) :]:
            yield chunk.rows, chunk.first_of_row[:-1]

    def _chunk(self, record: int) -> Chunk:
        return self._chunks[bisect_right(self._ends, record)]

    def arrival_us(self, record: int) -> int:
        """Arrival of *record*; it must be stored and not forgotten."""
        return self._chunk(record).time_of(record)

    def on_shard(self, records: Int64) -> Int64:
        """Numbers on the shard, in arrival order, of *records* of this log: the same, for the shard's own log."""
        return records

    def arrived_by(self, time_us: int) -> int:
        """How many records have arrived at *time_us*, of those stored so far."""
        chunk = bisect_right(self._starts_us, time_us) - 1
        if chunk < 0:
            return self._chunks[0].first if self._chunks else self.end
        return self._chunks[chunk].arrived_by(time_us)

    def amount(self, name: str, first: int, end: int) -> int:
        """Total of a cumulative column over the records from *first* up to, not including, *end*."""
        if first >= end:
            return 0
        at = bisect_right(self._ends, first)
        chunk = self._chunks[at]
        start = chunk.before(name, first)
        if end <= chunk.end:
            return chunk.before(name, end) - start
        total = chunk.before(name, chunk.end) - start
        while True:
            at += 1
            chunk = self._chunks[at]
            if end <= chunk.end:
                return total + chunk.before(name, end)
            total += chunk.before(name, chunk.end)

    def within(self, name: str, first: int, total: int) -> int:
        """Number one past the last record such that column *name* from *first* on adds up to at most *total*."""
        if first >= self.end:
            return self.end
        at = bisect_right(self._ends, first)
        left = total + self._chunks[at].before(name, first)
        while at < len(self._chunks):
            chunk = self._chunks[at]
            whole = chunk.before(name, chunk.end)
            if left < whole:
                return chunk.find(name, left)
            left -= whole
            at += 1
        return self.end

    def amounts(self, name: str, first: Int64, end: Int64) -> Int64:
        """The same as :meth:`amount` for many stretches at once."""
        whole = np.array([0] + [chunk.before(name, chunk.end) for chunk in self._chunks], np.int64)
        base = np.cumsum(whole)
        return self._totals(name, end, base) - self._totals(name, first, base)

    def _totals(self, name: str, records: Int64, base: Int64) -> Int64:
        """Totals of a column over all records held that come before each of *records*."""
        where = np.minimum(np.searchsorted(self._ends, records, "right"), len(self._chunks) - 1)
        totals = base[where]
        for at in np.unique(where):
            here = where == at
            totals[here] += self._chunks[at].all_before(name, records[here])
        return totals

    def arrivals_us(self, records: Int64) -> Int64:
        """The same as :meth:`arrival_us` for many records at once."""
        where = np.searchsorted(self._ends, records, "right")
        arrivals_us = np.empty(records.size, np.int64)
        for at in np.unique(where):
            here = where == at
            arrivals_us[here] = self._chunks[at].times_of(records[here])
        return arrivals_us

    def pieces(self, first: int, end: int) -> Pieces:
        """Records from *first* up to, not including, *end*, as stretches of equal records."""
        parts = []
        at = bisect_right(self._ends, first) if first < end else 0
        while first < end:
            chunk = self._chunks[at]
            parts.append(_cut(chunk, first, min(end, chunk.end)))
            first, at = min(end, chunk.end), at + 1
        if not parts:
            parts = [_cut_nothing()]
        return Pieces(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Pieces)))


def _numbers(count: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    numbers = np.empty(count.size + 1, np.int64)
    numbers[0] = 0
    np.cumsum(count, out=numbers[1:])
    return numbers + first


def _cut_nothing() -> Pieces:
    columns: dict[str, Any] = {
        f.name: np.zeros(0, np.uint64 if f.name == "hash_high" else np.int64) for f in fields(Pieces)
    }
    return Pieces(**columns)


def _cut(chunk: Chunk, first: int, end: int) -> Pieces:
    low, high = chunk.row_of(first), chunk.row_of(end - 1) + 1
    rows = chunk.rows
    starts = np.maximum(chunk.first_of_row[low:high], first)
    count = np.minimum(chunk.first_of_row[low + 1 : high + 1], end) - starts
    skipped = starts - chunk.first_of_row[low:high]
    whole = rows.count[low:high]
    numerator, denominator = rows.step_numerator[low:high], rows.step_denominator[low:high]
    moved = skipped * numerator + rows.step_offset[low:high]

    def share(name: str) -> NDArray[np.int64]:
        total = getattr(rows, name)[low:high]
        return np.asarray(total * (skipped + count) // whole - total * skipped // whole, np.int64)

    return Pieces(
        first=starts,
        count=count,
        time_us=rows.time_us[low:high] + moved // denominator,
        step_numerator=numerator,
        step_offset=moved % denominator,
        step_denominator=denominator,
        data_bytes=share("data_bytes"),
        log_events=share("log_events"),
        lag_us=rows.lag_us[low:high],
        source=rows.source[low:high],
        key=rows.key[low:high],
        hash_high=rows.hash_high[low:high],
    )
