"""Results of a sweep: a table with one row per point, read from the journal as it is needed."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kinsim.errors import ResultError
from kinsim.experiment.axes import LABEL, shown
from kinsim.experiment.journal import DONE, FAILED, Journal
from kinsim.system.metrics import METRICS, statistic_key, unit_of

if TYPE_CHECKING:
    import pandas as pd

    from kinsim.measure.figure_data import FigureData

Json = dict[str, Any]

JOURNAL: Final = "sweep.sqlite"
POINTS: Final = "points.csv"
TIMINGS: Final = "timings.csv"
"""Seconds that each point took: the one table that differs between two runs of the same sweep."""

WITH_INTERVAL: Final = (
    "iterator_age_s.max",
    "iterator_age_s.p99",
    "true_age_s.max",
    "queue_wait_s.p99",
    "end_to_end_latency_s.p99",
    "catch_up_s.max",
    "expired_records.sum",
    "rejected_records.sum",
    "dropped_records.sum",
    "timeouts.sum",
    "cost_usd_per_month.mean",
)
"""Columns beside which stands their confidence interval, besides those that an SLO limits."""
AGES: Final = ("end_to_end_latency_s.p99", "iterator_age_s.p99", "queue_wait_s.p99")
"""What figure 4 shows where no SLO limits an age or a latency."""
SHARDS: Final = "stream.shard_count"


class SweepResult:
    """A sweep that has run, or as much of it as there is.

    ``points`` and ``frame`` hold one row per finished point: its id and settings, ``status``, ``slos_met`` (by the mean
    over replications), ``slos_kept_by`` (how many single replications keep all SLOs), every metric as
    ``NAME.STATISTIC`` (the mean over replications) and the intervals of the main ones.
    """

    def __init__(self, journal: Journal, folder: Path | None = None, interrupted: bool = False) -> None:
        self._journal = journal
        self._description = journal.description()
        self._points: list[Json] | None = None
        self.folder = folder
        self.interrupted = interrupted
        """Whether it was stopped before the last point."""

    @classmethod
    def load(cls, folder: str | Path) -> SweepResult:
        """Open the results in *folder* again; nothing is computed."""
        path = Path(folder) / JOURNAL
        if not path.is_file():
            raise ResultError(f"{folder}: holds no sweep (there is no {JOURNAL} in it)")
        result = cls(Journal(path, write=False), Path(folder))
        result.interrupted = result.missing > 0
        return result

    @property
    def plot(self) -> Any:
        """Figures: ``sweep.plot.age_against_shards()`` returns a matplotlib Figure."""
        # Looked up late: this layer knows nothing of the one above it.
        return import_module("kinsim.present.plots").SweepPlots(self)

    def close(self) -> None:
        """Let go of the journal; rows that have been read stay."""
        self._journal.close()

    def __len__(self) -> int:
        return int(self._description["points"])

    def __repr__(self) -> str:
        return f"<SweepResult {self.name!r}: {len(self)} points, {self.verdict}>"

    # -- what it is

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return str(self._description["name"])

    @property
    def config_hash(self) -> str:
        """SHA-256 of everything that can change a result."""
        return str(self._description["config_hash"])

    @property
    def base(self) -> Json:
        """The base scenario: ``name``, ``config_hash``, ``seed`` and ``settings`` as they are written."""
        return dict(self._description["base"])

    @property
    def axes(self) -> list[Json]:
        """Each axis: ``paths``, ``values`` and ``labels``."""
        return list(self._description["axes"])

    @property
    def paths(self) -> list[str]:
        """What varies, in the order of the axes."""
        return list(self._description["paths"])

    @property
    def replications(self) -> int:
        """Replications of each point."""
        return int(self._description["replications"])

    @property
    def slos(self) -> dict[str, Json]:
        """SLOs of the base: ``metric``, ``statistic``, ``limit``, ``upper`` and the ``column`` of their values."""
        return dict(self._description["slos"])

    # -- how far it is

    @property
    def finished(self) -> int:
        """Points computed, without those that failed."""
        return sum(status == DONE for status in self._journal.status().values())

    @property
    def failed(self) -> int:
        """Points that raised an error."""
        return sum(status == FAILED for status in self._journal.status().values())

    @property
    def missing(self) -> int:
        """Points that are still to do."""
        return len(self) - len(self._journal.status())

    @property
    def failures(self) -> list[Json]:
        """Failed points: ``point_id``, ``settings``, ``replication``, ``kind``, ``message`` and ``traceback``."""
        found = []
        for point_id, settings in self._journal.plan():
            entry = self._journal.point(point_id)
            if entry is not None and entry[0] == FAILED:
                found.append({"point_id": point_id, "settings": settings, **entry[1]})
        return found

    @property
    def met(self) -> int:
        """Points that meet all SLOs."""
        return sum(bool(row["slos_met"]) for row in self.rows() if row["status"] == DONE)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        parts = []
        if self.slos:
            states = [row["slos"] for row in self.rows() if row["status"] == DONE]
            undecided = states.count("undecided")
            more = f" ({undecided} undecided)" if undecided else ""
            parts.append(f"{states.count('met')} of {len(self)} points meet all SLOs{more}")
        else:
            parts.append(f"{self.finished} of {len(self)} points computed")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.missing:
            parts.append(f"{self.missing} not computed")
        return "; ".join(parts)

    # -- the table

    def rows(self) -> Iterator[Json]:
        """Rows of the finished points in their order, one at a time: the table of a large sweep need not fit memory."""
        for point_id, settings in self._journal.plan():
            entry = self._journal.point(point_id)
            if entry is not None:
                yield self._row(point_id, settings, *entry)

    def _row(self, point_id: str, settings: Json, status: str, summary: Json) -> Json:
        row: Json = {"point_id": point_id}
        for path in self.paths:
            row[path] = settings.get(path, self._description["base_values"].get(path))
        if self._description["labelled"]:
            row[LABEL] = settings.get(LABEL)
        row |= {"replications": self.replications, "seed": summary.get("seed"), "status": status}
        if status == DONE:
            row |= _slo_columns(summary)
            limited = {slo["column"] for slo in self.slos.values()}
            row |= _metric_columns(summary["metrics"], limited)
        return row

    @property
    def points(self) -> list[Json]:
        """All finished points, a dict each."""
        if self._points is None:
            self._points = list(self.rows())
        return self._points

    @property
    def frame(self) -> pd.DataFrame:
        """All finished points as a table."""
        import pandas as pd

        return pd.DataFrame(self.points)

    def columns(self) -> list[str]:
        """Columns of the table, in their order."""
        found: dict[str, None] = {}
        for row in self.rows():
            found.update(dict.fromkeys(row))
        return list(found)

    def details(self) -> Iterator[Json]:
        """Whole summaries of the finished points: ``point_id``, ``settings``, ``metrics``, ``slos``, ``bounds``, …"""
        for point_id, settings in self._journal.plan():
            entry = self._journal.point(point_id)
            if entry is not None and entry[0] == DONE:
                yield {"point_id": point_id, "settings": settings, **entry[1]}

    def replications_of(self, point_id: str) -> Iterator[Json]:
        """Numbers of each replication of a point, in their order: ``metrics``, ``slo_values``, ``cost``, ``facts``."""
        return self._journal.replications(point_id)

    @property
    def digest(self) -> str:
        """A hash over every number of every replication, the same whatever computed them."""
        whole = hashlib.sha256()
        for point_id, _ in self._journal.plan():
            for numbers in self._journal.replications(point_id):
                whole.update(json.dumps([point_id, numbers], sort_keys=True).encode())
        return whole.hexdigest()[:16]

    def write(self, folder: Path) -> list[Path]:
        """Write ``points.csv`` and ``timings.csv`` into *folder*; each appears whole or not at all."""
        columns = self.columns()
        walls = self._journal.wall_s()
        ids = dict.fromkeys(point_id for point_id, _ in self._journal.plan())
        timings = ({"point_id": point_id, "wall_s": round(walls[point_id], 4)} for point_id in ids if point_id in walls)
        return [
            _write_csv(folder / POINTS, columns, self.rows()),
            _write_csv(folder / TIMINGS, ["point_id", "wall_s"], timings),
        ]

    # -- figure 4

    def against(self, metric: str | None = None, path: str = SHARDS) -> list[Json]:
        """*metric* against the setting *path*: ``x``, ``value``, ``ci_low``, ``ci_high``, ``status`` and ``series``.

        Parameters
        ----------
        metric: ``NAME.STATISTIC`` or the name of an SLO; by default the first SLO on an age, or the p99 latency

        ``series`` names the values of the other axes; ``status`` judges this metric alone, ``all`` all SLOs;
        ``all_kept_by`` is the number of single replications that keep all SLOs, None where it is not known.
        """
        column, slo = self._chosen(metric)
        found = []
        for detail in self.details():
            settings = {**self._description["base_values"], **detail["settings"]}
            found.append(
                {
                    "x": settings.get(path),
                    "series": self._series(settings, path),
                    **_value_of(detail, column, slo),
                    "all": _slo_columns(detail)["slos"],
                    "all_kept_by": detail.get("kept_by"),
                    "point_id": detail["point_id"],
                }
            )
        return found

    def _chosen(self, metric: str | None) -> tuple[str, str | None]:
        """Column to show and the SLO that limits it, if any."""
        slos = self.slos
        if metric is None:
            on_age = [name for name, slo in slos.items() if slo["upper"] and slo["unit"] in ("s", "Milliseconds")]
            metric = on_age[0] if on_age else next((c for c in AGES if c in self.columns()), AGES[0])
        if metric in slos:
            return slos[metric]["column"], metric
        if metric not in self.columns():
            known = ", ".join([*slos, *AGES])
            raise ResultError(f"{metric!r} is no metric of this sweep; for example {known}")
        return metric, next((name for name, slo in slos.items() if slo["column"] == metric), None)

    def _series(self, settings: Mapping[str, Any], path: str) -> str:
        if settings.get(LABEL) is not None and not self._labels(path):
            others = [p for p in self._unlabelled() if p != path]
            return ", ".join([str(settings[LABEL]), *(_named(p, settings[p]) for p in others)])
        return ", ".join(_named(p, settings.get(p)) for p in self.paths if p != path)

    def _labels(self, path: str) -> bool:
        """Whether the entries of the axis of *path* itself are labelled."""
        return any(path in axis["paths"] and axis["labels"] for axis in self.axes)

    def _unlabelled(self) -> list[str]:
        return [path for axis in self.axes if not axis["labels"] for path in axis["paths"]]

    def age_against_shards(self, metric: str | None = None) -> FigureData:
        """What figure 4 shows: a latency or age against the number of shards.

        Raises ResultError where the sweep does not vary the number of shards.
        """
        from kinsim.measure import figure_data

        if SHARDS not in self.paths:
            raise ResultError(
                f"{self.name}: figure p99_vs_shards needs an axis {SHARDS}; this sweep varies {self.paths}"
            )
        column, name = self._chosen(metric)
        slo = self.slos.get(name) if name else None
        unit = slo["unit"] if slo else unit_of(column.rpartition(".")[0])
        scale = 1e-3 if unit == "Milliseconds" else 1.0
        points = self._in_order([{**point, "shards": point["x"]} for point in self.against(metric)])
        for point in points:
            for key in ("value", "ci_low", "ci_high"):
                point[key] = None if point[key] is None else point[key] * scale
        bounds: Json = next(
            ({k: v for k, v in d["bounds"].items() if v} for d in self.details() if d.get("bounds")), {}
        )
        shown = figure_data.age_against_shards(
            points,
            metric=_figure_name(column, slo),
            unit="s" if unit in ("s", "Milliseconds") else unit,
            limit=slo["limit"] * scale if slo else None,
            present=self._description["base_values"].get(SHARDS),
            bounds=bounds,
        )
        runs = [[value * scale for value in self._each_run(point["point_id"], column, name)] for point in points]
        kept = [point["kept_by"] for point in points]
        return _with_runs(shown, runs, None if slo is None or None in kept else kept, self.replications)

    def _in_order(self, points: list[Json]) -> list[Json]:
        """By series, in the order of their first points, and by number of shards."""
        series = list(dict.fromkeys(point["series"] for point in points))
        return sorted(points, key=lambda point: (series.index(point["series"]), float(point["shards"])))

    def _each_run(self, point_id: str, column: str, slo: str | None) -> list[float]:
        """The value of *column*, or of an SLO, in each replication of a point that has one."""
        name, _, statistic = column.rpartition(".")
        found = [
            numbers["slo_values"][slo] if slo else numbers["metrics"].get(name, {}).get(statistic)
            for numbers in self.replications_of(point_id)
        ]
        return [value for value in found if value is not None]

    def smallest_sufficient(self, path: str = SHARDS) -> dict[str, Any]:
        """By series, the smallest value of *path* from which on every value tried meets all SLOs; None without one."""
        by_series: dict[str, list[tuple[float, Any, str]]] = {}
        for point in self.against(path=path):
            number = _number(point["x"])
            if number is not None:
                by_series.setdefault(point["series"], []).append((number, point["x"], point["all"]))
        found: dict[str, Any] = {}
        for series, points in by_series.items():
            best = None
            for _, value, status in sorted(points, key=lambda p: p[0], reverse=True):
                if status != "met":
                    break
                best = value
            found[series] = best
        return found


def _with_runs(data: FigureData, runs: list[list[float]], kept: list[int] | None, replications: int) -> FigureData:
    """*data* with the lowest and highest of the single *runs* of each row, and how many of them keep the limit."""
    import numpy as np

    metric = f"{data.notes['metric']}_{data.notes['unit']}"
    columns = {
        **data.columns,
        f"{metric}_lowest_run": np.array([min(values, default=math.nan) for values in runs]),
        f"{metric}_highest_run": np.array([max(values, default=math.nan) for values in runs]),
    }
    if kept is not None:
        columns["kept_by"] = np.array(kept, np.int64)
    return replace(data, columns=columns, notes={**data.notes, "replications": replications})


def _named(path: str, value: object) -> str:
    """``batch_size 100``."""
    return f"{path.rpartition('.')[2]} {shown(value)}"


def _figure_name(column: str, slo: Json | None) -> str:
    """``end_to_end_latency_p99``: a metric without its unit, and its statistic."""
    if slo is not None:
        return f"{str(slo['metric']).removesuffix('_s')}_{slo['statistic']}"
    name, _, statistic = column.rpartition(".")
    return f"{name.removesuffix('_s')}_{statistic}"


def _number(value: object) -> float | None:
    try:
        return float(str(value).replace("_", ""))
    except ValueError:
        return None


def slo_columns_of(slos: Mapping[str, Any]) -> dict[str, Json]:
    """SLOs of a scenario as plain values; ``column`` is where their values stand in the table."""
    found: dict[str, Json] = {}
    for name, slo in slos.items():
        key = statistic_key(slo.metric, slo.statistic) if slo.metric in METRICS and slo.period_s is None else None
        found[name] = {
            "metric": slo.metric,
            "statistic": slo.statistic,
            "period_s": slo.period_s,
            "limit": slo.limit,
            "upper": slo.upper,
            "unit": unit_of(slo.metric),
            "column": f"{slo.metric}.{key}" if key else f"slo.{name}.value",
        }
    return found


def _slo_columns(summary: Json) -> Json:
    """Whether all SLOs are met, their state together, and of each its state, runs that keep it, value and interval."""
    slos = summary["slos"]
    states = [slo["status"] for slo in slos]
    together = next((state for state in ("missed", "undecided") if state in states), "met")
    row: Json = {"slos_met": together == "met", "slos": together if slos else "none"}
    if slos:
        row["slos_kept_by"] = summary.get("kept_by")
    for slo in slos:
        row[f"slo.{slo['name']}"] = slo["status"]
        row[f"slo.{slo['name']}.kept_by"] = slo.get("kept_by")
        row[f"slo.{slo['name']}.value"] = slo["value"]
        row[f"slo.{slo['name']}.ci_low"] = slo["ci_low"]
        row[f"slo.{slo['name']}.ci_high"] = slo["ci_high"]
    return row


def _metric_columns(metrics: Json, limited: Iterable[str]) -> Json:
    row: Json = {}
    with_interval = {*WITH_INTERVAL, *limited}
    for name, statistics in metrics.items():
        for statistic, numbers in statistics.items():
            column = f"{name}.{statistic}"
            row[column] = numbers["value"]
            if column in with_interval:
                row[f"{column}.ci_low"] = numbers["ci_low"]
                row[f"{column}.ci_high"] = numbers["ci_high"]
    return row


def _value_of(summary: Json, column: str, slo: str | None) -> Json:
    """Value, interval and status of one column, in the SLO's own numbers where it limits it."""
    for entry in summary["slos"]:
        if entry["name"] == slo:
            found = {key: entry[key] for key in ("value", "ci_low", "ci_high", "status")}
            return {**found, "kept_by": entry.get("kept_by")}
    name, _, statistic = column.rpartition(".")
    numbers = summary["metrics"].get(name, {}).get(statistic, {})
    return {**{key: numbers.get(key) for key in ("value", "ci_low", "ci_high")}, "status": "none", "kept_by": None}


def _write_csv(path: Path, columns: list[str], rows: Iterable[Json]) -> Path:
    """Write a table under another name first, so that a half-written one is never seen."""
    half = path.with_name(f"{path.name}.tmp")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
        os.replace(half, path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return shown(value) if isinstance(value, (dict, list)) else value
