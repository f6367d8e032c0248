"""Tumbling windows, followed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from kinsim.errors import ConfigError
from kinsim.scenario import parse

BURST: dict[str, Any] = {"arrivals": {"model": "bursts", "every": "1h", "size": 25}}
EVERY_SECOND: dict[str, Any] = {"arrivals": {"model": "constant", "rate": "1/s"}}


def run(workload: dict[str, Any], mapping: dict[str, Any], **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "tumbling",
        "profile": "ideal",
        "workload": workload,
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 10, "tumbling_window": "10s", **mapping},
        "function": {"duration": "1s"},
        "run": {"duration": "1m", "until": "drained", "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part} if isinstance(part, dict) else part
    made = parse(json.dumps(document), file="tumbling.yaml", base_dir=Path("."))
    result = made.run(replications=1, keep=("invocations", "records"))
    assert result["accepted_records"]["sum"] == sum(
        result[f"{name}_records"]["sum"] for name in ("processed", "expired", "discarded", "in_flight", "waiting")
    )
    return result


def rows(result: Any) -> list[tuple[float, int]]:
    """Starts and records of the invocations."""
    return list(zip(result.invocations.start_s.round(6), result.invocations.records, strict=True))


def test_a_final_invocation_follows_when_the_window_is_over() -> None:
    """25 records at 0 s: batches of 10, 10 and 5, a second each, then nothing until the window ends at 10 s."""
    result = run(BURST, {})
    assert rows(result) == [(0, 10), (1, 10), (2, 5), (10, 0)]
    assert result["final_invocations"]["sum"] == 1.0
    assert result["invocations"]["sum"] == 4.0
    assert result["finish_s"]["mean"] == 11.0
    assert result["iterator_age_s"]["count"] == 3.0  # without records there is no age
    assert result["batch_records"]["min"] == 0.0
    assert result["duration_s"]["count"] == 4.0
    assert result["utilization"]["time_average"] == approx(4 / 60)
    assert result["processed_records"]["sum"] == 25.0


def test_no_window_without_records_has_a_final_invocation() -> None:
    result = run(BURST, {}, run={"duration": "10m"})
    assert result["final_invocations"]["sum"] == 1.0


def test_a_batch_never_crosses_the_boundary() -> None:
    """An outage lets 15 records gather: those of 0 to 9 s, then the final invocation, then those of 10 s to 14 s."""
    result = run(EVERY_SECOND, {"batch_size": 100, "outages": [{"from": 0, "to": "14.5s"}]}, run={"duration": "15s"})
    assert rows(result) == [(14.5, 10), (15.5, 0), (16.5, 5), (20, 0)]
    assert result["final_invocations"]["sum"] == 2.0


def test_windows_follow_the_wall_clock() -> None:
    """The run starts 4 s before a whole ten seconds: windows end at 4 s, 14 s, 24 s."""
    result = run(
        EVERY_SECOND,
        {"batch_size": 100, "outages": [{"from": 0, "to": "14.5s"}]},
        run={"duration": "15s", "start_time": "2017-06-01T00:00:06Z"},
    )
    assert rows(result) == [(14.5, 4), (15.5, 0), (16.5, 10), (17.5, 0), (18.5, 1), (24, 0)]


def test_an_unaligned_length_counts_from_the_epoch() -> None:
    """13 s do not divide a day: at 1,496,275,200 s since 1970 a window is 4 s old and ends 9 s later."""
    assert 1_496_275_200 % 13 == 4
    result = run(
        EVERY_SECOND,
        {"batch_size": 100, "tumbling_window": "13s", "outages": [{"from": 0, "to": "10.5s"}]},
        run={"duration": "11s", "start_time": "2017-06-01T00:00:00Z"},
    )
    assert rows(result) == [(10.5, 9), (11.5, 0), (12.5, 2), (22, 0)]


def test_the_mapping_knows_at_its_next_poll() -> None:
    """Polls at 0 s, 3 s, 6 s, 9 s and 12 s: the first after the window's end at 10 s is the last of these."""
    result = run(BURST, {"poll_interval": "3s"})
    assert rows(result) == [(0, 10), (1, 10), (2, 5), (12, 0)]


def test_an_open_batching_window_ends_with_the_tumbling_one() -> None:
    """A record a second from 0 s on, up to five minutes of waiting: ten records each at 10 s, 20 s and 30 s."""
    result = run(EVERY_SECOND, {"batch_size": 100, "maximum_batching_window": "5m"}, run={"duration": "30s"})
    assert rows(result) == [(10, 10), (11, 0), (20, 10), (21, 0), (30, 10), (31, 0)]


def test_a_final_invocation_is_tried_again_until_it_succeeds() -> None:
    """Errors from 5 s to 13 s; the retry quota is for records, the state of a window is never given up (aws:E36)."""
    result = run(
        {"arrivals": {"model": "bursts", "every": "11s", "size": 1}},
        {"maximum_retry_attempts": 0, "retry_backoff": {"base": "1s", "factor": 1, "cap": "1s"}},
        function={"faults": [{"kind": "error", "from": "5s", "to": "13s"}]},
        run={"duration": "12s"},
    )
    assert rows(result) == [(0, 1), (10, 0), (12, 0), (14, 0), (15, 1), (20, 0)]
    assert list(result.invocations.outcome) == ["ok", "error", "error", "ok", "ok", "ok"]
    assert result["discarded_records"]["sum"] == 0.0
    assert result["processed_records"]["sum"] == 2.0


def test_a_window_whose_batches_were_all_discarded_is_closed_too() -> None:
    result = run(
        BURST, {"maximum_retry_attempts": 0}, function={"faults": [{"kind": "error", "from": "0s", "to": "5s"}]}
    )
    assert rows(result) == [(0, 10), (1, 10), (2, 5), (10, 0)]
    assert result["discarded_records"]["sum"] == 25.0


def test_a_final_invocation_that_can_never_succeed_ends_a_drained_run() -> None:
    result = run(
        {"arrivals": {"model": "bursts", "every": "1h", "size": 1}},
        {"retry_backoff": {"base": "10s", "factor": 1, "cap": "10s"}},
        function={"faults": [{"kind": "error", "from": "5s"}]},
    )
    assert result.replications[0].stuck_shards == ("shardId-000000000000",)
    assert result["processed_records"]["sum"] == 1.0


def test_a_final_invocation_has_nothing_to_read_again() -> None:
    """It fails for two hours, so that the records of its window are forgotten; rereads do not mind.

    Tries every 100 s from 10 s on; the first after 2 h starts at 10 + 72 * 101 s, each try and its wait take 101 s.
    """
    result = run(
        {"arrivals": {"model": "bursts", "every": "12h", "size": 1}},
        {"retry_rereads": True, "poll_interval": "1s", "retry_backoff": {"base": "100s", "factor": 1, "cap": "100s"}},
        function={"faults": [{"kind": "error", "from": "5s", "to": "2h"}]},
        run={"duration": "3h"},
    )
    assert rows(result)[-1] == (10 + 72 * 101, 0)
    table = result.timeseries
    brought = table[(table.MetricName == "GetRecords.Records") & (table.Statistic == "Sum")]
    assert brought.Value.sum() == 1.0


def test_shards_close_their_windows_by_themselves_and_wait_for_concurrency() -> None:
    result = run(
        {"arrivals": {"model": "bursts", "every": "1h", "size": 2}, "partition_keys": "even"},
        {},
        stream={"shard_count": 2},
        account={"concurrent_executions": 1},
    )
    assert rows(result) == [(0, 1), (1, 1), (10, 0), (11, 0)]
    assert list(result.invocations.shard.str[-1]) == ["0", "1", "0", "1"]


def test_the_books_close_when_a_final_invocation_is_told_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 50 s are told in a later window of arrivals than they started in; time must not have passed by then.

    A record every two minutes; its batch starts as it comes and ends at 50 s, the final invocation follows.
    """
    monkeypatch.setattr("kinsim.measure.recorder.ROWS_AT_ONCE", 1)
    dense = {"arrivals": {"model": "poisson", "rate": "2000/s"}, "start": "3h"}  # makes windows of a minute, no records
    result = run(
        {"sources": {"a": {"arrivals": {"model": "poisson", "rate": "1/2m"}}, "b": dense}},
        {},
        function={"duration": "50s"},
        run={"duration": "3h"},
    )
    batches = result.invocations[result.invocations.records > 0]
    assert result["final_invocations"]["sum"] == result["invocations"]["sum"] - len(batches) > 40
    assert result["concurrent_executions"]["max"] == 1.0


def test_state_and_parallel_lanes_contradict_each_other() -> None:
    with pytest.raises(ConfigError) as told:
        run(BURST, {"parallelization_factor": 2})
    assert any("parallelization_factor is 2" in problem.message for problem in told.value.problems)


def test_a_window_is_at_most_fifteen_minutes() -> None:
    with pytest.raises(ConfigError, match="above 900s"):
        run(BURST, {"tumbling_window": "16m"}, profile="aws-2026")
