"""Autoscaling: a function that an alarm calls and that calls UpdateShardCount (aws:CW4 to CW8, S3, S8, S9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import ceil, inf
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.alarms import COMPARISONS, HOUR_S, MISSING, TREATMENTS, WITHIN, Alarm, breaches, next_alarm_state
from kinsim.system.metrics import CLOUDWATCH, percentile_of
from kinsim.units import Count, Duration, Fraction, Settings

IN_TIME = ("IncomingBytes", "IncomingRecords", "WriteProvisionedThroughputExceeded", "IteratorAge")
"""Metrics of which the minutes up to now are known while a run goes on."""

OF_LIMIT = ("IncomingBytes", "IncomingRecords")
"""Metrics that the write limit of a shard bounds."""

STATISTIC = {"IteratorAge": "Maximum"}
"""What is looked at where `on` is a metric; Sum of the others."""


# -- settings ------------------------------------------------------------------------------------------------


class Direction(Settings):
    """One of the two ways in which shards are added or removed."""

    factor: float | None = Field(
        default=None, description="New number of shards as a multiple of the present one.", examples=[2]
    )
    add: int | None = Field(default=None, description="Shards to add; below 0: to remove.", examples=[1])
    cooldown_s: Duration = Field(
        default=300.0,
        alias="cooldown",
        description="Time from a call until the next: after adding shards until more are added, after any call until "
        "some are removed (ASSUMPTION: as Application Auto Scaling does).",
        examples=["5m"],
    )
    threshold: float | None = Field(
        default=None, description="Where `on` is a metric: value of a period, in its unit.", examples=[50_000_000]
    )
    of_limit: Fraction | None = Field(
        default=None,
        description="Instead of a threshold: share of the write limit of the shards that are open.",
        examples=["80%"],
    )
    evaluation_periods: Count = Field(
        default=1, description="Where `on` is a metric: periods in a row that must be so.", examples=[5], ge=1, le=1440
    )

    @model_validator(mode="after")
    def _one_step(self) -> Self:
        if (self.factor is None) == (self.add is None):
            found = "both are there" if self.factor is not None else "neither is there"
            raise SettingError(f"exactly one of factor and add is needed; {found}", help=self._example())
        if self.threshold is not None and self.of_limit is not None:
            raise SettingError("threshold and of_limit say the same thing twice", help="keep one", at=("of_limit",))
        if not self._leads_there():
            key, value = ("factor", self.factor) if self.add is None else ("add", self.add)
            raise SettingError(f"{key}: {value} does not lead there", help=self._example(), at=(key,))
        return self

    def _leads_there(self) -> bool:
        raise NotImplementedError

    def _example(self) -> str:
        raise NotImplementedError


class ScaleOut(Direction):
    """When and how shards are added."""

    def _leads_there(self) -> bool:
        return (self.factor or inf) > 1 and (self.add is None or self.add > 0)

    def _example(self) -> str:
        return "write factor: 2 for twice as many shards, or add: 1"


class ScaleIn(Direction):
    """When and how shards are removed."""

    on: str | None = Field(
        default=None, description="An alarm of its own; by default the state OK of `on`.", examples=["idle"]
    )

    def _leads_there(self) -> bool:
        return 0 < (self.factor or 0.5) < 1 and (self.add is None or self.add < 0)

    def _example(self) -> str:
        return "write factor: 0.5 for half as many shards, or add: -1"


class Autoscaling(Settings):
    """A controller of the shard count."""

    on: str = Field(
        description="An alarm of `alarms`, or one of CloudWatch's metrics: " + ", ".join(IN_TIME) + ".",
        examples=["busy"],
    )
    out: ScaleOut | None = Field(
        default=None,
        description="Adding shards: while the alarm is in ALARM, or the metric above a threshold.",
        examples=[{"factor": 2, "cooldown": "10m"}],
    )
    in_: ScaleIn | None = Field(
        default=None,
        alias="in",
        description="Removing shards: while the alarm is OK (or one of its own in ALARM), or the metric below a "
        "threshold.",
        examples=[{"factor": 0.5, "cooldown": "6h"}],
    )
    min_shards: Count = Field(default=1, alias="min", description="Fewest shards.", examples=[1], ge=1)
    max_shards: Count | None = Field(
        default=None, alias="max", description="Most shards; without: AWS's quota.", examples=[16], ge=1
    )
    acts: Literal["each_minute", "on_state_change"] = Field(
        default="each_minute",
        description="Whether it is called at each evaluation that finds the alarm so (as Application Auto Scaling is), "
        "or only when the state changes (aws:CW7: a function called by the alarm alone).",
        examples=["each_minute"],
    )
    delay_s: Duration = Field(
        default=5.0,
        alias="delay",
        description="Time from the alarm's evaluation until UpdateShardCount is called (ASSUMPTION).",
        examples=["5s"],
        le=HOUR_S,
    )
    statistic: str | None = Field(default=None, description="Where `on` is a metric: of each period.", examples=["Sum"])
    period_s: Duration | None = Field(
        default=None, alias="period", description="Where `on` is a metric: length of a period.", examples=["1m"]
    )
    metric_delay_s: Duration | None = Field(
        default=None,
        alias="metric_delay",
        description="Where `on` is a metric: time from the end of a period until its data are there "
        "(ASSUMPTION aws:CW3).",
        examples=["60s"],
        le=HOUR_S,
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.out is None and self.in_ is None:
            raise SettingError("it never changes the number of shards", help="add out: {factor: 2}")
        if self.max_shards is not None and self.min_shards > self.max_shards:
            raise SettingError(
                f"min: {self.min_shards} is above max: {self.max_shards}", help="swap them, or raise max", at=("min",)
            )
        if self.on in CLOUDWATCH:
            self._check_metric()
        else:
            self._check_alarm()
        return self

    def _check_metric(self) -> None:
        if self.on not in IN_TIME:
            raise SettingError(
                f"{self.on} is not known while the run goes on", help=f"known are {', '.join(IN_TIME)}", at=("on",)
            )
        for name, way in self.ways():
            if way.threshold is None and way.of_limit is None:
                raise SettingError(
                    f"`on` is the metric {self.on}, and its threshold is missing",
                    help=f"add threshold: 1000 to {name}" + (", or of_limit: 80%" if self.on in OF_LIMIT else ""),
                    at=(name,),
                )
            if way.of_limit is not None and self.on not in OF_LIMIT:
                raise SettingError(
                    f"{self.on} has no limit to be a share of",
                    help=f"write a threshold; of_limit is for {' and '.join(OF_LIMIT)}",
                    at=(name, "of_limit"),
                )
        if self.in_ is not None and self.in_.on is not None:
            raise SettingError(
                f"`in` has an alarm of its own, but `on` is the metric {self.on}",
                help="remove it, or make `on` an alarm too", at=("in", "on"),
            )  # fmt: skip
        for name, _ in self.ways():
            self._implied(name)

    def _check_alarm(self) -> None:
        """What only belongs to a metric must not be there."""
        written: dict[tuple[str, ...], Any] = {
            ("statistic",): self.statistic, ("period",): self.period_s, ("metric_delay",): self.metric_delay_s,
        }  # fmt: skip
        for name, way in self.ways():
            written[name, "threshold"], written[name, "of_limit"] = way.threshold, way.of_limit
            written[name, "evaluation_periods"] = None if way.evaluation_periods == 1 else way.evaluation_periods
        close = get_close_matches(self.on.lower(), {each.lower(): each for each in IN_TIME}, 1, 0.8)
        meant = next((each for each in IN_TIME if close and each.lower() == close[0]), None)
        for at, value in written.items():
            if value is not None:
                raise SettingError(
                    f"`on` names the alarm {self.on}, which has its own {at[-1]}",
                    help=f"did you mean on: {meant}?" if meant else f"remove it, or write it into alarms.{self.on}",
                    at=at,
                )

    def _implied(self, name: str) -> Alarm:
        """The alarm that a threshold stands for."""
        way = dict(self.ways())[name]
        try:
            return Alarm.model_validate(
                {
                    "metric": self.on,
                    "statistic": self.statistic or STATISTIC.get(self.on, "Sum"),
                    "period": 60.0 if self.period_s is None else self.period_s,
                    "threshold": 0.0 if way.threshold is None else way.threshold,
                    "comparison": "GreaterThanThreshold" if name == "out" else "LessThanThreshold",
                    "evaluation_periods": way.evaluation_periods,
                    "metric_delay": 60.0 if self.metric_delay_s is None else self.metric_delay_s,
                }
            )
        except ValidationError as error:
            raise _moved(error, name) from None

    def ways(self) -> list[tuple[str, Direction]]:
        """Those of `out` and `in` that there are, by name."""
        both: list[tuple[str, Direction | None]] = [("out", self.out), ("in", self.in_)]
        return [(name, way) for name, way in both if way is not None]

    def alarm_names(self) -> dict[tuple[str, ...], str]:
        """The alarms that it names, by where."""
        if self.on in CLOUDWATCH:
            return {}
        found: dict[tuple[str, ...], str] = {("on",): self.on}
        if self.in_ is not None and self.in_.on is not None:
            found["in", "on"] = self.in_.on
        return found

    def triggers(self, alarms: dict[str, Alarm]) -> list[Trigger]:
        """What leads to calls, adding shards before removing some."""
        found = []
        for name, way in self.ways():
            own = way.on if isinstance(way, ScaleIn) else None
            out = name == "out"
            if self.on in CLOUDWATCH:
                found.append(Trigger(out, way, self.on, self._implied(name), ALARM))
            elif own is not None:
                found.append(Trigger(out, way, own, alarms[own], ALARM))
            else:
                found.append(Trigger(out, way, self.on, alarms[self.on], ALARM if out else OK))
        return found


OK, ALARM = 1, 2
"""Places in `kinsim.system.alarms.STATES`."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A state of an alarm that leads to calls."""

    out: bool
    way: Direction
    name: str
    alarm: Alarm
    state: int


def _moved(error: ValidationError, name: str) -> SettingError:
    """What is wrong with the alarm that a threshold stands for, as a mistake in what was written."""
    told = error.errors()
    key = str(told[0]["loc"][0])
    cause = told[0].get("ctx", {}).get("error")
    at = (key,) if key in ("statistic", "period", "metric_delay") else (name, key)
    message = cause.message if isinstance(cause, SettingError) else told[0]["msg"]
    return SettingError(message, help=cause.help if isinstance(cause, SettingError) else "", at=at)


# -- rules ---------------------------------------------------------------------------------------------------


@rule
def target_shards(now: int, factor: float, add: int, least: int, most: int) -> int:
    """Number of shards that an autoscaler asks for when *now* are open: times *factor*, rounded up, and *add*.

    A *factor* below 1 removes at least one.  The target is kept between *least* and *most*.

    >>> target_shards(3, 1.5, 0, 1, 16), target_shards(3, 0.5, 0, 1, 16), target_shards(3, 1.0, 2, 1, 16)
    (5, 2, 5)
    >>> target_shards(12, 2.0, 0, 1, 16), target_shards(1, 0.5, 0, 1, 16), target_shards(4, 0.9, 0, 1, 16)
    (16, 1, 3)
    """
    target = ceil(now * factor - 1e-9) + add
    if factor < 1.0 and target >= now:
        target = now - 1
    if target > most:
        target = most
    return target if target > least else least


@rule
def may_call_again(now_us: int, last_out_us: int, last_us: int, out: bool, cooldown_us: int) -> bool:
    """Whether the cooldown is over; negative times: no call yet (ASSUMPTION: as Application Auto Scaling).

    Adding shards waits after the last call that added some, removing shards after any call.

    >>> may_call_again(400, last_out_us=-1, last_us=200, out=True, cooldown_us=300)
    True
    >>> may_call_again(400, last_out_us=-1, last_us=200, out=False, cooldown_us=300)
    False
    """
    since_us = last_out_us if out else last_us
    return since_us < 0 or now_us >= since_us + cooldown_us


# -- an alarm while time goes on -----------------------------------------------------------------------------

Point = tuple[float, float, float, float]
"""Of a minute: number of data points, their sum, the least and the largest."""


class Watched:
    """The state of an alarm, minute by minute, from the same rules as `kinsim.measure.alarms` takes afterwards.

    >>> alarm = Alarm(metric="IteratorAge", statistic="Maximum", period="1m", threshold=5, datapoints_to_alarm=1)
    >>> watched = Watched(alarm)
    >>> [watched.evaluate((1.0, age, age, age), ()) for age in (5.0, 6.0, 4.0)], watched.evaluate((0.0,) * 4, ())
    ([1, 2, 1], 1)
    """

    def __init__(self, alarm: Alarm) -> None:
        self.alarm = alarm
        self.state = 0
        self.period = round(alarm.period_s / 60)
        self.percentile = percentile_of(alarm.statistic)
        self._minutes: list[Point] = []
        self._values: list[float] = []
        self._first = 0
        """Minute of the first of the values that are kept."""

    def evaluate(self, minute: Point, samples: Sequence[int], threshold: float | None = None) -> int:
        """The state once a further minute's data are there; *samples* in microseconds, where percentiles are asked for.

        *threshold* is that of today, where it depends on the shards that are open.
        """
        self._minutes = [*self._minutes[1 - self.period :], minute] if self.period > 1 else [minute]
        self._values.append(self._value(samples))
        reach = self.period * (self.alarm.evaluation_range - 1) + 1
        if len(self._values) > 2 * reach:
            self._first += len(self._values) - reach
            self._values = self._values[-reach:]
        alarm = self.alarm
        limit = alarm.threshold if threshold is None else threshold
        treatment = TREATMENTS.index(alarm.treat_missing_data)
        self.state = next_alarm_state(
            self._points(limit), alarm.evaluation_periods, alarm.points_needed, treatment, self.state
        )
        return self.state

    def _points(self, threshold: float) -> list[int]:
        before = WITHIN if self.alarm.treat_missing_data == "breaching" else MISSING
        comparison = COMPARISONS.index(self.alarm.comparison)
        newest = self._first + len(self._values) - 1
        points = []
        for age in range(self.alarm.evaluation_range - 1, -1, -1):
            minute = newest - age * self.period
            value = self._values[minute - self._first] if minute >= 0 else float("nan")
            if np.isnan(value):
                points.append(before if minute < self.period - 1 else MISSING)
            else:
                points.append(int(breaches(value, threshold, comparison)))
        return points

    def _value(self, samples: Sequence[int]) -> float:
        """The statistic of the period that ends now; NaN without data."""
        count, total, low, high = (np.array(each) for each in zip(*self._minutes, strict=True))
        if not count.sum():
            return float("nan")
        if self.percentile is not None:
            return _percentile(samples, self.percentile) / 1e3
        there = count > 0
        found: dict[str, Any] = {
            "SampleCount": count.sum(),
            "Sum": total.sum(),
            "Average": total.sum() / count.sum(),
            "Minimum": low[there].min(),
            "Maximum": high[there].max(),
        }
        return float(found[self.alarm.statistic])


def _percentile(samples: Sequence[int], percentile: float) -> float:
    """Linear between the two samples around it.

    >>> _percentile([30, 10, 20, 40], 50.0)
    25.0
    """
    ordered = sorted(samples)
    rank = percentile / 100 * (len(ordered) - 1)
    low = int(rank)
    below, above = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return below + (above - below) * (rank - low)
