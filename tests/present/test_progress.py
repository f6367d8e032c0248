"""Progress: a line now and then, JSON for programs, silence when asked."""

from __future__ import annotations

import json

import pytest

from kinsim.present import progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_writes_after_both_thirty_seconds_and_a_tenth(capsys):
    clock = Clock()
    report = progress._lines("plain", "sweep", "points", clock)
    for done in range(1, 101):
        clock.now = done * 1.0
        report(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in lines] == ["30/100", "60/100", "90/100"]
    clock = Clock()
    report = progress._lines("plain", "sweep", "points", clock)
    for done in range(1, 101):
        clock.now = done * 60.0
        report(done, 100)
    assert len(capsys.readouterr().err.splitlines()) == 9


def test_a_short_run_says_nothing(capsys):
    report = progress._lines("plain", "run", "replications", Clock())
    for done in range(11):
        report(done, 10)
    assert capsys.readouterr().err == ""


def test_json_is_one_object_a_line(capsys):
    with progress.showing("json", "run", "replications") as report:
        report(1, 2)
        report(2, 2, "0 failed")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["done"] for event in events] == [1, 2]
    assert events[1]["note"] == "0 failed"


@pytest.mark.parametrize(("mode", "quiet"), [("none", False), ("auto", True)])
def test_silence(mode, quiet, capsys):
    with progress.showing(mode, "run", "replications", quiet) as report:
        report(1, 2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("value", "terminal"), [("true", False), ("1", False), ("", True), ("false", True)])
def test_a_build_system_is_no_terminal(value, terminal, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("CI", value)
    monkeypatch.setenv("TERM", "xterm")
    assert progress.on_terminal() is terminal


def test_colour(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert progress.wants_colour(True)
    assert not progress.wants_colour(False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not progress.wants_colour(True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert progress.wants_colour(False)


def test_bar_ends_without_a_trace_of_an_error(capsys):
    with progress.showing("bar", "run", "replications") as report:
        report(0, 3)
        report(3, 3)
    assert "Traceback" not in capsys.readouterr().err
