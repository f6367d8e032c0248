"""A user's mistake gets a list of clear errors and exit code 2, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kinsim as ks
from kinsim.experiment.axes import expand
from kinsim.present.cli import main

GOOD = """\
kinsim: 1
name: good
profile: aws-2017
workload: {arrivals: {model: poisson, rate: 10/s}, record_size: 1 kB}
stream: {shard_count: 2}
event_source_mapping: {batch_size: 100}
function: {memory_size: 256 MB, timeout: 60s, duration: {fixed: 30ms}}
run: {duration: 10m}
"""


@pytest.fixture
def complaint(tmp_path, capsys):
    """What `kinsim run` says about *text*."""

    def about(text: str | bytes, *arguments: str) -> str:
        file = tmp_path / "scenario.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return of(str(file), *arguments)

    def of(*arguments: str) -> str:
        code = main(["run", *arguments, "--out", str(tmp_path / "results")])
        said = capsys.readouterr()
        assert code == 2, said
        assert "Traceback" not in said.err + said.out
        assert not (tmp_path / "results").exists()
        return said.err

    about.of = of
    return about


def test_the_good_one_is_good(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    assert main(["validate", str(tmp_path / "good.yaml")]) == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("shard_count: 2", "shard_cuont: 2", ["scenario.yaml:5:10", "shard_cuont", "shard_count"]),
        ("rate: 10/s", "rate: 10 MB", ["scenario.yaml:4", "workload.arrivals.rate", "10 MB"]),
        ("rate: 10/s", "rate: -10/s", ["workload.arrivals.rate", "-10/s"]),
        ("rate: 10/s", "rate: .nan", ["workload.arrivals.rate", "nan"]),
        ("rate: 10/s", "rate: nan", ["workload.arrivals.rate", "nan"]),
        ("rate: 10/s", "rate: true", ["workload.arrivals.rate", "true"]),
        ("timeout: 60s", "timeout: 1:00", ["function.timeout", "1:00", "1m"]),
        ("timeout: 60s", "timeout: 301s", ["function.timeout", "301s", "aws-2017"]),
        ("timeout: 60s", "timeout: inf", ["function.timeout", "inf"]),
        ("memory_size: 256 MB", "memory_size: 250 MB", ["function.memory_size", "64"]),
        ("memory_size: 256 MB", "memory_size: 3008 MB", ["function.memory_size", "1536"]),
        ("shard_count: 2", "shard_count: 0", ["stream.shard_count", "0"]),
        ("shard_count: 2", "shard_count: 2.5", ["stream.shard_count", "2.5"]),
        ("shard_count: 2", "shard_count: yes", ["stream.shard_count", "yes"]),
        ("batch_size: 100", "batch_size: 10_001", ["event_source_mapping.batch_size", "10", "000"]),
        ("batch_size: 100", "parallelization_factor: 2", ["parallelization_factor", "aws-2026"]),
        ("model: poisson", "model: poison", ["poison", "poisson"]),
        ("profile: aws-2017", "profile: aws-2018", ["aws-2018", "aws-2017"]),
        ("stream: {", "stream: {shard_count: 3, ", ["shard_count", "5"]),
        ("run: {duration: 10m}", "run: {duration: 10m, warm_up: 20m}", ["warm_up", "20m"]),
        ("run: {duration: 10m}", "\trun: {duration: 10m}", ["scenario.yaml:8:1", "tab"]),
        ("kinsim: 1", "kinsim: 9", ["kinsim", "9"]),
    ],
)
def test_a_wrong_value_is_named_with_its_place(complaint, old, new, says):
    assert old in GOOD
    said = complaint(GOOD.replace(old, new))
    for words in says:
        assert words in said


def test_all_mistakes_are_reported_at_once(complaint):
    text = GOOD.replace("shard_count: 2", "shard_cuont: 2").replace("10/s", "10 MB").replace("60s", "1:00")
    said = complaint(text)
    assert said.index("rate") < said.index("shard_cuont") < said.index("timeout")
    assert "3 errors" in said


def test_a_value_from_the_command_line_is_named_as_such(complaint):
    said = complaint(GOOD, "--set", "stream.shard=16")
    assert "--set" in said
    assert "stream.shard_count" in said


TRACE = GOOD.replace(
    "{model: poisson, rate: 10/s}, record_size: 1 kB",
    "{model: trace, file: trace.csv, format: csv, time: t, size: bytes}",
)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (None, ["trace.csv", "no such file"]),
        ("", ["trace.csv", "empty"]),
        ("t,bytes\n", ["trace.csv", "no rows"]),
        ("when,bytes\n1,2\n", ["'t'", "when"]),
        ("t,bytes\n1,2\nx,3\n", ["trace.csv", "row 2", "'x'"]),
        ("t,bytes\n1,2\n2,many\n", ["trace.csv", "row 2", "many"]),
        ("t,bytes\n1,2\n2,nan\n", ["trace.csv", "row 2", "nan"]),
        ("t,bytes\n1,2\n2,-3\n", ["trace.csv", "row 2", "-3"]),
        ("t,bytes\n5,2\n2,3\n", ["trace.csv", "row 2", "back in time"]),
        ("t,bytes\n1,2\n2\n", ["trace.csv", "row 2"]),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", ["trace.csv"]),
    ],
)
def test_a_broken_trace_is_named_with_its_row(complaint, tmp_path, rows, says):
    if rows is not None:
        (tmp_path / "trace.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    said = complaint(TRACE)
    for words in says:
        assert words.lower() in said.lower()


def test_a_trace_that_is_a_folder(complaint, tmp_path):
    (tmp_path / "trace.csv").mkdir()
    assert "trace.csv" in complaint(TRACE)


def test_a_scenario_that_does_not_exist(complaint, tmp_path):
    said = complaint.of(str(tmp_path / "ten-gigabytes.yaml"))
    assert "ten-gigabytes.yaml" in said


def test_a_folder_instead_of_a_scenario(complaint, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "folder" in complaint.of(str(tmp_path / "folder"))


def test_an_empty_scenario(complaint):
    assert "scenario.yaml" in complaint("")


def test_a_list_instead_of_a_scenario(complaint):
    assert "scenario.yaml" in complaint("- 1\n- 2\n")


def test_not_text(complaint):
    assert "scenario.yaml" in complaint(b"\xff\xfe\x00\x01kinsim")


def test_a_yaml_bomb_of_aliases(complaint):
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert "alias" in complaint("l0: &l0 [x, x]\n" + levels + GOOD).lower()


def test_a_yaml_bomb_of_depth(complaint):
    assert "deep" in complaint("a: " + "[" * 5_000 + "]" * 5_000 + "\n" + GOOD).lower()


def test_a_python_tag_builds_nothing(complaint, tmp_path):
    mark = tmp_path / "owned"
    said = complaint(GOOD + f"description: !!python/object/apply:pathlib.Path.touch [{mark}]\n")
    assert "python/object" in said
    assert not Path(mark).exists()


def test_files_that_extend_the_same_files_many_times(tmp_path):
    """Twenty levels of two would be a million files to read."""
    for level in range(20):
        below = f"b{level + 1}.yaml"
        (tmp_path / f"b{level}.yaml").write_text(f"extends: [{below}, {below}]\n", encoding="utf-8")
    (tmp_path / "b20.yaml").write_text("name: last\n", encoding="utf-8")
    with pytest.raises(ks.ConfigError, match="too many files extend each other"):
        ks.load(tmp_path / "b5.yaml")


@pytest.mark.parametrize(
    ("slo", "said"),
    [
        ("{metric: shard_write_utilization, statistic: p95, at_most: 70}", "is not a share"),
        ("{metric: shard_write_utilization, statistic: p95, at_most: 7s}", "is not a share"),
        ("{metric: expired_records, statistic: Sum, at_most: 10%}", "has a unit, but the metric is in count"),
    ],
)
def test_limits_in_units_that_the_metric_does_not_have(slo, said):
    text = (
        "kinsim: 1\nname: x\nworkload: {arrivals: {model: poisson, rate: 1/s}}\nfunction: {duration: 1ms}\n"
        f"slos: {{a: {slo}}}\nrun: {{duration: 1m}}\n"
    )
    with pytest.raises(ks.ConfigError, match=said):
        ks.parse(text)


def test_bytes_are_not_taken_for_records(tmp_path):
    series = {"Id": "b1", "Label": "IncomingBytes", "Timestamps": ["2017-06-01T00:00:00Z"], "Values": [150]}
    (tmp_path / "c.json").write_text(json.dumps({"MetricDataResults": [series]}), encoding="utf-8")
    scenario = ks.parse(
        "kinsim: 1\nname: x\nworkload: {arrivals: {model: trace, file: c.json, format: cloudwatch}}\n"
        "function: {duration: 1ms}\nrun: {duration: 1m}\n",
        base_dir=tmp_path,
    )
    with pytest.raises(ks.ConfigError, match="looks like bytes, not records"):
        scenario.run()


def test_an_axis_over_six_hundred_powers_of_ten():
    assert expand({"geometric": ["1e-300/s", "1e300/s"], "num": 3})[1] == "1/s"
