"""Where records go that wait to be offered to a shard which has been closed meanwhile: to that of its children whose
range holds their hash keys."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.admission import Waiting
from kinsim.engine.draws import words
from kinsim.engine.splitting import WORD, SourceKeys
from kinsim.engine.tables import Int64, Rows
from kinsim.system.partition_keys import EVEN, GROUP_DRAWN, GROUP_IN_TURN, RANDOM
from kinsim.system.resharding import Child, Operation

FIRST, RECORDS = 3, 4
"""Columns of what waits: number of an entry's first record in its row, and its records."""


def rerouted(waiting: Waiting, operation: Operation, sources: Sequence[SourceKeys]) -> Waiting:
    """What waits, once *operation* has closed and opened its shards; the order stays."""
    mine = np.isin(waiting.shard, operation.closes)
    if len(operation.opens) == 1:
        waiting.shard[mine] = operation.opens[0].number
        return waiting
    lower, upper = operation.opens
    above = np.zeros(mine.size, np.int64)
    above[mine] = _above(waiting.take(mine), lower, upper, sources)
    below = np.where(mine, waiting.entries[:, RECORDS] - above, 0)
    parts = np.where(mine, (above > 0).astype(np.int64) + (below > 0), 1)
    entry = np.repeat(np.arange(mine.size), parts)
    second = np.concatenate(([False], entry[1:] == entry[:-1])) if entry.size else np.zeros(0, np.bool_)
    goes_up = second | (mine & (below == 0))[entry]
    moved = waiting.take(entry)
    changed = mine[entry]
    moved.shard[changed] = np.where(goes_up, upper.number, lower.number)[changed]
    moved.entries[changed, RECORDS] = np.where(goes_up, above[entry], below[entry])[changed]
    moved.entries[second, FIRST] += below[entry][second]
    return moved


def rerouted_singles(rows: Rows, shard: Int64, operation: Operation, sources: Sequence[SourceKeys]) -> Int64:
    """The shards of single records, once *operation* has closed and opened some."""
    moved, found = np.isin(shard, operation.closes), shard.copy()
    found[moved] = operation.opens[0].number
    if len(operation.opens) == 2:
        upper = operation.opens[1]
        for source in np.unique(rows.source[moved]).tolist():
            mine = np.flatnonzero(moved & (rows.source == source))
            found[mine[holds(upper, rows.take(mine), sources[source])]] = upper.number
    return found


def _above(waiting: Waiting, lower: Child, upper: Child, sources: Sequence[SourceKeys]) -> Int64:
    """How many records of each entry the upper child takes."""
    rows, records = waiting.rows, waiting.entries[:, RECORDS]
    above = np.zeros(records.size, np.int64)
    single = rows.count == 1
    for source in np.unique(rows.source).tolist():
        mine = rows.source == source
        one, many = mine & single, mine & ~single
        above[one] = holds(upper, rows.take(one), sources[source])
        for key in np.unique(rows.key[many]).tolist():
            group = many & (rows.key == key)
            if key >= 0:
                above[group] = records[group] * holds(upper, rows.take(group), sources[source])
                continue
            first = rows.index[group] + waiting.entries[group, FIRST]
            above[group] = _share(key, first, records[group], lower, upper, sources[source])
    return above


def holds(child: Child, rows: Rows, keys: SourceKeys) -> NDArray[np.bool_]:
    """Whether *child*, the upper one of two, takes each record with a key of its own; in turn where keys are even."""
    found = np.asarray(rows.index % 2 == 1, np.bool_)
    random = rows.key == RANDOM
    if random.any():
        found[random] = _not_below(rows.hash_high[random], -(-child.starting_hash_key // WORD))
    named = rows.key >= 0
    if named.any() and keys.table is not None:
        hashes = keys.table.hashes
        found[named] = [hashes[key] >= child.starting_hash_key for key in rows.key[named].tolist()]
    return found


def _not_below(high: NDArray[np.uint64], bound: int) -> NDArray[np.bool_]:
    return np.asarray(high >= np.uint64(bound), np.bool_) if bound < WORD else np.zeros(high.size, np.bool_)


def _share(key: int, first: Int64, records: Int64, lower: Child, upper: Child, keys: SourceKeys) -> Int64:
    """How many records of each group the upper child takes: drawn record by record, its share of what both take."""
    number = np.arange(int(records.sum())) - np.repeat(np.cumsum(records) - records, records)
    number += np.repeat(first, records)
    if key == EVEN:
        up = number % 2 == 1
    else:
        own_key = int(words(keys.split_key ^ WORD - 1, np.array([upper.number], np.uint64))[0])
        drawn = words(own_key, number.astype(np.uint64))
        up = _not_below(drawn, _bound(key, lower, upper, keys))
    entry = np.repeat(np.arange(records.size), records)
    return np.bincount(entry, up, records.size).astype(np.int64)


def _bound(key: int, lower: Child, upper: Child, keys: SourceKeys) -> int:
    """The lower child's share of what both take, times 2^64."""
    start, middle, end = lower.starting_hash_key, upper.starting_hash_key, upper.ending_hash_key
    if key in (GROUP_DRAWN, GROUP_IN_TURN) and keys.table is not None:
        weights = np.ones(len(keys.table)) if keys.table.weights is None else keys.table.weights
        hashes = keys.table.hashes
        below = sum(weight for weight, each in zip(weights, hashes, strict=True) if start <= each < middle)
        both = sum(weight for weight, each in zip(weights, hashes, strict=True) if start <= each <= end)
        return int(Fraction(float(below)) / Fraction(float(both)) * WORD) if both else 0
    return (middle - start) * WORD // (end + 1 - start)
