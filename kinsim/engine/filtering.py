"""A mapping's filter: which records it keeps, and what becomes of those that it leaves out (aws:E35).

The mapping reads every record of a shard and makes batches of those that the filter keeps.  So a shard keeps one log of
all its records, which is what GetRecords reads, one for each line of those kept, and one of those left out: they are
done with as soon as they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.dealing import LaneLog, taken_apart
from kinsim.engine.draws import Purpose, address_key, binomial, uniforms
from kinsim.engine.even import all_single
from kinsim.engine.plan import Plan
from kinsim.engine.splitting import SourceKeys, shared_out
from kinsim.engine.tables import LEFT_OUT, Int64, Loss, Rows, Tables
from kinsim.system.stream import expired_by, expires_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinsim.scenario import Scenario

SECOND_US = 1_000_000


class Filter:
    """Keeps each record with the same chance, drawn by its source and number: a larger share keeps those and more."""

    def __init__(self, scenario: Scenario, replication: int, sources: Sequence[SourceKeys], one_by_one: bool) -> None:
        """*one_by_one*: records that come as one may part on their way into the stream, where a part has no number."""
        share = scenario.event_source_mapping.filter
        assert share is not None
        self.share, self.sources, self.one_by_one = share, sources, one_by_one
        names, seed = scenario.workload.sources, scenario.member.reader_seed
        self.keys = [address_key(seed, replication, Purpose.FILTER, name) for name in names]

    def apart(self, rows: Rows) -> Rows:
        """*rows* of which those whose records come one after another, or may part, are single records."""
        together = rows.count == 1
        if not self.one_by_one:
            together |= rows.step_numerator == 0
        return taken_apart(rows, together, self.sources)

    def sift(self, rows: Rows, lane: Int64) -> tuple[Rows, Int64]:
        """*rows* in which each is kept or left out, and the lanes of those kept: of the given ones, else LEFT_OUT."""
        if not len(rows):
            return rows, lane
        kept = self.kept(rows)
        if all_single(rows):
            return rows, np.where(kept > 0, lane, LEFT_OUT)
        counts = np.column_stack([kept, rows.count - kept])
        row = np.nonzero(counts)[0]
        rows, left = shared_out(rows, counts)
        return rows, np.where(left > 0, LEFT_OUT, lane[row])

    def kept(self, rows: Rows) -> Int64:
        """How many records of each row are kept; of equal ones that come together a binomial share."""
        kept = np.zeros(len(rows), np.int64)
        single = rows.count == 1
        for source in np.unique(rows.source).tolist():
            mine, key = rows.source == source, self.keys[source]
            alone, groups = mine & single, mine & ~single
            kept[alone] = uniforms(key, rows.index[alone]) >= 1.0 - self.share
            if groups.any():
                kept[groups] = binomial(rows.count[groups], self.share, uniforms(key, rows.index[groups]))
        return kept


class LeftOut:
    """The records of a shard that the filter leaves out: those before *done* are done with."""

    __slots__ = ("done", "log", "over", "plan", "shard", "tables")

    def __init__(self, shard: int, plan: Plan, tables: Tables) -> None:
        self.shard, self.plan, self.tables = shard, plan, tables
        self.log = LaneLog()
        self.done = 0
        self.over = False
        """Whether the run has ended, so that all that is left waits."""

    def read_up_to(self, number: int, at_us: int) -> None:
        """The mapping has read the shard's records before *number*, the last of them *at_us*."""
        self.expire(at_us)
        if not self.over:
            self._settle(self.log.before(number), at_us, Loss.FILTERED)

    def seen_by(self, now_us: int, from_us: int) -> None:
        """Without polls each is read as soon as it can be, but not before *from_us*."""
        first, put_to_get_us = self.done, self.plan.put_to_get_us
        end = self.log.arrived_by(now_us - put_to_get_us)
        if end <= first or self.over:
            return
        self.done = end
        pieces = self.log.pieces(first, end)
        time_us = np.maximum(pieces.time_us + put_to_get_us, from_us)
        self._tell(time_us, pieces.first, pieces.count, pieces.log_events, Loss.FILTERED)

    def skip(self, before_us: int, now_us: int) -> None:
        """The mapping begins to read: what came before *before_us* is not for it."""
        self._settle(self.log.arrived_by(before_us - 1), now_us, Loss.SKIPPED)

    def expire(self, now_us: int) -> None:
        """What is not read and has expired is lost, each at its own instant; one row a second."""
        plan, first, log = self.plan, self.done, self.log
        end = log.arrived_by(expired_by(now_us, plan.retention_us, plan.trim_us)) if first < log.end else first
        if end <= first or self.over:
            return
        self.done = end
        pieces = log.pieces(first, end)
        second = pieces.last_us // SECOND_US
        starts = np.flatnonzero(np.concatenate(([True], second[1:] != second[:-1])))
        time_us = [expires_at(each, plan.retention_us, plan.trim_us) for each in pieces.time_us[starts].tolist()]
        records, log_events = (np.add.reduceat(column, starts) for column in (pieces.count, pieces.log_events))
        self._tell(np.array(time_us, np.int64), pieces.first[starts], records, log_events, Loss.EXPIRED)

    def _settle(self, end: int, at_us: int, cause: Loss) -> None:
        first = self.done
        if end > first:
            self.done = end
            events = self.log.amount("log_events", first, end)
            time_us, number, records, log_events = np.array([[at_us], [first], [end - first], [events]], np.int64)
            self._tell(time_us, number, records, log_events, cause)

    def _tell(self, time_us: Int64, first: Int64, records: Int64, log_events: Int64, cause: Loss) -> None:
        """Rows of the table LOSS."""
        self.tables.settled_us = max(self.tables.settled_us, int(time_us.max()))
        shard, lane, causes = (np.full(time_us.size, each) for each in (self.shard, LEFT_OUT, int(cause)))
        self.tables.losses.append(np.column_stack([shard, lane, time_us, first, records, log_events, causes]))
