"""Settings of the account and of alarms."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kinsim.system.account import Account, PerFunction, RegionBurst
from kinsim.system.alarms import Alarm

AGE = {"metric": "IteratorAge", "statistic": "Maximum", "period": "5m", "threshold": 1_000_000}


def test_the_two_ways_of_scaling_up():
    old = Account.model_validate(
        {"concurrent_executions": 1_000, "scaling": {"kind": "region_burst", "burst": 3_000, "then_per_minute": 500}}
    )
    new = Account.model_validate(
        {"concurrent_executions": "unlimited", "scaling": {"kind": "per_function", "step": 1_000, "every": "10s"}}
    )
    assert isinstance(old.scaling, RegionBurst)
    assert isinstance(new.scaling, PerFunction)
    assert new.scaling.every_s == 10
    assert new.concurrent_executions is None
    assert Account.model_validate({"concurrent_executions": 5, "scaling": "none"}).scaling == "none"


@pytest.mark.parametrize(
    "scaling", [{"kind": "magic"}, {"burst": 5}, "fast", 5, None, {"kind": "per_function", "step": 5}]
)
def test_other_ways_are_refused(scaling):
    with pytest.raises(ValidationError):
        Account.model_validate({"concurrent_executions": 5, "scaling": scaling})


def test_an_account_runs_at_least_one():
    with pytest.raises(ValidationError):
        Account.model_validate({"concurrent_executions": 0, "scaling": "none"})


def test_an_alarm_has_cloudwatchs_defaults():
    alarm = Alarm.model_validate(AGE)
    assert (alarm.period_s, alarm.evaluation_periods, alarm.treat_missing_data) == (300, 1, "missing")
    assert alarm.comparison == "GreaterThanThreshold"
    assert (alarm.metric_delay_s, alarm.alarm_extra_periods) == (60, 2)


@pytest.mark.parametrize("datapoints", [0, 4])
def test_datapoints_are_of_the_periods(datapoints):
    with pytest.raises(ValidationError, match="of 3 evaluation periods"):
        Alarm.model_validate({**AGE, "evaluation_periods": 3, "datapoints_to_alarm": datapoints})
