"""Figure 4: what it says of single runs, and that its words stand where they can be read."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from kinsim.measure import figure_data
from kinsim.measure.figure_data import FigureData
from kinsim.present import figures

METRIC = "iterator_age_max_s"


def data(
    values: dict[int, float], *, limit: float | None = 60.0, runs: int = 5, kept: list[int] | None = None,
    present: int | None = None, bounds: dict[str, float] | None = None, width: float = 0.1,
) -> FigureData:  # fmt: skip
    """Values by number of shards; intervals of ±10 %, single runs of ±20 %."""
    points = [
        {"shards": n, "series": "", "value": v, "ci_low": v * (1 - width), "ci_high": v * (1 + width),
         "status": "none" if limit is None else "met" if v < limit else "missed"}
        for n, v in values.items()
    ]  # fmt: skip
    found = figure_data.age_against_shards(
        points, metric="iterator_age_max", limit=limit, present=present, bounds=bounds or {}
    )
    each = np.array(list(values.values()))
    more: dict[str, Any] = {f"{METRIC}_lowest_run": each * 0.8, f"{METRIC}_highest_run": each * 1.2}
    if kept is not None:
        more["kept_by"] = np.array(kept)
    return replace(found, columns={**found.columns, **more}, notes={**found.notes, "replications": runs})


def drawn(shown: FigureData, footer: Any, size: str = "slide") -> Axes:
    """The panel after its layout."""
    figure = figures.render(shown, footer, size)
    FigureCanvasAgg(figure).draw()
    return figure.axes[0]


FALLING = {1: 900.0, 2: 150.0, 4: 62.0, 5: 50.0, 8: 22.0, 16: 10.0}


def test_the_range_of_single_runs_is_drawn_beside_the_interval_of_the_mean(footer):
    shown = data(FALLING)
    assert "mean of 5 runs with its confidence interval; thin: from the lowest to the highest run" in (
        figures.words(shown).subtitle
    )
    lines = [c for c in drawn(shown, footer).collections if isinstance(c, LineCollection)]
    spans = {tuple(segment[:, 1].round(6)) for c in lines for segment in c.get_segments() if len(segment) == 2}
    for value in FALLING.values():
        assert (round(value * 0.8, 6), round(value * 1.2, 6)) in spans
        assert (round(value * 0.9, 6), round(value * 1.1, 6)) in spans


def test_numbers_of_an_earlier_version_have_no_range(footer):
    found = data(FALLING)
    columns = {name: values for name, values in found.columns.items() if "_run" not in name}
    old = replace(found, columns=columns, notes={k: v for k, v in found.notes.items() if k != "replications"})
    assert "thin" not in figures.words(old).subtitle
    assert "with its confidence interval over replications" in figures.words(old).subtitle
    drawn(old, footer)


def test_the_title_says_how_many_runs_keep_the_limit():
    some, all_of_them = data(FALLING, kept=[0, 0, 2, 4, 5, 5]), data(FALLING, kept=[0, 0, 2, 5, 5, 5])
    start = "5 shards hold the maximum of IteratorAge at 50 s; with 4 it is 62 s "
    assert figures.words(some).title == start + "(limit 60 s, kept by 4 of 5 runs)"
    assert figures.words(all_of_them).title == start + "(limit 60 s)"


@pytest.mark.parametrize(
    ("shown", "end"),
    [
        (data(FALLING, runs=1), "(limit 60 s, one run)"),
        (data(FALLING, runs=1, limit=None), "(one run)"),
        (data({1: 90.0, 2: 80.0}, runs=1), "2 give 80 s in one run"),
    ],
)
def test_one_run_is_called_one_run(shown, end):
    columns = dict(shown.columns)
    for side in ("low", "high"):
        columns[f"{METRIC}_ci_{side}"] = np.full(len(columns["shard_count"]), np.nan)
    found = figures.words(replace(shown, columns=columns))
    assert found.title.endswith(end)
    assert "one run a point, so without an interval" in found.subtitle


def test_a_log_axis_has_no_zero_and_one_with_a_zero_says_where_it_ends(footer):
    ax = drawn(data(FALLING), footer)
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "maximum of IteratorAge (log scale)")
    assert 0 < ax.get_ylim()[0] < 8.0
    assert ax.get_yticklabels()[0].get_text() != "0"
    zero = drawn(data({**FALLING, 32: 0.0}), footer)
    assert zero.get_ylim()[0] == 0
    assert " ".join(zero.get_ylabel().split()) == "maximum of IteratorAge (log scale above 10 s)"


def test_the_base_scenario_has_a_tick_and_its_number(footer):
    ax = drawn(data({1: 900.0, 50: 30.0, 100: 10.0}, present=49), footer)
    assert "49" in [tick.get_text() for tick in ax.get_xticklabels()]
    assert ax.get_xlabel() == "shards (base scenario: 49)"
    assert drawn(data(FALLING), footer).get_xlabel() == "shards"


def test_a_half_filled_marker_is_large_enough_to_look_so(footer):
    shown = data(FALLING)
    shown.columns["status"][2] = "undecided"
    (half,) = [line for line in drawn(shown, footer, "column").lines if line.get_fillstyle() == "left"]
    assert half.get_markersize() >= 5
    assert half.get_markeredgewidth() < half.get_markersize() / 5
    assert half.get_markerfacecoloralt() == "white"


SHAPES = {
    "falling": FALLING,
    "flat and low": {1: 3.0, 2: 1.2, 3: 1.1, 4: 1.0},
    "just enough at the end": {1: 900.0, 2: 300.0, 3: 100.0, 4: 59.0},
    "steep": {1: 5_000.0, 2: 20.0, 3: 19.0, 4: 18.0, 40: 0.9},
    "a single point": {4: 50.0},
}


@pytest.mark.parametrize("size", ["slide", "column", "wide"])
@pytest.mark.parametrize("shape", SHAPES)
def test_words_are_clear_of_the_curve_the_limit_and_the_edge(shape, size, footer):
    values = SHAPES[shape]
    ax = drawn(data(values, bounds={"bytes": 1, "consumer speed": 2}), footer, size)
    (text,) = [t for t in ax.texts if t.get_text().startswith("smallest sufficient")]
    box = Text.get_window_extent(text)  # without its arrow
    corners = ax.transData.transform(list(values.items()))
    curve = [spot for first, last in pairwise(corners) for spot in np.linspace(first, last, 100)] or corners
    assert not any(box.contains(x, y) for x, y in curve)
    level = ax.transData.transform((1, 60.0))[1]
    assert not box.y0 < level < box.y1
    whole = ax.get_window_extent()
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1
    assert whole.y0 <= box.y0
    assert box.y1 <= whole.y1


def test_a_bound_whose_name_the_limit_crosses_stands_before_the_line(footer):
    ax = drawn(data(FALLING, bounds={"bytes": 1}), footer)
    (bound,) = [t for t in ax.texts if t.get_text() == "≥ 1 by bytes"]
    (limit,) = [
        line for line in ax.lines if line.get_linestyle() == "--" and line.get_color() == figures.style.VERMILION
    ]
    assert bound.get_zorder() > limit.get_zorder()
    assert bound.get_bbox_patch() is not None


@pytest.mark.parametrize("size", ["slide", "column"])
def test_words_are_clear_of_each_other(size, footer):
    shown = data({**FALLING, 32: 0.0}, bounds={"bytes": 1, "consumer speed": 12}, kept=[0, 0, 0, 4, 5, 5, 5])
    boxes = [Text.get_window_extent(text) for text in drawn(shown, footer, size).texts]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_a_map_calls_its_marks_by_their_colour(make):
    subtitle = figures.words(make["shard_heat_map"]()).subtitle
    assert subtitle.endswith("; orange bars: records rejected")
