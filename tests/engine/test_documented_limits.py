"""Rates that no emulator enforces, at AWS's limits (case O5); the limits of single calls are in tests/language."""

from __future__ import annotations

from typing import Any

import pytest

from kinsim.scenario import parse
from kinsim.system.stream import may_call, missing_after_calls

MIB = 2**20


def run(profile: str, size: int, record_size: str, **settings: Any) -> Any:
    text = (
        f"kinsim: 1\nname: limits\nprofile: {profile}\n"
        f"workload: {{arrivals: {{model: bursts, every: 1h, size: {size}}}, record_size: {record_size}, "
        "partition_keys: constant}\n"
        "stream: {shard_count: 1}\nevent_source_mapping: {batch_size: 10_000}\nfunction: {duration: 1ms}\n"
        "run: {duration: 60s, until: drained, replications: 1}\n"
    )
    return parse(text).with_(settings).run(keep=("invocations",))


def accepted(result: Any) -> float:
    return float(result["accepted_records"]["sum"])


@pytest.mark.parametrize(("profile", "taken"), [("aws-2017", 1_000), ("aws-2026", 1_000), ("ideal", 10_000)])
def test_ten_thousand_records_at_once(profile, taken):
    """case:O5, aws:W1: the emulators take them all, as `ideal` does."""
    assert accepted(run(profile, 10_000, "100 B")) == taken


@pytest.mark.parametrize(("profile", "taken"), [("aws-2017", 1), ("aws-2026", 1), ("ideal", 24)])
def test_24_mib_at_once(profile, taken):
    """case:O5, aws:W2: in records of 1 MiB with their keys of 8 B."""
    assert accepted(run(profile, 24, f"{MIB - 8} B")) == taken


@pytest.mark.parametrize(("size", "batches"), [(10_000, [10_000]), (10_001, [10_000, 1])])
def test_a_call_brings_10_000_records_and_not_10_001(size, batches):
    """case:O5, aws:G2: the rest comes with the poll a second later."""
    found = run("ideal", size, "100 B", **{"event_source_mapping.poll_interval": "1s"}).invocations
    assert found.records.tolist() == batches
    assert found.start_s.tolist() == [float(second) for second in range(len(batches))]


def test_of_twelve_calls_in_a_row_five_are_served():
    """case:O5, aws:G1: the emulators serve all."""
    missing, served = 0, 0
    for _ in range(12):
        if may_call(missing, 5):
            missing, served = missing_after_calls(missing, calls=1, refill=0), served + 1
    assert served == 5
