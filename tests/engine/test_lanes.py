"""Lanes of a shard: which record goes where, what stays in order, what a failing lane holds up; queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pytest import approx

import kinsim as ks
from kinsim.engine.dealing import Dealer, LaneLog
from kinsim.engine.splitting import SourceKeys
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import EVEN, RANDOM, KeyTable

IDEAL = """
kinsim: 1
name: lanes
profile: ideal
workload: {arrivals: {model: bursts, every: 1h, size: 12}, partition_keys: even}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 2, parallelization_factor: 3}
function: {duration: 10s}
run: {duration: 1h, until: drained, replications: 1, seed: 1}
"""


@pytest.fixture
def run(tmp_path):
    def go(changes=None, keep=("invocations", "records"), text=IDEAL):
        (tmp_path / "lanes.yaml").write_text(text)
        return ks.load(tmp_path / "lanes.yaml").with_(changes or {}).run(keep=keep)

    return go


def test_twelve_records_on_three_lanes(run):
    """Each lane has four records, two batches of 10 s; all are done at 20 s."""
    result = run()
    runs = result.invocations
    assert sorted(zip(runs.lane, runs.start_s, strict=True)) == [(n, t) for n in range(3) for t in (0, 10)]
    assert result["concurrent_executions"]["max"] == 3
    assert result["utilization"]["max"] == approx(20 / 3_600)
    assert result["true_age_s"]["max"] == 10
    # the shard's records in turn: lane 1 has those numbered 2, 5, 8 and 11
    assert runs[runs.lane == 1][["first_record", "last_record"]].to_numpy().tolist() == [[2, 5], [8, 11]]


def test_a_lane_numbers_its_draws_apart_and_lane_0_as_a_shard_without_lanes(run):
    one = {
        "event_source_mapping.parallelization_factor": 1,
        "function.duration": {"distribution": "exponential", "mean": "1s"},
    }
    three = {**one, "event_source_mapping.parallelization_factor": 3}
    single, several = run(one).invocations, run(three).invocations
    times = {lane: (part.end_s - part.start_s).round(6).tolist() for lane, part in several.groupby("lane")}
    alone = (single.end_s - single.start_s).round(6).tolist()
    assert times[0] == alone[:2]
    assert len({tuple(each) for each in times.values()}) == 3


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_a_key_keeps_its_order_only_where_lanes_are_dealt(run, parallelization):
    changes = {
        "workload.arrivals.size": 400, "workload.partition_keys": {"keys": ["a", "b", "c", "d", "e"]},
        "event_source_mapping.parallelization": parallelization, "event_source_mapping.batch_size": 7,
        "function.duration": {"distribution": "exponential", "mean": "1s"},
    }  # fmt: skip
    records = run(changes).records
    assert records.records.sum() == 400
    in_order = all(part.done_s.is_monotonic_increasing for _, part in records.groupby("hash_key"))
    assert in_order == (parallelization == "hashed")


def test_one_key_uses_one_lane_unless_they_are_pooled(run):
    """aws:E20: twelve records of one key are six batches in a row; a pool works them off three at a time."""
    hot = {"workload.partition_keys": "constant"}
    assert run(hot)["finish_s"]["mean"] == 60
    assert run({**hot, "event_source_mapping.parallelization": "pooled"})["finish_s"]["mean"] == 20


def test_a_failing_lane_holds_up_the_others_only_if_it_blocks_the_shard(run):
    """Record 1 fails in lane 0 until two retries are used up: 30 s, then its other batch; blocked lanes wait for it."""
    failing = {
        "function.faults": [{"kind": "error", "records": [1]}], "event_source_mapping.maximum_retry_attempts": 2,
    }  # fmt: skip
    ends = run(failing).invocations.groupby("lane").end_s.max()
    assert ends.tolist() == [40, 20, 20]
    blocked = run({**failing, "event_source_mapping.lane_failure_blocks_shard": True})
    assert blocked.invocations.groupby("lane").end_s.max().tolist() == [40, 40, 40]
    assert blocked["discarded_records"]["sum"] == 2


def test_others_stop_when_the_read_ahead_beyond_a_failing_record_is_used_up(run):
    """aws:E22: 1,000 records of 100 B a lane of two; one that fails for ever lets 20 kB be read beyond it."""
    changes = {
        "workload.arrivals": {"model": "constant", "rate": "10/s"}, "workload.record_size": "100 B",
        "event_source_mapping.parallelization_factor": 2, "event_source_mapping.read_ahead": "20 kB",
        "event_source_mapping.poll_interval": "1s", "event_source_mapping.batch_size": 10,
        "event_source_mapping.retry_backoff": {"base": "5s"},
        "function.duration": "10ms", "function.faults": [{"kind": "error", "records": [1]}],
        "run.until": "end", "run.duration": "10m",
    }  # fmt: skip
    result = run(changes)
    processed = result["processed_records"]["sum"]
    # a poll reads while less than 200 records lie beyond the first; half of them are the other lane's
    assert 100 <= processed <= 110
    assert set(result.invocations[result.invocations.outcome == "ok"].lane) == {1}
    assert result["waiting_records"]["sum"] + result["in_flight_records"]["sum"] + processed == 6_000


THEORY = """
kinsim: 1
name: theory
profile: ideal
workload: {arrivals: {model: poisson, rate: 2.4/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1, parallelization_factor: 3}
function: {duration: {distribution: exponential, mean: 1s}}
run: {duration: 15_000s, warm_up: 1_000s, replications: 10, seed: 5}
"""


def erlang_c_wait(servers: int, rate: float, mean_s: float) -> float:
    """Mean wait of M/M/c (Erlang C)."""
    load = rate * mean_s
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    waits = top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)
    return waits * mean_s / (servers - load)


def test_a_pool_of_lanes_is_m_m_c_and_dealt_lanes_are_m_m_1_each(run):
    """Means within 4 standard errors of ten replications (t, 9 degrees): a false alarm in 300 for each of the two."""
    for parallelization, expected in (("pooled", erlang_c_wait(3, 2.4, 1.0)), ("hashed", 0.8 / (1 - 0.8))):
        result = run({"event_source_mapping.parallelization": parallelization}, keep=(), text=THEORY)
        found = np.array([each.metrics["queue_wait_s"]["mean"] for each in result.replications])
        error = found.std(ddof=1) / math.sqrt(found.size)
        assert error / expected < 0.08
        assert abs(found.mean() - expected) < 4 * error, parallelization


def test_groups_and_single_records_are_dealt_alike():
    """A group of 9,000 random keys falls on three lanes within four standard deviations; each row goes one way."""
    keys = SourceKeys(KeyTable.of(["a", "123", "0"]), 10, 11, 12, False)
    dealer = Dealer([keys], 3)
    rows = Rows.empty(4)
    rows.count[:] = 9_000, 1, 4, 1
    rows.key[:] = RANDOM, 0, 2, EVEN
    rows.time_us[:] = 0, 1, 2, 3
    rows.index[:] = 0, 9_000, 9_001, 9_007
    dealt, lane = dealer.deal(rows, 2)
    sizes = dealt.count[dealt.time_us == 0]
    assert sizes.sum() == 9_000
    assert (abs(sizes - 3_000) < 4 * math.sqrt(9_000 * 2 / 9)).all()
    expected = [ks.hash_key(key) % 2**64 % 3 for key in ("a", "0")]
    assert lane[-3:].tolist() == [*expected, 9_007 // 2 % 3]


def test_a_lane_forgets_what_is_settled_and_still_knows_its_numbers():
    log = LaneLog()
    for first in (0, 10):
        rows = Rows.empty(2)
        rows.time_us[:] = first, first + 1
        log.append_dealt(rows, np.array([2 * first, 2 * first + 5]))
    log.forget(2)
    assert log.on_shard(np.array([2, 3])).tolist() == [20, 25] == [log.number_on_shard(n) for n in (2, 3)]
    assert [log.before(number) for number in (20, 21, 25, 26)] == [2, 3, 3, 4]


@pytest.mark.parametrize("parallelization", ["hashed", "pooled"])
def test_a_drained_run_ends_where_a_lane_that_never_gets_on_blocks_the_others(run, parallelization):
    """Record 1 fails for ever; the other lanes may not go on, so that nothing will ever change."""
    result = run({
        "function.faults": [{"kind": "error", "records": [1]}], "event_source_mapping.retry_backoff": {"base": "1s"},
        "event_source_mapping.lane_failure_blocks_shard": True,
        "event_source_mapping.parallelization": parallelization,
    })  # fmt: skip
    assert result.replications[0].stuck_shards == ("shardId-000000000000",)
    assert result["in_flight_records"]["sum"] == 2
    assert result["waiting_records"]["sum"] + result["processed_records"]["sum"] == 10


def test_a_drained_run_ends_where_nothing_more_is_read_behind_a_lane_that_never_gets_on(run):
    """Without read-ahead a pool reads nothing while a batch is in hand: what was read with it is all that is done."""
    result = run({
        "workload.arrivals": {"model": "constant", "rate": "1/s"}, "run.duration": "20s",
        "function.faults": [{"kind": "error", "records": [1]}], "event_source_mapping.retry_backoff": {"base": "1s"},
        "event_source_mapping.parallelization": "pooled", "event_source_mapping.poll_interval": "1s",
        "event_source_mapping.read_ahead": "0 B",
    })  # fmt: skip
    assert result["in_flight_records"]["sum"] == 1
    assert result["waiting_records"]["sum"] == 19


def test_a_drained_run_that_is_stuck_counts_what_its_producers_still_bring(run):
    """One of two records at once is rejected and comes a minute later; the first one fails for ever."""
    result = run({
        "workload.arrivals.size": 2, "event_source_mapping.parallelization_factor": 1,
        "stream.write_limit_records": 1, "event_source_mapping.batch_size": 1, "run.duration": "10s",
        "producer": {"model": "direct", "retry": {"mode": "backoff", "base": "1m", "cap": "1m", "jitter": "none"}},
        "function.faults": [{"kind": "error", "records": [1]}], "event_source_mapping.retry_backoff": {"base": "1h"},
    })  # fmt: skip
    assert result["accepted_records"]["sum"] == 2
    assert (result["in_flight_records"]["sum"], result["waiting_records"]["sum"]) == (1, 1)


def test_records_of_a_burst_that_are_tried_again_go_to_all_lanes():
    """2,000 random keys at once, of which a shard takes 1,000; the others come one by one later on."""
    scenario = ks.parse(
        "{kinsim: 1, name: t, profile: ideal, workload: {arrivals: {model: bursts, every: 1h, size: 2_000}}, "
        "stream: {shard_count: 1, write_limit_records: 1000}, run: {duration: 1m}, function: {duration: 1ms}, "
        "producer: {model: direct, retry: {mode: backoff, base: 100ms, cap: 1s, jitter: full}}, "
        "event_source_mapping: {batch_size: 1, parallelization_factor: 4}}"
    )
    table = scenario.run(replications=1, keep=["records"]).records
    late = table[table.accepted_s > 0]
    invocations = scenario.run(replications=1, keep=["invocations"]).invocations
    of_late = invocations[invocations.start_s > 0.3].groupby("lane").records.sum()
    assert late.shape[0] > 900
    assert len(of_late) == 4
    assert of_late.min() > 0.15 * of_late.sum()
