"""Readers that share a shard's 5 GetRecords calls and 2 MiB a second (case T34, published P11, facts G1 to G4)."""

from __future__ import annotations

import pytest
from pytest import approx

PUBLISHED_S = {1: 0.2, 5: 1.0}
"""P11: delay with one consumer, and with up to five."""


def readers(n: int) -> dict[str, object]:
    """*n* readers, the mapping among them, each with 5/n calls a second."""
    every = f"{200 * n}ms"
    others = [{"name": f"reader-{k}", "reads": "100%", "poll_interval": every} for k in range(1, n)]
    return {"event_source_mapping.poll_interval": every, "stream.consumers": others}


@pytest.mark.stochastic
@pytest.mark.parametrize("n", [1, 2, 5])
def test_t34_each_further_reader_adds_a_tenth_of_a_second(replicate, n):
    """case:T34: 0.1 n s and the propagation of 0.2 s.  One comparison each: false-alarm rate 0.55 %."""
    run = replicate("T34-shared-calls", readers(n))
    run.agrees("queue_wait_s.mean", 0.1 * n + 0.2)
    if n in PUBLISHED_S:
        assert PUBLISHED_S[n] / 2 < run.metrics["queue_wait_s"]["mean"]["value"] < PUBLISHED_S[n] * 2
    for each in run.result.replications:
        total = {s.metric: s.value.sum() for s in each.series if s.statistic == "Sum"}
        assert total["ReadProvisionedThroughputExceeded"] == 0
        assert total["GetRecords.Success"] == approx(3_000, abs=n)  # five a second, of all readers


LAG = {
    "event_source_mapping.outages": [{"from": "0s", "to": "1h"}],
    "event_source_mapping.poll_phase": "random",
    "run.duration": "4h",
}


def caught_up_after_s(run):
    runs = run.invocations
    young = runs.start_s[runs.iterator_age_s < 3]
    return None if young.empty else young.min() - 3_600


def test_a_reader_that_takes_half_of_the_surplus_doubles_the_time_to_catch_up(simulate):
    """1 MiB/s come in; of the 2 MiB/s of a shard 1 is left to clear a lag of an hour, or half of it beside 512 KiB/s.

    That takes two hours or more: 2 MiB/s are a bound, and a call seldom comes at the very instant at which it would
    be served, so that some of it is lost.
    """
    other = [{"name": "other", "reads": "512 KiB"}]
    halved = simulate("T31-read-limit", {**LAG, "stream.consumers": other}, keep=("invocations",))
    assert 7_200 * 0.99 < caught_up_after_s(halved) < 7_200 * 1.3
    table = halved.timeseries
    read = table[(table.MetricName == "GetRecords.Bytes") & (table.Statistic == "Sum")].Value.to_numpy()[61:120]
    assert 0.9 * 2_097_152 < read.mean() / 60 <= 2_097_152


def test_readers_at_the_full_rate_leave_nothing_for_catching_up(simulate):
    """Two readers of 1 MiB/s use up a shard: what the mapping missed in an hour stays behind."""
    other = [{"name": "other", "reads": "100%"}]
    run = simulate("T31-read-limit", {**LAG, "stream.consumers": other, "run.duration": "2h"}, keep=("invocations",))
    assert caught_up_after_s(run) is None
    assert 1 <= run["backlog_bytes"]["last"] / (3_600 * 16 * 65_500) < 1.1


def test_readers_within_the_limits_change_nothing_for_the_mapping(simulate):
    """Law M5: three calls a second and some bytes are given to others, and every invocation is the same."""
    changes = {
        "event_source_mapping.poll_interval": "500ms",
        "event_source_mapping.outages": [{"from": "1m", "to": "2m"}],
    }
    alone = simulate("T34-shared-calls", changes, replications=2, keep=("invocations",))
    others = [{"name": "archive", "reads": "100%"}, {"name": "alarm", "reads": "5 kB", "poll_interval": "500ms"}]
    beside = simulate(
        "T34-shared-calls", {**changes, "stream.consumers": others}, replications=2, keep=("invocations",)
    )
    assert len(alone.invocations) > 1_000
    assert alone.invocations.equals(beside.invocations)
