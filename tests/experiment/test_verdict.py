"""The sentences under a result: what comes near the time-out, and what the numbers do not cover."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

import kinsim as ks
from kinsim.experiment.verdict import bounds_sentence

TEXT = """\
kinsim: 1
name: verdict
profile: aws-2017
workload: {arrivals: {model: bursts, every: 300s, size: 200}, record_size: 400 B}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 100}
function: {memory_size: 896 MB, timeout: 60s, cpu: proportional, duration: {per_record: 200ms}}
run: {duration: 10m, replications: 2}
"""


def findings(text: str = TEXT, **changes: object) -> list[str]:
    overrides = {name.replace("__", "."): value for name, value in changes.items()}
    found = ks.parse(text).with_(overrides).run().summary()["findings"]["notes"]
    assert isinstance(found, Sequence)
    return list(found)


def about_the_time_out(**changes: object) -> list[str]:
    return [note for note in findings(**changes) if "longest invocation" in note]


def test_the_longest_run_above_half_of_the_time_out_is_told_with_its_cure():
    """claim:C6: a hundred records of 0.4 s at half a vCPU take 40 s."""
    (note,) = about_the_time_out()
    assert note == (
        "The longest invocation took 40 s of the 60 s time-out: to leave a buffer for rare slow events, runs end "
        "within half of it; so do full batches with batch_size 75 or memory_size 1216 MB."
    )
    assert about_the_time_out(event_source_mapping__batch_size=75) == []
    assert about_the_time_out(function__memory_size="1216 MB") == []
    assert about_the_time_out(event_source_mapping__batch_size=76) != []
    assert about_the_time_out(function__timeout="81s") == []


def test_runs_that_time_out_are_told_with_what_would_cure_it():
    (note,) = about_the_time_out(function__timeout="30s")
    assert note.startswith("The longest invocation ran into the time-out of 30 s: ")
    assert "so do full batches with batch_size 37" in note  # 37 * 0.4 s = 14.8 s


def test_a_run_longer_than_the_arithmetic_knows_is_what_the_cure_is_scaled_by(tmp_path):
    """Work that only a trace's column has: 0.2 s a record besides the 0.1 s that the settings tell, at half a vCPU."""
    (tmp_path / "t.csv").write_text("t,w\n" + "0,0.2\n" * 100, "utf-8")
    text = TEXT.replace("{model: bursts, every: 300s, size: 200}", "{model: trace, file: t.csv, time: t, work: w}")
    text = text.replace("per_record: 200ms", "per_record: 100ms")
    found = ks.parse(text, base_dir=tmp_path).run(replications=1).summary()["findings"]["notes"]
    (note,) = [each for each in found if "longest invocation" in each]
    assert "took 60 s of the 60 s time-out" in note
    assert int(re.search(r"batch_size (\d+)", note)[1]) == 50  # type: ignore[index]


def test_faults_are_not_cured_by_smaller_batches():
    (note,) = about_the_time_out(function__faults=[{"kind": "timeout", "from": "0s"}])
    assert note.endswith("runs end within half of it.")


def test_what_the_busiest_minute_takes_is_no_lower_bound():
    with_queue = bounds_sentence({"records": 1}, {"records": 4}, shards=2)
    assert with_queue.startswith("Lower bounds at the mean load: 1 shard by records. No bound: ")
    assert "would take 4 shards; with 2 the queue has to bridge it." in with_queue
    assert (
        bounds_sentence({"records": 1}, {"records": 4}, shards=4)
        == "Lower bounds at the mean load: 1 shard by records."
    )


@pytest.mark.parametrize(("every", "told"), [("300s", True), ("1h", False)])
def test_records_left_at_the_end_are_not_in_the_latency(every, told):
    changes = {"workload__arrivals": {"model": "bursts", "every": every, "size": 200, "first": "0s"}}
    notes = [note for note in findings(**changes, run__duration="305s") if "processed records only" in note]
    assert notes == (["End-to-end latency counts processed records only, not the 200 unfinished at the end."] * told)


def test_a_trace_is_one_recorded_period(tmp_path):
    (tmp_path / "t.csv").write_text("t\n0\n1\n", "utf-8")
    text = TEXT.replace("{model: bursts, every: 300s, size: 200}", "{model: trace, file: t.csv, time: t}")
    found = ks.parse(text, base_dir=tmp_path).run(replications=1).summary()["findings"]["notes"]
    assert found == ["A trace replays one recorded period: results and their intervals do not cover other days."]
    assert not any("trace" in note for note in findings(event_source_mapping__batch_size=50))


def test_where_the_latency_of_flow_logs_starts():
    flow = {"model": "vpc_flow_logs", "interfaces": 2, "lines_per_interface": 10, "publish_delay": "3m"}
    (note,) = findings(workload__arrivals=flow)
    assert "starts when an interface's aggregation interval ends" in note
    assert "delivery to CloudWatch Logs (3m and what the flush adds), not the interval of 10m." in note


def bottleneck(text: str) -> str:
    return str(ks.parse(text).run(replications=1).summary()["findings"]["bottleneck"])


def test_a_batch_that_fails_again_and_again_is_the_bottleneck():
    text = """\
kinsim: 1
name: poison
profile: aws-2017
workload: {arrivals: {model: constant, rate: 10/s}, record_size: 400 B, partition_keys: constant}
stream: {shard_count: 2}
event_source_mapping: {batch_size: 100, retry_backoff: {base: 10s, factor: 1, jitter: 0}, poll_phase: aligned}
function:
  {memory_size: 512 MB, timeout: 60s, cold_start: none, duration: {fixed: 1s}, faults: [{kind: error, records: [5]}]}
run: {duration: 10m}
"""
    # the batch of the poll at 1 s is tried every 11.02 s until the run ends
    found = bottleneck(text)
    assert found.startswith("Bottleneck: a batch that fails again and again, on shardId-00000000000")
    assert ", 55 times since 1s: " in found
    assert found.endswith("everything behind it waits; what is not read 24h after it came is lost.")
    assert "again and again" not in bottleneck(text.replace("records: [5]", "records: [5], to: 3m"))


def test_a_function_that_does_not_keep_up_comes_before_writes_that_are_rejected():
    text = """\
kinsim: 1
name: both
profile: aws-2017
workload: {arrivals: {model: constant, rate: 1_100/s}, record_size: 400 B}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 100}
function: {memory_size: 512 MB, timeout: 60s, duration: {fixed: 10s}}
run: {duration: 5m}
"""
    found = bottleneck(text)
    assert found.startswith("Bottlenecks: the function, 1 of 1 shards busy for ")
    assert re.search(r"; the stream's write limit, 8.8 % of what was offered was rejected \(the shard\)\.$", found), (
        found
    )
