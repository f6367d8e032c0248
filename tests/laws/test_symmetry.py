"""Same seed, same bytes; shards are alike; Little's law."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

import kinsim as ks
from tests.laws.language import (
    BESIDE_COUNT,
    BESIDE_LITTLE,
    EXAMPLES,
    a_few,
    changed,
    keys,
    load,
    milliseconds,
    options,
    plain_arrivals,
    scenarios,
    simulate,
    simulate_if_allowed,
)


@EXAMPLES
@given(scenarios)
def test_m8_the_same_seed_gives_the_same_bytes(document):
    """case:M8."""
    one, two = simulate_if_allowed(document), simulate_if_allowed(document)
    assert json.dumps(one.summary(), sort_keys=True) == json.dumps(two.summary(), sort_keys=True)


@EXAMPLES
@given(
    loads=st.lists(st.tuples(st.integers(1, 200), st.integers(3_000, 30_000)), min_size=3, max_size=3),
    order=st.permutations([0, 1, 2]),
    batch=st.integers(1, 60),
    mapping=a_few({name: options[name] for name in BESIDE_COUNT}, 3),
    retention=milliseconds(9_000, 60_000),
)
def test_m8_shards_that_change_places_change_their_numbers_too(loads, order, batch, mapping, retention):
    """case:M8: nothing depends on which shard has which id."""
    starts = [low for low, _ in ks.hash_key_ranges(3)]

    def by_shard(places: list[int]) -> list[Any]:
        sources = {
            f"load-{i}": {
                "arrivals": {"model": "bursts", "every": f"{every}ms", "size": size},
                "partition_keys": {"explicit_hash_keys": [str(starts[place])]},
            }
            for i, ((size, every), place) in enumerate(zip(loads, places, strict=True))
        }
        result = simulate(
            {
                "workload": {"sources": sources},
                "stream": {"shard_count": 3, "retention_period": retention},
                "event_source_mapping": {"batch_size": batch, **mapping},
                "function": {"duration": {"fixed": "700ms", "per_record": "9ms"}},
                "run": {"duration": "2m", "until": "drained", "seed": 1},
            }
        )
        shards = result.summary()["per_shard"]
        return [json.dumps(shards[f"shardId-{place:012d}"], sort_keys=True) for place in places]

    assert by_shard([0, 1, 2]) == by_shard(list(order))


@EXAMPLES
@given(
    size=st.integers(1, 200),
    shards=st.integers(2, 5),
    batch=st.integers(1, 60),
    mapping=a_few({name: options[name] for name in BESIDE_COUNT}, 3),
)
def test_m4_shards_of_one_stream_are_streams_of_one_shard(size, shards, batch, mapping):
    """case:M4: with the same records on each, and nothing that they share."""

    def run(shard_count: int) -> Any:
        return simulate(
            {
                "workload": {
                    "arrivals": {"model": "bursts", "every": "20s", "size": size * shard_count},
                    "partition_keys": "even",
                },
                "stream": {"shard_count": shard_count, "retention_period": "30s"},
                "event_source_mapping": {"batch_size": batch, **mapping},
                "function": {"duration": {"fixed": "300ms", "per_record": "20ms"}, "timeout": "2s"},
                "run": {"duration": "2m", "until": "drained", "seed": 1},
            },
            keep=("invocations",),
        ).invocations

    alone, together = run(1), run(shards)
    columns = [name for name in alone.columns if name != "shard"]
    for _, mine in together.groupby("shard"):
        assert mine[columns].reset_index(drop=True).equals(alone[columns])


@EXAMPLES
@given(plain_arrivals, st.integers(1, 200), milliseconds(10, 2_000), st.integers(0, 1_000))
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


@EXAMPLES
@given(
    plain_arrivals,
    keys,
    st.integers(1, 100),
    st.integers(0, 1_000),
    st.integers(1, 3),
    a_few({name: options[name] for name in BESIDE_LITTLE}, 3),
)
def test_m7_littles_law_with_lanes_windows_and_outages(arrival, chosen_keys, batch, seed, shards, mapping):
    """case:M7: over all shards together, whatever makes a record wait for its first invocation."""
    if "parallelization" in mapping:
        mapping = {**mapping, "parallelization_factor": 3}
    result = simulate(
        {
            "workload": {"arrivals": arrival, "partition_keys": chosen_keys},
            "stream": {"shard_count": shards},
            "event_source_mapping": {"batch_size": batch, **mapping},
            "function": {"duration": {"fixed": "90ms", "per_record": "3ms"}},
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
