"""GetRecords calls per minute."""

import numpy as np

from kinsim.engine.tables import ELSEWHERE, POLL, THROTTLED
from kinsim.measure.reads import ReadSide

S = 1_000_000


def polls(*rows):
    return np.array([tuple(row) for row in rows], POLL)


def test_a_run_of_empty_calls_is_spread_over_its_minutes():
    """One call a second from 30.5 s on: 30 in the first minute, 60 in the second, 10 in the third."""
    reads = ReadSide(1, 3, S, by_shard=True)
    reads.add(polls((0, 30_500_000, 100, 0, 0, 0)))
    assert reads.whole.records.statistic("SampleCount", 3).tolist() == [30, 60, 10]
    assert reads.whole.age.statistic("Maximum", 3).tolist() == [0, 0, 0]
    assert reads.by_shard.success.statistic("Sum", 3).tolist() == [30, 60, 10]


def test_age_records_and_bytes_are_per_call():
    reads = ReadSide(2, 2, S, by_shard=True)
    reads.add(polls((0, 1 * S, 1, 10, 500, 3 * S), (1, 2 * S, 1, 30, 900, 1 * S), (1, 3 * S, 2, 0, 0, 0)))
    age = reads.whole.age
    assert [age.statistic(n, 1)[0] for n in ("Average", "Minimum", "Maximum", "SampleCount")] == [1000, 0, 3000, 4]
    assert reads.whole.bytes.statistic("Sum", 1)[0] == 1400
    assert reads.by_shard.records.part(2, 1).statistic("Average", 1)[0] == 10


def test_refused_calls_return_nothing_and_are_counted_apart():
    reads = ReadSide(1, 1, S, by_shard=False)
    reads.add(polls((0, 0, 1, 5, 50, S), (0, S, 1, THROTTLED, 0, 0)))
    assert reads.whole.exceeded.statistic("Sum", 1)[0] == 1
    assert reads.whole.exceeded.statistic("SampleCount", 1)[0] == 2
    assert reads.whole.success.statistic("Average", 1)[0] == 0.5
    assert reads.whole.age.statistic("SampleCount", 1)[0] == 1


def test_of_some_applications_only_the_bytes_are_known():
    reads = ReadSide(1, 1, S, by_shard=False)
    reads.add(polls((0, 0, 1, 5, 50, S), (0, S, 1, ELSEWHERE, 1000, 0)))
    assert reads.whole.bytes.statistic("Sum", 1)[0] == 1050
    assert reads.whole.success.statistic("Sum", 1)[0] == 2
    assert reads.whole.records.statistic("Average", 1)[0] == 5
    assert reads.whole.age.statistic("Average", 1)[0] == 1000
