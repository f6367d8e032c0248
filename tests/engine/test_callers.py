"""Producers that act on the answers to whole calls: what they store, store twice, delay and lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinsim.errors import ConfigError
from kinsim.scenario import parse


def run(workload: dict[str, Any], producer: dict[str, Any], duration: str = "60s", **parts: Any) -> Any:
    """The result of one shard under aws-2017, records kept."""
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "callers",
        "profile": "aws-2017",
        "workload": workload,
        "producer": producer,
        "stream": {"shard_count": 1},
        "function": {"duration": "1ms"},
        "run": {"duration": duration, "seed": 3},
    }
    for name, part in parts.items():
        document[name] = {**document.get(name, {}), **part} if isinstance(part, dict) else part
    made = parse(json.dumps(document), file="callers.yaml", base_dir=Path("."))
    return made.run(replications=1, keep=("records",))


def counts(result: Any) -> dict[str, int]:
    """What became of the records, by the names of the metrics without their ending."""
    names = ("offered", "accepted", "duplicate", "rejected", "retried", "dropped", "in_producer", "processed")
    return {name: int(result[f"{name}_records"]["sum"]) for name in names}


def together(records: int, size: str = "500 B") -> dict[str, Any]:
    """So many records at the start of the run."""
    return {"arrivals": {"model": "bursts", "every": "1h", "size": records}, "record_size": size}


# -- callers that send a whole call again ----------------------------------------------------------------------

WHOLE: dict[str, Any] = {
    "model": "sdk",
    "api": "PutRecords",
    "on_partial_failure": "resend_all",
    "flush": "0s",
    "put_latency": "0s",
    "retry": {"mode": "backoff", "base": "2s", "jitter": "none"},
}


def test_a_call_that_failed_in_part_is_stored_again_as_a_whole():
    """aws:W12: of two calls of 500 a shard that takes 700 at once stores 700; two seconds later all 500 of the second.

    200 of them were stored before.  The stream has 1,200 records, and the function processes each of them.
    """
    found = run(together(1_000), WHOLE, stream={"write_limit_records": 700})
    assert counts(found) == {
        "offered": 1_000, "accepted": 1_000, "duplicate": 200, "rejected": 300, "retried": 500, "dropped": 0,
        "in_producer": 0, "processed": 1_200,
    }  # fmt: skip
    table = found.records
    assert table.groupby("accepted_s").size().to_dict() == {0.0: 700, 2.0: 500}
    assert (table.offered_s == 0).all()
    series = found.timeseries
    of_stream = (series.MetricName == "IncomingRecords") & (series.Dimensions == "StreamName=callers")
    assert series[of_stream].Value.sum() == 1_200


def test_who_sends_the_rejected_ones_alone_stores_nothing_twice():
    found = run(together(1_000), {**WHOLE, "on_partial_failure": "retry_failed"}, stream={"write_limit_records": 700})
    assert (found["accepted_records"]["sum"], found["duplicate_records"]["sum"]) == (1_000, 0)
    assert found["retried_records"]["sum"] == 300


def test_a_whole_call_fills_a_bucket_that_its_rejected_records_would_pass():
    """A shard takes 300 at once: 300 of 500 are stored, and in each retry the first 300 again: 200 are never stored.

    Three attempts: 300 accepted, 600 duplicates, 3 x 200 rejections, and 200 records are dropped after the last.
    """
    producer = {**WHOLE, "retry": {**WHOLE["retry"], "max_attempts": 3}}
    found = run(together(500), producer, stream={"write_limit_records": 300})
    assert counts(found) == {
        "offered": 500, "accepted": 300, "duplicate": 600, "rejected": 600, "retried": 1_000, "dropped": 200,
        "in_producer": 0, "processed": 900,
    }  # fmt: skip


def test_a_call_that_waits_at_the_end_holds_what_was_never_stored():
    producer = {**WHOLE, "retry": {**WHOLE["retry"], "base": "40s", "cap": "40s"}}
    found = counts(run(together(500), producer, duration="60s", stream={"write_limit_records": 300}))
    assert (found["accepted"], found["duplicate"], found["in_producer"]) == (300, 300, 200)


def test_a_record_too_large_for_any_shard_is_dropped_alone():
    """1 MiB with its key is one byte too many (aws:W8): the rest of its call is not sent again for it."""
    sizes = {"distribution": "mixture", "of": [{"weight": 1, "value": "10 B"}, {"weight": 1, "value": "1_048_541 B"}]}
    found = counts(run({**together(6), "record_size": sizes}, WHOLE))
    assert found["dropped"] + found["accepted"] == 6 and found["dropped"] > 0
    assert (found["duplicate"], found["retried"]) == (0, 0)


def test_sources_with_other_producers_write_beside_a_caller_in_order_of_time():
    """700 at once: 300 direct records, 1 ms later 400 of the call's 500; after two seconds the call as a whole."""
    late = {"arrivals": {"model": "bursts", "every": "1h", "size": 500, "first": "1ms"}, "producer": WHOLE}
    sources = {"a": together(300), "b": late}
    found = counts(run({"sources": sources}, {}, stream={"write_limit_records": 700}))
    assert (found["accepted"], found["duplicate"], found["rejected"], found["dropped"]) == (800, 400, 100, 0)


@pytest.mark.parametrize("mode", ["legacy", "backoff"])
def test_a_direct_source_beside_a_caller_gets_what_it_gets_alone(mode):
    """The doors of callers and the plain ones take the same records at the same instants."""
    retry = {"mode": mode} | ({"base": "300ms", "max_attempts": 4} if mode == "backoff" else {})
    alone = {"arrivals": {"model": "poisson", "rate": "60/s"}, "producer": {"model": "sdk", "retry": retry}}
    quiet = {**together(1), "start": "50s", "producer": WHOLE}
    parts = {"stream": {"shard_count": 2, "write_limit_records": 20}}
    plain = run({"sources": {"a": alone}}, {}, **parts)
    beside = run({"sources": {"a": alone, "b": quiet}}, {}, **parts)
    for name in ("offered", "accepted", "rejected", "retried", "dropped", "in_producer"):
        assert beside[f"{name}_records"]["sum"] == plain[f"{name}_records"]["sum"]
    assert plain["rejected_records"]["sum"] > 500
    times = [sorted(found.records.accepted_s) for found in (plain, beside)]
    assert times[0] == times[1]


def test_windows_of_arrivals_make_no_difference():
    """A quiet source with bins of its own makes the windows shorter."""
    busy = {"arrivals": {"model": "poisson", "rate": "50/s"}, "producer": {**WHOLE, "flush": "500ms"}}
    fast = {
        "arrivals": {"model": "poisson", "rate": "20000/s"},
        "end": "1ms",
        "start": "0s",
        "producer": {"keep": "0.01%"},
    }
    parts = {"stream": {"shard_count": 2, "write_limit_records": 20}}
    one = run({"sources": {"a": busy}}, {}, **parts)
    two = run({"sources": {"a": busy, "b": fast}}, {}, **parts)
    assert one["duplicate_records"]["sum"] == two["duplicate_records"]["sum"] > 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"retry": {"mode": "none"}}, "but retry mode is none"),
        ({"buffer": {"max_records": 5}}, "is not simulated for a caller that sends whole calls again"),
        ({"api": "PutRecord"}, "PutRecord takes one record"),
    ],
)
def test_what_makes_no_sense_for_whole_calls(settings, says):
    with pytest.raises(ConfigError, match=says):
        run(together(1), {**WHOLE, **settings})


def test_a_buffer_beside_a_caller_of_whole_calls_is_refused():
    held = {"model": "sdk", "retry": {"mode": "legacy"}, "buffer": {"max_records": 5}}
    sources = {"a": {**together(1), "producer": held}, "b": {**together(1), "producer": WHOLE}}
    with pytest.raises(ConfigError, match="a buffer of source a is not simulated beside source b"):
        run({"sources": sources}, {})


# -- the Kinesis Agent ----------------------------------------------------------------------------------------


def agent(**settings: Any) -> dict[str, Any]:
    return {"model": "agent", "put_latency": "0s", "agent": settings}


def stored_at(result: Any) -> dict[float, int]:
    """Records by the instant at which they were stored."""
    return {float(at): int(n) for at, n in result.records.groupby("accepted_s").size().items()}


def test_a_buffer_is_put_when_it_is_full_or_a_minute_old():
    """aws:A1: two of 500 at once, the rest of 200 after 60 s; calls follow one another, each 25 ms long."""
    found = run(together(1_200), {**agent(), "put_latency": "25ms"}, duration="2m", stream={"shard_count": 2})
    assert stored_at(found) == {0.025: 500, 0.05: 500, 60.025: 200}
    assert found["end_to_end_latency_s"]["max"] > 60


def test_a_buffer_is_full_by_bytes_when_the_next_record_does_not_fit():
    """Five MiB hold 52 records of 100,000 B with keys of 36 B: of 110, two buffers at once and 6 after a minute."""
    found = run(together(110, "100_000 B"), agent(), duration="2m", stream={"shard_count": 20})
    assert stored_at(found) == {0.0: 104, 60.0: 6}


def test_only_rejected_records_are_put_again_before_the_others():
    """aws:A2: 300 a second, 800 at once in buffers of 500 and, after 5 s, 300.

    300 of the first are stored at once.  200 of 500 are 0.4 failures: no wait; the second call fails as a whole, which
    makes 1.4 and waits from 70 to 130 ms.  The last of the 200 is stored 200 / 300 s after the start at the earliest.
    """
    found = run(together(800), agent(max_buffer_age="5s"), stream={"write_limit_records": 300})
    assert counts(found) | {"rejected": 0, "retried": 0} == {
        "offered": 800, "accepted": 800, "duplicate": 0, "rejected": 0, "retried": 0, "dropped": 0,
        "in_producer": 0, "processed": 800,
    }  # fmt: skip
    at = stored_at(found)
    assert at.pop(0.0) == 300
    assert at.pop(5.0) == 300
    first = min(at)
    assert 0.07 <= first <= 0.13 and at[first] == int(first * 300)
    assert sum(at.values()) == 200 and 2 / 3 <= max(at) < 2 / 3 + 0.1 * 2**5 * 1.3
    assert found["retried_records"]["sum"] == found["rejected_records"]["sum"]


def test_the_agent_backs_off_further_than_the_shard_needs():
    """10 a second of 100 that come, in buffers of 500 from 5 s on; the bucket holds 10.

    Waits double from 100 ms to 10 s, so that without jitter calls come 0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 22.7 ...
    52.7 s after the first, and store 10 + 1 + 2 + 4 + 8 + 7 x 10 = 95 of the 600 that the shard could have taken.
    """
    workload = {"arrivals": {"model": "constant", "rate": "100/s"}}
    found = counts(run(workload, agent(), stream={"write_limit_records": 10}))
    assert (found["dropped"], found["duplicate"]) == (0, 0)
    assert found["accepted"] + found["in_producer"] == found["offered"] == 6_000
    assert 75 <= found["accepted"] <= 115


@pytest.mark.parametrize(("capacity", "stored"), [(100, 59 * 2), (1, 2 + 2 + 8 + 56 * 10)])
def test_a_full_queue_leaves_records_in_their_files_until_there_is_room(capacity, stored):
    """aws:A4: a record a second, buffers of 1 s, calls of 10 s one after another: at the doors at 11, 21 ... 591 s.

    A long queue holds buffers of two records (0 and 1, 2 and 3 ...).  A queue of one is full from 3 s on: at 11 s it
    takes the records 4 to 11 from the files, at 21 s those from 12 to 21, and so on.
    """
    workload = {"arrivals": {"model": "constant", "rate": "1/s"}}
    producer = {**agent(max_buffer_age="1s", publish_queue_capacity=capacity), "put_latency": "10s"}
    found = run(workload, producer, duration="10m")
    assert counts(found) == {
        "offered": 600, "accepted": stored, "duplicate": 0, "rejected": 0, "retried": 0, "dropped": 0,
        "in_producer": 600 - stored, "processed": stored,
    }  # fmt: skip
