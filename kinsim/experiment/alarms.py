"""What alarms do over the replications of a run: the section `alarms` of summary.json, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.experiment.statistics import NOTHING, Estimate, estimate
from kinsim.system.metrics import unit_of
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]


def alarms_of(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Each alarm with when it went off, from what each replication's `numbers()` gave.

    Times are means over the replications in which something happened, whose number is their `n`.
    """
    confidence = scenario.run.confidence
    losses = [one["metrics"]["lost_records"]["time_of_first"] for one in numbers]
    found = {}
    for name, alarm in scenario.alarms.items():
        histories = [one["alarms"][name] for one in numbers]
        went_off = [history["went_off_s"] for history in histories]
        found[name] = {
            "metric": alarm.metric,
            "statistic": alarm.statistic,
            "period_s": alarm.period_s,
            "threshold": alarm.threshold,
            "comparison": alarm.comparison,
            "unit": unit_of(alarm.metric),
            "evaluation_periods": alarm.evaluation_periods,
            "datapoints_to_alarm": alarm.points_needed,
            "treat_missing_data": alarm.treat_missing_data,
            "first_crossed_s": _as_json(estimate([history["first_crossed_s"] for history in histories], confidence)),
            "went_off_s": _as_json(estimate(went_off, confidence)),
            "went_off_in": sum(time_s is not None for time_s in went_off),
            "replications": len(histories),
            "before_first_loss_s": _as_json(estimate(map(_between, went_off, losses), confidence)),
            "state_changes": [
                {"replication": one["replication"], "time_s": time_s, "state": state}
                for one, history in zip(numbers, histories, strict=True)
                for time_s, state in history["state_changes"]
            ],
        }
    return found


def alarm_sentences(alarms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which alarms went off and when, and which did not.

    >>> went_off = {"went_off_in": 2, "replications": 2, "went_off_s": {"value": 7080.0},
    ...             "before_first_loss_s": {"value": 597720.0}}
    >>> silent = {"went_off_in": 0, "replications": 2}
    >>> alarm_sentences({"age": went_off, "errors": silent, "throttles": silent})
    ['Alarm age goes off after 1h58m, 166h2m before the first loss.', 'No alarm from errors, throttles.']
    """
    told = [_sentence(name, alarm) for name, alarm in alarms.items() if alarm["went_off_in"]]
    silent = [name for name, alarm in alarms.items() if not alarm["went_off_in"]]
    return told + ([f"No alarm from {', '.join(silent)}."] if silent else [])


def _sentence(name: str, alarm: Mapping[str, Any]) -> str:
    times, runs = alarm["went_off_in"], alarm["replications"]
    often = f" in {times} of {runs} runs," if times < runs else ""
    words = f"Alarm {name} goes off{often} after {_rounded(alarm['went_off_s']['value'])}"
    early_s = alarm["before_first_loss_s"]["value"]
    if early_s is None:
        return f"{words}."
    return f"{words}, {_rounded(abs(early_s))} {'before' if early_s >= 0 else 'after'} the first loss."


def _rounded(seconds: float) -> str:
    return format_duration(round(seconds))


def _between(earlier_s: float | None, later_s: float | None) -> float | None:
    return None if earlier_s is None or later_s is None else later_s - earlier_s


def _as_json(found: Estimate | None) -> dict[str, float | None]:
    return dict(NOTHING) if found is None else found.as_dict()
