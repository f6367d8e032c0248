"""Figures from Python objects."""

from __future__ import annotations

import pytest

import kinsim as ks

TEXT = """\
kinsim: 1
name: tiny
profile: ideal
workload: {arrivals: {model: poisson, rate: 2/s}}
stream: {shard_count: 3}
function: {duration: 100ms}
run: {duration: 3m, replications: 2}
"""


@pytest.fixture(scope="module")
def result() -> ks.Result:
    return ks.parse(TEXT).run()


@pytest.mark.parametrize("name", ["offered_load", "iterator_age", "shard_heat_map"])
def test_each_figure_of_a_run(result, name):
    figure = getattr(result.plot, name)("paper")
    assert tuple(figure.get_size_inches()) == (7.2, 4.4)
    assert figure.texts[0].get_text()


def test_without_limits_the_map_shows_ages(result):
    data = result.plot.data["shard_heat_map"]
    assert data.notes["quantity"] == "iterator_age_s"
    assert set(data.columns["shard"]) == {shard["id"] for shard in result.summary()["shards"]}


def test_load_of_the_figure_is_the_load_of_the_run(result):
    data = result.plot.data["offered_load"]
    offered = data.columns["offered_records_per_s"].sum() * 60
    assert offered == pytest.approx(result["offered_records"]["sum"])
    assert data.notes["records"]["limit_per_s"] is None


def test_worst_minute_is_the_maximum_of_the_summary(result):
    worst = result.plot.data["iterator_age"].notes["worst"]
    assert worst["value"] == pytest.approx(result["iterator_age_s"]["max"])


def test_unknown_size(result):
    with pytest.raises(ks.KinsimError, match="slide, paper, column, wide"):
        result.plot.iterator_age("huge")


def test_sweep():
    sweep = ks.sweep(ks.parse(TEXT), {"stream.shards": [1, 2]}, replications=1, executor="serial")
    figure = sweep.plot.age_against_shards()
    assert figure.axes[0].get_xlabel() == "shards (base scenario: 3)"
