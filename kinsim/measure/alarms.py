"""What CloudWatch alarms do in a run: minute by minute, on the metrics that a run gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.periods import Minutes
from kinsim.measure.samples import Floats
from kinsim.measure.stretches import MINUTE_US
from kinsim.system.alarms import COMPARISONS, MISSING, STATES, TREATMENTS, WITHIN, breaches, next_alarm_state
from kinsim.system.metrics import GROUPED, percentile_of

if TYPE_CHECKING:
    from kinsim.system.alarms import Alarm

SECOND_US = 1_000_000

EXTREMES = {"Maximum": (100.0, ("GreaterThanThreshold", "GreaterThanOrEqualToThreshold")),
            "Minimum": (0.0, ("LessThanThreshold", "LessThanOrEqualToThreshold"))}  # fmt: skip
"""Statistics that cross a threshold with one sample: the percentile that they are, and in which comparisons."""

Percentiles = Mapping[tuple[str, int], Mapping[float, Floats]]
"""Percentiles of each period, by metric and length of the period in microseconds."""


def percentiles_wanted(alarm: Alarm) -> Iterator[tuple[str, int, float]]:
    """Percentiles that *alarm* needs besides the table by minute: metric, period in microseconds, percentile."""
    if alarm.metric not in GROUPED:
        return
    percentile = percentile_of(alarm.statistic)
    if percentile is not None:
        yield GROUPED[alarm.metric], MINUTE_US, percentile
    extreme = _extreme(alarm)
    if extreme is not None:
        yield GROUPED[alarm.metric], SECOND_US, extreme


def _extreme(alarm: Alarm) -> float | None:
    """The percentile that says in which second a single sample breaches."""
    percentile, comparisons = EXTREMES.get(alarm.statistic, (None, ()))
    return percentile if alarm.metric in GROUPED and alarm.comparison in comparisons else None


def alarm_history(alarm: Alarm, table: Minutes, percentiles: Percentiles, end_s: float) -> dict[str, Any]:
    """What *alarm* does in a run that ends at *end_s*; *table* holds its metric by minute.

    `state_changes` are pairs of time and state, beginning with INSUFFICIENT_DATA; `went_off_s` is the first that leads
    to ALARM.  `first_crossed_s` is when the threshold is first crossed: the second of the sample where one sample does
    it, otherwise the beginning of the minute whose data did.
    """
    percentile = percentile_of(alarm.statistic)
    if percentile is None:
        values = table.sliding(alarm.statistic, round(alarm.period_s / 60))
    else:
        values = percentiles[GROUPED[alarm.metric], MINUTE_US][percentile] / 1e3
    found = points(values, alarm)
    changes = state_changes(found, alarm, end_s)
    crossed_s = _first(found > 0, 60.0)
    extreme = _extreme(alarm)
    if crossed_s is not None and extreme is not None:
        seconds = points(percentiles[GROUPED[alarm.metric], SECOND_US][extreme] / 1e3, alarm)
        crossed_s = _first(seconds > 0, 1.0)
    return {
        "state_changes": changes,
        "first_crossed_s": crossed_s,
        "went_off_s": next((time_s for time_s, state in changes if state == "ALARM"), None),
    }


def points(values: Floats, alarm: Alarm) -> NDArray[np.int8]:
    """Each value as an alarm sees it: breaching, within the threshold or, where it is NaN, missing."""
    breaching = breaches(values, alarm.threshold, COMPARISONS.index(alarm.comparison))
    return np.where(np.isnan(values), MISSING, breaching).astype(np.int8)


def state_changes(found: NDArray[np.int8], alarm: Alarm, end_s: float) -> list[list[Any]]:
    """Changes of the alarm's state, each [time in seconds, state], from its points at the end of each minute.

    It is evaluated every minute, on the period up to then and those before it (aws:CW4), as soon as the data are there
    (ASSUMPTION aws:CW3).  What was before the run is not known and sets off nothing, whatever missing data count as.
    """
    period, periods = round(alarm.period_s / 60), alarm.evaluation_range
    treatment = TREATMENTS.index(alarm.treat_missing_data)
    before = WITHIN if alarm.treat_missing_data == "breaching" else MISSING
    found = found.copy()
    early = found[: period - 1]
    early[early == MISSING] = before
    reach = period * (periods - 1)
    known = np.concatenate([np.full(reach, before, np.int8), found])
    changes: list[list[Any]] = []
    state = 0
    for minute in _with_news(known, period, periods):
        time_s = 60.0 * (minute + 1) + alarm.metric_delay_s
        if time_s > end_s:
            break
        seen = known[minute : minute + reach + 1 : period].tolist()
        after = next_alarm_state(seen, alarm.evaluation_periods, alarm.points_needed, treatment, state)
        if after != state:
            changes.append([time_s, STATES[after]])
            state = after
    return changes


def _with_news(known: NDArray[np.int8], period: int, periods: int) -> list[int]:
    """Minutes whose periods differ from those of the minute before; equal ones leave an alarm as it is.

    >>> _with_news(np.array([0, 0, 1, 1, 1, 1], np.int8), 1, 3)
    [0, 1, 2]
    """
    minutes = known.size - period * (periods - 1)
    changed = np.concatenate([[True], known[1:] != known[:-1]])
    news = np.zeros(minutes, bool)
    for place in range(periods):
        news |= changed[place * period : place * period + minutes]
    news[:1] = True
    return np.flatnonzero(news).tolist()


def _first(flags: NDArray[np.bool_], length: float) -> float | None:
    """Start of the first period of that length whose flag is set."""
    return float(np.argmax(flags)) * length if flags.any() else None
