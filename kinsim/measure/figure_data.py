"""The numbers behind each figure, ready to draw: figures themselves compute nothing.

Every function here takes arrays by minute of the run (replications first) and gives
:class:`FigureData`: the columns that lie beside the figure as CSV, and the single facts that are
written on it.  Times are seconds from the start of the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MINUTE_S = 60
MOST_POINTS = 1_440
MOST_CELLS = 300
"""Time bins of a map; more cannot be told apart on a slide."""
HEAVY_LOAD = 1.5
"""Times the mean: a minute that is offered more than this counts as a burst."""

_NICE_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440)


@dataclass(frozen=True)
class FigureData:
    """What one figure shows.

    *columns* become the CSV beside it; *notes* are the facts written on it.
    """

    number: int
    name: str
    columns: dict[str, NDArray[Any]]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """File name without its ending.

        >>> FigureData(2, "iterator_age", {}).stem
        '02_iterator_age'
        """
        return f"{self.number:02d}_{self.name}"


def minutes_per_bin(minutes: int, most: int) -> int:
    """Smallest round number of minutes that cuts *minutes* into at most *most* bins.

    >>> minutes_per_bin(60, 1_440), minutes_per_bin(30 * 1_440, 1_440), minutes_per_bin(1_440, 300)
    (1, 30, 5)
    """
    for width in _NICE_MINUTES:
        if minutes <= width * most:
            return width
    return 1_440 * math.ceil(minutes / 1_440 / most)


def binned(values: Floats, width: int, how: str) -> Floats:
    """*values* by minute in bins of *width* minutes along the last axis: `max`, `mean` or `sum`.

    NaN means no data point; a bin without any stays NaN.

    >>> binned(np.array([1.0, 3.0, np.nan, 5.0, np.nan]), 2, "max")
    array([ 3.,  5., nan])
    """
    short = -values.shape[-1] % width
    pad = [(0, 0)] * (values.ndim - 1) + [(0, short)]
    cells = np.pad(values.astype(np.float64), pad, constant_values=np.nan)
    cells = cells.reshape(*values.shape[:-1], -1, width)
    there = ~np.isnan(cells)
    some = there.any(axis=-1)
    if how == "max":
        result = np.where(there, cells, -np.inf).max(axis=-1)
    else:
        total = np.where(there, cells, 0.0).sum(axis=-1)
        result = total if how == "sum" else total / np.maximum(there.sum(axis=-1), 1)
    return np.where(some, result, np.nan)


def mean_and_interval(values: Floats, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Mean over replications (first axis) with Student's interval; NaN where fewer than two have a value.

    >>> [float(round(x[0], 2)) for x in mean_and_interval(np.array([[1.0], [3.0]]))]
    [2.0, -10.71, 14.71]
    """
    from scipy.special import stdtrit

    n = np.sum(~np.isnan(values), axis=0)
    safe = np.maximum(n, 1)
    mean = np.where(n > 0, np.nansum(values, axis=0) / safe, np.nan)
    squares = np.nansum((values - mean) ** 2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = stdtrit(n - 1.0, 0.5 + confidence / 2) * np.sqrt(squares / (n - 1.0) / n)
    half = np.where(n > 1, half, np.nan)
    return mean, mean - half, mean + half


def minute_lengths_s(minutes: int, end_s: float) -> Floats:
    """Length of each minute of a run that ends at *end_s*: the last one may be short.

    >>> minute_lengths_s(2, 90.0)
    array([60., 30.])
    """
    starts = np.arange(minutes) * float(MINUTE_S)
    return np.clip(end_s - starts, 1e-6, MINUTE_S)


def intervals_where(flags: NDArray[np.bool_], bin_s: float) -> list[tuple[float, float]]:
    """Start and end in seconds of each run of true values.

    >>> intervals_where(np.array([False, True, True, False, True]), 60)
    [(60.0, 180.0), (240.0, 300.0)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(float(a * bin_s), float(b * bin_s)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def stacked(rows: Sequence[Floats]) -> Floats:
    """Arrays of different length as one, padded with NaN (replications that drained later)."""
    longest = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), longest), np.nan)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return out


def offered_load(
    offered: Mapping[str, Floats],
    rejected: Mapping[str, Floats],
    limits: Mapping[str, float | None],
    *,
    end_s: float,
    shard_count: int,
    confidence: float = 0.95,
) -> FigureData:
    """Figure 1: what the producers offered per second, against what the stream takes.

    Parameters
    ----------
    offered, rejected: totals per minute, shape (replications, minutes), for `bytes` and `records`
    limits: of the whole stream per second for `bytes` and `records`; None: unlimited
    """
    minutes = offered["records"].shape[1]
    width = minutes_per_bin(minutes, MOST_POINTS)
    lengths = minute_lengths_s(minutes, end_s)
    columns: dict[str, NDArray[Any]] = {"time_s": np.arange(-(-minutes // width)) * float(width * MINUTE_S)}
    notes: dict[str, Any] = {"bin_s": width * MINUTE_S, "end_s": end_s, "shard_count": shard_count}
    for name in ("bytes", "records"):
        seconds = binned(lengths, width, "sum")
        mean, low, high = mean_and_interval(binned(offered[name], width, "sum") / seconds, confidence)
        refused = np.nanmean(binned(rejected[name], width, "sum") / seconds, axis=0)
        columns |= {
            f"offered_{name}_per_s": mean,
            f"offered_{name}_per_s_ci_low": np.maximum(low, 0),
            f"offered_{name}_per_s_ci_high": high,
            f"rejected_{name}_per_s": refused,
        }
        notes[name] = _load_notes(offered[name] / lengths, rejected[name], limits[name])
    return FigureData(1, "offered_load", columns, notes)


def _load_notes(per_s: Floats, rejected: Floats, limit: float | None) -> dict[str, Any]:
    """Peak minute, mean, limit and rejected share of one measure of load."""
    mean = np.nanmean(per_s, axis=0)
    peak = int(np.nanargmax(mean)) if np.nansum(mean) > 0 else 0
    total = float(np.nansum(per_s * MINUTE_S))
    return {
        "limit_per_s": limit,
        "peak_per_s": float(mean[peak]),
        "peak_at_s": float(peak * MINUTE_S),
        "mean_per_s": float(np.nanmean(mean)),
        "rejected_share": float(np.nansum(rejected)) / total if total else 0.0,
    }


def iterator_age(
    iterator_age_s: Floats,
    oldest_waiting_s: Floats | None,
    offered_records: Floats,
    *,
    end_s: float,
    limits: Sequence[Mapping[str, Any]] = (),
    retention_s: float | None = None,
    expired_records: float = 0.0,
    confidence: float = 0.95,
) -> FigureData:
    """Figure 2: IteratorAge (the maximum of each minute over all shards) over time.

    Parameters
    ----------
    iterator_age_s, oldest_waiting_s: (replications, minutes); NaN in a minute without invocation
    limits: SLOs on an age: `{"name", "limit_s"}`
    """
    minutes = iterator_age_s.shape[1]
    width = minutes_per_bin(minutes, MOST_POINTS)
    bin_s = width * MINUTE_S
    mean, low, high = mean_and_interval(binned(iterator_age_s, width, "max"), confidence)
    columns: dict[str, NDArray[Any]] = {
        "time_s": np.arange(mean.size) * float(bin_s),
        "iterator_age_s": mean,
        "iterator_age_s_ci_low": np.maximum(low, 0),
        "iterator_age_s_ci_high": high,
    }
    oldest = None
    if oldest_waiting_s is not None:
        oldest = mean_and_interval(binned(oldest_waiting_s, width, "max"), confidence)[0]
        columns["oldest_waiting_s"] = oldest
    load = (
        np.nan_to_num(np.nanmean(binned(offered_records, width, "sum"), axis=0)) if offered_records.size else mean * 0
    )
    heavy = load > HEAVY_LOAD * load.mean() if load.size else np.zeros(0, bool)
    columns["heavy_load"] = heavy.astype(np.int64)
    notes: dict[str, Any] = {
        "bin_s": bin_s,
        "end_s": end_s,
        "limits": [dict(limit) for limit in limits],
        "retention_s": retention_s,
        "expired_records": expired_records,
        "heavy": intervals_where(heavy, bin_s),
        "worst": _worst(mean, bin_s),
        "above": None,
    }
    if limits:
        age = mean if oldest is None else np.fmax(mean, oldest)
        notes["above"] = _longest_above(age, min(float(limit["limit_s"]) for limit in limits), bin_s)
    return FigureData(2, "iterator_age", columns, notes)


def _worst(values: Floats, bin_s: float) -> dict[str, float] | None:
    """Largest value and when, or None without any value."""
    if not np.isfinite(values).any():
        return None
    at = int(np.nanargmax(values))
    return {"value_s": float(values[at]), "at_s": float(at * bin_s)}


def _longest_above(values: Floats, limit: float, bin_s: float) -> dict[str, Any] | None:
    """The longest time that *values* stay above *limit*; a gap between two values above it counts as above."""
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return None
    filled = values[known[np.clip(np.searchsorted(known, np.arange(values.size), "right") - 1, 0, None)]]
    spans = intervals_where(filled > limit, bin_s)
    if not spans:
        return None
    start, end = max(spans, key=lambda span: span[1] - span[0])
    return {"limit_s": limit, "from_s": start, "to_s": end, "recovered": end < values.size * bin_s}


def shard_heat_map(
    utilization: Iterable[Floats],
    shard_ids: Sequence[str],
    *,
    end_s: float,
    rejected: Iterable[Floats] | None = None,
    quantity: str = "shard_write_utilization",
) -> FigureData:
    """Figure 8: *quantity* of each shard over time, mean over replications.

    Parameters
    ----------
    utilization: one array (shards, minutes) per replication, read one at a time
    rejected: rejected records in the same shape; None where there is no limit
    quantity: `shard_write_utilization` (1) or `iterator_age_s` (s; the largest of a bin)
    """
    grid, width, minutes = _mean_grid(utilization, "max" if quantity == "iterator_age_s" else "mean")
    columns = _long(grid, shard_ids, width, quantity)
    notes: dict[str, Any] = {"bin_s": width * MINUTE_S, "end_s": end_s, "quantity": quantity, "minutes": minutes}
    per_shard = np.array([np.nanmean(row) if np.isfinite(row).any() else 0.0 for row in grid])
    notes |= {"shards": list(shard_ids), "per_shard": [float(x) for x in per_shard], **inequality(per_shard)}
    if rejected is not None:
        lost, _, _ = _mean_grid(rejected, "sum")
        columns["rejected_records"] = lost.ravel()
        notes["rejected_per_shard"] = [float(x) for x in np.nansum(lost, axis=1)]
    return FigureData(8, "shard_heat_map", columns, notes)


def _mean_grid(arrays: Iterable[Floats], how: str) -> tuple[Floats, int, int]:
    """Mean over replications of arrays (shards, minutes) in bins that a map can show."""
    total: Floats | None = None
    seen: Floats | None = None
    width = minutes = 1
    for values in arrays:
        minutes = max(minutes, values.shape[1])
        if total is None:
            width = minutes_per_bin(values.shape[1], MOST_CELLS)
        cells = binned(values, width, how)
        if total is None or seen is None:
            total, seen = np.zeros_like(cells), np.zeros_like(cells)
        wide = min(cells.shape[1], total.shape[1])
        cells = cells[:, :wide]
        total[:, :wide] += np.nan_to_num(cells)
        seen[:, :wide] += np.isfinite(cells)
    if total is None or seen is None:
        return np.zeros((0, 0)), width, minutes
    with np.errstate(invalid="ignore"):
        return np.where(seen > 0, total / np.maximum(seen, 1), np.nan), width, minutes


def _long(grid: Floats, shard_ids: Sequence[str], width: int, quantity: str) -> dict[str, NDArray[Any]]:
    """A map as rows: time, shard, value."""
    shards, bins = grid.shape
    return {
        "time_s": np.tile(np.arange(bins) * float(width * MINUTE_S), shards),
        "shard": np.repeat(np.array(shard_ids, dtype=object), bins),
        quantity: grid.ravel(),
    }


def inequality(per_shard: Floats) -> dict[str, Any]:
    """How unevenly shards are used: the hottest one, peak to mean, and Gini's coefficient.

    >>> inequality(np.array([0.25, 0.25, 1.0]))["peak_to_mean"], inequality(np.array([0.2, 0.2]))["gini"]
    (2.0, 0.0)
    """
    mean = float(per_shard.mean()) if per_shard.size else 0.0
    if mean <= 0:
        return {"hottest": None, "mean": mean, "peak_to_mean": None, "gini": None}
    ordered = np.sort(per_shard)
    n = ordered.size
    gini = float(np.sum((2 * np.arange(1, n + 1) - n - 1) * ordered) / (n * n * mean))
    hottest = int(np.argmax(per_shard))
    return {"hottest": hottest, "mean": mean, "peak_to_mean": float(ordered[-1] / mean), "gini": round(gini, 12)}


def age_against_shards(
    points: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    statistic: str,
    unit: str = "s",
    limit: float | None = None,
    present: float | None = None,
    bounds: Mapping[str, float] | None = None,
) -> FigureData:
    """Figure 4: a percentile of latency (or IteratorAge) against the number of shards.

    Parameters
    ----------
    points: `{"shards", "series", "value", "ci_low", "ci_high", "status"}` per point of a sweep; `series` names the
        values of the other axes, `status` is met, missed, undecided or none (judged against *limit* alone)
    bounds: smallest number of shards by arithmetic, by what binds
    """
    rows = sorted(points, key=lambda p: (str(p["series"]), float(p["shards"])))
    names = list(dict.fromkeys(str(p["series"]) for p in points))
    rows.sort(key=lambda p: (names.index(str(p["series"])), float(p["shards"])))
    number = {key: np.array([_number(p.get(key)) for p in rows]) for key in ("shards", "value", "ci_low", "ci_high")}
    columns: dict[str, NDArray[Any]] = {
        "series": np.array([str(p["series"]) for p in rows], dtype=object),
        "shard_count": number["shards"].astype(np.int64) if rows else np.zeros(0, np.int64),
        f"{metric}.{statistic}": number["value"],
        f"{metric}.{statistic}_ci_low": number["ci_low"],
        f"{metric}.{statistic}_ci_high": number["ci_high"],
        "status": np.array([str(p.get("status") or "none") for p in rows], dtype=object),
    }
    notes: dict[str, Any] = {
        "metric": metric,
        "statistic": statistic,
        "unit": unit,
        "limit": limit,
        "present": present,
        "bounds": dict(bounds or {}),
        "series": names,
        "sufficient": {name: _smallest_sufficient(rows, name) for name in names},
    }
    return FigureData(4, "age_against_shards", columns, notes)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _smallest_sufficient(rows: Sequence[Mapping[str, Any]], series: str) -> int | None:
    """Smallest shard count from which on every count of *series* meets the limit; None without one."""
    mine = [p for p in rows if str(p["series"]) == series]
    best = None
    for p in reversed(mine):
        if p.get("status") != "met":
            break
        best = int(p["shards"])
    return best
