"""The evaluation of CloudWatch alarms: AWS's published tables and sequences, comparisons, settings."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

import kinsim as ks
from kinsim.system.alarms import COMPARISONS, STATES, TREATMENTS, Alarm, breaches, evaluate_alarm, next_alarm_state

AGE = {"metric": "IteratorAge", "statistic": "Maximum", "period": "5m", "threshold": 1_000_000}
KEPT = "the state that it was in"

THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "- - - - 0": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", KEPT, "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", KEPT, "ALARM", "OK"),
}
"""AWS's two tables, three evaluation periods and a range of five: missing, ignore, breaching, notBreaching."""


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize(("needed", "table"), [(3, THREE_OF_THREE), (2, TWO_OF_THREE)])
def test_the_published_tables(needed, table, before):
    for points, expected in table.items():
        found = [evaluate_alarm(points, 3, needed, treatment, before) for treatment in TREATMENTS]
        assert found == [before if state == KEPT else state for state in expected], points


@pytest.mark.parametrize("before", ["OK", "INSUFFICIENT_DATA"])
def test_a_first_breaching_point_among_missing_ones_is_not_yet_an_alarm(before):
    """AWS's passage on premature alarms, three of three: the next point may be within the threshold, and then is OK."""
    assert evaluate_alarm("----X", 3, 3, "missing", before) == before
    assert evaluate_alarm("---X-", 3, 3, "missing", before) == before
    assert evaluate_alarm("---X0", 3, 3, "missing", before) == "OK"
    assert evaluate_alarm("--X-0", 3, 3, "missing", before) == "OK"
    assert evaluate_alarm("--X--", 3, 3, "missing", before) == "ALARM"
    # two of three: a point is old enough one period sooner
    assert evaluate_alarm("----X", 3, 2, "missing", before) == before
    assert evaluate_alarm("---X-", 3, 2, "missing", before) == "ALARM"


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_with_all_data_the_newest_periods_alone_decide(treatment):
    for points in itertools.product("X0", repeat=5):
        for needed in (1, 2, 3):
            expected = "ALARM" if points[2:].count("X") >= needed else "OK"
            assert evaluate_alarm(points, 3, needed, treatment, "INSUFFICIENT_DATA") == expected


def test_an_evaluation_that_is_repeated_changes_nothing():
    """What lets a run leave out minutes whose periods are those of the minute before."""
    for points in itertools.product((-1, 0, 1), repeat=5):
        for needed, treatment, state in itertools.product((1, 2, 3), range(4), range(3)):
            once = next_alarm_state(points, 3, needed, treatment, state)
            assert next_alarm_state(points, 3, needed, treatment, once) == once


def test_older_points_stand_in_for_missing_ones_but_no_further_than_the_range():
    assert evaluate_alarm("X--", 1) == "ALARM"
    assert evaluate_alarm("---", 1, state="ALARM") == "INSUFFICIENT_DATA"


def test_the_four_comparisons():
    assert COMPARISONS == (
        "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
    )  # fmt: skip
    table = {9.0: [False, False, True, True], 10.0: [False, True, False, True], 11.0: [True, True, False, False]}
    for value, expected in table.items():
        assert [breaches(value, 10.0, number) for number in range(4)] == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0Y", 1), "'Y' is none of -, 0, X"),
        (("0", 1, 2), "datapoints_to_alarm is 2, of 1"),
        (("0", 1, 1, "braching"), "'braching' is none of missing"),
        (("0", 1, 1, "missing", "RED"), "'RED' is none of INSUFFICIENT_DATA, OK, ALARM"),
    ],
)
def test_words_that_are_none(arguments, says):
    with pytest.raises(ValueError, match=says):
        ks.evaluate_alarm(*arguments)


def test_it_is_one_of_the_small_facts():
    assert ks.evaluate_alarm is evaluate_alarm
    assert "evaluate_alarm" in ks.__all__


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": "IteratorAgee"}, "no metric 'IteratorAgee'"),
        ({"metric": "iterator_age_s"}, "no metric 'iterator_age_s'"),
        ({"statistic": "Sum"}, "IteratorAge has no statistic 'Sum'; it has Average, Minimum"),
        ({"statistic": "PR(:5s)"}, "has no statistic"),
        ({"metric": "Errors", "statistic": "p99"}, "Errors has no statistic 'p99'"),
        ({"statistic": "p99"}, "percentiles are known for each minute, not for periods of 5m"),
        ({"period": "90s"}, "1m30s is not a whole number of minutes"),
        ({"period": "0s"}, "greater than 0"),
        ({"period": "5m", "evaluation_periods": 289}, "289 periods of 5m are longer than 24h"),
        ({"period": "59m", "evaluation_periods": 25}, "longer than 24h"),
        ({"period": "1h", "evaluation_periods": 169}, "169 periods of 1h are longer than 7d"),
        ({"period": "8d"}, "a period of 8d is longer than 7d"),
        ({"evaluation_periods": 0}, "greater than or equal to 1"),
        ({"evaluation_periods": 2, "datapoints_to_alarm": 3}, "datapoints_to_alarm is 3, of 2"),
        ({"comparison": "GreaterThan"}, "GreaterThanThreshold"),
        ({"treat_missing_data": "notbreaching"}, "notBreaching"),
        ({"threshold": float("inf")}, "finite"),
        ({"threshold": "1000s"}, "valid number"),
        ({"alarm_extra_periods": -1}, "alarm_extra_periods"),
        ({"metric_delay": "-1s"}, "metric_delay"),
    ],
)
def test_wrong_settings(changes, says):
    with pytest.raises(ValidationError, match=says.replace("(", r"\(").replace(")", r"\)")):
        Alarm.model_validate({**AGE, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"period": "5m", "evaluation_periods": 288},
        {"period": "1h", "evaluation_periods": 168},
        {"period": "7d"},
        {"period": "1m", "statistic": "p99.9"},
        {"metric": "Throttles", "statistic": "Sum", "threshold": 0},
        {"metric_delay": 0, "alarm_extra_periods": 0},
    ],
)
def test_settings_at_the_edge(changes):
    alarm = Alarm.model_validate({**AGE, **changes})
    assert alarm.points_needed == alarm.evaluation_periods
    assert alarm.evaluation_range == alarm.evaluation_periods + alarm.alarm_extra_periods
