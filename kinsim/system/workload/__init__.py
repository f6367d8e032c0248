"""The workload: when records come, how large they are, and under which keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from kinsim.errors import SettingError
from kinsim.system.distributions import DurationSpread, NumberSpread, SizeSpread
from kinsim.system.partition_keys import PartitionKeys, mean_key_bytes
from kinsim.system.producer import Producer
from kinsim.system.workload.bursts import BurstArrivals
from kinsim.system.workload.constant import ConstantArrivals
from kinsim.system.workload.mmpp import MmppArrivals
from kinsim.system.workload.modulation import modulation_of
from kinsim.system.workload.piecewise import PiecewiseArrivals
from kinsim.system.workload.poisson import PoissonArrivals
from kinsim.system.workload.renewal import RenewalArrivals
from kinsim.system.workload.trace import TraceArrivals
from kinsim.system.workload.vpc_flow_logs import VpcFlowLogsArrivals
from kinsim.units import DURATION_PATTERN, Duration, Settings, number_or_text, parse_duration_s, parse_duration_us

__all__ = ["Arrivals", "Source", "Workload"]

ONLY_SOURCE = "records"
"""Name of the source where a workload has one that is not named."""

Arrivals = Annotated[
    ConstantArrivals
    | PoissonArrivals
    | RenewalArrivals
    | MmppArrivals
    | PiecewiseArrivals
    | BurstArrivals
    | TraceArrivals
    | VpcFlowLogsArrivals,
    Field(discriminator="model"),
]
"""When records come: one of the models."""


def _granularity(value: object) -> object:
    if value is None or value == "record":
        return value
    width_us = parse_duration_us(value)
    if width_us <= 0 or 60_000_000 % width_us:
        raise SettingError(
            f"{value!r} does not divide a minute", help="write record, or a bin such as 100ms, 1s or 10s"
        )
    return parse_duration_s(value)


Granularity = Annotated[
    Literal["record"] | float | None,
    BeforeValidator(_granularity),
    WithJsonSchema({"anyOf": [{"const": "record"}, *number_or_text(DURATION_PATTERN)["anyOf"], {"type": "null"}]}),
]
"""``record``, or seconds of a bin; None where it is left to the rate."""


class Source(Settings):
    """One source of records."""

    arrivals: Arrivals = Field(description="When records come.", examples=[{"model": "poisson", "rate": "400/s"}])
    record_size_bytes: SizeSpread = Field(
        default=1000,
        validate_default=True,
        alias="record_size",
        description="Data bytes of a record, without its key.",
        examples=["1 kB"],
    )
    log_events_per_record: NumberSpread = Field(
        default=1, validate_default=True, description="Log events inside a record.", examples=[1]
    )
    work_s: DurationSpread = Field(
        default=0.0,
        validate_default=True,
        alias="work",
        description="CPU time at one vCPU that a record brings, besides what the function needs for any record.",
        examples=["0s"],
    )
    partition_keys: PartitionKeys = Field(
        default="random", description="Which keys the records have.", examples=["random", {"count": 5_000}]
    )
    granularity: Granularity = Field(
        default=None,
        description="record: each record at its own time; a bin: counts per bin, linear inside. Default: by the rate.",
        examples=["record", "1s"],
    )
    start_s: Duration = Field(
        default=0.0, alias="start", description="When the source is switched on.", examples=["0s"]
    )
    end_s: Duration | None = Field(
        default=None, alias="end", description="When it is switched off (default: never).", examples=["12h"]
    )
    producer: Producer | None = Field(
        default=None, description="The source's own producer.", examples=[{"model": "direct"}]
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise SettingError(f"end, {self.end_s:g} s, is not after start, {self.start_s:g} s", at=("end",))
        if self.partition_keys == "log_stream" and not isinstance(self.arrivals, VpcFlowLogsArrivals):
            raise SettingError(
                f"model {self.arrivals.model} has no log streams",
                help="log_stream goes with model vpc_flow_logs; write random, even, constant or {count: …}",
                at=("partition_keys",),
            )
        return self


class Workload(Settings):
    """All sources of records, added together; a single source may be written without a name."""

    sources: dict[str, Source] = Field(
        description="Sources by name.",
        examples=[{"web": {"arrivals": {"model": "poisson", "rate": "400/s"}}}],
        min_length=1,
        max_length=1000,
    )

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data:
            return data
        if "sources" not in data:
            return {"sources": {ONLY_SOURCE: data}}
        others = [key for key in data if key != "sources"]
        if others:
            raise SettingError(
                f"{others[0]} stands beside sources", help="write it inside each source", at=(str(others[0]),)
            )
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        named = handler.resolve_ref_schema(handler(core))
        single = named["properties"]["sources"]["additionalProperties"]
        return {"anyOf": [single, named], "description": cls.__doc__ or ""}


# -- what can be known without drawing -----------------------------------------------------------------------


def mean_rate_per_s(source: Source, duration_s: float | None = None, week_offset_s: float = 0.0) -> float | None:
    """Mean records per second while the source is on; None where only its file tells.

    With *duration_s* the mean is over a run of that length, incidents and switching on and off included; the run
    starts *week_offset_s* after a Monday's midnight.

    >>> source = Source.model_validate({"arrivals": {"model": "poisson", "rate": "9/s"}, "end": "100s"})
    >>> mean_rate_per_s(source), mean_rate_per_s(source, 300.0)
    (9.0, 3.0)
    """
    model = source.arrivals
    if duration_s is None:
        return model.mean_rate_per_s()
    start_us, end_us = 0, round(duration_s * 1e6)
    on_us, off_us = round(source.start_s * 1e6), end_us if source.end_s is None else round(source.end_s * 1e6)
    start_us, end_us = max(start_us, on_us), min(end_us, off_us)
    if start_us >= end_us or duration_s <= 0:
        return 0.0
    offset_us = round(week_offset_s * 1e6)
    if isinstance(model, PiecewiseArrivals):
        return _segments_mass(model, start_us, end_us, offset_us) / duration_s
    rate = model.mean_rate_per_s()
    if rate is None:
        return None
    modulation = modulation_of(model)
    mass = float(modulation.pieces(start_us, end_us, offset_us)[1].sum())
    return rate / modulation.long_run_factor() * mass / duration_s if modulation.long_run_factor() else 0.0


def _segments_mass(model: PiecewiseArrivals, start_us: int, end_us: int, offset_us: int) -> float:
    mass, begin = 0.0, 0
    for segment in model.segments:
        until = end_us if segment.until_s is None else round(segment.until_s * 1e6)
        low, high = max(begin, start_us), min(until, end_us)
        if low < high:
            mass += segment.rate_per_s * float(model.pieces(low, high, offset_us)[1].sum())
        begin = until
    return mass


def peak_rate_per_s(source: Source) -> float | None:
    """Highest mean rate of records; infinite where they come at once, None where only the file tells."""
    return source.arrivals.peak_rate_per_s()


def mean_record_bytes(source: Source) -> float:
    """Mean bytes of a record with its key: what counts against a shard's limit (aws:W4).

    >>> mean_record_bytes(Source.model_validate({"arrivals": {"model": "poisson", "rate": 1}, "record_size": "1 kB"}))
    1036.0
    """
    return source.record_size_bytes.mean + mean_key_bytes(source.partition_keys)


def mean_log_events(source: Source) -> float:
    """Mean log events of a record."""
    return source.log_events_per_record.mean


def bytes_per_s(source: Source, duration_s: float | None = None, week_offset_s: float = 0.0) -> float | None:
    """Mean bytes per second, keys included; see `mean_rate_per_s`."""
    rate = mean_rate_per_s(source, duration_s, week_offset_s)
    return None if rate is None else rate * mean_record_bytes(source)


def work_s_per_s(source: Source, duration_s: float | None = None, week_offset_s: float = 0.0) -> float | None:
    """Mean CPU seconds of the records' own work per second."""
    rate = mean_rate_per_s(source, duration_s, week_offset_s)
    return None if rate is None else rate * source.work_s.mean
