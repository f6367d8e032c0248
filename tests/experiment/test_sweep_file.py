"""Sweep files: what is read, what is refused by name, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kinsim.errors import ConfigError
from kinsim.experiment.sweep_file import load_sweep_file, parse_sweep, sweep_of_axes
from kinsim.experiment.sweep_settings import Execution, SweepFile

HEAD = "kinsim: 1\nname: s\nbase: base.yaml\n"


def problems(text: str, axes: tuple[str, ...] = ()) -> list[str]:
    """``LINE:COL: PATH: MESSAGE | HELP`` of everything that is wrong with *text*."""
    with pytest.raises(ConfigError) as caught:
        parse_sweep(text, "s.yaml", axes=axes).require_built()
    return [f"{p.line}:{p.col}: {p.path}: {p.message} | {p.help}" for p in caught.value.problems]


def points(sweep: SweepFile) -> list[dict[str, Any]]:
    return [point for block in sweep.blocks for point in block if not block.excludes(point)]


def test_a_whole_file() -> None:
    sweep = parse_sweep(
        HEAD
        + """
description: how many
set: {run.duration: 6h, stream.retention: 24h}
axes:
  - stream.shards: {range: [2, 4], step: 2}
  - function.memory: [256 MB, 512 MB]
    function.timeout: [60s, 30s]
    label: [small, large]
exclude:
  - {stream.shards: 4, function.memory: 256}
method: grid
replications: 7
common_random_numbers: true
subject_to: slos
figures: [p99_vs_shards]
execution: {workers: 3, on_error: stop, timeout: 10m, max_points: 50}
""",
        "s.yaml",
        Path("folder"),
    )
    assert (sweep.name, sweep.base, sweep.description) == ("s", Path("folder/base.yaml"), "how many")
    assert {path: node.plain() for path, node in sweep.settings.items()} == {
        "run.duration": "6h",
        "stream.retention_period": "24h",
    }
    assert sweep.paths == ("stream.shard_count", "function.memory_size", "function.timeout")
    small = {"function.memory_size": "256 MB", "function.timeout": "60s", "label": "small"}
    large = {"function.memory_size": "512 MB", "function.timeout": "30s", "label": "large"}
    assert points(sweep) == [
        {"stream.shard_count": 2, **small},
        {"stream.shard_count": 2, **large},
        {"stream.shard_count": 4, **large},
    ]
    assert sweep.replications == 7
    assert sweep.execution == Execution(3, "stop", 600.0, 50)
    assert sweep.refused == ()


def test_a_list_of_points() -> None:
    text = HEAD + "points:\n  - {stream.shards: 1, label: one}\n  - {stream.shards: 2, function.memory: 1GB}\n"
    sweep = parse_sweep(text)
    assert points(sweep) == [
        {"stream.shard_count": 1, "label": "one"},
        {"stream.shard_count": 2, "function.memory_size": "1GB"},
    ]
    assert sweep.paths == ("stream.shard_count", "function.memory_size")


def test_blocks_are_put_one_after_the_other() -> None:
    text = (
        HEAD
        + """
exclude: [{stream.shards: 2}]
any_of:
  - axes: [{stream.shards: [1, 2, 3]}]
  - points: [{stream.shards: 2}, {stream.shards: 9, run.seed: 4}]
  - axes: [{run.seed: [1, 2]}]
    exclude: [{run.seed: 2}]
"""
    )
    assert points(parse_sweep(text)) == [
        {"stream.shard_count": 1},
        {"stream.shard_count": 3},
        {"stream.shard_count": 9, "run.seed": 4},
        {"run.seed": 1},
    ]


def test_names_of_aws_bring_their_units() -> None:
    text = (
        HEAD
        + "set: {stream.RetentionPeriodHours: 48}\n"
        + "axes: [{function.Timeout: [30, 60], function.MemorySize: [128, 256]}]"
    )
    sweep = parse_sweep(text)
    assert sweep.settings["stream.retention_period"].plain() == "48h"
    assert points(sweep)[1] == {"function.timeout": "60s", "function.memory_size": "256 MB"}


def test_the_command_line_adds_and_replaces_axes() -> None:
    text = HEAD + "axes: [{stream.shards: [1, 2]}, {run.seed: [1]}]"
    sweep = parse_sweep(text, axes=["stream.shard_count=4:12:4", "function.memory=[512 MB, 1024 MB]"])
    assert [axis.values for axis in sweep.blocks[0].axes] == [
        ((4,), (8,), (12,)),
        ((1,),),
        (("512 MB",), ("1024 MB",)),
    ]
    alone = parse_sweep(
        HEAD, axes=["function.memory=128 MB:256 MB:64 MB", "function.timeout={linear: [1s, 2s], num: 2}"]
    )
    assert [axis.values for axis in alone.blocks[0].axes] == [
        (("128 MB",), ("192 MB",), ("256 MB",)),
        (("1s",), ("2s",)),
    ]


def test_axes_from_python() -> None:
    sweep = sweep_of_axes(
        {"stream.shards": range(1, 3), ("function.memory", "function.timeout"): [(256, "60s"), (512, 30)]}, "x"
    )
    assert points(sweep)[:2] == [
        {"stream.shard_count": 1, "function.memory_size": 256, "function.timeout": "60s"},
        {"stream.shard_count": 1, "function.memory_size": 512, "function.timeout": 30},
    ]
    as_list = sweep_of_axes([{"stream.shards": [1, 2], "label": ["few", "some"]}], "x")
    assert points(as_list)[1] == {"stream.shard_count": 2, "label": "some"}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "there are no axes"),
        ([], "there are no axes"),
        ({"stream.shard": [1]}, "unknown setting 'stream.shard'"),
        ({"stream.shards": 4}, "got 4, which is one value"),
        ({("stream.shards", "run.seed"): [(1,)]}, "must be a tuple of 2"),
        ([{"stream.shards": [1], "run.seed": [1, 2]}], "stream.shard_count has 1 values, but run.seed has 2"),
    ],
)
def test_mistakes_in_python(axes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        sweep_of_axes(axes, "x")


# -- what a later version builds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("where:\n  - stream.shard_count <= 4", "5:3", "where"),
        ("objective: {minimize: cost_usd_per_month}", "4:12", "objective"),
        ("subject_to: [freshness]", "4:13", "subject_to with a list of names"),
        ("method: {sobol: 256}", "4:9", "method sobol"),
        ("method: {latin_hypercube: 20}", "4:9", "method latin_hypercube"),
        ("method: random", "4:9", "method random"),
        ("common_random_numbers: false", "4:24", "common_random_numbers: false"),
        ("replications: {min: 5, max: 40, until: {metric: a.p99, relative_half_width: 5%}}", "4:40", "until"),
        ("figures: [p99_vs_shards, heatmap]", "4:26", "figure heatmap"),
        ("figures: [pareto]", "4:11", "figure pareto"),
    ],
)
def test_refused_by_name(text: str, place: str, what: str) -> None:
    (problem,) = problems(f"{HEAD}{text}\naxes: [{{stream.shards: [1, 2]}}]")
    assert problem.startswith(f"{place}: ")
    assert f": {what}" in problem
    assert "not built in this version of kinsim" in problem
    assert not problem.endswith("| ")


@pytest.mark.parametrize(
    "spec", ["{uniform: [1, 9]}", "{log_uniform: [1, 9]}", "{integers: [1, 9]}", "{low: 1, mid: 2, high: 3}"]
)
def test_values_to_draw_are_refused_by_name(spec: str) -> None:
    (problem,) = problems(f"{HEAD}axes: [{{stream.shards: {spec}}}, {{run.seed: [1]}}]")
    assert problem.startswith("4:24: axes[0].stream.shards: ")
    assert "not built in this version" in problem


def test_a_file_that_uses_later_things_still_loads() -> None:
    sweep = parse_sweep(f"{HEAD}where: [a < 2]\nobjective: {{minimize: x}}\naxes: [{{stream.shards: [1, 2]}}]")
    assert len(sweep.refused) == 2
    assert len(points(sweep)) == 2


# -- mistakes ------------------------------------------------------------------------------------------------


def test_every_mistake_at_once() -> None:
    found = problems(
        """kinsim: 2
nme: x
axes:
  - stream.shard_count: {range: [1, 10], step: 4}
  - function.memory_size: [1, 2, 3]
    function.timeout: [1s, 2s]
    label: [a, b, c, d]
  - 5
  - {stream.shards: [1, 2]}
  - {stream.shard_count: [3]}
  - {stream.shard: [3]}
exclude: [3]
method: sobl
replications: 0
figures: [heatmpa]
execution: {worker: 2, timeout: 5:00, on_error: x, max_points: no}
""",
    )
    assert [text.split(" | did you mean stream.")[0] for text in found] == [
        "1:1: : base is missing | name the scenario that varies, for example base: quickstart.yaml",
        "1:9: kinsim: got 2; this version of kinsim reads format 1 | write kinsim: 1",
        "2:1: nme: unknown key 'nme' | did you mean 'name'?",
        "4:37: axes[0].stream.shard_count.range[1]: steps of 4 from 1 do not reach 10 | both ends are included: "
        "write [1, 9], or another step",
        "6:5: function.timeout: function.memory_size has 3 values (line 5), but function.timeout has 2 (line 6) | keys "
        "inside one axis advance together: give all as many values, or make two axes of them",
        "7:12: label: function.memory_size has 3 values (line 5), but label has 4 (line 7) | keys inside one axis "
        "advance together: give all as many values, or make two axes of them",
        "8:5: axes[2]: an axis is a mapping from settings to values | for example {stream.shard_count: [1, 2, 4]}",
        "10:5: axes[4]: stream.shard_count is on two axes (line 9 and line 10) | axes multiply: join the two lists",
        "11:6: axes[5].stream.shard: unknown setting 'stream.shard'",
        "12:11: exclude[0]: an entry of exclude is a mapping from settings to values | for example "
        "{function.memory_size: 256 MB, event_source_mapping.batch_size: 2000}",
        "13:9: method: got 'sobl' | allowed: grid (later: sobol, latin_hypercube, random)",
        "14:15: replications: got 0, which is not a number of replications | write a whole number from 1 to 10,000",
        "15:11: figures[0]: unknown figure 'heatmpa' | did you mean 'heatmap'?",
        "16:13: execution.worker: unknown key 'worker' | did you mean 'workers'?",
        "16:33: execution.timeout: '5:00' is clock notation, which can be read in two ways | write '5m' or '5h'",
        "16:49: execution.on_error: got 'x' | allowed: continue, stop",
        "16:64: execution.max_points: got 'no' | write a whole number of 1 or more",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a sweep file is a mapping"),
        ("- 1\n- 2", "a sweep file is a mapping"),
        ("name: x\nbase: b\naxes: [{stream.shards: [1]}]", "kinsim: 1 is missing"),
        (HEAD, "nothing varies: axes is missing"),
        (HEAD + "axes: []", "nothing varies: axes is missing"),
        (HEAD + "axes: {stream.shards: [1]}", "needs a list of axes"),
        (HEAD + "axes: [{label: [a]}]", "an axis is a mapping"),
        (HEAD + "axes: [{stream.shards: [1], stream.shard_count: [1]}]", "stream.shard_count is twice on one axis"),
        (HEAD + "axes: [{workload.arrivals: [{}]}, {workload.arrivals.rate: [1]}]", "is a part of workload.arrivals"),
        (HEAD + "axes: [{stream.shards: [1, 2], label: [a, a]}]", "label 'a' is given twice"),
        (HEAD + "axes: [{stream.shards: [1, 2], label: [a, [b]]}]", "a label is a text"),
        (HEAD + "axes: [{stream.shards: [1]}]\npoints: [{stream.shards: 2}]", "axes and points exclude each other"),
        (HEAD + "points: [3]", "a point is a mapping"),
        (HEAD + "points: [{stream.shards: 1, stream.shard_count: 2}]", "given twice in one point"),
        (HEAD + "any_of: [{axes: [{run.seed: [1]}], points: [{run.seed: 2}]}]", "has either axes or points"),
        (HEAD + "any_of: [7]", "is a mapping with axes or points"),
        (HEAD + "any_of: [{axs: []}]", "unknown key 'axs'"),
        (HEAD + "set: [1]\naxes: [{stream.shards: [1]}]", "needs a mapping of settings"),
        (
            HEAD + "set: {stream.shards: 1, stream.shard_count: 2}\naxes: [{run.seed: [1]}]",
            "stream.shard_count is set twice",
        ),
        (HEAD + "set: {strem.shards: 1}\naxes: [{run.seed: [1]}]", "unknown setting 'strem.shards'"),
        (HEAD + "exclude: [{run.sed: 1}]\naxes: [{run.seed: [1]}]", "unknown setting 'run.sed'"),
        (HEAD + "replications: many\naxes: [{run.seed: [1]}]", "got 'many', which is not a number of replications"),
        (HEAD + "replications: true\naxes: [{run.seed: [1]}]", "got True, which is not a number of replications"),
        (HEAD + "replications: {min: 5, max: 2, until: {}}\naxes: [{run.seed: [1]}]", "min 5 is above max 2"),
        (HEAD + "replications: {min: 5}\naxes: [{run.seed: [1]}]", "max is None"),
        (HEAD + "execution: 5\naxes: [{run.seed: [1]}]", "needs a mapping"),
        (HEAD + "execution: {workers: 0}\naxes: [{run.seed: [1]}]", "0 is not a number of workers"),
        (HEAD + "execution: {timeout: 0s}\naxes: [{run.seed: [1]}]", "a limit of 0 s stops every point"),
        (HEAD + "subject_to: freshness\naxes: [{run.seed: [1]}]", "got 'freshness'"),
        (HEAD + "common_random_numbers: yes\naxes: [{run.seed: [1]}]", "got 'yes'"),
        ("kinsim: 1\nname: [x]\nbase: b.yaml\naxes: [{run.seed: [1]}]", "is not a name"),
        ("kinsim: 1\nbase: [x]\naxes: [{run.seed: [1]}]", "needs the path of a scenario file"),
        (HEAD + "axes: [{run.seed: [1]}]\naxes: [{run.seed: [1]}]", "duplicate key 'axes'"),
        (HEAD + "axes: [{run.seed: [1]", "not YAML"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    assert any(message in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("stream.shards", "needs PATH=VALUES"),
        ("=1:2", "needs PATH=VALUES"),
        ("stream.shard=1:2", "unknown setting 'stream.shard'"),
        ("run.seed=7", "got 7, which is one value"),
        ("run.seed=[1", "not YAML"),
        ("run.seed=1:10:4", "do not reach 10"),
        ("function.timeout=1s:2s:1s", "advances together with others (line 4 of s.yaml)"),
    ],
)
def test_mistakes_on_the_command_line(option: str, message: str) -> None:
    text = HEAD + "axes: [{function.memory: [128, 256], function.timeout: [1s, 2s]}]"
    found = problems(text, (option,))
    assert [message in problem for problem in found] == [True], found
    with pytest.raises(ConfigError, match="--axis #1"):
        parse_sweep(text, "s.yaml", axes=[option])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_sweep_file(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="folder"):
        load_sweep_file(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_sweep_file(binary)
