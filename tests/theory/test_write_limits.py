"""What a shard accepts (cases T19 to T21)."""

import pytest
from pytest import approx


def test_t19_a_third_of_1500_records_a_second_is_rejected(simulate):
    """case:T19, exactly, in each of 600 seconds."""
    run = simulate("T19-throttle-records")
    assert run["accepted_records"]["sum"] == 1_000 * 600
    assert run["rejected_records"]["sum"] == 500 * 600


def test_t19_a_mebibyte_a_second_is_512_records_of_2_kib(simulate):
    """case:T19, exactly."""
    run = simulate("T19-throttle-bytes")
    assert run["accepted_records"]["sum"] == 512 * 600


def test_t19_a_million_bytes_a_second_is_488_records_of_2_kib(simulate):
    """case:T19: 488.28 a second from a bucket, whose first fill is a second's worth."""
    run = simulate("T19-throttle-bytes", {"stream.write_limiter": "token_bucket", "stream.write_limit_bytes": "1MB"})
    at_the_start = 1_048_576 // 2_048
    assert run["accepted_records"]["sum"] == approx(488.28125 * 600 + at_the_start, abs=1)


def rejected_share(metrics):
    return metrics["rejected_records"]["sum"] / metrics["offered_records"]["sum"]


@pytest.mark.stochastic
@pytest.mark.parametrize(
    ("rate", "expected", "duration"),
    [(900, 4.754785e-06, "2_000s"), (1_000, 0.012615, "500s"), (1_100, 0.090918, "500s")],
)
def test_t20_poisson_arrivals_against_a_limit_per_clock_second(replicate, rate, expected, duration):
    """case:T20, 3 standard errors of 30 replications: false-alarm rate 0.55 % each."""
    run = replicate("T20-throttle-poisson", {"workload.arrivals.rate": f"{rate}/s", "run.duration": duration})
    run.agrees_by("rejected share", rejected_share, expected, relative_error=0.25 if rate == 900 else 0.01)


def rejected_share_after(warm_up_s):
    """Share rejected of what was offered after the bucket, full at first, has forgotten its start."""

    def share(replication):
        series = replication.frame("timeseries") if hasattr(replication, "frame") else replication.timeseries
        late = series[(series.Timestamp >= warm_up_s) & (series.Statistic == "Sum")]
        rejected = late.Value[late.MetricName == "rejected_records"].sum()
        accepted = late.Value[late.MetricName == "accepted_records"].sum()
        return rejected / (rejected + accepted)

    return share
