"""Traces and flow logs as the records of a source, at every edge of window, period and run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.pieces import record_time_us, singles
from kinsim.engine.tables import Rows
from kinsim.engine.traces import by_minute, trace_notes, trace_problems
from kinsim.errors import ConfigError
from kinsim.scenario import parse
from kinsim.system.workload import Source

SECOND = 1_000_000


@pytest.fixture
def offered(tmp_path):
    """The rows that a scenario with the given workload offers."""

    def offered(workload, csv="", run="{duration: 1h}", producer="", replication=0):
        (tmp_path / "trace.csv").write_text(csv)
        parts = ["kinsim: 1", "name: t", "profile: ideal", f"workload: {workload}", producer, f"run: {run}"]
        text = "\n".join([*parts, "stream: {shard_count: 1}", ""])
        source = ArrivalSource(parse(text, file="t.yaml", base_dir=tmp_path), replication)
        rows = Rows.concatenate([rows for _, _, rows in source.windows()])
        assert source.created == rows.count.sum() + source.in_producer
        return rows

    return offered


def trace(settings, more=""):
    return f"{{arrivals: {{model: trace, file: trace.csv, {settings}}}{more}}}"


def times(rows):
    return singles(rows).time_us.tolist()


# -- traces --


def test_records_at_their_own_times_with_their_own_columns(offered):
    rows = offered(
        trace("time: t, key: k, size: 2*n, log_events: n, work: 1ms*n"), "t,k,n\n100.5,a,3\n100.5,b,1\n101,a,0\n"
    )
    assert rows.time_us.tolist() == [0, 0, 500_000]
    assert rows.key.tolist() == [0, 1, 0]
    assert rows.key_bytes.tolist() == [1, 1, 1]
    assert rows.data_bytes.tolist() == [6, 2, 0]
    assert rows.body_bytes.tolist() == [6, 2, 0]
    assert rows.log_events.tolist() == [3, 1, 0]
    assert rows.cpu_us.tolist() == [3_000, 1_000, 0]
    assert rows.index.tolist() == [0, 1, 2]
    assert (rows.lag_us == 0).all()


def test_what_the_trace_does_not_give_comes_from_the_source(offered):
    rows = offered(
        trace("time: t", ", record_size: 700 B, log_events_per_record: 4, work: 2ms, partition_keys: constant"),
        "t\n0\n9\n",
    )
    assert rows.data_bytes.tolist() == [700, 700]
    assert rows.log_events.tolist() == [4, 4]
    assert rows.cpu_us.tolist() == [2_000, 2_000]
    assert rows.key.tolist() == [0, 0]


def test_the_end_of_the_run_and_of_the_source_are_open(offered):
    csv = "t\n" + "".join(f"{t}\n" for t in (0, 9.999999, 10, 3599.999999, 3600, 4000))
    assert times(offered(trace("time: t"), csv)) == [0, 9_999_999, 10 * SECOND, 3_599_999_999]
    assert times(offered(trace("time: t", ", start: 9.999999s, end: 10s"), csv)) == [9_999_999]


def test_copies_come_at_the_row_s_own_time_with_its_key(offered):
    rows = offered(trace("time: t, key: row, size: n, repeat: 3"), "t,n\n0,10\n1,20\n")
    assert times(rows) == [0, 0, 0, SECOND, SECOND, SECOND]
    assert singles(rows).data_bytes.tolist() == [10, 10, 10, 20, 20, 20]
    assert singles(rows).key.tolist() == [0, 0, 0, 1, 1, 1]


def test_bursts_come_at_the_start_of_their_period(offered):
    rows = offered(trace("time: t, count: n, shape: burst"), "t,n\n0,3\n60,0\n120,2\n")
    assert rows.time_us.tolist() == [0, 120 * SECOND]
    assert rows.count.tolist() == [3, 2]


@pytest.mark.parametrize("granularity", ["record", "1s"])
def test_even_periods_spread_their_records_exactly(offered, granularity):
    rows = offered(
        trace("row_period: 90s, count: n, shape: even", f", granularity: {granularity}"), "n\n7\n0\n1\n100000\n"
    )
    expected = [i * 90 * SECOND // 7 for i in range(7)]
    expected += [180 * SECOND] + [270 * SECOND + i * 90 * SECOND // 100_000 for i in range(100_000)]
    assert times(rows) == expected
    assert (rows.time_us // (60 * SECOND) == record_time_us(rows, rows.count - 1) // (60 * SECOND)).all()


@pytest.mark.parametrize("granularity", ["record", "1s"])
def test_poisson_periods_keep_their_totals_and_fill_them_evenly(offered, granularity):
    csv = "n,b\n4000,80000\n0,0\n6000,60000\n"
    rows = offered(trace("row_period: 90s, count: n, bytes: b, shape: poisson", f", granularity: {granularity}"), csv)
    at = np.array(times(rows))
    assert np.bincount(at // (90 * SECOND)).tolist() == [4_000, 0, 6_000]
    assert np.bincount(rows.time_us // (90 * SECOND), weights=rows.data_bytes).tolist() == [80_000, 0, 60_000]
    tenths = np.bincount(at % (90 * SECOND) // (9 * SECOND), minlength=10)
    assert ((tenths - 1_000) ** 2 / 1_000).sum() < 27.9  # chi-square, 9 degrees of freedom: 0.1 % false alarms


def test_poisson_periods_differ_between_replications_only(offered):
    load = trace("row_period: 60s, count: n, shape: poisson")
    one, again, other = (times(offered(load, "n\n50\n50\n", replication=r)) for r in (0, 0, 1))
    assert one == again
    assert one != other
    assert one[:50] == times(offered(load, "n\n50\n50\n50\n"))[:50]


def test_bytes_per_period_become_records_of_the_given_size(offered):
    rows = offered(trace("row_period: 60s, bytes: b, scale: 10", ", record_size: 400 B"), "b\n100\n100\n100\n100\n")
    assert rows.count.tolist() == [2, 3, 2, 3]
    assert rows.data_bytes.tolist() == [800, 1200, 800, 1200]


def test_cloudwatch_minutes(offered, tmp_path):
    (tmp_path / "m.json").write_text(
        '{"MetricDataResults": [{"Id": "n", "Timestamps": ["2026-11-20T10:03:00Z", "2026-11-20T10:00:00Z"], '
        '"Values": [2.0, 3.0]}]}'
    )
    rows = offered("{arrivals: {model: trace, file: m.json, format: cloudwatch, row_period: 60s}}")
    assert times(rows) == [0, 20 * SECOND, 40 * SECOND, 180 * SECOND, 210 * SECOND]


@given(st.integers(1, 10**7), st.integers(1, 400), st.integers(0, 10**6))
def test_by_minute_is_the_even_row_itself(count, seconds, start):
    width = seconds * SECOND
    row = replace(
        Rows.empty(1), count=np.array([count]), time_us=np.array([start]), data_bytes=np.array([count * 3 + 1])
    )
    row = replace(row, step_numerator=np.array([width]), step_denominator=np.array([count]))
    parts = by_minute(row)
    assert parts.count.sum() == count
    assert parts.data_bytes.sum() == count * 3 + 1
    last = record_time_us(parts, parts.count - 1)
    assert (parts.time_us // (60 * SECOND) == last // (60 * SECOND)).all()
    for at in (0, count // 2, count - 1):
        place = int(np.searchsorted(np.cumsum(parts.count), at, "right"))
        inside = at - int(np.cumsum(parts.count)[place] - parts.count[place])
        one = parts.take(slice(place, place + 1))
        assert record_time_us(one, np.array([inside]))[0] == start + at * width // count


def test_periods_of_very_many_records_are_exact(offered):
    rows = offered(trace("row_period: 2h, count: n, scale: 1e9", ", granularity: 1s"), "n\n70\n", run="{duration: 2h}")
    assert rows.count.sum() == 70 * 10**9
    assert rows.count.max() <= 1 << 20
    assert rows.time_us[0] == 0
    assert record_time_us(rows, rows.count - 1)[-1] == 7_200 * SECOND - 1


def test_a_broken_trace_is_an_error_before_anything_runs(offered, tmp_path):
    with pytest.raises(ConfigError) as caught:
        offered(trace("time: t, size: n"), "t,n\n0,1\n7200,x\n")
    assert "row 2, column n: got 'x'" in str(caught.value)


def test_all_traces_of_a_workload_are_checked(tmp_path):
    (tmp_path / "a.csv").write_text("t\n1\n0\n")
    arrivals = {name: {"model": "trace", "file": f"{name}.csv", "time": "t"} for name in ("a", "b")}
    sources = {name: Source.model_validate({"arrivals": model}) for name, model in arrivals.items()}
    sources["c"] = Source.model_validate({"arrivals": {"model": "poisson", "rate": 1}})
    found = trace_problems(sources, tmp_path)
    assert [p.message.split(":")[0] for p in found] == ["row 2 goes back in time", str(tmp_path / "b.csv")]
    assert found[1].path == "workload.sources.b.arrivals.file"


def test_what_a_trace_lacks_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("t,n\n0,1\n60,1\n240,2\n")
    arrivals = {"model": "trace", "file": "a.csv", "time": "t", "count": "n"}
    workload = f"{{arrivals: {json.dumps(arrivals)}}}"
    text = f"kinsim: 1\nname: x\nworkload: {workload}\nfunction: {{duration: 1ms}}\nrun: {{duration: 1h}}\n"
    assert trace_notes(parse(text, base_dir=tmp_path)) == ["a.csv: 2 of 5 periods of 1m have no row and count as 0"]


# -- flow logs --


def flow_logs(settings):
    return f"{{arrivals: {{model: vpc_flow_logs, publish_delay: 0s, aggregation_interval: 10m, {settings}}}}}"


DIRECT = "producer: {model: direct}"


def test_aligned_intervals_end_together_from_the_start_of_the_run(offered):
    rows = offered(flow_logs("interfaces: 3, lines_per_interface: 5, phase: aligned"), producer=DIRECT)
    assert rows.time_us.tolist() == sorted([k * 600 * SECOND for k in range(6)] * 3)
    assert rows.key.tolist() == [0, 1, 2] * 6
    assert rows.log_events.tolist() == [5] * 18
    assert rows.data_bytes.tolist() == [555] * 18
    assert (rows.lag_us == 0).all()


def test_random_phases_are_kept(offered):
    rows = offered(flow_logs("interfaces: 200, lines_per_interface: 5, phase: random"), producer=DIRECT)
    assert len(rows) == 200 * 6
    of_first = rows.time_us[rows.key == 0]
    assert (np.diff(of_first) == 600 * SECOND).all()
    assert np.histogram(rows.time_us, 12, (0, 3600 * SECOND))[0].min() > 60


@pytest.mark.parametrize("delay", ["0s", "5m", "17m"])
def test_the_load_at_the_start_is_that_of_any_other_time(offered, delay):
    """What became due before the run is published in it; its age says so."""
    load = flow_logs("interfaces: 50, lines_per_interface: 5, phase: random").replace(
        "publish_delay: 0s", f"publish_delay: {delay}"
    )
    rows = offered(load, producer=DIRECT)
    assert len(rows) == 50 * 6
    assert (rows.time_us < 600 * SECOND).sum() == 50
    assert set(rows.lag_us.tolist()) == {{"0s": 0, "5m": 300, "17m": 1020}[delay] * SECOND}


def test_the_flush_brings_what_became_due_in_five_minutes(offered):
    rows = offered(flow_logs("interfaces: 400, lines_per_interface: 5, phase: five_min_flush"), producer=DIRECT)
    assert set(rows.time_us.tolist()) == {k * 300 * SECOND for k in range(12)}
    assert len(rows) == 400 * 6
    assert ((rows.lag_us >= 0) & (rows.lag_us < 300 * SECOND)).all()
    per_flush = np.bincount(rows.time_us // (300 * SECOND))
    assert per_flush[:2].sum() == 400
    assert per_flush[0::2].tolist() == [per_flush[0]] * 6
    assert per_flush.min() > 140


def test_several_intervals_of_a_flush_are_one_publication(offered):
    load = flow_logs("interfaces: 10, lines_per_interface: 7, phase: five_min_flush").replace("10m", "1m")
    rows = offered(load, producer=DIRECT)
    assert len(rows) == 10 * 12
    assert set(rows.log_events.tolist()) == {35}
    assert ((rows.lag_us >= 120 * SECOND) & (rows.lag_us < 180 * SECOND)).all()


def test_the_spread_delays_by_a_uniform_share(offered):
    load = flow_logs("interfaces: 2000, lines_per_interface: 1, phase: aligned, publish_spread: 100s")
    rows = offered(load, producer=DIRECT)
    after = rows.time_us % (600 * SECOND) / SECOND
    assert after.max() < 100
    assert after.mean() == pytest.approx(50, abs=1)
    assert (rows.lag_us == rows.time_us % (600 * SECOND)).all()
    assert (np.diff(rows.time_us) >= 0).all()


def test_an_interface_keeps_its_own_number_of_lines(offered):
    spread = "{distribution: lognormal, mean: 40, cv: 2}"
    rows = offered(flow_logs(f"interfaces: 3000, lines_per_interface: {spread}, phase: aligned"), producer=DIRECT)
    lines = np.zeros(3000)
    np.add.at(lines, rows.key, rows.log_events)
    assert lines.mean() / 6 == pytest.approx(40, rel=0.15)
    busy = int(lines.argmax())
    assert np.ptp(rows.log_events[rows.key == busy]) <= 1


def test_fractions_of_lines_add_up(offered):
    rows = offered(
        flow_logs("interfaces: 500, lines_per_interface: 0.25, phase: aligned"), run="{duration: 4h}", producer=DIRECT
    )
    assert rows.log_events.sum() == pytest.approx(500 * 24 * 0.25, abs=1)
    assert np.bincount(rows.key).tolist() == [6] * 500


def test_through_cloudwatch_logs_the_age_is_that_of_the_events(offered):
    """aws:V4, C1 to C8: an interface is a log stream, a publication one record."""
    load = flow_logs("interfaces: 20, lines_per_interface: 100, phase: aligned").replace(
        "publish_delay: 0s", "publish_delay: 2m"
    )
    rows = offered(load, producer="producer: {flush: 5s, delivery_delay: 60s}")
    assert set(rows.lag_us.tolist()) == {185 * SECOND}
    assert rows.time_us[0] == 185 * SECOND
    assert set(rows.data_bytes.tolist()) == {400 + 7_900}
    assert set(rows.body_bytes.tolist()) == {52_600}
    assert sorted(set(rows.key.tolist())) == list(range(20))


def test_names_are_new_in_each_replication(tmp_path):
    text = "kinsim: 1\nname: t\nprofile: ideal\nworkload: {}\nrun: {{duration: 1h}}\n".format(
        flow_logs("interfaces: 20, lines_per_interface: 1")
    )
    names = [ArrivalSource(parse(text, file="t.yaml", base_dir=tmp_path), r).keys(0).names for r in (0, 0, 1)]
    assert names[0] == names[1]
    assert not set(names[0]) & set(names[2])
    assert all(name.startswith("eni-") and name.endswith("-all") and len(name) == 25 for name in names[0])


@pytest.mark.parametrize("phase", ["aligned", "random", "five_min_flush"])
def test_a_longer_run_and_other_sources_change_nothing(offered, phase):
    spread = "{distribution: exponential, mean: 30}"
    one = f"interfaces: 40, lines_per_interface: {spread}, phase: {phase}, publish_spread: 20s"
    short, long = (offered(flow_logs(one), run=f"{{duration: {d}}}", producer=DIRECT) for d in ("1h", "3h"))
    for name in ("time_us", "key", "log_events", "lag_us", "hash_high"):
        assert getattr(long, name)[: len(short)].tolist() == getattr(short, name).tolist(), name
