"""Filters of the mapping: which records are left out, when, and what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest import approx

from kinsim.scenario import parse

EVERY_SECOND: dict[str, Any] = {"arrivals": {"model": "constant", "rate": "1/s"}}


def run(mapping: dict[str, Any], workload: dict[str, Any] = EVERY_SECOND, **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "filter",
        "profile": "ideal",
        "workload": workload,
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 10, **mapping},
        "function": {"duration": "1ms"},
        "run": {"duration": "10m", "until": "drained", "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part} if isinstance(part, dict) else part
    made = parse(json.dumps(document), file="filter.yaml", base_dir=Path("."))
    result = made.run(replications=1, keep=("invocations", "records"))
    names = ("processed", "filtered", "skipped", "too_large", "discarded", "expired", "in_flight", "waiting")
    stored = result["accepted_records"]["sum"]
    assert stored == sum(result[f"{name}_records"]["sum"] for name in names)
    told = result.records.groupby("outcome").records.sum()
    assert {name: told.get(name, 0) for name in names} == {name: result[f"{name}_records"]["sum"] for name in names}
    return result


def kept_at(result: Any) -> list[float]:
    """Arrivals of the records that were processed."""
    return sorted(result.records[result.records.outcome == "processed"].accepted_s)


def test_a_share_is_kept_and_the_rest_is_left_out() -> None:
    """600 records at 30 %: 180 on average, deviation 11.2; within 3.3 deviations in 99.9 of 100 seeds, of which one."""
    result = run({"filter": "30%"})
    assert result["accepted_records"]["sum"] == 600.0
    assert abs(result["processed_records"]["sum"] - 180) < 3.3 * (600 * 0.3 * 0.7) ** 0.5
    assert result["filtered_records"]["sum"] == 600 - result["processed_records"]["sum"]
    assert result["lost_records"]["sum"] == 0.0


def test_what_is_left_out_has_neither_invocation_nor_latency() -> None:
    result = run({"filter": "30%"})
    kept = result["processed_records"]["sum"]
    assert result["invocations"]["sum"] == kept  # each is alone when it comes
    assert result["queue_wait_s"]["count"] == result["sojourn_s"]["count"] == kept
    assert list(result.invocations.start_s) == kept_at(result)
    assert result["backlog_records"]["max"] == 1.0


def test_a_larger_share_keeps_the_same_records_and_more() -> None:
    few, many = (set(kept_at(run({"filter": share}))) for share in ("20%", "60%"))
    assert few < many


def test_other_shards_keep_the_same_records() -> None:
    one, three = (kept_at(run({"filter": "40%"}, stream={"shard_count": shards})) for shards in (1, 3))
    assert one == three


def test_batches_are_made_of_what_is_kept() -> None:
    """1,000 records at once; all batches but the last are full of records that are kept."""
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 1_000}, "granularity": "record"}
    result = run({"filter": "25%"}, burst, run={"duration": "1m"})
    kept = int(result["processed_records"]["sum"])
    assert abs(kept - 250) < 3.3 * (1_000 * 0.25 * 0.75) ** 0.5
    assert list(result.invocations.records) == [10] * (kept // 10) + [kept % 10] * (kept % 10 > 0)
    assert result["filtered_records"]["sum"] == 1_000 - kept
    assert result["filtered_records"]["time_of_first"] == 0.0


def test_a_group_is_split_by_a_binomial() -> None:
    """100 rows of 200 records each, kept with a chance of 10 %: 2,000 on average with a deviation of 42."""
    groups = {"arrivals": {"model": "bursts", "every": "6s", "size": 200}}
    result = run({"filter": "10%", "batch_size": 1_000}, groups)
    kept = result["processed_records"]["sum"]
    assert abs(kept - 2_000) < 3.3 * (20_000 * 0.1 * 0.9) ** 0.5
    sizes = result.invocations.records.to_numpy()
    assert len(sizes) == 100
    assert 0.5 * 18 < np.var(sizes) < 2 * 18  # variance 18: the share of each group is drawn by itself


def test_bins_are_spread_as_before() -> None:
    """Bins of 10,000 records: those kept still come evenly, so that the wait for a poll is half an interval."""
    binned = {"arrivals": {"model": "constant", "rate": "1000/s"}, "granularity": "10s"}
    result = run(
        {"filter": "10%", "batch_size": 10_000, "poll_interval": "1s"}, binned,
        function={"duration": "1us"}, run={"duration": "2m"},
    )  # fmt: skip
    assert result["queue_wait_s"]["mean"] == approx(0.5, abs=0.01)


def polled(result: Any) -> float:
    """Records that all GetRecords calls brought."""
    table = result.timeseries
    mine = (table.MetricName == "GetRecords.Records") & (table.Statistic == "Sum")
    return float(table[mine].Value.sum())


def test_reads_bring_what_is_left_out_too() -> None:
    """A shard gives 2 MiB a second: 40 records of 1 MiB take four calls, five seconds apart, with 10 MiB each."""
    burst = {
        "arrivals": {"model": "bursts", "every": "1h", "size": 40, "spread": "1ms"},
        "record_size": "1 MiB",
    }
    result = run(
        {"filter": "50%", "poll_interval": "1s", "batch_size": 100, "read_ahead": "unlimited"}, burst,
        stream={"enforce_read_limits": True}, run={"duration": "2m"},
    )  # fmt: skip
    assert polled(result) == 40.0
    assert result["filtered_records"]["sum"] + result["processed_records"]["sum"] == 40.0
    assert sorted({round(start) for start in result.invocations.start_s}) == [1, 6, 11, 16]


def test_a_retry_reads_what_lies_between_once_more() -> None:
    """The batch read at 10 s fails once: its second read brings all from its first record to its last."""
    result = run(
        {"filter": "50%", "poll_interval": "10s", "batch_size": 100, "retry_rereads": True},
        function={"faults": [{"kind": "error", "from": "9.9s", "to": "10.0005s"}]},
    )
    (failed,) = result.invocations[result.invocations.outcome == "error"].itertuples()
    assert failed.last_record - failed.first_record + 1 > failed.records
    assert polled(result) == 600 + failed.last_record - failed.first_record + 1


def test_it_is_filtered_when_it_is_read() -> None:
    """Polls every 10 s; the records of 1 s to 10 s are left out at 10 s and so on."""
    result = run({"filter": "50%", "poll_interval": "10s"}, run={"duration": "60s"})
    done = result.records[result.records.outcome == "filtered"]
    assert list(done.done_s) == [float(np.ceil(at / 10) * 10) for at in done.accepted_s]


def test_a_mapping_that_is_disabled_filters_nothing() -> None:
    result = run({"filter": "50%", "outages": [{"from": "5m"}]}, run={"until": "end"})
    assert result["waiting_records"]["sum"] == 300.0
    again = run({"filter": "50%", "outages": [{"from": "2m", "to": "5m"}]})
    assert again["waiting_records"]["sum"] == 0.0
    assert kept_at(again) == kept_at(run({"filter": "50%"}))
    late = again.records[(again.records.outcome == "filtered") & (again.records.accepted_s.between(120, 300))]
    assert set(late.done_s) == {300.0}


def test_what_expires_unread_is_expired_kept_or_not() -> None:
    """Nothing is read from 1 min to 5 min, records are kept for 2 min: those of 60 s to 180 s are gone."""
    result = run({"filter": "50%", "outages": [{"from": "1m", "to": "5m"}]}, stream={"retention_period": "2m"})
    assert result["expired_records"]["sum"] == 121.0
    gone = result.records[result.records.outcome == "expired"]
    assert list(gone.accepted_s) == [float(at) for at in range(60, 181)]


def test_a_blocked_shard_reads_no_further() -> None:
    """A batch fails for ever, read-ahead is nothing: what comes behind it is not read and so not filtered."""
    result = run(
        {"filter": "50%", "batch_size": 1, "poll_interval": "1s", "read_ahead": 0},
        function={"duration": "1s", "faults": [{"kind": "error", "from": "60s"}]},
        run={"until": "end"},
    )
    assert result["in_flight_records"]["sum"] == 1.0
    assert result["waiting_records"]["sum"] > 530.0


def test_a_starting_position_skips_both() -> None:
    result = run(
        {"filter": "50%", "starting_position": "LATEST", "outages": [{"from": 0, "to": "100.5s"}]},
        run={"initial_backlog": {"records": 50, "age": "50s"}},
    )
    assert result["skipped_records"]["sum"] == 151.0
    assert result["initial_records"]["sum"] == 50.0


def test_a_backlog_is_filtered_as_it_is_read() -> None:
    result = run({"filter": "50%"}, run={"initial_backlog": {"records": 1_000, "age": "1h"}})
    assert result["accepted_records"]["sum"] == 1_600.0
    assert abs(result["filtered_records"]["sum"] - 800) < 3.3 * 400**0.5


def test_a_poison_record_that_is_left_out_poisons_nothing() -> None:
    kept = [int(at) + 1 for at in kept_at(run({"filter": "50%"}))]
    left = next(number for number in range(1, 600) if number not in kept)
    for number, lost in ((kept[5], 1.0), (left, 0.0)):
        result = run(
            {"filter": "50%", "maximum_retry_attempts": 0},
            function={"faults": [{"kind": "error", "records": [number]}]},
        )
        assert result["discarded_records"]["sum"] == lost


def test_a_redrive_and_windows_know_only_what_is_kept() -> None:
    result = run(
        {"filter": "50%", "maximum_retry_attempts": 0, "on_failure_destination": {"redrive_at": "5m"},
         "tumbling_window": "60s"},
        function={"faults": [{"kind": "error", "from": "0s", "to": "2m"}]},
    )  # fmt: skip
    assert result["discarded_records"]["sum"] == 0.0
    assert result["final_invocations"]["sum"] >= 9.0


def test_keeping_everything_is_no_filter() -> None:
    result = run({"filter": "100%"})
    assert result["processed_records"]["sum"] == 600.0
    assert result["filtered_records"]["sum"] == 0.0


def test_several_sources_and_shards_keep_their_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinsim.measure.recorder.ROWS_AT_ONCE", 1)
    sources = {
        "a": {
            "arrivals": {"model": "poisson", "rate": "30/s"},
            "record_size": {"distribution": "exponential", "mean": "1 kB"},
        },
        "b": {
            "arrivals": {"model": "bursts", "every": "30s", "size": 400, "spread": "3s"},
            "partition_keys": "random",
        },
        "c": {"arrivals": {"model": "poisson", "rate": "600/s"}},
    }
    result = run(
        {"filter": "35%", "poll_interval": "1s", "batch_size": 500}, {"sources": sources},
        stream={"shard_count": 3, "retention_period": "20s", "write_limiter": "token_bucket"},
        function={"duration": {"fixed": "100ms", "per_record": "20ms"}}, run={"duration": "1m", "until": "end"},
    )  # fmt: skip
    for name in ("processed", "filtered", "expired", "waiting"):
        assert result[f"{name}_records"]["sum"] > 0


def test_lanes_and_splits_keep_the_same_records() -> None:
    keys = {**EVERY_SECOND, "partition_keys": "random"}
    plain = run({"filter": "40%"}, keys)
    for mapping, stream in (
        ({"parallelization_factor": 3}, {}),
        ({"parallelization_factor": 3, "parallelization": "pooled"}, {}),
        ({}, {"reshard": [{"at": "5m", "split": "shardId-000000000000"}]}),
        ({"poll_interval": "1s", "parallelization_factor": 3}, {"reshard": [{"at": "5m", "update_shard_count": 2}]}),
    ):
        result = run({"filter": "40%", **mapping}, keys, stream=stream)
        assert kept_at(result) == kept_at(plain)
        assert result["filtered_records"]["sum"] == plain["filtered_records"]["sum"]


def test_no_alert_is_due_for_what_is_left_out() -> None:
    """One alert from each log event: as many as records that are kept; the others lose none."""
    rules = [{"name": "each", "per_log_event": "1us", "match": 1.0, "alert": True}]
    result = run({"filter": "40%"}, function={"rules": rules})
    assert result["alerts"]["sum"] == result["processed_records"]["sum"] > 0
    assert result["lost_alerts"]["sum"] == 0.0


def test_nothing_is_kept_at_all() -> None:
    result = run({"filter": "0%", "poll_interval": "1s"})
    assert result["filtered_records"]["sum"] == 600.0
    assert result["invocations"]["sum"] == result["waiting_records"]["sum"] == 0.0


@pytest.mark.parametrize("poll_interval", ["0s", "1s"])
def test_what_comes_after_the_end_of_a_stuck_run_waits(poll_interval: str) -> None:
    """20 of 40 records are rejected and come a minute later; the first that is kept fails for ever."""
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 40}}
    result = run(
        {"filter": "50%", "poll_interval": poll_interval, "batch_size": 1, "retry_backoff": {"base": "1h"}}, burst,
        producer={"model": "direct", "retry": {"mode": "backoff", "base": "1m", "cap": "1m", "jitter": "full"}},
        function={"faults": [{"kind": "error", "from": 0}]}, stream={"write_limit_records": 20},
        run={"duration": "10s"},
    )  # fmt: skip
    assert result["accepted_records"]["sum"] == 40.0
    assert result["in_flight_records"]["sum"] == 1.0
    assert 0 < result["filtered_records"]["sum"] <= 20.0
    assert result["waiting_records"]["sum"] >= 20.0


def test_records_that_part_on_their_way_in_are_kept_one_by_one() -> None:
    """500 records at once, 10 of which a second accepts: each retry has a chance of its own, 250 on average +- 37."""
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 500}}
    retry = {"mode": "backoff", "base": "100s", "cap": "100s", "jitter": "full"}
    result = run(
        {"filter": "50%"}, burst, producer={"model": "direct", "retry": retry}, stream={"write_limit_records": 10},
        run={"duration": "1h"},
    )  # fmt: skip
    assert result["accepted_records"]["sum"] == 500.0
    assert abs(result["processed_records"]["sum"] - 250) < 3.3 * (500 * 0.25) ** 0.5
