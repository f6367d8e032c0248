"""What a put call may be, at its limits (case O5, aws:W8, W10, W15)."""

from __future__ import annotations

from typing import Any

import pytest

import kinsim as ks
from kinsim.engine.arrivals import ArrivalSource

MIB = 2**20


def text(workload: str, producer: str = "{model: sdk, api: PutRecords}", profile: str = "aws-2017") -> str:
    return (
        f"kinsim: 1\nname: limits\nprofile: {profile}\nworkload: {{{workload}}}\nproducer: {producer}\n"
        "function: {duration: {fixed: 1ms}}\nrun: {duration: 60s, replications: 1}\n"
    )


def refused(*arguments: str) -> str:
    with pytest.raises(ks.ConfigError) as caught:
        ks.parse(text(*arguments))
    return str(caught.value)


FEW = "arrivals: {model: bursts, every: 60s, size: 6}"


def call_sizes(scenario: Any) -> list[int]:
    """Records that are put together, by instant."""
    together: dict[int, int] = {}
    for _, _, rows in ArrivalSource(scenario, 0).windows():
        for time_us, count in zip(rows.time_us.tolist(), rows.count.tolist(), strict=True):
            together[time_us] = together.get(time_us, 0) + count
    return list(together.values())


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_a_call_of_500_records_and_not_of_501(profile):
    """aws:W10."""
    ks.parse(text(FEW, "{model: sdk, api: PutRecords, batch_size: 500, on_partial_failure: ignore}", profile))
    said = refused(FEW, "{model: sdk, api: PutRecords, batch_size: 501}", profile)
    assert f"profile {profile} accepts 1 to 500 (aws:W10" in said
    assert "producer.batch_size" in said


@pytest.mark.parametrize(("size", "calls"), [("1_048_540 B", [5, 1]), ("1_048_539 B", [5, 1]), ("873_777 B", [6])])
def test_a_call_of_5_mib_keys_included(size, calls):
    """aws:W10: five records of 1 MiB with their keys of 36 B fill a call; six of 873,813 B are 5,242,878 B."""
    assert call_sizes(ks.parse(text(f"{FEW}, record_size: {size}"))) == calls


def test_a_call_of_10_mib_in_2026():
    """aws:W10: six records of 1 MiB fit the larger call."""
    scenario = ks.parse(
        text(f"{FEW}, record_size: 1_048_540 B", "{model: sdk, api: PutRecords, retry: {mode: none}}", "aws-2026")
    )
    assert call_sizes(scenario) == [6]


@pytest.mark.parametrize(("size", "accepted"), [("1_048_540 B", 1), ("1_048_541 B", 0)])
def test_a_record_of_1_mib_with_its_key_and_not_a_byte_more(size, accepted):
    """aws:W4, W8: too large a record is refused for good, not throttled."""
    one = "arrivals: {model: bursts, every: 60s, size: 1}"
    run = ks.parse(text(f"{one}, record_size: {size}", "{model: sdk, api: PutRecord}")).run()
    assert run["accepted_records"]["sum"] == accepted
    assert run["dropped_records"]["sum"] == 1 - accepted
    assert run["retried_records"]["sum"] == 0


def test_a_key_of_256_characters_and_not_of_257_or_none():
    """aws:W15: 1 to 256 characters, not bytes."""
    for key in ("k" * 256, "é" * 256):
        ks.parse(text(f"{FEW}, partition_keys: {{keys: [{key}]}}"))
    for key in ("k" * 257, '""'):
        said = refused(f"{FEW}, partition_keys: {{keys: [{key}]}}")
        assert "a partition key has 1 to 256 characters" in said
        assert "aws:W15" in said


@pytest.mark.parametrize(
    ("producer", "says"),
    [
        ("{model: sdk, api: PutRecord, batch_size: 10}", "PutRecord takes one record, but batch_size is 10"),
        ("{model: sdk, api: PutRecord, on_partial_failure: ignore}", "so on_partial_failure would change nothing"),
        ("{model: sdk, flush: 1s}", "so flush would change nothing"),
        (
            "{model: sdk, api: PutRecords, on_partial_failure: ignore, retry: {mode: legacy}}",
            "never sends a record again",
        ),
        (
            "{model: sdk, api: PutRecords, on_partial_failure: resend_all, retry: {mode: none}}",
            "sends the whole call again, but retry mode is none",
        ),
        ("{api: PutRecords}", "without model has no api"),
        ("{model: sdk, api: PutRecordz}", "PutRecordz"),
        ("{model: sdk, api: PutRecords, batch_size: 0}", "batch_size"),
        ("{model: sdk, api: PutRecords, flush: -1s}", "producer.flush"),
        ("{model: sdk, put_latency: -1s}", "producer.put_latency"),
    ],
)
def test_what_contradicts_itself_is_named(producer, says):
    assert says in refused(FEW, producer)
