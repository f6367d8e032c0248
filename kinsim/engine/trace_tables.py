"""Tables of text: CSV and Parquet files, a chunk of rows at a time."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from kinsim.errors import ConfigError, Problem

CHUNK_ROWS = 50_000
LONGEST_LINE = 1 << 20


@dataclass(slots=True)
class Table:
    """Some rows of a table as text."""

    header: list[str]
    rows: list[list[str]]
    uneven: bool = False


def opened_bytes(path: Path) -> Any:
    """The file as bytes, decompressed if it is a gzip file."""
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def opened_text(path: Path) -> IO[str]:
    """The file as text, decompressed if it is a gzip file."""
    return io.TextIOWrapper(opened_bytes(path), encoding="utf-8-sig", newline="")


def csv_rows(file: IO[str]) -> Iterator[Table]:
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
        yield Table(header, rows, uneven)
    yield Table(header, [])


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        if len(line) >= LONGEST_LINE:
            raise csv.Error("a line is longer than a million characters")
        yield line


def undecodable(path: Path) -> tuple[int, int]:
    """Line and byte at which *path* stops being UTF-8."""
    with opened_bytes(path) as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 0, 0


def parquet_rows(path: Path) -> Iterator[Table]:
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
            yield Table(header, [list(row) for row in zip(*columns, strict=True)])
        yield Table(header, [])
    except (OSError, ValueError) as error:
        raise ConfigError(
            Problem(
                file=str(path),
                message=f"is no readable Parquet file: {str(error)[:100].lower()}",
                help="write it again",
            )
        ) from None
