"""The command line: help, codes, did-you-mean, what is imported, closed pipes."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kinsim
from kinsim.present import cli
from kinsim.present.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pydantic", "matplotlib", "scipy", "pandas", "rich", "simpy", "yaml", "numba", "loky")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"], *[[name, "--help"] for name in COMMANDS]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        f"import sys\nfrom kinsim.present.cli import main\ncode = main({arguments!r})\n"
        f"heavy = [m for m in {HEAVY!r} if m in sys.modules]\nsys.exit(str(heavy) if heavy else code)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_importing_kinsim_imports_nothing_heavy():
    done = python(
        f"import sys, kinsim; found = [m for m in {HEAVY!r} if m in sys.modules]; sys.exit(str(found) if found else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    assert sorted(kinsim.__all__) == kinsim.__all__
    for name in kinsim.__all__:
        assert getattr(kinsim, name) is not None
    assert set(kinsim.__all__) - {"__version__"} == set(kinsim._HOME)


def test_version_is_the_project_s(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == kinsim.__version__
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"kinsim {kinsim.__version__}\n"


def test_verbose_version_names_libraries(capsys):
    assert main(["-v", "--version"]) == 0
    said = capsys.readouterr().out
    assert f"numpy {importlib.metadata.version('numpy')}" in said
    assert "Python 3." in said


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_ends_with_examples(name, capsys):
    assert main([name, "-h"]) == 0
    said = capsys.readouterr().out
    examples = said.split("Examples:\n")[1].strip().splitlines()
    assert 1 <= len(examples) <= 3
    assert all(line.strip().startswith(f"$ kinsim {name}") for line in examples)


def test_help_lists_all_commands(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize(
    ("typed", "meant"), [("sweeep", "sweep"), ("rnu", "run"), ("valdate", "validate"), ("Plot", "plot")]
)
def test_mistyped_command(typed, meant, capsys):
    assert main([typed]) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_unknown_command_lists_commands(capsys):
    assert main(["xyzzy"]) == 2
    assert "init, validate, explain" in capsys.readouterr().err


def test_mistyped_option(capsys):
    assert main(["run", "a.yaml", "--repliations", "3"]) == 2
    assert "--replications" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "a.yaml", "--replications", "0"],
        ["run", "a.yaml", "--workers", "none"],
        ["run", "a.yaml", "--format", "gif"],
        ["run", "a.yaml", "--progress", "loud"],
        ["schema", "scenari"],
        ["sweep", "a.yaml", "--executor", "moon"],
    ],
)
def test_wrong_usage_is_2_and_has_no_traceback(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "Error" in said.err


def test_internal_error_is_short(monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("a/b")

    monkeypatch.setattr(cli, "_versions", broken)
    assert main(["--version", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setattr(cli, "printable", broken)
    with pytest.raises(ZeroDivisionError):
        main(["--version"])  # even stderr is broken here: nothing is hidden


def test_internal_error_without_v(monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("a/b")

    monkeypatch.setattr(cli, "write_result", broken)
    assert main(["--version"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("internal error: ZeroDivisionError: a/b")
    assert "Traceback" not in said


def test_ctrl_c_is_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "write_result", interrupted)
    assert main(["--version"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_closed_pipe_is_quiet():
    code = "import sys; from kinsim.present.cli import main; sys.exit(main(['schema', 'scenario']))"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_full_disk_is_a_message(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "write_result", full)
    assert main(["--version"]) == 2
    assert capsys.readouterr().err == "output: No space left on device\n"


def test_console_without_utf8():
    assert cli.printable("5 × 2 h · p99 ≥ 3 → ok", "ascii") == "5 x 2 h - p99 >= 3 -> ok"
    assert cli.printable("5 × 2 h", "utf-8") == "5 × 2 h"
