"""On which shard the records of a source fall."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kinsim.engine.arrivals import split
from kinsim.system.partition_keys import hash_key, hash_key_ranges, shard_for
from tests.engine.drawn import all_rows, arrivals, share_of


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
