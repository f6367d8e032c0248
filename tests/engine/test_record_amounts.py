"""What records weigh: sizes, log events, work, calls, PUT units."""

from __future__ import annotations

import math

import pytest

from kinsim.engine.arrivals import ArrivalSource
from tests.engine.drawn import SIZED, all_rows, scenario


def test_records_have_the_amounts_that_the_file_asks_for() -> None:
    rows = all_rows(ArrivalSource(scenario(SIZED, "30m"), 0))
    n = len(rows)
    assert set(rows.count.tolist()) == {1}
    for column, mean, sd in (
        (rows.data_bytes, 900, 1080),
        (rows.log_events, 3, math.sqrt(6)),
        (rows.cpu_us, 2000, 2000),
    ):
        assert abs(column.mean() - mean) < 4 * sd / math.sqrt(n)
    assert rows.log_events.min() == 1
    assert rows.body_bytes.tolist() == rows.data_bytes.tolist()
    assert set(rows.key_bytes.tolist()) == {36} and set(rows.lag_us.tolist()) == {0}


def test_bins_have_the_same_amounts_in_all() -> None:
    rows = all_rows(ArrivalSource(scenario({**SIZED, "granularity": "1s"}, "30m"), 0))
    n = int(rows.count.sum())
    for column, mean, sd in (
        (rows.data_bytes, 900, 1080),
        (rows.log_events, 3, math.sqrt(6)),
        (rows.cpu_us, 2000, 2000),
    ):
        assert abs(column.sum() / n - mean) < 4 * sd / math.sqrt(n)


def test_payload_and_put_units() -> None:
    """aws:E9: 4 ceil(d/3) + 532 + key; aws:P3: 25 KiB a unit."""
    for size, units in ((1, 1), (1000, 1), (25_600, 1), (25_601, 2), (1_048_576, 41)):
        rows = all_rows(
            ArrivalSource(
                scenario({"arrivals": {"model": "bursts", "every": "1h", "size": 10}, "record_size": size}), 0
            )
        )
        assert rows.payload_bytes.tolist() == [10 * (4 * math.ceil(size / 3) + 532 + 36)]
        assert rows.put_units.tolist() == [10 * units]


def test_a_burst_of_records_that_differ_is_a_row_for_each() -> None:
    workload = {
        "arrivals": {"model": "bursts", "every": "1h", "size": 500},
        "record_size": {"distribution": "exponential", "mean": 900},
    }
    rows = all_rows(ArrivalSource(scenario(workload), 0))
    assert len(rows) == 500 and set(rows.time_us.tolist()) == {0} and len(set(rows.data_bytes.tolist())) > 300


def test_time_in_calls_is_drawn_with_the_records() -> None:
    calls = [{"name": "api", "per": "log_event", "share": "50%", "latency": "10ms"}]
    made = scenario(SIZED, "10m", function={"duration": "1ms", "calls": calls})
    rows = all_rows(ArrivalSource(made, 0))
    assert rows.call_us.sum() == pytest.approx(rows.log_events.sum() * 5000, rel=0.05)
    plain = all_rows(ArrivalSource(scenario(SIZED, "10m"), 0))
    assert rows.time_us.tolist() == plain.time_us.tolist() and plain.call_us.sum() == 0
