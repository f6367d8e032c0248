"""What an engine hands over window by window, what is left at the end, what a seed decides."""

import numpy as np

from tests.engine.tape import tape_of


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
