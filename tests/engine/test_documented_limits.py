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


OWN = """\
kinsim_profile: 1
name: lab
extends: ideal
constants:
  get_records_max_records: {value: 7, unit: records, source: x, date: 2026-11-24}
  get_records_max_bytes: {value: 500, unit: B, source: x, date: 2026-11-24}
"""


@pytest.mark.parametrize(("record_size", "calls"), [("10 B", [7, 7, 6]), ("200 B", [2] * 10), ("501 B", [1] * 20)])
def test_a_profile_says_what_a_call_brings(tmp_path, record_size, calls):
    """aws:G2 is a number of the profile; a record above it comes alone."""
    (tmp_path / "lab.yaml").write_text(OWN, "utf-8")
    poll = {"event_source_mapping.poll_interval": "1s"}
    assert run(str(tmp_path / "lab.yaml"), 20, record_size, **poll).invocations.records.tolist() == calls


@pytest.mark.parametrize(("bytes_per_mb", "calls"), [(1_048_576, [10, 2]), (1_000_000, [9, 3])])
def test_ten_of_what_aws_calls_1_mb(bytes_per_mb, calls):
    """aws:G2, W3: twelve records of 1 MiB at once."""
    changes = {"event_source_mapping.poll_interval": "1s", "bytes_per_mb": bytes_per_mb}
    assert run("ideal", 12, f"{MIB} B", **changes).invocations.records.tolist() == calls
