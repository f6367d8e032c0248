"""Commands that are told to end leave nothing half written and say how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.present.commands import ROOT


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
