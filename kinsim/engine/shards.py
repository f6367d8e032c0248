"""The shards of a run as they come and go: which are open, how records find theirs, which changes are to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from kinsim.engine.controlling import IteratorAges
from kinsim.engine.tables import Rows, Shard, ShardCountCall, Writes
from kinsim.system.partition_keys import hash_key_ranges
from kinsim.system.resharding import Operation

BEYOND_COUNTING = 1 << 32
"""More shards than there ever are."""


class _Splits(Protocol):
    """What makes splitters for open shards."""

    def splitter(self, ranges: list[tuple[int, int]]) -> Any: ...


class Controller(Protocol):
    """Decides while a run goes on which splits and merges come."""

    @property
    def next_us(self) -> int:
        """When it is asked next; `kinsim.engine.plan.NO_LIMIT`: never again.

        Shards are offered nothing that comes at that instant or later before it has been asked.
        """

    @property
    def ages(self) -> IteratorAges | None:
        """Where the IteratorAge of invocations is noted, if it looks at that."""

    @property
    def calls(self) -> list[ShardCountCall]:
        """What it has called, for the report."""

    def take_note(self, writes: Sequence[Writes]) -> None:
        """See how the shards have answered; what is offered before `next_us` is told before it is asked."""

    def decide(self, now_us: int, shards: Shards) -> list[Operation]:
        """Asked at *now_us*: operations that end then or later, in order of time; sets the next `next_us`."""


class Shards:
    """Every shard of a run by number, open or closed."""

    def __init__(
        self,
        shard_count: int,
        operations: Iterable[Operation],
        arrivals: _Splits,
        controller: Controller | None = None,
        duration_us: int = 1 << 62,
    ) -> None:
        """*operations* are known before the run, others come from the *controller*; none ends after *duration_us*."""
        self.controller, self.duration_us = controller, duration_us
        self.all = [Shard(number, low, high) for number, (low, high) in enumerate(hash_key_ranges(shard_count))]
        self.operations = list(operations)
        """Splits and merges to come, in order of time."""
        self.arrivals = arrivals
        self.most = shard_count + sum(len(each.opens) for each in self.operations)
        """All that ever exist; beyond counting where a controller may open some."""
        if controller is not None:
            self.most = BEYOND_COUNTING
        self._look()

    def split(self, rows: Rows) -> dict[int, Rows]:
        """The rows of each open shard, by its number."""
        return dict(zip(self.open, self.splitter.split(rows), strict=True))

    def next_us(self, end_us: int) -> int | None:
        """When, before *end_us*, an operation ends or the controller is asked: nothing later may be offered before."""
        next_us = self.operations[0].end_us if self.operations else end_us
        if self.controller is not None:
            next_us = min(next_us, self.controller.next_us)
        return next_us if next_us < end_us else None

    def ends_at(self, now_us: int) -> Operation | None:
        """The operation that ends at *now_us*, which comes before the controller is asked."""
        return self.operations[0] if self.operations and self.operations[0].end_us == now_us else None

    def ask(self, now_us: int) -> None:
        """Let the controller decide at *now_us*; what ends after the run does not happen in it."""
        assert self.controller is not None
        decided = self.controller.decide(now_us, self)
        self.operations += [each for each in decided if each.end_us < self.duration_us]

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
