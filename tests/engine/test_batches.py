"""Which batch an invocation takes, and when: order, batching windows, least batches, payload."""

import pytest

from kinsim.engine.tables import Loss
from tests.engine.tape import BURST, seconds, tape_of


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
