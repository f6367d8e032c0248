"""Flow logs at every edge: window, spread, interval, end of the run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kinsim.engine.flow_logs import FlowLogDrawer
from kinsim.engine.tables import Rows
from tests.engine.edges import HOUR, MINUTE, SECOND, agrees, between, context_of, rows_of, source_of


def flow_logs(**settings: Any) -> dict[str, Any]:
    base = {"model": "vpc_flow_logs", "interfaces": 300, "lines_per_interface": 2.5, "aggregation_interval": "10m"}
    return {**base, "publish_delay": "0s", **settings}


COLUMNS = ("time_us", "key", "log_events", "data_bytes", "lag_us")


@pytest.mark.parametrize("phase", ["aligned", "random", "five_min_flush"])
def test_flow_logs_do_not_depend_on_the_length_of_a_window(phase: str) -> None:
    """Windows of 10 s, a minute and an hour hold the same publications."""
    made = context_of(flow_logs(phase=phase, publish_delay="7m", publish_spread="90s"))
    tables = []
    for window_us in (10 * SECOND, MINUTE, HOUR):
        drawer = FlowLogDrawer(made)
        drawer.window_us = window_us
        windows = [drawer.window(k * window_us, (k + 1) * window_us) for k in range(HOUR // window_us)]
        for k, rows in enumerate(windows):
            assert ((rows.time_us >= k * window_us) & (rows.time_us < (k + 1) * window_us)).all()
        rows = Rows.concatenate(windows)
        tables.append([getattr(rows, name).tolist() for name in COLUMNS])
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0][0]) > 1000


@pytest.mark.stochastic
def test_interfaces_at_random_phases_send_as_many_lines_in_every_minute() -> None:
    """5,000 interfaces of 3 lines every 10 min (aws:V1, V7): 1,500 lines a minute, from the first to the last one.

    Publications of a minute are binomial with n = 5,000, p = 0.1; after ten minutes they repeat.  Chi-square of ten
    minutes at 0.1 %: false-alarm rate 1e-3.
    """
    rows = rows_of(source_of(flow_logs(interfaces=5_000, lines_per_interface=3, publish_delay="5m"), "1h"))
    lines = np.bincount(rows.time_us // MINUTE, rows.log_events, 60)
    assert lines.reshape(6, 10).sum(axis=1).tolist() == [15_000] * 6
    assert (lines.reshape(6, 10) == lines[:10]).all()
    assert stats.chisquare(lines[:10] / 3).pvalue > 1e-3


@pytest.mark.stochastic
def test_a_spread_moves_lines_between_minutes_and_loses_none() -> None:
    """With a delay and a spread over several minutes a minute still has 500 publications on average.

    Counts are binomial with a standard deviation of 21.  60 comparisons at 4.5 of them: false-alarm rate 4e-4.
    """
    load = flow_logs(interfaces=5_000, lines_per_interface=3, publish_delay="5m", publish_spread="150s")
    rows = rows_of(source_of(load, "1h"))
    found = np.bincount(rows.time_us // MINUTE, minlength=60)
    assert (np.abs(found - 500) < 4.5 * math.sqrt(450)).all()
    assert set(rows.log_events.tolist()) == {3}


@pytest.mark.stochastic
def test_a_spread_longer_than_the_interval_is_in_its_stride_at_the_start() -> None:
    """2,000 interfaces every 600 s, each publication up to 1,000 s late: cycles overlap, before the run began too.

    In the first 400 s of each cycle two of them are due: 2 x 2,000 x 400 / 1,000 publications, then one.  Six
    comparisons at 4 standard deviations: false-alarm rate 4e-4.
    """
    load = flow_logs(interfaces=2_000, lines_per_interface=3, phase="aligned", publish_spread="1000s")
    times = rows_of(source_of(load, "1800s")).time_us
    for cycle in range(3):
        start = cycle * 600
        agrees(between(times, start, start + 400), 2 * 2_000 * 0.4)
        agrees(between(times, start + 400, start + 600), 2_000 * 0.2)


@pytest.mark.stochastic
def test_the_end_of_the_run_inside_the_spread_leaves_the_rest_out() -> None:
    """40 s into a spread of 100 s: two fifths of the interfaces.  False-alarm rate 6e-5 (4 standard deviations)."""
    load = flow_logs(interfaces=2_000, lines_per_interface=1, phase="aligned", publish_spread="100s")
    rows = rows_of(source_of(load, "1240s"))
    assert np.bincount(rows.time_us // (600 * SECOND))[:2].tolist() == [2_000, 2_000]
    last = rows.time_us >= 1200 * SECOND
    assert rows.time_us.max() < 1240 * SECOND
    assert abs(int(last.sum()) - 800) < 4 * math.sqrt(2_000 * 0.4 * 0.6)
    longer = rows_of(source_of(load, "1h"))
    assert longer.time_us[: len(rows)].tolist() == rows.time_us.tolist()


@pytest.mark.parametrize("phase", ["aligned", "random", "five_min_flush"])
def test_flow_logs_that_are_switched_on_and_off(phase: str) -> None:
    load = flow_logs(phase=phase, publish_delay="2m", publish_spread="50s")
    whole = rows_of(source_of(load, "1h"))
    part = rows_of(source_of(load, "1h", start="1234.5s", end="2400s"))
    inside = (whole.time_us >= 1_234_500_000) & (whole.time_us < 2_400_000_000)
    for name in COLUMNS:
        assert getattr(part, name).tolist() == getattr(whole, name)[inside].tolist(), name
    assert 0 < len(part) < len(whole)
