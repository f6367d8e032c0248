"""Figure 1: offered load against what the stream takes."""

from __future__ import annotations

from typing import Any

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
PEAK, PEAK_INK = "#56B4E9", "#1F7DB0"
SHOW_LIMIT_ABOVE = 0.1
"""Share of the limit that the peak must reach for the limit to be drawn to scale."""


def words(data: FigureData) -> Words:
    """The finding, what is drawn, and both for those who cannot see it."""
    notes = data.notes
    subtitle = (
        f"Offered load in MB/s (above) and records/s (below): mean and busiest second of each {period(notes['bin_s'])}"
    )
    subtitle += "; rejected part hatched" if _rejected(notes) else ""
    subtitle += "; limits of run {} of {}".format(*notes["shards_of_run"]) if "shards_of_run" in notes else ""
    title = _finding(notes)
    return Words(
        title, subtitle, f"{title}. {subtitle}. {'; '.join(_describe(kind, notes[kind]) for kind in _PANELS)}."
    )


def _rejected(notes: dict[str, Any]) -> float:
    return float(notes["records"]["rejected_share"])


def _finding(notes: dict[str, Any]) -> str:
    counts = sorted({count for _, count in notes.get("open_shards", ())} or {notes["shard_count"]})
    shards = f"{' to '.join(map(str, [*counts[:1], *counts[1:][-1:]]))} shard{'s' if counts != [1] else ''}"
    busiest = notes["records"]["busiest"]
    if busiest is None or not busiest["value"]:
        return "Nothing is offered to the stream"
    shares = {
        kind: notes[kind]["busiest"]["value"] / notes[kind]["limit_per_s"]
        for kind in _PANELS
        if notes[kind]["limit_per_s"]
    }
    if not shares:
        return f"The load peaks at {digits(busiest['value'])} records/s; no write limit applies"
    binding = max(shares, key=lambda kind: shares[kind])
    share, name = f"{digits(shares[binding] * 100, 2)} %", _PANELS[binding][2]
    if not _rejected(notes):
        plural = "s" if counts == [1] else ""
        return f"{shards} take{plural} the load: the busiest second uses {share} of the {name} limit"
    lost = f"{digits(_rejected(notes) * 100, 2)} % of what is offered to {shards} is rejected"
    if shares[binding] > 1:
        return f"{lost}: the busiest second asks for {share} of the {name} limit"
    return f"{lost}: single shards pass the {name} limit, all together use {share} of it at most"


def _describe(kind: str, load: dict[str, Any]) -> str:
    unit, size, _ = _PANELS[kind]
    limit = f"limit {digits(load['limit_per_s'] / size)} {unit}" if load["limit_per_s"] else "no limit"
    peak = load["busiest"]["value"] if load["busiest"] else 0.0
    return f"{kind}: mean {digits(load['mean_per_s'] / size)}, busiest second {digits(peak / size)} {unit}, {limit}"


def draw(data: FigureData, figure: FigureBase) -> FigureBase:
    """Draw both panels into *figure* (a Figure or SubFigure) and return it."""
    panels = style.axes_of(figure, 2)
    for ax, kind in zip(panels, _PANELS, strict=True):
        time_axis(ax, data.notes["end_s"], label=ax is panels[-1])
        _panel(ax, data, kind)
    figure.align_ylabels(panels)
    return figure


def _panel(ax: Axes, data: FigureData, kind: str) -> None:
    unit, size, _ = _PANELS[kind]
    load = data.notes[kind]
    mean, low, high, rejected, busiest = (
        data.columns[name] / size
        for name in (
            f"offered_{kind}_per_s",
            f"offered_{kind}_per_s_ci_low",
            f"offered_{kind}_per_s_ci_high",
            f"rejected_{kind}_per_s",
            f"busiest_second_{kind}",
        )
    )
    edges = np.append(data.columns["time_s"], data.notes["end_s"])
    _axis(ax, load, unit, size, data.notes["end_s"])
    ax.stairs(busiest, edges, baseline=None, color=PEAK, lw=style.line_width(1.0), zorder=3)
    ax.stairs(mean, edges, baseline=None, color=BLUE, lw=style.line_width(1.5), zorder=5)
    if np.isfinite(low).any():
        ax.fill_between(edges, _closed(low), _closed(high), step="post", color=BLUE, alpha=0.22, lw=0, zorder=2)
    if np.nansum(rejected) > 0:
        ax.fill_between(
            edges, _closed(mean - rejected), _closed(mean), step="post", facecolor="#F6D5C0", edgecolor=VERMILION,
            hatch="//////", lw=0, zorder=4,
        )  # fmt: skip
    _mark_peak(ax, data, kind, unit, size)
    if np.isfinite(mean).any():
        style.label_ends(ax, [(_last(mean), "mean", BLUE)])


def _axis(ax: Axes, load: dict[str, Any], unit: str, size: float, end_s: float) -> None:
    """The amount axis, with the limit to scale where the load comes near it."""
    peak = (load["busiest"]["value"] if load["busiest"] else 0.0) / size
    limit = load["limit_per_s"] / size if load["limit_per_s"] else None
    if "limit_steps" in load:
        limits = np.array([limit for _, limit in load["limit_steps"]]) / size
        _limit_in_steps(ax, limits, [*(since_s for since_s, _ in load["limit_steps"]), end_s], unit)
        amount_axis(ax, max(peak * 1.3, float(limits.max()) * 1.22), unit)
        return
    top = peak * (1.3 if limit is None or peak >= limit * SHOW_LIMIT_ABOVE else 1.6)
    if limit is not None and peak >= limit * SHOW_LIMIT_ABOVE:
        top = max(top, limit * 1.22)
        ax.axhline(limit, color=INK, ls=(0, (8, 2, 1.5, 2)), lw=style.line_width(1.1), zorder=3)
        _note(ax, f"limit {digits(limit)} {unit}", (0.994, limit), "bottom", ("axes fraction", "data"))
    elif limit is not None:
        _note(ax, f"limit {digits(limit)} {unit}, far above", (0.994, 0.98), "top", "axes fraction")
    amount_axis(ax, top, unit)


def _limit_in_steps(ax: Axes, limits: NDArray[np.float64], edges: list[float], unit: str) -> None:
    """The limit of the shards that are open at each time."""
    ax.stairs(limits, edges, baseline=None, color=INK, ls=(0, (8, 2, 1.5, 2)), lw=style.line_width(1.1), zorder=3)
    _note(ax, f"limit {digits(limits[-1])} {unit}", (0.994, limits[-1]), "bottom", ("axes fraction", "data"))


def _note(ax: Axes, text: str, at: tuple[float, float], side: str, coordinates: Any) -> None:
    ax.annotate(
        text, at, xycoords=coordinates, xytext=(0, 2 if side == "bottom" else 0), textcoords="offset points", color=INK,
        ha="right", va=side, fontsize="small", bbox=None if side == "bottom" else HALO, zorder=6,
    )  # fmt: skip


def _last(values: NDArray[np.float64]) -> float:
    return float(values[np.flatnonzero(np.isfinite(values))[-1]])


def _closed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with the last one repeated, for steps that reach the right edge."""
    return np.append(values, values[-1:])


def _mark_peak(ax: Axes, data: FigureData, kind: str, unit: str, size: float) -> None:
    """A dot on the busiest second with its size, written to the side that has room."""
    busiest = data.notes[kind]["busiest"]
    if busiest is None or not busiest["value"]:
        return
    bin_s, end_s = data.notes["bin_s"], data.notes["end_s"]
    x = style.middle(busiest["at_s"], bin_s, end_s)
    y = busiest["value"] / size
    ax.plot([x], [y], "o", color=PEAK, ms=style.line_width(4.5), mec="white", mew=0.8, zorder=5, clip_on=False)
    right = x > 0.6 * end_s
    ax.annotate(
        f"busiest second {digits(y)} {unit}", (x, y), xytext=(-7 if right else 7, 3), textcoords="offset points",
        ha="right" if right else "left", va="bottom", fontsize="small", color=PEAK_INK, bbox=HALO, zorder=6,
    )  # fmt: skip
