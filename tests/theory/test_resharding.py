"""Keys on shards that are split and merged (case O4)."""

from __future__ import annotations

import hashlib
from bisect import bisect_right

import pytest

THIRD = 2**128 // 3
CUT = THIRD + THIRD // 3
KEYS = [f"partitionKey-{number:02d}" for number in range(100)]

STARTS = [
    # the first hash key of each open shard: three; 1 becomes 3 and 4; 0 and 3 become 5
    {0: 0, 1: THIRD, 2: 2 * THIRD},
    {0: 0, 3: THIRD, 4: CUT, 2: 2 * THIRD},
    {5: 0, 4: CUT, 2: 2 * THIRD},
]


def shard_of(key: str, starts: dict[int, int]) -> str:
    """The shard whose range holds the key's MD5, big-endian."""
    place = int(hashlib.md5(key.encode()).hexdigest(), 16)
    return f"shardId-{list(starts)[bisect_right(list(starts.values()), place) - 1]:012d}"


@pytest.fixture
def routed(simulate):
    return simulate("O4-reshard", {"workload.partition_keys.keys": KEYS}, keep=("records",))


def test_o4_a_hundred_keys_before_between_and_after(routed):
    """case:O4, exactly: record k comes at k s; the split ends at 100 s, the merge at 200 s."""
    records = routed.records.sort_values("accepted_s")
    assert records.accepted_s.tolist() == list(range(300))
    expected = [shard_of(key, starts) for starts in STARTS for key in KEYS]
    assert records["shard"].tolist() == expected
    assert [len(set(expected[start : start + 100])) for start in (0, 100, 200)] == [3, 4, 3]


def test_o4_new_ids_count_up_and_closed_shards_take_no_writes(routed):
    """case:O4: ids, parents, ranges, and the last write to each shard."""
    shards = {int(each["id"][8:]): each for each in routed.summary()["shards"]}
    ids = {number: each["id"] for number, each in shards.items()}
    assert list(shards) == [0, 1, 2, 3, 4, 5]
    assert [(each["parent"], each["adjacent_parent"]) for each in shards.values()] == [
        (None, None), (None, None), (None, None), (ids[1], None), (ids[1], None), (ids[0], ids[3]),
    ]  # fmt: skip
    assert [(each["opened_s"], each["closed_s"]) for each in shards.values()] == [
        (0, 200), (0, 100), (0, None), (100, 200), (100, None), (200, None),
    ]  # fmt: skip
    ranges = [(int(each["starting_hash_key"]), int(each["ending_hash_key"])) for each in shards.values()]
    assert ranges == [
        (0, THIRD - 1), (THIRD, 2 * THIRD - 1), (2 * THIRD, 2**128 - 1), (THIRD, CUT - 1), (CUT, 2 * THIRD - 1),
        (0, CUT - 1),
    ]  # fmt: skip
    for name, written in routed.records.groupby("shard").accepted_s:
        shard = shards[int(name[8:])]
        assert written.min() >= shard["opened_s"]
        assert shard["closed_s"] is None or written.max() < shard["closed_s"]
    assert set(routed.records["shard"]) == set(ids.values())
