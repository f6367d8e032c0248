"""Alerts and what rules cost, in runs that can be followed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pytest import approx

from kinsim.engine.matching import matches
from kinsim.errors import InternalError
from kinsim.experiment.simulate import simulate
from kinsim.measure.alerts import AlertSide
from kinsim.scenario import parse


def run(function, mapping=None, run=None, **sections):
    """Ten records at once, each of two log events that both match; a second of waiting, then a second an event."""
    document = {
        "kinsim": 1, "name": "alerts", "profile": "ideal",
        "workload": {
            "arrivals": {"model": "bursts", "every": "10h", "size": 10}, "log_events_per_record": 2,
            "partition_keys": "even",
        },
        "stream": {"shard_count": 1}, "event_source_mapping": {"batch_size": 10, **(mapping or {})},
        "function": {
            "duration": {"fixed": "1s"}, "rules": [{"name": "all", "per_log_event": "1s", "match": 1.0}], **function,
        },
        "run": {"duration": "1h", "replications": 1, **(run or {})}, **sections,
    }  # fmt: skip
    return simulate(parse(json.dumps(document), file="alerts.yaml"))


def sums(result):
    return {name: result[f"{name}alerts"]["sum"] for name in ("", "late_", "lost_", "repeated_")}


def test_alerts_leave_one_by_one_as_the_work_reaches_their_log_events():
    result = run({})
    delay = result["alert_delay_s"]
    assert result["duration_s"]["max"] == 21
    assert (delay["count"], delay["min"], delay["max"], delay["mean"]) == (20, 2, 21, 11.5)
    assert sums(result) == {"": 20, "late_": 0, "lost_": 0, "repeated_": 0}
    assert result["alerts"]["time_of_first"] == 2
    assert result.rules[0]["duration_share"]["value"] == approx(20 / 21)


def test_smaller_batches_wait_for_one_another():
    """Ten batches of one record, each 1 s and then an event a second."""
    delay = run({}, {"batch_size": 1})["alert_delay_s"]
    assert (delay["min"], delay["max"]) == (2, 30)


def test_alerts_later_than_the_deadline_are_late():
    assert sums(run({"alert_deadline": "15s"})) == {"": 20, "late_": 6, "lost_": 0, "repeated_": 0}


def test_a_time_out_has_sent_what_it_reached_and_each_retry_sends_it_again():
    """Half of the events are reached in 11 s; with one retry the records are then given up."""
    result = run({"timeout": "11s"}, {"maximum_retry_attempts": 1, "retry_backoff": "none"})
    assert result["timeouts"]["sum"] == 2
    assert sums(result) == {"": 10, "late_": 0, "lost_": 10, "repeated_": 10}
    assert result["lost_alerts"]["time_of_first"] == 22
    # of each of the two invocations of 11 s
    assert result.rules[0]["duration_share"]["value"] == approx(10 / 11)


def test_a_failing_run_has_sent_everything_and_the_retry_repeats_it():
    faults = [{"kind": "error", "to": "10s"}]
    result = run({"faults": faults}, {"retry_backoff": "none"})
    assert (result["errors"]["sum"], result["processed_records"]["sum"]) == (1, 10)
    assert sums(result) == {"": 20, "late_": 0, "lost_": 0, "repeated_": 20}
    assert result["alert_delay_s"]["max"] == 21


def test_a_split_batch_repeats_what_the_whole_one_had_sent():
    """The whole batch ends after 11 s with five records' alerts sent, the halves take 11 s each and succeed."""
    result = run({"timeout": "11s"}, {"bisect_batch_on_function_error": True, "retry_backoff": "none"})
    assert result["processed_records"]["sum"] == 10
    assert sums(result) == {"": 20, "late_": 0, "lost_": 0, "repeated_": 10}
    assert result["alert_delay_s"]["max"] == 33


def test_records_that_expire_lose_their_alerts():
    result = run({"timeout": "11s"}, {"retry_backoff": "none"}, stream={"shard_count": 1, "retention_period": "30m"})
    assert result["expired_records"]["sum"] == 10
    assert sums(result)["lost_"] == 10
    assert result["lost_alerts"]["time_of_first"] >= 1_800


@pytest.mark.parametrize(("redrive_at", "sent"), [("1m", 20), ("none", 10)])
def test_alerts_of_discarded_records_leave_if_these_are_put_back(redrive_at, sent):
    """Code that is slow for a while reaches half of its log events, twice; put back a minute later it does them all."""
    faults = [{"kind": "slow", "factor": 2.0, "to": "30s"}]
    destination = {} if redrive_at == "none" else {"redrive_at": redrive_at}
    mapping = {"maximum_retry_attempts": 1, "retry_backoff": "none", "on_failure_destination": destination}
    result = run({"faults": faults, "timeout": "22s"}, mapping)
    assert (result["timeouts"]["sum"], result["processed_records"]["sum"]) == (2, sent - 10)
    assert sums(result) == {"": sent, "late_": 0, "lost_": 20 - sent, "repeated_": 20 if sent == 20 else 10}


def test_the_final_invocation_of_a_tumbling_window_sends_nothing():
    result = run({}, {"tumbling_window": "30s"})
    assert result["final_invocations"]["sum"] == 1
    assert sums(result)[""] == 20


def test_records_dropped_by_the_producer_lose_their_alerts_too():
    """Two of ten records a shard takes at once; the others are offered once."""
    stream = {"shard_count": 1, "write_limiter": "fixed_second", "write_limit_records": 2}
    result = run({}, stream=stream)
    assert result["dropped_records"]["sum"] == 8
    assert sums(result) == {"": 4, "late_": 0, "lost_": 16, "repeated_": 0}


def test_alerts_of_what_waits_or_runs_at_the_end_are_still_to_come():
    result = run({}, run={"duration": "10s"})
    assert result["in_flight_records"]["sum"] == 10
    assert sums(result) == {"": 0, "late_": 0, "lost_": 0, "repeated_": 0}


def test_calls_are_made_for_matches_only_and_count_for_their_rule():
    """Twenty events of 1 s by one rule, and of 0.1 s by another whose every match waits 0.9 s."""
    rules = [{"name": "plain", "per_log_event": "1s"}]
    rules += [{"name": "asks", "per_log_event": "0.1s", "match": 1.0, "alert": False, "call": "api"}]
    result = run({"rules": rules, "calls": [{"name": "api", "latency": "0.9s"}]})
    assert result["duration_s"]["max"] == 1 + 20 * 2
    shares = {rule["name"]: rule["duration_share"]["value"] for rule in result.rules}
    assert shares == {"plain": approx(20 / 41), "asks": approx(20 / 41)}
    without = run({"rules": rules[:1], "calls": []})
    assert without["duration_s"]["max"] == 21


@pytest.mark.parametrize("memory, expected", [(1769, 21), (442, 1 + 20 * 1769 / 442)])
def test_rules_cost_cpu_time_that_memory_buys(memory, expected):
    result = run({"memory_size": f"{memory} MB", "cpu": "proportional"})
    assert result["duration_s"]["max"] == approx(expected, abs=1e-5)


def test_a_function_without_rules_has_no_alerts():
    result = run({"rules": []})
    assert "alerts" not in result and "rules" not in result.summary()


def test_matches_do_not_depend_on_shards_or_on_how_the_batches_form():
    """The same log events match, whatever works them off."""
    function = {"rules": [{"name": "some", "match": 0.05}], "duration": "10ms"}
    workload = {"arrivals": {"model": "poisson", "rate": "10/s"}, "log_events_per_record": 7}
    found = {
        (shards, size): run(
            function, {"batch_size": size}, {"until": "drained"}, stream={"shard_count": shards}, workload=workload
        )["alerts"]["sum"]
        for shards, size in ((1, 10), (1, 100), (4, 10))
    }
    assert len(set(found.values())) == 1


@pytest.mark.stochastic
def test_a_share_of_the_log_events_matches():
    """50,000 draws at 4 standard errors: false-alarm rate below 1e-4 for each of the two moments."""
    u = np.random.default_rng(1).random(50_000)
    found = matches(np.full(u.size, 20), 0.03, u)
    assert found.mean() == approx(0.6, abs=4 * (20 * 0.03 * 0.97 / u.size) ** 0.5)
    assert (found == 0).mean() == approx(0.97**20, abs=4 * 0.5 / u.size**0.5)


def test_a_larger_share_matches_the_same_log_events_and_more():
    u = np.random.default_rng(2).random(1_000)
    events = np.full(u.size, 50)
    assert (matches(events, 0.1, u) >= matches(events, 0.02, u)).all()


def test_alerts_that_do_not_add_up_are_an_error(monkeypatch):
    monkeypatch.setattr(AlertSide, "_send", lambda *_: None)
    with pytest.raises(InternalError, match="does not conserve alerts"):
        run({})
