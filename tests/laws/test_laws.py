"""Laws that hold for every scenario: books that close, order, symmetry, monotonicity, Little's law."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

import kinsim as ks
from kinsim.scenario import parse

EXAMPLES = settings(max_examples=25)


def milliseconds(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map("{}ms".format)


rates = st.integers(1, 40).map("{}/s".format)
arrivals = st.one_of(
    st.fixed_dictionaries({"model": st.sampled_from(["constant", "poisson"]), "rate": rates}),
    st.fixed_dictionaries(
        {
            "model": st.just("bursts"),
            "every": milliseconds(5_000, 60_000),
            "size": st.integers(1, 400),
            "spread": st.sampled_from(["0s", "700ms", "3s"]),
        }
    ),
)
scenarios = st.fixed_dictionaries(
    {
        "workload": st.fixed_dictionaries(
            {"arrivals": arrivals, "record_size": st.sampled_from(["100 B", "1 kB"])},
            optional={
                "work": st.just({"distribution": "exponential", "mean": "5ms"}),
                "log_events_per_record": st.just(3),
            },
        ),
        "stream": st.fixed_dictionaries(
            {"shard_count": st.integers(1, 3)},
            optional={
                "retention_period": milliseconds(20_000, 90_000),
                "write_limiter": st.sampled_from(["token_bucket", "fixed_second"]),
                "write_limit_records": st.integers(5, 60),
            },
        ),
        "event_source_mapping": st.fixed_dictionaries(
            {"batch_size": st.integers(1, 200)},
            optional={
                "poll_interval": st.sampled_from(["250ms", "1s"]),
                "retry_backoff": st.just({"base": "1s", "factor": 2, "cap": "8s", "jitter": 0}),
            },
        ),
        "function": st.fixed_dictionaries(
            {"duration": st.fixed_dictionaries({"fixed": milliseconds(10, 2_000), "per_record": milliseconds(0, 50)})},
            optional={
                "timeout": milliseconds(1_000, 6_000),
                "cold_start": st.just("400ms"),
                "faults": st.just([{"kind": "error", "probability": 0.2}]),
            },
        ),
        "run": st.fixed_dictionaries({"duration": st.just("2m"), "seed": st.integers(0, 1_000)}),
    },
    optional={"producer": st.just({"model": "sdk", "batch_size": 20, "retry": {"mode": "legacy", "max_attempts": 3}})},
)


def load(document: dict[str, Any]) -> Any:
    run = {"replications": 1, **document["run"]}
    text = json.dumps({"kinsim": 1, "name": "random", "profile": "ideal", **document, "run": run})
    return parse(text, file="random.yaml", base_dir=Path.cwd())


def simulate(document: dict[str, Any], **options: Any) -> Any:
    return load(document).run(**options)


def changed(document: dict[str, Any], stage: str, **settings: Any) -> dict[str, Any]:
    other = copy.deepcopy(document)
    other[stage].update(settings)
    return other


def amount(result: Any, name: str) -> float:
    return float(result[name]["sum"])


@EXAMPLES
@given(scenarios)
def test_m6_every_record_is_somewhere(document):
    """case:M6, at the end of the run; at every window the engine's own check would have raised."""
    result = simulate(document)
    assert amount(result, "accepted_records") == sum(
        amount(result, f"{state}_records")
        for state in ("processed", "discarded", "expired", "too_large", "in_flight", "waiting")
    )
    assert amount(result, "offered_records") >= amount(result, "accepted_records") + amount(result, "dropped_records")


@EXAMPLES
@given(scenarios)
def test_a_shard_is_read_in_order_one_batch_at_a_time(document):
    """Batches of a shard follow one another without gap or overlap, but for retries and what was lost."""
    result = simulate(document, keep=("invocations",))
    for _, shard in result.invocations.groupby("shard"):
        assert (shard.start_s.to_numpy()[1:] >= shard.end_s.to_numpy()[:-1]).all()
        last = 0
        for row in shard.itertuples():
            if row.attempt == shard.attempt.min():
                assert row.first_record > last
            last = max(last, row.last_record)


failing = st.fixed_dictionaries(
    {},
    optional={
        "maximum_retry_attempts": st.integers(0, 4),
        "maximum_record_age": milliseconds(5_000, 60_000),
        "bisect_batch_on_function_error": st.booleans(),
        "report_batch_item_failures": st.booleans(),
        "maximum_batching_window": milliseconds(0, 20_000),
        "outages": st.just([{"from": "20s", "to": "45s"}]),
    },
)
bad_records = st.lists(st.integers(1, 400), min_size=1, max_size=5, unique=True)


@EXAMPLES
@given(scenarios, failing, bad_records)
def test_nothing_is_invoked_after_its_time_nor_more_often_than_allowed(document, mapping, bad):
    """Records that expired or are too old are in no invocation; a batch has at most its retries; the books close."""
    document = changed(document, "event_source_mapping", **mapping)
    document = changed(document, "function", faults=[{"kind": "error", "records": bad}])
    result = simulate(document, keep=("invocations",))
    loaded = load(document)
    limits = (loaded.event_source_mapping.maximum_record_age_s, loaded.stream.retention_period_s)
    for limit in (limit for limit in limits if limit is not None):
        if result["first_record_age_s"]["count"]:
            assert result["first_record_age_s"]["max"] < limit
    retries = loaded.event_source_mapping.maximum_retry_attempts
    if retries is not None and len(result.invocations):
        assert result.invocations.attempt.max() <= retries
    assert amount(result, "accepted_records") == sum(
        amount(result, f"{state}_records")
        for state in ("processed", "discarded", "expired", "too_large", "in_flight", "waiting")
    )


@EXAMPLES
@given(size=st.integers(1, 400), batch=st.integers(1, 100), bad=bad_records, shards=st.integers(1, 3))
def test_bisection_loses_the_bad_records_and_no_other(size, batch, bad, shards):
    result = simulate(
        {
            "workload": {"arrivals": {"model": "bursts", "every": "1h", "size": size}, "partition_keys": "even"},
            "stream": {"shard_count": shards},
            "event_source_mapping": {
                "batch_size": batch,
                "bisect_batch_on_function_error": True,
                "maximum_retry_attempts": 0,
            },
            "function": {"duration": "10ms", "faults": [{"kind": "error", "records": bad}]},
            "run": {"duration": "1m", "until": "drained", "seed": 1},
        }
    )
    assert amount(result, "discarded_records") == sum(number <= size for number in bad)
    assert amount(result, "processed_records") == size - amount(result, "discarded_records")


@EXAMPLES
@given(scenarios)
def test_m8_the_same_seed_gives_the_same_bytes(document):
    """case:M8."""
    one, two = simulate(document), simulate(document)
    assert json.dumps(one.summary(), sort_keys=True) == json.dumps(two.summary(), sort_keys=True)


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


@EXAMPLES
@given(scenarios)
def test_m5_a_longer_timeout_never_adds_timeouts_where_nothing_else_fails(document):
    """case:M5.  Compared on the time-outs of the first attempts: a livelock's retries depend on the time-out itself."""
    document["function"].pop("faults", None)
    short = simulate(changed(document, "function", timeout="2s"), keep=("invocations",)).invocations
    long = simulate(changed(document, "function", timeout="30s"), keep=("invocations",)).invocations
    assert (long.outcome == "timeout").sum() <= (short.outcome == "timeout").sum()


@EXAMPLES
@given(scenarios)
def test_m5_a_longer_retention_never_adds_loss(document):
    """case:M5, where every batch succeeds: one that fails until it expires holds up the others for longer."""
    document["function"].pop("faults", None)
    document["function"].pop("timeout", None)
    short = simulate(changed(document, "stream", retention_period="30s"))
    long = simulate(changed(document, "stream", retention_period="60s"))
    assert amount(long, "expired_records") <= amount(short, "expired_records")


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
@given(arrivals, st.integers(1, 200), milliseconds(10, 2_000), st.integers(0, 1_000))
def test_m7_littles_law_is_exact_over_a_run_that_starts_and_ends_empty(arrival, batch, fixed, seed):
    """case:M7: the area under the backlog is the sum of the waits."""
    result = simulate(
        {
            "workload": {"arrivals": arrival},
            "stream": {"shard_count": 1},
            "event_source_mapping": {"batch_size": batch},
            "function": {"duration": fixed},
            "run": {"duration": "2m", "until": "drained", "seed": seed},
        }
    )
    horizon = max(float(result["finish_s"]["mean"] or 0), 0.0)
    waited = float(result["queue_wait_s"]["mean"] or 0) * float(result["queue_wait_s"]["count"] or 0)
    assert float(result["backlog_records"]["time_average"]) * horizon == approx(waited, rel=1e-9, abs=1e-6)


@pytest.mark.stochastic
def test_m3_a_shard_with_its_share_of_the_load_behaves_like_one_alone():
    """case:M3: four shards of 0.8/s each, M/M/1 each; 3 standard errors: false-alarm rate 0.55 % in each comparison."""
    document = {
        "workload": {"arrivals": {"model": "poisson", "rate": "3.2/s"}},
        "stream": {"shard_count": 4},
        "event_source_mapping": {"batch_size": 1},
        "function": {"duration": {"distribution": "exponential", "mean": "1s"}},
        "run": {"duration": "5_000s", "warm_up": "500s", "replications": 30, "seed": 1},
    }
    found = simulate(document).summary()["metrics"]["queue_wait_s"]["mean"]
    assert abs(found["value"] - 4.0) <= 3 * found["sd"] / np.sqrt(found["n"])


def test_a_seed_reaches_every_draw():
    document = {
        "workload": {"arrivals": {"model": "poisson", "rate": "5/s"}},
        "function": {"duration": {"distribution": "exponential", "mean": "100ms"}},
        "run": {"duration": "10m", "seed": 1},
    }
    one, two = simulate(document), simulate(changed(document, "run", seed=2))
    assert one["queue_wait_s"]["mean"] != two["queue_wait_s"]["mean"]
    assert one["duration_s"]["mean"] != two["duration_s"]["mean"]
    assert isinstance(load(document), ks.Scenario)
