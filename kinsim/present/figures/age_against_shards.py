"""Figure 4: how many shards are enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures import style
from kinsim.present.figures.scales import age_axis, amount_axis
from kinsim.present.figures.style import GREY, HALO, INK, SERIES, Words
from kinsim.present.format import digits, quantity

_MOST_NAMED = 4
_LOG_ABOVE = 8.0
"""Ratio of the largest to the smallest value from which the age axis is logarithmic."""


def words(data: FigureData) -> Words:
    """The finding, what is drawn, and both for those who cannot see it."""
    notes = data.notes
    metric = _metric(notes)
    subtitle = f"{metric[0].upper() if metric[:1] == 't' else metric[0]}{metric[1:]} against the number of shards"
    if np.isfinite(data.columns[_column(notes) + "_ci_low"]).any():
        subtitle += ", with its confidence interval over replications"
    if notes["limit"] is not None:
        subtitle += "; filled: meets this SLO, open: does not, half: undecided"
    if len(notes["series"]) > _MOST_NAMED:
        subtitle += f"; the first {_MOST_NAMED} of {len(notes['series'])} series named"
    title = _finding(data)
    return Words(title, subtitle, f"{title}. {subtitle}.")


def _column(notes: dict[str, Any]) -> str:
    return f"{notes['metric']}_{notes['unit']}"


_WORDS = {
    "end_to_end_latency": "end-to-end latency",
    "iterator_age": "IteratorAge",
    "GetRecords.IteratorAgeMilliseconds": "GetRecords.IteratorAge",
    "true_age": "the oldest record's age",
    "queue_wait": "waiting time",
    "sojourn": "time in the system",
    "cost_usd_per_month": "cost per month",
}
_STATISTICS = {
    "Maximum": "maximum",
    "max": "maximum",
    "Average": "mean",
    "mean": "mean",
    "time_average": "mean",
    "Sum": "sum",
    "sum": "sum",
}


def _metric(notes: dict[str, Any]) -> str:
    """A statistic of a metric in words.

    >>> _metric({"metric": "end_to_end_latency_p99"}), _metric({"metric": "IteratorAge_Maximum"})
    ('p99 of end-to-end latency', 'the maximum of IteratorAge')
    """
    text = str(notes["metric"])
    statistic = next((name for name in _STATISTICS if text.endswith(f"_{name}")), text.rpartition("_")[2])
    name = text.removesuffix(f"_{statistic}")
    known = _STATISTICS.get(statistic)
    return f"{f'the {known}' if known else statistic} of {_WORDS.get(name, name.replace('_', ' '))}"


def _finding(data: FigureData) -> str:
    notes = data.notes
    shards, values = data.columns["shard_count"], data.columns[_column(notes)]
    if not np.isfinite(values).any():
        return f"No point of the sweep has a {_metric(notes)}"
    first = notes["best"]
    mine = (data.columns["series"] == first) & np.isfinite(values)
    prefix = f"{first}: " if len(notes["series"]) > 1 else ""
    if not mine.any():
        return f"{prefix}no {_metric(notes)} in this sweep"

    def show(at: int) -> str:
        return quantity(float(values[mine][at]), notes["unit"])

    low, high = int(shards[mine][0]), int(shards[mine][-1])
    if notes["limit"] is None:
        verb = "goes from" if low != high else "is"
        to = f" to {show(-1)} with {high}" if low != high else ""
        return f"{prefix}{_metric(notes)} {verb} {show(0)} with {low} shard{'s' if low != 1 else ''}{to}"
    bound = quantity(notes["limit"], notes["unit"])
    best = notes["sufficient"][first]
    if best is None:
        return f"{prefix}no shard count tried holds {_metric(notes)} below {bound}: {high} give {show(-1)}"
    at = int(np.flatnonzero(shards[mine] == best)[0])
    plural = "shards hold" if best != 1 else "shard holds"
    fewer = f"; with {int(shards[mine][at - 1])} it is {show(at - 1)}" if at else ""
    return f"{prefix}{best} {plural} {_metric(notes)} at {show(at)}{fewer} (limit {bound}){_other_slos(notes, first)}"


def _other_slos(notes: dict[str, Any], series: str) -> str:
    """What the other SLOs ask for, where it is more."""
    whole = notes["sufficient_for_all"][series]
    if not notes["more_slos"] or whole == notes["sufficient"][series]:
        return ""
    return f"; all SLOs need {whole}" if whole is not None else "; no count tried meets all SLOs"


def draw(data: FigureData, figure: FigureBase) -> FigureBase:
    """Draw one panel into *figure* (a Figure or SubFigure) and return it."""
    (ax,) = style.axes_of(figure)
    _axes(ax, data)
    _bounds(ax, data.notes)
    ends = []
    for place, name in enumerate(data.notes["series"]):
        ends += _series(ax, data, place, name)
    limit = data.notes["limit"]
    if limit is not None:
        best = data.notes["sufficient"].get(data.notes["best"])
        crowded = best is not None and best > sum(ax.get_xlim()) / 2
        style.limit_line(ax, limit, f"SLO {quantity(limit, data.notes['unit'])}", at="left" if crowded else "right")
    _mark_sufficient(ax, data)
    if len(data.notes["series"]) > 1:
        style.label_ends(ax, ends[:_MOST_NAMED])
    return figure


def _axes(ax: Axes, data: FigureData) -> None:
    notes = data.notes
    values = data.columns[_column(notes)]
    high = data.columns[_column(notes) + "_ci_high"]
    shown = np.concatenate([values, high])
    shown = shown[np.isfinite(shown)]
    also = [notes["limit"]] if notes["limit"] is not None else []
    positive = values[np.isfinite(values) & (values > 0)]
    if (
        notes["unit"] == "s"
        and positive.size
        and max([float(positive.max()), *also]) > _LOG_ABOVE * float(positive.min())
    ):
        age_axis(ax, values, also=[*also, *(float(x) for x in shown)], label=_metric(notes).removeprefix("the "))
    else:
        top = max([float(x) for x in shown] + also, default=1.0)
        unit = f" ({notes['unit']})" if notes["unit"] not in ("", "1") else ""
        amount_axis(ax, top * 1.2, _metric(notes).removeprefix("the ") + unit)
    counts = sorted({int(n) for n in data.columns["shard_count"]} | {int(b) for b in notes["bounds"].values()})
    _shard_ticks(ax, counts or [1])


def _shard_ticks(ax: Axes, counts: list[int]) -> None:
    """A tick at each count tried, as far as there is room; logarithmic over a wide range."""
    wide = counts[-1] / max(counts[0], 1) > 20
    if wide:
        ax.set_xscale("log")
        ax.set_xlim(max(counts[0], 1) / 1.25, counts[-1] * 1.25)
    else:
        room = max((counts[-1] - counts[0]) * 0.05, 0.5)
        ax.set_xlim(counts[0] - room, counts[-1] + room)
    place = np.log(np.maximum(counts, 1)) if wide else np.array(counts, float)
    span = max(float(np.ptp(place)), 1e-9)
    kept: list[int] = []
    last = -np.inf
    for count, where in zip(counts, place, strict=True):
        if (where - last) / span >= 0.045 or not kept:
            kept.append(count)
            last = where
    ax.xaxis.set_major_locator(FixedLocator(kept))
    ax.xaxis.set_major_formatter(FixedFormatter([str(k) for k in kept]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("shards")


def _series(ax: Axes, data: FigureData, place: int, name: str) -> list[tuple[float, str, str]]:
    notes = data.notes
    mine = data.columns["series"] == name
    x, y = data.columns["shard_count"][mine], data.columns[_column(notes)][mine]
    low, high = (data.columns[f"{_column(notes)}_ci_{side}"][mine] for side in ("low", "high"))
    status = data.columns["status"][mine]
    named = place < _MOST_NAMED
    colour, line, marker = SERIES[place] if named else ("#B8B8B8", "-", "o")
    known = np.isfinite(y)
    if not known.any():
        return []
    ax.plot(
        x[known], y[known], color=colour, ls=line, lw=style.line_width(1.5 if named else 0.8), zorder=3 if named else 2
    )
    bars = known & np.isfinite(low) & np.isfinite(high)
    if bars.any() and named:
        ends = np.array([y[bars] - np.maximum(low[bars], 0), high[bars] - y[bars]])
        ax.errorbar(
            x[bars],
            y[bars],
            yerr=np.maximum(ends, 0),
            fmt="none",
            ecolor=colour,
            elinewidth=style.line_width(1.1),
            capsize=3,
            zorder=3,
        )
    if named:
        _markers(ax, x[known], y[known], status[known], colour, marker)
    return [(float(y[known][-1]), name, colour)] if named else []


def _markers(ax: Axes, x: Any, y: Any, status: Any, colour: str, marker: str) -> None:
    looks = {
        "met": ("full", colour),
        "none": ("full", colour),
        "missed": ("none", "white"),
        "undecided": ("left", colour),
    }
    for state in dict.fromkeys(status):
        fill, face = looks.get(state, looks["none"])
        chosen = status == state
        ax.plot(
            x[chosen],
            y[chosen],
            ls="none",
            marker=marker,
            ms=style.line_width(6.5),
            color=colour,
            fillstyle=fill,
            markerfacecolor=None if fill == "left" else face,
            markerfacecoloralt="white",
            mew=1.3,
            zorder=4,
            rasterized=bool(chosen.sum() > style.RASTERIZE_ABOVE),
        )
        if fill == "none":
            ax.plot(
                x[chosen], y[chosen], ls="none", marker=marker, ms=style.line_width(5), color="white", mew=0, zorder=3.9
            )


def _bounds(ax: Axes, notes: dict[str, Any]) -> None:
    """Lower bounds by arithmetic as thin vertical lines, named at the bottom."""
    together: dict[float, list[str]] = {}
    for what, count in notes["bounds"].items():
        together.setdefault(float(count), []).append(what)
    low, high = ax.get_xlim()
    for count, names in together.items():
        if not low <= count <= high:
            continue
        ax.axvline(count, color=GREY, ls=":", lw=style.line_width(1.0), zorder=1)
        ax.annotate(
            f"≥ {digits(count)} by {' and '.join(names)}",
            (count, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            color=GREY,
            fontsize="x-small",
            zorder=2,
        )


def _mark_sufficient(ax: Axes, data: FigureData) -> None:
    """Name the smallest count that is enough, and the present design."""
    notes = data.notes
    name = notes["best"]
    best = notes["sufficient"].get(name)
    whole = notes["sufficient_for_all"].get(name) if notes["more_slos"] else best
    if best is not None and best == whole:
        _name_point(ax, data, best, f"smallest sufficient: {best}")
    elif best is not None:
        _name_point(ax, data, best, f"enough for this SLO: {best}")
        if whole is not None:
            _name_point(ax, data, whole, f"enough for all SLOs: {whole}")
    low, high = ax.get_xlim()
    if notes["present"] is not None and notes["present"] not in (best, whole) and low <= notes["present"] <= high:
        ax.annotate(
            "base scenario", (notes["present"], 0), xycoords=("data", "axes fraction"), xytext=(0, 6),
            textcoords="offset points", ha="center", color=GREY, fontsize="small", zorder=6, bbox=HALO,
            arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 0.8},
        )  # fmt: skip


def _name_point(ax: Axes, data: FigureData, count: int, text: str) -> None:
    """Write *text* beside the point of the best series at *count* shards."""
    first = data.columns["series"] == data.notes["best"]
    at = np.flatnonzero((data.columns["shard_count"] == count) & first)[0]
    value = float(data.columns[_column(data.notes)][at])
    x = float(ax.transAxes.inverted().transform(ax.transData.transform((count, value)))[0])
    side, up = (-10 if x > 0.65 else 10), len(data.notes["series"]) == 1
    ax.annotate(
        text, (count, value), xytext=(side, 26 if up else -26), textcoords="offset points", color=INK, fontsize="small",
        ha="right" if side < 0 else "left", va="bottom" if up else "top", bbox=HALO, zorder=6,
        arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 4},
    )  # fmt: skip
