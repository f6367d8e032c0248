"""Sources and their arrival models: what may be written, what is known without drawing."""

from __future__ import annotations

import itertools
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import integrate

from kinsim.system.workload import (
    Source,
    Workload,
    bytes_per_s,
    mean_log_events,
    mean_rate_per_s,
    mean_record_bytes,
    peak_rate_per_s,
    work_s_per_s,
)
from kinsim.system.workload.constant import exact_rate
from kinsim.system.workload.modulation import Modulated, daily_integral_s, parse_time_of_day_s

DAY = 86_400.0

MODELS: dict[str, dict[str, Any]] = {
    "constant": {"rate": "400/s"},
    "poisson": {"rate": "400/s"},
    "renewal": {"gap": {"distribution": "gamma", "mean": "2ms", "cv": 2}},
    "mmpp": {"rates": ["100/s", "2_000/s"], "mean_stay": ["90s", "30s"]},
    "piecewise": {"segments": [{"until": "1h", "rate": "300/s"}, {"until": "3h", "rate": "450/s"}]},
    "bursts": {"every": "300s", "size": 70_000},
    "trace": {"file": "arrivals.csv", "time": "t"},
    "vpc_flow_logs": {"interfaces": 400, "lines_per_interface": 500},
}


def source(model: str = "poisson", arrivals: dict[str, Any] | None = None, **keys: Any) -> Source:
    return Source.model_validate({"arrivals": {"model": model, **MODELS[model], **(arrivals or {})}, **keys})


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_read_and_pickled(model: str) -> None:
    made = source(model)
    assert made.arrivals.model == model
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_single_source_needs_no_name() -> None:
    flat = {"arrivals": {"model": "poisson", "rate": 1}, "record_size": "2 kB"}
    assert Workload.model_validate(flat) == Workload.model_validate({"sources": {"records": flat}})


def test_several_sources_keep_their_order() -> None:
    flat = {"arrivals": {"model": "poisson", "rate": 1}}
    assert list(Workload.model_validate({"sources": {"z": flat, "a": flat}}).sources) == ["z", "a"]


@pytest.mark.parametrize(
    ("model", "mean", "peak"),
    [
        ("constant", 400.0, 400.0),
        ("poisson", 400.0, 400.0),
        ("renewal", 500.0, 500.0),
        ("mmpp", 575.0, 2000.0),
        ("piecewise", 400.0, 450.0),
        ("bursts", 70_000 / 300, math.inf),
        ("trace", None, None),
        ("vpc_flow_logs", None, None),
    ],
)
def test_mean_and_peak_rate(model: str, mean: float | None, peak: float | None) -> None:
    assert mean_rate_per_s(source(model)) == mean
    assert peak_rate_per_s(source(model)) == peak
    assert (mean_rate_per_s(source(model), 60.0) is None) == (mean is None)


def test_the_mean_over_a_run_counts_what_falls_in_it() -> None:
    incident = {"bursts": [{"at": "10s", "duration": "10s", "factor": 4}]}
    assert mean_rate_per_s(source(arrivals=incident), 40.0) == pytest.approx(400 * 70 / 40)
    assert mean_rate_per_s(source(arrivals=incident), 15.0) == pytest.approx(400 * 30 / 15)
    assert mean_rate_per_s(source(start="30s", end="50s"), 40.0) == pytest.approx(400 * 10 / 40)
    assert mean_rate_per_s(source("piecewise"), 4 * 3600.0) == pytest.approx((300 + 2 * 450) / 4)
    assert mean_rate_per_s(source(arrivals={"weekly": {"weekend": 0.4}})) == pytest.approx(400 * 5.8 / 7)
    assert mean_rate_per_s(source(arrivals={"weekly": {"weekend": 0.4}}), 7 * DAY) == pytest.approx(400 * 5.8 / 7)
    saturday = mean_rate_per_s(source(arrivals={"weekly": {"weekend": 0.4}}), DAY, week_offset_s=5 * DAY)
    assert saturday == pytest.approx(160)
    daily = {"daily": {"peak_at": "14:00", "peak_to_mean": 1.8}}
    assert mean_rate_per_s(source(arrivals=daily), 10 * DAY) == pytest.approx(400)
    assert peak_rate_per_s(source(arrivals=daily)) == pytest.approx(720)


def test_incidents_that_overlap_multiply() -> None:
    incidents = [{"at": 0, "duration": 20, "factor": 4}, {"at": 10, "duration": 20, "factor": 0.5}]
    made = source(arrivals={"bursts": incidents})
    assert mean_rate_per_s(made, 40.0) == pytest.approx(400 * (10 * 4 + 10 * 2 + 10 * 0.5 + 10) / 40)
    assert peak_rate_per_s(made) == 1600


def test_bytes_and_work() -> None:
    made = source(
        record_size={"distribution": "uniform", "low": "1 kB", "high": "2 kB"},
        partition_keys={"key_size": "20 B"},
        log_events_per_record={"distribution": "geometric", "mean": 3},
        work="2ms",
    )
    assert mean_record_bytes(made) == 1520
    assert bytes_per_s(made) == 400 * 1520
    assert mean_log_events(made) == 3
    assert work_s_per_s(made) == pytest.approx(0.8)


@pytest.mark.parametrize("rate", [70_000 / 300, 0.1, 1 / 3, 1e-9, 123.456, 1.2e6 / 3600, 1e12, 2.0**-40, math.pi * 1e5])
def test_a_rate_is_the_simplest_fraction_that_it_can_be(rate: float) -> None:
    fraction = exact_rate(rate)
    assert fraction > 0
    assert float(fraction) == pytest.approx(rate, rel=1e-9)
    assert fraction.numerator < 2**62 and 2_000_000 * fraction.denominator < 2**62


def test_rates_as_written_are_exact() -> None:
    assert exact_rate(70_000 / 300) == Fraction(700, 3)
    assert exact_rate(1 / 7) == Fraction(1, 7)


# -- factors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peak", [1.0, 1.3, 2.0, 2.5, 6.0, 100.0])
@pytest.mark.parametrize("at", [0.0, 50_400.0, 86_399.0])
def test_the_daily_profile_has_mean_1_and_its_peak_where_it_should(peak: float, at: float) -> None:
    assert daily_integral_s(DAY, at, peak) == pytest.approx(DAY, rel=1e-9)
    width = min(2.0, DAY - at)
    near = (daily_integral_s(at + width, at, peak) - daily_integral_s(at, at, peak)) / width
    assert near == pytest.approx(peak, rel=1e-3)
    edges = np.linspace(0, DAY, 2000)
    steps = np.diff([daily_integral_s(float(t), at, peak) for t in edges])
    assert steps.min() >= -1e-6 and steps.max() <= peak * (edges[1] - edges[0]) + 1e-6


def test_the_daily_profile_is_a_raised_cosine() -> None:
    def factor(t: float) -> float:
        return 1 + 0.8 * math.cos(2 * math.pi * (t - 50_400) / DAY)

    for low, high in ((0, 3600), (40_000, 60_000), (0, 86_400)):
        expected = integrate.quad(factor, low, high)[0]
        found = daily_integral_s(high, 50_400, 1.8) - daily_integral_s(low, 50_400, 1.8)
        assert found == pytest.approx(expected, rel=1e-6)


def test_pieces_of_any_windows_add_up() -> None:
    factors = Modulated.model_validate(
        {
            "daily": {"peak_at": "3h", "peak_to_mean": 5},
            "weekly": {"weekend": 0.4},
            "bursts": [{"at": "1d", "duration": "90m", "factor": 3}, {"at": "7.5s", "duration": "1s", "factor": 0}],
        }
    )
    offset = 4 * 86_400_000_000 + 12_345_678
    edges = [0, 7_000_000, 8_000_001, 10**9, 86_400_000_000, 3 * 86_400_000_000 - 5]
    whole = factors.pieces(0, edges[-1], offset)[1].sum()
    parts = sum(factors.pieces(a, b, offset)[1].sum() for a, b in itertools.pairwise(edges))
    assert parts == pytest.approx(whole, rel=1e-9)
    cuts, mass = factors.pieces(5_000_000, 20_000_000, offset)
    assert cuts[0] == 5_000_000 and cuts[-1] == 20_000_000 and (np.diff(cuts) > 0).all()
    assert mass[(cuts[:-1] >= 7_500_000) & (cuts[1:] <= 8_500_000)].sum() == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("14:00", 50_400), ("0:00", 0), ("23:59:59", 86_399), ("6h", 21_600), (0, 0)]
)
def test_times_of_day(text: Any, seconds: float) -> None:
    assert parse_time_of_day_s(text) == seconds


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"arrivals": {"model": "poison", "rate": 1}}, "does not match any of the expected tags"),
        ({"arrivals": {"rate": 1}}, "model"),
        ({"arrivals": {"model": "poisson"}}, "Field required"),
        ({"arrivals": {"model": "poisson", "rate": "-1/s"}}, "negative"),
        ({"arrivals": {"model": "poisson", "rate": float("nan")}}, "nan is not"),
        ({"arrivals": {"model": "poisson", "rate": "400"}, "recordsize": 1}, "Extra inputs"),
        (
            {"arrivals": {"model": "poisson", "rate": 1, "daily": {"peak_at": "25:00", "peak_to_mean": 2}}},
            "not a time of day",
        ),
        (
            {"arrivals": {"model": "poisson", "rate": 1, "daily": {"peak_at": "2d", "peak_to_mean": 2}}},
            "not a time of day",
        ),
        (
            {"arrivals": {"model": "poisson", "rate": 1, "daily": {"peak_at": "1h", "peak_to_mean": 0.5}}},
            "greater than or",
        ),
        ({"arrivals": {"model": "mmpp", "rates": [1, 2], "mean_stay": ["1s"]}}, "2 rates and 1 mean stays"),
        ({"arrivals": {"model": "mmpp", "rates": [1], "mean_stay": ["0s"]}}, "too short"),
        ({"arrivals": {"model": "piecewise", "segments": []}}, "at least 1 item"),
        ({"arrivals": {"model": "piecewise", "segments": [{"rate": 1}, {"rate": 2}]}}, "only the last"),
        (
            {"arrivals": {"model": "piecewise", "segments": [{"until": "2h", "rate": 1}, {"until": "1h", "rate": 2}]}},
            "not after the segment before",
        ),
        ({"arrivals": {"model": "bursts", "every": "0s", "size": 1}}, "less than 1 ms apart"),
        ({"arrivals": {"model": "renewal", "gap": 0}}, "below 0.1 us"),
        ({"arrivals": MODELS["poisson"] | {"model": "poisson"}, "granularity": "7s"}, "does not divide a minute"),
        ({"arrivals": MODELS["poisson"] | {"model": "poisson"}, "granularity": "0s"}, "does not divide a minute"),
        ({"arrivals": MODELS["poisson"] | {"model": "poisson"}, "start": "2h", "end": "1h"}, "is not after start"),
        ({"arrivals": MODELS["poisson"] | {"model": "poisson"}, "partition_keys": "log_stream"}, "has no log streams"),
        ({"sources": {}}, "at least 1 item"),
        ({"sources": {"a": {"arrivals": {"model": "poisson", "rate": 1}}}, "record_size": 1}, "stands beside sources"),
        ({}, "Field required"),
        (3, "dict"),
    ],
)
def test_what_is_refused(document: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Workload.model_validate(document)


@pytest.mark.parametrize("value", ["record", "100ms", "1s", "60s", 0.5, None])
def test_granularity(value: Any) -> None:
    made = source(granularity=value)
    assert made.granularity in (value, 0.1, 1.0, 60.0)
