"""Batches: the reader takes up to b records the instant it is free (cases T12 to T15)."""

import numpy as np
import pytest
from pytest import approx

pytestmark = pytest.mark.stochastic


def share_of_full_batches(metrics):
    return metrics["full_batches"]["sum"] / metrics["invocations"]["sum"]


def idle_share(metrics):
    return 1 - metrics["utilization"]["time_average"]


def root(levels):
    """Of the number waiting while the function is busy, p(n) = C r^n: r as a ratio of tails that lie *levels* apart."""

    def of(metrics):
        waiting = metrics["backlog_records"]
        return (waiting[f"PR({levels}:)"] / waiting["PR(0:)"]) ** (1 / levels)

    return of


def busy_and_none_waits(metrics):
    return metrics["backlog_records"]["PR(:0)"] - idle_share(metrics)


def test_t12_exponential_batches_at_8_a_second(replicate):
    """case:T12.  Eight comparisons: false-alarm rate at most 4.4 %."""
    run = replicate("T12-batch-service-exponential")
    run.agrees("backlog_records.time_average", 23.258893)
    run.agrees("queue_wait_s.mean", 2.907362)
    run.agrees("batch_records.mean", 8.041020)
    run.agrees("invocations.rate", 0.994899)
    run.agrees("sojourn_s.mean", 3.907362)
    run.agrees_by("idle", idle_share, 0.005101)
    run.agrees_by("root", root(20), 0.958980)
    run.agrees_by("busy and none waits", busy_and_none_waits, 0.040811)


def test_t12_exponential_batches_at_4_a_second(replicate):
    """case:T12.  Eight comparisons: false-alarm rate at most 4.4 %."""
    run = replicate("T12-batch-service-exponential", {"workload.arrivals.rate": "4/s", "run.duration": "6_000s"})
    run.agrees("queue_wait_s.mean", 1.118565)
    run.agrees("batch_records.mean", 4.176321)
    run.agrees("backlog_records.time_average", 4.474260)
    run.agrees("sojourn_s.mean", 2.118565)
    run.agrees("invocations.rate", 0.957781)
    run.agrees_by("idle", idle_share, 0.042219)
    run.agrees_by("root", root(5), 0.823679)
    run.agrees_by("busy and none waits", busy_and_none_waits, 0.168877)


def test_t12_exponential_batches_at_95_percent_load(replicate):
    """case:T12.  Eight comparisons: false-alarm rate at most 4.4 %.

    The runs are too long for the backlog to be followed step by step, so that its shares come from climbs.
    """
    run = replicate(
        "T12-batch-service-exponential",
        {"workload.arrivals.rate": "9.5/s", "run.duration": "350_000s", "run.warm_up": "5_000s"},
    )
    run.agrees("queue_wait_s.mean", 11.143982)
    run.agrees("sojourn_s.mean", 12.143982)
    run.agrees("backlog_records.time_average", 105.867834)
    run.agrees("batch_records.mean", 9.509348)
    run.agrees("invocations.rate", 0.999017)
    run.agrees_by("idle", idle_share, 0.000983)
    run.agrees_by("root", root(40), 0.990652)
    run.agrees_by("busy and none waits", busy_and_none_waits, 0.009339)


def agree_on_invocation_rate(run, warm_up_s, expected):
    """Invocations that come like a clock are counted from a start to a start: a window of fixed length would add or
    miss one at its edge, which is more than their standard error."""
    starts = [table["start_s"][table["start_s"] >= warm_up_s] for table in invocations_of(run)]
    rates = np.array([(len(each) - 1) / (each[-1] - each[0]) for each in starts])
    run.compare("invocation rate", rates.mean(), rates.std(ddof=1), rates.size, expected, 0.01)


def busy_shares(run, warm_up_s):
    """Busy shares of the time from the first start after the warm-up to the last end.

    kinsim's utilization is of the whole run, the wait for the first record included.
    """
    late = [
        (t["start_s"][t["start_s"] >= warm_up_s], t["end_s"][t["start_s"] >= warm_up_s]) for t in invocations_of(run)
    ]
    return np.array([(ends - starts).sum() / (ends[-1] - starts[0]) for starts, ends in late])


def invocations_of(run):
    return [replication.invocations for replication in run.result.replications]


def test_t13_constant_batches_at_8_a_second(replicate):
    """case:T13.  Seven comparisons: false-alarm rate at most 3.8 %.

    The share of completions that leave the function idle, 0.024 %, is left out: 30 runs see forty of them.
    """
    run = replicate("T13-batch-service-constant", keep=("invocations",))
    run.agrees("backlog_records.time_average", 4.878475)
    run.agrees("queue_wait_s.mean", 0.609809)
    run.agrees("batch_records.mean", 8.000241)
    run.agrees_by("full batches", share_of_full_batches, 0.384717)
    run.agrees("sojourn_s.mean", 1.609809)
    agree_on_invocation_rate(run, 100, 0.999970)
    busy = busy_shares(run, 100)
    run.compare("utilization", busy.mean(), busy.std(ddof=1), busy.size, 0.999970, 0.01)


def test_t13_constant_batches_of_100(replicate):
    """case:T13.  Five comparisons: false-alarm rate at most 2.7 %.

    The function is never idle: its utilization and its rate come out exactly.
    """
    run = replicate(
        "T13-batch-service-constant",
        {
            "workload.arrivals.rate": "180/s",
            "event_source_mapping.batch_size": 100,
            "function.duration": "500ms",
            "run.duration": "1_200s",
        },
        keep=("invocations",),
    )
    run.agrees("backlog_records.time_average", 46.110013)
    run.agrees("queue_wait_s.mean", 0.256167)
    run.agrees("batch_records.mean", 90.000000)
    run.agrees("sojourn_s.mean", 0.756167)
    run.agrees_by("full batches", share_of_full_batches, 0.195343)
    assert busy_shares(run, 100) == approx(1.0, abs=1e-9)
    for table in invocations_of(run):
        starts = table["start_s"][table["start_s"] >= 100]
        assert (len(starts) - 1) / (starts[-1] - starts[0]) == approx(2.0, rel=1e-6)


def test_t13b_iterator_age_is_the_age_of_the_last_record_at_the_invocation(replicate):
    """case:T13b.  Five comparisons: false-alarm rate at most 2.7 %.

    One invocation in 22,000 has to wait for a record; the run is long enough for fifty of them.
    """
    run = replicate("T13b-iterator-age", {"run.duration": "20_000s"}, keep=("invocations",))
    run.agrees("batch_records.mean", 10.000045)
    run.agrees("queue_wait_s.mean", 0.249999)
    run.agrees("iterator_age_s.mean", 0.049975)
    run.agrees("first_record_age_s.mean", 0.450002)
    agree_on_invocation_rate(run, 50, 1.999991)


def test_t13b_iterator_age_taken_at_the_end(replicate):
    """case:T13b.  One comparison: false-alarm rate 0.55 %."""
    run = replicate("T13b-iterator-age", {"event_source_mapping.iterator_age": "invoke_end"})
    run.agrees("iterator_age_s.mean", 0.549975)


def test_t14_one_batch_per_poll_at_8_a_second(replicate):
    """case:T14.  Six comparisons: false-alarm rate at most 3.3 %.

    The share of polls that find nothing, 0.024 %, is left out: 30 runs see thirty-five of them.
    """
    run = replicate("T14-one-batch-per-poll", keep=("records",))
    run.agrees("backlog_records.time_average", 4.878622)
    run.agrees("queue_wait_s.mean", 0.609828)
    before = [waiting_before_polls(replication, 100, 5_000) for replication in run.result.replications]
    agree_on_polls(run, "waiting before a poll", [each.mean() for each in before], 8.878622)
    agree_on_polls(run, "left after a poll", [(each - np.minimum(each, 10)).mean() for each in before], 0.878622)
    agree_on_polls(run, "batch", [np.minimum(each, 10).mean() for each in before], 8.000000)
    agree_on_polls(run, "full batches", [(each >= 10).mean() for each in before], 0.384717)


def waiting_before_polls(replication, first_s, end_s):
    """Records that wait at each poll: stored by then, and not taken by an earlier poll."""
    records = replication.frame("records")
    assert (records.records == 1).all()
    polls = np.arange(first_s, end_s)
    taken = np.sort(records.first_invoked_s.dropna())
    return np.searchsorted(records.accepted_s, polls, "right") - np.searchsorted(taken, polls, "left")


def agree_on_polls(run, name, values, expected):
    run.compare(name, np.mean(values), np.std(values, ddof=1), len(values), expected, 0.01)


def test_t14_one_batch_per_poll_at_5_a_second(replicate):
    """case:T14.  Four comparisons: false-alarm rate at most 2.2 %."""
    run = replicate("T14-one-batch-per-poll", {"workload.arrivals.rate": "5/s"}, keep=("records",))
    run.agrees("backlog_records.time_average", 2.523709)
    run.agrees("queue_wait_s.mean", 0.504742)
    before = [waiting_before_polls(replication, 100, 5_000) for replication in run.result.replications]
    agree_on_polls(run, "waiting before a poll", [each.mean() for each in before], 5.023709)
    agree_on_polls(run, "batch", [np.minimum(each, 10).mean() for each in before], 5.000000)


def test_t14_full_and_empty_polls_at_5_a_second(replicate):
    """case:T14.  Two comparisons, in a run long enough for both rare polls: false-alarm rate 1.1 %."""
    run = replicate("T14-one-batch-per-poll", {"workload.arrivals.rate": "5/s", "run.duration": "60_000s"})
    run.agrees_by("full batches", lambda metrics: metrics["full_batches"]["sum"] / 60_000, 0.033148)
    run.agrees_by("empty polls", lambda metrics: 1 - metrics["invocations"]["sum"] / 60_000, 0.006641)


def test_t15_a_batch_takes_a_fixed_time_and_a_time_per_record(replicate):
    """case:T15.  Five comparisons: false-alarm rate at most 2.7 %.

    One batch in 10^13 is full, one in 36 million leaves the function idle: a run of 3,000 sees neither.
    """
    run = replicate("T15-affine-batch-time", keep=("invocations",))
    run.agrees("backlog_records.time_average", 10.166667)
    run.agrees("queue_wait_s.mean", 0.101667)
    run.agrees("sojourn_s.mean", 0.308333)
    run.agrees("batch_records.mean", 20.000000)
    run.agrees("invocations.rate", 5.000000)
    assert run.metrics["full_batches"]["sum"]["value"] == 0
    assert busy_shares(run, 50) == approx(0.9999999986, abs=2e-9)


@pytest.mark.parametrize(
    ("least", "waiting", "wait_s", "mean_batch", "rate", "idle"),
    [(5, 21.969891, 2.746236, 8.582670, 0.932111, 0.067889), (10, 19.878153, 2.484769, 10.0, 0.8, 0.2)],
)
def test_t12b_a_least_batch(replicate, least, waiting, wait_s, mean_batch, rate, idle):
    """case:T12b.  Five comparisons each: false-alarm rate at most 5.5 % together."""
    run = replicate("T12b-least-batch", {"event_source_mapping.minimum_batch": least})
    run.agrees("backlog_records.time_average", waiting)
    run.agrees("queue_wait_s.mean", wait_s)
    run.agrees_by("idle", idle_share, idle)
    run.agrees("invocations.rate", rate)
    if least < 10:
        run.agrees("batch_records.mean", mean_batch)
    else:
        assert run.metrics["batch_records"]["max"]["value"] == run.metrics["batch_records"]["p50"]["value"] == 10


def test_t16_a_window_that_ends_before_the_batch_is_full(replicate):
    """case:T16.  Three comparisons: false-alarm rate at most 1.7 %; the age is that of every first record."""
    run = replicate("T16-batching-window", keep=("invocations",))
    run.agrees("batch_records.mean", 51.0)
    agree_on_invocation_rate(run, 0, 0.196078)
    run.agrees("queue_wait_s.mean", 2.549020)
    assert run.metrics["first_record_age_s"]["max"]["value"] == approx(5.0, abs=1e-9)
    assert run.metrics["first_record_age_s"]["p50"]["value"] == approx(5.0, abs=1e-9)


def test_t16_a_batch_that_is_full_before_its_window_ends(replicate):
    """case:T16.  Three comparisons: false-alarm rate at most 1.7 %."""
    run = replicate(
        "T16-batching-window", {"workload.arrivals.rate": "100/s", "run.duration": "1_000s"}, keep=("invocations",)
    )
    assert run.metrics["batch_records"]["p50"]["value"] == 100
    run.agrees("first_record_age_s.mean", 0.990000)
    run.agrees("queue_wait_s.mean", 0.495000)
    agree_on_invocation_rate(run, 0, 1.0)
