"""The state of today: records that wait on each shard at time 0, followed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest import approx

from kinsim.engine.backlog import InitialBacklog
from kinsim.errors import ConfigError
from kinsim.scenario import parse
from kinsim.system.partition_keys import hash_key_ranges

NOTHING: dict[str, Any] = {"arrivals": {"model": "bursts", "every": "1h", "first": "50m", "size": 1}}
"""A workload of one record, long after the backlog is gone."""


def scenario(records: int, age: str, workload: dict[str, Any] = NOTHING, **parts: dict[str, Any]) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "backlog",
        "profile": "ideal",
        "workload": workload,
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 10},
        "function": {"duration": "1s"},
        "run": {"duration": "1h", "seed": 3, "initial_backlog": {"records": records, "age": age}},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part}
    return parse(json.dumps(document), file="backlog.yaml", base_dir=Path("."))


def run(*arguments: Any, **parts: Any) -> Any:
    return scenario(*arguments, **parts).run(replications=1, keep=("invocations", "records"))


def conserved(result: Any) -> bool:
    """Rule 18: where the records are that were accepted, before the run or in it."""
    names = ("processed", "filtered", "skipped", "too_large", "discarded", "expired", "in_flight", "waiting")
    somewhere = sum(result[f"{name}_records"]["sum"] for name in names)
    return bool(result["accepted_records"]["sum"] + result["duplicate_records"]["sum"] == somewhere)


def test_a_backlog_drains_in_the_time_that_its_batches_take() -> None:
    """100 records, ten a batch of 1 s: gone after 10 s. Record i (from 0) came at -200 + 2 i seconds."""
    result = run(100, "200s")
    table = result.invocations
    assert list(table.start_s)[:10] == list(range(10))
    assert list(table.iterator_age_s)[:10] == [200 - 2 * (10 * k + 9) + k for k in range(10)]
    assert result["catch_up_s"]["max"] == 10.0 - 1.0  # the last batch leaves the line as it starts
    waits = [200 - 2 * i + i // 10 for i in range(100)]
    assert result["queue_wait_s"]["count"] == 101
    assert result["queue_wait_s"]["mean"] == approx(sum(waits) / 101)
    assert result["sojourn_s"]["max"] == 201.0


def test_the_oldest_record_is_as_old_as_the_backlog_at_time_0() -> None:
    """A record that came two hours ago has an age of 2 h at 0 s; the first batch takes it at once."""
    result = run(10, "2h", function={"duration": "1m"}, event_source_mapping={"batch_size": 5})
    assert result["true_age_s"]["max"] == 7_200.0
    assert result["true_age_s"]["time_of_max"] == 0.0
    # then record 5, which came one hour ago, waits for a minute
    assert result["true_age_s"]["time_average"] == approx((3_600 + 30) * 60 / 3_600)
    assert result["first_record_age_s"]["max"] == 7_200.0


def test_it_waits_from_the_start_in_every_account() -> None:
    result = run(30, "5m", stream={"shard_count": 2}, event_source_mapping={"enabled": False})
    assert result["backlog_records"]["max"] == result["waiting_records"]["sum"] == 2 * 30 + 1
    assert result["backlog_records"]["time_average"] == approx(60 + 10 / 60)
    assert result["backlog_bytes"]["last"] == 61_000.0
    assert result["true_age_s"]["last"] == 3_900.0
    curves = result.replications[0].curves
    assert curves["backlog_records"][0] == 60
    assert curves["backlog_bytes"][0] == 60_000
    assert curves["true_age_s"][1] == 300 + 120
    assert [result.per_shard[shard]["backlog_records"]["max"]["value"] for shard in result.per_shard] == [30.0, 31.0]
    assert conserved(result)


def test_offered_and_accepted_have_it_in_their_sums_and_nowhere_else() -> None:
    result = run(30, "5m")
    for name in ("offered_records", "accepted_records"):
        assert result[name] == {"sum": 31.0, "rate": 1 / 3_600, "time_of_first": 3_000.0}
    assert result["initial_records"]["sum"] == 30.0
    assert sum(result.replications[0].curves["accepted_records"]) == 1
    assert result["processed_records"]["sum"] == 31.0
    assert conserved(result)


def test_without_a_backlog_there_is_no_metric_of_it() -> None:
    plain = scenario(1, "1s").with_({"run.initial_backlog": None}).run(replications=1)
    assert "initial_records" not in set(plain.metrics.metric)


def test_retention_expires_it_record_by_record() -> None:
    """Retention 1 h, 60 records of -60 min + i minutes, nothing reads for 10 min: records 0 to 10 are gone by then."""
    result = run(
        60, "60m", stream={"retention_period": "1h"}, event_source_mapping={"outages": [{"from": 0, "to": "10m"}]}
    )
    assert result["expired_records"]["sum"] == 11.0
    assert result["expired_records"]["time_of_first"] == 0.0
    assert result["processed_records"]["sum"] == 50.0
    assert conserved(result)


def test_the_maximum_record_age_discards_what_is_too_old() -> None:
    """Records of ages 100, 90, ... 10 s; those of 60 s and more are discarded before the first batch."""
    result = run(10, "100s", event_source_mapping={"maximum_record_age": "60s"})
    assert result["discarded_records"]["sum"] == 5.0
    assert conserved(result)


def test_a_warm_up_leaves_out_what_came_before_it() -> None:
    result = run(100, "200s", run={"warm_up": "1m"})
    assert result["queue_wait_s"]["count"] == 1
    assert result["processed_records"]["sum"] == 101.0


def test_records_that_differ_are_drawn_like_those_of_the_source() -> None:
    workload = {
        **NOTHING,
        "record_size": {"distribution": "uniform", "low": "100 B", "high": "300 B"},
        "log_events_per_record": 3,
        "partition_keys": "constant",
    }
    backlog = InitialBacklog(scenario(4_000, "1h", workload), 0)
    low, high = hash_key_ranges(4)[2]
    rows = backlog.rows(2, (low, high))
    assert len(rows) == 4_000
    # 99.9 % of the time within 3.3 standard errors of 57.7 / sqrt(4000); the seed is fixed
    assert abs(rows.data_bytes.mean() - 200) < 3.3 * 57.74 / 4_000**0.5
    assert rows.data_bytes.min() >= 100
    assert set(rows.log_events.tolist()) == {3}
    assert set(rows.key_bytes.tolist()) == {len("constant")}
    assert all(low <= int(each) << 64 <= high for each in rows.hash_high)
    assert not np.array_equal(rows.data_bytes, backlog.rows(1, hash_key_ranges(4)[1]).data_bytes)


def test_where_a_trace_has_the_sizes_its_mean_record_counts(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("at,size\n0,100\n1,200\n2,600\n")
    workload = {"arrivals": {"model": "trace", "file": str(trace), "time": "at", "size": "size"}}
    rows = InitialBacklog(scenario(7, "1h", workload), 0).rows(0, hash_key_ranges(1)[0])
    assert int(rows.data_bytes.sum()) == 7 * 300


def test_log_events_that_are_packed_give_the_mean_packed_record() -> None:
    """300 events of 100 B at one instant become one record; its gzip size is that of the fit."""
    workload = {
        "arrivals": {"model": "bursts", "every": "1h", "size": 300},
        "record_size": "100 B",
    }
    made = scenario(5, "1h", workload, producer={"model": "cloudwatch_logs"})
    result = made.run(replications=1)
    assert result["accepted_records"]["sum"] == 6.0
    rows = InitialBacklog(made, 0).rows(0, hash_key_ranges(1)[0])
    assert int(rows.log_events.sum()) == 5 * 300
    assert result["backlog_bytes"]["max"] == float(rows.data_bytes.sum())


def test_an_age_above_the_retention_names_both() -> None:
    with pytest.raises(ConfigError) as told:
        scenario(5, "25h", stream={"retention_period": "24h"})
    (problem,) = told.value.problems
    assert problem.path == "run.initial_backlog.age"
    assert "stream.retention_period keeps records for 24h" in problem.message


@pytest.mark.parametrize(
    "wrong", [{"records": 5}, {"age": "1h"}, {"records": 0, "age": "1h"}, {"records": 5, "age": 0}]
)
def test_half_a_backlog_is_refused(wrong: dict[str, Any]) -> None:
    document = scenario(5, "1h").document
    with pytest.raises(ConfigError) as told:
        parse(json.dumps({**document, "run": {"duration": "1h", "initial_backlog": wrong}}), file="backlog.yaml")
    assert len(told.value.problems) == 1
    assert told.value.problems[0].path.startswith("run.initial_backlog")
