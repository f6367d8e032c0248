"""Figure 8: which shard is hot, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures.scales import age_ticks, time_axis
from kinsim.present.figures.style import GREY, HALO, INK, RASTERIZE_ABOVE, VERMILION, Words
from kinsim.present.format import digits, period, quantity

_EVEN_BELOW = 1.15
"""Peak-to-mean up to which shards count as evenly used."""
_TALL_ROWS = 24
"""Number of shards up to which a row has room for a word or a second mark."""
_NAMES = {"shard_write_utilization": "write utilization", "iterator_age_s": "IteratorAge"}


def words(data: FigureData) -> Words:
    """The finding, what is drawn, and both for those who cannot see it."""
    notes = data.notes
    kind = _NAMES[notes["quantity"]]
    how = "mean" if notes["quantity"] == "shard_write_utilization" else "maximum"
    subtitle = f"{kind[0].upper()}{kind[1:]} of each shard, {how} of each {period(notes['bin_s'])}"
    if notes["hottest"] is not None and len(notes["shards"]) > 1:
        subtitle += f"; peak to mean {digits(notes['peak_to_mean'])}, Gini {round(notes['gini'], 2):g}"
    if sum(notes.get("rejected_per_shard", [])):
        subtitle += "; orange bars: records rejected"
    if "shards_of_run" in notes:
        subtitle += "; run {} of {}".format(*notes["shards_of_run"])
    title = _finding(notes)
    return Words(title, subtitle, f"{title}. {subtitle}.")


def _finding(notes: dict[str, Any]) -> str:
    shards, hottest = notes["shards"], notes["hottest"]
    kind = _NAMES[notes["quantity"]]
    if not shards or hottest is None:
        return "No shard is in use"
    value = quantity(notes["per_shard"][hottest], _unit(notes))
    if len(shards) == 1:
        return f"The only shard has a mean {kind} of {value}"
    rejecting = sum(1 for x in notes.get("rejected_per_shard", []) if x > 0)
    lost = f"; {rejecting} of {len(shards)} shards reject records" if rejecting else ""
    if notes["peak_to_mean"] <= _EVEN_BELOW:
        mean = quantity(notes["mean"], _unit(notes))
        return f"The {len(shards)} shards share the load evenly: mean {kind} {mean}{lost}"
    times = digits(notes["peak_to_mean"], 2)
    return f"{_short(shards[hottest])} is the hottest: mean {kind} {value}, {times} times the average shard{lost}"


def _unit(notes: dict[str, Any]) -> str:
    return "1" if notes["quantity"] == "shard_write_utilization" else "s"


def _short(shard_id: str) -> str:
    """
    >>> _short("shardId-000000000003")
    'Shard 3'
    """
    number = shard_id.rsplit("-", 1)[-1]
    return f"Shard {int(number)}" if number.isdigit() else shard_id


def draw(data: FigureData, figure: FigureBase) -> FigureBase:
    """Draw map, totals and colour bar into *figure* (a Figure or SubFigure) and return it."""
    shards = len(data.notes["shards"])
    ax, side = figure.subplots(1, 2, width_ratios=[6, 1])
    if not shards:
        ax.annotate("no shard", (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
        side.set_axis_off()
        return figure
    mesh = _map(ax, data, shards)
    _totals(side, data, shards)
    _colour_bar(figure, mesh, [ax, side], data)
    return figure


def _map(ax: Axes, data: FigureData, shards: int) -> Any:
    values = data.columns[data.notes["quantity"]].reshape(shards, -1)
    bins = values.shape[1]
    edges = np.minimum(np.arange(bins + 1) * data.notes["bin_s"], max(data.notes["end_s"], 1e-9))
    mesh = ax.pcolormesh(
        edges,
        np.arange(shards + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap=colormaps["cividis"],
        norm=_norm(values, data),
        rasterized=True,
    )
    ax.grid(False)
    ax.set_facecolor("#F4F4F4")
    if "rejected_records" in data.columns:
        _rejections(ax, data, shards, edges)
    time_axis(ax, data.notes["end_s"])
    _shard_axis(ax, shards)
    ax.set_ylabel("shard")
    return mesh


def _norm(values: Any, data: FigureData) -> Normalize:
    finite = values[np.isfinite(values)]
    top = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    if data.notes["quantity"] == "iterator_age_s":
        low = float(finite[finite > 0].min()) if (finite > 0).any() else top / 10
        return LogNorm(max(low, top / 1e6), max(top, low * 10), clip=True)
    return Normalize(0.0, min(1.0, _round_up(top)) if top <= 1 else top)


def _round_up(share: float) -> float:
    """The next round share, so that the colour bar ends on one.

    >>> _round_up(0.58), _round_up(0.07)
    (0.6, 0.08)
    """
    steps = np.array([1, 1.5, 2, 3, 4, 5, 6, 8, 10])
    power = 10.0 ** np.floor(np.log10(share))
    return float(np.round(steps[np.searchsorted(steps, share / power - 1e-9)] * power, 12))


def _rejections(ax: Axes, data: FigureData, shards: int, edges: Any) -> None:
    """An orange bar in a shard's row for as long as it rejected records."""
    rejected = np.nan_to_num(data.columns["rejected_records"].reshape(shards, -1)) > 0
    bars = []
    for shard in np.flatnonzero(rejected.any(axis=1)):
        y = shard + (0.3 if shards <= _TALL_ROWS else 0.0)
        jumps = np.flatnonzero(np.diff(np.concatenate([[False], rejected[shard], [False]]).astype(int)))
        bars += [[(edges[a], y), (edges[b], y)] for a, b in zip(jumps[::2], jumps[1::2], strict=True)]
    width = float(np.clip(110 / shards, 1.0, 4.0))
    for colour, extra in (("white", 1.4 if shards <= _TALL_ROWS else 0.0), (VERMILION, 0.0)):
        ax.add_collection(
            LineCollection(
                bars,
                colors=colour,
                linewidths=width + extra,
                capstyle="butt",
                zorder=3,
                rasterized=len(bars) > RASTERIZE_ABOVE,
            ),
            autolim=False,
        )


def _shard_axis(ax: Axes, shards: int) -> None:
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000) if shards / s <= 16 or s == 1_000)
    ax.set_ylim(shards - 0.5, -0.5)
    ticks = list(range(0, shards, step))
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_formatter(FixedFormatter([str(t) for t in ticks]))


def _totals(ax: Axes, data: FigureData, shards: int) -> None:
    """Mean of each shard over the run, the hottest one named."""
    notes = data.notes
    scale = 100.0 if notes["quantity"] == "shard_write_utilization" else 1.0
    means = np.array(notes["per_shard"]) * scale
    colours = ["#9FB3C8"] * shards
    uneven = notes["peak_to_mean"] is not None and notes["peak_to_mean"] > _EVEN_BELOW
    if uneven:
        colours[notes["hottest"]] = VERMILION
    ax.barh(np.arange(shards), means, height=1.0 if shards > 40 else 0.8, color=colours, lw=0, rasterized=shards > 500)
    _shard_axis(ax, shards)
    ax.yaxis.set_major_locator(NullLocator())
    ax.grid(False)
    top = float(means.max()) if means.size else 0.0
    ax.set_xlim(0, top * 1.15 if top > 0 else 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: digits(float(value))))
    ax.set_xlabel("mean (%)" if scale == 100 else "mean (s)")
    if uneven and shards > 1:
        _name_hottest(ax, data, means, shards)


def _name_hottest(ax: Axes, data: FigureData, means: Any, shards: int) -> None:
    """Its name inside the bar where rows are tall, beside it where they are not."""
    place = data.notes["hottest"]
    late = place > shards * 0.85
    inside = shards <= _TALL_ROWS / 2
    ax.annotate(
        _short(data.notes["shards"][place]),
        (means[place], place),
        xytext=(-3, 0) if inside else (0, 4 if late else -4),
        textcoords="offset points",
        ha="right",
        va="center" if inside else "bottom" if late else "top",
        color="white" if inside else VERMILION,
        fontsize="small",
        zorder=6,
        bbox=None if inside else HALO,
    )


def _colour_bar(figure: FigureBase, mesh: Any, axes: list[Axes], data: FigureData) -> None:
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, fraction=0.035, aspect=28)
    bar.outline.set_visible(False)
    if data.notes["quantity"] == "shard_write_utilization":
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g}"))
        bar.set_label("write utilization (%)", color=INK)
        return
    low, high = mesh.norm.vmin, mesh.norm.vmax
    inside = age_ticks(low, high)
    bar.ax.yaxis.set_major_locator(FixedLocator([value for value, _ in inside]))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([text for _, text in inside]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label("IteratorAge", color=INK)
