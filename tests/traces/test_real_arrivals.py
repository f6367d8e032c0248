"""Real traces; the outcome was computed apart from kinsim by a short reference (cases RT1, RT3, RT5, RT6)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pytest import approx

import kinsim as ks

SCENARIOS = Path(__file__).parent / "scenarios"


@pytest.fixture
def simulate(traces_dir):
    """Run ``scenarios/<name>.yaml`` on the trace that it names, which lies in the folder of the traces."""

    def run(name, changes=None, **options):
        path = SCENARIOS / f"{name}.yaml"
        named = yaml.safe_load(path.read_text(encoding="utf-8"))["workload"]["arrivals"]["file"]
        changes = {"workload.arrivals.file": str(traces_dir / "data" / named), **(changes or {})}
        return ks.load(path, changes).run(**options)

    return run


def test_rt1_bursty_requests(simulate):
    """case:RT1: counts exact, times to 1e-6."""
    run = simulate("RT1-azure-code")
    assert run["processed_records"]["sum"] == 8_819
    assert run["invocations"]["sum"] == 945
    assert run["full_batches"]["sum"] == 843
    assert run["batch_records"]["mean"] == approx(9.332275, abs=5e-7)
    assert run["queue_wait_s"]["mean"] == approx(52.074002, rel=1e-6)
    assert run["queue_wait_s"]["p50"] == approx(44.021483, rel=1e-6)
    assert run["queue_wait_s"]["p99"] == approx(151.755790, rel=1e-6)
    assert run["queue_wait_s"]["max"] == approx(166.287313, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(47.985222, rel=1e-6)
    assert run["iterator_age_s"]["max"] == approx(163.782270, rel=1e-6)
    assert run["iterator_age_s"]["time_of_max"] == approx(1_097.323156, rel=1e-6)
    assert run["billed_s"]["sum"] == approx(2_393.75, rel=1e-6)
    assert run["finish_s"]["mean"] == approx(3_481.337911, rel=1e-6)
    busy = (
        run["utilization"]["time_average"] * 3_600
    )  # of the hour; the reference's share ends with the last invocation
    assert busy / run["finish_s"]["mean"] == approx(0.687595, abs=5e-7)


def test_rt3_two_weeks_of_request_counts(simulate):
    """case:RT3, and case:M1: multiplied records in multiplied batches take the same time, to the last digit."""
    runs = []
    for scale, batch in ((1_000, 500), (2, 1)):
        changes = {"workload.arrivals.scale": scale, "event_source_mapping.batch_size": batch}
        run = simulate("RT3-nab-elb", changes, keep=("invocations",))
        assert run["processed_records"]["sum"] == 249_327 * scale
        assert run["invocations"]["sum"] == 498_654
        assert run["utilization"]["time_average"] == approx(0.617835, abs=5e-7)  # the offered load: all is worked off
        assert run["iterator_age_s"]["max"] == approx(6_126.791302, rel=1e-6)
        assert run["iterator_age_s"]["time_of_max"] == approx(1_120_026.791302, rel=1e-6)
        assert run["iterator_age_s"]["mean"] == approx(515.474304, rel=1e-6)
        assert run["finish_s"]["mean"] == approx(1_209_479.844, rel=1e-6)
        assert above_1000_s(run) == (374, 43_500)
        runs.append(run)
    one, other = (run.invocations for run in runs)
    for name in ("start_s", "end_s", "iterator_age_s"):
        assert one[name].equals(other[name]), name
    for name in ("iterator_age_s", "first_record_age_s", "duration_s", "finish_s", "drain_s", "utilization"):
        assert runs[0][name] == runs[1][name], name


def above_1000_s(run):
    """Periods of 300 s in which IteratorAge passes 1,000 s: their number and the start of the first."""
    period = (run.invocations.start_s // 300).astype(int)
    highest = run.invocations.iterator_age_s.groupby(period).max()
    above = highest.index[highest > 1_000]
    return len(above), above[0] * 300


def test_rt3b_small_batches(simulate):
    """case:RT3b: counts exact, times to 1e-6."""
    changes = {"event_source_mapping.batch_size": 100, "function.duration": "350_100us"}
    run = simulate("RT3-nab-elb", changes, keep=("invocations",))
    assert run["processed_records"]["sum"] == 249_327_000
    assert run["invocations"]["sum"] == 2_493_270
    assert run["utilization"]["time_average"] == approx(0.721638, abs=5e-7)
    assert run["iterator_age_s"]["max"] == approx(10_362.936893, rel=1e-6)
    assert run["iterator_age_s"]["time_of_max"] == approx(1_125_762.936893, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(1_254.286356, rel=1e-6)
    assert run["finish_s"]["mean"] == approx(1_209_510.06, rel=1e-6)
    assert above_1000_s(run) == (1_056, 43_500)


@pytest.mark.parametrize(
    ("copies", "limiter", "rejected"),
    [(10, "fixed_second", 0), (20, "fixed_second", 720), (10, "token_bucket", 0), (20, "token_bucket", 0)],
)
def test_rt5_copied_requests_against_the_write_limit(simulate, copies, limiter, rejected):
    """case:RT5, exactly."""
    run = simulate("RT5-azure-code-copies", {"workload.arrivals.repeat": copies, "stream.write_limiter": limiter})
    assert run["offered_records"]["sum"] == 8_819 * copies
    assert run["rejected_records"]["sum"] == rejected


REJECTED = {1: 0.401622, 2: 0.162906, 4: 0.066428, 8: 0.031970, 16: 0.003010, 20: 0.0}


def rejected_share(run):
    return run["rejected_records"]["sum"] / run["offered_records"]["sum"]


@pytest.mark.parametrize(("shards", "rejected"), REJECTED.items())
def test_rt6_network_bytes_on_n_shards(simulate, shards, rejected):
    """case:RT6, to the last digit given: whole seconds of a shard hold whole records, as in the reference's fluid."""
    run = simulate("RT6-nab-network-in", {"stream.shard_count": shards})
    assert rejected_share(run) == approx(rejected, abs=1e-6)


def test_rt6_twenty_shards_are_needed(simulate):
    """case:RT6: with 19 some is rejected, with 20 nothing; the bytes that are offered, mean and highest period."""
    assert rejected_share(simulate("RT6-nab-network-in", {"stream.shard_count": 19})) > 0
    run = simulate("RT6-nab-network-in", {"stream.shard_count": 20})
    assert run["rejected_records"]["sum"] == 0
    assert run["offered_records"]["sum"] / 4 / 372_900 == approx(1.467140, rel=1e-6)
    stored = run.timeseries.query("MetricName == 'IncomingBytes'")
    periods = stored.Value.groupby(stored.Timestamp // 300).sum() / 300
    assert periods.max() / 2**20 == approx(19.556490, abs=0.25 / 300)  # one record more or less in the period


@pytest.mark.parametrize(("shards", "rejected"), REJECTED.items())
def test_rt6_in_bins_against_a_bucket(simulate, shards, rejected):
    """case:RT6, within what a bucket changes.

    The reference is a fluid; here each shard lends a second's worth at every rise, and records of 128 KiB are stored
    whole: one record in 1 MiB, and 1 MiB a shard at each of the series' rises.
    """
    changes = {
        "stream.shard_count": shards,
        "stream.write_limiter": "token_bucket",
        "workload.record_size": "128 KiB",
        "workload.granularity": "1s",
        "workload.arrivals.scale": 100,
    }
    assert rejected_share(simulate("RT6-nab-network-in", changes)) == approx(rejected, abs=0.001)


def test_rt7_a_batching_window(simulate):
    """case:RT7: counts exact, times to 1e-6."""
    run = simulate("RT7-azure-conversations-window")
    assert run["processed_records"]["sum"] == 19_366
    assert run["invocations"]["sum"] == 682
    assert run["full_batches"]["sum"] == 80
    assert run["batch_records"]["mean"] == approx(28.395894, abs=5e-7)
    assert run["queue_wait_s"]["mean"] == approx(2.544712, rel=1e-6)
    assert run["queue_wait_s"]["max"] == approx(5.0, rel=1e-6)
