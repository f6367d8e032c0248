"""When the mapping calls GetRecords, what a call finds, and what it waits for."""

import pytest

from kinsim.engine.tables import THROTTLED
from tests.engine.tape import seconds, tape_of


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
