"""Figure 4: how many shards are enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures import style
from kinsim.present.figures.placing import Room
from kinsim.present.figures.scales import age_axis, amount_axis, log_age_axis
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
    subtitle += _of_runs(data)
    if notes["limit"] is not None:
        subtitle += "; filled: meets this SLO, open: does not, half: undecided"
    if len(notes["series"]) > _MOST_NAMED:
        subtitle += f"; the first {_MOST_NAMED} of {len(notes['series'])} series named"
    title = _finding(data)
    return Words(title, subtitle, f"{title}. {subtitle}.")


def _of_runs(data: FigureData) -> str:
    """What a point and its bars are."""
    runs = data.notes.get("replications")
    if runs == 1:
        return ": one run a point, so without an interval"
    if not np.isfinite(data.columns[_column(data.notes) + "_ci_low"]).any():
        return ""
    if runs is None:
        return ", with its confidence interval over replications"
    thin = "; thin: from the lowest to the highest run" if _has_spread(data) else ""
    return f": mean of {runs} runs with its confidence interval{thin}"


def _has_spread(data: FigureData) -> bool:
    """Whether single runs differ from their mean."""
    low, high = (_of_single_runs(data, end) for end in ("lowest", "highest"))
    return bool((low < high).any())


def _of_single_runs(data: FigureData, end: str) -> Any:
    """The lowest or highest run of each row; NaN where a folder of an earlier version does not have them."""
    column = _column(data.notes)
    return data.columns.get(f"{column}_{end}_run", np.full(len(data.columns[column]), np.nan))


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
        one = " (one run)" if notes.get("replications") == 1 else ""
        return f"{prefix}{_metric(notes)} {verb} {show(0)} with {low} shard{'s' if low != 1 else ''}{to}{one}"
    bound = quantity(notes["limit"], notes["unit"])
    best = notes["sufficient"][first]
    if best is None:
        one = " in one run" if notes.get("replications") == 1 else ""
        return f"{prefix}no shard count tried holds {_metric(notes)} below {bound}: {high} give {show(-1)}{one}"
    at = int(np.flatnonzero(shards[mine] == best)[0])
    plural = "shards hold" if best != 1 else "shard holds"
    fewer = f"; with {int(shards[mine][at - 1])} it is {show(at - 1)}" if at else ""
    limit = f"limit {bound}{_kept(data, np.flatnonzero(mine)[at])}"
    return f"{prefix}{best} {plural} {_metric(notes)} at {show(at)}{fewer} ({limit}){_other_slos(notes, first)}"


def _kept(data: FigureData, row: int) -> str:
    """How far single runs bear out the mean of a *row* that meets the limit."""
    runs = data.notes.get("replications")
    if runs == 1:
        return ", one run"
    kept = int(data.columns["kept_by"][row]) if "kept_by" in data.columns else runs
    return f", kept by {kept} of {runs} runs" if kept != runs else ""


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
    room = Room.of(ax)
    ends = []
    for place, name in enumerate(data.notes["series"]):
        ends += _series(ax, data, place, name, room)
    _limit(ax, data, room)
    _bounds(ax, data.notes, room)
    _mark_sufficient(ax, data, room)
    if len(data.notes["series"]) > 1:
        style.label_ends(ax, ends[:_MOST_NAMED])
    return figure


def _limit(ax: Axes, data: FigureData, room: Room) -> None:
    """The SLO, its name at the side where less is drawn."""
    limit = data.notes["limit"]
    if limit is None:
        return
    text = f"SLO {quantity(limit, data.notes['unit'])}"
    ((_, y),) = room.at(1.0, limit)
    sides = {
        "right": room.box(text, 0.994 * room.width, y + 3, "small", "right", "bottom"),
        "left": room.box(text, 0.006 * room.width, y + 3, "small", "left", "bottom"),
    }
    side = min(sides, key=lambda name: room.cost(sides[name]))
    style.limit_line(ax, limit, text, at=side)
    room.line(ax.get_xlim(), [limit, limit], every_pt=6.0)
    room.boxes.append(sides[side])


def _axes(ax: Axes, data: FigureData) -> None:
    notes = data.notes
    values = _finite(data.columns[_column(notes)])
    high = _finite(data.columns[_column(notes) + "_ci_high"], _of_single_runs(data, "highest"), values)
    also = [notes["limit"]] if notes["limit"] is not None else []
    positive = values[values > 0]
    label = _metric(notes).removeprefix("the ")
    wide = positive.size and max([float(positive.max()), *also]) > _LOG_ABOVE * float(positive.min())
    if notes["unit"] == "s" and wide:
        low = _finite(data.columns[_column(notes) + "_ci_low"], _of_single_runs(data, "lowest"), values)
        if (values > 0).all():
            log_age_axis(ax, max(float(low[low > 0].min()), float(values.min()) / 4), [*also, *high], label=label)
        else:
            age_axis(ax, values, also=[*also, *high], label=label)
    else:
        unit = f" ({notes['unit']})" if notes["unit"] not in ("", "1") else ""
        amount_axis(ax, max([*high, *also], default=1.0) * 1.2, label + unit)
    counts = sorted({int(n) for n in data.columns["shard_count"]} | {int(b) for b in notes["bounds"].values()})
    _shard_ticks(ax, counts or [1], notes["present"])


def _finite(*parts: Any) -> Any:
    """All numbers of *parts* that there are."""
    whole = np.concatenate(parts)
    return whole[np.isfinite(whole)]


def _shard_ticks(ax: Axes, counts: list[int], present: float | None) -> None:
    """A tick at each count tried, as far as there is room, and at the base scenario's; logarithmic if they are wide."""
    wide = counts[-1] / max(counts[0], 1) > 20
    if wide:
        ax.set_xscale("log")
        ax.set_xlim(max(counts[0], 1) / 1.25, counts[-1] * 1.25)
    else:
        room = max((counts[-1] - counts[0]) * 0.05, 0.5)
        ax.set_xlim(counts[0] - room, counts[-1] + room)
    base = int(present) if present is not None and counts[0] <= present <= counts[-1] else None
    kept = _apart(counts, base, wide)
    ax.xaxis.set_major_locator(FixedLocator(kept))
    ax.xaxis.set_major_formatter(FixedFormatter([str(k) for k in kept]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("shards" if present is None else f"shards (base scenario: {digits(present)})")


def _apart(counts: list[int], base: int | None, wide: bool) -> list[int]:
    """Those of *counts* whose labels have room beside each other; *base* always.

    >>> _apart([1, 2, 3, 4, 100], 50, wide=False), _apart([1, 2, 3, 4], None, wide=False)
    ([1, 50, 100], [1, 2, 3, 4])
    """
    first = [] if base is None else [base]
    place = {count: math.log(max(count, 1)) if wide else float(count) for count in first + counts}
    room = 0.045 * max(max(place.values()) - min(place.values()), 1e-9)
    kept: list[int] = []
    for count in first + counts:
        if all(abs(place[count] - place[other]) >= room for other in kept):
            kept.append(count)
    return sorted(kept)


def _series(ax: Axes, data: FigureData, place: int, name: str, room: Room) -> list[tuple[float, str, str]]:
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
    room.line(x[known], y[known])
    if named:
        room.dots(x[known], y[known], _marker_size() / 2)
        lowest, highest = (_of_single_runs(data, end)[mine] for end in ("lowest", "highest"))
        _spread(ax, x, lowest, highest, colour)
        _intervals(ax, x, y, np.maximum(low, 0), high, colour, room)
        _markers(ax, x[known], y[known], status[known], colour, marker)
    return [(float(y[known][-1]), name, colour)] if named else []


def _intervals(ax: Axes, x: Any, y: Any, low: Any, high: Any, colour: str, room: Room) -> None:
    """The confidence interval of each mean, where it has one."""
    there = np.flatnonzero(np.isfinite(y) & np.isfinite(low) & np.isfinite(high))
    if not there.size:
        return
    ax.errorbar(
        x[there],
        y[there],
        yerr=np.maximum([(y - low)[there], (high - y)[there]], 0),
        fmt="none",
        ecolor=colour,
        elinewidth=style.line_width(1.1),
        capsize=style.line_width(3),
        capthick=style.line_width(1.1),
        zorder=3,
    )
    for at in there:
        room.line([x[at], x[at]], [low[at], high[at]])


def _spread(ax: Axes, x: Any, low: Any, high: Any, colour: str) -> None:
    """From the lowest to the highest run, thin and beside the interval of the mean."""
    there = np.flatnonzero(low < high)
    if not there.size:
        return
    aside = ScaledTranslation(_marker_size() * 0.9 / 72, 0, ax.figure.get_figure(root=True).dpi_scale_trans)
    look: dict[str, Any] = {"color": colour, "alpha": 0.75, "transform": ax.transData + aside, "zorder": 2.5}
    ax.vlines(x[there], low[there], high[there], lw=style.line_width(0.8), **look)
    for ends in (low, high):
        ax.plot(x[there], ends[there], ls="none", marker="o", ms=style.line_width(3.2), mew=0, **look)


def _marker_size() -> float:
    """Large enough that a marker which is half filled looks so on a small figure, too."""
    return max(style.line_width(7.0), 5.0)


def _markers(ax: Axes, x: Any, y: Any, status: Any, colour: str, marker: str) -> None:
    looks = {
        "met": ("full", colour),
        "none": ("full", colour),
        "missed": ("full", "white"),
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
            ms=_marker_size(),
            color=colour,
            fillstyle=fill,
            markerfacecolor=None if fill == "left" else face,
            markerfacecoloralt="white",
            mew=style.line_width(1.3),
            zorder=4,
            rasterized=bool(chosen.sum() > style.RASTERIZE_ABOVE),
        )


def _bounds(ax: Axes, notes: dict[str, Any], room: Room) -> None:
    """Lower bounds by arithmetic as thin vertical lines, named at the end where less is drawn."""
    together: dict[float, list[str]] = {}
    for what, count in notes["bounds"].items():
        together.setdefault(float(count), []).append(what)
    low, high = ax.get_xlim()
    for count, names in together.items():
        if not low <= count <= high:
            continue
        ax.axvline(count, color=GREY, ls=":", lw=style.line_width(1.0), zorder=1)
        text = f"≥ {digits(count)} by {' and '.join(names)}"
        x = float(room.at(count, ax.get_ylim()[1])[0, 0]) - 3
        boxes = {
            va: room.box(text, x, share * room.height, "x-small", "right", va, upright=True)
            for va, share in (("bottom", 0.02), ("top", 0.98))
        }
        va = min(boxes, key=lambda end: room.cost(boxes[end]))
        room.boxes.append(boxes[va])
        ax.annotate(
            text,
            (count, 0.02 if va == "bottom" else 0.98),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va=va,
            color=GREY,
            fontsize="x-small",
            bbox=HALO,
            zorder=3.5,
        )


def _mark_sufficient(ax: Axes, data: FigureData, room: Room) -> None:
    """Name the smallest count that is enough, for this SLO and for all."""
    notes = data.notes
    name = notes["best"]
    best = notes["sufficient"].get(name)
    whole = notes["sufficient_for_all"].get(name) if notes["more_slos"] else best
    if best is not None and best == whole:
        _name_point(ax, data, best, f"smallest sufficient: {best}", room)
    elif best is not None:
        _name_point(ax, data, best, f"enough for this SLO: {best}", room)
        if whole is not None:
            _name_point(ax, data, whole, f"enough for all SLOs: {whole}", room)


def _name_point(ax: Axes, data: FigureData, count: int, text: str, room: Room) -> None:
    """Write *text* where there is room beside the point of the best series at *count* shards."""
    first = data.columns["series"] == data.notes["best"]
    at = np.flatnonzero((data.columns["shard_count"] == count) & first)[0]
    value = float(data.columns[_column(data.notes)][at])
    side, up = room.beside(text, count, value, "small")
    ax.annotate(
        text, (count, value), xytext=(side, up), textcoords="offset points", color=INK, fontsize="small",
        ha="left" if side > 0 else "right", va="bottom" if up > 0 else "top", bbox=HALO, zorder=6,
        arrowprops={"arrowstyle": "-", "color": INK, "lw": style.line_width(0.8), "shrinkA": 0, "shrinkB": 4},
    )  # fmt: skip
