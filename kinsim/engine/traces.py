"""Arrivals as a trace has them: its rows as records, or its periods' totals laid out in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.context import microseconds, window_of_bins
from kinsim.engine.draws import Purpose
from kinsim.engine.even import LARGEST_COUNT, LARGEST_PRODUCT, constant, plain_rows
from kinsim.engine.flow_logs import flow_log_drawer
from kinsim.engine.pieces import MINUTE_US, at_most, cut, pieces, records_until, singles
from kinsim.engine.tables import Int64, Rows
from kinsim.engine.trace_files import Chunk, Trace, open_trace
from kinsim.errors import ConfigError, Problem
from kinsim.system.partition_keys import KeyTable
from kinsim.system.workload import ONLY_SOURCE, Source
from kinsim.system.workload.trace import TraceArrivals
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.engine.arrivals import Context
    from kinsim.scenario import Scenario

__all__ = [
    "TraceDrawer",
    "flow_log_drawer",
    "require_traces",
    "trace_drawer",
    "trace_notes",
    "trace_of",
    "trace_problems",
]


class TraceDrawer:
    """The arrivals of a trace, window by window, read as far as they are needed."""

    def __init__(self, context: Context, trace: Trace) -> None:
        settings = context.source.arrivals
        assert isinstance(settings, TraceArrivals)
        self.context = context
        self.settings = settings
        self.trace = trace
        self.key_table: KeyTable | None = KeyTable.of([]) if settings.key is not None else None
        self.fills = filled_columns(settings)
        binned_us = context.bin_us if settings.shape == "poisson" else 0
        self.window_us = window_of_bins(self._peak_rows_per_s(), binned_us)
        self.blocks = self._blocks()
        self.open: list[Rows] = []
        """Blocks of rows that later windows need, too."""
        self.read_until_us = -1

    def _peak_rows_per_s(self) -> float:
        """Rows in the busiest second, about: what a window's length is chosen by."""
        if not self.settings.per_period:
            return float(self.trace.peak_records)
        period_s = max(self.trace.period_us / 1e6, 1e-3)
        if self.settings.shape == "poisson":
            return self.trace.peak_records / period_s
        return 1.0 / min(period_s, 60.0)

    def window(self, start_us: int, end_us: int) -> Rows:
        """The arrivals of ``[start_us, end_us)``."""
        while self.read_until_us < end_us:
            block = next(self.blocks, None)
            if block is None:
                break
            if len(block):
                self.open.append(block)
                self.read_until_us = int(block.time_us[-1])
        found = [_between(block, start_us, end_us) for block in self.open]
        self.open = [_rest(block, end_us) for block in self.open if _last_us(block) >= end_us]
        rows = Rows.concatenate([each for each in found if len(each)])
        return at_most(cut(rows, min(end_us - start_us, MINUTE_US)), LARGEST_COUNT)

    def _blocks(self) -> Iterator[Rows]:
        for chunk in self.trace.chunks():
            if not self.settings.per_period:
                yield self._records(chunk)
            elif self.settings.shape == "poisson":
                totals = self._totals(chunk)
                for place in np.flatnonzero(totals.count).tolist():
                    yield self._scattered(totals.take(slice(place, place + 1)), chunk.first_row + place)
            else:
                yield self._periods(chunk)

    def _records(self, chunk: Chunk) -> Rows:
        """Rows that are records, copied as often as *repeat* says."""
        copies = self.settings.repeat
        rows = Rows.empty(len(chunk))
        rows.time_us = chunk.time_us
        rows.count = np.full(len(chunk), copies)
        if chunk.data_bytes is not None:
            rows.data_bytes = rows.body_bytes = chunk.data_bytes * copies
        if chunk.log_events is not None:
            rows.log_events = chunk.log_events * copies
        if chunk.cpu_us is not None:
            rows.cpu_us = chunk.cpu_us * copies
        if chunk.key is not None and self.key_table is not None:
            number, sizes = self.key_table.number, self.key_table.sizes
            rows.key = np.fromiter(map(number, map(str, chunk.key)), np.int64, len(chunk))
            rows.key_bytes = np.fromiter((sizes[key] for key in rows.key.tolist()), np.int64, len(chunk)) * copies
        return rows

    def _periods(self, chunk: Chunk) -> Rows:
        """Periods with their records at the start, or at equal gaps."""
        rows = self._totals(chunk)
        if self.settings.shape == "burst":
            return rows.take(rows.count > 0)
        rows.step_numerator = np.full(len(chunk), self.trace.period_us)
        rows.step_denominator = np.maximum(rows.count, 1)
        large = rows.count > min(LARGEST_PRODUCT // self.trace.period_us, 1 << 30)
        if not large.any():
            return rows.take(rows.count > 0)
        parts = [by_minute(one) if big else one for big, one in zip(large.tolist(), _one_by_one(rows), strict=True)]
        return Rows.concatenate([part for part in parts if part.count.sum() > 0])

    def _totals(self, chunk: Chunk) -> Rows:
        rows = Rows.empty(len(chunk))
        rows.time_us = chunk.time_us
        rows.count = _counts(chunk)
        if chunk.data_bytes is not None:
            rows.data_bytes = rows.body_bytes = chunk.data_bytes
        return rows

    def _scattered(self, period: Rows, number: int) -> Rows:
        """One period with its records at independent uniform instants: a Poisson process with that total."""
        count, width_us = int(period.count[0]), self.trace.period_us
        generator = self.context.generator(Purpose.ARRIVALS, number)
        if not self.context.bin_us:
            at_us = np.sort(np.floor(generator.random(count) * width_us).astype(np.int64))
            time_us = period.time_us[0] + at_us
            if not period.data_bytes[0]:
                return plain_rows(time_us)
            return replace(singles(period), time_us=time_us)
        edges_us = np.append(np.arange(0, width_us, self.context.bin_us), width_us)
        counts = generator.multinomial(count, np.diff(edges_us) / width_us).astype(np.int64)
        ends = np.cumsum(counts)
        some = counts > 0
        bins = pieces(period, np.zeros(int(some.sum()), np.intp), (ends - counts)[some], ends[some])
        return replace(
            bins,
            time_us=period.time_us[0] + edges_us[:-1][some],
            step_numerator=np.diff(edges_us)[some],
            step_denominator=counts[some],
        )


def filled_columns(settings: TraceArrivals) -> frozenset[str]:
    """The columns of rows that the trace itself gives.

    >>> sorted(filled_columns(TraceArrivals(model="trace", file="a.csv", time="t", key="k")))
    ['key', 'key_bytes']
    """
    filled: set[str] = set()
    if settings.size is not None or (settings.bytes is not None and settings.count is not None):
        filled |= {"data_bytes", "body_bytes"}
    if settings.log_events is not None:
        filled.add("log_events")
    if settings.work is not None:
        filled.add("cpu_us")
    if settings.key is not None:
        filled |= {"key", "key_bytes"}
    return frozenset(filled)


def _one_by_one(rows: Rows) -> Iterator[Rows]:
    for place in range(len(rows)):
        yield rows.take(slice(place, place + 1))


def by_minute(row: Rows) -> Rows:
    """One even row in rows of at most `LARGEST_COUNT` that cross no minute, in exact integers whatever its size.

    >>> row = replace(Rows.empty(1), count=np.array([7]), data_bytes=np.array([15]))
    >>> row = replace(row, step_numerator=np.array([120_000_000]), step_denominator=np.array([7]))
    >>> by_minute(row).count.tolist(), by_minute(row).time_us.tolist(), by_minute(row).data_bytes.tolist()
    ([4, 3], [0, 68571428], [8, 7])
    """
    start, count, width = int(row.time_us[0]), int(row.count[0]), int(row.step_numerator[0])
    total = int(row.data_bytes[0])
    most = max(1, min(LARGEST_COUNT, LARGEST_PRODUCT // width - 1))
    bounds = [0]
    for minute in range(start // MINUTE_US * MINUTE_US + MINUTE_US, start + width + MINUTE_US, MINUTE_US):
        until = min(count, -(-(minute - start) * count // width))
        bounds += [*range(bounds[-1] + most, until, most), until]
    ends = np.array(bounds[1:], dtype=object)
    firsts = np.array(bounds[:-1], dtype=object)
    share = total * ends // count - total * firsts // count
    some = np.array([end > first for first, end in zip(firsts, ends, strict=True)])
    return plain_rows(
        (start + firsts * width // count).astype(np.int64)[some],
        (ends - firsts).astype(np.int64)[some],
        step_numerator=constant(width, int(some.sum())),
        step_offset=(firsts * width % count).astype(np.int64)[some],
        step_denominator=constant(count, int(some.sum())),
        data_bytes=share.astype(np.int64)[some],
        body_bytes=share.astype(np.int64)[some],
    )


def _counts(chunk: Chunk) -> Int64:
    return chunk.count if chunk.count is not None else np.ones(len(chunk), np.int64)


def _between(block: Rows, start_us: int, end_us: int) -> Rows:
    """The records of *block* that arrive in ``[start_us, end_us)``."""
    reach = int(block.time_us.searchsorted(end_us))
    if not block.step_numerator.any():
        return block.take(slice(int(block.time_us.searchsorted(start_us)), reach))
    near = block.take(slice(0, reach))
    full = np.full(len(near), start_us)
    first = records_until(near, full)
    last = records_until(near, np.full(len(near), end_us))
    some = np.flatnonzero(last > first)
    return pieces(near, some, first[some], last[some])


def _rest(block: Rows, end_us: int) -> Rows:
    """*block* without the rows that are over before *end_us*."""
    return block.take(slice(max(0, int(block.time_us.searchsorted(end_us)) - 1), None))


def _last_us(block: Rows) -> int:
    steps = (int(block.count[-1]) - 1) * int(block.step_numerator[-1]) + int(block.step_offset[-1])
    return int(block.time_us[-1]) + steps // int(block.step_denominator[-1])


def trace_drawer(context: Context) -> TraceDrawer:
    """The drawer of arrivals model ``trace``; raises ConfigError with every problem of the file."""
    return TraceDrawer(context, trace_of(context.source, context.base_dir, context.name))


def trace_of(source: Source, base_dir: Path, name: str = ONLY_SOURCE) -> Trace:
    """The trace of a source, read once; raises ConfigError with every problem of the file."""
    settings = source.arrivals
    assert isinstance(settings, TraceArrivals)
    place = "workload.arrivals" if name == ONLY_SOURCE else f"workload.sources.{name}.arrivals"
    return open_trace(settings, base_dir, source.record_size_bytes.mean, place)


def trace_problems(sources: Mapping[str, Source], base_dir: Path) -> list[Problem]:
    """Everything that is wrong with the traces of *sources*; reads them."""
    problems: list[Problem] = []
    for name, source in sources.items():
        if isinstance(source.arrivals, TraceArrivals):
            try:
                trace_of(source, base_dir, name)
            except ConfigError as error:
                problems += error.problems
    return problems


def require_traces(scenario: Scenario) -> None:
    """Raise ConfigError with everything that is wrong with the traces of *scenario*."""
    problems = located_trace_problems(scenario)
    if problems:
        raise ConfigError(problems)


def located_trace_problems(scenario: Scenario) -> list[Problem]:
    """What is wrong with the traces of *scenario*; a file that is not there, with the place that names it."""
    warned = {warning.path: replace(warning, severity="error") for warning in scenario.warnings}
    problems = trace_problems(scenario.workload.sources, scenario.base_dir)
    return [warned.get(problem.path, problem) if not problem.file else problem for problem in problems]


def trace_notes(scenario: Scenario) -> list[str]:
    """What a reader should know of the traces of *scenario*, such as periods without a value; they must be sound."""
    notes: list[str] = []
    duration_us = microseconds(scenario.run.duration_s)
    for name, source in scenario.workload.sources.items():
        if isinstance(source.arrivals, TraceArrivals):
            trace = trace_of(source, scenario.base_dir, name)
            said = list(trace.notes)
            if trace.last_us >= duration_us:
                last, end = (format_duration(time_us / 1e6) for time_us in (trace.last_us, duration_us))
                said.append(f"its last row is at {last}; the run ends at {end} and leaves the rest out")
            notes += [f"{source.arrivals.file}: {note}" for note in said]
    return notes
