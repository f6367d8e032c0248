"""Figures of results in Python: `result.plot.iterator_age()` returns a matplotlib Figure and shows nothing."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kinsim.errors import KinsimError, ResultError
from kinsim.measure import figure_data
from kinsim.measure.figure_data import FigureData
from kinsim.present import figures
from kinsim.present.figures import stored
from kinsim.present.figures.style import SIZES, Footer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kinsim.experiment.result import Result
    from kinsim.experiment.sweep import SweepResult


class RunPlots:
    """Figures 1, 2 and 8 of a run.  *size* is slide, paper, column or wide."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def offered_load(self, size: str = "slide") -> Figure:
        """Figure 1: offered load and capacity."""
        return self._render("offered_load", size)

    def iterator_age(self, size: str = "slide") -> Figure:
        """Figure 2: iterator age over time."""
        return self._render("iterator_age", size)

    def shard_heat_map(self, size: str = "slide") -> Figure:
        """Figure 8: write utilization (without a limit: iterator age) by shard and time."""
        return self._render("shard_heat_map", size)

    @property
    def data(self) -> dict[str, FigureData]:
        """The numbers behind each figure, by its name."""
        return self._numbers[0]

    @cached_property
    def _numbers(self) -> tuple[dict[str, FigureData], Footer]:
        from kinsim.present.run_files import footer_of

        summary = self._result.summary()
        found = figure_data.of_run(self._result.scenario, self._result.replications, summary)
        return {figure.name: figure for figure in found}, footer_of(summary)

    def _render(self, name: str, size: str) -> Figure:
        data, footer = self._numbers
        if name not in data:
            raise ResultError(f"{name}: this result has {', '.join(data) or 'no figures'}")
        return figures.render(data[name], footer, checked(size))

    def __repr__(self) -> str:
        return "<plots: offered_load(), iterator_age(), shard_heat_map()>"


class StoredRunPlots(RunPlots):
    """The same from the numbers in the folder of a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _numbers(self) -> tuple[dict[str, FigureData], Footer]:
        data, footer = stored.load(self._folder / "figures")
        return {figure.name: figure for figure in data}, footer


class SweepPlots:
    """Figure 4 of a sweep."""

    def __init__(self, result: SweepResult) -> None:
        self._result = result

    def age_against_shards(self, metric: str | None = None, size: str = "slide") -> Figure:
        """Figure 4: a latency or age against the number of shards; *metric* is `NAME.STATISTIC` or an SLO's name."""
        from kinsim.present.sweep_files import footer

        return figures.render(self._result.age_against_shards(metric), footer(self._result), checked(size))

    def __repr__(self) -> str:
        return "<plots: age_against_shards()>"


def checked(size: str) -> str:
    """*size*, if there is such a size."""
    if size not in SIZES:
        raise KinsimError(f"size {size!r} is not known; any of {', '.join(SIZES)}")
    return size
