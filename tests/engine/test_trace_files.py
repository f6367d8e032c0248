"""Trace files: exact times, columns, totals, and every broken row named."""

from __future__ import annotations

import datetime
import gzip
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.engine import trace_files, trace_tables
from kinsim.engine.trace_files import open_trace
from kinsim.engine.trace_text import parse_times
from kinsim.errors import ConfigError
from kinsim.system.workload.trace import TraceArrivals

HEADER = "time,key,size,lines\n"


@pytest.fixture
def read(tmp_path):
    """Read text (or bytes) as a trace with the given settings; all chunks in one."""

    def read(content, record_bytes=None, file="trace.csv", **settings):
        path = tmp_path / file
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        trace = open_trace(
            TraceArrivals.model_validate({"model": "trace", "file": file, **settings}), tmp_path, record_bytes
        )
        return trace, list(trace.chunks())

    return read


def problems(read, content, **settings):
    with pytest.raises(ConfigError) as caught:
        read(content, **settings)
    return [(p.line, p.message) for p in caught.value.problems]


# -- times --


@given(
    us=st.lists(st.integers(-(10**15), 7 * 10**15), min_size=1, max_size=60),
    digits=st.integers(6, 9),
    zone=st.sampled_from(["", "Z", "+00:00", " UTC", "+05:30", "-0800"]),
    between=st.sampled_from("T "),
)
def test_iso_times_are_exact(us, digits, zone, between):
    minutes = {"+05:30": 330, "-0800": -480}.get(zone, 0)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    local = [epoch + datetime.timedelta(microseconds=each, minutes=minutes) for each in us]
    texts = [f"{t:%Y-%m-%d}{between}{t:%H:%M:%S.%f}{'0' * (digits - 6)}{zone}" for t in local]
    times = parse_times(texts)
    assert not times.bad.size
    assert times.since(0, 0).tolist() == us


@given(us=st.lists(st.integers(0, 7 * 10**15), min_size=1, max_size=40), digits=st.integers(6, 9))
def test_seconds_are_exact(us, digits):
    texts = [f"{each // 10**6}.{each % 10**6:06d}" + "0" * (digits - 6) for each in us]
    assert parse_times(texts).since(0, 0).tolist() == us


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0.0000005", 1),
        ("0.00000049", 0),
        ("-0.0000005", 0),
        ("1e-6", 1),
        ("1.5e3", 1_500_000_000),
        ("5.", 5_000_000),
        (".5", 500_000),
        ("2000000.0000015", 2_000_000_000_002),
        ("1700000000.1234565", 1_700_000_000_123_457),
        ("1970-01-01 00:00:00.0000005", 1),
        ("1970-01-01 00:00:00.00000049", 0),
        ("1970-01-01", 0),
        ("1970/01/01 00:01", 60_000_000),
        ("19700101T000001Z", 1_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2016-02-29 00:00:00,25", 1_456_704_000_250_000),
    ],
)
def test_times_round_half_up(text, us):
    assert parse_times([text]).since(0, 0).tolist() == [us]
    assert parse_times([text] * 30).since(0, 0).tolist() == [us] * 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "nan",
        "inf",
        "12:30",
        "2017-02-29",
        "2017-13-01",
        "2017-01-01 24:00:00",
        "1e400",
        "1" * 5000,
        "0x10",
    ],
)
def test_what_is_no_time(text):
    assert parse_times([text]).bad.tolist() == [0]
    assert parse_times(["2017-02-28 00:00:00", text]).bad.tolist() == [1]


@pytest.mark.parametrize("text", ["2016-02-30", "2017-02-29", "2016-03-32", "2016-04-31", "2016-00-10", "2016-01-00"])
def test_dates_that_the_calendar_does_not_have(text):
    assert parse_times(["2016-02-29"] * 30 + [text]).bad.tolist() == [30]


def test_rows_laid_out_differently_are_read_one_by_one():
    texts = [f"2017-01-01 00:00:{s:02d}.5" for s in range(60)] + ["2017-01-01T00:01:00.5", "2017-01-01 00:01:01"]
    expected = [s * 1_000_000 + 500_000 for s in range(61)] + [61_000_000]
    assert parse_times(texts).since(1_483_228_800, 0).tolist() == expected


# -- one row per record --


def test_records_with_all_columns(read):
    text = HEADER + "10.5,a,100,1\n10.75,b,200.5,3\n10.75,a,0,2\n"
    trace, [chunk] = read(text, time="time", key="key", size="size", log_events="lines", work="0.001*size + 2us*lines")
    assert chunk.time_us.tolist() == [0, 250_000, 250_000]
    assert chunk.key == ["a", "b", "a"]
    assert chunk.data_bytes.tolist() == [100, 201, 0]
    assert chunk.log_events.tolist() == [1, 3, 2]
    assert chunk.cpu_us.tolist() == [100_002, 200_506, 4]
    assert (trace.rows, trace.records, trace.last_us, trace.peak_records) == (3, 3, 250_000, 3)


def test_the_row_as_key(read):
    _, [chunk] = read("t\n1\n2\n", time="t", key="row")
    assert list(chunk.key) == [0, 1]


def test_a_column_called_row_is_a_column(read):
    _, [chunk] = read("t,row\n1,x\n2,y\n", time="t", key="row")
    assert chunk.key == ["x", "y"]


def test_rows_without_usable_time(read):
    _, [chunk] = read("n\n5\n6\n7\n", row_period="300s", size="n")
    assert chunk.time_us.tolist() == [0, 300_000_000, 600_000_000]


@pytest.mark.parametrize("size", [1, 3, 50_000])
def test_chunks_make_no_difference(read, monkeypatch, size):
    monkeypatch.setattr(trace_tables, "CHUNK_ROWS", size)
    trace_files._opened.cache_clear()
    text = "t,n\n" + "".join(f"{i * 1.25},{i % 7}.3\n" for i in range(20))
    trace, chunks = read(text, time="t", count="n", shape="burst")
    assert [c.first_row for c in chunks] == list(range(0, 20, size))
    assert np.concatenate([c.time_us for c in chunks]).tolist() == [1_250_000 * i for i in range(20)]
    exact = [sum(10 * (j % 7) + 3 for j in range(i)) // 10 for i in range(21)]
    assert np.concatenate([c.count for c in chunks]).tolist() == np.diff(exact).tolist()
    assert (trace.records, trace.rows, trace.period_us) == (exact[-1], 20, 1_250_000)


def test_large_files_are_read_again_and_not_kept(read, monkeypatch):
    monkeypatch.setattr(trace_tables, "CHUNK_ROWS", 10)
    monkeypatch.setattr(trace_files, "KEPT_BYTES", 100)
    trace_files._opened.cache_clear()
    trace, chunks = read("t\n" + "".join(f"{i}\n" for i in range(35)), time="t")
    assert trace._kept is None
    assert [len(c) for c in chunks] == [10, 10, 10, 5]
    assert [len(c) for c in trace.chunks()] == [10, 10, 10, 5]


@pytest.mark.parametrize(
    "content",
    [
        "t,n\n1,2\n2,3\n",
        "t;n\n1;2\n2;3\n",
        "t\tn\r\n1\t2\r\n2\t3\r\n",
        "\ufefft,n\n1,2\n2,3",
        '"t","n"\n"1","2"\n\n"2","3"\n\n',
        " t , n \n1, 2\n2,3 \n",
        gzip.compress(b"t,n\n1,2\n2,3\n", mtime=0),
    ],
)
def test_common_dialects(read, content):
    _, [chunk] = read(content, time="t", size="n")
    assert chunk.time_us.tolist() == [0, 1_000_000]
    assert chunk.data_bytes.tolist() == [2, 3]


# -- totals per period --


def test_counts_and_bytes_per_period(read):
    trace, [chunk] = read("t,n,b\n0,2,300\n60,0,0\n180,1,50\n", time="t", count="n", bytes="b", scale=10)
    assert chunk.count.tolist() == [20, 0, 10]
    assert chunk.data_bytes.tolist() == [3000, 0, 500]
    assert trace.period_us == 60_000_000
    assert trace.notes == ["1 of 4 periods of 1m have no row and count as 0"]


def test_bytes_become_records_and_the_remainder_goes_on(read):
    trace, [chunk] = read("b\n1000.5\n999.5\n3\n4997\n", row_period="1s", bytes="b", record_bytes=300.0)
    assert chunk.count.tolist() == [3, 3, 0, 17]
    assert trace.records == 7000 // 300


@given(
    st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=50),
    st.sampled_from([1.0, 2.5, 1000.0, 1_048_576.0]),
)
def test_no_byte_is_lost_or_made(amounts, record_bytes):
    carry = trace_files._Carry(round(record_bytes * 1_000_000))
    counts = np.concatenate([carry.whole(np.array(part)) for part in (amounts[:7], amounts[7:]) if part])
    left = sum(amounts) - counts.sum() * record_bytes
    assert -1e-3 <= left < record_bytes + 1e-3


def test_the_period_may_be_given(read):
    trace, _ = read("t,n\n0,1\n600,1\n", time="t", count="n", row_period="300s")
    assert trace.period_us == 300_000_000
    assert trace.notes == ["1 of 3 periods of 5m have no row and count as 0"]


def test_repeat_multiplies_a_period(read):
    _, [chunk] = read("n\n2\n", row_period="1s", count="n", repeat=3)
    assert chunk.count.tolist() == [6]


# -- CloudWatch --


def answer(**series):
    """A get-metric-data answer: newest first, as CloudWatch gives it."""
    results = []
    for name, points in series.items():
        stamps = [f"2026-11-20T10:{minute:02d}:00+00:00" for minute in sorted(points, reverse=True)]
        values = [points[minute] for minute in sorted(points, reverse=True)]
        results.append(
            {"Id": name, "Label": name.upper(), "Timestamps": stamps, "Values": values, "StatusCode": "Complete"}
        )
    return json.dumps({"MetricDataResults": results, "Messages": []})


def test_cloudwatch_minutes_that_are_missing_count_as_zero_and_are_named(read):
    trace, [chunk] = read(answer(n={0: 60, 1: 30.0, 3: 90, 7: 1}), file="m.json")
    assert chunk.time_us.tolist() == [0, 60_000_000, 180_000_000, 420_000_000]
    assert chunk.count.tolist() == [60, 30, 90, 1]
    assert trace.period_us == 60_000_000
    assert trace.notes == ["4 of 8 periods of 1m have no row and count as 0"]


def test_cloudwatch_counts_and_bytes_by_id_or_label(read):
    _, [chunk] = read(answer(n={0: 2, 5: 4}, b={0: 500, 5: 700}), file="m.json", count="n", bytes="B")
    assert chunk.count.tolist() == [2, 4]
    assert chunk.data_bytes.tolist() == [500, 700]


def test_cloudwatch_bytes_alone(read):
    _, [chunk] = read(answer(b={0: 500, 5: 700}), file="m.json", bytes="b", record_bytes=100.0)
    assert chunk.count.tolist() == [5, 7]


def test_cloudwatch_statistics(read):
    points = [{"Timestamp": f"2017-11-20T10:0{m}:00Z", "Sum": s, "Unit": "Count"} for m, s in ((5, 3.0), (0, 2.0))]
    trace, [chunk] = read(json.dumps({"Label": "IncomingRecords", "Datapoints": points}), file="m.json")
    assert chunk.count.tolist() == [2, 3]
    assert trace.period_us == 300_000_000


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("{", {}, "is not JSON"),
        ("[" * 100_000, {}, "nested too deeply"),
        ("{}", {}, "holds no list MetricDataResults"),
        ("[]", {}, "holds no list MetricDataResults"),
        ('{"MetricDataResults": [3]}', {}, "holds no list MetricDataResults"),
        ('{"MetricDataResults": []}', {}, "holds no metric"),
        (answer(n={}), {}, "the metric has no data points"),
        (answer(n={0: 1}, b={0: 1}), {}, "the file holds several metrics"),
        (answer(n={0: 1, 1: 2}), {"count": "m"}, "count: there is no metric 'm'"),
        (answer(n={0: -1, 1: 2}), {}, "point 2 (2026-11-20T10:00:00+00:00): got '-1', which is negative"),
        (answer(n={0: float("nan"), 1: 2}), {}, "got 'nan', not a finite number"),
        (answer(n={0: "3", 1: 2}), {}, "got '3', not a number"),
        (answer(n={0: True, 1: 2}), {}, "got 'True', not a number"),
        (answer(n={0: 1}), {}, "one row does not tell how long its period is"),
        (answer(n={0: 1, 2: 2}).replace("10:02", "10:00"), {}, "occurs twice"),
        (answer(n={0: 1, 1: 2}).replace("2026-11-20T10:01", "then"), {}, "not a time"),
        (answer(n={0: 1, 1: 2}).replace("Complete", "InternalError"), {}, "CloudWatch answered InternalError"),
        (answer(n={0: 1, 1: 2, 3: 1}), {"row_period": "5m"}, "not whole periods of 5m apart"),
        ('{"MetricDataResults": [{"Id": "n", "Timestamps": [], "Values": [1]}]}', {}, "not lists of one length"),
        ('{"Datapoints": [{"Timestamp": "2017-11-20T10:00:00Z", "Average": 1}]}', {}, "a data point has no Sum"),
        (b"\xff\xfe\x00", {}, "is not JSON"),
    ],
)
def test_cloudwatch_answers_that_are_broken(read, content, settings, message):
    assert any(message in text for _, text in problems(read, content, file="m.json", **settings))


def test_paged_answers_are_named(read):
    trace, _ = read(answer(n={0: 1, 1: 2}).replace('"Messages"', '"NextToken": "x", "Messages"'), file="m.json")
    assert "NextToken" in trace.notes[0]


# -- problems --


def test_every_broken_row_is_named_with_its_line(read):
    text = HEADER + "1,a,5,1\n1,b,x,1\n2,c,nan,1\n0.5,d,-3,1\n3,e\n4,f,1,1,9\nsoon,g,1,1\n5,,1,1e12\n"
    assert problems(read, text, time="time", key="key", size="size", log_events="lines") == [
        (3, "row 2, column size: got 'x', not a finite number"),
        (4, "row 3, column size: got 'nan', not a finite number"),
        (5, "row 4 goes back in time: '0.5' after '2'"),
        (5, "row 4, column size: got '-3', which is negative"),
        (6, "row 5 has too few cells: 2 for 4 columns"),
        (7, "row 6 has too many cells: 5 for 4 columns"),
        (8, "row 7, column time: got 'soon', not a time"),
        (9, "row 8, column lines: got '1e12', more than 1e+09"),
        (9, "row 8, column key: the key is empty"),
    ]


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("t,n\n", {"time": "t"}, [(0, "trace.csv has no rows")]),
        ("\n", {"time": "t"}, [(1, "time: there is no column 't'")]),
        (
            "t,n\n1,2\n",
            {"time": "x", "size": "n + m"},
            [(1, "time: there is no column 'x'"), (1, "size: there is no column 'm'")],
        ),
        ("t,t\n1,2\n", {"time": "t"}, [(1, "time: the file has 2 columns 't'")]),
        ("1,2\n3,4\n", {"time": "t"}, [(1, "time: the first line holds numbers, not names of columns")]),
        ("t,a,b\n1,1,0\n", {"time": "t", "size": "a/b"}, [(2, "row 1, a/b: got 'inf', not a finite number")]),
        ("t,a,b\n1,0,0\n", {"time": "t", "work": "a/b"}, [(2, "row 1, a/b: got 'nan', not a finite number")]),
        ("t,n\n2,1\n1,1\n", {"time": "t", "count": "n"}, [(3, "row 2 goes back in time: '1' after '2'")]),
        ("t,n\n1,1\n1,1\n", {"time": "t", "count": "n"}, [(3, "row 2 has the time of the row before it: '1'")]),
        ("t,n\n1,1\n", {"time": "t", "count": "n"}, [(0, "one row does not tell how long its period is")]),
        ("n\n1\n-1\n", {"row_period": "1s", "count": "n"}, [(3, "row 2, column n: got '-1', which is negative")]),
        ("n\n1\n", {"row_period": "1s", "bytes": "n"}, [(0, "bytes per period need the size of a record")]),
        ("n\n1e11\n", {"row_period": "1s", "count": "n", "scale": 100}, [(2, "row 1 has more than 10^12 records")]),
        (
            "t,n\n0,1\n60,1\n",
            {"time": "t", "count": "n", "row_period": "5m"},
            [(0, "rows follow each other after 1m, but row_period is 5m")],
        ),
        ('t,n\n1,"2\n', {"time": "t"}, [(0, "after row 0: unexpected end of data")]),
        ("t\n" + "9" * 2_000_000, {"time": "t"}, [(0, "after row 0: a line is longer than a million characters")]),
        ("t,k\n1," + "x" * 300 + "\n", {"time": "t", "key": "k"}, [(2, "row 1, column k: the key has 300 characters")]),
        ("t\n1600000000000\n", {"time": "t"}, [(2, "row 1, column t: got '1600000000000', not a time")]),
        (b"t,n\n1,2\n2,\xe9\n", {"time": "t"}, [(3, "is not UTF-8 text (byte 0xe9)")]),
        ("t\n1\n".encode("utf-16"), {"time": "t"}, [(1, "is not UTF-8 text (byte 0xff)")]),
        (gzip.compress(b"t\n1\n" * 9, mtime=0)[:-9], {"time": "t"}, None),
    ],
)  # fmt: skip
def test_broken_files(read, text, settings, expected):
    found = problems(read, text, **settings)
    if expected is None:
        assert "the compressed file is damaged" in found[0][1]
    else:
        assert found == expected


def test_advice(read):
    with pytest.raises(ConfigError) as caught:
        read("timestamp,n\n1,2\n", time="timestmp")
    assert "did you mean 'timestamp'?" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        read("t,n\n1700000000000,2\n", time="t")
    assert "milliseconds" in str(caught.value)


def test_many_problems_are_counted_and_twenty_are_shown(read):
    with pytest.raises(ConfigError) as caught:
        read("t,n\n" + "".join(f"{i},x\n" for i in range(700)), time="t", size="n")
    assert len(caught.value.problems) == 700
    text = str(caught.value)
    assert text.count("not a finite number") == 20
    assert "and 680 more" in text


def test_a_hopeless_file_is_given_up(read):
    with pytest.raises(ConfigError) as caught:
        read("t,n\n" + "".join(f"{i},x\n" for i in range(12_000)), time="t", size="n")
    assert len(caught.value.problems) == 10_000


def test_line_numbers_are_left_out_where_rows_are_not_lines(read):
    assert problems(read, "t,n\n1,2\n\n\n2,x\n", time="t", size="n") == [
        (0, "row 2, column n: got 'x', not a finite number")
    ]


@pytest.mark.parametrize("name", ["", "missing.csv", "x" * 100_000, "nul\0.csv"])
def test_files_that_are_not_there(tmp_path, name):
    settings = TraceArrivals.model_validate({"model": "trace", "file": name or ".", "time": "t"})
    with pytest.raises(ConfigError) as caught:
        open_trace(settings, tmp_path, place="workload.arrivals")
    assert caught.value.problems[0].path == "workload.arrivals.file"
    assert len(str(caught.value)) < 2_000


def test_parquet_needs_pyarrow(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="need pyarrow, which is not installed"):
        read(b"PAR1", file="a.parquet", time="t")
