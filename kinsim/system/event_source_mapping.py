"""The event source mapping: Lambda's poller, which reads a shard, forms batches and invokes the function."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.units import (
    Count,
    Duration,
    Fraction,
    OptionalDuration,
    OptionalSize,
    Settings,
    SignedCount,
    SignedDuration,
    Size,
    format_duration,
    parse_time,
)


class Backoff(Settings):
    """Waits between tries: ``min(cap, base * factor^(n-1)) * U(1 - jitter, 1)`` before retry n."""

    base_s: Duration = Field(alias="base", description="Wait before the first retry.", examples=["1s"])
    factor: float = Field(default=2.0, description="Growth of the wait from retry to retry.", examples=[2.0], ge=1)
    cap_s: Duration = Field(default=60.0, alias="cap", description="Longest wait.", examples=["60s"])
    jitter: Fraction = Field(default=0.0, description="Share of the wait that is drawn at random.", examples=["50%"])


class Outage(Settings):
    """A time during which the mapping is disabled: nothing is read and nothing invoked (aws:E16)."""

    from_s: Duration = Field(alias="from", description="When it is disabled.", examples=["6h"])
    to_s: OptionalDuration = Field(
        default=None, alias="to", description="When it reads again (default: never).", examples=["7h"]
    )

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.to_s is not None and self.to_s <= self.from_s:
            raise SettingError(
                f"the outage ends at {format_duration(self.to_s)}, but begins at {format_duration(self.from_s)}",
                help="write a later `to`, or none if it never ends",
                at=("to",),
            )
        return self


class OnFailureDestination(Settings):
    """Where batches are reported that the mapping has given up: an SQS queue, an SNS topic or a bucket (aws:E32)."""

    redrive_at_s: OptionalDuration = Field(
        default=None,
        alias="redrive_at",
        description="When the records that were discarded so far are put back to be processed (default: never).",
        examples=["6h"],
    )


class MetricsConfig(Settings):
    """Which metrics of its own the mapping publishes."""

    metrics: list[Literal["EventCount"]] = Field(
        description="EventCount: events polled, filtered out, invoked, failed, dropped and reported (aws:E39).",
        examples=[["EventCount"]],
    )


class EventSourceMapping(Settings):
    """How Lambda reads the stream (aws:E1 to E39); AWS's own names."""

    batch_size: Count = Field(description="Most records in one invocation (BatchSize).", examples=[100], ge=1)
    maximum_batching_window_s: Duration = Field(
        alias="maximum_batching_window",
        description="Longest wait for a fuller batch (MaximumBatchingWindowInSeconds).",
        examples=["0s"],
    )
    parallelization_factor: Count = Field(
        description="Batches of one shard in flight at once (ParallelizationFactor).", examples=[1], ge=1
    )
    starting_position: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"] = Field(
        description="Where reading starts (StartingPosition).", examples=["TRIM_HORIZON"]
    )
    starting_position_timestamp: str | None = Field(
        default=None,
        description="With AT_TIMESTAMP: records that arrived before are skipped (StartingPositionTimestamp); ISO 8601, "
        "beside `run.start_time`.",
        examples=["2017-06-01T00:00:00Z"],
    )
    maximum_retry_attempts: SignedCount = Field(
        description="Retries of a failed batch; -1: until its records expire (MaximumRetryAttempts).", examples=[-1]
    )
    maximum_record_age_s: SignedDuration = Field(
        alias="maximum_record_age",
        description="Age at which records are discarded; -1: never (MaximumRecordAgeInSeconds).",
        examples=[-1],
    )
    bisect_batch_on_function_error: bool = Field(
        description="Split a failed batch in two (BisectBatchOnFunctionError).", examples=[False]
    )
    report_batch_item_failures: bool = Field(
        description="Let the function say which record failed (FunctionResponseTypes).", examples=[False]
    )
    tumbling_window_s: Duration = Field(
        alias="tumbling_window", description="Length of tumbling windows (TumblingWindowInSeconds).", examples=["0s"]
    )
    filter: Fraction | None = Field(
        default=None, description="Share of the records that filter criteria keep (FilterCriteria).", examples=[None]
    )
    on_failure_destination: OnFailureDestination | None = Field(
        default=None,
        description="Where discarded batches are reported (DestinationConfig.OnFailure); {} reports them only.",
        examples=[{"redrive_at": "6h"}],
    )
    metrics_config: MetricsConfig | None = Field(
        default=None,
        description="Metrics that the mapping publishes of itself (MetricsConfig; default: none).",
        examples=[{"metrics": ["EventCount"]}],
    )
    enabled: bool = Field(default=True, description="Whether the mapping reads at all.", examples=[True])
    outages: list[Outage] = Field(
        default=[],
        description="Times during which the mapping is disabled; what is in hand is finished.",
        examples=[[{"from": "6h", "to": "7h"}]],
    )
    poll_interval_s: Duration = Field(
        alias="poll_interval",
        description="Time between GetRecords calls of a shard; zero: every record is seen at once (aws:E10).",
        examples=["1s"],
    )
    poll_phase: Literal["aligned", "random"] = Field(
        description="Whether shards are polled together, from time 0 on, or each at a phase of its own.",
        examples=["random"],
    )
    polls_per_second_behind: Count = Field(
        description="GetRecords calls per second while records are left unread (aws:E11, E13).",
        examples=[1],
        ge=1,
        le=1_000,
    )
    read_ahead_bytes: OptionalSize = Field(
        alias="read_ahead",
        description="The mapping reads on while less than this is buffered; none: without limit (aws:E13).",
        examples=["10 MiB"],
        ge=0,
    )
    shard_discovery_s: Duration = Field(
        alias="shard_discovery", description="Time until the mapping knows of a new shard (aws:E38).", examples=["60s"]
    )
    lane_failure_blocks_shard: bool = Field(
        description="Whether a failing lane stops the other lanes of its shard (aws:E22).", examples=[False]
    )
    minimum_batch: Count = Field(
        default=1, description="Fewest records of a batch (profile ideal only).", examples=[1], ge=1
    )
    behind: Literal["keep_invoking", "one_batch_per_poll"] = Field(
        description="Whether what is left over is invoked at once or at the next poll (aws:E11).",
        examples=["keep_invoking"],
    )
    dispatch_overhead_s: Duration = Field(
        alias="dispatch_overhead",
        description="Time from sending the event to the function's start (aws:E17).",
        examples=["20ms"],
    )
    parallelization: Literal["hashed", "pooled"] = Field(
        description="How records are dealt to the lanes of a shard (aws:E19).", examples=["hashed"]
    )
    retry_backoff: Backoff | Literal["none"] = Field(
        description="Wait before a failed batch is tried again (aws:E31).",
        examples=[{"base": "1s", "factor": 2, "cap": "60s", "jitter": "50%"}],
    )
    throttle_backoff: Backoff | Literal["none"] = Field(
        description="Wait before a throttled batch is tried again; none: a first-come line (aws:E26).",
        examples=["none"],
    )
    retry_rereads: bool = Field(description="Whether a retry reads the stream again (aws:E15).", examples=[True])
    iterator_age: Literal["invoke_start", "invoke_end", "batch_received"] = Field(
        description="The instant at which IteratorAge is taken (aws:T8).", examples=["invoke_start"]
    )
    payload_limit_bytes: OptionalSize = Field(
        alias="payload_limit", description="Largest event of an invocation (aws:E8).", examples=["6 MiB"], gt=0
    )
    payload_envelope_bytes: Size = Field(
        alias="payload_envelope",
        description="Metadata of a record in the event, besides its key (aws:E9).",
        examples=["532 B"],
        ge=0,
    )

    @field_validator("starting_position_timestamp")
    @classmethod
    def _time(cls, value: str | None) -> str | None:
        if value is not None:
            parse_time(value)
        return value

    @model_validator(mode="after")
    def _positioned(self) -> Self:
        at_time, given = self.starting_position == "AT_TIMESTAMP", self.starting_position_timestamp
        if at_time and given is None:
            raise SettingError(
                "AT_TIMESTAMP needs a time",
                help="add starting_position_timestamp: 2017-06-01T00:00:00Z",
                at=("starting_position",),
            )
        if given is not None and not at_time:
            raise SettingError(
                f"it goes with starting_position AT_TIMESTAMP, which is {self.starting_position} here",
                help="write starting_position: AT_TIMESTAMP, or remove this line",
                at=("starting_position_timestamp",),
            )
        return self

    @model_validator(mode="after")
    def _carries_state(self) -> Self:
        if self.tumbling_window_s and self.parallelization_factor > 1:
            raise SettingError(
                f"windows of {format_duration(self.tumbling_window_s)} carry state from invocation to invocation, but "
                f"parallelization_factor is {self.parallelization_factor}: how batches in flight together share it is "
                "not published",
                help="write parallelization_factor: 1 and more shards, or tumbling_window: 0s",
                at=("tumbling_window",),
            )
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.minimum_batch > self.batch_size:
            raise SettingError(
                f"minimum_batch is {self.minimum_batch}, above batch_size {self.batch_size}: no batch would ever form",
                help="write at most batch_size",
                at=("minimum_batch",),
            )
        ends_s = 0.0
        for number, outage in enumerate(self.outages):
            if outage.from_s < ends_s:
                raise SettingError(
                    f"the outage from {format_duration(outage.from_s)} begins before the one in front of it is over",
                    help="list outages in order, without overlap",
                    at=("outages", number, "from"),
                )
            ends_s = math.inf if outage.to_s is None else outage.to_s
        if not self.enabled and self.outages:
            raise SettingError(
                "outages of a mapping that is not enabled change nothing",
                help="write enabled: true, or remove the outages",
                at=("outages",),
            )
        return self

    @property
    def disabled(self) -> list[Outage]:
        """Times during which nothing is read, in order."""
        return self.outages if self.enabled else [Outage.model_validate({"from": 0})]

    @property
    def counts_events(self) -> bool:
        """Whether the metrics of the group EventCount are published (aws:E39)."""
        return self.metrics_config is not None and "EventCount" in self.metrics_config.metrics

    @property
    def filters(self) -> bool:
        """Whether filter criteria leave records out."""
        return self.filter is not None and self.filter < 1.0

    @property
    def redrive_at_s(self) -> float | None:
        """When discarded records are put back, if they are."""
        return None if self.on_failure_destination is None else self.on_failure_destination.redrive_at_s

    @property
    def begins_s(self) -> float:
        """When it begins to read: at the start of the run, or at the end of an outage that begins there (aws:E16)."""
        first = self.disabled[0] if self.disabled else None
        if first is None or first.from_s > 0:
            return 0.0
        return math.inf if first.to_s is None else first.to_s


@rule
def skipped_before_us(position_us: int, begins_us: int) -> int:
    """Records that arrived before then are before the starting position of a mapping that begins to read (aws:E7, E16).

    *position_us* is the time of AT_TIMESTAMP, no limit for LATEST: no position lies after what is there.

    >>> skipped_before_us(-3_600_000_000, 0), skipped_before_us(1 << 62, 60_000_000)
    (-3600000000, 60000000)
    """
    return min(position_us, begins_us)


@rule
def poll_at_or_after(time_us: int, phase_us: int, interval_us: int) -> int:
    """First poll at *time_us* or later; polls are at phase + k * interval (aws:E10).

    >>> poll_at_or_after(0, 250, 1_000), poll_at_or_after(251, 250, 1_000), poll_at_or_after(1_250, 250, 1_000)
    (250, 1250, 1250)
    """
    if time_us <= phase_us:
        return phase_us
    return phase_us + -(-(time_us - phase_us) // interval_us) * interval_us


@rule
def next_poll_us(last_us: int, behind: bool, phase_us: int, interval_us: int, behind_interval_us: int) -> int:
    """Poll after the one at *last_us*: sooner while records are left unread (aws:E11, E13).

    >>> next_poll_us(1_000, False, 0, 1_000, 200), next_poll_us(1_000, True, 0, 1_000, 200)
    (2000, 1200)
    """
    on_grid_us = poll_at_or_after(last_us + 1, phase_us, interval_us)
    if behind and last_us + behind_interval_us < on_grid_us:
        return last_us + behind_interval_us
    return on_grid_us


@rule
def reads_ahead(buffered_bytes: int, buffered_records: int, idle: bool, read_ahead_bytes: int) -> bool:
    """Whether the mapping polls while that much is buffered; an idle one with nothing buffered always does (aws:E13).

    >>> reads_ahead(0, 0, True, 0), reads_ahead(0, 0, False, 0)
    (True, False)
    >>> reads_ahead(5, 1, False, 10), reads_ahead(10, 1, False, 10)
    (True, False)
    """
    if buffered_records == 0 and idle:
        return True
    return buffered_bytes < read_ahead_bytes


@rule
def batch_records(available: int, batch_size: int, payload_records: int) -> int:
    """Records of the next batch: what is there, up to the batch size and what the payload holds (aws:E1, E8).

    >>> batch_records(250, 100, 92), batch_records(30, 100, 92)
    (92, 30)
    """
    return min(available, batch_size, payload_records)


@rule
def window_ends_us(first_arrival_us: int, previous_end_us: int, window_us: int) -> int:
    """When a batching window is over: it opens with its first record, or with the end of the last run (aws:E14).

    >>> window_ends_us(10, 0, 5), window_ends_us(10, 12, 5)
    (15, 17)
    """
    return max(first_arrival_us, previous_end_us) + window_us


@rule
def tumbling_window_ends_us(arrival_us: int, window_us: int, offset_us: int) -> int:
    """End of the tumbling window of a record that arrived then; it belongs to the next one (aws:E36).

    Windows follow one another from midnight of 1 January 1970 on (ASSUMPTION), of which *offset_us* is over in the
    current window when the run starts.

    >>> tumbling_window_ends_us(59, 60, 0), tumbling_window_ends_us(60, 60, 0), tumbling_window_ends_us(60, 60, 15)
    (60, 120, 105)
    """
    return ((arrival_us + offset_us) // window_us + 1) * window_us - offset_us


@rule
def too_old_by(now_us: int, maximum_record_age_us: int) -> int:
    """Records that arrived then or before have reached the maximum record age (aws:E5).

    >>> too_old_by(100_000_000, 60_000_000)
    40000000
    """
    return now_us - maximum_record_age_us


@rule
def may_retry(attempt: int, maximum_retry_attempts: int) -> bool:
    """Whether try number *attempt* (0: the first) is allowed; -1: always (aws:E4, E25, E27).

    >>> [may_retry(attempt, 2) for attempt in (1, 2, 3)], may_retry(9_999, -1)
    ([True, True, False], True)
    """
    return maximum_retry_attempts < 0 or attempt <= maximum_retry_attempts


@rule
def after_failure(records: int, reported: int, attempt: int, bisects: bool) -> tuple[int, int, int]:
    """What follows a run that failed: records that are done, those to try next, and the number of that try.

    *reported* is how many records come before the first that a partial response names, -1 without such a
    response: they are done, and what is left is tried again (aws:E29).  With bisection a batch is split in
    two, the first half goes first, and the split uses up no try (aws:E28); a partial response splits at the
    record it names (aws:E30).  A batch that cannot be split is tried again whole (aws:E24).

    >>> after_failure(9, -1, 0, False), after_failure(9, 4, 0, False)
    ((0, 9, 1), (4, 5, 1))
    >>> after_failure(9, -1, 0, True), after_failure(1, -1, 0, True)
    ((0, 4, 0), (0, 1, 1))
    >>> after_failure(9, 4, 0, True), after_failure(5, 0, 0, True)
    ((4, 5, 0), (0, 5, 1))
    """
    done = max(reported, 0)
    rest = records - done
    if bisects and done > 0:
        return done, rest, attempt
    if bisects and reported < 0 and rest > 1:
        return 0, rest // 2, attempt
    return done, rest, attempt + 1


@rule
def backoff_us(retry: int, base_us: float, factor: float, cap_us: float, jitter: float, u: float) -> int:
    """Wait before retry number *retry* (from 1), with *u* uniform in [0, 1) (ASSUMPTION aws:E31).

    >>> backoff_us(3, 1e6, 2.0, 60e6, 0.5, 0.0), backoff_us(9, 1e6, 2.0, 60e6, 0.0, 0.7)
    (2000000, 60000000)
    """
    wait = base_us
    for _ in range(retry - 1):
        wait = wait * factor
        if wait >= cap_us:
            break
    if wait > cap_us:
        wait = cap_us
    return int(wait * (1.0 - jitter + jitter * u) + 0.5)


@rule
def iterator_age_us(reference: int, start_us: int, end_us: int, ready_us: int, last_arrival_us: int) -> int:
    """IteratorAge of an invocation: age of the batch's *last* record, each lane's its own (aws:T8 to T10, E23).

    *reference* 0: when the event is sent; 1: when processing has ended; 2: when the batch was complete.

    >>> [iterator_age_us(which, 500, 900, 450, 100) for which in (0, 1, 2)]
    [400, 800, 350]
    """
    at_us = start_us if reference == 0 else end_us if reference == 1 else ready_us
    return at_us - last_arrival_us
