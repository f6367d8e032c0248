"""Stretches of records: counted, cut and summed as if each record were there."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinsim.measure.stretches import LINE_BITS, Stretches, exact_dot, floor_sum, per_batch

rows = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 1000), st.integers(0, 50), st.integers(0, 20), st.integers(1, 9)),
    min_size=1, max_size=6,
)  # fmt: skip


def stretches(specification, shard=0):
    count, gap, numerator, offset, denominator = np.array(specification, np.int64).T
    time_us = np.cumsum(gap + 40 * 30)  # far enough apart not to overlap
    first = np.cumsum(count) - count
    shards = np.full(count.size, shard, np.int64)
    return Stretches(shards, first, count, time_us, numerator, offset, denominator, totals={"bytes": count * 7 + 1})


def each(rows):
    """(number, arrival) of every record."""
    return [
        (int(f) + i, int(t) + (i * int(a) + int(o)) // int(d))
        for f, n, t, a, o, d in zip(
            rows.first, rows.count, rows.time_us, rows.numerator, rows.offset, rows.denominator, strict=True
        )
        for i in range(int(n))
    ]  # fmt: skip


@given(rows)
def test_sums_and_expansion_agree_with_record_by_record(specification):
    them = stretches(specification)
    arrivals = each(them)
    by_row = np.split(np.array([t for _, t in arrivals]), np.cumsum(them.count)[:-1])
    assert them.offsets_sum().tolist() == [int((t - s).sum()) for t, s in zip(by_row, them.time_us, strict=True)]
    assert them.last_us.tolist() == [int(t[-1]) for t in by_row]
    apart = them.expanded()
    assert each(apart) == arrivals
    assert apart.totals["bytes"].sum() == them.totals["bytes"].sum()
    assert len(apart) == them.expanded_size()


@given(rows, st.integers(0, 20_000))
def test_arrived_by_counts_records_at_or_before_the_instant(specification, time_us):
    them = stretches(specification)
    arrivals = np.array([t for _, t in each(them)])
    of = np.repeat(np.arange(len(them)), them.count)
    expected = np.bincount(of[arrivals <= time_us], minlength=len(them))
    assert them.arrived_by(time_us).tolist() == expected.tolist()


@given(rows, st.data())
def test_batches_cut_rows_where_they_begin_and_end(specification, data):
    them = stretches(specification, shard=3)
    total = int(them.count.sum())
    cuts = sorted(data.draw(st.sets(st.integers(0, total), min_size=2, max_size=6)))
    first, end = np.array(cuts[:-1]), np.array(cuts[1:])
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=first.size, max_size=first.size)))
    first, end = first[keep], end[keep]  # records between kept batches belong to none
    base = 3 << LINE_BITS
    parts, batch = per_batch(them, base + first, base + end)
    expected = [(n, t, b) for n, t in each(them) for b in range(first.size) if first[b] <= n < end[b]]
    of = np.repeat(batch, parts.count)
    assert [(n, t, int(b)) for (n, t), b in zip(each(parts), of, strict=True)] == expected


@given(st.integers(1, 50), st.integers(1, 100), st.integers(0, 500), st.integers(0, 500))
def test_floor_sum(n, m, a, b):
    assert floor_sum(np.array([n]), np.array([m]), np.array([a]), np.array([b]))[0] == sum(
        (a * i + b) // m for i in range(n)
    )


def test_exact_dot_beyond_64_bits():
    weights, values = np.array([10**6, 3]), np.array([10**14, 7])
    assert exact_dot(weights, values) == 10**20 + 21
    assert exact_dot(-weights, values) == -(10**20 + 21)
