"""What a scenario's SLOs and alarms ask of the measures: percentiles, ranks and periods besides the usual ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinsim.measure.alarms import percentiles_wanted
from kinsim.scenario.model import bound_in
from kinsim.system.metrics import GROUPED, PERCENTILES, percentile_of, rank_of, unit_of

if TYPE_CHECKING:
    from kinsim.scenario import Scenario, Slo
    from kinsim.system.alarms import Alarm

MINUTE_PERCENTILES = (50.0, 95.0, 99.0)
"""Percentiles of Duration and IteratorAge that are given for each minute."""

AGES = (
    "iterator_age_s",
    "first_record_age_s",
    "true_age_s",
    "queue_wait_s",
    "sojourn_s",
    "end_to_end_latency_s",
    "alert_delay_s",
    "IteratorAge",
    "GetRecords.IteratorAgeMilliseconds",
    "SubscribeToShardEvent.MillisBehindLatest",
)
"""Metrics whose limits say how old a record may get."""


class Wanted:
    """Statistics that are wanted of each metric."""

    def __init__(self, scenario: Scenario) -> None:
        self.slos: dict[str, Slo] = dict(scenario.slos)
        self.alarms: dict[str, Alarm] = dict(scenario.alarms)

    def percentiles(self, name: str) -> list[float]:
        """Percentiles over the run: the usual ones and those that SLOs name."""
        more = {
            percentile
            for slo in self.slos.values()
            if slo.period_s is None and GROUPED.get(slo.metric, slo.metric) == name
            for percentile in [percentile_of(slo.statistic)]
            if percentile is not None
        }
        return sorted({*PERCENTILES, *more})

    def ranks(self, name: str) -> dict[str, tuple[float, float]]:
        """Percentile ranks that SLOs name, with their bounds in the metric's unit."""
        found = {}
        for slo in self.slos.values():
            bounds = rank_of(slo.statistic)
            if slo.metric == name and bounds is not None:
                unit = unit_of(name)
                low = bound_in(bounds[0], unit) if bounds[0] else float("-inf")
                high = bound_in(bounds[1], unit) if bounds[1] else float("inf")
                found[slo.statistic] = (low, high)
        return found

    def groups(self) -> Iterable[tuple[str, int, tuple[float, ...]]]:
        """Percentiles that are wanted of each period: metric, period in microseconds, percentiles."""
        periods: dict[tuple[str, int], set[float]] = {
            ("duration_s", 60_000_000): set(MINUTE_PERCENTILES),
            ("iterator_age_s", 60_000_000): set(MINUTE_PERCENTILES),
        }
        for slo in self.slos.values():
            percentile = percentile_of(slo.statistic)
            if slo.period_s is not None and slo.metric in GROUPED and percentile is not None:
                key = (GROUPED[slo.metric], round(slo.period_s * 1e6))
                periods.setdefault(key, set()).add(percentile)
        for alarm in self.alarms.values():
            for name, period, percentile in percentiles_wanted(alarm):
                periods.setdefault((name, period), set()).add(percentile)
        return [(name, period, tuple(sorted(wanted))) for (name, period), wanted in periods.items()]

    @property
    def age_limit_us(self) -> int:
        """The tightest limit on an age, 0 without any: then every wait counts."""
        limits = [
            slo.limit * (1_000.0 if unit_of(slo.metric) == "Milliseconds" else 1e6)
            for slo in self.slos.values()
            if slo.upper and slo.metric in AGES and rank_of(slo.statistic) is None
        ]
        return round(min(limits)) if limits else 0
