"""Pipelines of one account on one clock: what they share holds, what they do not share is as if each were alone."""

import numpy as np
import pytest

import kinsim as ks
from kinsim.engine import reference
from kinsim.engine.arrivals import shared
from kinsim.engine.tables import THROTTLED
from kinsim.measure.result import digest

HEAD = "{kinsim: 1, name: t, profile: ideal, "
BURST = "workload: {arrivals: {model: bursts, every: 1h, size: %d, first: %s}, partition_keys: even}"
MAPPING = "event_source_mapping: {batch_size: 10}, run: {duration: 10m}"
TWO_S = "function: {duration: 2s%s}"


class Tape:
    """Invocations and calls that an engine hands over."""

    def __init__(self):
        self.windows = []

    def window(self, window):
        self.windows.append(window)

    def finish(self, final):
        self.final = final

    def starts_s(self):
        return sorted(np.concatenate([each.invocations["start_us"] for each in self.windows]) / 1e6)

    def table(self, name):
        return np.concatenate([getattr(each, name) for each in self.windows])


def tapes_of(text):
    scenario = ks.parse(text)
    tapes = {name: Tape() for name in scenario.members}
    parts = [reference.Part(each, tapes[name], shared(each, 0)) for name, each in scenario.members.items()]
    return tapes, reference.run_all(parts, 0)


def pipelines(account, more="", **members):
    listed = ", ".join(f"{name}: {{{sections}}}" for name, sections in members.items())
    return f"{HEAD}account: {{{account}}}, pipelines: {{{listed}}}, {MAPPING}{more}}}"


def burst(size, shards, first="0s", function=""):
    return f"{BURST % (size, first)}, stream: {{shard_count: {shards}}}, {TWO_S % function}"


def test_two_functions_take_turns_at_a_single_execution():
    tapes, tally = tapes_of(pipelines("concurrent_executions: 1", a=burst(20, 1), b=burst(20, 1)))
    assert tapes["a"].starts_s() == [0, 4]
    assert tapes["b"].starts_s() == [2, 6]
    assert tally.time_us == {0: 592_000_000, 1: 8_000_000}
    assert (tally.most, tally.most_at_us) == (1, 0)


def test_with_room_for_both_none_waits():
    tapes, tally = tapes_of(pipelines("concurrent_executions: 2", a=burst(20, 1), b=burst(20, 1, "1s")))
    assert tapes["a"].starts_s() == [0, 2]
    assert tapes["b"].starts_s() == [1, 3]
    assert tally.time_us == {0: 595_000_000, 1: 2_000_000, 2: 3_000_000}
    assert (tally.most, tally.most_at_us) == (2, 1_000_000)


def test_a_crowd_of_one_function_keeps_the_other_waiting():
    tapes, _ = tapes_of(pipelines("concurrent_executions: 2", a=burst(40, 4), b=burst(10, 1)))
    assert tapes["a"].starts_s() == [0, 0, 2, 2]
    assert tapes["b"].starts_s() == [4]


def test_what_is_reserved_is_taken_from_the_others_and_from_nobody_else():
    """aws:M20: of three executions one is the first function's own, and two are left for the second."""
    tapes, _ = tapes_of(
        pipelines("concurrent_executions: 3", a=burst(20, 2, function=", reserved_concurrency: 1"), b=burst(40, 4))
    )
    assert tapes["a"].starts_s() == [0, 2]
    assert tapes["b"].starts_s() == [0, 0, 2, 2]


def test_who_waits_for_an_execution_of_its_own_does_not_block_the_line():
    tapes, _ = tapes_of(
        pipelines(
            "concurrent_executions: 2", a=burst(20, 2, function=", reserved_concurrency: 1"), b=burst(10, 1, "1s")
        )
    )
    assert tapes["a"].starts_s() == [0, 2]
    assert tapes["b"].starts_s() == [1]


def test_pipelines_that_name_the_same_function_share_what_it_has_reserved():
    text = (
        f"{HEAD}function: {{both: {{duration: 2s, reserved_concurrency: 1}}}}, pipelines: {{"
        f"a: {{{BURST % (10, '0s')}, function: both}}, b: {{{BURST % (10, '0s')}, function: both}}, "
        f"c: {{{BURST % (10, '0s')}, {TWO_S % ''}}}}}, stream: {{shard_count: 1}}, {MAPPING}}}"
    )
    tapes, _ = tapes_of(text)
    assert [tapes[name].starts_s() for name in "abc"] == [[0], [2], [0]]


def test_pipelines_that_name_the_same_function_share_its_provisioned_environments():
    text = (
        f"{HEAD}function: {{both: {{duration: 2s, cold_start: 1s, provisioned_concurrency: 1}}}}, pipelines: {{"
        f"a: {{{BURST % (10, '0s')}, function: both}}, b: {{{BURST % (10, '0s')}, function: both}}}}, "
        f"stream: {{shard_count: 1}}, {MAPPING}}}"
    )
    tapes, _ = tapes_of(text)
    assert [list(tapes[name].table("invocations")["init_us"]) for name in "ab"] == [[0], [1_000_000]]


def test_each_function_grows_at_a_pace_of_its_own():
    """aws:M23: two more each ten seconds, for each of the functions."""
    pace = "scaling: {kind: per_function, step: 2, every: 10s}, concurrent_executions: 100"
    slow = "function: {duration: 60s}"
    sections = f"{BURST % (40, '0s')}, stream: {{shard_count: 4}}, {slow}"
    tapes, _ = tapes_of(pipelines(pace, a=sections, b=sections))
    assert tapes["a"].starts_s() == tapes["b"].starts_s() == [0, 0, 5, 10]


def test_the_burst_of_a_region_is_that_of_all_its_functions():
    """aws:M22: two at once, then one more each minute; a and b have used them up."""
    pace = "scaling: {kind: region_burst, burst: 2, then_per_minute: 1}, concurrent_executions: 100"
    sections = f"{BURST % (10, '0s')}, stream: {{shard_count: 1}}, function: {{duration: 150s}}"
    tapes, _ = tapes_of(pipelines(pace, a=sections, b=sections, c=sections, d=sections))
    assert [tapes[name].starts_s() for name in "abcd"] == [[0], [0], [60], [120]]


def test_at_one_instant_pipelines_act_in_the_order_of_the_file():
    first, _ = tapes_of(pipelines("concurrent_executions: 1", a=burst(10, 1), b=burst(10, 1)))
    other, _ = tapes_of(pipelines("concurrent_executions: 1", b=burst(10, 1), a=burst(10, 1)))
    assert (first["a"].starts_s(), first["b"].starts_s()) == ([0], [2])
    assert (other["a"].starts_s(), other["b"].starts_s()) == ([2], [0])


def test_a_drained_run_ends_where_one_is_done_and_the_other_never_will_be():
    poison = f"{BURST % (10, '0s')}, stream: {{shard_count: 1}}, function: {{duration: 2s, faults: [{{kind: error}}]}}"
    result = ks.parse(
        pipelines("concurrent_executions: 100", a=burst(20, 1), b=poison).replace("10m", "10m, until: drained")
    ).run(replications=1)
    assert result["a"]["finish_s"]["mean"] == 4
    assert result["b"]["waiting_records"]["sum"] + result["b"]["in_flight_records"]["sum"] == 10
    assert any("can never be processed" in note for note in result["b"].summary()["findings"]["notes"])


POISSON = "workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}"


def consumers(number, profile="aws-2026", stream="shard_count: 1"):
    function = "{memory_size: 1 GB, duration: {fixed: 5ms}, cold_start: none}"
    others = ", ".join(f"{{name: c{n}, function: {function}}}" for n in range(1, number))
    return (
        f"{{kinsim: 1, name: t, profile: {profile}, {POISSON}, stream: {{{stream}, consumers: [{others}]}}, "
        f"function: {function}, run: {{duration: 5m, replications: 1}}}}"
    )


def test_readers_that_share_nothing_are_each_as_if_alone():
    """Without read limits the mapping on top does not feel that others read, and they are like it but for chance."""
    together = ks.parse(consumers(3, "ideal")).run()
    alone = ks.parse(consumers(1, "ideal").replace(", consumers: []", "")).run()
    assert digest(together["main"].replications[0].metrics) == digest(alone.replications[0].metrics)
    assert together["c1"]["iterator_age_s"]["mean"] == alone["iterator_age_s"]["mean"]


def test_every_reader_gets_every_record():
    result = ks.parse(consumers(4)).run()
    counts = [
        {name: each[name]["sum"] for name in ("accepted_records", "offered_records", "rejected_records")}
        for each in result.pipelines.values()
    ]
    assert counts[0]["accepted_records"] > 5_000
    assert all(each == counts[0] for each in counts)
    for each in result.pipelines.values():
        settled = ("processed_records", "in_flight_records", "waiting_records")
        assert sum(each[name]["sum"] for name in settled) == counts[0]["accepted_records"]


@pytest.mark.parametrize("number", [5, 7])
def test_calls_of_all_mappings_fill_one_bucket_in_order_of_time(number):
    """aws:G1: five calls a second and shard; a bucket of five, filled one by one here, gives the same answers."""
    tapes, _ = tapes_of(consumers(number))
    calls = sorted(
        (int(at_us + k * 1_000_000), int(found))
        for tape in tapes.values()
        for at_us, times, found in tape.table("polls")[["time_us", "calls", "records"]]
        for k in range(int(times))
    )
    assert len({at_us for at_us, _ in calls}) > 0.99 * len(calls)
    tokens, last_us, refused = 5_000_000, 0, 0
    for at_us, found in calls:
        tokens, last_us = min(5_000_000, tokens + 5 * (at_us - last_us)), at_us
        assert (found == THROTTLED) == (tokens < 1_000_000)
        refused += found == THROTTLED
        tokens -= 0 if found == THROTTLED else 1_000_000
    assert (refused > 0) == (number > 5)
    assert len(calls) > 290 * min(number, 5)


def test_a_mapping_that_is_pushed_to_leaves_the_calls_to_the_others():
    """aws:G9: of seven readers three are registered consumers, so that four share five calls a second."""
    text = consumers(7)
    for number in (1, 2, 3):
        text = text.replace(f"{{name: c{number},", f"{{name: c{number}, enhanced_fan_out: true,")
    tapes, _ = tapes_of(text)
    refused = {name: int((tape.table("polls")["records"] == THROTTLED).sum()) for name, tape in tapes.items()}
    assert refused == dict.fromkeys(tapes, 0)
    assert [len(tapes[name].table("polls")) for name in ("c1", "c2", "c3")] == [0, 0, 0]
    result = ks.parse(text).run()
    waits = {name: each["queue_wait_s"]["mean"] for name, each in result.pipelines.items()}
    assert max(waits[name] for name in ("c1", "c2", "c3")) < 0.1 < min(waits[name] for name in ("main", "c4"))


def test_readers_of_one_stream_follow_its_splits():
    result = ks.parse(consumers(2, stream="shard_count: 1, reshard: [{at: 1m, update_shard_count: 2}]")).run()
    for each in result.pipelines.values():
        assert [shard["id"][-1] for shard in each.summary()["shards"]] == ["0", "1", "2"]
        assert each["processed_records"]["sum"] > 0.98 * each["accepted_records"]["sum"]


def test_one_that_fails_does_not_keep_the_other_from_reading():
    text = consumers(2).replace("{name: c1, function: {", "{name: c1, function: {faults: [{kind: error}], ")
    result = ks.parse(text).run()
    assert result["c1"]["processed_records"]["sum"] == 0
    assert result["main"]["processed_records"]["sum"] > 0.99 * result["main"]["accepted_records"]["sum"]


@pytest.mark.stochastic
def test_two_queues_at_one_execution_wait_as_one():
    """M/M/1: whoever comes first, the mean wait over both is that of one queue at load 0.8, 4 s.

    30 replications, 3 standard errors: a false alarm in 270 runs, and the seed is fixed.
    """
    sections = (
        "workload: {arrivals: {model: poisson, rate: 0.4/s}}, stream: {shard_count: 1}, "
        "function: {duration: {distribution: exponential, mean: 1s}}"
    )
    text = (
        f"{HEAD}account: {{concurrent_executions: 1}}, pipelines: {{a: {{{sections}}}, b: {{{sections}}}}}, "
        "event_source_mapping: {batch_size: 1}, "
        "run: {duration: 20_000s, warm_up: 1_000s, replications: 30, seed: 3}}"
    )
    result = ks.parse(text).run()
    waits = np.array(
        [
            (one.members["a"].metrics["queue_wait_s"]["mean"] + one.members["b"].metrics["queue_wait_s"]["mean"]) / 2
            for one in result.replications
        ]
    )
    error = waits.std(ddof=1) / np.sqrt(waits.size)
    assert error < 0.2
    assert abs(waits.mean() - 4.0) < 3 * error
    assert result.concurrent_executions["max"] == 1
    assert result.concurrent_executions["time_average"] == pytest.approx(0.8, abs=0.02)
