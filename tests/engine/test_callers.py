"""Producers that act on the answers to whole calls: what they store, store twice, delay and lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsim.engine.kpl import aggregate_ends
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
    ("changed", "says"),
    [
        ({"retry": {"mode": "none"}}, "but retry mode is none"),
        ({"buffer": {"max_records": 5}}, "is not simulated for a caller that sends whole calls again"),
        ({"api": "PutRecord"}, "PutRecord takes one record"),
    ],
)
def test_what_makes_no_sense_for_whole_calls(changed, says):
    with pytest.raises(ConfigError, match=says):
        run(together(1), {**WHOLE, **changed})


def test_a_buffer_beside_a_caller_of_whole_calls_is_refused():
    held = {"model": "sdk", "retry": {"mode": "legacy"}, "buffer": {"max_records": 5}}
    sources = {"a": {**together(1), "producer": held}, "b": {**together(1), "producer": WHOLE}}
    with pytest.raises(ConfigError, match="a buffer of source a is not simulated beside source b"):
        run({"sources": sources}, {})


# -- the Kinesis Agent ----------------------------------------------------------------------------------------


def agent(**own: Any) -> dict[str, Any]:
    return {"model": "agent", "put_latency": "0s", "agent": own}


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


# -- the Kinesis Producer Library ------------------------------------------------------------------------------


def kpl(**own: Any) -> dict[str, Any]:
    return {"model": "kpl", "put_latency": "0s", "kpl": own}


ONE_KEY = {"partition_keys": {"keys": ["four"]}, "record_size": "120 B"}


def test_user_records_become_aggregates_of_exactly_known_sizes():
    """case:O6, aws:K1: an aggregate is 20 + 6 B and 126 B a record of 120 B: 406 of them are 51,182 B.

    1,000 at once: two of 406, whose next record does not fit, at once, and 188 records after 100 ms (aws:K3).
    """
    found = run({**together(1_000), **ONE_KEY}, kpl())
    table = found.records
    assert sorted(table["size"]) == [26 + 188 * 126, 26 + 406 * 126, 26 + 406 * 126]
    assert max(table["size"]) <= 51_200 < 26 + 407 * 126
    assert counts(found) == {
        "offered": 3, "accepted": 3, "duplicate": 0, "rejected": 0, "retried": 0, "dropped": 0, "in_producer": 0,
        "processed": 3,
    }  # fmt: skip
    assert found["end_to_end_latency_s"]["count"] == 1_000
    assert max(table.accepted_s) == 0.1


@pytest.mark.parametrize(("size", "records", "expected"), [(120, 7_943, 1_000_844), (1_000, 1_034, 1_042_298)])
def test_aggregates_weigh_what_those_of_aws_weigh(size, records, expected):
    """case:O6: the sizes of aws-kinesis-agg, of so many records in one aggregate."""
    plan = np.array([100_000, 2**20, 2**32 - 1])
    columns = (np.zeros(records, np.int64), np.full(records, size), np.zeros(records, np.int64), np.full(records, 4))
    assert aggregate_ends(*columns, plan, 1, 10**9) == ([records], [100_000], [expected])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 20_000), st.integers(-1, 2)), min_size=1, max_size=60),
    st.integers(1, 40),
)
def test_an_aggregate_is_what_protobuf_makes_of_it(table, most):
    """Each is encoded byte by byte here; it keeps to the limits, and the next record would not have fitted."""
    times = np.cumsum([gap for gap, _, _ in table])
    data, key = (np.array([row[column] for row in table]) for column in (1, 2))
    names = [b"k" * (5 + 60 * max(number, 0)) for number in key]
    size = np.array([len(name) for name in names])
    plan = np.array([100_000, 51_200, most])
    ends, made, sizes = aggregate_ends(times, data, key, size, plan, 3, 10**12)
    assert ends[-1] == len(table)
    for first, end, at, total in zip([0, *ends], ends, made, sizes, strict=False):
        assert end - first <= most and times[end - 1] <= at <= times[first] + 100_000
        assert total == encoded(data[first:end], key[first:end], names[first:end])
        assert total <= 51_200 or end - first == 1
        if end < len(table) and at < times[first] + 100_000 and end - first < most:
            assert (end - first == 1 and data[first] >= 51_200) or encoded(
                data[first : end + 1], key[first : end + 1], names[first : end + 1]
            ) > 51_200  # fmt: skip


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def encoded(data: Any, key: Any, names: list[bytes]) -> int:
    """Length of an aggregate: message AggregatedRecord between magic number and MD5; a single record goes as it is."""
    if len(data) == 1:
        return int(data[0])
    table: dict[Any, int] = {}
    message = b""
    for number, (size, each) in enumerate(zip(data, key, strict=True)):
        name = int(each) if each >= 0 else f"own {number}"
        if name not in table:
            table[name] = len(table)
            message += field(1, names[number])
        message += field(3, varint(1 << 3) + varint(table[name]) + field(3, bytes(int(size))))
    return 4 + len(message) + 16


def test_aggregation_lets_more_user_records_pass_than_a_shard_takes_records():
    """aws:K9, W1: 5,000 user records a second of 100 B, 106 B each in an aggregate, are about 10 records of 51 kB."""
    workload = {
        "arrivals": {"model": "constant", "rate": "5000/s"},
        "partition_keys": "constant",
        "record_size": "100 B",
    }
    found = run(workload, kpl(), duration="20s")
    assert (found["rejected_records"]["sum"], found["dropped_records"]["sum"]) == (0, 0)
    assert 200 <= found["accepted_records"]["sum"] <= 220
    plain = run(workload, {}, duration="20s")
    assert plain["dropped_records"]["sum"] > 75_000


def test_a_second_without_aggregation_is_collected_into_calls():
    """aws:K2, K3: 1,200 at once make two calls of 500 at once and one of 200 after 100 ms."""
    found = run(together(1_200), kpl(aggregation_enabled=False), stream={"shard_count": 4})
    assert stored_at(found) == {0.0: 1_000, 0.1: 200}
    assert found["offered_records"]["sum"] == 1_200


OVER = {"arrivals": {"model": "constant", "rate": "40/s"}, "partition_keys": "constant", "record_size": "60_000 B"}
"""2.4 MB a second, in records too large to be aggregated: more than twice what a shard takes."""


def test_the_library_sends_one_and_a_half_times_what_a_shard_takes():
    """aws:K5, K6, W2: in 20 s offers of 1.5 MiB a second, of which 1 MiB a second is stored.

    Records wait 0.1 s for others; until then the shard's bucket of one second is full: 1 + 19.9 MiB pass.
    """
    found = run(OVER, kpl(), duration="20s")
    mib = 2**20 / 60_008
    offers = found["accepted_records"]["sum"] + found["rejected_records"]["sum"]
    assert offers == pytest.approx(1.5 * 20 * 2**20 / 60_000, abs=2)
    assert found["accepted_records"]["sum"] == pytest.approx(20.9 * mib, abs=1.5)


def test_without_a_rate_limit_the_library_tries_without_pause():
    slower = {"put_latency": "25ms"}
    limited, unlimited = (run(OVER, kpl(rate_limit=r) | slower, duration="6s") for r in ("150%", "unlimited"))
    assert unlimited["rejected_records"]["sum"] > 3 * limited["rejected_records"]["sum"]
    assert unlimited["accepted_records"]["sum"] == pytest.approx(limited["accepted_records"]["sum"], abs=2)


def test_at_a_limit_of_the_shards_own_quota_hardly_anything_is_rejected():
    """The client's bucket starts empty, so that it never sends more than the shard's full one takes."""
    found = run(OVER, kpl(rate_limit="99%"), duration="20s")
    assert found["rejected_records"]["sum"] == 0


def test_records_expire_after_their_time_to_live():
    """aws:K4: of 24 MB in the first 10 s, what is not stored within 5 s of its creation is dropped, and nothing later.

    1 MiB a second until 15 s, and the bucket of one second: 16 MiB are stored at most.
    """
    workload = {**OVER, "end": "10s"}
    found = run(workload, kpl(record_ttl="5s"), duration="30s")
    result = counts(found)
    assert result["offered"] == 400 and result["in_producer"] == 0
    assert result["dropped"] == 400 - result["accepted"] > 0
    assert 14 * 2**20 / 60_008 <= result["accepted"] <= 16 * 2**20 / 60_008
    assert (found.records.accepted_s - found.records.offered_s).max() <= 5
    assert run(workload, kpl(), duration="60s")["dropped_records"]["sum"] == 0


def test_a_rejected_record_is_sent_again_half_the_buffered_time_later():
    """aws:K7: without a rate limit every 50 ms; 1 record a second is taken, the second one after 20 tries.

    Both are at the doors at 0.1 s, as 100,000 B are not aggregated and wait for the call; the bucket has one record.
    """
    workload = {**together(2, "100_000 B"), "partition_keys": "constant"}
    found = run(workload, kpl(rate_limit="unlimited"), stream={"write_limit_records": 1})
    assert stored_at(found) == {0.1: 1, 1.1: 1}
    assert (found["rejected_records"]["sum"], found["retried_records"]["sum"]) == (20, 20)


def test_what_the_library_still_holds_counts_as_the_records_it_will_be():
    """At 50 ms 300 user records are in one aggregate each of two shards, or in fewer where a shard has none."""
    found = counts(run({**together(300), "record_size": "100 B"}, kpl(), duration="50ms", stream={"shard_count": 2}))
    assert (found["offered"], found["in_producer"], found["accepted"]) == (2, 2, 0)


@pytest.mark.parametrize("rate", ["20/s", "300/s"])
def test_windows_make_no_difference_to_the_library(rate):
    busy = {
        "arrivals": {"model": "poisson", "rate": rate},
        "record_size": {"distribution": "exponential", "mean": "4 kB"},
        "producer": kpl(),
    }
    fast = {"arrivals": {"model": "poisson", "rate": "20000/s"}, "end": "1ms", "producer": {"keep": "0.01%"}}
    parts = {"stream": {"shard_count": 2, "write_limit_bytes": "200 kB"}}
    one = run({"sources": {"a": busy}}, {}, duration="40s", **parts)
    two = run({"sources": {"a": busy, "b": fast}}, {}, duration="40s", **parts)
    assert two["accepted_records"]["sum"] == one["accepted_records"]["sum"]
    assert two["rejected_records"]["sum"] == one["rejected_records"]["sum"]


@pytest.mark.parametrize("keys", ["random", "even", "constant", {"explicit_hash_keys": [5, 17]}])
@pytest.mark.parametrize(
    "producer",
    [kpl(), kpl(aggregation_enabled=False), agent(), {**WHOLE, "flush": "30s", "retry": {"max_attempts": 4}}],
)
def test_a_drained_run_leaves_nothing_in_a_producer(producer, keys):
    """Also what was gathered when the arrivals ended; conservation is checked in every run."""
    workload = {
        "arrivals": {"model": "poisson", "rate": "50/s"},
        "record_size": {"distribution": "exponential", "mean": "3 kB"},
        "log_events_per_record": {"distribution": "geometric", "mean": 3},
        "partition_keys": keys,
    }
    parts = {"stream": {"shard_count": 3, "write_limit_records": 40}, "run": {"until": "drained"}}
    found = run(workload, {**producer, "keep": "60%"}, duration="20s", **parts)
    result = counts(found)
    assert result["in_producer"] == 0
    left_out = found["sampled_out_records"]["sum"]
    assert result["offered"] == result["accepted"] + result["dropped"] + left_out
    assert result["processed"] == result["accepted"] + result["duplicate"] > 0


def test_a_drained_run_does_not_wait_for_ever_for_a_call():
    with pytest.raises(ConfigError, match="sent again for ever"):
        run(together(1), WHOLE, run={"until": "drained"})


def test_keys_of_a_trace_are_aggregated_as_they_are_read(tmp_path):
    """The library learns the keys of a trace row by row: 40 of them share aggregates with a table of their own."""
    rows = "".join(f"{number / 100},key-{number % 40}\n" for number in range(400))
    (tmp_path / "rows.csv").write_text(f"t,k\n{rows}", encoding="utf-8")
    result = parse(
        "{kinsim: 1, name: t, profile: aws-2026, run: {duration: 1m, replications: 1}, "
        "workload: {arrivals: {model: trace, file: rows.csv, format: csv, time: t, key: k}, record_size: 100 B}, "
        "producer: {model: kpl}, stream: {shard_count: 2}, function: {duration: 1ms}}",
        base_dir=tmp_path,
    ).run()
    assert result["processed_records"]["sum"] == result["offered_records"]["sum"] < 200
    assert result["end_to_end_latency_s"]["count"] == 400
