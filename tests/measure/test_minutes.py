"""Counts, sums and extremes per minute; percentiles per period."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.measure.minutes import Count, Grouped, MinuteStat
from kinsim.measure.periods import Minutes, worst

S = 1_000_000


def test_a_minute_without_samples_has_no_data_point():
    """Statistics S10: no zero filling, averages per sample."""
    stat = MinuteStat(3)
    stat.add(np.array([0, 0, 2]), np.array([10, 30, 7]))
    assert stat.statistic("SampleCount", 3)[[0, 2]].tolist() == [2, 1]
    for name, values in (("Average", [20, 7]), ("Maximum", [30, 7]), ("Minimum", [10, 7]), ("Sum", [40, 7])):
        found = stat.statistic(name, 3)
        assert np.isnan(found[1])
        assert found[[0, 2]].tolist() == values


def test_weighted_samples_and_growth():
    stat = MinuteStat(1)
    stat.add(np.array([4]), np.array([9]), np.array([3]), np.array([15]), np.array([2]))
    assert [stat.statistic(n, 5)[4] for n in ("SampleCount", "Average", "Minimum", "Maximum")] == [3, 5, 2, 9]
    stat.add(np.array([0]), np.array([1]), np.array([0]))
    assert np.isnan(stat.statistic("Sum", 5)[0])


def test_counts_know_the_first_and_the_warm_up():
    count = Count(2, 1, 10 * S)
    count.add(np.array([1, 0, 1]), np.array([0, 3, 4]), np.array([2, 5, 70]) * S)
    assert count.statistics(60.0) == {"sum": 7, "rate": 4 / 60, "time_of_first": 5}
    assert count.statistics(60.0, 1) == {"sum": 4, "rate": 4 / 60, "time_of_first": 70}
    assert count.minutes_until(3).tolist() == [3, 4, 0]
    other = Count(2, 1, 10 * S)
    other.add_one(0, np.array([3]), np.array([5]) * S)
    other.add_one(1, np.array([0, 4]), np.array([2, 70]) * S)
    assert other.statistics(60.0) == count.statistics(60.0)


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 1000)), min_size=1, max_size=40),
    st.lists(st.integers(0, 700), max_size=4),
)
def test_percentiles_of_each_period_are_those_of_its_samples(samples, advances):
    grouped = Grouped(120 * S, [0, 50, 95])
    at, value = (np.array(x) for x in zip(*sorted(samples), strict=True))
    done = 0
    for to in [*sorted(advances), 601]:
        now = (at >= done) & (at < to)
        grouped.add(at[now] * S, value[now])
        grouped.advance(to * S)
        done = max(done, to)
    found = grouped.finish(6)
    for p in (0, 50, 95):
        for period in range(6):
            inside = value[at // 120 == period]
            expected = np.percentile(inside, p) if inside.size else np.nan
            assert found[p][period] == pytest.approx(expected, nan_ok=True)


def test_statistics_of_longer_periods():
    stat = MinuteStat(7)
    stat.add(np.array([0, 1, 1, 4, 6]), np.array([10, 20, 60, 5, 8]))
    minutes = Minutes.of("x", "s", ("Average", "Maximum"), stat, 7)
    assert minutes.values("Maximum", 5)[:2].tolist() == [60, 8]
    assert minutes.values("Average", 2)[:2].tolist()[0] == 30
    assert np.isnan(minutes.values("Average", 2)[1])
    assert minutes.values("Sum", 7).tolist() == [103]
    assert minutes.values("SampleCount", 7).tolist() == [5]
    series = list(minutes.series("D"))
    assert [s.statistic for s in series] == ["Average", "Maximum"]
    assert series[0].offset_s.tolist() == [0, 60, 240, 360]
    assert series[0].value.tolist() == [10, 40, 5, 8]


def test_counts_are_published_where_there_are_data_points():
    minutes = Minutes.counted(
        "Errors", "Count", ("Average", "Sum"), np.array([0.0, 2.0, 0.0]), np.array([4.0, 4.0, 0.0])
    )
    assert [s.value.tolist() for s in minutes.series("D")] == [[0, 0.5], [0, 2]]


def test_the_worst_period_or_the_one_that_a_share_keeps_to():
    values = np.arange(1.0, 1001.0)
    assert worst(values, True, None) == 1000
    assert worst(values, True, 0.999) == 999
    assert worst(values, False, 0.999) == 2
    assert worst(np.array([np.nan]), True, None) is None
