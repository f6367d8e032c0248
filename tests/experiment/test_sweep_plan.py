"""Plans of sweeps: every point checked before the first runs, mistakes told once, stable ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import kinsim as ks
from kinsim.errors import ConfigError
from kinsim.experiment.sweep_plan import Plan, folder_name, plan_sweep

BASE = """kinsim: 1
name: small
profile: ideal
workload: {arrivals: {model: poisson, rate: 2/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10}
function: {timeout: 60s, memory_size: 128 MB, duration: {distribution: exponential, mean: 0.1s}}
slos: {fresh: {metric: queue_wait_s, statistic: p99, at_most: 60s}}
run: {duration: 60s, replications: 2, seed: 3}
"""
SWEEP = """kinsim: 1
name: s
base: base.yaml
set: {run.duration: 30s}
axes:
  - stream.shards: [1, 2, 4]
  - event_source_mapping.batch_size: [1, 10]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "other.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path | ks.Scenario, *arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan_sweep(path, *arguments, **options)
    return [f"{Path(p.file).name}:{p.line}:{p.col}: {p.path}: {p.message}" for p in caught.value.problems]


def test_a_plan_of_a_file(folder: Path) -> None:
    plan = plan_sweep(folder / "sweep.yaml")
    assert (len(plan), plan.name, plan.replications, plan.excluded, plan.duplicates) == (6, "s", 2, 0, 0)
    assert plan.base.run.duration_s == 30
    third = plan.scenario(plan.points[2])
    assert (third.stream.shard_count, third.event_source_mapping.batch_size) == (2, 1)
    assert plan.points[2].point_id == third.config_hash[:12]
    assert len({point.point_id for point in plan.points}) == 6
    assert plan.folder == Path("s") / plan.config_hash[:8]
    assert [row[2] for row in plan.rows()] == ["3 values", "2 values"]


def test_the_same_sweep_from_python_has_the_same_points(folder: Path) -> None:
    scenario = ks.load(folder / "base.yaml").with_({"run.duration": "30s"})
    axes = {"stream.shards": [1, 2, 4], "event_source_mapping.BatchSize": (1, 10)}
    plan = plan_sweep(scenario, axes)
    other = plan_sweep(folder / "sweep.yaml")
    assert plan.name == "small-sweep"
    assert [p.point_id for p in plan.points] == [p.point_id for p in other.points]
    assert plan.config_hash == other.config_hash
    assert plan_sweep(folder / "base.yaml", axes, overrides={"run.duration": 30}).config_hash == other.config_hash


def test_a_scenario_may_take_the_place_of_the_base(folder: Path) -> None:
    scenario = ks.load(folder / "base.yaml").with_({"function.timeout": "5s"})
    plan = plan_sweep(scenario, folder / "sweep.yaml")
    assert plan.name == "s"
    assert plan.scenario(plan.points[0]).function.timeout_s == 5


def test_precedence(folder: Path) -> None:
    path = written(folder, SWEEP + "replications: 7\n")
    plan = plan_sweep(path, overrides=["run.duration=20s", "run.seed=9"])
    assert (plan.base.run.duration_s, plan.base.run.seed, plan.replications) == (20, 9, 7)
    plan = plan_sweep(path, replications=3, seed=4)
    assert (plan.replications, plan.base.run.seed, plan.base.run.replications) == (3, 4, 3)


def test_the_id_of_a_point_depends_on_all_that_can_change_its_numbers(folder: Path) -> None:
    first = {p.point_id for p in plan_sweep(folder / "sweep.yaml").points}
    assert not first & {p.point_id for p in plan_sweep(folder / "sweep.yaml", seed=99).points}
    assert (
        plan_sweep(folder / "sweep.yaml", replications=9).config_hash != plan_sweep(folder / "sweep.yaml").config_hash
    )


def test_points_that_mean_the_same_are_computed_once(folder: Path) -> None:
    text = SWEEP.partition("axes")[0]
    path = written(
        folder, text + "points: [{function.memory: 512}, {function.memory: 512 MB}, {function.timeout: 1m}]\n"
    )
    plan = plan_sweep(path)
    assert (len(plan), plan.duplicates) == (2, 1)
    assert [point.settings for point in plan.points] == [{"function.memory_size": 512}, {"function.timeout": "1m"}]


def test_points_with_the_same_workload_share_their_draws(folder: Path) -> None:
    plan = plan_sweep(ks.load(folder / "base.yaml"), {"workload.arrivals.rate": [1, 2], "stream.shards": [1, 2]})
    draws = [point.draws for point in plan.points]
    assert draws[0] == draws[1] != draws[2] == draws[3]
    seeds = plan_sweep(ks.load(folder / "base.yaml"), {"run.seed": [1, 2]})
    assert seeds.points[0].draws != seeds.points[1].draws


# -- mistakes ------------------------------------------------------------------------------------------------


def test_a_mistake_at_many_points_is_told_once_at_its_value(folder: Path) -> None:
    path = written(folder, SWEEP.replace("[1, 2, 4]", "[1, 0, 4]").replace("[1, 10]", "[1, ten]"))
    found = mistakes(path)
    assert len(found) == 2
    assert found[0].startswith("other.yaml:6:24: stream.shard_count: ")
    assert "at 2 of 6 points, for example stream.shard_count=0, event_source_mapping.batch_size=1" in found[0]
    assert found[1].startswith("other.yaml:7:42: event_source_mapping.batch_size: ")
    assert "at 3 of 6 points" in found[1]


def test_mistakes_of_the_base_come_first(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE.replace("batch_size: 10", "batch_size: many"), encoding="utf-8")
    assert mistakes(folder / "sweep.yaml")[0].startswith("base.yaml:6:36: event_source_mapping.batch_size: ")


def test_mistakes_in_set_are_told_at_their_line(folder: Path) -> None:
    path = written(folder, SWEEP.replace("run.duration: 30s", "run.duration: 5:00"))
    assert mistakes(path)[0].startswith("other.yaml:4:21: run.duration: ")


def test_a_base_that_is_not_there(folder: Path) -> None:
    path = written(folder, SWEEP.replace("base.yaml", "bse.yaml"))
    assert "no such file" in mistakes(path)[0]


def test_an_override_counts_from_the_users_first(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set #2 'stream\.write_limiter=x'"):
        plan_sweep(folder / "sweep.yaml", overrides=["run.seed=1", "stream.write_limiter=x"])
    with pytest.raises(ConfigError, match=r"unknown setting 'stream\.shrds'"):
        plan_sweep(folder / "sweep.yaml", overrides=["stream.shrds=1"])


@pytest.mark.parametrize("override", ["stream.shards=3", "stream={shard_count: 3}"])
def test_what_varies_cannot_be_set(folder: Path, override: str) -> None:
    found = mistakes(folder / "sweep.yaml", overrides=[override])
    assert "stream.shard_count varies in this sweep" in found[0]


def test_too_many_points(folder: Path) -> None:
    path = written(folder, SWEEP + "execution: {max_points: 5}\n")
    assert "6 points, more than max_points 5" in mistakes(path)[0]
    assert len(plan_sweep(path, max_points=6)) == 6
    exclude = "exclude: [{stream.shards: 4, event_source_mapping.batch_size: 1}]\n"
    assert len(plan_sweep(written(folder, SWEEP + exclude + "execution: {max_points: 5}\n"))) == 5
    many = "{range: [1, 4_000]}"
    huge = written(folder, SWEEP.replace("[1, 2, 4]", many).replace("[1, 10]", many))
    assert "16,000,000 points" in mistakes(huge)[0]


def test_nothing_left(folder: Path) -> None:
    path = written(folder, SWEEP + "exclude: [{stream.shards: [1, 2, 4]}]\n")
    assert "every point is excluded" in mistakes(path)[0]


def test_what_is_said_of_traces_is_said_once_for_each_length_of_the_run(folder: Path) -> None:
    for number in (1, 2):
        (folder / f"t{number}.csv").write_text("t\n0\n1000\n", encoding="utf-8")
    sources = ", ".join(f"t{n}: {{arrivals: {{model: trace, file: t{n}.csv, time: t}}}}" for n in (1, 2))
    text = BASE.replace("{arrivals: {model: poisson, rate: 2/s}}", f"{{sources: {{{sources}}}}}")
    (folder / "base.yaml").write_text(text, encoding="utf-8")
    axes = "axes: [{stream.shards: [1, 2]}, {run.duration: [30s, 50s, 1h]}]"
    plan = plan_sweep(written(folder, f"kinsim: 1\nbase: base.yaml\n{axes}"))
    assert [(Path(w.file).name, w.message) for w in plan.warnings if "last row" in w.message] == [
        (
            "base.yaml",
            f"t{n}.csv: its last row is at 16m40s; the run ends at 30s and leaves the rest out (and alike at 4 of 6 "
            "points, for example stream.shard_count=1, run.duration=30s)",
        )
        for n in (1, 2)
    ]


def test_an_exclusion_that_drops_nothing_is_a_warning(folder: Path) -> None:
    path = written(folder, SWEEP + "exclude: [{stream.shards: 3}, {stream.shards: 4}]\n")
    plan = plan_sweep(path)
    assert (len(plan), plan.excluded) == (4, 2)
    (warning,) = [w for w in plan.warnings if w.path == "exclude"]
    assert (warning.line, warning.col, warning.severity) == (8, 11, "warning")


def test_axes_are_needed(folder: Path) -> None:
    assert "axes are missing" in mistakes(ks.load(folder / "base.yaml"))[0]
    assert "there are no axes" in mistakes(ks.load(folder / "base.yaml"), {})[0]


def test_a_wrong_value_from_python(folder: Path) -> None:
    found = mistakes(ks.load(folder / "base.yaml"), {"stream.shards": [1, "two"]})
    assert "stream.shard_count" in found[0]
    assert "at 1 of 2 points, for example stream.shard_count=two" in found[0]


def test_what_is_not_built_is_told_with_the_mistakes(folder: Path) -> None:
    path = written(folder, SWEEP.replace("[1, 2, 4]", "[1, 0, 4]") + "objective: {minimize: cost_usd_per_month}\n")
    found = mistakes(path)
    assert len(found) == 2
    assert "objective" in found[1]


def test_a_plan_with_later_things_loads_and_is_refused_when_it_runs(folder: Path) -> None:
    path = written(folder, SWEEP + "objective: {minimize: cost_usd_per_month}\n")
    plan: Plan = plan_sweep(path)
    assert len(plan) == 6
    with pytest.raises(ConfigError, match=r"objective .* is not built in this version"):
        plan.file.require_built()


@pytest.mark.parametrize(
    ("name", "folder"), [("a/b", "a_b"), ("..", "_"), ("x" * 300, "x" * 120), ("é", "é"), ("a:b?", "a_b_")]
)
def test_names_of_folders(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_the_document_can_be_read_again(folder: Path) -> None:
    plan = plan_sweep(folder / "sweep.yaml")
    document = plan.document
    document["base"] = "base.yaml"
    again = plan_sweep(written(folder, yaml.safe_dump(document)))
    assert again.config_hash == plan.config_hash
