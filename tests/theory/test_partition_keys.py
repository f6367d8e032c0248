"""Few partition keys on many shards (case T26)."""

import numpy as np
import pytest


@pytest.mark.stochastic
@pytest.mark.parametrize(
    ("keys", "shards", "largest", "uneven", "empty"),
    [
        (20, 4, 7.382526, 0.398741, None),
        (100, 10, 15.124527, 0.592958, None),
        (50, 10, 8.690250, None, 0.051538),
    ],
)
def test_t26_few_keys_spread_unevenly(simulate, keys, shards, largest, uneven, empty):
    """case:T26, 3 standard errors over 200 random key sets: false-alarm rate 0.27 % in each of six comparisons.

    Each key brings one record, so that a shard's records are its keys.
    """
    run = simulate(
        "T26-few-keys",
        {"workload.arrivals.rate": f"{keys}/60s", "workload.partition_keys.count": keys, "stream.shard_count": shards},
    )
    found = np.array(
        [[metrics["accepted_records"]["sum"] for metrics in one.per_shard.values()] for one in run.replications]
    )
    assert found.shape == (200, shards)
    assert (found.sum(axis=1) == keys).all()
    samples = {
        largest: found.max(axis=1),
        uneven: found.max(axis=1) >= 1.5 * keys / shards,
        empty: (found == 0).sum(axis=1),
    }
    for expected, sample in samples.items():
        if expected is not None:
            assert abs(sample.mean() - expected) <= 3 * sample.std(ddof=1) / len(sample) ** 0.5
