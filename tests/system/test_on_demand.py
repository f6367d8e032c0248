"""How far an on-demand stream grows, and which shards are split."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError
from pytest import approx

from kinsim.system.on_demand import Growth, OnDemand, is_hot, shards_after_peak, shards_for
from kinsim.system.resharding import OpenShards

MIB = 1_048_576
GROWTH = Growth(
    period_us=60_000_000, delay_us=900_000_000, headroom=2.0, limit_bytes=MIB, limit_records=1_000,
    split_above_bytes=512_000, even=False, most_shards=10_240,
)  # fmt: skip


def per_minute(**of_shards):
    """Loads of shards s0, s1 ... from (records a second, bytes a second)."""
    return {int(name[1:]): (60 * records, 60 * size) for name, (records, size) in of_shards.items()}


def grown(load, growth=GROWTH, now=None, shards=4):
    open_shards = OpenShards(shards)
    growth.grow(open_shards, load, load if now is None else now)
    return open_shards


@pytest.mark.parametrize(
    ("size", "records", "shards"),
    [(4 * MIB, 0, 4), (4 * MIB + 1, 0, 5), (0, 4_000, 4), (0, 4_000.1, 5), (MIB, 2_500, 3), (0, 0, 1)],
)
def test_shards_are_whole_and_the_worse_of_bytes_and_records_decides(size, records, shards):
    assert shards_for(size, records, MIB, 1_000) == shards


def test_twice_the_peak_of_a_tenth_of_a_shard_is_not_lost_to_rounding():
    """0.1 + 0.2 is more than 0.3 in floats: 3 shards must not become 4."""
    assert shards_after_peak((0.1 + 0.2) * 5 * MIB, 0, 2.0, MIB, 1_000) == 3


def test_a_stream_grows_to_the_double_of_its_peak():
    quarter = 5 * MIB // 8  # 2.5 MiB/s in all, 5 shards
    growth = replace(GROWTH, split_above_bytes=None)
    assert (
        len(grown(per_minute(s0=(1, quarter), s1=(1, quarter), s2=(1, quarter), s3=(1, quarter)), growth).ranges) == 5
    )
    assert len(grown(per_minute(s0=(750, 1), s1=(750, 1), s2=(750, 1), s3=(750, 1)), growth).ranges) == 6


def test_hot_shards_are_split_though_the_stream_has_room():
    """Of 4 shards that take 4 MiB/s one gets 0.6 MiB/s and one just what is not hot yet (aws:S15)."""
    shards = grown(per_minute(s1=(1, 629_146), s3=(1, 512_000)))
    assert [closes for closes, _ in shards.done] == [(1,)]
    lower, upper = shards.done[0][1]
    assert (lower.starting_hash_key, upper.ending_hash_key) == (2**126, 2**127 - 1)
    assert upper.starting_hash_key == lower.ending_hash_key + 1 == approx(3 * 2**125, abs=1)


def test_the_last_period_tells_which_are_the_hottest():
    """5 shards are needed; in the last period shard 2 had most, by records."""
    then, now = per_minute(s0=(2_500, 1)), per_minute(s0=(100, 50 * 1024), s2=(200, 1))
    assert [closes for closes, _ in grown(then, now=now).done] == [(2,)]


def test_of_equal_shards_the_widest_and_then_the_lowest_comes_first():
    shards = OpenShards(2)
    shards.split(0, 2**126)
    shards.done.clear()
    replace(GROWTH, split_above_bytes=None).grow(shards, per_minute(s1=(2_400, 1)), {})
    assert [closes for closes, _ in shards.done] == [(1,), (2,)]  # 5 of 3: the half, then of the quarters the lowest


def test_nothing_grows_beyond_the_most():
    assert len(grown(per_minute(s0=(1, 600_000), s1=(9_000, 600_000)), replace(GROWTH, most_shards=5)).ranges) == 5
    assert len(grown(per_minute(s0=(9_000, 1)), replace(GROWTH, most_shards=3)).ranges) == 4


def test_a_shard_of_two_hash_keys_cannot_be_split():
    shards = OpenShards(1)
    for start in (2**127, 2**127 + 2):
        shards.split(shards.next_number - 1, start)
    shards.done.clear()
    (narrow,) = (number for number, its in shards.ranges.items() if its == (2**127, 2**127 + 1))
    GROWTH.grow(shards, {narrow: (1, 60 * 600_000)}, {narrow: (1, 60 * 600_000)})
    assert shards.done == []


def test_even_placement_counts_the_hot_ones_too():
    shards = grown(per_minute(s0=(1, 600_000)), replace(GROWTH, even=True))
    assert len(shards.ranges) == 5
    widths = [end - start + 1 for start, end in shards.ranges.values()]
    assert widths == approx([2**128 / 5] * 5, rel=1e-12)


def test_the_bound_itself_is_not_hot():
    assert not is_hot(512_000 * 60, 60_000_000, 512_000)


def test_growth_cannot_come_before_its_period_is_over():
    with pytest.raises(ValidationError, match="scale_delay 30s is shorter than peak_period 1m"):
        OnDemand.model_validate(
            {"headroom": 2, "peak_period": "1m", "scale_delay": "30s", "split_above": None, "placement": "hottest",
             "max_write_throughput": None}
        )  # fmt: skip
