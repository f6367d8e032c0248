"""What a design costs: AWS's list prices applied to shards, PUT units and billed time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kinsim.scenario.readers import registered_consumers
from kinsim.system.on_demand import UNIT_BYTES

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

PUT_UNIT_BYTES = 25_600
LONG_TERM_S = 7 * 86_400.0
"""Age from which records are kept at the price of long-term retention (aws:P5, P8)."""
HOURS_PER_MONTH = 730.0
MB_PER_GB = 1_024


def billed_ms(duration_s: float, quantum_ms: float = 1.0) -> float:
    """Billed milliseconds of one invocation: rounded up to the quantum, 0: not at all (aws:M26).

    >>> billed_ms(0.375, 100), billed_ms(0.3761, 1), billed_ms(0.375, 0)
    (400.0, 377.0, 375.0)
    """
    milliseconds = duration_s * 1e3
    if quantum_ms <= 0:
        return milliseconds
    return math.ceil(round(milliseconds / quantum_ms, 9)) * float(quantum_ms)


def lambda_cost(
    memory_mb: float,
    duration_s: float,
    invocations: float = 1.0,
    *,
    price_gb_s: float = 0.0000166667,
    price_request: float = 0.20e-6,
    quantum_ms: float = 1.0,
    free_gb_s: float = 0.0,
    free_requests: float = 0.0,
) -> float:
    """USD for *invocations* of *duration_s* each at *memory_mb* (aws:P10, P12, M26); no throttled ones (aws:M28).

    *price_request* is for one request; what the free tier gives (aws:P13) is taken off where it is named.

    >>> round(lambda_cost(128, 11.722965, 1_000, price_gb_s=0.00001667, quantum_ms=0), 6)     # case:P01
    0.024628
    >>> round(lambda_cost(1024, 1.465984, 1_000, price_gb_s=0.00001667, quantum_ms=0), 6)
    0.024638
    >>> round(lambda_cost(512, 1.0, 3e6, price_gb_s=0.00001667, free_gb_s=400_000, free_requests=1e6), 2)   # case:P04
    18.74
    """
    gb_s = memory_mb / MB_PER_GB * billed_ms(duration_s, quantum_ms) / 1e3 * invocations
    requests = max(0.0, invocations - free_requests)
    return max(0.0, gb_s - free_gb_s) * price_gb_s + requests * price_request


def put_units(record_bytes: float, unit_bytes: int = PUT_UNIT_BYTES) -> int:
    """PUT payload units of one record: each up to 25 KiB (aws:P3).

    >>> put_units(35 * 1024), put_units(25_600), put_units(25_601)
    (2, 1, 2)
    """
    return max(1, math.ceil(record_bytes / unit_bytes))


def kinesis_cost(
    shards: float = 0.0,
    hours: float = HOURS_PER_MONTH,
    put_units: float = 0.0,
    *,
    price_shard_hour: float = 0.015,
    price_put_unit_million: float = 0.014,
    extended_retention: bool = False,
    price_extended_retention_shard_hour: float = 0.020,
) -> float:
    """USD for *shards* open during *hours* and for *put_units* PUT payload units (aws:P1, P2, P4, S11).

    >>> units = 100 * 86_400 * 2                                   # case:P05: 100 records/s of 35 KB, one day
    >>> units, [round(x, 2) for x in (kinesis_cost(4, 24), kinesis_cost(0, 24, units), kinesis_cost(4, 24, units))]
    (17280000, [1.44, 0.24, 1.68])
    >>> month = 1_000 * 30 * 86_400                                # case:P06: 1,000 records of 1 KB/s, 30 days
    >>> round(kinesis_cost(put_units=month), 2), round(kinesis_cost(put_units=month, price_put_unit_million=0.0224), 2)
    (36.29, 58.06)
    """
    per_hour = price_shard_hour + (price_extended_retention_shard_hour if extended_retention else 0.0)
    return shards * hours * per_hour + put_units * price_put_unit_million / 1e6


def on_demand_cost(
    hours: float = HOURS_PER_MONTH,
    gb_in: float = 0.0,
    gb_out: float = 0.0,
    *,
    price_stream_hour: float = 0.04,
    price_gb_in: float = 0.08,
    price_gb_out: float = 0.04,
) -> dict[str, float]:
    """USD for a stream in an on-demand mode, by part (aws:P7; of ON_DEMAND_ADVANTAGE aws:P9).

    *gb_in* counts each record up to the next KB, *gb_out* what GetRecords returns.

    >>> {part: round(usd, 2) for part, usd in on_demand_cost(24, gb_in=100, gb_out=200).items()}
    {'stream_hours': 0.96, 'data_in': 8.0, 'data_out': 8.0}
    """
    return {
        "stream_hours": hours * price_stream_hour,
        "data_in": gb_in * price_gb_in,
        "data_out": gb_out * price_gb_out,
    }


def kept_gb(gb_per_hour: float, retention_s: float, from_s: float, to_s: float = math.inf) -> float:
    """GB in a stream that are between *from_s* and *to_s* old, if so many come every hour.

    >>> kept_gb(10, 3 * 86_400, 86_400), kept_gb(10, 3 * 86_400, 7 * 86_400)
    (480.0, 0.0)
    """
    return gb_per_hour * max(0.0, min(retention_s, to_s) - from_s) / 3_600


def fan_out_cost(
    consumer_shards: float,
    hours: float = HOURS_PER_MONTH,
    gb: float = 0.0,
    *,
    price_consumer_shard_hour: float = 0.015,
    price_gb: float = 0.013,
) -> dict[str, float]:
    """USD for enhanced fan-out: so many consumers times shards during *hours*, and the *gb* that are pushed (aws:P6).

    >>> {part: round(usd, 3) for part, usd in fan_out_cost(2 * 4, 24, 100).items()}
    {'fan_out_shard_hours': 2.88, 'fan_out_gb': 1.3}
    """
    return {
        "fan_out_shard_hours": consumer_shards * hours * price_consumer_shard_hour,
        "fan_out_gb": gb * price_gb,
    }


def gb_s_price(gb_s: float, tiers: list[tuple[float, float]]) -> float:
    """USD for *gb_s* GB-seconds of a month by tiers: (where the tier begins, price), ascending (aws:P10).

    >>> round(gb_s_price(7e9, [(0.0, 0.0000166667), (6e9, 0.000015)]), 2)
    115000.2
    """
    ends = [start for start, _ in tiers[1:]] + [math.inf]
    return sum(
        max(0.0, min(gb_s, end) - start) * price for (start, price), end in zip(tiers, ends, strict=True)
    )  # fmt: skip


def monthly_cost(
    scenario: Scenario,
    shards: float,
    units: float,
    invocations: float,
    billed_s: float,
    *,
    stored_bytes: float = 0.0,
    read_bytes: float = 0.0,
    pushed_bytes: float = 0.0,
) -> dict[str, float]:
    """USD per month by part for what a run used; empty where the profile has no prices.

    The run stands for the month: usage is scaled from its duration to the hours of a month.  Only on-demand streams
    pay for bytes that were stored and that GetRecords returned.
    """
    profile, stream, function = scenario.profile_data, scenario.stream, scenario.function
    if not profile.has_price("shard_hour"):
        return {}
    hours = scenario.cost.hours_per_month
    scale = hours * 3600.0 / scenario.run.duration_s
    if stream.on_its_own:
        parts = _on_demand_parts(scenario, units * scale, stored_bytes * scale, read_bytes * scale)
    else:
        parts = _provisioned_parts(scenario, shards, units * scale)
    levels = len(stream.shard_level_metrics) if "ALL" not in stream.shard_level_metrics else 7
    if levels and profile.has_price("shard_level_metric_month"):
        parts["shard_level_metrics"] = shards * levels * profile.price("shard_level_metric_month")
    if not scenario.member.pays_for_stream:
        parts = {name: usd if name == "data_out" else 0.0 for name, usd in parts.items()}
    if stream.enhanced_fan_out or registered_consumers(scenario):
        parts |= _fan_out_parts(scenario, shards, pushed_bytes * scale)
    free = scenario.cost.free_tier and scenario.member.is_alone and profile.has_price("free_requests")
    requests = max(0.0, invocations * scale - (profile.price("free_requests") if free else 0.0))
    gb_s = function.memory_size_mb / MB_PER_GB * billed_s * scale
    gb_s = max(0.0, gb_s - (profile.price("free_gb_s") if free else 0.0))
    parts["lambda_duration"] = gb_s_price(gb_s, _tiers(scenario))
    parts["lambda_requests"] = requests * profile.price("lambda_requests_million") / 1e6
    return {"total": sum(parts.values()), **parts}


def free_tier_credit(costs: Sequence[tuple[Scenario, Mapping[str, float]]]) -> float:
    """USD per month that the account's free tier takes off what its functions cost together (aws:P13).

    ASSUMPTION: its GB-seconds are those of the dearest function.
    """
    first = costs[0][0]
    profile = first.profile_data
    if not (first.cost.free_tier and profile.has_price("free_requests")):
        return 0.0
    gb_s = profile.price("free_gb_s") * max(_tiers(scenario)[0][1] for scenario, _ in costs)
    requests = profile.price("free_requests") * profile.price("lambda_requests_million") / 1e6
    return min(gb_s, sum(parts["lambda_duration"] for _, parts in costs)) + min(
        requests, sum(parts["lambda_requests"] for _, parts in costs)
    )


def _fan_out_parts(scenario: Scenario, shards: float, pushed_bytes: float) -> dict[str, float]:
    """What is paid for registered consumers: shards by the hour, not in on-demand modes (aws:P6, P7, P9)."""
    profile, stream, how = scenario.profile_data, scenario.stream, "efo_gb"
    registered = stream.enhanced_fan_out + len(registered_consumers(scenario))
    if stream.on_its_own:
        how = "on_demand_advantage_gb_out" if stream.stream_mode == "ON_DEMAND_ADVANTAGE" else "on_demand_efo_gb_out"
    parts = fan_out_cost(
        registered * shards, scenario.cost.hours_per_month, pushed_bytes / scenario.cost.bytes_per_gb,
        price_consumer_shard_hour=profile.price("efo_consumer_shard_hour"), price_gb=profile.price(how),
    )  # fmt: skip
    if stream.on_its_own:
        parts.pop("fan_out_shard_hours")
    return parts


def _provisioned_parts(scenario: Scenario, shards: float, units: float) -> dict[str, float]:
    profile, hours, retention_s = scenario.profile_data, scenario.cost.hours_per_month, _retention_s(scenario)
    parts = {
        "shard_hours": kinesis_cost(shards, hours, price_shard_hour=profile.price("shard_hour")),
        "put_units": kinesis_cost(put_units=units, price_put_unit_million=profile.price("put_unit_million")),
    }
    if retention_s > _included_s(scenario) and profile.has_price("extended_retention_shard_hour"):
        parts["extended_retention"] = shards * hours * profile.price("extended_retention_shard_hour")
    return parts


def _on_demand_parts(scenario: Scenario, units: float, stored_bytes: float, read_bytes: float) -> dict[str, float]:
    """What a month costs that brings so much; what an account with On-demand Advantage commits to is the least."""
    profile, hours, stream = scenario.profile_data, scenario.cost.hours_per_month, scenario.stream
    advantage, gb = stream.stream_mode == "ON_DEMAND_ADVANTAGE", scenario.cost.bytes_per_gb
    name = "on_demand_advantage" if advantage else "on_demand"
    how = stream.on_demand if scenario.member.pays_for_stream else None
    least_in, least_out = (0, 0) if how is None else (how.minimum_ingest_bytes, how.minimum_retrieval_bytes)
    parts = on_demand_cost(
        hours,
        max(units * UNIT_BYTES, least_in * hours * 3_600) / gb,
        max(read_bytes, least_out * hours * 3_600) / gb,
        price_stream_hour=0.0 if advantage else profile.price("on_demand_stream_hour"),
        price_gb_in=profile.price(f"{name}_gb_in"),
        price_gb_out=profile.price(f"{name}_gb_out"),
    )
    if advantage:
        parts.pop("stream_hours")
    retention_s, included_s, gb_per_hour = _retention_s(scenario), _included_s(scenario), stored_bytes / gb / hours
    if retention_s > included_s:
        extended = kept_gb(gb_per_hour, retention_s, included_s, LONG_TERM_S)
        parts["extended_storage"] = extended * profile.price("on_demand_extended_gb_month")
    if retention_s > LONG_TERM_S:
        long_term = kept_gb(gb_per_hour, retention_s, LONG_TERM_S)
        parts["long_term_storage"] = long_term * profile.price("long_term_gb_month")
    return parts


def _retention_s(scenario: Scenario) -> float:
    """Retention that is paid for; that of queueing theory is not."""
    return scenario.stream.retention_period_s or 0.0


def _included_s(scenario: Scenario) -> float:
    profile = scenario.profile_data
    return float(profile.constant("included_retention_s")) if "included_retention_s" in profile.constants else 86_400.0


FIXED_PARTS = ("shard_hours", "stream_hours", "extended_retention", "shard_level_metrics", "fan_out_shard_hours")
"""Parts that do not depend on usage."""


def _tiers(scenario: Scenario) -> list[tuple[float, float]]:
    profile = scenario.profile_data
    if scenario.function.architecture == "arm64" and profile.has_price("lambda_gb_s_arm64"):
        return [(0.0, profile.price("lambda_gb_s_arm64"))]
    tiers = [(0.0, profile.price("lambda_gb_s"))]
    for begins, name in ((6e9, "lambda_gb_s_above_6_billion"), (15e9, "lambda_gb_s_above_15_billion")):
        if profile.has_price(name):
            tiers.append((begins, profile.price(name)))
    return tiers
