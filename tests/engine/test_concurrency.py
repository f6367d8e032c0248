"""Invocations that wait for a slot: reserved, shared and growing concurrency."""

import pytest

from tests.engine.tape import BURST, seconds, tape_of


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
