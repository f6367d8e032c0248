"""Quantities over time that go up at arrivals and down at takings: average, maximum, percentiles by time."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinsim.errors import InternalError
from kinsim.measure.samples import EXACT_SAMPLES, NO_RANKS, STREAM_BITS, Floats, LogHistogram, Ranks, Statistics, add_at
from kinsim.measure.stretches import Int64, Stretches, exact_dot

MINUTE_US = 60_000_000

MOST_PAIRS = 2_000_000
"""Pairs of an instant and a stretch that are looked at together."""

SETTLE, ARRIVE, LOSE, TAKE = 0, 1, 2, 3
"""Order of what happens at one microsecond."""


class TimeWeighted:
    """How long a quantity had which value: pieces of time in which it stood still or ran evenly from low to high."""

    def __init__(self, budget: int = EXACT_SAMPLES) -> None:
        self.budget = budget
        self.kept = 0
        self.total_us = 0.0
        self._chunks: list[tuple[Floats, Floats, Floats]] = []
        self._histogram: LogHistogram | None = None
        self._cdf: tuple[Floats, Floats, Floats, Floats] | None = None

    @property
    def relative_error(self) -> float:
        """Largest relative error of a percentile."""
        return 0.0 if self._histogram is None else self._histogram.relative_error

    def add(self, low: Floats | Int64, high: Floats | Int64, weight_us: Floats | Int64) -> None:
        """The value ran from *low* to *high* during *weight_us*."""
        some = weight_us != 0
        low, high = np.asarray(low[some], np.float64), np.asarray(high[some], np.float64)
        weight = np.asarray(weight_us[some], np.float64)
        if not weight.size:
            return
        self._cdf = None
        self.total_us += float(weight.sum())
        if self._histogram is None and self.kept + weight.size <= self.budget:
            self.kept += weight.size
            self._chunks.append((low, high, weight))
            return
        if self._histogram is None:
            self._histogram = LogHistogram(1, STREAM_BITS)
            for chunk in self._chunks:
                self._to_histogram(*chunk)
            self._chunks = []
        self._to_histogram(low, high, weight)

    def add_scaled(self, other: TimeWeighted, factor: float) -> None:
        """The times of *other*, at values *factor* times as large."""
        for low, high, weight in other._chunks:
            self.add(low * factor, high * factor, weight)
        if other._histogram is not None:
            masses = other._histogram.masses(0)
            some = np.flatnonzero(masses)
            middle = other._histogram.edges[some] * factor
            self.add(middle, middle, masses[some])

    def _to_histogram(self, low: Floats, high: Floats, weight: Floats) -> None:
        assert self._histogram is not None
        flat = low == high
        self._histogram.add(0, low[flat], weight[flat])
        self._histogram.add_spread(0, low[~flat], high[~flat], weight[~flat])

    def percentiles(self, wanted: Sequence[float], low: float, high: float) -> list[float]:
        """Smallest values at or below which the quantity was for these percentages of the time."""
        if self._histogram is not None:
            return self._histogram.quantiles(0, [p / 100 for p in wanted], low, high)
        at, below, upto, density = self._distribution()
        result = []
        for p in wanted:
            target = p / 100 * upto[-1]
            k = min(int(np.searchsorted(upto, target * (1 - 1e-15), "left")), at.size - 1)
            value = at[k]
            if below[k] > target and k and density[k - 1] > 0:
                value -= (below[k] - target) / density[k - 1]
            result.append(float(min(max(value, low), high)))
        return result

    def share(self, low: float, high: float) -> float:
        """Share of the time above *low* and not above *high*."""
        return self._share_up_to(high) - self._share_up_to(low)

    def _share_up_to(self, value: float) -> float:
        if not np.isfinite(value):
            return 1.0 if value > 0 else 0.0
        if self._histogram is not None:
            return self._histogram.share_up_to(0, value) if value >= 0 else 0.0
        at, _, upto, density = self._distribution()
        k = int(np.searchsorted(at, value, "right")) - 1
        return 0.0 if k < 0 else float((upto[k] + density[k] * (value - at[k])) / upto[-1])

    def _distribution(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Values at which the distribution bends, time below and up to each, and the density behind it."""
        if self._cdf is None:
            low, high, weight = (np.concatenate([c[k] for c in self._chunks]) for k in range(3))
            flat = low == high
            ramp = ~flat
            density = weight[ramp] / (high[ramp] - low[ramp])
            at, where = np.unique(np.concatenate([low[flat], low[ramp], high[ramp]]), return_inverse=True)
            zeros, flats, ramps = np.zeros, int(flat.sum()), int(ramp.sum())
            mass = np.bincount(where, np.concatenate([weight[flat], zeros(2 * ramps)]), at.size)
            bend = np.bincount(where, np.concatenate([zeros(flats), density, -density]), at.size)
            behind = np.maximum(np.cumsum(bend), 0.0)
            area = np.concatenate([[0.0], behind[:-1] * np.diff(at)])
            below = np.cumsum(area) + np.cumsum(mass) - mass
            floats = [np.asarray(x, np.float64) for x in (at, below, below + mass, behind)]
            self._cdf = floats[0], floats[1], floats[2], floats[3]
        return self._cdf


DENSE_LEVELS = 1 << 20
"""Whole levels below this have a cell each."""


def _whole(values: Floats | Int64) -> Int64:
    return values if values.dtype == np.int64 else np.rint(values).astype(np.int64)  # type: ignore[return-value]


class LevelTimes:
    """How long a whole-numbered quantity had which value; exact below a million, in log-spaced bins above."""

    def __init__(self) -> None:
        self.total_us = 0.0
        self._time = np.zeros(1024)
        self._density = np.zeros(1025)
        self._above = TimeWeighted(budget=0)

    @property
    def relative_error(self) -> float:
        """Largest relative error of a percentile."""
        return self._above.relative_error

    def add(self, low: Floats | Int64, high: Floats | Int64, weight_us: Floats | Int64) -> None:
        """The value ran evenly from *low* to *high* during *weight_us*, or stood there."""
        some = weight_us != 0
        same = low is high
        low = low[some]
        high = low if same else high[some]
        weight = np.asarray(weight_us[some], np.float64)
        if not weight.size:
            return
        self.total_us += float(weight.sum())
        first = _whole(low)
        last = first if same else _whole(high)
        if int(last.max()) >= DENSE_LEVELS:
            dense = last < DENSE_LEVELS
            self._above.add(*(np.asarray(x[~dense], np.float64) for x in (low, high, weight)))
            first, last, weight = first[dense], last[dense], weight[dense]
            if not weight.size:
                return
        self._reserve(int(last.max()) + 1)
        if same:
            add_at(self._time, first, weight)
            return
        flat = first == last
        add_at(self._time, first[flat], weight[flat])
        if not flat.all():
            first, last = first[~flat], last[~flat]
            density = weight[~flat] / (last - first + 1)
            add_at(self._density, first, density)
            add_at(self._density, last + 1, -density)

    def _reserve(self, levels: int) -> None:
        if levels > self._time.size:
            more = np.zeros(max(levels, 2 * self._time.size) - self._time.size)
            self._time, self._density = np.append(self._time, more), np.append(self._density, more)

    def _upto(self) -> Floats:
        return np.cumsum(self._time + np.maximum(np.cumsum(self._density[:-1]), 0.0))

    def percentiles(self, wanted: Sequence[float], low: float, high: float) -> list[float]:
        """Smallest values at or below which the quantity was for these percentages of the time."""
        upto = self._upto()
        result = []
        for p in wanted:
            target = p / 100 * self.total_us * (1 - 1e-12)
            if target <= upto[-1] or self._above.total_us <= 0:
                value = float(min(int(np.searchsorted(upto, target)), upto.size - 1))
            else:
                share = (target - upto[-1]) / self._above.total_us
                value = self._above.percentiles([100 * min(share, 1.0)], low, high)[0]
            result.append(min(max(value, low), high))
        return result

    def share(self, low: float, high: float) -> float:
        """Share of the time above *low* and not above *high*."""
        return self._share_up_to(high) - self._share_up_to(low)

    def _share_up_to(self, value: float) -> float:
        if value < 0 or value == np.inf:
            return float(value > 0)
        upto = self._upto()
        time = float(upto[min(int(value), upto.size - 1)])
        if value >= DENSE_LEVELS and self._above.total_us > 0:
            time += self._above.share(-1.0, value) * self._above.total_us
        return time / self.total_us

    def scaled(self, factor: int) -> TimeWeighted:
        """The times of a quantity that is *factor* times as large."""
        times = TimeWeighted()
        held = self._time + np.maximum(np.cumsum(self._density[:-1]), 0.0)
        levels = np.flatnonzero(held)
        scaled = np.asarray(levels * float(factor), np.float64)
        times.add(scaled, scaled, held[levels])
        times.add_scaled(self._above, factor)
        return times


class Ups:
    """The arrivals of one span of time, as the quantities that they raise need them."""

    def __init__(self, rows: Stretches, shards: int) -> None:
        self.rows = rows
        self.sizes = rows.totals["bytes"]
        self.shards = shards
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
        """Totals by shard and minute; no row crosses a whole minute."""
        rows = self.rows
        minute = rows.time_us // MINUTE_US
        new = np.ones(minute.size, bool)
        new[1:] = (minute[1:] != minute[:-1]) | (rows.shard[1:] != rows.shard[:-1])
        starts = self._starts = np.flatnonzero(new)
        self.cell_minute, self.cell_shard = minute[starts], rows.shard[starts]
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
        """Instants at which records arrive, counted for each shard."""
        return self.rows.expanded_size()

    def sorted_us(self) -> Int64:
        """Arrivals of single records, ascending over all shards."""
        if self._arrivals is None:
            self._arrivals = self.rows.time_us if self.shards == 1 else np.sort(self.rows.time_us)
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
    """How much has arrived by an instant, from stretches on any number of shards."""

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
        """Bounds of the amount arrived by each instant, at a cost that does not grow with the shards.

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


@dataclass(slots=True)
class Downs:
    """What goes down in one span of time, in order of (time, kind)."""

    time_us: Int64
    kind: Int64
    amount: Int64


class Level:
    """One quantity over time, of the whole stream: records, or their bytes."""

    def __init__(self, warm_up_us: int, minutes: int, in_bytes: bool = False, exact_steps: int = EXACT_SAMPLES) -> None:
        """Up to *exact_steps* arrivals and takings are followed one by one."""
        self.warm_up_us = warm_up_us
        self.in_bytes = in_bytes
        self.level = 0
        self.integral = 0
        """Quantity times microseconds since the end of the warm-up, exactly."""
        self.max = 0
        self.max_at_us = warm_up_us
        self.times: LevelTimes | TimeWeighted = TimeWeighted() if in_bytes else LevelTimes()
        self.minutes = MinuteLevels(minutes)
        self._exact_left = exact_steps
        self._seen_max = False

    def scaled(self, factor: int) -> Level:
        """The bytes of records that had *factor* bytes each so far."""
        other = copy.deepcopy(self)
        other.in_bytes = True
        other.level, other.integral, other.max = self.level * factor, self.integral * factor, self.max * factor
        assert isinstance(self.times, LevelTimes)
        other.times = self.times.scaled(factor)
        other.minutes.change *= factor
        other.minutes.inside *= factor
        return other

    def advance(self, start_us: int, end_us: int, ups: Ups, downs: Downs, last_up_us: int) -> None:
        """Take in the span from *start_us* to *end_us*; *last_up_us* is the latest arrival before it."""
        cell_amount = ups.cell_amount(self.in_bytes)
        self.minutes.up(ups, self.in_bytes)
        self.minutes.down(downs)
        self._integrate(start_us, end_us, ups, downs)
        size = ups.steps() + downs.time_us.size
        if size <= self._exact_left:
            self._exact_left -= size
            self._step_by_step(start_us, end_us, ups, downs)
        else:
            self._exact_left = 0
            self._between_downs(start_us, end_us, ups, downs, last_up_us)
        self.level += int(cell_amount.sum()) - int(downs.amount.sum())
        if self.level < 0 and not self.in_bytes:
            raise InternalError(f"at {end_us / 1e6} s a quantity over time stands at {self.level}, below zero")

    def finish(self, end_us: int, passed_us: int, last_up_us: int) -> None:
        """The run ends at *end_us*, while time was followed up to *passed_us*."""
        if passed_us > max(end_us, self.warm_up_us):
            extra = passed_us - max(end_us, self.warm_up_us)
            level = np.array([float(self.level)])
            self.times.add(level, level, np.array([-float(extra)]))
            self.integral -= extra * self.level
        if self.level > self.max:
            self._peak(self.level, max(last_up_us, self.warm_up_us))

    def statistics(
        self, end_us: int, percentiles: Iterable[float], ranks: Ranks = NO_RANKS, each: int = 1
    ) -> Statistics:
        """Statistics over the time from the end of the warm-up to *end_us*, times *each*."""
        span = end_us - self.warm_up_us
        wanted = list(percentiles)
        there = span > 0 and self.times.total_us > 0
        values: list[float | None] = [None] * len(wanted)
        if there:
            values = [v * each for v in self.times.percentiles(wanted, 0.0, float(self.max))]
        return {
            "time_average": self.integral * each / span if span > 0 else None,
            "max": float(self.max * each),
            "time_of_max": self.max_at_us / 1e6,
            "last": float(max(self.level, 0) * each),
            **{f"p{p:g}": v for p, v in zip(wanted, values, strict=True)},
            **{n: self.times.share(a / each, b / each) if there else None for n, (a, b) in ranks.items()},
        }

    def _integrate(self, start_us: int, end_us: int, ups: Ups, downs: Downs) -> None:
        warm_us = max(start_us, self.warm_up_us)
        if end_us <= warm_us:
            return
        self.integral += self.level * (end_us - warm_us)
        self.integral -= exact_dot(downs.amount, end_us - np.maximum(downs.time_us, warm_us))
        if start_us >= warm_us:
            before = end_us - ups.cell_minute * MINUTE_US
            self.integral += exact_dot(ups.cell_amount(self.in_bytes), before) - int(ups.cell_late(self.in_bytes).sum())
            return
        rows, amount = ups.rows, ups.amount(self.in_bytes)
        if start_us < warm_us:
            head = rows.arrived_by(warm_us)
            early = amount * head // rows.count
            self.integral += int(early.sum()) * (end_us - warm_us)
            some = head < rows.count
            rows, amount = rows.split(head)[1].take(some), (amount - early)[some]
        since = end_us - rows.time_us
        if (amount % rows.count == 0).all():
            self.integral += exact_dot(amount, since) - exact_dot(amount // rows.count, rows.offsets_sum())
        else:
            late = np.dot(amount / rows.count, rows.offsets_sum().astype(np.float64))
            self.integral += exact_dot(amount, since) - round(float(late))

    def _step_by_step(self, start_us: int, end_us: int, ups: Ups, downs: Downs) -> None:
        """Every arrival is a step of its own; instants are merged as ``4 * time + kind``."""
        if ups.rows.single and not self.in_bytes:
            up_at, upto = ups.sorted_us() * 4 + ARRIVE, np.arange(len(ups) + 1)
        else:
            single = _with_amount(ups.rows, ups.amount(self.in_bytes)).expanded()
            order = np.argsort(single.time_us, kind="stable")
            up_at = single.time_us[order] * 4 + ARRIVE
            upto = np.concatenate([[0], np.cumsum(single.totals["amount"][order])])
        down_at = downs.time_us * 4 + downs.kind
        gone = np.concatenate([[0], np.cumsum(downs.amount)]) - self.level
        downs_before, ups_before = np.searchsorted(down_at, up_at), np.searchsorted(up_at, down_at)
        last = 4 * end_us
        after_up = np.minimum(np.append(up_at[1:], last), np.append(down_at, last)[downs_before])
        after_down = np.minimum(np.append(down_at[1:], last), np.append(up_at, last)[ups_before])
        first = min(int(up_at[0]) if up_at.size else last, int(down_at[0]) if down_at.size else last)
        high = upto[1:] - gone[downs_before]
        low = upto[ups_before] - gone[1:]
        if self.in_bytes:
            low = np.maximum(low, 0)  # a row's bytes are shared out in whole ones
        elif low.size and int(low.min()) < 0:
            at = int(np.argmin(low))
            raise InternalError(f"at {downs.time_us[at] / 1e6} s more was taken than had arrived: {low[at]}")
        self._spend(up_at // 4, after_up // 4, high)
        self._spend(downs.time_us, after_down // 4, low)
        self._spend(np.array([start_us]), np.array([first // 4]), np.array([self.level]))

    def _spend(self, time_us: Int64, until_us: Int64, levels: Int64) -> None:
        """The quantity stood at *levels* from *time_us* to *until_us*, of which what is after the warm-up counts."""
        if not self.warm_up_us or (time_us.size and int(time_us[0]) >= self.warm_up_us):
            self.times.add(levels, levels, until_us - time_us)
        else:
            shown = np.maximum(until_us, self.warm_up_us) - np.maximum(time_us, self.warm_up_us)
            self.times.add(levels, levels, shown)
            counts = until_us >= self.warm_up_us
            levels, time_us = levels[counts], time_us[counts]
        if levels.size:
            top = int(levels.max())
            at_us = max(int(time_us[np.argmax(levels)]), self.warm_up_us)
            if top > self.max or not self._seen_max or (top == self.max and at_us < self.max_at_us):
                self._peak(top, at_us)

    def _between_downs(self, start_us: int, end_us: int, ups: Ups, downs: Downs, last_up_us: int) -> None:
        """Arrivals between two takings count as evenly spread there; the maximum is exact all the same."""
        climb = ups.climb(self.in_bytes)
        at_us = downs.time_us - (downs.kind == SETTLE)
        removed = np.cumsum(downs.amount) - downs.amount - self.level
        if climb.pairs(at_us) <= 4 * MOST_PAIRS:
            before = climb.at(at_us) - removed
            if (before < downs.amount).any() and not self.in_bytes:
                raise InternalError(f"before {end_us / 1e6} s more was taken than had arrived")
            low = high = before.astype(np.float64)
        else:
            low, high = climb.between(at_us)
            low, high = low - removed, high - removed
        arrived = int(ups.cell_amount(self.in_bytes).sum())
        final = float(self.level + arrived - int(downs.amount.sum()))
        self._spread_times(start_us, end_us, downs, (low + high) / 2, final)
        self._search_peak(climb, at_us, removed, high, ups, last_up_us)

    def _spread_times(self, start_us: int, end_us: int, downs: Downs, before: Floats, final: float) -> None:
        time_us = np.concatenate([[start_us], downs.time_us, [end_us]])
        time_us = np.maximum(time_us, self.warm_up_us)
        after = np.concatenate([[float(self.level)], before - downs.amount])
        reached = np.concatenate([before, [final]])
        self.times.add(np.maximum(np.minimum(after, reached), 0.0), np.maximum(after, reached), np.diff(time_us))

    def _search_peak(self, climb: Climb, at_us: Int64, removed: Int64, high: Floats, ups: Ups, last_up_us: int) -> None:
        """Evaluate exactly, highest bound first, until no other instant can be higher."""
        counts = at_us >= self.warm_up_us
        order = np.flatnonzero(counts)[np.argsort(-high[counts], kind="stable")]
        best, best_at = self.max if self._seen_max else -1, -1
        for start in range(0, order.size, 256):
            some = np.sort(order[start : start + 256])
            if high[some].max() <= best:
                break
            exact = climb.at(at_us[some]) - removed[some]
            k = int(np.argmax(exact))
            if exact[k] > best or (exact[k] == best and best_at > at_us[some[k]]):
                best, best_at = int(exact[k]), int(at_us[some[k]])
        if best_at >= 0 and best > (self.max if self._seen_max else -1):
            self._peak(best, max(ups.last_by(best_at, last_up_us), self.warm_up_us))

    def _peak(self, value: int, at_us: int) -> None:
        self.max, self.max_at_us, self._seen_max = value, at_us, True


def _with_amount(rows: Stretches, amount: Int64) -> Stretches:
    rows = rows.take(slice(None))
    rows.totals = {"amount": amount}
    return rows


def minute_lengths_us(end_us: int, minutes: int) -> Floats:
    """Length of each minute of a run that ends at *end_us*: the last may be short, but is never nothing.

    >>> minute_lengths_us(90_000_000, 2).tolist()
    [60000000.0, 30000000.0]
    """
    return np.clip(end_us - np.arange(minutes) * float(MINUTE_US), 1.0, MINUTE_US)


class MinuteLevels:
    """A quantity at the end of each minute and its average over the minute."""

    def __init__(self, minutes: int) -> None:
        self.change = np.zeros(minutes, np.int64)
        self.inside = np.zeros(minutes)

    def up(self, ups: Ups, in_bytes: bool) -> None:
        """Arrivals, records or bytes."""
        if not len(ups):
            return
        minute, amount = ups.cell_minute, ups.cell_amount(in_bytes)
        self._reserve(int(minute.max()))
        np.add.at(self.change, minute, amount)
        np.add.at(self.inside, minute, amount * float(MINUTE_US) - ups.cell_late(in_bytes))

    def down(self, downs: Downs) -> None:
        """What is taken."""
        if not downs.time_us.size:
            return
        minute = downs.time_us // MINUTE_US
        self._reserve(int(minute.max()))
        np.subtract.at(self.change, minute, downs.amount)
        np.subtract.at(self.inside, minute, downs.amount * ((minute + 1.0) * MINUTE_US - downs.time_us))

    def at_ends(self, minutes: int) -> Int64:
        """The quantity at the end of each minute."""
        self._reserve(minutes - 1)
        return np.cumsum(self.change[:minutes])

    def averages(self, end_us: int, minutes: int) -> Floats:
        """Average over each of the first *minutes* minutes of a run that ends at *end_us*."""
        ends = self.at_ends(minutes)
        area = (ends - self.change[:minutes]) * float(MINUTE_US) + self.inside[:minutes]
        lengths = minute_lengths_us(end_us, minutes)
        return np.asarray((area - ends * (MINUTE_US - lengths)) / lengths, np.float64)

    def _reserve(self, minute: int) -> None:
        if minute >= self.change.size:
            more = max(minute + 1, self.change.size * 2) - self.change.size
            self.change = np.append(self.change, np.zeros(more, np.int64))
            self.inside = np.append(self.inside, np.zeros(more))
