"""What the reference engine schedules, each case small enough to follow by hand."""

import numpy as np
import pytest

from kinsim.engine import reference
from kinsim.engine.arrivals import shared
from kinsim.engine.tables import THROTTLED, Loss, Outcome
from kinsim.scenario import parse

HEAD = "{kinsim: 1, name: t, profile: ideal, "


class Tape:
    """Everything an engine hands over."""

    def __init__(self):
        self.windows, self.final = [], None

    def window(self, window):
        self.windows.append(window)
        self.invocations = np.concatenate([w.invocations for w in self.windows])
        self.polls = np.concatenate([w.polls for w in self.windows])
        self.losses = np.concatenate([w.losses for w in self.windows])
        self.throttles = np.concatenate([w.throttles for w in self.windows])

    def finish(self, final):
        self.final = final


def tape_of(text, replication=0):
    scenario, tape = parse(HEAD + text + "}"), Tape()
    reference.run(scenario, replication, tape, shared(scenario, replication))
    return tape


def seconds(column):
    return [float(value) / 1e6 for value in column]


BURST = "workload: {arrivals: {model: bursts, every: 1h, size: %d}, partition_keys: even}, stream: {shard_count: %d}, "


def test_batches_run_back_to_back_in_order():
    tape = tape_of(
        BURST % (25, 1) + "event_source_mapping: {batch_size: 10}, function: {duration: 2s}, run: {duration: 10m}"
    )
    runs = tape.invocations
    assert seconds(runs["start_us"]) == [0, 2, 4]
    assert seconds(runs["end_us"]) == [2, 4, 6]
    assert list(runs["first"]) == [0, 10, 20]
    assert list(runs["records"]) == [10, 10, 5]
    assert list(runs["batch"]) == [0, 1, 2]


def test_invocations_that_end_together_are_in_order_of_their_shards():
    tape = tape_of(
        BURST % (30, 3) + "event_source_mapping: {batch_size: 5}, function: {duration: 1s}, run: {duration: 10m}"
    )
    assert list(tape.invocations["shard"]) == [0, 1, 2, 0, 1, 2]


def test_a_record_that_arrives_as_an_invocation_ends_is_in_the_next_batch():
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 1/s}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 10}, function: {duration: 2s}, run: {duration: 7s, until: drained}"
    )
    assert list(tape.invocations["records"]) == [1, 2, 2, 2]
    assert seconds(tape.invocations["start_us"]) == [0, 2, 4, 6]


def test_a_run_ends_before_its_duration():
    text = BURST % (1, 1) + "event_source_mapping: {batch_size: 1}, function: {duration: 10s}, run: {duration: %s}"
    assert len(tape_of(text % "10s").invocations) == 0
    assert tape_of(text % "10s").final.in_flight == {0: 1}
    assert len(tape_of(text % "10.000001s").invocations) == 1


def test_with_a_first_come_line_the_slot_goes_to_whoever_asked_first():
    tape = tape_of(
        BURST % (6, 3) + "event_source_mapping: {batch_size: 1}, function: {duration: 1s},"
        "account: {concurrent_executions: 2}, run: {duration: 1m}"
    )
    runs = tape.invocations
    assert list(runs["shard"]) == [0, 1, 0, 2, 1, 2]  # by their ends: shard 2 asked first at 0 s, shard 1 at 1 s
    assert seconds(runs["start_us"]) == [0, 0, 1, 1, 2, 2]
    assert len(tape.throttles) == 0


def test_throttled_batches_try_again_after_the_back_off():
    tape = tape_of(
        BURST % (2, 2) + "event_source_mapping: {batch_size: 1, throttle_backoff: {base: 300ms, factor: 1}},"
        "function: {duration: 1s}, account: {concurrent_executions: 1}, run: {duration: 1m}"
    )
    assert seconds(tape.throttles["time_us"]) == pytest.approx([0, 0.3, 0.6, 0.9])
    assert seconds(tape.invocations["start_us"]) == pytest.approx([0, 1.2])
    assert list(tape.invocations["attempt"]) == [0, 0]


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


def test_time_out_stops_a_run_at_exactly_its_time_and_no_retry_helps():
    tape = tape_of(
        BURST % (3, 1) + "event_source_mapping: {batch_size: 1}, function: {duration: 31s, timeout: 30s},"
        "run: {duration: 10m, until: drained}"
    )
    assert set(tape.invocations["duration_us"]) == {30_000_000}
    assert set(tape.invocations["outcome"]) == {Outcome.TIMEOUT}
    assert tape.final.stuck_shards == (0,)
    assert tape.final.in_flight == {0: 1} and tape.final.waiting == {0: 2}


def test_a_new_environment_after_a_time_out_initialises_inside_the_run():
    tape = tape_of(
        BURST % (1, 1) + "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, timeout: 10s, cold_start: 400ms, faults: [{kind: timeout, from: 0s, to: 5s}]},"
        "run: {duration: 1m, until: drained}"
    )
    runs = tape.invocations
    assert list(zip(runs["init_us"], runs["duration_us"], strict=True)) == [(400_000, 10_000_000), (0, 1_400_000)]
    assert seconds(runs["end_us"]) == [10.4, 11.8]


def test_environments_are_cold_when_new_idle_or_old():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 10s, size: 1}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, cold_start: 500ms, environment: {idle: unlimited, max_age: 25s}},"
        "run: {duration: 50s}"
    )
    assert [init > 0 for init in tape.invocations["init_us"]] == [True, False, False, True, False]
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 10s, size: 1}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, cold_start: 500ms, environment: {idle: 8s, max_age: unlimited}}, run: {duration: 50s}"
    )
    assert [init > 0 for init in tape.invocations["init_us"]] == [True, True, True, True, True]


def test_calls_that_fail_are_retried_inside_the_run():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 60s, size: 4}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 4},"
        "function: {duration: {fixed: 100ms}, calls: [{name: api, per: record, latency: 50ms, attempts: 3, wait: 2s}],"
        "faults: [{kind: call_fails, from: 60s, to: 120s}]}, run: {duration: 3m}"
    )
    assert seconds(tape.invocations["duration_us"]) == [0.3, 16.7, 0.3]  # 4 (3 x 50 ms + 2 x 2 s) + 100 ms
    assert set(tape.invocations["outcome"]) == {Outcome.OK}


def test_slow_code_takes_longer_while_it_lasts():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 60s, size: 1}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, faults: [{kind: slow, from: 60s, to: 120s, factor: 7}]}, run: {duration: 3m}"
    )
    assert seconds(tape.invocations["duration_us"]) == [1, 7, 1]


def test_faults_strike_a_share_of_the_attempts():
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 10/s}}, stream: {shard_count: 1}, "
        "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1ms, faults: [{kind: error, probability: 20%}]}, run: {duration: 1000s, until: drained}"
    )
    failed = tape.invocations["outcome"] == Outcome.ERROR
    assert abs(failed.mean() - 0.2) < 4 * (0.2 * 0.8 / failed.size) ** 0.5  # false alarm 6e-5; the seed is fixed


def test_a_batch_is_cut_to_the_payload_and_a_record_above_it_is_lost():
    tape = tape_of(
        "workload: {sources: {small: {arrivals: {model: bursts, every: 1h, size: 5}, record_size: 300 B},"
        "big: {arrivals: {model: bursts, every: 1h, size: 1, first: 1s}, record_size: 3000 B},"
        "last: {arrivals: {model: bursts, every: 1h, size: 1, first: 2s}, record_size: 300 B}}},"
        "stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 100, payload_limit: 3000 B}, function: {duration: 1ms}, run: {duration: 1m}"
    )
    # a record of 300 B weighs 400 + 532 + 36 = 968 B in the event
    assert list(tape.invocations["records"]) == [3, 2, 1]
    assert list(tape.losses["cause"]) == [Loss.TOO_LARGE]
    assert list(tape.losses["first"]) == [5]


def test_read_limit_slows_a_reader_that_is_behind():
    """10 MiB block a shard for 5 s: calls at 1, 2, 3 and 4 s after each are refused, whatever they would find."""
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 40}, record_size: 1 MiB}, stream: {shard_count: 1,"
        "enforce_read_limits: true}, "
        "event_source_mapping: {batch_size: 100, poll_interval: 1s}, function: {duration: 1ms},"
        "run: {duration: 1m}"
    )
    served = tape.polls[tape.polls["records"] > 0]
    assert seconds(served["time_us"]) == [0, 5, 10, 15]
    assert list(served["records"]) == [10, 10, 10, 10]
    assert int(tape.polls["calls"][tape.polls["records"] == THROTTLED].sum()) == 4 * 4


REREADS = (
    "workload: {arrivals: {model: bursts, every: 1h, size: 10}, record_size: SIZE}, stream: {shard_count: 1,"
    "enforce_read_limits: LIMITS}, event_source_mapping: {batch_size: 10, poll_interval: 1s, retry_rereads: AGAIN},"
    "function: {duration: 1s, faults: [{kind: error, from: 0s, to: 500ms}]}, run: {duration: 30s}"
)


@pytest.mark.parametrize(("again", "starts"), [("true", [0, 5]), ("false", [0, 1])])
def test_a_retry_that_reads_again_waits_for_the_read_limit(again, starts):
    """10 MiB read at 0 s block the shard for 5 s; the try that ends at 1 s failed, and its batch is read again."""
    tape = tape_of(REREADS.replace("SIZE", "1 MiB").replace("LIMITS", "true").replace("AGAIN", again))
    assert seconds(tape.invocations["start_us"]) == starts
    served = tape.polls[tape.polls["records"] > 0]
    assert seconds(served["time_us"]) == ([0, 5] if again == "true" else [0])


def test_a_retry_reads_its_batch_again():
    tape = tape_of(REREADS.replace("SIZE", "1000 B").replace("LIMITS", "false").replace("AGAIN", "true"))
    served = tape.polls[tape.polls["records"] > 0]
    assert seconds(served["time_us"]) == [0, 1]
    assert list(served["records"]) == [10, 10] and list(served["bytes"]) == [10_000, 10_000]
    assert seconds(served["age_us"]) == [0, 1]
    assert seconds(tape.invocations["start_us"]) == [0, 1]


def test_one_call_a_second_is_made_while_nothing_comes():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 1, first: 100.5s}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 1, poll_interval: 1s}, function: {duration: 1ms}, run: {duration: 1000s}"
    )
    assert int(tape.polls["calls"].sum()) == 1000
    found = tape.polls[tape.polls["records"] > 0]
    assert seconds(found["time_us"]) == [101] and seconds(found["age_us"]) == [0.5]


def test_nothing_is_left_of_a_drained_run():
    tape = tape_of(
        "workload: {arrivals: {model: poisson, rate: 50/s}}, stream: {shard_count: 3, write_limit_records: 20},"
        "producer: {model: direct, retry: {mode: backoff, base: 100ms, cap: 1s, jitter: full, max_attempts: -1}},"
        "event_source_mapping: {batch_size: 7}, function: {duration: {fixed: 10ms, per_record: 30ms}},"
        "run: {duration: 60s, until: drained}"
    )
    final = tape.final
    assert set(final.waiting.values()) == set(final.in_flight.values()) == {0}
    assert sum(final.accepted.values()) == final.created == int(tape.invocations["records"].sum())
    assert final.end_us == int(tape.invocations["end_us"].max())
    for shard in range(3):
        mine = tape.invocations[tape.invocations["shard"] == shard]
        assert np.array_equal(np.cumsum(mine["records"]), mine["first"] + mine["records"])  # order, nothing twice


def test_windows_follow_each_other_and_hold_what_ended_in_them():
    tape = tape_of(
        "workload: {arrivals: {model: poisson, rate: 200/s}}, stream: {shard_count: 2}, "
        "event_source_mapping: {batch_size: 9},"
        "function: {duration: 40ms}, run: {duration: 2h}"
    )
    ends = [w.end_us for w in tape.windows]
    assert [w.start_us for w in tape.windows] == [0, *ends[:-1]]
    assert len(tape.windows) > 2
    for window in tape.windows:
        assert all((window.start_us <= window.invocations["end_us"]) & (window.invocations["end_us"] <= window.end_us))


def test_same_seed_same_tables_and_another_replication_others():
    text = (
        "workload: {arrivals: {model: poisson, rate: 20/s}}, stream: {shard_count: 2},"
        "event_source_mapping: {batch_size: 9}, function: {duration: {distribution: exponential, mean: 200ms},"
        "cold_start: {distribution: lognormal, p50: 1s, p99: 3s}},"
        "run: {duration: 10m, seed: 5}"
    )
    first, again, other = tape_of(text), tape_of(text), tape_of(text, replication=1)
    assert first.invocations.tobytes() == again.invocations.tobytes()
    assert first.invocations.tobytes() != other.invocations.tobytes()


def test_a_larger_batch_meets_the_same_arrivals():
    text = (
        "workload: {arrivals: {model: poisson, rate: 20/s}}, stream: {shard_count: 1}, "
        "event_source_mapping: {batch_size: %d},"
        "function: {duration: 10ms}, run: {duration: 10m, until: drained}"
    )
    one, many = tape_of(text % 1), tape_of(text % 50)
    assert int(one.invocations["records"].sum()) == int(many.invocations["records"].sum())
    assert set(many.invocations["first_arrival_us"]) <= set(one.invocations["first_arrival_us"])


# -- failing batches: retries, record age, bisection, partial responses

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


@pytest.mark.parametrize(("bad", "invocations"), [(1, 13), (100, 15)])
def test_bisection_of_a_hundred(bad, invocations):
    """case:T22 by floor halves."""
    tape = tape_of(
        POISON % (100, "batch_size: 100, bisect_batch_on_function_error: true, maximum_retry_attempts: 0", bad)
    )
    assert len(tape.invocations) == invocations
    assert tape.losses["records"].tolist() == [1]


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


# -- batching windows and least batches


WINDOW = (
    "workload: {arrivals: {model: constant, rate: %s}}, stream: {shard_count: 1}, event_source_mapping: "
    "{batch_size: %d, maximum_batching_window: %s%s}, function: {duration: %s}, run: {duration: %s, until: drained}"
)


def test_a_window_opens_with_its_first_record():
    """aws:E14, case:T16: ten a second in 5 s are fifty-one, the first of the next window starts it."""
    tape = tape_of(WINDOW % ("10/s", 100, "5s", "", 0, "20s"))
    assert tape.invocations["records"].tolist() == [51, 51, 51, 47]
    assert seconds(tape.invocations["start_us"]) == pytest.approx([5, 10.1, 15.2, 20.3])


def test_a_full_batch_goes_before_its_window_is_over():
    tape = tape_of(WINDOW % ("10/s", 20, "5s", "", 0, "6s"))
    assert tape.invocations["records"].tolist() == [20, 20, 20]
    assert seconds(tape.invocations["start_us"]) == pytest.approx([1.9, 3.9, 5.9])


def test_a_window_opens_no_earlier_than_the_run_before_has_ended():
    tape = tape_of(WINDOW % ("1/s", 100, "5s", "", "7s", "30s"))
    # records of 0 to 5 s; the run ends at 12 s, the window at 17 s
    assert seconds(tape.invocations["start_us"])[:3] == [5, 17, 29]
    assert tape.invocations["records"].tolist()[:3] == [6, 12, 12]


def test_a_full_payload_ends_a_window():
    """aws:E8, E14"""
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 1/s}, record_size: 1_000 B}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 100, maximum_batching_window: 60s, payload_limit: 5_000 B},"
        "function: {duration: 0}, run: {duration: 10s, until: drained}"
    )
    # each is 4 * 334 + 532 + 36 = 1,904 bytes of payload: two fit, the third shows that the batch is full
    assert tape.invocations["records"].tolist() == [2, 2, 2, 2, 2]
    assert seconds(tape.invocations["start_us"])[:2] == [2, 4]


def test_with_polling_a_window_ends_at_its_time_with_what_was_read():
    tape = tape_of(WINDOW % ("1/s", 100, "2500ms", ", poll_interval: 2s, poll_phase: aligned", 0, "8s"))
    # polls at 0, 2, 4 ... s see records up to then; the window of the record of 0 s ends at 2.5 s
    assert seconds(tape.invocations["start_us"])[:2] == [2.5, 5.5]
    assert tape.invocations["records"].tolist()[:2] == [3, 2]


def test_a_least_batch_waits_until_it_is_there():
    tape = tape_of(WINDOW % ("1/s", 10, "0s", ", minimum_batch: 4", "500ms", "10s"))
    assert seconds(tape.invocations["start_us"])[:2] == [3, 7]
    assert tape.invocations["records"].tolist() == [4, 4, 2]  # the rest goes when no more can come


# -- a mapping that is disabled for a time


OUTAGE = (
    "workload: {arrivals: {model: constant, rate: 1/s}}, stream: {shard_count: 1}, event_source_mapping:"
    " {batch_size: 100, outages: [%s]%s}, function: {duration: 3s}, run: {duration: 20s, until: %s}"
)


def test_a_disabled_mapping_finishes_what_is_in_hand_and_goes_on_where_it_stopped():
    """aws:E16"""
    tape = tape_of(OUTAGE % ("{from: 4s, to: 10s}, {from: 12s, to: 15s}", "", "drained"))
    # 0 s: one record; 3 s: three, in hand until 6 s; 10 s: those of 4 to 10 s, until 13 s; 15 s: those of 11 to 15 s
    assert seconds(tape.invocations["start_us"])[:4] == [0, 3, 10, 15]
    assert tape.invocations["records"].tolist()[:4] == [1, 3, 7, 5]


def test_a_disabled_mapping_does_not_poll_and_forgets_what_it_had_read():
    tape = tape_of(OUTAGE % ("{from: 5s, to: 9s}", ", poll_interval: 1s, poll_phase: aligned", "end"))
    polled = {int(t) // 10**6 for row in tape.polls for t in row["time_us"] + 10**6 * np.arange(row["calls"])}
    assert polled == {*range(5), *range(9, 20)}
    # at 3 s a batch of three goes; what was read at 4 s is read again at 9 s
    again = [row["records"] for row in tape.polls if row["time_us"] == 9e6]
    assert again == [6]
    assert int(tape.polls["records"].sum()) == 20 + 1


def test_a_retry_waits_for_the_end_of_an_outage():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 1}}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 1, outages: [{from: 4s, to: 30s}]},"
        "function: {duration: 3s, faults: [{kind: error, to: 5s}]}, run: {duration: 1m, until: drained}"
    )
    assert seconds(tape.invocations["start_us"]) == [0, 3, 30]
    assert tape.invocations["tries"].tolist() == [0, 1, 2]


def test_a_mapping_that_is_never_enabled_again_ends_a_drained_run():
    tape = tape_of(OUTAGE % ("{from: 4s}", "", "drained"))
    assert seconds(tape.invocations["start_us"]) == [0, 3]
    assert tape.final.waiting == {0: 16}
    assert tape.final.stuck_shards == (0,)
    assert tape.final.end_us == 6_000_000


def test_a_mapping_that_is_not_enabled_reads_nothing():
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 1/s}}, stream: {shard_count: 1, retention_period: 5s},"
        "event_source_mapping: {batch_size: 1, enabled: false}, function: {duration: 3s}, run: {duration: 20s}"
    )
    assert len(tape.invocations) == len(tape.polls) == 0
    assert int(tape.losses["records"].sum()) == 16  # expired by the end: those of 0 to 15 s
    assert tape.final.waiting == {0: 4}


# -- memory: what it gives and what it holds


def duration_of(text):
    run, *_ = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 100}, record_size: 10_485 B, work: 10ms},"
        "stream: {shard_count: 1}, event_source_mapping: {batch_size: 100, payload_limit: unlimited},"
        f"function: {{{text}}}, run: {{duration: 1m}}"
    ).invocations
    return int(run["duration_us"]), Outcome(int(run["outcome"]))


@pytest.mark.parametrize(
    ("memory", "threads", "share", "expected_us"),
    [
        (885, 4, 1.0, 1_000_000 * 1_769 / 885),  # below one vCPU threads gain nothing
        (1_769, 4, 1.0, 1_000_000),
        (3_538, 4, 1.0, 500_000),  # two vCPUs
        (7_076, 2, 1.0, 500_000),  # four, but two threads
        (7_076, 4, 0.5, 625_000),  # half of the work on four (Amdahl)
        (7_076, 1, 0.5, 1_000_000),
    ],
)
def test_threads_share_the_work_above_one_vcpu(memory, threads, share, expected_us):
    """aws:M6; Amdahl's law."""
    text = f"memory_size: {memory} MB, cpu: proportional, threads: {threads}, parallel_fraction: {share}"
    duration_us, outcome = duration_of(f"{text}, duration: {{fixed: 0s}}")
    assert duration_us == pytest.approx(expected_us, abs=1)
    assert outcome == Outcome.OK


def test_a_batch_that_needs_more_memory_than_there_is_ends_in_a_crash():
    """aws:E24: 1 MiB needs 90 + 50 MB; of 128 MB the batch fills 38 of 50, so it ends after 76 % of its second."""
    text = "memory_size: %d MB, duration: {fixed: 0s}, memory_used: {base: 90 MB, per_mib: 50 MB}"
    duration_us, outcome = duration_of(text % 128)
    assert (duration_us, outcome) == (pytest.approx(760_000, abs=100), Outcome.CRASH)
    assert duration_of(text % 140) == (1_000_000, Outcome.OK)


def test_bisection_finds_a_batch_that_fits_into_memory():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 8}, record_size: 1 MiB}, stream: {shard_count: 1},"
        "event_source_mapping: {batch_size: 8, payload_limit: unlimited, bisect_batch_on_function_error: true},"
        "function: {memory_size: 128 MB, duration: 1s, memory_used: {base: 28 MB, per_mib: 40 MB}},"
        "run: {duration: 1h, until: drained}"
    )
    assert tape.invocations["records"].tolist() == [8, 4, 2, 2, 4, 2, 2]
    assert tape.final.stuck_shards == ()


def test_a_run_that_fails_in_no_time_is_not_tried_for_ever_at_one_instant():
    tape = tape_of(
        "workload: {arrivals: {model: bursts, every: 1h, size: 1}}, stream: {shard_count: 1},"
        "function: {duration: 0s, faults: [{kind: error, to: 3500us}]}, run: {duration: 1s, until: drained}"
    )
    assert seconds(tape.invocations["start_us"]) == [0, 0.001, 0.002, 0.003, 0.004]


def test_reserved_concurrency_caps_the_function():
    tape = tape_of(
        BURST % (6, 3) + "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, reserved_concurrency: 2}, run: {duration: 1m}"
    )
    assert seconds(tape.invocations["start_us"]) == [0, 0, 1, 1, 2, 2]


def test_provisioned_environments_have_no_cold_start():
    """aws:M21: two of three that start together, and whoever runs within two at once later."""
    tape = tape_of(
        BURST % (6, 3) + "event_source_mapping: {batch_size: 1},"
        "function: {duration: 1s, cold_start: 500ms, provisioned_concurrency: 2}, run: {duration: 1m}"
    )
    cold = tape.invocations[tape.invocations["init_us"] > 0]
    assert [(row["shard"], row["start_us"]) for row in cold] == [(2, 0)]


SHARED = BURST + "event_source_mapping: {batch_size: 1}, function: {duration: 10s}, account: {%s}, run: {duration: 2m}"


def test_other_functions_take_their_part_of_the_concurrency():
    """aws:M19, M25: of five they take four, for the first 25 s; then all may run."""
    others = "concurrent_executions: 5, other_functions: [{until: 25s, concurrency: 4}]"
    assert seconds(tape_of(SHARED % (4, 4, others)).invocations["start_us"]) == [0, 10, 20, 25]
    always = tape_of(SHARED % (4, 4, "concurrent_executions: 5, other_functions: 3"))
    assert seconds(always.invocations["start_us"]) == [0, 0, 10, 10]


def test_other_functions_that_take_more_stop_nothing_that_runs():
    parts = "[{until: 5s, concurrency: 0}, {until: 1m, concurrency: 5}]"
    tape = tape_of(SHARED % (4, 2, f"concurrent_executions: 5, other_functions: {parts}"))
    assert seconds(tape.invocations["start_us"]) == [0, 0, 60, 60]


def test_a_function_grows_by_so_many_environments_at_once_and_per_interval():
    """aws:M23: four at once, then one every 2.5 s; environments that are free again are used at once."""
    scaling = "scaling: {kind: per_function, step: 4, every: 10s}, concurrent_executions: unlimited"
    tape = tape_of(SHARED % (8, 8, scaling))
    assert seconds(tape.invocations["start_us"]) == [0, 0, 0, 0, 2.5, 5, 7.5, 10]
    more = tape_of(SHARED % (16, 8, scaling))  # each shard has a second record
    assert seconds(more.invocations["start_us"])[8:] == [10, 10, 10, 10, 12.5, 15, 17.5, 20]


def test_a_region_grows_by_so_many_a_minute_after_its_burst():
    """aws:M22: three at once, two more after a minute, the others when those have ended."""
    text = SHARED.replace("10s", "100s").replace("2m", "5m")
    scaling = "scaling: {kind: region_burst, burst: 3, then_per_minute: 2}, concurrent_executions: unlimited"
    tape = tape_of(text % (7, 7, scaling))
    assert seconds(tape.invocations["start_us"]) == [0, 0, 0, 60, 60, 100, 100]
    assert len(tape.throttles) == 0


def test_a_throttled_batch_of_a_shared_account_tries_again():
    """aws:E26: no attempt counted."""
    tape = tape_of(
        BURST % (1, 1) + "event_source_mapping: {batch_size: 1, throttle_backoff: {base: 1s, factor: 2}}, function:"
        " {duration: 1s}, account: {concurrent_executions: 3, other_functions: [{until: 5s, concurrency: 3}]},"
        "run: {duration: 2m}"
    )
    assert seconds(tape.throttles["time_us"]) == [0, 1, 3]
    assert seconds(tape.invocations["start_us"]) == [7]
    assert list(tape.invocations["attempt"]) == [0]
