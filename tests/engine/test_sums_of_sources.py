"""Sums of sources at the edges of each."""

from __future__ import annotations

import numpy as np
import pytest

from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.pieces import singles
from tests.engine.edges import SECOND, agrees, between, rows_of, scenario


@pytest.mark.stochastic
def test_the_rate_of_a_sum_at_the_edges_of_its_sources() -> None:
    """A fast source in windows of 5 s, one that is on from 4.5 s to 5.5 s, one with gaps, one even from 5.25 s on.

    Seven comparisons at 4 standard deviations (gaps are exponential, hence Poisson): false-alarm rate 4.4e-4.
    """
    sources = {
        "fast": {"arrivals": {"model": "poisson", "rate": "20_000/s"}, "granularity": "record"},
        "part": {"arrivals": {"model": "poisson", "rate": "8_000/s"}, "start": "4.5s", "end": "5.5s"},
        "gaps": {"arrivals": {"model": "renewal", "gap": {"distribution": "exponential", "mean": "0.5ms"}}},
        "even": {"arrivals": {"model": "constant", "rate": "4_000/s"}, "start": "5.25s"},
    }
    found = []
    for seed in range(8):
        source = ArrivalSource(scenario({"sources": sources}, seed=seed, duration="6.1s"), 0)
        assert source.window_us == 5 * SECOND
        rows = rows_of(source)
        assert (np.diff(rows.time_us) >= 0).all()
        found.append(singles(rows).time_us)
    times = np.concatenate(found)
    assert times.max() < 6_100_000
    for low, high, rate, even in (
        (4.25, 4.5, 22_000, 0), (4.5, 4.75, 30_000, 0), (4.75, 5.0, 30_000, 0), (5.0, 5.25, 30_000, 0),
        (5.25, 5.5, 30_000, 4_000), (5.5, 5.75, 22_000, 4_000), (6.0, 6.1, 22_000, 4_000),
    ):  # fmt: skip
        agrees(between(times, low, high) - 8 * even * (high - low), 8 * rate * (high - low))


def test_even_sources_add_up_exactly_at_their_edges() -> None:
    """Records every 10 ms, and every 20 ms from 2.005 s up to 4.005 s: exact on either side of each edge."""
    sources = {
        "a": {"arrivals": {"model": "constant", "rate": "100/s"}},
        "b": {"arrivals": {"model": "constant", "rate": "50/s"}, "start": "2.005s", "end": "4.005s"},
    }
    times = singles(rows_of(ArrivalSource(scenario({"sources": sources}, duration="5s"), 0))).time_us
    expected = [10_000 * k for k in range(500)] + [20_000 * k for k in range(101, 201)]
    assert sorted(times.tolist()) == sorted(expected)
