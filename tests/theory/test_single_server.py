"""One record an invocation, one shard: the queues of the textbooks (cases T01, T02, T03, T06)."""

import pytest

pytestmark = pytest.mark.stochastic


def test_t01_mm1(replicate):
    """case:T01.  Ten comparisons: false-alarm rate at most 5.5 %.

    The variance of the sojourn is left out: its standard error stays above 1 % in a run of a minute.
    """
    run = replicate("T01-mm1")
    run.agrees("records_in_system.time_average", 4.000000)
    run.agrees("backlog_records.time_average", 3.200000)
    run.agrees("queue_wait_s.mean", 4.000000)
    run.agrees("queue_wait_s.p95", 13.862944)
    run.agrees("sojourn_s.mean", 5.000000)
    run.agrees("sojourn_s.p50", 3.465736)
    run.agrees("sojourn_s.p95", 14.978661)
    run.agrees("sojourn_s.p99", 23.025851)
    run.agrees("sojourn_s.PR(5s:)", 0.367879)
    run.agrees_by("share that waits", lambda metrics: 1 - metrics["queue_wait_s"]["PR(:0s)"], 0.8)


def test_t02_md1(replicate):
    """case:T02.  Thirteen comparisons: false-alarm rate at most 7.2 %."""
    run = replicate("T02-md1")
    run.agrees("queue_wait_s.mean", 2.000000)
    run.agrees("backlog_records.time_average", 1.600000)
    run.agrees("sojourn_s.mean", 3.000000)
    run.agrees("records_in_system.time_average", 2.400000)
    run.agrees("queue_wait_s.PR(:0s)", 0.200000)
    run.agrees("queue_wait_s.PR(:500ms)", 0.298365)
    run.agrees("queue_wait_s.PR(:1s)", 0.445108)
    run.agrees("queue_wait_s.PR(:2s)", 0.634520)
    run.agrees("queue_wait_s.PR(:5s)", 0.899503)
    run.agrees("queue_wait_s.PR(:10s)", 0.988343)
    run.agrees("queue_wait_s.p50", 1.275940)
    run.agrees("queue_wait_s.p95", 6.620325)
    run.agrees("queue_wait_s.p99", 10.355887)


def test_t03a_pollaczek_khinchine_lognormal(replicate):
    """case:T03a.  Five comparisons: false-alarm rate at most 2.7 %."""
    run = replicate("T03a-mg1-lognormal")
    run.agrees("queue_wait_s.mean", 3.500000)
    run.agrees("sojourn_s.mean", 4.500000)
    run.agrees("backlog_records.time_average", 2.450000)
    run.agrees("records_in_system.time_average", 3.150000)
    run.agrees("queue_wait_s.variance", 33.250000)


def test_t03c_pollaczek_khinchine_erlang2(replicate):
    """case:T03c.  Five comparisons: false-alarm rate at most 2.7 %."""
    run = replicate("T03c-mg1-erlang2")
    run.agrees("queue_wait_s.mean", 2.250000)
    run.agrees("sojourn_s.mean", 3.250000)
    run.agrees("backlog_records.time_average", 1.687500)
    run.agrees("records_in_system.time_average", 2.437500)
    run.agrees("queue_wait_s.variance", 8.062500)


def test_t06a_batch_arrivals_exponential(replicate):
    """case:T06a.  One comparison: false-alarm rate 0.55 %."""
    replicate("T06a-batch-arrivals-mm1").agrees("queue_wait_s.mean", 26.500000)


def test_t06b_batch_arrivals_constant(replicate):
    """case:T06b.  One comparison: false-alarm rate 0.55 %."""
    replicate("T06b-batch-arrivals-md1").agrees("queue_wait_s.mean", 24.500000)
