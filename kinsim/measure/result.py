"""What one replication leaves: numbers by name, series by minute, tables; plain data that travels."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.measure.samples import Floats, Statistics

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Series:
    """A statistic of a metric per minute; minutes without a data point are absent."""

    metric: str
    dimensions: str
    statistic: str
    unit: str
    offset_s: NDArray[np.int64]
    """Start of each minute, in seconds from the start of the run."""
    value: Floats


@dataclass(slots=True)
class ReplicationResult:
    """One replication."""

    replication: int
    end_s: float
    """Horizon: the duration, or the last end when the run was drained."""
    metrics: dict[str, Statistics]
    per_shard: dict[str, dict[str, Statistics]]
    shards: list[dict[str, Any]]
    series: list[Series]
    slo_values: dict[str, float | None]
    cost: dict[str, float]
    curves: dict[str, NDArray[Any]]
    """By minute (and by shard and period), for figures; NaN where there is no data point."""
    distributions: dict[str, tuple[Floats, Floats]]
    """Of samples: upper values and the share up to each, coarsely, for pictures."""
    relative_error: dict[str, float]
    """Largest relative error of the percentiles that come from histograms."""
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each alarm: its state changes, when its threshold was first crossed and when it first went off."""
    rules: list[dict[str, Any]] = field(default_factory=list)
    """Of each rule of the function: its name, its share of Duration and its alerts."""
    tables: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    """`invocations` and `records` where they were kept."""
    facts: dict[str, float] = field(default_factory=dict)
    """What the sentences of a verdict are made of: peaks and the longest time with all shards busy."""
    stuck_shards: tuple[str, ...] = ()
    resharding: list[dict[str, Any]] = field(default_factory=list)
    """Calls of UpdateShardCount that a controller made during the run."""
    failing: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Shards whose batch in hand has failed: its invocations so far, and when the first began."""

    @property
    def timeseries(self) -> dict[str, NDArray[Any]]:
        """All series as columns in long form."""
        return long_form(self.series)

    @property
    def invocations(self) -> dict[str, NDArray[Any]] | None:
        """The table of invocations, where it was kept."""
        return self.tables.get("invocations")

    @property
    def records(self) -> dict[str, NDArray[Any]] | None:
        """The table of records, where it was kept."""
        return self.tables.get("records")

    def frame(self, name: str) -> pd.DataFrame:
        """The table `invocations` or `records`, or the `timeseries`, as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.timeseries if name == "timeseries" else self.tables[name])

    def numbers(self) -> dict[str, Any]:
        """What a summary over replications is made of, as plain data for JSON."""
        return {
            "replication": self.replication,
            "metrics": self.metrics,
            "per_shard": self.per_shard,
            "shards": self.shards,
            "slo_values": self.slo_values,
            "alarms": self.alarms,
            **({"rules": self.rules} if self.rules else {}),
            **({"resharding": self.resharding} if self.resharding else {}),
            "cost": self.cost,
            "relative_error": self.relative_error,
            "facts": self.facts,
            "stuck_shards": list(self.stuck_shards),
            "failing": {shard: list(of_shard) for shard, of_shard in self.failing.items()},
        }

    def digest(self) -> str:
        """SHA-256 of every number: equal for equal results, on any worker."""
        return digest(self)


LONG_FORM = ("Timestamp", "MetricName", "Dimensions", "Statistic", "Value", "Unit")


def long_form(series: Sequence[Series]) -> dict[str, NDArray[Any]]:
    """Columns Timestamp (seconds from the start), MetricName, Dimensions, Statistic, Value, Unit."""
    sizes = [s.value.size for s in series]

    def repeated(name: str) -> NDArray[Any]:
        return np.repeat(np.array([getattr(s, name) for s in series], object), sizes)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(s, name) for s in series]) if series else np.zeros(0)

    columns = (
        joined("offset_s"), repeated("metric"), repeated("dimensions"), repeated("statistic"), joined("value"),
        repeated("unit"),
    )  # fmt: skip
    return dict(zip(LONG_FORM, columns, strict=True))


def digest(value: object) -> str:
    """SHA-256 of plain data: numbers, text, arrays, and mappings and sequences of them.

    >>> digest({"a": 1.0, "b": [2, None]}) == digest({"b": [2, None], "a": 1.0})
    True
    >>> digest(np.array([1.0])) == digest(np.array([1.0 + 1e-15]))
    False
    """
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: object) -> None:
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            _feed(found, value.tolist())
        else:
            found.update(f"{value.dtype.str}{value.shape}".encode())
            found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value):
            found.update(f"{key}=".encode())
            _feed(found, value[key])
    elif is_dataclass(value):
        _feed(found, {f.name: getattr(value, f.name) for f in fields(value)})
    elif isinstance(value, (list, tuple)):
        found.update(f"[{len(value)}".encode())
        for each in value:
            _feed(found, each)
    elif isinstance(value, float):
        found.update(struct.pack("<d", value))
    else:
        found.update(repr(value).encode())
