"""What the mapping gives up is told to a destination and may be put back, followed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from kinsim.errors import ConfigError
from kinsim.scenario import parse

BURST: dict[str, Any] = {"arrivals": {"model": "bursts", "every": "1h", "size": 25}}


def run(mapping: dict[str, Any], workload: dict[str, Any] = BURST, **parts: Any) -> Any:
    """25 records at 0 s in batches of 10, 10 and 5, a second each; errors until 10 s, no retry."""
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "destination",
        "profile": "ideal",
        "workload": workload,
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 10, "maximum_retry_attempts": 0, **mapping},
        "function": {"duration": "1s", "faults": [{"kind": "error", "from": "0s", "to": "10s"}]},
        "run": {"duration": "1m", "until": "drained", "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part} if isinstance(part, dict) else part
    made = parse(json.dumps(document), file="destination.yaml", base_dir=Path("."))
    result = made.run(replications=1, keep=("invocations", "records"))
    names = ("processed", "expired", "discarded", "too_large", "in_flight", "waiting")
    assert result["accepted_records"]["sum"] == sum(result[f"{name}_records"]["sum"] for name in names)
    assert len(result.records.records) and result.records.records.sum() == result["accepted_records"]["sum"]
    return result


def rows(result: Any) -> list[tuple[float, int, str]]:
    table = result.invocations
    return list(zip(table.start_s.round(6), table.records, table.outcome, strict=True))


FAILED = [(0, 10, "error"), (1, 10, "error"), (2, 5, "error")]


def test_each_discarded_batch_is_told_once() -> None:
    result = run({"on_failure_destination": {}})
    assert rows(result) == FAILED
    assert result["on_failure_deliveries"] == {"sum": 3.0, "rate": 3 / 60, "time_of_first": 1.0}
    assert result["redriven_records"]["sum"] == 0.0
    assert result["discarded_records"]["sum"] == result["lost_records"]["sum"] == 25.0


def test_without_a_destination_nothing_is_told() -> None:
    assert "on_failure_deliveries" not in set(run({}).metrics.metric)


def test_a_redrive_processes_what_was_discarded() -> None:
    result = run({"on_failure_destination": {"redrive_at": "20s"}})
    assert rows(result) == [*FAILED, (20, 10, "ok"), (21, 10, "ok"), (22, 5, "ok")]
    assert result["redriven_records"] == {"sum": 25.0, "rate": 25 / 60, "time_of_first": 21.0}
    assert result["discarded_records"] == result["lost_records"] == {"sum": 0.0, "rate": 0.0, "time_of_first": None}
    assert result["processed_records"]["sum"] == 25.0
    # 10 records of 21 s, 10 of 22 s and 5 of 23 s: their age counts from their arrival
    assert result["sojourn_s"]["mean"] == approx((210 + 220 + 115) / 25)
    assert result["queue_wait_s"]["mean"] == approx((0 + 10 + 10) / 25)
    assert result["finish_s"]["mean"] == 23.0
    assert result["iterator_age_s"]["count"] == 3.0  # the mapping's own invocations
    assert set(result.records.outcome) == {"processed"}
    assert sorted(set(result.records.done_s)) == [21.0, 22.0, 23.0]
    assert sorted(set(result.records.first_invoked_s)) == [0.0, 1.0, 2.0]


def test_a_redrive_that_fails_leaves_its_records_at_the_destination() -> None:
    """Errors until 21.5 s: the first two batches fail again, at 20 s and at 21 s."""
    result = run(
        {"on_failure_destination": {"redrive_at": "20s"}},
        function={"faults": [{"kind": "error", "from": "0s", "to": "21.5s"}]},
    )
    assert rows(result) == [*FAILED, (20, 10, "error"), (21, 10, "error"), (22, 5, "ok")]
    assert result["redriven_records"]["sum"] == result["processed_records"]["sum"] == 5.0
    assert result["discarded_records"]["sum"] == 20.0
    assert dict(result.records.groupby("outcome").records.sum()) == {"discarded": 20, "processed": 5}


def test_what_has_expired_cannot_be_put_back() -> None:
    """Records at 0 s to 9 s, each discarded a second later; the one of k expires at k + 10 s.

    At 15 s those of 0 s to 5 s are gone; those of 6 s to 9 s have their turns from then on, all before they expire.
    """
    result = run(
        {"on_failure_destination": {"redrive_at": "15s"}, "batch_size": 1},
        {"arrivals": {"model": "constant", "rate": "1/s"}},
        stream={"retention_period": "10s"},
        run={"duration": "10s"},
    )
    assert [start for start, _, outcome in rows(result) if outcome == "ok"] == [15, 16, 17, 18]
    assert result["redriven_records"]["sum"] == 4.0
    assert result["discarded_records"]["sum"] == 6.0


def test_what_is_discarded_after_the_redrive_stays_there() -> None:
    result = run({"on_failure_destination": {"redrive_at": "1.5s"}}, function={"faults": [
        {"kind": "error", "from": "0s", "to": "1.2s"}, {"kind": "error", "from": "2s", "to": "2.4s"}]})  # fmt: skip
    # the first batch is put back at 1.5 s, while the second runs; the third fails at 2 s and stays discarded
    assert sorted(rows(result)) == [(0, 10, "error"), (1, 10, "error"), (1.5, 10, "ok"), (2, 5, "error")]
    assert result["discarded_records"]["sum"] == 15.0
    assert result["concurrent_executions"]["max"] == 2.0


def test_it_runs_beside_the_mapping_and_shares_the_concurrency() -> None:
    result = run(
        {"on_failure_destination": {"redrive_at": "20s"}},
        {"arrivals": {"model": "bursts", "every": "20s", "size": 10}},
        account={"concurrent_executions": 1},
    )
    starts = sorted(result.invocations.start_s)
    assert starts == [0, 20, 21, 40]
    assert result["concurrent_executions"]["max"] == 1.0
    assert result["processed_records"]["sum"] == 30.0
    assert result["utilization"]["time_average"] == approx(3 / 60)  # of the mapping's own slot


def test_what_is_too_old_is_told_and_put_back_in_batches() -> None:
    """An outage of 100 s makes 25 records too old at once: one document, three invocations."""
    result = run(
        {"on_failure_destination": {"redrive_at": "200s"}, "maximum_record_age": "60s",
         "outages": [{"from": 0, "to": "100s"}]},
    )  # fmt: skip
    assert result["on_failure_deliveries"]["sum"] == 1.0
    assert rows(result) == [(200, 10, "ok"), (201, 10, "ok"), (202, 5, "ok")]
    assert result["queue_wait_s"]["count"] == 0.0


def test_what_is_too_large_is_told_and_stays_there() -> None:
    result = run(
        {"on_failure_destination": {"redrive_at": "20s"}, "payload_limit": "1 kB"},
        {"arrivals": {"model": "bursts", "every": "1h", "size": 2}, "record_size": "2 kB"},
    )
    assert result["too_large_records"]["sum"] == result["on_failure_deliveries"]["sum"] == 2.0
    assert not len(result.invocations)


def test_bisection_leaves_the_poison_record_alone_to_be_told() -> None:
    """Of ten records the fourth fails until it is put back, when the code has been mended at 15 s."""
    result = run(
        {"on_failure_destination": {"redrive_at": "20s"}, "bisect_batch_on_function_error": True},
        {"arrivals": {"model": "bursts", "every": "1h", "size": 10}},
        function={"faults": [{"kind": "error", "from": "0s", "to": "15s", "records": [4]}]},
    )
    assert result["on_failure_deliveries"]["sum"] == 1.0
    assert result["redriven_records"]["sum"] == 1.0
    assert rows(result)[-1] == (20, 1, "ok")


def test_the_books_close_when_a_redrive_is_told_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redriven runs of 50 s are told in a later window of arrivals than they started in, while others go on."""
    monkeypatch.setattr("kinsim.measure.recorder.ROWS_AT_ONCE", 1)
    dense = {"arrivals": {"model": "constant", "rate": "2000/s"}}
    result = run(
        {"batch_size": 10_000, "on_failure_destination": {"redrive_at": "100s"}},
        dense,
        function={"duration": "5s", "faults": [{"kind": "error", "from": "0s", "to": "90s"},
                                               {"kind": "slow", "factor": 10, "from": "100s", "to": "101s"}]},
        run={"duration": "5m", "until": "end"},
    )  # fmt: skip
    assert result["redriven_records"]["sum"] > 100_000


def test_a_run_that_ends_in_a_redrive_counts_its_records_as_discarded() -> None:
    result = run({"on_failure_destination": {"redrive_at": "58s"}}, run={"duration": "59.5s", "until": "end"})
    assert result["redriven_records"]["sum"] == 10.0
    assert result["discarded_records"]["sum"] == 15.0
    assert result["concurrent_executions"]["last"] == 1.0


def test_a_redrive_after_the_end_is_warned_about() -> None:
    result = run({"on_failure_destination": {"redrive_at": "2h"}}, run={"until": "end"})
    assert any("it sees no redrive" in warning.message for warning in result.scenario.warnings)
    assert result["redriven_records"]["sum"] == 0.0


def test_in_2017_there_is_no_destination() -> None:
    for value in ({}, {"redrive_at": "1h"}):
        with pytest.raises(ConfigError, match="aws-2017 has no on-failure destinations"):
            run({"on_failure_destination": value, "maximum_retry_attempts": -1}, profile="aws-2017")
