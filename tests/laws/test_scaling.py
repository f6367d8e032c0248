"""Scaling: k times the records, k times the time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from tests.laws.language import (
    BESIDE_COUNT,
    EXAMPLES,
    Document,
    a_few,
    amount,
    milliseconds,
    options,
    simulate,
)


@EXAMPLES
@given(
    size=st.integers(1, 300),
    batch=st.integers(1, 50),
    fixed=milliseconds(10, 3_000),
    k=st.integers(2, 20),
    shards=st.integers(1, 3),
)
def test_m1_k_times_the_records_in_batches_k_times_as_large_take_the_same_time(size, batch, fixed, k, shards):
    """case:M1."""

    def run(factor: int) -> Any:
        return simulate(
            {
                "workload": {
                    "arrivals": {"model": "bursts", "every": "60s", "size": size * shards * factor},
                    "partition_keys": "even",
                },
                "stream": {"shard_count": shards},
                "event_source_mapping": {"batch_size": batch * factor},
                "function": {"duration": fixed},
                "run": {"duration": "5m", "until": "drained"},
            }
        )

    one, many = run(1), run(k)
    assert amount(one, "invocations") == amount(many, "invocations")
    for name in ("iterator_age_s", "duration_s"):
        assert one[name]["max"] == many[name]["max"]
    assert one["finish_s"] == many["finish_s"]
    assert amount(many, "processed_records") == k * amount(one, "processed_records")


@EXAMPLES
@given(size=st.integers(1, 300), batch=st.integers(1, 50), fixed=st.integers(10, 3_000), k=st.integers(2, 20))
def test_m2_k_times_slower_is_k_times_older(size, batch, fixed, k):
    """case:M2."""

    def run(factor: int) -> Any:
        return simulate(
            {
                "workload": {"arrivals": {"model": "bursts", "every": f"{60 * factor}s", "size": size}},
                "stream": {"shard_count": 1},
                "event_source_mapping": {"batch_size": batch},
                "function": {"duration": f"{fixed * factor}ms"},
                "run": {"duration": f"{300 * factor}s", "until": "drained"},
            }
        )

    one, slow = run(1), run(k)
    assert amount(one, "invocations") == amount(slow, "invocations")
    for name, statistic in (("iterator_age_s", "max"), ("sojourn_s", "max"), ("finish_s", "mean")):
        assert slow[name][statistic] == approx(k * one[name][statistic], rel=1e-12)


def seconds(amount: int) -> str:
    return f"{amount}ms"


@EXAMPLES
@given(
    k=st.integers(2, 7),
    every=st.integers(3_000, 30_000),
    size=st.integers(1, 200),
    batch=st.integers(1, 60),
    fixed=st.integers(10, 3_000),
    per_record=st.integers(0, 40),
    chosen=a_few(
        {
            "maximum_batching_window": st.integers(1_000, 15_000),
            "maximum_record_age": st.integers(4_000, 40_000),
            "poll_interval": st.sampled_from([250, 1_000]),
            "outages": st.tuples(st.integers(5_000, 20_000), st.integers(1, 20_000)),
            "retention_period": st.integers(8_000, 60_000),
            "timeout": st.integers(500, 4_000),
            "faults": st.tuples(st.integers(5_000, 40_000), st.integers(1, 30_000)),
            "lanes": st.integers(2, 4),
            "bisect": st.booleans(),
            "reshard": st.integers(5_000, 60_000),
        },
        5,
    ),
)
def test_m2_every_time_k_times_as_long_gives_the_same_run_k_times_as_slow(
    k, every, size, batch, fixed, per_record, chosen
):
    """case:M2 with windows, ages, polls, outages, expiry, time-outs, faults, lanes and splits, by invocation."""

    def run(factor: int) -> Any:
        mapping: Document = {"batch_size": batch, "maximum_retry_attempts": 3}
        mapping["retry_backoff"] = {
            "base": seconds(1_000 * factor),
            "factor": 2,
            "cap": seconds(8_000 * factor),
            "jitter": 0,
        }
        for name in ("maximum_batching_window", "maximum_record_age", "poll_interval"):
            if name in chosen:
                mapping[name] = seconds(chosen[name] * factor)
        if "outages" in chosen:
            begin, length = chosen["outages"]
            mapping["outages"] = [{"from": seconds(begin * factor), "to": seconds((begin + length) * factor)}]
        if "lanes" in chosen:
            mapping["parallelization_factor"] = chosen["lanes"]
        if chosen.get("bisect"):
            mapping["bisect_batch_on_function_error"] = True
        function: Document = {
            "duration": {"fixed": seconds(fixed * factor), "per_record": seconds(per_record * factor)}
        }
        if "timeout" in chosen:
            function["timeout"] = seconds(chosen["timeout"] * factor)
        if "faults" in chosen:
            begin, length = chosen["faults"]
            faulty = {"from": seconds(begin * factor), "to": seconds((begin + length) * factor)}
            function["faults"] = [{"kind": "error", **faulty}]
        stream: Document = {"shard_count": 2}
        if "retention_period" in chosen:
            stream["retention_period"] = seconds(chosen["retention_period"] * factor)
        if "reshard" in chosen:
            stream |= {
                "reshard": [{"at": seconds(chosen["reshard"] * factor), "split": "shardId-000000000000"}],
                "reshard_operation_time": seconds(9_000 * factor),
            }
            mapping["shard_discovery"] = seconds(5_000 * factor)
        return simulate(
            {
                "workload": {
                    "arrivals": {"model": "bursts", "every": seconds(every * factor), "size": size},
                    "partition_keys": {"prefix": "host-", "count": 9},
                },
                "stream": stream,
                "event_source_mapping": mapping,
                "function": function,
                "run": {"duration": seconds(120_000 * factor), "until": "drained", "seed": 1},
            },
            keep=("invocations",),
        )

    one, slow = run(1), run(k)
    same = ["shard", "lane", "first_record", "last_record", "records", "attempt", "outcome"]
    order = ["shard", "lane", "start_s"]
    fast_rows = one.invocations.sort_values(order)
    slow_rows = slow.invocations.sort_values(order)
    assert fast_rows[same].to_numpy().tolist() == slow_rows[same].to_numpy().tolist()
    for name in ("start_s", "end_s"):
        assert slow_rows[name].to_numpy() == approx(k * fast_rows[name].to_numpy(), abs=1e-9)
    for state in ("processed", "expired", "discarded"):
        assert amount(slow, f"{state}_records") == amount(one, f"{state}_records")


@EXAMPLES
@given(
    size=st.integers(1, 200),
    batch=st.integers(1, 60),
    fixed=milliseconds(10, 3_000),
    k=st.integers(2, 9),
    mapping=a_few({name: options[name] for name in BESIDE_COUNT}, 3),
    function=a_few(
        {
            "timeout": milliseconds(500, 4_000),
            "faults": st.just([{"kind": "error", "from": "10s", "to": "40s"}]),
            "cold_start": st.just("400ms"),
            "reserved_concurrency": st.just(1),
        },
        2,
    ),
    stream=a_few({"retention_period": milliseconds(9_000, 60_000), "write_limit": st.integers(3, 200)}, 2),
)
def test_m1_k_times_every_count_gives_the_same_run(size, batch, fixed, k, mapping, function, stream):
    """case:M1 with windows, retries, ages, outages, time-outs and limits on writes, all times alike."""

    def run(factor: int) -> Any:
        limits: Document = {name: stream[name] for name in stream if name != "write_limit"}
        if "write_limit" in stream:
            limits["write_limit_records"] = stream["write_limit"] * factor
        return simulate(
            {
                "workload": {
                    "arrivals": {"model": "bursts", "every": "20s", "size": size * 2 * factor},
                    "partition_keys": "even",
                },
                "stream": {"shard_count": 2, **limits},
                "event_source_mapping": {"batch_size": batch * factor, **mapping},
                "function": {"duration": fixed, **function},
                "run": {"duration": "2m", "until": "drained", "seed": 1},
            },
            keep=("invocations",),
        )

    one, many = run(1), run(k)
    assert one.invocations[["start_s", "end_s", "outcome"]].to_numpy().tolist() == (
        many.invocations[["start_s", "end_s", "outcome"]].to_numpy().tolist()
    )
    assert (many.invocations.records == k * one.invocations.records).all()
    for state in ("accepted", "dropped", "processed", "expired", "discarded", "waiting"):
        assert amount(many, f"{state}_records") == k * amount(one, f"{state}_records")
