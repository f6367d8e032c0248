"""Rates that switch: stationary from the start, exact at every edge."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from tests.engine.edges import (
    DAY_S,
    SECOND,
    SWITCHING,
    Times,
    agrees,
    between,
    context_of,
    factor_integral,
    rows_of,
    source_of,
    times_of,
)


def stays_of(seed: int, until_s: float, arrivals: dict[str, Any] | None = None) -> tuple[Times, Times]:
    """Edges (seconds) and rates of the stays, which are drawn apart from the records."""
    drawer = models.MmppDrawer(context_of(arrivals or SWITCHING, seed))
    levels = list(itertools.takewhile(lambda level: level[0] < until_s * 1e6, drawer.stays))
    return np.array([a for a, _, _ in levels] + [levels[-1][1]]) / 1e6, np.array([rate for _, _, rate in levels])


def mass(stays: tuple[Times, Times], low_s: float, high_s: float) -> float:
    """Expected records of the stays between two instants."""
    edges, rates = stays
    return float((rates * np.diff(np.clip(edges, low_s, high_s))).sum())


@pytest.mark.stochastic
def test_a_switching_rate_is_stationary_from_the_first_instant() -> None:
    """The first state is drawn by the share of time, 3/4 and 1/4: 115 records in the first second, not 20.

    Starting in the first state would give little more than 20 + 1/6 of the difference.  Two comparisons at 4 standard
    deviations: false-alarm rate 1.3e-4.
    """
    seeds = 200
    first = np.array([between(times_of(SWITCHING, "0.25s", seed), 0, 0.25) for seed in range(seeds)]) / 0.25
    mean = 0.75 * 20 + 0.25 * 400
    assert abs(first.mean() - mean) < 4 * first.std() / math.sqrt(seeds)
    high = sum(stays_of(seed, 0.1)[1][0] == 400 for seed in range(seeds))
    assert abs(high - seeds / 4) < 4 * math.sqrt(seeds * 3 / 16)


@pytest.mark.stochastic
def test_the_rate_changes_at_the_instant_of_a_switch() -> None:
    """In the half second before a switch the old rate, in that after it the new one.

    Given the stays the counts are Poisson.  Four comparisons at 4 standard deviations: false-alarm rate 2.5e-4.
    """
    found, expected = dict.fromkeys(itertools.product((20, 400), "ba"), 0.0), {}
    for key in found:
        expected[key] = 0.0
    for seed in range(30):
        times = times_of(SWITCHING, "200s", seed)
        edges, rates = stays_of(seed, 200)
        for k in range(1, len(rates)):
            before, at, after = edges[k - 1 : k + 2]
            for side, rate, low, high in (
                ("b", rates[k - 1], max(before, at - 0.5), at),
                ("a", rates[k], at, min(after, at + 0.5, 200)),
            ):
                found[rate, side] += between(times, low, high)
                expected[rate, side] += rate * (high - low)
    for key in found:
        agrees(found[key], expected[key])


@pytest.mark.stochastic
def test_stays_last_as_long_as_the_file_says_and_take_turns() -> None:
    """Kolmogorov and Smirnov at 0.1 % for each state: false-alarm rate 2e-3."""
    edges, rates = stays_of(5, 20_000)
    assert (rates[1:] != rates[:-1]).all()
    lengths = np.diff(edges)
    for rate, mean in ((20, 6), (400, 2)):
        assert stats.kstest(lengths[rates == rate], stats.expon(scale=mean).cdf).pvalue > 1e-3


@pytest.mark.stochastic
def test_a_switching_rate_meets_window_edges_and_the_end_of_the_run() -> None:
    """Windows of 5 s at 20,000/s; the run ends inside one.

    Six comparisons at 4 standard deviations: false-alarm rate 4e-4.
    """
    fast = {"model": "mmpp", "rates": ["2_000/s", "20_000/s"], "mean_stay": ["1s", "0.5s"]}
    slots = [(4.75, 5.0), (5.0, 5.25), (5.9, 6.1), (9.75, 10.0), (10.0, 10.25), (11.0, 11.3)]
    found, expected = np.zeros(len(slots)), np.zeros(len(slots))
    for seed in range(12):
        source = source_of(fast, "11.3s", seed, granularity="record")
        assert source.window_us == 5 * SECOND
        times = rows_of(source).time_us
        assert times.max() < 11_300_000
        stays = stays_of(seed, 12, fast)
        found += [between(times, *slot) for slot in slots]
        expected += [mass(stays, *slot) for slot in slots]
    for one, mean in zip(found, expected, strict=True):
        agrees(one, mean)


@pytest.mark.stochastic
def test_a_switching_rate_takes_incidents() -> None:
    """Three times the rate from 10.25 s on, nothing from 20.5 s to 22 s.

    Four comparisons at 4 standard deviations: false-alarm rate 2.5e-4.
    """
    bursts = [{"at": "10.25s", "duration": "4s", "factor": 3}, {"at": "20.5s", "duration": "1.5s", "factor": 0}]
    slots = [(9.25, 10.25, 1), (10.25, 11.25, 3), (13.25, 14.25, 3), (14.25, 15.25, 1)]
    found, expected = np.zeros(len(slots)), np.zeros(len(slots))
    for seed in range(60):
        times = times_of({**SWITCHING, "bursts": bursts}, "23s", seed)
        assert between(times, 20.5, 22) == 0
        stays = stays_of(seed, 23)
        found += [between(times, low, high) for low, high, _ in slots]
        expected += [factor * mass(stays, low, high) for low, high, factor in slots]
    for one, mean in zip(found, expected, strict=True):
        agrees(one, mean)


@pytest.mark.stochastic
def test_a_switching_rate_follows_the_day_and_the_weekend() -> None:
    """Hour by hour over Friday noon to Sunday noon, half the rate from midnight on.

    48 comparisons at 4.5 standard deviations (3.3e-4) and a chi-square at 0.1 %: false-alarm rate 1.4e-3.
    """
    slow = {"model": "mmpp", "rates": ["1/s", "6/s"], "mean_stay": ["60s", "30s"]}
    factors = {"daily": {"peak_at": "14:00", "peak_to_mean": 1.8}, "weekly": {"weekend": 0.5}}
    times = times_of({**slow, **factors}, "2d", run={"start_time": "2017-06-02T12:00:00Z"})
    edges, rates = stays_of(1, 2 * DAY_S, slow)
    hours = np.arange(49) * 3600.0
    cuts = np.unique(np.concatenate((np.minimum(edges, 2 * DAY_S), hours)))
    rate = rates[np.searchsorted(edges, (cuts[:-1] + cuts[1:]) / 2) - 1]
    weekend = np.where(cuts[:-1] + 12 * 3600 >= DAY_S, 0.5, 1.0)
    masses = rate * weekend * np.diff(factor_integral(cuts + 12 * 3600, 14 * 3600, 1.8))
    expected = np.add.reduceat(masses, np.searchsorted(cuts, hours[:-1]))
    found = np.histogram(times / 1e6, hours)[0]
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected)).all()
    assert stats.chi2.sf(((found - expected) ** 2 / expected).sum(), 48) > 1e-3
