"""Rates in segments, over the day and the week, with incidents, at every edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kinsim.engine.pieces import singles
from tests.engine.edges import DAY_S, SECOND, agrees, between, factor_integral, rows_of, source_of, times_of


@pytest.mark.stochastic
@pytest.mark.parametrize("granularity", ["record", "100ms"])
def test_segments_have_their_rates_at_window_edges_and_at_the_end_of_the_run(granularity: str) -> None:
    """Windows of 5 s at 20,000/s: segments change just before, at and just after an edge; the last is cut by the end.

    Ten comparisons at 4 standard deviations: false-alarm rate 6e-4.
    """
    segments = [
        {"until": "4.5s", "rate": "400/s"},
        {"until": "5s", "rate": "20_000/s"},
        {"until": "5.5s", "rate": "1_000/s"},
        {"until": "9.9s", "rate": 0},
        {"until": "10.1s", "rate": "6_000/s"},
        {"until": "1h", "rate": "3_000/s"},
    ]
    arrivals = {"model": "piecewise", "segments": segments, "spacing": "poisson"}
    found = []
    for seed in range(15):
        source = source_of(arrivals, "11.25s", seed, granularity=granularity)
        if granularity == "record":
            assert source.window_us == 5 * SECOND
        found.append(singles(rows_of(source)).time_us)
    times = np.concatenate(found)
    assert times.max() < 11_250_000
    assert between(times, 5.5, 9.9) == 0
    for low, high, rate in (
        (4.4, 4.5, 400), (4.5, 4.6, 20_000), (4.9, 5.0, 20_000), (5.0, 5.1, 1_000), (5.4, 5.5, 1_000),
        (9.9, 10.0, 6_000), (10.0, 10.1, 6_000), (10.1, 10.2, 3_000), (11.0, 11.2, 3_000), (11.2, 11.25, 3_000),
    ):  # fmt: skip
        agrees(between(times, low, high), 15 * rate * (high - low))


@pytest.mark.stochastic
def test_nothing_comes_after_the_last_segment_and_windows_go_on() -> None:
    """False-alarm rate 6e-5: one comparison at 4 standard deviations."""
    arrivals = {"model": "piecewise", "segments": [{"until": "302s", "rate": "100/s"}]}
    times = times_of(arrivals, "2000s")
    assert times.max() < 302 * SECOND
    agrees(between(times, 299, 302), 300)


INCIDENT = [{"at": "1.5s", "duration": "1s", "factor": 3}]


@pytest.mark.stochastic
def test_an_incident_across_the_edge_of_random_segments() -> None:
    """The factor holds on both sides of 2 s.  Four comparisons at 4 standard deviations: false-alarm rate 2.5e-4."""
    segments = [{"until": "2s", "rate": "100/s"}, {"until": "4s", "rate": "400/s"}]
    arrivals = {"model": "piecewise", "segments": segments, "bursts": INCIDENT}
    times = np.concatenate([times_of(arrivals, "4s", seed) for seed in range(60)])
    for low, high, rate in ((1, 1.5, 100), (1.5, 2, 300), (2, 2.5, 1200), (2.5, 3, 400)):
        agrees(between(times, low, high), 60 * rate * (high - low))


def test_an_incident_across_the_edge_of_even_segments() -> None:
    """Exact: 150, 150, 600 and 600 records between the edges."""
    segments = [{"until": "2s", "rate": "100/s"}, {"until": "4s", "rate": "400/s"}]
    arrivals = {"model": "piecewise", "spacing": "even", "segments": segments, "bursts": INCIDENT}
    times = times_of(arrivals, "4s")
    assert [between(times, *slot) for slot in ((0, 1.5), (1.5, 2), (2, 2.5), (2.5, 4))] == [150, 150, 600, 600]


@pytest.mark.stochastic
@pytest.mark.parametrize("spacing", ["poisson", "even"])
def test_segments_follow_the_day_and_the_weekend(spacing: str) -> None:
    """Friday 18:00 to Saturday 6:00, the rate doubled at 21:30.

    Random: 12 comparisons at 4 standard deviations, false-alarm rate 8e-4.  Even: within one record of the integral.
    """
    arrivals = {
        "model": "piecewise",
        "spacing": spacing,
        "segments": [{"until": "210m", "rate": "1/s"}, {"rate": "2/s"}],
        "daily": {"peak_at": "14:00", "peak_to_mean": 1.6},
        "weekly": {"weekend": 0.4},
    }
    times = times_of(arrivals, "12h", run={"start_time": "2017-06-02T18:00:00Z"})
    cuts = np.arange(0, 25) * 1800.0
    masses = np.diff(factor_integral(cuts + 18 * 3600, 14 * 3600, 1.6))
    masses *= np.where(cuts[:-1] >= 12_600, 2.0, 1.0) * np.where(cuts[:-1] >= 21_600, 0.4, 1.0)
    expected = masses.reshape(12, 2).sum(axis=1)
    found = np.histogram(times / 1e6, np.arange(13) * 3600.0)[0]
    slack = 4 * np.sqrt(expected) if spacing == "poisson" else 1.01
    assert (np.abs(found - expected) <= slack).all()


def test_even_records_follow_the_day_and_the_week_hour_by_hour() -> None:
    """Friday 6:00 to Tuesday 6:00: every hour has the integral of its rate, to one record."""
    factors = {"daily": {"peak_at": "14:00", "peak_to_mean": 1.8}, "weekly": {"weekend": 0.5}}
    arrivals = {"model": "constant", "rate": "0.25/s", **factors}
    times = times_of(arrivals, "4d", run={"start_time": "2017-06-02T06:00:00Z"})
    hours = np.arange(97) * 3600.0
    clock = hours + 6 * 3600
    weekend = (clock[:-1] >= DAY_S) & (clock[:-1] < 3 * DAY_S)
    expected = 0.25 * np.diff(factor_integral(clock, 14 * 3600, 1.8)) * np.where(weekend, 0.5, 1.0)
    found = np.histogram(times / 1e6, hours)[0]
    assert (np.abs(found - expected) <= 1.01).all()
    assert abs(times.size - expected.sum()) <= 1
    assert (np.diff(times) >= 0).all()


@pytest.mark.stochastic
@pytest.mark.parametrize("model", ["constant", "poisson"])
def test_a_peak_above_two_is_a_hump_with_nothing_around_it(model: str) -> None:
    """Peak 4 at 12:00: a cosine hump from 6:00 to 18:00, so the mean over the day is kept.

    Random: 12 comparisons at 4.5 standard deviations, false-alarm rate 8e-5.  Even: within one record.
    """
    arrivals = {"model": model, "rate": "1/s", "daily": {"peak_at": "12:00", "peak_to_mean": 4}}
    times = times_of(arrivals, "1d")
    assert between(times, 0, 6 * 3600) == between(times, 18 * 3600, DAY_S) == 0
    edges = np.arange(6, 19) * 3600.0
    since = edges - 12 * 3600
    width = 12 * 3600
    expected = np.diff(2 * (since + width / (2 * np.pi) * np.sin(2 * np.pi * since / width)))
    assert expected.sum() == pytest.approx(DAY_S)
    found = np.histogram(times / 1e6, edges)[0]
    slack = 4.5 * np.sqrt(expected) if model == "poisson" else 1.01
    assert (np.abs(found - expected) <= slack).all()


CUT = [{"at": "18s", "duration": "10s", "factor": 5}]


@pytest.mark.stochastic
@pytest.mark.parametrize(
    "arrivals",
    [
        {"model": "poisson", "rate": "100/s"},
        {"model": "piecewise", "segments": [{"until": "19s", "rate": "100/s"}, {"rate": "100/s"}]},
        {"model": "mmpp", "rates": ["100/s", "100/s"], "mean_stay": ["1s", "2s"]},
    ],
    ids=["poisson", "piecewise", "mmpp"],
)
@pytest.mark.parametrize("granularity", ["record", "1s"])
def test_an_incident_goes_on_to_the_end_of_the_run(arrivals: dict[str, Any], granularity: str) -> None:
    """500/s up to 20.5 s, and nothing later.  Three comparisons at 4 standard deviations: false-alarm rate 2e-4."""
    times = np.concatenate(
        [times_of({**arrivals, "bursts": CUT}, "20.5s", seed, granularity=granularity) for seed in range(20)]
    )
    assert times.max() < 20_500_000
    for low, high, rate in ((17, 18, 100), (18, 19, 500), (20, 20.5, 500)):
        agrees(between(times, low, high), 20 * rate * (high - low))


@pytest.mark.parametrize(
    "arrivals",
    [
        {"model": "constant", "rate": "100/s"},
        {"model": "piecewise", "spacing": "even", "segments": [{"until": "19s", "rate": "100/s"}, {"rate": "100/s"}]},
    ],
    ids=["constant", "piecewise"],
)
def test_an_incident_of_even_records_goes_on_to_the_end_of_the_run(arrivals: dict[str, Any]) -> None:
    """Exact: 1,800 records, then one every 2 ms up to 20.498 s."""
    times = times_of({**arrivals, "bursts": CUT}, "20.5s")
    assert times[:1800].tolist() == [10_000 * k for k in range(1800)]
    assert times[1800:].tolist() == [18 * SECOND + 2_000 * k for k in range(1250)]
