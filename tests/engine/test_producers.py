"""What producers do to records before they first offer them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.engine.draws import generator
from kinsim.engine.pieces import cut, pieces, record_time_us, records_until, singles
from kinsim.engine.producers import Calls, Subscription, calls_of, flush_starts, producer_stage
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import KeyTable
from kinsim.system.producer import CallPlan, Producer
from kinsim.system.workload import Source

SECOND = 1_000_000


def context(producer, arrivals=None, seed=1, call_bytes=-1):
    model = Producer.model_validate(producer)
    source = Source.model_validate({"arrivals": arrivals or {"model": "poisson", "rate": 1}})
    return SimpleNamespace(
        producer=model,
        source=source,
        call_bytes=call_bytes,
        generator=lambda purpose, *entity: generator(seed, 0, purpose, "records", *entity),
    )


def rows_at(times_us, **columns):
    rows = Rows.empty(len(times_us))
    rows.time_us = np.array(times_us, np.int64)
    for name, values in columns.items():
        setattr(rows, name, np.broadcast_to(np.array(values, np.int64), len(rows)))
    return rows


def record_times(rows):
    return [
        int(t + (i * n + o) // d)
        for t, c, n, o, d in zip(
            rows.time_us, rows.count, rows.step_numerator, rows.step_offset, rows.step_denominator, strict=True
        )
        for i in range(c)
    ]


def run(stage, rows, window_us=10 * SECOND, until=None):
    """Drive a stage as the source does; the rows offered, and how many records wait after *until* (default: none)."""
    parts, start = [], 0
    while start < (until or 10**15):
        inside = rows.take((rows.time_us >= start) & (rows.time_us < start + window_us))
        parts.append(stage.window(inside, start, start + window_us))
        assert all(start <= t < start + window_us for t in parts[-1].time_us.tolist())
        start += window_us
        if until is None and start > rows.time_us.max(initial=0) and stage.waiting() == 0:
            break
    return Rows.concatenate(parts)


# -- rows cut into pieces --

some_rows = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 30), st.integers(0, 40), st.integers(1, 9), st.integers(0, 1000)),
    min_size=1,
    max_size=6,
)


def built(table):
    """Rows one after another; each from a gap, a count, a step and a total."""
    rows = Rows.empty(len(table))
    at = 0
    for i, (gap, count, numerator, denominator, total) in enumerate(table):
        at += gap
        rows.time_us[i], rows.count[i] = at, count
        rows.step_numerator[i], rows.step_denominator[i] = numerator, denominator
        rows.data_bytes[i] = total
        at += (count - 1) * numerator // denominator
    rows.index = np.cumsum(rows.count) - rows.count
    return rows


@given(some_rows, st.integers(1, 300))
def test_cut_rows_hold_the_same_records(table, every):
    rows = built(table)
    parts = cut(rows, every)
    assert record_times(parts) == record_times(rows)
    assert parts.data_bytes.sum() == rows.data_bytes.sum()
    assert (parts.time_us // every == record_time_us(parts, parts.count - 1) // every).all()
    assert (parts.count > 0).all()
    assert parts.index.tolist() == (np.cumsum(parts.count) - parts.count).tolist()


@given(some_rows)
def test_single_rows_hold_the_same_records(table):
    rows = built(table)
    one = singles(rows)
    assert one.time_us.tolist() == record_times(rows)
    assert one.data_bytes.sum() == rows.data_bytes.sum()
    assert one.index.tolist() == list(range(len(one)))


@given(some_rows, st.integers(-10, 2000))
def test_records_until_counts_those_before(table, time_us):
    rows = built(table)
    until = records_until(rows, np.full(len(rows), time_us))
    for i in range(len(rows)):
        assert until[i] == sum(t < time_us for t in record_times(rows.take(slice(i, i + 1))))


def test_large_totals_are_shared_without_overflow():
    row = rows_at([0], count=[10**9], data_bytes=[10**17 + 7])
    parts = pieces(row, np.array([0, 0]), np.array([0, 1]), np.array([1, 10**9]))
    assert parts.data_bytes.tolist() == [10**8, 10**17 + 7 - 10**8]


# -- calls of an application --


def calls(**settings):
    return call_stage({"model": "sdk", "api": "PutRecords", **settings})


def call_stage(settings):
    stage = producer_stage(context(settings), None)
    assert isinstance(stage, Calls)
    return stage


def test_direct_records_pass_unchanged():
    assert producer_stage(context({}), None) is None
    assert producer_stage(context({"model": "sdk", "api": "PutRecord"}), None) is None


def test_a_call_leaves_when_it_is_full_or_flushed():
    out = run(calls(batch_size=3, flush="1s"), rows_at([0, 100, 200, 300, 2 * SECOND, 2 * SECOND]))
    assert record_times(out) == [200, 200, 200, SECOND + 300, 3 * SECOND, 3 * SECOND]
    assert out.lag_us.tolist() == [200, 100, 0, SECOND, SECOND, SECOND]


def test_without_flush_time_records_of_one_instant_share_a_call():
    out = run(calls(batch_size=500, flush="0s"), rows_at([0, 0, 1, 5, 5]))
    assert record_times(out) == [0, 0, 1, 5, 5]
    assert (out.lag_us == 0).all()


def test_a_burst_is_cut_into_full_calls_and_a_rest():
    out = run(calls(batch_size=500, flush="100ms"), rows_at([7], count=[1_234], data_bytes=[12_340]))
    assert out.count.tolist() == [500, 500, 234]
    assert out.time_us.tolist() == [7, 7, 100_007]
    assert out.data_bytes.tolist() == [5_000, 5_000, 2_340]


def test_the_put_latency_is_added_and_kept_within_minutes():
    spread = replace(rows_at([0], count=[60]), step_numerator=np.array([SECOND]))
    out = run(call_stage({"model": "sdk", "put_latency": "1500ms"}), spread, window_us=60 * SECOND)
    assert record_times(out) == [i * SECOND + 1_500_000 for i in range(60)]
    assert out.count.tolist() == [59, 1]
    assert (out.lag_us == 1_500_000).all()


def test_a_put_latency_that_varies_may_change_the_order():
    latency = {"distribution": "uniform", "low": "0s", "high": "1s"}
    stage = call_stage({"model": "sdk", "put_latency": latency})
    out = run(stage, rows_at(range(0, 10 * SECOND, 10_000), index=range(1000)))
    assert (np.diff(out.time_us) >= 0).all()
    assert (np.diff(out.index) < 0).any()
    assert sorted(out.index.tolist()) == list(range(1000))
    assert out.lag_us.mean() == pytest.approx(500_000, rel=0.1)


@given(
    table=some_rows,
    size=st.integers(2, 7),
    flush_us=st.integers(0, 300),
    windows=st.tuples(st.sampled_from([50, 100, 1000]), st.sampled_from([200, 5000])),
)
def test_calls_keep_all_records_and_windows_make_no_difference(table, size, flush_us, windows):
    def offered(window_us):
        rows = cut(built(table), window_us)
        stage = call_stage({"model": "sdk", "api": "PutRecords", "batch_size": size, "flush": f"{flush_us}us"})
        return run(stage, rows, window_us)

    rows, out = built(table), offered(windows[0])
    assert out.data_bytes.sum() == rows.data_bytes.sum()
    waits = np.array(record_times(out)) - np.array(record_times(rows))
    assert ((waits >= 0) & (waits <= flush_us)).all()
    assert record_times(offered(windows[1])) == record_times(out)


@given(table=some_rows, size=st.integers(2, 7), flush_us=st.integers(0, 300))
def test_rows_of_several_records_make_the_same_calls_as_their_records(table, size, flush_us):
    def offered(rows):
        settings = {"model": "sdk", "api": "PutRecords", "batch_size": size, "flush": f"{flush_us}us"}
        return record_times(run(call_stage(settings), cut(rows, 1000), 1000))

    assert offered(built(table)) == offered(singles(built(table)))


def test_a_record_at_the_very_end_of_the_flush_goes_with_it_whatever_the_window():
    for window_us in (SECOND, 10 * SECOND):
        out = run(calls(batch_size=9, flush="1s"), rows_at([0, SECOND, SECOND + 1]), window_us)
        assert record_times(out) == [SECOND, SECOND, 2 * SECOND + 1]


def test_calls_that_are_not_sent_wait():
    stage = calls(batch_size=3, flush="10s")
    assert record_times(run(stage, rows_at([0, 0, 0, 5, 6]), window_us=SECOND, until=2 * SECOND)) == [0, 0, 0]
    assert stage.waiting() == 2


def heavy_calls(call_bytes, **settings):
    stage = producer_stage(context({"model": "sdk", "api": "PutRecords", **settings}, call_bytes=call_bytes), None)
    assert isinstance(stage, Calls)
    return stage


def test_a_call_is_full_when_the_next_record_does_not_fit_its_bytes():
    """aws:W10, keys included: 40 + 60 B fill a call of 100 B; it leaves when the third record comes."""
    rows = rows_at([0, 100, 200, 300], data_bytes=[30, 50, 10, 90], key_bytes=[10])
    out = run(heavy_calls(100, flush="1s"), rows)
    assert record_times(out) == [200, 200, 300, SECOND + 300]


def test_a_call_that_its_bytes_fill_exactly_waits_for_the_flush():
    out = run(heavy_calls(100, flush="50us"), rows_at([0, 10, 60], data_bytes=[50, 50, 50]))
    assert record_times(out) == [50, 50, 110]


def test_a_burst_of_large_records_is_cut_by_bytes():
    """Five MiB hold 52 records of 100,000 B: 250 leave in four full calls and 42 with the flush."""
    burst = rows_at([0], count=[250], data_bytes=[250 * 100_000])
    out = run(heavy_calls(5 * 2**20, flush="1s"), burst)
    assert np.unique(record_times(out), return_counts=True)[1].tolist() == [208, 42]


@given(
    table=some_rows,
    weights=st.lists(st.integers(1, 60), min_size=6, max_size=6),
    most=st.integers(20, 200),
    size=st.integers(2, 7),
    flush_us=st.integers(0, 300),
)
def test_no_call_weighs_more_than_it_may(table, weights, most, size, flush_us):
    rows = built(table)
    rows.data_bytes = rows.count * np.array(weights)[: len(rows)]
    out = [
        run(heavy_calls(most, batch_size=size, flush=f"{flush_us}us"), cut(rows, window_us), window_us)
        for window_us in (50, 1000)
    ]
    assert record_times(out[0]) == record_times(out[1])
    plan = CallPlan(size, flush_us, most)
    single = singles(cut(rows, 10**9))
    numbers = list(range(len(single) + 1))
    ends, leave_us, _ = calls_of(single, numbers, plan, 10**12)
    held = np.add.reduceat(single.data_bytes, [0, *ends[:-1].tolist()])
    assert ((held <= most) | (np.diff(ends, prepend=0) == 1)).all()
    assert sorted(record_times(out[0])) == sorted(np.repeat(leave_us, np.diff(ends, prepend=0)).tolist())


# -- CloudWatch Logs --

FLOW = {"model": "vpc_flow_logs", "interfaces": 3, "lines_per_interface": 1}
KEYS = KeyTable.of(["eni-a", "eni-bb", "eni-ccc"])


def subscription(arrivals=FLOW, keys=KEYS, **settings):
    stage = producer_stage(context({"model": "cloudwatch_logs", **settings}, arrivals), keys)
    assert isinstance(stage, Subscription)
    return stage


def publications(*table):
    """Rows of (time, interface, lines, age of the lines)."""
    time_us, key, lines, lag_us = np.array(table).T
    return rows_at(time_us, key=key, log_events=lines, data_bytes=111 * lines, body_bytes=111 * lines, lag_us=lag_us)


def test_flow_logs_imply_the_subscription():
    assert isinstance(producer_stage(context({}, FLOW), KEYS), Subscription)


def test_a_flush_of_a_log_stream_is_one_record():
    """aws:C1 to C7, C14: sizes of 100 log events with extractedFields; the age is that of the events."""
    rows = publications((0, 1, 40, 300), (2 * SECOND, 0, 10, 500), (4 * SECOND, 1, 60, 300))
    out = run(subscription(flush="5s", delivery_delay="60s"), rows)
    assert out.time_us.tolist() == [65 * SECOND, 67 * SECOND]
    assert out.log_events.tolist() == [100, 10]
    assert out.data_bytes.tolist() == [400 + 7_900, 400 + 790]
    assert out.body_bytes.tolist() == [52_600, 5_260]
    assert out.key.tolist() == [1, 0]
    assert out.key_bytes.tolist() == [6, 5]
    own_us = [(40 * -300 + 60 * (4 * SECOND - 300)) // 100, 2 * SECOND - 500]
    assert (out.time_us - out.lag_us).tolist() == own_us
    assert out.index.tolist() == [0, 1]


def test_without_extracted_fields_records_are_smaller():
    plain = {**FLOW, "extracted_fields": False}
    out = run(subscription(plain), publications((0, 0, 1_000, 0)))
    assert out.data_bytes.tolist() == [230 + 50_000]
    assert out.body_bytes.tolist() == [216_000]


def test_a_large_flush_becomes_full_records_and_a_rest():
    out = run(subscription(max_log_events=1_000, delivery_delay="0s"), publications((0, 2, 2_500, 0)))
    assert out.log_events.tolist() == [1_000, 1_000, 500]
    assert out.time_us.tolist() == [5 * SECOND] * 3
    assert out.count.tolist() == [1, 1, 1]
    assert out.index.tolist() == [0, 1, 2]


def test_records_stay_below_the_largest_size():
    out = run(subscription(max_record_size="50 kB"), publications((0, 2, 25_000, 0)))
    assert out.log_events.sum() == 25_000
    assert out.data_bytes.max() <= 50_000
    assert out.data_bytes[0] + 79 > 50_000


def test_random_distribution_gives_random_keys():
    """aws:C6."""
    out = run(subscription(distribution="random"), publications((0, 0, 10, 0), (0, 1, 20, 0)))
    assert out.key.tolist() == [-1, -1]
    assert out.log_events.tolist() == [10, 20]


def test_records_without_log_streams_are_packed_together():
    rows = rows_at([0, SECOND, 2 * SECOND], log_events=[1], data_bytes=[300], cpu_us=[10])
    out = run(subscription({"model": "poisson", "rate": 1}, None, flush="5s"), rows)
    assert out.log_events.tolist() == [3]
    assert out.key.tolist() == [-1]
    assert out.cpu_us.tolist() == [30]
    assert out.body_bytes.tolist() == [3 * 105 + 900]


def test_a_log_event_at_the_very_end_of_the_flush_goes_with_it_whatever_the_window():
    for window_us in (5 * SECOND, 50 * SECOND):
        rows = publications((0, 0, 1, 0), (5 * SECOND, 0, 2, 0), (5 * SECOND + 1, 0, 4, 0))
        assert run(subscription(flush="5s"), rows, window_us).log_events.tolist() == [3, 4]


def test_a_record_due_at_the_end_of_a_window_is_offered_in_the_next():
    stage = subscription(flush="5s", delivery_delay="5s")
    assert not len(stage.window(publications((0, 0, 1, 0)), 0, 10 * SECOND))
    assert stage.waiting() == 1
    assert stage.window(Rows.empty(), 10 * SECOND, 20 * SECOND).time_us.tolist() == [10 * SECOND]


def test_events_not_yet_packed_are_counted_as_the_records_that_they_will_be():
    stage = subscription(max_log_events=10)
    stage.window(publications((8 * SECOND, 0, 25, 0), (9 * SECOND, 1, 5, 0)), 0, 10 * SECOND)
    assert stage.waiting() == 4


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 2), st.integers(1, 30), st.integers(0, 99)),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 60),
    st.integers(1, 25),
    st.sampled_from([50, 400]),
)
def test_no_log_event_is_lost_and_windows_make_no_difference(table, flush_us, most, window_us):
    table.sort(key=lambda row: row[0])
    times, *columns = zip(*table, strict=True)
    rows = publications(*zip(times, *columns, strict=True))

    def offered(window_us):
        stage = subscription(flush=f"{flush_us}us", max_log_events=most, delivery_delay="7us")
        return run(stage, rows, window_us)

    out = offered(window_us)
    assert out.log_events.sum() == rows.log_events.sum()
    assert out.log_events.max() <= most
    for key in range(3):
        assert out.log_events[out.key == key].sum() == rows.log_events[rows.key == key].sum()
    again = offered(1_000)
    for name in ("time_us", "log_events", "data_bytes", "body_bytes", "key", "lag_us", "index"):
        assert getattr(again, name).tolist() == getattr(out, name).tolist(), name


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), min_size=1, max_size=50), st.integers(0, 30))
def test_flushes_begin_where_the_last_one_is_over(pairs, flush_us):
    pairs.sort()
    stream, time_us = (np.array(column) for column in zip(*pairs, strict=True))
    expected, last = [], None
    for i, (of, at) in enumerate(pairs):
        if last is None or of != last[0] or at > last[1] + flush_us:
            last = (of, at)
            expected.append(i)
    assert flush_starts(stream, time_us, flush_us).tolist() == expected
