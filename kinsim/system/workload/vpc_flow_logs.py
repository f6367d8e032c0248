"""VPC flow logs: the log lines of network interfaces, as they reach CloudWatch Logs."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.distributions import NumberSpread
from kinsim.units import Count, Duration, Settings, Size

FIVE_MINUTES_US = 300_000_000
MOST_INTERFACES = 1_000_000

ALIGNED, RANDOM, FIVE_MIN_FLUSH = 0, 1, 2
PHASES = {"aligned": ALIGNED, "random": RANDOM, "five_min_flush": FIVE_MIN_FLUSH}


class VpcFlowLogsArrivals(Settings):
    """Log lines of network interfaces (aws:V1 to V7); each interface is a log stream.

    Intervals that ended before the run are published during it where the delays say so: the load at time 0 is that of
    any other time.
    """

    model: Literal["vpc_flow_logs"] = Field(description="Flow logs of a VPC.", examples=["vpc_flow_logs"])
    interfaces: Count = Field(description="Network interfaces.", examples=[400], ge=1, le=MOST_INTERFACES)
    lines_per_interface: NumberSpread = Field(
        description="Log lines of an interface in an aggregation interval; a distribution is over the interfaces, "
        "of which each keeps its own value. Fractions add up over the intervals.",
        examples=[{"distribution": "lognormal", "mean": 500, "cv": 1.5}],
    )
    aggregation_interval_s: Duration = Field(
        default=600.0,
        alias="aggregation_interval",
        description="Time over which an interface gathers flows (aws:V1, V2).",
        examples=["10m"],
        ge=1,
    )
    phase: Literal["aligned", "random", "five_min_flush"] = Field(
        default="random",
        description="aligned: the intervals of all interfaces end together; random: each at a phase of its own; "
        "five_min_flush: likewise, but what became due since the last whole five minutes arrives then (aws:V7).",
        examples=["five_min_flush"],
    )
    publish_delay_s: Duration = Field(
        default=300.0,
        alias="publish_delay",
        description="Time from the end of an interval (or the flush) until CloudWatch Logs has the lines (aws:V3).",
        examples=["5m"],
    )
    publish_spread_s: Duration = Field(
        default=0.0,
        alias="publish_spread",
        description="Each publication is delayed further by a uniform share of this.",
        examples=["30s"],
    )
    line_size_bytes: Size = Field(
        default=111, alias="line_size", description="Length of a log line (aws:V5, V6).", examples=["111 B"], ge=1
    )
    extracted_fields: bool = Field(
        default=True,
        description="Whether the subscription's filter names the fields: each event then has them twice (aws:C3).",
        examples=[True],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lines_per_interface.mean <= 0:
            raise SettingError("no interface has a line", help="write a number above 0", at=("lines_per_interface",))
        return self

    @property
    def period_s(self) -> float:
        """Time between two publications of an interface."""
        return (
            max(300.0, self.aggregation_interval_s) if self.phase == "five_min_flush" else self.aggregation_interval_s
        )

    def log_events_per_s(self) -> float:
        """Mean log lines per second of all interfaces.

        >>> flow = {"model": "vpc_flow_logs", "interfaces": 600, "lines_per_interface": 500}
        >>> VpcFlowLogsArrivals.model_validate(flow | {"aggregation_interval": "10m"}).log_events_per_s()
        500.0
        """
        return self.interfaces * self.lines_per_interface.mean / self.aggregation_interval_s

    def mean_rate_per_s(self) -> float | None:
        """Records per second are for the producer to say."""
        return None

    def peak_rate_per_s(self) -> float | None:
        """Likewise."""
        return None


@rule
def flushed_intervals(flush_us: int, phase_us: Any, interval_us: int) -> tuple[Any, Any]:
    """First and last interval whose lines the flush at *flush_us* brings: those since the last one (aws:V7).

    >>> flushed_intervals(600_000_000, 0, 60_000_000)
    (6, 10)
    >>> flushed_intervals(600_000_000, 200_000_000, 600_000_000)  # none: the first is after the last
    (1, 0)
    """
    since_us = flush_us - FIVE_MINUTES_US
    return (since_us - phase_us) // interval_us + 1, (flush_us - phase_us) // interval_us


@rule
def lines_of_intervals(first: Any, last: Any, lines: Any, offset: Any) -> Any:
    """Whole log lines of intervals *first* to *last*, which have *lines* each on average; *offset* in [0, 1).

    >>> [lines_of_intervals(k, k, 2.5, 0.0) for k in range(4)], lines_of_intervals(0, 3, 2.5, 0.7)
    ([2.0, 3.0, 2.0, 3.0], 10.0)
    """
    return ((last + 1) * lines + offset) // 1.0 - (first * lines + offset) // 1.0
