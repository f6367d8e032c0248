"""What a shard gives out to all its shared-throughput readers together: calls and bytes, first come, first served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsim.engine.draws import uniform
from kinsim.engine.shared_reader import SharedReader
from kinsim.engine.tables import THROTTLED
from kinsim.system.stream import (
    MICRO,
    calls_again_us,
    deficit_at,
    may_call,
    may_read,
    missing_after_calls,
    read_level_after,
    read_level_at,
    reads_again_at,
)

if TYPE_CHECKING:
    from kinsim.engine.reader import Reader


class ReadBudget:
    """The read limits of one shard (aws:G1, G3, G4); whoever reads it asks here, in order of time.

    Other applications' calls depend on nothing but these limits, so they are made up for when the mapping asks.
    """

    __slots__ = (
        "_level", "_missing", "_phase_address", "_refusals", "_since_us", "bytes_per_s", "calls_per_s", "mappings",
        "others",
    )  # fmt: skip

    def __init__(
        self,
        bytes_per_s: int,
        calls_per_s: int,
        others: Sequence[SharedReader] = (),
        phase_address: tuple[int, int] = (0, 0),
    ) -> None:
        """*phase_address*: key and shard of the mapping's draws of a phase."""
        self.bytes_per_s, self.calls_per_s, self.others = bytes_per_s, calls_per_s, others
        self.mappings: list[Reader] = []
        """The readers of event source mappings, where several read the shard."""
        self._phase_address, self._refusals = phase_address, 0
        self._level = self._missing = self._since_us = 0
        """Level of the byte allowance and calls that are missing from a full bucket, in millionths, at that instant."""

    @property
    def is_shared(self) -> bool:
        """Whether others than one mapping read the shard."""
        return bool(self.others or self.mappings)

    def make_calls(self, until_us: int) -> None:
        """Make up for the calls of all mappings before *until_us*, in order of time, then of the mappings."""
        while True:
            calls = [(each.next_call_us(), place) for place, each in enumerate(self.mappings)]
            due = [(at_us, place) for at_us, place in calls if at_us is not None and at_us < until_us]
            if not due:
                return
            at_us, place = min(due)
            self.mappings[place].call(at_us)

    def admits(self, at_us: int) -> bool:
        """Whether a GetRecords call of the mapping is served; those of others before it come first."""
        if self.others:
            self.advance(at_us)
        return self.serves(at_us)

    def serves(self, at_us: int) -> bool:
        """Whether a GetRecords call is served; a refused one uses nothing."""
        self._pass_time(at_us)
        if not (may_read(self._level, self.bytes_per_s) and may_call(self._missing, self.calls_per_s)):
            return False
        self._missing += MICRO
        return True

    def give(self, size: int) -> None:
        """The call that was served has brought *size* bytes."""
        self._level = read_level_after(self._level, size, self.bytes_per_s)

    def find_nothing(self, first_us: int, calls: int, interval_us: int) -> tuple[int, int]:
        """Calls from *first_us* on that find nothing: how many have the same answer, and 0 or THROTTLED."""
        if self.is_shared:
            return 1, 0 if self.admits(first_us) else THROTTLED
        self._pass_time(first_us)
        if not may_read(self._level, self.bytes_per_s):
            free_us = reads_again_at(self._level, first_us, self.bytes_per_s)
            return min(calls, -(-(free_us - first_us) // interval_us)), THROTTLED
        if not may_call(self._missing, self.calls_per_s):
            return 1, THROTTLED
        refill = self.calls_per_s * interval_us
        if refill < MICRO:
            calls = 1
        self._missing = missing_after_calls(self._missing, calls, refill)
        self._level = read_level_at(self._level, 0, (calls - 1) * interval_us, self.bytes_per_s)
        self._since_us = first_us + (calls - 1) * interval_us
        return calls, 0

    def advance(self, until_us: int) -> None:
        """Make up for the calls of other applications before *until_us*, in order of time."""
        while self.others:
            first = min(self.others, key=_next_us)
            if first.next_us >= until_us:
                return
            first.call(self)

    def unread(self, settled: int) -> int:
        """First record that somebody has still to read, where the mapping is done with those before *settled*."""
        return min([settled, *(other.seen for other in self.others if other.reads_records)])

    def next_phase_us(self, refused_us: int, interval_us: int) -> int:
        """A new phase of the mapping, after a refused call (ASSUMPTION: or the same would be refused for ever)."""
        self._refusals += 1
        key, shard = self._phase_address
        return calls_again_us(refused_us, interval_us, uniform(key, shard, self._refusals)) % interval_us

    def _pass_time(self, at_us: int) -> None:
        since_us, self._since_us = self._since_us, at_us
        self._level = read_level_at(self._level, since_us, at_us, self.bytes_per_s)
        self._missing = deficit_at(self._missing, since_us, at_us, self.calls_per_s)


def _next_us(reader: SharedReader) -> int:
    return reader.next_us
