"""Rows that are spread over the same time taken apart, so that records come in order of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.even import any_spread
from kinsim.engine.pieces import pieces, record_time_us, records_until, singles, totals
from kinsim.engine.tables import Int64, Rows
from kinsim.system.partition_keys import RANDOM

MIXED = RANDOM
"""Key of a row that holds bins of several sources."""


def separate(rows: Rows) -> Rows:
    """The same records in rows that do not overlap, ordered by time, then source, then index.

    Bins of the same place and width become one row, which belongs to the first of their sources; rows of equal gaps are
    cut where other records fall between theirs; what remains is taken apart into single records.

    >>> rows = replace(Rows.empty(2), time_us=np.array([0, 25]), count=np.array([5, 1]), source=np.array([0, 1]))
    >>> rows = replace(rows, step_numerator=np.array([10, 0]))       # at 0, 10, 20, 30, 40 and at 25
    >>> separate(rows).time_us.tolist(), separate(rows).count.tolist()
    ([0, 25, 30], [3, 1, 2])
    """
    if not any_spread(rows) or not ((rows.count > 1) & (rows.step_numerator > 0)).any():
        return in_order(rows)
    rows = in_order(rows)
    cluster = _clusters(rows)
    if cluster is None:
        return rows
    sizes = np.bincount(cluster)
    alone = sizes[cluster] == 1
    same_bin = _same_bin(rows, cluster)[cluster] & ~alone
    other = ~alone & ~same_bin
    parts = [rows.take(alone)]
    if same_bin.any():
        parts.append(_mixed(rows.take(same_bin), cluster[same_bin]))
    if other.any():
        parts.append(_cut_apart(rows.take(other)))
    return in_order(Rows.concatenate(parts))


def in_order(rows: Rows) -> Rows:
    """Rows by time, then source, then index."""
    time_us, source, index = rows.time_us, rows.source, rows.index
    later = time_us[1:] > time_us[:-1]
    if later.all():
        return rows
    same = time_us[1:] == time_us[:-1]
    further = (source[1:] > source[:-1]) | ((source[1:] == source[:-1]) & (index[1:] >= index[:-1]))
    if (later | (same & further)).all():
        return rows
    return rows.take(np.lexsort((index, source, time_us)))


def _clusters(rows: Rows) -> NDArray[np.intp] | None:
    """Number of the group of overlapping rows that each row is in; None if no two overlap."""
    last = record_time_us(rows, rows.count - 1)
    is_bin = (rows.step_denominator == rows.count) & (rows.step_numerator > 0)
    last = np.maximum.accumulate(np.where(is_bin, rows.time_us + rows.step_numerator - 1, last))
    begins = rows.time_us[1:] > last[:-1]
    touches = (rows.time_us[1:] == last[:-1]) & (rows.source[1:] >= np.maximum.accumulate(rows.source)[:-1])
    begins |= touches
    if begins.all():
        return None
    return np.concatenate(([0], np.cumsum(begins))).astype(np.intp)


def _same_bin(rows: Rows, cluster: NDArray[np.intp]) -> NDArray[np.bool_]:
    """For each cluster whether its rows are bins of one place and width."""
    first = np.concatenate(([True], np.diff(cluster) > 0))
    head = np.flatnonzero(first)[cluster]
    alike = (
        (rows.time_us == rows.time_us[head])
        & (rows.step_numerator == rows.step_numerator[head])
        & (rows.step_numerator > 0)
        & (rows.step_denominator == rows.count)
        & (rows.step_offset == 0)
    )
    result = np.ones(int(cluster[-1]) + 1, np.bool_)
    np.logical_and.at(result, cluster, alike)
    return result


def _mixed(rows: Rows, cluster: NDArray[np.intp]) -> Rows:
    starts = np.flatnonzero(np.concatenate(([True], np.diff(cluster) > 0)))
    count = np.add.reduceat(rows.count, starts)
    summed = {name: np.add.reduceat(getattr(rows, name), starts, axis=-1) for name in totals(rows)}
    lag_us = np.add.reduceat(rows.lag_us * rows.count, starts) // count
    key = np.full(starts.size, MIXED)
    return replace(rows.take(starts), count=count, step_denominator=count, lag_us=lag_us, key=key, **summed)


def _cut_apart(rows: Rows) -> Rows:
    spread = (rows.count > 1) & (rows.step_numerator > 0)
    long, points = rows.take(spread), rows.take(~spread)
    last = record_time_us(long, long.count - 1)
    if (long.time_us[1:] <= np.maximum.accumulate(last)[:-1]).any() or not len(points):
        return Rows.concatenate([singles(long), points])
    row = long.time_us.searchsorted(points.time_us, "right") - 1
    covered = row >= 0
    row, at_us, source = row[covered], points.time_us[covered], points.source[covered]
    near = long.take(row)
    place = records_until(near, at_us + (near.source <= source))
    inside = (place > 0) & (place < near.count)
    return Rows.concatenate([_cut_at(long, row[inside], place[inside]), points])


def _cut_at(rows: Rows, row: NDArray[np.intp], place: Int64) -> Rows:
    """*rows* with each of the numbered rows cut before its record number *place*."""
    which = np.concatenate([np.arange(len(rows)), row])
    first = np.concatenate([np.zeros(len(rows), np.int64), place])
    cuts = np.unique(np.stack([which, first]), axis=1)
    which, first = cuts[0].astype(np.intp), cuts[1]
    end = np.append(first[1:], 0)
    end = np.where(end == 0, rows.count[which], end)
    return from_their_first(pieces(rows, which, first, end))


def from_their_first(rows: Rows) -> Rows:
    """The same records with each row's time at its first record."""
    moved = rows.step_offset // rows.step_denominator
    return replace(rows, time_us=rows.time_us + moved, step_offset=rows.step_offset - moved * rows.step_denominator)
