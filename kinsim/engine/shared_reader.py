"""Other applications that read a shard by shared throughput: they take calls and bytes that the mapping then lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinsim.engine.draws import uniform
from kinsim.engine.tables import ELSEWHERE, THROTTLED
from kinsim.system.event_source_mapping import poll_at_or_after
from kinsim.system.stream import GET_RECORDS_MAX_BYTES, GET_RECORDS_MAX_RECORDS, calls_again_us, expired_by

if TYPE_CHECKING:
    from kinsim.engine.read_budget import ReadBudget
    from kinsim.engine.shard_log import ShardLog


NEVER_US = 1 << 62


@dataclass(frozen=True, slots=True)
class PlannedReader:
    """A shared-throughput application in plain numbers."""

    name: str
    share: float
    """Share of what is written that it reads; 0 where it reads so many bytes a second instead."""
    bytes_per_s: int
    interval_us: int
    call_records: int = GET_RECORDS_MAX_RECORDS
    call_bytes: int = GET_RECORDS_MAX_BYTES
    """Most that one of its calls brings."""


class SharedReader:
    """One application at one shard: when it calls next, and what it has read."""

    __slots__ = (
        "_closed_us", "_key", "_log", "_plan", "_polls", "_put_to_get_us", "_refusals", "_retention_us", "_shard",
        "_taken", "_trim_us", "next_us", "seen",
    )  # fmt: skip

    def __init__(
        self,
        plan: PlannedReader,
        shard: int,
        key: int,
        log: ShardLog,
        polls: list[int],
        times: tuple[int, int, int],
        opened_us: int = 0,
    ) -> None:
        """*key* is the address of its phases; *times*: put-to-get delay, retention and trim granularity.

        It reads a shard from when it is *opened_us*.
        """
        self._plan, self._shard, self._key, self._log, self._polls = plan, shard, key, log, polls
        self._put_to_get_us, self._retention_us, self._trim_us = times
        self._refusals = 0
        self._taken = plan.bytes_per_s * opened_us // 1_000_000
        self._closed_us = NEVER_US
        self.next_us = poll_at_or_after(opened_us, int(uniform(key, shard) * plan.interval_us), plan.interval_us)
        self.seen = -1
        """First record that it has not read, -1 before its first call: it begins with what the run brings."""

    @property
    def reads_records(self) -> bool:
        """Whether it needs the shard's records, from `seen` on."""
        return self._plan.share > 0

    def close(self, now_us: int) -> None:
        """Nothing more comes to the shard; it makes no more calls once it has had what is there."""
        self._closed_us = now_us

    def call(self, budget: ReadBudget) -> None:
        """One GetRecords call, at `next_us`; a refused one is made again at a phase of its own (ASSUMPTION)."""
        at_us, interval_us = self.next_us, self._plan.interval_us
        if budget.serves(at_us):
            records, size, age_us = self._part(at_us) if self._plan.share else self._bytes(at_us)
            budget.give(size)
            self._polls += (self._shard, at_us, 1, records, size, age_us)
            self.next_us = NEVER_US if self._is_through(at_us) else at_us + interval_us
            return
        self._polls += (self._shard, at_us, 1, THROTTLED, 0, 0)
        self._refusals += 1
        self.next_us = calls_again_us(at_us, interval_us, uniform(self._key, self._shard, self._refusals))

    def _is_through(self, at_us: int) -> bool:
        """Whether it has had all of a shard that is closed."""
        if at_us < self._closed_us:
            return False
        return self.seen >= self._log.end if self._plan.share else self._taken >= self._due(at_us)

    def _due(self, at_us: int) -> int:
        """Bytes that it reads by *at_us*, where it reads so many a second."""
        return self._plan.bytes_per_s * min(at_us, self._closed_us) // 1_000_000

    def _bytes(self, at_us: int) -> tuple[int, int, int]:
        """Bytes of any records: what is due since its last call that was served."""
        size = min(self._due(at_us) - self._taken, self._plan.call_bytes)
        self._taken += size
        return ELSEWHERE, size, 0

    def _part(self, at_us: int) -> tuple[int, int, int]:
        """Its share of the records that it has not read yet: how many, their size and the age of the last."""
        log, share = self._log, self._plan.share
        if self.seen < 0:
            self.seen = log.arrived_by(-1)
        first = max(self.seen, log.arrived_by(expired_by(at_us, self._retention_us, self._trim_us)))
        visible = log.arrived_by(at_us - self._put_to_get_us)
        stop = min(visible, first + int(self._plan.call_records / share))
        if stop <= first:
            self.seen = first
            return 0, 0, 0
        most = int(self._plan.call_bytes / share)
        if log.amount("data_bytes", first, stop) > most:
            stop = min(stop, max(first + 1, log.within("data_bytes", first, most)))
        size = round(log.amount("data_bytes", first, stop) * share)
        self.seen = stop
        return max(1, round((stop - first) * share)), size, at_us - log.arrival_us(stop - 1)
