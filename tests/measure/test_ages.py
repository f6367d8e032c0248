"""The age of the oldest record waiting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinsim.measure.ages import CatchUp, Teeth, oldest
from kinsim.measure.stretches import MINUTE_US

S = 1_000_000


def teeth(*rows):
    """Rows of (start, end, arrival, shard) in seconds."""
    table = np.array(rows, np.int64).reshape(-1, 4).T
    return Teeth(table[0] * S, table[1] * S, table[2] * S, table[3])


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 20), st.integers(0, 3)),
        min_size=1,
        max_size=15,
    )
)
def test_the_oldest_of_all_shards_at_each_instant(rows):
    pieces = teeth(*[(start, start + length, start - age, shard) for start, length, age, shard in rows])
    whole = oldest(pieces)
    found = {}
    for start, end, arrival in zip(whole.start_us, whole.end_us, whole.arrival_us, strict=True):
        for t in range(start // S, end // S):
            assert t not in found
            found[t] = arrival // S
    expected = {}
    for start, length, age, _ in rows:
        for t in range(start, start + length):
            expected[t] = min(expected.get(t, 10**9), start - age)
    assert found == expected


def test_area_and_peaks_by_minute():
    """From 50 s to 130 s a record waits that arrived at 40 s."""
    pieces = teeth((50, 130, 40, 0))
    assert pieces.areas().tolist() == [80 * S * (10 + 90) / 2 * S]
    _, minute, age = pieces.minute_peaks()
    assert minute.tolist() == [0, 1, 2]
    assert age.tolist() == [20 * S, 80 * S, 90 * S]


def test_a_piece_that_ends_with_a_minute_does_not_touch_the_next():
    _, minute, age = teeth((50, 60, 40, 0)).minute_peaks()
    assert (minute.tolist(), age.tolist()) == ([0], [20 * S])
    _, minute, _ = Teeth(*(np.array([x]) for x in (MINUTE_US, MINUTE_US, MINUTE_US, 0))).minute_peaks()
    assert minute.tolist() == [1]


def test_after_the_warm_up():
    late = teeth((0, 10, 0, 0), (10, 30, 5, 0)).after(20 * S)
    assert (late.start_us.tolist(), late.end_us.tolist()) == ([20 * S], [30 * S])


def test_catching_up_is_counted_from_the_record_that_waited_too_long():
    """Limit 60 s: the record of 100 s is too old from 160 s on; at 200 s the oldest is of 150 s and young enough."""
    catch_up = CatchUp(60 * S)
    took, at = catch_up.advance(teeth((0, 50, 0, 0), (100, 200, 100, 0), (200, 205, 150, 0)))
    assert (took.size, at.size) == (0, 0)
    took, at = catch_up.advance(teeth((300, 420, 290, 0), (420, 430, 350, 0)))
    assert (took.tolist(), at.tolist()) == ([100 * S], [200 * S])  # closed by the next one
    assert catch_up.finish(500 * S) == (140 * S, 430 * S, False)
    assert CatchUp(0).finish(1) is None


def test_an_open_stretch_goes_on_over_windows_and_may_be_unfinished():
    catch_up = CatchUp(0)
    catch_up.advance(teeth((10, 20, 10, 0)))
    took, _ = catch_up.advance(teeth((20, 30, 12, 0)))
    assert took.size == 0
    assert catch_up.finish(30 * S) == (20 * S, 30 * S, True)
