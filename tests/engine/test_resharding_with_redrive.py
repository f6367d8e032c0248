"""What the mapping has discarded of shards that come and go is put back, each shard's on its own."""

from __future__ import annotations

import pytest
from pytest import approx

from kinsim.scenario import parse

IDS = [f"shardId-{number:012d}" for number in range(3)]
LAST = str(2**128 - 1)
IDEAL = f"""
kinsim: 1
name: reshard-redrive
profile: ideal
workload:
  {{arrivals: {{model: constant, rate: 1/s}}, end: 20s, partition_keys: {{explicit_hash_keys: ["0", "{LAST}"]}}}}
stream: {{shard_count: 1, reshard_operation_time: 1s, reshard: [{{at: 9s, split: shardId-000000000000}}]}}
event_source_mapping: {{batch_size: 1, maximum_retry_attempts: 0, on_failure_destination: {{redrive_at: 60s}}}}
function: {{duration: 1s, faults: [{{kind: error, from: 0s, to: 20s}}]}}
run: {{duration: 200s, until: drained, replications: 1}}
"""


def run(*changes):
    result = parse(IDEAL, "f.yaml", overrides=list(changes)).run(keep=("invocations", "records"))
    total = {name: result[f"{name}_records"]["sum"] for name in ("accepted", "processed", "discarded")}
    assert total["accepted"] == total["processed"] + total["discarded"] == 20
    assert result.records.records.sum() == 20
    return result


def put_back(result):
    """Starts of the invocations that put records back, by shard."""
    runs = result.invocations
    runs = runs[runs.start_s >= 60]
    return {shard: part.start_s.round(6).tolist() for shard, part in runs.groupby("shard")}


@pytest.mark.parametrize("lanes", [1, 2])
def test_records_of_parents_and_children_are_put_back(lanes):
    """Ten of the parent and five of each child fail; at 60 s each lane's are put back one after another, a second each.

    Hash key 0 is in lane 0 and the last one in lane 1, so that two lanes put the parent's back in five seconds.
    """
    result = run(f"event_source_mapping.parallelization_factor={lanes}")
    assert result["redriven_records"]["sum"] == 20
    found = put_back(result)
    each_lane = [60 + k for k in range(10 // lanes)]
    assert found[IDS[0]] == sorted(each_lane * lanes)
    runs = result.invocations[result.invocations.start_s >= 60]
    assert runs.groupby("shard").size().to_dict() == {IDS[0]: 10, IDS[1]: 5, IDS[2]: 5}
    assert runs.end_s.max() == approx(60 + 10 / lanes)


def test_of_a_shard_that_opens_after_the_redrive_nothing_is_put_back():
    """Errors until 3 s and from 12 s to 14 s, put back at 5 s: three records of the parent, none of the children."""
    result = run(
        "event_source_mapping.on_failure_destination.redrive_at=5s",
        "function.faults=[{kind: error, from: 0s, to: 3s}, {kind: error, from: 12s, to: 14s}]",
    )
    assert (result["redriven_records"]["sum"], result["discarded_records"]["sum"]) == (3, 2)
    assert result["finish_s"]["mean"] == approx(20)
