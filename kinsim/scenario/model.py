"""The scenario: everything that a run depends on, frozen."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import Field, PrivateAttr, field_validator, model_validator

from kinsim import limits
from kinsim.errors import Problem, SettingError
from kinsim.scenario.beginning import check_beginning
from kinsim.scenario.beside import check_beside
from kinsim.scenario.readers import check_readers
from kinsim.system.account import Account
from kinsim.system.alarms import Alarm
from kinsim.system.event_source_mapping import EventSourceMapping
from kinsim.system.function import Function
from kinsim.system.metrics import metric_names, problem_with, rank_of, unit_of
from kinsim.system.producer import Producer
from kinsim.system.stream import Stream
from kinsim.system.workload import Workload
from kinsim.units import (
    DURATION_PATTERN,
    FRACTION_PATTERN,
    NUMBER_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    Count,
    Duration,
    Fraction,
    Settings,
    format_duration,
    parse_bound,
    parse_duration_s,
    parse_time,
)

if TYPE_CHECKING:
    from kinsim.scenario.profiles import Profile
    from kinsim.scenario.resolve import Layers
    from kinsim.scenario.tree import Node, Origin

_BOUND: Any = {
    "anyOf": [
        {"type": "number"},
        *(
            {"type": "string", "pattern": pattern}
            for pattern in (DURATION_PATTERN, FRACTION_PATTERN, SIZE_PATTERN, RATE_PATTERN, rf"^{NUMBER_PATTERN}$")
        ),
    ]
}


class Slo(Settings):
    """A limit on one statistic of one metric, over the whole run or in periods of it."""

    metric: str = Field(
        description="What is limited: a metric of kinsim's or CloudWatch's; `kinsim schema result` lists them.",
        examples=["end_to_end_latency_s"],
    )
    statistic: str = Field(
        description="Average, Sum, Minimum, Maximum, SampleCount, a percentile such as p99, or PR(low:high).",
        examples=["p99"],
    )
    period_s: Duration | None = Field(
        default=None,
        alias="period",
        description="Take the statistic of each period of this length, in whole minutes; the worst counts.",
        examples=["1m"],
        gt=0,
    )
    at_most: float | None = Field(
        default=None,
        description="Upper limit: a bare number is in the metric's unit.",
        examples=["60s"],
        json_schema_extra=_BOUND,
    )
    at_least: float | None = Field(
        default=None,
        description="Lower limit: a bare number is in the metric's unit.",
        examples=["99%"],
        json_schema_extra=_BOUND,
    )
    fraction: Fraction | None = Field(
        default=None, description="Share of the periods that must keep the limit.", examples=["99.9%"]
    )

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        metric = data.get("metric")
        if isinstance(metric, str) and metric not in metric_names():
            raise SettingError(f"unknown metric {metric!r}", help=_metric_hint(metric), at=("metric",))
        bounds = [key for key in ("at_most", "at_least") if data.get(key) is not None]
        if len(bounds) != 1:
            found = "both" if bounds else "neither"
            raise SettingError(f"exactly one of at_most and at_least is needed, here is {found}", help="at_most: 60s")
        unit = unit_of_statistic(metric, data.get("statistic")) if isinstance(metric, str) else ""
        try:
            unit = "share" if metric in SHARES else unit
            return {**data, bounds[0]: bound_in(data[bounds[0]], unit)}
        except SettingError as error:
            raise SettingError(error.message, help=error.help, at=(bounds[0],)) from None

    @model_validator(mode="after")
    def _measured(self) -> Self:
        wrong = problem_with(self.metric, self.statistic, by_period=self.period_s is not None)
        if wrong:
            raise SettingError(wrong, at=("statistic",))
        if self.period_s is not None and self.period_s % 60:
            raise SettingError(
                f"{self.period_s:g} s is not a whole number of minutes", help="write period: 1m", at=("period",)
            )
        if self.fraction is not None and self.period_s is None:
            raise SettingError("a fraction is a share of periods", help="add period: 1m", at=("fraction",))
        return self

    @property
    def limit(self) -> float:
        """The limit in the metric's own unit (milliseconds for CloudWatch's ages and durations)."""
        bound = self.at_most if self.at_most is not None else self.at_least
        assert bound is not None
        return bound

    @property
    def upper(self) -> bool:
        """Whether the limit is an upper one."""
        return self.at_most is not None


def unit_of_statistic(metric: str, statistic: object) -> str:
    """Unit of a statistic of a metric: PR() is a share, counts and times have units of their own.

    >>> [unit_of_statistic("queue_wait_s", each) for each in ("p99", "PR(:5s)", "count", "time_of_max")]
    ['s', '1', 'count', 's']
    """
    name = str(statistic)
    if rank_of(name) is not None:
        return "1"
    if name in ("SampleCount", "count", "unfinished"):
        return "count"
    if name.startswith("time_of_"):
        return "s"
    if name in ("variance", "rate"):
        return ""
    return unit_of(metric)


SHARES = ("utilization", "shard_write_utilization")


def bound_in(value: object, unit: str) -> float:
    """A limit in the metric's *unit*; text with a unit of its own is converted, a bare number is taken as it is.

    >>> bound_in("5m", "Milliseconds"), bound_in("60s", "s"), bound_in(900, "Milliseconds"), bound_in("70%", "1")
    (300000.0, 60.0, 900.0, 0.7)
    """
    if isinstance(value, str) and unit in ("s", "Milliseconds") and not re.fullmatch(rf"\s*{NUMBER_PATTERN}\s*", value):
        return parse_duration_s(value) * (1000.0 if unit == "Milliseconds" else 1.0)
    bound = parse_bound(value)
    text = str(value).strip()
    if unit == "share" and (text[-1:].isalpha() or (bound > 1 and not text.endswith("%"))):
        raise SettingError(f"{value!r} is not a share", help="write 70%, or 0.7")
    if unit in ("count", "Count", "records", "USD") and (text[-1:].isalpha() or text.endswith("%")):
        raise SettingError(f"{value!r} has a unit, but the metric is in {unit}", help="write a bare number")
    return bound


def _metric_hint(metric: str) -> str:
    names = metric_names()
    by_lower = {name.lower(): name for name in names}
    close = get_close_matches(metric.lower(), by_lower, 3, 0.5)
    return f"did you mean {', '.join(by_lower[each] for each in close)}?" if close else f"known: {', '.join(names)}"


class CostSettings(Settings):
    """Prices and hours of the monthly bill."""

    free_tier: bool = Field(default=False, description="Whether the monthly free tier is taken off.", examples=[False])
    prices: dict[str, float] = Field(
        default={},
        description="Prices in USD that replace the profile's; `kinsim profiles NAME` lists their names.",
        examples=[{"shard_hour": 0.018}],
    )
    bytes_per_gb: Count = Field(
        default=1_073_741_824,
        description="Bytes of a GB that is paid for on demand; AWS does not say whether 2^30 or 10^9.",
        examples=[1_000_000_000],
        ge=1_000_000_000,
        le=1_073_741_824,
    )
    hours_per_month: float = Field(default=730.0, description="Hours of a month.", examples=[730], gt=0, le=744)


class InitialBacklog(Settings):
    """The state of today: records that are in the stream when the run starts."""

    records: Count = Field(description="Records that wait on each shard.", examples=[50_000], ge=1, le=10**12)
    age_s: Duration = Field(
        alias="age",
        description="Age of the oldest of them; they came evenly since then.",
        examples=["2h"],
        gt=0,
    )


class Run(Settings):
    """Length, repetitions and seed of a simulation."""

    duration_s: Duration = Field(
        alias="duration", description="Length of the run; arrivals stop then.", examples=["24h"], gt=0
    )
    until: Literal["end", "drained"] = Field(
        default="end",
        description="end: stop at the duration; drained: let the consumer finish what is there.",
        examples=["drained"],
    )
    warm_up_s: Duration = Field(
        default=0.0,
        alias="warm_up",
        description="Time at the start that means and percentiles leave out.",
        examples=["30m"],
    )
    replications: Count = Field(
        default=5,
        description="Independent repetitions; intervals need at least two.",
        examples=[10],
        ge=1,
        le=100_000,
    )
    confidence: Fraction = Field(
        default=0.95, description="Probability that an interval covers the true mean.", examples=["95%"], gt=0, lt=1
    )
    seed: Count = Field(
        default=1, description="Start of the random numbers; the same seed gives the same results.", examples=[1]
    )
    start_time: str | None = Field(
        default=None,
        description="Wall-clock time of the run's start, ISO 8601 in UTC; daily and weekly profiles count from it.",
        examples=["2017-06-01T00:00:00Z"],
    )
    initial_backlog: InitialBacklog | None = Field(
        default=None,
        description="Records that wait on each shard at the start, like those of the first source.",
        examples=[{"records": 50_000, "age": "2h"}],
    )

    _scenario: Any = PrivateAttr(default=None)

    @field_validator("start_time")
    @classmethod
    def _iso(cls, value: str | None) -> str | None:
        if value is not None:
            parse_time(value)
        return value

    @model_validator(mode="after")
    def _shorter(self) -> Self:
        if self.warm_up_s >= self.duration_s:
            raise SettingError(
                f"the warm-up of {format_duration(self.warm_up_s)} is not shorter than the run, "
                f"{format_duration(self.duration_s)}",
                help="shorten warm_up or lengthen duration",
                at=("warm_up",),
            )
        return self

    def __call__(self, **options: Any) -> Any:
        """Simulate the scenario that these settings belong to: ``scenario.run(replications=10)``."""
        if self._scenario is None:
            raise TypeError("these settings belong to no scenario; load one with kinsim.load(path)")
        # Looked up late: this layer knows nothing of those above it.
        return importlib.import_module("kinsim.experiment.simulate").simulate(self._scenario, **options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.duration_s, self.until, self.warm_up_s, self.replications, self.seed))


@dataclass(frozen=True, slots=True)
class Member:
    """A pipeline among others of its account: pipelines that name the same stream or function share it."""

    pipeline: str
    stream: str
    function: str
    stream_seed: int
    """Seed of what happens up to the stream: the same for all who read it."""
    reader_seed: int
    """Seed of what happens behind the stream."""
    is_alone: bool = False
    pays_for_stream: bool = True
    """Whether the stream's cost counts here: with the first of those who share it."""
    polling: int = 1
    """Event source mappings that read the stream by GetRecords."""


class Pipeline(Settings):
    """One of several pipelines of an account: its own sections, or names of those that stand on top."""

    workload: Workload | str | None = Field(
        default=None, description="What is produced.", examples=[{"arrivals": {"model": "poisson", "rate": "400/s"}}]
    )
    producer: Producer | str | None = Field(
        default=None, description="Who puts the records into the stream.", examples=[{"model": "direct"}]
    )
    stream: Stream | str | None = Field(
        default=None,
        description="The stream; pipelines that name the same one share it.",
        examples=[{"shard_count": 4}, "logs"],
    )
    event_source_mapping: EventSourceMapping | str | None = Field(
        default=None, description="Lambda's poller between them.", examples=[{"batch_size": 100}]
    )
    function: Function | str | None = Field(
        default=None,
        description="The function; pipelines that name the same one share its concurrency.",
        examples=[{"memory_size": "256 MB", "duration": {"fixed": "30ms"}}, "classifier"],
    )
    slos: dict[str, Slo] = Field(
        default={},
        description="Limits of this pipeline, besides those on top.",
        examples=[{"freshness": {"metric": "end_to_end_latency_s", "statistic": "p99", "at_most": "60s"}}],
    )
    alarms: dict[str, Alarm] = Field(
        default={},
        description="Alarms of this pipeline, besides those on top.",
        examples=[{"age": {"metric": "IteratorAge", "statistic": "Maximum", "period": "5m", "threshold": 1_000_000}}],
    )


class Scenario(Settings):
    """One question: a workload, the system it meets, what must hold, and how to simulate it.

    Made by :func:`kinsim.scenario.load`, :func:`kinsim.scenario.parse` and :meth:`with_`; never changed.
    """

    kinsim: Literal[1] = Field(description="Version of the file format.", examples=[1])
    name: str = Field(
        description="Name of the scenario; results go into a folder of that name.", examples=["streamalert-prod"]
    )
    description: str = Field(
        default="", description="What the scenario stands for.", examples=["One StreamAlert cluster"]
    )
    profile: str = Field(
        description="Limits, defaults and prices of a year: aws-2017, aws-2026, ideal, or the path of a profile.",
        examples=["aws-2026"],
    )
    region: str = Field(
        description="AWS region, for the record: prices are those of us-east-1.", examples=["us-east-1"]
    )
    bytes_per_mb: int = Field(
        description="Bytes of what AWS calls 1 MB (aws:W3).", examples=[1_048_576], ge=1_000_000, le=1_048_576
    )
    workload: Workload = Field(
        description="What is produced: how many log events, when, how large, under which keys.",
        examples=[{"arrivals": {"model": "poisson", "rate": "400/s"}, "record_size": "1 kB"}],
    )
    producer: Producer = Field(
        default_factory=lambda: Producer.model_validate({}),
        description="Who puts the records into the stream.",
        examples=[{"model": "direct"}],
    )
    stream: Stream = Field(description="The Kinesis data stream.", examples=[{"shard_count": 4}])
    event_source_mapping: EventSourceMapping = Field(
        description="Lambda's poller between stream and function.", examples=[{"batch_size": 100}]
    )
    function: Function = Field(
        description="The Lambda function.",
        examples=[{"memory_size": "256 MB", "duration": {"fixed": "30ms", "per_record": "0.1ms"}}],
    )
    pipelines: dict[str, Pipeline] = Field(
        default={},
        description="Several pipelines in one account; they share its concurrency, and streams and functions by name.",
        examples=[{"flow-logs": {"workload": {"arrivals": {"model": "poisson", "rate": "400/s"}}}}],
    )
    account: Account = Field(description="The AWS account.", examples=[{"concurrent_executions": 1000}])
    alarms: dict[str, Alarm] = Field(
        default={},
        description="CloudWatch alarms by name; they watch, and stream.autoscaling may act on them.",
        examples=[{"age": {"metric": "IteratorAge", "statistic": "Maximum", "period": "5m", "threshold": 1_000_000}}],
    )
    slos: dict[str, Slo] = Field(
        default={},
        description="Limits that the design must keep, by name.",
        examples=[{"freshness": {"metric": "end_to_end_latency_s", "statistic": "p99", "at_most": "60s"}}],
    )
    cost: CostSettings = Field(
        default_factory=lambda: CostSettings.model_validate({}),
        description="How the bill is made up.",
        examples=[{"free_tier": False}],
    )
    engine: Literal["auto", "reference", "compiled"] = Field(
        default="auto", description="Which engine runs: auto chooses.", examples=["auto"]
    )
    run: Run = Field(description="How long and how often to simulate.", examples=[{"duration": "1h", "seed": 1}])

    _member: Member | None = PrivateAttr(default=None)
    _layers: Layers = PrivateAttr()
    _document: Node = PrivateAttr()
    _profile_data: Profile = PrivateAttr()
    _base_dir: Path = PrivateAttr(default=Path())
    _warnings: list[Problem] | None = PrivateAttr(default=None)
    _hash: str | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _folder(cls, value: str) -> str:
        if not value.strip() or len(value) > limits.NAME_LENGTH or not value.isprintable():
            raise SettingError(
                "a name is 1 to 200 printable characters", help="it is shown in results and names their folder"
            )
        return value

    @model_validator(mode="after")
    def _begins(self) -> Self:
        check_beginning(self)
        check_readers(self)
        check_beside(self)
        return self

    def model_post_init(self, _context: Any) -> None:
        self.run._scenario = self

    @property
    def member(self) -> Member:
        """What it shares with the account's other pipelines; alone, it shares nothing."""
        alone = Member("", "", "", self.run.seed, self.run.seed, is_alone=True, polling=int(self.polls))
        return self._member or alone

    @property
    def polls(self) -> bool:
        """Whether its mapping reads by GetRecords calls."""
        return self.event_source_mapping.poll_interval_s > 0 and not self.stream.enhanced_fan_out

    @property
    def members(self) -> dict[str, Scenario]:
        """The scenarios of single pipelines that it is made of: itself alone."""
        return {"": self}

    # -- where it came from

    @property
    def profile_data(self) -> Profile:
        """The profile, with the scenario's own prices and its size of AWS's "MB"."""
        return self._profile_data

    @property
    def base_dir(self) -> Path:
        """Folder that file names in the scenario are relative to."""
        return self._base_dir

    @property
    def document(self) -> dict[str, Any]:
        """Every setting under its canonical name, values as they were written."""
        document: dict[str, Any] = self._document.plain()
        return document

    @property
    def provenance(self) -> dict[str, Origin]:
        """Where each value came from, by dotted path."""
        from kinsim.scenario.resolve import provenance

        return provenance(self._document)

    @property
    def config_hash(self) -> str:
        """SHA-256 of everything that can change a result: settings in SI units, prices, contents of trace files."""
        if self._hash is None:
            from kinsim.scenario.hashing import config_hash

            self._hash = config_hash(self)
        return self._hash

    @property
    def warnings(self) -> list[Problem]:
        """What closed-form arithmetic says will go wrong, before anything is simulated."""
        if self._warnings is None:
            from kinsim.scenario.warnings import warnings

            self._warnings = warnings(self)
        return list(self._warnings)

    def with_(
        self, changes: Mapping[str, Any] | Sequence[str] | Iterable[tuple[str, Any]] = (), /, **more: Any
    ) -> Scenario:
        """A scenario that differs in the settings named by dotted paths or their short names; checked at once.

        One whose stream gets a second consumer with a function is a `Pipelines`, which answers to the same names.

        ``scenario.with_({"stream.shards": 16, "function.memory": "1GB"})``
        """
        from kinsim.scenario.loading import changed

        return cast("Scenario", changed(self, changes, more))

    def to_yaml(self, folder: Path | str | None = None) -> str:
        """The resolved scenario as YAML, each line with its source; loads again to the same hash.

        Names of files are written relative to *folder*, where the text is to be stored.
        """
        from kinsim.scenario.writing import resolved_yaml

        return resolved_yaml(self, None if folder is None else Path(folder))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.name == other.name and self.config_hash == other.config_hash

    def __hash__(self) -> int:
        return hash((self.name, self.config_hash))

    def __repr__(self) -> str:
        return (
            f"<Scenario {self.name!r}: {self.stream.shard_count} shards, "
            f"batches of {self.event_source_mapping.batch_size}, {self.function.memory_size_mb} MB, "
            f"{self.run.replications} x {self.run.duration_s:g} s, profile {self.profile}>"
        )

    __str__ = __repr__
