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
    assert run["queue_wait_s"]["mean"] == approx(52.074002, rel=1e-6)
    assert run["queue_wait_s"]["p50"] == approx(44.021483, rel=1e-6)
    assert run["queue_wait_s"]["p99"] == approx(151.755790, rel=1e-6)
    assert run["queue_wait_s"]["max"] == approx(166.287313, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(47.985222, rel=1e-6)
    assert run["iterator_age_s"]["max"] == approx(163.782270, rel=1e-6)
    assert run["iterator_age_s"]["time_of_max"] == approx(1_097.323156, rel=1e-6)
    assert run["billed_s"]["sum"] == approx(2_393.75, rel=1e-6)
    assert run["finish_s"]["mean"] == approx(3_481.337911, rel=1e-6)


@pytest.mark.parametrize(("scale", "batch"), [(1_000, 500), (2, 1)])
def test_rt3_two_weeks_of_request_counts(simulate, scale, batch):
    """case:RT3, and case:M1: multiplied records in multiplied batches take the same time, to the last digit."""
    changes = {"workload.arrivals.scale": scale, "event_source_mapping.batch_size": batch}
    run = simulate("RT3-nab-elb", changes, keep=("invocations",))
    assert run["processed_records"]["sum"] == 249_327 * scale
    assert run["invocations"]["sum"] == 498_654
    assert run["iterator_age_s"]["max"] == approx(6_126.791302, rel=1e-6)
    assert run["iterator_age_s"]["time_of_max"] == approx(1_120_026.791302, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(515.474304, rel=1e-6)
    assert run["finish_s"]["mean"] == approx(1_209_479.844, rel=1e-6)
    period = (run.invocations.start_s // 300).astype(int)
    highest = run.invocations.iterator_age_s.groupby(period).max()
    above = highest.index[highest > 1_000]
    assert len(above) == 374
    assert above[0] * 300 == 43_500


def test_rt3b_small_batches(simulate):
    """case:RT3b: counts exact, times to 1e-6."""
    run = simulate("RT3-nab-elb", {"event_source_mapping.batch_size": 100, "function.duration": "350_100us"})
    assert run["invocations"]["sum"] == 2_493_270
    assert run["iterator_age_s"]["max"] == approx(10_362.936893, rel=1e-6)
    assert run["iterator_age_s"]["time_of_max"] == approx(1_125_762.936893, rel=1e-6)
    assert run["iterator_age_s"]["mean"] == approx(1_254.286356, rel=1e-6)
    assert run["finish_s"]["mean"] == approx(1_209_510.06, rel=1e-6)


@pytest.mark.parametrize(
    ("copies", "limiter", "rejected"),
    [(10, "fixed_second", 0), (20, "fixed_second", 720), (10, "token_bucket", 0), (20, "token_bucket", 0)],
)
def test_rt5_copied_requests_against_the_write_limit(simulate, copies, limiter, rejected):
    """case:RT5, exactly."""
    run = simulate("RT5-azure-code-copies", {"workload.arrivals.repeat": copies, "stream.write_limiter": limiter})
    assert run["offered_records"]["sum"] == 8_819 * copies
    assert run["rejected_records"]["sum"] == rejected


@pytest.mark.parametrize(
    ("shards", "rejected"),
    [(1, 0.401622), (2, 0.162906), (4, 0.066428), (8, 0.031970), (16, 0.003010), (20, 0.0)],
)
def test_rt6_network_bytes_on_n_shards(simulate, shards, rejected):
    """case:RT6.

    The reference is a fluid; kinsim stores whole records and lends each shard a second's worth at every rise.  Both
    effects together are bounded: one record of 128 KiB in 1 MiB, and 1 MiB a shard at each of the series' rises.
    """
    run = simulate("RT6-nab-network-in", {"stream.shard_count": shards})
    assert run["rejected_records"]["sum"] / run["offered_records"]["sum"] == approx(rejected, abs=0.001)
