"""The Kinesis Producer Library: many user records in one Kinesis record, a rate limit of its own, retries at once."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from kinsim.rule import rule
from kinsim.units import Count, Duration, OptionalRatio, Settings, Size, parse_duration_us

DRAIN_US = 25_000
"""The rate limit is looked at again so often (aws:K6)."""

AGGREGATE_BYTES = 4 + 16
"""Magic number in front of an aggregate's message and MD5 behind it."""


class Kpl(Settings):
    """What a KinesisProducerConfiguration may say (aws:K1 to K6); the profile fills in the rest."""

    aggregation_enabled: bool = Field(
        default=True, description="Whether user records share Kinesis records.", examples=[True]
    )
    aggregation_max_size_bytes: Size = Field(
        default=51_200, alias="aggregation_max_size", description="Most bytes of an aggregate.", examples=["51_200 B"]
    )
    aggregation_max_count: Count = Field(
        default=4_294_967_295, description="Most user records of an aggregate.", examples=[1_000], ge=1
    )
    collection_max_count: Count = Field(
        default=500, description="Most Kinesis records of a PutRecords call.", examples=[500], ge=1
    )
    collection_max_size_bytes: Size = Field(
        default=5 * 2**20,
        alias="collection_max_size",
        description="Most bytes of a PutRecords call, data and keys.",
        examples=["5 MiB"],
        ge=1,
    )
    record_max_buffered_time_s: Duration = Field(
        default=0.1,
        alias="record_max_buffered_time",
        description="Longest time that a user record waits for others to go with it; half of it after a rejection.",
        examples=["100ms"],
    )
    record_ttl_s: Duration = Field(
        default=30.0,
        alias="record_ttl",
        description="Age at which a record that is not stored is given up.",
        examples=["30s"],
    )
    rate_limit: OptionalRatio = Field(
        default=1.5,
        description="Most that the library sends to a shard, as a share of what the shard takes; unlimited: no limit.",
        examples=["150%"],
    )
    rate_limit_burst_bytes: Size = Field(
        default=10 * 2**20,
        alias="rate_limit_burst",
        description="Bytes that the rate limit lets pass at once after a pause.",
        examples=["10 MiB"],
        ge=1,
    )


@dataclass(frozen=True, slots=True)
class KplPlan:
    """The same as plain numbers; *rate* 0: no limit."""

    aggregates: bool = True
    size_bytes: int = 51_200
    count: int = 4_294_967_295
    call_records: int = 500
    call_bytes: int = 5 * 2**20
    buffered_us: int = 100_000
    ttl_us: int = 30_000_000
    rate: float = 1.5
    burst_bytes: int = 10 * 2**20


def kpl_plan(kpl: Kpl | None) -> KplPlan:
    """The plan of the settings.

    >>> kpl_plan(None) == kpl_plan(Kpl()) == KplPlan()
    True
    """
    kpl = kpl or Kpl()
    return KplPlan(
        kpl.aggregation_enabled,
        kpl.aggregation_max_size_bytes,
        kpl.aggregation_max_count,
        kpl.collection_max_count,
        kpl.collection_max_size_bytes,
        parse_duration_us(kpl.record_max_buffered_time_s),
        parse_duration_us(kpl.record_ttl_s),
        kpl.rate_limit or 0.0,
        kpl.rate_limit_burst_bytes,
    )


# -- what an aggregate weighs --------------------------------------------------------------------------------


@rule
def varint_bytes(value: int) -> int:
    """Bytes of a whole number in a protobuf message: seven bits each.

    >>> [varint_bytes(value) for value in (0, 127, 128, 16_383, 16_384)]
    [1, 1, 2, 2, 3]
    """
    size = 1
    while value >= 128:
        value >>= 7
        size += 1
    return size


@rule
def user_record_bytes(data_bytes: int, key_number: int) -> int:
    """Bytes that a user record adds to an aggregate: its data, the number of its key, and what announces them.

    A tag and a varint for the key's number, a tag and a length for the data, a tag and a length for both.  The exact
    sizes of aws-kinesis-agg (case:O6), with one key of 4 B: 7,943 records of 120 B are 1,000,844 B, 6.0033 B more each;
    1,034 of 1,000 B are 1,042,298 B.

    >>> user_record_bytes(120, 0), user_record_bytes(1_000, 0), user_record_bytes(120, 128)
    (126, 1008, 127)
    >>> AGGREGATE_BYTES + table_key_bytes(4) + 7_943 * user_record_bytes(120, 0)
    1000844
    >>> AGGREGATE_BYTES + table_key_bytes(4) + 1_034 * user_record_bytes(1_000, 0)
    1042298
    """
    inside = 1 + varint_bytes(key_number) + 1 + varint_bytes(data_bytes) + data_bytes
    return 1 + varint_bytes(inside) + inside


@rule
def table_key_bytes(key_bytes: int) -> int:
    """Bytes that a partition key adds to an aggregate the first time that it occurs in it.

    >>> table_key_bytes(4), table_key_bytes(36), table_key_bytes(200)
    (6, 38, 203)
    """
    return 1 + varint_bytes(key_bytes) + key_bytes


# -- the rate limit ------------------------------------------------------------------------------------------


@rule
def tokens_after(tokens: int, elapsed_us: int, per_s: int, capacity: int) -> int:
    """Tokens of the rate limit after a time, in millionths; it starts with none (aws:K6).

    >>> tokens_after(0, 25_000, 1_500, 1_000_000_000)                             # 1,500 a second: 37.5 in 25 ms
    37500000
    >>> tokens_after(0, 60_000_000, 1_500, 1_000_000_000)                         # a second of the shard's quota
    1000000000
    """
    return min(capacity, tokens + elapsed_us * per_s)


@rule
def next_drain_us(now_us: int) -> int:
    """When the rate limit is looked at again: every 25 ms (aws:K6).

    >>> next_drain_us(0), next_drain_us(24_999), next_drain_us(25_000)
    (25000, 25000, 50000)
    """
    return (now_us // DRAIN_US + 1) * DRAIN_US


@rule
def retry_deadline_us(now_us: int, created_us: int, buffered_us: int, ttl_us: int) -> int:
    """When a rejected record is to be sent again: half the buffered time later, before it is given up (aws:K7, K4).

    >>> retry_deadline_us(1_000_000, 0, 100_000, 30_000_000), retry_deadline_us(29_990_000, 0, 100_000, 30_000_000)
    (1050000, 30000000)
    """
    return min(now_us + buffered_us // 2, created_us + ttl_us)


@rule
def has_expired(age_us: int, ttl_us: int) -> bool:
    """Whether a record that is not stored is given up at such an age (aws:K4).

    >>> has_expired(29_999_999, 30_000_000), has_expired(30_000_000, 30_000_000)
    (False, True)
    """
    return age_us >= ttl_us
