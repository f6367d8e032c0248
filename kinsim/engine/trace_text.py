"""Columns of text turned into numbers and exact times, a chunk of rows at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
EXACT_AS_FLOAT_S = 1 << 20
"""Below this many seconds a float holds nine decimals."""

LATEST_S = 9_000_000_000
"""About the year 2255: later nanoseconds do not fit 64 bits."""

ISO = re.compile(
    r"(?P<year>\d{4})([-/]?)(?P<month>\d\d)\2(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"\s?(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d))?",
    re.ASCII | re.IGNORECASE,
)
SECONDS = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
FIELDS = ("year", "month", "day", "hour", "minute", "second", "zone_hour", "zone_minute")
MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(slots=True)
class Times:
    """Instants as whole seconds and nanoseconds since 1970, or since nothing where they are plain seconds."""

    second: NDArray[np.int64]
    nanosecond: NDArray[np.int64]
    bad: NDArray[np.intp]
    """Rows whose text is no time."""

    def since(self, second: int, nanosecond: int) -> NDArray[np.int64]:
        """Whole microseconds since an instant, rounded half up.

        >>> parse_times(["2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.0319605"]).since(1700158623, 979_960_000)
        array([    0, 52001])
        """
        return ((self.second - second) * NANOSECONDS + (self.nanosecond - nanosecond) + 500) // 1_000


def parse_numbers(cells: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Finite numbers of *cells*, and the rows that hold none.

    >>> parse_numbers(["94.0", "x", "nan"])
    (array([94.,  0.,  0.]), array([1, 2]))
    """
    try:
        numbers = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        numbers = np.fromiter(map(_number_or_nan, cells), np.float64, len(cells))
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        numbers[bad] = 0.0
    return numbers, bad


def _number_or_nan(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def parse_times(cells: Sequence[str]) -> Times:
    """Times of *cells*, each seconds in decimals or ISO 8601; time zones are subtracted, none means UTC.

    >>> times = parse_times(["1.5", "2", "soon"])
    >>> times.second.tolist(), times.nanosecond.tolist(), times.bad.tolist()
    ([1, 2, 0], [500000000, 0, 0], [2])
    """
    if cells and _is_iso(cells[0]):
        return _iso(cells)
    return _seconds(cells)


def _is_iso(cell: str) -> bool:
    text = cell.strip()
    return ("-" in text[1:] and "e" not in text.lower()) or "/" in text or ":" in text or "T" in text


# -- seconds -------------------------------------------------------------------------------------------------


def _seconds(cells: Sequence[str]) -> Times:
    numbers, bad = parse_numbers(cells)
    if not bad.size and (not numbers.size or np.abs(numbers).max() < EXACT_AS_FLOAT_S):
        nanoseconds = np.rint(numbers * NANOSECONDS).astype(np.int64)
        return Times(nanoseconds // NANOSECONDS, nanoseconds % NANOSECONDS, bad)
    return _plain_seconds(cells) or _times([_one_second(cell) for cell in cells])


def _plain_seconds(cells: Sequence[str]) -> Times | None:
    """Times of cells that are nothing but digits and a point, which is how most files are."""
    if not set("".join(cells)) <= set("0123456789."):
        return None
    parts = [cell.partition(".") for cell in cells]
    try:
        second = np.fromiter([int(whole) for whole, _, _ in parts], np.int64, len(cells))
        nanosecond = np.fromiter([int((part + "000000000")[:9]) for _, _, part in parts], np.int64, len(cells))
    except (ValueError, OverflowError):
        return None
    return Times(second, nanosecond, np.zeros(0, np.intp)) if second.max(initial=0) < LATEST_S else None


def _times(parsed: list[tuple[int, int] | None]) -> Times:
    good = [each or (0, 0) for each in parsed]
    bad = np.array([i for i, each in enumerate(parsed) if each is None], np.intp)
    pairs = np.array(good, np.int64).reshape(-1, 2)
    return Times(pairs[:, 0].copy(), pairs[:, 1].copy(), bad)


def _one_second(cell: str) -> tuple[int, int] | None:
    """Whole seconds and nanoseconds of decimal text; None where it is none, or beyond what can be counted."""
    match = SECONDS.fullmatch(cell.strip())
    if match is None or not (match[2] or match[3]):
        return None
    digits, power = (match[2] or "") + (match[3] or ""), int(match[4] or 0) - len(match[3] or "") + 9
    if len(digits) > 100 or power > 100:
        return None
    nanoseconds = int(digits) * 10**power if power >= 0 else int(digits[:power] or 0)
    if nanoseconds >= LATEST_S * NANOSECONDS:
        return None
    return divmod(-nanoseconds if match[1] == "-" else nanoseconds, NANOSECONDS)


# -- ISO 8601 ------------------------------------------------------------------------------------------------


def _iso(cells: Sequence[str]) -> Times:
    """Cells of one length are read by position, as the first of them is laid out; odd ones one by one."""
    times = Times(np.zeros(len(cells), np.int64), np.zeros(len(cells), np.int64), np.zeros(0, np.intp))
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    odd: list[int] = []
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        same = cells if rows.size == len(cells) else [cells[row] for row in rows.tolist()]
        found = _iso_by_position(same, length) if rows.size > 20 else None
        if found is None:
            odd += rows.tolist()
        else:
            times.second[rows], times.nanosecond[rows] = found.second, found.nanosecond
            odd += rows[found.bad].tolist()
    odd.sort()
    again = _times([_one_iso(cells[row]) for row in odd])
    times.second[odd], times.nanosecond[odd] = again.second, again.nanosecond
    times.bad = np.array(odd, np.intp)[again.bad]
    return times


def _iso_by_position(cells: Sequence[str], width: int) -> Times | None:
    """Times of equally long *cells*; ``bad`` are those that are laid out otherwise than the first."""
    text, template = "\n".join(cells) + "\n", cells[0]
    match = ISO.fullmatch(template)
    if match is None or not text.isascii():
        return None
    matrix = np.frombuffer(text.encode("ascii"), np.uint8).reshape(len(cells), width + 1)[:, :width]
    spans = {name: match.span(name) for name in (*FIELDS, "fraction") if match.span(name)[0] >= 0}
    is_digit = np.zeros(width, bool)
    for start, end in spans.values():
        is_digit[start:end] = True
    digits = matrix - np.uint8(ord("0"))
    alike = (digits[:, is_digit] <= 9).all(axis=1)
    alike &= (matrix[:, ~is_digit] == np.frombuffer(template.encode(), np.uint8)[~is_digit]).all(axis=1)
    values = {name: _digits(digits[:, start:end]) for name, (start, end) in spans.items() if name != "fraction"}
    second, valid = _since_epoch(values, -1 if match["sign"] == "-" else 1, len(matrix))
    nanosecond = np.zeros(len(matrix), np.int64)
    if "fraction" in spans:
        start, end = spans["fraction"]
        kept = min(end - start, 9)
        nanosecond = _digits(digits[:, start : start + kept]) * 10 ** (9 - kept)
    return Times(second, nanosecond, np.flatnonzero(~(alike & valid)))


def _digits(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    value = np.zeros(len(digits), np.int64)
    for column in range(digits.shape[1]):
        value = value * 10 + digits[:, column]
    return value


def _since_epoch(
    values: dict[str, NDArray[np.int64]], sign: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds since 1970 of calendar fields, and whether they exist in the calendar."""
    zero = np.zeros(rows, np.int64)
    year, month, day = values["year"], values["month"], values["day"]
    hour, minute, second = (values.get(name, zero) for name in ("hour", "minute", "second"))
    valid = (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = MONTH_DAYS[np.where(valid, month, 1)] + (leap & (month == 2))
    valid &= (day >= 1) & (day <= longest) & (year >= 1700) & (year <= 2250)
    zone = sign * (values.get("zone_hour", zero) * 3600 + values.get("zone_minute", zero) * 60)
    since: NDArray[np.int64] = _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone
    return since, valid


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days from 1970-01-01 to a date of the Gregorian calendar (years begin in March while counting)."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: NDArray[np.int64] = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days


def _one_iso(cell: str) -> tuple[int, int] | None:
    match = ISO.fullmatch(cell.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, zone_hour, zone_minute = (int(match[name] or 0) for name in FIELDS)
    try:
        instant = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    if not 1700 <= year <= 2250:
        return None
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    zone = (zone_hour * 3600 + zone_minute * 60) * (-1 if match["sign"] == "-" else 1)
    return since.days * 86_400 + since.seconds - zone, int(((match["fraction"] or "") + "000000000")[:9])
