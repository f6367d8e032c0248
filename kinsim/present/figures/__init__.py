"""Figures for a design review: each takes prepared numbers and a figure, and returns the figure.

`render` draws one with its finding on top and its origin below; `save` writes it in
bytes that depend on nothing but its numbers and matplotlib's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from kinsim.measure.figure_data import FigureData
from kinsim.present.figures import age_against_shards, iterator_age, offered_load, shard_heat_map
from kinsim.present.figures.style import SIZES, Footer, Words, furnish, new_figure, styled

DRAWN: dict[str, ModuleType] = {
    "offered_load": offered_load,
    "iterator_age": iterator_age,
    "age_against_shards": age_against_shards,
    "shard_heat_map": shard_heat_map,
}

FORMATS = ("svg", "png", "pdf")
PNG_DPI = 200


def words(data: FigureData) -> Words:
    """Title, subtitle and alt text of the figure that shows *data*."""
    result: Words = DRAWN[data.name].words(data)
    return result


def render(data: FigureData, footer: Footer, size: str = "slide") -> Figure:
    """The figure that shows *data*, titled with its finding."""
    with styled(SIZES[size]):
        figure = new_figure(SIZES[size])
        furnish(figure, words(data), footer, SIZES[size])
        DRAWN[data.name].draw(data, figure)
        figure.draw_without_rendering()
        _settle(figure)
    return figure


def _settle(figure: Figure) -> None:
    """Fix the layout, rounded: the solver's last digits differ from run to run, and file names of clips hold them."""
    figure.set_layout_engine("none")
    for ax in figure.axes:
        for which in ("original", "active"):
            place = ax.get_position(original=which == "original")
            left, bottom, width, height = (round(float(x), 6) for x in place.bounds)
            ax.set_position((left, bottom, width, height), which=which)


def save(data: FigureData, footer: Footer, paths: Path | Sequence[Path], size: str = "slide") -> None:
    """Write the figure to each of *paths*; their endings give the formats."""
    figure = render(data, footer, size)
    with styled(SIZES[size]), rc_context({"svg.hashsalt": "kinsim", "svg.id": data.stem.replace("_", "-")}):
        for path in [paths] if isinstance(paths, Path) else paths:
            kind = path.suffix.lstrip(".")
            figure.savefig(path, format=kind, dpi=PNG_DPI, metadata=_metadata(kind, data, footer))


def _metadata(kind: str, data: FigureData, footer: Footer) -> dict[str, Any]:
    """What the file says about itself; no dates, so that the same figure has the same bytes."""
    text = words(data)
    if kind == "svg":
        return {"Date": None, "Creator": f"kinsim {footer.version}", "Title": text.title, "Description": text.alt}
    if kind == "pdf":
        return {"CreationDate": None, "Producer": None, "Creator": f"kinsim {footer.version}", "Title": text.title}
    return {"Software": f"kinsim {footer.version}", "Title": text.title, "Description": text.alt, "Source": str(footer)}
