"""A run opened again from its folder is the run that was computed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import kinsim as ks
from kinsim.present.cli import main

TEXT = """\
kinsim: 1
name: "NA"
workload:
  arrivals: {model: poisson, rate: 20/s}
  partition_keys: {count: 50}
stream: {shard_count: 2}
function: {duration: {fixed: 100ms, per_record: 5ms}, memory_size: 1769 MB}
slos: {fresh: {metric: iterator_age_s, statistic: p99, at_most: 1m}}
run: {duration: 3m, replications: 2}
"""
TABLES = ("invocations", "records")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("stored")
    (place / "scenario.yaml").write_text(TEXT, encoding="utf-8")
    arguments = ["run", str(place / "scenario.yaml"), "--out", str(place / "out"), "--keep", ",".join(TABLES)]
    assert main([*arguments, "--no-figures", "--quiet"]) == 0
    return next((place / "out" / "NA").iterdir())


@pytest.fixture(scope="module")
def stored(folder):
    return ks.Result.load(folder)


@pytest.fixture(scope="module")
def computed() -> ks.Result:
    return ks.parse(TEXT).run(keep=TABLES)


def test_metrics_slos_and_words(stored, computed):
    pd.testing.assert_frame_equal(stored.metrics, computed.metrics.sort_index())
    assert stored["queue_wait_s"]["mean"].ci_high == computed["queue_wait_s"]["mean"].ci_high
    assert (stored.slos, stored.cost, stored.per_shard) == (computed.slos, computed.cost, computed.per_shard)
    assert repr(stored) == repr(computed).replace("Result", "StoredResult")


@pytest.mark.parametrize("name", TABLES)
def test_tables(stored, computed, name):
    pd.testing.assert_frame_equal(getattr(stored, name), getattr(computed, name))


def test_series_are_the_mean_over_replications(stored, computed):
    keys = ["Timestamp", "MetricName", "Dimensions", "Statistic"]
    mean = computed.timeseries.groupby(keys).Value.mean()
    found = stored.timeseries.set_index(keys).Value
    assert np.array_equal(found.sort_index().index, mean.sort_index().index)
    assert found.sort_index().to_numpy() == pytest.approx(mean.sort_index().to_numpy())


@pytest.mark.parametrize("name", ["offered_load", "iterator_age", "shard_heat_map"])
def test_figures_are_the_same_pictures(stored, computed, name):
    pictures = []
    for result in (stored, computed):
        picture = io.BytesIO()
        getattr(result.plot, name)().savefig(picture)
        pictures.append(picture.getvalue())
    assert pictures[0] == pictures[1]
    assert plt.get_fignums() == []


def test_the_scenario_runs_again(stored, computed):
    assert stored.scenario.run().digest == ks.parse(TEXT).run().digest


def test_a_table_that_was_not_kept(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "records.csv").unlink()
    with pytest.raises(ks.ResultError, match="--keep records"):
        _ = ks.Result.load(copy).records


def test_no_such_folder(tmp_path):
    with pytest.raises(ks.ResultError, match="no such folder"):
        ks.Result.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("summary.json", "{", "cannot be read"),
        ("summary.json", "[]", "not a document"),
        ("summary.json", "{}", "is no summary"),
        ("manifest.json", '{"kind": "sweep"}', "SweepResult.load"),
        ("timeseries.csv", "", "cannot be read"),
    ],
)
def test_a_damaged_folder(folder, tmp_path, name, text, said):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).write_text(text, encoding="utf-8")
    with pytest.raises(ks.ResultError, match=said):
        _ = ks.Result.load(copy).timeseries
