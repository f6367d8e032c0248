"""Settings that only single situations show: each changes a number that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pytest import approx

import kinsim as ks


def run(text: str) -> Any:
    return ks.parse(f"kinsim: 1\nname: setting\nprofile: ideal\n{text}").run(keep=("invocations",), replications=1)


@pytest.mark.parametrize(("redraw", "alike"), [("never", True), ("each_attempt", False)])
def test_a_retry_takes_as_long_as_its_first_attempt_unless_it_is_drawn_again(redraw: str, alike: bool) -> None:
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, size: 1}}}}
function:
  duration: {{distribution: exponential, mean: 1s}}
  redraw: {redraw}
  faults: [{{kind: error, from: 0s, to: 20s}}]
run: {{duration: 1h}}
""")
    took = (result.invocations.end_s - result.invocations.start_s).round(6)
    assert len(took) > 5
    assert (took.nunique() == 1) == alike


@pytest.mark.parametrize(("period", "expected_s"), [("20ms", 0.022106), ("100ms", 0.005)])
def test_the_period_of_the_cpu_quota(period: str, expected_s: float) -> None:
    """256 MB have 256/1769 of a vCPU: 2.894 ms of each 20 ms, so that 5 ms end 2.106 ms into the second period;
    of 100 ms it is 14.47 ms, which is enough at once (aws:M5)."""
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, size: 1}}}}
function: {{memory_size: 256 MB, cpu: quota, cpu_period: {period}, duration: {{per_record: 5ms}}}}
run: {{duration: 1h}}
""")
    assert result["duration_s"]["max"] == approx(expected_s, abs=1e-6)


@pytest.mark.parametrize(("granularity", "expected_s"), [("0s", 65.0), ("10s", 70.0)])
def test_records_are_trimmed_in_steps(granularity: str, expected_s: float) -> None:
    """A hundred records of second 5 wait for a minute behind a long invocation and expire at 65 s."""
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, first: 5s, size: 200}}}}
stream: {{retention_period: 60s, trim_granularity: {granularity}}}
event_source_mapping: {{batch_size: 100}}
function: {{duration: 10m}}
run: {{duration: 30m}}
""")
    assert result["expired_records"]["sum"] == 100
    assert result["expired_records"]["time_of_first"] == expected_s


@pytest.mark.parametrize(("limit", "expected_s"), [("unlimited", 15.001), ("20s", 15.001), ("10s", 25.001)])
def test_an_initialisation_that_takes_too_long_is_done_again_with_the_first_invocation(
    limit: str, expected_s: float
) -> None:
    """15 s of initialisation, stopped after 10 s, take 10 s + 15 s, then 1 ms of work (aws:M11)."""
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, size: 1}}}}
function: {{cold_start: 15s, init_limit: {limit}, duration: 1ms}}
run: {{duration: 1h}}
""")
    (first,) = (result.invocations.end_s - result.invocations.start_s).tolist()
    assert first == approx(expected_s)


@pytest.mark.parametrize(("polls", "finish_s"), [(1, 2.0), (5, 0.4)])
def test_polls_follow_faster_while_the_reader_is_behind(polls: int, finish_s: float) -> None:
    """30,000 records are three calls of 10,000: at 0, 1 and 2 s, or every 200 ms."""
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, size: 30_000}}}}
stream: {{enforce_read_limits: false}}
event_source_mapping: {{batch_size: 10_000, poll_interval: 1s, polls_per_second_behind: {polls}}}
function: {{duration: 0s}}
run: {{duration: 1h}}
""")
    assert result["finish_s"]["mean"] == approx(finish_s)


@pytest.mark.parametrize(
    ("burst", "accepted"),
    [("write_burst_records: 100", 100), ("write_burst_records: 1_000", 300), ("write_burst_bytes: 50 kB", 50)],
)
def test_the_depth_of_the_bucket(burst: str, accepted: int) -> None:
    """300 records of 1,000 B, key included, at once, against what the bucket holds."""
    result = run(f"""
workload: {{arrivals: {{model: bursts, every: 1h, size: 300}}, record_size: 992 B, partition_keys: constant}}
stream: {{write_limiter: token_bucket, {burst}}}
function: {{duration: 1ms}}
run: {{duration: 1m}}
""")
    assert result["accepted_records"]["sum"] == accepted
