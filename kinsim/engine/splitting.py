"""Which shard takes which record: the hash ranges applied to rows, exactly.

A record with a random key is placed by the hash drawn for it, one with a key of the table by that key's MD5.  Many
records with random keys that come as one row are split by halving the hash space again and again, each half with a
binomial share drawn for that row and that half: so splits nest, whatever the ranges are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kinsim.engine.draws import UInt64, words
from kinsim.engine.even import all_single, any_spread, extent
from kinsim.engine.overlaps import from_their_first, separate
from kinsim.engine.pieces import singles, totals
from kinsim.engine.tables import Int64, Rows
from kinsim.system.partition_keys import EVEN, GROUP_DRAWN, GROUP_IN_TURN, HASH_SPACE, RANDOM, KeyTable

WORD = 1 << 64
ONE_BY_ONE = 4
"""Up to this many records of a row are placed one by one instead of halving further."""

LARGEST_POWER = 20
"""Binomial shares are put together from shares of 2^0 to 2^20 records."""

BUCKETS = 1 << 16

Index = NDArray[np.intp]


@dataclass(frozen=True)
class SourceKeys:
    """What a splitter needs to know of a source."""

    table: KeyTable | None
    weights_key: int
    """Address of the draws of keys from the table."""
    hash_key: int
    """Address of the hashes of random keys."""
    split_key: int
    """Address of the shares of groups."""
    binned: bool


class Ranges:
    """Hash ranges in order, found by the upper 64 bits of a hash whose lower bits are 0."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        """*ranges* are inclusive and cover the hash space; they may come in any order."""
        self.order = sorted(range(len(ranges)), key=lambda at: ranges[at][0])
        self.starts = [ranges[at][0] for at in self.order]
        ends = [ranges[at][1] for at in self.order]
        expected = [0, *(end + 1 for end in ends)]
        if self.starts != expected[:-1] or ends[-1] != HASH_SPACE - 1:
            raise ValueError("hash key ranges must cover 0 to 2^128 - 1 once")
        self.places = np.array(self.order, np.int64)
        self.inner = [-(-start // WORD) for start in self.starts[1:]]
        """First upper half in each range but the first; 2^64 where a range holds none."""
        self._bounds = reached(self.inner)
        self._buckets, self._exact = _bucket_table(self._bounds)

    def __len__(self) -> int:
        return len(self.starts)

    def shards(self, high: UInt64) -> Int64:
        """Place of the range of each hash, in the order in which the ranges were given."""
        if len(self) == 1:
            return np.zeros(high.size, np.int64)
        if self._exact:
            found = self._buckets[(high >> np.uint64(48)).astype(np.intp)]
            found = found + (high >= self._bounds[np.minimum(found, self._bounds.size - 1)]) * (
                found < self._bounds.size
            )
        else:
            found = self._bounds.searchsorted(high, "right")
        return self.places[found]


def reached(inner: Sequence[int]) -> UInt64:
    """The boundaries that a number of 64 bits can reach; those at 2^64 have nothing behind them."""
    return np.array([each for each in inner if each < WORD], np.uint64)


def _bucket_table(bounds: UInt64) -> tuple[Int64, bool]:
    """Boundaries up to each bucket's start, by the hash's upper 16 bits; whether no bucket holds two of them inside."""
    buckets = bounds >> np.uint64(48)
    starts = np.arange(BUCKETS, dtype=np.uint64) << np.uint64(48)
    return bounds.searchsorted(starts, "right").astype(np.int64), bool(
        bounds.size and (np.diff(buckets.astype(np.int64)) > 0).all()
    )


# -- groups with random keys ---------------------------------------------------------------------------------


def nested_counts(key: int, row_words: UInt64, counts: Int64, inner: Sequence[int]) -> Int64:
    """How many of each row's records fall between the boundaries *inner* of a space of 2^64, uniform in it.

    Each row has random bits of its own (*row_words*); its share of a half is the same whatever the boundaries are.

    >>> rows = np.array([7], np.uint64)
    >>> halves = nested_counts(1, rows, np.array([100]), [2**63])
    >>> quarters = nested_counts(1, rows, np.array([100]), [2**62, 2**63, 3 * 2**62])
    >>> halves.tolist() == quarters.reshape(1, 2, 2).sum(axis=2).tolist()
    True
    """
    out = np.zeros((counts.size, len(inner) + 1), np.int64)
    bounds = reached(inner)
    stack = [(0, 0, np.arange(counts.size), counts)]
    while stack:
        depth, prefix, rows, left = stack.pop()
        some = left > 0
        if not some.all():
            rows, left = rows[some], left[some]
        if not rows.size:
            continue
        start = prefix << (64 - depth)
        low = int(bounds.searchsorted(np.uint64(start), "right"))
        high = int(bounds.searchsorted(np.uint64(start + (1 << (64 - depth)) - 1), "right"))
        if low == high:
            out[rows, low] += left
            continue
        few = left <= ONE_BY_ONE
        if few.any():
            _place_one_by_one(
                out, bounds, _node_key(key, depth, prefix), (depth, start), row_words, rows[few], left[few]
            )
            rows, left = rows[~few], left[~few]
        if rows.size:
            below = halves(_node_key(key, depth, prefix), row_words[rows], left)
            stack.append((depth + 1, 2 * prefix, rows, below))
            stack.append((depth + 1, 2 * prefix + 1, rows, left - below))
    return out


def _node_key(key: int, depth: int, prefix: int) -> int:
    node = (1 << depth) + prefix
    mixed = (key ^ (node * 0xD1342543DE82EF95) ^ (depth * 0x9E6C63D0876A9A47)) & (WORD - 1)
    return mixed ^ (mixed >> 32)


def _place_one_by_one(
    out: Int64, bounds: UInt64, key: int, node: tuple[int, int], row_words: UInt64, rows: Index, left: Int64
) -> None:
    depth, start = node
    which = np.repeat(rows, left)
    number = np.arange(which.size) - np.repeat(np.cumsum(left) - left, left)
    drawn = words(key + 1, row_words[which] ^ words(key, number.astype(np.uint64)))
    place = np.uint64(start) + (drawn >> np.uint64(depth))
    np.add.at(out, (which, bounds.searchsorted(place, "right")), 1)


def halves(key: int, row_words: UInt64, counts: Int64) -> Int64:
    """For each row a draw from Binomial(count, 1/2), addressed by the row's bits.

    The count is a sum of powers of two, and so is the draw: ones among random bits for the small ones, inversion of
    the distribution for the others.

    >>> drawn = halves(3, np.arange(4, dtype=np.uint64), np.array([0, 1, 50, 100_000]))
    >>> drawn.tolist()
    [0, 1, 25, 50052]
    """
    used = (counts & 63).astype(np.uint64)
    bits = words(key, row_words)
    ones = np.bitwise_count((bits >> np.uint64(1)) >> (np.uint64(63) - used)).astype(np.int64)
    most = int(counts.max())
    for power in range(6, LARGEST_POWER + 1):
        if most < 1 << power:
            break
        times = counts >> power if power == LARGEST_POWER else (counts >> power) & 1
        for repeat in range(int(times.max())):
            rows = np.flatnonzero(times > repeat)
            drawn = words(key + (repeat << 8) + power, row_words[rows] ^ np.uint64(0xA0761D6478BD642F))
            ones[rows] += _ones_of_power(power, drawn)
    return ones


def _ones_of_power(power: int, drawn: UInt64) -> Int64:
    """Ones among 2^power random bits, one draw for each word."""
    if power == 6:
        return np.bitwise_count(drawn).astype(np.int64)
    first, total = _binomial_table(power)
    u = (drawn >> np.uint64(11)).astype(np.float64) / (1 << 53)
    return first + total.searchsorted(u, "right").astype(np.int64)


@cache
def _binomial_table(power: int) -> tuple[int, NDArray[np.float64]]:
    """Smallest value and cumulated distribution of Binomial(2^power, 1/2) within ten standard deviations."""
    n = 1 << power
    reach = int(5 * np.sqrt(n)) + 1
    values = np.arange(max(0, n // 2 - reach), min(n, n // 2 + reach) + 1)
    log_chance = special.gammaln(n + 1) - special.gammaln(values + 1) - special.gammaln(n - values + 1) - n * np.log(2)
    total = np.cumsum(np.exp(log_chance))
    return int(values[0]), total[:-1] / total[-1]


# -- the splitter --------------------------------------------------------------------------------------------


class Splitter:
    """Takes rows apart by shard; for one set of open shards."""

    def __init__(self, sources: Sequence[SourceKeys], ranges: Sequence[tuple[int, int]]) -> None:
        self.sources = sources
        self.ranges = Ranges(ranges)
        self._shards: dict[int, Int64] = {}
        self._bounds: dict[int, list[int]] = {}

    def split(self, rows: Rows) -> list[Rows]:
        """The rows of each shard, in the order of the ranges; no two rows of a shard overlap."""
        n = len(self.ranges)
        if n == 1:
            return [separate(rows)]
        if not len(rows):
            return [rows] * n
        if all_single(rows) and not _has_groups(rows):
            parts, shard = rows, self._of_singles(rows)
        else:
            parts, shard = self._of_all(rows, (rows.count == 1) & (rows.key >= EVEN))
        small: NDArray[Any] = shard.astype(np.int16) if n < 1 << 15 else shard
        apart = in_slices(parts.take(np.argsort(small, kind="stable")), np.bincount(shard, minlength=n))
        return [separate(each) for each in apart] if any_spread(parts) else apart

    def _of_all(self, rows: Rows, single: NDArray[np.bool_]) -> tuple[Rows, Int64]:
        parts = [rows.take(single)]
        shards = [self._of_singles(parts[0])]
        groups = rows.take(~single)
        for source in np.unique(groups.source).tolist():
            of_source = groups.take(groups.source == source)
            for key in np.unique(of_source.key).tolist() if (of_source.key < 0).any() else [0]:
                chosen = of_source.take(of_source.key == key) if key < 0 else of_source.take(of_source.key >= 0)
                part, shard = self._of_groups(chosen, int(source), int(key))
                parts.append(part)
                shards.append(shard)
        together, shard = Rows.concatenate(parts), np.concatenate(shards)
        order = np.lexsort((together.index, together.source, together.time_us))
        return together.take(order), shard[order]

    def _of_singles(self, rows: Rows) -> Int64:
        key = rows.key
        if not len(rows):
            return np.zeros(0, np.int64)
        low, high = extent(key)
        if low == high == RANDOM:
            return self.ranges.shards(rows.hash_high)
        shard = np.zeros(len(rows), np.int64)
        if low <= RANDOM <= high:
            random = key == RANDOM
            shard[random] = self.ranges.shards(rows.hash_high[random])
        if low == EVEN:
            even = key == EVEN
            shard[even] = rows.index[even] % len(self.ranges)
        if high >= 0:
            for source in np.unique(rows.source).tolist():
                named = (rows.source == source) & (key >= 0)
                if named.any():
                    shard[named] = self._of_keys(int(source))[key[named]]
        return shard

    def _of_keys(self, source: int) -> Int64:
        """Shard of each key of a source's table."""
        table = self.sources[source].table
        known = self._shards.get(source)
        if table is not None and (known is None or known.size < len(table)):
            known = self.ranges.places[table.shards(self.ranges.starts)] if len(table) else np.zeros(0, np.int64)
            self._shards[source] = known
        assert known is not None
        return known

    def _of_groups(self, rows: Rows, source: int, key: int) -> tuple[Rows, Int64]:
        if key >= 0:
            return rows, self._of_keys(source)[rows.key]
        if key == EVEN:
            return round_robin(rows, len(self.ranges))
        spread = bool(((rows.step_numerator > 0) & (rows.count > 1)).any())
        keys = self.sources[source]
        if spread and not keys.binned:
            alone = with_keys(singles(rows), keys)
            return alone, self._of_singles(alone)
        if key == GROUP_IN_TURN:
            counts = self._in_turn(rows, source)
        else:
            row_words = words(keys.split_key, rows.index.astype(np.uint64))
            inner = self.ranges.inner if key == RANDOM else self._weighed(source)
            counts = nested_counts(keys.split_key, row_words, rows.count, inner)
            counts = counts[:, np.argsort(self.ranges.places)]
        return shared_out(rows, counts)

    def _weighed(self, source: int) -> list[int]:
        """Where the ranges begin in a space in which each key has room by its weight, in order of the hashes."""
        if source not in self._bounds:
            table = self.sources[source].table
            assert table is not None
            weights = np.ones(len(table)) if table.weights is None else table.weights
            place = table.shards(self.ranges.starts)
            share = np.cumsum(np.bincount(place, weights, len(self.ranges)))[:-1] / weights.sum()
            self._bounds[source] = [min(WORD, int(each * WORD)) for each in share.tolist()]
        return self._bounds[source]

    def _in_turn(self, rows: Rows, source: int) -> Int64:
        """How many of each row's records each shard takes where keys come in turn."""
        shard = self._of_keys(source)
        n, keys = len(self.ranges), shard.size
        whole = np.bincount(shard, minlength=n)
        counts = np.outer(rows.count // keys, whole)
        twice = np.concatenate([shard, shard])
        for row, (first, rest) in enumerate(
            zip((rows.index % keys).tolist(), (rows.count % keys).tolist(), strict=True)
        ):
            counts[row] += np.bincount(twice[first : first + rest], minlength=n)
        return counts


def in_slices(rows: Rows, sizes: Int64) -> list[Rows]:
    """Consecutive slices of *rows*, of the given sizes."""
    columns = [getattr(rows, name) for name in Rows.__dataclass_fields__]
    slices, start = [], 0
    for end in np.cumsum(sizes).tolist():
        slices.append(Rows(*[column[..., start:end] for column in columns]))
        start = end
    return slices


def _has_groups(rows: Rows) -> bool:
    return extent(rows.key)[0] < EVEN


def with_keys(rows: Rows, keys: SourceKeys) -> Rows:
    """Single *rows* with the keys and hashes that their record numbers give them.

    Keys of rows that stand for several keys are drawn or taken in turn; random hashes are drawn.
    """
    if not len(rows):
        return rows
    key = rows.key
    low, high_key = extent(key)
    if low < EVEN and keys.table is not None:
        key = key.copy()
        drawn, in_turn = key == GROUP_DRAWN, key == GROUP_IN_TURN
        key[drawn] = drawn_keys(keys, rows.index[drawn])
        key[in_turn] = rows.index[in_turn] % len(keys.table)
        rows = replace(rows, key=key)
    if low == high_key == RANDOM:
        return replace(rows, hash_high=words(keys.hash_key, rows.index.astype(np.uint64)))
    high = np.zeros(len(rows), np.uint64)
    random, named = key == RANDOM, key >= 0
    high[random] = words(keys.hash_key, rows.index[random].astype(np.uint64))
    if keys.table is not None and named.any():
        high[named] = keys.table.high[key[named]]
    return replace(rows, hash_high=high)


def drawn_keys(keys: SourceKeys, index: Int64) -> Int64:
    """Numbers of the keys that the records *index* of a source draw by weight."""
    table = keys.table
    assert table is not None
    return table.draw(
        (words(keys.weights_key, index.astype(np.uint64)) >> np.uint64(11)).astype(np.float64) / (1 << 53)
    )


def round_robin(rows: Rows, shards: int) -> tuple[Rows, Int64]:
    """Rows taken apart so that record number i goes to shard i modulo *shards*.

    >>> row = replace(Rows.empty(1), count=np.array([5]), index=np.array([1]), step_numerator=np.array([10]))
    >>> parts, shard = round_robin(row, 2)                  # records 1 to 5 at 0, 10, 20, 30, 40
    >>> shard.tolist(), parts.count.tolist(), parts.step_offset.tolist(), parts.step_numerator.tolist()
    ([1, 0], [3, 2], [0, 0], [20, 20])
    """
    used = np.minimum(rows.count, shards)
    row = np.repeat(np.arange(len(rows)), used)
    first = np.arange(row.size) - np.repeat(np.cumsum(used) - used, used)
    taken = rows.take(row)
    count = -(-(taken.count - first) // shards)
    parts = replace(
        taken,
        count=count,
        index=taken.index + first,
        step_offset=taken.step_offset + first * taken.step_numerator,
        step_numerator=taken.step_numerator * shards,
        **_totals(taken, row, count),
    )
    return from_their_first(parts), (taken.index + first) % shards


def _totals(taken: Rows, row: Index, count: Int64) -> dict[str, Any]:
    """Totals of consecutive parts of rows, of *count* records each: their linear shares of the rows' totals."""
    end = np.cumsum(count)
    begins = np.concatenate(([True], row[1:] != row[:-1])) if row.size else np.zeros(0, np.bool_)
    end = end - (end - count)[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    start, whole = end - count, taken.count
    shares = {}
    for name in totals(taken):
        each, rest = np.divmod(getattr(taken, name), whole)
        shares[name] = each * count + (rest * end // whole - rest * start // whole)
    return shares


def shared_out(rows: Rows, counts: Int64) -> tuple[Rows, Int64]:
    """Parts of rows by a table of counts (rows x shards); rows that are spread stay linear over the same time.

    >>> row = replace(Rows.empty(1), count=np.array([4]), step_numerator=np.array([100]))
    >>> row = replace(row, step_denominator=np.array([4]))
    >>> parts, shard = shared_out(row, np.array([[1, 0, 3]]))
    >>> shard.tolist(), parts.count.tolist(), parts.step_numerator.tolist(), parts.step_denominator.tolist()
    ([0, 2], [1, 3], [100, 100], [1, 3])
    """
    row, shard = np.nonzero(counts)
    taken, count = rows.take(row), counts[row, shard]
    start = np.cumsum(counts, axis=1)[row, shard] - count
    parts = replace(taken, count=count, index=taken.index + start, **_totals(taken, row, count))
    if taken.step_numerator.any():
        parts = replace(parts, **_stretched(taken, count))
    return parts, shard.astype(np.int64)


def _stretched(taken: Rows, count: Int64) -> dict[str, Any]:
    """Steps of *count* records over the time that all records of the row take, in whole microseconds."""
    numerator, denominator = taken.step_numerator, taken.step_denominator
    plain = (denominator == taken.count) & (taken.step_offset == 0)
    width_us = np.where(plain, numerator, numerator * taken.count // denominator)
    moved = taken.step_offset // denominator
    return {
        "time_us": taken.time_us + moved,
        "step_numerator": width_us,
        "step_offset": np.zeros(count.size, np.int64),
        "step_denominator": np.where(numerator > 0, count, 1),
    }
