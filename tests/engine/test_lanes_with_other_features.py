"""Lanes beside redrives and the aggregates of the KPL."""

from __future__ import annotations

import pytest
from pytest import approx

import kinsim as ks
from kinsim.scenario import parse

FAILING = """
kinsim: 1
name: lanes
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 12}, partition_keys: even}
stream: {shard_count: 1}
event_source_mapping:
  {batch_size: 2, parallelization_factor: 3, maximum_retry_attempts: 0, on_failure_destination: {redrive_at: 60s}}
function: {duration: 10s, faults: [{kind: error, from: 0s, to: 25s}]}
run: {duration: 1h, until: drained, replications: 1, seed: 1}
"""


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_each_lane_puts_back_what_it_has_discarded_beside_the_others(parallelization):
    """Three lanes fail with two batches of two records each; at 60 s each puts its own back, one after another."""
    result = parse(FAILING, "f.yaml", overrides=[f"event_source_mapping.parallelization={parallelization}"]).run(
        keep=("invocations", "records")
    )
    runs = result.invocations[result.invocations.start_s >= 60]
    assert sorted(zip(runs.lane, runs.start_s, strict=True)) == [(n, t) for n in range(3) for t in (60, 70)]
    mapped = result.invocations[result.invocations.start_s < 60]
    for lane, part in runs.groupby("lane"):
        assert sorted(part.first_record) == sorted(mapped[mapped.lane == lane].first_record)
    assert result["redriven_records"]["sum"] == result["processed_records"]["sum"] == 12
    assert (result["discarded_records"]["sum"], result["on_failure_deliveries"]["sum"]) == (0, 6)
    assert result.records.records.sum() == 12


def test_lanes_put_back_within_the_accounts_concurrency():
    """One execution at a time: six batches fail until 60 s, and six are put back from 70 s on."""
    changes = (
        "account.concurrent_executions=1", "function.faults[0].to=55s",
        "event_source_mapping.on_failure_destination.redrive_at=70s",
    )  # fmt: skip
    result = parse(FAILING, "f.yaml", overrides=list(changes)).run(keep=("invocations",))
    assert sorted(result.invocations.start_s) == [10 * k for k in range(6)] + [70 + 10 * k for k in range(6)]
    assert result["concurrent_executions"]["max"] == 1


def test_an_aggregate_is_in_the_lane_of_its_first_user_record():
    """Bursts of three user records of the keys b and a in turn: aggregates begin with b, a, b and a."""
    text = """
kinsim: 1
name: kpl
profile: aws-2026
workload:
  arrivals: {model: bursts, every: 10s, size: 3}
  partition_keys: {keys: [b, a]}
  record_size: 100 B
  log_events_per_record: 2
producer: {model: kpl, put_latency: 0s}
stream: {shard_count: 1}
event_source_mapping: {parallelization_factor: 3}
function: {duration: 10ms}
run: {duration: 40s, replications: 1, seed: 1}
"""
    result = parse(text, "f.yaml").run(keep=("invocations",))
    lanes = [ks.hash_key(key) % 2**64 % 3 for key in "baba"]
    assert len(set(lanes)) == 2
    assert result.invocations.sort_values("start_s").lane.tolist() == lanes
    assert result["accepted_records"]["sum"] == result["processed_records"]["sum"] == 4
    assert result["end_to_end_latency_s"]["count"] == 4 * 3 * 2


def test_a_lane_that_fails_keeps_its_aggregates_in_order():
    """Aggregates of five keys, one burst a second: those of a lane are processed in the order in which they came."""
    text = """
kinsim: 1
name: kpl
profile: aws-2026
workload:
  {arrivals: {model: bursts, every: 1s, size: 7}, partition_keys: {keys: [a, b, c, d, e]}, record_size: 1 kB}
producer: {model: kpl}
stream: {shard_count: 2}
event_source_mapping: {parallelization_factor: 2, batch_size: 3, retry_backoff: {base: 2s}}
function: {duration: 300ms, faults: [{kind: error, probability: 0.2}]}
run: {duration: 60s, until: drained, replications: 1, seed: 1}
"""
    result = parse(text, "f.yaml").run(keep=("invocations", "records"))
    assert result["errors"]["sum"] > 5
    assert result["accepted_records"]["sum"] == result["processed_records"]["sum"]
    assert result["end_to_end_latency_s"]["count"] == approx(7 * 60)
    done = result.invocations[result.invocations.outcome == "ok"].sort_values("start_s", kind="stable")
    assert len(done.groupby(["shard", "lane"])) >= 3
    assert all(part.first_record.is_monotonic_increasing for _, part in done.groupby(["shard", "lane"]))
