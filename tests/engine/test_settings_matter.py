"""Settings that few scenarios name, each with an outcome that can be computed by hand and that depends on it."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from kinsim.scenario import parse

ONE: dict[str, Any] = {"arrivals": {"model": "bursts", "every": "1h", "size": 1}}
"""One record at the start of the run."""


def run(workload: dict[str, Any] = ONE, duration: str = "10m", **parts: dict[str, Any]) -> Any:
    """The result of one shard under the profile ideal, invocations kept."""
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "settings",
        "profile": "ideal",
        "workload": workload,
        "stream": {"shard_count": 1},
        "function": {"duration": "1s"},
        "run": {"duration": duration, "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part}
    made = parse(json.dumps(document), file="settings.yaml", base_dir=Path("."))
    return made.run(replications=1, keep=("invocations",))


def lengths(result: Any) -> list[float]:
    table = result.invocations
    return [round(end - start, 6) for start, end in zip(table.start_s, table.end_s, strict=True)]


# -- function.redraw -------------------------------------------------------------------------------------------


UNIFORM = {"distribution": "uniform", "low": "1s", "high": "2s"}
FAILING = [{"kind": "error", "from": "0s", "to": "20s"}]


def test_without_a_new_draw_a_batch_lasts_as_long_in_every_try() -> None:
    """Errors up to 20 s, a duration d of 1 s to 2 s: tries at 0, d, 2d ... and the first at 20 s or later succeeds.

    That is number ceil(20 / d), counted from 0; all last d.
    """
    result = run(function={"duration": UNIFORM, "redraw": "never", "faults": FAILING})
    took = lengths(result)
    d = took[0]
    assert 1 <= d < 2
    assert took == [d] * (math.ceil(20 / d) + 1)
    assert result.invocations.start_s.to_numpy() == approx([k * d for k in range(len(took))], abs=1e-6)
    assert list(result.invocations.outcome) == ["error"] * (len(took) - 1) + ["ok"]


def test_with_a_new_draw_each_try_has_a_duration_of_its_own() -> None:
    """The tries follow each other, so that the last one starts at the sum of the others, the first at 20 s or later.

    The first try is the same as without new draws.
    """
    result = run(function={"duration": UNIFORM, "redraw": "each_attempt", "faults": FAILING})
    took = lengths(result)
    assert len(set(took)) == len(took) and all(1 <= d < 2 for d in took)
    assert sum(took[:-2]) < 20 <= sum(took[:-1])
    assert result["processed_records"]["sum"] == 1
    kept = run(function={"duration": UNIFORM, "redraw": "never", "faults": FAILING})
    assert lengths(kept)[0] == took[0]


def test_only_a_new_draw_saves_a_batch_that_times_out() -> None:
    """40 records, of which half take 1 s and half 5 s, at a time-out of 3 s.

    Without new draws the first batch of 5 s is tried for ever.  With them a try succeeds with probability one half:
    all are processed, after 40 / (1/2) = 80 tries on average with a standard deviation of sqrt(40 / 2) / (1/2) = 9,
    each a success of 1 s or a time-out of 3 s.
    """
    half = {"distribution": "mixture", "of": [{"weight": 1, "value": "1s"}, {"weight": 1, "value": "5s"}]}
    workload = {"arrivals": {"model": "bursts", "every": "1h", "size": 40}}
    mapping = {"batch_size": 1}
    function = {"duration": half, "timeout": "3s"}
    stuck = run(workload, event_source_mapping=mapping, function={**function, "redraw": "never"})
    assert stuck["timeouts"]["sum"] > 0
    done = int(stuck["processed_records"]["sum"])
    assert done < 20
    assert lengths(stuck) == [1.0] * done + [3.0] * ((600 - done - 1) // 3)
    saved = run(workload, event_source_mapping=mapping, function={**function, "redraw": "each_attempt"})
    assert saved["processed_records"]["sum"] == 40
    assert abs(saved["invocations"]["sum"] - 80) < 4 * 9
    assert saved["finish_s"]["mean"] == 40 + 3 * saved["timeouts"]["sum"]


# -- function.cpu_period ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected_us"),
    [
        ({"cpu": "quota"}, 121_317),
        ({"cpu": "quota", "cpu_period": "20ms"}, 121_317),
        ({"cpu": "quota", "cpu_period": "100ms"}, 102_764),
        ({"cpu": "quota", "cpu_period": "200ms"}, 10_000),
        ({"cpu": "proportional", "cpu_period": "20ms"}, 138_203),
        ({"cpu": "unlimited", "cpu_period": "20ms"}, 10_000),
    ],
)
def test_the_quota_of_a_cpu_period_makes_work_wait_for_the_next_one(settings: dict[str, Any], expected_us: int) -> None:
    """10 ms of work at 128 MB, of a vCPU's 1,769 MB (aws:M2, M5): 128 / 1769 of a CPU.

    In periods of 20 ms the quota is 1.4471 ms: six whole quotas are 8.6829 ms, and the last 1.3171 ms run in the
    seventh period, 120 ms + 1.3171 ms.  In periods of 100 ms it is 7.2357 ms: 100 ms + 2.7643 ms.  In 200 ms it is
    14.47 ms, more than the work.  In proportion it takes 10 ms x 1769 / 128 = 138.203 ms.
    """
    share = Fraction(128, 1769)
    assert round(float(120_000 + 10_000 - 6 * 20_000 * share)) == 121_317
    assert round(float(100_000 + 10_000 - 100_000 * share)) == 102_764
    function = {"memory_size": "128 MB", "duration": {"per_invocation": "10ms"}, **settings}
    assert run(function=function)["duration_s"]["max"] == approx(expected_us / 1e6, abs=1e-9)


def test_waiting_needs_no_quota() -> None:
    """10 ms of I/O stay 10 ms at 128 MB, and a full vCPU is never held up."""
    waiting = {"memory_size": "128 MB", "cpu": "quota", "duration": {"fixed": "10ms"}}
    assert run(function=waiting)["duration_s"]["max"] == approx(0.01)
    whole = {"memory_size": "1769 MB", "cpu": "quota", "duration": {"per_invocation": "90ms"}}
    assert run(function=whole)["duration_s"]["max"] == approx(0.09)


# -- function.init_limit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "end_s", "duration_s"),
    [("10s", 23, 13), ("12s", 13, 1), ("15s", 13, 1), ("unlimited", 13, 1), ("2s", 15, 13)],
)
def test_an_initialisation_above_the_limit_is_repeated_in_the_run(limit: str, end_s: float, duration_s: float) -> None:
    """aws:M16: 12 s of initialisation are stopped after 10 s and repeated in the run: 10 s + (12 s + 1 s) = 23 s.

    At a limit of 12 s or more: 12 s + 1 s, and the run itself has 1 s.  At 2 s: 2 s + 13 s.
    """
    result = run(function={"duration": "1s", "cold_start": "12s", "init_limit": limit})
    assert list(result.invocations.end_s) == [end_s]
    assert result["duration_s"]["max"] == duration_s
    assert result["cold_starts"]["sum"] == 1


def test_a_repeated_initialisation_counts_against_the_time_out() -> None:
    """aws:M16: 12 s + 1 s are above a time-out of 12.5 s, which a run of 1 s after its initialisation is not."""
    function = {"duration": "1s", "cold_start": "12s", "timeout": "12_500ms"}
    within = run(function={**function, "init_limit": "12s"})
    assert list(within.invocations.outcome) == ["ok"]
    above = run(function={**function, "init_limit": "10s"}, duration="30s")
    assert above.invocations.outcome[0] == "timeout"
    assert above.invocations.end_s[0] == 22.5


# -- stream.trim_granularity -----------------------------------------------------------------------------------


def two_records(duration: str, trim: str, second: str = "5s") -> Any:
    """A record at 0 s whose invocation takes *duration*, and a second one that waits for it; kept for 60 s."""
    sources = {
        "first": {"arrivals": {"model": "bursts", "every": "1h", "size": 1}},
        "second": {"arrivals": {"model": "bursts", "first": second, "every": "1h", "size": 1}},
    }
    stream = {"retention_period": "60s", "trim_granularity": trim}
    return run({"sources": sources}, stream=stream, function={"duration": duration})


@pytest.mark.parametrize(
    ("duration", "trim", "expired_at"),
    [
        ("64_999_999us", "0s", None),
        ("65s", "0s", 65),
        ("70s", "0s", 65),
        ("69_999_999us", "10s", None),
        ("70s", "10s", 70),
        ("70s", "60s", None),
        ("119_999_999us", "60s", None),
        ("120s", "60s", 120),
        ("130s", "60s", 120),
    ],
)
def test_records_are_trimmed_at_whole_multiples_of_the_granularity(
    duration: str, trim: str, expired_at: float | None
) -> None:
    """A record of 5 s, kept for 60 s (aws:T3): gone at 65 s, with a granularity of 10 s at 10 s + 60 s = 70 s.

    With a granularity of 60 s at 60 s + 60 s = 120 s.  A reader that is free at that instant or later finds nothing.
    """
    result = two_records(duration, trim)
    assert result["expired_records"]["sum"] == (expired_at is not None)
    assert result["processed_records"]["sum"] == 1 + (expired_at is None)
    if expired_at is not None:
        assert result["expired_records"]["time_of_first"] == expired_at


def test_a_record_that_came_at_a_whole_multiple_is_trimmed_at_its_own_time() -> None:
    """Of 20 s, kept for 60 s, in steps of 10 s: gone at 80 s, not a step later."""
    assert two_records("79_999_999us", "10s", "20s")["processed_records"]["sum"] == 2
    gone = two_records("80s", "10s", "20s")
    assert gone["processed_records"]["sum"] == 1
    assert gone["expired_records"]["time_of_first"] == 80


# -- event_source_mapping.polls_per_second_behind --------------------------------------------------------------


BURST_AND_LATE = {
    "sources": {
        "burst": {"arrivals": {"model": "bursts", "first": "300ms", "every": "1h", "size": 45_000}},
        "late": {"arrivals": {"model": "bursts", "first": "10_100ms", "every": "1h", "size": 1}},
    }
}


@pytest.mark.parametrize(
    ("polls", "starts"),
    [
        (1, [1, 2, 3, 4, 5]),
        (2, [1, 1.5, 2, 2.5, 3]),
        (4, [1, 1.25, 1.5, 1.75, 2]),
        (5, [1, 1.2, 1.4, 1.6, 1.8]),
    ],
)
def test_a_mapping_that_is_behind_polls_more_often(polls: int, starts: list[float]) -> None:
    """45,000 records of 1,000 B at 0.3 s; a call brings 10,000 (aws:G2), the first at 1 s, and leaves others unread.

    So the next calls follow after 1/n s (aws:E11, E13), and each call is an invocation of 1 ms.  Once all is read
    polls are a second apart again, on the grid: a record of 10.1 s is seen at 11 s.
    """
    mapping = {"batch_size": 10_000, "poll_interval": "1s", "polls_per_second_behind": polls}
    result = run(BURST_AND_LATE, event_source_mapping=mapping, function={"duration": "1ms"})
    assert list(result.invocations.start_s) == approx([*starts, 11])
    assert list(result.invocations.records) == [10_000] * 4 + [5_000, 1]


@pytest.mark.parametrize(("polls", "calls"), [(1, 20), (2, 22), (4, 23), (5, 24)])
def test_a_mapping_makes_more_calls_only_while_it_is_behind(polls: int, calls: int) -> None:
    """The same in 20 s: a call each second from 0 on, and those between two seconds.

    At 2 a second those of 1.5 and 2.5 s, at 4 those of 1.25, 1.5 and 1.75 s, at 5 the four from 1.2 s to 1.8 s.
    """
    mapping = {"batch_size": 10_000, "poll_interval": "1s", "polls_per_second_behind": polls}
    table = run(BURST_AND_LATE, "20s", event_source_mapping=mapping, function={"duration": "1ms"}).timeseries
    found = table[(table.MetricName == "GetRecords.Success") & (table.Statistic == "Sum")]
    assert found.Value.sum() == calls


# -- stream.write_burst_records, write_burst_bytes -------------------------------------------------------------


EVERY_SECOND = {
    "arrivals": {"model": "bursts", "every": "1s", "size": 500},
    "record_size": "90 B",
    "partition_keys": {"keys": ["ten_bytes_"]},
}
"""500 records of 100 B, keys included, at 0, 1 and 2 s in a run of 3 s."""


@pytest.mark.parametrize(
    ("burst", "accepted"),
    [({}, 300), ({"write_burst_records": 100}, 300), ({"write_burst_records": 300}, 500),
     ({"write_burst_records": 30}, 90), ({"write_burst_records": 9_999}, 1_500)],
)  # fmt: skip
def test_a_burst_of_records_fits_the_depth_of_the_bucket(burst: dict[str, int], accepted: int) -> None:
    """At 100 records a second (aws:W1, W7) a bucket of one second takes 100 at 0, 1 and 2 s.

    One of 300: 300 + 100 + 100.  One of 30: 30 each time, the rest of the refill overflows.  One of 9,999 takes all.
    """
    stream = {"write_limiter": "token_bucket", "write_limit_records": 100, **burst}
    result = run(EVERY_SECOND, "3s", stream=stream)
    assert result["accepted_records"]["sum"] == accepted
    assert result["rejected_records"]["sum"] == 1_500 - accepted


@pytest.mark.parametrize(
    ("burst", "accepted"),
    [({}, 300), ({"write_burst_bytes": "10_000 B"}, 300), ({"write_burst_bytes": "30_050 B"}, 500),
     ({"write_burst_bytes": "3_050 B"}, 90), ({"write_burst_bytes": "100_000 B"}, 1_200)],
)  # fmt: skip
def test_a_burst_of_bytes_fits_the_depth_of_the_bucket(burst: dict[str, str], accepted: int) -> None:
    """The same in bytes, 100 B a record: buckets of 10,000 B, of 30,050 B and of 3,050 B (50 B hold no record).

    One of 100,000 B takes the first 500, then the 500 of 1 s and 200 of the 500 of 2 s: 100,000 + 2 x 10,000 B.
    """
    stream = {"write_limiter": "token_bucket", "write_limit_bytes": "10_000 B", **burst}
    result = run(EVERY_SECOND, "3s", stream=stream)
    assert result["accepted_records"]["sum"] == accepted
    assert result["rejected_records"]["sum"] == 1_500 - accepted


@pytest.mark.parametrize("unit", ["records", "bytes"])
def test_a_pause_fills_the_bucket_to_its_depth_and_no_further(unit: str) -> None:
    """300 at 0 s; ten seconds later 1,000 would have come back, and 300 fit again."""
    workload = {**EVERY_SECOND, "arrivals": {"model": "bursts", "every": "10s", "size": 500}}
    limits: dict[str, Any] = {"write_limit_records": 100, "write_burst_records": 300}
    if unit == "bytes":
        limits = {"write_limit_bytes": "10_000 B", "write_burst_bytes": "30_000 B"}
    result = run(workload, "20s", stream={"write_limiter": "token_bucket", **limits})
    assert result["accepted_records"]["sum"] == 600
