"""What becomes of batches that the mapping has given up: they are told to a destination, and may be put back once.

A redrive tool reads the documents at the destination and invokes the function with the records that they name, which
it reads from the stream: beside the mapping, in order, one batch of a shard at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

from kinsim.engine.invoking import Invoker
from kinsim.engine.plan import NO_LIMIT, Plan
from kinsim.engine.shard_log import ShardLog
from kinsim.system.event_source_mapping import batch_records
from kinsim.system.stream import expired_by

REDRIVEN = 1 << 40
"""Batches that are put back are numbered from here on, so that their draws are their own."""


class Redrive:
    """The records of one line that were discarded and are to be put back."""

    __slots__ = ("_discarded", "invoker", "log", "plan")

    def __init__(self, plan: Plan, log: ShardLog, invoker: Invoker) -> None:
        self.plan, self.log, self.invoker = plan, log, invoker
        self._discarded: list[tuple[int, int]] = []

    def discard(self, first: int, end: int, now_us: int) -> None:
        """The mapping has given up these records; what it gives up after the redrive stays where it is."""
        if now_us < self.plan.redrive_us:
            self._discarded.append((first, end))

    @property
    def needs_from(self) -> int:
        """First record whose data is still needed; no limit if none is."""
        return self._discarded[0][0] if self._discarded else NO_LIMIT

    def batches(self) -> Iterator[tuple[int, int]]:
        """The batches to be put back, in order of their records, none larger than the mapping's."""
        self._discarded.sort()
        while self._discarded:
            first, end = self._discarded[0]
            within = self.log.within("payload_bytes", first, self.plan.payload_limit) - first
            stop = first + batch_records(end - first, self.plan.batch_size, max(within, 1))
            yield first, stop
            if stop < end:
                self._discarded[0] = stop, end
            else:
                del self._discarded[0]

    def still_there(self, first: int, end: int, now_us: int) -> int:
        """First record from *first* up to *end* that the stream still has: what has expired cannot be read again."""
        gone = self.log.arrived_by(expired_by(now_us, self.plan.retention_us, self.plan.trim_us))
        return min(end, max(first, gone))
