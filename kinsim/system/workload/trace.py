"""Arrivals taken from a file: one row per record, or totals per period."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from kinsim.errors import SettingError
from kinsim.system.distributions import Number
from kinsim.system.workload.expression import is_column_like, parse_expression
from kinsim.units import Count, Duration, Settings

RECORD_KEYS = ("key", "size", "log_events", "work")
PERIOD_KEYS = ("count", "bytes")
UNITS = {"size": "size", "work": "time"}
"""What the numbers of an expression may be written in."""

ROW = "row"
"""As a key: the number of the row, from 0."""

LOOKED_AT = 1_000
"""Rows at the head of a file by which totals of periods are told from records."""
LONGEST_LINE = 1 << 20

Shape = Literal["burst", "even", "poisson"]


def _as_text(value: object) -> object:
    """A bare number, such as ``size: 900``, is the expression that consists of it."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Column = Annotated[str, BeforeValidator(_as_text)]
"""The name of a column, or arithmetic on columns."""


class TraceArrivals(Settings):
    """Arrivals as recorded, in a CSV file or in the answer of CloudWatch's get-metric-data.

    Times are relative to the first row.  With ``count`` or ``bytes`` each row holds the totals of a period, which
    begins at the row's time; else each row is one record.
    """

    model: Literal["trace"] = Field(description="Arrivals from a file.", examples=["trace"])
    file: str = Field(
        description="The file, relative to the scenario's folder.", examples=["arrivals.csv"], min_length=1
    )
    format: Literal["csv", "parquet", "cloudwatch"] | None = Field(
        default=None,
        description="csv (also .csv.gz), parquet, or cloudwatch: JSON as `aws cloudwatch get-metric-data` prints it; "
        "by default from the file's name.",
        examples=["csv"],
    )
    time: str | None = Field(
        default=None,
        description="Column of the time, in seconds or ISO 8601, ascending.",
        examples=["timestamp"],
        min_length=1,
    )
    row_period_s: Duration | None = Field(
        default=None,
        alias="row_period",
        description="Time from row to row, for rows without usable time; with time: the length of a period.",
        examples=["300s"],
        gt=0,
    )
    count: Column | None = Field(
        default=None,
        description="Records per period: a column or an expression; for cloudwatch the metric's id or label.",
        examples=["value"],
    )
    bytes: Column | None = Field(
        default=None,
        description="Bytes per period: likewise; the records have the source's record_size.",
        examples=["NetworkIn"],
    )
    shape: Shape | None = Field(
        default=None,
        description="Where a period's records lie: burst: all at its start; even: at equal gaps (the default); "
        "poisson: at random.",
        examples=["burst"],
    )
    key: Column | None = Field(
        default=None,
        description="Partition key of a row's record: a column, or row: the row's number from 0.",
        examples=["row"],
    )
    size: Column | None = Field(
        default=None,
        description="Data bytes of a row's record: a column or an expression.",
        examples=["4*ContextTokens"],
    )
    log_events: Column | None = Field(
        default=None, description="Log events in a row's record: a column or an expression.", examples=["lines"]
    )
    work: Column | None = Field(
        default=None,
        description="CPU seconds at one vCPU that a row's record brings: a column or an expression.",
        examples=["0.01 + 5e-6*ContextTokens"],
    )
    scale: Number = Field(default=1.0, description="Factor on counts or bytes.", examples=[100], gt=0, le=1e12)
    repeat: Count = Field(default=1, description="Copies of each row, at its own time.", examples=[10], ge=1, le=10**9)

    @field_validator(*PERIOD_KEYS, *RECORD_KEYS)
    @classmethod
    def _readable(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not is_column_like(value):
            parse_expression(value, UNITS.get(info.field_name or "", ""))
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.file_format == "cloudwatch":
            self._check_cloudwatch()
        elif self.time is None and self.row_period_s is None:
            raise SettingError(
                "a trace needs the column of its times",
                help="write time: COLUMN, or row_period: 300s for rows at equal gaps",
            )
        given = [name for name in RECORD_KEYS if getattr(self, name) is not None]
        if self.per_period and given:
            raise SettingError(
                f"{given[0]} belongs to traces of one row per record, but rows hold totals per period",
                help="remove it, or count and bytes",
                at=(given[0],),
            )
        if not self.per_period:
            self._check_per_record()
        return self

    def _check_cloudwatch(self) -> None:
        if self.time is not None:
            raise SettingError("format cloudwatch brings its own times", help="remove it", at=("time",))
        given = [name for name in RECORD_KEYS if getattr(self, name) is not None]
        if given:
            raise SettingError("format cloudwatch holds totals per period", help="remove it", at=(given[0],))

    def _check_per_record(self) -> None:
        if self.shape is not None:
            raise SettingError(
                "rows are records with their own times", help="name the column of totals: count or bytes", at=("shape",)
            )
        if self.scale != 1.0:
            raise SettingError(
                "scale multiplies counts or bytes, and rows are records", help="repeat copies each row", at=("scale",)
            )

    def mean_rate_per_s(self) -> float | None:
        """Only the file tells."""
        return None

    def peak_rate_per_s(self) -> float | None:
        """Only the file tells."""
        return None

    @property
    def file_format(self) -> Literal["csv", "parquet", "cloudwatch"]:
        """The format given, or that of the file's name."""
        if self.format is not None:
            return self.format
        name = self.file.lower()
        return "parquet" if name.endswith((".parquet", ".pq")) else "cloudwatch" if name.endswith(".json") else "csv"

    @property
    def per_period(self) -> bool:
        """Whether a row holds totals of a period."""
        return self.file_format == "cloudwatch" or self.count is not None or self.bytes is not None

    def path(self, base_dir: Path) -> Path:
        """Where the file is, for a scenario in *base_dir*."""
        return base_dir / Path(self.file).expanduser()


def file_trouble(path: Path) -> tuple[str, str] | None:
    """Why *path* cannot be a trace, and what to try; None where it is a file that is not empty.

    >>> file_trouble(Path("/no/such/folder/arrivals.csv"))
    ('/no/such/folder/arrivals.csv: there is no such file', 'the folder /no/such/folder does not exist either')
    """
    shown = str(path) if len(str(path)) <= 200 else str(path)[:197] + "…"
    try:
        if path.is_dir():
            return f"{shown} is a folder", "name a file in it"
        if not path.exists():
            return f"{shown}: there is no such file", _nearest(path)
        if not path.is_file():
            return f"{shown} is not a plain file", "copy it to a file first"
        if path.stat().st_size == 0:
            return f"{shown} is empty", "a trace has a line of column names and at least one row"
        with path.open("rb"):
            return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"{shown} cannot be read: {reason.lower()}", "check the name and the permissions"


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        shown = str(folder) if len(str(folder)) <= 200 else str(folder)[:197] + "…"
        return f"the folder {shown} does not exist either"
    alike = sorted(p.name for p in folder.iterdir() if path.suffix in ("", p.suffix) and p.is_file())
    if not alike:
        return f"there is no file *{path.suffix} in {folder}"
    shown = ", ".join(alike[:5]) + (f" and {len(alike) - 5} more" if len(alike) > 5 else "")
    return f"there is {shown} in {folder}; the name is relative to the scenario's folder"


def unused_totals(settings: TraceArrivals, path: Path) -> tuple[float, str] | None:
    """Gap and column of a CSV file whose rows, read as records, look like totals of periods; None where they do not.

    Its first rows come at equal gaps, but for a missing one now and then, and a column of numbers is not used.
    """
    if settings.per_period or settings.file_format != "csv" or any(getattr(settings, name) for name in RECORD_KEYS):
        return None
    try:
        header, *rows = _first_rows(path)
    except (OSError, ValueError, EOFError, csv.Error, zlib.error):
        return None  # reading the whole file tells what is wrong
    columns = dict(zip(header, zip(*rows, strict=False), strict=False))
    times = columns.pop(settings.time, None) if settings.time is not None else None
    gap_s = settings.row_period_s or _equal_gap_s(times or ())
    numbers = [name for name, cells in columns.items() if all(_number(cell) >= 0 for cell in cells)]
    return (gap_s, numbers[0]) if gap_s and numbers else None


def _first_rows(path: Path) -> list[list[str]]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        lines = list(islice(iter(lambda: file.readline(LONGEST_LINE), ""), LOOKED_AT + 1))
    separator = next((mark for mark in ",;\t" if mark in lines[0]), ",") if lines else ","
    return [row for row in csv.reader(lines, delimiter=separator) if row] or [[]]


def _equal_gap_s(cells: Sequence[str]) -> float | None:
    """The gap at which nearly all times follow each other: a row may be missing.

    >>> _equal_gap_s(["2014-04-10 00:04", "2014-04-10 00:09", "2014-04-10 00:14"]), _equal_gap_s(["1", "2", "4"])
    (300.0, None)
    """
    gaps = Counter(round(later - earlier, 6) for earlier, later in pairwise(_seconds(cell) for cell in cells))
    gap, times = gaps.most_common(1)[0] if len(cells) > 2 else (0.0, 0)
    return gap if gap > 0 and times >= 0.9 * (len(cells) - 1) else None


def _seconds(cell: str) -> float:
    """Seconds of a time, as a number or ISO 8601; NaN where it is neither."""
    number = _number(cell)
    if not math.isnan(number):
        return number
    try:
        return datetime.fromisoformat(cell.strip()).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
