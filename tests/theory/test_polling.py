"""How records get from the stream to the function (cases T30, T35, T36)."""

import math

import pytest
from pytest import approx


@pytest.mark.stochastic
def test_t30_a_sparse_record_waits_a_uniform_share_of_the_poll_interval(replicate):
    """case:T30.  Three comparisons: false-alarm rate at most 1.6 %."""
    run = replicate("T30-polling")
    run.agrees("queue_wait_s.mean", 0.5)
    run.agrees("queue_wait_s.p95", 0.95)
    run.agrees_by("standard deviation", lambda metrics: math.sqrt(metrics["queue_wait_s"]["variance"]), 0.288675)


def test_t35_base64_and_six_mib_cap_the_batch_before_its_size_does(simulate):
    """case:T35: 92 records of 50 KiB in base64 fill 6 MiB, 87 fill 6 MB; the envelopes leave room for 91."""
    run = simulate("T35-payload-limit")
    assert run["batch_records"]["max"] <= 92
    assert run["batch_records"]["max"] == 6 * 2**20 // (4 * math.ceil(50 * 1024 / 3) + 532 + 36) == 91
    bare = simulate("T35-payload-limit", {"event_source_mapping.payload_envelope": "0 B"})
    assert bare["batch_records"]["max"] == 92
    assert bare["processed_records"]["sum"] == 10_000
    changes = {"event_source_mapping.payload_limit": "6_000_000 B", "event_source_mapping.payload_envelope": "0 B"}
    assert simulate("T35-payload-limit", changes)["batch_records"]["max"] == 87


def test_t36_a_call_brings_at_most_10_000_records(simulate):
    """case:T36: +-1 s."""
    run = simulate("T36-records-per-call")
    assert run["processed_records"]["sum"] == 1_000_000
    assert run["finish_s"]["mean"] == approx(99.5, abs=0.5)
    assert run["batch_records"]["max"] == 10_000


def test_t31_a_shard_gives_out_2_mib_a_second(simulate):
    """case:T31, 1 %: a backlog of an hour at 1 MiB/s is gone an hour after the mapping has come back."""
    run = simulate("T31-read-limit", keep=("invocations",))
    runs = run.invocations
    caught_up_s = runs.start_s[runs.iterator_age_s < 2].min()
    assert caught_up_s - 3_600 == approx(3_600, rel=0.01)
    assert run["true_age_s"]["max"] == approx(3_600, rel=0.001)
