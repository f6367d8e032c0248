"""Order: within a shard and a key, from one invocation to the next, also across splits and merges."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.language import (
    EXAMPLES,
    plain_scenarios,
    rates,
    resharding,
    scenarios,
    simulate,
    simulate_if_allowed,
)


@EXAMPLES
@given(rates, st.integers(1, 30), st.integers(1, 3), st.integers(0, 100), resharding, st.integers(1, 3))
def test_children_of_a_shard_go_on_where_their_parents_end(rate, batch, shards, seed, schedule, lanes):
    """aws:E37, S5: a backlog waits in the parents when they close."""
    document = {
        "workload": {
            "arrivals": {"model": "poisson", "rate": rate},
            "partition_keys": {"prefix": "host-", "count": 5},
        },
        "stream": {"shard_count": shards, "reshard": schedule, "reshard_operation_time": "8s"},
        "event_source_mapping": {"batch_size": batch, "parallelization_factor": lanes},
        "function": {"duration": {"fixed": "3s", "per_record": "20ms"}},
        "run": {"duration": "2m", "seed": seed},
    }
    keys_are_in_order(simulate_if_allowed(document, keep=("records",)).records)


def keys_are_in_order(rows: Any) -> None:
    if not len(rows):
        return
    rows = rows[(rows.accepted_s >= 0) & rows.first_invoked_s.notna()]
    for _, key in rows.groupby("hash_key"):
        key = key.sort_values("accepted_s", kind="stable")
        assert (np.diff(key.first_invoked_s) >= 0).all()
        assert (np.diff(key[key.outcome == "processed"].done_s) >= 0).all()


@EXAMPLES
@given(scenarios)
def test_a_lane_has_one_invocation_at_a_time(document):
    """aws:E12, E18."""
    mapping = document["event_source_mapping"]
    mapping.pop("on_failure_destination", None)
    runs = simulate_if_allowed(document, keep=("invocations",)).invocations
    lanes = mapping.get("parallelization_factor", 1)
    for _, lane in runs.groupby(["shard", "lane"]) if len(runs) else ():
        lane = lane.sort_values(["start_s", "end_s"])
        assert (lane.start_s.to_numpy()[1:] >= lane.end_s.to_numpy()[:-1] - 1e-9).all()
        assert lane.lane.max() < lanes


@EXAMPLES
@given(plain_scenarios)
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
