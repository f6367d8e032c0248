"""The values of a file's column as a distribution."""

from __future__ import annotations

import csv
import math
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Generic, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from kinsim.errors import SettingError
from kinsim.system.distributions.base import Distribution, Float64, Q
from kinsim.units import Settings


class Empirical(Distribution, Settings, Generic[Q]):
    """The values of a column of a CSV file, each drawn with the same probability.

    Values are numbers in SI units (seconds, bytes).  `min` and `max` leave out the rows beyond them.
    """

    distribution: Literal["empirical"] = Field(description="Values of a file's column.", examples=["empirical"])
    file: str = Field(
        description="CSV file with a header, relative to the scenario.", examples=["sizes.csv"], min_length=1
    )
    column: str = Field(description="Name of the column.", examples=["bytes"], min_length=1)
    minimum: Q | None = Field(default=None, alias="min", description="Rows with less are left out.", examples=[1])
    maximum: Q | None = Field(default=None, alias="max", description="Rows with more are left out.", examples=[1000])

    @field_validator("file")
    @classmethod
    def _beside_the_scenario(cls, value: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base_dir", ".") if isinstance(info.context, dict | None) else "."
        return str(Path(base) / Path(value).expanduser())

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not self.values().size:
            raise SettingError("min and max leave no row of the file", at=("file",))
        return self

    def values(self) -> Float64:
        """The rows that count, ascending."""
        values = read_column(self.file, self.column)
        low = -math.inf if self.minimum is None else float(self.minimum)  # type: ignore[arg-type]
        high = math.inf if self.maximum is None else float(self.maximum)  # type: ignore[arg-type]
        return values if low <= values[0] and values[-1] <= high else values[(values >= low) & (values <= high)]

    @property
    def constant(self) -> float | None:
        """The value where all rows hold the same."""
        values = self.values()
        return float(values[0]) if values[0] == values[-1] else None

    def _limits(self) -> tuple[float, float]:
        values = self.values()
        return float(values[0]), float(values[-1])

    def _moment(self, k: int) -> float:
        return float(np.mean(self.values() ** k))

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        values = self.values()
        return values[generator.integers(0, values.size, n)]

    def _quantile(self, p: float) -> float:
        values = self.values()
        return float(values[max(0, math.ceil(p * values.size - 1e-9) - 1)])


def read_column(file: str, column: str) -> Float64:
    """The numbers of a CSV file's column, ascending; trouble is told with its row (the header is row 0)."""
    path = Path(file)
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise SettingError(
            f"{file[:200]}: there is no such file", help="the name is relative to the scenario", at=("file",)
        ) from None
    if not path.is_file():
        raise SettingError(f"{file[:200]} is not a file", help="name a CSV file", at=("file",))
    return _read_column(file, column, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _read_column(file: str, column: str, _modified: int, _size: int) -> Float64:
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines)
            header = [name.strip() for name in next(rows, [])]
            if column not in header:
                close = get_close_matches(column, header, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"its columns are {', '.join(header[:20]) or 'none'}"
                raise SettingError(f"{file} has no column {column!r}", help=hint, at=("column",))
            at = header.index(column)
            values = [_cell(row, at, number, file) for number, row in enumerate(rows, 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"{file} cannot be read as CSV: {error}", at=("file",)) from None
    if not values:
        raise SettingError(f"{file} has no rows", at=("file",))
    result = np.sort(np.array(values))
    result.flags.writeable = False
    return result


def _cell(row: list[str], at: int, number: int, file: str) -> float:
    text = row[at].strip() if at < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{file}, row {number}: {text!r} is not a number", at=("column",)) from None
    if not 0 <= value < math.inf:
        raise SettingError(f"{file}, row {number}: {text} is not a number of 0 or more", at=("column",))
    return value
