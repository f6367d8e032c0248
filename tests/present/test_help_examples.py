"""The examples in the help of the commands run."""

from __future__ import annotations

import shlex

import pytest

from kinsim.present.cli import COMMANDS, main
from tests.present.commands import ROOT


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

    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line.split(" > ")[0])[1:]
    arguments = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
    assert main(arguments) == 0


@pytest.mark.parametrize("line", [line for name in ("run", "sweep", "plot") for line in examples_of(name)])
def test_examples_of_long_commands_name_what_exists(line):

    words = shlex.split(line)
    for word in words:
        if word.startswith("configs/"):
            assert (ROOT / word).is_file()
