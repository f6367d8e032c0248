"""The shard log against the same records written out one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import Rows

ROW = st.tuples(
    st.integers(0, 40),  # gap to the row before
    st.integers(1, 6),  # records
    st.integers(0, 9),  # width over which they are spread
    st.integers(0, 5),  # bytes of each
)


def rows_of(specification: list[tuple[int, int, int, int]], start_us: int) -> Rows:
    rows = Rows.empty(len(specification))
    at_us = start_us
    for row, (gap, count, width, size) in enumerate(specification):
        at_us += gap
        rows.time_us[row], rows.count[row], rows.data_bytes[row] = at_us, count, count * size
        if width:
            rows.step_numerator[row], rows.step_denominator[row] = width, count
        at_us += width
    return rows


def written_out(rows: Rows) -> list[tuple[int, int]]:
    """(arrival, bytes) of each record."""
    records = []
    for row in range(len(rows)):
        for i in range(int(rows.count[row])):
            moved = (i * rows.step_numerator[row] + rows.step_offset[row]) // rows.step_denominator[row]
            records.append((int(rows.time_us[row] + moved), int(rows.data_bytes[row] // rows.count[row])))
    return records


@given(st.lists(st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_log_answers_as_the_records_written_out(windows, data):
    log, records, start_us = ShardLog(), [], 0
    for window in windows:
        rows = rows_of(window, start_us)
        log.append(rows)
        records += written_out(rows)
        start_us = records[-1][0] + 1
    assert log.end == len(records)
    first = data.draw(st.integers(0, len(records)))
    end = data.draw(st.integers(first, len(records)))
    total = data.draw(st.integers(0, 60))
    time_us = data.draw(st.integers(0, start_us + 5))
    sizes = [size for _, size in records]
    assert [log.arrival_us(i) for i in range(len(records))] == [arrival for arrival, _ in records]
    assert log.arrived_by(time_us) == sum(arrival <= time_us for arrival, _ in records)
    assert log.amount("data_bytes", first, end) == sum(sizes[first:end])
    fits = first
    while fits < len(records) and sum(sizes[first : fits + 1]) <= total:
        fits += 1
    assert log.within("data_bytes", first, total) == fits
    pieces = log.pieces(first, end)
    assert int(pieces.count.sum()) == end - first
    assert int(pieces.data_bytes.sum()) == sum(sizes[first:end])
    spread = [
        int(pieces.time_us[p] + (i * pieces.step_numerator[p] + pieces.step_offset[p]) // pieces.step_denominator[p])
        for p in range(pieces.count.size)
        for i in range(int(pieces.count[p]))
    ]
    assert spread == [arrival for arrival, _ in records[first:end]]


def test_forgotten_records_keep_the_numbers_of_the_rest():
    log = ShardLog()
    for start_us in (0, 100, 200):
        log.append(rows_of([(0, 3, 0, 7)], start_us))
    log.forget(5)
    assert log.arrival_us(5) == 100
    log.forget(6)
    assert (log.end, log.arrival_us(6), log.arrived_by(50), log.arrived_by(300)) == (9, 200, 6, 9)
    log.forget(9)
    assert log.arrived_by(10**9) == 9
    log.append(rows_of([(0, 1, 0, 7)], 300))
    assert log.arrival_us(9) == 300


def test_totals_of_unequal_records_are_shared_linearly():
    rows = Rows.empty(2)
    rows.time_us[:] = 0, 5
    rows.count[:] = 3, 1
    rows.data_bytes[:] = 10, 4
    log = ShardLog()
    log.append(rows)
    assert [log.amount("data_bytes", 0, n) for n in range(5)] == [0, 3, 6, 10, 14]
    assert np.array_equal(log.pieces(1, 4).data_bytes, [7, 4])
