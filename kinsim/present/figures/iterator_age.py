"""Figure 2: iterator age over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures import style
from kinsim.present.figures.scales import age_axis, time_axis
from kinsim.present.figures.style import BLUE, GREY, HALO, INK, ORANGE, RASTERIZE_ABOVE, Words
from kinsim.present.format import digits, period, quantity

_SHOW_RETENTION_WITHIN = 30
"""The retention limit is drawn once an age comes within this factor of it."""
_MOST_SHADED = 40
_MOST_BOLD = 300
_MEAN, _HIGHEST, _OLDEST = "iterator_age_s", "iterator_age_s_highest", "oldest_waiting_s_highest"


def words(data: FigureData) -> Words:
    """The finding, what is drawn, and both for those who cannot see it."""
    notes = data.notes
    subtitle = f"IteratorAge, maximum over shards in each {period(notes['bin_s'])}"
    several = _several(data)
    if several:
        subtitle += ": mean of the runs that have one, with its interval (thick), and highest run (thin)"
    if _OLDEST in data.columns:
        subtitle += "; filled: age of the oldest record waiting" + (", highest run" if several else "")
    if notes["heavy"] and len(notes["heavy"]) <= _MOST_SHADED:
        subtitle += "; grey: load above 1.5 × its mean"
    if notes["retention_s"] and not _retention_in_view(data):
        subtitle += f"; retention {quantity(notes['retention_s'], 's')}"
    title = _finding(notes)
    return Words(title, subtitle, f"{title}. {subtitle}.")


def _finding(notes: dict[str, Any]) -> str:
    worst, limit = notes["worst"], _strictest(notes["limits"])
    if worst is None:
        return "No invocation ran, so there is no IteratorAge"
    peak = quantity(worst["value"], "s")
    if notes["expired_records"]:
        reach = f"IteratorAge reaches {peak} of {quantity(notes['retention_s'], 's')} retention"
        return f"{reach}: {digits(notes['expired_records'])} records expire unread"
    grows = worst["at_s"] + 2 * notes["bin_s"] >= notes["end_s"] > 4 * notes["bin_s"]
    if limit is None and grows:
        return f"IteratorAge reaches {peak} at the end of the run"
    if limit is None:
        when = f", {quantity(worst['at_s'], 's')} into the run" if worst["at_s"] else ""
        return f"IteratorAge peaks at {peak}{when}"
    bound = quantity(limit["limit_s"], "s")
    above = notes["above"]
    highest = max(worst["value"], worst["ci_high"] or 0.0)
    if above is None and highest > limit["limit_s"]:
        verb = "exceeds" if (worst["ci_low"] or worst["value"]) > limit["limit_s"] else "may exceed"
        return f"IteratorAge {verb} {bound}: the worst minute of a run reaches {peak} on average"
    stays = f"IteratorAge stays below {bound}{_in_how_many(notes)}"
    if above is None:
        return f"{stays}: its worst minute reaches {peak}{' on average' if _in_how_many(notes) else ''}"
    if worst["value"] <= limit["limit_s"]:
        return f"{stays}, but records wait longer: nothing shows them until they are read"
    if not above["recovered"]:
        return f"IteratorAge reaches {peak} and is still above {bound} when the run ends"
    return (
        f"IteratorAge reaches {peak} and is back below {bound} after {quantity(above['to_s'] - above['from_s'], 's')}"
    )


def _in_how_many(notes: dict[str, Any]) -> str:
    """In how many runs IteratorAge keeps the limit, where not in all."""
    kept, runs = notes["kept_by"], notes["runs"]
    return f" in {kept} of {runs} runs" if kept < runs else ""


def _several(data: FigureData) -> bool:
    """Whether the highest run is another line than the mean."""
    return bool((data.columns[_HIGHEST] > data.columns[_MEAN]).any())


def _strictest(limits: list[dict[str, Any]]) -> dict[str, Any] | None:
    return min(limits, key=lambda limit: float(limit["limit_s"]), default=None)


def _retention_in_view(data: FigureData) -> bool:
    retention = data.notes["retention_s"]
    return bool(retention) and _largest(data) * _SHOW_RETENTION_WITHIN >= retention


def _largest(data: FigureData) -> float:
    finite = [a[np.isfinite(a)] for a in _ages(data)]
    return max((float(a.max()) for a in finite if a.size), default=0.0)


def _ages(data: FigureData) -> list[NDArray[np.float64]]:
    return [data.columns[name] for name in (_HIGHEST, _OLDEST) if name in data.columns]


def draw(data: FigureData, figure: FigureBase) -> FigureBase:
    """Draw one panel into *figure* (a Figure or SubFigure) and return it."""
    (ax,) = style.axes_of(figure)
    notes = data.notes
    also = [float(limit["limit_s"]) for limit in notes["limits"]]
    if _retention_in_view(data):
        also.append(notes["retention_s"])
    time_axis(ax, notes["end_s"])
    age_axis(ax, np.concatenate(_ages(data)), also=also, label="age")
    _shade(ax, notes)
    ends = _series(ax, data)
    _lines(ax, notes, _retention_in_view(data))
    if notes["worst"] is None:
        ax.annotate(
            "no invocation in this run", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY, bbox=HALO
        )
    else:
        _mark_recovery(ax, notes)
    style.label_ends(ax, ends)
    return figure


def _shade(ax: Axes, notes: dict[str, Any]) -> None:
    """Heavy load in grey, the warm-up hatched."""
    if notes["warm_up_s"]:
        ax.axvspan(0, notes["warm_up_s"], facecolor="none", edgecolor="#D5D5D5", hatch="///", lw=0, zorder=0)
        ax.annotate(
            "warm-up",
            (notes["warm_up_s"], 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            color=GREY,
            fontsize="x-small",
            va="bottom",
            zorder=6,
            bbox=HALO,
        )
    if len(notes["heavy"]) > _MOST_SHADED:
        return
    for start, end in notes["heavy"]:
        ax.axvspan(start, min(end, notes["end_s"]), color="#EBEBEB", lw=0, zorder=0)


def _series(ax: Axes, data: FigureData) -> list[tuple[float, str, str]]:
    """Draw both ages; gives their last values, names and colours."""
    start, end_s = data.columns["time_s"], data.notes["end_s"]
    edges = np.append(start, max(end_s, float(start[-1]) if start.size else 0.0))
    ends = []
    if _OLDEST in data.columns and np.isfinite(data.columns[_OLDEST]).any():
        waiting = data.columns[_OLDEST]
        ax.stairs(waiting, edges, fill=True, facecolor="#FBE6BD", lw=0, zorder=1)
        ax.stairs(waiting, edges, baseline=None, color=ORANGE, lw=style.line_width(0.8), zorder=2)
        ends.append((_last(waiting), "oldest waiting", "#9A6700"))
    age = data.columns[_MEAN]
    if _several(data):
        ax.stairs(data.columns[_HIGHEST], edges, baseline=None, color=BLUE, lw=style.line_width(0.7), zorder=3)
    low, high = data.columns["iterator_age_s_ci_low"], data.columns["iterator_age_s_ci_high"]
    if np.isfinite(low).any():
        low, high = (np.append(band, band[-1:]) for band in (low, high))
        ax.fill_between(edges, low, high, step="post", color=BLUE, alpha=0.22, lw=0, zorder=2)
    width = style.line_width(1.6 if age.size <= _MOST_BOLD else 1.0)
    ax.stairs(age, edges, baseline=None, color=BLUE, lw=width, zorder=4)
    alone = _alone(age)
    if alone.any():
        middle = np.minimum(start + data.notes["bin_s"] / 2, end_s)
        ax.plot(
            middle[alone],
            age[alone],
            ".",
            color=BLUE,
            ms=style.line_width(4),
            zorder=4,
            rasterized=bool(alone.sum() > RASTERIZE_ABOVE),
        )
    if np.isfinite(age).any():
        ends.append((_last(age), "IteratorAge", BLUE))
    return ends


def _last(values: NDArray[np.float64]) -> float:
    return float(values[np.flatnonzero(np.isfinite(values))[-1]])


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Points without a neighbour: a line would not show them."""
    known = np.isfinite(values)
    padded = np.concatenate([[False], known, [False]])
    return np.asarray(known & ~padded[:-2] & ~padded[2:])


def _lines(ax: Axes, notes: dict[str, Any], with_retention: bool) -> None:
    for limit in notes["limits"]:
        style.limit_line(ax, limit["limit_s"], f"{limit['name']}: {quantity(limit['limit_s'], 's')}")
    if with_retention:
        left = notes["highest"] is not None and notes["highest"]["at_s"] > notes["end_s"] / 2
        ax.axhline(notes["retention_s"], color=INK, ls=(0, (8, 2, 1.5, 2)), lw=style.line_width(1.1), zorder=3)
        ax.annotate(
            f"retention {quantity(notes['retention_s'], 's')}: older records are gone",
            (0.006 if left else 0.994, notes["retention_s"]),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom",
            fontsize="small",
            color=INK,
            zorder=6,
        )


def _mark_recovery(ax: Axes, notes: dict[str, Any]) -> None:
    """A dot on the worst minute of all runs; a bar over the time above the SLO."""
    worst, above, end_s = notes["highest"], notes["above"], notes["end_s"]
    x = style.middle(worst["at_s"], notes["bin_s"], end_s)
    ax.plot([x], [worst["value"]], "o", color=BLUE, ms=style.line_width(4.5), mec="white", mew=0.8, zorder=5)
    text = f"worst minute {quantity(worst['value'], 's')}"
    if notes["worst"]["value"] < worst["value"]:
        text += f"\n(mean of the runs' worst {quantity(notes['worst']['value'], 's')})"
    if above is not None:
        start, stop = above["from_s"], min(above["to_s"], end_s)
        ax.annotate(
            "",
            (start, above["limit_s"]),
            (stop, above["limit_s"]),
            zorder=5,
            arrowprops={
                "arrowstyle": "|-|,widthA=0.3,widthB=0.3",
                "color": INK,
                "lw": style.line_width(1.6),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        took = quantity(above["to_s"] - above["from_s"], "s")
        text += (
            f"\nabove {quantity(above['limit_s'], 's')} for {took}"
            if above["recovered"]
            else "\nnot caught up at the end"
        )
    right = x > 0.6 * end_s
    ax.annotate(
        text,
        (x, worst["value"]),
        xytext=(-8 if right else 8, 2),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        fontsize="small",
        color=BLUE,
        bbox=HALO,
        zorder=6,
        linespacing=1.2,
    )
