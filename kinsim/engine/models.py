"""When the records of a source come: one drawer per arrival model, window by window.

Poisson counts and positions are drawn per window from the integral of the rate, so that the rate is exact at every
edge.  What goes on across windows (gaps, stays, bursts) is drawn in blocks of its own and carried along.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from kinsim.engine.context import Context, microseconds, window_for, window_of_bins
from kinsim.engine.draws import Purpose
from kinsim.engine.even import LARGEST_COUNT, binned, bins, even_rows, plain_rows
from kinsim.engine.overlaps import separate
from kinsim.engine.tables import Int64, Rows
from kinsim.system.distributions import Distribution, Float64
from kinsim.system.workload.bursts import BurstArrivals
from kinsim.system.workload.constant import ConstantArrivals, exact_rate
from kinsim.system.workload.mmpp import MmppArrivals
from kinsim.system.workload.modulation import Modulated
from kinsim.system.workload.piecewise import PiecewiseArrivals
from kinsim.system.workload.poisson import PoissonArrivals
from kinsim.system.workload.renewal import RenewalArrivals

SECOND_US = 1_000_000
HALF = Fraction(1, 2)
BLOCK = 4096
"""Gaps drawn together."""

GAPS, SIZES, PLACES = range(3)
"""What the draws of bursts are for, as part of their address."""

Level = tuple[int, int, float]
"""A time with one rate: from, to (microseconds) and records per second."""


# -- random records at a rate that may change ----------------------------------------------------------------


class RandomDrawer(ABC):
    """Records of a Poisson process whose rate is level in pieces."""

    fills: frozenset[str] = frozenset()
    key_table = None

    def __init__(self, context: Context, peak_per_s: float) -> None:
        self.context = context
        self.bin_us = context.bin_us
        self.window_us = window_of_bins(peak_per_s, context.bin_us)
        model = context.source.arrivals
        assert isinstance(model, Modulated)
        self.modulation = model

    @abstractmethod
    def levels(self, start_us: int, end_us: int) -> list[Level]:
        """The rate in ``[start_us, end_us)`` before factors, in pieces that cover it."""

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of ``[start_us, end_us)``."""
        generator = self.context.generator(Purpose.ARRIVALS, start_us // self.window_us)
        edges, masses = expected_records(self.levels(start_us, end_us), self.modulation, self.context.week_offset_us)
        if self.bin_us:
            return self._in_bins(generator, edges, masses)
        return plain_rows(scattered(generator, int(generator.poisson(masses.sum())), edges, masses))

    def _in_bins(self, generator: np.random.Generator, edges: Int64, masses: Float64) -> Rows:
        cuts = np.arange(edges[0], edges[-1] + self.bin_us, self.bin_us)
        cuts[-1] = edges[-1]
        total = np.interp(cuts - edges[0], edges - edges[0], np.concatenate(([0.0], np.cumsum(masses))))
        return bins(cuts[:-1], generator.poisson(np.maximum(np.diff(total), 0.0)), self.bin_us)


def expected_records(levels: list[Level], modulation: Modulated, week_offset_us: int) -> tuple[Int64, Float64]:
    """Edges of the pieces in which the rate is level, and the expected records of each."""
    if modulation.level:
        edges = np.array([levels[0][0], *(end for _, end, _ in levels)], np.int64)
        return edges, np.array([(end - start) / 1e6 * rate for start, end, rate in levels])
    cuts, masses = [np.array([levels[0][0]], np.int64)], []
    for start_us, end_us, rate in levels:
        edges, seconds = modulation.pieces(start_us, end_us, week_offset_us)
        cuts.append(edges[1:])
        masses.append(seconds * rate)
    return np.concatenate(cuts), np.concatenate(masses)


def scattered(generator: np.random.Generator, n: int, edges: Int64, masses: Float64) -> Int64:
    """*n* independent instants, ascending, each in a piece with a chance in proportion to its mass, uniform inside."""
    start, width = int(edges[0]), int(edges[-1] - edges[0])
    if masses.size == 1:
        drawn = generator.integers(0, width, n, dtype=np.uint32 if width <= 1 << 32 else np.uint64)
        drawn.sort()
        return np.asarray(start + drawn.astype(np.int64))
    total = np.concatenate(([0.0], np.cumsum(masses)))
    if total[-1] <= 0:
        return np.zeros(0, np.int64)
    place = np.sort(generator.random(n)) * total[-1]
    inside = np.interp(place, total, edges - start).astype(np.int64)
    return np.asarray(start + np.minimum(inside, width - 1))


class PoissonDrawer(RandomDrawer):
    """Model ``poisson``."""

    def __init__(self, context: Context) -> None:
        model = context.source.arrivals
        assert isinstance(model, PoissonArrivals)
        super().__init__(context, model.rate_per_s * model.highest_factor())
        self.rate = model.rate_per_s

    def levels(self, start_us: int, end_us: int) -> list[Level]:
        """One level."""
        return [(start_us, end_us, self.rate)]


class MmppDrawer(RandomDrawer):
    """Model ``mmpp``: the stays are drawn first, in blocks, then the records of each window."""

    def __init__(self, context: Context) -> None:
        model = context.source.arrivals
        assert isinstance(model, MmppArrivals)
        super().__init__(context, max(model.rates_per_s) * model.highest_factor())
        self.rates = model.rates_per_s
        self.mean_us = np.array(model.mean_stays_s) * 1e6
        self.stays = self._stays()
        self.known: list[Level] = []

    def _stays(self) -> Iterator[Level]:
        first = self.context.generator(Purpose.MODULATION, 0)
        share = np.cumsum(self.mean_us / self.mean_us.sum())
        state = min(int(share.searchsorted(first.random(), "right")), len(self.rates) - 1)
        at_us, block = 0, 0
        while True:
            block += 1
            for drawn in self.context.generator(Purpose.MODULATION, block).standard_exponential(BLOCK).tolist():
                end_us = at_us + max(1, int(drawn * self.mean_us[state] + 0.5))
                yield at_us, end_us, self.rates[state]
                at_us, state = end_us, (state + 1) % len(self.rates)

    def levels(self, start_us: int, end_us: int) -> list[Level]:
        """The stays of the window."""
        while not self.known or self.known[-1][1] < end_us:
            self.known.append(next(self.stays))
        self.known = [level for level in self.known if level[1] > start_us]
        return [(max(a, start_us), min(b, end_us), rate) for a, b, rate in self.known if a < end_us]


class PiecewiseDrawer(RandomDrawer):
    """Model ``piecewise`` with random spacing."""

    def __init__(self, context: Context) -> None:
        model = context.source.arrivals
        assert isinstance(model, PiecewiseArrivals)
        super().__init__(context, model.peak_rate_per_s() or 0.0)
        self.segments = segments_of(model)

    def levels(self, start_us: int, end_us: int) -> list[Level]:
        """The segments of the window; nothing comes after the last."""
        inside = [(max(a, start_us), min(b, end_us), r) for a, b, r in self.segments if a < end_us and b > start_us]
        covered = inside[-1][1] if inside else start_us
        return inside if covered == end_us else [*inside, (covered, end_us, 0.0)]


def segments_of(model: PiecewiseArrivals) -> list[Level]:
    """Segments with their beginning; the last ends after any run where it has no end."""
    levels, begin = [], 0
    for segment in model.segments:
        end = 1 << 61 if segment.until_s is None else microseconds(segment.until_s)
        levels.append((begin, end, segment.rate_per_s))
        begin = end
    return levels


# -- evenly spaced records -----------------------------------------------------------------------------------


class EvenDrawer:
    """Models ``constant`` and ``piecewise`` with even spacing: record k where the rate has added up to k.

    A level rate is exact in whole numbers; with factors the sum is carried from window to window.
    """

    fills: frozenset[str] = frozenset()
    key_table = None

    def __init__(self, context: Context, levels: list[Level]) -> None:
        model = context.source.arrivals
        assert isinstance(model, Modulated)
        self.context = context
        self.modulation = model
        self.window_us = window_for(max(rate for _, _, rate in levels) * model.highest_factor())
        self.levels = levels
        self.before = [Fraction(0)]
        for start_us, end_us, rate in levels[:-1]:
            self.before.append(self.before[-1] + exact_rate(rate) * Fraction(end_us - start_us, SECOND_US))
        self.added = 0.0

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of ``[start_us, end_us)``."""
        if not self.modulation.level:
            return self._with_factors(start_us, end_us)
        parts = []
        for (begin_us, stop_us, rate), before in zip(self.levels, self.before, strict=True):
            if begin_us < end_us and stop_us >= start_us and rate > 0:
                gap_us = SECOND_US / exact_rate(rate)
                stop = before + exact_rate(rate) * Fraction(stop_us - begin_us, SECOND_US)
                offset_us = begin_us + HALF - before * gap_us
                parts.append(even_rows(start_us, end_us, gap_us, offset_us, -(-before // 1), -(-stop // 1)))
        return separate(Rows.concatenate(parts)) if len(parts) > 1 else parts[0] if parts else plain_rows(_nothing())

    def _with_factors(self, start_us: int, end_us: int) -> Rows:
        inside = [(max(a, start_us), min(b, end_us), r) for a, b, r in self.levels if a < end_us and b > start_us]
        if not inside:
            return plain_rows(_nothing())
        edges, masses = expected_records(inside, self.modulation, self.context.week_offset_us)
        total = self.added + np.concatenate(([0.0], np.cumsum(masses)))
        self.added = float(total[-1])
        records = np.arange(np.ceil(total[0]), np.ceil(total[-1]))
        places = np.interp(records, total, edges - edges[0])
        time_us = edges[0] + np.floor(places + 0.5).astype(np.int64)
        return plain_rows(np.minimum(time_us, end_us - 1))


def constant_drawer(context: Context) -> EvenDrawer:
    """The drawer of model ``constant``."""
    model = context.source.arrivals
    assert isinstance(model, ConstantArrivals)
    return EvenDrawer(context, [(microseconds(model.first_s), 1 << 61, model.rate_per_s)])


def piecewise_drawer(context: Context) -> EvenDrawer | PiecewiseDrawer:
    """The drawer of model ``piecewise``."""
    model = context.source.arrivals
    assert isinstance(model, PiecewiseArrivals)
    return EvenDrawer(context, segments_of(model)) if model.spacing == "even" else PiecewiseDrawer(context)


# -- independent gaps ----------------------------------------------------------------------------------------


class Epochs:
    """Instants with independent gaps, in blocks; added up as floats from the block's start, then rounded once."""

    def __init__(self, context: Context, gap: Distribution, what: int, first_us: int | None) -> None:
        """*first_us* is the first instant; None: it comes one gap after 0."""
        self.context, self.gap, self.what = context, gap, what
        self.block = 0
        self.at_us, self.rest_us = 0 if first_us is None else first_us, 0.0
        self.times = _nothing() if first_us is None else np.array([first_us], np.int64)
        self.taken = 0
        """Instants handed out so far."""

    def until(self, end_us: int) -> Int64:
        """The instants before *end_us* that were not handed out yet."""
        parts = [self.times]
        while self.at_us < end_us:
            parts.append(self._next_block())
        times = np.concatenate(parts)
        ready = int(times.searchsorted(end_us))
        self.times = times[ready:]
        self.taken += ready
        return times[:ready]

    def _next_block(self) -> Int64:
        constant = self.gap.constant
        if constant is not None:
            return self._equal_gaps(constant)
        generator = self.context.generator(Purpose.ARRIVALS, self.what, self.block)
        passed_us = self.rest_us + np.cumsum(self.gap.sample(generator, BLOCK)) * 1e6
        times = self.at_us + np.floor(passed_us + 0.5).astype(np.int64)
        self.block += 1
        self.at_us += int(passed_us[-1])
        self.rest_us = float(passed_us[-1]) - int(passed_us[-1])
        return times

    def _equal_gaps(self, gap_s: float) -> Int64:
        """Exact: instant k at ``first + k * gap``, rounded half up."""
        if self.block == 0:
            self.origin_us = self.at_us
        gap_us = Fraction(gap_s).limit_denominator(10**9) * SECOND_US
        numbers = range(self.block * BLOCK + 1, (self.block + 1) * BLOCK + 1)
        times = np.array([self.origin_us + int(k * gap_us + HALF) for k in numbers], np.int64)
        self.block += 1
        self.at_us = int(times[-1])
        return times


class RenewalDrawer:
    """Model ``renewal``."""

    fills: frozenset[str] = frozenset()
    key_table = None

    def __init__(self, context: Context) -> None:
        model = context.source.arrivals
        assert isinstance(model, RenewalArrivals)
        self.window_us = window_for(1.0 / model.gap_s.mean, context.bin_us)
        self.bin_us = context.bin_us
        self.epochs = Epochs(context, model.gap_s, GAPS, None)

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of ``[start_us, end_us)``."""
        times = self.epochs.until(end_us)
        return binned(times, self.bin_us) if self.bin_us else plain_rows(times)


# -- bursts --------------------------------------------------------------------------------------------------


class BurstDrawer:
    """Model ``bursts``; a burst that goes on after its window is carried over with the records still to come."""

    fills: frozenset[str] = frozenset()
    key_table = None

    def __init__(self, context: Context) -> None:
        model = context.source.arrivals
        assert isinstance(model, BurstArrivals)
        self.context = context
        together = model.spread_s == 0 and not context.records_differ
        rows_per_s = (1.0 if together else max(1.0, model.size.mean)) / model.every_s.mean
        self.window_us = window_for(rows_per_s, 0 if together else context.bin_us)
        self.spread_us = microseconds(model.spread_s)
        self.even = model.spacing == "even"
        self.size = model.size
        self.epochs = Epochs(context, model.every_s, GAPS, microseconds(model.first_s))
        self.sizes = _nothing()
        self.size_blocks = 0
        self.open_us, self.open_left = _nothing(), _nothing()

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of ``[start_us, end_us)``."""
        begin_us = self.epochs.until(end_us)
        sizes = self._next_sizes(begin_us.size)
        some = sizes > 0
        begin_us, sizes = begin_us[some], sizes[some]
        if self.spread_us == 0:
            return _at_once(begin_us, sizes)
        self.open_us = np.concatenate([self.open_us, begin_us])
        self.open_left = np.concatenate([self.open_left, sizes])
        rows = self._evenly(start_us, end_us) if self.even else self._at_random(start_us, end_us)
        going_on = self.open_us + self.spread_us > end_us
        self.open_us, self.open_left = self.open_us[going_on], self.open_left[going_on]
        return rows

    def _next_sizes(self, n: int) -> Int64:
        while self.sizes.size < n:
            generator = self.context.generator(Purpose.ARRIVALS, SIZES, self.size_blocks)
            drawn = np.floor(self.size.sample(generator, BLOCK) + 0.5).astype(np.int64)
            self.sizes = np.concatenate([self.sizes, drawn])
            self.size_blocks += 1
        taken, self.sizes = self.sizes[:n], self.sizes[n:]
        return taken

    def _evenly(self, start_us: int, end_us: int) -> Rows:
        parts = [
            even_rows(start_us, end_us, Fraction(self.spread_us, size), Fraction(begin_us), 0, size)
            for begin_us, size in zip(self.open_us.tolist(), self.open_left.tolist(), strict=True)
        ]
        return separate(Rows.concatenate(parts)) if parts else plain_rows(_nothing())

    def _at_random(self, start_us: int, end_us: int) -> Rows:
        """How many of each burst's remaining records fall in the window is binomial; where, uniform."""
        generator = self.context.generator(Purpose.ARRIVALS, PLACES, start_us // self.window_us)
        low_us = np.maximum(self.open_us, start_us)
        high_us = np.minimum(self.open_us + self.spread_us, end_us)
        share = (high_us - low_us) / (self.open_us + self.spread_us - low_us)
        here = generator.binomial(self.open_left, share)
        self.open_left = self.open_left - here
        if self.context.bin_us:
            return self._in_bins(generator, low_us, high_us, here)
        places = generator.random(int(here.sum())) * np.repeat(high_us - low_us, here)
        times = np.repeat(low_us, here) + places.astype(np.int64)
        times.sort()
        return plain_rows(times)

    def _in_bins(self, generator: np.random.Generator, low_us: Int64, high_us: Int64, here: Int64) -> Rows:
        width_us = self.context.bin_us
        places, counts = [], []
        for low, high, n in zip(low_us.tolist(), high_us.tolist(), here.tolist(), strict=True):
            cuts = np.unique(np.concatenate(([low, high], np.arange(-(-low // width_us) * width_us, high, width_us))))
            places.append(cuts[:-1] // width_us)
            counts.append(generator.multinomial(n, np.diff(cuts) / (high - low)))
        if not places:
            return plain_rows(_nothing())
        numbers, at = np.unique(np.concatenate(places), return_inverse=True)
        total = np.zeros(numbers.size, np.int64)
        np.add.at(total, at, np.concatenate(counts))
        return bins(numbers * width_us, total, width_us)


def _at_once(time_us: Int64, sizes: Int64) -> Rows:
    """A row for each burst; very large ones are several rows at one instant."""
    if not sizes.size or int(sizes.max()) <= LARGEST_COUNT:
        return plain_rows(time_us, sizes)
    rows = -(-sizes // LARGEST_COUNT)
    burst = np.repeat(np.arange(sizes.size), rows)
    place = np.arange(burst.size) - np.repeat(np.cumsum(rows) - rows, rows)
    return plain_rows(time_us[burst], np.minimum(LARGEST_COUNT, sizes[burst] - place * LARGEST_COUNT))


def _nothing() -> Int64:
    return np.zeros(0, np.int64)
