"""`kinsim sweep`: what it prints, writes, and returns."""

from __future__ import annotations

import csv
import json

import pytest

import kinsim as ks
from kinsim.experiment.sweep_worker import combine
from kinsim.present.cli import main
from tests.present.commands import HELLO, SWEEP, table


def test_sweep_folder(sweep_folder):
    names = {path.name for path in sweep_folder.iterdir()}
    assert {"manifest.json", "sweep.yaml", "base.yaml", "sweep.sqlite", "points.csv", "figures"} <= names
    rows = table(sweep_folder / "points.csv")
    assert [row["stream.shard_count"] for row in rows] == ["1", "2", "3"]
    assert {row["slos_met"] for row in rows} == {"true"}
    assert (sweep_folder / "figures" / "04_age_against_shards.svg").exists()


def test_finished_sweep_is_not_computed_again(sweep_folder, work, capsys):
    assert main(["sweep", str(work / "few.yaml"), "-o", str(work / "out")]) == 0
    said = capsys.readouterr()
    assert "3 of 3 points already computed" in said.err
    assert "Smallest sufficient number of shards: 1." in said.out


def test_sweep_as_json(sweep_folder, work, capsys):
    assert main(["sweep", str(work / "few.yaml"), "-o", str(work / "out"), "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format_version"] == "1.0"
    assert [point["stream.shard_count"] for point in document["points"]] == [1, 2, 3]


def test_one_run_and_single_runs_are_told(work, tmp_path, capsys, monkeypatch):
    command = ["sweep", str(work / "few.yaml"), "-o", str(tmp_path), "--executor", "serial", "--no-figures", "-q"]
    assert main([*command, "--replications", "1"]) == 0
    assert "Each point is one run, which has no interval" in capsys.readouterr().out
    assert main(command) == 0
    assert "one run" not in capsys.readouterr().out
    monkeypatch.setattr("kinsim.experiment.sweep.combine", kept_by_one_run)
    assert main([*command, "--fresh"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.endswith("  met, 1 of 2 runs")]
    assert len(rows) == 3
    assert all(" 1/2 " in row for row in rows)
    assert "Smallest sufficient number of shards: 1; 1 of 2 runs keep all SLOs there." in said
    assert "k/2 after a value: so many single runs keep the SLO" in said
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(command) == 0
    assert "\x1b[33m met, 1 of 2 runs" in capsys.readouterr().out
    (rows,) = [rows for path in tmp_path.rglob("points.csv") if (rows := table(path))[0]["replications"] == "2"]
    assert {(row["slos_kept_by"], row["slo.fresh.kept_by"]) for row in rows} == {("1", "1")}


def kept_by_one_run(scenario, numbers):
    """What replications say together, had only one of them kept the first SLO."""
    summary = combine(scenario, numbers)
    return {**summary, "slos": [{**summary["slos"][0], "kept_by": 1}, *summary["slos"][1:]], "kept_by": 1}


def test_stored_sweep_plans_the_same_points(sweep_folder, work, capsys):
    assert main(["sweep", str(sweep_folder / "sweep.yaml"), "-o", str(work / "out"), "--dry-run"]) == 0
    assert "already computed: 3; 0 to do" in capsys.readouterr().out


def test_sweep_dry_run_lists_axes(work, tmp_path, capsys):
    command = ["sweep", str(work / "few.yaml"), "-o", str(tmp_path), "--dry-run", "--axis", "stream.shards=1:4"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "4 points × 2 replications" in said
    assert "stream.shard_count" in said
    assert list(tmp_path.iterdir()) == []


def test_sweep_where_nothing_meets_the_slos_is_3(work, tmp_path, capsys):
    command = ["sweep", str(work / "few.yaml"), "-o", str(tmp_path), "--executor", "serial", "-q", "--no-figures"]
    assert main([*command, "--replications", "1", "--set", "slos.fresh.at_most=1ms"]) == 3
    assert "0 of 3 points meet all SLOs" in capsys.readouterr().out


def test_wrong_sweeps(fails, work, tmp_path):
    path = work / "wrong.yaml"
    path.write_text(SWEEP.replace("shard_count", "shard_cuont"), encoding="utf-8")
    assert "stream.shard_count" in fails("sweep", str(path))
    path.write_text(SWEEP + "objective: {minimize: cost_usd_per_month}\n", encoding="utf-8")
    assert "objective" in fails("sweep", str(path))


def test_scenario_in_place_of_a_sweep(fails, work):
    said = fails("sweep", str(work / "hello.yaml"))
    assert "this is a scenario, not a sweep" in said
    assert "`kinsim run`" in said
    assert said.endswith(f"1 error in {work / 'hello.yaml'}\n")


def test_help_says_how_many_workers_there_are_without_a_word(capsys):
    for command, default in (("run", "1"), ("sweep", "(as in the file, else auto: one per core)")):
        main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert f"KINSIM_WORKERS. [default: {default}]" in said


@pytest.mark.parametrize("command", ["sweep", "validate"])
def test_a_sweep_of_a_trace_that_is_not_there(fails, command, tmp_path):
    (tmp_path / "base.yaml").write_text(
        HELLO.replace("{model: poisson, rate: 5/s}", "{model: trace, file: gone.csv, time: t}"), encoding="utf-8"
    )
    (tmp_path / "sweep.yaml").write_text(
        "kinsim: 1\nname: s\nbase: base.yaml\naxes: [{stream.shard_count: [1, 2]}]\n", encoding="utf-8"
    )
    said = fails(command, str(tmp_path / "sweep.yaml"))
    assert "workload.arrivals.file: " in said
    assert "gone.csv: there is no such file (at all 2 points)" in said
    assert "1 error" in said


def test_what_a_file_extends_is_not_set_from_outside(fails, work):
    said = fails("run", str(work / "hello.yaml"), "--set", "extends=other.yaml")
    assert "extends cannot be set from outside" in said
    assert "`extends: [scenario.yaml, alarms.yaml]`" in said


def test_a_sweep_with_failed_points_exits_with_4(work, tmp_path, monkeypatch, capsys):
    from kinsim.experiment import sweep_worker

    replicate = sweep_worker.replicate

    def failing(scenario, replication):
        if scenario.stream.shard_count == 2:
            raise ZeroDivisionError("no second shard")
        return replicate(scenario, replication)

    monkeypatch.setattr(sweep_worker, "replicate", failing)
    code = main(["sweep", str(work / "few.yaml"), "-o", str(tmp_path), "--executor", "serial", "--no-figures"])
    assert code == 4
    said = capsys.readouterr().err
    assert "failed: ZeroDivisionError: no second shard" in said
    assert "Traceback" not in said
    with next(tmp_path.rglob("points.csv")).open(encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "failed", "done"]


@pytest.mark.parametrize("command", ["validate", "sweep"])
def test_a_sweep_that_cuts_a_trace_short_is_told_once_for_its_points(tmp_path, capsys, command):
    (tmp_path / "t.csv").write_text("t\n0\n1000\n", encoding="utf-8")
    text = HELLO.replace("{model: poisson, rate: 5/s}", "{model: trace, file: t.csv, time: t}")
    (tmp_path / "hello.yaml").write_text(text.replace("duration: 5m", "duration: 1h"), encoding="utf-8")
    (tmp_path / "few.yaml").write_text(SWEEP + "set: {run.duration: 4m}\n", encoding="utf-8")
    more = ["-o", str(tmp_path / "out"), "--dry-run"] if command == "sweep" else []
    assert main([command, str(tmp_path / "few.yaml"), *more]) == 0
    said = capsys.readouterr().err
    assert said.count("its last row is at 16m40s; the run ends at 4m and leaves the rest out (at all 3 points)") == 1
    (tmp_path / "few.yaml").write_text(SWEEP, encoding="utf-8")
    assert main([command, str(tmp_path / "few.yaml"), *more]) == 0
    assert "last row" not in capsys.readouterr().err


def test_the_template_of_a_sweep_runs_as_long_as_its_scenario(tmp_path):
    from kinsim.experiment.sweep_plan import plan_sweep

    assert main(["init", str(tmp_path), "--template", "sweep"]) == 0
    assert plan_sweep(tmp_path / "sweep.yaml").base.run == ks.load(tmp_path / "scenario.yaml").run
