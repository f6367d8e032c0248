"""Statistics of samples against numpy on every value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.measure.histogram import LogHistogram
from kinsim.measure.samples import Samples, Spread

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),          # shard
        st.integers(2_000, 9_000),  # value
        st.integers(1, 12),         # count
        st.integers(0, 60),         # numerator
        st.integers(0, 8),          # offset
        st.integers(1, 7),          # denominator
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def spread_of(rows):
    shard, value, count, numerator, offset, denominator = np.array(rows, np.int64).T
    return Spread(shard, value, count * 10, value * 10, count, numerator, offset % denominator, denominator)


def values_of(rows):
    return [(s, v - (i * a + o % d) // d) for s, v, n, a, o, d in rows for i in range(n) for _ in range(10)]


def check(statistics, values):
    assert statistics["count"] == values.size
    assert statistics["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert statistics["min"] == values.min()
    assert statistics["max"] == values.max()
    if values.size > 1:
        assert statistics["variance"] == pytest.approx(values.var(ddof=1), rel=1e-9, abs=1e-9)
    for p in (50, 95, 99.9):
        assert statistics[f"p{p:g}"] == pytest.approx(np.percentile(values, p), rel=1e-12)


@given(ROWS, ROWS)
def test_exact_statistics_agree_with_every_value(first, second):
    samples = Samples(3)
    samples.add(spread_of(first))
    samples.add(spread_of(second))
    values = values_of(first + second)
    check(samples.statistics([50, 95, 99.9], per=1.0), np.array([v for _, v in values]))
    for shard in {s for s, _ in values}:
        of_shard = np.array([v for s, v in values if s == shard])
        check(samples.shard_statistics(shard, [50, 95, 99.9], per=1.0), of_shard)


@given(ROWS, st.floats(2_000, 9_000), st.floats(2_000, 9_000))
def test_share_between_two_bounds(rows, a, b):
    low, high = sorted((a, b))
    samples = Samples(3)
    samples.add(spread_of(rows))
    values = np.array([v for _, v in values_of(rows)])
    assert samples.share(low, high) == pytest.approx(np.mean((values > low) & (values <= high)))


def test_beyond_the_budget_moments_stay_exact_and_percentiles_keep_the_stated_error():
    rng = np.random.default_rng(3)
    values = np.round(rng.lognormal(13, 1.5, 400_000)).astype(np.int64)
    samples = Samples(2, budget=10_000)
    for part in np.split(values, 8):
        samples.add(Spread(part % 2, part, np.ones_like(part), part))
    assert not samples.exact
    statistics = samples.statistics([1, 50, 99], per=1.0)
    assert statistics["mean"] == pytest.approx(values.mean(), rel=1e-14)
    assert statistics["variance"] == pytest.approx(values.var(ddof=1), rel=1e-9)
    for p in (1, 50, 99):
        assert statistics[f"p{p:g}"] == pytest.approx(np.percentile(values, p), rel=samples.relative_error)
    odd = samples.shard_statistics(1, [50], per=1.0)
    assert odd["p50"] == pytest.approx(np.percentile(values[values % 2 == 1], 50), rel=samples.relative_error)


def test_a_long_ramp_is_spread_over_the_bins_and_summed_exactly():
    count = 5_000_000  # waits 5e6, 5e6 - 1, ..., 1 us: mean 2.5000005 s
    one = np.array([1], np.int64)
    samples = Samples(1)
    samples.add(Spread(one * 0, one * count, one * count, one, one * count, one, one * 0, one))
    statistics = samples.statistics([10, 50, 99])
    assert statistics["mean"] == pytest.approx(2.5000005, rel=1e-15)
    assert statistics["variance"] == pytest.approx((count**2 - 1) / 12 * count / (count - 1) * 1e-12, rel=1e-9)
    assert (statistics["min"], statistics["max"]) == (1e-6, 5.0)
    assert statistics["p10"] == pytest.approx(0.5, rel=1e-3)
    assert statistics["p50"] == pytest.approx(2.5, rel=1e-3)
    assert statistics["p99"] == pytest.approx(4.95, rel=1e-3)


def test_a_constant_far_from_zero_has_no_variance():
    samples = Samples(1)
    value = np.full(1000, 10**12 + 7)
    samples.add(Spread(value * 0, value, value * 0 + 1, value))
    samples.add(Spread(value * 0, value, value * 0 + 1, value))
    assert samples.statistics([])["variance"] == 0.0


def test_maximum_remembers_its_first_occurrence():
    samples = Samples(2)
    samples.add(Spread(np.array([0, 1, 0]), np.array([5, 9, 9]), np.ones(3, np.int64), np.array([10, 30, 20]) * 10**6))
    samples.add(Spread(np.array([1]), np.array([9]), np.ones(1, np.int64), np.array([15]) * 10**6))
    assert samples.statistics([])["time_of_max"] == 15.0
    assert samples.shard_statistics(0, [])["time_of_max"] == 20.0


def test_no_sample_gives_no_number():
    assert Samples(1).statistics([50]) == {
        "mean": None, "variance": None, "min": None, "max": None, "time_of_max": None, "sum": 0.0, "count": 0.0,
        "p50": None,
    }  # fmt: skip


def test_bins_of_a_histogram_hold_their_edges():
    histogram = LogHistogram(1, 4)
    edges = histogram.edges[1:200]
    assert histogram.bin_of(edges).tolist() == list(range(1, 200))
    assert histogram.bin_of(np.nextafter(edges, 0)).tolist() == list(range(199))
