"""The recorder against a slow account that looks at every record and every instant."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pytest import approx

from kinsim.engine import reference
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.tables import LEFT_OUT
from kinsim.measure import recorder as recorder_module
from kinsim.measure.recorder import Recorder
from kinsim.scenario import parse

MINUTE = 60_000_000
FEW = settings(max_examples=25, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""A failing example is small enough as it is; shrinking it would take minutes."""


class Tee:
    """Writes down every event, record by record, and hands the windows on."""

    def __init__(self, sink):
        self.sink = sink
        self.records = defaultdict(dict)  # line -> number -> (arrival, events, lag, bytes)
        self.rows, self.redrives, self.losses, self.writes, self.polls = [], [], [], [], []

    def window(self, window):
        for line, log in window.logs.items():
            known = len(self.records[line])
            pieces = log.pieces(known, log.end) if log.end > known else None
            for k in range(pieces.first.size if pieces else 0):
                count = int(pieces.count[k])
                events, size = int(pieces.log_events[k]), int(pieces.data_bytes[k])
                for i in range(count):
                    moved = i * int(pieces.step_numerator[k]) + int(pieces.step_offset[k])
                    self.records[line][int(pieces.first[k]) + i] = (
                        int(pieces.time_us[k]) + moved // int(pieces.step_denominator[k]),
                        events * (i + 1) // count - events * i // count,
                        int(pieces.lag_us[k]),
                        size * (i + 1) // count - size * i // count,
                    )
        self.rows += [dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in window.invocations]
        self.redrives += [dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in window.redrives]
        self.losses += [dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in window.losses]
        self.polls += [dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in window.polls]
        self.writes += window.writes
        self.sink.window(window)

    def finish(self, final):
        self.final = final
        self.sink.finish(final)


def run(document, at_once=None, keep=()):
    """Result and events of one replication; *at_once* rows are gathered before they are worked on."""
    scenario = parse(json.dumps(document), file="random.yaml", base_dir=Path.cwd())
    tee = Tee(Recorder(scenario, 0, keep))
    before = recorder_module.ROWS_AT_ONCE
    recorder_module.ROWS_AT_ONCE = at_once or before
    try:
        reference.run(scenario, 0, tee, ArrivalSource(scenario, 0))
    finally:
        recorder_module.ROWS_AT_ONCE = before
    return tee.sink.result, tee


class Account:
    """What happened to each record, from the events alone."""

    def __init__(self, tee, warm_up_us):
        self.tee, self.warm_us, self.end_us = tee, warm_up_us, tee.final.end_us
        self.taken, self.done, self.lost = {}, {}, {}
        self.lines = tee.final.lines
        self.own_line = self.lines > 1 and not (tee.sink.numbering.filters and self.lines == 2)
        """Whether each lane has a line of its own."""
        for row in tee.rows:
            for number in range(row["first"], row["first"] + row["records"]):
                record = (self.line(row), number)
                if row["tries"] == 0:
                    assert record not in self.taken
                    self.taken[record] = row["start_us"]
                if number < row["first"] + row["done"]:
                    self.done[record] = row["end_us"]
        for loss in tee.losses:
            for number in range(loss["first"], loss["first"] + loss["records"]):
                self.lost[self.line(loss), number] = loss["time_us"]
        self.left = {**self.done, **self.lost}
        self.order = {record: 2 if record in self.lost else 0 for record in self.left}
        for row in tee.redrives:
            for number in range(row["first"], row["first"] + row["done"]):
                self.done[self.line(row), number] = row["end_us"]
        self.in_flight_runs = [(start, 1 << 60) for start in tee.final.redriving_us]
        self._in_flight()
        self.gone = dict(self.lost)
        for line, records in tee.records.items():
            latest = 0
            for record in ((line, number) for number in sorted(records)):
                if record in self.taken:
                    latest = max(latest, self.taken[record])
                elif record in self.lost:  # nobody leaves the line before the one in front
                    latest = self.gone[record] = max(latest, self.lost[record])

    def line(self, row):
        place = row["lane"] if self.own_line else 0
        return row["shard"] * self.lines + (self.lines - 1 if row["lane"] == LEFT_OUT else place)

    def _in_flight(self):
        """Invocations under way at the end: first tries have taken their records."""
        for row in self.tee.final.under_way:
            self.in_flight_runs.append((row["start_us"], 1 << 60))
            if row["tries"] == 0:
                records = range(row["first"], row["first"] + row["records"])
                self.taken |= {(self.line(row), number): row["start_us"] for number in records}
        for line, waiting in self.tee.final.waiting.items():
            known = [n for n in self.tee.records[line] if (line, n) in self.taken or (line, n) in self.lost]
            assert len(self.tee.records[line]) - len(known) == waiting

    def every(self, shard=None):
        for line, records in self.tee.records.items():
            if shard is None or line // self.lines == shard:
                for number, record in records.items():
                    yield (line, number), record

    def waits(self, shard=None):
        return {
            r: self.taken[r] - arrival
            for r, (arrival, *_) in self.every(shard)
            if r in self.taken and arrival >= self.warm_us
        }

    def sojourns(self):
        return {r: self.done[r] - a for r, (a, *_) in self.every() if r in self.done and a >= self.warm_us}

    def latencies(self):
        """Of log events: value, and how many have it."""
        return [
            (self.done[r] - a + lag, events)
            for r, (a, events, lag, _) in self.every()
            if r in self.done and a >= self.warm_us and events
        ]

    def leaves(self, record, in_system=False):
        """When a record stops waiting (or its stay ends) and in which order at that instant; None: not yet."""
        if in_system:
            return (self.left[record], self.order[record]) if record in self.left else None
        if record in self.taken:
            return self.taken[record], 3
        return (self.gone[record], 2) if record in self.gone else None

    def steps(self, shard=None, in_system=False, column=None):
        """(time, order, change) of a quantity."""
        found = []
        for record, data in self.every(shard):
            amount = 1 if column is None else data[column]
            found.append((data[0], 1, amount))
            left = self.leaves(record, in_system)
            if left is not None:
                found.append((*left, -amount))
        return sorted(found)

    def level(self, steps, instant_counts=True):
        """time_average, max, time_of_max, last and time by value of a quantity, from its steps.

        *instant_counts*: what stands just before the first step at the end of the warm-up counts.
        """
        level = area = 0
        at = 0
        best, best_at = None, 0
        times = defaultdict(int)

        def spend(until):
            nonlocal at, area
            span = min(until, self.end_us) - max(at, self.warm_us)
            if span > 0:
                area += level * span
                times[level] += span
            at = until

        for time, _, change in steps:
            if time > self.end_us:
                break
            before = level
            if best is None and (time >= self.warm_us if instant_counts else time > self.warm_us):
                best, best_at = before, self.warm_us
            spend(time)
            level += change
            if time >= self.warm_us and (best is None or level > best):
                best, best_at = level, time
        spend(self.end_us)
        if best is None:
            best, best_at = level, self.warm_us
        span = self.end_us - self.warm_us
        return {
            "time_average": area / span, "max": best, "time_of_max": best_at / 1e6, "last": level, "times": dict(times),
        }  # fmt: skip

    def ages(self, shard=None):
        """Average and maximum of the age of the oldest record waiting; and its maximum in each minute."""
        spans = []
        for record, (arrival, *_) in self.every(shard):
            left = self.leaves(record)
            spans.append((arrival, left[0] if left else self.end_us))
        bounds = sorted({t for span in spans for t in span} | {0, self.end_us})
        bounds = [t for t in bounds if t <= self.end_us]
        area, top, minutes = 0.0, 0, defaultdict(int)
        by_start = sorted(spans)
        for low, high in pairwise(bounds):
            oldest = next((a for a, left in by_start if a <= low and left >= high), None)
            if oldest is None:
                continue
            start = max(low, self.warm_us)
            if high > start:
                area += (high - start) * ((start - oldest) + (high - oldest)) / 2
            if high >= self.warm_us:
                top = max(top, high - oldest)
            for minute in range(low // MINUTE, (high - 1) // MINUTE + 1):
                minutes[minute] = max(minutes[minute], min(high, (minute + 1) * MINUTE) - oldest)
        return area / (self.end_us - self.warm_us), top, dict(minutes)

    def concurrency(self):
        runs = [(row["start_us"], row["end_us"]) for row in [*self.tee.rows, *self.tee.redrives]] + self.in_flight_runs
        return sorted((t, order, change) for s, e in runs for t, order, change in ((s, 1, 1), (e, 0, -1)) if s < e)


def time_percentile(times, p):
    total, seen = sum(times.values()), 0
    for value in sorted(times):
        seen += times[value]
        if seen >= p / 100 * total * (1 - 1e-12):
            return value
    raise AssertionError


DOCUMENTS = st.fixed_dictionaries(
    {
        "workload": st.fixed_dictionaries(
            {
                "arrivals": st.one_of(
                    st.fixed_dictionaries({"model": st.just("poisson"), "rate": st.sampled_from(["2/s", "9/s"])}),
                    st.fixed_dictionaries(
                        {"model": st.just("constant"), "rate": st.sampled_from(["3/s", "7/s", "100/7s"])}
                    ),
                    st.fixed_dictionaries(
                        {
                            "model": st.just("bursts"), "every": st.sampled_from(["20s", "47s"]),
                            "size": st.integers(1, 200), "spread": st.sampled_from(["0s", "13s"]),
                            "spacing": st.just("even"),
                        }
                    ),
                ),
                "log_events_per_record": st.sampled_from([1, 3]),
                "record_size": st.sampled_from(
                    ["100 B", "1 kB", {"distribution": "uniform", "low": "10 B", "high": "3 kB"}]
                ),
                "partition_keys": st.one_of(
                    st.sampled_from(["random", "even", "constant"]),
                    st.just({"count": 12, "skew": {"distribution": "zipf", "s": 0.8}}),
                    st.just({"keys": ["a", "b", "c", "d", "e"]}),
                ),
            },
            optional={"granularity": st.sampled_from(["1s", "record"])},
        ),
        "stream": st.fixed_dictionaries(
            {"shard_count": st.integers(1, 4)},
            optional={
                "retention_period": st.sampled_from(["25s", "70s"]),
                "write_limiter": st.sampled_from(["token_bucket", "fixed_second"]),
                "write_limit_records": st.integers(2, 30),
                "reshard": st.one_of(
                    st.just([{"at": "11s", "split": "shardId-000000000000"}]),
                    st.builds(
                        lambda first, second: [
                            {"at": "9s", "update_shard_count": first}, {"at": "40s", "update_shard_count": second}
                        ],
                        st.integers(1, 4), st.integers(1, 4),
                    ),
                ),
                "consumers": st.sampled_from([
                    [{"name": "all", "reads": "100%"}],
                    [{"name": "half", "reads": "50%", "poll_interval": "3s"}, {"name": "bytes", "reads": "2 kB"}],
                ]),
            },
        ),
        "event_source_mapping": st.fixed_dictionaries(
            {
                "batch_size": st.sampled_from([1, 7, 100]),
                "iterator_age": st.sampled_from(["invoke_start", "invoke_end"]),
            },
            optional={
                "poll_interval": st.sampled_from(["1s", "5s"]),
                "read_ahead": st.sampled_from(["0 B", "5 kB"]),
                "parallelization_factor": st.integers(2, 3),
                "parallelization": st.sampled_from(["hashed", "pooled"]),
                "lane_failure_blocks_shard": st.booleans(),
                "maximum_batching_window": st.sampled_from(["3s", "20s"]),
                "tumbling_window": st.sampled_from(["10s", "25s"]),
                "maximum_retry_attempts": st.sampled_from([0, 2]),
                "maximum_record_age": st.sampled_from(["15s", "40s"]),
                "filter": st.sampled_from(["0%", "30%", "85%"]),
                "bisect_batch_on_function_error": st.booleans(),
                "report_batch_item_failures": st.booleans(),
                "outages": st.sampled_from([[{"from": "20s", "to": "50s"}], [{"from": "0s", "to": "7s"}]]),
                "on_failure_destination": st.sampled_from([{}, {"redrive_at": "17s"}, {"redrive_at": "100s"}]),
            },
        ),
        "function": st.fixed_dictionaries(
            {"duration": st.fixed_dictionaries({"fixed": st.sampled_from(["10ms", "1.3s", "9s"])})},
            optional={
                "timeout": st.just("5s"),
                "cold_start": st.just("700ms"),
                "faults": st.sampled_from(
                    [
                        [{"kind": "error", "probability": 0.4}],
                        [{"kind": "error", "records": [3, 50, 51]}],
                        [{"kind": "error", "records": [1, 8]}, {"kind": "crash", "from": "20s", "to": "50s"}],
                    ]
                ),
            },
        ),
        "run": st.fixed_dictionaries(
            {
                "duration": st.sampled_from(["2m", "150s", "61s"]),
                "until": st.sampled_from(["end", "drained"]),
                "warm_up": st.sampled_from(["0s", "60s", "33.5s"]),
                "seed": st.integers(0, 99),
            }
        ),
    },
    optional={
        "account": st.fixed_dictionaries({"concurrent_executions": st.integers(1, 3)}),
        "producer": st.sampled_from([
            {"model": "sdk", "batch_size": 20, "retry": {"mode": "legacy", "max_attempts": 3}},
            {"model": "sdk", "batch_size": 9, "api": "PutRecords", "on_partial_failure": "resend_all",
             "retry": {"mode": "backoff", "base": "700ms", "max_attempts": 3}},
            {"model": "agent", "agent": {"max_buffer_age": "2s"}},
            {"model": "kpl", "kpl": {"record_ttl": "9s", "record_max_buffered_time": "600ms"}},
        ]),
    },
)  # fmt: skip


def complete(document):
    hopeless = "timeout" in document["function"] and document["function"]["duration"]["fixed"] == "9s"
    if hopeless and "retention_period" not in document["stream"]:
        document["function"].pop("timeout")
    if "tumbling_window" in document["event_source_mapping"]:
        document["event_source_mapping"].pop("parallelization_factor", None)
    stream, shards = document["stream"], document["stream"]["shard_count"]
    if "reshard" in stream:
        changes = []
        for each in stream["reshard"]:
            if each.get("update_shard_count") != shards:
                changes.append(each)
                shards = each.get("update_shard_count", shards + 1)
        document["stream"] = {**stream, "reshard": changes, "reshard_operation_time": "1s"}
    if "consumers" in stream:
        document["stream"] = {**document["stream"], "enforce_read_limits": True}
        document["event_source_mapping"].setdefault("poll_interval", "1s")
    return {"kinsim": 1, "name": "random", "profile": "ideal", **document}


def compare_samples(found, values):
    values = np.asarray(values, float)
    assert found["count"] == values.size
    if not values.size:
        assert found["mean"] is None
        return
    assert found["mean"] == approx(values.mean() / 1e6, rel=1e-12, abs=1e-12)
    assert found["min"] == approx(values.min() / 1e6, abs=1e-12)
    assert found["max"] == approx(values.max() / 1e6, abs=1e-12)
    for p in (50, 95, 99.9):
        assert found[f"p{p:g}"] == approx(np.percentile(values, p) / 1e6, rel=1e-12, abs=1e-12)
    if values.size > 1:
        assert found["variance"] == approx(values.var(ddof=1) / 1e12, rel=1e-9, abs=1e-15)


def compare_level(found, expected, percentiles=True, within=1e-12):
    """*within*: bytes of a row that its records share evenly, rounded."""
    for key in ("time_average", "max", "last"):
        assert found[key] == approx(expected[key], rel=1e-12, abs=within), key
    if within < 1:
        assert found["time_of_max"] == approx(expected["time_of_max"], rel=1e-12, abs=1e-12)
    if percentiles:
        for p in (50, 95, 99):
            assert found[f"p{p:g}"] == time_percentile(expected["times"], p), p


def check_parents_first(tee):
    """No record of a shard is touched before all those of its parents are settled (aws:E37)."""
    begins, ends = defaultdict(lambda: 1 << 60), defaultdict(int)
    for row in [*tee.rows, *({**row, "end_us": 1 << 61} for row in under_way(tee))]:
        begins[row["shard"]] = min(begins[row["shard"]], row["start_us"])
        ends[row["shard"]] = max(ends[row["shard"]], row["end_us"])
    for line, waiting in tee.final.waiting.items():
        if waiting:
            ends[line // tee.final.lines] = 1 << 61
    for shard in tee.final.shards:
        for parent in (shard.parent, shard.adjacent_parent):
            if parent is not None and begins[shard.number] < 1 << 60:
                assert begins[shard.number] >= max(ends[parent], shard.opened_us)


def under_way(tee):
    return [dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in tee.final.under_way]


@settings(FEW, max_examples=60)
@given(DOCUMENTS, st.sampled_from([1, 20, 60_000]))
def test_every_statistic_agrees_with_the_slow_account(document, at_once):
    document = complete(document)
    result, tee = run(document, at_once)
    warm_us = round({"0s": 0, "60s": 60, "33.5s": 33.5}[document["run"]["warm_up"]] * 1e6)
    check_parents_first(tee)
    account, found = Account(tee, warm_us), result.metrics
    if account.end_us <= warm_us:
        return
    compare_samples(found["queue_wait_s"], list(account.waits().values()))
    compare_samples(found["sojourn_s"], list(account.sojourns().values()))
    latencies = account.latencies()
    repeated = np.repeat([v for v, _ in latencies], [w for _, w in latencies]) if latencies else []
    compare_samples(found["end_to_end_latency_s"], repeated)
    late = [row for row in tee.rows if row["start_us"] >= warm_us]
    aged = [row for row in late if row["records"]]  # the final invocation of a window has none
    at = {"invoke_start": "start_us", "invoke_end": "end_us"}[document["event_source_mapping"]["iterator_age"]]
    compare_samples(found["iterator_age_s"], [row[at] - row["last_arrival_us"] for row in aged])
    compare_samples(found["first_record_age_s"], [row["start_us"] - row["first_arrival_us"] for row in aged])
    back = [row for row in tee.redrives if row["start_us"] >= warm_us]
    compare_samples(found["duration_s"], [row["duration_us"] for row in late + back])
    compare_level(found["backlog_records"], account.level(account.steps()))
    within = 1e-12 if isinstance(document["workload"]["record_size"], str) else 5.0
    compare_level(found["backlog_bytes"], account.level(account.steps(column=3)), within == 1e-12, within)
    compare_level(found["records_in_system"], account.level(account.steps(in_system=True)))
    concurrency = account.level(account.concurrency(), instant_counts=False)
    compare_level(found["concurrent_executions"], concurrency)
    average, top, _ = account.ages()
    assert found["true_age_s"]["time_average"] == approx(average / 1e6, rel=1e-9, abs=1e-12)
    assert found["true_age_s"]["max"] == approx(top / 1e6, rel=1e-12)
    for shard in range(len(tee.final.shards)):
        of_shard = result.per_shard[f"shardId-{shard:012d}"]
        compare_samples(of_shard["queue_wait_s"], list(account.waits(shard).values()))
        compare_level(of_shard["backlog_records"], account.level(account.steps(shard)), percentiles=False)
        compare_level(of_shard["backlog_bytes"], account.level(account.steps(shard, column=3)), False, within)
        average, top, _ = account.ages(shard)
        assert of_shard["true_age_s"]["time_average"] == approx(average / 1e6, rel=1e-9, abs=1e-12)
        assert of_shard["true_age_s"]["max"] == approx(top / 1e6, rel=1e-12)


def check_minutes(result, name):
    """The minutes together are the run."""
    points = {s.statistic: s.value for s in result.series if s.metric == name}
    statistics = result.metrics[name]
    if statistics["count"]:
        assert points["SampleCount"].sum() == statistics["count"]
        assert np.dot(points["Average"], points["SampleCount"]) == approx(
            statistics["mean"] * statistics["count"], rel=1e-9
        )
        assert (points["Maximum"].max(), points["Minimum"].min()) == (statistics["max"], statistics["min"])


@settings(FEW, max_examples=30)
@given(DOCUMENTS)
def test_curves_by_minute_agree_with_the_slow_account(document):
    document = complete(document)
    result, tee = run(document)
    account, curves = Account(tee, 0), result.curves
    every = [*tee.rows, *tee.redrives]
    last_us = max([account.end_us - 1, *(row["end_us"] for row in every)])
    minutes = last_us // MINUTE + 1
    _, _, ages = account.ages()
    assert curves["true_age_s"] == approx([ages.get(m, 0) / 1e6 for m in range(minutes)], rel=1e-12)
    steps, in_system = account.steps(), account.steps(in_system=True)
    for m in range(minutes):
        end = min((m + 1) * MINUTE, account.end_us + 1)  # a run whose shards are all stuck ends before its arrivals
        assert curves["backlog_records"][m] == sum(c for t, _, c in steps if t < end)
        assert curves["records_in_system"][m] == sum(c for t, _, c in in_system if t < end)
    top = [0] * minutes
    level = 0
    concurrency = [*account.concurrency(), (account.end_us, 0, 0)]
    for (t, _, change), (until, _, _) in pairwise(concurrency):
        level += change
        for m in range(t // MINUTE, min(-(-until // MINUTE), minutes)):
            if until > t:
                top[m] = max(top[m], level)
    assert curves["concurrent_executions"].tolist() == top
    if document["run"]["warm_up"] == "0s":
        for name in ("queue_wait_s", "sojourn_s", "end_to_end_latency_s", "iterator_age_s", "duration_s"):
            check_minutes(result, name)
    started = defaultdict(list)
    for row in every:
        started[row["start_us"] // MINUTE].append(row)
    for m in range(minutes):
        rows = started[m]
        assert curves["invocations"][m] == len(rows)
        assert curves["errors"][m] == sum(row["outcome"] in (1, 2, 3) for row in rows)
        durations = [row["duration_us"] / 1e6 for row in rows]
        for name, value in (
            ("duration_max_s", max(durations, default=np.nan)),
            ("duration_p50_s", np.percentile(durations, 50) if durations else np.nan),
        ):
            assert curves[name][m] == approx(value, nan_ok=True), name
        offered = [w.offered[w.time_us // MINUTE == m].sum() for w in tee.writes]
        accepted = [w.accepted[w.time_us // MINUTE == m].sum() for w in tee.writes]
        assert curves["offered_records"][m] == sum(offered)
        assert curves["accepted_records"][m] == sum(accepted)


@settings(FEW, max_examples=30)
@given(DOCUMENTS)
def test_write_utilization_agrees_with_the_slow_account(document):
    document = complete(document)
    document["stream"].setdefault("write_limit_records", 30)
    document["run"]["warm_up"] = "0s"
    document["workload"]["partition_keys"] = "random"  # of the same size
    if document.get("producer", {}).get("model") == "kpl":
        document.pop("producer")  # whose aggregates have keys of another size than single records
    result, tee = run(document)
    latest_us = max((arrival for records in tee.records.values() for arrival, *_ in records.values()), default=0)
    seconds = -(-max(tee.final.end_us, latest_us + 1) // 1_000_000)
    keys = int(sum(w.key_bytes.sum() for w in tee.writes)) / max(int(sum(w.accepted.sum() for w in tee.writes)), 1)
    limit_records, limit_bytes = document["stream"]["write_limit_records"], 1_048_576
    shards = len(tee.final.shards)
    use = np.zeros((shards, max(seconds, 1)))
    size = np.zeros_like(use)
    for line, records in tee.records.items():
        shard = line // tee.final.lines
        for arrival, _, _, data in records.values():
            use[shard, arrival // 1_000_000] += 1 / limit_records
            size[shard, arrival // 1_000_000] += (data + keys) / limit_bytes
    use = np.maximum(use, size)
    found = result.metrics["shard_write_utilization"]
    weights = np.clip(tee.final.end_us / 1e6 - np.arange(use.shape[1]), 0, 1)
    worst = use.max(axis=0)
    assert found["max"] == approx(worst.max(), rel=1e-6)
    if seconds and weights.min() == 1:
        assert found["time_average"] == approx((worst * weights).sum() / weights.sum(), rel=1e-6)
        assert result.per_shard["shardId-000000000000"]["shard_write_utilization"]["time_average"] == approx(
            (use[0] * weights).sum() / weights.sum(), rel=1e-6
        )
        assert found["p95"] == approx(np.sort(worst)[int(np.ceil(0.95 * worst.size - 1e-9)) - 1], rel=1e-6)


@settings(FEW, max_examples=20)
@given(DOCUMENTS)
def test_results_do_not_depend_on_how_many_rows_are_worked_on_together(document):
    document = complete(document)
    one, _ = run(document, at_once=1)
    all_together, _ = run(document, at_once=10**9)
    for name, statistics in one.metrics.items():
        for key, value in statistics.items():
            expected = all_together.metrics[name][key]
            within = 5.0 if name == "backlog_bytes" else 1e-12  # bytes are shared out in whole ones
            assert value == (None if expected is None else approx(expected, rel=1e-9, abs=within)), (name, key)


@settings(FEW, max_examples=20)
@given(DOCUMENTS)
def test_littles_law_is_exact_where_a_run_starts_and_ends_empty(document):
    """case:M7: the area under the backlog is the sum of the waits, in whole microseconds."""
    document = complete(document)
    document["run"] |= {"until": "drained", "warm_up": "0s"}
    document["function"].pop("faults", None)
    document["function"].pop("timeout", None)
    document["stream"].pop("retention_period", None)
    document["event_source_mapping"].pop("maximum_record_age", None)
    result, tee = run(document)
    found, end_s = result.metrics, tee.final.end_us / 1e6
    if found["queue_wait_s"]["count"]:
        lost = Account(tee, 0).lost  # what is filtered out waits too, until it is read
        filtered = sum(lost[line, n] - tee.records[line][n][0] for line, n in lost) / 1e6
        waited = found["queue_wait_s"]["mean"] * found["queue_wait_s"]["count"] + filtered
        assert found["backlog_records"]["time_average"] * end_s == approx(waited, rel=1e-13)
        stayed = found["sojourn_s"]["mean"] * found["sojourn_s"]["count"] + filtered
        assert found["records_in_system"]["time_average"] * end_s == approx(stayed, rel=1e-13)


def test_the_same_run_has_the_same_digest():
    document = {
        "kinsim": 1, "name": "digest", "profile": "ideal",
        "workload": {"arrivals": {"model": "poisson", "rate": "5/s"}},
        "function": {"duration": "1s"}, "run": {"duration": "5m"},
    }  # fmt: skip
    one, two = run(document)[0], run(document)[0]
    assert one.digest() == two.digest()
    document["run"]["seed"] = 2
    assert run(document)[0].digest() != one.digest()


@pytest.mark.parametrize("what", ["processed", "lost", "accepted"])
def test_a_record_that_disappears_is_an_internal_error(what):
    from kinsim.errors import InternalError

    class Thief:
        """Takes a record out of one table."""

        def __init__(self, sink):
            self.sink, self.stolen = sink, False

        def window(self, window):
            if what == "processed" and window.invocations.size and not self.stolen:
                window.invocations["records"][-1] -= 1
                window.invocations["done"][-1] -= 1
                self.stolen = True
            if what == "lost" and window.losses.size and not self.stolen:
                window.losses["records"][-1] -= 1
                self.stolen = True
            if what == "accepted" and window.writes and not self.stolen:
                window.writes[0].accepted = window.writes[0].accepted - 1
                self.stolen = True
            self.sink.window(window)

        def finish(self, final):
            self.sink.finish(final)

    document = {
        "kinsim": 1, "name": "thief", "profile": "ideal",
        "workload": {"arrivals": {"model": "bursts", "every": "10s", "size": 300}},
        "stream": {"retention_period": "20s"},
        "event_source_mapping": {"batch_size": 50}, "function": {"duration": "3s"}, "run": {"duration": "2m"},
    }  # fmt: skip
    scenario = parse(json.dumps(document), file="thief.yaml", base_dir=Path.cwd())
    with pytest.raises(InternalError, match=r"conserve|waiting|arrived|below zero|final"):
        reference.run(scenario, 0, Thief(Recorder(scenario, 0)), ArrivalSource(scenario, 0))
