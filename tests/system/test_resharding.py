"""Splits, merges and UpdateShardCount: which shards exist when, and what AWS refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinsim.errors import SettingError
from kinsim.system.partition_keys import HASH_SPACE, hash_key_ranges
from kinsim.system.resharding import (
    SAME_PLACE,
    MergeShards,
    OpenShards,
    ReshardLimits,
    SplitShard,
    UpdateShardCount,
    planned,
)
from kinsim.system.stream import Stream

AWS = ReshardLimits(30_000_000, calls_per_day=2, least_factor=0.5, most_factor=2.0, most_target=500, most_shards=500)
FREE = ReshardLimits(30_000_000)
HOUR = 3_600


def count(at_s, target):
    return UpdateShardCount.model_validate({"at": at_s, "update_shard_count": target})


def split(at_s, shard, at_hash="middle"):
    return SplitShard.model_validate({"at": at_s, "split": f"shardId-{shard:012d}", "at_hash": at_hash})


def merge(at_s, first, second):
    return MergeShards.model_validate({"at": at_s, "merge": [f"shardId-{first:012d}", f"shardId-{second:012d}"]})


# -- by hand -------------------------------------------------------------------------------------------------


def test_two_to_three_shards_as_aws_did_it():
    """case:D7: exact thirds by way of shards 2, 3, 4, 5 and the merged shard 6."""
    operations = planned(2, [count(60, 3)], AWS)
    assert [(o.closes, [c.number for c in o.opens]) for o in operations] == [
        ((0,), [2, 3]), ((1,), [4, 5]), ((3, 4), [6]),
    ]  # fmt: skip
    assert [(o.start_us, o.end_us) for o in operations] == [
        (60_000_000, 90_000_000), (90_000_000, 120_000_000), (120_000_000, 150_000_000),
    ]  # fmt: skip
    merged = operations[-1].opens[0]
    assert (merged.parent, merged.adjacent_parent) == (3, 4)
    third = HASH_SPACE // 3
    assert (merged.starting_hash_key, merged.ending_hash_key) == (third, 2 * third - 1)


@pytest.mark.parametrize(
    ("present", "target", "splits", "merges"),
    [(4, 8, 4, 0), (8, 4, 0, 4), (4, 3, 2, 3), (2, 3, 2, 1), (3, 6, 3, 0), (6, 3, 0, 3), (4, 5, 4, 3), (1, 2, 1, 0)],
)
def test_how_many_operations_a_call_takes(present, target, splits, merges):
    """aws:S10."""
    operations = planned(present, [count(0, target)], AWS)
    assert [len(o.opens) for o in operations] == [2] * splits + [1] * merges


def test_a_split_at_a_share_and_a_merge_that_is_no_neighbour_of_its_number():
    """case:O4: three shards, shard 1 split at a third, shards 0 and the lower child merged; ids count up."""
    start, end = hash_key_ranges(3)[1]
    key = start + (end - start) // 3
    first, second = planned(3, [split(0, 1, str(key)), merge(HOUR, 0, 3)], AWS)
    assert [(c.number, c.parent, c.adjacent_parent) for c in first.opens] == [(3, 1, None), (4, 1, None)]
    assert (first.opens[0].ending_hash_key, first.opens[1].starting_hash_key) == (key - 1, key)
    assert [(c.number, c.parent, c.adjacent_parent) for c in second.opens] == [(5, 0, 3)]
    assert (second.opens[0].starting_hash_key, second.opens[0].ending_hash_key) == (0, key - 1)


def test_entries_may_come_in_any_order_and_follow_at_the_same_instant():
    operations = planned(1, [split(30, 1), split(0, 0)], FREE)
    assert [o.end_us for o in operations] == [30_000_000, 60_000_000]


def test_operations_of_no_time():
    operations = planned(2, [count(5, 4), count(5, 2)], ReshardLimits(0))
    assert {o.end_us for o in operations} == {5_000_000}
    assert [o.closes for o in operations] == [(0,), (1,), (2, 3), (4, 5)]


# -- what AWS refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shards", "schedule", "at", "says"),
    [
        (2, [split(0, 2)], (0, "split"), "shardId-000000000002 does not exist then"),
        (1, [split(0, 0), split(HOUR, 0)], (1, "split"), "shardId-000000000000 is closed by then"),
        (3, [merge(0, 0, 2)], (0, "merge"), "are not adjacent"),
        (2, [split(0, 0, 4), split(60, 2, 3)], (1, "at_hash"), "cannot be split at 3"),
        (2, [split(0, 0, str(2**127))], (0, "at_hash"), "cannot be split at"),
        (2, [count(0, 5)], (0, "update_shard_count"), "one call leads to 1 to 4, not to 5"),
        (5, [count(0, 2)], (0, "update_shard_count"), "one call leads to 3 to 10, not to 2"),
        (2, [count(0, 2)], (0, "update_shard_count"), "nothing to do"),
        (300, [count(0, 501)], (0, "update_shard_count"), "500 shards at most"),
        (400, [count(0, 399)], (0,), "798 shards would be open at once"),
        (2, [count(0, 4), count(59, 8)], (1, "at"), "reshard[0], begun at 0s, ends at 1m"),
        (2, [count(0, 4), count(HOUR, 3), count(23 * HOUR, 4)], (2, "at"), "within 24 hours of reshard[0]"),
    ],
)
def test_what_is_refused_and_where(shards, schedule, at, says):
    with pytest.raises(SettingError) as told:
        planned(shards, schedule, AWS)
    assert told.value.at == at
    assert says in told.value.message
    assert told.value.help


def test_a_call_after_24_hours_is_accepted():
    schedule = [count(0, 4), count(HOUR, 3), count(24 * HOUR, 4)]
    assert len(planned(2, schedule, AWS)) == 2 + 5 + 5
    with pytest.raises(SettingError, match="within 24 hours"):
        planned(2, [*schedule, count(24 * HOUR + 600, 3)], AWS)


def test_splits_and_merges_do_not_count_as_calls():
    planned(1, [split(HOUR * n, 2 * n, "middle") for n in range(8)], AWS)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"at": "6h"}, "exactly one of update_shard_count, split, merge; here is none of them"),
        ({"at": "6h", "update_shard_count": 4, "split": "shardId-0"}, "here is update_shard_count and split"),
        ({"at": "6h", "split": "shard-1"}, "'shard-1' is not the id of a shard"),
        ({"at": "6h", "merge": ["shardId-000000000000"]}, "too_short"),
        ({"at": "6h", "merge": ["shardId-000000000000", "shardId-0"]}, "merged with itself"),
        ({"at": "6h", "split": "shardId-0", "at_hash": "half"}, "'half' is no place to split at"),
        ({"at": "6h", "split": "shardId-0", "at_hash": 0}, "not within 1 to 2^128 - 1"),
        ({"at": "6h", "split": "shardId-0", "at_hash": str(2**128)}, "not within 1 to 2^128 - 1"),
        ({"at": "6h", "split": "shardId-0", "at_hash": "100%"}, "leaves one of the children nothing"),
        ({"update_shard_count": 4}, "missing"),
    ],
)
def test_entries_that_are_none(entry, says):
    with pytest.raises(ValidationError) as told:
        Stream.model_validate({"reshard": [entry]})
    assert says in str(told.value)


# -- laws ----------------------------------------------------------------------------------------------------


def check_partition(shards: OpenShards) -> None:
    ranges = sorted(shards.ranges.values())
    assert ranges[0][0] == 0
    assert ranges[-1][1] == HASH_SPACE - 1
    assert all(end + 1 == start for (_, end), (start, _) in pairwise(ranges))
    assert all(start <= end for start, end in ranges)


@given(st.integers(1, 40), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_update_shard_count_ends_in_equal_shards(shard_count, targets):
    """However many calls came before, boundaries are those of a new stream but for the rounding of a few keys."""
    shards = OpenShards(shard_count)
    numbers = set(shards.ranges)
    for target in targets:
        shards.done.clear()
        before = len(shards.ranges)
        shards.update_count(target)
        check_partition(shards)
        wanted = [start for start, _ in hash_key_ranges(target)]
        found = sorted(start for start, _ in shards.ranges.values())
        assert len(found) == target
        assert all(abs(each - other) <= SAME_PLACE for each, other in zip(found, wanted, strict=True))
        opened = [child.number for _, opens in shards.done for child in opens]
        assert not numbers & set(opened)
        assert opened == list(range(len(numbers), len(numbers) + len(opened)))
        numbers |= set(opened)
        assert max(before, target) <= shards.most


@given(st.integers(1, 6), st.lists(st.tuples(st.booleans(), st.integers(0, 99), st.floats(0.01, 0.99)), max_size=20))
def test_any_splits_and_merges_leave_a_partition(shard_count, choices):
    schedule = []
    shards = OpenShards(shard_count)
    for at, (splits, which, share) in enumerate(choices):
        in_order = sorted(shards.ranges, key=lambda number: shards.ranges[number])
        if splits or len(in_order) == 1:
            number = in_order[which % len(in_order)]
            start, end = shards.ranges[number]
            if end - start < 1_000:
                continue
            schedule.append(split(60 * at, number, share))
            shards.split(number, start + int(share * (end - start)))
        else:
            place = which % (len(in_order) - 1)
            schedule.append(merge(60 * at, in_order[place], in_order[place + 1]))
            shards.merge(in_order[place], in_order[place + 1])
        check_partition(shards)
    operations = planned(shard_count, schedule, FREE)
    assert len(operations) == len(schedule)
    closed = [number for o in operations for number in o.closes]
    assert len(closed) == len(set(closed))
