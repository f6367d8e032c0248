"""Trace files read in chunks of rows, in bounded memory, every problem with its row.

A file is read once from end to end before it is used, so that a broken row is reported before anything is simulated;
small traces stay in memory, large ones are read again.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.trace_text import Times, parse_numbers, parse_times
from kinsim.errors import ConfigError, Problem, SettingError
from kinsim.system.workload.expression import ALLOWED, Expression, parse_expression
from kinsim.system.workload.trace import RECORD_KEYS, ROW, UNITS, TraceArrivals, file_trouble
from kinsim.units import format_duration, parse_duration_us

CHUNK_ROWS = 50_000
KEPT_BYTES = 64 << 20
"""Traces up to this size stay in memory."""
LONGEST_LINE = 1 << 20
LARGEST_JSON = 200 << 20
MOST_PROBLEMS = 10_000
"""Problems after which a file is given up."""
MICRO = 1_000_000

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

LIMITS = {"count": 1e12, "bytes": 1e15, "size": 2.0**40, "log_events": 1e9, "work": 1e6}
"""Largest value of each column; beyond it is a wrong column or unit."""


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
    key: list[str] | None = None

    def __len__(self) -> int:
        return int(self.time_us.size)

    @property
    def nbytes(self) -> int:
        """Memory that the chunk takes."""
        columns = (getattr(self, f.name) for f in fields(self))
        return sum(100 * len(c) if isinstance(c, list) else getattr(c, "nbytes", 0) for c in columns)


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


def open_trace(settings: TraceArrivals, base_dir: Path, record_bytes: float | None = None) -> Trace:
    """The trace of *settings*; *record_bytes* is the mean record size where the file holds bytes per period.

    Raises
    ------
    ConfigError
        The file is missing, unreadable or broken: each problem with its row.
    """
    path = settings.path(base_dir)
    trouble = file_trouble(path)
    if trouble:
        raise ConfigError(Problem(message=trouble[0], help=trouble[1], path=f"workload.arrivals.file: {settings.file[:200]!r}"))
    status = path.stat()
    return _opened(settings, path, record_bytes, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _opened(settings: TraceArrivals, path: Path, record_bytes: float | None, changed_ns: int, size: int) -> Trace:
    reader = _Reader(settings, path, record_bytes)
    trace = Trace(path)
    kept: list[Chunk] = []
    kept_bytes, current = 0, (-1, 0)
    for chunk in reader.chunks():
        trace.rows = chunk.first_row + len(chunk)
        if len(chunk) and not reader.problems:
            trace.last_us = int(chunk.time_us[-1])
            trace.records += len(chunk) if chunk.count is None else int(chunk.count.sum())
            current, peak = _busiest_second(chunk, current)
            trace.peak_records = max(trace.peak_records, peak)
        kept_bytes += chunk.nbytes
        if kept_bytes <= KEPT_BYTES:
            kept.append(chunk)
    reader.finish(trace)
    if kept_bytes <= KEPT_BYTES:
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
        self.count_carry = _Carry(MICRO)
        self.byte_carry = _Carry(MICRO)
        self.size_carry = _Carry(round((record_bytes or 0) * MICRO) or MICRO)
        self.record_bytes = record_bytes
        if settings.bytes is not None and settings.count is None and not record_bytes and settings.file_format != "cloudwatch":
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
            self._say(f"rows follow each other after {gap}, but row_period is {period}", help=f"write row_period: {gap}")
        expected = trace.last_us // trace.period_us + 1 if trace.period_us else trace.rows
        if expected > trace.rows:
            period = format_duration(trace.period_us / 1e6)
            self.notes.append(f"{expected - trace.rows:,} of {expected:,} periods of {period} have no row and count as 0")

    # -- chunks --

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in order; after a problem they are only good for finding more."""
        if self.settings.file_format == "cloudwatch":
            yield from self._cloudwatch()
        elif self.settings.file_format == "parquet":
            yield from self._table(_parquet_rows(self.path))
        else:
            yield from self._guarded(self._csv)

    def _guarded(self, read: Callable[[], Iterator[Chunk]]) -> Iterator[Chunk]:
        """Errors of the file itself as problems."""
        try:
            yield from read()
        except UnicodeDecodeError:
            line, byte = _undecodable(self.path)
            self._say(f"is not UTF-8 text (byte 0x{byte:02x})", line=line, help="save the file as CSV in UTF-8")
        except csv.Error as error:
            self._say(f"after row {self.rows}: {error}", help="write the file as plain CSV")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._say(f"after row {self.rows}: the compressed file is damaged: {str(error).lower()}", help="copy it again")
        except OSError as error:
            self._say(f"after row {self.rows}: {(error.strerror or str(error)).lower()}", help="check the file")

    def _csv(self) -> Iterator[Chunk]:
        with _text(self.path) as file:
            yield from self._table(_csv_rows(file))

    def _table(self, tables: Iterator[_Table]) -> Iterator[Chunk]:
        wanted: _Wanted | None = None
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

    def _whole_rows(self, table: _Table) -> list[list[str]]:
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

    def _wanted(self, header: list[str]) -> _Wanted | None:
        """Where the columns that the settings name are; None after saying which are not there."""
        names = [name.strip() for name in header]
        readers: dict[str, _Column] = {}
        for role in ("time", "count", "bytes", *RECORD_KEYS):
            text = getattr(self.settings, role)
            if text is None:
                continue
            try:
                readers[role] = _column(role, text, names)
            except SettingError as error:
                self._say(f"{role}: {error.message}", line=1, help=error.help)
        return None if self.problems else readers

    def _chunk(self, rows: list[list[str]], wanted: _Wanted) -> Chunk:
        chunk = Chunk(self.rows, self._times(rows, wanted))
        cells = _Cells(rows, self)
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

    def _times(self, rows: list[list[str]], wanted: _Wanted) -> Int64:
        column = wanted.get("time")
        if column is None:
            first = self.rows * self.row_period_us
            return first + np.arange(len(rows), dtype=np.int64) * self.row_period_us
        cells = [row[column.at] for row in rows]
        times = parse_times(cells) if cells else Times(*(np.zeros(0, np.int64),) * 2, np.zeros(0, np.intp))
        for at in times.bad.tolist():
            self._say(
                f", column {column.text}: got {_shown(cells[at])}, not a time", at, help=_time_help(cells[at])
            )
        return self._since_first(times, cells)

    def _since_first(self, times: Times, cells: Sequence[str]) -> Int64:
        """Microseconds since the first row; rows that go back in time are reported."""
        if self.origin is None and len(cells):
            self.origin = (int(times.second[0]), int(times.nanosecond[0]))
        time_us = times.since(*(self.origin or (0, 0)))
        if times.bad.size or not time_us.size:
            return time_us
        before = time_us[0] if self.last_us is None else self.last_us
        gaps = np.diff(time_us, prepend=np.int64(before))
        self._check_order(gaps, cells)
        self._note_gaps(gaps[gaps > 0])
        self.last_us = int(time_us[-1])
        return time_us

    def _note_gaps(self, gaps: Int64) -> None:
        """Keep the smallest gap, and the largest of which all are multiples."""
        if gaps.size and self.settings.per_period:
            smallest = int(gaps.min())
            self.smallest_gap_us = min(self.smallest_gap_us or smallest, smallest)
            self.common_gap_us = int(np.gcd(self.common_gap_us, np.gcd.reduce(gaps)))

    def _check_order(self, gaps: Int64, cells: Sequence[str]) -> None:
        for at in np.flatnonzero(gaps < 0).tolist():
            self._say(
                f" goes back in time: {_shown(cells[at])} after {_shown(cells[at - 1]) if at else 'a later row'}",
                at,
                help="sort the rows by time, oldest first",
            )
        if self.settings.per_period:
            for at in np.flatnonzero(gaps == 0).tolist():
                if self.rows + at > 0:
                    self._say(f" has the time of the row before it: {_shown(cells[at])}", at, help="add them up")

    # -- CloudWatch --

    def _cloudwatch(self) -> Iterator[Chunk]:
        series = self._series()
        if self.problems or not series:
            return
        stamps = sorted({stamp for one in series.values() for stamp in one})
        if not stamps:
            self._say("the metric has no data points", help="ask for a time range in which it has some")
            return
        first = stamps[0]
        chunk = Chunk(0, np.array([s - first for s in stamps], np.int64))
        gaps = np.diff(chunk.time_us)
        self._note_gaps(gaps)
        period_us = self.row_period_us or self.common_gap_us
        if period_us and (gaps % period_us).any():
            self._say(
                f"the time stamps are not whole periods of {format_duration(period_us / 1e6)} apart",
                help="write row_period: 60s, the Period of the request",
            )
        values = {role: np.array([one.get(s, 0.0) for s in stamps]) for role, one in series.items()}
        self._fill_periods(chunk, values.get("count"), values.get("bytes"))
        self.rows = len(stamps)
        yield chunk

    def _series(self) -> dict[str, dict[int, float]]:
        """Value at each time stamp (in microseconds), for count, bytes or both."""
        results = self._results()
        roles = {role: getattr(self.settings, role) for role in ("count", "bytes") if getattr(self.settings, role)}
        if not roles and len(results) > 1:
            names = ", ".join(_names(results))
            self._say("the file holds several metrics", help=f"write count: ID or bytes: ID, one of {names}")
            return {}
        series = {}
        for role, name in (roles or {"count": None}).items():
            found = [r for r in results if name in (None, r.get("Id"), r.get("Label"))]
            if not found and not self.problems:
                self._say(f"{role}: there is no metric {name!r}", help=f"the file holds {', '.join(_names(results)) or 'none'}")
            series[role] = self._points(found, role)
        if "bytes" in series and "count" not in series and not self.record_bytes and not self.problems:
            self._say("bytes per period need the size of a record", help="write record_size beside arrivals")
        return series

    def _results(self) -> list[dict[str, Any]]:
        """The MetricDataResults of the file."""
        try:
            if self.path.stat().st_size > LARGEST_JSON:
                raise SettingError("the file is larger than 200 MiB", help="a call returns at most 100,800 points")
            with _text(self.path) as file:
                document = json.load(file)
        except SettingError as error:
            self._say(error.message, help=error.help)
            return []
        except json.JSONDecodeError as error:
            self._say(f"is not JSON: {error.msg.lower()}", line=error.lineno, help=CLOUDWATCH_HELP)
            return []
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, RecursionError, ValueError) as error:
            self._say(f"is not JSON: {str(error)[:100].lower()}", help=CLOUDWATCH_HELP)
            return []
        results = document.get("MetricDataResults") if isinstance(document, dict) else None
        if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
            self._say("holds no list MetricDataResults", help=CLOUDWATCH_HELP)
            return []
        if document.get("NextToken"):
            self.notes.append("the answer has a NextToken: points are missing that further calls return")
        return results

    def _points(self, results: list[dict[str, Any]], role: str) -> dict[int, float]:
        """Points of one metric, whose pages may be several results."""
        points: dict[int, float] = {}
        for result in results:
            name = str(result.get("Id") or result.get("Label") or role)
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                self._say(f"metric {name}: CloudWatch answered {result['StatusCode']}", help="export it again")
            elif result.get("StatusCode") == "PartialData":
                self.notes.append(f"metric {name} is PartialData: points are missing that further calls return")
            stamps, values = result.get("Timestamps"), result.get("Values")
            if not isinstance(stamps, list) or not isinstance(values, list) or len(stamps) != len(values):
                self._say(f"metric {name}: Timestamps and Values are not lists of one length", help=CLOUDWATCH_HELP)
                continue
            self._add_points(points, [str(stamp) for stamp in stamps], values, name, role)
        return points

    def _add_points(self, points: dict[int, float], stamps: list[str], values: list[Any], name: str, role: str) -> None:
        times = parse_times(stamps)
        for at in times.bad.tolist():
            self._say(f"metric {name}, point {at + 1}: got {_shown(stamps[at])}, not a time", help=_time_help(stamps[at]))
        time_us = times.since(0, 0).tolist()
        for at, value in enumerate(values):
            trouble = None if type(value) in (int, float) else "not a number"
            trouble = trouble or _trouble(float(value), role)
            if trouble:
                self._say(f"metric {name}, point {at + 1} ({stamps[at]}): got {_shown(str(value))}, {trouble}")
            elif time_us[at] in points and at not in times.bad:
                self._say(f"metric {name}, point {at + 1}: {stamps[at]} occurs twice", help="give each period one value")
            else:
                points[time_us[at]] = float(value)


CLOUDWATCH_HELP = "give it the output of `aws cloudwatch get-metric-data`"


def _names(results: list[dict[str, Any]]) -> list[str]:
    return [str(result.get("Id") or result.get("Label")) for result in results][:20]


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


# -- columns -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Column:
    """What a setting reads: one column, or an expression of several."""

    role: str
    text: str
    at: int = -1
    """Index of the column; -1: an expression, or the row number."""
    expression: Expression | None = None
    places: dict[str, int] = field(default_factory=dict)


_Wanted = dict[str, _Column]


def _column(role: str, text: str, names: list[str]) -> _Column:
    """The column called *text*, else the expression that it is."""
    if text.strip() in names:
        return _Column(role, text, _place(text.strip(), names))
    if role == "key" and text.strip() == ROW:
        return _Column(role, ROW)
    if role in ("time", "key"):
        raise _unknown(text, names)
    try:
        expression = parse_expression(text, UNITS.get(role, ""))
    except SettingError:
        raise _unknown(text, names) from None
    for name in expression.columns:
        if name not in names:
            raise _unknown(name, names)
    return _Column(role, text, expression=expression, places={name: _place(name, names) for name in expression.columns})


def _place(name: str, names: list[str]) -> int:
    if names.count(name) > 1:
        raise SettingError(f"the file has {names.count(name)} columns {name!r}", help="give each column its own name")
    return names.index(name)


def _unknown(name: str, names: list[str]) -> SettingError:
    known = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    close = get_close_matches(name, names, n=1) or [n for n in names if n.lower() == name.lower()]
    hint = f"did you mean {close[0]!r}? " if close else ""
    if names and not close and all(_is_number(n) for n in names):
        return SettingError("the first line holds numbers, not names of columns", help="put a line of names on top")
    return SettingError(f"there is no column {_shown(name)}", help=f"{hint}columns: {known}; or an expression: {ALLOWED}")


def _is_number(text: str) -> bool:
    return not parse_numbers([text])[1].size


class _Cells:
    """The cells of a chunk, each column parsed once."""

    def __init__(self, rows: list[list[str]], reader: _Reader) -> None:
        self.rows = rows
        self.reader = reader
        self.parsed: dict[int, Float64] = {}

    def numbers(self, wanted: _Wanted, role: str) -> Float64 | None:
        """The values that setting *role* reads, checked."""
        column = wanted.get(role)
        if column is None:
            return None
        if column.expression is None:
            values = self._column(column.at, column.text)
        else:
            values = column.expression.evaluate({name: self._column(at, name) for name, at in column.places.items()})
            values = np.broadcast_to(values, (len(self.rows),))
        wrong = np.flatnonzero(~((values >= 0) & (values <= LIMITS[role])))
        for at in wrong.tolist():
            shown = self.rows[at][column.at] if column.expression is None else f"{values[at]:g}"
            self.reader._say(
                f", {'column ' if column.expression is None else ''}{column.text}: got {_shown(shown)}, "
                f"{_trouble(float(values[at]), role)}",
                at,
            )
        return np.where((values >= 0) & (values <= LIMITS[role]), values, 0.0) if wrong.size else values

    def keys(self, wanted: _Wanted) -> list[str] | None:
        """The partition keys as text."""
        column = wanted.get("key")
        if column is None:
            return None
        first = self.reader.rows
        if column.at < 0:
            return [str(first + at) for at in range(len(self.rows))]
        keys = [row[column.at] for row in self.rows]
        if "" in keys or max(map(len, keys), default=0) > 256:
            for at, key in enumerate(keys):
                if not 1 <= len(key) <= 256:
                    what = "is empty" if not key else f"has {len(key)} characters"
                    self.reader._say(f", column {column.text}: the key {what}", at, help="keys have 1 to 256 characters")
        return keys

    def _column(self, at: int, name: str) -> Float64:
        if at not in self.parsed:
            cells = [row[at] for row in self.rows]
            self.parsed[at], bad = parse_numbers(cells)
            for row in bad.tolist():
                self.reader._say(f", column {name}: got {_shown(cells[row])}, not a finite number", row)
        return self.parsed[at]


def _trouble(value: float, role: str) -> str:
    """What is wrong with *value*, or nothing.

    >>> _trouble(-1.0, "count"), _trouble(float("nan"), "size"), _trouble(3.0, "count")
    ('which is negative', 'not a finite number', '')
    """
    if not np.isfinite(value):
        return "not a finite number"
    if value < 0:
        return "which is negative"
    return f"more than {LIMITS[role]:g}" if value > LIMITS[role] else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _time_help(cell: str) -> str:
    numbers, bad = parse_numbers([cell])
    if not bad.size and numbers[0] > 1e10:
        return "it looks like milliseconds; write seconds, or ISO 8601"
    return "write seconds, or ISO 8601 such as 2023-11-16 18:17:03.97996"


# -- files ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Table:
    """Some rows of a table as text."""

    header: list[str]
    rows: list[list[str]]
    uneven: bool = False


def _text(path: Path) -> IO[str]:
    """The file as text, decompressed if it is a gzip file."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open(path, "rb") if packed else path.open("rb")
    return io.TextIOWrapper(opened, encoding="utf-8-sig", newline="")


def _csv_rows(file: IO[str]) -> Iterator[_Table]:
    """Chunks of rows; the first line names the columns, which a comma, semicolon or tab separates."""
    lines = _lines(file)
    first = next(lines, "")
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    header = next(reader, [])
    lines_before = reader.line_num
    uneven = lines_before != 1
    while rows := list(islice(reader, CHUNK_ROWS)):
        uneven |= reader.line_num - lines_before != len(rows)
        lines_before = reader.line_num
        if [] in rows:
            rows, uneven = [row for row in rows if row], True
        yield _Table(header, rows, uneven)
    yield _Table(header, [])


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        if len(line) >= LONGEST_LINE:
            raise csv.Error("a line is longer than a million characters")
        yield line


def _undecodable(path: Path) -> tuple[int, int]:
    """Line and byte at which *path* stops being UTF-8."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open(path, "rb") if packed else path.open("rb")
    with opened as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 0, 0


def _parquet_rows(path: Path) -> Iterator[_Table]:
    """Chunks of rows of a Parquet file, as text."""
    try:
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise ConfigError(
            Problem(file=str(path), message="Parquet files need pyarrow, which is not installed",
                    help="install it with pip install 'kinsim[parquet]', or convert the file to CSV")
        ) from None  # fmt: skip
    try:
        file = parquet.ParquetFile(path)
        header = [str(name) for name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            columns = [["" if v is None else str(v) for v in column.to_pylist()] for column in batch.columns]
            yield _Table(header, [list(row) for row in zip(*columns, strict=True)])
        yield _Table(header, [])
    except (OSError, ValueError) as error:
        raise ConfigError(
            Problem(file=str(path), message=f"is no readable Parquet file: {str(error)[:100].lower()}", help="write it again")
        ) from None
