"""Windows that candidates share, kept or drawn again, and what a producer holds back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsim.engine import models
from kinsim.engine.arrivals import ArrivalSource, Cache
from kinsim.engine.pieces import singles
from kinsim.engine.tables import Rows
from kinsim.scenario import parse
from kinsim.system.partition_keys import hash_key_ranges, shard_for
from tests.engine.drawn import SIZED, all_rows, same, scenario, share_of


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
