"""Few partition keys on many shards (case T26)."""

import numpy as np
import pytest

CASES = {
    (20, 4): {"largest": 7.382526, "uneven": 0.398741},
    (100, 10): {"largest": 15.124527, "uneven": 0.592958},
    (50, 10): {"largest": 8.690250, "empty": 0.051538},
}


def agree(found, keys, shards, relative_errors):
    """Compare with theory; *found* has a row for each set of keys, with the keys on each shard."""
    assert (found.sum(axis=1) == keys).all()
    samples = {
        "largest": found.max(axis=1),
        "uneven": found.max(axis=1) >= 1.5 * keys / shards,
        "empty": (found == 0).sum(axis=1),
    }
    for name, expected in CASES[keys, shards].items():
        error = samples[name].std(ddof=1) / len(found) ** 0.5
        assert abs(samples[name].mean() - expected) <= 3 * error, name
        assert error <= relative_errors[name] * expected, name


@pytest.mark.stochastic
@pytest.mark.parametrize(("keys", "shards"), CASES)
def test_t26_few_keys_spread_unevenly(simulate, keys, shards):
    """case:T26, 3 standard errors over 200 random key sets: false-alarm rate 0.27 % in each of six comparisons.

    Each key brings one record, so that a shard's records are its keys.  The standard errors are held to what 200 sets
    allow: 2 %, 10 %, and 35 % for the empty shards, of which there are about ten.
    """
    run = simulate(
        "T26-few-keys",
        {"workload.arrivals.rate": f"{keys}/60s", "workload.partition_keys.count": keys, "stream.shard_count": shards},
    )
    found = np.array(
        [[metrics["accepted_records"]["sum"] for metrics in one.per_shard.values()] for one in run.replications]
    )
    assert found.shape == (200, shards)
    agree(found, keys, shards, {"largest": 0.02, "uneven": 0.10, "empty": 0.35})


@pytest.mark.stochastic
@pytest.mark.parametrize(("keys", "shards", "sets"), [(20, 4, 16_000), (100, 10, 7_200), (50, 10, 20_000)])
def test_t26_thousands_of_key_sets(simulate, keys, shards, sets):
    """case:T26, 3 standard errors over thousands of random key sets: false-alarm rate 0.27 % in each of six.

    All keys of one run are used once, in turn: each so many records in a row are a set of keys.  The standard errors
    are held to 1 %, that of the empty shards, of which a set has one in twenty times, to 4 %.
    """
    run = simulate(
        "T26-few-keys",
        {
            "workload.arrivals.rate": f"{keys * sets}/600s",
            "workload.partition_keys.count": keys * sets,
            "stream.shard_count": shards,
            "run.duration": "600s",
            "run.replications": 1,
        },
        keep=("records",),
    )
    assert run.records.hash_key.nunique() == len(run.records) == keys * sets
    shard = run.records["shard"].str[-12:].astype(int).to_numpy().reshape(sets, keys)
    found = (shard[:, :, None] == np.arange(shards)).sum(axis=1)
    agree(found, keys, shards, {"largest": 0.01, "uneven": 0.01, "empty": 0.04})
