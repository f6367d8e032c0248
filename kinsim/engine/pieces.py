"""Rows cut into pieces: some of a row's records, with their exact times and their share of its totals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Int64, Rows

TOTALS = (
    "data_bytes",
    "key_bytes",
    "body_bytes",
    "payload_bytes",
    "put_units",
    "log_events",
    "cpu_us",
    "call_us",
    "call_failing_us",
)
"""Columns that hold totals of a row."""

MINUTE_US = 60_000_000


def totals(rows: Rows) -> tuple[str, ...]:
    """Columns of *rows* that hold totals of a row; in `by_rule` each line does."""
    return (*TOTALS, "by_rule") if len(rows.by_rule) else TOTALS


def pieces(rows: Rows, row: NDArray[np.intp], first: Int64, end: Int64) -> Rows:
    """Records *first* to *end* (excluded) of each of the rows numbered *row*, a row each.

    >>> rows = Rows.empty(1)
    >>> rows = replace(rows, count=np.array([10]), data_bytes=np.array([105]), step_numerator=np.array([3]))
    >>> two = pieces(rows, np.array([0, 0]), np.array([0, 4]), np.array([4, 10]))
    >>> two.count.tolist(), two.data_bytes.tolist(), two.step_offset.tolist(), two.index.tolist()
    ([4, 6], [42, 63], [0, 12], [0, 4])
    """
    taken = rows.take(row)
    whole = taken.count
    if bool((whole == 1).all()):
        return taken
    changed: dict[str, Any] = {name: _share(getattr(taken, name), whole, first, end) for name in totals(rows)}
    return replace(
        taken,
        count=end - first,
        step_offset=taken.step_offset + first * taken.step_numerator,
        index=taken.index + first,
        **changed,
    )


def _share(total: Int64, whole: Int64, first: Int64, end: Int64) -> Int64:
    """What records *first* to *end* have of the totals, linearly; the pieces of a row add up to its total."""
    each, rest = np.divmod(total, whole)
    share: Int64 = each * (end - first)
    if rest.any():
        share = share + (rest * end // whole - rest * first // whole)
    return share


def record_time_us(rows: Rows, record: Int64) -> Int64:
    """Time of record number *record* of each row."""
    time_us: Int64 = rows.time_us + (record * rows.step_numerator + rows.step_offset) // rows.step_denominator
    return time_us


def records_until(rows: Rows, time_us: Int64) -> Int64:
    """Records of each row that arrive before *time_us*.

    >>> rows = replace(Rows.empty(1), count=np.array([10]), step_numerator=np.array([10]))
    >>> rows = replace(rows, step_denominator=np.array([3]))
    >>> [int(records_until(rows, np.array([t]))[0]) for t in (0, 1, 3, 4, 30, 31)]  # at 0, 3, 6, 10, 13 …
    [0, 1, 1, 2, 9, 10]
    """
    # No further than just after the last record, so that products stay small.
    since_us = np.clip(time_us - rows.time_us, 0, record_time_us(rows, rows.count - 1) - rows.time_us + 1)
    left = since_us * rows.step_denominator - rows.step_offset
    spread = -(-left // np.maximum(rows.step_numerator, 1))
    together = np.where(left > 0, rows.count, 0)
    until: Int64 = np.clip(np.where(rows.step_numerator > 0, spread, together), 0, rows.count)
    return until


def cut(rows: Rows, every_us: int) -> Rows:
    """The same records in rows none of which crosses a multiple of *every_us*.

    >>> row = replace(Rows.empty(1), time_us=np.array([55]), count=np.array([10]), step_numerator=np.array([10]))
    >>> [cut(row, 60).time_us.tolist(), cut(row, 60).count.tolist()]  # at 55, 65, 75 … 145
    [[55, 65, 125], [1, 6, 3]]
    """
    first_cell = rows.time_us // every_us
    cells = record_time_us(rows, rows.count - 1) // every_us - first_cell + 1
    if bool((cells == 1).all()):
        return rows
    row = np.repeat(np.arange(len(rows)), cells)
    place = np.arange(row.size) - np.repeat(np.cumsum(cells) - cells, cells)
    end = records_until(rows.take(row), (first_cell[row] + place + 1) * every_us)
    first = np.where(place == 0, 0, np.roll(end, 1))
    some = end > first
    return _from_their_first(pieces(rows, row[some], first[some], end[some]))


def singles(rows: Rows) -> Rows:
    """The same records, a row each.

    >>> row = replace(Rows.empty(1), count=np.array([3]), step_numerator=np.array([10]), data_bytes=np.array([10]))
    >>> singles(row).time_us.tolist(), singles(row).data_bytes.tolist(), singles(row).index.tolist()
    ([0, 10, 20], [3, 3, 4], [0, 1, 2])
    """
    one = rows
    if not bool((rows.count == 1).all()):
        row = np.repeat(np.arange(len(rows)), rows.count)
        place = np.arange(row.size) - np.repeat(np.cumsum(rows.count) - rows.count, rows.count)
        one = pieces(rows, row, place, place + 1)
    time_us = one.time_us + one.step_offset // one.step_denominator
    zero, unit = np.broadcast_to(np.int64(0), len(one)), np.broadcast_to(np.int64(1), len(one))
    return replace(one, time_us=time_us, step_numerator=zero, step_offset=zero, step_denominator=unit)


def at_most(rows: Rows, most: int) -> Rows:
    """The same records in rows of at most *most* each.

    >>> at_most(replace(Rows.empty(2), count=np.array([7, 2])), 3).count.tolist()
    [3, 3, 1, 2]
    """
    parts = -(-rows.count // most)
    if bool((parts == 1).all()):
        return rows
    row = np.repeat(np.arange(len(rows)), parts)
    first = (np.arange(row.size) - np.repeat(np.cumsum(parts) - parts, parts)) * most
    return _from_their_first(pieces(rows, row, first, np.minimum(first + most, rows.count[row])))


def _from_their_first(rows: Rows) -> Rows:
    """The same records with each row's time at its first record."""
    moved = rows.step_offset // rows.step_denominator
    if not moved.any():
        return rows
    return replace(rows, time_us=rows.time_us + moved, step_offset=rows.step_offset - moved * rows.step_denominator)
