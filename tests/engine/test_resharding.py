"""Shards that come and go during a run: who writes where, who is read when, what is lost and paid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine.admission import Waiting
from kinsim.engine.offers import WAITING_COLUMNS
from kinsim.engine.rerouting import rerouted
from kinsim.engine.splitting import SourceKeys
from kinsim.engine.tables import Rows
from kinsim.errors import ConfigError
from kinsim.scenario import parse
from kinsim.system.partition_keys import KeyTable, hash_key
from kinsim.system.resharding import Child, Operation

IDS = [f"shardId-{number:012d}" for number in range(12)]
LAST = str(2**128 - 1)
IDEAL = f"""
kinsim: 1
name: reshard
profile: ideal
workload: {{arrivals: {{model: constant, rate: 10/s}}, partition_keys: {{explicit_hash_keys: ["0", "{LAST}"]}}}}
stream: {{shard_count: 1, reshard_operation_time: 30s, reshard: [{{at: 70s, split: shardId-000000000000}}]}}
event_source_mapping: {{batch_size: 1}}
function: {{duration: 150ms}}
run: {{duration: 200s, until: drained, replications: 1}}
"""


def run(text, *changes, keep=("invocations", "records")):
    return parse(text, "f.yaml", overrides=list(changes)).run(keep=keep)


def of(result, shard, metric, statistic="sum"):
    return result.summary()["per_shard"][IDS[shard]][metric][statistic]["value"]


def test_what_waits_in_the_parent_comes_first_and_new_records_go_to_the_children():
    """10 records a second come and 6.67 are processed: of the 1,000 that the parent took the last ends at 150 s."""
    result = run(IDEAL)
    shards = result.summary()["shards"]
    assert [s["opened_s"] for s in shards] == [0, 100, 100]
    assert [s["closed_s"] for s in shards] == [100, None, None]
    assert [s["parent"] for s in shards] == [None, IDS[0], IDS[0]]
    assert [of(result, n, "accepted_records") for n in range(3)] == [1_000, 500, 500]
    invocations = result.invocations
    parent, *children = (invocations[invocations["shard"] == each] for each in IDS[:3])
    assert parent["end_s"].max() == pytest.approx(150.0, abs=1e-6)  # 1,000 records, 0.15 s each
    assert [child["start_s"].min() for child in children] == pytest.approx([150.0, 150.0], abs=1e-6)
    assert of(result, 1, "processed_records") == of(result, 2, "processed_records") == 500


def test_a_new_shard_is_read_when_it_is_found():
    """A parent that is settled at once: then the mapping's discovery decides."""
    result = run(IDEAL, "function.duration=10ms", "event_source_mapping.shard_discovery=25s")
    starts = result.invocations.groupby("shard")["start_s"].min()
    assert starts[IDS[1]] == pytest.approx(125.0)
    assert starts[IDS[2]] == pytest.approx(125.0)


def test_a_merged_shard_waits_for_both_parents():
    merging = IDEAL.replace("shard_count: 1", "shard_count: 2").replace(
        "split: shardId-000000000000", "merge: [shardId-000000000000, shardId-000000000001]"
    )
    result = run(merging.replace(f'["0", "{2**128 - 1}"]', f'["0", "0", "{2**128 - 1}"]'))
    child = result.summary()["shards"][2]
    assert (child["parent"], child["adjacent_parent"]) == (IDS[0], IDS[1])
    invocations = result.invocations
    ends = invocations.groupby("shard")["end_s"].max()
    starts = invocations.groupby("shard")["start_s"].min()
    assert ends[IDS[0]] > 100.0 > starts[IDS[1]]
    assert starts[IDS[2]] == pytest.approx(max(ends[IDS[0]], ends[IDS[1]], 100.0))


def test_a_shard_is_closed_first_at_its_microsecond():
    """Rule 1: a record that comes at the very instant goes to the child."""
    result = run(IDEAL, "stream.reshard=[{at: 0s, split: shardId-000000000000}]", "stream.reshard_operation_time=0s")
    assert [of(result, n, "accepted_records") for n in range(3)] == [0, 1_000, 1_000]


def test_what_ends_after_the_run_does_not_happen_in_it():
    result = run(IDEAL, "stream.reshard=[{at: 170s, split: shardId-000000000000}]")
    assert [s["closed_s"] for s in result.summary()["shards"]] == [None]


def test_a_split_raises_the_write_limit_and_its_bucket_is_full():
    """20 records a second against 10 and a bucket of 10: half is rejected, and nothing after the split (claim:C2)."""
    result = run(
        IDEAL, "workload.arrivals.rate=20/s", "stream.write_limit_records=10", "function.duration=0s",
        "stream.write_limit_bytes=1 GiB",
    )  # fmt: skip
    assert of(result, 0, "accepted_records") == 10 * 100 + 10 - 1
    assert of(result, 0, "rejected_records") == 2_000 - 1_009
    assert of(result, 1, "rejected_records") == of(result, 2, "rejected_records") == 0


def test_retries_follow_their_keys_to_the_children():
    """What the parent rejected just before it closed is offered again to the child that has its key."""
    result = run(
        IDEAL,
        "workload.arrivals.rate=1000/s", "workload.start=99.9s", "workload.end=100s",
        "stream.write_limit_records=10", "stream.write_limit_bytes=1 GiB", "function.duration=0s",
        "producer={model: direct, retry: {mode: backoff, base: 1s, cap: 5s, max_attempts: 60, jitter: none}}",
    )  # fmt: skip
    assert of(result, 0, "accepted_records") == 10
    assert of(result, 1, "accepted_records") == of(result, 2, "accepted_records") == 45
    assert result.summary()["metrics"]["dropped_records"]["sum"]["value"] == 0


def test_cost_is_that_of_the_shards_that_were_open_on_average():
    scenario = parse(IDEAL.replace("profile: ideal", "profile: aws-2026"), "f.yaml", overrides=["run.until=end"])
    result = scenario.run()
    # one shard for 100 s, two for 100 s: 1.5 on average
    assert result.summary()["cost"]["parts"]["shard_hours"]["value"] == pytest.approx(1.5 * 730 * 0.015)


def test_a_shard_is_not_polled_before_it_is_there_and_read():
    """A call a second for the parent until it is settled at 101 s, two from 160 s on, when children are found."""
    text = IDEAL.replace("profile: ideal", "profile: aws-2026").replace("duration: 150ms", "duration: 1ms")
    table = run(text, "run.until=end", "run.duration=180s").timeseries
    calls = table[(table.MetricName == "GetRecords.Success") & (table.Statistic == "SampleCount")]
    calls = calls[~calls.Dimensions.str.contains("ShardId")].Value.tolist()
    assert calls[0] == 60
    assert calls[1] == pytest.approx(41, abs=1)
    assert calls[2] == pytest.approx(40, abs=2)


def test_a_closed_shard_is_no_longer_polled_once_it_is_settled():
    text = IDEAL.replace("profile: ideal", "profile: aws-2026").replace("duration: 150ms", "duration: 1ms")
    before, after = (run(text, "run.until=end", f"run.duration={length}s") for length in (110, 200))
    assert of(before, 0, "processed_records") == of(after, 0, "processed_records") == 1_000


@pytest.mark.parametrize("model", ["constant", "poisson"])
@pytest.mark.parametrize("until", ["end", "drained"])
@settings(max_examples=4, deadline=None)
@given(
    target=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    keys=st.sampled_from(["random", "even", "{count: 7}", "{count: 7, skew: {distribution: zipf, s: 1}}"]),
    granularity=st.sampled_from(["record", "1s"]),
    limited=st.booleans(),
)
def test_records_are_conserved(model, until, target, keys, granularity, limited):
    """Whatever shards come and go, no record is lost or made (the recorder checks each shard's books)."""
    reshard, shards = [], 2
    for at, each in enumerate(target):
        if each != shards:
            reshard.append(f"{{at: {5 + 20 * at}s, update_shard_count: {each}}}")
            shards = each
    changes = [
        f"workload.arrivals={{model: {model}, rate: 40/s}}", f"workload.partition_keys={keys}",
        f"workload.granularity={granularity}", "stream.shard_count=2", f"stream.reshard=[{', '.join(reshard)}]",
        "stream.reshard_operation_time=1500ms", "run.duration=70s", f"run.until={until}", "function.duration=90ms",
        "event_source_mapping.batch_size=7",
        "producer={model: direct, retry: {mode: backoff, base: 300ms, max_attempts: 5}}",
    ]  # fmt: skip
    if limited:
        changes += ["stream.write_limit_records=9", "stream.write_limit_bytes=1 GiB"]
    numbers = run(IDEAL, *changes, keep=()).summary()["metrics"]
    total = {name: numbers[name]["sum"]["value"] for name in numbers if "sum" in numbers[name]}
    assert total["offered_records"] == pytest.approx(
        total["accepted_records"] + total["dropped_records"] + total["in_producer_records"]
    )
    assert total["accepted_records"] == (
        total["processed_records"] + total["waiting_records"] + total["in_flight_records"]
    )
    if until == "drained":
        assert total["waiting_records"] == total["in_flight_records"] == 0


# -- where waiting records go --------------------------------------------------------------------------------


def waiting_of(rows, records):
    entries = np.zeros((len(rows), WAITING_COLUMNS), np.int64)
    entries[:, 4] = records
    entries[:, 8] = np.arange(len(rows))
    return Waiting(entries, rows, np.zeros(len(rows), np.int64))


MIDDLE = 2**127
SPLIT = Operation(0, 0, (0,), (Child(1, 0, MIDDLE - 1, 0), Child(2, MIDDLE, 2**128 - 1, 0)))


def test_single_records_follow_their_hash():
    names = ["a", "b", "c", "d", "e"]
    rows = Rows.empty(5)
    rows.key[:] = range(5)
    found = rerouted(waiting_of(rows, 1), SPLIT, [SourceKeys(KeyTable.of(names), 1, 2, 3, False)])
    assert found.shard.tolist() == [1 + (hash_key(name) >= MIDDLE) for name in names]


def test_groups_are_shared_out_by_width_and_keep_their_records():
    """100,000 records with random keys, of which the upper child has a half: 4 standard deviations, 1 in 16,000."""
    rows = Rows.empty(1)
    rows.count[:] = 100_000
    found = rerouted(waiting_of(rows, 100_000), SPLIT, [SourceKeys(None, 1, 2, 3, False)])
    assert found.shard.tolist() == [1, 2]
    assert found.entries[:, 4].sum() == 100_000
    assert found.entries[1, 3] == found.entries[0, 4]
    assert abs(int(found.entries[1, 4]) - 50_000) < 4 * 158


def test_a_merge_takes_all():
    rows = Rows.empty(3)
    merge = Operation(0, 0, (0, 1), (Child(2, 0, 2**128 - 1, 0, 1),))
    assert rerouted(waiting_of(rows, 1), merge, []).shard.tolist() == [2, 2, 2]


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ("stream.reshard=[{at: 1s, split: shardId-0}, {at: 2s, split: shardId-1}]", "stream.reshard[1].at", "UPDATING"),
        ("stream.reshard=[{at: 1s, split: shardId-7}]", "stream.reshard[0].split", "does not exist then"),
    ],
)  # fmt: skip
def test_what_cannot_be(change, path, says):
    with pytest.raises(ConfigError) as told:
        parse(IDEAL.replace("profile: ideal", "profile: aws-2026"), "f.yaml", overrides=[change])
    problem = told.value.problems[0]
    assert problem.path == path
    assert says in problem.message


def test_the_limits_of_2017():
    text = IDEAL.replace("profile: ideal", "profile: aws-2017")
    calls = [f"{{at: {at}s, update_shard_count: {count}}}" for at, count in ((1, 2), (61, 3), (300, 2))]
    with pytest.raises(ConfigError, match="within 24 hours"):
        parse(text, "f.yaml", overrides=[f"stream.reshard=[{', '.join(calls)}]"])
