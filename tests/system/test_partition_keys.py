"""Keys, hashes and shards."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from kinsim.engine.draws import Purpose, generator
from kinsim.errors import SettingError
from kinsim.system.partition_keys import (
    HASH_SPACE,
    KeyTable,
    PartitionKeys,
    hash_key,
    hash_key_ranges,
    key_table,
    mean_key_bytes,
    range_of,
    shard_for,
)

READER: TypeAdapter[Any] = TypeAdapter(PartitionKeys)

# aws-facts, after W23: key, MD5 as an integer, shard of 2, 3, 4 and 10
VECTORS = [
    ("a", 16955237001963240173058271559858726497, (0, 0, 0, 0)),
    ("123", 42767516990368493138776584305024125808, (0, 0, 0, 1)),
    ("partitionKey-03", 183955990062578521952773094788915351226, (1, 1, 2, 5)),
    ("eni-0a1b2c3d4e5f60718-all", 313487503058712238657115101580701441399, (1, 2, 3, 9)),
    ("shardId-000000000000", 233934123263385091621941975700200382378, (1, 2, 2, 6)),
    ("0", 276215275525073243129443018166533317850, (1, 2, 3, 8)),
]


def table(keys: Any, replication: int = 0) -> KeyTable:
    made = key_table(READER.validate_python(keys), generator(1, replication, Purpose.KEY_NAMES, "records"))
    assert made is not None
    return made


@pytest.mark.parametrize(("key", "number", "shards"), VECTORS)
def test_keys_go_to_the_shards_that_aws_gives(key: str, number: int, shards: tuple[int, ...]) -> None:
    assert hash_key(key) == number
    assert tuple(shard_for(key, n) for n in (2, 3, 4, 10)) == shards


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10, 64, 1000])
def test_ranges_cover_the_space_once_and_both_ends_belong_to_them(n: int) -> None:
    ranges = hash_key_ranges(n)
    assert ranges[0][0] == 0 and ranges[-1][1] == HASH_SPACE - 1
    assert all(a[1] + 1 == b[0] for a, b in itertools.pairwise(ranges))
    assert {end - start + 1 for start, end in ranges[:-1]} <= {HASH_SPACE // n}
    starts = [start for start, _ in ranges]
    for shard, (start, end) in enumerate(ranges):
        assert range_of(start, starts) == range_of(end, starts) == shard


def test_published_ranges() -> None:
    """The three-shard listing of the AWS CLI guide and the start of shard 5 of 6 (aws:W16)."""
    assert [end for _, end in hash_key_ranges(3)[:2]] == [
        113427455640312821154458202477256070484,
        226854911280625642308916404954512140969,
    ]
    assert hash_key_ranges(6)[5][0] == 283568639100782052886145506193140176210


@pytest.mark.parametrize("n", [0, -1, 1.0, True])
def test_a_number_of_shards_is_needed(n: Any) -> None:
    with pytest.raises(SettingError, match="not a number of shards"):
        hash_key_ranges(n)


@pytest.mark.parametrize("key", ["", "x" * 257, "\ud800"])
def test_keys_have_1_to_256_characters_of_unicode(key: str) -> None:
    with pytest.raises(SettingError):
        shard_for(key, 2)
    assert shard_for("é" * 256, 2) in (0, 1)


# -- tables ----------------------------------------------------------------------------------------------------


def test_listed_keys() -> None:
    keys = table({"keys": ["a", "bé"], "weights": [3, 1]})
    assert (keys.names, keys.sizes, keys.weights is not None and keys.weights.tolist()) == (
        ["a", "bé"],
        [1, 3],
        [0.75, 0.25],
    )
    assert keys.hashes == [hash_key("a"), hash_key("bé")]
    assert table({"keys": ["a", "b"]}).weights is None


def test_counted_keys_have_new_names_in_each_replication() -> None:
    first, again, other = table({"count": 50}), table({"count": 50}), table({"count": 50}, replication=1)
    assert first.names == again.names
    assert not set(first.names) & set(other.names)
    assert set(first.sizes) == {36} and len(set(first.names)) == 50


def test_prefixed_keys_have_the_same_names_always() -> None:
    assert table({"prefix": "eni-", "count": 3}).names == ["eni-0", "eni-1", "eni-2"]


def test_explicit_hash_keys_are_hashes() -> None:
    edge = 2**127
    keys = table({"explicit_hash_keys": [0, str(edge - 1), f"{edge}", 2**128 - 1]})
    assert keys.shards([start for start, _ in hash_key_ranges(2)]).tolist() == [0, 0, 1, 1]


def test_zipf_weights() -> None:
    weights = table({"count": 4, "skew": {"distribution": "zipf", "s": 1}}).weights
    assert weights is not None
    assert weights == pytest.approx(np.array([12, 6, 4, 3]) / 25)


@pytest.mark.parametrize("skew", [0.0, 0.8, 2.0])
def test_keys_are_drawn_by_weight(skew: float) -> None:
    keys = table({"count": 40, "skew": {"distribution": "zipf", "s": skew}})
    assert keys.weights is not None
    p_values = []
    for seed in range(20):
        found = np.bincount(keys.draw(generator(seed, 0, Purpose.KEYS).random(20_000)), minlength=40)
        p_values.append(stats.chisquare(found, keys.weights * 20_000).pvalue)
    assert sum(p < 0.05 for p in p_values) <= 3


def test_a_table_grows() -> None:
    keys = KeyTable.of([])
    assert [keys.number(name) for name in ("x", "y", "x")] == [0, 1, 0]
    assert keys.key_bytes.tolist() == [1, 1]
    keys.number("long")
    assert keys.key_bytes.tolist() == [1, 1, 4] and keys.high.size == 3


@pytest.mark.parametrize(
    ("k", "n", "largest", "uneven"),
    [(20, 4, 7.382526, 0.398741), (100, 10, 15.124527, 0.592958), (50, 10, 8.690250, None)],
)
def test_few_keys_spread_as_unevenly_as_theory_says(k: int, n: int, largest: float, uneven: float | None) -> None:
    """case:T26, on new names in each of 2,000 replications."""
    starts = [start for start, _ in hash_key_ranges(n)]
    most = np.array([np.bincount(table({"count": k}, r).shards(starts), minlength=n).max() for r in range(2000)])
    assert abs(most.mean() - largest) < 3 * most.std() / np.sqrt(most.size)
    if uneven is not None:
        share = (most >= 1.5 * k / n).mean()
        assert abs(share - uneven) < 3 * np.sqrt(uneven * (1 - uneven) / most.size)


def test_mean_length_of_keys() -> None:
    lengths = {
        "random": 36.0,
        "even": 36.0,
        "constant": 8.0,
        json.dumps({"key_size": "10 B"}): 10.0,
        json.dumps({"keys": ["a", "bcd"]}): 2.0,
        json.dumps({"keys": ["a", "bcd"], "weights": [3, 1]}): 1.5,
        json.dumps({"count": 7}): 36.0,
        json.dumps({"prefix": "k", "count": 20}): 2.5,
    }
    for text, size in lengths.items():
        assert mean_key_bytes(
            READER.validate_python(json.loads(text) if text.startswith("{") else text)
        ) == pytest.approx(size)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("randon", "does not say which partition keys"),
        ({}, "does not say which partition keys"),
        ({"cont": 5}, "does not say which partition keys"),
        (5, "does not say which partition keys"),
        ({"keys": []}, "at least 1 item"),
        ({"keys": ["a", ""]}, "1 to 256 characters"),
        ({"keys": ["a"], "weights": [1, 2]}, "2 weights for 1 keys"),
        ({"keys": ["a"], "weights": [0]}, "add up to 0"),
        ({"keys": ["a"], "weights": [-1]}, "negative"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"count": 5, "skew": {"distribution": "zip", "s": 1}}, "zipf"),
        ({"count": 5, "skew": 0.8}, ""),
        ({"explicit_hash_keys": [2**128]}, "not within 0 to 2"),
        ({"explicit_hash_keys": [-1]}, "not within 0 to 2"),
        ({"explicit_hash_keys": ["abc"]}, "is not a hash key"),
        ({"explicit_hash_keys": [True]}, "is not a hash key"),
        ({"explicit_hash_keys": ["9" * 5000]}, "is not a hash key"),
        ({"key_size": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused(keys: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message or None):
        READER.validate_python(keys)
