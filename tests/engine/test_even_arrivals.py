"""Even arrivals: record k comes at its exact time, also where the rate has factors."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from kinsim.engine.pieces import singles
from tests.engine.drawn import SECOND, all_rows, arrivals, times_of


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
