"""CloudWatch alarms: what is watched, and when it goes off."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.metrics import CLOUDWATCH, METRICS, percentile_of, problem_with
from kinsim.units import NUMBER_PATTERN, Count, Duration, Settings, format_duration, number_or_text

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
Treatment = Literal["missing", "ignore", "breaching", "notBreaching"]
State = Literal["INSUFFICIENT_DATA", "OK", "ALARM"]

COMPARISONS: tuple[str, ...] = get_args(Comparison)
TREATMENTS: tuple[str, ...] = get_args(Treatment)
STATES: tuple[str, ...] = get_args(State)
"""An alarm begins in the first (aws:CW8)."""

POINTS = {"-": -1, "0": 0, "X": 1}
"""AWS's signs for a period without data, one within the threshold and one that breaches it; the numbers of rules."""
MISSING, WITHIN, BREACHING = POINTS.values()

HOUR_S, DAY_S, WEEK_S = 3_600.0, 86_400.0, 604_800.0


class Alarm(Settings):
    """A CloudWatch alarm on one metric (aws:CW4 to CW8)."""

    metric: str = Field(description="CloudWatch's name of the metric.", examples=["IteratorAge"])
    statistic: str = Field(
        description="Average, Sum, Minimum, Maximum or SampleCount of each period, or a percentile of each minute.",
        examples=["Maximum"],
    )
    period_s: Duration = Field(
        alias="period", description="Length of a period in whole minutes (Period).", examples=["5m"], gt=0
    )
    threshold: Annotated[float, WithJsonSchema(number_or_text(rf"^{NUMBER_PATTERN}$", minimum=None))] = Field(
        description="Value that the statistic is compared with, in the metric's unit.", examples=[1_000_000]
    )
    comparison: Comparison = Field(
        default="GreaterThanThreshold",
        description="What counts as breaching (ComparisonOperator).",
        examples=["GreaterThanThreshold"],
    )
    evaluation_periods: Count = Field(
        default=1, description="Periods that are looked at (EvaluationPeriods).", examples=[1], ge=1
    )
    datapoints_to_alarm: Count | None = Field(
        default=None,
        description="Breaching periods that set the alarm off; by default all (DatapointsToAlarm).",
        examples=[1],
    )
    treat_missing_data: Treatment = Field(
        default="missing",
        description="What a period without data counts as (TreatMissingData).",
        examples=["breaching"],
    )
    metric_delay_s: Duration = Field(
        default=60.0,
        alias="metric_delay",
        description="Time from the end of a period until the alarm has its data (ASSUMPTION aws:CW3).",
        examples=["60s"],
        le=HOUR_S,
    )
    alarm_extra_periods: Count = Field(
        default=2,
        description="Periods before the evaluation_periods that stand in for some without data (ASSUMPTION aws:CW6).",
        examples=[2],
        le=100,
    )

    @field_validator("metric")
    @classmethod
    def _is_published(cls, value: str) -> str:
        if value not in CLOUDWATCH:
            raise SettingError(f"CloudWatch has no metric {value!r}", help=_metric_hint(value))
        return value

    @field_validator("statistic")
    @classmethod
    def _has_statistic(cls, value: str, info: ValidationInfo) -> str:
        wrong = problem_with(info.data["metric"], value) if "metric" in info.data else None
        if wrong:
            close = get_close_matches(value.capitalize(), CLOUDWATCH[info.data["metric"]].statistics, 1, 0.6)
            raise SettingError(wrong, help=f"did you mean {close[0]}?" if close else "")
        return value

    @field_validator("period_s")
    @classmethod
    def _whole_minutes(cls, value: float, info: ValidationInfo) -> float:
        if value % 60:
            raise SettingError(f"{format_duration(value)} is not a whole number of minutes", help="write period: 1m")
        if value > WEEK_S:
            raise SettingError(f"a period of {format_duration(value)} is longer than 7d", help="write a shorter one")
        if value > 60 and percentile_of(info.data.get("statistic", "")) is not None:
            raise SettingError(
                f"percentiles are known for each minute, not for periods of {format_duration(value)}",
                help="write period: 1m, or a statistic such as Maximum",
            )
        return value

    @field_validator("evaluation_periods")
    @classmethod
    def _short_enough(cls, value: int, info: ValidationInfo) -> int:
        period_s = info.data.get("period_s", 0.0)
        longest_s = WEEK_S if period_s >= HOUR_S else DAY_S
        if value * period_s > longest_s:
            raise SettingError(
                f"{value} periods of {format_duration(period_s)} are longer than {format_duration(longest_s)}, "
                "the most that CloudWatch evaluates",
                help=f"write at most {int(longest_s // period_s)} periods",
            )
        return value

    @field_validator("datapoints_to_alarm")
    @classmethod
    def _of_the_periods(cls, value: int | None, info: ValidationInfo) -> int | None:
        periods = info.data.get("evaluation_periods", value)
        if value is not None and periods is not None and not 1 <= value <= periods:
            raise SettingError(
                f"datapoints_to_alarm is {value}, of {periods} evaluation periods",
                help="write at least 1 and at most evaluation_periods",
            )
        return value

    @property
    def points_needed(self) -> int:
        """Breaching periods that set the alarm off."""
        return self.evaluation_periods if self.datapoints_to_alarm is None else self.datapoints_to_alarm

    @property
    def evaluation_range(self) -> int:
        """Periods that CloudWatch retrieves (aws:CW6)."""
        return self.evaluation_periods + self.alarm_extra_periods


def _metric_hint(name: str) -> str:
    """What may be meant by a name that CloudWatch does not know.

    >>> _metric_hint("iteratorage")
    'did you mean IteratorAge?'
    >>> _metric_hint("iterator_age_s")
    "an alarm watches CloudWatch's metrics: write IteratorAge"
    """
    if name in METRICS and METRICS[name].cloudwatch:
        return f"an alarm watches CloudWatch's metrics: write {METRICS[name].cloudwatch}"
    by_lower = {each.lower(): each for each in CLOUDWATCH}
    close = get_close_matches(name.lower(), by_lower, 3, 0.5)
    return (
        f"did you mean {', '.join(by_lower[each] for each in close)}?" if close else f"known: {', '.join(CLOUDWATCH)}"
    )


@rule
def breaches(value: Any, threshold: float, comparison: int) -> Any:
    """Whether a number, or each of an array, is one that breaches the threshold (aws:CW4).

    *comparison* 0: what is above it breaches; 1: at or above; 2: below; 3: at or below.

    >>> [breaches(5.0, 5.0, comparison) for comparison in range(4)]
    [False, True, False, True]
    >>> [breaches(6.0, 5.0, comparison) for comparison in range(4)]
    [True, True, False, False]
    """
    if comparison == 0:
        return value > threshold
    if comparison == 1:
        return value >= threshold
    if comparison == 2:
        return value < threshold
    return value <= threshold


@rule
def next_alarm_state(
    points: Sequence[int], evaluation_periods: int, datapoints_to_alarm: int, treatment: int, state: int
) -> int:
    """State of an alarm after an evaluation: 0 INSUFFICIENT_DATA, 1 OK, 2 ALARM (aws:CW4 to CW8).

    *points* are the periods of the evaluation range, the newest last: 1 breaching, 0 within the threshold, -1 without
    data.  The newest *evaluation_periods* with data count.  Where there are fewer, *treatment* decides: 0 missing,
    1 ignore (keep *state*), 2 breaching, 3 notBreaching.  Few breaching points alone set off an alarm that treats
    missing data as missing once the oldest of them is *datapoints_to_alarm* periods old.

    >>> next_alarm_state([0, 1, 1, -1, 1], 3, 3, 0, 1)      # the newest three with data breach
    2
    >>> [next_alarm_state([-1, -1, 1, -1, -1], 3, 3, treatment, 1) for treatment in range(4)]
    [2, 1, 2, 1]
    >>> [next_alarm_state([-1, -1, -1, -1, -1], 3, 3, treatment, 1) for treatment in range(4)]
    [0, 1, 2, 1]
    """
    found = breaching = oldest = 0
    for age in range(1, len(points) + 1):
        point = points[len(points) - age]
        if point >= 0 and found < evaluation_periods:
            found += 1
            if point > 0:
                breaching += 1
                oldest = age
    counted = breaching + (evaluation_periods - found if treatment == 2 else 0)
    if counted >= datapoints_to_alarm:
        return 2
    if found == evaluation_periods or treatment >= 2 or breaching < found:
        return 1
    if found == 0:
        return 0 if treatment == 0 else state
    return 2 if treatment == 0 and oldest >= datapoints_to_alarm else state


def evaluate_alarm(
    points: Sequence[str],
    evaluation_periods: int,
    datapoints_to_alarm: int | None = None,
    treat_missing_data: str = "missing",
    state: str = "INSUFFICIENT_DATA",
) -> str:
    """State of a CloudWatch alarm after one evaluation, in AWS's words; see :func:`next_alarm_state`.

    *points* are the periods that CloudWatch retrieves (more than the *evaluation_periods*), the newest last, in the
    signs of its documentation: `X` breaching, `0` within the threshold, `-` without data.

    >>> evaluate_alarm("0-X-X", 3, 3)
    'OK'
    >>> evaluate_alarm("0-X-X", 3, 2)
    'ALARM'
    >>> evaluate_alarm("-----", 1), evaluate_alarm("-----", 1, treat_missing_data="breaching")
    ('INSUFFICIENT_DATA', 'ALARM')
    """
    needed = evaluation_periods if datapoints_to_alarm is None else datapoints_to_alarm
    if not 1 <= needed <= evaluation_periods:
        raise ValueError(f"datapoints_to_alarm is {needed}, of {evaluation_periods} evaluation periods")
    numbers = [POINTS[_one_of(point, POINTS)] for point in points if point != " "]
    treatment = TREATMENTS.index(_one_of(treat_missing_data, TREATMENTS))
    before = STATES.index(_one_of(state, STATES))
    return STATES[next_alarm_state(numbers, evaluation_periods, needed, treatment, before)]


def _one_of(word: str, allowed: Sequence[str] | dict[str, int]) -> str:
    if word not in allowed:
        raise ValueError(f"{word!r} is none of {', '.join(allowed)}")
    return word
