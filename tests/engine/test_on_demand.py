"""On-demand streams: when they grow, what they reject until then, and what a hot key does to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.measure.figure_data import of_run
from kinsim.scenario import parse

LAST = str(2**128 - 1)
SCENARIO = """
kinsim: 1
name: on-demand
profile: ideal
workload:
  arrivals: {model: piecewise, spacing: even, segments: SEGMENTS}
  record_size: 64 B
  partition_keys: even
stream:
  stream_mode: ON_DEMAND
  write_limit_records: 10
  write_limit_bytes: 1 GiB
  on_demand: {split_above: unlimited}
event_source_mapping: {batch_size: 10_000}
function: {duration: 1ms}
run: {duration: 65m, replications: 1}
"""
"""A shard takes 10 records a second, a new stream 40; records are 100 B, keys included."""

ONE_KEY = 'workload.partition_keys={explicit_hash_keys: ["0"]}'


def run(segments, *changes):
    text = SCENARIO.replace("SEGMENTS", "[" + ", ".join(f"{{until: {u}m, rate: {r}/s}}" for u, r in segments) + "]")
    return parse(text, "f.yaml", overrides=list(changes)).run()


def opened(result):
    """How many shards opened at which second."""
    times = [shard["opened_s"] for shard in result.summary()["shards"]]
    return {at: times.count(at) for at in sorted(set(times))}


def still_open(result):
    return [shard for shard in result.summary()["shards"] if shard["closed_s"] is None]


def rejected(result):
    """Records rejected in each minute that has some."""
    table = result.timeseries
    table = table[(table.MetricName == "WriteProvisionedThroughputExceeded") & (table.Statistic == "Sum")]
    return {at // 60: value for at, value in zip(table.Timestamp, table.Value, strict=True) if value}


def test_a_load_that_doubles_is_taken_and_the_stream_grows_a_quarter_of_an_hour_later():
    """20/s, from minute 30 on 40/s, from minute 46 on 80/s: 4 shards take 40, 8 from minute 45 on, 16 from 61 on."""
    result = run([(30, 20), (46, 40), (65, 80)])
    assert result["rejected_records"]["sum"] == 0
    assert opened(result) == {0: 4, 45 * 60: 8, 61 * 60: 16}
    assert len(still_open(result)) == 16
    assert result["processed_records"]["sum"] == 60 * (30 * 20 + 16 * 40 + 19 * 80)


def test_a_load_that_triples_is_rejected_in_part_until_the_stream_has_grown():
    """20/s, from minute 30 on 60/s: each shard is offered 15/s and takes those that it holds tokens for.

    That is 10 and 10 a second: by its last record of the quarter of an hour, 899.93 to 899.98 s after the first, 9,009
    of 13,500.  Of minute 30 it takes 610, the stream 2,440, the double of which makes 81.3/s: 9 shards, by 5 splits at
    minute 45.  They take all; the double of 60/s is 12 shards, 3 splits later.
    """
    result = run([(30, 20), (65, 60)])
    assert opened(result) == {0: 4, 45 * 60: 10, 60 * 60: 6}
    assert result["rejected_records"]["sum"] == 4 * (13_500 - 9_009)
    by_minute = rejected(result)
    assert list(by_minute) == list(range(30, 45))
    assert set(list(by_minute.values())[1:]) == {20 * 60}


def test_what_is_rejected_does_not_make_the_stream_grow():
    """100/s: n fresh shards take 10 n tokens and 600 n records in their first minute, twice which is 20 1/3 n/s."""
    shards = run([(31, 100)], "run.duration=31m").summary()["shards"]
    there = [sum(s["opened_s"] <= at and (s["closed_s"] or 1e9) > at for s in shards) for at in (0, 900, 1_800)]
    assert there == [4, 9, 19]  # 8.13 and 18.3, rounded up


def test_it_never_shrinks():
    result = run([(5, 40), (65, 1)])
    assert opened(result) == {0: 4, 900: 8}
    assert len(still_open(result)) == 8


@pytest.mark.parametrize(
    ("change", "shards"),
    [
        ("stream.on_demand.scale_delay=20m", {0: 4, 3_000: 8}),
        ("stream.on_demand.headroom=1.5", {0: 4, 2_700: 4}),  # 2 splits: 6 shards
        ("stream.on_demand.headroom=1", {0: 4}),
        ("stream.shard_count=7", {0: 7, 2_700: 2}),
        ("stream.on_demand.max_write_throughput=6 GiB", {0: 4, 2_700: 4}),
        ("stream.on_demand.max_write_throughput=2 GiB", {0: 4}),
        ("stream.on_demand.peak_period=10m", {0: 4, 2_700: 8}),
        ("stream.on_demand.peak_period=12m", {0: 4, 2_340: 4, 3_060: 4}),
    ],
)
def test_every_setting_changes_when_or_how_far_it_grows(change, shards):
    """20/s, from minute 30 on 40/s, the double of which is 8 shards.

    In periods of 12 minutes those from minute 24 to 36 have 30/s, which make 6 shards at minute 39.
    """
    assert opened(run([(30, 20), (65, 40)], change)) == shards


def test_equal_ranges_are_opened_where_the_placement_is_even():
    """From 4 to 6 equal shards: 2 boundaries are kept, 4 come and 2 go, by splits and then merges (aws:S10)."""
    result = run([(65, 30)], "stream.on_demand.placement=even", "run.duration=20m")
    ranges = sorted(int(shard["starting_hash_key"]) for shard in still_open(result))
    assert [round(start / 2**128 * 6, 6) for start in ranges] == [0, 1, 2, 3, 4, 5]
    assert {shard["opened_s"] for shard in still_open(result)} == {900}


def test_the_hottest_shards_are_split_in_the_middle():
    """Three of the four shards get 8, 4 and 4 records a second: 4 more, the fifth halves the hottest, then one of 4."""
    keys = [0] * 2 + [2**126] + [2 * 2**126]
    spread = "{explicit_hash_keys: [" + ", ".join(f'"{each}"' for each in keys) + "]}"
    result = run([(65, 16)], f"workload.partition_keys={spread}", "stream.on_demand.headroom=3.5", "run.duration=20m")
    # 3.5 x 16/s make 5.6, so 6 shards: shard 0 is split, then of the shards with 4/s the lowest, its first child
    children = [(shard["parent"], shard["id"]) for shard in result.summary()["shards"][4:]]
    ids = [f"shardId-{number:012d}" for number in range(8)]
    assert children == [(ids[0], ids[4]), (ids[0], ids[5]), (ids[1], ids[6]), (ids[1], ids[7])]


def test_the_last_minute_tells_which_are_the_hottest():
    """Minute 0 brings 8/s to each of three shards, which need a fifth; in minute 1 only the fourth gets some."""
    early, late = ("0", str(2**126), str(2**127)), (str(3 * 2**126),)
    sources = ", ".join(
        f"{name}: {{arrivals: {{model: constant, rate: {rate}/s}}, record_size: 64 B, {when}, "
        f"partition_keys: {{explicit_hash_keys: [{', '.join(map(repr, keys))}]}}}}"
        for name, rate, when, keys in (("early", 24, "end: 1m", early), ("late", 8, "start: 1m", late))
    )
    text = SCENARIO[: SCENARIO.index("workload:")] + f"workload: {{sources: {{{sources}}}}}\n"
    text += SCENARIO[SCENARIO.index("stream:") :]
    result = parse(text, "f.yaml", overrides=["run.duration=3m", "stream.on_demand.scale_delay=2m"]).run()
    assert [(s["id"][-1], s["closed_s"]) for s in result.summary()["shards"] if s["closed_s"]] == [("3", 120)]


HOT = ("stream.on_demand.split_above=500 B", ONE_KEY)


def test_a_hot_shard_is_split_for_its_own_traffic():
    """6 records of 100 B a second under one key, 600 B/s, where the stream as a whole has room.

    The shard with the key is split every quarter of an hour, since its key goes to one child again and again.
    """
    result = run([(65, 6)], *HOT)
    assert opened(result) == {0: 4, 900: 2, 1_800: 2, 2_700: 2, 3_600: 2}
    assert result["rejected_records"]["sum"] == 0
    hot = [shard for shard in result.summary()["shards"] if shard["starting_hash_key"] == "0"]
    assert [int(shard["ending_hash_key"]).bit_length() for shard in hot] == [126, 125, 124, 123, 122]


def test_as_much_as_the_bound_is_not_hot():
    assert opened(run([(65, 5)], *HOT)) == {0: 4}


def test_a_hot_key_stays_throttled_however_far_the_stream_grows():
    """15 records a second under one key: a shard takes 10 of them, whichever it is (aws:S16).

    Each shard that the key gets begins with a full bucket: of 900 s, its first record at 0 s and its last at 899.93 s
    take 10 + 8,999 at most, the last one of the run, 300 s, 10 + 2,999.
    """
    result = run([(65, 15)], *HOT)
    assert len(still_open(result)) == 8
    accepted = [s for s in result.summary()["per_shard"].values() if s["accepted_records"]["sum"]["value"]]
    assert [s["accepted_records"]["sum"]["value"] for s in accepted] == [9_009] * 4 + [3_009]
    assert result["rejected_records"]["sum"] == 15 * 65 * 60 - 4 * 9_009 - 3_009


WARM = ("stream.stream_mode=ON_DEMAND_ADVANTAGE", "stream.write_limit_bytes=1 kB", "stream.warm_throughput=12 kB")


def test_a_warm_stream_takes_at_once_what_it_is_warm_for():
    """Of 100 B, 120 records a second are 12 kB/s: 12 shards from the start, for a load that is there at once."""
    result = run([(5, 4), (10, 120)], *WARM, "run.duration=10m")
    assert opened(result) == {0: 12}
    assert result["rejected_records"]["sum"] == 0
    cold = run([(5, 4), (10, 120)], *WARM[:2], "run.duration=10m")
    assert opened(cold) == {0: 4}
    assert cold["rejected_records"]["sum"] == pytest.approx(80 * 300, abs=4 * 11)


SHORT = ("run.duration=12m", "stream.on_demand.scale_delay=2m", "run.until=drained")


@pytest.mark.parametrize(
    "changes",
    [
        ("event_source_mapping.parallelization_factor=3",),
        ("stream.consumers=[{name: a, reads: 100%}]", "stream.enforce_read_limits=true",
         "event_source_mapping.poll_interval=1s"),
        ("producer={model: sdk, api: PutRecords, batch_size: 50, on_partial_failure: resend_all, "
         "retry: {mode: backoff, base: 1s, max_attempts: 4}}",),
        ("producer={model: sdk, api: PutRecord, retry: {mode: adaptive, max_attempts: 3}}",),
        ("producer={model: sdk, api: PutRecords, batch_size: 50, retry: {mode: standard, max_attempts: 3}}",
         "stream.on_demand.placement=even"),
    ],
    ids=["lanes", "consumers", "resend_all", "adaptive", "even"],
)  # fmt: skip
def test_law_it_grows_beside_all_that_goes_with_resharding(changes):
    """Conservation is checked in every run; with 70/s for 40 the stream grows, and what was accepted is processed."""
    result = run([(5, 20), (12, 70)], "workload.partition_keys=random", *SHORT, *changes)
    assert len(still_open(result)) > 8
    stored = result["accepted_records"]["sum"] + (result["duplicate_records"]["sum"] if "resend" in changes[0] else 0)
    assert result["processed_records"]["sum"] == stored
    assert result["offered_records"]["sum"] == 5 * 60 * 20 + 7 * 60 * 70


def test_all_readers_of_a_stream_see_the_same_shards():
    text = SCENARIO.replace("SEGMENTS", "[{until: 5m, rate: 20/s}, {until: 12m, rate: 70/s}]").replace(
        "event_source_mapping:", "  consumers: [{name: second, function: {duration: 2ms}}]\nevent_source_mapping:"
    )
    both = parse(text, "f.yaml", overrides=["run.duration=12m", "stream.on_demand.scale_delay=2m"]).run()
    first, second = (both[name].summary()["shards"] for name in ("main", "second"))
    assert first == second
    assert len(first) > 8


def test_figures_show_the_limit_in_steps():
    """4 shards, 9 from minute 7 on: what four full buckets and 40/s for a minute let through is 40.7/s."""
    result = run([(5, 20), (12, 70)], "run.duration=9m", "stream.on_demand.scale_delay=2m")
    load, _, heat_map = of_run(result.scenario, result.replications, result.summary())
    assert load.notes["records"]["limit_steps"][:2] == [[0.0, 40.0], [420.0, 90.0]]
    assert heat_map.notes["shards"] == [shard["id"] for shard in result.summary()["shards"]]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(2, 4), st.floats(0.05, 1.0)), min_size=1, max_size=5),
    st.sampled_from(["hottest", "even"]),
)
def test_law_a_load_that_does_not_more_than_double_within_the_delay_is_never_rejected(steps, placement):
    """With a delay of 2 minutes each step lasts as long or longer and has at most the double of the highest before it,
    at first 20/s."""
    peak, at, segments = 20.0, 0, []
    for minutes, share in steps:
        at, rate = at + minutes, round(2 * peak * share, 3)
        segments.append((at, rate))
        peak = max(peak, rate)
    changes = (f"run.duration={at}m", f"stream.on_demand.placement={placement}", "stream.on_demand.scale_delay=2m")
    result = run(segments, *changes)
    assert result["rejected_records"]["sum"] == 0
