"""Poisson arrivals: the rate is exact whatever the window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.context import week_offset_us
from kinsim.engine.pieces import singles
from tests.engine.drawn import MINUTE, SECOND, all_rows, arrivals, context, drawn, scenario, times_of


@pytest.mark.parametrize("window_us", [SECOND, 5 * SECOND, 30 * SECOND, MINUTE])
def test_the_rate_does_not_depend_on_the_window(window_us: int) -> None:
    """0.8/s in windows from a second on: the case in which a peer drew 2.56/s."""
    seconds = 12_000
    windows = seconds * SECOND // window_us
    found = drawn(models.PoissonDrawer(context("poisson", {"rate": "0.8/s"})), window_us, windows)
    counts = np.array([times.size for times in found])
    expected = 0.8 * seconds
    assert abs(counts.sum() - expected) < 3 * math.sqrt(expected)
    gaps = np.diff(np.concatenate(found)) / 1e6
    assert stats.kstest(gaps[:20_000], stats.expon(scale=1.25).cdf).pvalue > 1e-3
    mean = 0.8 * window_us / 1e6
    found_counts = np.bincount(np.minimum(counts, 60), minlength=61)[:61]
    chance = stats.poisson(mean).pmf(np.arange(61))
    chance[-1] = stats.poisson(mean).sf(59)
    enough = chance * windows > 5
    lumped = (
        np.append(found_counts[enough], found_counts[~enough].sum()),
        np.append(chance[enough], chance[~enough].sum()) * windows,
    )
    if lumped[1][-1] < 1:
        lumped = lumped[0][:-1], lumped[1][:-1] * lumped[0][:-1].sum() / lumped[1][:-1].sum()
    assert stats.chisquare(lumped[0], lumped[1] * lumped[0].sum() / lumped[1].sum()).pvalue > 1e-3


def test_positions_in_a_window_are_uniform_to_its_edges() -> None:
    p_values = []
    for seed in range(20):
        found = drawn(models.PoissonDrawer(context("poisson", {"rate": "200/s"}, seed=seed)), SECOND, 200)
        places = np.concatenate([times - k * SECOND for k, times in enumerate(found)])
        assert places.min() >= 0 and places.max() < SECOND
        p_values.append(stats.chisquare(np.bincount(places // 10_000, minlength=100)).pvalue)
    assert sum(p < 0.05 for p in p_values) <= 3


def test_as_many_records_come_just_before_an_edge_as_just_after() -> None:
    found = drawn(models.PoissonDrawer(context("poisson", {"rate": "1000/s"})), SECOND, 2000)
    times = np.concatenate(found)
    offset = (times + SECOND // 2) % SECOND - SECOND // 2
    before, after = ((offset >= -1000) & (offset < 0)).sum(), ((offset >= 0) & (offset < 1000)).sum()
    assert stats.binomtest(int(after), int(before + after)).pvalue > 1e-3
    assert abs(int(before + after) - 2 * 2000) < 4 * math.sqrt(4000)


def test_the_run_ends_at_its_duration_and_not_before() -> None:
    last = [times_of("poisson", {"rate": "50/s"}, duration="100.5s", seed=s) for s in range(40)]
    assert all((t < 100_500_000).all() for t in last)
    in_the_last_half = sum(int((t >= 100_000_000).sum()) for t in last)
    assert abs(in_the_last_half - 40 * 25) < 4 * math.sqrt(1000)


def test_counts_in_bins_are_poisson_and_their_records_linear() -> None:
    rows = all_rows(arrivals("poisson", {"rate": "3/s"}, duration="20_000s", granularity="1s"))
    counts = np.zeros(20_000, np.int64)
    counts[rows.time_us // SECOND] = rows.count
    chance = stats.poisson(3).pmf(np.arange(10))
    found = np.bincount(np.minimum(counts, 10), minlength=11)
    assert stats.chisquare(found, np.append(chance, 1 - chance.sum()) * 20_000).pvalue > 1e-3
    for row in range(50):
        n = int(rows.count[row])
        assert singles(rows.take(slice(row, row + 1))).time_us.tolist() == [
            int(rows.time_us[row]) + i * SECOND // n for i in range(n)
        ]


def test_an_incident_begins_and_ends_at_its_instant() -> None:
    keys = {"rate": "100/s", "bursts": [{"at": "10.25s", "duration": "1.5s", "factor": 5}]}
    times = np.concatenate([times_of("poisson", keys, duration="20s", seed=s) for s in range(60)])
    for low, high, rate in ((9.25, 10.25, 100), (10.25, 10.75, 500), (11.25, 11.75, 500), (11.75, 12.75, 100)):
        expected = 60 * rate * (high - low)
        assert abs(((times >= low * 1e6) & (times < high * 1e6)).sum() - expected) < 4 * math.sqrt(expected)


def test_a_pause_has_no_records() -> None:
    keys = {"rate": "500/s", "bursts": [{"at": "3.5s", "duration": "2s", "factor": 0}]}
    for width in ("record", "1s"):
        rows = singles(all_rows(arrivals("poisson", keys, duration="10s", granularity=width)))
        inside = (rows.time_us >= 4_000_000) & (rows.time_us < 5_000_000)
        assert not inside.any()
    times = times_of("poisson", keys, duration="10s")
    assert not ((times >= 3_500_000) & (times < 5_500_000)).any()


def test_the_daily_profile_is_followed() -> None:
    keys = {"rate": "2/s", "daily": {"peak_at": "14:00", "peak_to_mean": 1.8}, "weekly": {"weekend": 0.5}}
    made = scenario(
        {"arrivals": {"model": "poisson", **keys}}, run={"duration": "2d", "start_time": "2017-06-02T06:00:00Z"}
    )  # a Friday: from 6:00 on, Saturday from hour 18 on
    times = all_rows(ArrivalSource(made, 0)).time_us
    hours = np.arange(48)
    clock = hours + 6
    mean = np.array([1 + 0.8 * np.mean(np.cos(2 * np.pi * (h + np.linspace(0, 1, 61) - 14) / 24)) for h in clock])
    expected = 7200 * mean * np.where(clock >= 24, 0.5, 1.0)
    found = np.histogram(times / 3.6e9, np.arange(49))[0]
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected)).all()
    assert stats.chi2.sf(((found - expected) ** 2 / expected).sum(), 48) > 1e-3


def test_a_run_may_start_at_any_time_of_the_week() -> None:
    assert week_offset_us(None) == 0
    assert week_offset_us("2017-06-05T00:00:00+00:00") == 0
    assert week_offset_us("2017-06-05T02:00:00+03:00") == 7 * 86_400 * SECOND - 3600 * SECOND
