"""What splitting and merging shards does, and what it costs (claims C2, C4 and C18)."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

import kinsim as ks

SHARD = "shardId-{:012d}".format


def test_c2_shards_are_added_until_nothing_is_rejected(claim):
    """The rejected share is 1 - 1,000 N / 2,600, and nothing from the count on that the arithmetic names."""
    shares = []
    for shards in (1, 2, 3, 4):
        result = claim("C02-shard-limits", {"stream.shard_count": shards}).run()
        shares.append(result["rejected_records"]["sum"] / result["offered_records"]["sum"])
    # each shard takes 1,000 more at once at the start: 1,000 of 780,000 records
    assert shares[:2] == approx([1 - 1_000 / 2_600, 1 - 2_000 / 2_600], abs=0.005)
    assert shares[2:] == [0, 0]


def test_c2_after_a_split_new_data_goes_to_the_children_and_old_data_stays_in_the_parent(claim):
    changes = {
        "stream.shard_count": 1, "stream.reshard": [{"at": "1m", "split": SHARD(0), "at_hash": "middle"}],
        "workload.arrivals.rate": "800/s", "event_source_mapping.batch_size": 100,
        "function.duration": {"fixed": "50ms", "per_record": "1ms"},
    }  # fmt: skip
    result = claim("C02-shard-limits", changes).run(keep=("invocations", "records"))
    parent, low, high = result.summary()["shards"]
    assert (parent["closed_s"], low["opened_s"], high["opened_s"]) == (90, 90, 90)
    assert low["parent"] == high["parent"] == parent["id"]
    records = result.records
    of_parent = records.shard == SHARD(0)
    assert records.accepted_s[of_parent].max() < 90 <= records.accepted_s[~of_parent].min()
    runs = result.invocations
    parents_end = runs.end_s[runs.shard == SHARD(0)].max()
    # 72,000 records in, 100 each 0.17 s plus overhead out: the parent is read until long after it is closed
    assert parents_end > 120
    assert runs.start_s[runs.shard != SHARD(0)].min() >= parents_end


def test_c2_a_shard_is_told_of_only_while_it_is_open(claim):
    """One shard of 800/s is split at 60 s and closed at 90 s: its share of the limit is 80 % until then."""
    changes = {
        "stream.shard_count": 1, "stream.reshard": [{"at": "1m", "split": SHARD(0), "at_hash": "middle"}],
        "workload.arrivals.rate": "800/s",
    }  # fmt: skip
    curves = claim("C02-shard-limits", changes).run().replications[0].curves
    use = curves["shard_write_utilization"]
    assert use.shape == (3, 5)
    assert np.isnan(use[0]).tolist() == [False, False, True, True, True]
    assert np.isnan(use[1:]).tolist() == [[True, False, False, False, False]] * 2
    assert use[0, :2] == approx([0.8, 0.8], rel=0.02)
    assert use[1:, 1:] == approx(np.full((2, 4), 0.4), rel=0.05)
    late = {**changes, "stream.reshard": [{"at": "1h", "update_shard_count": 2}]}
    assert claim("C02-shard-limits", late).run().replications[0].curves["shard_write_utilization"].shape == (1, 5)


def test_c4_a_day_with_more_shards_in_working_hours_costs_the_hours_that_they_are_open(claim):
    """Two shards all day and two more for ten hours are 2 + 20/24 shards; each is $0.015 an hour."""
    always = {n: claim("C04-resharding-for-a-day", {"stream.reshard": [], "stream.shard_count": n}) for n in (2, 4)}
    cost = {n: scenario.run().summary()["cost"]["parts"]["shard_hours"]["value"] for n, scenario in always.items()}
    assert cost == {2: approx(2 * 730 * 0.015), 4: approx(4 * 730 * 0.015)}
    result = claim("C04-resharding-for-a-day").run()
    assert result.summary()["cost"]["parts"]["shard_hours"]["value"] == approx((2 + 20 / 24) * 730 * 0.015, rel=1e-9)
    shards = result.summary()["shards"]
    assert [shard["id"] for shard in shards if shard["closed_s"] is None] == [SHARD(6), SHARD(7)]
    assert len(shards) == 2 + 4 + 2
    assert result["processed_records"]["sum"] + result["waiting_records"]["sum"] == approx(86_400, abs=5)


def test_c4_a_third_update_in_a_day_is_refused_in_2017_and_allowed_today(claim):
    calls = [
        {"at": "1h", "update_shard_count": 4}, {"at": "2h", "update_shard_count": 2},
        {"at": "3h", "update_shard_count": 4},
    ]  # fmt: skip
    with pytest.raises(ks.ConfigError, match=r"call number 3 of UpdateShardCount within 24 hours.*AWS accepts 2"):
        claim("C04-resharding-for-a-day", {"stream.reshard": calls})
    claim("C04-resharding-for-a-day", {"stream.reshard": calls, "profile": "aws-2026"})


def test_c18_splitting_the_hot_shard_helps_and_mending_the_key_helps_more(claim):
    split = [{"at": "1m", "split": SHARD(0), "at_hash": "middle"}]
    designs: dict[str, dict[str, object]] = {
        "as it is": {},
        "hot shard split": {"stream.reshard": split},
        "random keys": {"workload.partition_keys": "random"},
    }
    results = {name: claim("C18-uneven-keys", changes).run() for name, changes in designs.items()}
    rejected = {name: result["rejected_records"]["sum"] for name, result in results.items()}
    # 200 of 1,200 a second do not fit the hot shard, for 10 minutes or the 90 s until its children open
    assert rejected["as it is"] == approx(200 * 600, rel=0.03)
    assert rejected["hot shard split"] == approx(200 * 90, rel=0.1)
    assert rejected["random keys"] == 0
    age = {name: result["true_age_s"]["max"] for name, result in results.items()}
    assert age["as it is"] > age["hot shard split"] > 10 > age["random keys"]
    taken = {
        name: [shard["accepted_records"]["sum"]["value"] for shard in result.summary()["per_shard"].values()]
        for name, result in results.items()
    }
    assert max(taken["random keys"]) / min(taken["random keys"]) < 1.02
    assert max(taken["as it is"]) / min(taken["as it is"]) > 4
