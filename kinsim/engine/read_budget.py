"""What a shard gives out to all its shared-throughput readers together: calls and bytes, first come, first served."""

from __future__ import annotations

from kinsim.engine.tables import THROTTLED
from kinsim.system.stream import (
    MICRO,
    deficit_at,
    may_call,
    may_read,
    missing_after_calls,
    read_level_after,
    read_level_at,
    reads_again_at,
)


class ReadBudget:
    """The read limits of one shard (aws:G1, G3, G4); whoever reads it asks here, in order of time."""

    __slots__ = ("_level", "_missing", "_since_us", "bytes_per_s", "calls_per_s")

    def __init__(self, bytes_per_s: int, calls_per_s: int) -> None:
        self.bytes_per_s, self.calls_per_s = bytes_per_s, calls_per_s
        self._level = self._missing = self._since_us = 0
        """Level of the byte allowance and calls that are missing from a full bucket, in millionths, at that instant."""

    def admits(self, at_us: int) -> bool:
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

    def _pass_time(self, at_us: int) -> None:
        since_us, self._since_us = self._since_us, at_us
        self._level = read_level_at(self._level, since_us, at_us, self.bytes_per_s)
        self._missing = deficit_at(self._missing, since_us, at_us, self.calls_per_s)
