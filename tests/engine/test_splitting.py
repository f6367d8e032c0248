"""Which shard takes what: exactly for single records, by nested shares for groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kinsim.engine.even import bins, plain_rows
from kinsim.engine.overlaps import separate
from kinsim.engine.pieces import singles
from kinsim.engine.splitting import Ranges, SourceKeys, Splitter, halves, nested_counts, words
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import EVEN, GROUP_DRAWN, GROUP_IN_TURN, HASH_SPACE, RANDOM, KeyTable, hash_key_ranges

TOP = 2**64


def splitter(ranges: Any, table: KeyTable | None = None, binned: bool = False) -> Splitter:
    return Splitter([SourceKeys(table, 11, 12, 13, binned)], ranges)


def totals(parts: list[Rows]) -> list[int]:
    return [int(part.count.sum()) for part in parts]


def cut_ranges(*starts: int) -> list[tuple[int, int]]:
    return list(zip([0, *starts], [*(s - 1 for s in starts), HASH_SPACE - 1], strict=True))


# -- hashes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ranges",
    [hash_key_ranges(n) for n in (1, 2, 3, 7, 10, 100)]
    + [
        cut_ranges(5),
        cut_ranges(1 << 64),
        cut_ranges((1 << 64) + 1),
        cut_ranges(1 << 127, (1 << 127) + 1),
        cut_ranges(HASH_SPACE - 1),
        cut_ranges(1 << 100, (1 << 100) + (1 << 70), (1 << 100) + (1 << 71)),
    ],
)
def test_hashes_fall_in_their_range_to_the_last_bit(ranges: list[tuple[int, int]]) -> None:
    highs = {0, TOP - 1}
    for start, end in ranges:
        highs |= {h for edge in (start, end) for h in range((edge >> 64) - 1, (edge >> 64) + 3) if 0 <= h < TOP}
    ordered = sorted(highs)
    found = Ranges(ranges).shards(np.array(ordered, np.uint64))
    expected = [next(i for i, (a, b) in enumerate(ranges) if a <= h << 64 <= b) for h in ordered]
    assert found.tolist() == expected


def test_ranges_may_come_in_any_order() -> None:
    ranges = hash_key_ranges(5)
    high = words(1, np.arange(1000, dtype=np.uint64))
    order = [3, 0, 4, 1, 2]
    shuffled = Ranges([ranges[at] for at in order]).shards(high)
    assert np.array(order)[shuffled].tolist() == Ranges(ranges).shards(high).tolist()


def test_ranges_must_cover_the_space() -> None:
    for ranges in (hash_key_ranges(3)[:2], hash_key_ranges(3)[1:], [(0, 9), (5, HASH_SPACE - 1)]):
        with pytest.raises(ValueError, match="cover"):
            Ranges(ranges)


# -- groups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 127, 128, 1000, 70_000, (1 << 20) + 77, 3 << 20])
def test_halves_are_binomial(n: int) -> None:
    p_values = []
    edges = np.unique(stats.binom.ppf(np.linspace(0.02, 0.98, 20), n, 0.5))
    chance = np.diff([0.0, *stats.binom.cdf(edges, n, 0.5), 1.0])
    for seed in range(20):
        drawn = halves(seed + 1, words(seed, np.arange(5000, dtype=np.uint64)), np.full(5000, n))
        assert ((drawn >= 0) & (drawn <= n)).all()
        found = np.histogram(drawn, [-1, *(edges + 0.5), n + 1])[0]
        p_values.append(stats.chisquare(found[chance > 0], chance[chance > 0] * 5000).pvalue)
    assert sum(p < 0.05 for p in p_values) <= 3


def test_shares_of_groups_are_multinomial() -> None:
    for n in (3, 7):
        inner = Ranges(hash_key_ranges(n)).inner
        p_values = []
        for seed in range(20):
            counts = nested_counts(seed, words(seed, np.arange(2000, dtype=np.uint64)), np.full(2000, 9), inner)
            assert (counts.sum(axis=1) == 9).all()
            for shard in range(n):
                found = np.bincount(np.minimum(counts[:, shard], 5), minlength=6)
                law = stats.binom(9, 1 / n)
                p_values.append(stats.chisquare(found, [*(law.pmf(range(5)) * 2000), law.sf(4) * 2000]).pvalue)
            pairs = np.corrcoef(counts[:, 0], counts[:, 1])[0, 1]
            assert abs(pairs + 1 / (n - 1)) < 4 / np.sqrt(2000)
        assert sum(p < 0.05 for p in p_values) <= stats.binom.ppf(0.999, len(p_values), 0.05)


@given(
    counts=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    coarse=st.lists(st.integers(1, TOP - 1), max_size=4, unique=True),
    more=st.lists(st.integers(1, TOP - 1), max_size=8, unique=True),
    key=st.integers(0, 2**62),
)
def test_shares_nest_whatever_the_boundaries(counts: list[int], coarse: list[int], more: list[int], key: int) -> None:
    """Rule 11: further boundaries only divide the shares that were there."""
    rows = words(key, np.arange(len(counts), dtype=np.uint64))
    few, many = sorted(coarse), sorted({*coarse, *more})
    whole = nested_counts(key, rows, np.array(counts), few)
    fine = nested_counts(key, rows, np.array(counts), many)
    assert (fine.sum(axis=1) == counts).all()
    cuts = [0, *(many.index(edge) + 1 for edge in few)]
    assert np.add.reduceat(fine, cuts, axis=1).tolist() == whole.tolist()


def test_a_row_is_split_the_same_whatever_comes_with_it() -> None:
    rows = words(9, np.arange(50, dtype=np.uint64))
    counts = np.arange(50) * 37
    inner = Ranges(hash_key_ranges(7)).inner
    together = nested_counts(4, rows, counts, inner)
    alone = [nested_counts(4, rows[i : i + 1], counts[i : i + 1], inner)[0].tolist() for i in range(50)]
    assert together.tolist() == alone


def test_twice_the_shards_split_each_share_of_a_burst() -> None:
    burst = plain_rows(np.array([5]), np.array([70_000]), data_bytes=np.array([70_000_000]))
    five, ten = (splitter(hash_key_ranges(n)).split(burst) for n in (5, 10))
    pairs = np.array(totals(ten)).reshape(5, 2).sum(axis=1)
    differences = np.abs(pairs - totals(five))  # 2^128 / 5 is no whole number, so boundaries differ by a unit
    assert differences.max() <= 1
    assert sum(int(part.data_bytes.sum()) for part in ten) == 70_000_000
    assert all((part.time_us == 5).all() for part in ten)


def test_a_group_with_one_key_stays_whole() -> None:
    table = KeyTable.of(["hot"])
    parts = splitter(hash_key_ranges(10), table).split(plain_rows(np.array([1]), np.array([500]), key=np.array([0])))
    assert sorted(totals(parts)) == [0] * 9 + [500]
    assert totals(parts)[table.shards([a for a, _ in hash_key_ranges(10)])[0]] == 500


def test_groups_of_weighted_keys_are_shared_by_the_weight_of_each_shards_keys() -> None:
    names = [f"k{i}" for i in range(12)]
    weights = np.arange(1.0, 13) / 78
    table = KeyTable.of(names, weights)
    ranges = hash_key_ranges(4)
    share = np.bincount(table.shards([a for a, _ in ranges]), weights, 4)
    rows = plain_rows(
        np.arange(400) * 1000, np.full(400, 1000), key=np.full(400, GROUP_DRAWN), index=np.arange(400) * 1000
    )
    found = totals(splitter(ranges, table).split(rows))
    used = share > 0
    assert np.array(found)[~used].sum() == 0
    assert stats.chisquare(np.array(found)[used], share[used] * 400_000).pvalue > 1e-3


def test_groups_whose_keys_come_in_turn_are_exact() -> None:
    table = KeyTable.of([f"k{i}" for i in range(7)])
    ranges = hash_key_ranges(3)
    shard = table.shards([a for a, _ in ranges])
    rows = plain_rows(np.array([0, 9]), np.array([10, 25]), key=np.full(2, GROUP_IN_TURN), index=np.array([3, 13]))
    numbers = np.concatenate([np.arange(3, 13), np.arange(13, 38)])
    assert totals(splitter(ranges, table).split(rows)) == np.bincount(shard[numbers % 7], minlength=3).tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_round_robin_goes_record_by_record(n: int) -> None:
    rows = Rows.concatenate(
        [
            plain_rows(np.array([0]), np.array([5]), key=np.array([EVEN]), data_bytes=np.array([50])),
            plain_rows(
                np.array([10]),
                np.array([11]),
                key=np.array([EVEN]),
                index=np.array([5]),
                data_bytes=np.array([110]),
                step_numerator=np.array([1000]),
                step_denominator=np.array([7]),
            ),
            plain_rows(np.array([9000]), key=np.array([EVEN]), index=np.array([16]), data_bytes=np.array([10])),
        ]
    )
    parts = splitter(hash_key_ranges(n)).split(rows)
    single = singles(rows)
    for shard, part in enumerate(parts):
        mine = single.take(single.index % n == shard)
        assert sorted(singles(part).time_us.tolist()) == mine.time_us.tolist()
        assert int(part.data_bytes.sum()) == int(mine.data_bytes.sum())


def test_bins_stay_linear_over_their_width_on_each_shard() -> None:
    rows = replace(bins(np.array([0, 1_000_000]), np.array([900, 1100]), 1_000_000), index=np.array([0, 900]))
    parts = splitter(hash_key_ranges(4), binned=True).split(rows)
    assert sum(totals(parts)) == 2000
    for part in parts:
        assert part.time_us.tolist() == [0, 1_000_000]
        times = singles(part).time_us
        for bin_us, n in zip((0, 1_000_000), part.count.tolist(), strict=True):
            inside = times[(times >= bin_us) & (times < bin_us + 1_000_000)]
            assert inside.tolist() == [bin_us + i * 1_000_000 // n for i in range(n)]


def test_spread_records_with_random_keys_go_one_by_one_and_alike_for_any_number_of_shards() -> None:
    row = plain_rows(np.array([0]), np.array([6000]), step_numerator=np.array([1000]), data_bytes=np.array([6_000_000]))
    halves_, quarters = (splitter(hash_key_ranges(n)).split(row) for n in (2, 4))
    for half, (a, b) in zip(halves_, ((0, 1), (2, 3)), strict=True):
        both = np.sort(np.concatenate([quarters[a].time_us, quarters[b].time_us]))
        assert half.time_us.tolist() == both.tolist()
    assert stats.chisquare(totals(quarters)).pvalue > 1e-3
    assert totals(splitter(hash_key_ranges(1)).split(row)) == [6000]


# -- overlapping rows ------------------------------------------------------------------------------------------

ROW = st.tuples(
    st.integers(0, 60), st.integers(1, 6), st.integers(0, 25), st.integers(1, 4), st.integers(0, 2), st.integers(0, 50)
)


def rows_of(drawn: list[tuple[int, int, int, int, int, int]]) -> Rows:
    columns = np.array(drawn, np.int64).reshape(-1, 6).T.copy()
    time_us, count, numerator, denominator, source, size = columns
    index = np.arange(len(drawn)) * 10
    return plain_rows(
        time_us,
        count,
        step_numerator=np.where(count > 1, numerator, 0),
        step_denominator=denominator,
        source=source,
        index=index,
        data_bytes=size,
    )


def records(rows: Rows) -> list[tuple[int, int, int]]:
    each = singles(rows)
    return sorted(zip(each.time_us.tolist(), each.source.tolist(), each.index.tolist(), strict=True))


@given(st.lists(ROW, min_size=1, max_size=12))
def test_rows_taken_apart_hold_the_same_records_in_order(drawn: list[tuple[int, int, int, int, int, int]]) -> None:
    rows = rows_of(drawn)
    apart = separate(rows)
    assert int(apart.data_bytes.sum()) == int(rows.data_bytes.sum())
    assert (np.diff(singles(apart).time_us) >= 0).all()
    mixed = len(apart) and bool(
        ((apart.step_denominator == apart.count) & (apart.step_numerator > 0) & (apart.count > 1)).any()
    )
    if not mixed:
        assert records(apart) == records(rows)
    else:
        assert int(apart.count.sum()) == int(rows.count.sum())


def test_long_rows_are_cut_only_where_others_come() -> None:
    long = plain_rows(np.array([0]), np.array([1000]), step_numerator=np.array([10]), data_bytes=np.array([1000]))
    points = plain_rows(np.array([95, 4000, 20_000]), source=np.ones(3, np.int64), index=np.arange(3))
    apart = separate(Rows.concatenate([long, points]))
    assert apart.count.tolist() == [10, 1, 391, 1, 599, 1]  # at 4000 the first source comes first
    assert records(apart) == records(Rows.concatenate([long, points]))


def test_at_one_instant_sources_keep_their_order() -> None:
    long = plain_rows(np.array([0]), np.array([3]), step_numerator=np.array([10]), source=np.array([1]))
    point = plain_rows(np.array([10, 20]), source=np.array([0, 0]), index=np.array([0, 1]))
    apart = singles(separate(Rows.concatenate([long, point])))
    assert list(zip(apart.time_us.tolist(), apart.source.tolist(), strict=True)) == [
        (0, 1),
        (10, 0),
        (10, 1),
        (20, 0),
        (20, 1),
    ]


def test_bins_of_several_sources_become_one_row() -> None:
    a = replace(bins(np.array([0, 10]), np.array([2, 3]), 10), data_bytes=np.array([20, 30]))
    b = replace(bins(np.array([0]), np.array([5]), 10), source=np.array([1]), data_bytes=np.array([500]))
    apart = separate(Rows.concatenate([a, b]))
    assert (apart.time_us.tolist(), apart.count.tolist(), apart.data_bytes.tolist()) == ([0, 10], [7, 3], [520, 30])
    assert apart.step_denominator.tolist() == [7, 3] and apart.key.tolist() == [RANDOM, RANDOM]
