"""Settings and rules of VPC flow logs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinsim.system.workload.vpc_flow_logs import (
    FIVE_MINUTES_US,
    VpcFlowLogsArrivals,
    flushed_intervals,
    lines_of_intervals,
)


def flow_logs(**settings):
    return VpcFlowLogsArrivals.model_validate(
        {"model": "vpc_flow_logs", "interfaces": 10, "lines_per_interface": 100, **settings}
    )


@given(
    phase_us=st.integers(0, 10**9),
    interval_us=st.integers(10**6, 10**9),
    first=st.integers(-20, 20),
    n=st.integers(1, 20),
)
def test_every_interval_is_flushed_once(phase_us, interval_us, first, n):
    phase_us %= interval_us
    seen = []
    for flush in range(first, first + n):
        low, high = flushed_intervals(flush * FIVE_MINUTES_US, phase_us, interval_us)
        ends = [phase_us + k * interval_us for k in range(low, high + 1)]
        assert all((flush - 1) * FIVE_MINUTES_US < end <= flush * FIVE_MINUTES_US for end in ends)
        seen += range(low, high + 1)
    assert seen == list(range(seen[0], seen[0] + len(seen))) if seen else True


@given(lines=st.floats(0, 1000), offset=st.floats(0, 1, exclude_max=True), first=st.integers(-1000, 1000))
def test_fractions_of_lines_add_up(lines, offset, first):
    each = [lines_of_intervals(k, k, lines, offset) for k in range(first, first + 50)]
    assert sum(each) == lines_of_intervals(first, first + 49, lines, offset)
    assert sum(each) == pytest.approx(50 * lines, abs=1.001)
    assert all(0 <= n == int(n) for n in each)
    as_array = lines_of_intervals(np.array([first]), np.array([first]), np.array([lines]), np.array([offset]))
    assert as_array.tolist() == each[:1]


def test_rates():
    assert flow_logs(aggregation_interval="10s").log_events_per_s() == 100
    assert flow_logs(aggregation_interval="10m").mean_rate_per_s() is None


def test_the_time_between_publications():
    assert flow_logs(aggregation_interval="1m", phase="five_min_flush").period_s == 300
    assert flow_logs(aggregation_interval="1m", phase="random").period_s == 60


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interfaces": 0}, "greater than or equal to 1"),
        ({"interfaces": 10**7}, "less than or equal to 1000000"),
        ({"lines_per_interface": 0}, "no interface has a line"),
        ({"lines_per_interface": -1}, "negative"),
        ({"aggregation_interval": "0s"}, "greater than or equal to 1"),
        ({"phase": "sometimes"}, "'aligned', 'random' or 'five_min_flush'"),
        ({"publish_delay": "-1s"}, "not a duration"),
        ({"line_size": 0}, "greater than or equal to 1"),
        ({"extracted_fields": "yes"}, "valid boolean"),
        ({"lines": 3}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValidationError) as caught:
        flow_logs(**settings)
    assert message in str(caught.value)


def test_all_fields_explain_themselves():
    for name, field in VpcFlowLogsArrivals.model_fields.items():
        assert field.description, name
        assert field.examples, name
