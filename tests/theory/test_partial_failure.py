"""A PutRecords call of which one record is over the limit (case P14)."""

import pytest

import kinsim as ks

COUNTS = ("offered_records", "accepted_records", "rejected_records", "retried_records", "dropped_records")


def counts(run):
    return [run[name]["sum"] for name in COUNTS]


def hash_keys(run):
    return {int(key) for key in run.records.hash_key[run.records.accepted_s.notna()]}


def test_p14_the_records_before_and_after_the_failed_one_are_stored(simulate):
    """case:P14, aws:W11, W12: FailedRecordCount 1, records 1 and 3 stored; who ignores it loses the second."""
    run = simulate("P14-partial-failure", keep=("records",))
    assert counts(run) == [3, 2, 1, 0, 1]
    assert sorted(run.records.shard) == ["shardId-000000000000", "shardId-000000000001"]
    assert [ks.shard_for(key, 2) for key in ("a", "123", "partitionKey-03")] == [0, 0, 1]
    assert (run.records.accepted_s == 0).all()


def test_p14_who_sends_the_failed_record_again_loses_nothing(simulate):
    """aws:W12: only the failed entry is sent again, here after a second, when the shard takes one more."""
    changes = {
        "producer.on_partial_failure": "retry_failed",
        "producer.retry": {"mode": "backoff", "base": "1s", "jitter": "none"},
    }
    run = simulate("P14-partial-failure", changes, keep=("records",))
    assert counts(run) == [3, 3, 1, 1, 0]
    assert sorted(run.records.accepted_s) == [0, 0, 1]


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_ignored_failures_are_never_retried_whatever_the_profiles_mode(profile):
    """aws:W12: the SDK's retries do not see a call that was answered with HTTP 200."""
    run = ks.parse(
        f"kinsim: 1\nname: naive\nprofile: {profile}\n"
        "workload: {arrivals: {model: bursts, every: 10s, size: 3_000}, partition_keys: constant}\n"
        "producer: {model: sdk, api: PutRecords, on_partial_failure: ignore}\n"
        "function: {duration: {fixed: 1ms}}\nrun: {duration: 10s, replications: 1, until: drained}\n"
    ).run()
    assert counts(run) == [3_000, 1_000, 2_000, 0, 2_000]
