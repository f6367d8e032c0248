"""CloudWatch's metrics by minute: of the stream and the function, and of each shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.tables import Final
from kinsim.measure.minutes import MinuteStat
from kinsim.measure.periods import Minutes, first_minutes
from kinsim.measure.result import Series
from kinsim.measure.stretches import MINUTE_US
from kinsim.system.metrics import CLOUDWATCH, EVENT_COUNTS, PER_CONSUMER

if TYPE_CHECKING:
    from kinsim.measure.recorder import Recorder


def cloudwatch_tables(recorder: Recorder, n: int) -> dict[str, Minutes]:
    """CloudWatch's metrics of the stream and the function in *n* minutes, nothing where AWS publishes nothing."""
    writes, reads, runs = recorder.writes, recorder.reads.whole, recorder.runs
    accepted = writes.stored_minutes(n)
    rejected = writes.rejected.minutes_until(n)
    puts = accepted + rejected
    stored = writes.minute_bytes.statistic("Sum", n)
    ran, failed = runs.counts["invocations"].minutes_until(n), runs.counts["errors"].minutes_until(n)
    throttled = recorder.throttles.minutes_until(n)
    top = first_minutes(recorder.timeline.concurrency.minute_max, n).astype(np.float64)
    found = {
        "IncomingBytes": (np.nan_to_num(stored), accepted),
        "IncomingRecords": (accepted, accepted),
        "WriteProvisionedThroughputExceeded": (rejected, puts),
        "Invocations": (ran, ran),
        "Errors": (failed, ran),
        "Throttles": (throttled, ran + throttled),
        "ConcurrentExecutions": (top, top),
    }
    stats: dict[str, tuple[MinuteStat, float]] = {
        "GetRecords.IteratorAgeMilliseconds": (reads.age, 1.0),
        "GetRecords.Bytes": (reads.bytes, 1.0),
        "GetRecords.Records": (reads.records, 1.0),
        "GetRecords.Success": (reads.success, 1.0),
        "ReadProvisionedThroughputExceeded": (reads.exceeded, 1.0),
        "Duration": (runs.minutes["duration_s"], 1e3),
        "IteratorAge": (runs.minutes["iterator_age_s"], 1e3),
    }
    if recorder.events is not None:
        stats |= {name: (stat, 1.0) for name, stat in recorder.events.minutes.items()}
    tables = {}
    for name, metric in CLOUDWATCH.items():
        if name in PER_CONSUMER or (name in EVENT_COUNTS and name not in stats):
            continue
        if name in found:
            tables[name] = Minutes.counted(name, metric.unit, metric.statistics, *found[name])
        else:
            tables[name] = Minutes.of(name, metric.unit, metric.statistics, stats[name][0], n, stats[name][1])
    return tables if recorder.fan_out is None else tables | recorder.fan_out.of_mapping(n)


def shard_series(recorder: Recorder, final: Final, minutes: int, stream: str) -> list[Series]:
    """Shard-level metrics, where the scenario switches them on."""
    writes = recorder.writes
    asked = set(recorder.scenario.stream.shard_level_metrics)
    if not asked or writes.shard_period_us != MINUTE_US:
        return []
    series: list[Series] = []
    for shard in final.shards:
        k, dimensions = shard.number, f"{stream},ShardId={shard.id}"
        accepted, rejected = (
            first_minutes(writes.shard_records[k], minutes),
            first_minutes(writes.shard_rejected[k], minutes),
        )
        tables = [
            Minutes.counted(
                "IncomingBytes", "Bytes", ("Sum",), first_minutes(writes.shard_bytes[k], minutes), accepted
            ),
            Minutes.counted("IncomingRecords", "Count", ("Sum",), accepted, accepted),
            Minutes.counted("WriteProvisionedThroughputExceeded", "Count", ("Sum",), rejected, accepted + rejected),
        ]
        tables += _shard_reads(recorder, k, minutes)
        for table in tables:
            if table.name in asked or "ALL" in asked:
                series += table.series(dimensions)
    return series


def _shard_reads(recorder: Recorder, shard: int, minutes: int) -> list[Minutes]:
    """Shard-level metrics of GetRecords calls."""
    reads, per_shard = recorder.reads.by_shard, recorder.reads.minutes
    if reads is None:
        return []
    found = []
    for name, stat in (
        ("IteratorAgeMilliseconds", reads.age),
        ("OutgoingBytes", reads.bytes),
        ("OutgoingRecords", reads.records),
        ("ReadProvisionedThroughputExceeded", reads.exceeded),
    ):
        whole = next(m for m in CLOUDWATCH.values() if m.shard_name == name)
        cells = stat.part(shard * per_shard, min(minutes, per_shard))
        found.append(Minutes.of(name, whole.unit, whole.statistics, cells, cells.count.size))
    return found
