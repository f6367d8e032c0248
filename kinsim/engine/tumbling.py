"""The tumbling window of a shard: state that goes from invocation to invocation until time closes it (aws:E36)."""

from __future__ import annotations

from kinsim.engine.plan import NO_LIMIT, Plan
from kinsim.engine.reader import LineReader
from kinsim.system.event_source_mapping import poll_at_or_after, tumbling_window_ends_us

CLOSED = -(1 << 62)


class TumblingWindow:
    """The window whose state one shard carries, if it carries one."""

    __slots__ = ("ends_us", "log", "plan", "reader", "shard_ends_us")

    def __init__(self, plan: Plan, reader: LineReader) -> None:
        self.plan, self.reader, self.log = plan, reader, reader.log
        self.ends_us = CLOSED
        """End of the window that has had a batch and not yet its final invocation."""
        self.shard_ends_us = NO_LIMIT
        """When the shard was closed, by a split or a merge: nothing more comes to its window."""

    def end_of(self, record: int) -> int:
        """End of the window to which *record* belongs."""
        return tumbling_window_ends_us(self.log.arrival_us(record), self.plan.tumbling_us, self.plan.tumbling_offset_us)

    def room(self, first: int, records: int) -> int:
        """How many of *records* from *first* on belong to the window of the first."""
        return min(records, self.log.arrived_by(self.end_of(first) - 1) - first)

    def open(self, first: int) -> None:
        """A batch that begins with record *first* is formed."""
        self.ends_us = self.end_of(first)

    def close(self) -> None:
        """The final invocation is made."""
        self.ends_us = CLOSED

    def closes_us(self, now_us: int) -> int | None:
        """When the mapping knows that nothing more comes for the open window; None if no window is to be closed yet.

        It has read a record of a later window, or its first poll after the end finds none of this one.  The end of the
        shard ends its window too.
        """
        reader, log = self.reader, self.log
        if self.ends_us == CLOSED:
            return None
        if reader.read > reader.head:
            return now_us if log.arrival_us(reader.head) >= self.ends_us else None
        if reader.paused or (reader.read < log.end and log.arrival_us(reader.read) < self.ends_us):
            return None
        over_us = self.ends_us if reader.read < log.end else min(self.ends_us, self.shard_ends_us)
        return max(now_us, self._known_us(over_us))

    def _known_us(self, over_us: int) -> int:
        """When the mapping knows that nothing more came before *over_us*."""
        plan, known_us = self.plan, over_us + self.plan.put_to_get_us
        if not plan.poll_interval_us:
            return known_us
        return poll_at_or_after(known_us, self.reader.phase_us, plan.poll_interval_us)
