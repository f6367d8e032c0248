"""More arrives than the function manages: growth, alarm, retention, loss (cases T10, T10b, T17, T25)."""

import numpy as np
import pytest
from pytest import approx

DAY = 86_400.0
ALARM = 1_000.0
RATE = 70_000 / 300


def first_start_above(invocations, age_s):
    return invocations.start_s[invocations.iterator_age_s > age_s].iloc[0]


def test_t10_age_grows_and_the_alarm_comes_after_7000_s(simulate):
    """case:T10: +-5 s, 0.5 %."""
    invocations = simulate("T10-overload-even", {"run.duration": "3h"}, keep=["invocations"]).invocations
    assert first_start_above(invocations, ALARM) == approx(7_000.0, abs=5)
    late = invocations[invocations.start_s > 3_600]
    slope = np.polyfit(late.start_s, late.iterator_age_s, 1)[0]
    assert slope == approx(0.142857, rel=0.005)


def test_t10_retention_is_reached_after_a_week_and_a_seventh_is_lost(simulate):
    """case:T10: +-5 s, 0.5 %."""
    run = simulate("T10-overload-even")
    first_loss = run["expired_records"]["time_of_first"]
    assert first_loss == approx(604_800.0, abs=5)
    lost = run["expired_records"]["sum"] / (8 * DAY - first_loss)
    assert lost == approx(33.333333, rel=0.005)
    assert lost / RATE == approx(0.142857, rel=0.005)
    assert run["backlog_records"]["max"] == approx(20_160_000.0, rel=0.005)


def test_t10b_bursts_raise_the_alarm_half_an_hour_earlier(simulate):
    """case:T10b: times to 1e-6."""
    invocations = simulate("T10b-overload-bursts", {"run.duration": "2h"}, keep=["invocations"]).invocations
    burst, batch = np.divmod(np.arange(len(invocations)), 700)
    assert invocations.iterator_age_s.to_numpy() == approx(50 * burst + 0.5 * batch, rel=1e-6)
    assert first_start_above(invocations, ALARM) == approx(5_200.5, rel=1e-6)


def test_t10b_first_loss(simulate):
    """case:T10b: times to 1e-6, the rate of loss to 0.1 %."""
    run = simulate("T10b-overload-bursts")
    first_loss = run["expired_records"]["time_of_first"]
    assert first_loss == approx(603_000.5, rel=1e-6)
    losses = (8 * DAY - first_loss) // 300 + 1  # what a period loses, it loses at its start
    assert run["expired_records"]["sum"] / (300 * losses) == approx(33.333333, rel=0.001)


@pytest.mark.stochastic
def test_t17_age_of_the_10000th_record(simulate):
    """case:T17: 3 standard errors of 30 replications; false-alarm rate 0.55 %, three times.

    The spread of a single run is 80 s, so the standard error is held to 1 % of the mean as everywhere.  The age grows
    by 0.2 s a second once the first hundred records have taken the idle times with them.
    """
    run = simulate("T17-overload-nth-record", keep=["invocations"])
    ages = run.invocations.query("first_record == 10_000").iterator_age_s
    assert len(ages) == 30
    error = ages.std() / 30**0.5
    assert error <= 0.01 * 2_001.154185
    assert abs(ages.mean() - 2_001.154185) <= 3 * error
    # a sample's standard deviation over 30 is normal within 13 %: 3 of its standard errors
    assert ages.std() == approx(80.0, rel=0.40)
    early = run.invocations.query("first_record == 101").set_index("replication")
    late = run.invocations.query("first_record == 10_000").set_index("replication")
    slopes = (late.iterator_age_s - early.iterator_age_s) / (late.start_s - early.start_s)
    assert len(slopes) == 30
    error = slopes.std() / 30**0.5
    assert error <= 0.01 * 0.2
    assert abs(slopes.mean() - 0.2) <= 3 * error


def test_t25_a_batch_that_outlasts_the_timeout_is_tried_until_it_expires(simulate):
    """case:T25, exactly."""
    run = simulate("T25-livelock", keep=["invocations"])
    tries = run.invocations
    assert (tries.outcome == "timeout").all()
    assert tries.iterator_age_s.to_numpy() == approx(30.0 * np.arange(2_880))  # slope 1
    assert run["invocations"]["sum"] == run["timeouts"]["sum"] == run["errors"]["sum"] == 2_880
    assert run["processed_records"]["sum"] == 0
    assert run["expired_records"]["sum"] == 1
    assert run["expired_records"]["time_of_first"] == DAY


def test_t32_a_cap_on_concurrency(simulate):
    """case:T32, 1 %: five executions get 500 of 800 records a second done; the age grows by 3 s in 8."""
    run = simulate("T32-concurrency-cap", keep=("invocations",))
    assert run["processed_records"]["sum"] / 4_000 == approx(500, rel=0.01)
    assert run["concurrent_executions"]["max"] == 5
    runs = run.invocations[run.invocations.start_s > 1_000]
    slope = np.polyfit(runs.start_s, runs.iterator_age_s, 1)[0]
    assert slope == approx(0.375, rel=0.01)
