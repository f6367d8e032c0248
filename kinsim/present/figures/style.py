"""What all figures share: colours, sizes, the finding on top, the footer below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

# Okabe and Ito's colours, told apart by colour-blind readers; line style or marker says the same in grey.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, GREY, PALE = "#222222", "#6B6B6B", "#D9D9D9"

SERIES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"))
"""Colour, line style and marker of the first four series; each is enough by itself."""

RASTERIZE_ABOVE = 2_000
"""Artists with more markers than this become pixels, also in SVG and PDF."""


class Size(NamedTuple):
    """Width and height in inches, and the base font size in points."""

    width: float
    height: float
    font: float


SIZES = {
    "slide": Size(10.0, 5.6, 11.0),
    "paper": Size(7.2, 4.4, 8.5),
    "column": Size(3.5, 3.1, 6.5),
    "wide": Size(13.3, 5.0, 11.0),
}

STYLE_FILE = Path(__file__).resolve().parent.parent / "kinsim.mplstyle"


@dataclass(frozen=True)
class Footer:
    """What makes a figure traceable."""

    name: str
    config_hash: str
    seed: int
    replications: int
    version: str

    def __str__(self) -> str:
        n = f"{self.replications} replication" + ("s" if self.replications != 1 else "")
        return f"{self.name} · config {self.config_hash[:8]} · seed {self.seed} · {n} · kinsim {self.version}"


@dataclass(frozen=True)
class Words:
    """The text of a figure: its finding, what it shows, and the same for those who cannot see it."""

    title: str
    subtitle: str
    alt: str


@contextmanager
def styled(size: Size) -> Iterator[None]:
    """kinsim's style and nothing of the user's own matplotlib settings."""
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in _LEFT_ALONE}
    with matplotlib.rc_context(defaults):
        matplotlib.rcParams.update(_style())
        matplotlib.rcParams.update(
            {
                "font.size": size.font,
                "axes.labelsize": size.font * 0.95,
                "xtick.labelsize": size.font * 0.9,
                "ytick.labelsize": size.font * 0.9,
                "lines.linewidth": 1.6 * size.font / 11,
            }
        )
        yield


@cache
def _style() -> Any:
    return matplotlib.rc_params_from_file(STYLE_FILE, use_default_template=False)


_LEFT_ALONE = {"backend", "interactive", "toolbar", "timezone", "date.epoch", "webagg.port", "webagg.address"}


def new_figure(size: Size) -> Figure:
    """An empty figure that matplotlib lays out by constraints; pyplot never hears of it."""
    return Figure(figsize=(size.width, size.height), layout="constrained")


def furnish(figure: Figure, words: Words, footer: Footer, size: Size) -> None:
    """Write title, subtitle and footer, and keep the axes out of their way."""
    font = size.font
    title_size, subtitle_size, footer_size = font * 1.3, font * 0.95, max(5.0, min(6.0, font * 0.65))
    title = _wrap(words.title, size.width, title_size, bold=True)
    subtitle = _wrap(words.subtitle, size.width, subtitle_size)
    left, top = 0.012 * 10 / size.width, 1 - 0.10 / size.height
    shared: dict[str, Any] = {"ha": "left", "va": "top", "transform": figure.transFigure}
    figure.text(left, top, title, fontsize=title_size, fontweight="bold", color=INK, linespacing=1.15, **shared)
    below = top - _height(title, title_size) / size.height
    figure.text(left, below, subtitle, fontsize=subtitle_size, color=GREY, linespacing=1.2, **shared)
    ceiling = below - (_height(subtitle, subtitle_size) + 0.06) / size.height
    note = _wrap(str(footer), size.width, footer_size)
    figure.text(left, 0.05 / size.height, note, fontsize=footer_size, color="#8A8A8A", ha="left", va="bottom")
    floor = (0.10 + _height(note, footer_size)) / size.height
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.005, floor, 0.99, ceiling - floor), w_pad=0.06, h_pad=0.05)  # type: ignore[call-arg]


_WITH_UNIT = re.compile(r"(\d) (ms|s|min|h|d|%|[kMG]?B|shards?|records?)(?!\w)", re.ASCII)
"""A number and its unit stay on one line."""


def _wrap(text: str, width_in: float, points: float, bold: bool = False) -> str:
    """*text* broken into lines of about equal length that fit a figure *width_in* inches wide."""
    text = _WITH_UNIT.sub("\\1\u00a0\\2", text)
    room = (width_in - 0.26) * 72 / points
    lines = _fill(text, room, bold)
    if len(lines) > 1:
        narrower = room
        while narrower > room / 2 and len(closer := _fill(text, narrower * 0.96, bold)) == len(lines):
            lines, narrower = closer, narrower * 0.96
    return "\n".join(lines)


def _fill(text: str, room: float, bold: bool) -> list[str]:
    """Lines of *text* no wider than *room* times the font size."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=4_096)
def _text_width(text: str, bold: bool) -> float:
    """Width of *text* in multiples of the font size."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    outline = TextPath((0, 0), text, size=100, prop=font).vertices
    return float(outline[:, 0].max()) / 100 if len(outline) else 0.0


def _height(text: str, points: float) -> float:
    """Inches that the lines of *text* take."""
    return (text.count("\n") + 1) * points * 1.28 / 72


def limit_line(ax: Axes, value: float, label: str, *, axis: str = "y", at: str = "left", below: bool = False) -> None:
    """An SLO: dashed vermilion, its value written on it."""
    if axis == "x":
        ax.axvline(value, color=VERMILION, ls=(0, (5, 2.5)), lw=line_width(1.4), zorder=3)
        ax.annotate(
            label,
            (value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            color=VERMILION,
            va="top",
            ha="left",
            fontsize="small",
            bbox=HALO,
            zorder=6,
        )
        return
    ax.axhline(value, color=VERMILION, ls=(0, (5, 2.5)), lw=line_width(1.4), zorder=3)
    x, side = (0.006, "left") if at == "left" else (0.994, "right")
    ax.annotate(
        label,
        (x, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3 if below else 3),
        textcoords="offset points",
        color=VERMILION,
        va="top" if below else "bottom",
        ha=side,
        fontsize="small",
        bbox=HALO,
        zorder=6,
    )


HALO = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def line_width(points: float) -> float:
    """*points* as on a slide, thinner where the font is smaller."""
    return points * float(matplotlib.rcParams["font.size"]) / SIZES["slide"].font


def middle(at_s: float, bin_s: float, end_s: float) -> float:
    """Middle of the time bin that holds *at_s*; the last one may be cut short.

    >>> middle(65, 60, 3_600), middle(0, 60, 20)
    (90.0, 10.0)
    """
    start = at_s // bin_s * bin_s
    return float(start + min(start + bin_s, max(end_s, start))) / 2


def label_ends(ax: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Name series at the right edge instead of in a legend: (last value, text, colour), kept apart."""
    to_axes = ax.transData + ax.transAxes.inverted()
    spots = [[float(to_axes.transform((ax.get_xlim()[1], value))[1]), text, colour] for value, text, colour in ends]
    place = ax.get_subplotspec()
    panels = place.get_gridspec().nrows if place is not None else 1
    height_pt = ax.figure.get_figure(root=True).get_size_inches()[1] * 72 * 0.62 / panels
    gap = 1.2 * matplotlib.rcParams["font.size"] / height_pt
    for y, text, colour in spread(spots, gap):
        ax.annotate(
            text,
            (1, y),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            ha="left",
            fontsize="small",
            annotation_clip=False,
        )


def spread(spots: list[list[Any]], gap: float) -> list[list[Any]]:
    """Move (position, …) apart until neighbours are *gap* apart, each group about its own middle.

    >>> spread([[0.5, "a"], [0.5, "b"], [0.9, "c"]], 0.1)
    [[0.45, 'a'], [0.55, 'b'], [0.9, 'c']]
    """
    groups: list[list[list[Any]]] = []
    for spot in sorted(spots, key=lambda spot: float(spot[0])):
        groups.append([spot])
        while len(groups) > 1 and _low(groups[-1], gap) - _high(groups[-2], gap) < gap - 1e-12:
            last = groups.pop()
            groups[-1].extend(last)
    return [
        [round(_low(group, gap) + place * gap, 12), *spot[1:]] for group in groups for place, spot in enumerate(group)
    ]


def _low(group: list[list[Any]], gap: float) -> float:
    return float(sum(float(spot[0]) for spot in group) / len(group)) - gap * (len(group) - 1) / 2


def _high(group: list[list[Any]], gap: float) -> float:
    return _low(group, gap) + gap * (len(group) - 1)


def axes_of(figure: FigureBase, rows: int = 1) -> list[Axes]:
    """*rows* panels one above the other, sharing their time axis."""
    panels = figure.subplots(rows, 1, squeeze=False, sharex=True)
    return list(panels[:, 0])
