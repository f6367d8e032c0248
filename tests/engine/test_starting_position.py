"""Where the mapping begins to read, followed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinsim.errors import ConfigError
from kinsim.scenario import parse

START = "2017-06-01T12:00:00Z"


def scenario(mapping: dict[str, Any], **parts: dict[str, Any]) -> Any:
    """One record a second from 0 s on, 60 that came in the minute before; batches of ten take a second."""
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "position",
        "profile": "ideal",
        "workload": {"arrivals": {"model": "constant", "rate": "1/s"}},
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 10, **mapping},
        "function": {"duration": "1s"},
        "run": {
            "duration": "2m", "until": "drained", "start_time": START, "initial_backlog": {"records": 60, "age": "1m"},
        },
    }  # fmt: skip
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part}
    return parse(json.dumps(document), file="position.yaml", base_dir=Path("."))


def run(mapping: dict[str, Any], **parts: Any) -> Any:
    result = scenario(mapping, **parts).run(replications=1, keep=("invocations", "records"))
    names = ("processed", "filtered", "skipped", "too_large", "discarded", "expired", "in_flight", "waiting")
    assert result["accepted_records"]["sum"] == sum(result[f"{name}_records"]["sum"] for name in names)
    return result


def sums(result: Any, *names: str) -> list[float]:
    return [result[f"{name}_records"]["sum"] for name in names]


def test_trim_horizon_takes_all_that_is_there() -> None:
    result = run({"starting_position": "TRIM_HORIZON"})
    assert sums(result, "processed", "skipped") == [180.0, 0.0]
    assert result["true_age_s"]["max"] == 60.0


def test_latest_skips_what_came_before_and_nothing_of_it_has_waited() -> None:
    result = run({"starting_position": "LATEST"})
    assert sums(result, "processed", "skipped") == [120.0, 60.0]
    assert result["skipped_records"]["time_of_first"] == 0.0
    assert result["true_age_s"]["max"] == 0.0
    assert result["backlog_records"]["max"] == result["records_in_system"]["max"] == 1.0
    assert result["lost_records"]["sum"] == 0.0


def test_latest_misses_what_comes_while_the_mapping_is_made() -> None:
    """The mapping takes 30.5 s to begin: records of 0 to 30 s are behind its position too (aws:E16)."""
    result = run({"starting_position": "LATEST", "outages": [{"from": 0, "to": "30.5s"}]})
    assert sums(result, "processed", "skipped") == [89.0, 91.0]
    assert result.invocations.start_s[0] == 31.0
    assert sorted(set(result.records.outcome)) == ["processed", "skipped"]


def test_a_record_that_arrives_as_it_begins_is_read() -> None:
    result = run({"starting_position": "LATEST", "outages": [{"from": 0, "to": "30s"}]})
    assert sums(result, "processed", "skipped") == [90.0, 90.0]
    assert result.invocations.start_s[0] == 30.0


def test_a_later_outage_has_a_checkpoint() -> None:
    result = run({"starting_position": "LATEST", "outages": [{"from": "1s", "to": "30s"}]})
    assert sums(result, "processed", "skipped") == [120.0, 60.0]


def test_a_mapping_that_is_never_enabled_has_no_position() -> None:
    result = run({"starting_position": "LATEST", "enabled": False})
    assert sums(result, "processed", "skipped", "waiting") == [0.0, 0.0, 180.0]


@pytest.mark.parametrize(
    ("time", "skipped"),
    [
        ("2017-06-01T11:59:30Z", 30.0),
        ("2017-06-01T13:59:30.5+02:00", 31.0),
        ("2017-06-01T12:00:00", 60.0),
        ("2017-05-01T00:00:00Z", 0.0),
    ],
)
def test_at_a_time_skips_what_came_before_it(time: str, skipped: float) -> None:
    """The backlog has one record a second from -60 s on."""
    result = run({"starting_position": "AT_TIMESTAMP", "starting_position_timestamp": time})
    assert sums(result, "processed", "skipped") == [180.0 - skipped, skipped]


def test_older_than_the_horizon_it_is_the_trim_horizon() -> None:
    """At 30.5 s a retention of 60 s leaves what came after -29.5 s: 31 of 60 have expired, none is skipped (aws:T4)."""
    result = run(
        {
            "starting_position": "AT_TIMESTAMP",
            "starting_position_timestamp": "2017-06-01T11:59:20Z",
            "outages": [{"from": 0, "to": "30.5s"}],
        },
        stream={"retention_period": "60s"},
    )
    assert sums(result, "processed", "skipped", "expired") == [149.0, 0.0, 31.0]


def test_each_shard_has_its_own_position() -> None:
    result = run({"starting_position": "LATEST"}, stream={"shard_count": 3})
    assert sums(result, "processed", "skipped") == [120.0, 180.0]
    assert [result.per_shard[shard]["skipped_records"]["sum"]["value"] for shard in result.per_shard] == [60.0] * 3


@pytest.mark.parametrize(
    ("mapping", "run_", "path", "words"),
    [
        ({"starting_position": "AT_TIMESTAMP"}, {}, "starting_position", "needs a time"),
        ({"starting_position_timestamp": START}, {}, "starting_position_timestamp", "AT_TIMESTAMP"),
        (
            {"starting_position": "AT_TIMESTAMP", "starting_position_timestamp": "noon"}, {},
            "starting_position_timestamp", "is not a time",
        ),
        (
            {"starting_position": "AT_TIMESTAMP", "starting_position_timestamp": "2017-06-01T12:00:01Z"}, {},
            "starting_position_timestamp", "cannot be in the future",
        ),
        (
            {"starting_position": "AT_TIMESTAMP", "starting_position_timestamp": START}, {"start_time": None},
            "starting_position_timestamp", "run.start_time",
        ),
    ],
)  # fmt: skip
def test_positions_that_make_no_sense_are_told(mapping: Any, run_: Any, path: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        scenario(mapping, run=run_)
    (problem,) = told.value.problems
    assert problem.path == f"event_source_mapping.{path}"
    assert words in problem.message
    assert problem.help
