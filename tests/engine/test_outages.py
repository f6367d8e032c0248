"""A mapping that is disabled for a time, or for good."""

import numpy as np

from tests.engine.tape import seconds, tape_of

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


def test_what_expires_unread_is_lost_second_by_second():
    """Two records a second, each lost five seconds later; at 20 s the first of the second 15 is too."""
    tape = tape_of(
        "workload: {arrivals: {model: constant, rate: 2/s}, granularity: 1s},"
        "stream: {shard_count: 1, retention_period: 5s}, event_source_mapping: {enabled: false},"
        "function: {duration: 1s}, run: {duration: 20s}"
    )
    assert seconds(tape.losses["time_us"]) == [5 + k for k in range(16)]
    assert tape.losses["records"].tolist() == [2] * 15 + [1]
