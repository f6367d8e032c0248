"""Records of up to 10 MiB (aws:W8, W9): the burst they are taken from, their reads and their events, by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinsim.scenario import parse

MIB = 1_048_576
KEY = len("constant")
TEN_MIB = 10 * MIB - KEY
"""Data of a record that weighs 10 MiB with its key."""


def source(record_bytes: int, **arrivals: Any) -> dict[str, Any]:
    return {"arrivals": arrivals, "record_size": f"{record_bytes} B", "partition_keys": "constant"}


def run(sources: dict[str, Any], duration: str = "30s", **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "large",
        "profile": "aws-2026",
        "workload": {"sources": sources},
        "stream": {"shard_count": 1, "max_record_size": "10 MiB"},
        "event_source_mapping": {"poll_phase": "aligned", "dispatch_overhead": "0s"},
        "function": {"duration": "1ms", "timeout": "10s", "cold_start": "0s"},
        "producer": {},
        "run": {"duration": duration, "seed": 1},
    }
    for name, part in parts.items():
        document[name] = {**document[name], **part}
    return parse(json.dumps(document)).run(replications=1, keep=("invocations", "records"))


def total(result: Any, name: str) -> float:
    return float(result[name]["sum"])


def stored_at(result: Any) -> list[float]:
    return sorted(result.records.accepted_s.dropna())


def test_a_burst_of_10_mib_comes_back_in_10_s():
    """aws:W7, W9: one record empties the bucket; after 5 s it holds 5 MiB, after 10 s it is full again."""
    result = run({"large": source(TEN_MIB, model="bursts", every="5s", size=1)})
    assert stored_at(result) == [0, 10, 20]
    assert (total(result, "offered_records"), total(result, "dropped_records")) == (6, 3)


def test_without_large_records_a_shard_takes_one_second_at_once():
    """aws:W7: of 3 records of 1 MiB that come together it takes 1, and with large ones allowed all 3."""
    one_mib = {"three": source(MIB - KEY, model="bursts", every="1h", size=3)}
    assert total(run(one_mib, stream={"max_record_size": "1 MiB"}), "accepted_records") == 1
    assert total(run(one_mib), "accepted_records") == 3


def test_the_burst_is_a_setting():
    """aws:W7: 4 MiB take one record of 3 MiB at once, and the next after 2 s: 1 MiB is left and 2 come back."""
    result = run(
        {"large": source(3 * MIB - KEY, model="bursts", every="1s", size=1)},
        "6s",
        stream={"max_record_size": "3 MiB", "write_burst_bytes": "4 MiB"},
    )
    assert stored_at(result) == [0, 2, 5]


def test_large_and_small_records_share_the_burst():
    """5 MiB and five of 1 MiB fill it; the sixth is rejected."""
    result = run(
        {
            "a": source(5 * MIB - KEY, model="bursts", every="1h", size=1),
            "b": source(MIB - KEY, model="bursts", every="1h", size=6),
        }
    )
    assert (total(result, "accepted_records"), total(result, "dropped_records")) == (6, 1)


def test_a_record_of_10_mib_needs_the_whole_burst():
    """A record of 508 B at the same instant is enough that it is rejected; half a second later all is back."""
    for first, accepted in (("10s", 61), ("10.5s", 62)):
        result = run(
            {
                "a": source(500, model="constant", rate="1/s"),
                "b": source(TEN_MIB, model="bursts", every="1h", size=1, first=first),
            },
            "61s",
        )
        assert total(result, "accepted_records") == accepted


def test_small_records_go_on_at_the_shards_own_rate():
    """Four of 256 KiB a second are the rate itself: only the one that comes with the large record finds nothing."""
    result = run(
        {
            "a": source(TEN_MIB, model="bursts", every="1h", size=1),
            "b": source(MIB // 4 - KEY, model="constant", rate="4/s"),
        }
    )
    assert total(result, "offered_records") == 121
    assert total(result, "dropped_records") == 1


@pytest.mark.parametrize(("size", "largest", "accepted"), [(TEN_MIB, 10, 1), (TEN_MIB + 1, 10, 0), (5 * MIB, 5, 0)])
def test_not_a_byte_more_than_the_largest_key_included(size, largest, accepted):
    """aws:W4, W8: refused for good, not throttled."""
    result = run(
        {"large": source(size, model="bursts", every="1h", size=1)},
        stream={"max_record_size": f"{largest} MiB"},
        producer={"model": "sdk", "retry": {"mode": "legacy"}},
    )
    assert total(result, "retried_records") == 0
    assert (total(result, "accepted_records"), total(result, "dropped_records")) == (accepted, 1 - accepted)


def test_a_read_of_10_mib_blocks_the_shard_for_5_s():
    """aws:G2 to G4: the poll at 1 s returns the large record alone, those at 2 to 5 s are refused, the one at 6 s reads
    what came since: records at 0.5 to 5.5 s, the first of which waits 5.5 s."""
    result = run(
        {
            "a": source(TEN_MIB, model="bursts", every="1h", size=1),
            "b": source(500, model="constant", rate="1/s", first="0.5s"),
        },
        "8s",
    )
    series = result.timeseries
    refused = series.Value[
        (series.MetricName == "ReadProvisionedThroughputExceeded") & (series.Statistic == "Sum")
    ].sum()
    assert refused == 4
    batches = result.invocations
    assert list(batches.start_s) == [6, 7]
    assert list(batches.records) == [6, 1]
    assert result["queue_wait_s"]["max"] == 5.5


@pytest.mark.parametrize(("size", "too_large"), [(4_718_187, 0), (4_718_188, 1)])
def test_what_an_event_of_6_mib_holds(size, too_large):
    """aws:E8, E9, E33: 4/3 of 4,718,187 B, 532 B and the key's 8 B are 6,291,456 B; a byte more makes 4 more."""
    result = run(
        {"large": source(size, model="bursts", every="1h", size=1)},
        stream={"max_record_size": "5 MiB"},
        event_source_mapping={"poll_phase": "aligned", "on_failure_destination": {}},
    )
    assert total(result, "too_large_records") == total(result, "on_failure_deliveries") == too_large
    assert total(result, "processed_records") == total(result, "invocations") == 1 - too_large
    assert total(result, "discarded_records") == 0


def test_records_around_one_too_large_go_on():
    """aws:E33: it is lost alone."""
    result = run(
        {
            "a": source(500, model="constant", rate="1/s"),
            "b": source(TEN_MIB, model="bursts", every="1h", size=1, first="10.5s"),
        },
        "60s",
        run={"duration": "60s", "until": "drained"},
    )
    assert (total(result, "too_large_records"), total(result, "processed_records")) == (1, 60)


def test_a_large_record_is_410_put_units():
    """aws:P2, P3: 10,485,752 B in units of 25,600 B."""
    result = run({"large": source(TEN_MIB, model="bursts", every="15s", size=1)})
    months = result.cost["hours"] * 3_600 / 30
    units = result.cost["parts"]["put_units"]["value"] / 0.014 * 1e6
    assert units == pytest.approx(2 * 410 * months, rel=1e-12)
