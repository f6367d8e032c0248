"""The mapping as a consumer with enhanced fan-out, followed by hand: a record each second, pushed 0.1 s later."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest import approx

from kinsim.scenario import parse

EACH_SECOND: dict[str, Any] = {"arrivals": {"model": "constant", "rate": "1/s"}, "record_size": "1 kB"}


def run(duration: str = "20s", workload: dict[str, Any] = EACH_SECOND, **parts: dict[str, Any]) -> Any:
    """The result of one shard under the profile ideal, with AWS's read limits, invocations kept."""
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "pushed",
        "profile": "ideal",
        "workload": workload,
        "stream": {"enhanced_fan_out": True, "fan_out_delay": "100ms", "enforce_read_limits": True},
        "event_source_mapping": {"read_ahead": "10 MiB"},
        "function": {"duration": "10ms"},
        "run": {"duration": duration, "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part}
    return parse(json.dumps(document), file="pushed.yaml").run(replications=1, keep=("invocations",))


def starts(result: Any) -> list[float]:
    return sorted(result.invocations.start_s)


def total(result: Any, metric: str, statistic: str = "Sum") -> float:
    table = result.timeseries
    return float(table[(table.MetricName == metric) & (table.Statistic == statistic)].Value.sum())


def test_a_record_starts_an_invocation_when_it_is_pushed():
    result = run(stream={"put_to_get_delay": "5s"})
    assert starts(result) == approx([k + 0.1 for k in range(20)], abs=1e-9)
    assert total(result, "SubscribeToShardEvent.Records") == 20
    assert total(result, "SubscribeToShardEvent.Bytes") == 20_000
    assert total(result, "SubscribeToShard.Success") == 1
    assert "GetRecords.Success" not in set(result.timeseries.MetricName)


def test_what_comes_while_the_function_runs_is_the_next_batch():
    """A run of 3.5 s from 0.1 s on: at 3.6 s the records of 1, 2 and 3 s are there; at 7.1 s those of 4 to 7 s."""
    result = run(duration="11s", function={"duration": "3_500ms"})
    assert starts(result) == approx([0.1, 3.6, 7.1])
    assert list(result.invocations.records) == [1, 3, 4]


def test_a_batching_window_ends_when_it_is_full_or_over():
    """It opens with the record of 0 s and is over at 10 s: the ten up to 9 s are there.  With 5 a batch is full at
    4.1 s, the next ones at 9.1, 14.1 and 19.1 s."""
    over = run(event_source_mapping={"maximum_batching_window": "10s"})
    assert starts(over)[0] == 10 and over.invocations.records[0] == 10
    full = run(event_source_mapping={"maximum_batching_window": "10s", "batch_size": 5})
    assert starts(full) == approx([4.1, 9.1, 14.1, 19.1])
    assert set(full.invocations.records) == {5}


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_lanes_take_what_is_pushed(parallelization):
    """Four keys in turn, lanes of one record a batch and 3.95 s each: the fifth record finds a lane free at 4.1 s.

    Of 20 records those up to 15 s are done in 20 s.

    Hashed, a lane has each of its keys once in 4 s, and those that share a lane wait for each other.
    """
    keys = {**EACH_SECOND, "partition_keys": {"keys": ["a", "b", "c", "d"]}}
    mapping = {"parallelization_factor": 4, "parallelization": parallelization, "batch_size": 1}
    result = run(workload=keys, function={"duration": "3_950ms"}, event_source_mapping=mapping)
    if parallelization == "pooled":
        assert starts(result) == approx([k + 0.1 for k in range(16)])
    for _, lane in result.invocations.groupby("lane"):
        end = 0.0
        for row in lane.sort_values("start_s").itertuples():
            assert row.start_s == approx(max(end, row.start_s - row.iterator_age_s + 0.1), abs=1e-6)
            end = row.end_s
    assert total(result, "SubscribeToShardEvent.Records") == 20


def test_a_tumbling_window_closes_once_all_of_it_must_have_come():
    result = run(duration="12s", event_source_mapping={"tumbling_window": "5s"})
    table = result.invocations
    assert list(table.start_s[table.records == 0]) == approx([5.1, 10.1])
    assert result["final_invocations"]["sum"] == 2


def test_an_outage_ends_the_subscription():
    """From 2.05 s on nothing is pushed: the record of 2 s is not, and comes with those up to 9 s at 10 s."""
    result = run(event_source_mapping={"outages": [{"from": "2_050ms", "to": "10s"}]})
    assert starts(result)[:4] == approx([0.1, 1.1, 10, 10.1])
    assert list(result.invocations.records[:4]) == [1, 1, 8, 1]
    assert total(result, "SubscribeToShard.Success") == 2
    assert total(result, "SubscribeToShardEvent.Records") == 20


@pytest.mark.parametrize("rereads", [False, True])
def test_a_retry_has_its_batch_pushed_again(rereads):
    """Errors up to 5 s, a second apart: the record of 0 s is tried at 0.1, 1.11 ... 5.15 s, the sixth time well."""
    mapping = {"retry_rereads": rereads, "retry_backoff": {"base": "1s", "factor": 1, "cap": "1s", "jitter": "0%"}}
    function = {"faults": [{"kind": "error", "from": "0s", "to": "5s"}]}
    result = run(duration="8s", event_source_mapping=mapping, function=function)
    assert starts(result)[:6] == approx([0.1 + 1.01 * k for k in range(6)])
    assert total(result, "SubscribeToShardEvent.Records") == 8 + (5 if rereads else 0)


def test_a_retry_waits_where_the_rate_is_used_up():
    """Events of 1 MiB at 0.1 s, three of them, 1.5 s until the next two are out; each retry of 3 MiB adds 1.5 s.

    The first batch of 3 MiB fails at 0.11 s; its level is at 2 MiB at 0.6 s, when 1 MiB of what follows goes out.
    """
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 5 * 1024}, "record_size": "1 KiB"}
    mapping = {"retry_rereads": True, "batch_size": 3 * 1024, "read_ahead": "3 MiB"}
    function = {"faults": [{"kind": "error", "from": "0s", "to": "500ms"}]}
    result = run(workload=burst, event_source_mapping=mapping, function=function)
    assert starts(result)[:2] == approx([0.1, 0.6])
    assert list(result.invocations.records[:2]) == [3 * 1024] * 2
    assert result["processed_records"]["sum"] == 5 * 1024


def test_the_read_ahead_bounds_what_is_pushed():
    """With room for two records of 1 kB no event comes while two wait: those of 1 and 2 s, during a run of 5 s.

    When they are taken at 5.1 s one event brings what is there: those of 3, 4 and 5 s.
    """
    result = run(duration="16s", function={"duration": "5s"}, event_source_mapping={"read_ahead": "2 kB"})
    assert list(result.invocations.records[:3]) == [1, 2, 3]
    unbounded = run(duration="16s", function={"duration": "5s"}, event_source_mapping={"read_ahead": "none"})
    assert list(unbounded.invocations.records[:3]) == [1, 5, 5]


def test_children_of_a_split_are_pushed_once_their_parent_is_done():
    """A split at 5 s: each record is invoked 0.1 s after it came, on a parent before and on children after."""
    stream = {"reshard": [{"at": "5_500ms", "update_shard_count": 2}], "consumers": []}
    result = run(stream=stream)
    assert starts(result) == approx([k + 0.1 for k in range(20)], abs=1e-9)
    assert len(set(result.invocations.shard)) == 3
    assert total(result, "SubscribeToShard.Success") == 3
    assert total(result, "SubscribeToShardEvent.Records") == 20


def test_shards_that_are_not_read_yet_make_no_calls():
    """The same with polls each second: 6 of the parent, until it is settled, and 14 of each child."""
    stream = {"enhanced_fan_out": False, "reshard": [{"at": "5_500ms", "update_shard_count": 2}]}
    result = run(stream=stream, event_source_mapping={"poll_interval": "1s"})
    assert result["processed_records"]["sum"] == 20
    assert total(result, "GetRecords.Success") == 6 + 2 * 14


def test_the_starting_position_is_where_the_subscription_begins():
    mapping = {"starting_position": "LATEST", "outages": [{"from": "0s", "to": "4_500ms"}]}
    result = run(event_source_mapping=mapping)
    assert result["skipped_records"]["sum"] == 5
    assert starts(result)[0] == approx(5.1)
    assert total(result, "SubscribeToShardEvent.Records") == 15
