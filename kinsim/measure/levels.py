"""Quantities over time that go up at arrivals and down at takings: average, maximum, percentiles by time."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kinsim.errors import InternalError
from kinsim.measure import climb as climbs
from kinsim.measure.climb import Climb, Ups
from kinsim.measure.samples import EXACT_SAMPLES, NO_RANKS, Floats, Ranks, Statistics
from kinsim.measure.stretches import MINUTE_US, Int64, Stretches, exact_dot
from kinsim.measure.times import LevelTimes, TimeWeighted

SETTLE, ARRIVE, LOSE, TAKE = 0, 1, 2, 3
"""Order of what happens at one microsecond."""


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
        other.minutes.before *= factor
        other.minutes.change *= factor
        other.minutes.inside *= factor
        return other

    def begin(self, amount: int) -> None:
        """*amount* more is there at time 0."""
        self.level += amount
        self.minutes.before += amount

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
        """Arrivals between two takings count as evenly spread there; the maximum is exact all the same.

        What comes at the instant of a taking is no part of the climb to it: an idle reader takes a record as it comes.
        """
        climb = ups.climb(self.in_bytes)
        at_us = downs.time_us - (downs.kind == SETTLE)
        removed = np.cumsum(downs.amount) - downs.amount - self.level
        if climb.pairs(at_us) <= 4 * climbs.MOST_PAIRS:
            before = climb.at(at_us) - removed
            if (before < downs.amount).any() and not self.in_bytes:
                raise InternalError(f"before {end_us / 1e6} s more was taken than had arrived")
            high = before.astype(np.float64)
            after, reached = high - downs.amount, (climb.at(downs.time_us - 1) - removed).astype(np.float64)
        else:
            low, high = climb.between(at_us)
            low, high = low - removed, high - removed
            after, reached = (low + high) / 2 - downs.amount, (low + high) / 2
        arrived = int(ups.cell_amount(self.in_bytes).sum())
        final = float(self.level + arrived - int(downs.amount.sum()))
        self._spread_times(start_us, end_us, downs, after, np.append(reached, final))
        self._search_peak(climb, at_us, removed, high, ups, last_up_us)

    def _spread_times(self, start_us: int, end_us: int, downs: Downs, after: Floats, reached: Floats) -> None:
        """*after* each taking, and what was *reached* just before the next one and at the end."""
        time_us = np.concatenate([[start_us], downs.time_us, [end_us]])
        time_us = np.maximum(time_us, self.warm_up_us)
        after = np.concatenate([[float(self.level)], after])
        low, high = np.minimum(after, reached), np.maximum(after, reached)  # bounds may lie below zero a little
        self.times.add(np.maximum(low, 0.0), np.maximum(high, 0.0), np.diff(time_us))

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
        self.before = 0
        """The quantity at time 0."""
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
        return self.before + np.cumsum(self.change[:minutes])

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
