"""Consumers with enhanced fan-out have a rate and a delay of their own (aws:G9, P11); readers by GetRecords do not."""

from __future__ import annotations

import pytest

DELAY_S = 0.07
"""G9: delivery by enhanced fan-out."""


def others(n: int, pushed: bool) -> list[dict[str, object]]:
    """*n* other readers of all that is written."""
    each: dict[str, object] = {"enhanced_fan_out": True} if pushed else {"reads": "100%", "poll_interval": "200ms"}
    return [{"name": f"reader-{k}", **each} for k in range(n)]


PUSHED = {"stream.enhanced_fan_out": True, "stream.fan_out_delay": "70ms"}


@pytest.mark.stochastic
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_the_delay_does_not_depend_on_the_number_of_consumers(replicate, n):
    """P11: 70 ms with any number of consumers; the function takes no time, so that nothing else is waited for."""
    run = replicate("T34-shared-calls", {**PUSHED, "stream.consumers": others(n - 1, pushed=True)}, replications=5)
    waits = run.metrics["queue_wait_s"]
    assert waits["max"]["value"] == DELAY_S and waits["min"]["value"] == DELAY_S


@pytest.mark.parametrize("pushed", [True, False])
def test_others_change_nothing_for_a_consumer_with_fan_out(simulate, pushed):
    """Law M5: beside five others, of either kind, every invocation is the one of a mapping that is alone."""
    changes = {**PUSHED, "function.duration": "300ms", "event_source_mapping.outages": [{"from": "1m", "to": "2m"}]}
    alone = simulate("T34-shared-calls", changes, replications=2, keep=("invocations",))
    beside = simulate(
        "T34-shared-calls", {**changes, "stream.consumers": others(5, pushed)}, replications=2, keep=("invocations",)
    )
    assert len(alone.invocations) > 1_000
    assert alone.invocations.equals(beside.invocations)


def test_others_with_fan_out_change_nothing_for_a_mapping_that_polls(simulate):
    alone = simulate("T34-shared-calls", replications=2, keep=("invocations",))
    beside = simulate(
        "T34-shared-calls", {"stream.consumers": others(20, pushed=True)}, replications=2, keep=("invocations",)
    )
    assert len(alone.invocations) > 1_000
    assert alone.invocations.equals(beside.invocations)


def test_others_that_poll_hold_up_a_mapping_that_polls(simulate):
    """The other side: ten readers with a call a second each, of which a shard serves five (aws:G1).

    Alone the mapping's records wait for 0.5 s and the propagation of 0.2 s; when half of the calls are refused, one
    more call has to be waited for on average, half a second later in the middle.
    """
    changes = {"event_source_mapping.poll_interval": "1s"}
    busy = [{**each, "poll_interval": "1s"} for each in others(9, pushed=False)]
    alone, beside = (
        simulate("T34-shared-calls", {**changes, "stream.consumers": each}, replications=2) for each in ([], busy)
    )
    assert alone["queue_wait_s"]["mean"] == pytest.approx(0.7, rel=0.03)
    assert beside["queue_wait_s"]["mean"] > 1.2


def test_a_lag_is_cleared_at_2_mib_a_second_whoever_else_reads(simulate):
    """case:T31 with fan-out: 1 MiB/s come in for an hour unread; of 2 MiB/s half is left, so that it takes an hour.

    Beside a reader at the full rate, which leaves a mapping that polls nothing (test_shared_readers), just as long.
    3 MiB go out at once, so that the lag is gone earlier by their time; and it is below 1 s for about 1 s before.
    """
    lag = {
        "event_source_mapping.outages": [{"from": "0s", "to": "1h"}],
        "event_source_mapping.read_ahead": "none",
        "run.duration": "4h",
        **PUSHED,
    }
    other = [{"name": "polls", "reads": "100%"}, {"name": "pushed", "enhanced_fan_out": True}]
    run = simulate("T31-read-limit", {**lag, "stream.consumers": other}, keep=("invocations",))
    runs = run.invocations
    caught_up_s = runs.start_s[runs.iterator_age_s < 1].min() - 3_600
    written, rate = 16 * 65_500, 2 * 1_048_576
    expected_s = (3_600 * written - 3 * 1_048_576) / (rate - written)
    assert expected_s - 1.1 < caught_up_s < expected_s + 0.1
    table = run.timeseries
    mine = table[(table.MetricName == "SubscribeToShardEvent.Bytes") & (table.Statistic == "Sum")]
    read = mine[mine.Dimensions.str.endswith(f"ConsumerName={run.scenario.name}")].Value.to_numpy()
    assert abs(read[1:59].mean() / 60 / 2_097_152 - 1) < 1e-3
