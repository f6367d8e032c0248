"""Stretches of records with arithmetic arrival times: counted, cut and summed without taking them apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

MINUTE_US = 60_000_000

LINE_BITS = 44
"""Record numbers of one line stay below 2**44, so that line and number fit one key."""


@dataclass(slots=True)
class Stretches:
    """Rows of *count* records each, on any line, by line and then in order of arrival.

    Record i of a row (from 0) has the number ``first + i`` on its line and arrives at
    ``time_us + (i * numerator + offset) // denominator``.
    """

    line: Int64
    first: Int64
    count: Int64
    time_us: Int64
    numerator: Int64
    offset: Int64
    denominator: Int64
    totals: dict[str, Int64] = field(default_factory=dict)
    """Amounts of the whole row; a part of the row has its linear share."""
    values: dict[str, Int64] = field(default_factory=dict)
    """What each record of the row has."""
    single: bool = False
    """Whether it is known that every row is one record."""

    def __len__(self) -> int:
        return int(self.time_us.size)

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Rows whose records arrive one after another."""
        if self.single:
            return np.broadcast_to(np.False_, self.time_us.shape)
        return (self.count > 1) & (self.numerator > 0)

    @property
    def last_us(self) -> Int64:
        """Arrival of each row's last record."""
        if self.single:
            return self.time_us
        return self.time_us + ((self.count - 1) * self.numerator + self.offset) // self.denominator

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Stretches:
        """The rows that *which* selects."""
        return _stretches(
            (getattr(self, name)[which] for name in _COLUMNS),
            {k: v[which] for k, v in self.totals.items()},
            {k: v[which] for k, v in self.values.items()},
            self.single,
        )

    def arrived_by(self, time_us: Int64 | int) -> Int64:
        """How many records of each row have arrived at *time_us* (one instant, or one per row)."""
        if self.single:
            return (self.time_us <= time_us).astype(np.int64)
        since = np.asarray(time_us, np.int64) - self.time_us
        arrived = np.where(since >= 0, self.count, 0)
        at = np.flatnonzero(self.spread & (since >= 0) & (np.asarray(time_us) < self.last_us))
        if at.size:
            room = (since[at] + 1) * self.denominator[at] - self.offset[at]
            arrived[at] = np.clip(-(-room // self.numerator[at]), 0, self.count[at])
        return arrived

    def offsets_sum(self) -> Int64:
        """Sum over each row's records of their arrival minus ``time_us``, in microseconds."""
        if self.single:
            return np.broadcast_to(np.int64(0), self.time_us.shape)
        total = np.zeros(len(self), np.int64)
        at = np.flatnonzero(self.spread | (self.offset >= self.denominator))
        if at.size:
            total[at] = floor_sum(self.count[at], self.denominator[at], self.numerator[at], self.offset[at])
        return total

    def split(self, head: Int64) -> tuple[Stretches, Stretches]:
        """Each row's first *head* records, and the others; rows may come out empty."""
        return self.part(np.zeros(len(self), np.int64), head), self.part(head, self.count - head)

    def part(self, skipped: Int64, count: Int64) -> Stretches:
        """*count* records of each row after the first *skipped*."""
        moved = skipped * self.numerator + self.offset
        whole = self.count
        return Stretches(
            line=self.line,
            first=self.first + skipped,
            count=count,
            time_us=self.time_us + moved // self.denominator,
            numerator=self.numerator,
            offset=moved % self.denominator,
            denominator=self.denominator,
            totals={k: v * (skipped + count) // whole - v * skipped // whole for k, v in self.totals.items()},
            values=self.values,
            single=False,
        )

    def expanded(self) -> Stretches:
        """Rows of records that arrive together only, or of one record each."""
        if self.single:
            return self
        spread = self.spread
        if not spread.any():
            return self
        times = np.where(spread, self.count, 1)
        origin = np.repeat(np.arange(len(self)), times)
        inside = np.arange(origin.size) - np.repeat(np.cumsum(times) - times, times)
        apart = spread[origin]
        rows = self.take(origin)
        return rows.part(np.where(apart, inside, 0), np.where(apart, 1, rows.count))

    def expanded_size(self) -> int:
        """Rows that `expanded` would give."""
        if self.single:
            return len(self)
        return int(np.where(self.spread, self.count, 1).sum())

    @staticmethod
    def empty(totals: Iterable[str] = (), values: Iterable[str] = ()) -> Stretches:
        """No rows."""
        nothing = np.zeros(0, np.int64)
        return _stretches([nothing] * 7, dict.fromkeys(totals, nothing), dict.fromkeys(values, nothing))

    @staticmethod
    def concatenate(parts: list[Stretches]) -> Stretches:
        """All rows of *parts*, which have the same columns and are at least one."""
        if len(parts) == 1:
            return parts[0]
        single = all(p.single for p in parts)
        totals = {k: np.concatenate([p.totals[k] for p in parts]) for k in parts[0].totals}
        values = {k: np.concatenate([p.values[k] for p in parts]) for k in parts[0].values}
        names = ("line", "first", "time_us") if single else _COLUMNS
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        if single:
            columns |= _one_each(columns["time_us"].size)
        return _stretches((columns[name] for name in _COLUMNS), totals, values, single)


_COLUMNS = ("line", "first", "count", "time_us", "numerator", "offset", "denominator")


def _one_each(size: int) -> dict[str, Int64]:
    """Columns of rows of one record, which take no room."""
    zero, one = np.broadcast_to(np.int64(0), size), np.broadcast_to(np.int64(1), size)
    return {"count": one, "numerator": zero, "offset": zero, "denominator": one}


def _stretches(
    columns: Iterable[Int64], totals: dict[str, Int64], values: dict[str, Int64], single: bool = False
) -> Stretches:
    line, first, count, time_us, numerator, offset, denominator = columns
    return Stretches(line, first, count, time_us, numerator, offset, denominator, totals, values, single)


def floor_sum(n: Int64, m: Int64, a: Int64, b: Int64) -> Int64:
    """Sum of ``(a*i + b) // m`` for i from 0 to n - 1, for each element.

    >>> floor_sum(*(np.array([x]) for x in (4, 3, 5, 2)))        # 2//3 + 7//3 + 12//3 + 17//3
    array([11])
    """
    n, m, a, b = (np.array(x, np.int64) for x in np.broadcast_arrays(n, m, a, b))
    total = np.zeros(n.shape, np.int64)
    sign = np.ones(n.shape, bool)
    while sign.any():
        total += np.where(sign, (n - 1) * n // 2 * (a // m) + n * (b // m), 0)
        a, b = a % m, b % m
        top = a * n + b
        sign &= top >= m
        n, b = np.where(sign, top // m, 1), np.where(sign, top % m, 0)
        a, m = np.where(sign, m, 0), np.where(sign, a, 1)
    return total


def exact_dot(weights: Int64, values: Int64) -> int:
    """Sum of ``weights * values`` without overflow or rounding.

    >>> exact_dot(np.array([10**6, 1]), np.array([10**15, 1]))
    1000000000000000000001
    """
    low = values & 0xFFFFFF
    return (int(np.dot(weights, values >> 24)) << 24) + int(np.dot(weights, low))


def distinct(runs: list[Int64]) -> Int64:
    """All values of some ascending runs, ascending, each once.

    >>> distinct([np.array([1, 3]), np.array([2, 3])]).tolist()
    [1, 2, 3]
    """
    values = np.sort(np.concatenate(runs), kind="stable")
    return values[np.append(True, values[1:] != values[:-1])] if values.size else values


def per_batch(rows: Stretches, key: Int64, end: Int64) -> tuple[Stretches, NDArray[np.intp]]:
    """*rows* cut where batches begin and end, and the batch of each part; what is in no batch is left out.

    *key* and *end* are the batches' first record and the one after their last, as
    ``(line << LINE_BITS) + number``; both *rows* and batches ascend.
    """
    if not len(rows) or not key.size:
        return rows.take(slice(0, 0)), np.zeros(0, np.intp)
    records = end - key
    if rows.single and int(records.sum()) == len(rows):
        starts = np.cumsum(records) - records
        if np.array_equal((rows.line[starts] << LINE_BITS) + rows.first[starts], key):
            return rows, np.repeat(np.arange(key.size), records)
    row_key = (rows.line << LINE_BITS) + rows.first
    if rows.single or int(rows.count.max()) == 1:
        batch = np.searchsorted(key, row_key, "right") - 1
        inside = (batch >= 0) & (row_key < end[batch])
        return (rows, batch) if inside.all() else (rows.take(inside), batch[inside])
    bounds = distinct([row_key, row_key + rows.count, key, end])
    row = np.searchsorted(row_key, bounds[:-1], "right") - 1
    batch = np.searchsorted(key, bounds[:-1], "right") - 1
    inside = (row >= 0) & (batch >= 0) & (bounds[:-1] < row_key[row] + rows.count[row]) & (bounds[:-1] < end[batch])
    row, batch, start, stop = row[inside], batch[inside], bounds[:-1][inside], bounds[1:][inside]
    return rows.take(row).part(start - row_key[row], stop - start), batch
