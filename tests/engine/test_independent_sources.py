"""A source depends on its own settings and seed, and on nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsim.engine.arrivals import ArrivalSource
from tests.engine.drawn import SECOND, SIZED, all_rows, same, scenario, times_of


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
