"""What becomes of a batch that fails: retries, expiry, record age, bisection, partial responses."""

import pytest

from kinsim.engine.tables import Loss, Outcome
from tests.engine.tape import BURST, seconds, tape_of


def test_a_failed_batch_is_tried_again_and_blocks_its_shard_only():
    tape = tape_of(
        BURST % (4, 2) + "event_source_mapping: {batch_size: 1, retry_backoff: {base: 1s, factor: 2, cap: 3s}},"
        "function: {duration: 1s, faults: [{kind: error, from: 0s, to: 5s}]}, run: {duration: 1m, until: drained}"
    )
    mine = tape.invocations[tape.invocations["shard"] == 0]
    assert seconds(mine["start_us"]) == [0, 2, 5, 6]  # waits of 1 s and 2 s
    assert list(mine["attempt"]) == [0, 1, 2, 0]
    assert list(mine["outcome"]) == [Outcome.ERROR, Outcome.ERROR, Outcome.OK, Outcome.OK]
    assert list(mine["first"]) == [0, 0, 0, 1]


def test_members_that_expire_are_dropped_before_the_retry():
    tape = tape_of(
        "workload: {sources: {a: {arrivals: {model: bursts, every: 1h, size: 2}},"
        "b: {arrivals: {model: bursts, every: 1h, size: 3, first: 1s}}}},"
        "stream: {shard_count: 1, retention_period: 10s}, event_source_mapping: {batch_size: 10, poll_interval: 2s},"
        "function: {duration: 3s, faults: [{kind: error, from: 0s, to: 9s}]}, run: {duration: 1m, until: drained}"
    )
    runs = tape.invocations
    # polled at 0 s (the first two) and 2 s; the first batch of two fails at 3, 6, 9 s and is gone at 10 s
    assert list(zip(seconds(runs["start_us"]), runs["records"], strict=True)) == [(0, 2), (3, 2), (6, 2), (9, 2)]
    assert list(runs["outcome"])[-1] == Outcome.OK
    waited = tape.losses
    assert list(waited["records"]) == [3] and list(waited["cause"]) == [Loss.EXPIRED]
    assert seconds(waited["time_us"]) == [11]


def test_what_is_left_of_a_batch_after_expiry_goes_at_once():
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 1/s, first: 0s}, end: 4s},"
        "stream: {shard_count: 1, retention_period: 5s},"
        "event_source_mapping: {batch_size: 10, poll_interval: 4s, retry_backoff: {base: 1s, factor: 1}},"
        "function: {duration: 1s, faults: [{kind: error, from: 0s, to: 5s}]}, run: {duration: 1m, until: drained}"
    )
    runs = tape.invocations
    # polled at 0 s: record 0; fails at 1 s, again 2-3 s, 4 s: still there (age 4), fails at 5 s, gone at 5 s
    # records 1 to 3 were read at 4 s; at 6 s record 1 (arrived at 1 s) is gone
    assert list(runs["records"]) == [1, 1, 1, 2]
    assert seconds(runs["start_us"])[:3] == [0, 2, 4]
    assert seconds(runs["start_us"])[3] == 6
    assert list(tape.losses["records"]) == [1, 1]


POISON = (
    "workload: {arrivals: {model: bursts, every: 1h, size: %d}}, stream: {shard_count: 1}, event_source_mapping: {%s},"
    "function: {duration: 10s, faults: [{kind: error, records: [%s]}]}, run: {duration: 10m, until: drained}"
)


def sizes_and_attempts(tape):
    runs = tape.invocations
    return list(zip(runs["records"].tolist(), runs["attempt"].tolist(), strict=True))


def test_a_batch_is_discarded_when_its_retries_are_used_up():
    """aws:E27, case:T37: three retries are four invocations and 40 s; what comes behind goes on at once."""
    tape = tape_of(POISON % (7, "batch_size: 4, maximum_retry_attempts: 3", "2"))
    assert sizes_and_attempts(tape) == [(4, 0), (4, 1), (4, 2), (4, 3), (3, 0)]
    assert seconds(tape.invocations["start_us"]) == [0, 10, 20, 30, 40]
    assert [(row["time_us"], row["records"], row["cause"]) for row in tape.losses] == [(40e6, 4, Loss.DISCARDED)]


def test_bisection_isolates_one_bad_record():
    """aws:E28, case:T22: halves in order, none of the splits uses up a retry."""
    tape = tape_of(POISON % (8, "batch_size: 8, bisect_batch_on_function_error: true, maximum_retry_attempts: 0", "5"))
    assert tape.invocations["records"].tolist() == [8, 4, 4, 2, 1, 1, 2]
    assert int(tape.invocations["records"].sum()) == 22
    assert set(tape.invocations["attempt"].tolist()) == {0}
    assert tape.invocations["tries"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert [(row["first"], row["records"]) for row in tape.losses] == [(4, 1)]


BISECTED = "batch_size: %d, bisect_batch_on_function_error: true, maximum_retry_attempts: 0"


@pytest.mark.parametrize(("bad", "invocations", "delivered"), [("1", 13, 296), ("100", 15, 301), ("11, 91", 25, 395)])
def test_bisection_of_a_hundred(bad, invocations, delivered):
    """case:T22 by floor halves."""
    tape = tape_of(POISON % (100, BISECTED % 100, bad))
    assert len(tape.invocations) == invocations
    assert int(tape.invocations["records"].sum()) == delivered
    assert tape.losses["records"].tolist() == [1] * (1 + bad.count(","))


def test_bisection_finds_any_of_a_hundred_in_13_to_15():
    """case:T22: whatever the rule of halving."""
    found = {len(tape_of(POISON % (100, BISECTED % 100, bad)).invocations) for bad in range(1, 101)}
    assert found == {13, 15}


@pytest.mark.parametrize("k", range(11))
def test_bisection_of_a_power_of_two(k):
    """case:T22: 1 + 2 k invocations, wherever the bad record is."""
    for bad in {1, 2**k // 3 + 1, 2**k}:
        assert len(tape_of(POISON % (2**k, BISECTED % 2**k, bad)).invocations) == 1 + 2 * k


def test_a_partial_response_keeps_what_came_before_the_bad_record():
    """aws:E29, case:T39: from the fifth of nine on the batch is retried twice, then given up."""
    tape = tape_of(POISON % (9, "batch_size: 9, report_batch_item_failures: true, maximum_retry_attempts: 2", "5, 7"))
    assert sizes_and_attempts(tape) == [(9, 0), (5, 1), (5, 2)]
    assert tape.invocations["done"].tolist() == [4, 0, 0]
    assert set(tape.invocations["outcome"].tolist()) == {Outcome.PARTIAL}
    assert [(row["first"], row["records"]) for row in tape.losses] == [(4, 5)]


def test_bisection_splits_at_the_record_that_a_partial_response_names():
    """aws:E30: the split uses up no retry, a bad record at the very front does."""
    mapping = (
        "batch_size: 9, report_batch_item_failures: true, bisect_batch_on_function_error: true,"
        "maximum_retry_attempts: 1"
    )
    tape = tape_of(POISON % (9, mapping, "5"))
    assert sizes_and_attempts(tape) == [(9, 0), (5, 0), (5, 1)]
    assert tape.losses["records"].tolist() == [5]


def test_records_are_discarded_at_the_maximum_record_age():
    """aws:E5: in the hand and in the line, before the next try."""
    text = (
        "workload: {arrivals: {model: constant, rate: 1/10s}}, stream: {shard_count: 1}, event_source_mapping: "
        "{batch_size: 2, maximum_record_age: 60s}, function: {duration: 25s, faults: [{kind: error, to: 100s}]},"
        "run: {duration: 2m, until: drained}"
    )
    tape = tape_of(text)
    # the first record is alone, fails at 25, 50 and 75 s and is too old, and that of 10 s with it; those of 20 and 30 s
    # fail at 100 s and are too old, and so is that of 40 s, which is just 60 s old; the next batch succeeds
    assert seconds(tape.invocations["start_us"])[:5] == [0, 25, 50, 75, 100]
    assert tape.invocations["records"].tolist()[:5] == [1, 1, 1, 2, 2]
    assert tape.invocations["outcome"].tolist()[3:5] == [Outcome.ERROR, Outcome.OK]
    lost = [(int(row["time_us"]) // 10**6, int(row["first"]), int(row["records"])) for row in tape.losses]
    assert lost == [(75, 0, 1), (75, 1, 1), (100, 2, 2), (100, 4, 1), (150, 9, 1)]  # the last at the tip of a full line
    assert set(tape.losses["cause"].tolist()) == {Loss.DISCARDED}


def test_a_bad_record_that_never_leaves_ends_a_drained_run_and_is_reported():
    tape = tape_of(POISON % (3, "batch_size: 3, bisect_batch_on_function_error: true", "2"))
    assert tape.final.stuck_shards == (0,)
    assert tape.final.in_flight == {0: 2}  # the bad one, and the one behind it in the same half
    assert tape.invocations["records"].tolist()[:4] == [3, 1, 2, 1]


def test_poison_records_are_numbered_over_the_whole_stream():
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 1/s}, partition_keys: even}, stream: {shard_count: 2},"
        "event_source_mapping: {batch_size: 1, maximum_retry_attempts: 0},"
        "function: {duration: 100ms, faults: [{kind: error, records: [2, 5, 5]}]}, run: {duration: 6s, until: drained}"
    )
    assert sorted((row["shard"], row["first"]) for row in tape.losses) == [(0, 2), (1, 0)]


def test_a_run_that_fails_in_no_time_is_not_tried_for_ever_at_one_instant():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 1}}, stream: {shard_count: 1},"
        "function: {duration: 0s, faults: [{kind: error, to: 3500us}]}, run: {duration: 1s, until: drained}"
    )
    assert seconds(tape.invocations["start_us"]) == [0, 0.001, 0.002, 0.003, 0.004]
