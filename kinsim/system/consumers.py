"""Other applications that read the stream, besides the event source mapping."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from kinsim.errors import SettingError
from kinsim.system.event_source_mapping import EventSourceMapping
from kinsim.system.function import Function
from kinsim.units import FRACTION_PATTERN, SIZE_PATTERN, Duration, Settings, parse_fraction, parse_size_bytes


def parse_reads(value: object) -> int | float:
    """What another application reads: bytes a second, or a share of what is written as a float.

    >>> parse_reads("1 MiB"), parse_reads("50%")
    (1048576, 0.5)
    """
    if isinstance(value, str) and value.strip().endswith("%"):
        return parse_fraction(value)
    return parse_size_bytes(value)


Reads = Annotated[
    int | float,
    BeforeValidator(parse_reads),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": SIZE_PATTERN},
                {"type": "string", "pattern": FRACTION_PATTERN},
            ]
        }
    ),
]


class Consumer(Settings):
    """Another application that reads the stream, by shared throughput (aws:G1, G3, G6) or enhanced fan-out (aws:G9), or
    another Lambda function."""

    name: str = Field(description="Its name.", examples=["archive"], min_length=1)
    reads: Reads | None = Field(
        default=None,
        description="Bytes per second and shard, or the share of what is written that it reads.",
        examples=["100%"],
    )
    poll_interval_s: Duration = Field(
        default=1.0,
        alias="poll_interval",
        description="Time between its GetRecords calls of a shard (aws:G6).",
        examples=["1s"],
        ge=0.1,
    )
    enhanced_fan_out: bool = Field(
        default=False,
        description="Whether it is a registered consumer: all records are pushed to it, and it takes nothing from the "
        "others (aws:G9).",
        examples=[True],
    )
    event_source_mapping: EventSourceMapping | None = Field(
        default=None,
        description="A mapping of its own, which makes it another pipeline of the same stream.",
        examples=[{"batch_size": 100}],
    )
    function: Function | None = Field(
        default=None,
        description="A function of its own.",
        examples=[{"memory_size": "256 MB", "duration": {"fixed": "30ms"}}],
    )
    slos: dict[str, Any] = Field(
        default={},
        description="Limits of a consumer with a function; those on top hold for the mapping on top.",
        examples=[{"freshness": {"metric": "end_to_end_latency_s", "statistic": "p99", "at_most": "60s"}}],
    )
    alarms: dict[str, Any] = Field(
        default={},
        description="Alarms of a consumer with a function.",
        examples=[{"age": {"metric": "IteratorAge", "statistic": "Maximum", "period": "5m", "threshold": 1_000_000}}],
    )

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.enhanced_fan_out:
            self._takes_all()
        elif not self.reads:
            raise SettingError(
                "it is not said what the consumer reads",
                help="add reads: 100%, or bytes per second; or a function of its own",
            )
        return self

    def _takes_all(self) -> None:
        if self.reads not in (None, 1.0) or isinstance(self.reads, int):
            raise SettingError(
                "enhanced fan-out pushes all that is written to a consumer, and it is paid for all",
                help="remove this line, or write reads: 100%",
                at=("reads",),
            )
        if "poll_interval_s" in self.model_fields_set:
            raise SettingError(
                "with enhanced_fan_out a consumer makes no GetRecords calls",
                help="remove poll_interval, or enhanced_fan_out",
                at=("poll_interval",),
            )

    @property
    def share(self) -> float:
        """Share of what is written that it reads; 0 where it reads so many bytes."""
        return self.reads if isinstance(self.reads, float) else 0.0

    @property
    def bytes_per_s(self) -> int:
        """Bytes per second and shard that it reads; 0 where it reads a share."""
        return self.reads if isinstance(self.reads, int) else 0
