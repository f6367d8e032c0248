"""Commands from file to folder: what they print, write, and return."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import kinsim as ks
from kinsim.experiment.sweep_worker import combine
from kinsim.present.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]

HELLO = """\
kinsim: 1
name: hello
workload: {arrivals: {model: poisson, rate: 5/s}, record_size: 1 kB}
stream: {shard_count: 2}
function: {memory_size: 256 MB, duration: {fixed: 30ms, per_record: 0.1ms}}
slos:
  fresh: {metric: IteratorAge, statistic: Maximum, period: 1m, at_most: 30s}
  no_loss: {metric: expired_records, statistic: Sum, at_most: 0}
run: {duration: 5m, replications: 2, seed: 7}
"""
SWEEP = """\
kinsim: 1
name: few
base: hello.yaml
axes: [{stream.shard_count: [1, 2, 3]}]
replications: 2
"""
FOLDER = {
    "manifest.json", "scenario.yaml", "summary.json", "summary.csv", "slos.json", "cost.csv", "replications.csv",
    "timeseries.csv", "log.txt", "figures",
}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "hello.yaml").write_text(HELLO, encoding="utf-8")
    (folder / "few.yaml").write_text(SWEEP, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run_folder(work) -> Path:
    assert main(["run", str(work / "hello.yaml"), "-o", str(work / "out"), "-q"]) == 0
    (folder,) = (work / "out" / "hello").iterdir()
    return folder


@pytest.fixture(scope="module")
def sweep_folder(work) -> Path:
    assert main(["sweep", str(work / "few.yaml"), "-o", str(work / "out"), "-q", "--executor", "serial"]) == 0
    (folder,) = (work / "out" / "few").iterdir()
    return folder


@pytest.fixture
def fails(capsys) -> Callable[..., str]:
    """Run a command that must be refused; gives what it says."""

    def run(*arguments: str) -> str:
        code = main(arguments)
        said = capsys.readouterr()
        assert code == 2, said.err
        assert "Traceback" not in said.err
        assert said.out == ""
        assert said.err.strip()
        return said.err

    return run


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- run


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


# -- bad input


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("", "empty"),
        (": : :\n- [", "a.yaml"),
        ("kinsim: 1\nname: x\nstreem: {}\n", "stream"),
        (HELLO.replace("5m", "5 parsecs"), "a.yaml:9"),
        (HELLO.replace("5/s", "-5/s"), "a.yaml:3"),
        (HELLO.replace("5/s", ".nan"), "a.yaml:3"),
        (HELLO.replace("shard_count: 2", "shard_count: two"), "a.yaml:4"),
    ],
)
def test_wrong_scenario(content, says, fails, tmp_path):
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    for command in ("run", "validate", "explain"):
        assert says in fails(command, str(path))


def test_missing_trace(fails, tmp_path):
    path = tmp_path / "a.yaml"
    trace = "model: trace, file: gone.csv, format: csv, time: t"
    path.write_text(HELLO.replace("model: poisson, rate: 5/s", trace), encoding="utf-8")
    assert "gone.csv" in fails("run", str(path))


def test_folder_in_place_of_a_file(fails, tmp_path):
    assert "folder" in fails("run", str(tmp_path))


def test_sweep_in_place_of_a_scenario(fails, work):
    assert "kinsim sweep" in fails("run", str(work / "few.yaml"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "stream.shard=3"], "did you mean stream.shard_count"),
        (["--set", "nonsense"], "--set #1"),
        (["--seed", "-1"], "seed"),
        (["--keep", "everything"], "invocations, records"),
        (["-o", "{hello}"], "--out"),
    ],
)
def test_wrong_options(arguments, says, fails, work):
    filled = [argument.format(hello=work / "hello.yaml") for argument in arguments]
    assert says in fails("run", str(work / "hello.yaml"), *filled)


def test_all_mistakes_at_once(fails, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(HELLO.replace("5m", "5 parsecs").replace("shard_count", "shard_cuont"), encoding="utf-8")
    said = fails("validate", str(path))
    assert "a.yaml:9" in said
    assert "a.yaml:4" in said
    assert "shard_count" in said


# -- validate, explain, schema, profiles, init


def test_validate_says_ok(work, capsys):
    assert main(["validate", str(work / "hello.yaml"), str(work / "few.yaml")]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{work / 'hello.yaml'}: ok", f"{work / 'few.yaml'}: ok"]


@pytest.mark.parametrize(("style", "mark"), [("json", '"severity": "error"'), ("github", "::error file=")])
def test_validate_for_programs(style, mark, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("kinsim: 1\n", encoding="utf-8")
    assert main(["validate", str(tmp_path / "a.yaml"), "--format", style]) == 2
    said = capsys.readouterr()
    assert mark in said.out
    if style == "json":
        assert json.loads(said.out)["format_version"] == "1.0"


def test_warnings_fail_only_when_strict(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text(HELLO.replace("per_record: 0.1ms", "per_record: 4s"), encoding="utf-8")
    assert main(["validate", str(path)]) == 0
    assert "warning" in capsys.readouterr().err
    assert main(["validate", str(path), "--strict"]) == 2


def test_explain_names_sources(work, capsys):
    assert main(["explain", str(work / "hello.yaml"), "--set", "function.timeout=9s"]) == 0
    said = capsys.readouterr().out
    assert "hello.yaml:4" in said
    assert "--set" in said
    assert "aws-2026" in said
    assert main(["explain", str(work / "hello.yaml"), "batch_size", "--json"]) in (0, 2)
    capsys.readouterr()
    assert main(["explain", str(work / "hello.yaml"), "stream.shards", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["values"]
    assert row["path"] == "stream.shard_count"
    assert row["value"] == "2"
    assert row["description"]


@pytest.mark.parametrize("kind", ["scenario", "sweep", "result"])
def test_schemas_are_schemas(kind, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["schema", kind]) == 0
    jsonschema.Draft7Validator.check_schema(json.loads(capsys.readouterr().out))


def test_summary_follows_its_schema(run_folder, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["schema", "result"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(json.loads((run_folder / "summary.json").read_text(encoding="utf-8")), schema)


def test_profiles(capsys, fails):
    assert main(["profiles"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("ideal", "aws-2017", "aws-2026"))
    assert main(["profiles", "aws-2017"]) == 0
    said = capsys.readouterr().out
    assert "1536 MB" in said
    assert "aws:" in said
    assert "aws-2017" in fails("profiles", "aws-2071")


@pytest.mark.parametrize("template", ["minimal", "streamalert", "sweep"])
def test_init_writes_files_that_load(template, tmp_path, capsys, fails):
    target = tmp_path / "new"
    assert main(["init", str(target), "--template", template]) == 0
    written = [Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines()]
    yamls = [str(path) for path in written if path.suffix == ".yaml"]
    assert yamls
    assert main(["validate", *yamls]) == 0
    capsys.readouterr()
    fails("init", str(target), "--template", template)  # nothing is overwritten


# -- sweep and plot


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


def test_plot_makes_the_same_files_from_what_is_stored(run_folder, tmp_path, capsys):
    assert main(["plot", str(run_folder), "-o", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (run_folder / "figures" / path.name).read_bytes()


def test_plot_other_figures_sizes_formats(run_folder, sweep_folder, tmp_path, capsys):
    assert main(["plot", str(run_folder.parent), "2", "shard_heat_map", "--format", "pdf", "-o", str(tmp_path)]) == 0
    assert (
        main(["plot", str(sweep_folder), "p99_vs_shards", "--size", "paper", "--format", "svg", "-o", str(tmp_path)])
        == 0
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["02_iterator_age.pdf", "04_age_against_shards_paper.svg", "08_shard_heat_map.pdf"]


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


def test_plot_of_something_else(fails, run_folder, tmp_path):
    assert "did you mean iterator_age" in fails("plot", str(run_folder), "iteratr_age")
    assert "no such folder" in fails("plot", str(tmp_path / "gone"))
    assert "holds no result" in fails("plot", str(tmp_path))
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    assert "index.json" in fails("plot", str(tmp_path))


def test_plot_of_one_among_many(fails, work, run_folder, sweep_folder):
    assert "name one of them" in fails("plot", str(work / "out"))


# -- interruption and examples


def heed_signals():
    """Undo what whoever started the tests may have told them to ignore, as nohup does; processes inherit it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture
def started():
    """Starts `kinsim` with arguments as a process of its own, which does not outlive the test."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "kinsim", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=heed_signals,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_and_being_told_to_end_leave_no_half_written_folder(started, work, tmp_path, name):
    out = tmp_path / "out"
    process = started(
        "run", str(work / "hello.yaml"), "-o", str(out), "--set", "run.duration=100d", "--progress", "json"
    )
    assert "progress" in process.stderr.readline()  # it simulates now
    process.send_signal(getattr(signal, name))
    said, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == ""
    assert "Traceback" not in err
    assert "interrupted" in err
    assert not out.exists() or list(out.rglob("*.*")) == []


def test_an_interrupted_sweep_says_how_to_go_on(started, work, tmp_path):
    command = ["sweep", str(work / "few.yaml"), "-o", str(tmp_path / "out"), "--executor", "serial"]
    process = started(*command, "--set", "run.duration=6h", "--progress", "json", "--fresh")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    while '"done": 1' not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    (again,) = [line.removeprefix("to go on: ") for line in err.splitlines() if line.startswith("to go on: ")]
    words = shlex.split(again)
    assert words[:2] == ["kinsim", "sweep"]
    assert "--fresh" not in words
    done = subprocess.run(
        [sys.executable, "-m", *words[:1], *words[1:]], capture_output=True, text=True, env=env, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "points already computed" in done.stderr


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


def examples_of(name: str) -> list[str]:
    import click

    from kinsim.present.cli import cli

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    lines = (command.epilog or "").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]


@pytest.mark.parametrize(
    "line", [line for name in COMMANDS if name not in ("run", "sweep", "plot") for line in examples_of(name)]
)
def test_examples_in_help_run(line, tmp_path, monkeypatch, capsys):
    import glob
    import shlex

    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line.split(" > ")[0])[1:]
    arguments = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
    assert main(arguments) == 0


@pytest.mark.parametrize("line", [line for name in ("run", "sweep", "plot") for line in examples_of(name)])
def test_examples_of_long_commands_name_what_exists(line):
    import shlex

    words = shlex.split(line)
    for word in words:
        if word.startswith("configs/"):
            assert (ROOT / word).is_file()
