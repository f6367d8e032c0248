"""Alarms over the minutes of a run, on series that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kinsim.measure.alarms import alarm_history, percentiles_wanted, points, state_changes
from kinsim.measure.periods import Minutes
from kinsim.system.alarms import Alarm, evaluate_alarm

NAN = float("nan")
HOURS = 3_600.0


def alarm(**changes):
    usual = {"metric": "Errors", "statistic": "Sum", "period": "1m", "threshold": 10}
    return Alarm.model_validate({**usual, **changes})


def counted(*values):
    """A count by minute; NaN: a minute without data."""
    number = np.array(values, float)
    return Minutes.counted("Errors", "Count", ("Sum",), np.nan_to_num(number), np.where(np.isnan(number), 0.0, 1.0))


def history(alarm, *values, end_s=10 * HOURS):
    return alarm_history(alarm, counted(*values), {}, end_s)


def test_it_goes_off_at_the_end_of_the_minute_and_the_delay():
    found = history(alarm(metric_delay="90s"), 0, 0, 11, 0)
    assert found["state_changes"] == [[150, "OK"], [270, "ALARM"], [330, "OK"]]
    assert (found["first_crossed_s"], found["went_off_s"]) == (120, 270)


def test_the_run_ends_before_the_alarm_knows():
    found = history(alarm(), 0, 11, end_s=179)
    assert found["state_changes"] == [[120, "OK"]]
    assert (found["first_crossed_s"], found["went_off_s"]) == (60, None)
    assert history(alarm(), 0, 11, end_s=180)["went_off_s"] == 180


def test_a_period_of_five_minutes_slides_and_is_not_cut_in_blocks():
    """Six errors in minute 4 and six in minute 5: no block of five minutes holds both, the period up to 6 min does."""
    assert counted(0, 0, 0, 0, 6, 6, 0, 0, 0, 0).values("Sum", 5).tolist() == [6, 6]
    found = history(alarm(period="5m"), 0, 0, 0, 0, 6, 6, 0, 0, 0, 0)
    assert found["state_changes"] == [[120, "OK"], [420, "ALARM"], [660, "OK"]]
    assert found["first_crossed_s"] == 300


@pytest.mark.parametrize("statistic", ["Sum", "Average", "Maximum", "Minimum", "SampleCount"])
@pytest.mark.parametrize("minutes", [1, 3, 7, 60])
def test_statistics_of_sliding_periods(statistic, minutes):
    generator = np.random.default_rng(5)
    count = generator.integers(0, 3, 50).astype(float)
    low, high = generator.normal(-5, 1, 50), generator.normal(5, 1, 50)
    total = np.where(count > 0, generator.normal(0, 1, 50), 0.0)
    nan_where_empty = [np.where(count > 0, values, NAN) for values in (low, high)]
    table = Minutes("m", "1", (statistic,), count, total, *nan_where_empty)
    for minute, value in enumerate(table.sliding(statistic, minutes)):
        part = slice(max(minute + 1 - minutes, 0), minute + 1)
        there = count[part] > 0
        if not there.any():
            assert np.isnan(value)
            continue
        number = count[part].sum()
        expected = {
            "Sum": total[part].sum(), "Average": total[part].sum() / number, "SampleCount": number,
            "Maximum": high[part][there].max(), "Minimum": low[part][there].min(),
        }[statistic]  # fmt: skip
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_two_of_three_periods_of_two_minutes():
    """A point of two minutes breaches as long as it holds minute 2 or minute 6."""
    found = history(
        alarm(metric="Errors", period="2m", evaluation_periods=3, datapoints_to_alarm=2), 0, 0, 11, 0, 0, 0, 11, 0, 0, 0
    )
    # at 7 min the periods are 5-7, 3-5, 1-3: the first and the last breach; at 9 min 7-9 does no more
    assert found["state_changes"] == [[120, "OK"], [480, "ALARM"], [600, "OK"]]


@pytest.mark.parametrize("treatment", ["missing", "ignore", "breaching", "notBreaching"])
@pytest.mark.parametrize("seed", range(5))
def test_minute_by_minute_it_is_the_rule(treatment, seed):
    """Every minute evaluated in full, on a random series with gaps, against what is found where something is new."""
    generator = np.random.default_rng(seed)
    values = np.where(generator.random(90) < 0.6, NAN, generator.integers(0, 2, 90) * 20.0)
    values[30:55] = NAN
    watched = alarm(period="3m", evaluation_periods=2, datapoints_to_alarm=1 + seed % 2, treat_missing_data=treatment)
    seen = points(counted(*values).sliding("Sum", 3), watched)
    state, expected = "INSUFFICIENT_DATA", []
    for minute in range(90):
        signs = ""
        for back in range(4):
            end = minute - 3 * back
            known = int(seen[end]) if end >= 0 else -1
            if end < 2 and known < 0 and treatment == "breaching":
                known = 0
            signs = "-0X"[known + 1] + signs
        after = evaluate_alarm(signs, 2, watched.points_needed, treatment, state)
        if after != state:
            expected.append([60.0 * (minute + 2), after])
        state = after
    assert len(expected) >= 3
    assert state_changes(seen, watched, 10 * HOURS) == expected


def test_before_the_run_nothing_breaches():
    """With missing data as breaching, a run whose first data come in minute 3 begins in OK and stays there."""
    quiet = alarm(period="5m", treat_missing_data="breaching")
    assert history(quiet, NAN, NAN, NAN, 0, 0, 0)["state_changes"] == [[120, "OK"]]
    # a metric without any data breaches once the range of three periods lies in the run
    assert history(quiet, *[NAN] * 30)["state_changes"] == [[120, "OK"], [960, "ALARM"]]


def test_a_metric_that_stops_leaves_the_range_of_three_periods():
    """Data end with minute 9; periods of five minutes have some until minute 14, the range of three until minute 24."""
    silent = [0] * 10 + [NAN] * 30
    assert history(alarm(period="5m"), *silent)["state_changes"] == [[120, "OK"], [1_560, "INSUFFICIENT_DATA"]]
    assert history(alarm(period="5m", alarm_extra_periods=0), *silent)["state_changes"][-1] == [
        960,
        "INSUFFICIENT_DATA",
    ]
    assert history(alarm(period="5m", treat_missing_data="ignore"), *silent)["state_changes"] == [[120, "OK"]]
    assert history(alarm(period="5m", treat_missing_data="notBreaching"), *silent)["state_changes"] == [[120, "OK"]]
    assert history(alarm(period="5m", treat_missing_data="breaching"), *silent)["state_changes"] == [
        [120, "OK"],
        [1_560, "ALARM"],
    ]


def test_a_lower_threshold():
    found = history(alarm(comparison="LessThanThreshold"), 12, 10, 9, 12)
    assert found["state_changes"] == [[120, "OK"], [240, "ALARM"], [300, "OK"]]
    assert history(alarm(comparison="LessThanOrEqualToThreshold"), 12, 10, 9, 12)["went_off_s"] == 180


def ages(**changes):
    return alarm(metric="IteratorAge", statistic="Maximum", threshold=1_000, **changes)


def test_one_sample_is_told_to_the_second():
    assert list(percentiles_wanted(ages())) == [("iterator_age_s", 1_000_000, 100.0)]
    assert list(percentiles_wanted(ages(comparison="LessThanThreshold"))) == []
    assert list(percentiles_wanted(alarm())) == []
    seconds = np.full(180, NAN)
    seconds[[30, 100, 130]] = 0.5e6, 1.5e6, 2e6
    top = np.array([500.0, 1_500.0, 2_000.0])
    table = Minutes("IteratorAge", "Milliseconds", ("Maximum",), np.ones(3), top, top, top)
    found = alarm_history(ages(), table, {("iterator_age_s", 1_000_000): {100.0: seconds}}, HOURS)
    assert (found["first_crossed_s"], found["went_off_s"]) == (100, 180)


def test_percentiles_of_minutes():
    watched = alarm(metric="Duration", statistic="p90", threshold=2_000)
    assert list(percentiles_wanted(watched)) == [("duration_s", 60_000_000, 90.0)]
    minutes = np.array([1e6, NAN, 2.5e6])
    table = Minutes("Duration", "Milliseconds", ("Maximum",), *[np.zeros(3)] * 4)
    found = alarm_history(watched, table, {("duration_s", 60_000_000): {90.0: minutes}}, HOURS)
    assert found["state_changes"] == [[120, "OK"], [240, "ALARM"]]
    assert found["first_crossed_s"] == 120
