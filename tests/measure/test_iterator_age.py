"""The two ages of figure 2 can be compared, and its facts are those of the runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kinsim as ks
from kinsim.measure.figure_data import FigureData, iterator_age
from kinsim.present import figures

NAN = np.nan
BUSY = np.array([[NAN, 9.0, 54.0, NAN], [NAN, 23.0, NAN, NAN], [NAN, 15.0, NAN, NAN]])
WAITING = np.array([[0.0, 32.0, 56.0, 0.0], [0.0, 30.0, 0.0, 0.0], [0.0, 31.0, 12.0, 0.0]])


def data(limit: float = 60.0, age: np.ndarray = BUSY, waiting: np.ndarray = WAITING) -> FigureData:
    """Three runs whose functions may run through a minute: the second has read all then, in the third records wait."""
    limits = [{"name": "fresh", "limit_s": limit}]
    return iterator_age(age, waiting, np.ones_like(age), end_s=240.0, limits=limits, longest_run_s=60.0)


def test_no_iterator_age_is_above_the_oldest_record_that_waits():
    columns = data().columns
    oldest = columns["oldest_waiting_s_highest"]
    assert oldest.tolist() == [0.0, 32.0, 56.0, 0.0]
    np.testing.assert_array_equal(columns["iterator_age_s_highest"], [NAN, 23.0, 54.0, NAN])
    # the third run goes on with what waits, the second has no data point
    np.testing.assert_array_equal(columns["iterator_age_s"], [NAN, 47 / 3, (54 + 12) / 2, NAN])


def test_the_same_in_a_run_whose_bursts_come_at_other_minutes_in_each_replication():
    result = ks.load(Path(__file__).parents[2] / "configs" / "vpc-flow-bursts.yaml").with_(
        {"stream.shards": 5, "run.duration": "1h", "run.replications": 5}
    ).run()  # fmt: skip
    columns = result.plot.data["iterator_age"].columns
    known = np.isfinite(columns["iterator_age_s"])
    assert known.sum() > 10
    for name in ("iterator_age_s", "iterator_age_s_highest"):
        assert (columns[name][known] <= columns["oldest_waiting_s_highest"][known] + 1e-6).all(), name


def test_the_dot_is_on_the_line_of_the_highest_run():
    (ax,) = figures.render(data(), figures.Footer("n", "ab" * 32, 1, 3, "0")).axes
    (dot,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (150.0, 54.0)
    said = "\n".join(text.get_text() for text in ax.texts)
    assert "worst minute 54 s\n(mean of the runs' worst 30.7 s)" in said


@pytest.mark.parametrize(
    ("limit", "title"),
    [
        (60.0, "IteratorAge stays below 60 s: its worst minute reaches 30.7 s"),
        (50.0, "IteratorAge stays below 50 s in 2 of 3 runs: its worst minute reaches 30.7 s on average"),
    ],
)
def test_a_mean_below_the_limit_says_how_many_runs_are(limit, title):
    found = data(limit)
    found.notes["worst"]["ci_high"] = 40.0
    assert figures.words(found).title == title


def test_one_run_has_one_line():
    one = data(60.0, BUSY[:1], WAITING[:1])
    assert "highest run" not in figures.words(one).subtitle
    assert figures.words(one).title == "IteratorAge stays below 60 s: its worst minute reaches 54 s"
