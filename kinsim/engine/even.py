"""Evenly spaced records as rows, in exact integers, and rows that hold constants without storing them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from kinsim.engine.pieces import MINUTE_US
from kinsim.engine.tables import NO_LINES, Int64, Rows

LARGEST_COUNT = 1 << 20
"""Most records of a row, so that totals times counts fit 64 bits."""

LARGEST_PRODUCT = 1 << 62


def constant(value: int, n: int) -> Int64:
    """A column of *n* equal numbers that takes no memory; it cannot be written to."""
    return np.broadcast_to(np.int64(value), n)


def is_constant(column: Any) -> bool:
    """Whether a column is one number that takes no memory."""
    return bool(column.size) and column.strides == (0,)


def extent(column: Int64) -> tuple[int, int]:
    """Smallest and largest number of a column that is not empty."""
    if is_constant(column):
        return int(column[0]), int(column[0])
    return int(column.min()), int(column.max())


def all_single(rows: Rows) -> bool:
    """Whether each row is one record."""
    return not len(rows) or extent(rows.count) == (1, 1)


def any_spread(rows: Rows) -> bool:
    """Whether a row's records may come at different times."""
    return bool(len(rows)) and extent(rows.step_numerator)[1] > 0


def plain_rows(time_us: Int64, count: Int64 | None = None, **columns: Any) -> Rows:
    """Rows at *time_us*, of one record each or of *count* together; other columns are 0 but for those given.

    >>> len(plain_rows(np.array([3, 5]))), plain_rows(np.array([3, 5])).count.strides
    (2, (0,))
    """
    n = time_us.size
    zero, one = constant(0, n), constant(1, n)
    base: dict[str, Any] = dict.fromkeys(Rows.__dataclass_fields__, zero)
    base |= {"time_us": time_us, "count": one if count is None else count, "step_denominator": one}
    base |= {"key": constant(-1, n), "hash_high": np.broadcast_to(np.uint64(0), n), "by_rule": NO_LINES}
    return Rows(**(base | columns))


def even_rows(
    start_us: int, end_us: int, gap_us: Fraction, offset_us: Fraction, first: int = 0, end: int | None = None
) -> Rows:
    """Records k from *first* up to *end* at ``floor(k * gap + offset)``, those of them in ``[start_us, end_us)``.

    No row crosses a whole minute.

    >>> rows = even_rows(0, 120_000_000, Fraction(25_000_000), Fraction(1, 2))
    >>> rows.time_us.tolist(), rows.count.tolist()
    ([0, 75000000], [3, 2])
    """
    numerator, denominator = gap_us.numerator, gap_us.denominator
    offset = offset_us * denominator // 1
    most = max(1, min(LARGEST_COUNT, (LARGEST_PRODUCT - denominator) // numerator))
    rows = []
    for low_us, high_us in _minutes(start_us, end_us):
        record = max(first, ceil(Fraction(low_us * denominator - offset, numerator)))
        stop = ceil(Fraction(high_us * denominator - offset, numerator))
        stop = stop if end is None else min(stop, end)
        while record < stop:
            count = min(stop - record, most)
            time_us, left = divmod(record * numerator + offset, denominator)
            rows.append((time_us, count, left))
            record += count
    if not rows:
        return plain_rows(np.zeros(0, np.int64))
    times, counts, offsets = np.array(rows, np.int64).T.copy()
    return plain_rows(
        times,
        counts,
        step_numerator=constant(numerator, times.size),
        step_offset=offsets,
        step_denominator=constant(denominator, times.size),
    )


def _minutes(start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
    low_us = start_us
    while low_us < end_us:
        high_us = min(end_us, (low_us // MINUTE_US + 1) * MINUTE_US)
        yield low_us, high_us
        low_us = high_us


def binned(time_us: Int64, bin_us: int) -> Rows:
    """Records counted per bin, linear inside: record i of n in a bin of width w at ``floor(i * w / n)``.

    >>> rows = binned(np.array([3, 4, 12]), 10)
    >>> rows.time_us.tolist(), rows.count.tolist(), rows.step_denominator.tolist()
    ([0, 10], [2, 1], [2, 1])
    """
    places, counts = np.unique(time_us // bin_us, return_counts=True)
    return bins(places * bin_us, counts.astype(np.int64), bin_us)


def bins(time_us: Int64, counts: Int64, width_us: int) -> Rows:
    """Rows of *counts* records spread linearly over *width_us* from each *time_us*; empty bins are left out.

    Bins of more than `LARGEST_COUNT` records are several rows, one after another.

    >>> rows = bins(np.array([0]), np.array([3_000_000]), 1_000_000)
    >>> rows.count.tolist(), rows.time_us.tolist()
    ([1048576, 1048576, 902848], [0, 349525, 699050])
    """
    some = counts > 0
    if not some.all():
        time_us, counts = time_us[some], counts[some]
    if not counts.size or int(counts.max()) <= LARGEST_COUNT:
        return plain_rows(time_us, counts, step_numerator=constant(width_us, time_us.size), step_denominator=counts)
    rows = -(-counts // LARGEST_COUNT)
    row = np.repeat(np.arange(counts.size), rows)
    first = (np.arange(row.size) - np.repeat(np.cumsum(rows) - rows, rows)) * LARGEST_COUNT
    whole = counts[row]
    moved = first * width_us // whole
    return plain_rows(
        time_us[row] + moved,
        np.minimum(LARGEST_COUNT, whole - first),
        step_numerator=constant(width_us, row.size),
        step_offset=first * width_us - moved * whole,
        step_denominator=whole,
    )
