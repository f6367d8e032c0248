"""The summary of a run over its replications: the format of summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.engine.context import granularity
from kinsim.experiment.alarms import alarm_sentences, alarms_of
from kinsim.experiment.resharding import resharding_of, resharding_sentences
from kinsim.experiment.rules import rule_sentences, rules_of
from kinsim.experiment.statistics import NOTHING, Estimate, estimate, judge, kept_by
from kinsim.experiment.verdict import (
    bottleneck_sentence,
    bounds_sentence,
    lower_bounds,
    most_open,
    notes,
    verdict_sentence,
)
from kinsim.measure.cost import FIXED_PARTS
from kinsim.scenario.model import unit_of_statistic
from kinsim.system.metrics import unit_of
from kinsim.system.workload import ONLY_SOURCE

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]

FORMAT_VERSION = "1.0"


def combined_metrics(
    each: Sequence[Mapping[str, Mapping[str, float | None]]], confidence: float
) -> dict[str, dict[str, Estimate | None]]:
    """Estimates of every statistic of every metric over replications."""
    names = {name: tuple(statistics) for name, statistics in each[0].items()}
    return {
        name: {key: estimate([one[name].get(key) for one in each], confidence) for key in keys}
        for name, keys in names.items()
    }


def judged_slos(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Each SLO with its value, interval and status, from what each replication's `numbers()` gave.

    Where nothing has a value because nothing was ever processed, though records were stored, the SLO is missed.
    """
    found = []
    dead = all(_processed_nothing(one["metrics"]) for one in numbers)
    for name, slo in scenario.slos.items():
        values = [one["slo_values"][name] for one in numbers]
        verdict = judge(values, slo.limit, slo.upper, scenario.run.confidence)
        found.append(
            {
                "name": name,
                "metric": slo.metric,
                "statistic": slo.statistic,
                "period_s": slo.period_s,
                "fraction": slo.fraction,
                "bound": "at_most" if slo.upper else "at_least",
                "limit": slo.limit,
                "unit": unit_of_statistic(slo.metric, slo.statistic),
                **_as_json(verdict.estimate),
                "status": "missed" if dead and verdict.estimate is None else verdict.status,
                "kept_by": kept_by(values, slo.limit, slo.upper),
                "replications_needed": verdict.replications_needed,
            }
        )
    return found


def _processed_nothing(metrics: Mapping[str, Mapping[str, float | None]]) -> bool:
    return not metrics["processed_records"]["sum"] and bool(metrics["accepted_records"]["sum"])


def summarise(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> Json:
    """The summary of a run from what each replication's `numbers()` gave: the format of summary.json."""
    confidence = scenario.run.confidence
    metrics = _json_of(combined_metrics([n["metrics"] for n in numbers], confidence))
    shards = numbers[0]["shards"]
    per_shard = {
        shard["id"]: _json_of(combined_metrics([n["per_shard"][shard["id"]] for n in numbers], confidence))
        for shard in shards
        if all(shard["id"] in n["per_shard"] and _has_same(shard, n["shards"]) for n in numbers)
    }
    facts = {name: _mean_of([n["facts"][name] for n in numbers]) for name in numbers[0]["facts"]}
    slos = judged_slos(scenario, numbers)
    alarms = alarms_of(scenario, numbers)
    rules = rules_of(scenario, numbers)
    resharding = resharding_of(scenario, numbers)
    mean_bounds, peak_bounds = lower_bounds(scenario, facts)
    run = scenario.run
    return {
        "format_version": FORMAT_VERSION,
        "scenario": {
            "name": scenario.name,
            "description": scenario.description,
            "profile": scenario.profile,
            "config_hash": scenario.config_hash,
            "duration_s": run.duration_s,
            "warm_up_s": run.warm_up_s,
            "replications": len(numbers),
            "confidence": confidence,
            "seed": run.seed,
            "shard_count": scenario.stream.shard_count,
            "timeout_s": scenario.function.timeout_s,
            "granularity": granularity(scenario),
        },
        "engine": "reference",
        "metrics": metrics,
        "per_shard": per_shard,
        "shards": shards,
        "slos": slos,
        "alarms": alarms,
        **({"rules": rules} if rules else {}),
        **({"resharding": resharding} if resharding is not None else {}),
        "cost": _cost(scenario, [n["cost"] for n in numbers]),
        "bounds": mean_bounds,
        "bounds_at_peak": peak_bounds,
        "findings": {
            "verdict": verdict_sentence(slos),
            "bottleneck": bottleneck_sentence(scenario, metrics, facts, numbers),
            "lower_bounds": bounds_sentence(mean_bounds, peak_bounds, most_open(scenario, numbers)),
            "notes": [
                *notes(scenario, metrics, numbers),
                *rule_sentences(scenario, metrics, rules),
                *alarm_sentences(alarms),
                *resharding_sentences(resharding, len(numbers)),
                *_bins(scenario),
            ],
        },
    }


def _has_same(shard: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the shard of that id has the same hash keys there; a controller may have split another one."""
    keys = ("id", "starting_hash_key", "ending_hash_key")
    return any(all(each[key] == shard[key] for key in keys) for each in shards)


def _bins(scenario: Scenario) -> list[str]:
    """Which sources kinsim chose to count in bins."""
    chosen = {
        name: width
        for name, width in granularity(scenario).items()
        if width != "record" and scenario.workload.sources[name].granularity is None
    }
    return [
        f"{'Records' if name == ONLY_SOURCE else f'Records of {name}'} are counted in bins of {width}, since they are "
        "many and no write limit needs each; granularity: record takes them one by one."
        for name, width in chosen.items()
    ]


def _mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _as_json(found: Estimate | None) -> dict[str, float | None]:
    return dict(NOTHING) if found is None else found.as_dict()


def _json_of(combined: Mapping[str, Mapping[str, Estimate | None]]) -> Json:
    return {name: {key: _as_json(found) for key, found in of.items()} for name, of in combined.items()}


def _cost(scenario: Scenario, costs: Sequence[Mapping[str, float]]) -> Json:
    """Cost per month, in parts; fixed parts do not depend on usage."""
    confidence = scenario.run.confidence
    parts = {
        name: {
            "kind": "fixed" if name in FIXED_PARTS else "usage",
            **_as_json(estimate([cost[name] for cost in costs], confidence)),
        }
        for name in costs[0]
        if name != "total"
    }
    total = estimate([cost.get("total") for cost in costs], confidence)
    return {"currency": "USD", "hours": scenario.cost.hours_per_month, "total": _as_json(total), "parts": parts}


def statistic_unit(name: str, statistic: str) -> str:
    """Unit of a statistic: that of its metric, except for counts, times and shares.

    >>> statistic_unit("queue_wait_s", "p99"), statistic_unit("queue_wait_s", "count"), statistic_unit("errors", "rate")
    ('s', 'count', '1/s')
    """
    if statistic.startswith("time_of"):
        return "s"
    unit = unit_of(name)
    special = {"count": "count", "unfinished": "count", "rate": "1/s", "variance": f"{unit}^2"}
    return special.get(statistic, "1" if statistic.startswith("PR(") else unit)
