"""Bursts: at one instant, spread, overlapping, at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from tests.engine.drawn import SECOND, all_rows, arrivals, context, drawn, times_of


def test_a_burst_is_one_row() -> None:
    rows = all_rows(arrivals("bursts", {"every": "300s", "size": 70_000}, duration="1h"))
    assert rows.time_us.tolist() == [300 * SECOND * k for k in range(12)]
    assert set(rows.count.tolist()) == {70_000} and set(rows.data_bytes.tolist()) == {70_000_000}


def test_a_huge_burst_is_several_rows_at_one_instant() -> None:
    rows = all_rows(arrivals("bursts", {"every": "1h", "size": 3_000_000}, duration="1h"))
    assert int(rows.count.sum()) == 3_000_000 and set(rows.time_us.tolist()) == {0}
    assert rows.index.tolist() == [0, 1 << 20, 2 << 20]


@pytest.mark.parametrize("spread", ["7s", "300s", "450s"])
@pytest.mark.parametrize("granularity", ["record", "1s"])
def test_no_record_of_a_burst_is_lost_at_a_window(spread: str, granularity: str) -> None:
    keys = {"every": "300s", "size": 1000, "spread": spread, "first": "59.75s"}
    made = context("bursts", keys, granularity=granularity)
    width = int(spread[:-1]) * SECOND
    for window_us in (SECOND, 60 * SECOND):
        drawer = models.BurstDrawer(made)
        found = drawn(drawer, window_us, 3600 * SECOND // window_us)
        for k, times in enumerate(found):
            assert ((times >= k * window_us) & (times < (k + 1) * window_us)).all()
        times = np.concatenate(found)
        complete = [
            59_750_000 + 300 * SECOND * k for k in range(12) if 59_750_000 + 300 * SECOND * k + width < 3600 * SECOND
        ]
        assert times.size >= 1000 * len(complete)
        if width <= 300 * SECOND - SECOND:
            slack = SECOND if granularity == "1s" else 0
            assert [int(((times >= at - slack) & (times < at + width + slack)).sum()) for at in complete] == [
                1000
            ] * len(complete)


def test_records_of_a_burst_lie_anywhere_in_it() -> None:
    p_values = []
    for seed in range(20):
        found = drawn(
            models.BurstDrawer(context("bursts", {"every": "1h", "size": 5000, "spread": "10s"}, seed=seed)), SECOND, 12
        )
        times = np.concatenate(found)
        assert times.size == 5000 and times.max() < 10 * SECOND
        p_values.append(stats.chisquare(np.bincount(times // 200_000, minlength=50)).pvalue)
    assert sum(p < 0.05 for p in p_values) <= 3


def test_an_even_burst_is_exact() -> None:
    keys = {"every": "100s", "size": 777, "spread": "70s", "spacing": "even", "first": "1s"}
    times = times_of("bursts", keys, duration="1000s")
    expected = [SECOND + 100 * SECOND * j + i * 70 * SECOND // 777 for j in range(10) for i in range(777)]
    assert times.tolist() == [t for t in expected if t < 1000 * SECOND]


def test_even_bursts_that_overlap_are_merged() -> None:
    keys = {"every": "10s", "size": 50, "spread": "25s", "spacing": "even"}
    times = times_of("bursts", keys, duration="200s")
    expected = sorted(10 * SECOND * j + i * 25 * SECOND // 50 for j in range(20) for i in range(50))
    assert times.tolist() == [t for t in expected if t < 200 * SECOND]


def test_bursts_at_random_with_random_sizes() -> None:
    keys = {"every": {"distribution": "exponential", "mean": "10s"}, "size": {"distribution": "geometric", "mean": 4}}
    rows = all_rows(arrivals("bursts", keys, duration="100_000s"))
    assert len(rows) == pytest.approx(10_000, abs=4 * 100)
    assert stats.kstest(np.diff(rows.time_us) / 1e6, stats.expon(scale=10).cdf).pvalue > 1e-3
    assert rows.count.mean() == pytest.approx(4, abs=4 * math.sqrt(12 / 10_000))
    assert int(rows.time_us[0]) == 0
