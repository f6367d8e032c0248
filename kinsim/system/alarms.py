"""CloudWatch alarms: what is watched, and when it goes off."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.units import Count, Duration, Settings

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]


class Alarm(Settings):
    """A CloudWatch alarm on one metric (aws:CW4 to CW8)."""

    metric: str = Field(description="CloudWatch's name of the metric.", examples=["IteratorAge"])
    statistic: str = Field(description="Statistic of each period.", examples=["Maximum"])
    period_s: Duration = Field(alias="period", description="Length of a period (Period).", examples=["5m"], gt=0)
    threshold: float = Field(
        description="Value that the statistic is compared with, in the metric's unit.", examples=[1_000_000]
    )
    comparison: Comparison = Field(
        default="GreaterThanThreshold", description="What counts as breaching.", examples=["GreaterThanThreshold"]
    )
    evaluation_periods: Count = Field(default=1, description="Periods that are looked at.", examples=[1], ge=1)
    datapoints_to_alarm: Count | None = Field(
        default=None, description="Breaching periods that set the alarm off (default: all).", examples=[1]
    )
    treat_missing_data: Literal["missing", "ignore", "breaching", "notBreaching"] = Field(
        default="missing", description="What a period without data counts as.", examples=["breaching"]
    )
    metric_delay_s: Duration = Field(
        default=60.0,
        alias="metric_delay",
        description="Time until CloudWatch has a data point (aws:CW3).",
        examples=["60s"],
    )
    alarm_extra_periods: Count = Field(
        default=2, description="Periods beyond evaluation_periods that CloudWatch retrieves (aws:CW6).", examples=[2]
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.datapoints_to_alarm is not None and not 1 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise SettingError(
                f"datapoints_to_alarm is {self.datapoints_to_alarm}, of {self.evaluation_periods} evaluation periods",
                help="write at least 1 and at most evaluation_periods",
                at=("datapoints_to_alarm",),
            )
        return self
