"""Batches: the reader takes up to b records the instant it is free (cases T12 to T15)."""

import numpy as np
import pytest

pytestmark = pytest.mark.stochastic


def share_of_full_batches(metrics):
    return metrics["full_batches"]["sum"] / metrics["invocations"]["sum"]


def idle_share(metrics):
    return 1 - metrics["utilization"]["time_average"]


def test_t12_exponential_batches_at_8_a_second(replicate):
    """case:T12.  Five comparisons: false-alarm rate at most 2.7 %.

    The share of idle time is 0.5 %: its standard error is held to 2 % of it, the others to 1 %.
    """
    run = replicate("T12-batch-service-exponential")
    run.agrees("backlog_records.time_average", 23.258893)
    run.agrees("queue_wait_s.mean", 2.907362)
    run.agrees("batch_records.mean", 8.041020)
    run.agrees("invocations.rate", 0.994899)
    run.agrees_by("idle", idle_share, 0.005101, relative_error=0.02)


def test_t12_exponential_batches_at_4_a_second(replicate):
    """case:T12.  Two comparisons: false-alarm rate 1.1 %."""
    run = replicate("T12-batch-service-exponential", {"workload.arrivals.rate": "4/s", "run.duration": "6_000s"})
    run.agrees("queue_wait_s.mean", 1.118565)
    run.agrees("batch_records.mean", 4.176321)


def test_t12_exponential_batches_at_95_percent_load(replicate):
    """case:T12.  One comparison: false-alarm rate 0.55 %."""
    run = replicate(
        "T12-batch-service-exponential",
        {"workload.arrivals.rate": "9.5/s", "run.duration": "350_000s", "run.warm_up": "5_000s"},
    )
    run.agrees("queue_wait_s.mean", 11.143982)


def agree_on_invocation_rate(run, warm_up_s, expected):
    """Invocations that come like a clock are counted from a start to a start: a window of fixed length would add or
    miss one at its edge, which is more than their standard error."""
    starts = [table["start_s"][table["start_s"] >= warm_up_s] for table in invocations_of(run)]
    rates = np.array([(len(each) - 1) / (each[-1] - each[0]) for each in starts])
    run.compare("invocation rate", rates.mean(), rates.std(ddof=1), rates.size, expected, 0.01)


def invocations_of(run):
    return [replication.invocations for replication in run.result.replications]


def test_t13_constant_batches_at_8_a_second(replicate):
    """case:T13.  Five comparisons: false-alarm rate at most 2.7 %."""
    run = replicate("T13-batch-service-constant", keep=("invocations",))
    run.agrees("backlog_records.time_average", 4.878475)
    run.agrees("queue_wait_s.mean", 0.609809)
    run.agrees("batch_records.mean", 8.000241)
    run.agrees_by("full batches", share_of_full_batches, 0.384717)
    agree_on_invocation_rate(run, 100, 0.999970)


def test_t13_constant_batches_of_100(replicate):
    """case:T13.  Three comparisons: false-alarm rate 1.6 %."""
    run = replicate(
        "T13-batch-service-constant",
        {
            "workload.arrivals.rate": "180/s",
            "event_source_mapping.batch_size": 100,
            "function.duration": "500ms",
            "run.duration": "500s",
        },
    )
    run.agrees("backlog_records.time_average", 46.110013)
    run.agrees("queue_wait_s.mean", 0.256167)
    run.agrees("batch_records.mean", 90.000000)


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
    """case:T14.  Three comparisons: false-alarm rate 1.6 %."""
    run = replicate("T14-one-batch-per-poll")
    run.agrees("backlog_records.time_average", 4.878622)
    run.agrees("queue_wait_s.mean", 0.609828)
    run.agrees_by("full batches", share_of_full_polls, 0.384717)


def share_of_full_polls(metrics):
    """Full batches in each of the 5,000 polls of the run, those that found nothing included."""
    return metrics["full_batches"]["sum"] / 5_000


def test_t14_one_batch_per_poll_at_5_a_second(replicate):
    """case:T14.  Two comparisons: false-alarm rate 1.1 %."""
    run = replicate("T14-one-batch-per-poll", {"workload.arrivals.rate": "5/s"})
    run.agrees("backlog_records.time_average", 2.523709)
    run.agrees("queue_wait_s.mean", 0.504742)


def test_t15_a_batch_takes_a_fixed_time_and_a_time_per_record(replicate):
    """case:T15.  Five comparisons: false-alarm rate at most 2.7 %."""
    run = replicate("T15-affine-batch-time")
    run.agrees("backlog_records.time_average", 10.166667)
    run.agrees("queue_wait_s.mean", 0.101667)
    run.agrees("sojourn_s.mean", 0.308333)
    run.agrees("batch_records.mean", 20.000000)
    run.agrees("invocations.rate", 5.000000)
