"""When records come: rates at every edge, exact times, independence of everything else."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from kinsim.engine.arrivals import ArrivalSource, Cache, split
from kinsim.engine.context import BIN_US, WINDOWS, Context, contexts, granularity, week_offset_us, window_for
from kinsim.engine.pieces import record_time_us, singles
from kinsim.engine.pipeline import DRAWERS
from kinsim.engine.tables import Rows
from kinsim.errors import ConfigError
from kinsim.scenario import parse
from kinsim.system.partition_keys import hash_key, hash_key_ranges, shard_for

SECOND = 1_000_000
MINUTE = 60 * SECOND


def scenario(workload: dict[str, Any], duration: str = "1h", profile: str = "ideal", **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "test",
        "profile": profile,
        "workload": workload,
        "function": {"duration": "10ms"},
        "run": {"duration": duration},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part}
    return parse(json.dumps(document), file="test.yaml", base_dir=Path("."))


def arrivals(
    model: str, keys: dict[str, Any], duration: str = "1h", seed: int = 1, replication: int = 0, **source: Any
) -> ArrivalSource:
    workload = {"arrivals": {"model": model, **keys}, **source}
    return ArrivalSource(scenario(workload, duration, run={"duration": duration, "seed": seed}), replication)


def all_rows(source: Any) -> Rows:
    return Rows.concatenate([rows for _, _, rows in source.windows()])


def times_of(*args: Any, **kwargs: Any) -> np.ndarray[Any, Any]:
    return np.sort(singles(all_rows(arrivals(*args, **kwargs))).time_us)


def context(model: str, keys: dict[str, Any], seed: int = 1, **source: Any) -> Context:
    made = scenario({"arrivals": {"model": model, **keys}, **source}, run={"duration": "1h", "seed": seed})
    return contexts(made, 0)[0]


def drawn(drawer: Any, window_us: int, windows: int) -> list[np.ndarray[Any, Any]]:
    """Times by window, with windows of a length of our own."""
    drawer.window_us = window_us
    return [singles(drawer.window(k * window_us, (k + 1) * window_us)).time_us for k in range(windows)]


def same(a: Rows, b: Rows) -> bool:
    return all(getattr(a, f.name).tolist() == getattr(b, f.name).tolist() for f in fields(Rows))


# -- Poisson: the rate is exact whatever the window ------------------------------------------------------------


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


# -- even spacing: exact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["70_000/300s", "3/s", "0.1/s", "7/m", "123.456/s", "1_000_000/s", "333_333/s", "1/h"])
@pytest.mark.parametrize("first", ["0s", "0.0049995s", "12.3s"])
def test_record_k_comes_at_first_plus_k_over_rate(rate: str, first: str) -> None:
    duration = {"1_000_000/s": "0.02s", "333_333/s": "0.06s", "70_000/300s": "90s", "123.456/s": "100s"}.get(
        rate, "200s"
    )
    source = arrivals("constant", {"rate": rate, "first": first}, duration=duration)
    times = singles(all_rows(source)).time_us
    per_s = {
        "70_000/300s": Fraction(700, 3),
        "7/m": Fraction(7, 60),
        "123.456/s": Fraction(123456, 1000),
        "1/h": Fraction(1, 3600),
    }.get(rate) or Fraction(rate.replace("_", "").removesuffix("/s"))
    first_us = round(float(first[:-1]) * 1e6)
    end_us = round(float(duration[:-1]) * 1e6)
    expected, k = [], 0
    while (at := (2 * (first_us + k * SECOND / per_s) + 1) // 2) < end_us:
        expected.append(int(at))
        k += 1
    assert times.tolist() == expected


def test_even_records_are_one_row_a_minute() -> None:
    rows = all_rows(arrivals("constant", {"rate": "1_000/s"}, duration="10m"))
    assert rows.count.tolist() == [60_000] * 10 and rows.index.tolist() == [60_000 * k for k in range(10)]


def test_even_records_follow_a_rate_with_factors() -> None:
    keys = {"rate": "10/s", "bursts": [{"at": "5s", "duration": "5s", "factor": 3}]}
    times = times_of("constant", keys, duration="20s")
    assert times.size == 50 + 150 + 100
    assert times[:50].tolist() == [k * 100_000 for k in range(50)]
    assert times[50:53].tolist() == [5_000_000, 5_033_333, 5_066_667]
    daily = times_of("constant", {"rate": "1/s", "daily": {"peak_at": "1h", "peak_to_mean": 4}}, duration="2d")
    assert daily.size == 2 * 86_400 and (np.diff(daily) >= 0).all()


def test_pieces_of_even_spacing_go_on_where_the_last_left_off() -> None:
    segments = [{"until": "2.5s", "rate": "3/s"}, {"until": "4s", "rate": 0}, {"until": "9s", "rate": "2/s"}]
    times = times_of("piecewise", {"segments": segments, "spacing": "even"}, duration="20s")
    first = [round(k * 1e6 / 3) for k in range(8)]  # 7.5 records have added up at 2.5 s
    assert times.tolist() == first + [4_250_000 + k * 500_000 for k in range(10)]


def test_pieces_of_random_records_have_their_rates_to_the_edge() -> None:
    segments = [{"until": "30s", "rate": "100/s"}, {"until": "40s", "rate": 0}, {"until": "50s", "rate": "400/s"}]
    times = np.concatenate([times_of("piecewise", {"segments": segments}, duration="60s", seed=s) for s in range(30)])
    for low, high, rate in ((29, 30, 100), (30, 40, 0), (40, 41, 400), (49, 50, 400), (50, 60, 0)):
        expected = 30 * rate * (high - low)
        assert abs(((times >= low * 1e6) & (times < high * 1e6)).sum() - expected) <= 4 * math.sqrt(expected)


# -- what goes on across windows -------------------------------------------------------------------------------


def test_gaps_are_independent_of_windows() -> None:
    gap = {"gap": {"distribution": "gamma", "mean": "100ms", "cv": 0.5}}
    short, long = (
        np.concatenate(drawn(models.RenewalDrawer(context("renewal", gap)), w, 600 * SECOND // w))
        for w in (SECOND, 600 * SECOND)
    )
    assert short.tolist() == long.tolist()
    gaps = np.diff(long) / 1e6
    assert stats.kstest(gaps, stats.gamma(4, scale=0.025).cdf).pvalue > 1e-3


def test_equal_gaps_are_even_spacing() -> None:
    times = times_of("renewal", {"gap": "0.3s"}, duration="100s")
    assert times.tolist() == [300_000 * k for k in range(1, 334)]


def test_records_of_a_switching_rate_have_its_mean_and_its_dispersion() -> None:
    keys = {"rates": ["10/s", "200/s"], "mean_stay": ["20s", "5s"]}
    counts = []
    for seed in range(40):
        times = times_of("mmpp", keys, duration="2000s", seed=seed)
        counts.append(np.bincount(times // (10 * SECOND), minlength=200))
    found = np.array(counts, np.float64)
    mean = 10 * (10 * 20 + 200 * 5) / 25
    assert abs(found.mean() - mean) < 4 * found.mean(axis=1).std() / math.sqrt(40)
    # Var N(t) = m t + 2 p q d^2 / s^2 (s t - 1 + e^(-s t)), s the sum of the switching rates
    s, p = 1 / 20 + 1 / 5, 0.2
    variance = mean + 2 * p * (1 - p) * 190**2 / s**2 * (s * 10 - 1 + math.exp(-s * 10))
    assert found.var() == pytest.approx(variance, rel=0.15)
    windows = [
        np.concatenate(drawn(models.MmppDrawer(context("mmpp", keys)), w, 600 * SECOND // w)).size
        for w in (SECOND, 60 * SECOND)
    ]
    assert abs(windows[0] - windows[1]) < 5 * math.sqrt(2 * 48 * 600)  # the same stays, other records


# -- bursts ----------------------------------------------------------------------------------------------------


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


# -- a source's own time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["constant", "poisson", "bursts"])
def test_a_source_is_on_from_start_to_end(model: str) -> None:
    keys = {"bursts": {"every": "7s", "size": 30, "spread": "5s"}}.get(model, {"rate": "40/s"})
    whole, part = (times_of(model, keys, duration="100s", **on) for on in ({}, {"start": "20.5s", "end": "61.25s"}))
    assert part.tolist() == [t for t in whole.tolist() if 20_500_000 <= t < 61_250_000]


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("poisson", {"rate": "40/s"}),
        ("renewal", {"gap": {"distribution": "exponential", "mean": "20ms"}}),
        ("mmpp", {"rates": ["5/s", "90/s"], "mean_stay": ["7s", "3s"]}),
        ("bursts", {"every": "9s", "size": 100, "spread": "4s"}),
    ],
)
def test_a_longer_run_begins_the_same(model: str, keys: dict[str, Any]) -> None:
    short, long = (
        times_of(model, keys, duration=d, record_size={"distribution": "exponential", "mean": 100})
        for d in ("95s", "500s")
    )
    assert short.tolist() == [t for t in long.tolist() if t < 95 * SECOND]


SIZED: dict[str, Any] = {
    "arrivals": {"model": "poisson", "rate": "40/s"},
    "record_size": {"distribution": "lognormal", "mean": 900, "cv": 1.2},
    "log_events_per_record": {"distribution": "geometric", "mean": 3},
    "work": {"distribution": "exponential", "mean": "2ms"},
    "partition_keys": {"count": 50, "skew": {"distribution": "zipf", "s": 1}},
}


def test_another_source_or_another_order_changes_nothing_for_a_source() -> None:
    busy = {"arrivals": {"model": "poisson", "rate": "5_000/s"}, "granularity": "record"}
    alone = all_rows(ArrivalSource(scenario({"sources": {"web": SIZED}}, "2m"), 0))
    for sources in ({"web": SIZED, "busy": busy}, {"busy": busy, "web": SIZED}):
        rows = all_rows(ArrivalSource(scenario({"sources": sources}, "2m"), 0))
        mine = rows.take(rows.source == list(sources).index("web"))
        for name in ("time_us", "data_bytes", "log_events", "cpu_us", "key", "index", "hash_high"):
            assert getattr(mine, name).tolist() == getattr(alone, name).tolist()
        assert (np.diff(rows.time_us) >= 0).all()


def test_replications_and_seeds_differ() -> None:
    made = scenario(SIZED, "1m")
    first, second = all_rows(ArrivalSource(made, 0)), all_rows(ArrivalSource(made, 1))
    assert not set(first.time_us.tolist()) & set(second.time_us[:50].tolist()) or len(first) != len(second)
    assert same(first, all_rows(ArrivalSource(made, 0)))


def test_any_process_draws_the_same() -> None:
    code = (
        "import sys, json, hashlib; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from kinsim.scenario import parse; from kinsim.engine.arrivals import ArrivalSource; import numpy as np;"
        "s = parse(sys.argv[2], file='x.yaml', base_dir=Path('.')); h = hashlib.sha256();"
        "[h.update(np.ascontiguousarray(getattr(r, c)).tobytes()) for _, _, r in ArrivalSource(s, 2).windows()"
        " for c in ('time_us', 'data_bytes', 'key', 'hash_high', 'cpu_us')]; print(h.hexdigest())"
    )
    document = {
        "kinsim": 1,
        "name": "x",
        "profile": "ideal",
        "function": {"duration": "1ms"},
        "run": {"duration": "1m"},
        "workload": {
            "sources": {
                "a": SIZED,
                "b": {"arrivals": {"model": "renewal", "gap": {"distribution": "gamma", "mean": "9ms", "cv": 2}}},
            }
        },
    }
    root = str(Path(__file__).parents[2])
    found = set()
    for hash_seed in ("0", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", code, root, json.dumps(document)], env=environment, capture_output=True
        )
        assert run.returncode == 0, run.stderr.decode()
        found.add(run.stdout)
    assert len(found) == 1


# -- what records weigh ----------------------------------------------------------------------------------------


def test_records_have_the_amounts_that_the_file_asks_for() -> None:
    rows = all_rows(ArrivalSource(scenario(SIZED, "30m"), 0))
    n = len(rows)
    assert set(rows.count.tolist()) == {1}
    for column, mean, sd in (
        (rows.data_bytes, 900, 1080),
        (rows.log_events, 3, math.sqrt(6)),
        (rows.cpu_us, 2000, 2000),
    ):
        assert abs(column.mean() - mean) < 4 * sd / math.sqrt(n)
    assert rows.log_events.min() == 1
    assert rows.body_bytes.tolist() == rows.data_bytes.tolist()
    assert set(rows.key_bytes.tolist()) == {36} and set(rows.lag_us.tolist()) == {0}


def test_bins_have_the_same_amounts_in_all() -> None:
    rows = all_rows(ArrivalSource(scenario({**SIZED, "granularity": "1s"}, "30m"), 0))
    n = int(rows.count.sum())
    for column, mean, sd in (
        (rows.data_bytes, 900, 1080),
        (rows.log_events, 3, math.sqrt(6)),
        (rows.cpu_us, 2000, 2000),
    ):
        assert abs(column.sum() / n - mean) < 4 * sd / math.sqrt(n)


def test_payload_and_put_units() -> None:
    """aws:E9: 4 ceil(d/3) + 532 + key; aws:P3: 25 KiB a unit."""
    for size, units in ((1, 1), (1000, 1), (25_600, 1), (25_601, 2), (1_048_576, 41)):
        rows = all_rows(
            ArrivalSource(
                scenario({"arrivals": {"model": "bursts", "every": "1h", "size": 10}, "record_size": size}), 0
            )
        )
        assert rows.payload_bytes.tolist() == [10 * (4 * math.ceil(size / 3) + 532 + 36)]
        assert rows.put_units.tolist() == [10 * units]


def test_a_burst_of_records_that_differ_is_a_row_for_each() -> None:
    workload = {
        "arrivals": {"model": "bursts", "every": "1h", "size": 500},
        "record_size": {"distribution": "exponential", "mean": 900},
    }
    rows = all_rows(ArrivalSource(scenario(workload), 0))
    assert len(rows) == 500 and set(rows.time_us.tolist()) == {0} and len(set(rows.data_bytes.tolist())) > 300


def test_time_in_calls_is_drawn_with_the_records() -> None:
    calls = [{"name": "api", "per": "log_event", "share": "50%", "latency": "10ms"}]
    made = scenario(SIZED, "10m", function={"duration": "1ms", "calls": calls})
    rows = all_rows(ArrivalSource(made, 0))
    assert rows.call_us.sum() == pytest.approx(rows.log_events.sum() * 5000, rel=0.05)
    plain = all_rows(ArrivalSource(scenario(SIZED, "10m"), 0))
    assert rows.time_us.tolist() == plain.time_us.tolist() and plain.call_us.sum() == 0


# -- keys and shards -------------------------------------------------------------------------------------------


def share_of(rows: Rows) -> int:
    return int(rows.count.sum())


def test_random_keys_fall_on_shards_by_their_hash() -> None:
    source = arrivals("poisson", {"rate": "100/s"}, duration="10m")
    rows = all_rows(source)
    assert set(rows.key.tolist()) == {-1}
    for n in (2, 3, 10):
        parts = split(rows, hash_key_ranges(n), source)
        expected = [sum(1 for h in rows.hash_high.tolist() if a <= h << 64 <= b) for a, b in hash_key_ranges(n)]
        assert [len(part) for part in parts] == expected
        assert stats.chisquare([len(part) for part in parts]).pvalue > 1e-3
        assert all((np.diff(part.time_us) >= 0).all() for part in parts)


def test_adding_a_shard_moves_no_arrival() -> None:
    source = arrivals("poisson", {"rate": "100/s"}, duration="1m")
    rows = all_rows(source)
    for n in (1, 2, 5):
        together = np.sort(np.concatenate([part.time_us for part in split(rows, hash_key_ranges(n), source)]))
        assert together.tolist() == rows.time_us.tolist()


@pytest.mark.parametrize("granularity", ["record", "1s"])
def test_named_keys_go_to_the_shard_of_their_hash(granularity: str) -> None:
    keys = {"keys": ["alpha", "beta", "gamma"], "weights": [5, 3, 2]}
    source = arrivals("poisson", {"rate": "100/s"}, duration="10m", partition_keys=keys, granularity=granularity)
    rows = all_rows(source)
    parts = split(rows, hash_key_ranges(4), source)
    expected = np.zeros(4)
    for key, weight in zip(keys["keys"], (0.5, 0.3, 0.2), strict=True):
        expected[shard_for(key, 4)] += weight
    found = np.array([share_of(part) for part in parts])
    assert found[expected == 0].sum() == 0
    assert stats.chisquare(found[expected > 0], expected[expected > 0] * found.sum()).pvalue > 1e-3
    assert [h >> 64 for h in source.keys(0).hashes] == [hash_key(k) >> 64 for k in keys["keys"]]


def test_keys_in_turn() -> None:
    source = arrivals("constant", {"rate": "10/s"}, duration="10s", partition_keys={"keys": ["a", "bb", "ccc"]})
    rows = all_rows(source)
    assert int(rows.key_bytes.sum()) == 34 * 1 + 33 * 2 + 33 * 3
    parts = split(rows, hash_key_ranges(10), source)
    for key, n in (("a", 34), ("bb", 33), ("ccc", 33)):
        assert share_of(parts[shard_for(key, 10)]) >= n
    assert sum(share_of(p) for p in parts) == 100
    again = arrivals(
        "constant", {"rate": "10/s"}, duration="10s", partition_keys={"explicit_hash_keys": ["0", str(2**128 - 1)]}
    )
    assert [share_of(p) for p in split(all_rows(again), hash_key_ranges(10), again)] == [50, *[0] * 8, 50]


def test_round_robin_over_ten_shards() -> None:
    source = arrivals("bursts", {"every": "300s", "size": 50_003}, partition_keys="even")
    first = next(iter(source.windows()))[2].take(slice(0, 2))
    parts = split(first, hash_key_ranges(10), source)
    assert [share_of(part) for part in parts] == [10_001] * 6 + [10_000] * 4
    assert [part.count.tolist() for part in parts[:4]] == [[5001, 5000]] * 3 + [[5000, 5001]]


def test_a_constant_key_makes_one_shard_hot() -> None:
    source = arrivals("poisson", {"rate": "100/s"}, duration="1m", partition_keys="constant")
    counts = [share_of(part) for part in split(all_rows(source), hash_key_ranges(6), source)]
    assert sorted(counts)[:5] == [0] * 5 and counts[shard_for("constant", 6)] > 0


# -- granularity -----------------------------------------------------------------------------------------------


def test_granularity_follows_the_rate_and_the_write_limiter() -> None:
    fast, slow = (
        {"arrivals": {"model": "poisson", "rate": "6_000/s"}},
        {"arrivals": {"model": "poisson", "rate": "60/s"}},
    )
    assert contexts(scenario(fast), 0)[0].bin_us == BIN_US
    assert contexts(scenario(slow), 0)[0].bin_us == 0
    limited = scenario(fast, stream={"write_limiter": "token_bucket"})
    assert contexts(limited, 0)[0].bin_us == 0
    assert contexts(scenario({**fast, "granularity": "record"}), 0)[0].bin_us == 0
    assert contexts(scenario({**slow, "granularity": "10s"}), 0)[0].bin_us == 10 * SECOND
    assert granularity(scenario(fast)) == {"records": "100ms"}


@pytest.mark.parametrize("model", DRAWERS)
def test_windows_are_of_a_length_that_nests(model: str) -> None:
    assert all(b % a == 0 for a, b in itertools.pairwise(WINDOWS))
    assert window_for(math.inf) == WINDOWS[0] and window_for(0.0) == WINDOWS[-1]


@pytest.mark.parametrize(
    "arrivals_", [{"model": "poisson", "rate": "1e12/s"}, {"model": "bursts", "every": "1h", "size": 1_000_000_000}]
)
def test_more_single_records_than_memory_holds_are_refused(arrivals_: dict[str, Any]) -> None:
    source = {"arrivals": arrivals_, "record_size": {"distribution": "exponential", "mean": "1 kB"}}
    with pytest.raises(ConfigError, match="write granularity: 1s"):
        ArrivalSource(scenario({**source, "granularity": "record"}), 0)


def test_bins_of_millions_of_records_are_several_rows() -> None:
    source = {"arrivals": {"model": "poisson", "rate": "5e6/s"}, "granularity": "1s"}
    made = ArrivalSource(scenario(source, "3s"), 0)
    rows = all_rows(made)
    assert rows.count.max() == 1 << 20 and len(rows) == 15
    assert (rows.time_us[1:] >= record_time_us(rows, rows.count - 1)[:-1]).all()
    parts = split(rows, hash_key_ranges(3), made)
    assert sum(share_of(part) for part in parts) == share_of(rows) == pytest.approx(15e6, rel=1e-3)
    assert sum(int(part.data_bytes.sum()) for part in parts) == int(rows.data_bytes.sum())


MANY: list[dict[str, Any]] = [
    {"arrivals": {"model": "constant", "rate": "1_234/s"}},
    {"arrivals": {"model": "constant", "rate": "3/s", "daily": {"peak_at": "0:00", "peak_to_mean": 3}}},
    {"arrivals": {"model": "poisson", "rate": "77/s"}, "partition_keys": {"count": 9}},
    {"arrivals": {"model": "poisson", "rate": "77/s"}, "granularity": "1s", "partition_keys": "even"},
    {"arrivals": {"model": "bursts", "every": "40s", "size": 999, "spread": "31s", "spacing": "even"}},
    {"arrivals": {"model": "bursts", "every": "41s", "size": 999, "spread": "31s"}, "granularity": "1s"},
    {"arrivals": {"model": "renewal", "gap": {"distribution": "exponential", "mean": "10ms"}}, "granularity": "500ms"},
    {"arrivals": {"model": "piecewise", "segments": [{"until": "90s", "rate": "20/s"}, {"rate": "5/s"}]}},
]


@pytest.mark.parametrize("shards", [1, 3])
def test_rows_keep_their_promises_whatever_the_sources(shards: int) -> None:
    sources = {f"s{number}": each for number, each in enumerate(MANY)}
    source = ArrivalSource(scenario({"sources": sources}, "4m30.5s"), 0)
    splitter = source.splitter(hash_key_ranges(shards))
    total, end = 0, 0
    for start_us, end_us, rows in source.windows():
        assert start_us == end
        end = end_us
        total += share_of(rows)
        size = 0
        for part in splitter.split(rows):
            size += int(part.data_bytes.sum())
            if not len(part):
                continue
            last = record_time_us(part, part.count - 1)
            assert part.time_us[0] >= start_us and last.max() < end_us
            assert (part.time_us[1:] >= last[:-1]).all()
            assert (part.time_us // MINUTE == last // MINUTE).all()
            assert ((part.step_offset >= 0) & (part.step_offset < part.step_denominator)).all()
            assert (part.count > 0).all()
        assert size == int(rows.data_bytes.sum())
    assert (end, total) == (270_500_000, source.created)
    assert source.in_producer == source.sampled_out == 0


# -- shared windows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [0, 200_000, 10**9])
def test_kept_windows_are_those_drawn_again(budget: int) -> None:
    made = scenario({**SIZED, "arrivals": {"model": "poisson", "rate": "500/s"}}, "20m")
    expected = all_rows(ArrivalSource(made, 0))
    cache = Cache(budget)
    first, second = cache.arrivals(made, 0), cache.arrivals(made, 0)
    a, b = first.windows(), second.windows()
    woven = [(next(a), next(b)) for _ in range(3)]
    one = Rows.concatenate([pair[0][2] for pair in woven] + [rows for _, _, rows in a])
    two = Rows.concatenate([pair[1][2] for pair in woven] + [rows for _, _, rows in b])
    assert same(one, expected) and same(two, expected) and same(all_rows(cache.arrivals(made, 0)), expected)
    assert first.created == second.created == len(expected)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(Cache(10**9).arrivals(made, 0).windows()))[2].time_us[0] = 1


def test_the_longest_unused_go_first() -> None:
    made = scenario({"arrivals": {"model": "poisson", "rate": "100/s"}}, "10m")
    cache = Cache(3_000_000)
    for replication in range(6):
        all_rows(cache.arrivals(made, replication))
    assert 1 <= len(cache.entries) < 6
    assert sum(each.size for each in cache.entries.values()) < 6_000_000


def test_a_drawing_that_fails_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenario({"arrivals": {"model": "poisson", "rate": "5_000/s"}, "granularity": "record"}, "1m")
    cache = Cache(10**9)
    source = cache.arrivals(made, 0)

    def interrupt(*_: Any) -> Rows:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(models.PoissonDrawer, "window", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(iter(source.windows()))
    assert len(all_rows(cache.arrivals(made, 0))) == pytest.approx(300_000, rel=0.01)


def test_only_what_changes_arrivals_draws_anew() -> None:
    workload = {"arrivals": {"model": "poisson", "rate": "100/s"}}
    cache = Cache(10**9)
    variants = [
        scenario(workload, stream={"shard_count": 2}),
        scenario(workload, stream={"shard_count": 9}),
        scenario(workload, function={"duration": "1s", "memory_size": "512 MB"}),
        scenario(workload, event_source_mapping={"batch_size": 10}),
    ]
    for made in variants:
        next(iter(cache.arrivals(made, 0).windows()))
    assert len(cache.entries) == 1
    for made in (
        scenario(workload, "2h"),
        scenario(workload, run={"duration": "1h", "seed": 2}),
        scenario(workload, stream={"write_limiter": "token_bucket"}),
    ):
        next(iter(cache.arrivals(made, 0).windows()))
    assert len(cache.entries) == 4


def test_a_growing_table_of_keys_is_complete_for_windows_drawn_again(tmp_path: Path) -> None:
    text = "t,k\n" + "".join(f"{i * 10},key{i}\n" for i in range(1000))
    (tmp_path / "a.csv").write_text(text)
    document = {
        "kinsim": 1,
        "name": "t",
        "profile": "ideal",
        "function": {"duration": "1ms"},
        "run": {"duration": "10_000s"},
        "workload": {"arrivals": {"model": "trace", "file": "a.csv", "time": "t", "key": "k"}},
    }
    made = parse(json.dumps(document), file="t.yaml", base_dir=tmp_path)
    cache = Cache(1)
    for _ in range(2):
        source = cache.arrivals(made, 0)
        splitter = source.splitter(hash_key_ranges(4))
        counts = np.zeros(4, np.int64)
        for _, _, rows in source.windows():
            counts += [share_of(part) for part in splitter.split(rows)]
        assert counts.tolist() == np.bincount([shard_for(f"key{i}", 4) for i in range(1000)], minlength=4).tolist()


# -- producers that hold records back --------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["end", "drained"])
def test_what_a_producer_holds_at_the_end_is_counted_or_delivered(until: str) -> None:
    made = scenario(
        {"arrivals": {"model": "constant", "rate": "10/s"}},
        producer={"model": "sdk", "put_latency": "700ms"},
        run={"duration": "10s", "until": until},
    )
    source = ArrivalSource(made, 0)
    rows = singles(all_rows(source))
    assert source.created == 100
    assert rows.time_us[0] == 700_000 and set(rows.lag_us.tolist()) == {700_000}
    assert (len(rows), source.in_producer) == ((100, 0) if until == "drained" else (93, 7))
