"""Factors on a rate: the time of day, the weekend and incidents."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, WithJsonSchema

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.distributions import Number
from kinsim.units import Duration, Settings, parse_duration_s

DAY_S = 86_400.0
WEEK_DAYS = 7
STEP_US = 10_000_000
"""Within steps of 10 s the daily profile is taken as level; its integral over each step is exact."""

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def parse_time_of_day_s(value: object) -> float:
    """Seconds after midnight of ``14:00`` or of a duration.

    >>> parse_time_of_day_s("14:00"), parse_time_of_day_s("6h")
    (50400.0, 21600.0)
    """
    if isinstance(value, str) and ":" in value:
        clock = _CLOCK.fullmatch(value.strip())
        if not clock:
            raise SettingError(f"{value[:40]!r} is not a time of day", help='write for example "14:00"')
        return int(clock[1]) * 3600.0 + int(clock[2]) * 60.0 + int(clock[3] or 0)
    seconds = parse_duration_s(value)
    if seconds >= DAY_S:
        raise SettingError(f"{value!r} is not a time of day", help='write for example "14:00"')
    return seconds


TimeOfDay = Annotated[
    float,
    BeforeValidator(parse_time_of_day_s),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]}),
]
"""Seconds after midnight; written ``"14:00"`` or as a duration."""


class Daily(Settings):
    """A profile over the day with mean 1: a raised cosine.

    Up to a peak of 2 it is ``1 + (p - 1) cos``, never 0; a higher peak is a cosine hump of 2/p of a day, and
    nothing outside it (ASSUMPTION).
    """

    peak_at_s: TimeOfDay = Field(alias="peak_at", description="Time of day of the peak.", examples=["14:00"])
    peak_to_mean: Number = Field(description="Rate at the peak over the mean rate.", examples=[1.8], ge=1, le=1000)


class Weekly(Settings):
    """A factor on Saturdays and Sundays; other days are not changed."""

    weekend: Number = Field(description="Factor on the rate on Saturday and Sunday.", examples=[0.4], le=1000)


class Incident(Settings):
    """A time during which the rate is multiplied."""

    at_s: Duration = Field(alias="at", description="When it begins.", examples=["6h"])
    duration_s: Duration = Field(alias="duration", description="How long it lasts.", examples=["10m"], gt=0)
    factor: Number = Field(description="Factor on the rate.", examples=[4], le=1e6)


class Modulated(Settings):
    """What all rate models take: factors on the rate; incidents that overlap multiply."""

    daily: Daily | None = Field(
        default=None, description="Profile over the day.", examples=[{"peak_at": "14:00", "peak_to_mean": 1.8}]
    )
    weekly: Weekly | None = Field(default=None, description="Profile over the week.", examples=[{"weekend": 0.4}])
    bursts: list[Incident] = Field(
        default=[],
        description="Incidents: times with a multiple of the rate.",
        examples=[[{"at": "6h", "duration": "10m", "factor": 4}]],
    )

    @property
    def level(self) -> bool:
        """Whether the factor is 1 throughout."""
        return self.daily is None and self.weekly is None and not self.bursts

    def highest_factor(self) -> float:
        """No factor is above this."""
        factor = 1.0 if self.daily is None else self.daily.peak_to_mean
        factor *= max(1.0, self.weekly.weekend) if self.weekly else 1.0
        edges = sorted({incident.at_s for incident in self.bursts})
        return factor * max([1.0, *(self._incidents(edge) for edge in edges)])

    def long_run_factor(self) -> float:
        """Mean factor over weeks without incidents."""
        return 1.0 if self.weekly is None else (5 + 2 * self.weekly.weekend) / WEEK_DAYS

    def _incidents(self, at_s: float) -> float:
        return math.prod(i.factor for i in self.bursts if i.at_s <= at_s < i.at_s + i.duration_s)

    def pieces(
        self, start_us: int, end_us: int, week_offset_us: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Edges that cut ``[start_us, end_us)`` into pieces, and the integral of the factor over each, in seconds.

        The run starts *week_offset_us* after a Monday's midnight.

        >>> m = Modulated.model_validate({"bursts": [{"at": 10, "duration": 5, "factor": 4}]})
        >>> m.pieces(0, 20_000_000)
        (array([       0, 10000000, 15000000, 20000000]), array([10., 20.,  5.]))
        """
        edges = [np.array([start_us, end_us], np.int64)]
        for incident in self.bursts:
            edges.append(np.array([_us(incident.at_s), _us(incident.at_s) + _us(incident.duration_s)], np.int64))
        step_us = STEP_US if self.daily else 86_400_000_000
        if self.daily or self.weekly:
            first = -(-(start_us + week_offset_us) // step_us) * step_us - week_offset_us
            edges.append(np.arange(first, end_us, step_us, dtype=np.int64))
        cuts = np.unique(np.concatenate(edges))
        cuts = cuts[(cuts >= start_us) & (cuts <= end_us)]
        return cuts, self._integrals(cuts, week_offset_us)

    def _integrals(self, cuts: NDArray[np.int64], week_offset_us: int) -> NDArray[np.float64]:
        mass = np.diff(cuts) / 1e6
        if self.daily:
            of_day = (cuts + week_offset_us) % 86_400_000_000 / 1e6
            days = (cuts + week_offset_us) // 86_400_000_000
            peak = self.daily.peak_to_mean
            total = np.array([daily_integral_s(float(t), self.daily.peak_at_s, peak) for t in of_day])
            mass = np.diff(total) + np.diff(days) * DAY_S
        middle = (cuts[:-1] + cuts[1:]) // 2
        if self.weekly:
            weekday = (middle + week_offset_us) // 86_400_000_000 % WEEK_DAYS
            mass = mass * np.where(weekday >= 5, self.weekly.weekend, 1.0)
        for incident in self.bursts:
            start = _us(incident.at_s)
            inside = (middle >= start) & (middle < start + _us(incident.duration_s))
            mass = mass * np.where(inside, incident.factor, 1.0)
        return np.asarray(np.maximum(mass, 0.0), np.float64)


@rule
def daily_integral_s(time_of_day_s: float, peak_at_s: float, peak: float) -> float:
    """Integral of the daily factor from midnight to *time_of_day_s*, in seconds; over a whole day it is 86,400.

    >>> daily_integral_s(86_400.0, 50_400.0, 1.8), round(daily_integral_s(86_400.0, 3_600.0, 6.0), 6)
    (86400.0, 86400.0)
    >>> round(daily_integral_s(50_401.0, 50_400.0, 1.8) - daily_integral_s(50_400.0, 50_400.0, 1.8), 6)
    1.8
    """
    return _from_the_peak_s(time_of_day_s - peak_at_s, peak) - _from_the_peak_s(-peak_at_s, peak)


@rule
def _from_the_peak_s(since_s: float, peak: float) -> float:
    day = 86_400.0
    if peak <= 2.0:
        return since_s + (peak - 1.0) * day / (2.0 * math.pi) * math.sin(2.0 * math.pi * since_s / day)
    days = math.floor(since_s / day + 0.5)
    within = since_s - days * day
    width = 2.0 * day / peak
    if within <= -width / 2.0:
        return days * day - day / 2.0
    if within >= width / 2.0:
        return days * day + day / 2.0
    return days * day + peak / 2.0 * (within + width / (2.0 * math.pi) * math.sin(2.0 * math.pi * within / width))


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def modulation_of(model: Any) -> Modulated:
    """The factors of an arrival model; level for those that take none."""
    return model if isinstance(model, Modulated) else Modulated()
