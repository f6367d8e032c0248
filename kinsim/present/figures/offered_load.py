"""Figure 1: offered load against what the stream takes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures import style
from kinsim.present.figures.scales import amount_axis, time_axis
from kinsim.present.figures.style import BLUE, HALO, INK, VERMILION, Words
from kinsim.present.format import digits, period

_PANELS = {"bytes": ("MB/s", 1e6, "byte"), "records": ("records/s", 1.0, "record")}
SHOW_LIMIT_ABOVE = 0.1
"""Share of the limit that the peak must reach for the limit to be drawn to scale."""


def words(data: FigureData) -> Words:
    """The finding, what is drawn, and both for those who cannot see it."""
    notes = data.notes
    subtitle = f"Offered load in MB/s (above) and records/s (below), mean of each {period(notes['bin_s'])}"
    subtitle += "; rejected part hatched" if _rejected(notes) else ""
    alt = "; ".join(_describe(kind, notes[kind]) for kind in _PANELS)
    title = _finding(notes)
    return Words(title, subtitle, f"{title}. {subtitle}. {alt}.")


def _rejected(notes: dict[str, object]) -> float:
    return float(notes["records"]["rejected_share"])  # type: ignore[index]


def _shares(notes: dict[str, dict[str, float]]) -> dict[str, float]:
    """Peak minute over limit, for each limit that there is."""
    return {
        kind: notes[kind]["peak_per_s"] / notes[kind]["limit_per_s"] for kind in _PANELS if notes[kind]["limit_per_s"]
    }


def _finding(notes: dict[str, object]) -> str:
    peak = notes["records"]["peak_per_s"]  # type: ignore[index]
    shards = f"{notes['shard_count']} shard{'s' if notes['shard_count'] != 1 else ''}"
    if not peak:
        return "Nothing is offered to the stream"
    shares = _shares(notes)  # type: ignore[arg-type]
    if not shares:
        return f"The load peaks at {digits(peak)} records/s; no write limit applies"
    binding = max(shares, key=lambda kind: shares[kind])
    share, name = shares[binding], _PANELS[binding][2]
    if not _rejected(notes):
        plural = "s" if notes["shard_count"] == 1 else ""
        return f"{shards} take{plural} the load: the busiest minute uses {digits(share * 100, 2)} % of the {name} limit"
    lost = f"{digits(_rejected(notes) * 100, 2)} % of what is offered to {shards} is rejected"
    if share > 1:
        return f"{lost}: the {name} limit is passed {digits(share, 2)} times over"
    return f"{lost}, though the busiest minute uses {digits(share * 100, 2)} % of the {name} limit"


def _describe(kind: str, load: dict[str, float]) -> str:
    unit, size, _ = _PANELS[kind]
    limit = f"limit {digits(load['limit_per_s'] / size)} {unit}" if load["limit_per_s"] else "no limit"
    return f"{kind}: mean {digits(load['mean_per_s'] / size)}, peak {digits(load['peak_per_s'] / size)} {unit}, {limit}"


def draw(data: FigureData, figure: FigureBase) -> FigureBase:
    """Draw both panels into *figure* (a Figure or SubFigure) and return it."""
    panels = style.axes_of(figure, 2)
    for ax, kind in zip(panels, _PANELS, strict=True):
        _panel(ax, data, kind)
    time_axis(panels[0], data.notes["end_s"], label=False)
    time_axis(panels[1], data.notes["end_s"])
    figure.align_ylabels(panels)
    return figure


def _panel(ax: Axes, data: FigureData, kind: str) -> None:
    unit, size, _ = _PANELS[kind]
    load = data.notes[kind]
    time = data.columns["time_s"]
    offered = data.columns[f"offered_{kind}_per_s"] / size
    low, high = (data.columns[f"offered_{kind}_per_s_ci_{side}"] / size for side in ("low", "high"))
    rejected = data.columns[f"rejected_{kind}_per_s"] / size
    edges = np.append(time, data.notes["end_s"])
    ax.stairs(offered, edges, baseline=None, color=BLUE, lw=style.line_width(1.4), label="offered", zorder=4)
    if np.isfinite(low).any():
        ax.fill_between(edges, _closed(low), _closed(high), step="post", color=BLUE, alpha=0.22, lw=0, zorder=2)
    if np.nansum(rejected) > 0:
        ax.fill_between(
            edges,
            _closed(offered - rejected),
            _closed(offered),
            step="post",
            facecolor="#F6D5C0",
            edgecolor=VERMILION,
            hatch="//////",
            lw=0,
            zorder=3,
            label="rejected",
        )
    peak = float(np.nanmax(np.append(high, offered))) if np.isfinite(offered).any() else 0.0
    limit = load["limit_per_s"] / size if load["limit_per_s"] else None
    top = peak * 1.28
    if limit is not None and peak >= limit * SHOW_LIMIT_ABOVE:
        top = max(top, limit * 1.22)
        _capacity(ax, limit, f"limit {digits(limit)} {unit}")
    elif limit is not None:
        _corner(ax, f"limit {digits(limit)} {unit}, far above")
    amount_axis(ax, top, unit)
    if load["peak_per_s"]:
        _mark_peak(ax, load["peak_at_s"], load["peak_per_s"] / size, unit, data, limit)


def _closed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with the last one repeated, for steps that reach the right edge."""
    return np.append(values, values[-1:])


def _capacity(ax: Axes, limit: float, text: str) -> None:
    ax.axhline(limit, color=INK, ls=(0, (8, 2, 1.5, 2)), lw=style.line_width(1.1), zorder=3)
    ax.annotate(
        text,
        (0.994, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        color=INK,
        ha="right",
        va="bottom",
        fontsize="small",
        zorder=6,
    )


def _corner(ax: Axes, text: str) -> None:
    ax.annotate(
        text,
        (0.994, 0.98),
        xycoords="axes fraction",
        color=INK,
        ha="right",
        va="top",
        fontsize="small",
        bbox=HALO,
        zorder=6,
    )


def _mark_peak(ax: Axes, at_s: float, value: float, unit: str, data: FigureData, limit: float | None) -> None:
    """A dot on the busiest minute with its size, written to the side that has room."""
    bin_s, end_s = data.notes["bin_s"], data.notes["end_s"]
    x = min((at_s // bin_s + 0.5) * bin_s, end_s)
    y = float(data.columns[f"offered_{'bytes' if unit == 'MB/s' else 'records'}_per_s"][int(at_s // bin_s)])
    y /= _PANELS["bytes" if unit == "MB/s" else "records"][1]
    ax.plot([x], [y], "o", color=BLUE, ms=4.5, mec="white", mew=0.8, zorder=5)
    right = x > 0.6 * end_s
    text = f"peak {digits(value)} {unit}"
    ax.annotate(
        text,
        (x, y),
        xytext=(-7 if right else 7, 4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        fontsize="small",
        color=BLUE,
        bbox=HALO,
        zorder=6,
    )
