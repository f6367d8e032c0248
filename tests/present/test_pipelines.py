"""A scenario of several pipelines from the command line: what is printed, written, drawn and opened again."""

import json
from pathlib import Path

import pandas as pd
import pytest

import kinsim as ks
from kinsim.errors import ResultError
from kinsim.present.cli import main

TEXT = """\
kinsim: 1
name: two
pipelines:
  trail:
    workload: {arrivals: {model: poisson, rate: 5/s}, record_size: 2 kB}
    function: {memory: 8 GB, duration: {fixed: 60ms}}
  flow:
    workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
    function: {memory: 256 MB, duration: {fixed: 30ms, per_record: 1ms}}
stream: {shard_count: 1}
cost: {free_tier: true}
slos: {fresh: {metric: iterator_age_s, statistic: p99, at_most: 60s}}
alarms: {age: {metric: IteratorAge, statistic: Maximum, period: 1m, threshold: 60_000, evaluation_periods: 1}}
run: {duration: 3m, replications: 2}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("pipelines")
    (place / "two.yaml").write_text(TEXT, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def folder(place) -> Path:
    arguments = ["run", str(place / "two.yaml"), "--out", str(place / "out"), "--keep", "invocations"]
    assert main([*arguments, "--format", "svg", "--quiet", "--workers", "2"]) == 0
    return next((place / "out" / "two").iterdir())


@pytest.fixture(scope="module")
def computed():
    return ks.parse(TEXT).run(keep=["invocations"])


def test_the_folder_holds_a_run_for_each(folder):
    here = {path.name for path in folder.iterdir()}
    assert here == {
        "cost.csv", "log.txt", "manifest.json", "pipelines", "scenario.yaml", "slos.json", "summary.csv",
        "summary.json",
    }  # fmt: skip
    for name in ("trail", "flow"):
        below = folder / "pipelines" / name
        assert json.loads((below / "summary.json").read_text())["scenario"]["name"] == f"two: {name}"
        assert (below / "figures" / "02_iterator_age.svg").is_file()
        assert len(pd.read_csv(below / "invocations.csv")) > 100


def test_what_is_stored_is_what_was_computed(folder, computed):
    stored = ks.Result.load(folder)
    assert list(stored.pipelines) == list(computed.pipelines) == ["trail", "flow"]
    assert (stored.slos, stored.alarms, stored.cost) == (computed.slos, computed.alarms, computed.cost)
    assert stored.concurrent_executions == computed.concurrent_executions
    for name in ("trail", "flow"):
        assert stored[name]["iterator_age_s"] == computed[name]["iterator_age_s"]
    assert stored.scenario == computed.scenario
    assert len(stored.invocations) == len(computed.invocations)


def test_tables_name_the_pipeline(computed):
    for table in (computed.metrics, computed.timeseries, computed.invocations):
        assert list(table.pipeline.unique()) == ["trail", "flow"]


def test_the_folder_of_one_is_a_result_of_its_own(folder):
    assert ks.Result.load(folder / "pipelines" / "flow")["accepted_records"]["sum"] > 3_000


def test_slos_and_alarms_carry_the_name_of_their_pipeline(computed):
    assert [slo["name"] for slo in computed.slos] == ["trail.fresh", "flow.fresh"]
    assert set(computed.alarms) == {"trail.age", "flow.age"}
    assert computed.verdict == "Meets all 2 SLOs."


def test_the_free_tier_is_that_of_the_account(computed):
    """aws:P13: what the functions cost together exceeds it in GB-seconds."""
    cost = computed.cost
    each = [computed[name].cost["parts"] for name in ("trail", "flow")]
    of_functions = sum(parts[part]["value"] for parts in each for part in ("lambda_duration", "lambda_requests"))
    requests = sum(parts["lambda_requests"]["value"] for parts in each)
    assert of_functions - requests > 400_000 * 0.0000166667
    credit = 400_000 * 0.0000166667 + min(0.20, requests)
    assert cost["parts"]["free_tier"]["value"] == pytest.approx(-credit)
    assert cost["total"]["value"] == pytest.approx(
        cost["parts"]["trail"]["value"] + cost["parts"]["flow"]["value"] - credit
    )


def test_a_shared_stream_is_paid_once():
    text = TEXT.replace("stream: {shard_count: 1}", "stream: {logs: {shard_count: 3}}").replace(
        "    workload: {arrivals: {model: poisson, rate: 5/s}, record_size: 2 kB}\n", "    stream: logs\n"
    )
    text = text.replace("  flow:\n", "  flow:\n    stream: logs\n").replace("true", "false")
    result = ks.parse(text).run(replications=1)
    shard_hours = [result[name].cost["parts"]["shard_hours"]["value"] for name in ("trail", "flow")]
    assert shard_hours == pytest.approx([3 * 0.015 * 730, 0])
    assert "free_tier" not in result.cost["parts"]


def test_what_is_printed(place, folder, capsys):
    arguments = ["run", str(place / "two.yaml"), "--out", str(place / "out"), "--keep", "invocations"]
    assert main([*arguments, "--no-figures"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("two · 2 replications")
    rows = [line.split()[0] for line in lines if line.startswith(" ") and "  " in line.strip()]
    assert rows.index("trail") < rows.index("flow") < rows.index("together")
    assert any(line.startswith(" flow: No bottleneck") for line in lines)
    assert "already computed" in printed.err
    assert main([*arguments, "--no-figures", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "summary.json").read_text())


def test_figures_are_drawn_again_for_each(folder, tmp_path, capsys):
    assert main(["plot", str(folder), "2", "--format", "png", "--out", str(tmp_path)]) == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "trail/02_iterator_age.png",
        "flow/02_iterator_age.png",
    }


def test_validate_and_explain(place, capsys):
    assert main(["validate", str(place / "two.yaml")]) == 0
    assert capsys.readouterr().out.strip().endswith("two.yaml: ok")
    assert main(["explain", str(place / "two.yaml"), "pipelines.flow.lambda.memory"]) == 0
    assert "256 MB" in capsys.readouterr().out
    assert main(["explain", str(place / "two.yaml"), "pipelines.trial.stream.shards"]) == 2
    assert "did you mean 'trail'" in capsys.readouterr().err


def test_a_missed_slo_of_any_pipeline_fails(place, capsys):
    arguments = ["run", str(place / "two.yaml"), "--out", str(place / "slow"), "--no-figures", "--quiet"]
    assert main([*arguments, "--set", "pipelines.flow.slos.fresh.at_most=1ms"]) == 3
    assert "Misses 1 of 2 SLOs: flow.fresh." in capsys.readouterr().out


def test_the_summary_fits_its_schema(folder):
    jsonschema = pytest.importorskip("jsonschema")
    from kinsim.scenario.schema import schema

    jsonschema.Draft7Validator(schema("result")).validate(json.loads((folder / "summary.json").read_text()))


def test_a_damaged_folder_is_told(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "pipelines" / "flow")
    with pytest.raises(ResultError, match="flow"):
        ks.Result.load(copy)
