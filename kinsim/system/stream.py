"""The stream: shards that accept records up to a limit, show them to readers and forget them in time."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.autoscaling import Autoscaling
from kinsim.system.consumers import Consumer
from kinsim.system.on_demand import ON_DEMAND_MODES, OnDemand
from kinsim.system.resharding import Reshard
from kinsim.units import Count, Duration, OptionalCount, OptionalDuration, OptionalSize, Settings

MICRO = 1_000_000
"""Levels of the limiters are kept in millionths of a byte or record, so that refills are whole numbers."""

TOKEN_BUCKET, FIXED_SECOND = 1, 2
"""The two write limiters, as the engines know them (0: none)."""


class Stream(Settings):
    """A Kinesis data stream (aws:W1 to W23, T1 to T5, S1 to S20)."""

    shard_count: Count = Field(description="Open shards at the start (ShardCount).", examples=[4], ge=1)
    retention_period_s: OptionalDuration = Field(
        alias="retention_period",
        description="How long records stay readable (RetentionPeriodHours); none: for ever, as in queueing theory.",
        examples=["24h"],
        gt=0,
    )
    stream_mode: Literal["PROVISIONED", "ON_DEMAND", "ON_DEMAND_ADVANTAGE"] = Field(
        description="Capacity mode (StreamModeDetails.StreamMode).", examples=["PROVISIONED"]
    )
    max_record_size_bytes: OptionalSize = Field(
        alias="max_record_size",
        description="Largest record, data and key together (MaxRecordSizeInKiB).",
        examples=["1 MiB"],
        gt=0,
    )
    write_limiter: Literal["token_bucket", "fixed_second", "none"] | None = Field(
        description="How the write limit of a shard is enforced; AWS does not say (aws:W7).",
        examples=["token_bucket"],
    )
    write_limit_bytes: OptionalSize = Field(
        description="Bytes, keys included, that a shard takes per second (aws:W2).", examples=["1 MiB"], gt=0
    )
    write_limit_records: OptionalCount = Field(
        description="Records that a shard takes per second (aws:W1).", examples=[1000], gt=0
    )
    write_burst_bytes: OptionalSize = Field(
        description="Depth of the byte bucket; none: one second of the limit.", examples=["1 MiB"], gt=0
    )
    write_burst_records: OptionalCount = Field(
        description="Depth of the record bucket; none: one second of the limit.", examples=[1000], gt=0
    )
    rejected_consumes_tokens: bool = Field(
        description="Whether a rejected record uses up write capacity; AWS does not say (aws:W14).", examples=[False]
    )
    enforce_read_limits: bool = Field(
        description="Whether GetRecords is limited to 5 calls and 2 MiB per second and shard (aws:G1, G3, G4).",
        examples=[True],
    )
    put_to_get_delay_s: Duration = Field(
        alias="put_to_get_delay",
        description="Time from acceptance until a reader can see a record (aws:G8).",
        examples=["200ms"],
    )
    trim_granularity_s: Duration = Field(
        alias="trim_granularity",
        description="Expired records go at whole multiples of this; zero: each at its own time (aws:T3).",
        examples=["0s"],
    )
    reshard_operation_time_s: Duration = Field(
        alias="reshard_operation_time", description="Time of one split or merge (aws:S7).", examples=["30s"]
    )
    warm_throughput_bytes: OptionalSize = Field(
        default=None,
        alias="warm_throughput",
        description="Bytes per second that an ON_DEMAND_ADVANTAGE stream takes from the start (WarmThroughputMiBps).",
        examples=["100 MiB"],
        gt=0,
    )
    on_demand: OnDemand | None = Field(
        default=None,
        description="How an on-demand stream grows; AWS publishes the outlines (aws:S13 to S20).",
        examples=[{"scale_delay": "15m"}],
    )
    shard_level_metrics: list[str] = Field(
        default=[], description="Enhanced metrics that are switched on, by CloudWatch's names.", examples=[["ALL"]]
    )
    reshard: list[Reshard] = Field(
        default=[],
        description="Splits, merges and UpdateShardCount at given times, one after another (aws:S1 to S10).",
        examples=[[{"at": "6h", "update_shard_count": 8}]],
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="A controller of the shard count: a function that an alarm calls (aws:S8, S9).",
        examples=[{"on": "IncomingBytes", "out": {"factor": 2, "of_limit": "80%"}, "max": 16}],
    )
    consumers: list[Consumer] = Field(
        default=[],
        description="Other applications that read the stream, by shared throughput or by enhanced fan-out.",
        examples=[[{"name": "archive", "reads": "100%"}]],
    )
    enhanced_fan_out: bool = Field(
        default=False,
        description="Whether the mapping is a registered consumer, which records are pushed to (aws:G9).",
        examples=[True],
    )
    fan_out_delay_s: Duration = Field(
        alias="fan_out_delay",
        description="Time from acceptance until enhanced fan-out delivers a record (aws:G9).",
        examples=["70ms"],
    )

    @model_validator(mode="before")
    @classmethod
    def _grows_on_its_own(cls, data: Any) -> Any:
        mode = data.get("stream_mode") if isinstance(data, dict) else None
        if mode == "PROVISIONED" and data.get("on_demand") is not None:
            raise SettingError(
                f"it has no effect with stream_mode {mode}",
                help="write stream_mode: ON_DEMAND, or remove this section",
                at=("on_demand",),
            )
        return data

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for number, consumer in enumerate(self.consumers):
            if consumer.name in [each.name for each in self.consumers[:number]]:
                raise SettingError(
                    f"a second consumer is called {consumer.name!r}",
                    help="give each a name of its own",
                    at=("consumers", number, "name"),
                )
        return self

    @property
    def changes_shards(self) -> bool:
        """Whether shards may be opened and closed during the run."""
        return bool(self.reshard) or self.autoscaling is not None or self.on_its_own

    @property
    def on_its_own(self) -> bool:
        """Whether Kinesis splits its shards by itself, in one of the on-demand modes."""
        return self.stream_mode in ON_DEMAND_MODES

    @property
    def registered(self) -> int:
        """Consumers that read by enhanced fan-out, the mapping among them."""
        return self.enhanced_fan_out + sum(each.enhanced_fan_out for each in self.consumers)

    @property
    def limiter(self) -> int:
        """Which write limiter is on: naming a limit turns the token bucket on where the profile has none."""
        if self.write_limiter is None:
            named = self.write_limit_bytes is not None or self.write_limit_records is not None
            return TOKEN_BUCKET if named else 0
        return {"none": 0, "token_bucket": TOKEN_BUCKET, "fixed_second": FIXED_SECOND}[self.write_limiter]

    @property
    def bytes_per_s(self) -> int:
        """Write limit of a shard in bytes per second, AWS's where none is named."""
        return self.write_limit_bytes or AWS_WRITE_BYTES_PER_S

    @property
    def records_per_s(self) -> int:
        """Write limit of a shard in records per second, AWS's where none is named."""
        return self.write_limit_records or AWS_WRITE_RECORDS_PER_S

    @property
    def room_bytes(self) -> int | None:
        """Most bytes that a shard ever takes at once (aws:W7); None: without limit."""
        if self.limiter == TOKEN_BUCKET:
            return self.write_burst_bytes or self.bytes_per_s
        return self.bytes_per_s if self.limiter else None


AWS_WRITE_BYTES_PER_S = 1_048_576
"""aws:W2 and W3: 1 MiB per second and shard, keys included; the same in every year."""

AWS_WRITE_RECORDS_PER_S = 1_000
"""aws:W1."""

LARGE_RECORD_BYTES = 1_048_576
"""Records above this, key included, are large ones (aws:W8, W9)."""

GET_RECORDS_MAX_RECORDS = 10_000
"""aws:G2."""

GET_RECORDS_MAX_BYTES = 10_485_760
"""aws:G2."""


@rule
def deficit_at(deficit: int, since_us: int, now_us: int, limit_per_s: int) -> int:
    """What is missing from a full token bucket at *now_us*, in millionths, after a refill since *since_us*.

    >>> deficit_at(1_000_000, since_us=0, now_us=400, limit_per_s=1_000)    # one record missing, 0.4 back
    600000
    >>> deficit_at(1_000_000, since_us=0, now_us=2_000, limit_per_s=1_000)
    0
    """
    left = deficit - limit_per_s * (now_us - since_us)
    return left if left > 0 else 0


@rule
def room_for(deficit: int, capacity: int, weight: int) -> int:
    """How many units of *weight* fit into a bucket of *capacity* that lacks *deficit* (all in the same measure).

    A record needs room for itself and for its bytes, so that the limit reached first binds (aws:W5).

    ASSUMPTION aws:W7: AWS does not publish the limiter; a token bucket with one second of depth fits what is known.

    >>> room_for(deficit=30, capacity=100, weight=20)
    3
    """
    if weight <= 0:
        return 1 << 62
    return (capacity - deficit) // weight


@rule
def second_of(time_us: int) -> int:
    """Number of the whole second that holds *time_us*, counted from the start of the run (aws:W6).

    >>> second_of(1_999_999), second_of(2_000_000)
    (1, 2)
    """
    return time_us // 1_000_000


@rule
def expired_by(now_us: int, retention_us: int, trim_us: int) -> int:
    """Latest arrival that is gone at *now_us*: records of age *retention_us* or more (aws:T1, T3).

    >>> expired_by(86_400_000_000, 86_400_000_000, 0)
    0
    >>> expired_by(86_405_000_000, 86_400_000_000, 60_000_000)     # trimmed at whole minutes only
    0
    """
    cut_us = now_us - retention_us
    if trim_us > 0:
        cut_us -= cut_us % trim_us
    return cut_us


@rule
def expires_at(arrival_us: int, retention_us: int, trim_us: int) -> int:
    """Instant at which a record that arrived at *arrival_us* is gone.

    >>> expires_at(5, 100, 0), expires_at(5, 100, 60)
    (105, 160)
    """
    if trim_us > 0:
        arrival_us = -(-arrival_us // trim_us) * trim_us
    return arrival_us + retention_us


@rule
def read_level_at(level: int, since_us: int, now_us: int, limit_per_s: int) -> int:
    """Level of the leaky read allowance at *now_us*, in millionths of a byte (aws:G3, G4).

    >>> read_level_at(3 * 2_097_152 * 1_000_000, 0, 1_000_000, 2_097_152) // 1_000_000
    4194304
    """
    left = level - limit_per_s * (now_us - since_us)
    return left if left > 0 else 0


@rule
def may_read(level: int, limit_per_s: int) -> bool:
    """Whether GetRecords is served at this *level* of the read allowance (millionths of a byte).

    >>> may_read(2_097_152 * 1_000_000, 2_097_152), may_read(2_097_152 * 1_000_000 + 1, 2_097_152)
    (True, False)
    """
    return level <= limit_per_s * 1_000_000


@rule
def calls_again_us(refused_us: int, interval_us: int, u: float) -> int:
    """When a reader calls again whose GetRecords call was refused; *u* is uniform in [0, 1).

    ASSUMPTION: within its next poll interval and later than at once.  With its phase kept, one of several readers
    would be refused for ever.

    >>> calls_again_us(5_000_000, 1_000_000, 0.25), calls_again_us(5_000_000, 1_000_000, 0.0)
    (5250000, 5000001)
    """
    return refused_us + max(1, int(u * interval_us))


@rule
def reads_again_at(level: int, since_us: int, limit_per_s: int) -> int:
    """First instant at which GetRecords is served again, by the read allowance, from its *level* at *since_us*.

    >>> reads_again_at(12 * 1_048_576 * 1_000_000, since_us=0, limit_per_s=2_097_152)     # after 10 MiB at once
    5000000
    """
    too_much = level - limit_per_s * 1_000_000
    return since_us if too_much <= 0 else since_us + -(-too_much // limit_per_s)


@rule
def may_call(missing: int, calls_per_s: int) -> bool:
    """Whether a GetRecords call finds a token in a bucket of *calls_per_s* that lacks *missing* millionths (aws:G1).

    ASSUMPTION: AWS does not publish the limiter; the bucket is one second deep, and a refused call takes no token.

    >>> may_call(4_000_000, 5), may_call(4_000_001, 5)
    (True, False)
    """
    return missing + 1_000_000 <= calls_per_s * 1_000_000


@rule
def missing_after_calls(missing: int, calls: int, refill: int) -> int:
    """What the bucket of calls lacks after *calls*, between which *refill* millionths come back, one call or more.

    >>> missing_after_calls(3_500_000, calls=3, refill=2_000_000)       # 4.5 after the first, then 3.5, then 2.5
    2500000
    >>> missing_after_calls(3_500_000, calls=100, refill=5_000_000)
    1000000
    """
    left = missing + 1_000_000 - (calls - 1) * (refill - 1_000_000)
    return left if left > 1_000_000 else 1_000_000


@rule
def read_level_after(level: int, read_bytes: int, limit_per_s: int) -> int:
    """Level after a response of *read_bytes*: a 10 MiB response from an empty level blocks exactly 5 s (aws:G4).

    >>> blocked_us = (read_level_after(0, 10_485_760, 2_097_152) - 2_097_152 * 1_000_000) / 2_097_152
    >>> blocked_us
    5000000.0
    """
    micro = 1_000_000
    added = level + read_bytes * micro
    if read_bytes > limit_per_s:
        floor = (read_bytes + limit_per_s) * micro
        return added if added > floor else floor
    return added
