"""Figures say what the numbers say: labels, limits, data as in the CSV, and the same bytes each time."""

from __future__ import annotations

import csv
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from kinsim.present import figures
from kinsim.present.figures import stored
from kinsim.present.figures.scales import age_floor, time_ticks

NAMES = ["age_against_shards", "iterator_age", "offered_load", "shard_heat_map"]


def texts(figure: Figure) -> str:
    found = [t.get_text() for t in figure.texts]
    for ax in figure.axes:
        found += [t.get_text() for t in ax.texts] + [ax.get_xlabel(), ax.get_ylabel()]
    return "\n".join(found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["slide", "column"])
def test_every_size_has_title_footer_and_axis_labels(name, size, footer, make):
    figure = figures.render(make[name](), footer, size)
    said = texts(figure)
    assert "config 7f3a9c21" in said
    assert "seed 20170601" in said
    assert "3 replications" in said
    assert " ".join(figures.words(make[name]()).title.split()) in " ".join(said.split())
    assert any(ax.get_xlabel() for ax in figure.axes)
    assert tuple(figure.get_size_inches()) == figures.SIZES[size][:2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_two_renders_have_the_same_bytes(name, kind, footer, tmp_path, make):
    first, second = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
    figures.save(make[name](), footer, first)
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30}):  # a user's own settings change nothing
        figures.save(make[name](), footer, second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_stored_numbers_give_the_same_figure(name, footer, tmp_path, make):
    data = make[name]()
    stored.store([data], footer, tmp_path)
    (again,), origin = stored.load(tmp_path)
    assert origin == footer
    for column, values in data.columns.items():
        np.testing.assert_array_equal(again.columns[column], values)
    stored.draw([data], footer, tmp_path / "run", ["svg"])
    stored.draw([again], origin, tmp_path / "plot", ["svg"])
    name_of = f"{data.stem}.svg"
    assert (tmp_path / "run" / name_of).read_bytes() == (tmp_path / "plot" / name_of).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_alt_text_holds_the_finding_and_stands_in_the_file(name, footer, tmp_path, make):
    data = make[name]()
    words = figures.words(data)
    assert words.alt.startswith(words.title)
    figures.save(data, footer, tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert words.title.split("<")[0][:20] in svg
    assert "<dc:date>" not in svg


def test_drawn_age_is_the_csv(footer, tmp_path, make):
    data = make["iterator_age"]()
    stored.store([data], footer, tmp_path)
    rows = list(csv.DictReader((tmp_path / "02_iterator_age.csv").open(encoding="utf-8")))
    ages = [float(row["iterator_age_s"]) for row in rows]
    drawn = [
        patch.get_data().values for patch in figures.render(data, footer).axes[0].patches if hasattr(patch, "get_data")
    ]
    assert any(np.array_equal(values, ages) for values in drawn)


def test_age_axis_starts_at_zero_and_speaks_of_minutes(footer, make):
    (ax,) = figures.render(make["iterator_age"](), footer).axes
    assert ax.get_ylim()[0] == 0
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels[0] == "0"
    assert "1 min" in labels
    assert ax.get_xlabel().endswith("(min)")


def test_age_names_limit_peak_and_recovery(footer, make):
    data = make["iterator_age"]()
    said = texts(figures.render(data, footer))
    assert "no_backlog: 5 min" in said
    assert "above 5 min for" in said
    assert figures.words(data).title.startswith("IteratorAge reaches 27.5 min and is back below 5 min after")


def test_age_that_never_recovers(make):
    assert "still above 5 min when the run ends" in figures.words(make["iterator_age"](minutes=9)).title


def test_age_below_the_limit(make):
    title = figures.words(make["iterator_age"](peak=150.0)).title
    assert title == "IteratorAge stays below 5 min: its worst minute reaches 3.67 min"


@pytest.mark.parametrize(
    ("worst", "said"),
    [
        ((290.0, 270.0, 310.0), "IteratorAge may exceed 5 min: the worst minute of a run reaches 4.83 min on average"),
        ((310.0, 290.0, 330.0), "IteratorAge may exceed 5 min: the worst minute of a run reaches 5.17 min on average"),
        ((320.0, 310.0, 330.0), "IteratorAge exceeds 5 min: the worst minute of a run reaches 5.33 min on average"),
        ((290.0, None, None), "IteratorAge stays below 5 min: its worst minute reaches 4.83 min"),
    ],
)
def test_age_below_the_limit_in_each_minutes_mean_and_not_in_each_run(make, worst, said):
    """Runs have their worst minute at different times: the mean of each minute stays below the mean of the maxima."""
    data = make["iterator_age"](peak=150.0)
    value, low, high = worst
    data.notes["worst"] |= {"value": value, "ci_low": low, "ci_high": high}
    assert data.notes["above"] is None
    assert figures.words(data).title == said


def test_age_that_still_grows_at_the_end_has_no_peak(make):
    data = make["iterator_age"](slo=None)
    data.notes["worst"] |= {"value": 984.0, "at_s": data.notes["end_s"] - 60.0}
    assert figures.words(data).title == "IteratorAge reaches 16.4 min at the end of the run"


def test_age_without_slo_or_invocations(footer, make):
    assert "peaks at" in figures.words(make["iterator_age"](slo=None)).title
    nothing = make["iterator_age"](minutes=5, replications=1)
    nothing.columns["iterator_age_s"][:] = np.nan
    nothing.notes["worst"] = None
    assert "no invocation" in texts(figures.render(nothing, footer))
    assert figures.words(nothing).title == "No invocation ran, so there is no IteratorAge"


def test_age_with_expired_records_draws_the_retention(footer, make):
    data = make["iterator_age"](peak=70_000.0, expired_records=123.0)
    assert "123 records expire unread" in figures.words(data).title
    assert "retention 24 h" in texts(figures.render(data, footer))


def test_lonely_points_are_drawn(footer, make):
    data = make["iterator_age"](slo=None)
    data.columns["iterator_age_s"][1::2] = np.nan
    markers = [line for line in figures.render(data, footer).axes[0].lines if line.get_marker() == "."]
    assert len(markers[0].get_xdata()) == 60


def test_load_says_which_limit_binds(footer, make):
    assert "of the record limit" in figures.words(make["offered_load"]()).title
    assert "limit 4,000 records/s" in texts(figures.render(make["offered_load"](), footer))
    assert "no write limit" in figures.words(make["offered_load"](limit=None)).title
    assert "rejected" in figures.words(make["offered_load"](rejected=500.0)).title


def test_limit_follows_the_shards_that_are_open(footer, make):
    """Four shards, two of them merged at 40 min; the busiest second, at 15 min, is held against the limit then."""
    data = make["offered_load"](open_shards=[(0.0, 4), (2_400.0, 3)])
    assert data.notes["records"]["limit_per_s"] == 4_000
    assert data.columns["limit_records_per_s"][[0, 39, 40]].tolist() == [4_000, 4_000, 3_000]
    assert "3 to 4 shards" in figures.words(data).title
    assert "limit 3,000 records/s" in texts(figures.render(data, footer))


def test_far_limit_does_not_flatten_the_load(footer, make):
    upper = figures.render(make["offered_load"](limit=1e6), footer).axes[0]
    assert upper.get_ylim()[1] < 10
    assert any("far above" in t.get_text() for t in upper.texts)


def test_map_names_the_hottest_shard(footer, make):
    assert figures.words(make["shard_heat_map"]()).title.startswith(
        "Shard 2 is the hottest: mean write utilization 90 %"
    )
    assert "Shard 2" in texts(figures.render(make["shard_heat_map"](), footer))
    assert "evenly" in figures.words(make["shard_heat_map"](hot=None, rejecting=False)).title
    assert "only shard" in figures.words(make["shard_heat_map"](shards=1, hot=None, rejecting=False)).title


def test_map_of_many_shards_for_a_month_stays_small(footer, tmp_path, make):
    data = make["shard_heat_map"](shards=200, minutes=43_200, hot=120)
    assert len(data.columns["time_s"]) <= 200 * 300
    figures.save(data, footer, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size < 500_000


def test_shards_mark_the_smallest_sufficient(footer, make):
    data = make["age_against_shards"]()
    assert data.notes["sufficient"] == {"": 4}
    title = figures.words(data).title
    assert title == "4 shards hold p99 of end-to-end latency at 37.9 s; with 2 it is 87.1 s (limit 60 s)"
    said = texts(figures.render(data, footer))
    assert "smallest sufficient: 4" in said
    assert "≥ 2 by bytes" in said


def test_shards_that_never_suffice_or_have_no_limit(make):
    assert "no shard count tried" in figures.words(make["age_against_shards"](limit=1.0)).title
    assert figures.words(make["age_against_shards"](limit=None)).title.startswith(
        "p99 of end-to-end latency goes from 3.33 min"
    )


def test_up_to_four_series_are_named_directly(footer, make):
    said = texts(figures.render(make["age_against_shards"](("a", "b", "c", "d", "e")), footer))
    assert "4 of 5 series named" in " ".join(said.split())
    figure = figures.render(make["age_against_shards"](("today", "in a year")), footer)
    assert figure.axes[0].get_legend() is None
    assert "in a year" in texts(figure)


def test_present_design_outside_the_axis_keeps_the_layout(footer, make):
    data = make["age_against_shards"](counts=(4, 8))
    data.notes["present"] = 400
    ax = figures.render(data, footer).axes[0]
    assert ax.get_position().width > 0.7


def test_user_may_pass_a_subfigure(make):
    whole = Figure()
    left, _ = whole.subfigures(1, 2)
    assert figures.DRAWN["iterator_age"].draw(make["iterator_age"](), left) is left


def test_pyplot_is_never_imported():
    assert "kinsim.present.figures" in sys.modules
    import subprocess

    code = "import sys, kinsim.present.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("end_s", [1, 59, 60, 600, 3_600, 86_400, 30 * 86_400, 400 * 86_400])
def test_time_ticks_are_few_and_inside(end_s):
    ticks, labels, _ = time_ticks(end_s)
    assert 1 <= len(ticks) <= 10
    assert ticks[-1] <= end_s * (1 + 1e-9)
    assert len(set(labels)) == len(labels)


def test_age_floor_has_bounds():
    assert age_floor(np.array([np.nan])) == 0.1
    assert age_floor(np.array([1e-9])) == 0.001
    assert age_floor(np.array([1e5])) == 10
