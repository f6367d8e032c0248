"""A burst at a time, drained before the next: arithmetic that must come out exactly (cases T08, T09)."""

from pytest import approx

BURSTS = 12  # in the hour that each scenario runs


def test_t08a_sawtooth(simulate):
    """case:T08a."""
    run = simulate("T08a-sawtooth")
    assert run["invocations"]["sum"] == 500 * BURSTS
    assert run["drain_s"]["mean"] == approx(250.0, rel=1e-6)
    assert run["iterator_age_s"]["max"] == approx(249.5, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(124.75, rel=1e-6)
    assert run["sojourn_s"]["max"] == approx(250.0, rel=1e-6)
    assert run["utilization"]["time_average"] == approx(0.833333, abs=1e-6)


def test_t08b_large_batches(simulate):
    """case:T08b."""
    run = simulate("T08b-sawtooth-large-batches")
    assert run["invocations"]["sum"] == 100 * BURSTS
    assert run["drain_s"]["mean"] == approx(90.0, rel=1e-6)
    assert run["iterator_age_s"]["max"] == approx(89.1, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(44.55, rel=1e-6)
    assert run["sojourn_s"]["max"] == approx(90.0, rel=1e-6)
    assert run["utilization"]["time_average"] == approx(0.3, rel=1e-6)


def test_t08c_ten_shards(simulate):
    """case:T08c; every shard by itself."""
    run = simulate("T08c-sawtooth-ten-shards")
    assert run["invocations"]["sum"] == 10 * 50 * BURSTS
    assert run["drain_s"]["mean"] == approx(25.0, rel=1e-6)
    shards = run.summary()["per_shard"]
    assert len(shards) == 10
    for metrics in shards.values():
        assert metrics["invocations"]["sum"]["value"] == 50 * BURSTS
        assert metrics["iterator_age_s"]["max"]["value"] == approx(24.5, rel=1e-6)
        assert metrics["iterator_age_s"]["mean"]["value"] == approx(12.25, rel=1e-6)
        assert metrics["sojourn_s"]["max"]["value"] == approx(25.0, rel=1e-6)
        assert metrics["utilization"]["time_average"]["value"] == approx(0.083333, abs=1e-6)


def test_t09_partial_last_batch(simulate):
    """case:T09."""
    run = simulate("T09-partial-last-batch")
    assert run["invocations"]["sum"] == 25 * BURSTS
    assert run["drain_s"]["mean"] == approx(28.9245, rel=1e-6)
    assert run["iterator_age_s"]["max"] == approx(28.08, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(14.04, rel=1e-6)
    assert run["utilization"]["time_average"] == approx(0.096415, rel=1e-6)
