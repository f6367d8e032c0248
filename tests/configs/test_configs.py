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
SWEEPS = [path for path in FILES if "axes" in yaml.safe_load(path.read_text(encoding="utf-8"))]
SCENARIOS = [path for path in FILES if path not in SWEEPS]
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
    for path in FILES:
        verb = "sweep" if path in SWEEPS else "run"
        assert f"kinsim {verb} configs/{path.name}" in path.read_text(encoding="utf-8"), path.name


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
