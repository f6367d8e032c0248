"""Arrivals of small scenarios, drawn to be looked at."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.context import Context, contexts
from kinsim.engine.pieces import singles
from kinsim.engine.tables import Rows
from kinsim.scenario import parse

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


SIZED: dict[str, Any] = {
    "arrivals": {"model": "poisson", "rate": "40/s"},
    "record_size": {"distribution": "lognormal", "mean": 900, "cv": 1.2},
    "log_events_per_record": {"distribution": "geometric", "mean": 3},
    "work": {"distribution": "exponential", "mean": "2ms"},
    "partition_keys": {"count": 50, "skew": {"distribution": "zipf", "s": 1}},
}


def share_of(rows: Rows) -> int:
    return int(rows.count.sum())
