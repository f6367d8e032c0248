"""The consumer's side: what each invocation and each record went through."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.redriving import REDRIVEN
from kinsim.engine.tables import INVOCATION, ONE_LINE, Lines, Outcome, shard_of
from kinsim.measure.cells import grown
from kinsim.measure.minutes import Count, Grouped, MinuteStat
from kinsim.measure.samples import Floats, Groups, Samples, Spread, share_of
from kinsim.measure.stretches import LINE_BITS, MINUTE_US, Int64, Stretches, exact_dot, per_batch

Columns = Mapping[str, Int64]

AGE_AT = {"invoke_start": "start_us", "invoke_end": "end_us", "batch_received": "ready_us"}
"""Instant at which IteratorAge is taken, by the mapping's setting (aws:T8)."""

COUNTS = ("invocations", "errors", "timeouts", "cold_starts", "full_batches", "processed_records")
PER_INVOCATION = ("batch_records", "duration_s", "billed_s", "iterator_age_s", "first_record_age_s")
PER_RECORD = ("queue_wait_s", "sojourn_s", "end_to_end_latency_s")


def columns_of(rows: NDArray[np.void], lines: Lines = ONE_LINE) -> dict[str, Int64]:
    """The table INVOCATION as contiguous columns, by line and then in order of the ends.

    *lines* of each shard; column ``line`` numbers them over all shards.
    """
    names = INVOCATION.names or ()
    table = np.ascontiguousarray(np.ascontiguousarray(rows).view(np.int64).reshape(-1, len(names)).T)
    line = lines.of(table[names.index("shard")], table[names.index("lane")])
    if (line[1:] < line[:-1]).any():
        order = np.argsort(line, kind="stable")
        table, line = np.ascontiguousarray(table[:, order]), line[order]
    return {**dict(zip(names, table, strict=True)), "line": line}


def has_iterator_age(table: Columns) -> NDArray[np.bool_]:
    """Which invocations have records, and from the mapping rather than from a redrive."""
    return np.asarray((table["records"] > 0) & (table["batch"] < REDRIVEN), np.bool_)


def begins_with_records(table: Columns) -> NDArray[np.bool_]:
    """Which invocations are the first of their batch; the final ones of tumbling windows have no records."""
    return np.asarray((table["tries"] == 0) & (table["records"] > 0), np.bool_)


def done_apart(table: Columns) -> NDArray[np.bool_]:
    """Which invocations finished records that a first try did not finish all at once: retries and partial ones."""
    return np.asarray((table["done"] > 0) & ((table["tries"] > 0) | (table["outcome"] != Outcome.OK)), np.bool_)


@dataclass(frozen=True, slots=True)
class Billing:
    """How an invocation's time is billed: quantum in microseconds (0: none) and whether initialisation counts."""

    quantum_us: int
    with_init: bool

    def of(self, duration_us: Int64, init_us: Int64) -> Int64:
        """Billed microseconds (aws:M26, M27, M29)."""
        time_us = duration_us + init_us if self.with_init else duration_us
        return time_us if self.quantum_us <= 0 else -(-time_us // self.quantum_us) * self.quantum_us


class RunSide:
    """Statistics of invocations and of the records in them."""

    def __init__(
        self,
        shards: int,
        minutes: int,
        warm_up_us: int,
        shard_period_us: int,
        *,
        batch_size: int,
        age_at: str,
        billing: Billing,
        groups: Iterable[tuple[str, int, tuple[float, ...]]],
        lanes: int = 1,
        lines: int = 1,
        tumbling: bool = False,
    ) -> None:
        """*lanes* and *lines* of each shard.

        *groups*: metric, period in microseconds and percentiles that are wanted of each period.
        """
        self.shards, self.warm_up_us = shards, warm_up_us
        self.lanes, self.lines = lanes, lines
        self.batch_size, self.age_at, self.billing = batch_size, AGE_AT[age_at], billing
        counts = (*COUNTS, "final_invocations") if tumbling else COUNTS
        self.counts = {name: Count(shards, minutes, warm_up_us) for name in counts}
        self.samples = {name: Samples(shards) for name in PER_INVOCATION + PER_RECORD}
        self.minutes = {name: MinuteStat(minutes) for name in PER_INVOCATION + PER_RECORD}
        self.groups = {(name, period): Grouped(period, wanted) for name, period, wanted in groups}
        self.busy_us = np.zeros(shards)
        self.last_end_us = np.full(shards * lanes, -1, np.int64)
        """Of each lane, those of a shard together."""
        self._redriven_until_us = -1
        self.billed_us = 0
        self.shard_period_us = shard_period_us
        self.shard_age = np.full((shards, max(1, minutes * MINUTE_US // shard_period_us)), -1.0, np.float32)
        self._one_event_each = True

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.shards = shards
        for count in self.counts.values():
            count.grow(shards)
        for samples in self.samples.values():
            samples.grow(shards)
        self.busy_us = grown(self.busy_us, shards)
        self.last_end_us = grown(self.last_end_us, shards * self.lanes, -1)
        self.shard_age = grown(self.shard_age, shards, -1.0)

    def add(self, table: Columns, started: Stretches, apart: Stretches) -> None:
        """Take in invocations that ended, the records of the first tries among them, and the records that later
        tries or partial ones finished."""
        if not table["start_us"].size:
            return
        self._count(table)
        self._invocations(table)
        self._records(_chosen(table, begins_with_records(table)), started, waits=True)
        again = done_apart(table)
        if again.any():
            chosen = _chosen(table, again)
            self._records({**chosen, "records": chosen["done"]}, apart, waits=False)

    def add_redriven(self, table: Columns, rows: Stretches) -> None:
        """Take in invocations of records that had been discarded, and the records that they finished."""
        self._count(table, of_shard=False)
        self._invocations(table)
        done = table["done"] > 0
        if done.any():
            chosen = _chosen(table, done)
            self._records({**chosen, "records": chosen["done"]}, rows, waits=False)

    @property
    def latest_end_us(self) -> int:
        """End of the last invocation, -1 before the first."""
        return max(int(self.last_end_us.max()), self._redriven_until_us)

    def under_way(self, table: Columns, started: Stretches, end_us: int) -> None:
        """Invocations in progress when the run ends at *end_us*; records of first tries have waited, nothing else."""
        np.add.at(self.busy_us, table["shard"], end_us - table["start_us"])
        first_try = begins_with_records(table)
        if first_try.any():
            self._records(_chosen(table, first_try), started, waits=True)

    def use_same_latency(self) -> None:
        """At the end: log events that came one a record and without delay have their record's sojourn."""
        if self._one_event_each:
            self.samples["end_to_end_latency_s"] = self.samples["sojourn_s"]
            self.minutes["end_to_end_latency_s"] = self.minutes["sojourn_s"]

    def _count(self, table: Columns, of_shard: bool = True) -> None:
        """*of_shard*: in the shard's own slots of invocations, not beside them."""
        shard, outcome, start_us = table["shard"], table["outcome"], table["start_us"]
        records = table["records"]
        one = np.ones_like(start_us)
        failed = (outcome == Outcome.ERROR) | (outcome == Outcome.TIMEOUT) | (outcome == Outcome.CRASH)
        flags = {
            "errors": failed,
            "timeouts": outcome == Outcome.TIMEOUT,
            "cold_starts": table["init_us"] > 0,
            "full_batches": records >= self.batch_size,
        }
        if "final_invocations" in self.counts:
            flags["final_invocations"] = records == 0
        self.counts["invocations"].add(shard, one, start_us)
        for name, flag in flags.items():
            if flag.any():
                self.counts[name].add(shard[flag], one[flag], start_us[flag])
        done = table["done"] > 0
        self.counts["processed_records"].add(shard[done], table["done"][done], table["end_us"][done])
        if not of_shard:
            self._redriven_until_us = max(self._redriven_until_us, int(table["end_us"].max()))
            return
        busy = table["end_us"] - start_us
        self.busy_us += np.bincount(shard, busy, self.shards)
        np.maximum.at(self.last_end_us, shard * self.lanes + table["lane"], table["end_us"])

    def _invocations(self, table: Columns) -> None:
        shard, start_us, duration_us = table["shard"], table["start_us"], table["duration_us"]
        billed = self.billing.of(duration_us, table["init_us"])
        self.billed_us += int(billed.sum())
        values = {"batch_records": table["records"], "duration_s": duration_us, "billed_s": billed}
        self.per_invocation(shard, start_us, values)
        table = _chosen(table, has_iterator_age(table))
        shard, start_us = table["shard"], table["start_us"]
        if not start_us.size:
            return
        age = table[self.age_at] - table["last_arrival_us"]
        first_age = start_us - table["first_arrival_us"]
        self.per_invocation(shard, start_us, {"iterator_age_s": age, "first_record_age_s": first_age})
        column = start_us // self.shard_period_us
        self._reserve(int(column.max()))
        cell = shard * self.shard_age.shape[1] + column
        np.maximum.at(self.shard_age.reshape(-1), cell, (age / 1e6).astype(np.float32))

    def per_invocation(self, shard: Int64, start_us: Int64, values: dict[str, Int64]) -> None:
        """A sample of each of *values* from every invocation."""
        minute = start_us // MINUTE_US
        one = np.broadcast_to(np.int64(1), start_us.shape)
        late = start_us >= self.warm_up_us
        everything = bool(late.all())
        for name, value in values.items():
            if name != "billed_s":
                self.minutes[name].add(minute, value)
            spread = Spread(shard, value, one, start_us)
            if not everything:
                chosen = value[late]
                spread = Spread(shard[late], chosen, np.broadcast_to(np.int64(1), chosen.shape), start_us[late])
            self.samples[name].add(spread)
        for (name, _), group in self.groups.items():
            if name in values:
                group.add(start_us, values[name])

    def _reserve(self, column: int) -> None:
        more = column + 1 - self.shard_age.shape[1]
        if more > 0:
            wider = np.full((self.shards, max(more, self.shard_age.shape[1])), -1.0, np.float32)
            self.shard_age = np.concatenate([self.shard_age, wider], axis=1)

    def _records(self, table: Columns, rows: Stretches, *, waits: bool) -> None:
        """Waits of the records in first tries (*waits*) and sojourns of those done at once; else sojourns alone."""
        key = (table["line"] << LINE_BITS) + table["first"]
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            table = {name: column[order] for name, column in table.items()}
            key = key[order]
        if self.samples["sojourn_s"].has_room(rows.expanded_size()):
            rows = rows.expanded()
        parts, batch = per_batch(rows, key, key + table["records"])
        parts, batch = self._warm(parts, batch)
        if not len(parts):
            return
        sums = self._sums(parts, batch)
        if waits:
            self._sample("queue_wait_s", table["start_us"], parts, batch, sums, parts.count)
        done = table["done"][batch] == table["records"][batch]
        if not done.any():
            return
        if not done.all():
            parts, batch = parts.take(done), batch[done]
            sums = self._sums(parts, batch)
        events, lag = parts.totals["log_events"], parts.values["lag_us"]
        if self._one_event_each and (lag.any() or not np.array_equal(events, parts.count)):
            self._one_event_each = False
            self.samples["end_to_end_latency_s"] = copy.deepcopy(self.samples["sojourn_s"])
            self.minutes["end_to_end_latency_s"] = copy.deepcopy(self.minutes["sojourn_s"])
        self._sample("sojourn_s", table["end_us"], parts, batch, sums, parts.count)
        if not self._one_event_each:
            own = parts.take(slice(None))
            own.time_us = parts.time_us - lag
            self._sample("end_to_end_latency_s", table["end_us"], own, batch, self._sums(own, batch, events), events)

    def _sums(self, parts: Stretches, batch: NDArray[np.intp], weight: Int64 | None = None) -> BatchSums:
        sums = BatchSums.of(parts, batch, weight)
        sums.shard = shard_of(sums.shard, self.lines)
        return sums

    def _warm(self, parts: Stretches, batch: NDArray[np.intp]) -> tuple[Stretches, NDArray[np.intp]]:
        """Only the records that arrived after the warm-up."""
        if not self.warm_up_us or not len(parts) or int(parts.time_us.min()) >= self.warm_up_us:
            return parts, batch
        early = parts.arrived_by(self.warm_up_us - 1)
        parts = parts.split(early)[1]
        some = parts.count > 0
        return parts.take(some), batch[some]

    def _sample(
        self, name: str, at_us: Int64, parts: Stretches, batch: NDArray[np.intp], sums: BatchSums, weight: Int64
    ) -> None:
        """*at_us* of each batch minus the arrival of each record, a record (or log event) each."""
        at = at_us[sums.batch]
        groups = sums.groups(at)
        values = at_us[batch] - parts.time_us
        shard = shard_of(parts.line, self.lines)
        if parts.single:
            spread = Spread(shard, values, weight, values)
        else:
            spread = Spread(
                shard, values, weight, values, parts.count, parts.numerator, parts.offset, parts.denominator
            )
        self.samples[name].add(spread, groups)
        some = sums.weight > 0
        total = groups.mean * sums.weight
        self.minutes[name].add(
            at[some] // MINUTE_US, groups.high[some], sums.weight[some], total[some], groups.low[some]
        )


@dataclass(slots=True)
class BatchSums:
    """Arrivals of the records of each batch, summed up: mean and variance relative to the batch's first row."""

    batch: NDArray[np.intp]
    shard: Int64
    """The batch's line, until it is told which shard that is."""
    weight: Int64
    origin_us: Int64
    mean_us: Floats
    variance: Floats
    first_us: Int64
    last_us: Int64
    whole: int | float
    """Sum over all batches of weight times arrival relative to the origin."""

    @staticmethod
    def of(parts: Stretches, batch: NDArray[np.intp], weight: Int64 | None = None) -> BatchSums:
        """Sums over rows that are in order of their batch; *weight* per row is its number of records by default."""
        starts = np.flatnonzero(np.concatenate(([True], batch[1:] != batch[:-1])))
        lengths = np.diff(np.append(starts, batch.size))
        place = np.repeat(np.arange(starts.size), lengths)
        if parts.single and weight is None:
            return BatchSums._of_records(parts, batch, starts, lengths, place)
        total = parts.count if weight is None else weight
        first, last = parts.time_us, parts.last_us
        origin = first[starts]
        since = first - origin[place]
        inside = parts.offsets_sum()
        whole = share_of(total, parts.count, since * parts.count + inside)
        row_mean = since + inside / parts.count
        weights = np.add.reduceat(total, starts)
        safe = np.maximum(weights, 1)
        mean = np.add.reduceat(total * row_mean, starts) / safe
        step = parts.numerator / parts.denominator
        within = step * step * (parts.count.astype(np.float64) ** 2 - 1.0) / 12.0
        variance = np.add.reduceat(total * ((row_mean - mean[place]) ** 2 + within), starts) / safe
        low, high = (first, last) if weight is None else (np.minimum(first, last), last)
        return BatchSums(
            batch=batch[starts],
            shard=parts.line[starts],
            weight=weights,
            origin_us=origin,
            mean_us=mean,
            variance=variance,
            first_us=np.minimum.reduceat(low, starts),
            last_us=np.maximum.reduceat(high, starts),
            whole=whole,
        )

    @staticmethod
    def _of_records(
        parts: Stretches, batch: NDArray[np.intp], starts: NDArray[np.intp], lengths: Int64, place: NDArray[np.intp]
    ) -> BatchSums:
        """The same for rows of one record each, which ascend within a batch."""
        first = parts.time_us[starts]
        since = parts.time_us - first[place]
        mean = np.add.reduceat(since, starts) / lengths
        deviation = since - mean[place]
        deviation *= deviation
        return BatchSums(
            batch=batch[starts],
            shard=parts.line[starts],
            weight=lengths,
            origin_us=first,
            mean_us=mean,
            variance=np.add.reduceat(deviation, starts) / lengths,
            first_us=first,
            last_us=parts.time_us[starts + lengths - 1],
            whole=int(since.sum()),
        )

    def groups(self, at_us: Int64) -> Groups:
        """Ages at *at_us* of each batch."""
        age = at_us - self.origin_us
        base = exact_dot(self.weight, age)
        return Groups(
            shard=self.shard,
            weight=self.weight,
            mean=age - self.mean_us,
            within=self.variance,
            low=at_us - self.last_us,
            high=at_us - self.first_us,
            at_us=at_us,
            whole=base - self.whole,
        )


def _chosen(table: Columns, which: NDArray[np.bool_]) -> Columns:
    return table if which.all() else {name: column[which] for name, column in table.items()}
