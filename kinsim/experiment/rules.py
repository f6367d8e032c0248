"""What the function's rules came to over the replications, and what is to be said of their alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.experiment.statistics import NOTHING, estimate
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]

HEAVY = 0.25
"""A rule that takes a larger share of Duration than this is named."""


def rules_of(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Each rule's share of Duration and its alerts, the rule that takes most time first."""
    found: list[Json] = []
    for place, rule in enumerate(scenario.function.rules):
        of_rule = [one["rules"][place] for one in numbers]
        told = {key: _json_of([one[key] for one in of_rule], scenario) for key in of_rule[0] if key != "name"}
        found.append({"name": rule.name, **told})
    return sorted(found, key=lambda each: -(each["duration_share"]["value"] or 0.0))


def _json_of(values: Sequence[float | None], scenario: Scenario) -> dict[str, float | None]:
    found = estimate(values, scenario.run.confidence)
    return dict(NOTHING) if found is None else found.as_dict()


def rule_sentences(scenario: Scenario, metrics: Mapping[str, Any], rules: Sequence[Json]) -> list[str]:
    """Alerts that come late, are never sent or are sent again, and the rule that takes most of the time."""
    return [*_alerts(scenario, metrics), *_heaviest(rules)]


def _alerts(scenario: Scenario, metrics: Mapping[str, Any]) -> list[str]:
    if "alerts" not in metrics:
        return []
    sent, late, lost, again = (
        metrics[name]["sum"]["value"] for name in ("alerts", "late_alerts", "lost_alerts", "repeated_alerts")
    )
    found = []
    if late or lost:
        parts = [f"{late:,.0f} came later than {format_duration(scenario.function.alert_deadline_s)}"] if late else []
        parts += [f"{lost:,.0f} {'are' if lost != 1 else 'is'} never sent, as their records are lost"] if lost else []
        found.append(f"Of {sent + lost:,.0f} alerts {' and '.join(parts)}.")
    if again:
        found.append(
            f"Retries sent {again:,.0f} alerts once more: what comes behind the function must bear an alert twice."
        )
    return found


def _heaviest(rules: Sequence[Json]) -> list[str]:
    share = rules[0]["duration_share"]["value"] if rules else None
    if share is None or share <= HEAVY:
        return []
    return [f"The rule {rules[0]['name']} takes {share * 100:.0f} % of the function's time."]
