"""The recorder on windows written by hand, with numbers that can be checked by hand."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from kinsim.engine.shard_log import ShardLog
from kinsim.engine.tables import INVOCATION, LOSS, POLL, THROTTLE, Final, Loss, Outcome, Rows, Shard, Window, Writes
from kinsim.measure.recorder import Recorder
from kinsim.scenario import parse

S = 1_000_000
IDS = tuple(f"shardId-{n:012d}" for n in range(4))


def scenario(profile="ideal", **sections):
    document = {
        "kinsim": 1, "name": "hand-made", "profile": profile,
        "workload": {"arrivals": {"model": "constant", "rate": "1/s"}},
        "stream": {"shard_count": 1}, "function": {"duration": "1s"}, "run": {"duration": "10m"},
    }  # fmt: skip
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values} if isinstance(values, dict) else values
    return parse(json.dumps(document), file="hand-made.yaml", base_dir=Path.cwd())


class Story:
    """A run told window by window."""

    def __init__(self, scenario, keep=()):
        self.recorder = Recorder(scenario, 0, keep)
        self.shards = scenario.stream.shard_count
        self.logs = {s: ShardLog() for s in range(self.shards)}
        self.taken, self.settled = dict.fromkeys(self.logs, 0), dict.fromkeys(self.logs, 0)
        self.created = self.dropped = 0
        self.now = 0
        self._clear()

    def _clear(self):
        self.rows, self.losses, self.polls, self.throttles, self.writes = [], [], [], [], []

    def put(self, shard, *records, size=100, events=1, lag=0.0, step=(0, 1), offered=None, attempt=0, dropped=0):
        """Rows of (time in seconds, count), each stored as it is; *offered* of each when more were offered."""
        rows = Rows.empty(len(records))
        time, count = np.array(records).T
        rows.time_us[:] = np.rint(time * S)
        rows.count[:] = count
        rows.data_bytes[:], rows.log_events[:], rows.key_bytes[:] = (
            rows.count * size,
            rows.count * events,
            rows.count * 10,
        )
        rows.lag_us[:] = round(lag * S)
        rows.step_numerator[:], rows.step_denominator[:] = step
        rows.put_units[:] = rows.count
        self.logs[shard].append(rows.take(rows.count > 0))
        given = rows.count if offered is None else np.array(offered)
        self.created += int(given.sum()) if attempt == 0 else 0
        self.dropped += dropped
        same = np.full(len(rows), attempt)
        gone = np.zeros(len(rows), np.int64)
        gone[:1] = dropped
        self.writes.append(
            Writes(
                shard,
                rows.time_us,
                rows.source,
                same,
                given,
                rows.count,
                gone,
                rows.data_bytes,
                rows.key_bytes,
                rows.put_units,
            )
        )

    def invoke(self, shard, first, records, start, end, outcome=Outcome.OK, attempt=0, init=0.0, ready=None):
        log = self.logs[shard]
        row = {
            "shard": shard, "lane": 0, "batch": 0, "first": first, "records": records,
            "bytes": log.amount("data_bytes", first, first + records),
            "log_events": log.amount("log_events", first, first + records), "attempt": attempt,
            "tries": attempt, "done": records if outcome == Outcome.OK else 0,
            "ready_us": round((start if ready is None else ready) * S), "start_us": round(start * S),
            "end_us": round(end * S), "init_us": round(init * S), "duration_us": round((end - start - init) * S),
            "outcome": int(outcome), "first_arrival_us": log.arrival_us(first),
            "last_arrival_us": log.arrival_us(first + records - 1),
        }  # fmt: skip
        self.rows.append(tuple(row.get(name, 0) for name in INVOCATION.names))
        self.taken[shard] = max(self.taken[shard], first + records)
        if outcome == Outcome.OK:
            self.settled[shard] = first + records

    def lose(self, shard, first, records, time, cause=Loss.EXPIRED):
        self.losses.append((shard, 0, round(time * S), first, records, records, int(cause)))
        self.taken[shard] = max(self.taken[shard], first + records)
        self.settled[shard] = first + records

    def window(self, until):
        self.recorder.window(
            Window(
                self.now, until * S, np.array(self.rows, INVOCATION), np.array(self.polls, POLL),
                np.array(self.throttles, THROTTLE), np.array(self.losses, LOSS), self.writes, self.logs,
            )
        )  # fmt: skip
        self.now = until * S
        self._clear()
        for shard, log in self.logs.items():
            log.forget(self.settled[shard])

    def finish(self, end, under_way=()):
        self.rows = []
        for shard, first, records, start in under_way:
            self.invoke(shard, first, records, start, start, Outcome.ERROR)
        accepted = {s: log.end for s, log in self.logs.items()}
        self.recorder.finish(
            Final(
                end_us=end * S, shards=[Shard(s, 0, 1) for s in self.logs], accepted=accepted,
                in_hand={s: [(self.settled[s], self.taken[s])] for s in self.logs if self.settled[s] < self.taken[s]},
                waiting={s: accepted[s] - self.taken[s] for s in self.logs},
                in_flight={s: self.taken[s] - self.settled[s] for s in self.logs}, created=self.created,
                under_way=np.array(self.rows, INVOCATION),
            )
        )  # fmt: skip
        return self.recorder.result


def reader_of_three(story):
    """Records on shards 0 and 1, then on a third that may be there from the start or not."""
    story.put(0, (1, 2), (5, 1))
    story.put(1, (2, 1))
    story.invoke(0, 0, 2, 2, 12, Outcome.ERROR)
    story.invoke(1, 0, 1, 3, 4)
    story.window(60)
    story.logs.setdefault(2, ShardLog())
    story.taken.setdefault(2, 0)
    story.settled.setdefault(2, 0)
    story.put(2, (61, 4), (62, 1), size=50)
    story.invoke(0, 0, 2, 61, 70, attempt=1)
    story.invoke(2, 0, 3, 63, 90)
    story.lose(2, 3, 1, 95, Loss.DISCARDED)
    story.window(120)
    story.invoke(0, 2, 1, 130, 131)
    story.invoke(2, 4, 1, 130, 140)
    story.window(600)
    return story.finish(600)


@pytest.mark.parametrize("at_once", [1, 60_000])
@pytest.mark.parametrize("budget", [3, 1_000_000])
def test_a_shard_that_appears_during_a_run_counts_like_one_that_was_there(monkeypatch, at_once, budget):
    monkeypatch.setattr("kinsim.measure.recorder.ROWS_AT_ONCE", at_once)
    limits = {"write_limiter": "token_bucket"}
    stories = [Story(scenario(stream={"shard_count": n} | limits), keep=("invocations", "records")) for n in (2, 3)]
    for story in stories:
        for samples in story.recorder.runs.samples.values():
            samples.budget = budget
    late, early = (reader_of_three(story) for story in stories)
    assert late.digest() == early.digest()


def values(result, metric, statistic, dimension=None):
    """Data points of a series: minute and value."""
    found = [
        s for s in result.series
        if (s.metric, s.statistic) == (metric, statistic) and (dimension is None or dimension in s.dimensions)
    ]  # fmt: skip
    return [(int(t) // 60, float(v)) for s in found for t, v in zip(s.offset_s, s.value, strict=True)]


def test_waits_count_from_the_first_attempt_and_sojourns_to_the_success():
    """Two records at 0 and 4 s; the first try at 10 s fails after 5 s, the second succeeds from 20 to 26 s."""
    story = Story(scenario())
    story.put(0, (0, 1), (4, 1))
    story.window(12)
    story.invoke(0, 0, 2, 10, 15, Outcome.ERROR)
    story.window(18)
    story.invoke(0, 0, 2, 20, 26, attempt=1)
    story.window(600)
    found = story.finish(600).metrics
    assert (found["queue_wait_s"]["mean"], found["queue_wait_s"]["count"]) == (8.0, 2)
    assert (found["sojourn_s"]["mean"], found["sojourn_s"]["count"]) == (24.0, 2)
    assert found["iterator_age_s"]["mean"] == (6 + 16) / 2  # a retry tells its age again
    assert found["first_record_age_s"]["max"] == 20
    assert found["true_age_s"]["max"] == 10  # in flight from then on
    assert found["backlog_records"]["time_average"] == approx((10 + 6) / 600, rel=1e-12)
    assert found["records_in_system"]["time_average"] == approx((26 + 22) / 600, rel=1e-12)
    assert found["concurrent_executions"]["time_average"] == approx(11 / 600, rel=1e-12)
    assert found["utilization"]["time_average"] == 11 / 600
    assert (found["errors"]["sum"], found["errors"]["time_of_first"]) == (1, 10)
    assert (found["invocations"]["sum"], found["invocations"]["rate"]) == (2, 2 / 600)
    assert (found["finish_s"]["mean"], found["drain_s"]["mean"]) == (26, 22)


def test_records_that_expire_between_two_tries_have_waited_but_do_not_stay():
    """Three records of 0, 1 and 2 s; the first expires before the second try."""
    story = Story(scenario(stream={"retention_period": "30s"}), keep=("invocations", "records"))
    story.put(0, (0, 1), (1, 1), (2, 1))
    story.invoke(0, 0, 3, 2, 12, Outcome.TIMEOUT)
    story.lose(0, 0, 1, 30.5)
    story.invoke(0, 1, 2, 30.5, 31, attempt=1)
    story.window(600)
    result = story.finish(600)
    found = result.metrics
    assert (found["queue_wait_s"]["count"], found["queue_wait_s"]["mean"]) == (3, 1)
    assert (found["sojourn_s"]["count"], found["sojourn_s"]["mean"]) == (2, 29.5)
    assert (found["expired_records"]["sum"], found["expired_records"]["time_of_first"]) == (1, 30.5)
    assert found["timeouts"]["sum"] == found["errors"]["sum"] == 1
    assert found["backlog_records"]["time_average"] == approx(3 / 600)
    table = result.invocations
    assert list(table) == [
        "replication", "shard", "lane", "first_record", "last_record", "records", "bytes", "attempt", "ready_s",
        "start_s", "end_s", "outcome", "cold", "iterator_age_s",
    ]  # fmt: skip
    assert table["first_record"].tolist() == [1, 2]
    assert table["last_record"].tolist() == [3, 3]
    assert table["outcome"].tolist() == ["timeout", "ok"]
    assert table["iterator_age_s"].tolist() == [0, 28.5]
    records = result.records
    assert list(records)[:10] == [
        "replication", "source", "hash_key", "shard", "size", "offered_s", "accepted_s", "first_invoked_s", "done_s",
        "outcome",
    ]  # fmt: skip
    assert records["accepted_s"].tolist() == [0, 1, 2]
    assert records["first_invoked_s"].tolist() == [2, 2, 2]
    assert records["done_s"].tolist() == [30.5, 31, 31]
    assert records["outcome"].tolist() == ["expired", "processed", "processed"]


def test_waiting_and_in_flight_at_the_end_are_counted():
    """Ten at 5 s in batches of four for 10 s each, stopped at 20 s: the second batch is under way."""
    story = Story(scenario(run={"duration": "20s"}), keep=("records",))
    story.put(0, (5, 10))
    story.invoke(0, 0, 4, 5, 15)
    story.window(20)
    result = story.finish(20, under_way=[(0, 4, 4, 15)])
    found = result.metrics
    assert found["waiting_records"]["sum"] == 2
    assert found["in_flight_records"]["sum"] == 4
    assert found["backlog_records"] == found["backlog_records"] | {
        "time_average": (10 * 6 + 5 * 2) / 20, "max": 10, "time_of_max": 5, "last": 2,
    }  # fmt: skip
    assert found["true_age_s"]["last"] == 15
    assert found["queue_wait_s"]["count"] == 8
    assert found["sojourn_s"]["count"] == 4
    assert found["utilization"]["time_average"] == 15 / 20
    records = result.records
    assert records["records"].tolist() == [4, 4, 2]
    assert records["outcome"].tolist() == ["processed", "in_flight", "waiting"]
    assert np.isnan(records["done_s"][1:]).all()


def test_log_events_have_their_own_time_and_weight():
    """A record of 30 events and one of 10, each 60 s old when it is put; processed 5 and 3 s later."""
    story = Story(scenario())
    story.put(0, (0, 1), events=30, lag=60)
    story.put(0, (2, 1), events=10, lag=60)
    story.invoke(0, 0, 2, 3, 5)
    story.window(600)
    found = story.finish(600).metrics
    assert found["end_to_end_latency_s"]["count"] == 40
    assert found["end_to_end_latency_s"]["mean"] == (30 * 65 + 10 * 63) / 40
    assert found["end_to_end_latency_s"]["max"] == 65
    assert found["sojourn_s"]["mean"] == 4


def test_a_late_first_latency_keeps_what_came_before():
    story = Story(scenario())
    story.put(0, (0, 1))
    story.invoke(0, 0, 1, 0, 5)
    story.recorder._work_off()
    story.window(60)
    story.recorder._work_off()
    story.put(0, (60, 1), events=3, lag=7)
    story.invoke(0, 1, 1, 60, 61)
    story.window(600)
    found = story.finish(600).metrics["end_to_end_latency_s"]
    assert (found["count"], found["mean"]) == (4, (5 + 3 * 8) / 4)


def test_cloudwatch_stamps_an_invocation_at_the_minute_of_its_start():
    """A run from 50 s to 350 s is a data point of the first minute alone; minutes without one have none."""
    story = Story(scenario())
    story.put(0, (10, 1))
    story.window(300)
    story.put(0, (400, 2))
    story.invoke(0, 0, 1, 50, 350, Outcome.TIMEOUT)
    story.lose(0, 0, 1, 350, Loss.DISCARDED)
    story.invoke(0, 1, 2, 410, 411)
    story.window(600)
    result = story.finish(600)
    assert values(result, "Duration", "Maximum") == [(0, 300_000), (6, 1_000)]
    assert values(result, "IteratorAge", "Maximum") == [(0, 40_000), (6, 10_000)]
    assert values(result, "Errors", "Sum") == [(0, 1), (6, 0)]
    assert values(result, "Errors", "Average") == [(0, 1), (6, 0)]
    assert values(result, "Invocations", "Sum") == [(0, 1), (6, 1)]
    assert values(result, "ConcurrentExecutions", "Maximum") == [(m, 1) for m in (0, 1, 2, 3, 4, 5, 6)]
    assert values(result, "IncomingRecords", "Sum") == [(0, 1), (6, 2)]
    assert values(result, "IncomingBytes", "Sum") == [(0, 110), (6, 220)]
    assert values(result, "Duration", "p50") == [(0, 300_000), (6, 1_000)]
    assert {s.unit for s in result.series if s.metric == "Duration"} == {"Milliseconds"}
    assert {s.dimensions for s in result.series if s.metric == "Duration"} == {"FunctionName=hand-made"}
    assert result.metrics["discarded_records"]["sum"] == 1


def test_throttles_and_reads():
    story = Story(scenario(event_source_mapping={"poll_interval": "1s"}))
    story.put(0, (0, 4))
    story.polls = [(0, 1 * S, 1, 4, 400, 1 * S), (0, 2 * S, 100, 0, 0, 0)]
    story.throttles = [(0, 0, 1 * S), (0, 0, 61 * S)]
    story.invoke(0, 0, 4, 62, 63, ready=1)
    story.window(600)
    result = story.finish(600)
    assert values(result, "Throttles", "Sum") == [(0, 1), (1, 1)]
    assert values(result, "GetRecords.IteratorAgeMilliseconds", "Maximum") == [(0, 1_000), (1, 0)]
    assert values(result, "GetRecords.IteratorAgeMilliseconds", "SampleCount") == [(0, 59), (1, 42)]
    assert values(result, "GetRecords.Bytes", "Sum") == [(0, 400), (1, 0)]
    assert result.metrics["throttles"]["sum"] == 2


def test_shard_level_metrics_only_where_they_are_switched_on():
    def run(names):
        story = Story(scenario("aws-2026", stream={"shard_count": 2, "shard_level_metrics": names}))
        story.put(0, (0, 3))
        story.put(1, (0, 1))
        story.polls = [(0, 1 * S, 1, 3, 300, 1 * S)]
        story.invoke(0, 0, 3, 1, 2)
        story.invoke(1, 0, 1, 1, 2)
        story.window(600)
        return story.finish(600)

    assert not [s for s in run([]).series if "ShardId" in s.dimensions]
    result = run(["IncomingRecords", "IteratorAgeMilliseconds"])
    assert values(result, "IncomingRecords", "Sum", IDS[0]) == [(0, 3)]
    assert values(result, "IncomingRecords", "Sum", IDS[1]) == [(0, 1)]
    assert values(result, "IteratorAgeMilliseconds", "Maximum", IDS[0]) == [(0, 1_000)]
    assert not values(result, "IteratorAgeMilliseconds", "Maximum", IDS[1])
    assert not values(result, "IncomingBytes", "Sum", IDS[0])


def test_rejected_records_their_bytes_and_retries():
    """Ten of 100 + 10 B offered, seven stored; two of three come back a second later, one is dropped."""
    limited = {"write_limiter": "token_bucket", "write_limit_records": 7, "write_limit_bytes": "1 MiB"}
    story = Story(scenario(stream=limited))
    story.put(0, (0, 7), offered=[10], dropped=1)
    story.put(0, (1, 2), attempt=1)
    story.invoke(0, 0, 9, 1, 2)
    story.window(600)
    result = story.finish(600)
    found = result.metrics
    sums = {name: found[name]["sum"] for name in found if "sum" in found[name]}
    assert sums == sums | {
        "offered_records": 10, "accepted_records": 9, "rejected_records": 3, "retried_records": 2, "dropped_records": 1,
    }  # fmt: skip
    use = found["shard_write_utilization"]
    assert (use["max"], use["time_of_max"]) == (1, 0)
    assert use["time_average"] == approx((1 + 2 / 7) / 600)
    assert (use["p99"], use["p99.9"]) == (0, 1)
    curves = result.curves
    assert (curves["offered_records"][0], curves["rejected_records"][0], curves["accepted_records"][0]) == (12, 3, 9)
    assert (curves["offered_bytes"][0], curves["rejected_bytes"][0]) == (12 * 110, 3 * 110)
    assert curves["offered_records_peak_per_s"][0] == 10
    assert curves["shard_write_utilization"][0, 0] == approx((1 + 2 / 7) / 60)
    assert values(result, "WriteProvisionedThroughputExceeded", "Sum") == [(0, 3)]


def test_cold_starts_and_billing_by_the_hundred_milliseconds():
    """aws-2017 bills 100 ms at a time and no initialisation."""
    story = Story(scenario("aws-2017"))
    story.put(0, (0, 2))
    story.invoke(0, 0, 1, 0, 1.51, init=1.4)
    story.invoke(0, 1, 1, 2, 2.2)
    story.window(600)
    result = story.finish(600)
    found = result.metrics
    assert found["cold_starts"]["sum"] == 1
    assert found["duration_s"]["max"] == approx(0.2)
    assert found["billed_s"]["sum"] == approx(0.2 + 0.2)
    month = 730 * 3600 / 600
    assert result.cost["shard_hours"] == approx(730 * 0.015)
    assert result.cost["put_units"] == approx(2 * month * 0.014e-6)
    assert result.cost["lambda_requests"] == approx(2 * month * 0.2e-6)
    assert result.cost["lambda_duration"] == approx(0.4 * 128 / 1024 * month * 0.00001667)
    assert found["cost_usd_per_month"]["mean"] == result.cost["total"]


def test_initialisation_is_billed_in_2026():
    story = Story(scenario("aws-2026"))
    story.put(0, (0, 1))
    story.invoke(0, 0, 1, 0, 1.5004, init=1.4)
    story.window(600)
    assert story.finish(600).metrics["billed_s"]["sum"] == approx(1.501)


@pytest.mark.parametrize(
    ("at", "expected"), [("invoke_start", 10.0), ("invoke_end", 15.0), ("batch_received", 6.0)]
)  # fmt: skip
def test_iterator_age_by_the_mappings_setting(at, expected):
    story = Story(scenario(event_source_mapping={"iterator_age": at}))
    story.put(0, (0, 1))
    story.invoke(0, 0, 1, 10, 15, ready=6)
    story.window(600)
    assert story.finish(600).metrics["iterator_age_s"]["mean"] == expected


def test_slos_by_run_by_period_and_by_share_of_periods():
    """Ages of 1, 2, ... 10 s, one a minute, and one of 30 s in the warm-up."""
    slos = {
        "p50": {"metric": "iterator_age_s", "statistic": "p50", "at_most": "60s"},
        "odd": {"metric": "iterator_age_s", "statistic": "p37.5", "at_most": "60s"},
        "rank": {"metric": "iterator_age_s", "statistic": "PR(5s:)", "at_most": "60%"},
        "worst": {"metric": "IteratorAge", "statistic": "Maximum", "period": "1m", "at_most": "5m"},
        "most": {"metric": "IteratorAge", "statistic": "Maximum", "period": "1m", "at_most": "5m", "fraction": "90%"},
        "five": {"metric": "IteratorAge", "statistic": "Average", "period": "5m", "at_most": "5m"},
        "five_p": {"metric": "Duration", "statistic": "p99", "period": "5m", "at_most": "5m"},
        "run": {"metric": "Duration", "statistic": "Average", "at_most": "5m"},
        "busy": {"metric": "Invocations", "statistic": "Sum", "period": "1m", "at_least": 1},
        "loss": {"metric": "expired_records", "statistic": "Sum", "at_most": 0},
        "reads": {"metric": "GetRecords.IteratorAgeMilliseconds", "statistic": "Maximum", "at_most": "5m"},
    }
    story = Story(scenario(slos=slos, run={"duration": "11m", "warm_up": "1m"}))
    story.put(0, (0, 1), *((60 * m, 1) for m in range(1, 11)))
    story.invoke(0, 0, 1, 30, 31)
    for m in range(1, 11):
        story.invoke(0, m, 1, 60 * m + m, 60 * m + 2 * m)
    story.window(660)
    found = story.finish(660).slo_values
    assert found["p50"] == 5.5
    assert found["odd"] == approx(np.percentile(np.arange(1, 11), 37.5))
    assert found["rank"] == 0.5
    assert found["worst"] == 10_000
    assert found["most"] == 9_000
    assert found["five"] == 10_000  # the last period holds the eleventh minute alone
    assert found["five_p"] == 10_000
    assert found["run"] == approx(5_500)
    assert found["busy"] == 1
    assert found["loss"] == 0
    assert found["reads"] is None


def test_time_to_catch_up_against_the_tightest_age():
    """A burst of 100 at 100 s, one a second: at 150 s nothing waits that is older than 50 s any more... until 200 s."""
    slos = {"age": {"metric": "true_age_s", "statistic": "Maximum", "at_most": "50s"}}
    story = Story(scenario(slos=slos))
    story.put(0, (100, 100))
    for k in range(100):
        story.invoke(0, k, 1, 100 + k, 101 + k)
    story.window(600)
    found = story.finish(600).metrics["catch_up_s"]
    assert (found["count"], found["max"], found["unfinished"]) == (1, 99, 0)


def test_a_long_invocation_holds_back_what_happens_meanwhile_on_other_shards():
    """Shard 0 is busy from 10 s to 500 s; nothing of shard 1 may be made final before its start is known."""
    story = Story(scenario(stream={"shard_count": 2}))
    story.put(0, (10, 5))
    for minute in range(8):
        story.put(1, (60 * minute + 1, 2))
        story.invoke(1, 2 * minute, 2, 60 * minute + 3, 60 * minute + 4)
        story.window(60 * (minute + 1))
        story.recorder._work_off()
        assert story.recorder.timeline.now_us <= 10 * S
    story.invoke(0, 0, 5, 10, 500)
    story.window(600)
    result = story.finish(600)
    found = result.metrics
    assert found["backlog_records"]["max"] == 5  # at 10 s, while nothing waits on shard 1
    assert found["backlog_records"]["time_of_max"] == 10
    assert found["concurrent_executions"]["max"] == 2
    assert found["backlog_records"]["time_average"] == approx(8 * 2 * 2 / 600, rel=1e-12)
    assert result.per_shard[IDS[1]]["backlog_records"]["max"] == 2
    assert result.per_shard[IDS[0]]["true_age_s"]["max"] == 0
    assert result.per_shard[IDS[1]]["true_age_s"]["max"] == 2


def test_per_shard_numbers_add_up():
    story = Story(scenario(stream={"shard_count": 3}))
    for shard in range(3):
        story.put(shard, (shard, 2 + shard))
        story.invoke(shard, 0, 2 + shard, 10, 12)
    story.window(600)
    result = story.finish(600)
    assert list(result.per_shard) == list(IDS[:3])
    for name in ("accepted_records", "processed_records", "invocations"):
        assert sum(m[name]["sum"] for m in result.per_shard.values()) == result.metrics[name]["sum"]
    assert [m["queue_wait_s"]["mean"] for m in result.per_shard.values()] == [10, 9, 8]
    assert [m["utilization"]["time_average"] for m in result.per_shard.values()] == [2 / 600] * 3
    assert result.metrics["true_age_s"]["max"] == 10
    assert result.metrics["backlog_records"]["max"] == 9


def test_a_result_is_plain_data_that_travels():
    story = Story(scenario(), keep=("invocations", "records"))
    story.put(0, (0, 3))
    story.invoke(0, 0, 3, 1, 2)
    story.window(600)
    result = story.finish(600)
    again = pickle.loads(pickle.dumps(result))
    assert again.digest() == result.digest()
    json.dumps(result.numbers(), allow_nan=False)
    long = result.timeseries
    assert list(long) == ["Timestamp", "MetricName", "Dimensions", "Statistic", "Value", "Unit"]
    assert len({column.size for column in long.values()}) == 1
    assert not np.isnan(long["Value"].astype(float)).any()


def test_a_run_without_records():
    story = Story(scenario())
    story.window(600)
    found = story.finish(600).metrics
    assert found["queue_wait_s"]["mean"] is None
    assert found["backlog_records"]["time_average"] == 0
    assert found["true_age_s"]["max"] == 0
    assert found["finish_s"]["mean"] is None
    assert found["utilization"]["time_average"] == 0


def test_what_is_held_does_not_grow_with_the_records():
    """A thousand windows of 1,000 records: sums and cells, no record stays."""
    story = Story(scenario(run={"duration": "100_000s"}))
    sizes = []
    for k in range(1, 61):
        story.put(0, *((100.0 * k + i / 10, 1) for i in range(600)))
        story.invoke(0, 600 * (k - 1), 600, 100 * k + 60, 100 * k + 70)
        story.window(100 * (k + 1))
        story.recorder._work_off()
        timeline = story.recorder.timeline
        sizes.append(sum(len(r) for rows in timeline._arrivals for r in rows) + sum(t.size for t in timeline._removals))
    assert max(sizes) == 0
    exact = story.recorder.runs.samples["queue_wait_s"]
    assert exact.kept == 36_000
