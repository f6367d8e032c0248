"""Rules of the function: mistakes are told at their place, and the arithmetic counts what rules cost."""

from __future__ import annotations

import json

import pytest
from pytest import approx

from kinsim.errors import ConfigError
from kinsim.scenario import parse
from kinsim.scenario.arithmetic import Arithmetic

CALL = {"name": "api", "latency": "20ms"}


def scenario(**function):
    document = {
        "kinsim": 1, "name": "rules", "profile": "ideal",
        "workload": {"arrivals": {"model": "constant", "rate": "1/s"}, "log_events_per_record": 20},
        "stream": {"shard_count": 1}, "event_source_mapping": {"batch_size": 10},
        "function": function, "run": {"duration": "1h"},
    }  # fmt: skip
    return parse(json.dumps(document), file="rules.yaml")


def problem(**function):
    with pytest.raises(ConfigError) as told:
        scenario(**function)
    (found,) = told.value.problems
    return found


@pytest.mark.parametrize(
    ("function", "path", "says"),
    [
        ({"rules": [{"name": "a"}, {"name": "a"}]}, "rules[1].name", "rules[0] and rules[1]"),
        ({"rules": [{"name": "a", "match": 0.1, "call": "spi"}], "calls": [CALL]}, "rules[0].call", "calls are api"),
        ({"rules": [{"name": "a", "call": "api"}], "calls": [CALL]}, "rules[0].call", "matches nothing"),
        (
            {"rules": [{"name": "a", "match": 0.1, "call": "api"}], "calls": [{**CALL, "per": "record"}]},
            "rules[0].call",
            "calls[0].per says per record",
        ),
        ({"rules": [{"name": "a", "match": "120%"}]}, "rules[0].match", "120"),
        ({"rules": [{"per_log_event": "1ms"}]}, "rules[0].name", "name is missing"),
        ({"rules": [{"name": "a", "cost": "1ms"}]}, "rules[0].cost", "unknown key 'cost'"),
        ({"alert_deadline": "5m"}, "alert_deadline", "no rule sends alerts"),
        ({"alert_deadline": "5m", "rules": [{"name": "a", "alert": False}]}, "alert_deadline", "no rule sends alerts"),
    ],
)
def test_mistakes_are_told_at_their_place(function, path, says):
    found = problem(**function)
    assert found.path == f"function.{path}"
    assert says in f"{found.message} {found.help}"


def test_a_call_of_a_rule_may_leave_out_what_makes_it():
    rules = [{"name": "a", "match": 0.1, "call": "api"}]
    for call in (CALL, {**CALL, "per": "log_event"}):
        assert scenario(rules=rules, calls=[call]).function.rules[0].call == "api"


def test_a_scenario_with_rules_is_written_and_read_again():
    one = scenario(rules=[{"name": "a", "per_log_event": "1ms", "match": "0.1%", "call": "api"}], calls=[CALL])
    assert parse(one.to_yaml(), file="again.yaml").config_hash == one.config_hash


def test_the_arithmetic_counts_rules_and_their_calls():
    """Ten records of twenty events: 200 x (1 + 2) ms, and 200 x 10 % calls of 20 ms."""
    rules = [{"name": "a", "per_log_event": "1ms"}, {"name": "b", "per_log_event": "2ms", "match": 0.1, "call": "api"}]
    assert Arithmetic(scenario(rules=rules, calls=[CALL])).batch_s(10) == approx(0.6 + 0.4)
    assert Arithmetic(scenario(calls=[CALL])).batch_s(10) == approx(10 * 0.020)
