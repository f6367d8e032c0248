"""Record by record, in rows or in bins."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from kinsim.engine.arrivals import ArrivalSource, split
from kinsim.engine.context import BIN_US, WINDOWS, contexts, granularity, window_for
from kinsim.engine.pieces import record_time_us
from kinsim.engine.pipeline import DRAWERS
from kinsim.errors import ConfigError
from kinsim.system.partition_keys import hash_key_ranges
from tests.engine.drawn import MINUTE, SECOND, all_rows, scenario, share_of


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
