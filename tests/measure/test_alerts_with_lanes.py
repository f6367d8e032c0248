"""Alerts of shards that several lanes work off, and of shards that are split meanwhile."""

from __future__ import annotations

import pytest

from tests.measure.test_alerts import run, sums

POOL = {"batch_size": 1, "parallelization_factor": 2, "parallelization": "pooled", "retry_backoff": "none"}


def test_each_lane_of_a_pool_sends_the_alerts_of_its_batches():
    """Two lanes have five records of two events each, 1 s and an event a second: alerts at 2, 3, 5, 6 ... 15 s."""
    result = run({}, POOL)
    delay = result["alert_delay_s"]
    assert (delay["count"], delay["min"], delay["max"], delay["mean"]) == (20, 2, 15, 8.5)
    assert sums(result) == {"": 20, "late_": 0, "lost_": 0, "repeated_": 0}


def test_a_lane_of_a_pool_that_fails_repeats_its_own_alerts_alone():
    """Record 1 fails at 3 s and at 6 s; its two alerts leave at 2 s and 3 s and twice again, all others once."""
    result = run({"faults": [{"kind": "error", "to": "5s", "records": [1]}]}, POOL)
    assert (result["errors"]["sum"], result["processed_records"]["sum"]) == (2, 10)
    assert sums(result) == {"": 20, "late_": 0, "lost_": 0, "repeated_": 4}


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_what_a_lane_gives_up_loses_the_alerts_that_were_not_sent(parallelization):
    """Each try of a record times out after 2 s, when its first event is through and the second is not."""
    mapping = {**POOL, "parallelization": parallelization, "maximum_retry_attempts": 1}
    result = run({"timeout": "2s"}, mapping)
    assert (result["timeouts"]["sum"], result["discarded_records"]["sum"]) == (20, 10)
    assert sums(result) == {"": 10, "late_": 0, "lost_": 10, "repeated_": 10}


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_alerts_of_a_split_stream_leave_once_each(parallelization):
    """A burst for the parent and one for its children, which are begun when all ten records are through, at 15 s."""
    result = run(
        {}, {**POOL, "parallelization": parallelization}, run={"duration": "20s", "until": "drained"},
        workload={
            "arrivals": {"model": "bursts", "every": "10s", "size": 10}, "log_events_per_record": 2,
            "partition_keys": "even",
        },
        stream={"shard_count": 1, "reshard_operation_time": "1s",
                "reshard": [{"at": "5s", "split": "shardId-000000000000"}]},
    )  # fmt: skip
    assert sums(result) == {"": 40, "late_": 0, "lost_": 0, "repeated_": 0}
    # two lanes of each child have five records together: at most three of them in a row, from 15 s to 24 s
    assert result["alert_delay_s"]["max"] == 15
    assert result["finish_s"]["mean"] == 24
