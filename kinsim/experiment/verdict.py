"""What a run came to, in words: verdict, bottleneck, lower bounds, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]

BUSY = 0.8
"""A shard that is busy for a larger share of the time is called a bottleneck."""
STEADY = 0.98
"""Above this share a shard cannot be said to keep up."""


def verdict_sentence(slos: Sequence[Mapping[str, Any]]) -> str:
    """How many SLOs are met, and which are not.

    >>> verdict_sentence([{"name": "a", "status": "met"}, {"name": "b", "status": "undecided"}])
    'Meets 1 of 2 SLOs (1 undecided).'
    >>> verdict_sentence([{"name": "a", "status": "missed"}, {"name": "b", "status": "met"}])
    'Misses 1 of 2 SLOs: a.'
    """
    if not slos:
        return "No SLO is stated."
    by_status = {s: [str(slo["name"]) for slo in slos if slo["status"] == s] for s in ("met", "missed", "undecided")}
    total = f"{len(slos)} SLO{'s' if len(slos) != 1 else ''}"
    open_ones = f" ({len(by_status['undecided'])} undecided)" if by_status["undecided"] else ""
    if by_status["missed"]:
        return f"Misses {len(by_status['missed'])} of {total}: {', '.join(by_status['missed'])}{open_ones}."
    if len(by_status["met"]) == len(slos):
        return f"Meets {'the' if len(slos) == 1 else 'all'} {total if len(slos) > 1 else 'SLO'}."
    return f"Meets {len(by_status['met'])} of {total}{open_ones}."


def lower_bounds(scenario: Scenario, facts: Mapping[str, float]) -> tuple[dict[str, int], dict[str, int]]:
    """Fewest shards by what binds (bytes, records, consumer speed), at the mean load and in the busiest minute.

    Arithmetic only: evenly spread keys, full batches back to back, no failures.
    """
    from kinsim.scenario.arithmetic import Arithmetic

    arithmetic = Arithmetic(scenario)
    return arithmetic.shards_needed(facts["mean_records_per_s"]), arithmetic.shards_needed(facts["peak_records_per_s"])


def bounds_sentence(mean: Mapping[str, int], peak: Mapping[str, int]) -> str:
    """Both bounds as one sentence.

    >>> bounds_sentence({"bytes": 3, "records": 4}, {"bytes": 5, "records": 8})
    'Lower bounds at the mean load: 3 shards by bytes, 4 by records; 8 to keep up within the busiest minute.'
    """
    if not mean:
        return ""
    parts = [f"{number} by {name}" for name, number in mean.items()]
    first = parts[0].replace(" by", f" shard{'s' if next(iter(mean.values())) != 1 else ''} by", 1)
    return (
        f"Lower bounds at the mean load: {', '.join([first, *parts[1:]])}; "
        f"{max(peak.values())} to keep up within the busiest minute."
    )


def bottleneck_sentence(scenario: Scenario, metrics: Mapping[str, Any], facts: Mapping[str, float]) -> str:
    """What limits the design, or how far it is from a limit."""

    def value(name: str, statistic: str) -> float:
        found = metrics.get(name, {}).get(statistic)
        return 0.0 if found is None or found["value"] is None else float(found["value"])

    shards = scenario.stream.shard_count
    timeouts, invocations = value("timeouts", "sum"), value("invocations", "sum")
    offers = value("accepted_records", "sum") + value("rejected_records", "sum")
    busiest, written = value("utilization", "max"), value("shard_write_utilization", "p99")
    if timeouts > 0.05 * invocations:
        limit = format_duration(scenario.function.timeout_s or 0.0)
        return f"Bottleneck: the time-out, {_percent(timeouts / invocations)} of invocations were stopped at {limit}."
    if offers and value("rejected_records", "sum") > 0.001 * offers:
        share = _percent(value("rejected_records", "sum") / offers)
        shard = "the shard" if shards == 1 else f"shard {facts['most_written_shard']:.0f} most of all"
        return f"Bottleneck: the stream's write limit, {share} of what was offered was rejected ({shard})."
    if value("throttles", "sum") > 0:
        return f"Bottleneck: concurrency, {value('throttles', 'sum'):,.0f} invocations were throttled."
    if facts["all_busy_s"] > 0:
        when = f"for {format_duration(facts['all_busy_s'])} from {format_duration(facts['all_busy_from_s'])} on"
        return f"Bottleneck: the function, {shards} of {shards} shards busy {when}."
    if busiest >= BUSY:
        which = "the shard" if shards == 1 else f"shard {facts['busiest_shard']:.0f}"
        return f"Bottleneck: the function, {which} is busy {_percent(busiest)} of the time."
    at_most = facts["busiest_minute_share"]
    if at_most >= BUSY:
        return (
            f"Bottleneck within bursts: the function, {_percent(at_most)} of all shards' time in the busiest minute "
            f"({_percent(busiest)} of the busiest shard's over the run)."
        )
    parts = [
        f"the busiest shard's function runs {_percent(busiest)} of the time",
        f"all shards' together {_percent(at_most)} of the busiest minute",
    ]
    if written:
        parts.append(f"the most written shard takes {_percent(written)} of its limit (p99)")
    return f"No bottleneck: {', '.join(parts[:-1])} and {parts[-1]}."


def notes(metrics: Mapping[str, Any], numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know to read the numbers rightly."""
    found = []
    stuck = sorted({shard for n in numbers for shard in n["stuck_shards"]})
    if stuck:
        found.append(f"A batch that can never succeed ended the run on {', '.join(stuck)}.")
    share = metrics["utilization"]["max"]["value"] or 0.0
    waiting = metrics["waiting_records"]["sum"]["value"] or 0.0
    if share >= STEADY and waiting > 0:
        found.append(
            "A shard's function never rested and records wait at the end: means describe this run, no steady state."
        )
    errors = {name: error for n in numbers for name, error in n["relative_error"].items()}
    if errors:
        worst = max(errors.values())
        found.append(f"Percentiles of {', '.join(sorted(errors))} come from histograms, within {_percent(worst)}.")
    return found


def _percent(share: float) -> str:
    """A share in percent.

    >>> _percent(0.9712), _percent(0.0004), _percent(0.00390625)
    ('97 %', '0.04 %', '0.39 %')
    """
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
