"""The producers' side, second by second."""

import numpy as np
from pytest import approx

from kinsim.engine.tables import Writes
from kinsim.measure.stretches import Stretches
from kinsim.measure.writes import WriteSide

S = 1_000_000


def offers(*rows, shard=0, size=10):
    """Rows of (time in seconds, offered, accepted)."""
    time, offered, accepted = np.array(rows).T
    zero = np.zeros(len(rows), np.int64)
    offered, accepted = offered.astype(np.int64), accepted.astype(np.int64)
    time_us = np.rint(time * S).astype(np.int64)
    return Writes(shard, time_us, zero, zero, offered, accepted, offered - accepted, accepted * size, zero, accepted)


def side(shards=1, limits=(1_000, 4)):
    return WriteSide(shards, 2, 0, 60 * S, limits)


def test_a_second_that_two_windows_share_is_one_second():
    writes = side()
    writes.window(1_500_000, [offers((0.2, 1, 1), (1.4, 2, 2))], {})
    writes.window(3 * S, [offers((1.6, 2, 2), (2.5, 3, 3))], {})
    writes.finish(3 * S)
    assert writes.use_max == 1_000_000  # four of four in the second from 1 to 2 s
    assert writes.use_max_at_us == 1 * S
    assert writes.statistics(3 * S, [50])["time_average"] == approx((1 + 4 + 3) / 4 / 3)
    assert writes.peaks["accepted_records"].statistic("Maximum", 1)[0] == 4


def test_a_run_that_ends_within_a_second():
    writes = side()
    writes.window(1_500_000, [offers((0.2, 2, 2), (1.4, 4, 4))], {})
    writes.finish(1_500_000)
    assert writes.use_max == 1_000_000
    assert writes.accepted.total == 6


def test_records_that_arrive_one_after_another_fall_into_their_seconds():
    """Six records from 0.5 s on, half a second apart: one in the first second, then two each, one at 3 s."""
    row = [np.array([x]) for x in (0, 0, 6, S // 2, S // 2, 0, 1)]
    writes = side()
    writes.window(4 * S, [offers((0.5, 6, 6))], {0: Stretches(*row, totals={"bytes": np.array([60])})})
    writes.finish(4 * S)
    assert writes.statistics(4 * S, [])["time_average"] == approx((1 + 2 + 2 + 1) / 4 / 4)
    assert writes.peaks["accepted_bytes"].statistic("Maximum", 1)[0] == 20


def test_bytes_may_bind_before_records_and_the_worst_shard_counts():
    writes = side(2, limits=(100, 10))
    writes.window(S, [offers((0.1, 2, 2), size=40), offers((0.3, 3, 3), shard=1)], {})
    writes.finish(S)
    assert writes.use_max == 800_000
    assert writes.by_shard.max.tolist() == [800_000, 300_000]


def test_the_size_of_rejected_records_is_the_mean_of_their_source():
    writes = side()
    writes.window(2 * S, [offers((0.0, 6, 4), (1.0, 3, 0))], {})
    writes.finish(2 * S)
    assert writes.minute_rejected_bytes.statistic("Sum", 1)[0] == 50
    assert writes.rejected.total == 5
    assert writes.peaks["offered_records"].statistic("Maximum", 1)[0] == 6


def test_long_spans_are_looked_at_in_parts(monkeypatch):
    from kinsim.measure import writes as module

    rows = [(float(t), 1, 1) for t in range(0, 100, 7)]
    whole = side()
    whole.window(100 * S, [offers(*rows)], {})
    monkeypatch.setattr(module, "MOST_CELLS", 3)
    parts = side()
    parts.window(100 * S, [offers(*rows)], {})
    for each in (whole, parts):
        each.finish(100 * S)
    assert parts.statistics(100 * S, [50, 90]) == whole.statistics(100 * S, [50, 90])
    assert np.array_equal(parts.shard_records, whole.shard_records)
