"""From a recorder's accounts to the result of a replication: metrics, series, SLO values, alarms, cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Final, Loss, ShardCountCall
from kinsim.measure.alarms import alarm_history
from kinsim.measure.alerts import add_delays, alert_counts
from kinsim.measure.cloudwatch import cloudwatch_tables, shard_series
from kinsim.measure.cost import monthly_cost
from kinsim.measure.curves import curves_of
from kinsim.measure.event_counts import mapping_uuid
from kinsim.measure.levels import minute_lengths_us
from kinsim.measure.minutes import Count
from kinsim.measure.periods import Minutes, first_minutes, series_of, worst
from kinsim.measure.result import ReplicationResult, Series
from kinsim.measure.samples import Floats, Statistics
from kinsim.measure.stretches import MINUTE_US
from kinsim.measure.wanted import MINUTE_PERCENTILES
from kinsim.system.metrics import (
    CLOUDWATCH,
    EVENT_COUNTS,
    GROUPED,
    MEMORY_METRICS,
    METRICS,
    PER_CONSUMER,
    percentile_of,
    statistic_key,
)

if TYPE_CHECKING:
    from kinsim.measure.recorder import Recorder
    from kinsim.scenario import Slo

UNITS = {"batch_records": 1.0}
"""What is kept per unit of the metric, where it is not microseconds of seconds."""

LOST = ("dropped_records", "expired_records", "discarded_records", "too_large_records")
"""The ways in which a record is lost for good."""
AGES = {
    "queue_wait_s", "sojourn_s", "end_to_end_latency_s", "iterator_age_s", "first_record_age_s", "alert_delay_s",
    *MEMORY_METRICS,
}  # fmt: skip
"""Samples whose sum says nothing."""
PICTURED = ("queue_wait_s", "sojourn_s", "end_to_end_latency_s", "iterator_age_s", "duration_s", "batch_records")


def make_result(recorder: Recorder, final: Final) -> ReplicationResult:
    """The result of one replication."""
    return _Making(recorder, final).result()


class _Making:
    def __init__(self, recorder: Recorder, final: Final) -> None:
        self.recorder, self.final, self.wanted = recorder, final, recorder.wanted
        self.end_us = final.end_us
        add_delays(recorder.alerts, recorder.runs)
        # In a drained run the last end is the end of the run, and has its minute.
        last_us = max(self.end_us - 1, recorder.runs.latest_end_us, 0)
        self.minutes = last_us // MINUTE_US + 1
        self.span_s = (recorder.duration_us - recorder.warm_up_us) / 1e6
        lost = recorder.lost
        writes = recorder.writes
        self.counts: dict[str, Count] = {
            "accepted_records": writes.accepted,
            "rejected_records": writes.rejected,
            "retried_records": writes.retried,
            "dropped_records": writes.dropped,
            **recorder.runs.counts,
            "expired_records": lost[Loss.EXPIRED],
            "discarded_records": lost[Loss.DISCARDED],
            "too_large_records": lost[Loss.TOO_LARGE],
            "throttles": recorder.throttles,
            **alert_counts(recorder.alerts),
        }
        self.counts |= {name: lost[cause] for name, cause in self.settled_otherwise().items()}
        if writes.duplicates.total:
            self.counts["duplicate_records"] = writes.duplicates
        if recorder.has_destination:
            self.counts |= {"on_failure_deliveries": recorder.deliveries, "redriven_records": recorder.redriven}
        self.cost = monthly_cost(
            recorder.scenario, self.open_shards(), writes.put_units, recorder.runs.counts["invocations"].total,
            recorder.runs.billed_us / 1e6, stored_bytes=writes.accepted_bytes, read_bytes=self.read_bytes(),
            pushed_bytes=0 if recorder.fan_out is None else recorder.fan_out.bytes,
        )  # fmt: skip
        self.grouped = {
            (name, period): group.finish(max(1, -(-self.minutes * MINUTE_US // period)))
            for (name, period), group in recorder.runs.groups.items()
        }
        self.tables = self.minute_tables()
        self.cloudwatch = cloudwatch_tables(recorder, self.minutes)

    def result(self) -> ReplicationResult:
        recorder, final = self.recorder, self.final
        metrics = self.metrics()
        tables = {}
        if recorder.kept_invocations is not None:
            tables["invocations"] = recorder.kept_invocations.table()
        if recorder.kept_records is not None:
            tables["records"] = recorder.kept_records.table()
        samples = recorder.runs.samples
        errors = {name: samples[name].relative_error for name in samples}
        errors |= {
            "backlog_records": recorder.timeline.backlog.times.relative_error,
            "backlog_bytes": (recorder.timeline.own_bytes or recorder.timeline.backlog).times.relative_error,
            "records_in_system": recorder.timeline.in_system.times.relative_error,
            "true_age_s": recorder.timeline.age.times.relative_error,
            "shard_write_utilization": recorder.writes.use.relative_error,
        }
        return ReplicationResult(
            replication=recorder.replication,
            end_s=self.end_us / 1e6,
            metrics=metrics,
            per_shard=self.per_shard() if recorder.details else {},
            shards=[_shard(shard) for shard in final.shards],
            series=self.series() if recorder.details else [],
            slo_values={name: self.slo_value(slo, metrics) for name, slo in self.wanted.slos.items()},
            alarms=self.alarms(),
            rules=[] if recorder.alerts is None else recorder.alerts.rules(),
            cost=self.cost,
            curves=self.curves() if recorder.details else {},
            distributions=self.distributions() if recorder.details else {},
            relative_error={name: error for name, error in errors.items() if error},
            tables=tables,
            facts=self.facts(),
            resharding=[_call(call, recorder.duration_us) for call in final.calls],
            stuck_shards=tuple(_id(final, number) for number in final.stuck_shards),
            failing={_id(final, number): (tries, since / 1e6) for number, (tries, since) in final.failing.items()},
        )

    def curves(self) -> dict[str, NDArray[Any]]:
        return curves_of(self.recorder, self.final, self.counts, self.grouped["duration_s", MINUTE_US], self.minutes)

    def distributions(self) -> dict[str, tuple[Floats, Floats]]:
        """Distributions of samples, coarsely."""
        samples = self.recorder.runs.samples
        return {name: samples[name].distribution(UNITS.get(name, 1e6)) for name in PICTURED}

    def settled_otherwise(self) -> dict[str, Loss]:
        """Counts of what the mapping does not pass on, where it is set to leave records out."""
        mapping = self.recorder.scenario.event_source_mapping
        found = {"skipped_records": Loss.SKIPPED} if mapping.starting_position != "TRIM_HORIZON" else {}
        return {**found, "filtered_records": Loss.FILTERED} if mapping.filters else found

    # -- over the run

    def metrics(self) -> dict[str, Statistics]:
        """Every metric of the run, in the order of the list of metrics."""
        recorder, timeline, runs = self.recorder, self.recorder.timeline, self.recorder.runs
        found: dict[str, Statistics] = {name: count.statistics(self.span_s) for name, count in self.counts.items()}
        found["offered_records"] = self.offered()
        self.count_initial(found, int(recorder.initial.sum()))
        found["discarded_records"] = _without(found["discarded_records"], recorder.redriven.statistics(self.span_s))
        found["lost_records"] = _together([found[name] for name in LOST])
        found["sampled_out_records"] = {"sum": float(self.final.sampled_out)}
        found["in_producer_records"] = {"sum": float(self.final.in_producer)}
        states = {"waiting_records": self.final.waiting, "in_flight_records": self.final.in_flight}
        for name, state in states.items():
            found[name] = {"sum": float(sum(state.values()))}
        for name in ("duplicate_records", "filtered_records", "skipped_records"):
            found.setdefault(name, {"sum": 0.0, "rate": 0.0, "time_of_first": None})
        for name, samples in runs.samples.items():
            per = UNITS.get(name, 1e6)
            found[name] = samples.statistics(self.wanted.percentiles(name), self.wanted.ranks(name), per)
        levels = {
            "backlog_records": timeline.backlog,
            "records_in_system": timeline.in_system,
        }
        wanted_bytes = self.wanted.percentiles("backlog_bytes"), self.wanted.ranks("backlog_bytes")
        found["backlog_bytes"] = timeline.bytes_statistics(self.end_us, *wanted_bytes)
        for name, level in levels.items():
            found[name] = level.statistics(self.end_us, self.wanted.percentiles(name), self.wanted.ranks(name))
        for name, state_over_time in (
            ("true_age_s", timeline.age),
            ("shard_write_utilization", recorder.writes),
        ):
            wanted = self.wanted.percentiles(name), self.wanted.ranks(name)
            found[name] = state_over_time.statistics(self.end_us, *wanted)
        wanted_levels = self.wanted.percentiles("concurrent_executions")
        found["concurrent_executions"] = timeline.concurrency.statistics(self.end_us, wanted_levels)
        found["utilization"] = _utilization(self.busy_shares())
        found["catch_up_s"] = self.catch_up()
        found["drain_s"], found["finish_s"] = self.ends()
        found["cost_usd_per_month"] = {"mean": self.cost.get("total")}
        for name in AGES & found.keys():
            found[name].pop("sum")
        return {name: found[name] for name in METRICS if found.get(name)}

    def offered(self) -> Statistics:
        """What the sources created; the first instant and the rate are those of the first offers."""
        offered = self.recorder.writes.offered.statistics(self.span_s)
        return {**offered, "sum": float(self.final.created)}

    @staticmethod
    def count_initial(found: dict[str, Statistics], records: int) -> None:
        """Records of the initial backlog were offered and accepted, before the run: its rates leave them out."""
        if records:
            found["initial_records"] = {"sum": float(records)}
            for name in ("offered_records", "accepted_records"):
                if name in found:
                    found[name]["sum"] = (found[name]["sum"] or 0.0) + records

    def read_bytes(self) -> float:
        """What readers got; a mapping that makes no calls, as it sees each record at once, gets each once."""
        recorder = self.recorder
        pushed = recorder.scenario.stream.enhanced_fan_out
        polls = pushed or recorder.scenario.event_source_mapping.poll_interval_s > 0
        return float(recorder.reads.whole.bytes.sum.sum()) if polls else float(recorder.writes.accepted_bytes)

    def open_shards(self) -> float:
        """Shards that were open, on average over the run's duration: what is paid for by the hour."""
        shards, duration_us = self.final.shards, self.recorder.duration_us
        if not self.recorder.scenario.stream.changes_shards:
            return len(shards)
        open_us = [(duration_us if each.closed_us is None else each.closed_us) - each.opened_us for each in shards]
        return sum(open_us) / duration_us

    def lives_us(self) -> Floats:
        """How long each shard was there: a closed one until its last invocation has ended."""
        recorder, last_us = self.recorder, self.recorder.runs.last_end_us.reshape(-1, self.recorder.lanes).max(axis=1)
        lives = np.full(len(self.final.shards), max(recorder.duration_us, 1), np.float64)
        for shard in self.final.shards:
            if shard.closed_us is not None:
                lives[shard.number] = max(shard.closed_us, int(last_us[shard.number]))
            lives[shard.number] = max(1.0, lives[shard.number] - shard.opened_us)
        return lives

    def busy_shares(self) -> Floats:
        """Busy share of each shard's slots while it was there."""
        lives = self.lives_us()
        return np.asarray(self.recorder.runs.busy_us[: lives.size] / (lives * self.recorder.lanes), np.float64)

    def catch_up(self) -> Statistics:
        age = self.recorder.timeline.age
        found = age.catch_ups.statistics(self.wanted.percentiles("catch_up_s"), self.wanted.ranks("catch_up_s"))
        found.pop("sum")
        return {**found, "unfinished": float(age.unfinished)}

    def ends(self) -> tuple[Statistics, Statistics]:
        last_us = self.recorder.runs.latest_end_us
        if last_us < 0:
            return {"mean": None}, {"mean": None}
        burst_us = int(self.recorder.timeline.last_arrival_us.max())
        return {"mean": (last_us - burst_us) / 1e6}, {"mean": last_us / 1e6}

    def per_shard(self) -> dict[str, dict[str, Statistics]]:
        return {shard.id: self.of_shard(shard.number) for shard in self.final.shards}

    def of_shard(self, shard: int) -> dict[str, Statistics]:
        """The metrics that each shard has."""
        recorder, timeline = self.recorder, self.recorder.timeline
        span_us = self.end_us - recorder.warm_up_us
        found: dict[str, Statistics] = {
            name: count.statistics(self.span_s, shard)
            for name, count in self.counts.items()
            if name != "retried_records"
        }
        lines = range(shard * recorder.lines, (shard + 1) * recorder.lines)
        self.count_initial(found, int(recorder.initial[lines].sum()))
        found["discarded_records"]["sum"] = (found["discarded_records"]["sum"] or 0.0) - int(
            recorder.redriven.by_shard[shard]
        )
        found["waiting_records"] = {"sum": float(sum(self.final.waiting.get(line, 0) for line in lines))}
        found["in_flight_records"] = {"sum": float(sum(self.final.in_flight.get(line, 0) for line in lines))}
        for name, samples in recorder.runs.samples.items():
            per = UNITS.get(name, 1e6)
            found[name] = samples.shard_statistics(shard, self.wanted.percentiles(name), per)
        if recorder.shards == 1:
            found["backlog_records"] = timeline.backlog.statistics(self.end_us, ())
            found["backlog_bytes"] = timeline.bytes_statistics(self.end_us, ())
            found["true_age_s"] = timeline.age.statistics(self.end_us, ())
        else:
            found["backlog_records"] = timeline.shard_backlog.statistics(shard, span_us, 1.0)
            found["backlog_bytes"] = timeline.shard_bytes_statistics(shard, span_us)
            found["true_age_s"] = timeline.age.by_shard.statistics(shard, span_us, 1e6)
        if recorder.writes.limits is not None:
            use = recorder.writes.by_shard.statistics(shard, span_us, 1e6)
            use.pop("last")
            found["shard_write_utilization"] = use
        found["utilization"] = {"time_average": float(self.busy_shares()[shard])}
        return {name: found[name] for name in METRICS if name in found}

    # -- by minute

    def minute_tables(self) -> dict[str, Minutes]:
        """kinsim's own metrics by minute."""
        recorder, timeline, n = self.recorder, self.recorder.timeline, self.minutes
        tables: dict[str, Minutes] = {}
        always = np.ones(n)
        for name, count in {"offered_records": recorder.writes.offered, **self.counts}.items():
            tables[name] = Minutes.counted(name, "count", ("Sum",), count.minutes_until(n), always)
        for name, stat in recorder.runs.minutes.items():
            if name != "billed_s":
                per = UNITS.get(name, 1e6)
                tables[name] = Minutes.of(name, METRICS[name].unit, METRICS[name].periods, stat, n, per)
        bytes_by_minute, each = timeline.bytes_minutes()
        states: dict[str, tuple[Floats, Floats | None]] = {
            "backlog_records": (timeline.backlog.minutes.averages(self.end_us, self.minutes), None),
            "backlog_bytes": (bytes_by_minute.averages(self.end_us, self.minutes) * each, None),
            "records_in_system": (timeline.in_system.minutes.averages(self.end_us, self.minutes), None),
            "concurrent_executions": (
                timeline.concurrency.minutes.averages(self.end_us, self.minutes),
                first_minutes(timeline.concurrency.minute_max, n).astype(np.float64),
            ),
            "true_age_s": (
                first_minutes(timeline.age.minute_area, n) / self.lengths_us() / 1e6,
                first_minutes(timeline.age.minute_max, n) / 1e6,
            ),
        }
        for name, (average, top) in states.items():
            tables[name] = Minutes.state(name, METRICS[name].unit, METRICS[name].periods, average, top)
        if recorder.writes.limits is not None:
            name = "shard_write_utilization"
            tables[name] = Minutes.of(name, "1", METRICS[name].periods, recorder.writes.minute_use, n)
        return tables

    def lengths_us(self) -> Floats:
        return minute_lengths_us(self.end_us, self.minutes)

    def series(self) -> list[Series]:
        """All series by minute: CloudWatch's, those of shards where they are switched on, and kinsim's own."""
        name = self.recorder.scenario.name
        stream, function = f"StreamName={name}", f"FunctionName={name}"
        series: list[Series] = []
        for metric, table in self.cloudwatch.items():
            if metric in PER_CONSUMER:
                continue
            dimensions = stream if CLOUDWATCH[metric].namespace == "AWS/Kinesis" else function
            if metric in EVENT_COUNTS:
                dimensions = f"EventSourceMappingUUID={mapping_uuid(name)}"
            series += table.series(dimensions)
            if metric in GROUPED:
                values = self.grouped[GROUPED[metric], MINUTE_US]
                for p in MINUTE_PERCENTILES:
                    series += series_of(metric, dimensions, f"p{p:g}", table.unit, values[p] / 1e3)
        if self.recorder.fan_out is not None:
            series += self.recorder.fan_out.series(self.minutes, stream)
        series += shard_series(self.recorder, self.final, self.minutes, stream)
        for table in self.tables.values():
            if table.sum.any() or table.unit != "count":
                series += table.series(stream)
        return series

    # -- SLOs

    def slo_value(self, slo: Slo, metrics: dict[str, Statistics]) -> float | None:
        """What the SLO's statistic came to, in the metric's unit; of periods the worst, or the *fraction*'s."""
        percentile = percentile_of(slo.statistic)
        if slo.period_s is None:
            if slo.metric in METRICS:
                key = statistic_key(slo.metric, slo.statistic)
                return None if key is None else metrics.get(slo.metric, {}).get(key)
            if percentile is not None:
                value = metrics[GROUPED[slo.metric]][f"p{percentile:g}"]
                return None if value is None else value * 1e3
            return self.over_run(self.cloudwatch[slo.metric], slo.statistic)
        if percentile is not None:
            period_us = round(slo.period_s * 1e6)
            own = slo.metric in METRICS
            values = self.grouped[GROUPED[slo.metric], period_us][percentile] / (1e6 if own else 1e3)
            return worst(values[self.first_period(slo.period_s) :], slo.upper, slo.fraction)
        table = self.cloudwatch.get(slo.metric) or self.tables.get(slo.metric)
        if table is None:
            return None
        values = table.values(slo.statistic, round(slo.period_s / 60))
        return worst(values[self.first_period(slo.period_s) :], slo.upper, slo.fraction)

    def first_period(self, period_s: float) -> int:
        """First period that begins at the end of the warm-up or later."""
        return -(-self.recorder.warm_up_us // round(period_s * 1e6))

    def over_run(self, table: Minutes, statistic: str) -> float | None:
        """A statistic of all minutes after the warm-up."""
        first = -(-self.recorder.warm_up_us // MINUTE_US) if statistic != "Sum" else 0
        late = Minutes(
            table.name, table.unit, table.statistics, table.count[first:], table.sum[first:], table.min[first:],
            table.max[first:],
        )  # fmt: skip
        values = late.values(statistic, max(1, late.count.size))
        return float(values[0]) if values.size and not np.isnan(values[0]) else None

    def alarms(self) -> dict[str, dict[str, Any]]:
        """What each alarm does over the whole run, the warm-up included."""
        end_s = self.end_us / 1e6
        return {
            name: alarm_history(alarm, self.cloudwatch[alarm.metric], self.grouped, end_s)
            for name, alarm in self.wanted.alarms.items()
        }

    def facts(self) -> dict[str, float]:
        """Numbers for the sentences of the verdict."""
        recorder, n = self.recorder, self.minutes
        writes = recorder.writes
        offered = writes.stored_minutes(n) + writes.rejected.minutes_until(n)
        rate = offered / (self.lengths_us() / 1e6)
        busy = recorder.timeline.concurrency.minutes.averages(self.end_us, self.minutes) / (
            len(self.final.shards) * recorder.lanes
        )
        start, length = longest_run(busy >= 0.95)
        shares = self.busy_shares()
        return {
            "mean_records_per_s": self.final.created / (recorder.duration_us / 1e6),
            "peak_records_per_s": float(rate.max()),
            "peak_at_s": float(np.argmax(rate) * 60),
            "all_busy_from_s": float(start * 60),
            "all_busy_s": float(length * 60),
            "busiest_minute_share": float(busy.max()),
            "busiest_shard": float(np.argmax(shares)),
            "busiest_share": float(shares.max()),
            "most_written_shard": float(np.argmax(writes.by_shard.integral)),
            "refused_calls_share": recorder.reads.whole.refused_share,
        }


def longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and length of the longest run of true values.

    >>> longest_run(np.array([True, False, True, True, False]))
    (2, 2)
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not edges.size:
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(edges[::2][longest]), int(lengths[longest])


def _utilization(shares: Floats) -> Statistics:
    return {"time_average": float(shares.mean()), "min": float(shares.min()), "max": float(shares.max())}


def _shard(shard: Any) -> dict[str, Any]:
    return {
        "id": shard.id,
        "parent": None if shard.parent is None else f"shardId-{shard.parent:012d}",
        "adjacent_parent": None if shard.adjacent_parent is None else f"shardId-{shard.adjacent_parent:012d}",
        "starting_hash_key": str(shard.starting_hash_key),
        "ending_hash_key": str(shard.ending_hash_key),
        "opened_s": shard.opened_us / 1e6,
        "closed_s": None if shard.closed_us is None else shard.closed_us / 1e6,
    }


def _call(call: ShardCountCall, duration_us: int) -> dict[str, Any]:
    """A call of UpdateShardCount; what would be done after the run is not done in it."""
    done = call.done_us is not None and call.done_us < duration_us
    return {
        "time_s": call.time_us / 1e6,
        "from_shards": call.from_shards,
        "to_shards": call.to_shards,
        "cause": call.cause,
        "done_s": call.done_us / 1e6 if call.done_us is not None and done else None,
        "refused": call.refused or None,
        "exception": call.exception or None,
        "times": call.times,
        "last_s": (call.time_us if call.last_us is None else call.last_us) / 1e6,
    }


def _id(final: Final, number: int) -> str:
    return next(shard.id for shard in final.shards if shard.number == number)


def _without(count: Statistics, taken_back: Statistics) -> Statistics:
    """A count less what was made good later on; nothing came first where nothing is left.

    >>> _without({"sum": 2.0, "rate": 0.2, "time_of_first": 7.0}, {"sum": 2.0, "rate": 0.2, "time_of_first": 9.0})
    {'sum': 0.0, 'rate': 0.0, 'time_of_first': None}
    """
    left = {key: max(0.0, (count[key] or 0.0) - (taken_back[key] or 0.0)) for key in ("sum", "rate")}
    if count["rate"] is None or not taken_back["sum"]:
        return {**count, "sum": left["sum"]}
    return {**left, "time_of_first": count["time_of_first"] if left["sum"] else None}


def _together(counts: Sequence[Statistics]) -> Statistics:
    """Several counts as one.

    >>> _together([{"sum": 2.0, "rate": 0.2, "time_of_first": 7.0}, {"sum": 0.0, "rate": 0.0, "time_of_first": None}])
    {'sum': 2.0, 'rate': 0.2, 'time_of_first': 7.0}
    """
    firsts = [first for each in counts if (first := each["time_of_first"]) is not None]
    return {
        "sum": sum(each["sum"] or 0.0 for each in counts),
        "rate": sum(each["rate"] or 0.0 for each in counts),
        "time_of_first": min(firsts, default=None),
    }
