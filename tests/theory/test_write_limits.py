"""What a shard accepts (cases T19 to T21)."""

import numpy as np
import pytest


def accepted_by_second(run):
    """What the shard stored in each of 600 seconds of the clock."""
    seconds = run.records.accepted_s.astype(int)
    return run.records.records.groupby(seconds).sum().reindex(range(600), fill_value=0).tolist()


def test_t19_a_third_of_1500_records_a_second_is_rejected(simulate):
    """case:T19, exactly, in each of 600 seconds."""
    run = simulate("T19-throttle-records", keep=("records",))
    assert run["offered_records"]["sum"] == 1_500 * 600
    assert accepted_by_second(run) == [1_000] * 600
    assert run["rejected_records"]["sum"] == 500 * 600


def test_t19_a_mebibyte_a_second_is_512_records_of_2_kib(simulate):
    """case:T19, exactly, in each of 600 seconds."""
    run = simulate("T19-throttle-bytes", keep=("records",))
    assert accepted_by_second(run) == [512] * 600
    assert run["rejected_records"]["sum"] == (1_500 - 512) * 600


def test_t19_a_million_bytes_a_second_is_488_records_of_2_kib(simulate):
    """case:T19: 488.28 a second from a bucket, whose first fill is a second's worth."""
    changes = {"stream.write_limiter": "token_bucket", "stream.write_limit_bytes": "1MB"}
    run = simulate("T19-throttle-bytes", changes, keep=("records",))
    last_arrivals_s = np.arange(1, 601) - 1 / 1_500
    assert np.cumsum(accepted_by_second(run)).tolist() == (488.28125 * (1 + last_arrivals_s)).astype(int).tolist()


def rejected_share(metrics):
    return metrics["rejected_records"]["sum"] / metrics["offered_records"]["sum"]


@pytest.mark.stochastic
@pytest.mark.parametrize(("rate", "expected", "duration"), [(1_000, 0.012615, "1_600s"), (1_100, 0.090918, "200s")])
def test_t20_poisson_arrivals_against_a_limit_per_clock_second(replicate, rate, expected, duration):
    """case:T20, 3 standard errors of 30 replications: false-alarm rate 0.55 % each."""
    run = replicate("T20-throttle-poisson", {"workload.arrivals.rate": f"{rate}/s", "run.duration": duration})
    run.agrees_by("rejected share", rejected_share, expected)


@pytest.mark.stochastic
def test_t20_five_records_in_a_million_are_rejected_at_90_percent_of_the_limit(replicate):
    """case:T20, 3 standard errors of 30 replications: false-alarm rate 0.55 %.

    One second in 2,000 is full, so the run is long, its records are counted in bins of a second, and the standard
    error is held to 15 % of the value.
    """
    changes = {"workload.arrivals.rate": "900/s", "workload.granularity": "1s", "run.duration": "10_000s"}
    replicate("T20-throttle-poisson", changes).agrees_by("rejected share", rejected_share, 4.754785e-06, 0.15)


def rejected_share_after(warm_up_s, replication):
    """Of what came when the bucket, full at first, had forgotten its start."""
    series = replication.frame("timeseries")
    late = series[(series.Timestamp >= warm_up_s) & (series.Statistic == "Sum")]
    rejected = late.Value[late.MetricName == "rejected_records"].sum()
    return rejected / (rejected + late.Value[late.MetricName == "accepted_records"].sum())


@pytest.mark.stochastic
@pytest.mark.parametrize(
    ("bucket", "rate", "expected", "warm_up", "duration", "relative_error"),
    [
        (1_000, 1_000, 5.000833e-04, 1_200, 4_200, 0.20),  # rare, and in clusters
        (1_000, 1_100, 0.090909, 60, 300, 0.01),
        (100, 1_000, 0.005008, 60, 600, 0.05),
    ],
)
def test_t21_poisson_arrivals_against_a_token_bucket(
    simulate, bucket, rate, expected, warm_up, duration, relative_error
):
    """case:T21, 3 standard errors of 30 replications: false-alarm rate 0.55 % each."""
    run = simulate(
        "T21-throttle-token-bucket",
        {"stream.write_burst_records": bucket, "workload.arrivals.rate": f"{rate}/s", "run.duration": duration},
    )
    shares = np.array([rejected_share_after(warm_up, replication) for replication in run.replications])
    error = shares.std(ddof=1) / len(shares) ** 0.5
    assert error <= relative_error * expected
    assert abs(shares.mean() - expected) <= 3 * error
