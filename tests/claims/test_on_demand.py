"""What an on-demand stream does not take away: a poor key stays poor (claim:C3, claim:C18)."""

from __future__ import annotations

from pytest import approx

from kinsim.scenario import parse

TEXT = """
kinsim: 1
name: hot-key
profile: aws-2026
workload: {arrivals: {model: constant, rate: 15/s}, record_size: 100 kB, partition_keys: constant}
stream: {stream_mode: ON_DEMAND}
event_source_mapping: {batch_size: 10}
function: {memory_size: 512 MB, duration: {fixed: 20ms}}
run: {duration: 2h, replications: 1, seed: 1}
"""


def test_a_hot_key_is_throttled_for_good_and_a_random_key_never():
    """1.5 MB a second under one key: its shard is split every quarter of an hour, from minute 15 to minute 105.

    Seven splits make eleven shards of four, which take 11.5 MB a second; the key gets the 1,048,576 B of one of them,
    10.485 records of 100,008 B, and a full bucket with each new shard.  With random keys the first four shards take
    all: each gets 0.25 records for each 0.7 that it takes, which fill a bucket of ten with odds below 1e-12.
    """
    hot, random = (
        parse(TEXT, "f.yaml", overrides=[f"workload.partition_keys={each}"]).run() for each in ("constant", "random")
    )
    shards = hot.summary()["shards"]
    assert [shard["opened_s"] for shard in shards] == [0] * 4 + [900 * n for n in range(1, 8) for _ in range(2)]
    assert sum(shard["closed_s"] is None for shard in shards) == 11
    with_full_buckets = (7_200 + 8) * 1_048_576 / 100_008
    assert hot["accepted_records"]["sum"] == approx(with_full_buckets, abs=8)
    assert hot["rejected_records"]["sum"] == 15 * 7_200 - hot["accepted_records"]["sum"]
    assert random["rejected_records"]["sum"] == 0
    assert len(random.summary()["shards"]) == 4
