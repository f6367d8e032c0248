"""The sink of an engine: turns windows of events into the numbers of one replication.

Memory does not grow with the number of records: sums, histograms and one cell per minute are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.shard_log import Pieces, ShardLog
from kinsim.engine.tables import INVOCATION, Final, Lines, Loss, Outcome, Window, shard_of
from kinsim.errors import InternalError
from kinsim.measure.alerts import AlertSide
from kinsim.measure.cells import grown
from kinsim.measure.event_counts import EventCounts
from kinsim.measure.fan_out import FanOutSide
from kinsim.measure.kept import HashKeys, KeptInvocations, KeptRecords
from kinsim.measure.levels import LOSE, SETTLE, TAKE
from kinsim.measure.memory import MemorySide
from kinsim.measure.minutes import Count
from kinsim.measure.reads import ReadSide
from kinsim.measure.result import ReplicationResult
from kinsim.measure.runs import Billing, Columns, RunSide, begins_with_records, columns_of, done_apart
from kinsim.measure.stretches import LINE_BITS, MINUTE_US, Int64, Stretches
from kinsim.measure.timeline import FIRST, LINE, NEVER_US, RECORDS, TIME, Timeline
from kinsim.measure.wanted import Wanted
from kinsim.measure.writes import WriteSide
from kinsim.scenario.beginning import tumbling_offset_us
from kinsim.scenario.readers import registered_consumers
from kinsim.system.event_source_mapping import tumbling_window_ends_us

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

ROWS_AT_ONCE = 60_000
"""Rows of events that are gathered before they are worked on: enough for columns to pay, few enough to hold."""

TIME_BITS = 48
"""Instants of a run stay below 2**48 microseconds, nine years."""

LONGEST_HELD_US = 30 * 86_400 * 1_000_000
SHARD_CELLS = 12_500_000
"""Most cells of a table by shard and period."""

_PERIODS = (1, 5, 15, 60, 240, 1_440)


def shard_period_us(minutes: int, shards: int) -> int:
    """Period of the curves by shard: minutes, longer where many shards run for long.

    >>> shard_period_us(1_440, 100) // MINUTE_US, shard_period_us(30 * 1_440, 1_000) // MINUTE_US
    (1, 5)
    """
    for period in _PERIODS:
        if minutes * shards <= SHARD_CELLS * period:
            return period * MINUTE_US
    return _PERIODS[-1] * MINUTE_US


class Recorder:
    """Receives what an engine did, window by window; `result` is there after `finish`."""

    def __init__(
        self,
        scenario: Scenario,
        replication: int,
        keep: Collection[str] = (),
        hash_keys: HashKeys | None = None,
        details: bool = True,
    ) -> None:
        """*keep* names the tables `invocations` and `records`; *hash_keys* fills a column of the latter.

        Without *details* the result has no series, curves, distributions or numbers by shard.
        """
        self.scenario, self.replication, self.details = scenario, replication, details
        run, stream, mapping = scenario.run, scenario.stream, scenario.event_source_mapping
        self.shards = max(2, stream.shard_count) if stream.changes_shards else stream.shard_count
        self.lanes = mapping.parallelization_factor
        of_lanes = 1 if mapping.parallelization == "pooled" else self.lanes
        self.numbering = Lines(of_lanes, mapping.filters)
        self.lines = self.numbering.each
        """Lines of each shard: records that are worked off in an order of their own."""
        self.warm_up_us = round(run.warm_up_s * 1e6)
        self.duration_us = round(run.duration_s * 1e6)
        minutes = -(-self.duration_us // MINUTE_US) + 1
        self.retention_us = None if stream.retention_period_s is None else round(stream.retention_period_s * 1e6)
        period_us = shard_period_us(minutes, self.shards)
        self.wanted = Wanted(scenario)
        limits = (stream.bytes_per_s, stream.records_per_s) if stream.limiter else None
        self.writes = WriteSide(self.shards, minutes, self.warm_up_us, period_us, limits)
        constants = scenario.profile_data.constants
        quantum = scenario.profile_data.constant("billing_quantum_ms") if "billing_quantum_ms" in constants else 0
        with_init = "bill_init" in constants and bool(scenario.profile_data.constant("bill_init"))
        self.runs = RunSide(
            self.shards, minutes, self.warm_up_us, period_us,
            batch_size=mapping.batch_size, age_at=mapping.iterator_age,
            billing=Billing(round(quantum * 1_000), with_init), groups=self.wanted.groups(),
            lanes=self.lanes, lines=self.lines, tumbling=mapping.tumbling_window_s > 0,
        )  # fmt: skip
        self.reads = ReadSide(
            self.shards, minutes, round((mapping.poll_interval_s or 0.0) * 1e6), bool(stream.shard_level_metrics)
        )
        registered = [scenario.name if stream.enhanced_fan_out else None, *registered_consumers(scenario)]
        self.fan_out = FanOutSide(registered, minutes) if any(registered) else None
        self.timeline = Timeline(self.shards, self.lines, self.warm_up_us, minutes, self.wanted.age_limit_us, period_us)
        self.throttles = Count(self.shards, minutes, self.warm_up_us)
        self.lost = {cause: Count(self.shards, minutes, self.warm_up_us) for cause in Loss}
        self.redriven = Count(self.shards, minutes, self.warm_up_us)
        """Records that were discarded and processed later on; they are among both."""
        self.deliveries = Count(self.shards, minutes, self.warm_up_us)
        self.has_destination = mapping.on_failure_destination is not None
        self.kept_invocations = KeptInvocations(replication, self.runs.age_at) if "invocations" in keep else None
        sources = list(scenario.workload.sources)
        self.kept_records = KeptRecords(replication, sources, hash_keys, self.numbering) if "records" in keep else None
        rules = scenario.function.rules
        self.events = EventCounts(mapping, minutes) if mapping.counts_events else None
        needs_memory = scenario.function.memory_used is not None
        self.memory = MemorySide(scenario.function, self.runs, minutes) if needs_memory else None
        self.alerts = AlertSide(scenario, self.shards, self.numbering, minutes, self.warm_up_us) if rules else None
        self._sides = [side for side in (self.alerts, self.events, self.fan_out) if side is not None]
        self.logs: Mapping[int, ShardLog] = {}
        self.end_us = 0
        self.initial = np.zeros(self.shards * self.lines, np.int64)
        """Records that were there at time 0, of each line."""
        self._redriving_since_us: int | None = None
        self._begun = run.initial_backlog is None
        lines = self.shards * self.lines
        self._seen = np.zeros(lines, np.int64)
        self._pointer = np.zeros(lines, np.int64)
        self._known = np.zeros(lines, np.int64)
        self._left_us = np.zeros(lines, np.int64)
        self._unsettled = np.zeros(lines, np.int64)
        """Records in batches that have failed and are neither processed nor lost."""
        self.windows = OpenWindows(scenario) if mapping.tumbling_window_s else None
        self._beyond_gap = np.zeros((7, 0), np.int64)
        self._held = _Held(lines)
        self._fresh: dict[int, Stretches] = {}
        self._result: ReplicationResult | None = None

    def grow(self, shards: int) -> None:
        """Have room for so many shards, of which some have just been opened; there was room for two or more before."""
        self.shards = shards
        for side in (self.writes, self.runs, self.reads, self.timeline):
            side.grow(shards)
        for count in (self.throttles, self.redriven, self.deliveries, *self.lost.values()):
            count.grow(shards)
        if self.alerts is not None:
            self.alerts.grow(shards)
        lines = shards * self.lines
        for name in ("initial", "_seen", "_pointer", "_known", "_left_us", "_unsettled"):
            setattr(self, name, grown(getattr(self, name), lines))
        self._held.grow(lines)

    @property
    def result(self) -> ReplicationResult:
        """The numbers of the replication; after `finish`."""
        if self._result is None:
            raise InternalError("the run has not been finished")
        return self._result

    def window(self, window: Window) -> None:
        """Take in one window."""
        held = self._held
        self.logs, self.end_us = window.logs, window.end_us
        shards = max(window.logs) // self.lines + 1
        if shards > self.shards:
            self.grow(shards)
        if not self._begun:
            self._begin(window)
        arrivals = self._fetch_arrivals(window)
        self.writes.window(window.end_us, window.writes, arrivals if self.lines == 1 else {})
        table = columns_of(window.invocations, self.numbering) if window.invocations.size else None
        if table is not None:
            self._fetch_records(table, window.logs)
            held.invocations.append(window.invocations)
            if self.memory is not None:
                self.memory.add(table, window.logs)
            if self.kept_invocations is not None:
                self.kept_invocations.add(table, window.logs)
        if self.kept_records is not None:
            self.kept_records.add(table or columns_of(window.invocations, self.numbering), window.losses, window.logs)
            if window.redrives.size:
                self.kept_records.put_back(columns_of(window.redrives, self.numbering), window.logs)
        if window.losses.size:
            held.losses.append(self._with_heads(window.losses, window.logs))
        if window.redrives.size:
            self._take_redrives(window)
        self._redriving_since_us = window.redriving_since_us
        if window.throttles.size:
            held.throttles.append(window.throttles)
        if window.polls.size:
            self.reads.add(window.polls)
        for side in self._sides:
            side.window(window)
        held.rows += (
            window.invocations.size
            + window.redrives.size
            + window.losses.size
            + sum(w.time_us.size for w in window.writes)
        )
        if held.rows >= ROWS_AT_ONCE or window.end_us - self.timeline.now_us > LONGEST_HELD_US:
            self._work_off()

    def finish(self, final: Final) -> None:
        """Take in the state at the end, check that every record is somewhere, and make up the result."""
        self._work_off()
        self._take_in_flight(final)
        self.timeline.advance(final.end_us, self._head_us)
        self.timeline.horizon_us = final.end_us
        self.timeline.advance(self.timeline.latest_event_us() + 1, self._head_us)
        self.timeline.finish(final.end_us)
        self.writes.finish(final.end_us)
        self.runs.use_same_latency()
        self._check(final)
        if self.alerts is not None:
            self.alerts.finish()
            self.alerts.check(final, self.replication)
        if self.kept_records is not None:
            self._keep_rest(final)
        from kinsim.measure.making import make_result

        self._result = make_result(self, final)

    # -- from windows into hands

    def _begin(self, window: Window) -> None:
        """Take in what is there at time 0."""
        self._begun = True
        losses = window.losses
        skipped = losses[(losses["cause"] == Loss.SKIPPED) & (losses["time_us"] == 0)]
        lines = self.numbering.of(skipped["shard"], skipped["lane"])
        np.add.at(self._pointer, lines, skipped["records"])
        for line, log in window.logs.items():
            end = log.arrived_by(-1)
            if end:
                pieces = log.pieces(int(self._pointer[line]), end)
                self.timeline.begin(line, end, _stretches(line, pieces, {"bytes": pieces.data_bytes}, {}))
                self._seen[line] = self.initial[line] = end

    def _fetch_arrivals(self, window: Window) -> dict[int, Stretches]:
        """The records that came to each line in this window."""
        found = {}
        self._fresh = {}
        for line, log in window.logs.items():
            first = int(self._seen[line])
            if log.end == first:
                continue
            end = log.arrived_by(window.end_us)
            if end > first:
                pieces = log.pieces(first, end)
                rows = found[line] = _stretches(line, pieces, {"bytes": pieces.data_bytes}, {})
                if rows.single:
                    events, lag = {"log_events": pieces.log_events}, {"lag_us": pieces.lag_us}
                    self._fresh[line] = dataclasses.replace(rows, totals=events, values=lag)
                self._held.arrivals[line].append(found[line])
                self._seen[line] = end
        return found

    def _take_redrives(self, window: Window) -> None:
        """Invocations of records that had been discarded."""
        table = columns_of(window.redrives, self.numbering)
        held = self._held
        if self.memory is not None:
            self.memory.add(table, window.logs)
        held.redrives.append(table)
        for line, first, done in zip(*(table[name].tolist() for name in ("line", "first", "done")), strict=True):
            if done:
                held.redriven.append(_with_events(line, window.logs[line].pieces(first, first + done)))
        if self.kept_invocations is not None:
            self.kept_invocations.add(table, window.logs)

    def _fetch_records(self, table: Columns, logs: Mapping[int, ShardLog]) -> None:
        """The records of first tries, and those done by later ones or in part, while they can be read."""
        first_try = begins_with_records(table)
        apart = done_apart(table)
        for which, records, lists in (
            (first_try, table["records"], self._held.started),
            (apart, table["done"], self._held.done_apart),
        ):
            if not which.any():
                continue
            line, first = table["line"][which], table["first"][which]
            end = first + records[which]
            starts = np.flatnonzero(np.concatenate(([True], line[1:] != line[:-1])))
            lows, highs = np.minimum.reduceat(first, starts), np.maximum.reduceat(end, starts)
            for number, low, high in zip(line[starts].tolist(), lows.tolist(), highs.tolist(), strict=True):
                lists[number] += self._read(number, logs[number], low, high)

    def _read(self, line: int, log: ShardLog, low: int, high: int) -> list[Stretches]:
        """Records *low* up to *high*, those of this window from what was read of it already."""
        fresh = self._fresh.get(line)
        if fresh is None or high <= int(fresh.first[0]):
            return [_with_events(line, log.pieces(low, high))]
        begin = int(fresh.first[0])
        old = [_with_events(line, log.pieces(low, begin))] if low < begin else []
        return [*old, fresh.take(slice(max(low, begin) - begin, high - begin))]

    def _with_heads(self, losses: NDArray[np.void], logs: Mapping[int, ShardLog]) -> Int64:
        """Losses as rows of a table: line, time, first, records, cause, bytes, arrival of the first."""
        columns = [np.ascontiguousarray(losses[name]) for name in ("shard", "time_us", "first", "records", "cause")]
        columns[0] = line = self.numbering.of(columns[0], np.ascontiguousarray(losses["lane"]))
        size, head = np.zeros(losses.size, np.int64), np.zeros(losses.size, np.int64)
        _, _, first, records, _ = columns
        for number in np.unique(line).tolist():
            mine = line == number
            log = logs[number]
            size[mine] = log.amounts("data_bytes", first[mine], first[mine] + records[mine])
            head[mine] = log.arrivals_us(first[mine])
        return np.stack([*columns, size, head])

    # -- from hands into numbers

    def _work_off(self) -> None:
        """Work on everything that was gathered."""
        held, self._held = self._held, _Held(self.shards * self.lines)
        rows = np.concatenate(held.invocations) if held.invocations else np.zeros(0, INVOCATION)
        table = columns_of(rows, self.numbering)
        self.runs.add(
            table,
            _joined(held.started, ("log_events",), ("lag_us",)),
            _joined(held.done_apart, ("log_events",), ("lag_us",)),
        )
        for table_of_window in held.redrives:
            done = table_of_window["done"]
            self.redriven.add(table_of_window["shard"], done, table_of_window["end_us"])
            self.timeline.add(
                [], np.zeros((7, 0), np.int64), np.zeros((3, 0), np.int64),
                np.stack([table_of_window["start_us"], table_of_window["end_us"]]),
            )  # fmt: skip
        if held.redrives:
            redrives = _in_order_of_records(held.redrives)
            self.runs.add_redriven(redrives, _in_order_of_rows(held.redriven))
        if held.throttles:
            throttles = np.concatenate(held.throttles)
            shard, time_us = np.ascontiguousarray(throttles["shard"]), np.ascontiguousarray(throttles["time_us"])
            self.throttles.add(shard, np.ones_like(shard), time_us)
        losses = np.concatenate(held.losses, axis=1) if held.losses else np.zeros((7, 0), np.int64)
        losses = losses[:, np.lexsort((losses[2], losses[0]))]
        self._count_losses(losses)
        never_waited = (losses[4] == Loss.SKIPPED) & (losses[1] == 0)
        self._order(table, losses[:, ~never_waited] if never_waited.any() else losses, held.arrivals)
        self.timeline.advance(self._frontier_us(), self._head_us)
        for group in self.runs.groups.values():
            group.advance(self.timeline.now_us)

    def _count_losses(self, losses: Int64) -> None:
        if self.has_destination:
            told = (losses[4] == Loss.DISCARDED) | (losses[4] == Loss.TOO_LARGE)
            shard = shard_of(losses[0][told], self.lines)
            self.deliveries.add(shard, np.ones_like(shard), losses[1][told])
        for cause, count in self.lost.items():
            mine = losses[4] == cause
            if mine.any():
                count.add(shard_of(losses[0][mine], self.lines), losses[3][mine], losses[1][mine])

    def _order(self, table: Columns, losses: Int64, arrivals: list[list[Stretches]]) -> None:
        """Arrivals, removals from the backlog, ends of stays and invocations for the timeline."""
        first_try = begins_with_records(table)
        line, first, records = (table[name][first_try] for name in ("line", "first", "records"))
        taken = np.stack(
            [
                line, table["start_us"][first_try], np.full(line.size, TAKE), first, records,
                table["bytes"][first_try], table["first_arrival_us"][first_try],
            ]
        )  # fmt: skip
        waiting = self._waited(losses, line, first, records)
        lost = losses[:, waiting]
        removals = np.stack([lost[0], lost[1], np.full(lost.shape[1], LOSE), lost[2], lost[3], lost[5], lost[6]])
        removals = self._contiguous(np.concatenate([taken, removals, self._beyond_gap], axis=1))
        done = table["done"] > 0
        at_once = table["end_us"][done] == table["start_us"][done]
        ends = np.where(at_once, TAKE, SETTLE)
        settles = np.concatenate(
            [
                np.stack([table["end_us"][done], ends, table["done"][done]]),
                np.stack([losses[1], np.full(losses.shape[1], LOSE), losses[3]]),
            ],
            axis=1,
        )
        runs = np.stack([table["start_us"], table["end_us"]])
        self.timeline.add(arrivals, removals, settles, runs)
        if line.size:
            np.maximum.at(self._known, line, first + records)
        if self.windows is not None:
            self.windows.note(table)
        np.add.at(self._unsettled, line, records)
        np.subtract.at(self._unsettled, table["line"], table["done"])
        np.subtract.at(self._unsettled, losses[0][~waiting], losses[3][~waiting])

    def _contiguous(self, removals: Int64) -> Int64:
        """The removals that follow one another without a gap; a gap is a batch that is still under way.

        What was lost behind it waits for it, so that each line gives up its records in their order.
        """
        removals = removals[:, np.lexsort((removals[FIRST], removals[LINE]))]
        line, first = removals[LINE], removals[FIRST]
        expected = self._pointer[line]
        same = np.concatenate(([False], line[1:] == line[:-1]))
        expected[1:][same[1:]] = (first + removals[RECORDS])[:-1][same[1:]]
        gaps = np.cumsum(first != expected)
        begins = np.maximum.accumulate(np.where(same, 0, np.arange(line.size)))
        before = np.where(begins > 0, gaps[begins - 1], 0) if line.size else gaps
        beyond = gaps > before
        self._beyond_gap = removals[:, beyond]
        removals = removals[:, ~beyond]
        self._in_order(removals)
        np.maximum.at(self._pointer, removals[LINE], removals[FIRST] + removals[RECORDS])
        return removals

    def _in_order(self, removals: Int64) -> None:
        """No record leaves a line before the one in front of it.

        One that expires behind a batch that waits for concurrency may be told with an earlier instant.
        """
        line, time_us = removals[LINE], removals[TIME]
        time_us = np.maximum(time_us, self._left_us[line])
        latest = np.maximum.accumulate((line << TIME_BITS) + time_us)
        removals[TIME] = latest & ((1 << TIME_BITS) - 1)
        np.maximum.at(self._left_us, line, removals[TIME])

    def _waited(self, losses: Int64, line: Int64, first: Int64, records: Int64) -> NDArray[np.bool_]:
        """Which losses were waiting: those in no batch, known before or now."""
        number = (losses[0] << LINE_BITS) + losses[2]
        waiting = losses[2] >= self._known[losses[0]]
        key = np.sort((line << LINE_BITS) + first)
        if key.size:
            ends = np.sort((line << LINE_BITS) + first + records)
            batch = np.searchsorted(key, number, "right") - 1
            waiting &= (batch < 0) | (number >= ends[np.maximum(batch, 0)])
        return np.asarray(waiting, np.bool_)

    def _frontier_us(self) -> int:
        """Instant before which no invocation that is still to come can have started."""
        earliest = self.end_us if self._redriving_since_us is None else min(self.end_us, self._redriving_since_us)
        waiting = self._seen - self._pointer
        if self.numbering.filters:
            waiting.reshape(self.shards, -1)[:, -1] = 0  # all that has befallen what is left out is known
        last_us = self._last_end_us()
        for line in np.flatnonzero((waiting > 0) | (self._unsettled > 0)).tolist():
            at_us = max(int(last_us[line]), 0)
            if waiting[line] > 0:
                head_us = self._head_us(line, int(self._pointer[line]))
                if not self._unsettled[line]:
                    at_us = max(at_us, head_us)
                if self.retention_us is not None:
                    at_us = min(at_us, head_us + self.retention_us)
            earliest = min(earliest, at_us)
        for line, closes_us in self.windows.closes_us.items() if self.windows is not None else ():
            earliest = min(earliest, max(int(last_us[line]), closes_us))
        return earliest

    def _last_end_us(self) -> Int64:
        """End of the last invocation of each line; where several lanes share one, of the lane that is furthest back."""
        last_us = self.runs.last_end_us
        if self.lanes > self.numbering.of_lanes:
            last_us = last_us.reshape(self.shards, -1).min(axis=1)
        if not self.numbering.filters:
            return last_us
        never = np.full((self.shards, 1), -1, np.int64)
        return np.concatenate([last_us.reshape(self.shards, -1), never], axis=1).reshape(-1)

    def _head_us(self, line: int, number: int) -> int:
        return self.logs[line].arrival_us(number)

    # -- the end

    def _take_in_flight(self, final: Final) -> None:
        """Invocations under way at the end: they run, and the first tries among them have taken their records."""
        if final.redriving_us:
            starts = np.array(final.redriving_us, np.int64)
            runs = np.stack([starts, np.full(starts.size, NEVER_US)])
            self.timeline.add([], np.zeros((7, 0), np.int64), np.zeros((3, 0), np.int64), runs)
        if not final.under_way.size:
            return
        table = columns_of(final.under_way, self.numbering)
        table["end_us"][:] = NEVER_US
        first_try = begins_with_records(table)
        columns = (table[name][first_try].tolist() for name in ("line", "first", "records"))
        started = [
            _with_events(line, self.logs[line].pieces(first, first + records))
            for line, first, records in zip(*columns, strict=True)
        ]
        self._order(table, np.zeros((7, 0), np.int64), [])
        self.runs.under_way(table, _joined([started], ("log_events",), ("lag_us",)), final.end_us)

    def _check(self, final: Final) -> None:
        """Conservation, per shard and at the producer; a violation is an error of kinsim's."""
        stored = self.writes.accepted.by_shard + self.writes.duplicates.by_shard
        accepted = stored + self.initial.reshape(self.shards, -1).sum(axis=1)
        processed = self.runs.counts["processed_records"].by_shard
        lost = sum((count.by_shard for count in self.lost.values()), np.zeros(self.shards, np.int64))
        for shard in range(self.shards):
            lines = range(shard * self.lines, (shard + 1) * self.lines)
            books = {
                "accepted, duplicates included": int(accepted[shard]),
                "stored": int(self._seen[lines].sum()),
                "stored by the engine's account": sum(final.accepted.get(line, 0) for line in lines),
                "processed": int(processed[shard]),
                "lost": int(lost[shard] - self.redriven.by_shard[shard]),
                "waiting": sum(final.waiting.get(line, 0) for line in lines),
                "in flight": sum(final.in_flight.get(line, 0) for line in lines),
            }
            somewhere = books["processed"] + books["lost"] + books["waiting"] + books["in flight"]
            if (
                len(
                    {
                        books["accepted, duplicates included"],
                        books["stored"],
                        books["stored by the engine's account"],
                        somewhere,
                    }
                )
                > 1
            ):
                raise InternalError(
                    f"shard {shard} of replication {self.replication} does not conserve records: {books}"
                )
        books = {
            "created": final.created,
            "accepted": self.writes.accepted.total,
            "sampled out": final.sampled_out,
            "dropped": self.writes.dropped.total,
            "in the producer": final.in_producer,
        }
        if books["created"] != sum(books.values()) - books["created"]:
            raise InternalError(f"the producers of replication {self.replication} do not conserve records: {books}")

    def _keep_rest(self, final: Final) -> None:
        assert self.kept_records is not None
        for line, waiting in final.waiting.items():
            log = self.logs[line]
            end = final.accepted[line]
            for first, last in final.in_hand.get(line, ()):
                self.kept_records.rest(line, log, first, last, "in_flight")
            if waiting:
                self.kept_records.rest(line, log, end - waiting, end, "waiting")


class OpenWindows:
    """Tumbling windows that have had a batch and wait for their final invocation, by line."""

    def __init__(self, scenario: Scenario) -> None:
        self.window_us = round(scenario.event_source_mapping.tumbling_window_s * 1e6)
        self.offset_us = tumbling_offset_us(scenario)
        self.may_end_early = scenario.stream.changes_shards
        """Whether a shard may come to its end, and its window with it."""
        self.closes_us: dict[int, int] = {}
        """When each closes at the earliest."""

    def note(self, table: Columns) -> None:
        """Take in invocations that ended, each line's in order."""
        telling = (table["records"] > 0) | (table["outcome"] == Outcome.OK)
        columns = (table[name][telling].tolist() for name in ("line", "records", "last_arrival_us"))
        last = {line: (records, arrival_us) for line, records, arrival_us in zip(*columns, strict=True)}
        for line, (records, arrival_us) in last.items():
            if records:
                ends_us = tumbling_window_ends_us(arrival_us, self.window_us, self.offset_us)
                self.closes_us[line] = 0 if self.may_end_early else ends_us
            else:
                self.closes_us.pop(line, None)


class _Held:
    """What was gathered of some windows."""

    def __init__(self, lines: int) -> None:
        self.rows = 0
        self.invocations: list[NDArray[np.void]] = []
        self.losses: list[Int64] = []
        self.throttles: list[NDArray[np.void]] = []
        self.redrives: list[Columns] = []
        self.redriven: list[Stretches] = []
        self.arrivals: list[list[Stretches]] = []
        self.started: list[list[Stretches]] = []
        self.done_apart: list[list[Stretches]] = []
        self.grow(lines)

    def grow(self, lines: int) -> None:
        """Have room for so many lines."""
        for lists in (self.arrivals, self.started, self.done_apart):
            lists += [[] for _ in range(lines - len(lists))]


def _stretches(line: int, pieces: Pieces, totals: dict[str, Int64], values: dict[str, Int64]) -> Stretches:
    single = bool((pieces.count == 1).all())
    return Stretches(
        np.full(pieces.count.size, line), pieces.first, pieces.count, pieces.time_us, pieces.step_numerator,
        pieces.step_offset, pieces.step_denominator, totals, values,
        single,
    )  # fmt: skip


def _with_events(line: int, pieces: Pieces) -> Stretches:
    return _stretches(line, pieces, {"log_events": pieces.log_events}, {"lag_us": pieces.lag_us})


def _in_order_of_records(tables: list[Columns]) -> Columns:
    """Invocations of several windows as one table, in order of their records."""
    table = {name: np.concatenate([each[name] for each in tables]) for name in tables[0]}
    order = np.lexsort((table["first"], table["line"]))
    return {name: column[order] for name, column in table.items()}


def _in_order_of_rows(parts: list[Stretches]) -> Stretches:
    """All *parts*, in order of their records."""
    rows = Stretches.concatenate(parts) if parts else Stretches.empty(("log_events",), ("lag_us",))
    return rows.take(np.lexsort((rows.first, rows.line)))


def _joined(parts: list[list[Stretches]], totals: tuple[str, ...], values: tuple[str, ...]) -> Stretches:
    """All parts, line by line."""
    every = [part for of_line in parts for part in of_line]
    return Stretches.concatenate(every) if every else Stretches.empty(totals, values)
