"""The shards of a run as they come and go: which are open, how records find theirs, which changes are to come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from kinsim.engine.tables import Rows, Shard
from kinsim.system.partition_keys import hash_key_ranges
from kinsim.system.resharding import Operation


class _Splits(Protocol):
    """What makes splitters for open shards."""

    def splitter(self, ranges: list[tuple[int, int]]) -> Any: ...


class Shards:
    """Every shard of a run by number, open or closed."""

    def __init__(self, shard_count: int, operations: Iterable[Operation], arrivals: _Splits) -> None:
        self.all = [Shard(number, low, high) for number, (low, high) in enumerate(hash_key_ranges(shard_count))]
        self.operations = list(operations)
        """Splits and merges to come, in order of time."""
        self.arrivals = arrivals
        self.most = shard_count + sum(len(each.opens) for each in self.operations)
        """All that ever exist."""
        self._look()

    def split(self, rows: Rows) -> dict[int, Rows]:
        """The rows of each open shard, by its number."""
        return dict(zip(self.open, self.splitter.split(rows), strict=True))

    def next_until(self, end_us: int) -> Operation | None:
        """The next operation that ends before *end_us*."""
        return self.operations[0] if self.operations and self.operations[0].end_us < end_us else None

    def change(self) -> None:
        """The next operation ends."""
        operation = self.operations.pop(0)
        for number in operation.closes:
            self.all[number].closed_us = operation.end_us
        for child in operation.opens:
            self.all.append(
                Shard(
                    child.number, child.starting_hash_key, child.ending_hash_key, operation.end_us, None,
                    child.parent, child.adjacent_parent,
                )
            )  # fmt: skip
        self._look()

    def parents(self, number: int) -> list[int]:
        """The shards whose records come before those of shard *number*."""
        shard = self.all[number]
        return [each for each in (shard.parent, shard.adjacent_parent) if each is not None]

    def _look(self) -> None:
        self.open = [shard.number for shard in self.all if shard.closed_us is None]
        ranges = [(self.all[each].starting_hash_key, self.all[each].ending_hash_key) for each in self.open]
        self.splitter = self.arrivals.splitter(ranges)
