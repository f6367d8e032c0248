"""Every file in ``configs/`` runs, shortened, and gives the figure or verdict that it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kinsim as ks
from kinsim.present.cli import main

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(path for path in CONFIGS.glob("*.yaml"))
KEYS = {path: set(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in FILES}
SWEEPS = [path for path in FILES if "axes" in KEYS[path]]
PARTS = [path for path in FILES if not KEYS[path] & {"axes", "workload", "pipelines"}]
SCENARIOS = [path for path in FILES if path not in SWEEPS + PARTS]
SHORTER = {
    "overload-to-retention": "3h",
    "streamalert-default": "2h",
    "hot-shard": "3m",
    "vpc-flow-bursts": "40m",
}


AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
2023-11-16 18:18:30.5000000,7433,14
"""


@pytest.fixture
def options(request, tmp_path) -> list[str]:
    """A stand-in for the real trace, which is not part of kinsim; four rows in its format."""
    if "real-trace" not in request.node.name:
        return []
    trace = tmp_path / "azure.csv"
    trace.write_text(AZURE, encoding="utf-8")
    return ["--set", f"workload.arrivals.file={trace}"]


def run(*arguments: str) -> None:
    assert main(arguments) in (0, 3)  # 3: done, but a limit is missed


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_runs(path, tmp_path, options):
    duration = SHORTER.get(path.stem, "20m")
    run(
        "run", str(path), "--set", f"run.duration={duration}", "--set", "run.warm_up=0s", "--set", "run.replications=2",
        "--out", str(tmp_path), *options,
    )  # fmt: skip
    assert list(tmp_path.rglob("summary.json"))
    assert list(tmp_path.rglob("*.svg"))


@pytest.mark.parametrize("path", sorted((CONFIGS / "claims").glob("*.yaml")), ids=lambda path: path.stem)
def test_claim_loads(path):
    ks.load(path)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_runs(path, tmp_path, options):
    run(
        "sweep", str(path), "--set", "run.duration=10m", "--set", "run.warm_up=0s", "--replications", "1",
        "--workers", "1", "--out", str(tmp_path), *options,
    )  # fmt: skip
    assert list(tmp_path.rglob("points.csv"))


def test_every_file_says_how_to_run_it():
    for path in SCENARIOS + SWEEPS:
        verb = "sweep" if path in SWEEPS else "run"
        assert f"kinsim {verb} configs/{path.name}" in path.read_text(encoding="utf-8"), path.name
    for path in PARTS:
        assert f"extends: {path.name}" in path.read_text(encoding="utf-8"), path.name


STREAMALERT = {
    2017: {
        "lambda_errors": ("Errors", "Sum", 0, 300, 1),
        "lambda_throttles": ("Throttles", "Sum", 0, 300, 1),
        "lambda_iterator_age": ("IteratorAge", "Maximum", 1_000_000, 300, 1),
        "kinesis_iterator_age": ("GetRecords.IteratorAgeMilliseconds", "Maximum", 1_000_000, 300, 1),
        "kinesis_write_exceeded": ("WriteProvisionedThroughputExceeded", "Sum", 0, 600, 2),
    },
    2022: {
        "lambda_errors": ("Errors", "Sum", 0, 120, 1),
        "lambda_throttles": ("Throttles", "Sum", 0, 120, 1),
        "lambda_iterator_age": ("IteratorAge", "Maximum", 1_000_000, 300, 1),
        "kinesis_iterator_age": ("GetRecords.IteratorAgeMilliseconds", "Maximum", 1_000_000, 300, 1),
        "kinesis_write_exceeded": ("WriteProvisionedThroughputExceeded", "Sum", 10, 300, 6),
    },
}
"""Metric, statistic, threshold, period and evaluation periods of StreamAlert's alarms, from its Terraform modules."""


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
@pytest.mark.parametrize("year", STREAMALERT)
def test_streamalerts_alarms(year, profile):
    text = f"""\
kinsim: 1
name: watched
profile: {profile}
extends: alarms-streamalert-{year}.yaml
workload: {{arrivals: {{model: poisson, rate: 10/s}}}}
function: {{duration: 30ms}}
alarms: {{lambda_errors: {{treat_missing_data: notBreaching}}}}
run: {{duration: 10m, replications: 1}}
"""
    scenario = ks.parse(text, base_dir=CONFIGS)
    found = {
        name: (alarm.metric, alarm.statistic, alarm.threshold, alarm.period_s, alarm.evaluation_periods)
        for name, alarm in scenario.alarms.items()
    }
    assert found == STREAMALERT[year]
    for name, alarm in scenario.alarms.items():
        assert alarm.comparison == "GreaterThanThreshold"
        assert alarm.points_needed == alarm.evaluation_periods
        assert alarm.treat_missing_data == ("notBreaching" if name == "lambda_errors" else "missing")
    assert {alarm["went_off_in"] for alarm in scenario.run().alarms.values()} == {0}


def test_the_trace_is_what_its_script_makes(tmp_path):
    script = tmp_path / "make-trace.py"
    script.write_bytes((CONFIGS / "make-trace.py").read_bytes())
    subprocess.run([sys.executable, str(script)], check=True)
    assert (tmp_path / "trace-replay.csv").read_bytes() == (CONFIGS / "trace-replay.csv").read_bytes()


def test_trace_replay_offers_every_row(tmp_path):
    rows = len((CONFIGS / "trace-replay.csv").read_text(encoding="utf-8").splitlines()) - 1
    result = ks.load(CONFIGS / "trace-replay.yaml").run()
    assert result["offered_records"]["sum"] == rows
    assert result["processed_records"]["sum"] == rows
