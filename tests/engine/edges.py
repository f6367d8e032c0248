"""Arrivals near an edge: a window, a segment, an incident, a switch, the end of the run.

Random counts are compared with their exact mean.  Where a test says "4 standard deviations", a single comparison
raises a false alarm with probability 6e-5; seeds are fixed, so that a passing test goes on to pass.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.context import Context, contexts
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


SWITCHING = {"model": "mmpp", "rates": ["20/s", "400/s"], "mean_stay": ["6s", "2s"]}


def context_of(arrivals: dict[str, Any], seed: int = 1, **more: Any) -> Context:
    return contexts(scenario({"arrivals": arrivals, **more}, seed=seed), 0)[0]


def factor_integral(seconds: Times, peak_at_s: float, peak: float) -> Times:
    """Integral of the daily factor up to a peak of 2, of the clock in seconds since a midnight."""
    return np.asarray(seconds + (peak - 1) * DAY_S / (2 * np.pi) * np.sin(2 * np.pi * (seconds - peak_at_s) / DAY_S))


def exponential(mean: str) -> dict[str, Any]:
    return {"model": "renewal", "gap": {"distribution": "exponential", "mean": mean}}
