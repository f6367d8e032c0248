"""The rules that fix the numbers, one test each: two engineers with these rules get the same digits."""

import numpy as np
import pytest
from pytest import approx

import kinsim as ks


def test_rule_1_an_invocation_ends_before_a_record_arrives_at_the_same_instant(run):
    """... and a reader that looks at t sees the record that arrives at t: nobody waits."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 1/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 1s}
run: {duration: 19_500ms}
""")
    assert result["queue_wait_s"]["max"] == 0
    assert list(result.invocations.start_s) == list(range(19))  # the twentieth has not ended
    assert result["in_flight_records"]["sum"] == 1
    assert result["records_in_system"]["max"] == 1  # never the one that ends beside the one that comes


def test_rule_1_a_record_expires_before_an_invocation_starts_at_the_same_instant(run):
    """The second batch could start at 60 s, when its records are exactly as old as the retention."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 200}}
stream: {shard_count: 1, retention_period: 60s}
event_source_mapping: {batch_size: 100}
function: {duration: 60s}
run: {duration: 10m}
""")
    assert result["invocations"]["sum"] == 1
    assert result["expired_records"]["sum"] == 100
    assert result["expired_records"]["time_of_first"] == 60


def test_rule_1_records_of_one_instant_keep_the_order_of_their_sources(run):
    result = run("""
kinsim: 1
profile: ideal
workload:
  sources:
    second_named: {arrivals: {model: bursts, every: 1h, size: 2}, work: 2s}
    first_named: {arrivals: {model: bursts, every: 1h, size: 1}, work: 1s}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: {fixed: 0s}}
run: {duration: 1h}
""")
    assert list(result.invocations.end_s - result.invocations.start_s) == [2, 2, 1]


def test_rule_1_records_of_one_instant_keep_the_order_of_their_index(run):
    """Forty records of 1 or 2 s of work that come together are invoked as if they came one after another."""
    work = "{distribution: mixture, of: [{weight: 1, value: 1s}, {weight: 1, value: 2s}]}"
    result = run(f"""
kinsim: 1
profile: ideal
workload: {{arrivals: {{model: bursts, every: 1h, size: 40}}, work: {work}}}
stream: {{shard_count: 1}}
event_source_mapping: {{batch_size: 1}}
function: {{duration: {{fixed: 0s}}}}
run: {{duration: 1h}}
""")
    apart = run(f"""
kinsim: 1
profile: ideal
workload: {{arrivals: {{model: bursts, every: 1h, size: 40, spread: 1s, spacing: even}}, work: {work}}}
stream: {{shard_count: 1}}
event_source_mapping: {{batch_size: 1}}
function: {{duration: {{fixed: 0s}}}}
run: {{duration: 1h}}
""")
    took = (result.invocations.end_s - result.invocations.start_s).round(6).tolist()
    assert set(took) == {1.0, 2.0}
    assert took == (apart.invocations.end_s - apart.invocations.start_s).round(6).tolist()


def test_rule_1_an_end_comes_before_an_arrival_and_that_before_a_start(run):
    """A record a second, invocations of 2 s.  At 2, 4, 6 s one ends, a record comes and the next one starts.

    It takes the record of that instant (else batches of 1, 1, 1, 2).  In the system are at most two in flight and one
    that waits; with the arrival before the end there would be four.
    """
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 1/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10}
function: {duration: 2s}
run: {duration: 9s}
""")
    assert list(result.invocations.start_s) == [0, 2, 4, 6]
    assert list(result.invocations.records) == [1, 2, 2, 2]
    assert result["records_in_system"]["max"] == 3
    assert result["records_in_system"]["time_of_max"] == 3
    assert result["backlog_records"]["max"] == 2  # the record of 1 s and that of 2 s, before they are taken


def test_rule_1_an_end_frees_its_slot_for_a_start_at_the_same_instant(run):
    """One invocation at a time.  That of shard 1 ends at 10 s, when a record comes to shard 0: it is not throttled."""
    low, high = (first for first, _ in ks.hash_key_ranges(2))
    text = f"""
kinsim: 1
profile: ideal
workload:
  sources:
    a: {{arrivals: {{model: bursts, first: AT, every: 1h, size: 1}}, partition_keys: {{explicit_hash_keys: ["{low}"]}}}}
    b: {{arrivals: {{model: bursts, every: 1h, size: 1}}, partition_keys: {{explicit_hash_keys: ["{high}"]}}}}
stream: {{shard_count: 2}}
event_source_mapping: {{batch_size: 1, throttle_backoff: {{base: 7s, factor: 1}}}}
function: {{duration: 10s}}
account: {{concurrent_executions: 1}}
run: {{duration: 1m}}
"""
    free = run(text.replace("AT", "10s"))
    assert list(free.invocations.start_s) == [0, 10]
    assert free["throttles"]["sum"] == 0
    early = run(text.replace("AT", "9_999_999us"))
    assert list(early.invocations.start_s) == [0, approx(16.999999)]
    assert early["throttles"]["sum"] == 1


def test_rule_1_of_records_of_one_instant_the_first_are_stored(run):
    """Five come at once where three fit: those with the keys a, b and c are stored, in this order; d and e are lost."""
    result = run("""
kinsim: 1
profile: ideal
workload:
  arrivals: {model: bursts, every: 1h, size: 5}
  partition_keys: {keys: [a, b, c, d, e]}
  record_size: {distribution: uniform, low: 10 B, high: 99 B}
stream: {shard_count: 1, write_limit_records: 3}
event_source_mapping: {batch_size: 1}
function: {duration: 1s}
run: {duration: 1m}
""")
    stored = result.records[result.records.accepted_s.notna()].sort_values("first_invoked_s")
    assert [int(key) for key in stored.hash_key] == [ks.hash_key(key) for key in "abc"]
    assert list(stored.first_invoked_s) == [0, 1, 2]
    assert result["dropped_records"]["sum"] == 2


def test_rule_2_time_is_half_open_and_gaps_are_never_summed(run):
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 3/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 0s}
run: {duration: 1_000s}
""")
    assert result["offered_records"]["sum"] == 3_000
    starts_us = np.rint(result.invocations.start_s.to_numpy() * 1e6).astype(int)
    assert list(starts_us) == [(2 * k * 10**6 + 3) // 6 for k in range(3_000)]  # round(k / 3 s), to the microsecond


def test_rule_2_an_even_burst_is_cut_by_floors(run):
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 300s, size: 7, spread: 1s, spacing: even}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 0s}
run: {duration: 600s}
""")
    starts_us = np.rint(result.invocations.start_s.to_numpy() * 1e6).astype(int)
    burst = [i * 10**6 // 7 for i in range(7)]
    assert list(starts_us) == burst + [300 * 10**6 + t for t in burst]


def test_rule_3_an_invocation_is_rounded_once_and_half_up(run):
    """Three records of 0.5 us on 100 ms: 100,001.5 us become 100,002, not 100,000 + 3 x 1."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 3}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 3}
function: {duration: {fixed: 100ms, per_record: 0.0005ms}}
run: {duration: 1h}
""")
    assert result["duration_s"]["max"] == approx(0.100002, abs=1e-12)


@pytest.mark.parametrize(("low", "high", "each_us"), [("0.1us", "0.4us", 0), ("0.6us", "0.9us", 1)])
def test_rule_3_work_that_differs_is_rounded_record_by_record(run, low, high, each_us):
    """A thousand records of 0.1 to 0.4 us are no work at all, of 0.6 to 0.9 us a millisecond; not 250 and 750 us."""
    result = run(f"""
kinsim: 1
profile: ideal
workload:
  arrivals: {{model: bursts, every: 1h, size: 1_000}}
  work: {{distribution: uniform, low: {low}, high: {high}}}
stream: {{shard_count: 1}}
event_source_mapping: {{batch_size: 1_000}}
function: {{duration: {{fixed: 100ms}}}}
run: {{duration: 1h}}
""")
    assert result["invocations"]["sum"] == 1
    assert result["duration_s"]["max"] == approx(0.1 + 1_000 * each_us / 1e6, abs=1e-12)


FAULTY = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 1}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 7s, timeout: TIMEOUT, faults: [{kind: error, from: 0s, to: 20s}]}
run: {duration: 10m}
"""


def test_rule_3_a_failing_invocation_lasts_its_full_duration(run):
    invocations = run(FAULTY.replace("TIMEOUT", "30s")).invocations
    assert list(invocations.outcome) == ["error", "error", "error", "ok"]
    assert list(invocations.end_s - invocations.start_s) == [7, 7, 7, 7]


def test_rule_3_one_that_times_out_lasts_exactly_the_timeout(run):
    invocations = run(FAULTY.replace("TIMEOUT", "5s")).invocations
    assert set(invocations.outcome) == {"timeout"}
    assert list(invocations.end_s - invocations.start_s) == [5] * len(invocations)


def test_rule_3_a_total_is_rounded_half_up(run):
    """100,000.5 us become 100,001; half to even would give 100,000."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 1}}
stream: {shard_count: 1}
function: {duration: {fixed: 100ms, per_record: 0.5us}}
run: {duration: 1h}
""")
    assert result["duration_s"]["max"] == 0.100001


def test_rule_3_a_records_own_work_is_rounded_when_it_is_drawn(run):
    """Ten records of 0.6 us are 10 us of work, not 6."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 10}, work: 0.6us}
stream: {shard_count: 1}
function: {duration: {fixed: 100ms}}
run: {duration: 1h}
""")
    assert result["duration_s"]["max"] == 0.100010


def test_rule_4_a_bucket_starts_full_and_a_group_is_admitted_record_by_record(run):
    """1,500 records at once: 1,000 fit, the rest is rejected and takes nothing from the next second."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 500ms, size: 1_500}, record_size: 10 B, partition_keys: constant}
stream: {shard_count: 1, write_limiter: token_bucket}
event_source_mapping: {batch_size: 10_000}
function: {duration: 100ms}
run: {duration: 1s}
""")
    assert result["accepted_records"]["sum"] == 1_000 + 500
    assert result["rejected_records"]["sum"] == 500 + 1_000


def test_rule_4_fixed_seconds_count_from_the_start_of_the_run(run):
    """Bursts at 0.5, 0.9 and 1.3 s: the first two share a second."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, first: 500ms, every: 400ms, size: 800}, record_size: 10 B}
stream: {shard_count: 1, write_limiter: fixed_second}
event_source_mapping: {batch_size: 10_000}
function: {duration: 100ms}
run: {duration: 1_500ms}
""")
    assert result["accepted_records"]["sum"] == 1_000 + 800
    assert result["rejected_records"]["sum"] == 600


def test_rule_5_a_retry_keeps_its_batch_and_what_is_left_after_expiry_goes_at_once(run):
    """Two records of 10 s and two of 40 s form a batch that fails twice; the first two expire before the third try.

    What arrived meanwhile does not fill the places that became free.
    """
    result = run("""
kinsim: 1
profile: ideal
workload:
  sources:
    first: {arrivals: {model: bursts, every: 1h, size: 1}}
    early: {arrivals: {model: bursts, first: 10s, every: 1h, size: 2}}
    late: {arrivals: {model: bursts, first: 40s, every: 1h, size: 2}}
    after: {arrivals: {model: bursts, first: 95s, every: 1h, size: 1}}
stream: {shard_count: 1, retention_period: 120s}
event_source_mapping: {batch_size: 4}
function: {duration: 50s, faults: [{kind: error, from: 50s, to: 105s}]}
run: {duration: 10m}
""")
    table = result.invocations[["start_s", "first_record", "records", "outcome"]]
    assert table.to_numpy().tolist() == [
        [0.0, 1, 1, "ok"],
        [50.0, 2, 4, "error"],
        [100.0, 2, 4, "error"],
        [150.0, 4, 2, "ok"],
        [200.0, 6, 1, "ok"],
    ]
    assert result["expired_records"]["sum"] == 2


def test_rule_6_polls_happen_on_a_grid_and_bring_at_most_10_000_records(run):
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, first: 300ms, every: 1h, size: 25_000}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10_000, poll_interval: 1s}
function: {duration: 1ms}
run: {duration: 10s}
""")
    assert list(result.invocations.start_s) == [1, 2, 3]
    assert list(result.invocations.records) == [10_000, 10_000, 5_000]


def test_rule_6_a_poll_brings_at_most_10_mib(run):
    """Records of 1 MiB less their key: ten a call."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 25}, record_size: 1_048_575 B, partition_keys: {keys: [k]}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10_000, poll_interval: 1s}
function: {duration: 1ms}
run: {duration: 10s}
""")
    assert list(result.invocations.records) == [10, 10, 5]


def test_rule_6_a_shard_keeps_its_phase_and_another_seed_has_others(run):
    """Two bursts, the second 3,604.5 s later: each shard polls at its phase plus whole multiples of 10 s."""
    text = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 3_604_500ms, size: 50}, partition_keys: even}
stream: {shard_count: 50}
event_source_mapping: {poll_interval: 10s, poll_phase: PHASE}
function: {duration: 1ms}
run: {duration: 2h, seed: SEED}
"""

    def starts(phase, seed):
        table = run(text.replace("PHASE", phase).replace("SEED", str(seed))).invocations
        return table.pivot_table(index="shard", values="start_s", aggfunc=["min", "max"]).to_numpy()

    first, second = starts("random", 1).T
    assert (first < 10).all()
    assert second == approx([phase + 10 * np.ceil((3_604.5 - phase) / 10) for phase in first], abs=1e-6)
    assert len(set(first.tolist()) & set(starts("random", 2)[:, 0].tolist())) < 5
    assert starts("aligned", 1).tolist() == [[0, 3_610]] * 50


def test_rule_6_the_phase_of_the_polls_is_drawn_per_shard(run):
    """Of 400 shards each looks at the record of its own at its own time within the second, evenly spread.

    A shard's first batch starts at its first poll after 10 s.  The mean of 400 uniform phases has a standard error of
    14 ms: false-alarm rate 0.3 % for 3 of them.
    """
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, first: 10s, size: 400}, partition_keys: even}
stream: {shard_count: 400}
event_source_mapping: {poll_interval: 1s, poll_phase: random}
function: {duration: 1ms}
run: {duration: 1m}
""")
    waits = result.invocations.start_s.to_numpy() - 10
    assert len(waits) == 400
    assert len(set(waits.tolist())) > 390
    assert 0 <= waits.min() < 0.05
    assert 0.95 < waits.max() < 1
    assert abs(waits.mean() - 0.5) < 3 * 0.0145


def test_rule_7_a_window_opens_with_its_first_record_or_the_end_of_the_run_before(run):
    """A record a second for 14 s, windows of 4 s, runs of 3 s: from 0 s on, from the end at 7 s, from that at 14 s.

    The last window runs out although no more arrivals can come.
    """
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 1/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 100, maximum_batching_window: 4s}
function: {duration: 3s}
run: {duration: 14s, until: drained}
""")
    runs = result.invocations
    assert runs.start_s.tolist() == [4, 11, 18]
    assert runs.records.tolist() == [5, 7, 2]


def test_rule_8_throttled_batches_form_a_first_come_line(run):
    """One invocation at a time, of 10 s.  Shard 2 asks at 1 s, shard 1 at 2 s, shard 0 again at 10 s.

    Nobody is throttled (aws:E26): the slot goes to who has waited longest, not to the lowest shard.
    """
    low, middle, high = (first for first, _ in ks.hash_key_ranges(3))
    result = run(f"""
kinsim: 1
profile: ideal
workload:
  sources:
    a: {{arrivals: {{model: bursts, every: 1h, size: 2}}, partition_keys: {{explicit_hash_keys: ["{low}"]}}}}
    b:
      arrivals: {{model: bursts, first: 2s, every: 1h, size: 1}}
      partition_keys: {{explicit_hash_keys: ["{middle}"]}}
    c:
      arrivals: {{model: bursts, first: 1s, every: 1h, size: 1}}
      partition_keys: {{explicit_hash_keys: ["{high}"]}}
stream: {{shard_count: 3}}
event_source_mapping: {{batch_size: 1, throttle_backoff: none}}
function: {{duration: 10s}}
account: {{concurrent_executions: 1}}
run: {{duration: 1m}}
""")
    table = result.invocations.sort_values("start_s")
    assert [int(str(shard)[-1]) for shard in table.shard] == [0, 2, 1, 0]
    assert list(table.start_s) == [0, 10, 20, 30]
    assert list(table.ready_s) == [0, 1, 2, 10]
    assert result["throttles"]["sum"] == 0
    assert result["concurrent_executions"]["max"] == 1


def test_rule_9_warm_up_cuts_samples_by_their_start_and_sums_cover_the_run(run):
    """A burst of 100 at 0 s and one of 10 at 300 s: the means see the second alone, the sums both."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: trace, file: counts.csv, format: csv, row_period: 300s, count: n, shape: burst}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 1s}
run: {duration: 600s, warm_up: 200s}
""")
    assert result["processed_records"]["sum"] == 110
    assert result["queue_wait_s"]["count"] == 10
    assert result["queue_wait_s"]["mean"] == approx(4.5)
    assert result["sojourn_s"]["max"] == approx(10)
    # waiting: 9, 8, ... 1 records for a second each, over 400 s
    assert result["backlog_records"]["time_average"] == approx(45 / 400)
    assert result["utilization"]["time_average"] == approx(110 / 600)


@pytest.fixture(autouse=True)
def counts(tmp_path):
    (tmp_path / "counts.csv").write_text("n\n100\n10\n")


def test_rule_10_percentiles_interpolate_linearly(run):
    """Waits of 0, 1, 2, ... 9 s."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 10}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 1s}
run: {duration: 1h}
""")
    waits = np.arange(10)
    for statistic in ("p50", "p90", "p95", "p99"):
        assert result["queue_wait_s"][statistic] == approx(np.percentile(waits, float(statistic[1:])))


def test_rule_10_beyond_a_million_samples_percentiles_come_from_histograms_and_say_so(run):
    """A record every 0.1 ms, a batch each second: waits of 0, 0.1, ... 999.9 ms, each as often as the others.

    With 100 s there are exactly a million, with one record more a histogram of 256 bins for each doubling: a
    percentile is off by less than 1/256, 0.39 %.
    """
    text = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 10_000/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10_000}
function: {duration: 1s}
run: {duration: DURATION, until: drained}
"""
    waits = np.arange(10_000) / 10_000
    exact = run(text.replace("DURATION", "100s"), keep=())
    assert exact["queue_wait_s"]["count"] == 1_000_000
    assert not any("histogram" in note for note in exact.summary()["findings"]["notes"])
    coarse = run(text.replace("DURATION", "100_000_100us"), keep=())
    assert coarse["queue_wait_s"]["count"] == 1_000_001
    notes = [note for note in coarse.summary()["findings"]["notes"] if "histogram" in note]
    assert len(notes) == 1
    assert "queue_wait_s" in notes[0] and "0.39 %" in notes[0]
    differ = 0
    for percent in (50, 90, 95, 99, 99.9):
        wanted = np.percentile(np.repeat(waits, 100), percent)
        assert exact["queue_wait_s"][f"p{percent:g}"] == approx(wanted, abs=1e-6)
        assert coarse["queue_wait_s"][f"p{percent:g}"] == approx(wanted, rel=1 / 256)
        differ += abs(coarse["queue_wait_s"][f"p{percent:g}"] - wanted) > 1e-6
    assert differ > 0
    assert coarse["queue_wait_s"]["mean"] == approx(waits.mean(), rel=1e-6)  # moments stay exact


RANDOM_KEYS = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 60s, size: 10_000}, granularity: 1s}
stream: {shard_count: SHARDS}
event_source_mapping: {batch_size: 10_000}
function: {duration: 1s}
run: {duration: 10m, seed: 7}
"""


def accepted_per_shard(result):
    return [metrics["accepted_records"]["sum"]["value"] for metrics in result.summary()["per_shard"].values()]


def test_rule_11_twice_the_shards_split_each_share(run):
    two = accepted_per_shard(run(RANDOM_KEYS.replace("SHARDS", "2"), keep=()))
    four = accepted_per_shard(run(RANDOM_KEYS.replace("SHARDS", "4"), keep=()))
    assert [four[0] + four[1], four[2] + four[3]] == two
    # 100,000 records, each half a binomial share: 3 standard deviations
    assert two[0] == approx(50_000, abs=3 * (100_000 / 4) ** 0.5)


POISSON = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: poisson, rate: 20/s}, work: {distribution: exponential, mean: 1ms}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: BATCH}
function: {duration: {fixed: 10ms}}
run: {duration: 10m, seed: 7}
"""


def test_rule_12_draws_depend_on_nothing_but_workload_seed_and_replication(run):
    """Another batch size sees the same records at the same instants."""
    one = run(POISSON.replace("BATCH", "1")).records
    many = run(POISSON.replace("BATCH", "50")).records
    assert list(one.accepted_s) == list(many.accepted_s)


def test_rule_12_a_longer_run_begins_with_the_shorter_one(run):
    short = run(POISSON.replace("BATCH", "1")).records.accepted_s
    long = run(POISSON.replace("BATCH", "1").replace("10m", "25m")).records.accepted_s
    assert list(long[: len(short)]) == list(short)


def test_rule_13_the_first_half_is_the_smaller_and_goes_first_and_both_keep_their_attempts(run):
    """Seven records, the sixth is bad: 7, then 3 and 4, then 2 and 2, 1 and 1; the bad one alone uses up its retry."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 7}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 7, bisect_batch_on_function_error: true, maximum_retry_attempts: 1}
function: {duration: 1s, faults: [{kind: error, records: [6]}]}
run: {duration: 10m, until: drained}
""")
    runs = result.invocations
    assert runs.records.tolist() == [7, 3, 4, 2, 2, 1, 1, 1]
    assert runs.first_record.tolist() == [1, 1, 4, 4, 6, 6, 6, 7]
    assert runs.attempt.tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert result["discarded_records"]["sum"] == 1
    assert result["processed_records"]["sum"] == 6


def test_rule_14_idle_time_runs_from_the_end_of_the_last_invocation(run):
    """Bursts every 100 s, 15 s of work, environments that idle for 90 s: 85 s of idleness, never cold again."""
    text = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 100s, size: 1}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: 15s, cold_start: 1s, environment: {idle: IDLE, max_age: 24h}}
run: {duration: 1_000s}
"""
    warm = run(text.replace("IDLE", "90s"))
    assert warm["cold_starts"]["sum"] == 1
    assert list(warm.invocations.cold) == [True] + [False] * 9
    cold = run(text.replace("IDLE", "84s"))  # a cold start makes it 84 s of idleness
    assert cold["cold_starts"]["sum"] > 1


def test_rule_15_the_backlog_excludes_what_is_in_flight_and_its_maximum_what_is_about_to_be(run):
    """Ten at once, four a batch, ten seconds a batch: 10 just before, then 6, then 2."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, first: 5s, every: 1h, size: 10}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 4}
function: {duration: 10s}
run: {duration: 20s}
""")
    assert result["backlog_records"]["max"] == 10
    assert result["backlog_records"]["time_of_max"] == 5
    assert result["backlog_records"]["time_average"] == approx((10 * 6 + 5 * 2) / 20)
    assert result["backlog_records"]["last"] == 2
    assert result["waiting_records"]["sum"] == 2
    assert result["in_flight_records"]["sum"] == 4
    assert result["processed_records"]["sum"] == 4
    assert result["queue_wait_s"]["count"] == 8  # a record not started has no wait


def test_rule_15_the_time_of_a_maximum_is_that_of_its_first_occurrence(run):
    """Bursts of 10 every 500 s over two hours, from 5 s on: all alike, so each maximum is reached in the first one.

    The last batch of the first burst starts at 25 s.  A larger burst at 6,005 s moves all of them.
    """
    text = """
kinsim: 1
profile: ideal
workload:
  sources:
    alike: {arrivals: {model: bursts, first: 5s, every: 500s, size: 10}}
    more: {arrivals: {model: bursts, first: 6_005s, every: 2h, size: 10}, start: START}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 4}
function: {duration: 10s}
run: {duration: 2h}
"""
    alike = run(text.replace("START", "6_006s"))
    assert (alike["backlog_records"]["max"], alike["backlog_records"]["time_of_max"]) == (10, 5)
    assert (alike["records_in_system"]["max"], alike["records_in_system"]["time_of_max"]) == (10, 5)
    assert (alike["true_age_s"]["max"], alike["true_age_s"]["time_of_max"]) == (20, 25)
    assert (alike["queue_wait_s"]["max"], alike["queue_wait_s"]["time_of_max"]) == (20, 25)
    assert (alike["iterator_age_s"]["max"], alike["iterator_age_s"]["time_of_max"]) == (20, 25)
    assert (alike["batch_records"]["max"], alike["batch_records"]["time_of_max"]) == (4, 5)
    more = run(text.replace("START", "0s"))
    assert (more["backlog_records"]["max"], more["backlog_records"]["time_of_max"]) == (20, 6_005)
    assert (more["queue_wait_s"]["max"], more["queue_wait_s"]["time_of_max"]) == (40, 6_045)


def test_rule_16_lanes_take_keys_by_the_low_64_bits_of_their_md5_modulo_the_factor(run):
    """Of the keys of aws:W15's list `a` has an odd lower half of its MD5, `123` and `0` an even one."""
    assert [ks.hash_key(key) % 2**64 % 2 for key in ("a", "123", "0")] == [1, 0, 0]
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 300}, partition_keys: {keys: [a, "123", "0"]}}
event_source_mapping: {batch_size: 1, parallelization_factor: 2}
function: {duration: 1s}
run: {duration: 1h, until: drained}
""")
    assert result["concurrent_executions"]["max"] == 2
    assert result["finish_s"]["mean"] == 200  # the lane of two keys has 200 records, the other 100
    assert result["utilization"]["max"] == 300 / 3_600 / 2


def test_rule_18_everything_offered_is_somewhere(run):
    """Limits, failures, retries and expiry at once; the books close at the producer and at the consumer."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: bursts, every: 60s, size: 3_000, spread: 200ms}, record_size: 200 B}
producer: {model: sdk, batch_size: 100, retry: {mode: legacy, max_attempts: 3}}
stream: {shard_count: 2, retention_period: 120s, write_limiter: token_bucket}
event_source_mapping: {batch_size: 100}
function: {duration: {fixed: 4s}, timeout: 30s, faults: [{kind: error, probability: 0.1}]}
run: {duration: 30m, seed: 5}
""")
    amount = {name: found["sum"]["value"] for name, found in result.summary()["metrics"].items() if "sum" in found}
    assert amount["rejected_records"] > 0
    assert amount["expired_records"] > 0
    assert amount["offered_records"] == amount["accepted_records"] + amount["dropped_records"]
    assert amount["accepted_records"] == (
        amount["processed_records"]
        + amount["discarded_records"]
        + amount["expired_records"]
        + amount["too_large_records"]
        + amount["in_flight_records"]
        + amount["waiting_records"]
    )


def test_rule_18_what_a_producer_still_holds_at_the_end_is_counted_there(run):
    """Ten records a second whose calls take 0.7 s: those from 9.3 s on, seven, are still on their way at 10 s."""
    result = run("""
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 10/s}}
producer: {model: sdk, put_latency: 700ms}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10}
function: {duration: 1ms}
run: {duration: 10s, until: end}
""")
    assert result["offered_records"]["sum"] == 100
    assert result["accepted_records"]["sum"] == 93
    assert result["dropped_records"]["sum"] == 0
    assert result["in_producer_records"]["sum"] == 7


def test_rule_18_the_producers_books_close_with_limits_and_retries(run):
    """Created = accepted + dropped + in the producer: on their way, or waiting for another try.

    6,000 records, of which a shard takes 100 at once and 50 a second: 3,050 to 3,100 by the end.  A try takes 0.7 s,
    so 70 were not yet offered.  Without retries the rest is dropped; sampling is not simulated yet.
    """
    text = """
kinsim: 1
profile: ideal
workload: {arrivals: {model: constant, rate: 100/s}}
producer: {model: sdk, put_latency: 700ms, retry: RETRY}
stream: {shard_count: 1, write_limit_records: 50, write_burst_records: 100}
event_source_mapping: {batch_size: 10}
function: {duration: 1ms}
run: {duration: 60s, until: end}
"""
    retries = {
        "none": "{mode: none}",
        "few": "{mode: backoff, base: 2s, cap: 4s, jitter: full, max_attempts: 3}",
        "many": "{mode: backoff, base: 2s, cap: 20s, jitter: none, max_attempts: -1}",
    }
    held = {}
    for name, retry in retries.items():
        result = run(text.replace("RETRY", retry))
        names = ("offered_records", "accepted_records", "dropped_records", "in_producer_records")
        created, accepted, dropped, held[name] = (result[name]["sum"] for name in names)
        assert created == 6_000 == accepted + dropped + held[name]
        assert accepted <= 100 + 50 * 59.3
        assert (dropped > 0) == (name != "many")
    assert held["none"] == 70
    assert 70 < held["few"] < held["many"]
