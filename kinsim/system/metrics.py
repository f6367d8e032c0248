"""Every quantity that kinsim reports: its name, unit, meaning, statistics and CloudWatch's counterpart.

The list is here, below the scenario, so that the metric of an SLO can be checked while it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["count", "sample", "over_time", "value"]

STATISTICS: dict[Kind, tuple[str, ...]] = {
    "count": ("sum", "rate", "time_of_first"),
    "sample": ("mean", "variance", "min", "max", "count", "time_of_max"),
    "over_time": ("time_average", "max", "time_of_max", "last"),
    "value": ("mean",),
}
"""Statistics of each kind; samples and quantities over time also have percentiles and PR()."""

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
"""Percentiles that every run reports; an SLO may ask for any other."""

CLOUDWATCH_STATISTICS = {
    "Average": ("mean", "time_average"),
    "Sum": ("sum",),
    "Maximum": ("max",),
    "Minimum": ("min",),
    "SampleCount": ("count",),
}
"""CloudWatch's word for a statistic, and kinsim's."""

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_RANK = re.compile(r"PR\(([^:()]*):([^:()]*)\)")


@dataclass(frozen=True, slots=True)
class Metric:
    """One of kinsim's own quantities."""

    name: str
    unit: str
    kind: Kind
    definition: str
    cloudwatch: str = ""
    """The metric of CloudWatch that comes nearest."""
    more: tuple[str, ...] = ()
    """Statistics besides those of the kind."""
    percentiles: bool = True
    per_shard: bool = True
    periods: tuple[str, ...] = ()
    """Statistics that exist per minute and may be asked for by `period`."""
    built: bool = True
    """False: named in the language, not measured by this version."""

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the statistics over a run, percentiles as the examples that every run reports.

        >>> METRICS["queue_wait_s"].statistics[:7]
        ('mean', 'variance', 'min', 'max', 'count', 'time_of_max', 'p50')
        """
        ranks = self.percentiles and self.kind in ("sample", "over_time")
        return STATISTICS[self.kind] + self.more + (tuple(f"p{p:g}" for p in PERCENTILES) if ranks else ())


@dataclass(frozen=True, slots=True)
class CloudWatchMetric:
    """A metric that AWS publishes per minute (aws section 8a)."""

    name: str
    namespace: str
    unit: str
    statistics: tuple[str, ...]
    definition: str
    shard_name: str = ""
    """Its name among the shard-level metrics, where it is one of them."""


_COUNTED = ("Sum",)
_SAMPLED = ("Average", "Minimum", "Maximum", "SampleCount")


def _count(name: str, definition: str, cloudwatch: str = "", built: bool = True, per_shard: bool = True) -> Metric:
    unit = "count"
    return Metric(name, unit, "count", definition, cloudwatch, per_shard=per_shard, periods=_COUNTED, built=built)


def _state(name: str, definition: str, per_shard: bool = True) -> Metric:
    """A count at the end of the run: no minute has it."""
    return Metric(name, "count", "count", definition, per_shard=per_shard)


_ALL = (
    _count("offered_records", "records that the sources created and gave to their producers"),
    _count("accepted_records", "records stored by the stream", "IncomingRecords"),
    _state("initial_records", "records of the initial backlog, already stored when the run starts; they are in the "
           "sums of offered and accepted records, not in their rates and minutes"),
    _count(
        "rejected_records", "rejections by a shard's limits, each offer counted", "WriteProvisionedThroughputExceeded"
    ),
    _count("retried_records", "records offered again by a producer, each offer counted"),
    _count("dropped_records", "records that a producer gave up"),
    _count("processed_records", "records of invocations that succeeded"),
    _count("duplicate_records", "records stored once more, by a caller that sends a whole call again"),
    _count("discarded_records", "records given up by the mapping after retries or by age"),
    _count("on_failure_deliveries", "batches reported to the on-failure destination: discarded or too large"),
    _count("redriven_records", "records that were discarded and processed later on, when they were put back; "
           "the sum of discarded records leaves them out"),
    _count("expired_records", "records that reached the retention period before they were processed"),
    _count("too_large_records", "records whose event exceeds the payload limit on its own"),
    Metric(
        "lost_records", "count", "count",
        "records lost for good, whatever the cause: dropped by a producer, expired, discarded or too large",
        per_shard=False,
    ),
    _state("sampled_out_records", "records created that the producer does not send (keep)", False),
    _state("in_producer_records", "records created and neither stored nor dropped, at the end of the run", False),
    _state("waiting_records", "records stored and not yet in any invocation, at the end of the run"),
    _state("in_flight_records", "records taken by an invocation and neither processed nor lost, at the end of the run"),
    _count("filtered_records", "records that the mapping's filter left out"),
    _count("skipped_records", "records before the starting position"),
    _count("invocations", "runs of the function, failed ones included, throttled ones not", "Invocations"),
    _count("final_invocations", "of the invocations those that closed a tumbling window, without records"),
    _count("errors", "invocations that failed: exceptions, crashes, time-outs", "Errors"),
    _count("timeouts", "invocations stopped at the time-out; they are also errors"),
    _count("throttles", "invocation requests that found no free concurrency", "Throttles"),
    _count("cold_starts", "invocations that had to initialise an environment"),
    _count("full_batches", "invocations with as many records as the batch size allows"),
    Metric(
        "batch_records", "records", "sample", "records per invocation", periods=_SAMPLED, more=("sum",),
    ),
    Metric(
        "duration_s", "s", "sample", "run time of an invocation without the initialisation of a cold start",
        "Duration", more=("sum",), periods=_SAMPLED,
    ),
    Metric(
        "billed_s", "s", "sample", "billed time of an invocation: rounded up to the profile's quantum, "
        "initialisation included where the profile bills it", more=("sum",),
    ),
    Metric(
        "memory_used_mb", "MB", "sample", "per invocation: the most memory that it used, by `function.memory_used`; "
        "where that is set", "used_memory_max (LambdaInsights)", periods=_SAMPLED,
    ),
    Metric(
        "memory_utilization", "1", "sample", "per invocation: the most memory that it used against the memory that it "
        "has; where `function.memory_used` is set", "memory_utilization (LambdaInsights)", periods=_SAMPLED,
    ),
    Metric(
        "iterator_age_s", "s", "sample", "per invocation: start (or what `iterator_age` names) minus the arrival of "
        "its last record", "IteratorAge", periods=_SAMPLED,
    ),
    Metric(
        "first_record_age_s", "s", "sample", "per invocation: start minus the arrival of its first record",
        periods=_SAMPLED,
    ),
    Metric(
        "true_age_s", "s", "over_time", "age of the oldest record waiting; 0 while none waits",
        periods=("Average", "Maximum"),
    ),
    Metric(
        "queue_wait_s", "s", "sample", "per record: arrival in the stream to the start of the first invocation that "
        "holds it", periods=_SAMPLED,
    ),
    Metric(
        "sojourn_s", "s", "sample", "per record: arrival in the stream to the end of the invocation that succeeded",
        periods=_SAMPLED,
    ),
    Metric(
        "end_to_end_latency_s", "s", "sample", "per log event: its own time to the end of the invocation that "
        "succeeded", periods=_SAMPLED,
    ),
    Metric(
        "concurrent_executions", "1", "over_time", "invocations in progress at once", "ConcurrentExecutions",
        periods=("Average", "Maximum"), per_shard=False,
    ),
    Metric(
        "backlog_records", "records", "over_time", "records waiting in the stream; those in flight are not among them",
        periods=("Average",),
    ),
    Metric(
        "backlog_bytes", "B", "over_time", "data of the records waiting in the stream", periods=("Average",),
    ),
    Metric(
        "records_in_system", "records", "over_time", "records waiting or in flight", periods=("Average",),
        per_shard=False,
    ),
    Metric(
        "utilization", "1", "over_time", "busy share of a shard's invocation slots over the run's duration; over "
        "shards the average and, as max, the busiest", more=("min",), percentiles=False,
    ),
    Metric(
        "shard_write_utilization", "1", "over_time", "accepted per second against the write limit of a shard, the "
        "worse of bytes and records; of the stream the worst shard in each second", periods=("Average", "Maximum"),
    ),
    Metric(
        "catch_up_s", "s", "sample", "from the arrival of the first record that waited longer than the tightest SLO "
        "on an age (without one: that waited at all) until no such record waits", per_shard=False, more=("unfinished",),
    ),
    Metric("drain_s", "s", "value", "last invocation end minus last arrival in the stream", per_shard=False),
    Metric("finish_s", "s", "value", "end of the last invocation", per_shard=False),
    Metric(
        "cost_usd_per_month", "USD", "value", "price of the design per month of 730 h, usage as in the run",
        per_shard=False,
    ),
    Metric(
        "alert_delay_s", "s", "sample", "per alert: the log event's own time to when it is first sent",
        periods=_SAMPLED,
    ),
    _count("alerts", "alerts sent, each counted once however often it is sent"),
    _count("late_alerts", "alerts that were sent later than `alert_deadline` after their log event"),
    _count("lost_alerts", "alerts never sent, as their record was lost before: dropped by a producer, expired, "
           "discarded or too large"),
    _count("repeated_alerts", "alerts sent once more by a retry"),
)  # fmt: skip

METRICS: dict[str, Metric] = {m.name: m for m in _ALL}
"""kinsim's own quantities by name."""

_ALL_STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_KINESIS, _LAMBDA = "AWS/Kinesis", "AWS/Lambda"

CLOUDWATCH: dict[str, CloudWatchMetric] = {
    m.name: m
    for m in (
        CloudWatchMetric(
            "IncomingBytes", _KINESIS, "Bytes", ("Sum",), "bytes stored, data and keys", "IncomingBytes"
        ),
        CloudWatchMetric("IncomingRecords", _KINESIS, "Count", ("Sum",), "records stored", "IncomingRecords"),
        CloudWatchMetric(
            "WriteProvisionedThroughputExceeded", _KINESIS, "Count", ("Sum",), "records rejected",
            "WriteProvisionedThroughputExceeded",
        ),
        CloudWatchMetric(
            "GetRecords.IteratorAgeMilliseconds", _KINESIS, "Milliseconds",
            ("Average", "Minimum", "Maximum", "SampleCount"),
            "per GetRecords call: age of the last record that it returned, 0 where it found none",
            "IteratorAgeMilliseconds",
        ),
        CloudWatchMetric(
            "GetRecords.Bytes", _KINESIS, "Bytes", _ALL_STATISTICS, "data per GetRecords call", "OutgoingBytes"
        ),
        CloudWatchMetric(
            "GetRecords.Records", _KINESIS, "Count", _ALL_STATISTICS, "records per GetRecords call", "OutgoingRecords"
        ),
        CloudWatchMetric(
            "GetRecords.Success", _KINESIS, "Count", ("Average", "Sum", "SampleCount"), "GetRecords calls served"
        ),
        CloudWatchMetric(
            "ReadProvisionedThroughputExceeded", _KINESIS, "Count", ("Average", "Sum", "SampleCount"),
            "GetRecords calls refused", "ReadProvisionedThroughputExceeded",
        ),
        CloudWatchMetric(
            "SubscribeToShard.RateExceeded", _KINESIS, "Count", _ALL_STATISTICS, "calls of SubscribeToShard refused; "
            "this and what follows for each consumer with enhanced fan-out",
        ),
        CloudWatchMetric("SubscribeToShard.Success", _KINESIS, "Count", _ALL_STATISTICS, "subscriptions begun"),
        CloudWatchMetric(
            "SubscribeToShardEvent.Bytes", _KINESIS, "Bytes", _ALL_STATISTICS, "data per event that is pushed"
        ),
        CloudWatchMetric(
            "SubscribeToShardEvent.MillisBehindLatest", _KINESIS, "Milliseconds",
            ("Average", "Minimum", "Maximum", "SampleCount"),
            "per event: age of its last record, 0 where no further record was there to be pushed",
        ),
        CloudWatchMetric(
            "SubscribeToShardEvent.Records", _KINESIS, "Count", _ALL_STATISTICS, "records per event that is pushed"
        ),
        CloudWatchMetric("SubscribeToShardEvent.Success", _KINESIS, "Count", _ALL_STATISTICS, "events pushed"),
        CloudWatchMetric("Invocations", _LAMBDA, "Count", ("Sum",), "runs of the function"),
        CloudWatchMetric("Errors", _LAMBDA, "Count", ("Average", "Sum"), "runs that failed, time-outs included"),
        CloudWatchMetric("Throttles", _LAMBDA, "Count", ("Sum",), "requests refused for want of concurrency"),
        CloudWatchMetric(
            "Duration", _LAMBDA, "Milliseconds", ("Average", "Sum", "Minimum", "Maximum", "SampleCount"),
            "run time without initialisation, at the minute of the start",
        ),
        CloudWatchMetric(
            "IteratorAge", _LAMBDA, "Milliseconds", ("Average", "Minimum", "Maximum", "SampleCount"),
            "age of the batch's last record, at the minute of the start",
        ),
        CloudWatchMetric(
            "ConcurrentExecutions", _LAMBDA, "Count", ("Maximum",), "executions in progress at once"
        ),
        CloudWatchMetric(
            "PolledEventCount", _LAMBDA, "Count", _COUNTED, "records that the mapping's GetRecords calls brought, 0 "
            "where they found none; this and the following where `metrics_config` names EventCount"
        ),
        CloudWatchMetric(
            "FilteredOutEventCount", _LAMBDA, "Count", _COUNTED, "records that the mapping's filter left out"
        ),
        CloudWatchMetric(
            "InvokedEventCount", _LAMBDA, "Count", _COUNTED, "records sent to the function, each try counted, at the "
            "minute of the start"
        ),
        CloudWatchMetric(
            "FailedInvokeEventCount", _LAMBDA, "Count", _COUNTED, "of these the ones that were not processed, at the "
            "minute of the end"
        ),
        CloudWatchMetric(
            "DroppedEventCount", _LAMBDA, "Count", _COUNTED, "records given up after retries or by age, where no "
            "destination takes them"
        ),
        CloudWatchMetric(
            "OnFailureDestinationDeliveredEventCount", _LAMBDA, "Count", _COUNTED, "records reported to the on-failure "
            "destination"
        ),
    )
}  # fmt: skip
"""CloudWatch's metrics that a run gives, by their stream-level name."""

PER_CONSUMER = tuple(name for name in CLOUDWATCH if name.startswith("SubscribeToShard"))
"""Metrics of enhanced fan-out: each consumer has them, and a stream without such consumers has none."""

PER_CALL = (*(name for name in CLOUDWATCH if name.startswith("GetRecords.")), "ReadProvisionedThroughputExceeded")
"""Metrics of GetRecords calls: a stream whose readers all use enhanced fan-out has none."""

GROUPED = {"Duration": "duration_s", "IteratorAge": "iterator_age_s", "duration_s": "duration_s",
           "iterator_age_s": "iterator_age_s"}  # fmt: skip
"""Metrics whose percentiles exist per period."""


ALERT_METRICS = ("alert_delay_s", "alerts", "late_alerts", "lost_alerts", "repeated_alerts")
"""Metrics of a function whose rules send alerts; others do not have them."""


EVENT_COUNTS = tuple(name for name in CLOUDWATCH if name.endswith("EventCount"))
"""CloudWatch's metrics of the event source mapping, which are published where it is set to (aws:E39)."""


MEMORY_METRICS = ("memory_used_mb", "memory_utilization")
"""Metrics of a function whose memory_used is set; others do not have them."""


def metric_names() -> list[str]:
    """All names that an SLO may use, CloudWatch's too.

    >>> "queue_wait_s" in metric_names(), "IteratorAge" in metric_names(), "alerts" in metric_names()
    (True, True, True)
    """
    return [m.name for m in METRICS.values() if m.built] + list(CLOUDWATCH)


def unit_of(name: str) -> str:
    """Unit of a metric, kinsim's own or CloudWatch's.

    >>> unit_of("queue_wait_s"), unit_of("IteratorAge")
    ('s', 'Milliseconds')
    """
    return METRICS[name].unit if name in METRICS else CLOUDWATCH[name].unit


def percentile_of(statistic: str) -> float | None:
    """The percentile that a statistic names, or None.

    >>> percentile_of("p99.9"), percentile_of("Maximum")
    (99.9, None)
    """
    match = _PERCENTILE.fullmatch(statistic)
    return float(match[1]) if match else None


def rank_of(statistic: str) -> tuple[str, str] | None:
    """The two bounds of a percentile rank as they are written, or None.

    >>> rank_of("PR(:5s)"), rank_of("PR(100ms:2s)"), rank_of("p50")
    (('', '5s'), ('100ms', '2s'), None)
    """
    match = _RANK.fullmatch(statistic)
    return (match[1].strip(), match[2].strip()) if match and (match[1].strip() or match[2].strip()) else None


def statistic_key(name: str, statistic: str) -> str | None:
    """kinsim's name of *statistic* over the whole run for its own metric *name*; None where it has none.

    >>> statistic_key("queue_wait_s", "Average"), statistic_key("backlog_records", "Average")
    ('mean', 'time_average')
    >>> statistic_key("expired_records", "Sum"), statistic_key("expired_records", "p99")
    ('sum', None)
    """
    metric = METRICS[name]
    known = STATISTICS[metric.kind] + metric.more
    for key in CLOUDWATCH_STATISTICS.get(statistic, (statistic,)):
        if key in known:
            return key
    if percentile_of(statistic) is not None or rank_of(statistic) is not None:
        return statistic if metric.percentiles and metric.kind in ("sample", "over_time") else None
    return None


def allowed_statistics(name: str, by_period: bool) -> list[str]:
    """The statistics of *name* that an SLO may use, in CloudWatch's words where it has them.

    >>> allowed_statistics("IteratorAge", by_period=True)
    ['Average', 'Minimum', 'Maximum', 'SampleCount', 'p0 ... p100']
    >>> allowed_statistics("expired_records", by_period=False)
    ['Sum', 'rate', 'time_of_first']
    """
    if name in CLOUDWATCH:
        ranks = name in GROUPED
        return list(CLOUDWATCH[name].statistics) + (["p0 ... p100"] if ranks else [])
    metric = METRICS[name]
    if by_period:
        return list(metric.periods) + (["p0 ... p100"] if name in GROUPED else [])
    words = {key: word for word, keys in CLOUDWATCH_STATISTICS.items() for key in keys}
    names = [words.get(key, key) for key in STATISTICS[metric.kind] + metric.more]
    return names + (["p0 ... p100", "PR(low:high)"] if statistic_key(name, "p50") else [])


def problem_with(name: str, statistic: str, by_period: bool = False) -> str | None:
    """What is wrong with asking for *statistic* of a known metric *name* in an SLO, or None.

    >>> problem_with("queue_wait_s", "p99")
    >>> problem_with("expired_records", "p99")
    "expired_records has no statistic 'p99'; it has Sum, rate, time_of_first"
    >>> problem_with("queue_wait_s", "p99", by_period=True)
    "queue_wait_s has no statistic 'p99' per period; it has Average, Minimum, Maximum, SampleCount"
    """
    if name in METRICS and not METRICS[name].built:
        return f"{name} is not measured by this version of kinsim"
    allowed = allowed_statistics(name, by_period)
    percentile = percentile_of(statistic) is not None
    if statistic in allowed or (percentile and "p0 ... p100" in allowed):
        return None
    if name in METRICS and not by_period and statistic_key(name, statistic) is not None:
        return None
    there = ", ".join(allowed) or "none"
    return f"{name} has no statistic {statistic!r}{' per period' if by_period else ''}; it has {there}"
