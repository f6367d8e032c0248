"""Sources that are switched on and off, and the end of the run: they only leave records out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.engine.edges import SECOND, SWITCHING, between, times_of


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
