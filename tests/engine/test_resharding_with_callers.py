"""Producers that act on the answers to whole calls, while shards come and go: what they hold follows its hash keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kinsim.scenario import parse

IDS = [f"shardId-{number:012d}" for number in range(12)]
BOTH_ENDS = {"explicit_hash_keys": ["0", str(2**128 - 1)]}
SPLIT = {"split": "shardId-000000000000"}
WHOLE: dict[str, Any] = {
    "model": "sdk",
    "api": "PutRecords",
    "on_partial_failure": "resend_all",
    "flush": "0s",
    "put_latency": "0s",
    "retry": {"mode": "backoff", "base": "2s", "jitter": "none"},
}
KPL: dict[str, Any] = {"model": "kpl", "put_latency": "0s"}
AGENT: dict[str, Any] = {"model": "agent", "put_latency": "0s", "agent": {"max_buffer_age": "1s"}}


def run(workload: dict[str, Any], producer: dict[str, Any], profile: str = "aws-2026", **stream: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "callers",
        "profile": profile,
        "workload": workload,
        "producer": producer,
        "stream": {"shard_count": 1, "reshard_operation_time": "0s", **stream},
        "event_source_mapping": {"shard_discovery": "0s"},
        "function": {"duration": "1ms"},
        "run": {"duration": "60s", "seed": 3},
    }
    made = parse(json.dumps(document), file="callers.yaml", base_dir=Path("."))
    result = made.run(replications=1, keep=("records",))
    for stored in result.records.itertuples():
        shard = next(each for each in result.summary()["shards"] if each["id"] == stored.shard)
        assert shard["opened_s"] <= stored.accepted_s < (shard["closed_s"] or 1e9)
        if stored.hash_key:  # it is known where a record has a key of its own
            assert int(shard["starting_hash_key"]) <= int(stored.hash_key) <= int(shard["ending_hash_key"])
    return result


def together(records: int, **other: Any) -> dict[str, Any]:
    """So many records at the start of the run."""
    return {"arrivals": {"model": "bursts", "every": "1h", "size": records}, "record_size": "500 B", **other}


def stored(result: Any) -> dict[tuple[str, float], int]:
    """Records by shard and time."""
    return result.records.groupby(["shard", "accepted_s"]).records.sum().to_dict()


def test_a_call_that_is_sent_again_goes_to_the_shards_that_are_open_then():
    """Of two calls of 500 the shard takes 700; it is split at 1 s, at 2 s both children store the second call."""
    found = run(
        together(1_000, partition_keys=BOTH_ENDS), WHOLE, write_limit_records=700, reshard=[{"at": "1s", **SPLIT}]
    )
    assert stored(found) == {(IDS[0], 0): 700, (IDS[1], 2): 250, (IDS[2], 2): 250}
    assert found["duplicate_records"]["sum"] == 200


def test_a_call_that_is_sent_again_finds_both_parents_merged():
    found = run(
        together(1_000, partition_keys=BOTH_ENDS), WHOLE, shard_count=2, write_limit_records=300,
        reshard=[{"at": "1s", "merge": IDS[:2]}],
    )  # fmt: skip
    # the first call is stored, and 50 of the second in each shard; of its 500 the merged shard takes 300 each time
    assert stored(found)[IDS[0], 0] == stored(found)[IDS[1], 0] == 300
    assert all(count == 300 for (shard, _), count in stored(found).items() if shard == IDS[2])


def test_the_agent_sends_what_was_rejected_to_the_children():
    """Of a buffer of 500 at 0 s 100 are stored; 400 are tried again from 0.07 s on and find two full buckets."""
    found = run(
        together(500, partition_keys=BOTH_ENDS), AGENT, write_limit_records=100, reshard=[{"at": "50ms", **SPLIT}]
    )
    by_shard = found.records.groupby("shard").records.sum().to_dict()
    assert by_shard == {IDS[0]: 100, IDS[1]: 200, IDS[2]: 200}
    at_once = found.records[found.records.accepted_s < 0.14].groupby("shard").records.sum().to_dict()
    assert at_once[IDS[1]] == at_once[IDS[2]] == 100


def test_aggregates_stay_whole_and_user_records_in_none_go_into_those_of_their_new_shards():
    """1,000 of 120 B at once are three full aggregates, and 70 that wait for others until 100 ms (aws:K3).

    An aggregate has 20 B, and 126 B and a key of 38 B for each record, a byte more from number 128 on: 310 of them.
    The shard is split at 50 ms.  The call leaves at 100 ms: the aggregates begin with records 0, 310 and 620, whose
    hash key is 0; of the 70 each child has 35.
    """
    table = run(
        together(1_000, partition_keys=BOTH_ENDS, record_size="120 B"), KPL | {"kpl": {"rate_limit": "unlimited"}},
        reshard=[{"at": "50ms", **SPLIT}],
    ).records  # fmt: skip
    full, rest = 20 + 310 * 164 + 310 - 128, 20 + 35 * 164
    expected = [(IDS[1], rest), (IDS[1], full), (IDS[1], full), (IDS[1], full), (IDS[2], rest)]
    assert sorted(zip(table.shard, table["size"], strict=True)) == expected
    assert set(table.accepted_s) == {0.1}


def test_user_records_of_merged_shards_share_an_aggregate():
    """300 at once are one aggregate of each of two shards after 100 ms; merged before, they are one."""
    apart = run(together(300, partition_keys=BOTH_ENDS, record_size="100 B"), KPL, shard_count=2)
    merged = run(
        together(300, partition_keys=BOTH_ENDS, record_size="100 B"), KPL, shard_count=2,
        reshard=[{"at": "50ms", "merge": IDS[:2]}],
    )  # fmt: skip
    assert stored(apart) == {(IDS[0], 0.1): 1, (IDS[1], 0.1): 1}
    assert stored(merged) == {(IDS[2], 0.1): 1}
    assert merged["end_to_end_latency_s"]["count"] == 300


def test_merged_user_records_that_do_not_fit_one_aggregate_are_made_when_the_shards_are():
    """Two of 40 kB each become one that is full at 50 ms, when its shard opens, and a rest after 100 ms."""
    own = {"rate_limit": "unlimited", "collection_max_count": 1}
    merged = run(
        together(160, partition_keys=BOTH_ENDS), KPL | {"kpl": own}, shard_count=2,
        reshard=[{"at": "50ms", "merge": IDS[:2]}],
    )  # fmt: skip
    assert stored(merged) == {(IDS[2], 0.05): 1, (IDS[2], 0.1): 1}


def test_what_waits_for_the_rate_limit_of_a_closed_shard_waits_for_those_of_its_children():
    """aws:K5, K6: 24 MB in 10 s for one shard; split at 5 s, all is stored in time, two shards taking twice as much."""
    over = {
        "arrivals": {"model": "constant", "rate": "40/s"}, "partition_keys": BOTH_ENDS, "record_size": "60_000 B",
        "end": "10s",
    }  # fmt: skip
    one = run(over, KPL | {"kpl": {"record_ttl": "8s"}})
    split = run(over, KPL | {"kpl": {"record_ttl": "8s"}}, reshard=[{"at": "5s", **SPLIT}])
    assert one["dropped_records"]["sum"] > 0
    assert (split["dropped_records"]["sum"], split["in_producer_records"]["sum"]) == (0, 0)
    by_shard = split.records[split.records.accepted_s > 5].groupby("shard").records.sum()
    assert by_shard[IDS[1]] == pytest.approx(by_shard[IDS[2]], rel=0.1)


@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    target=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    keys=st.sampled_from(["random", "even", {"count": 7}, {"count": 7, "skew": {"distribution": "zipf", "s": 1}}]),
    producer=st.sampled_from([
        WHOLE | {"retry": {"mode": "backoff", "base": "1s", "jitter": "none", "max_attempts": 3}},
        WHOLE | {"flush": "300ms", "batch_size": 20, "put_latency": "200ms",
                 "retry": {"mode": "backoff", "base": "500ms", "max_attempts": 4}},
        KPL, KPL | {"kpl": {"aggregation_enabled": False, "record_ttl": "4s"}},
        KPL | {"kpl": {"rate_limit": "110%", "record_ttl": "5s", "record_max_buffered_time": "900ms"}},
        AGENT | {"put_latency": "300ms"},
    ]),
    beside=st.booleans(),
)  # fmt: skip
def test_records_are_conserved_and_are_where_their_keys_belong(target, keys, producer, beside):
    """The recorder checks the books, `run` that each record is in a shard that was open and holds its hash key."""
    reshard, shards = [], 2
    for at, each in enumerate(target):
        if each != shards:
            reshard.append({"at": f"{5 + 10 * at}s", "update_shard_count": each})
            shards = each
    source = {"arrivals": {"model": "poisson", "rate": "40/s"}, "partition_keys": keys, "end": "30s"}
    sources = {"a": {**source, "producer": producer}}
    if beside:
        retry = {"mode": "backoff", "base": "300ms", "max_attempts": 5}
        sources["b"] = {**source, "producer": {"model": "direct", "retry": retry}}
    found = run(
        {"sources": sources}, {}, "ideal", shard_count=2, reshard=reshard, reshard_operation_time="700ms",
        write_limit_records=9, write_limit_bytes="60 kB",
    )  # fmt: skip
    total = {name: found[f"{name}_records"]["sum"] for name in ("offered", "accepted", "dropped", "in_producer")}
    assert total["offered"] == total["accepted"] + total["dropped"] + total["in_producer"]
    assert len(found.records)


@pytest.mark.parametrize("producer", [WHOLE, AGENT, KPL])
def test_without_a_limit_the_records_of_a_split_stream_are_those_of_one_shard(producer):
    """Where nothing is rejected a split moves records and changes none: user records arrive in the same number."""
    source = {"arrivals": {"model": "poisson", "rate": "90/s"}, "partition_keys": {"count": 9}, "end": "30s"}
    whole = run(source, producer)
    split = run(source, producer, reshard=[{"at": "10s", **SPLIT}])
    assert split["end_to_end_latency_s"]["count"] == whole["end_to_end_latency_s"]["count"] > 2_500
    if producer is not KPL:
        assert sorted(split.records.accepted_s) == sorted(whole.records.accepted_s)
