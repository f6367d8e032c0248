"""What figures draw of one replication: arrays per minute, and per period of each shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.tables import Final
from kinsim.measure.minutes import Count
from kinsim.measure.periods import first_minutes
from kinsim.measure.samples import Floats
from kinsim.measure.writes import PEAKS

if TYPE_CHECKING:
    from kinsim.measure.recorder import Recorder


def curves_of(
    recorder: Recorder, final: Final, counts: Mapping[str, Count], percentiles: Mapping[float, Floats], minutes: int
) -> dict[str, NDArray[Any]]:
    """Arrays per minute (and shard): NaN where there is no data point; *percentiles* are those of Duration in µs."""
    timeline, n = recorder.timeline, minutes
    writes, runs = recorder.writes, recorder.runs
    accepted, rejected = writes.stored_minutes(n), writes.rejected.minutes_until(n)
    accepted_bytes = np.nan_to_num(writes.minute_bytes.statistic("Sum", n))
    rejected_bytes = np.nan_to_num(writes.minute_rejected_bytes.statistic("Sum", n))
    bytes_by_minute, each = timeline.bytes_minutes()
    found: dict[str, NDArray[Any]] = {
        "offered_records": accepted + rejected,
        "offered_bytes": accepted_bytes + rejected_bytes,
        "accepted_records": accepted,
        "accepted_bytes": accepted_bytes,
        "rejected_records": rejected,
        "rejected_bytes": rejected_bytes,
        **{f"{name}_peak_per_s": np.nan_to_num(writes.peaks[name].statistic("Maximum", n)) for name in PEAKS},
        "iterator_age_s": runs.minutes["iterator_age_s"].statistic("Maximum", n) / 1e6,
        "get_records_age_s": recorder.reads.whole.age.statistic("Maximum", n) / 1e3,
        "true_age_s": first_minutes(timeline.age.minute_max, n) / 1e6,
        "duration_p50_s": percentiles[50.0] / 1e6,
        "duration_p99_s": percentiles[99.0] / 1e6,
        "duration_max_s": runs.minutes["duration_s"].statistic("Maximum", n) / 1e6,
        "backlog_records": timeline.backlog.minutes.at_ends(n),
        "backlog_bytes": bytes_by_minute.at_ends(n) * each,
        "records_in_system": timeline.in_system.minutes.at_ends(n),
        "concurrent_executions": first_minutes(timeline.concurrency.minute_max, n),
    }
    for name in ("invocations", "errors", "timeouts", "throttles", "cold_starts", "processed_records"):
        found[name] = counts[name].minutes_until(n)
    for name in ("expired_records", "discarded_records", "too_large_records", "dropped_records"):
        found[name] = counts[name].minutes_until(n)
    return found | _shard_curves(recorder, final)


def _shard_curves(recorder: Recorder, final: Final) -> dict[str, NDArray[Any]]:
    """Arrays by shard and period; `shard_period_s` is the length of a period."""
    writes, period_us = recorder.writes, recorder.writes.shard_period_us
    periods = max(1, -(-final.end_us // period_us))
    age = _wide(recorder.runs.shard_age, periods, -1.0)
    found: dict[str, NDArray[Any]] = {
        "shard_period_s": np.array(period_us / 1e6),
        "shard_iterator_age_s": np.where(age < 0, np.float32(np.nan), age),
        "shard_true_age_s": _wide(recorder.timeline.age.shard_max, periods, 0.0),
        "shard_accepted_records": _wide(writes.shard_records, periods, 0.0),
        "shard_accepted_bytes": _wide(writes.shard_bytes, periods, 0.0),
        "shard_rejected_records": _wide(writes.shard_rejected, periods, 0.0),
    }
    if writes.limits is not None:
        seconds = np.ceil(np.clip(final.end_us - np.arange(periods) * period_us, 1, period_us) / 1e6)
        use = _wide(writes.shard_use, periods, 0.0)[: len(final.shards)]
        if any(shard.opened_us or shard.closed_us is not None for shard in final.shards):
            seconds = _open_seconds(final, periods, period_us)
            use = np.where(seconds > 0, use, np.nan)
        found["shard_write_utilization"] = (use / np.maximum(seconds, 1)).astype(np.float32)
    return {name: values[: len(final.shards)] if values.ndim else values for name, values in found.items()}


def _open_seconds(final: Final, periods: int, period_us: int) -> Floats:
    """Seconds of each period in which each shard was open; a part of a second counts as a whole one."""
    starts = np.arange(periods) * period_us
    ends = np.minimum(starts + period_us, max(final.end_us, 1))
    opened = np.array([[shard.opened_us] for shard in final.shards])
    closed = np.array([[shard.closed_us or final.end_us] for shard in final.shards])
    inside_us = np.maximum(np.minimum(ends, closed) - np.maximum(starts, opened), 0)
    return np.asarray(np.ceil(inside_us / 1e6), np.float64)


def _wide(values: NDArray[Any], columns: int, fill: float) -> NDArray[Any]:
    missing = columns - values.shape[1]
    if missing <= 0:
        return values[:, :columns].copy()
    return np.concatenate([values, np.full((values.shape[0], missing), fill, values.dtype)], axis=1)
