"""Quantities over time: the cheap way and the exact way agree where they must."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kinsim.errors import InternalError
from kinsim.measure import climb
from kinsim.measure.climb import Ups
from kinsim.measure.levels import LOSE, SETTLE, TAKE, Downs, Level, MinuteLevels
from kinsim.measure.stretches import Stretches
from kinsim.measure.times import LevelTimes, TimeWeighted

S = 1_000_000


def stretches(rows):
    """Rows of (shard, time, count, gap numerator, denominator)."""
    rows = sorted(rows, key=lambda r: (r[0], r[1]))
    shard, time_us, count, numerator, denominator = np.array(rows, np.int64).T
    first = np.zeros_like(count)
    return Stretches(
        shard, first, count, time_us, numerator, np.zeros_like(count), denominator, totals={"bytes": count * 10}
    )


def downs(*rows):
    """Rows of (time, kind, amount)."""
    table = np.array(sorted(rows), np.int64).reshape(-1, 3).T
    return Downs(table[0], table[1], table[2])


def follow(rows, gone, end_us, **options):
    level = Level(0, 2, **options)
    level.advance(0, end_us, Ups(stretches(rows), 4), gone, 0)
    level.finish(end_us, end_us, int(stretches(rows).last_us.max()))
    return level


def test_ten_at_once_in_batches_of_four():
    """10 for 10 s, 6 for 10 s, 2 for 10 s; the maximum counts the instant before a batch is taken."""
    level = Level(0, 1)
    level.advance(0, 40 * S, Ups(stretches([(0, 0, 10, 0, 1)]), 1), downs((10 * S, TAKE, 4), (20 * S, TAKE, 4)), 0)
    found = level.statistics(40 * S, [25, 50, 51, 75, 76])
    assert found == {
        "time_average": (100 + 60 + 40) / 40, "max": 10, "time_of_max": 0, "last": 2,
        "p25": 2, "p50": 2, "p51": 6, "p75": 6, "p76": 10,
    }  # fmt: skip
    assert level.minutes.at_ends(1).tolist() == [2]
    assert level.minutes.averages(40 * S, 1).tolist() == [5.0]


def test_what_arrives_and_is_taken_at_one_instant_counts_in_the_maximum():
    level = follow([(0, 5 * S, 3, 0, 1)], downs((5 * S, TAKE, 3)), 10 * S)
    found = level.statistics(10 * S, [100])
    assert (found["max"], found["time_of_max"], found["time_average"], found["p100"]) == (3, 5, 0, 0)


@pytest.mark.parametrize("exact", [0, 1_000])
def test_what_an_idle_reader_takes_as_it_comes_never_waits(exact):
    """Three are taken as they come; the fourth waits for 3 of the 40 s."""
    rows = [(0, t * S, 1, 0, 1) for t in (10, 20, 30, 33)]
    gone = downs((10 * S, TAKE, 1), (20 * S, TAKE, 1), (30 * S, TAKE, 1), (36 * S, TAKE, 1))
    level = follow(rows, gone, 40 * S, exact_steps=exact)
    found = level.statistics(40 * S, [90, 95], {"none": (-np.inf, 0.0)})
    assert (found["none"], found["p90"], found["p95"]) == (37 / 40, 0, 1)
    assert found["max"] == 1


def test_bounds_below_zero_count_as_zero(monkeypatch):
    """Idle readers of eight shards take all as it comes: of arrivals only bounds are known, whose middle, less what was
    taken, is below zero at times."""
    monkeypatch.setattr(climb, "MOST_PAIRS", 0)
    quarters, counts = (3, 1, 1, 2, 0, 1, 2, 3), (6, 1, 4, 4, 4, 4, 5, 4)
    gaps = ((4, 1), (4, 3), (6, 3), (6, 3), (4, 3), (2, 2), (4, 3), (6, 2))
    rows = [
        (shard, at * S // 4, count, gap * S // 4, denominator)
        for shard, (at, count, (gap, denominator)) in enumerate(zip(quarters, counts, gaps, strict=True))
    ]
    at_us, taken = np.unique(stretches(rows).expanded().time_us, return_counts=True)
    gone = downs(*((int(at), TAKE, int(count)) for at, count in zip(at_us, taken, strict=True)))
    with np.errstate(all="raise"):
        level = follow(rows, gone, 60 * S, exact_steps=0)
    found = level.statistics(60 * S, [0.1, 90], {"below": (-np.inf, -0.5)})
    assert (found["time_average"], found["last"], found["p0.1"], found["p90"], found["below"]) == (0, 0, 0, 0, 0)


def test_an_end_makes_room_before_what_arrives_at_the_same_instant():
    rows = [(0, 0, 4, 0, 1), (0, 5 * S, 4, 0, 1)]
    level = follow(rows, downs((5 * S, SETTLE, 4)), 10 * S)
    assert level.max == 4
    level = follow(rows, downs((5 * S, LOSE, 4)), 10 * S)
    assert level.max == 8


def test_more_taken_than_arrived_is_an_internal_error():
    for exact in (0, 1_000):
        with pytest.raises(InternalError, match="more was taken"):
            follow([(0, 0, 5, 0, 1)], downs((1 * S, TAKE, 6)), 10 * S, exact_steps=exact)


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(1, 9), st.integers(0, 900_000), st.integers(1, 3)),
    min_size=1, max_size=12, unique_by=lambda r: (r[0], r[1]),
)  # fmt: skip


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate), max_examples=150)
@given(ROWS, st.lists(st.integers(0, 60), max_size=8), st.booleans(), st.booleans(), st.integers(0, 30))
def test_the_cheap_way_finds_the_same_maximum_and_average(rows, times, few_pairs, in_bytes, warm_up):
    """Rows of one shard may overlap here: the sum over shards does not care."""
    rows = [(shard, t * S, count, step * 2, den) for shard, t, count, step, den in rows]
    ups, end_us = stretches(rows), 60 * S
    each = 10 if in_bytes else 1
    left, taken = 0, []
    arrivals = np.sort(ups.expanded().time_us)
    for t in sorted(times):  # take half of what is there each time
        here = int((arrivals <= t * S).sum()) - left
        if here > 0:
            taken.append((t * S, TAKE, (here + 1) // 2 * each))
            left += (here + 1) // 2
    gone = downs(*taken)
    results = []
    before = climb.MOST_PAIRS
    for exact in (10**6, 0):
        climb.MOST_PAIRS = 0 if few_pairs and not exact else before
        level = Level(warm_up * S, 2, in_bytes=in_bytes, exact_steps=exact)
        inside = ups.arrived_by(end_us - 1)
        seen = ups.split(inside)[0].take(inside > 0)
        level.advance(0, end_us, Ups(seen, 4), gone, 0)
        level.finish(end_us, end_us, int(seen.last_us.max()) if len(seen) else 0)
        results.append(level.statistics(end_us, [50]))
    climb.MOST_PAIRS = before
    exact, cheap = results
    if warm_up == 0:
        assert (cheap["max"], cheap["time_of_max"]) == (exact["max"], exact["time_of_max"])
    else:
        assert cheap["max"] == exact["max"]
    assert cheap["time_average"] == exact["time_average"]
    assert cheap["last"] == exact["last"]


@given(ROWS, st.lists(st.integers(0, 60 * S), min_size=1, max_size=20))
def test_the_straight_line_is_below_the_staircase_by_less_than_a_step(rows, times):
    rows = [(shard, t * S, count, step * 2, den) for shard, t, count, step, den in rows]
    ups = Ups(stretches(rows), 4)
    at_us = np.array(sorted(times))
    low, high = ups.climb(False).between(at_us)
    exact = ups.climb(False).at(at_us)
    arrivals = ups.rows.expanded()
    assert exact.tolist() == [int(arrivals.count[arrivals.time_us <= t].sum()) for t in at_us]
    assert (low <= exact).all()
    assert (exact <= high).all()


def test_an_even_climb_spends_equal_time_at_each_value():
    times = TimeWeighted()
    times.add(np.array([0.0]), np.array([10.0]), np.array([10.0 * S]))
    assert times.percentiles([0, 25, 50, 100], 0, 10) == pytest.approx([0, 2.5, 5, 10])
    times.add(np.array([4.0]), np.array([4.0]), np.array([10.0 * S]))  # and as long at 4 alone
    assert times.percentiles([20, 21, 70, 71, 100], 0, 10) == pytest.approx([4, 4, 4, 4.2, 10])
    assert times.share(-np.inf, 4.0) == pytest.approx(0.7)
    assert times.share(4.0, np.inf) == pytest.approx(0.3)


def test_beyond_the_budget_times_come_from_a_histogram():
    times = TimeWeighted(budget=10)
    values = np.arange(1, 1001, dtype=np.float64)
    for _ in range(3):
        times.add(values, values, np.ones(1000))
    assert times.relative_error > 0
    for p in (1, 50, 99):
        assert times.percentiles([p], 1, 1000)[0] == pytest.approx(10 * p, rel=times.relative_error * 1.1)


def test_levels_above_a_million_share_bins():
    times = LevelTimes()
    low = np.array([3.0, 5e6])
    times.add(low, low, np.array([1.0, 3.0]))
    assert times.percentiles([20, 25], 0, 5e6) == [3, 3]
    assert times.percentiles([60], 0, 5e6)[0] == pytest.approx(5e6, rel=times.relative_error)
    assert times.share(3, np.inf) == pytest.approx(0.75)


def test_records_of_one_size_become_bytes():
    level = follow([(0, 0, 10, 0, 1)], downs((10 * S, TAKE, 4)), 20 * S)
    size = level.scaled(100)
    assert size.statistics(20 * S, [50, 90])["p90"] == 1000
    assert (size.level, size.max, size.integral) == (600, 1000, 100 * level.integral)


def test_averages_of_a_short_last_minute():
    minutes = MinuteLevels(2)
    minutes.up(Ups(stretches([(0, 30 * S, 6, 0, 1)]), 1), in_bytes=False)
    minutes.down(downs((90 * S, TAKE, 4)))
    assert minutes.averages(100 * S, 2).tolist() == [3.0, (6 * 30 + 2 * 10) / 40]
    assert minutes.at_ends(2).tolist() == [6, 2]
