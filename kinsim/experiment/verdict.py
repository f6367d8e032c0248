"""What a run came to, in words: verdict, bottleneck, lower bounds, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.measure.figure_data import shards_over_time
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]

BUSY = 0.8
"""A shard that is busy for a larger share of the time is called a bottleneck."""
REFUSED = 0.05
"""Where a larger share of the GetRecords calls is refused the readers want more than a shard gives."""
STEADY = 0.98
"""Above this share a shard cannot be said to keep up."""
FAILS_AGAIN = 5
"""A batch that has had as many invocations and is not done blocks its shard."""
LEFT_OVER = 0.01
"""Records that are unfinished at the end make latencies look better than they are above this share."""


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


def most_open(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> int:
    """Most shards that were open at once."""
    counts = [count for one in numbers for _, count in shards_over_time(one["shards"])]
    return max(counts, default=scenario.stream.shard_count)


def bounds_sentence(mean: Mapping[str, int], peak: Mapping[str, int], shards: int) -> str:
    """The bounds at the mean load, and apart from them, since queues may bridge it, what the busiest minute takes.

    >>> bounds_sentence({"bytes": 3, "records": 4}, {"bytes": 5, "records": 8}, shards=8)
    'Lower bounds at the mean load: 3 shards by bytes, 4 by records.'
    >>> bounds_sentence({"bytes": 3}, {"bytes": 8}, shards=5).partition(". ")[2]
    'No bound: to work off the busiest minute within it would take 8 shards; with 5 the queue has to bridge it.'
    """
    if not mean:
        return ""
    parts = [f"{number} by {name}" for name, number in mean.items()]
    first = parts[0].replace(" by", f" shard{'s' if next(iter(mean.values())) != 1 else ''} by", 1)
    sentence = f"Lower bounds at the mean load: {', '.join([first, *parts[1:]])}."
    most = max(peak.values())
    if most <= max(shards, *mean.values()):
        return sentence
    return (
        f"{sentence} No bound: to work off the busiest minute within it would take {most} shards; "
        f"with {shards} the queue has to bridge it."
    )


def bottleneck_sentence(
    scenario: Scenario, metrics: Mapping[str, Any], facts: Mapping[str, float], numbers: Sequence[Mapping[str, Any]]
) -> str:
    """What limits the design, or how far it is from a limit."""

    def value(name: str, statistic: str) -> float:
        found = metrics.get(name, {}).get(statistic)
        return 0.0 if found is None or found["value"] is None else float(found["value"])

    shards = most_open(scenario, numbers)
    timeouts, invocations = value("timeouts", "sum"), value("invocations", "sum")
    stored = value("accepted_records", "sum") + value("duplicate_records", "sum") - value("initial_records", "sum")
    offers = stored + value("rejected_records", "sum")
    busiest, written = value("utilization", "max"), value("shard_write_utilization", "p99")
    if timeouts > 0.05 * invocations:
        limit = format_duration(scenario.function.timeout_s or 0.0)
        return f"Bottleneck: the time-out, {_percent(timeouts / invocations)} of invocations were stopped at {limit}."
    blocked = _blocked(scenario, numbers)
    if blocked:
        return blocked
    limits = []
    if facts["all_busy_s"] > 0:
        when = f"for {format_duration(facts['all_busy_s'])} from {format_duration(facts['all_busy_from_s'])} on"
        limits.append(f"the function, {shards} of {shards} shards busy {when}")
    elif busiest >= BUSY:
        which = "the shard" if shards == 1 else f"shard {facts['busiest_shard']:.0f}"
        limits.append(f"the function, {which} is busy {_percent(busiest)} of the time")
    if offers and value("rejected_records", "sum") > 0.001 * offers:
        share = _percent(value("rejected_records", "sum") / offers)
        shard = "the shard" if shards == 1 else f"shard {facts['most_written_shard']:.0f} most of all"
        limits.append(f"the stream's write limit, {share} of what was offered was rejected ({shard})")
    if facts["refused_calls_share"] > REFUSED:
        share = _percent(facts["refused_calls_share"])
        limits.append(f"the shards' read limits, {share} of the GetRecords calls were refused")
    if value("throttles", "sum") > 0:
        limits.append(f"concurrency, {value('throttles', 'sum'):,.0f} invocations were throttled")
    if limits:
        return f"Bottleneck{'s' if len(limits) > 1 else ''}: {'; '.join(limits)}."
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


def _blocked(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> str:
    """The batch that has failed most often and holds up its shard at the end, of all replications."""
    failing = [(tries, since_s, shard) for n in numbers for shard, (tries, since_s) in n["failing"].items()]
    tries, since_s, shard = max(failing, default=(0, 0.0, ""))
    if tries < FAILS_AGAIN:
        return ""
    retention = scenario.stream.retention_period_s
    later = f"; what is not read {format_duration(retention)} after it came is lost" if retention is not None else ""
    return (
        f"Bottleneck: a batch that fails again and again, on {shard}, {tries} times since "
        f"{format_duration(round(since_s))}: everything behind it waits{later}."
    )


def notes(scenario: Scenario, metrics: Mapping[str, Any], numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know to read the numbers rightly."""
    found = [*_time_out_near(scenario, numbers), *_meaning(scenario, metrics)]
    stuck = sorted({shard for n in numbers for shard in n["stuck_shards"]})
    if stuck:
        found.append(f"The run ended with records on {', '.join(stuck)} that can never be processed.")
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


def _time_out_near(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The longest invocation where it left less than half of the time-out, and what would cure it (claim:C6)."""
    from kinsim.scenario.arithmetic import BUFFER

    timeout, longest = scenario.function.timeout_s, _largest(numbers, "duration_s")
    if timeout is None or longest <= BUFFER * timeout:
        return []
    stopped = any(n["metrics"]["timeouts"]["sum"] for n in numbers)
    what = (
        f"ran into the time-out of {timeout:g} s" if stopped else f"took {longest:.3g} s of the {timeout:g} s time-out"
    )
    cures = _cures(scenario, longest, int(_largest(numbers, "batch_records")))
    help = f"; so do full batches with {' or '.join(cures)}" if cures else ""
    return [f"The longest invocation {what}: to leave a buffer for rare slow events, runs end within half of it{help}."]


def _largest(numbers: Sequence[Mapping[str, Any]], name: str) -> float:
    """Largest value of a metric in any replication."""
    return max((n["metrics"][name]["max"] or 0.0 for n in numbers), default=0.0)


def _cures(scenario: Scenario, longest_s: float, records: int) -> list[str]:
    """By the arithmetic of heavy batches, stretched where the run had a longer one; none where faults made it."""
    from kinsim.scenario.arithmetic import BUFFER, Arithmetic

    known = Arithmetic(scenario)
    expected_s = known.batch_s(max(records, 1), heavy=True)
    if scenario.function.faults or expected_s <= 0:
        return []
    return known.cures(BUFFER / max(1.0, longest_s / expected_s), heavy=True)


def _meaning(scenario: Scenario, metrics: Mapping[str, Any]) -> list[str]:
    """What intervals and latencies do not cover."""
    from kinsim.system.workload.trace import TraceArrivals
    from kinsim.system.workload.vpc_flow_logs import VpcFlowLogsArrivals

    arrivals = [source.arrivals for source in scenario.workload.sources.values()]
    found = []
    if any(isinstance(each, TraceArrivals) for each in arrivals):
        found.append("A trace replays one recorded period: results and their intervals do not cover other days.")
    left = sum(metrics[name]["sum"]["value"] or 0.0 for name in ("waiting_records", "in_flight_records"))
    if left > LEFT_OVER * (metrics["accepted_records"]["sum"]["value"] or 0.0):
        found.append(f"End-to-end latency counts processed records only, not the {left:,.0f} unfinished at the end.")
    flow = next((each for each in arrivals if isinstance(each, VpcFlowLogsArrivals)), None)
    if flow is not None:
        found.append(
            "End-to-end latency starts when an interface's aggregation interval ends: it includes the delivery to "
            f"CloudWatch Logs ({format_duration(flow.publish_delay_s)} and what the flush adds), "
            f"not the interval of {format_duration(flow.aggregation_interval_s)}."
        )
    return found


def _percent(share: float) -> str:
    """A share in percent.

    >>> _percent(0.9712), _percent(0.0004), _percent(0.00390625)
    ('97 %', '0.04 %', '0.39 %')
    """
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
