"""What practitioners report about Kinesis and Lambda must come out of the simulation (claims C1 to C17)."""

import math

import numpy as np
import pytest
from pytest import approx

import kinsim as ks

SHARD = "shardId-{:012d}".format


def per_shard(result, metric, statistic="sum"):
    shards = result.summary()["per_shard"]
    return np.array([shards[SHARD(number)][metric][statistic]["value"] or 0 for number in range(len(shards))])


def test_c1_a_new_stream_has_one_shard_and_every_record_goes_to_it(claim):
    scenario = claim("C01-one-shard")
    assert scenario.stream.shard_count == 1
    result = scenario.run()
    accepted = per_shard(result, "accepted_records")
    assert accepted == [result["offered_records"]["sum"]]
    assert accepted[0] == approx(50 * 600, abs=3 * (50 * 600) ** 0.5)


@pytest.mark.stochastic
def test_c3_random_keys_spread_evenly(claim):
    """Within multinomial error.  Eight shards at 3.5 standard deviations: false-alarm rate 0.4 %, bytes alike."""
    result = claim("C03-random-keys").run()
    series = result.timeseries
    records = result["accepted_records"]["sum"]
    for metric in ("IncomingRecords", "IncomingBytes"):
        shards = series[(series.MetricName == metric) & series.Dimensions.str.contains("ShardId")]
        found = shards.groupby("Dimensions").Value.sum().to_numpy()
        assert found.size == 8
        expected = found.sum() / 8
        spread = expected * (8 * 7 / 8 / records) ** 0.5  # of a share of 1/8 of n records
        assert np.abs(found - expected).max() <= 3.5 * spread
    assert result["rejected_records"]["sum"] == 0


def test_c3_one_hot_shard_throttles_and_ages_alone(claim):
    result = claim("C03-hot-key").run()
    rejected, age = per_shard(result, "rejected_records"), per_shard(result, "iterator_age_s", "max")
    hot = int(rejected.argmax())
    others = np.arange(8) != hot
    # 250/s and 1,500/s come to the hot shard, 1,000/s are stored
    assert rejected[hot] == approx(750 * 300, rel=0.02)
    assert (rejected[others] == 0).all()
    # the function manages some 880 records a second and shard
    assert age[hot] > 20
    assert (age[others] < 5).all()


def test_c5_sixty_seconds_by_default_and_300_at_most(claim):
    scenario = claim("C05-timeout")
    assert scenario.function.timeout_s == 60
    result = scenario.run()
    assert result["duration_s"]["max"] == 60
    assert result["timeouts"]["sum"] == result["invocations"]["sum"] > 1
    assert result["processed_records"]["sum"] == 0
    result = claim("C05-timeout", {"function.timeout": "300s"}).run()
    assert result["timeouts"]["sum"] == 0
    assert result["processed_records"]["sum"] == 100


def test_c5_301_s_is_an_error_in_2017_and_900_s_is_allowed_today(claim):
    with pytest.raises(ks.ConfigError, match=r"function\.timeout.*300"):
        claim("C05-timeout", {"function.timeout": "301s"})
    scenario = claim("C05-timeout", {"function.timeout": "900s", "profile": "aws-2026"})
    assert scenario.function.timeout_s == 900


def mean_durations(claim, name, sizes_mb, **changes):
    at = {memory: claim(name, {**changes, "function.memory_size": f"{memory} MB"}) for memory in sizes_mb}
    return {memory: scenario.run()["duration_s"]["mean"] for memory, scenario in at.items()}


def test_c7_doubling_memory_about_halves_a_cpu_bound_run(claim):
    assert claim("C07-memory-cpu-bound").function.memory_size_mb == 128  # the default
    durations = mean_durations(claim, "C07-memory-cpu-bound", (128, 256, 512, 1024))
    for memory, duration in durations.items():
        assert duration == approx(100 * 0.020 * 1792 / memory, rel=0.01)


def test_c7_memory_itself_is_not_short(claim):
    """60 MB and 4 MB for each MiB, of which a batch of 100 records has 0.048: the same whatever there is."""
    for memory in (128, 256, 1024):
        result = claim("C07-memory-cpu-bound", {"function.memory_size": f"{memory} MB"}).run()
        assert (
            result["memory_used_mb"]["min"]
            == result["memory_used_mb"]["max"]
            == approx(60 + 4 * 50_000 / 2**20, abs=1e-6)
        )
        assert result["memory_utilization"]["max"] == approx(result["memory_used_mb"]["max"] / memory, abs=1e-6)
        assert result["memory_used_mb"]["count"] == result["invocations"]["sum"]


def test_c7_memory_buys_nothing_where_time_goes_into_waiting(claim):
    durations = mean_durations(claim, "C07-memory-io-bound", (128, 256, 512, 1024))
    assert set(durations.values()) == {20.0}


def test_c7_nothing_is_gained_above_one_vcpu(claim):
    at = mean_durations(claim, "C07-memory-cpu-bound", (1024, 1769, 3008), profile="aws-2026")
    assert at[1769] == at[3008] == approx(2.0)
    assert at[1024] > 1.5 * at[1769]


def test_c8_smaller_batches_cure_timeouts_and_cost_invocations(claim):
    result = {b: claim("C08-batch-size", {"event_source_mapping.batch_size": b}).run() for b in (100, 50, 10)}
    # 100 records: 70 s of a 60 s time-out, tried again and again, and nothing behind them is ever seen
    assert result[100]["timeouts"]["sum"] == result[100]["invocations"]["sum"] > 10
    assert result[100]["processed_records"]["sum"] == 0
    for batch in (50, 10):
        assert result[batch]["timeouts"]["sum"] == 0
        assert result[batch]["invocations"]["sum"] >= result[batch]["processed_records"]["sum"] / batch
        assert result[batch]["processed_records"]["sum"] >= 11 * 300  # all but the last burst
    assert result[10]["invocations"]["sum"] > 4 * result[50]["invocations"]["sum"]


def test_c9_a_hundred_records_of_ten_thousand_events_time_out_at_128_mb(claim):
    scenario = claim("C09-log-events")
    said = " ".join(str(warning) for warning in scenario.warnings)
    assert "3,333" in said or "3333" in said  # log events a second that a full batch needs to end in time
    result = scenario.run(keep=("invocations",))
    assert result["rejected_records"]["sum"] == 0
    assert result["timeouts"]["sum"] > 5
    # 300 s at a fourteenth of a vCPU are 42.8 records of 10,000 events
    late = result.invocations.outcome == "timeout"
    assert (result.invocations.records[late] >= 43).all()
    assert (result.invocations.records[~late] <= 42).all()
    # a million events of 0.05 ms take 700 s at a fourteenth of a vCPU, 175 s at four times as much
    assert claim("C09-log-events", {"function.memory_size": "512 MB"}).run()["timeouts"]["sum"] == 0
    assert claim("C09-log-events", {"event_source_mapping.batch_size": 40}).run()["timeouts"]["sum"] == 0


def test_c9_the_check_names_cures_that_work(claim):
    """What the check advises before the run is what the run needs."""
    import re

    said = " ".join(str(warning) for warning in claim("C09-log-events").warnings)
    batch = int(re.search(r"batch_size\D{0,40}?(\d+)", said.split("try", 1)[-1]).group(1))
    memory = int(re.search(r"(\d+) MB", said.split("try", 1)[-1]).group(1))
    assert claim("C09-log-events", {"event_source_mapping.batch_size": batch}).run()["timeouts"]["sum"] == 0
    assert claim("C09-log-events", {"function.memory_size": f"{memory} MB"}).run()["timeouts"]["sum"] == 0


def by_minute(result, metric, statistic):
    series = result.timeseries.query("MetricName == @metric and Statistic == @statistic and Timestamp >= 1_200")
    return series.set_index("Timestamp").Value


def share_done_in_the_busiest_5_s(result):
    """Of the records of each burst, those that are done within the same five seconds, after the first four bursts."""
    ends = (result.invocations.end_s // 5).astype(int)
    done = np.bincount(ends, result.invocations.records, 7_200 // 5)[: 7_200 // 5].reshape(-1, 60)[4:]
    return done.max(axis=1) / done.sum(axis=1)


def test_c10_smaller_batches_smooth_the_spikes_over_the_five_minutes(claim):
    large = claim("C10-five-minute-bursts").run(keep=("invocations",))
    small = claim("C10-five-minute-bursts", {"event_source_mapping.batch_size": 10}).run(keep=("invocations",))
    assert large["offered_records"]["sum"] == small["offered_records"]["sum"]  # the same bursts
    # an invocation of fewer records is shorter, so the longest run moves away from the time-out ...
    assert small["duration_s"]["max"] < large["duration_s"]["max"] / 4
    # ... while no more run at once than before
    assert small["concurrent_executions"]["max"] <= large["concurrent_executions"]["max"] <= 2
    assert (by_minute(large, "Duration", "Maximum") > 25_000).all()
    assert (by_minute(small, "Duration", "Maximum") < 6_000).all()
    # the same load, minute by minute: the bursts are worked off in their first minute and a little of the second
    load = [by_minute(run, "concurrent_executions", "Average") for run in (large, small)]
    assert load[0].to_numpy() == approx(load[1].to_numpy(), abs=0.05)
    # spikes of up to two thirds of a burst come out evenly instead, at most two batches of ten a shard in five seconds
    spikes = share_done_in_the_busiest_5_s(large), share_done_in_the_busiest_5_s(small)
    assert len(spikes[0]) == len(spikes[1]) == 20
    assert (spikes[0] > 0.25).all()
    assert (spikes[1] < spikes[0] / 2).all()
    assert (spikes[1] <= 40 / 197).all()
    # records wait less for the others of their batch
    assert small["sojourn_s"]["mean"] < 0.8 * large["sojourn_s"]["mean"]
    # the saw-tooth: within each five minutes the age climbs, and it falls back with each burst
    late = small.invocations[small.invocations.start_s > 1_200]
    period = (late.start_s // 300).astype(int)
    first = late.groupby(period).iterator_age_s.first()
    highest = late.groupby(period).iterator_age_s.max()
    assert len(highest) > 15
    assert (highest > first + 10).all()


def test_c11_calls_that_fail_and_are_tried_again_run_into_the_time_out(claim):
    """The article's before and after: while the service is down, batches with a few calls time out."""
    result = claim("C11-failing-calls").run(keep=("invocations",))
    runs = result.invocations
    hours = [runs[(runs.start_s >= begin) & (runs.start_s < begin + 3_600)] for begin in (0, 3_600, 7_200)]
    before, during, after = (hour.end_s - hour.start_s for hour in hours)
    timed_out = hours[1].outcome == "timeout"
    assert before.max() < 2
    assert timed_out.mean() > 0.9  # ten calls of three tries, 4.15 s each, are within a minute; fifteen are not
    assert (during[timed_out] - 60 < 0.1).all() and (during[timed_out] >= 60).all()
    assert (hours[1].records[timed_out] > 20).all()
    assert len(hours[1]) < len(hours[0]) / 50  # and nothing behind them is seen
    # when the service is back durations are what they were, the backlog drains and the age falls
    assert after.median() == approx(before.median(), rel=0.05)
    assert (hours[2].outcome == "ok").all()
    assert hours[1].iterator_age_s.max() > 3_400
    assert hours[2].iterator_age_s.iloc[-1] < 1
    assert result["processed_records"]["sum"] > 0.999 * result["accepted_records"]["sum"]


def test_c12_calls_for_every_log_event_eat_the_time(claim):
    """2,000 log events a batch: 0.2 s of its own and 2,000 x share x latency of waiting, whatever the memory."""
    found = {}
    for share in (0.0, 0.05, 0.2):
        for latency_ms in (20, 100):
            call = {"name": "lookup", "per": "log_event", "share": share, "latency": f"{latency_ms}ms"}
            found[share, latency_ms] = claim("C12-slow-calls", {"function.calls": [call]}).run()["duration_s"]["mean"]
    own = found[0.0, 20]
    assert own == found[0.0, 100] < 0.3
    for (share, latency_ms), duration in found.items():
        # the number of calls is binomial: 60 batches, standard error of the mean 0.6 % at 5 %, so 3 are 2 %
        assert duration - own == approx(2_000 * share * latency_ms / 1_000, rel=0.02, abs=1e-9)
    more_memory = claim("C12-slow-calls", {"function.memory_size": "1536 MB"}).run()["duration_s"]["mean"]
    assert more_memory == approx(claim("C12-slow-calls").run()["duration_s"]["mean"], rel=0.02)


def test_c14_iterator_age_saturates_at_the_retention(claim):
    result = claim("C14-retention").run(keep=("invocations",))
    # slope 1 - 20/30: a day of age after three days
    assert result["iterator_age_s"]["max"] == approx(86_400, rel=1e-4)
    assert result["iterator_age_s"]["max"] < 86_400
    assert result["expired_records"]["time_of_first"] == approx(3 * 86_400, abs=30)
    assert result["expired_records"]["sum"] == approx(10 * 86_400, rel=0.005)
    # and there it stays: a batch is 100 records of the 30 a second, and its last is 3.3 s younger than the first
    invocations = result.invocations
    last_day = invocations.iterator_age_s[invocations.start_s > 3 * 86_400 + 60]
    assert len(last_day) > 17_000
    assert (last_day > 86_400 - 5).all()
    assert last_day.max() == approx(last_day.min(), abs=1e-6)
    before = claim("C14-retention", {"run.duration": "70h"}).run()
    assert before["expired_records"]["sum"] == 0
    assert before["iterator_age_s"]["max"] == approx(70 * 3_600 / 3, rel=1e-3)


def test_c17_one_invocation_at_a_time_per_shard(claim):
    """A shard's first batch is what its first poll found; the others are full but the last, with no pause between."""
    drain = {}
    for shards in (1, 2, 4, 8):
        result = claim("C17-one-invocation-per-shard", {"stream.shard_count": shards}).run(keep=("invocations",))
        assert result["concurrent_executions"]["max"] == shards
        drain[shards] = result["drain_s"]["mean"]
        ends = []
        for _, own in result.invocations.groupby("shard"):
            first = own.iloc[0]
            assert first.start_s < 0.2 + 1 + 1e-3 * shards  # delay to the reader, a poll, the first record
            later = math.ceil((8_000 / shards - first.records) / 100)
            assert len(own) == 1 + later
            ends.append(first.end_s + later * (1 + 0.020))  # a second, and the overhead of an invocation
        assert len(ends) == shards
        assert drain[shards] == approx(max(ends) - 7.999, abs=1e-6)  # the last record arrives at 7.999 s
    assert drain[1] > drain[2] > drain[4] > drain[8]


def test_c19_more_shards_less_data_or_back_off_cure_throttled_writes(claim):
    """A burst is 15,000 records in ten seconds; a full bucket of 1,000 and 1,000 a second take 11,000 of them."""
    back_off = {"mode": "backoff", "base": "500ms", "cap": "20s", "max_attempts": 12, "jitter": "full"}
    cures = {
        "as it is": {},
        "more shards": {"stream.shard_count": 2},
        "less data": {"producer.keep": "50%"},
        "back-off": {"producer.retry": back_off},
    }
    runs = {name: claim("C19-write-limits", changes).run() for name, changes in cures.items()}
    amount = {
        name: {key: run[f"{key}_records"]["sum"] for key in ("offered", "accepted", "rejected", "retried", "dropped")}
        for name, run in runs.items()
    }
    alone = amount["as it is"]
    assert alone["rejected"] == alone["dropped"] == approx(10 * 4_000, rel=0.01)
    assert alone["retried"] == 0
    assert amount["more shards"] == {"offered": 150_000, "accepted": 150_000, "rejected": 0, "retried": 0, "dropped": 0}
    # half of the data is sent, all of that arrives; binomial, standard deviation 194
    assert amount["less data"]["rejected"] == amount["less data"]["dropped"] == 0
    assert amount["less data"]["accepted"] == approx(75_000, abs=4 * 194)
    assert amount["less data"]["accepted"] + runs["less data"]["sampled_out_records"]["sum"] == 150_000
    # back-off loses nothing, is rejected more often than all others and delays what it saves
    assert amount["back-off"]["accepted"] == 150_000
    assert amount["back-off"]["retried"] == amount["back-off"]["rejected"] > alone["rejected"]
    latest = {name: run["end_to_end_latency_s"]["max"] for name, run in runs.items()}
    assert latest["back-off"] > 10 > 5 > max(latest[name] for name in cures if name != "back-off")
    # the shard is what costs
    cost = {name: run["cost_usd_per_month"]["mean"] for name, run in runs.items()}
    assert cost["more shards"] - cost["back-off"] > 10
