"""Where a word beside a point has room: clear of curves, lines, other words and the edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import font_scalings
from numpy.typing import ArrayLike, NDArray

from kinsim.present.figures.style import line_width

_PLACES = [
    (side * x, up * y) for y in (24, 34, 14, 46, 60, 80) for x in (10, 26, 46) for up in (1, -1) for side in (1, -1)
]
"""Offsets that are tried, best first, in points of a slide."""


class Box(NamedTuple):
    """A rectangle in points from the lower left corner of the axes."""

    left: float
    low: float
    right: float
    high: float

    def grown(self, points: float) -> Box:
        """The same with a margin on all sides."""
        return Box(self.left - points, self.low - points, self.right + points, self.high + points)

    def holds(self, spots: NDArray[np.float64]) -> int:
        """How many of *spots*, (x, y) in rows, lie inside."""
        x, y = spots[:, 0], spots[:, 1]
        return int(((x > self.left) & (x < self.right) & (y > self.low) & (y < self.high)).sum())

    def overlaps(self, other: Box) -> bool:
        """
        >>> Box(0, 0, 4, 4).overlaps(Box(3, 3, 9, 9)), Box(0, 0, 4, 4).overlaps(Box(4, 0, 9, 9))
        (True, False)
        """
        return self.left < other.right and other.left < self.right and self.low < other.high and other.low < self.high


@dataclass
class Room:
    """What an axes holds, as far as words must keep clear of it; its size is that before the layout."""

    ax: Axes
    width: float
    height: float
    spots: list[NDArray[np.float64]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    @classmethod
    def of(cls, ax: Axes) -> Room:
        """The room of *ax*, empty: what the figure's words leave of its height, less the labels of the axes."""
        figure = ax.figure.get_figure(root=True)
        width, height = figure.get_size_inches() * 72
        engine = figure.get_layout_engine()
        share = (engine.get().get("rect") if engine is not None else None) or (0.0, 0.0, 1.0, 0.8)
        font = float(matplotlib.rcParams["font.size"])
        return cls(ax, share[2] * width - 8 * font, share[3] * height - 4.5 * font)

    def at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Data as points from the lower left corner, (x, y) in rows."""
        data = np.column_stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(float)
        shares = self.ax.transAxes.inverted().transform(self.ax.transData.transform(data))
        return np.asarray(shares * [self.width, self.height])

    def line(self, x: ArrayLike, y: ArrayLike, every_pt: float = 3.0) -> None:
        """Keep clear of a line through data, the more the denser its spots."""
        corners = self.at(x, y)
        corners[:, 1] = np.clip(corners[:, 1], -1, self.height + 1)
        for first, last in pairwise(corners):
            steps = max(2, int(np.hypot(*(last - first)) / every_pt))
            self.spots.append(first + np.linspace(0, 1, steps)[:, None] * (last - first))

    def dots(self, x: ArrayLike, y: ArrayLike, radius: float) -> None:
        """Keep clear of markers at data."""
        around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = radius * np.column_stack([np.cos(around), np.sin(around)])
        self.spots.append((self.at(x, y)[:, None, :] + ring).reshape(-1, 2))

    def box(self, text: str, x: float, y: float, size: str, ha: str, va: str, upright: bool = False) -> Box:
        """About what *text* takes that is anchored at *x* and *y* points."""
        font = matplotlib.rcParams["font.size"] * font_scalings[size]
        width, height = (1.3 * font, 0.56 * font * len(text)) if upright else (0.56 * font * len(text), 1.3 * font)
        left = {"left": x, "center": x - width / 2, "right": x - width}[ha]
        low = {"bottom": y, "center": y - height / 2, "top": y - height}[va]
        return Box(left, low, left + width, low + height)

    def cost(self, box: Box) -> float:
        """How much of what is drawn lies under *box*, and how far it sticks out."""
        under = sum(box.grown(2).holds(spots) for spots in self.spots)
        words = sum(box.grown(2).overlaps(other) for other in self.boxes)
        out = max(0.0, -box.left, -box.low, box.right - self.width, box.high - self.height)
        return under + 40.0 * words + (100.0 + out if out else 0.0)

    def beside(self, text: str, x: float, y: float, size: str) -> tuple[float, float]:
        """Offset in points of the anchor of *text* from the data point (x, y), where it covers least; it is taken."""
        ((at_x, at_y),) = self.at(x, y)

        def box(place: tuple[float, float]) -> Box:
            ha, va = "left" if place[0] > 0 else "right", "bottom" if place[1] > 0 else "top"
            return self.box(text, at_x + place[0], at_y + place[1], size, ha, va)

        places = [(line_width(side), line_width(up)) for side, up in _PLACES]
        best = min(places, key=lambda place: self.cost(box(place)))
        self.boxes.append(box(best))
        return best
