"""More never hurts: memory, time-outs; and what only looks on changes nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.language import (
    EXAMPLES,
    a_few,
    changed,
    plain_arrivals,
    plain_scenarios,
    scenarios,
    simulate,
    simulate_if_allowed,
    without,
)


@EXAMPLES
@given(st.integers(1, 400), st.sampled_from([128, 192, 512, 1024, 1769, 3008]), st.integers(1, 5_000))
def test_m5_more_memory_never_lengthens_a_run(records, memory, per_record_us):
    """case:M5."""

    def duration(memory_mb: int) -> float:
        result = simulate(
            {
                "profile": "aws-2026",
                "workload": {"arrivals": {"model": "bursts", "every": "1h", "size": records}},
                "stream": {"shard_count": 1},
                "event_source_mapping": {"batch_size": 400},
                "function": {
                    "memory_size": f"{memory_mb} MB",
                    "timeout": "900s",
                    "duration": {"fixed": "20ms", "per_record": f"{per_record_us / 1000}ms"},
                },
                "run": {"duration": "1h"},
            }
        )
        return float(result["duration_s"]["max"])

    assert duration(memory + 64) <= duration(memory)


@EXAMPLES
@given(plain_scenarios)
def test_m5_a_longer_timeout_never_adds_timeouts_where_nothing_else_fails(document):
    """case:M5.  Compared on the time-outs of the first attempts: a livelock's retries depend on the time-out itself."""
    document["function"].pop("faults", None)
    short = simulate(changed(document, "function", timeout="2s"), keep=("invocations",)).invocations
    long = simulate(changed(document, "function", timeout="30s"), keep=("invocations",)).invocations
    assert (long.outcome == "timeout").sum() <= (short.outcome == "timeout").sum()


@EXAMPLES
@given(
    plain_arrivals,
    st.sampled_from([128, 256, 640, 1_024, 1_769]),
    st.integers(1, 60),
    st.integers(0, 100),
    a_few({"work": st.just({"distribution": "exponential", "mean": "20ms"}), "log_events_per_record": st.just(3)}, 2),
    st.sampled_from(["quota", "proportional"]),
    st.integers(1, 3),
)
def test_m5_more_memory_never_makes_a_record_later(arrival, memory, per_record, seed, work, cpu, lanes):
    """case:M5: record by record, where each is a batch of its own, so that no batch depends on the ones before."""

    def done(memory_mb: int) -> Any:
        result = simulate(
            {
                "workload": {"arrivals": arrival, "partition_keys": {"prefix": "host-", "count": 6}, **work},
                "stream": {"shard_count": 2},
                "event_source_mapping": {"batch_size": 1, "parallelization_factor": lanes},
                "function": {
                    "memory_size": f"{memory_mb} MB",
                    "cpu": cpu,
                    "duration": {"fixed": "15ms", "per_record": f"{per_record}ms"},
                },
                "run": {"duration": "1m", "until": "drained", "seed": seed},
            },
            keep=("records",),
        )
        rows = result.records
        return (
            rows.sort_values(["offered_s", "hash_key"], kind="stable").done_s.to_numpy() if len(rows) else np.zeros(0)
        )

    more, less = done(memory * 2), done(memory)
    assert more.size == less.size
    assert (more <= less + 1e-9).all()


@EXAMPLES
@given(scenarios)
def test_m5_who_only_looks_on_changes_nothing(document):
    """case:M5: an alarm, and a reader of the stream where reads have no limit that could bind."""
    document = without(document, "stream", "consumers", "enforce_read_limits")
    alone = simulate_if_allowed(document, keep=("invocations",))
    alarm = {
        "metric": "IteratorAge",
        "statistic": "Maximum",
        "period": "60s",
        "threshold": 1000,
        "comparison": "GreaterThanThreshold",
    }
    watched = simulate({**document, "alarms": {"late": alarm}}, keep=("invocations",))
    assert alone.invocations.equals(watched.invocations)
    alone_metrics, watched_metrics = alone.summary()["metrics"], watched.summary()["metrics"]
    assert json.dumps(alone_metrics, sort_keys=True) == json.dumps(watched_metrics, sort_keys=True)
