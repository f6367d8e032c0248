"""`kinsim run`: what it prints, writes, and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import kinsim as ks
from kinsim.present.cli import main
from tests.present.commands import FOLDER, HELLO, ROOT, table


def test_folder_holds_what_is_promised(run_folder):
    assert {path.name for path in run_folder.iterdir()} == FOLDER
    figures = {path.name for path in (run_folder / "figures").iterdir()}
    stems = {"01_offered_load", "02_iterator_age", "08_shard_heat_map"}
    assert figures == {f"{stem}.{kind}" for stem in stems for kind in ("csv", "svg", "png")} | {"index.json"}


def test_folder_is_named_after_the_configuration(run_folder, work):
    scenario = ks.load(work / "hello.yaml")
    assert run_folder == work / "out" / "hello" / scenario.config_hash[:8]
    manifest = json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["config_hash"] == scenario.config_hash
    assert manifest["seed"] == 7
    assert manifest["kinsim"] == ks.__version__


def test_console_csv_and_json_show_the_same_summary(run_folder, work, capsys):
    assert main(["run", str(work / "hello.yaml"), "-o", str(work / "out"), "--json", "-q"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert printed.err == ""
    assert printed.out == (run_folder / "summary.json").read_text(encoding="utf-8")
    assert summary["format_version"] == "1.0"
    rows = table(run_folder / "summary.csv")
    statistics = {(m, s): found for m, of in summary["metrics"].items() for s, found in of.items()}
    assert {(row["metric"], row["statistic"]) for row in rows} == set(statistics)
    for row in rows:
        found = statistics[row["metric"], row["statistic"]]
        for key in ("value", "ci_low", "ci_high", "sd"):
            assert (float(row[key]) if row[key] else None) == found[key]
        assert row["unit"]
    assert main(["run", str(work / "hello.yaml"), "-o", str(work / "out"), "-q"]) == 0
    console = capsys.readouterr().out
    assert console.strip() in (run_folder / "log.txt").read_text(encoding="utf-8")
    assert summary["findings"]["verdict"] in console
    assert f"{summary['metrics']['invocations']['sum']['value']:,.0f}" in console
    assert [line.split()[-1] for line in console.splitlines() if line.startswith((" fresh", " no_loss"))] == [
        "met",
        "met",
    ]


def test_same_configuration_is_not_computed_twice(run_folder, work, capsys):
    before = (run_folder / "manifest.json").stat().st_mtime_ns
    assert main(["run", str(work / "hello.yaml"), "-o", str(work / "out")]) == 0
    said = capsys.readouterr()
    assert "already computed" in said.err
    assert "--fresh" in said.err
    assert "Meets all 2 SLOs." in said.out
    assert (run_folder / "manifest.json").stat().st_mtime_ns == before


def test_same_configuration_gives_the_same_bytes(run_folder, work, tmp_path):
    assert main(["run", str(work / "hello.yaml"), "-o", str(tmp_path), "-q", "--workers", "2"]) == 0
    (again,) = (tmp_path / "hello").iterdir()
    for path in sorted(run_folder.rglob("*.*")):
        if path.name in ("manifest.json", "log.txt", "scenario.yaml"):  # command, folder and time of the run
            continue
        assert path.read_bytes() == (again / path.relative_to(run_folder)).read_bytes(), path.name


def test_stored_scenario_runs_again_into_the_same_folder(run_folder, work, capsys):
    stored = run_folder / "scenario.yaml"
    assert ks.load(stored).config_hash == ks.load(work / "hello.yaml").config_hash
    assert main(["run", str(stored), "-o", str(work / "out")]) == 0
    assert "already computed" in capsys.readouterr().err


def test_replications_and_series_have_units_and_rows(run_folder):
    replications = table(run_folder / "replications.csv")
    assert [row["replication"] for row in replications] == ["0", "1"]
    assert {row["slos_met"] for row in replications} == {"true"}
    assert float(replications[0]["invocations.sum"]) > 0
    series = table(run_folder / "timeseries.csv")
    assert list(series[0]) == ["Timestamp", "MetricName", "Dimensions", "Statistic", "Value", "Unit"]
    ages = [row for row in series if row["MetricName"] == "IteratorAge" and row["Statistic"] == "Maximum"]
    assert [int(row["Timestamp"]) for row in ages] == [0, 60, 120, 180, 240]
    assert {row["Unit"] for row in ages} == {"Milliseconds"}


def test_costs_add_up(run_folder):
    rows = table(run_folder / "cost.csv")
    parts = [float(row["usd_per_month"]) for row in rows[:-1]]
    assert rows[-1]["part"] == "total"
    assert sum(parts) == pytest.approx(float(rows[-1]["usd_per_month"]))
    assert {row["kind"] for row in rows[:-1]} == {"fixed", "usage"}


def test_missed_slo_is_3_and_no_fail_0(work, tmp_path, capsys):
    command = ["run", str(work / "hello.yaml"), "-o", str(tmp_path), "--no-figures", "-q"]
    command += ["--set", "slos.fresh.at_most=1ms"]
    assert main(command) == 3
    assert "missed" in capsys.readouterr().out
    assert main([*command, "--no-fail"]) == 0
    assert main(command) == 3  # from the stored result, too


def test_dry_run_writes_nothing(work, tmp_path, capsys):
    assert main(["run", str(work / "hello.yaml"), "-o", str(tmp_path), "--dry-run"]) == 0
    assert "2 replications × 5 min" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_kept_tables(work, tmp_path):
    command = ["run", str(work / "hello.yaml"), "-o", str(tmp_path), "--no-figures", "-q"]
    assert main(command) == 0
    assert main([*command, "--keep", "invocations,records"]) == 0  # computed again, for the tables
    (folder,) = (tmp_path / "hello").iterdir()
    assert {row["replication"] for row in table(folder / "invocations.csv")} == {"0", "1"}
    assert list(table(folder / "invocations.csv")[0])[:4] == ["replication", "shard", "lane", "first_record"]
    assert len(table(folder / "records.csv")) > 100


def test_figures_come_later_where_they_were_left_out(work, tmp_path):
    command = ["run", str(work / "hello.yaml"), "-o", str(tmp_path), "-q"]
    assert main([*command, "--no-figures"]) == 0
    (folder,) = (tmp_path / "hello").iterdir()
    assert list(folder.rglob("*.svg")) == []
    assert main([*command, "--format", "svg"]) == 0
    assert len(list(folder.rglob("*.svg"))) == 3


def test_colour_only_on_request(work, run_folder, capsys, monkeypatch):
    command = ["run", str(work / "hello.yaml"), "-o", str(work / "out"), "-q"]
    assert main(command) == 0
    plain = capsys.readouterr().out
    assert "\x1b[" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(command) == 0
    coloured = capsys.readouterr().out
    assert "\x1b[" in coloured
    import re

    words = re.sub(r"\x1b\[[0-9;]*m", "", coloured).split()
    assert words == plain.split()


def test_a_fault_of_kinsims_is_logged_and_exits_with_1(work, tmp_path, monkeypatch, capsys):
    from kinsim.experiment import simulate

    def broken(*_, **__):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(simulate, "replicate", broken)
    assert main(["run", str(work / "hello.yaml"), "-o", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: a fault" in said
    assert "Traceback" not in said
    logged = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert logged.startswith("Traceback") and logged.rstrip().endswith("ZeroDivisionError: a fault")


def test_too_little_memory_is_no_fault(work, tmp_path, monkeypatch, capsys):
    from kinsim.experiment import simulate

    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr(simulate, "replicate", greedy)
    assert main(["run", str(work / "hello.yaml"), "-o", str(tmp_path)]) == 2
    assert "not enough memory" in capsys.readouterr().err
    assert not (tmp_path / "log.txt").exists()


def test_a_closed_stdout_is_no_fault(work, tmp_path):
    out = tmp_path / "out"
    command = f"exec '{sys.executable}' -m kinsim run '{work / 'hello.yaml'}' -o '{out}' --no-figures >&-"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr


def test_a_name_that_is_no_utf8(work, tmp_path):
    path = os.fsencode(tmp_path) + b"/odd\xff.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(HELLO)
    command = [sys.executable, "-m", "kinsim", "run", path, "-o", str(tmp_path / "out"), "--no-figures"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    (manifest,) = (tmp_path / "out").rglob("manifest.json")
    assert any("odd" in word for word in json.loads(manifest.read_text(encoding="utf-8"))["command"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: json.dumps(dict.fromkeys(json.loads(text), 1)), "was changed"),
        (lambda text: text.replace("null", "NaN"), "NaN is no number"),
    ],
)
def test_an_edited_summary_is_refused(work, tmp_path, capsys, change, said):
    arguments = ["run", str(work / "hello.yaml"), "-o", str(tmp_path), "--no-figures"]
    assert main(arguments) == 0
    (summary,) = tmp_path.rglob("summary.json")
    summary.write_text(change(summary.read_text(encoding="utf-8")), encoding="utf-8")
    capsys.readouterr()
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_trace_that_is_longer_than_the_run_is_told(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("t\n0\n1000\n", encoding="utf-8")
    text = HELLO.replace("{model: poisson, rate: 5/s}", "{model: trace, file: t.csv, time: t}")
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    assert main(["run", str(tmp_path / "s.yaml"), "-o", str(tmp_path / "out"), "--no-figures"]) == 0
    assert "its last row is at 16m40s; the run ends at 5m" in capsys.readouterr().err
    main(["validate", str(tmp_path / "s.yaml")])
    assert "leaves the rest out" in "".join(capsys.readouterr())
