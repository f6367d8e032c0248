"""How long an invocation runs and how it ends: time-outs, cold starts, calls, faults, memory."""

import pytest

from kinsim.engine.tables import Outcome
from tests.engine.tape import BURST, seconds, tape_of


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


def test_a_time_that_is_drawn_anew_but_does_not_vary_is_no_hope():
    """Else a drained run would try a batch for ever that is too long for the time-out."""
    tape = tape_of(
        BURST % (3, 1) + "event_source_mapping: {batch_size: 3}, function: {duration: 5s, timeout: 2s, "
        "redraw: each_attempt}, run: {duration: 10s, until: drained}"
    )
    assert tape.final.stuck_shards == (0,)
    assert sum(tape.final.in_flight.values()) == 3
