"""Alarms from a scenario to the summary, its sentences and the stored result."""

from __future__ import annotations

import json

import pytest
from pytest import approx

import kinsim as ks
from kinsim.experiment.simulate import replicate
from kinsim.experiment.summary import summarise
from kinsim.present.cli import main

SCENARIO = """\
kinsim: 1
name: watched
profile: ideal
workload: {arrivals: {model: poisson, rate: 1.2/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 1s}
alarms:
  age:    {metric: IteratorAge, statistic: Maximum, period: 5m, threshold: 60_000}
  late:   {metric: IteratorAge, statistic: p50, period: 1m, threshold: 180_000}
  errors: {metric: Errors, statistic: Sum, period: 1m, threshold: 0}
run: {duration: 20m, replications: 4, seed: 3}
"""
WITHOUT = "".join(line for line in SCENARIO.splitlines(True) if "metric:" not in line and "alarms:" not in line)


@pytest.fixture(scope="module")
def result():
    return ks.parse(SCENARIO).run()


def test_times_are_means_over_the_replications(result):
    age = result.alarms["age"]
    histories = [one.alarms["age"] for one in result.replications]
    for key in ("first_crossed_s", "went_off_s"):
        each = [history[key] for history in histories]
        assert len(set(each)) > 1
        found = age[key]
        assert found["value"] == approx(sum(each) / 4)
        assert found["ci_low"] < found["value"] < found["ci_high"]
        assert found["n"] == 4
    assert (age["went_off_in"], age["replications"]) == (4, 4)
    assert (age["metric"], age["statistic"], age["unit"], age["threshold"]) == (
        "IteratorAge", "Maximum", "Milliseconds", 60_000,
    )  # fmt: skip


def test_the_first_crossing_is_that_of_the_invocations():
    result = ks.parse(SCENARIO).run(keep=["invocations"])
    late = result.invocations[result.invocations.iterator_age_s > 60]
    for number, one in enumerate(result.replications):
        crossed_s = late.start_s[late.replication == number].iloc[0]
        assert one.alarms["age"]["first_crossed_s"] == int(crossed_s)
        assert one.alarms["age"]["went_off_s"] == 60 * (int(crossed_s) // 60 + 1) + 60


def test_changes_are_told_by_replication(result):
    changes = result.alarms["age"]["state_changes"]
    assert [change["replication"] for change in changes] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [change["state"] for change in changes] == ["OK", "ALARM"] * 4
    assert changes[0]["time_s"] == 120


def test_an_alarm_may_go_off_in_some_replications_only(result):
    late = result.alarms["late"]
    assert 0 < late["went_off_in"] < 4
    assert late["went_off_s"]["n"] == late["went_off_in"]
    errors = result.alarms["errors"]
    assert (errors["went_off_in"], errors["went_off_s"]["value"], errors["first_crossed_s"]["n"]) == (0, None, 0)


def test_what_is_said(result):
    said = " ".join(result.summary()["findings"]["notes"])
    assert "Alarm age goes off after " in said
    assert f"Alarm late goes off in {result.alarms['late']['went_off_in']} of 4 runs, after " in said
    assert "No alarm from errors." in said


def test_without_alarms_nothing_is_said():
    result = ks.parse(WITHOUT).with_({"run.replications": 1}).run()
    assert result.alarms == {}
    assert "larm" not in " ".join(result.summary()["findings"]["notes"])


def test_alarms_watch_and_change_nothing():
    scenario, plain = (ks.parse(text).with_({"run.replications": 1}) for text in (SCENARIO, WITHOUT))
    assert scenario.run().summary()["metrics"] == plain.run().summary()["metrics"]
    assert scenario.config_hash != scenario.with_({"alarms.age.threshold": 61_000}).config_hash


def test_the_numbers_travel_as_json(result):
    scenario = result.scenario
    numbers = [json.loads(json.dumps(replicate(scenario, k, details=False).numbers())) for k in range(4)]
    assert summarise(scenario, numbers)["alarms"] == result.alarms


def test_the_stored_result_has_them(tmp_path, result, capsys):
    file = tmp_path / "watched.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    assert main(("run", str(file), "--no-figures", "--out", str(tmp_path / "out"))) == 0
    assert "Alarm age goes off after" in capsys.readouterr().out
    stored = ks.Result.load(tmp_path / "out")
    assert stored.alarms == result.alarms
    assert stored.scenario.alarms == result.scenario.alarms
