"""Closed-form warnings: the arithmetic by hand, and silence where nothing is wrong."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from kinsim.errors import Problem
from kinsim.scenario import Scenario, load, parse
from kinsim.scenario.arithmetic import Arithmetic
from kinsim.scenario.warnings import CHECKS

BASE = """\
kinsim: 1
name: design
profile: aws-2017
workload:
  arrivals: {model: constant, rate: 100/s}
  record_size: 464 B
stream: {shard_count: 2}
event_source_mapping: {batch_size: 100, dispatch_overhead: 0s}
function: {memory_size: 896 MB, timeout: 60s, cpu: proportional, duration: {per_record: 1ms}}
run: {duration: 1h}
"""
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def warned(text: str, overrides: object = ()) -> list[Problem]:
    found = parse(text, "f.yaml", overrides=overrides).warnings  # type: ignore[arg-type]
    assert all(each.severity == "warning" for each in found)
    return found


def only(text: str, overrides: object = ()) -> Problem:
    found = warned(text, overrides)
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_wrong_with_the_base():
    assert warned(BASE) == []


def arithmetic(overrides: object = ()) -> Arithmetic:
    return Arithmetic(parse(BASE, overrides=overrides))  # type: ignore[arg-type]


def test_the_time_of_a_batch_by_hand():
    # 896 of 1792 MB are half a vCPU: 1 ms of work takes 2 ms
    assert arithmetic().batch_s(100) == pytest.approx(0.2)
    assert arithmetic().batch_s(100, memory_mb=1_792) == pytest.approx(0.1)
    assert arithmetic().batch_s(100, memory_mb=1_536) == pytest.approx(0.1 * 1_792 / 1_536, rel=1e-5)
    parts = {
        "function.duration": {"fixed": "40ms", "per_invocation": "10ms", "per_record": "1ms", "per_log_event": "2ms"}
    }
    more = arithmetic({**parts, "workload.log_events_per_record": 3, "workload.work": "5ms"})
    # 40 ms of waiting; (10 + 10 + 60 + 50) ms of work at half a vCPU
    assert more.batch_s(10) == pytest.approx(0.040 + 2 * 0.130)
    measured = {
        "function.duration": {"fixed": "0.1s", "per_record": 0, "reference_memory": "896 MB", "cpu_fraction": 0.8}
    }
    assert arithmetic(measured).batch_s(1, memory_mb=448) == pytest.approx(0.1 * (0.2 + 0.8 * 2))
    call = {
        "name": "api",
        "per": "record",
        "share": "50%",
        "latency": "10ms",
        "failure": "50%",
        "attempts": 2,
        "wait": "4ms",
    }
    # half of ten records call: 1.5 tries of 10 ms and half a wait of 4 ms
    assert arithmetic({"function.calls": [call]}).batch_s(10) == pytest.approx(0.020 + 5 * (0.015 + 0.002))
    whole = {"function.duration": {"distribution": "exponential", "mean": "3s"}}
    assert arithmetic(whole).batch_s(10) == pytest.approx(3.0)


def test_capacities_by_hand():
    known = arithmetic()
    assert known.rate_per_s == pytest.approx(100)
    assert known.record_bytes == 500
    assert known.consumer_per_s() == pytest.approx(2 * 100 / 0.2)
    assert (known.write_records_per_s, known.write_bytes_per_s) == (2_000, 2 * 1_048_576)
    assert known.shards_needed(10_000) == {"bytes": 5, "records": 10, "consumer speed": 20}
    assert arithmetic({"workload.record_size": "50 KiB"}).payload_records == 91  # 68,268 B and 532 + 36 B each


def test_batch_time_against_the_time_out():
    found = only(BASE, {"function.duration.per_record": "400ms"})
    assert found.path == "function.timeout"
    assert found.place == "f.yaml:9:42"
    assert found.message.startswith(
        "got 1m; a full batch takes 80 s at 896 MB (batch_size 100, line 8): it would time out"
    )
    # 75 records of 0.8 s take 60 s; 40 s of work end in 60 s from 1,195 MB on
    assert found.help == "try batch_size 75 or memory_size 1216 MB; to end in time it must do 1.67 records a second"


def test_log_events_a_second_that_the_time_out_requires():
    """claim:C9: a hundred records of ten thousand events in 300 s."""
    found = only(
        BASE,
        {
            "workload.log_events_per_record": 10_000,
            "function": {
                "memory_size": "128 MB",
                "timeout": "300s",
                "duration": {"per_record": 0, "per_log_event": "0.05ms"},
            },
            "workload.arrivals.rate": "0.01/s",
        },
    )
    assert "it must do 3,333 log events a second" in found.help
    batch = int(re.search(r"batch_size (\d+)", found.help)[1])  # type: ignore[index]
    memory = int(re.search(r"memory_size (\d+)", found.help)[1])  # type: ignore[index]
    # 0.5 s of work a record at 128/1792 of a vCPU is 7 s; 50 s of work in 300 s need a sixth of a vCPU, 298.7 MB
    assert (batch, memory) == (42, 320)


def test_what_the_advice_names_is_enough_and_the_next_value_is_not():
    slow = {"function.duration.per_record": "400ms"}
    known = arithmetic(slow)
    batch, memory = known.largest_batch(), known.smallest_memory_mb()
    assert memory is not None
    assert known.batch_s(batch) <= 60 < known.batch_s(batch + 1)
    assert known.batch_s(100, memory) <= 60 < known.batch_s(100, memory - 64)
    for cure in ({"event_source_mapping.batch_size": batch}, {"function.memory_size": memory}):
        assert "little is left" in only(BASE, {**slow, **cure, "workload.arrivals.rate": "1/s"}).message


def test_a_full_batch_that_leaves_less_than_half_of_the_time_out():
    """claim:C6"""
    slow = {"workload.arrivals.rate": "1/s", "function.duration.per_record": "200ms"}
    found = only(BASE, slow)
    assert found.path == "function.timeout"
    assert (
        found.message
        == "got 1m; a full batch takes 40 s at 896 MB (batch_size 100, line 8): little is left for slow runs"
    )
    # 75 records of 0.4 s take 30 s; 20 s of work end in 30 s from two thirds of 1,792 MB on
    assert found.help == "runs should end within half of the time-out: try batch_size 75 or memory_size 1216 MB"
    for cure in ({"event_source_mapping.batch_size": 75}, {"function.memory_size": "1216 MB"}):
        assert warned(BASE, {**slow, **cure}) == []
    assert only(BASE, {**slow, "event_source_mapping.batch_size": 76}).path == "function.timeout"
    assert warned(BASE, {**slow, "function.duration.per_record": "150ms"}) == []


def test_a_batch_of_unequal_records_that_comes_near_the_time_out():
    work = {"distribution": "exponential", "mean": "1s"}
    slow = {"workload.arrivals.rate": "0.1/s", "workload.work": work, "event_source_mapping.batch_size": 10}
    # 10 s of work on average; 0.999 is at 6.91 s of one record: 10 + 3 * sqrt(10) + 5.91 = 25.4 s, at half a vCPU
    known = arithmetic(slow)
    assert known.batch_s(10) == pytest.approx(20.02)
    assert known.batch_s(10, heavy=True) == pytest.approx(2 * (10 + 3 * 10**0.5 + 5.908) + 0.02, rel=1e-4)
    found = only(BASE, slow)
    assert "takes 20 s at 896 MB (batch_size 10) and one in a thousand about 50.8 s: little is left" in found.message
    batch = int(re.search(r"batch_size (\d+)", found.help)[1])  # type: ignore[index]
    assert arithmetic(slow).batch_s(batch, heavy=True) <= 30 < arithmetic(slow).batch_s(batch + 1, heavy=True)
    assert "would time out and be retried" in only(BASE, {**slow, "function.timeout": "45s"}).message
    assert warned(BASE, {**slow, "workload.work": "1s"}) == []


def test_a_duration_with_a_spread_that_comes_near_the_time_out():
    spread = {"function.duration": {"distribution": "exponential", "mean": "9s"}, "workload.arrivals.rate": "1/s"}
    found = only(BASE, spread)  # one in a thousand takes 6.91 times the mean
    assert "takes 9 s at 896 MB (batch_size 100, line 8) and one in a thousand about 62.2 s" in found.message
    assert found.help.endswith("neither a smaller batch nor more memory is enough")
    assert warned(BASE, {**spread, "function.timeout": "80s"}) == []


def test_an_event_holds_no_batch_of_large_flow_logs_alone():
    """The largest of 5,715 invocations of a simulation took 51.62 s: what an event holds."""
    known = Arithmetic(load(CONFIGS[0].parent / "vpc-flow-bursts.yaml"))
    assert known.batch_s(100) == pytest.approx(44.3, rel=0.01)
    assert known.batch_s(100, heavy=True) == pytest.approx(51.62, rel=0.01)
    wide = Arithmetic(load(CONFIGS[0].parent / "vpc-flow-bursts.yaml", {"event_source_mapping.payload_limit": "none"}))
    assert wide.batch_s(100, heavy=True) > 60


ELB = "timestamp,value\n" + "".join(
    f"2014-04-10 {hour:02d}:{minute:02d}:00,{minute}.0\n" for hour in (0, 1) for minute in range(4, 60, 5)
)


@pytest.mark.parametrize(
    ("table", "trace", "says"),
    [
        (ELB, {"time": "timestamp"}, "rows come every 5m, and column 'value' is unused"),
        (ELB.replace("2014-04-10 00:29:00,29.0\n", ""), {"time": "timestamp"}, "rows come every 5m"),
        ("n\n5\n7\n", {"row_period": "300s"}, "rows come every 5m, and column 'n' is unused"),
        (ELB, {"time": "timestamp", "count": "value"}, None),
        (ELB, {"time": "timestamp", "size": "100*value"}, None),
        (ELB.replace("00:09", "00:08").replace("00:44", "00:43"), {"time": "timestamp"}, None),
        (ELB.replace("9.0", "busy"), {"time": "timestamp"}, None),
        ("time\n0\n10\n20\n30\n", {"time": "time"}, None),
    ],
)
def test_totals_of_periods_that_are_read_as_records(tmp_path, table, trace, says):
    (tmp_path / "t.csv").write_text(table, "utf-8")
    scenario = parse(
        BASE, base_dir=tmp_path, overrides={"workload.arrivals": {"model": "trace", "file": "t.csv", **trace}}
    )
    found = scenario.warnings
    if says is None:
        assert found == []
    else:
        assert [each.path for each in found] == ["workload.arrivals.file"]
        assert says in found[0].message
        assert re.fullmatch(r"did you mean count: (value|n)\?", found[0].help)


PACKED = gzip.compress(b"a\n" + b"".join(b"%d\n" % (k * k) for k in range(500)), mtime=0)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("t.csv", b"\n\n"),
        ("t.csv", b"\xff\xfe,\n1\n2\n3\n"),
        ("t.csv", b"a\n" + b'"' * 9),
        ("t.csv.gz", b"a\n1\n2\n"),
        ("t.csv.gz", PACKED[:200]),
        ("t.csv.gz", PACKED[:100] + b"\xff" * 200),
    ],
)
def test_a_damaged_trace_is_not_looked_into(tmp_path, name, damage):
    (tmp_path / name).write_bytes(damage)
    arrivals = {"model": "trace", "file": name, "time": "a"}
    assert parse(BASE, base_dir=tmp_path, overrides={"workload.arrivals": arrivals}).warnings == []


def test_milliseconds_that_were_meant_as_seconds():
    def slo(**more: object) -> dict[str, object]:
        return {"slos.age": {"metric": "IteratorAge", "statistic": "Maximum", **more}}

    found = only(BASE, slo(at_most=10))
    assert found.path == "slos.age.at_most"
    assert found.message == "IteratorAge is in milliseconds: 10 is 10 ms"
    assert found.help == "write at_most: 10s if these are seconds, 10ms if they are not"
    for silent in ({"at_most": "10s"}, {"at_most": "10ms"}, {"at_most": 60_000}, {"at_most": 0}):
        assert warned(BASE, slo(**silent)) == []
    assert warned(BASE, slo(at_most=10) | {"slos.age.statistic": "SampleCount"}) == []
    assert warned(BASE, slo(at_most=10) | {"slos.age.metric": "iterator_age_s"}) == []


def test_a_record_that_is_too_slow_for_any_cure():
    found = only(BASE, {"function.duration": "70s"})
    assert found.help.startswith("neither a smaller batch nor more memory is enough")


def test_the_stream_is_too_small_on_average():
    found = [each for each in warned(BASE, {"workload.arrivals.rate": "2_500/s"}) if "take" in each.message]
    assert (
        found[0].message
        == "2 shards take 2,000 records a second of 500 B; 2,500 come on average: at least 20% are rejected"
    )
    assert found[0].help == "shards needed: 2 by bytes, 3 by records"
    (large,) = [each for each in warned(BASE, {"workload.record_size": "30 kB"}) if "on average" in each.message]
    assert large.help == "shards needed: 3 by bytes, 1 by records"


def test_the_stream_is_too_small_at_the_peak():
    poisson = {"model": "poisson", "rate": "300/s", "bursts": [{"at": "10m", "duration": "1m", "factor": 10}]}
    found = only(BASE, {"workload.arrivals": poisson})
    assert "at its peak the workload brings 3,000" in found.message
    assert found.help == "shards needed: 2 by bytes, 3 by records"


def test_a_burst_at_once_is_more_than_the_buckets_hold():
    bursts = {"model": "bursts", "every": "300s", "size": 5_000}
    found = only(BASE, {"workload.arrivals": bursts})
    assert found.path == "workload.arrivals.size"
    assert "a burst brings 5,000 records at once; 2 shards take about 2,000" in found.message
    assert warned(BASE, {"workload.arrivals": {**bursts, "spread": "10s"}}) == []
    assert warned(BASE, {"workload.arrivals": bursts, "stream.write_limiter": "none"}) == []


def test_the_function_is_too_slow():
    found = only(BASE, {"function.duration.per_record": "12.5ms"})
    # 40 records a second and shard, 80 in all
    assert found.message == (
        "the function gets through 80 records a second, 2 at once in batches of 100; 100 come: "
        "IteratorAge grows by 0.2 s every second; after 5 d records expire unread"
    )
    assert found.help.startswith("shards needed: 3 by consumer speed")


def test_the_longest_burst_outlives_the_retention():
    slow = {"function.duration.per_record": "45ms", "workload.arrivals.rate": "20/s"}
    assert warned(BASE, slow) == []  # 22.2 a second
    incident = {"model": "poisson", "rate": "20/s", "bursts": [{"at": "10m", "duration": "6h", "factor": 8}]}
    found = warned(BASE, {**slow, "workload.arrivals": incident, "run.duration": "30d"})
    assert [each.path for each in found] == ["workload.arrivals.bursts[0]"]
    # (160 - 22.2) * 21,600 s = 2.98 million records, 37 h of work
    assert "2,976,000 records wait, 37.2 h of work; records expire after 24h" in found[0].message
    burst = {"model": "bursts", "every": "9d", "size": 5_000_000, "spread": "2h"}
    found = warned(BASE, {**slow, "workload.arrivals": burst, "run.duration": "30d"})
    assert found[-1].path == "workload.arrivals.size"
    assert "takes 2.6 d to work off" in found[-1].message


def test_an_overload_is_told_once():
    incident = {"model": "poisson", "rate": "100/s", "bursts": [{"at": "10m", "duration": "6h", "factor": 8}]}
    found = warned(
        BASE, {"function.duration.per_record": "12.5ms", "workload.arrivals": incident, "run.duration": "30d"}
    )
    assert [each.path for each in found] == ["stream.shard_count"]


def test_records_that_are_too_large():
    found = warned(BASE, {"workload.record_size": "2 MiB", "workload.arrivals.rate": "0.1/s"})
    assert [each.path for each in found] == ["workload.record_size", "event_source_mapping.batch_size"]
    assert "every record exceeds 1,048,576 B" in found[0].message
    wide = {"distribution": "lognormal", "mean": "40 kB", "cv": 4}
    found = warned(BASE, {"workload.record_size": wide, "workload.arrivals.rate": "1/s"})
    assert "more than one in a thousand" in found[0].message
    never = warned(BASE, {"profile": "aws-2026", "stream.max_record_size": "10 MiB", "workload.record_size": "5 MB",
                          "workload.arrivals.rate": "0.1/s"})  # fmt: skip
    assert any("it can never be processed" in each.message for each in never)


def test_the_event_holds_fewer_than_the_batch_size():
    found = only(BASE, {"workload.record_size": "100 kB", "workload.arrivals.rate": "1/s"})
    assert found.path == "event_source_mapping.batch_size"
    assert "an event of 6,291,456 B holds about 46" in found.message


def test_more_shards_than_the_account_may_run():
    found = only(BASE, {"account.concurrent_executions": 1})
    assert found.path == "account.concurrent_executions"
    assert "2 shards may invoke the function at once" in found.message
    assert arithmetic({"account.concurrent_executions": 1}).slots == 1


def test_fewer_keys_than_shards():
    found = warned(BASE, {"workload.partition_keys": "constant", "stream.shards": 8})
    assert [each.message for each in found] == ["1 key goes to one shard of 8: the others stay empty"]
    hot = warned(BASE, {"workload.partition_keys": "constant", "stream.shards": 8, "workload.arrivals.rate": "1_500/s"})
    assert any("the 1 of 8 shards that get records take 1,000 records a second" in each.message for each in hot)


def test_what_begins_after_the_run():
    incident = {
        "workload.arrivals": {
            "model": "poisson",
            "rate": "5/s",
            "bursts": [{"at": "2h", "duration": "1m", "factor": 2}],
        }
    }
    assert "it does not see this incident" in only(BASE, incident).message
    assert "it does not see this fault" in only(BASE, {"function.faults": [{"kind": "error", "from": "2h"}]}).message
    assert "this source brings nothing" in only(BASE, {"workload.start": "2h"}).message
    late = {"workload.arrivals": {"model": "bursts", "every": "3h", "size": 5, "first": "2h"}}
    assert "it sees no burst" in only(BASE, late).message


def test_flow_logs_are_counted_as_subscription_records():
    flow = {"model": "vpc_flow_logs", "interfaces": 600, "lines_per_interface": 500, "phase": "random"}
    known = arithmetic({"workload.arrivals": flow})
    # 600 interfaces publish 500 lines each in 10 minutes, in one record of 400 + 79 * 500 bytes
    assert known.rate_per_s == pytest.approx(1.0)
    assert known.log_events == 500
    assert known.loads[0].data_bytes == 39_900


def test_a_source_of_a_workload_is_named():
    text = BASE.replace(
        "  arrivals: {model: constant, rate: 100/s}\n  record_size: 464 B\n",
        "  sources:\n    a: {arrivals: {model: constant, rate: 1/s}, record_size: 2 MiB}\n"
        "    b: {arrivals: {model: constant, rate: 1/s}, start: 2h}\n",
    )
    assert {each.path for each in warned(text)} >= {"workload.sources.a.record_size", "workload.sources.b.start"}


def test_rates_that_only_a_trace_tells_are_not_guessed(tmp_path):
    (tmp_path / "t.csv").write_text("t\n1\n", "utf-8")
    text = BASE.replace("{model: constant, rate: 100/s}", "{model: trace, file: t.csv, time: t}")
    scenario = parse(text, base_dir=tmp_path)
    assert scenario.warnings == []
    assert Arithmetic(scenario).rate_per_s is None


def test_every_check_stays_silent_on_ideal_scenarios():
    text = (
        BASE.replace("aws-2017", "ideal").replace("rate: 100/s", "rate: 1e6/s").replace("per_record: 1ms", "fixed: 0s")
    )
    assert warned(text) == []
    assert len(CHECKS) == 14


def test_prices_are_those_of_one_region():
    assert "the cost is that of us-east-1" in only(BASE + "region: eu-west-1\n").message
    assert warned(BASE + "region: us-east-1\n") == []
    assert warned(BASE + "region: eu-west-1\ncost: {prices: {shard_hour: 0.017}}\n") == []


@pytest.mark.parametrize(
    "path", [each for each in CONFIGS if not re.match("sweep|alarms", each.name)], ids=lambda path: path.name
)
def test_the_examples_are_warned_about_only_where_they_mean_to_fail(path):
    scenario: Scenario = load(path)
    fails = {"overload-to-retention.yaml", "streamalert-default.yaml", "hot-shard.yaml", "real-trace.yaml",
             "vpc-flow-bursts.yaml", "producer-partial-failure.yaml", "producer-sdk-modes.yaml",
             "producer-kpl.yaml", "producer-agent.yaml", "producer-resend-all.yaml", "reshard-split.yaml",
             "pipelines.yaml", "reshard-kpl.yaml", "concurrency.yaml", "on-demand.yaml", "consumers.yaml"}  # fmt: skip
    assert not scenario.warnings or path.name in fails, scenario.warnings


def test_more_shards_than_reserved_concurrency(good):
    text = good.replace("aws-2017", "aws-2026").replace("function: {", "function: {reserved_concurrency: 1, ")
    (warning,) = [each for each in parse(text).warnings if "throttled" in each.message]
    assert warning.path == "function.reserved_concurrency"
    shared = good + "account: {other_functions: [{until: 1m, concurrency: 999}]}\n"
    (warning,) = [each for each in parse(shared).warnings if "throttled" in each.message]
    assert warning.path == "account.other_functions"
    assert "they leave it 1 at times" in warning.message
    assert "2 shards may invoke the function at once" in warning.message


def test_readers_that_want_more_than_a_shard_gives(good):
    """aws:G3: 2 MiB a second of a shard for the mapping and three others, each of which reads all of 0.6 MB."""
    text = good.replace("aws-2017", "aws-2026").replace("rate: 10/s", "rate: 600/s")
    lines = [line for line in text.splitlines() if not line.startswith("stream:")]
    consumers = ", ".join(f"{{name: c{number}, reads: 100%}}" for number in range(3))

    def about_reads(stream):
        found = parse("\n".join([*lines, f"stream: {stream}"])).warnings
        return [each for each in found if "readers want" in each.message or "GetRecords calls" in each.message]

    (warning,) = about_reads(f"{{shard_count: 1, consumers: [{consumers}]}}")
    assert warning.path == "stream.consumers"
    assert warning.message.startswith("the readers want 2.4 MB a second of each shard, which gives them 2.1 MB")
    assert "2 by reads" in warning.help
    assert about_reads(f"{{shard_count: 2, consumers: [{consumers}]}}") == []
    assert about_reads(f"{{shard_count: 1, consumers: [{consumers.replace('100%', '80%')}]}}") == []
    pushed = consumers.replace("{name: c2, reads: 100%}", "{name: c2, enhanced_fan_out: true}")
    assert about_reads(f"{{shard_count: 1, consumers: [{pushed}]}}") == []
    one = "{name: a, reads: 2 MiB}"
    assert "2 by reads" not in str(about_reads(f"{{shard_count: 1, consumers: [{one}]}}"))


def test_readers_that_call_more_often_than_a_shard_serves(good):
    """aws:G1: the mapping calls once a second, another five times."""
    text = good.replace("aws-2017", "aws-2026")
    lines = [line for line in text.splitlines() if not line.startswith("stream:")]

    def messages(interval):
        stream = f"stream: {{shard_count: 1, consumers: [{{name: a, reads: 1 kB, poll_interval: {interval}}}]}}"
        return [each.message for each in parse("\n".join([*lines, stream])).warnings]

    assert any(
        each.startswith("6 GetRecords calls a second come to each shard, which serves 5") for each in messages("200ms")
    )
    assert not any("GetRecords" in each for each in messages("250ms"))


def test_a_split_that_the_run_does_not_see(good):
    text = good.replace("aws-2017", "aws-2026")
    lines = [line for line in text.splitlines() if not line.startswith("stream:")]

    def told(at):
        schedule = f"[{{at: 1m, update_shard_count: 2}}, {{at: {at}, update_shard_count: 4}}]"
        stream = f"stream: {{shard_count: 1, reshard: {schedule}}}"
        found = parse("\n".join([*lines, stream])).warnings
        return [(each.path, each.message) for each in found if "this entry" in each.message]

    message = "the run ends at 10m: it does not see an operation of this entry end"
    assert told("570s") == [("stream.reshard[1].at", message)]
    assert told("569s") == []
