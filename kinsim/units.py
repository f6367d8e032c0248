"""Units: the text that users write, and the plain SI numbers inside.

A bare number is in the SI unit (seconds, bytes, per second).  MB is 10^6 bytes and MiB is 2^20, except that
Lambda's memory counts in AWS's whole "MB".  Text is parsed exactly, in decimal, before it becomes a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from kinsim.errors import SettingError

UNLIMITED = "unlimited"

DURATION_UNITS = {
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
SIZE_UNITS = {
    "B": Decimal(1),
    "kB": Decimal(10**3),
    "MB": Decimal(10**6),
    "GB": Decimal(10**9),
    "TB": Decimal(10**12),
    "KiB": Decimal(2**10),
    "MiB": Decimal(2**20),
    "GiB": Decimal(2**30),
    "TiB": Decimal(2**40),
}
MEMORY_UNITS = {"MB": 1, "MiB": 1, "GB": 1024, "GiB": 1024}

LONGEST_S = Decimal(86400 * 36525)
"""A century: the longest duration that may be written (whole microseconds of it fit 64 bits with room)."""
LARGEST_BYTES = Decimal(2**60)
LARGEST_COUNT = 10**15
LARGEST_RATE = Decimal(10**12)

_NUMBER = r"[0-9](?:_?[0-9])*(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9]+)?"
_DURATION_PART = re.compile(rf"({_NUMBER})\s*(us|µs|μs|ms|s|m|h|d)")
_NUMBER_ONLY = re.compile(rf"[+-]?{_NUMBER}")
_NUMBER_AND_UNIT = re.compile(rf"({_NUMBER})\s*([A-Za-zµμ%]*)")
_CLOCK = re.compile(r"\d+:\d\d(:\d\d(\.\d+)?)?")
_WORDS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "S": "s", "H": "h", "D": "d", "M": "m", "MS": "ms", "microseconds": "us", "usec": "us",
}  # fmt: skip


# -- numbers -------------------------------------------------------------------------------------------------


def parse_number(value: object, what: str = "a number", example: str = "1.5", signed: bool = False) -> Decimal:
    """The exact decimal of a number or of text that holds one; a bool is never a number.

    >>> parse_number("1_200.5")
    Decimal('1200.5')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise SettingError(f"{_shown(value)} is not {what}", help=f"write for example {example}")
    if isinstance(value, str):
        if not _NUMBER_ONLY.fullmatch(value.strip()):
            raise SettingError(f"{_shown(value)} is not {what}", help=f"write for example {example}")
        number = _decimal(value.strip())
    elif isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{value!r} is not {what}", help=f"write a finite number, for example {example}")
    elif isinstance(value, int) and value.bit_length() > 1000:
        raise SettingError("the number is too large")
    else:
        number = Decimal(repr(float(value)) if isinstance(value, float) else int(value))
    if number < 0 and not signed:
        raise SettingError(f"{_shown(value)} is negative", help=f"write {what} of 0 or more, for example {example}")
    return number


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:  # an exponent beyond all bounds
        raise SettingError(f"{_shown(text)} is out of range") from None
    if number and not -1000 < number.adjusted() < 1000:
        raise SettingError(f"{_shown(text)} is out of range")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_HALF_UP))


# -- durations -----------------------------------------------------------------------------------------------


def parse_duration_us(value: object) -> int:
    """Whole microseconds of a duration, rounded half up; a bare number is in seconds.

    >>> parse_duration_us("1h30m"), parse_duration_us("250ms"), parse_duration_us(0.0000005)
    (5400000000, 250000, 1)
    """
    return _whole(_duration(value) * 1_000_000)


def parse_duration_s(value: object) -> float:
    """Seconds of a duration: ``24h``, ``1h30m``, ``250ms``, ``2d``, or a bare number of seconds.

    >>> parse_duration_s("5m"), parse_duration_s("100_000s"), parse_duration_s(0.25)
    (300.0, 100000.0, 0.25)
    >>> parse_duration_s("5:00")
    Traceback (most recent call last):
    kinsim.errors.SettingError: '5:00' is clock notation, which can be read in two ways
    """
    return float(_duration(value))


def _duration(value: object) -> Decimal:
    if isinstance(value, str) and not _NUMBER_ONLY.fullmatch(value.strip()):
        seconds = _duration_text(value.strip())
    else:
        seconds = parse_number(value, "a duration", "300s, 5m or 1h30m")
    if seconds > LONGEST_S:
        raise SettingError(f"{_shown(value)} is longer than a century", help="check the unit")
    return seconds


def _duration_text(text: str) -> Decimal:
    if _CLOCK.fullmatch(text):
        raise SettingError(f"{text!r} is clock notation, which can be read in two ways", help=_unclocked(text))
    seconds, at = Decimal(0), 0
    scale = Decimal("Infinity")
    while at < len(text):
        part = _DURATION_PART.match(text, at)
        if part is None or (part.end() < len(text) and text[part.end()].isalpha()):
            raise SettingError(f"{_shown(text)} is not a duration", help=_duration_help(text))
        unit = DURATION_UNITS[part[2].replace("μ", "µ")]
        if unit >= scale:
            raise SettingError(f"{_shown(text)} is not a duration", help="write larger units first, each once: 1h30m")
        seconds, scale = seconds + _decimal(part[1]) * unit, unit
        at = part.end()
        while at < len(text) and text[at] == " ":
            at += 1
    if not text:
        raise SettingError("the text is empty, not a duration", help=_duration_help(text))
    return seconds


def _unclocked(text: str) -> str:
    parts = [int(float(p)) for p in text.split(":")]
    if len(parts) == 2:
        first, second = f"{parts[0]}m{parts[1]}s", f"{parts[0]}h{parts[1]}m"
        return f"write {_tidy(first)!r} or {_tidy(second)!r}"
    return f"write {_tidy('{}h{}m{}s'.format(*parts))!r}"


def _tidy(text: str) -> str:
    return re.sub(r"(?<![0-9])0[a-z]", "", text) or "0s"


def _duration_help(text: str) -> str:
    if text[:1] in {"-", "−"}:
        return "write a duration of 0 or more, for example 300s, 5m or 1h30m"
    words = re.fullmatch(rf"({_NUMBER})\s*([A-Za-z]+)", text)
    if words and words[2] in _WORDS:
        return f"write {words[1]}{_WORDS[words[2]]}"
    if re.fullmatch(r"\d+,\d+\s*\w+", text):
        return f"write a decimal point: {text.replace(',', '.')}"
    return "write for example 300s, 5m, 1h30m, 250ms or 7d (units: us, ms, s, m, h, d)"


def parse_signed_duration_s(value: object) -> float | None:
    """Seconds, or None where -1 says that there is no limit, as AWS writes it.

    >>> parse_signed_duration_s(-1), parse_signed_duration_s("60s")
    (None, 60.0)
    """
    if value in (-1, "-1") and not isinstance(value, bool):
        return None
    with _or_minus_one():
        return parse_duration_s(value)


@contextmanager
def _or_minus_one() -> Iterator[None]:
    try:
        yield
    except SettingError as error:
        raise SettingError(error.message, help=f"{error.help}; -1 for no limit") from None


def format_duration(seconds: float) -> str:
    """A duration as users write it; parsing it gives back *seconds*.

    >>> format_duration(300), format_duration(5400), format_duration(0.25), format_duration(90.5), format_duration(0)
    ('5m', '1h30m', '250ms', '90.5s', '0s')
    """
    exact = Decimal(repr(float(seconds)))
    if exact == 0:
        return "0s"
    if exact != exact.to_integral_value() or exact < 0:
        return _with_unit(exact, (("s", Decimal(1)), ("ms", Decimal("1e-3")), ("us", Decimal("1e-6"))))
    left, parts = int(exact), []
    if left % 86400 == 0:
        return f"{left // 86400}d" if left > 86400 else f"{left // 3600}h"
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts)


def _with_unit(exact: Decimal, units: tuple[tuple[str, Decimal], ...]) -> str:
    """*exact* in the first of *units* in which it is at least 1, in plain digits."""
    unit, size = next((pair for pair in units if abs(exact) >= pair[1]), units[-1])
    return f"{_plain(exact / size)}{unit}"


def _plain(number: Decimal) -> str:
    text = format(number.normalize(), "f")
    return text if len(text) <= 20 else repr(float(number))


# -- sizes ---------------------------------------------------------------------------------------------------


def parse_size(value: object) -> float:
    """Bytes of a size, fractions kept (a mean may have them): ``900 B``, ``1 kB``, ``256 KiB``, ``1 MiB``.

    >>> parse_size("1.5 kB"), parse_size(0.5)
    (1500.0, 0.5)
    """
    return float(_size(value))


def parse_size_bytes(value: object) -> int:
    """Whole bytes of a size, rounded half up; a bare number is in bytes, MB is 10^6 and MiB is 2^20.

    >>> parse_size_bytes("1 MiB"), parse_size_bytes("1MB"), parse_size_bytes(900)
    (1048576, 1000000, 900)
    >>> parse_size_bytes("1 KB")
    Traceback (most recent call last):
    kinsim.errors.SettingError: '1 KB' is not a size
    """
    return _whole(_size(value))


def _size(value: object) -> Decimal:
    if isinstance(value, str) and not _NUMBER_ONLY.fullmatch(value.strip()):
        match = _NUMBER_AND_UNIT.fullmatch(value.strip())
        if match is None or match[2] not in SIZE_UNITS:
            raise SettingError(f"{_shown(value)} is not a size", help=_size_help(value, match))
        size = _decimal(match[1]) * SIZE_UNITS[match[2]]
    else:
        size = parse_number(value, "a size", "900 B, 1 kB or 1 MiB")
    if size > LARGEST_BYTES:
        raise SettingError(f"{_shown(value)} is more than 1,048,576 TiB", help="check the unit")
    return size


def _size_help(value: str, match: re.Match[str] | None) -> str:
    if value.strip()[:1] in {"-", "−"}:
        return "write a size of 0 or more, for example 900 B, 1 kB or 1 MiB"
    if match:
        unit = match[2].lower().replace("ib", "b").replace("bytes", "b").replace("byte", "b")
        by_letter = {"k": ("kB", "KiB"), "m": ("MB", "MiB"), "g": ("GB", "GiB"), "t": ("TB", "TiB")}
        if unit == "b":
            return f"write {match[1]} B"
        if unit.rstrip("b") in by_letter:
            ten, two = by_letter[unit.rstrip("b")]
            each = f"a {ten} is {SIZE_UNITS[ten]:,} bytes, a {two} {SIZE_UNITS[two]:,}"
            return f"write {match[1]} {ten} or {match[1]} {two} ({each})"
    return "write for example 900 B, 1 kB, 256 KiB or 1 MiB"


def format_size(size_bytes: float) -> str:
    """A size as users write it; parsing it gives back *size_bytes*.

    >>> format_size(1048576), format_size(900), format_size(5000), format_size(1500)
    ('1 MiB', '900 B', '5 kB', '1.5 kB')
    """
    exact = Decimal(repr(float(size_bytes))) if isinstance(size_bytes, float) else Decimal(size_bytes)
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if exact and exact % SIZE_UNITS[unit] == 0:
            return f"{_plain(exact / SIZE_UNITS[unit])} {unit}"
    for unit in ("TB", "GB", "MB", "kB"):
        scaled = exact / SIZE_UNITS[unit]
        if scaled >= 1 and scaled == scaled.quantize(Decimal("0.001")):
            return f"{_plain(scaled)} {unit}"
    return f"{_plain(exact)} B"


# -- rates, fractions, memory, counts ------------------------------------------------------------------------


def parse_rate_per_s(value: object) -> float:
    """Events per second: ``400/s``, ``1.2e6/h``, ``70_000/300s``, or a bare number per second.

    >>> parse_rate_per_s("100/m"), parse_rate_per_s("70_000/300s"), parse_rate_per_s(2)
    (1.6666666666666667, 233.33333333333334, 2.0)
    """
    if isinstance(value, str) and not _NUMBER_ONLY.fullmatch(value.strip()):
        per_s = _rate_text(value)
    else:
        per_s = parse_number(value, "a rate", "400/s or 1.2e6/h")
    if per_s > LARGEST_RATE:
        raise SettingError(f"{_shown(value)} is more than 10^12 a second", help="check the unit")
    return float(per_s)


def _rate_text(value: str) -> Decimal:
    number, slash, period = (part.strip() for part in value.partition("/"))
    if not slash or not _NUMBER_ONLY.fullmatch(number):
        raise SettingError(f"{_shown(value)} is not a rate", help="write for example 400/s, 1.2e6/h or 70_000/300s")
    count = _decimal(number)
    if count < 0:
        raise SettingError(f"{_shown(value)} is negative", help="write a rate of 0 or more, for example 400/s")
    if period in _WORDS:
        raise SettingError(f"{_shown(value)} is not a rate", help=f"write {number}/{_WORDS[period]}")
    seconds = DURATION_UNITS.get(period)
    if seconds is None:
        try:
            seconds = _duration(period)
        except SettingError as error:
            raise SettingError(f"{_shown(value)} is not a rate: {error.message}", help=error.help) from None
    if seconds <= 0:
        raise SettingError(f"{_shown(value)} has a period of zero", help="write for example 400/s")
    return count / seconds


def format_rate(per_s: float) -> str:
    """A rate as users write it; parsing it gives back *per_s*.

    >>> format_rate(400.0), format_rate(0.25)
    ('400/s', '0.25/s')
    """
    return f"{_plain(Decimal(repr(float(per_s))))}/s"


def parse_fraction(value: object) -> float:
    """A share between 0 and 1: ``70%`` or 0.7.

    >>> parse_fraction("70%"), parse_fraction(0.7)
    (0.7, 0.7)
    """
    if isinstance(value, str) and value.strip().endswith("%"):
        share = parse_number(value.strip()[:-1].rstrip(), "a share", "70% or 0.7") / 100
    else:
        share = parse_number(value, "a share", "70% or 0.7")
    if share > 1:
        percent = f"{_plain(share)}%" if share <= 100 else "100%"
        raise SettingError(f"{_shown(value)} is more than the whole", help=f"write a share of at most 1: {percent}?")
    return float(share)


def parse_ratio(value: object) -> float:
    """A share above 0 that may be more than the whole: ``150%`` or 1.5.

    >>> parse_ratio("150%"), parse_ratio(0.5)
    (1.5, 0.5)
    """
    if isinstance(value, str) and value.strip().endswith("%"):
        share = parse_number(value.strip()[:-1].rstrip(), "a share", "150% or 1.5") / 100
    else:
        share = parse_number(value, "a share", "150% or 1.5")
    if share <= 0:
        raise SettingError(f"{_shown(value)} is not above 0", help="write for example 150%, or unlimited")
    return float(share)


def format_fraction(share: float) -> str:
    """A share as users write it.

    >>> format_fraction(0.7), format_fraction(0.9999)
    ('70%', '99.99%')
    """
    return f"{_plain(Decimal(repr(float(share))) * 100)}%"


def parse_memory_mb(value: object) -> int:
    """Lambda memory in AWS's whole "MB": ``128 MB``, ``1GB`` (1,024 of them), or a bare number.

    >>> parse_memory_mb("128 MB"), parse_memory_mb("1GB"), parse_memory_mb(512)
    (128, 1024, 512)
    """
    if isinstance(value, str) and not _NUMBER_ONLY.fullmatch(value.strip()):
        match = _NUMBER_AND_UNIT.fullmatch(value.strip())
        if match is None or match[2] not in MEMORY_UNITS:
            meant = f"{match[1]} MB" if match and match[2].lower() in {"mb", "mib", "m"} else "128 MB or 1GB"
            raise SettingError(f"{_shown(value)} is not a memory size", help=f"write {meant}")
        memory = _decimal(match[1]) * MEMORY_UNITS[match[2]]
    else:
        memory = parse_number(value, "a memory size", "128 MB or 1GB")
    if memory != memory.to_integral_value() or not 1 <= memory <= 10**9:
        raise SettingError(f"{_shown(value)} is not a memory size", help="write whole MB, for example 128 MB")
    return int(memory)


def format_memory(memory_mb: int) -> str:
    """Lambda memory as users write it.

    >>> format_memory(1536)
    '1536 MB'
    """
    return f"{memory_mb} MB"


def parse_count(value: object) -> int:
    """A whole number of 0 or more: 100, ``12_345``, 1e6.

    >>> parse_count("12_345"), parse_count(1000.0)
    (12345, 1000)
    """
    number = parse_number(value, "a whole number", "100 or 1_000")
    if number != number.to_integral_value():
        raise SettingError(f"{_shown(value)} is not a whole number", help=f"write {_whole(number)}?")
    if number > LARGEST_COUNT:
        raise SettingError(f"{_shown(value)} is more than 10^15")
    return int(number)


def parse_count_or_off(value: object) -> int | None:
    """A whole number, or None where -1 says that there is no limit, as AWS writes it.

    >>> parse_count_or_off(-1), parse_count_or_off(3)
    (None, 3)
    """
    if value in (-1, "-1") and not isinstance(value, bool):
        return None
    with _or_minus_one():
        return parse_count(value)


def parse_bound(text: object) -> float:
    """A number in SI whatever its unit, for limits on metrics: ``60s``, ``70%``, ``1 MiB``, ``400/s``, 900.

    >>> parse_bound("5m"), parse_bound("70%"), parse_bound(900), parse_bound("1 MiB")
    (300.0, 0.7, 900.0, 1048576.0)
    """
    if isinstance(text, str):
        bare = text.strip()
        if bare.endswith("%"):
            return float(parse_number(bare[:-1].rstrip(), "a percentage", "70%") / 100)
        match = _NUMBER_AND_UNIT.fullmatch(bare)
        if match and match[2] in SIZE_UNITS:
            return parse_size(bare)
        if "/" in bare:
            return parse_rate_per_s(bare)
        if not _NUMBER_ONLY.fullmatch(bare):
            return parse_duration_s(bare)
    return float(parse_number(text, "a limit", "60s, 70%, 1 MiB or 900"))


# -- pydantic ------------------------------------------------------------------------------------------------


def parse_time(text: str) -> datetime:
    """A point in time, written in ISO 8601; UTC where it names no zone.

    >>> (parse_time("2017-06-01T02:00:00+02:00") - parse_time("2017-05-31T23:00:00")).total_seconds()
    3600.0
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingError(f"{text!r} is not a time", help="write ISO 8601, for example 2017-06-01T00:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Settings(BaseModel):
    """Base of all settings: strict, frozen, no unknown keys; keys as in the YAML file."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        populate_by_name=False,
        protected_namespaces=(),
        allow_inf_nan=False,
        use_attribute_docstrings=False,
    )


def _unless_unlimited(parse: Callable[[object], Any]) -> Callable[[object], Any]:
    def parsed(value: object) -> Any:
        return None if value is None or value == UNLIMITED else parse(value)

    return parsed


NUMBER_PATTERN = r"[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9]+)?"
DURATION_PATTERN = rf"^({NUMBER_PATTERN}\s*(us|µs|ms|s|m|h|d)\s*)+$"
SIZE_PATTERN = rf"^{NUMBER_PATTERN}\s*(B|[kMGT]B|[KMGT]iB)$"
RATE_PATTERN = rf"^{NUMBER_PATTERN}\s*/\s*({NUMBER_PATTERN}\s*)?(us|µs|ms|s|m|h|d)$"
FRACTION_PATTERN = rf"^{NUMBER_PATTERN}\s*%$"
MEMORY_PATTERN = rf"^{NUMBER_PATTERN}\s*[MG]i?B$"
COUNT_PATTERN = r"^[0-9][0-9_]*$"


def number_or_text(pattern: str, kind: str = "number", minimum: float | None = 0) -> dict[str, Any]:
    """JSON Schema of a bare number or of text with a unit."""
    number: dict[str, Any] = {"type": kind}
    if minimum is not None:
        number["minimum"] = minimum
    return {"anyOf": [number, {"type": "string", "pattern": pattern}]}


def _or_unlimited(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schema["anyOf"], {"const": UNLIMITED}, {"type": "null"}]}


_DURATION = number_or_text(DURATION_PATTERN)
_SIZE = number_or_text(SIZE_PATTERN)
_COUNT = number_or_text(COUNT_PATTERN, "integer")

Duration = Annotated[float, BeforeValidator(parse_duration_s), WithJsonSchema(_DURATION)]
"""Seconds; written ``24h``, ``1h30m``, ``250ms`` or a bare number of seconds."""

SignedDuration = Annotated[
    float | None,
    BeforeValidator(parse_signed_duration_s),
    WithJsonSchema({"anyOf": [*_DURATION["anyOf"], {"const": -1}]}),
]
"""Seconds, or None for -1 (no limit)."""

OptionalDuration = Annotated[
    float | None, BeforeValidator(_unless_unlimited(parse_duration_s)), WithJsonSchema(_or_unlimited(_DURATION))
]
"""Seconds, or None for ``unlimited``."""

Size = Annotated[int, BeforeValidator(parse_size_bytes), WithJsonSchema(_SIZE)]
"""Whole bytes; written ``900 B``, ``1 kB``, ``1 MiB`` or a bare number of bytes."""

OptionalSize = Annotated[
    int | None, BeforeValidator(_unless_unlimited(parse_size_bytes)), WithJsonSchema(_or_unlimited(_SIZE))
]
"""Whole bytes, or None for ``unlimited``."""

Rate = Annotated[float, BeforeValidator(parse_rate_per_s), WithJsonSchema(number_or_text(RATE_PATTERN))]
"""Events per second; written ``400/s``, ``1.2e6/h``, ``70_000/300s`` or a bare number per second."""

Fraction = Annotated[float, BeforeValidator(parse_fraction), WithJsonSchema(number_or_text(FRACTION_PATTERN))]
"""A share between 0 and 1; written ``70%`` or 0.7."""

OptionalRatio = Annotated[
    float | None,
    BeforeValidator(_unless_unlimited(parse_ratio)),
    WithJsonSchema(_or_unlimited(number_or_text(FRACTION_PATTERN))),
]
"""A share that may be more than the whole, or None for ``unlimited``; written ``150%`` or 1.5."""

LambdaMemory = Annotated[
    int, BeforeValidator(parse_memory_mb), WithJsonSchema(number_or_text(MEMORY_PATTERN, "integer", 1))
]
"""Lambda memory in AWS's "MB"; written ``128 MB``, ``1GB`` or a bare number."""

Count = Annotated[int, BeforeValidator(parse_count), WithJsonSchema(_COUNT)]
"""A whole number of 0 or more; written 100 or ``12_345``."""

OptionalCount = Annotated[
    int | None, BeforeValidator(_unless_unlimited(parse_count)), WithJsonSchema(_or_unlimited(_COUNT))
]
"""A whole number, or None for ``unlimited``."""

SignedCount = Annotated[
    int | None,
    BeforeValidator(parse_count_or_off),
    WithJsonSchema({"anyOf": [*_COUNT["anyOf"], {"const": -1}]}),
]
"""A whole number, or None for -1 (no limit)."""
