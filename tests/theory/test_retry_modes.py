"""The retry modes of the newer SDKs (aws:R3 to R5)."""

import pytest

import kinsim as ks


def total(run, name):
    return run[name]["sum"]


@pytest.mark.parametrize("mode", ["standard", "standard-2026"])
@pytest.mark.parametrize("shards", [1, 2, 3])
def test_500_tokens_pay_for_a_hundred_retries_whatever_the_shards(simulate, mode, shards):
    """aws:R3, R4: each shard takes one record at once; of the others 100 are tried once more, within a second.

    At most one retry a shard succeeds in that second, and no token that it gives back is wanted any more.
    """
    changes = {"stream.shard_count": shards, "producer.retry.mode": mode}
    run = simulate("R04-retry-quota", changes, keep=("records",))
    assert total(run, "retried_records") == 100
    assert shards <= total(run, "accepted_records") <= 2 * shards
    assert total(run, "accepted_records") + total(run, "dropped_records") == 1_002
    assert run.records.accepted_s.max() < 1


def test_two_sources_are_two_clients(simulate):
    """Each has a quota of its own: twice a hundred retries."""
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 501}, "partition_keys": "even"}
    run = simulate("R04-retry-quota", {"workload": {"sources": {"a": burst, "b": burst}}})
    assert total(run, "retried_records") == 200


def busy(profile, producer, duration="5m"):
    return ks.parse(
        f"kinsim: 1\nname: busy\nprofile: {profile}\n"
        "workload: {arrivals: {model: poisson, rate: 150/s}}\n"
        f"producer: {producer}\n"
        "stream: {shard_count: 3, write_limit_records: 40}\nfunction: {duration: {fixed: 1ms}}\n"
        f"run: {{duration: {duration}, replications: 1, seed: 5, until: drained}}\n"
    ).run(keep=("records",))


def test_the_sdk_of_2026_works_by_default():
    """aws:R4: at 150 records a second against 120 the quota is soon spent, so that most rejections are final."""
    new = busy("aws-2026", "{model: sdk}")
    old = busy("aws-2026", "{model: sdk, retry: {mode: legacy}}")
    assert total(new, "accepted_records") + total(new, "dropped_records") == total(new, "offered_records")
    assert 0 < total(new, "retried_records") < total(old, "retried_records") / 2
    assert total(new, "dropped_records") > total(old, "dropped_records")


def test_an_adaptive_client_waits_instead_of_losing():
    """aws:R5: it sends at the rate that the stream takes, and what comes meanwhile waits in it."""
    standard, adaptive = (busy("aws-2026", f"{{model: sdk, retry: {{mode: {m}}}}}") for m in ("standard", "adaptive"))
    assert total(adaptive, "dropped_records") < total(standard, "dropped_records") / 5
    assert total(adaptive, "rejected_records") < total(standard, "rejected_records") / 2
    waited = (adaptive.records.accepted_s - adaptive.records.offered_s).max()
    assert waited > 30
    at_the_end = total(adaptive, "accepted_records") + total(adaptive, "dropped_records")
    assert at_the_end == total(adaptive, "offered_records")


def test_what_waits_for_a_token_at_the_end_is_in_the_producer():
    scenario = (
        "kinsim: 1\nname: cut\nprofile: aws-2026\nworkload: {arrivals: {model: poisson, rate: 150/s}}\n"
        "producer: {model: sdk, retry: {mode: adaptive}}\nstream: {write_limit_records: 40}\n"
        "function: {duration: {fixed: 1ms}}\nrun: {duration: 2m, replications: 1}\n"
    )
    run = ks.parse(scenario).run()
    books = ("accepted_records", "dropped_records", "in_producer_records")
    assert sum(total(run, name) for name in books) == total(run, "offered_records")
    assert total(run, "in_producer_records") > 5_000
