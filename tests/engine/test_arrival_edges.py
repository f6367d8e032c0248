"""Arrival rates at every edge of every generator: a window, a segment, an incident, a switch, the end of the run.

Random counts are compared with their exact mean.  Where a test says "4 standard deviations", a single comparison
raises a false alarm with probability 6e-5; seeds are fixed, so that a passing test goes on to pass.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.context import Context, contexts
from kinsim.engine.flow_logs import FlowLogDrawer
from kinsim.engine.pieces import record_time_us, singles
from kinsim.engine.tables import Rows
from kinsim.scenario import parse

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY_S = 86_400

Times = np.ndarray[Any, Any]


def scenario(workload: dict[str, Any], base_dir: Path = Path("."), seed: int = 1, **run: Any) -> Any:
    document = {
        "kinsim": 1,
        "name": "edges",
        "profile": "ideal",
        "workload": workload,
        "producer": {"model": "direct"},
        "function": {"duration": "1ms"},
        "run": {"duration": "1h", "seed": seed, **run},
    }
    return parse(json.dumps(document), file="edges.yaml", base_dir=base_dir)


def source_of(arrivals: dict[str, Any], duration: str, seed: int = 1, **more: Any) -> ArrivalSource:
    base_dir, run = more.pop("base_dir", Path(".")), more.pop("run", {})
    return ArrivalSource(scenario({"arrivals": arrivals, **more}, base_dir, seed, duration=duration, **run), 0)


def rows_of(source: ArrivalSource) -> Rows:
    """All rows; each window's lie inside it, and nothing is created that never comes."""
    parts = []
    for start_us, end_us, rows in source.windows():
        if len(rows):
            assert record_time_us(rows, np.zeros(len(rows), np.int64)).min() >= start_us
            assert record_time_us(rows, rows.count - 1).max() < end_us
        parts.append(rows)
    rows = Rows.concatenate(parts)
    assert (source.created, source.in_producer) == (int(rows.count.sum()), 0)
    return rows


def times_of(arrivals: dict[str, Any], duration: str, seed: int = 1, **more: Any) -> Times:
    return np.sort(singles(rows_of(source_of(arrivals, duration, seed, **more))).time_us)


def between(times: Times, low_s: float, high_s: float) -> int:
    return int(((times >= low_s * 1e6) & (times < high_s * 1e6)).sum())


def agrees(found: float, expected: float, deviations: float = 4.0) -> None:
    """A Poisson count is within so many standard deviations of its mean."""
    assert abs(found - expected) <= deviations * math.sqrt(expected), (found, expected)


# -- a rate that switches --------------------------------------------------------------------------------------


SWITCHING = {"model": "mmpp", "rates": ["20/s", "400/s"], "mean_stay": ["6s", "2s"]}


def context_of(arrivals: dict[str, Any], seed: int = 1, **more: Any) -> Context:
    return contexts(scenario({"arrivals": arrivals, **more}, seed=seed), 0)[0]


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


def factor_integral(seconds: Times, peak_at_s: float, peak: float) -> Times:
    """Integral of the daily factor up to a peak of 2, of the clock in seconds since a midnight."""
    return np.asarray(seconds + (peak - 1) * DAY_S / (2 * np.pi) * np.sin(2 * np.pi * (seconds - peak_at_s) / DAY_S))


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


# -- a rate in segments ----------------------------------------------------------------------------------------


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


# -- the day and the week --------------------------------------------------------------------------------------


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


# -- an incident that the end of the run cuts ------------------------------------------------------------------


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


# -- independent gaps, counted in bins -------------------------------------------------------------------------


def test_records_with_gaps_are_counted_in_the_bins_in_which_they_come() -> None:
    """Gaps do not depend on the granularity: each bin counts the records of a run without bins, over a window edge."""
    arrivals = {"model": "renewal", "gap": {"distribution": "gamma", "mean": "10ms", "cv": 2}}
    exact = times_of(arrivals, "605s", granularity="record")
    source = source_of(arrivals, "605s", granularity="1s")
    assert source.window_us == 600 * SECOND
    rows = rows_of(source)
    counts = np.bincount(rows.time_us // SECOND, rows.count, 605)
    assert counts.tolist() == np.bincount(exact // SECOND, minlength=605).tolist()
    for row, (start, n) in enumerate(zip(rows.time_us[:40].tolist(), rows.count[:40].tolist(), strict=True)):
        inside = singles(rows.take(slice(row, row + 1))).time_us
        assert inside.tolist() == [start + i * SECOND // n for i in range(n)]


def test_the_end_of_the_run_cuts_a_bin_of_gaps_in_proportion() -> None:
    """Records every 0.1 s, the first at 0.1 s: the bin from 10 s on has 10, of which 4 come before 10.4 s."""
    times = times_of({"model": "renewal", "gap": "0.1s"}, "10.4s", granularity="1s")
    assert between(times, 0, 1) == 9
    assert [between(times, k, k + 1) for k in range(1, 10)] == [10] * 9
    assert times[times >= 10 * SECOND].tolist() == [10_000_000, 10_100_000, 10_200_000, 10_300_000]


def exponential(mean: str) -> dict[str, Any]:
    return {"model": "renewal", "gap": {"distribution": "exponential", "mean": mean}}


@pytest.mark.stochastic
@pytest.mark.parametrize(
    ("arrivals", "granularity", "bin_s"),
    [
        pytest.param(exponential("0.02ms"), "10s", 10, id="gaps in long bins"),
        pytest.param(exponential("0.0005ms"), None, 0.1, id="very short gaps"),
        pytest.param(
            {"model": "bursts", "every": "1s", "size": 50_000, "spread": "1s"}, "10s", 10, id="bursts in long bins"
        ),
        pytest.param({"model": "poisson", "rate": "50_000/s"}, "10s", 10, id="random records in long bins"),
        pytest.param({"model": "poisson", "rate": "2_000_000/s"}, None, 0.1, id="very many random records"),
    ],
)
def test_a_bin_longer_than_the_usual_window_moves_and_loses_nothing(
    arrivals: dict[str, Any], granularity: str | None, bin_s: float
) -> None:
    """At this rate a window would be a tenth of a bin; the run ends after three tenths of the second bin.

    The rate is that of the file in the first bin and up to the end, and no record comes before its window.  Two
    comparisons at 4 standard deviations: false-alarm rate 1.3e-4.
    """
    rate = 50_000 if granularity else 2_000_000
    more = {"granularity": granularity} if granularity else {}
    times = singles(rows_of(source_of(arrivals, f"{1.3 * bin_s:g}s", **more))).time_us
    agrees(between(times, 0, bin_s), rate * bin_s)
    agrees(between(times, bin_s, 1.3 * bin_s), 0.3 * rate * bin_s)


# -- a source that is switched on and off ----------------------------------------------------------------------


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Four periods of 90 s, the second without records."""
    (tmp_path / "periods.csv").write_text("n\n7000\n0\n4001\n3000\n")
    return tmp_path


PERIODS = {"model": "trace", "file": "periods.csv", "row_period": "90s", "count": "n"}
GAPS = {"model": "renewal", "gap": {"distribution": "exponential", "mean": "20ms"}}
STEPS = {"model": "piecewise", "segments": [{"until": "20s", "rate": "30/s"}, {"rate": "90/s"}]}


@pytest.mark.parametrize(
    ("arrivals", "more"),
    [
        (SWITCHING, {}),
        (SWITCHING, {"granularity": "10s"}),
        (STEPS, {}),
        (STEPS, {"granularity": "10s"}),
        ({**STEPS, "spacing": "even"}, {}),
        (GAPS, {}),
        (GAPS, {"granularity": "10s"}),
        ({**PERIODS, "shape": "burst"}, {}),
        ({**PERIODS, "shape": "even"}, {}),
        ({**PERIODS, "shape": "poisson"}, {"granularity": "record"}),
        ({**PERIODS, "shape": "poisson"}, {"granularity": "10s"}),
    ],
    ids=str,
)
@pytest.mark.parametrize(("start", "end"), [(33.3, 211.7), (0, 90), (90, 180), (0.000001, 299.999999)])
def test_switching_a_source_on_and_off_only_leaves_records_out(
    arrivals: dict[str, Any], more: dict[str, Any], start: float, end: float, traces: Path
) -> None:
    """[start, end) of the same records at the same instants, also inside a bin, a period and a stay."""
    on = {"start": f"{start:.6f}s", "end": f"{end:.6f}s"}
    whole = times_of(arrivals, "300s", base_dir=traces, **more)
    part = times_of(arrivals, "300s", base_dir=traces, **more, **on)
    low, high = round(start * 1e6), round(end * 1e6)
    assert part.tolist() == whole[(whole >= low) & (whole < high)].tolist()


@pytest.mark.parametrize(
    ("arrivals", "more"),
    [
        (SWITCHING, {"granularity": "10s"}),
        (STEPS, {"granularity": "10s"}),
        ({**STEPS, "spacing": "even"}, {}),
        (GAPS, {"granularity": "10s"}),
        ({**PERIODS, "shape": "burst"}, {}),
        ({**PERIODS, "shape": "even"}, {}),
        ({**PERIODS, "shape": "poisson"}, {"granularity": "record"}),
        ({**PERIODS, "shape": "poisson"}, {"granularity": "10s"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("duration", ["225.5s", "90s", "90.000001s"])
def test_the_end_of_the_run_only_leaves_records_out(
    arrivals: dict[str, Any], more: dict[str, Any], duration: str, traces: Path
) -> None:
    long, short = (times_of(arrivals, d, base_dir=traces, **more) for d in ("400s", duration))
    assert short.tolist() == long[long < round(float(duration[:-1]) * 1e6)].tolist()


def test_even_periods_have_exact_times_up_to_the_cut(traces: Path) -> None:
    """Record i of n at floor(i 90 s / n) of its period; the run ends and the source starts inside one."""
    expected = [i * 90 * SECOND // 7000 for i in range(7000)] + [
        180 * SECOND + i * 90 * SECOND // 4001 for i in range(4001)
    ]
    times = times_of({**PERIODS, "shape": "even"}, "225.5s", base_dir=traces, start="33.3s")
    assert times.tolist() == [t for t in expected if 33_300_000 <= t < 225_500_000]


@pytest.mark.stochastic
@pytest.mark.parametrize("granularity", ["record", "10s"])
def test_random_periods_fill_each_side_of_a_cut_in_proportion(granularity: str, traces: Path) -> None:
    """The run ends in the middle of a bin, 45.5 s into the third period of 4,001 records; on from 33.3 s of the first.

    Binomial counts over 20 seeds, two comparisons at 4 standard deviations: false-alarm rate 1.3e-4.  Inside a bin
    records are linear, which only makes the spread smaller.
    """
    arrivals = {**PERIODS, "shape": "poisson"}
    more: dict[str, Any] = {"base_dir": traces, "granularity": granularity, "start": "33.3s"}
    found = [times_of(arrivals, "225.5s", seed, **more) for seed in range(20)]
    for low, high, n, share in ((0, 90, 7000, 56.7 / 90), (180, 270, 4001, 45.5 / 90)):
        count = sum(between(times, low, high) for times in found)
        assert abs(count - 20 * n * share) < 4 * math.sqrt(20 * n * share * (1 - share)) + 20
    assert all(between(times, 90, 180) == 0 for times in found)


# -- flow logs -------------------------------------------------------------------------------------------------


def flow_logs(**settings: Any) -> dict[str, Any]:
    base = {"model": "vpc_flow_logs", "interfaces": 300, "lines_per_interface": 2.5, "aggregation_interval": "10m"}
    return {**base, "publish_delay": "0s", **settings}


COLUMNS = ("time_us", "key", "log_events", "data_bytes", "lag_us")


@pytest.mark.parametrize("phase", ["aligned", "random", "five_min_flush"])
def test_flow_logs_do_not_depend_on_the_length_of_a_window(phase: str) -> None:
    """Windows of 10 s, a minute and an hour hold the same publications."""
    made = context_of(flow_logs(phase=phase, publish_delay="7m", publish_spread="90s"))
    tables = []
    for window_us in (10 * SECOND, MINUTE, HOUR):
        drawer = FlowLogDrawer(made)
        drawer.window_us = window_us
        windows = [drawer.window(k * window_us, (k + 1) * window_us) for k in range(HOUR // window_us)]
        for k, rows in enumerate(windows):
            assert ((rows.time_us >= k * window_us) & (rows.time_us < (k + 1) * window_us)).all()
        rows = Rows.concatenate(windows)
        tables.append([getattr(rows, name).tolist() for name in COLUMNS])
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0][0]) > 1000


@pytest.mark.stochastic
def test_interfaces_at_random_phases_send_as_many_lines_in_every_minute() -> None:
    """5,000 interfaces of 3 lines every 10 min (aws:V1, V7): 1,500 lines a minute, from the first to the last one.

    Publications of a minute are binomial with n = 5,000, p = 0.1; after ten minutes they repeat.  Chi-square of ten
    minutes at 0.1 %: false-alarm rate 1e-3.
    """
    rows = rows_of(source_of(flow_logs(interfaces=5_000, lines_per_interface=3, publish_delay="5m"), "1h"))
    lines = np.bincount(rows.time_us // MINUTE, rows.log_events, 60)
    assert lines.reshape(6, 10).sum(axis=1).tolist() == [15_000] * 6
    assert (lines.reshape(6, 10) == lines[:10]).all()
    assert stats.chisquare(lines[:10] / 3).pvalue > 1e-3


@pytest.mark.stochastic
def test_a_spread_moves_lines_between_minutes_and_loses_none() -> None:
    """With a delay and a spread over several minutes a minute still has 500 publications on average.

    Counts are binomial with a standard deviation of 21.  60 comparisons at 4.5 of them: false-alarm rate 4e-4.
    """
    load = flow_logs(interfaces=5_000, lines_per_interface=3, publish_delay="5m", publish_spread="150s")
    rows = rows_of(source_of(load, "1h"))
    found = np.bincount(rows.time_us // MINUTE, minlength=60)
    assert (np.abs(found - 500) < 4.5 * math.sqrt(450)).all()
    assert set(rows.log_events.tolist()) == {3}


@pytest.mark.stochastic
def test_a_spread_longer_than_the_interval_is_in_its_stride_at_the_start() -> None:
    """2,000 interfaces every 600 s, each publication up to 1,000 s late: cycles overlap, before the run began too.

    In the first 400 s of each cycle two of them are due: 2 x 2,000 x 400 / 1,000 publications, then one.  Six
    comparisons at 4 standard deviations: false-alarm rate 4e-4.
    """
    load = flow_logs(interfaces=2_000, lines_per_interface=3, phase="aligned", publish_spread="1000s")
    times = rows_of(source_of(load, "1800s")).time_us
    for cycle in range(3):
        start = cycle * 600
        agrees(between(times, start, start + 400), 2 * 2_000 * 0.4)
        agrees(between(times, start + 400, start + 600), 2_000 * 0.2)


@pytest.mark.stochastic
def test_the_end_of_the_run_inside_the_spread_leaves_the_rest_out() -> None:
    """40 s into a spread of 100 s: two fifths of the interfaces.  False-alarm rate 6e-5 (4 standard deviations)."""
    load = flow_logs(interfaces=2_000, lines_per_interface=1, phase="aligned", publish_spread="100s")
    rows = rows_of(source_of(load, "1240s"))
    assert np.bincount(rows.time_us // (600 * SECOND))[:2].tolist() == [2_000, 2_000]
    last = rows.time_us >= 1200 * SECOND
    assert rows.time_us.max() < 1240 * SECOND
    assert abs(int(last.sum()) - 800) < 4 * math.sqrt(2_000 * 0.4 * 0.6)
    longer = rows_of(source_of(load, "1h"))
    assert longer.time_us[: len(rows)].tolist() == rows.time_us.tolist()


@pytest.mark.parametrize("phase", ["aligned", "random", "five_min_flush"])
def test_flow_logs_that_are_switched_on_and_off(phase: str) -> None:
    load = flow_logs(phase=phase, publish_delay="2m", publish_spread="50s")
    whole = rows_of(source_of(load, "1h"))
    part = rows_of(source_of(load, "1h", start="1234.5s", end="2400s"))
    inside = (whole.time_us >= 1_234_500_000) & (whole.time_us < 2_400_000_000)
    for name in COLUMNS:
        assert getattr(part, name).tolist() == getattr(whole, name)[inside].tolist(), name
    assert 0 < len(part) < len(whole)


# -- sums of sources -------------------------------------------------------------------------------------------


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
