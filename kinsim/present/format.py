"""Numbers as people read them: three digits and a unit that fits the size."""

from __future__ import annotations

import math
from typing import NamedTuple


class Scale(NamedTuple):
    """A unit for showing a quantity: shown = value / divisor."""

    divisor: float
    symbol: str


_SECONDS = ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7_200.0, 60.0, "min"), (172_800.0, 3_600.0, "h"))
_BYTES = ((1e3, 1.0, "B"), (1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (1e12, 1e9, "GB"))


def _pick(value: float, table: tuple[tuple[float, float, str], ...], last: Scale) -> Scale:
    for below, divisor, symbol in table:
        if abs(value) < below:
            return Scale(divisor, symbol)
    return last


def scale_of(value: float, unit: str) -> Scale:
    """The unit in which a *value* given in *unit* reads best.

    >>> scale_of(246.0, "s")
    Scale(divisor=60.0, symbol='min')
    """
    if unit in ("s", "seconds"):
        return Scale(1.0, "s") if value == 0 else _pick(value, _SECONDS, Scale(86_400.0, "d"))
    if unit in ("ms", "milliseconds"):
        divisor, symbol = scale_of(value / 1e3, "s")
        return Scale(divisor * 1e3, symbol)
    if unit in ("bytes", "B"):
        return _pick(value, _BYTES, Scale(1e12, "TB"))
    if unit in ("1", "fraction"):
        return Scale(0.01, "%")
    return Scale(1.0, "")


def digits(value: float, significant: int = 3) -> str:
    """*value* with about *significant* digits, thousands separated.

    >>> digits(41.349), digits(864_000_123.0), digits(0.00123), digits(60.0)
    ('41.3', '864,000,123', '0.00123', '60')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "–"
    whole = math.floor(math.log10(abs(value))) + 1
    places = max(0, significant - whole)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str, scale: Scale | None = None) -> str:
    """*value* with its unit; `–` where there is none.

    >>> quantity(41.3, "s"), quantity(300, "s"), quantity(0.58, "1"), quantity(612.4, "USD"), quantity(None, "s")
    ('41.3 s', '5 min', '58 %', '$612', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "USD":
        return f"${digits(value)}"
    divisor, symbol = scale or scale_of(value, unit)
    return f"{digits(value / divisor)} {symbol}".rstrip()


def interval(low: float | None, high: float | None, unit: str, scale: Scale) -> str:
    """A confidence interval in the scale of its value, or nothing; what cannot be negative begins at zero.

    >>> interval(39.8, 42.9, "s", Scale(1.0, "s")), interval(None, None, "s", Scale(1.0, "s"))
    ('[39.8, 42.9]', '')
    >>> interval(-3.0, 12.0, "records", Scale(1.0, ""))
    '[0, 12]'
    """
    if low is None or high is None:
        return ""
    sign = "$" if unit == "USD" else ""
    return f"[{sign}{digits(max(low, 0.0) / scale.divisor)}, {sign}{digits(high / scale.divisor)}]"


def period(seconds: float) -> str:
    """A length of time after the word "each".

    >>> period(60), period(300), period(3600)
    ('minute', '5 min', 'hour')
    """
    return {60: "minute", 3_600: "hour", 86_400: "day"}.get(int(seconds), quantity(seconds, "s"))
