"""Other applications at a shard, call by call."""

from __future__ import annotations

from itertools import pairwise

from kinsim.engine.plan import NO_LIMIT
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.shared_reader import PlannedReader, SharedReader
from kinsim.engine.tables import ELSEWHERE, THROTTLED, Rows

S = 1_000_000
MIB = 1_048_576


def log_of(times, size):
    log, rows = ShardLog(), Rows.empty(len(times))
    rows.time_us[:] = times
    rows.data_bytes[:] = size
    log.append(rows)
    return log


def reader_at(first_us, log, share=0.0, bytes_per_s=0, delay=0, retention=NO_LIMIT):
    polls: list[int] = []
    reader = SharedReader(PlannedReader("other", share, bytes_per_s, S), 0, 7, log, polls, (delay, retention, 0))
    reader.next_us = first_us
    return reader, polls


def rows_of(polls):
    """Time, records, bytes and age of each call."""
    return [tuple(polls[i + k] for k in (1, 3, 4, 5)) for i in range(0, len(polls), 6)]


def test_a_share_is_read_once_a_second():
    """Ten records of 100 B, at 0.0, 0.5 ... 4.5 s, seen 0.2 s later: a half of what is new, and the last one's age."""
    log = log_of([k * S // 2 for k in range(10)], 100)
    reader, polls = reader_at(600_000, log, share=0.5, delay=200_000)
    ReadBudget(2 * MIB, 5, [reader]).advance(3 * S)
    assert rows_of(polls) == [(600_000, 1, 50, 600_000), (1_600_000, 1, 100, 600_000), (2_600_000, 1, 100, 600_000)]
    assert reader.seen == 5


def test_bytes_are_due_since_the_last_call_that_was_served():
    """3 MiB/s: 3 MiB at 1 s bring the level to 5, as of any response above 2 MiB: it is down at 2 MiB 1.5 s later."""
    reader, polls = reader_at(S, ShardLog(), bytes_per_s=3 * MIB)
    budget = ReadBudget(2 * MIB, 5, [reader])
    budget.advance(S + 1)
    assert rows_of(polls) == [(S, ELSEWHERE, 3 * MIB, 0)]
    assert not budget.serves(2_499_999) and budget.serves(2_500_000)


def test_a_refused_call_is_made_again_within_a_second_and_then_brings_all_that_is_due():
    reader, polls = reader_at(S, ShardLog(), bytes_per_s=MIB)
    budget = ReadBudget(2 * MIB, 5, [reader])
    assert budget.serves(500_000)
    budget.give(10 * MIB)
    budget.advance(8 * S)
    found = rows_of(polls)
    refusals = [records == THROTTLED for _, records, _, _ in found].index(False)
    times = [time for time, _, _, _ in found[: refusals + 1]]
    assert times[0] == S and all(0 < later - time <= S for time, later in pairwise(times))
    assert times[-2] < 5_500_000 <= times[-1]
    assert found[refusals][2] == MIB * times[-1] // S


def test_what_has_expired_is_not_read():
    log = log_of([0, S, 5 * S], 100)
    reader, polls = reader_at(6 * S, log, share=1.0, retention=2 * S)
    ReadBudget(2 * MIB, 5, [reader]).advance(7 * S)
    assert rows_of(polls) == [(6 * S, 1, 100, S)]


def test_calls_are_served_in_order_of_time():
    """Six readers call in the first instants of a bucket of five calls: the one that comes last is refused."""
    others = [reader_at(k, ShardLog(), bytes_per_s=1) for k in (5, 3, 1, 0, 2, 4)]
    ReadBudget(2 * MIB, 5, [reader for reader, _ in others]).advance(6)
    assert [polls[3] == THROTTLED for _, polls in others] == [True, False, False, False, False, False]
