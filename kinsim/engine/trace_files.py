"""Trace files read in chunks of rows, in bounded memory, every problem with its row.

A file is read once from end to end before it is used, so that a broken row is reported before anything is simulated;
small traces stay in memory, large ones are read again.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.trace_cloudwatch import read_series
from kinsim.engine.trace_columns import Cells, Column, Columns, column_of, shown, time_help
from kinsim.engine.trace_tables import Table, csv_rows, opened_text, parquet_rows, undecodable
from kinsim.engine.trace_text import Times, parse_times
from kinsim.errors import ConfigError, Problem, SettingError
from kinsim.system.workload.trace import RECORD_KEYS, TraceArrivals, file_trouble
from kinsim.units import format_duration, parse_duration_us

KEPT_BYTES = 128 << 20
"""Traces up to this size stay in memory."""
KEY_BYTES = 100
"""Memory that the text of a key takes."""
MOST_PROBLEMS = 10_000
"""Problems after which a file is given up."""
MOST_IN_PERIOD = 10**12
MICRO = 1_000_000

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(slots=True)
class Chunk:
    """Consecutive rows of a trace; a column that the trace does not give is None."""

    first_row: int
    """Number of the first row, from 0."""
    time_us: Int64
    """The record's time, or the start of the period, since the first row."""
    count: Int64 | None = None
    """Records of the period; None: the row is one record."""
    data_bytes: Int64 | None = None
    """Data of the row's records together."""
    log_events: Int64 | None = None
    cpu_us: Int64 | None = None
    key: list[str] | range | None = None
    """Partition keys; a range stands for the text of its numbers."""

    def __len__(self) -> int:
        return int(self.time_us.size)

    @property
    def nbytes(self) -> int:
        """Memory that the chunk takes, without the text of its keys."""
        columns = (getattr(self, f.name) for f in fields(self))
        return sum(8 * len(c) if isinstance(c, list) else getattr(c, "nbytes", 0) for c in columns)


@dataclass
class Trace:
    """A trace that was read once and found to be sound."""

    path: Path
    rows: int = 0
    records: int = 0
    """Records in the file; None of them is repeated or scaled twice."""
    last_us: int = 0
    period_us: int = 0
    """Length of a period; 0 where rows are records."""
    peak_records: int = 0
    """Records of the busiest whole second (rows that are records) or period."""
    notes: list[str] = field(default_factory=list)
    """What the reader should know, such as periods without a value."""
    _read: Callable[[], Iterator[Chunk]] = field(default=lambda: iter(()), repr=False)
    _kept: list[Chunk] | None = field(default=None, repr=False)

    def chunks(self) -> Iterator[Chunk]:
        """All rows, in order."""
        return iter(self._kept) if self._kept is not None else self._read()


def open_trace(settings: TraceArrivals, base_dir: Path, record_bytes: float | None = None, place: str = "") -> Trace:
    """The trace of *settings*; *record_bytes* is the mean record size where the file holds bytes per period.

    Raises
    ------
    ConfigError
        The file is missing, unreadable or broken: each problem with its row.
    """
    path = settings.path(base_dir)
    trouble = file_trouble(path)
    if trouble:
        raise ConfigError(Problem(message=trouble[0], help=trouble[1], path=f"{place}.file" if place else "file"))
    status = path.stat()
    return _opened(settings, path, record_bytes, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _opened(settings: TraceArrivals, path: Path, record_bytes: float | None, changed_ns: int, size: int) -> Trace:
    reader = _Reader(settings, path, record_bytes)
    trace = Trace(path)
    kept: list[Chunk] = []
    kept_bytes, small, current = 0, True, (-1, 0)
    for chunk in reader.chunks():
        trace.rows = chunk.first_row + len(chunk)
        if len(chunk) and not reader.problems:
            trace.last_us = int(chunk.time_us[-1])
            trace.records += len(chunk) if chunk.count is None else int(chunk.count.sum())
            current, peak = _busiest_second(chunk, current)
            trace.peak_records = max(trace.peak_records, peak)
        kept_bytes += chunk.nbytes
        small = kept_bytes + KEY_BYTES * len(reader.known_keys) <= KEPT_BYTES
        if small:
            kept.append(chunk)
        else:
            kept.clear()
    reader.finish(trace)
    if small:
        trace._kept = kept
    trace._read = lambda: _again(_Reader(settings, path, record_bytes))
    return trace


def _again(reader: _Reader) -> Iterator[Chunk]:
    """The chunks of a file that was found sound before."""
    for chunk in reader.chunks():
        if reader.problems:
            raise ConfigError(reader.problems)
        yield chunk


def _busiest_second(chunk: Chunk, current: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The (second, records) that may go on in the next chunk, and the records of the busiest second so far."""
    if chunk.count is not None:
        return current, int(chunk.count.max())
    seconds, records = np.unique(chunk.time_us // 1_000_000, return_counts=True)
    if int(seconds[0]) == current[0]:
        records[0] += current[1]
    return (int(seconds[-1]), int(records[-1])), int(records.max())


class _Reader:
    """One pass over a file, collecting problems."""

    def __init__(self, settings: TraceArrivals, path: Path, record_bytes: float | None) -> None:
        self.settings = settings
        self.path = path
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.rows = 0
        self.origin: tuple[int, int] | None = None
        self.last_us: int | None = None
        self.smallest_gap_us = 0
        self.common_gap_us = 0
        self.row_period_us = parse_duration_us(settings.row_period_s) if settings.row_period_s else 0
        self.known_keys: dict[str, str] = {}
        self.count_carry = _Carry(MICRO)
        self.byte_carry = _Carry(MICRO)
        self.size_carry = _Carry(round((record_bytes or 0) * MICRO) or MICRO)
        self.record_bytes = record_bytes
        if (
            settings.bytes is not None
            and settings.count is None
            and not record_bytes
            and settings.file_format != "cloudwatch"
        ):
            self._say("bytes per period need the size of a record", help="write record_size beside arrivals")

    # -- problems --

    def _say(self, message: str, at: int | None = None, help: str = "", line: int = 0) -> None:
        """Note a problem, of the row at place *at* of the current chunk if it is one of a row."""
        if len(self.problems) >= MOST_PROBLEMS:
            raise ConfigError(self.problems)
        if at is not None:
            row = self.numbers[at] if self.numbers else self.rows + at
            line = self._line(row)
            message = f"row {row + 1}{message}"
        self.problems.append(Problem(file=str(self.path), line=line, message=message, help=help))

    def _line(self, row: int) -> int:
        """Line of the file that holds *row*, where rows are lines."""
        return row + 2 if self.settings.file_format == "csv" and not self.uneven_lines else 0

    numbers: list[int] | None = None
    """Numbers of the rows of the current chunk where some were left out."""

    uneven_lines = False
    """Whether the file has blank lines or line breaks inside cells, so that rows are not numbered like lines."""

    def finish(self, trace: Trace) -> None:
        """Raise what was wrong, else complete *trace* by what only the whole file tells."""
        if not self.problems and self.rows == 0:
            self._say(f"{self.path.name} has no rows", help="a trace has a line of column names and at least one row")
        if self.settings.per_period:
            even_us = self.common_gap_us if self.common_gap_us >= MICRO else self.smallest_gap_us
            trace.period_us = self.row_period_us or even_us
            if not trace.period_us and not self.problems and self.settings.shape != "burst":
                self._say("one row does not tell how long its period is", help="write row_period: 300s")
            elif not self.problems:
                self._check_periods(trace)
        if self.problems:
            raise ConfigError(self.problems)
        trace.notes = self.notes

    def _check_periods(self, trace: Trace) -> None:
        if self.row_period_us and self.smallest_gap_us and self.smallest_gap_us < self.row_period_us:
            gap, period = (format_duration(us / 1e6) for us in (self.smallest_gap_us, self.row_period_us))
            self._say(
                f"rows follow each other after {gap}, but row_period is {period}", help=f"write row_period: {gap}"
            )
        expected = trace.last_us // trace.period_us + 1 if trace.period_us else trace.rows
        if expected > trace.rows:
            period = format_duration(trace.period_us / 1e6)
            self.notes.append(
                f"{expected - trace.rows:,} of {expected:,} periods of {period} have no row and count as 0"
            )

    # -- chunks --

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in order; after a problem they are only good for finding more."""
        if self.settings.file_format == "cloudwatch":
            yield from self._cloudwatch()
        elif self.settings.file_format == "parquet":
            yield from self._table(parquet_rows(self.path))
        else:
            yield from self._guarded(self._csv)

    def _guarded(self, read: Callable[[], Iterator[Chunk]]) -> Iterator[Chunk]:
        """Errors of the file itself as problems."""
        try:
            yield from read()
        except UnicodeDecodeError:
            line, byte = undecodable(self.path)
            self._say(f"is not UTF-8 text (byte 0x{byte:02x})", line=line, help="save the file as CSV in UTF-8")
        except csv.Error as error:
            self._say(f"after row {self.rows}: {error}", help="write the file as plain CSV")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._say(
                f"after row {self.rows}: the compressed file is damaged: {str(error).lower()}", help="copy it again"
            )
        except OSError as error:
            self._say(f"after row {self.rows}: {(error.strerror or str(error)).lower()}", help="check the file")

    def _csv(self) -> Iterator[Chunk]:
        with opened_text(self.path) as file:
            yield from self._table(csv_rows(file))

    def _table(self, tables: Iterator[Table]) -> Iterator[Chunk]:
        wanted: Columns | None = None
        for table in tables:
            if wanted is None:
                wanted = self._wanted(table.header)
                if wanted is None:
                    return
            if not table.rows:
                continue
            self.uneven_lines |= table.uneven
            rows = self._whole_rows(table)
            if rows:
                yield self._chunk(rows, wanted)
            self.rows += len(table.rows)

    def _whole_rows(self, table: Table) -> list[list[str]]:
        """The rows that have a cell for each column; the others are reported."""
        width = len(table.header)
        self.numbers = None
        if set(map(len, table.rows)) == {width}:
            return table.rows
        for at, row in enumerate(table.rows):
            if len(row) != width:
                self._say(f" has too {'few' if len(row) < width else 'many'} cells: {len(row)} for {width} columns", at)
        self.numbers = [self.rows + at for at, row in enumerate(table.rows) if len(row) == width]
        return [row for row in table.rows if len(row) == width]

    def _wanted(self, header: list[str]) -> Columns | None:
        """Where the columns that the settings name are; None after saying which are not there."""
        names = [name.strip() for name in header]
        readers: dict[str, Column] = {}
        for role in ("time", "count", "bytes", *RECORD_KEYS):
            text = getattr(self.settings, role)
            if text is None:
                continue
            try:
                readers[role] = column_of(role, text, names)
            except SettingError as error:
                self._say(f"{role}: {error.message}", line=int(self.settings.file_format == "csv"), help=error.help)
        return None if self.problems else readers

    def _chunk(self, rows: list[list[str]], wanted: Columns) -> Chunk:
        chunk = Chunk(self.rows, self._times(rows, wanted))
        cells = Cells(rows, self.rows, self._say, self.known_keys)
        if self.settings.per_period:
            counts = cells.numbers(wanted, "count")
            amounts = cells.numbers(wanted, "bytes")
            self._fill_periods(chunk, counts, amounts)
            return chunk
        chunk.data_bytes = _whole(cells.numbers(wanted, "size"))
        chunk.log_events = _whole(cells.numbers(wanted, "log_events"))
        chunk.cpu_us = _whole(cells.numbers(wanted, "work"), MICRO)
        chunk.key = cells.keys(wanted)
        return chunk

    def _fill_periods(self, chunk: Chunk, counts: Float64 | None, amounts: Float64 | None) -> None:
        """Records and bytes of each period; what is left over of a record or byte goes to the next period."""
        scale, repeat = self.settings.scale, self.settings.repeat
        whole_bytes = self.byte_carry.whole(amounts * scale) if amounts is not None else None
        if counts is not None:
            chunk.count = self.count_carry.whole(counts * scale) * repeat
            if whole_bytes is not None:
                chunk.data_bytes = whole_bytes * repeat
        elif whole_bytes is not None:
            chunk.count = self.size_carry.whole(whole_bytes.astype(np.float64)) * repeat
        if chunk.count is not None and chunk.count.max(initial=0) > MOST_IN_PERIOD:
            self._say(
                " has more than 10^12 records", int(chunk.count.argmax()), help="check scale, repeat and record_size"
            )

    def _times(self, rows: list[list[str]], wanted: Columns) -> Int64:
        column = wanted.get("time")
        if column is None:
            first = self.rows * self.row_period_us
            return first + np.arange(len(rows), dtype=np.int64) * self.row_period_us
        cells = [row[column.at] for row in rows]
        times = parse_times(cells) if cells else Times(*(np.zeros(0, np.int64),) * 2, np.zeros(0, np.intp))
        for at in times.bad.tolist():
            self._say(f", column {column.text}: got {shown(cells[at])}, not a time", at, help=time_help(cells[at]))
        return self._since_first(times, cells)

    def _since_first(self, times: Times, cells: Sequence[str]) -> Int64:
        """Microseconds since the first row; rows that go back in time are reported."""
        sound = np.delete(np.arange(len(cells)), times.bad)
        if not sound.size:
            return np.zeros(len(cells), np.int64)
        if self.origin is None:
            self.origin = (int(times.second[sound[0]]), int(times.nanosecond[sound[0]]))
        time_us = times.since(*self.origin)
        first = self.last_us is None
        gaps = np.diff(time_us[sound], prepend=time_us[sound[0]] if self.last_us is None else self.last_us)
        self._check_order(gaps, sound.tolist(), cells)
        if self.settings.per_period:
            self._check_periods_differ(gaps[first:], sound[first:].tolist(), cells)
        self._note_gaps(gaps[gaps > 0])
        self.last_us = int(time_us[sound[-1]])
        return time_us

    def _check_order(self, gaps: Int64, rows: list[int], cells: Sequence[str]) -> None:
        for place in np.flatnonzero(gaps < 0).tolist():
            before = shown(cells[rows[place - 1]]) if place else "the row before it"
            self._say(
                f" goes back in time: {shown(cells[rows[place]])} after {before}",
                rows[place],
                help="sort the rows by time, oldest first",
            )

    def _check_periods_differ(self, gaps: Int64, rows: list[int], cells: Sequence[str]) -> None:
        for place in np.flatnonzero(gaps == 0).tolist():
            self._say(
                f" has the time of the row before it: {shown(cells[rows[place]])}", rows[place], help="add them up"
            )

    def _note_gaps(self, gaps: Int64) -> None:
        """Keep the smallest gap, and the largest of which all are multiples."""
        if gaps.size and self.settings.per_period:
            smallest = int(gaps.min())
            self.smallest_gap_us = min(self.smallest_gap_us or smallest, smallest)
            self.common_gap_us = int(np.gcd(self.common_gap_us, np.gcd.reduce(gaps)))

    def _cloudwatch(self) -> Iterator[Chunk]:
        """All periods at once: an export holds at most a hundred thousand."""
        wanted = {role: getattr(self.settings, role) for role in ("count", "bytes") if getattr(self.settings, role)}
        series = read_series(self.path, wanted, self._say, self.notes)
        stamps = sorted({stamp for one in series.values() for stamp in one})
        if self.problems:
            return
        if not stamps:
            self._say("the metric has no data points", help="ask for a time range in which it has some")
            return
        chunk = Chunk(0, np.array([stamp - stamps[0] for stamp in stamps], np.int64))
        gaps = np.diff(chunk.time_us)
        self._note_gaps(gaps)
        if self.row_period_us and (gaps % self.row_period_us).any():
            self._say(
                f"the time stamps are not whole periods of {format_duration(self.row_period_us / 1e6)} apart",
                help=f"write row_period: {format_duration(self.common_gap_us / 1e6)}, the Period of the request",
            )
        values = {role: np.array([one.get(stamp, 0.0) for stamp in stamps]) for role, one in series.items()}
        self._fill_periods(chunk, values.get("count"), values.get("bytes"))
        self.rows = len(stamps)
        yield chunk


class _Carry:
    """Whole units of amounts that come in millionths, the rest carried over."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.rest = 0

    def whole(self, amounts: Float64) -> Int64:
        """Whole units so far, less those already given.

        >>> _Carry(MICRO).whole(np.array([0.5, 0.25, 0.25, 2.0])).tolist()
        [0, 0, 1, 2]
        """
        floors = np.floor(amounts)
        micros = np.rint((amounts - floors) * MICRO).astype(np.int64).tolist()
        units, unit, rest = [], self.unit, self.rest
        for whole, micro in zip(floors.astype(np.int64).tolist(), micros, strict=True):
            filled, rest = divmod(rest + whole * MICRO + micro, unit)
            units.append(filled)
        self.rest = rest
        return np.array(units, np.int64)


def _whole(numbers: Float64 | None, factor: int = 1) -> Int64 | None:
    """*numbers* times *factor*, rounded half up."""
    return None if numbers is None else np.floor(numbers * factor + 0.5).astype(np.int64)
