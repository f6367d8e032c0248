"""Axes in units people use: minutes and hours across, ages from milliseconds to days upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from kinsim.present.format import digits, quantity

_TIME_UNITS = (
    (180.0, 1.0, "s", (1, 2, 5, 10, 20, 30, 60)),
    (10_800.0, 60.0, "min", (1, 2, 5, 10, 15, 20, 30, 60)),
    (259_200.0, 3_600.0, "h", (1, 2, 3, 4, 6, 12, 24)),
    (math.inf, 86_400.0, "d", (1, 2, 5, 7, 14, 30, 60, 90, 180, 365)),
)

AGE_TICKS = (
    (0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"),
    (3_600.0, "1 h"), (21_600.0, "6 h"), (86_400.0, "1 d"), (604_800.0, "7 d"), (2_592_000.0, "30 d"),
)  # fmt: skip
FINE_AGE_TICKS = (
    (0.001, "1 ms"), (0.002, "2 ms"), (0.005, "5 ms"), (0.01, "10 ms"), (0.02, "20 ms"), (0.05, "50 ms"),
    (0.1, "100 ms"), (0.2, "200 ms"), (0.5, "500 ms"), (1.0, "1 s"), (2.0, "2 s"), (5.0, "5 s"), (10.0, "10 s"),
    (20.0, "20 s"), (30.0, "30 s"), (60.0, "1 min"), (120.0, "2 min"), (300.0, "5 min"), (600.0, "10 min"),
    (1_200.0, "20 min"), (1_800.0, "30 min"), (3_600.0, "1 h"), (7_200.0, "2 h"), (14_400.0, "4 h"), (28_800.0, "8 h"),
    (43_200.0, "12 h"), (86_400.0, "1 d"), (172_800.0, "2 d"), (345_600.0, "4 d"), (604_800.0, "7 d"),
)  # fmt: skip


def age_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Times people name between *low* and *high* seconds: close together on a short axis, far apart on a long one.

    >>> [text for _, text in age_ticks(8, 150)]
    ['10 s', '20 s', '30 s', '1 min', '2 min']
    """
    pool = FINE_AGE_TICKS if high < 70 * low else AGE_TICKS
    return [(value, text) for value, text in pool if low <= value <= high]


def time_ticks(end_s: float, most: int = 9) -> tuple[list[float], list[str], str]:
    """Ticks from 0 to *end_s* in seconds, their labels, and the unit.

    >>> time_ticks(3_600, most=5)
    ([0.0, 900.0, 1800.0, 2700.0, 3600.0], ['0', '15', '30', '45', '60'], 'min')
    """
    _, size, unit, steps = next(row for row in _TIME_UNITS if end_s <= row[0])
    span = end_s / size
    fitting = [step for step in steps if span / step <= most - 1 + 1e-9]
    step = fitting[0] if fitting else math.ceil(span / (most - 1))
    ticks = [k * step * size for k in range(int(span / step + 1e-9) + 1)]
    return [float(t) for t in ticks], [f"{round(t / size):,}" for t in ticks], unit


def time_axis(ax: Axes, end_s: float, *, label: bool = True) -> None:
    """Time since the start of the run from left to right."""
    width_in = ax.figure.get_figure(root=True).get_size_inches()[0]
    ticks, labels, unit = time_ticks(end_s, most=max(4, int(width_in) + 3))
    ax.set_xlim(0, end_s)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FixedFormatter(labels))
    if label:
        ax.set_xlabel(f"time since the start of the run ({unit})")


def age_floor(values: NDArray[np.float64]) -> float:
    """Below this the age axis is linear, so that zero has a place: a power of ten under nearly all values.

    >>> age_floor(np.array([0.0, 0.4, 3.0, 250.0]))
    0.1
    """
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return 0.1
    low = float(np.percentile(positive, 5))
    return float(min(max(10.0 ** math.floor(math.log10(low)), 0.001), 10.0))


def age_axis(ax: Axes, values: NDArray[np.float64], *, also: list[float], label: str) -> None:
    """Ages on an axis that is logarithmic above a floor and has a zero, ticks at times people name."""
    floor = age_floor(values)
    finite = values[np.isfinite(values)]
    highest = float(finite.max()) if finite.size else 1.0
    top = max([highest * 2.6, floor * 10, *(1.6 * line for line in also)])
    ax.set_yscale("symlog", linthresh=floor, linscale=0.45, base=10)
    ax.set_ylim(0, top)
    _age_ticks(ax, [(0.0, "0"), *age_ticks(floor, top)])
    sep = " " if len(label) < 20 else "\n"
    scale = f"(log scale above {quantity(floor, 's')})"
    ax.set_ylabel(f"{label}{sep}{scale}")


def log_age_axis(ax: Axes, low: float, high: Sequence[float], *, label: str) -> None:
    """Ages above zero from about *low* to all of *high* on a logarithmic axis."""
    bottom, top = low / 1.6, 1.6 * max(high)
    ax.set_yscale("log")
    ax.set_ylim(bottom, top)
    _age_ticks(ax, age_ticks(bottom, top))
    ax.set_ylabel(f"{label} (log scale)")


def _age_ticks(ax: Axes, inside: list[tuple[float, str]]) -> None:
    ax.yaxis.set_major_locator(FixedLocator([value for value, _ in inside]))
    ax.yaxis.set_major_formatter(FixedFormatter([text for _, text in inside]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())


def amount_axis(ax: Axes, top: float, label: str) -> None:
    """An amount from zero upwards with few round ticks."""
    ax.set_ylim(0, top if top > 0 else 1.0)
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: digits(float(value))))
    ax.set_ylabel(label)
