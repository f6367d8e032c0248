"""Lanes of shards that come and go: whose records are awaited, which lane takes which record, what stays in order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from kinsim.scenario import parse

IDS = [f"shardId-{number:012d}" for number in range(12)]
LAST = str(2**128 - 1)
IDEAL = f"""
kinsim: 1
name: reshard-lanes
profile: ideal
workload: {{arrivals: {{model: constant, rate: 10/s}}, partition_keys: {{explicit_hash_keys: ["0", "0", "{LAST}"]}}}}
stream: {{shard_count: 1, reshard_operation_time: 30s, reshard: [{{at: 70s, split: shardId-000000000000}}]}}
event_source_mapping: {{batch_size: 1, parallelization_factor: 2}}
function: {{duration: 300ms}}
run: {{duration: 200s, until: drained, replications: 1}}
"""


def run(*changes, keep=("invocations", "records")):
    return parse(IDEAL, "f.yaml", overrides=list(changes)).run(keep=keep)


def by_lane(invocations, shard):
    return dict(iter(invocations[invocations["shard"] == IDS[shard]].groupby("lane")))


def test_children_wait_for_all_lanes_of_their_parent():
    """The parent's 1,000 records: 667 of hash key 0 in lane 0, busy until 200.1 s, and 333 of the last key in lane 1.

    Both children begin then, though the lane of the upper one's records is through at 100 s.
    """
    invocations = run().invocations
    parent = by_lane(invocations, 0)
    assert {lane: len(part) for lane, part in parent.items()} == {0: 667, 1: 333}
    assert parent[0]["end_s"].max() == approx(667 * 0.3)
    assert parent[1]["end_s"].max() < 101
    for child, lane in ((1, 0), (2, 1)):
        part = by_lane(invocations, child)
        assert set(part) == {lane}
        assert part[lane]["start_s"].min() == approx(667 * 0.3)


def test_children_wait_for_the_last_batch_of_a_pool():
    """Two lanes begin at 0 s and 0.1 s and are never idle: 500 records each, the last ends at 150.1 s."""
    invocations = run("event_source_mapping.parallelization=pooled").invocations
    parent = invocations[invocations["shard"] == IDS[0]]
    assert len(parent) == 1_000
    assert parent["end_s"].max() == approx(150.1)
    for child in IDS[1:3]:
        assert invocations[invocations["shard"] == child]["start_s"].min() == approx(150.1)


def test_round_robin_records_go_to_the_lanes_of_the_shards_that_are_open():
    """Record i of two open shards is in the lane i // 2 of two: each lane of each child has a quarter of 1,000."""
    invocations = run("workload.partition_keys=even", "function.duration=1ms").invocations
    assert {lane: len(part) for lane, part in by_lane(invocations, 0).items()} == {0: 500, 1: 500}
    for child in (1, 2):
        assert {lane: len(part) for lane, part in by_lane(invocations, child).items()} == {0: 250, 1: 250}


@pytest.mark.parametrize("until", ["end", "drained"])
@settings(max_examples=8, deadline=None)
@given(
    target=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    keys=st.sampled_from(["random", "even", "{count: 7}", "{count: 7, skew: {distribution: zipf, s: 1}}"]),
    granularity=st.sampled_from(["record", "1s"]),
    parallelization=st.sampled_from(["hashed", "pooled"]),
    limited=st.booleans(),
    seed=st.integers(0, 99),
)
def test_records_are_conserved_and_keys_stay_in_order(until, target, keys, granularity, parallelization, limited, seed):
    """Whatever shards come and go: no record is lost or made, and with dealt lanes those of a key stay in order."""
    reshard, shards = [], 2
    for at, each in enumerate(target):
        if each != shards:
            reshard.append(f"{{at: {5 + 20 * at}s, update_shard_count: {each}}}")
            shards = each
    changes = [
        "workload.arrivals={model: poisson, rate: 40/s}", f"workload.partition_keys={keys}",
        f"workload.granularity={granularity}", "stream.shard_count=2", f"stream.reshard=[{', '.join(reshard)}]",
        "stream.reshard_operation_time=1500ms", "run.duration=70s", f"run.until={until}", f"run.seed={seed}",
        "function.duration={distribution: exponential, mean: 200ms}", "event_source_mapping.batch_size=7",
        "event_source_mapping.parallelization_factor=3", f"event_source_mapping.parallelization={parallelization}",
        "producer={model: direct, retry: {mode: backoff, base: 300ms, max_attempts: 5}}",
    ]  # fmt: skip
    if limited:
        changes += ["stream.write_limit_records=9", "stream.write_limit_bytes=1 GiB"]
    result = run(*changes)
    total = {name: result[f"{name}_records"]["sum"] for name in (
        "offered", "accepted", "dropped", "in_producer", "processed", "waiting", "in_flight")}  # fmt: skip
    assert total["offered"] == total["accepted"] + total["dropped"] + total["in_producer"]
    assert total["accepted"] == total["processed"] + total["waiting"] + total["in_flight"]
    if until == "drained":
        assert total["waiting"] == total["in_flight"] == 0
    records = result.records
    assert records.records.sum() == total["accepted"]
    if parallelization == "hashed" and keys.startswith("{") and granularity == "record":
        done = records[records.done_s.notna()].sort_values("accepted_s", kind="stable")
        assert all(part.done_s.is_monotonic_increasing for _, part in done.groupby("hash_key"))
