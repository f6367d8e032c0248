"""A controller is asked while a run goes on, knows what has happened by then and nothing else, and opens shards."""

from __future__ import annotations

import numpy as np
import pytest

from kinsim.engine import reference
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.controlling import Intake, Taken
from kinsim.engine.tables import Writes
from kinsim.measure.recorder import Recorder
from kinsim.scenario import parse
from kinsim.system.resharding import ControlPlane, Refused, ReshardLimits

MINUTE_US = 60_000_000
LAST = str(2**128 - 1)
SCENARIO = f"""
kinsim: 1
name: controlled
profile: ideal
workload:
  arrivals: {{model: constant, rate: 10/s}}
  record_size: 90 B
  partition_keys: {{explicit_hash_keys: ["0", "{LAST}"]}}
stream: {{shard_count: 2, write_limit_records: 4, write_limit_bytes: 1 GiB}}
event_source_mapping: {{batch_size: 10}}
function: {{duration: 10ms}}
run: {{duration: 10m, replications: 1}}
"""
"""Each shard is offered 5 records a second and takes 4."""


class Watcher:
    """Asked at given minutes; goes to the targets that it was told, and notes what it knows."""

    def __init__(self, at_minutes, targets=None, operation_us=30_000_000):
        self.plane = ControlPlane(2, ReshardLimits(operation_us))
        self.at_us = [round(each * MINUTE_US) for each in at_minutes]
        self.targets = targets or {}
        self.intake, self.known, self.latest_us = Intake(), {}, -1
        self.open = []
        self.ages, self.calls = None, []

    @property
    def next_us(self):
        return self.at_us[0] if self.at_us else 1 << 62

    def take_note(self, writes):
        self.intake.add(writes)
        self.latest_us = max([self.latest_us, *(int(each.time_us[-1]) for each in writes)])

    def decide(self, now_us, shards):
        assert self.at_us.pop(0) == now_us
        assert self.latest_us < now_us
        minute = now_us // MINUTE_US
        self.known[now_us / MINUTE_US] = [self.intake.whole(each) for each in range(minute + 1)]
        self.open.append(list(shards.open))
        target = self.targets.get(now_us / MINUTE_US)
        return [] if target is None else self.plane.update_shard_count(now_us, target)


def run(controller, *changes):
    scenario = parse(SCENARIO, "f.yaml", overrides=list(changes))
    recorder = Recorder(scenario, 0)
    reference.run(scenario, 0, recorder, ArrivalSource(scenario, 0), controller)
    return recorder.result


def test_it_knows_what_has_happened_and_nothing_later():
    """A shard that begins with a full bucket of 4 takes 4 + 4 x 59.8 records by its last one of the first minute."""
    watcher = Watcher([0, 1, 2.5])
    run(watcher)
    first, later = watcher.known[1.0], watcher.known[2.5]
    assert watcher.known[0.0] == [Taken()]
    assert (first[0].records, first[0].rejected) == (2 * 243, 600 - 2 * 243)
    assert first[1] == Taken()
    assert later[0] == first[0]
    assert (later[1].records, later[1].rejected) == (2 * 240, 600 - 2 * 240)
    assert later[2].records + later[2].rejected == 300


PRODUCERS = {
    "direct": "{model: direct}",
    "retries": "{model: direct, retry: {mode: backoff, base: 300ms, max_attempts: 8}}",
    "adaptive": "{model: sdk, api: PutRecord, retry: {mode: adaptive}}",
    "resend_all": "{model: sdk, api: PutRecords, batch_size: 5, flush: 500ms, on_partial_failure: resend_all, "
                  "retry: {mode: backoff, base: 300ms, max_attempts: 4}}",
    "kpl": "{model: kpl}",
    "agent": "{model: agent}",
}  # fmt: skip


@pytest.mark.parametrize("model", ["constant", "poisson"])
@pytest.mark.parametrize(
    ("producer", "granularity"),
    [("direct", "record"), ("direct", "1s"), ("retries", "record"), ("resend_all", "record"), ("kpl", "record")],
)
def test_its_minutes_are_those_of_the_metrics(model, producer, granularity):
    watcher = Watcher([9.999], {})
    changes = (
        f"workload.arrivals={{model: {model}, rate: 10/s}}", f"workload.granularity={granularity}",
        f"producer={PRODUCERS[producer]}",
    )  # fmt: skip
    result = run(watcher, *changes)
    known = watcher.known[9.999][:9]
    for name, of in (
        ("IncomingRecords", "records"), ("IncomingBytes", "size"), ("WriteProvisionedThroughputExceeded", "rejected"),
    ):  # fmt: skip
        series = next(each for each in result.series if each.metric == name)
        values = dict(zip(series.offset_s.tolist(), series.value.tolist(), strict=True))
        assert [getattr(each, of) for each in known] == [values.get(60 * minute, 0) for minute in range(9)], name


@pytest.mark.parametrize("producer", PRODUCERS)
def test_being_asked_changes_nothing(producer):
    changes = ("function.duration=400ms", f"producer={PRODUCERS[producer]}")
    asked, alone = (run(controller, *changes) for controller in (Watcher(np.arange(0, 10, 0.37)), None))
    assert asked.metrics == alone.metrics
    assert asked.per_shard == alone.per_shard


@pytest.mark.parametrize("lanes", ["hashed", "pooled"])
def test_being_asked_changes_no_lane(lanes):
    changes = (
        "profile=aws-2026", "function={memory_size: 512 MB, timeout: 10s, duration: 900ms}",
        "workload.partition_keys=random", "event_source_mapping.parallelization_factor=3",
        f"event_source_mapping.parallelization={lanes}",
    )  # fmt: skip
    asked, alone = (run(controller, *changes) for controller in (Watcher(np.arange(0, 10, 0.37)), None))
    assert asked.metrics == alone.metrics
    assert asked.per_shard == alone.per_shard


def test_what_it_decides_happens_when_it_ends():
    """At 2 min one call leads from 2 to 4 shards: two splits of 30 s; the outer children take all keys there are."""
    watcher = Watcher([2, 2.5, 3, 5], {2.0: 4})
    result = run(watcher)
    assert [(s["opened_s"], s["closed_s"]) for s in result.shards] == [
        (0, 150), (0, 180), (150, None), (150, None), (180, None), (180, None),
    ]  # fmt: skip
    assert watcher.open == [[0, 1], [1, 2, 3], [2, 3, 4, 5], [2, 3, 4, 5]]  # an end at that instant comes first
    accepted = [of["accepted_records"]["sum"] for of in result.per_shard.values()]
    # a bucket of 4 and 4 a second until the last record: 149.8 s, then 179.8, 449.8 and 419.8 s after the first one
    assert accepted == [603, 723, 1_803, 0, 0, 1_683]


def test_a_call_at_once_takes_effect_at_its_instant():
    watcher = Watcher([1], {1.0: 4}, operation_us=0)
    result = run(watcher)
    assert [s["opened_s"] for s in result.shards] == [0, 0, 60, 60, 60, 60]


@pytest.mark.parametrize("until", ["end", "drained"])
def test_what_ends_after_the_run_does_not_happen_in_it(until):
    result = run(Watcher([9], {9.0: 4}), f"run.until={until}", "function.duration=2s")
    assert [s["opened_s"] for s in result.shards] == [0, 0, 570, 570]


# -- the control plane ---------------------------------------------------------------------------------------

AWS = ReshardLimits(30_000_000, calls_per_day=2, least_factor=0.5, most_factor=2.0, most_target=500, most_shards=9)
HOUR_US = 3_600_000_000


def test_calls_are_accepted_in_any_24_hours():
    plane = ControlPlane(2, AWS)
    plane.update_shard_count(0, 3)
    plane.update_shard_count(HOUR_US, 4)
    with pytest.raises(Refused, match="call number 3 of UpdateShardCount within 24 hours; AWS accepts 2"):
        plane.update_shard_count(24 * HOUR_US - 1, 5)
    plane.update_shard_count(24 * HOUR_US, 5)


@pytest.mark.parametrize(
    ("target", "says", "exception"),
    [
        (5, "one call leads to 1 to 4, not to 5", "LimitExceededException"),
        (2, "nothing to do", "LimitExceededException"),
    ],
)
def test_a_call_that_is_refused_changes_nothing(target, says, exception):
    plane = ControlPlane(2, AWS)
    with pytest.raises(Refused, match=says) as told:
        plane.update_shard_count(0, target)
    assert told.value.exception == exception
    assert [len(each.opens) for each in plane.update_shard_count(0, 4)] == [2, 2]


def test_shards_on_the_way_count_towards_the_quota():
    """5 to 6 shards: five splits, then four merges; nine are open on the way and a tenth is not."""
    plane = ControlPlane(5, AWS)
    with pytest.raises(Refused, match="10 shards would be open at once, above the quota of 9"):
        plane.update_shard_count(0, 6)


def test_while_it_updates_the_stream_takes_no_call():
    plane = ControlPlane(2, AWS)
    plane.update_shard_count(0, 4)
    with pytest.raises(Refused, match="UPDATING until 1m") as told:
        plane.update_shard_count(59_999_999, 8)
    assert told.value.exception == "ResourceInUseException"
    assert len(plane.update_shard_count(60_000_000, 8)) == 4


def test_a_shard_that_answers_nothing_took_nothing():
    """A client that holds its records back: a window without an answer is known as one."""
    nothing = np.zeros(0, np.int64)
    intake = Intake()
    intake.add([Writes(0, *(nothing,) * 9)])
    assert (intake.of_shards(0), intake.whole(0)) == ({}, Taken())
