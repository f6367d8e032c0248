"""On-demand capacity: Kinesis splits the shards of a stream by itself as its traffic grows (aws:S13 to S20).

AWS publishes the outlines: how much a stream takes in multiples of its peak, and within which time.  How many shards
that makes, when they open and where they are split are assumptions here, each with a setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Literal, Self

from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.system.resharding import SAME_PLACE, OpenShards, may_split, split_point
from kinsim.units import Duration, OptionalSize, Settings, Size, format_duration

ON_DEMAND_MODES = ("ON_DEMAND", "ON_DEMAND_ADVANTAGE")

NEW_STREAM_SHARDS = 4
"""aws:S13: a new stream takes 4 MB and 4,000 records a second, which are four shards."""

UNIT_BYTES = 1_024
"""aws:P7: what comes in is paid for by the record, each rounded up to a KB."""

MICRO = 1_000_000


class OnDemand(Settings):
    """How an on-demand stream grows; AWS says no more than "up to double the peak" and "within 15 minutes"."""

    headroom: float = Field(
        description="Write capacity in multiples of the peak (aws:S14).", examples=[2.0], ge=1.0, le=100.0
    )
    peak_period_s: Duration = Field(
        alias="peak_period",
        description="The peak is the highest average over periods of this length; AWS names none.",
        examples=["1m"],
        ge=1.0,
    )
    scale_delay_s: Duration = Field(
        alias="scale_delay",
        description="Time from the start of a period to the shards that its traffic needs (aws:S14, S15).",
        examples=["15m"],
        gt=0,
    )
    split_above_bytes: OptionalSize = Field(
        alias="split_above",
        description="Bytes per second above which a shard is split (aws:S15); unlimited: for its own traffic never.",
        examples=["500 KiB"],
        gt=0,
    )
    placement: Literal["hottest", "even"] = Field(
        description="hottest: the shards with most traffic are split in the middle; even: all get equal ranges.",
        examples=["hottest"],
    )
    max_write_throughput_bytes: OptionalSize = Field(
        alias="max_write_throughput",
        description="Bytes per second beyond which the stream does not grow, by region (aws:S18).",
        examples=["10 GiB"],
        gt=0,
    )
    minimum_ingest_bytes: Size = Field(
        default=0,
        alias="minimum_ingest",
        description="Bytes per second written that are paid for at least (aws:S20, ON_DEMAND_ADVANTAGE).",
        examples=["25 MiB"],
    )
    minimum_retrieval_bytes: Size = Field(
        default=0,
        alias="minimum_retrieval",
        description="Bytes per second read that are paid for at least (aws:S20, ON_DEMAND_ADVANTAGE).",
        examples=["25 MiB"],
    )

    @model_validator(mode="after")
    def _after_the_period(self) -> Self:
        if self.scale_delay_s < self.peak_period_s:
            raise SettingError(
                f"scale_delay {format_duration(self.scale_delay_s)} is shorter than peak_period "
                f"{format_duration(self.peak_period_s)}: the stream would grow before its traffic is known",
                help="lengthen scale_delay or shorten peak_period",
                at=("scale_delay",),
            )
        return self


# -- rules ---------------------------------------------------------------------------------------------------


@rule
def shards_for(bytes_per_s: float, records_per_s: float, limit_bytes: int, limit_records: int) -> int:
    """Shards that take so much a second, by the worse of bytes and records (aws:W1, W2, S17).

    >>> shards_for(4_194_304, 0, 1_048_576, 1_000), shards_for(1, 4_001, 1_048_576, 1_000)
    (4, 5)
    """
    worse = max(bytes_per_s / limit_bytes, records_per_s / limit_records)
    return max(1, math.ceil(round(worse, 9)))


@rule
def shards_after_peak(
    peak_bytes_per_s: float, peak_records_per_s: float, headroom: float, limit_bytes: int, limit_records: int
) -> int:
    """Shards that a stream has *scale_delay* after a peak, if it has not had a higher one (aws:S14).

    ASSUMPTION: the peak is that of what was accepted, in bytes and in records, and the capacity is whole shards.

    >>> shards_after_peak(3 * 2**20, 600, 2.0, 2**20, 1_000)            # 3 MiB/s: up to 6 MiB/s
    6
    >>> shards_after_peak(400_000, 3_200, 2.0, 2**20, 1_000)            # 3,200 records/s: up to 6,400
    7
    """
    return shards_for(headroom * peak_bytes_per_s, headroom * peak_records_per_s, limit_bytes, limit_records)


@rule
def is_hot(size: int, period_us: int, split_above_bytes_per_s: int) -> bool:
    """Whether a shard that accepted *size* bytes in a period is split for its own traffic (aws:S15).

    >>> is_hot(30_720_000, 60_000_000, 512_000), is_hot(30_720_001, 60_000_000, 512_000)
    (False, True)
    """
    return size * 1_000_000 > split_above_bytes_per_s * period_us


@rule
def heat(records: int, size: int, limit_bytes: int, limit_records: int) -> float:
    """Load of a shard against its limits, by the worse of bytes and records; only its order counts.

    >>> heat(500, 262_144, 1_048_576, 1_000)
    0.5
    """
    return max(size / limit_bytes, records / limit_records)


# -- growth --------------------------------------------------------------------------------------------------

Loads = Mapping[int, tuple[int, int]]
"""Records and bytes that each shard accepted in a period, by its number; a shard without any may be missing."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a stream grows, in plain numbers."""

    period_us: int
    delay_us: int
    headroom: float
    limit_bytes: int
    limit_records: int
    split_above_bytes: int | None
    even: bool
    most_shards: int

    def grow(self, shards: OpenShards, then: Loads, now: Loads) -> None:
        """Split *shards* as the period *then*, one delay ago, demands; *now* is the last one, which tells the hottest.

        >>> shards, growth = OpenShards(4), Growth(60_000_000, 900_000_000, 2.0, 2**20, 1_000, None, False, 10_240)
        >>> load = {0: (6_000, 1), 1: (6_000, 1), 2: (30_000, 1), 3: (108_000, 1)}          # 2,500 records a second
        >>> growth.grow(shards, load, load)
        >>> [(closes, [child.number for child in opens]) for closes, opens in shards.done]
        [((3,), [4, 5])]
        """
        records, size = (sum(each[kind] for each in then.values()) for kind in (0, 1))
        seconds = self.period_us / MICRO
        needed = shards_after_peak(
            size / seconds, records / seconds, self.headroom, self.limit_bytes, self.limit_records
        )
        hot = self._hot(shards, then)
        target = min(self.most_shards, max(needed, len(shards.ranges) + len(hot)))
        if self.even:
            if target > len(shards.ranges):
                shards.update_count(target)
            return
        for number in hot:
            if len(shards.ranges) < target:
                _split(shards, number)
        self._split_hottest(shards, now, target)

    def _hot(self, shards: OpenShards, then: Loads) -> list[int]:
        above = self.split_above_bytes
        if above is None:
            return []
        return [
            number
            for number in sorted(then)
            if number in shards.ranges
            and is_hot(then[number][1], self.period_us, above)
            and _can_split(*shards.ranges[number])
        ]

    def _split_hottest(self, shards: OpenShards, now: Loads, target: int) -> None:
        """Each child is taken to have half of its parent's traffic; of equal ones the widest, then the lowest."""

        def entry(number: int, load: float) -> tuple[float, int, int, int]:
            start, end = shards.ranges[number]
            return -load, -((end - start + SAME_PLACE // 2) // SAME_PLACE), start, number

        if len(shards.ranges) >= target:
            return
        line = [
            entry(number, heat(*now.get(number, (0, 0)), self.limit_bytes, self.limit_records))
            for number, its_range in shards.ranges.items()
            if _can_split(*its_range)
        ]
        heapify(line)
        while line and len(shards.ranges) < target:
            load, _, _, number = heappop(line)
            for child in _split(shards, number):
                if _can_split(*shards.ranges[child]):
                    heappush(line, entry(child, -load / 2))


def _can_split(start: int, end: int) -> bool:
    return may_split(start, end, split_point(start, end, 1, 2))


def _split(shards: OpenShards, number: int) -> tuple[int, int]:
    """Split a shard in the middle; the numbers of its children."""
    shards.split(number, split_point(*shards.ranges[number], 1, 2))
    return shards.next_number - 2, shards.next_number - 1
