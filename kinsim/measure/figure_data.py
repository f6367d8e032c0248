"""The numbers behind each figure, ready to draw: figures themselves compute nothing.

Every function here takes arrays by minute of the run (replications first) and gives
:class:`FigureData`: the columns that lie beside the figure as CSV, and the single facts that are
written on it.  Times are seconds from the start of the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kinsim.measure.result import ReplicationResult, Series
    from kinsim.scenario import Scenario

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
    peaks: Mapping[str, Floats],
    limits: Mapping[str, float | None],
    *,
    end_s: float,
    shard_count: int,
    open_shards: Sequence[tuple[float, int]] = (),
    confidence: float = 0.95,
) -> FigureData:
    """Figure 1: what the producers offered per second, against what the stream takes.

    Parameters
    ----------
    offered, rejected: totals per minute, shape (replications, minutes), for `bytes` and `records`
    peaks: the largest amount of one second in each minute
    limits: of the whole stream per second, with the shards of the start; None: unlimited
    open_shards: where their number changes, when and to how many
    """
    minutes = offered["records"].shape[1]
    width = minutes_per_bin(minutes, MOST_POINTS)
    lengths = binned(minute_lengths_s(minutes, end_s), width, "sum")
    columns: dict[str, NDArray[Any]] = {"time_s": np.arange(lengths.size) * float(width * MINUTE_S)}
    notes: dict[str, Any] = {"bin_s": width * MINUTE_S, "end_s": end_s, "shard_count": shard_count}
    for name in ("bytes", "records"):
        mean, low, high = mean_and_interval(binned(offered[name], width, "sum") / lengths, confidence)
        columns |= {
            f"offered_{name}_per_s": mean,
            f"offered_{name}_per_s_ci_low": np.maximum(low, 0),
            f"offered_{name}_per_s_ci_high": high,
            f"rejected_{name}_per_s": mean_of(binned(rejected[name], width, "sum") / lengths),
            f"busiest_second_{name}": mean_of(binned(peaks[name], width, "max")),
        }
        busiest, limit = _worst(peaks[name]), limits[name]
        if limit is not None and open_shards:
            each = limit / shard_count
            at_s = busiest["at_s"] if busiest else 0.0
            limit = each * [count for since_s, count in open_shards if since_s <= (at_s or 0.0)][-1]
            columns[f"limit_{name}_per_s"] = each * _open_at(columns["time_s"], open_shards)
        notes[name] = {
            "limit_per_s": limit,
            "mean_per_s": float(np.nansum(mean * lengths) / max(float(lengths.sum()), 1e-9)),
            "busiest": busiest,
            "rejected_share": _share(rejected[name], offered[name]),
        }
        if limits[name] is not None and open_shards:
            notes[name]["limit_steps"] = [[since_s, each * count] for since_s, count in open_shards]
    if open_shards:
        notes["open_shards"] = [list(step) for step in open_shards]
    return FigureData(1, "offered_load", columns, notes)


def shards_over_time(shards: Sequence[Mapping[str, Any]]) -> list[tuple[float, int]]:
    """When the number of open shards changes, and to how many; nothing where it never does.

    >>> parent, child = {"opened_s": 0.0, "closed_s": 30.0}, {"opened_s": 30.0, "closed_s": None}
    >>> shards_over_time([parent, child, child]), shards_over_time([child])
    ([(0.0, 1), (30.0, 2)], [])
    """
    times = sorted({shard["opened_s"] for shard in shards})
    if len(times) < 2:
        return []
    opened = ((at, [s for s in shards if s["opened_s"] <= at < (s["closed_s"] or math.inf)]) for at in times)
    return [(at, len(those)) for at, those in opened]


def _open_at(time_s: Floats, open_shards: Sequence[tuple[float, int]]) -> Floats:
    """Shards that are open at each instant."""
    since_s, counts = (np.array(each) for each in zip(*open_shards, strict=True))
    return np.asarray(counts[np.searchsorted(since_s, time_s, "right") - 1], np.float64)


def _share(part: Floats, whole: Floats) -> float:
    total = float(np.nansum(whole))
    return float(np.nansum(part)) / total if total > 0 else 0.0


def mean_of(values: Floats) -> Floats:
    """Mean over replications (first axis) of those that have a value."""
    return mean_and_interval(values)[0]


def _worst(values: Floats, confidence: float = 0.95, first: int = 0) -> dict[str, float | None] | None:
    """Mean over replications of the largest value from minute *first* on, and the start of its usual minute.

    None where no replication has a value.
    """
    late = values[:, first:]
    if not np.isfinite(late).any():
        return None
    tops = np.where(np.isfinite(late), late, -np.inf).max(axis=1)
    mean, low, high = (float(x) for x in mean_and_interval(np.where(np.isfinite(tops), tops, np.nan), confidence))
    at = first + int(np.nanargmax(mean_of(late)))
    band = (max(low, 0.0), high) if math.isfinite(low) else (None, None)
    return {"value": mean, "ci_low": band[0], "ci_high": band[1], "at_s": float(at * MINUTE_S)}


def iterator_age(
    iterator_age_s: Floats,
    oldest_waiting_s: Floats | None,
    offered_records: Floats,
    *,
    end_s: float,
    limits: Sequence[Mapping[str, Any]] = (),
    retention_s: float | None = None,
    expired_records: float = 0.0,
    warm_up_s: float = 0.0,
    longest_run_s: float = 0.0,
    confidence: float = 0.95,
) -> FigureData:
    """Figure 2: IteratorAge (the maximum of each minute over all shards) over time.

    IteratorAge is drawn as the mean over the replications that have a data point, and as the highest of them; the age
    of what waits as the highest of all replications, which no IteratorAge of a minute exceeds.

    Parameters
    ----------
    iterator_age_s, oldest_waiting_s: (replications, minutes); NaN in a minute without invocation
    limits: SLOs on an age: `{"name", "limit_s"}`
    longest_run_s: an invocation that runs through a minute reports nothing in it; for so long its age is carried on
        in minutes for which another replication has a value while records wait, so that the mean is of all of them
    """
    minutes = iterator_age_s.shape[1]
    width = minutes_per_bin(minutes, MOST_POINTS)
    bin_s = width * MINUTE_S
    known = carried_on(iterator_age_s, math.ceil(longest_run_s / MINUTE_S), oldest_waiting_s)
    ages = binned(known, width, "max")
    mean, low, high = mean_and_interval(ages, confidence)
    columns: dict[str, NDArray[Any]] = {
        "time_s": np.arange(mean.size) * float(bin_s),
        "iterator_age_s": mean,
        "iterator_age_s_ci_low": np.maximum(low, 0),
        "iterator_age_s_ci_high": high,
        "iterator_age_s_highest": highest_of(ages),
    }
    usual = mean
    if oldest_waiting_s is not None:
        oldest = binned(oldest_waiting_s, width, "max")
        columns["oldest_waiting_s_highest"] = highest_of(oldest)
        usual = np.fmax(mean, mean_of(oldest))
    load = (
        np.nan_to_num(np.nanmean(binned(offered_records, width, "sum"), axis=0)) if offered_records.size else mean * 0
    )
    heavy = load > HEAVY_LOAD * load.mean() if load.size else np.zeros(0, bool)
    columns["heavy_load"] = heavy.astype(np.int64)
    first = -(-int(warm_up_s) // MINUTE_S)
    notes: dict[str, Any] = {
        "bin_s": bin_s,
        "end_s": end_s,
        "limits": [dict(limit) for limit in limits],
        "retention_s": retention_s,
        "expired_records": expired_records,
        "heavy": intervals_where(heavy, bin_s),
        "warm_up_s": warm_up_s,
        "worst": _worst(iterator_age_s, confidence, first),
        "highest": _highest(iterator_age_s, first),
        "above": None,
        "runs": 0,
        "kept_by": 0,
    }
    if limits:
        strictest = min(float(limit["limit_s"]) for limit in limits)
        notes["above"] = _longest_above(usual, strictest, bin_s)
        tops = highest_of(iterator_age_s[:, first:].T)
        notes |= {"runs": int(np.isfinite(tops).sum()), "kept_by": int((tops <= strictest).sum())}
    return FigureData(2, "iterator_age", columns, notes)


def highest_of(values: Floats) -> Floats:
    """Highest value over replications (first axis); NaN where none has one.

    >>> highest_of(np.array([[1.0, np.nan], [3.0, np.nan]]))
    array([ 3., nan])
    """
    return np.asarray(np.fmax.reduce(values, axis=0, initial=np.nan))


def _highest(values: Floats, first: int) -> dict[str, float] | None:
    """The highest value of any replication from minute *first* on, and the start of its minute."""
    tops = highest_of(values[:, first:])
    if not np.isfinite(tops).any():
        return None
    place = int(np.nanargmax(tops))
    return {"value": float(tops[place]), "at_s": float((first + place) * MINUTE_S)}


def carried_on(values: Floats, most: int, at_most: Floats | None = None) -> Floats:
    """*values* (replications, minutes) with gaps filled by the last value, for at most *most* minutes.

    Only minutes are filled in which another replication has a value, and with no more than *at_most*, the age of what
    waits: not at all where nothing does.

    >>> carried_on(np.array([[5.0, np.nan, np.nan], [1.0, 1.0, np.nan]]), 1)
    array([[ 5.,  5., nan], [ 1.,  1., nan]])
    >>> ages = np.array([[5.0, np.nan], [5.0, np.nan], [1.0, 1.0]])
    >>> carried_on(ages, 1, np.array([[6.0, 2.0], [6.0, 0.0], [1.0, 1.0]]))[:, 1]
    array([ 2., nan,  1.])
    """
    filled = values.copy()
    wanted = np.atleast_1d(np.isfinite(values).any(axis=0))
    for shift in range(1, min(most, values.shape[1] - 1) + 1):
        hole = ~np.isfinite(filled[:, shift:]) & wanted[shift:]
        filled[:, shift:] = np.where(hole, values[:, :-shift], filled[:, shift:])
    if at_most is None:
        return filled
    limited = np.where(at_most > 0, np.minimum(filled, at_most), np.nan)
    return np.where(np.isfinite(values), values, limited)


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
    period_s: int = MINUTE_S,
) -> FigureData:
    """Figure 8: *quantity* of each shard over time, mean over replications.

    Parameters
    ----------
    utilization: one array (shards, periods) per replication, read one at a time
    rejected: rejected records in the same shape; None where there is no limit
    quantity: `shard_write_utilization` (1) or `iterator_age_s` (s; the largest of a bin)
    period_s: length of a period
    """
    grid, width = _mean_grid(utilization, "max" if quantity == "iterator_age_s" else "mean")
    bin_s = width * period_s
    columns: dict[str, NDArray[Any]] = {
        "time_s": np.tile(np.arange(grid.shape[1]) * float(bin_s), grid.shape[0]),
        "shard": np.repeat(np.array(shard_ids, dtype=object), grid.shape[1]),
        quantity: grid.ravel(),
    }
    notes: dict[str, Any] = {"bin_s": bin_s, "end_s": end_s, "quantity": quantity}
    known = np.isfinite(grid)
    per_shard = np.nansum(grid, axis=1) / np.maximum(known.sum(axis=1), 1)
    notes |= {"shards": list(shard_ids), "per_shard": [float(x) for x in per_shard], **inequality(per_shard)}
    if rejected is not None:
        lost, _ = _mean_grid(rejected, "sum")
        columns["rejected_records"] = lost.ravel()
        notes["rejected_per_shard"] = [float(x) for x in np.nansum(lost, axis=1)]
    return FigureData(8, "shard_heat_map", columns, notes)


def _mean_grid(arrays: Iterable[Floats], how: str) -> tuple[Floats, int]:
    """Mean over replications of arrays (shards, periods), in bins of so many periods that a map can show them."""
    total: Floats | None = None
    seen: Floats | None = None
    width = 1
    for values in arrays:
        if total is None or seen is None:
            width = minutes_per_bin(values.shape[1], MOST_CELLS)
            total = seen = np.zeros((values.shape[0], 0))
        cells = binned(values, width, how)
        more = max(cells.shape[1] - total.shape[1], 0)
        total, seen = (np.pad(each, ((0, 0), (0, more))) for each in (total, seen))
        total[:, : cells.shape[1]] += np.nan_to_num(cells)
        seen[:, : cells.shape[1]] += np.isfinite(cells)
    if total is None or seen is None:
        return np.zeros((0, 0)), width
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan), width


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
    unit: str = "s",
    limit: float | None = None,
    present: float | None = None,
    bounds: Mapping[str, float] | None = None,
) -> FigureData:
    """Figure 4: a percentile of latency (or IteratorAge) against the number of shards.

    Parameters
    ----------
    points: `{"shards", "series", "value", "ci_low", "ci_high", "status"}` per point of a sweep; `series` names the
        values of the other axes, `status` is met, missed, undecided or none (judged against *limit* alone), and
        `all`, where it is given, the same for all SLOs
    metric: name and statistic, as `end_to_end_latency_p99`
    bounds: smallest number of shards by arithmetic, by what binds
    """
    rows = sorted(points, key=lambda p: (str(p["series"]), float(p["shards"])))
    names = list(dict.fromkeys(str(p["series"]) for p in points))
    rows.sort(key=lambda p: (names.index(str(p["series"])), float(p["shards"])))
    number = {key: np.array([_number(p.get(key)) for p in rows]) for key in ("shards", "value", "ci_low", "ci_high")}
    columns: dict[str, NDArray[Any]] = {
        "series": np.array([str(p["series"]) for p in rows], dtype=object),
        "shard_count": number["shards"].astype(np.int64) if rows else np.zeros(0, np.int64),
        f"{metric}_{unit}": number["value"],
        f"{metric}_{unit}_ci_low": number["ci_low"],
        f"{metric}_{unit}_ci_high": number["ci_high"],
        "status": np.array([str(p.get("status") or "none") for p in rows], dtype=object),
    }
    sufficient = {name: _smallest_sufficient(rows, name, "status") for name in names}
    counts = {name: count for name, count in sufficient.items() if count is not None}
    notes: dict[str, Any] = {
        "metric": metric,
        "unit": unit,
        "limit": limit,
        "present": present,
        "bounds": dict(bounds or {}),
        "series": names,
        "best": min(counts, key=lambda name: counts[name]) if counts else next(iter(names), None),
        "sufficient": sufficient,
        "sufficient_for_all": {name: _smallest_sufficient(rows, name, "all") for name in names},
        "more_slos": any(p.get("all", p.get("status")) != p.get("status") for p in rows),
    }
    return FigureData(4, "age_against_shards", columns, notes)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _smallest_sufficient(rows: Sequence[Mapping[str, Any]], series: str, key: str) -> int | None:
    """Smallest shard count from which on *key* of every count of *series* is met; None without one."""
    mine = [p for p in rows if str(p["series"]) == series]
    best = None
    for p in reversed(mine):
        if p.get(key, p.get("status")) != "met":
            break
        best = int(p["shards"])
    return best


# -- from a run ----------------------------------------------------------------------------------------------

AGE_METRICS = {
    "GetRecords.IteratorAgeMilliseconds": 1e-3,
    "IteratorAge": 1e-3,
    "iterator_age_s": 1.0,
    "first_record_age_s": 1.0,
    "true_age_s": 1.0,
}
"""Metrics whose SLOs are drawn into figure 2, and their unit in seconds."""


LONGEST_RUN_S = 900.0


def of_run(
    scenario: Scenario, replications: Sequence[ReplicationResult], summary: Mapping[str, Any]
) -> list[FigureData]:
    """Figures 1, 2 and 8 of a run."""
    end_s = max(replication.end_s for replication in replications)
    confidence = scenario.run.confidence

    def curve(name: str) -> Floats:
        return stacked([replication.curves[name] for replication in replications])

    kinds = ("bytes", "records")
    limited = bool(scenario.stream.limiter)
    shards = scenario.stream.shard_count
    per_shard = {"bytes": scenario.stream.bytes_per_s, "records": scenario.stream.records_per_s}
    alike = replications if same_shards(replications) else replications[:1]
    load = offered_load(
        {kind: curve(f"offered_{kind}") for kind in kinds},
        {kind: curve(f"rejected_{kind}") for kind in kinds},
        {kind: curve(f"offered_{kind}_peak_per_s") for kind in kinds},
        {kind: float(per_shard[kind] * shards) if limited else None for kind in kinds},
        end_s=end_s,
        shard_count=shards,
        open_shards=shards_over_time(replications[0].shards),
        confidence=confidence,
    )
    expired = summary["metrics"]["expired_records"]["sum"]["value"]
    age = iterator_age(
        curve("iterator_age_s"),
        curve("true_age_s"),
        curve("offered_records"),
        end_s=end_s,
        limits=age_limits(summary["slos"]),
        retention_s=scenario.stream.retention_period_s,
        expired_records=expired or 0.0,
        warm_up_s=scenario.run.warm_up_s,
        longest_run_s=min(scenario.function.timeout_s or 0.0, LONGEST_RUN_S),
        confidence=confidence,
    )
    found = [load, age, _heat_map(alike, end_s, limited)]
    if len(alike) < len(replications):
        for data in (load, found[2]):
            data.notes["shards_of_run"] = [1, len(replications)]
    return found


def same_shards(replications: Sequence[ReplicationResult]) -> bool:
    """Whether the same shards were open at the same times in all; a controller may act earlier in one of them."""
    return all(each.shards == replications[0].shards for each in replications)


def _heat_map(replications: Sequence[ReplicationResult], end_s: float, limited: bool) -> FigureData:
    """Write utilization where there is a limit, else IteratorAge."""
    first = replications[0]
    quantity = "shard_write_utilization" if limited else "iterator_age_s"
    name = quantity if limited else "shard_iterator_age_s"
    return shard_heat_map(
        (replication.curves[name] for replication in replications),
        [shard["id"] for shard in first.shards],
        end_s=end_s,
        rejected=(r.curves["shard_rejected_records"] for r in replications) if limited else None,
        quantity=quantity,
        period_s=round(float(first.curves["shard_period_s"])),
    )


def age_limits(slos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Upper limits on an age, in seconds.

    >>> age_limits([{"name": "fresh", "metric": "IteratorAge", "bound": "at_most", "limit": 60_000.0, "status": "met"}])
    [{'name': 'fresh', 'limit_s': 60.0, 'status': 'met'}]
    """
    return [
        {"name": slo["name"], "limit_s": slo["limit"] * AGE_METRICS[slo["metric"]], "status": slo["status"]}
        for slo in slos
        if slo["metric"] in AGE_METRICS and slo["bound"] == "at_most"
    ]


def mean_series(replications: Sequence[ReplicationResult]) -> list[Series]:
    """Each series by minute as the mean over the replications that have a data point."""
    from kinsim.measure.result import Series

    found: dict[tuple[str, str, str, str], list[Series]] = {}
    for replication in replications:
        for series in replication.series:
            found.setdefault((series.metric, series.dimensions, series.statistic, series.unit), []).append(series)
    means = []
    for (metric, dimensions, statistic, unit), parts in found.items():
        minutes = max((int(part.offset_s[-1]) // MINUTE_S + 1 for part in parts if part.offset_s.size), default=0)
        total, seen = np.zeros(minutes), np.zeros(minutes)
        for part in parts:
            place = part.offset_s // MINUTE_S
            total[place] += part.value
            seen[place] += 1
        there = np.flatnonzero(seen)
        means.append(Series(metric, dimensions, statistic, unit, there * MINUTE_S, total[there] / seen[there]))
    return means
