"""How much has arrived by an instant, from stretches of records on any number of lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.samples import Floats
from kinsim.measure.stretches import MINUTE_US, Int64, Stretches

MOST_PAIRS = 2_000_000
"""Pairs of an instant and a stretch that are looked at together."""


class Ups:
    """The arrivals of one span of time, as the quantities that they raise need them."""

    def __init__(self, rows: Stretches, lines: int) -> None:
        self.rows = rows
        self.sizes = rows.totals["bytes"]
        self.lines = lines
        self._arrivals: Int64 | None = None
        self._climb: dict[bool, Climb] = {}
        self._late_bytes: Int64 | None = None
        self._cells()

    def __len__(self) -> int:
        return len(self.rows)

    def amount(self, in_bytes: bool) -> Int64:
        """What each row brings: its records, or their bytes."""
        return self.sizes if in_bytes else self.rows.count

    def _cells(self) -> None:
        """Totals by line and minute; no row crosses a whole minute."""
        rows = self.rows
        minute = rows.time_us // MINUTE_US
        new = np.ones(minute.size, bool)
        new[1:] = (minute[1:] != minute[:-1]) | (rows.line[1:] != rows.line[:-1])
        starts = self._starts = np.flatnonzero(new)
        self.cell_minute, self.cell_line = minute[starts], rows.line[starts]
        if not starts.size:
            self.cell_records = self.cell_bytes = self.cell_late_us = np.zeros(0, np.int64)
            return
        self.cell_bytes = np.add.reduceat(self.sizes, starts)
        if rows.single:
            self.cell_records = np.diff(np.append(starts, minute.size))
            times = np.add.reduceat(rows.time_us, starts)
        else:
            self.cell_records = np.add.reduceat(rows.count, starts)
            times = np.add.reduceat(rows.time_us * rows.count + rows.offsets_sum(), starts)
        self.cell_late_us = times - self.cell_records * self.cell_minute * MINUTE_US
        """Sum over the records of their arrival after the begin of the minute."""

    def cell_amount(self, in_bytes: bool) -> Int64:
        """Records or bytes of each cell."""
        return self.cell_bytes if in_bytes else self.cell_records

    def cell_late(self, in_bytes: bool) -> Int64:
        """Of each cell: records, or bytes, times their arrival after the begin of the minute."""
        if not in_bytes:
            return self.cell_late_us
        if self._late_bytes is None:
            rows = self.rows
            late = (rows.time_us % MINUTE_US) * self.sizes
            if not rows.single:
                late += self.sizes * rows.offsets_sum() // rows.count
            self._late_bytes = np.add.reduceat(late, self._starts) if self._starts.size else self.cell_bytes
        return self._late_bytes

    def steps(self) -> int:
        """Instants at which records arrive, counted for each line."""
        return self.rows.expanded_size()

    def sorted_us(self) -> Int64:
        """Arrivals of single records, ascending over all lines."""
        if self._arrivals is None:
            # Each line's arrivals ascend: a sort that merges runs takes a quarter of the time.
            self._arrivals = self.rows.time_us if self.lines == 1 else np.sort(self.rows.time_us, kind="stable")
        return self._arrivals

    def climb(self, in_bytes: bool) -> Climb:
        """How much had arrived by an instant."""
        if in_bytes not in self._climb:
            if self.rows.single and not in_bytes:
                self._climb[False] = Climb.of_records(self.sorted_us())
            else:
                self._climb[in_bytes] = Climb(self.rows, self.amount(in_bytes))
        return self._climb[in_bytes]

    def last_by(self, at_us: int, otherwise_us: int) -> int:
        """Latest arrival at or before *at_us*."""
        if self.rows.single:
            at = int(np.searchsorted(self.sorted_us(), at_us, "right"))
            return int(self.sorted_us()[at - 1]) if at else otherwise_us
        rows = self.rows
        arrived = rows.arrived_by(at_us)
        some = rows.take(arrived > 0)
        if not len(some):
            return otherwise_us
        arrived = arrived[arrived > 0]
        return int((some.time_us + ((arrived - 1) * some.numerator + some.offset) // some.denominator).max())


class Climb:
    """How much has arrived by an instant, from stretches on any number of lines."""

    def __init__(self, rows: Stretches, amount: Int64) -> None:
        """*amount* is the total that each row brings."""
        order = np.argsort(rows.last_us, kind="stable")
        self._last_us = rows.last_us[order]
        self._upto = np.concatenate([[0], np.cumsum(amount[order])])
        spread = rows.spread
        self._ramps = rows.take(spread)
        self._ramp_amount = amount[spread]

    @staticmethod
    def of_records(arrivals_us: Int64) -> Climb:
        """Single records that arrive at these ascending instants."""
        nothing = Stretches.empty()
        climb = Climb(nothing, nothing.count)
        climb._last_us, climb._upto = arrivals_us, np.arange(arrivals_us.size + 1)
        return climb

    def pairs(self, at_us: Int64) -> int:
        """How many stretches under way the ascending instants *at_us* meet in all."""
        first, last = self._active(at_us)
        return int((last - first).sum())

    def at(self, at_us: Int64) -> Int64:
        """Amount arrived by each of the ascending instants."""
        total = self._upto[np.searchsorted(self._last_us, at_us, "right")]
        first, last = self._active(at_us)
        meets = np.flatnonzero(last > first)
        ends = np.cumsum(last[meets] - first[meets])
        start = 0
        while start < meets.size:
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + MOST_PAIRS, "right")))
            part = meets[start:stop]
            which = np.repeat(part, last[part] - first[part])
            lengths = last[part] - first[part]
            instant = np.arange(which.size) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[which]
            ramps = self._ramps.take(which)
            amount = self._ramp_amount[which] * ramps.arrived_by(at_us[instant]) // ramps.count
            np.add.at(total, instant, amount)
            start = stop
        return np.asarray(total, np.int64)

    def between(self, at_us: Int64) -> tuple[Floats, Floats]:
        """Bounds of the amount arrived by each instant, at a cost that does not grow with the lines.

        A stretch under way is taken as a straight line, which is below its staircase by less than one step.
        """
        rows = self._ramps
        done = self._upto[np.searchsorted(self._last_us, at_us, "right")].astype(np.float64)
        each = self._ramp_amount / rows.count
        origin = int(rows.time_us[0]) if len(rows) else 0
        slope = each * rows.denominator / rows.numerator
        start = each * (rows.denominator - rows.offset) / rows.numerator - slope * (rows.time_us - origin)
        begins, ends = np.argsort(rows.time_us, kind="stable"), np.argsort(rows.last_us, kind="stable")
        started = np.searchsorted(rows.time_us[begins], at_us, "right")
        ended = np.searchsorted(rows.last_us[ends], at_us, "right")

        def under_way(values: Floats) -> Floats:
            up, down = (np.concatenate([[0.0], np.cumsum(values[order])]) for order in (begins, ends))
            return np.asarray(up[started] - down[ended], np.float64)

        low = done + under_way(start) + under_way(slope) * (at_us - origin)
        return low - 1e-3, low + under_way(each) + 1e-3

    def _active(self, at_us: Int64) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """First instant, and one past the last, at which each stretch is under way."""
        rows = self._ramps
        return np.searchsorted(at_us, rows.time_us, "left"), np.searchsorted(at_us, rows.last_us, "left")
