"""Autoscaling: an alarm goes off, a function calls UpdateShardCount, shards are split or merged, limits rise."""

from __future__ import annotations

import pytest

from kinsim.engine import reference
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.autoscaling import Autoscaler
from kinsim.errors import ConfigError
from kinsim.measure.recorder import Recorder
from kinsim.scenario import parse

LAST = str(2**128 - 1)
SCENARIO = f"""
kinsim: 1
name: autoscaling
profile: ideal
workload:
  arrivals: {{model: constant, rate: 16/s}}
  partition_keys: {{explicit_hash_keys: ["0", "{LAST}"]}}
stream:
  shard_count: 1
  write_limit_records: 10
  write_limit_bytes: 1 GiB
  reshard_operation_time: 30s
  autoscaling: {{on: full, out: {{factor: 2, cooldown: 5m}}, max: 4}}
event_source_mapping: {{batch_size: 10}}
function: {{duration: 10ms}}
alarms:
  full: {{metric: WriteProvisionedThroughputExceeded, statistic: Sum, period: 1m, threshold: 0}}
run: {{duration: 15m, replications: 1}}
"""
"""16 records a second for a shard that takes 10: the first minute has rejections, two shards take all."""


DEFAULT = "{on: full, out: {factor: 2, cooldown: 5m}, max: 4}"


def scenario(*changes, scaling=DEFAULT):
    assert DEFAULT in SCENARIO
    return parse(SCENARIO.replace(DEFAULT, scaling), "f.yaml", overrides=list(changes))


def run(*changes, scaling=DEFAULT):
    return scenario(*changes, scaling=scaling).run().summary()


def calls(summary):
    return [
        (call["time_s"], call["from_shards"], call["to_shards"], call["exception"]) for call in summary["resharding"]
    ]


def test_a_breach_leads_to_a_split_at_a_known_microsecond_and_the_limit_rises():
    """Minute 0 is known at 120 s, the call comes 5 s later, the split takes 30 s; then two shards take 8 a second each.

    Until then the shard takes its bucket of 10 and 10 a second from 0 s to its last record, at 154.9375 s.
    """
    summary = run()
    assert calls(summary) == [(125.0, 1, 2, None)]
    assert summary["resharding"][0]["done_s"] == 155.0
    assert [(each["opened_s"], each["closed_s"]) for each in summary["shards"]] == [(0, 155), (155, None), (155, None)]
    accepted = [of["accepted_records"]["sum"]["value"] for of in summary["per_shard"].values()]
    assert accepted == [10 + 1_549, 8 * 745, 8 * 745]
    assert [of["rejected_records"]["sum"]["value"] for of in summary["per_shard"].values()] == [16 * 155 - 1_559, 0, 0]
    assert "Autoscaling asks for 1 to 2 shards at 2m5s." in summary["findings"]["notes"]


def test_the_alarms_and_the_functions_own_delays_count():
    assert calls(run("alarms.full.metric_delay=3m", "stream.autoscaling.delay=250ms"))[0] == (240.25, 1, 2, None)


def test_without_a_cooldown_old_data_lead_to_more_calls():
    """Minutes 1 and 2 have rejections too: they are known at 180 s and 240 s, when two and four shards are there."""
    summary = run("stream.autoscaling.out.cooldown=0s", "stream.autoscaling.max=16")
    assert calls(summary) == [(125.0, 1, 2, None), (185.0, 2, 4, None), (245.0, 4, 8, None)]


def test_the_largest_count_is_not_exceeded():
    """Two more would be three; at two the alarm goes on calling and nothing is asked for."""
    summary = run("workload.arrivals.rate=100/s", scaling="{on: full, out: {add: 2, cooldown: 0s}, max: 2}")
    assert calls(summary) == [(125.0, 1, 2, None)]


def test_a_stream_that_is_updating_refuses():
    """A split of 90 s from 125 s on: the call at 185 s is refused and that at 245 s is not; then it splits again."""
    summary = run("stream.autoscaling.out.cooldown=0s", "stream.reshard_operation_time=90s")
    busy = "ResourceInUseException"
    assert calls(summary) == [(125.0, 1, 2, None), (185.0, 1, 2, busy), (245.0, 2, 4, None), (305.0, 2, 4, busy)]
    told = [note for note in summary["findings"]["notes"] if "refuses" in note]
    assert told == [
        "AWS refuses 2 calls of UpdateShardCount, the first at 3m5s: the stream is UPDATING until 3m35s (aws:S3)."
    ]


def test_an_alarm_that_stays_calls_once_where_only_its_change_does():
    """aws:CW7: 64 a second are too many for two shards as well, and nobody calls again."""
    changes = ("workload.arrivals.rate=64/s", "stream.autoscaling.out.cooldown=0s")
    assert calls(run(*changes, "stream.autoscaling.acts=on_state_change")) == [(125.0, 1, 2, None)]
    assert len(calls(run(*changes))) == 2


def test_the_calls_of_a_day_are_limited():
    """aws-2017: two calls in 24 hours (aws:S9); later ones are refused, and counted as one entry."""
    summary = run(
        "profile=aws-2017", "workload.arrivals.rate=100/s",
        scaling="{on: full, out: {add: 1, cooldown: 0s}, max: 8}",
    )  # fmt: skip
    # 1 to 2 takes one split; 2 to 3 two splits and a merge, from 185 s to 305 s at the latest
    found = summary["resharding"]
    assert [call["to_shards"] for call in found if not call["refused"]] == [2, 3]
    last = found[-1]
    assert last["exception"] == "LimitExceededException"
    assert "call number 3 of UpdateShardCount within 24 hours; AWS accepts 2" in last["refused"]
    assert last["times"] == 1 + (last["last_s"] - last["time_s"]) / 60 > 5


def test_removing_shards_down_to_the_smallest_count():
    """60 records a minute are below 100: 4 to 2 by two merges that end at 155 and 185 s, and at once 2 to 1."""
    settings = "{on: IncomingRecords, in: {factor: 0.5, threshold: 100, cooldown: 0s}}"
    changes = ("workload.arrivals.rate=1/s", "stream.shard_count=4")
    summary = run(*changes, scaling=settings)
    assert calls(summary) == [(125.0, 4, 2, None), (185.0, 2, 1, None)]
    assert [each["closed_s"] for each in summary["shards"]] == [155, 155, 185, 185, 215, 215, None]
    assert calls(run(*changes, "stream.autoscaling.min=2", scaling=settings)) == [(125.0, 4, 2, None)]


def test_removing_waits_after_adding():
    """The alarm is OK again at 300 s; after the call at 125 s none is removed until 725 s, which proves to be wrong.

    The merge ends at 755 s, so that minute 12 has rejections, known at 840 s.
    """
    summary = run("stream.autoscaling.in={factor: 0.5, cooldown: 10m}")
    assert calls(summary) == [(125.0, 1, 2, None), (725.0, 2, 1, None), (845.0, 1, 2, None)]


def test_a_share_of_the_limit_grows_with_the_shards():
    """360 a minute are more than half of 600 and less than half of 1,200, and not less than a quarter of that."""
    settings = (
        "{on: IncomingRecords, out: {factor: 2, of_limit: 50%, cooldown: 0s}, "
        "in: {factor: 0.5, of_limit: 25%, cooldown: 0s}, max: 8}"
    )
    assert calls(run("workload.arrivals.rate=6/s", scaling=settings)) == [(125.0, 1, 2, None)]


def test_an_invocation_counts_from_its_start():
    """Record 1 is invoked at 100 s, 99 s old, and runs until 200 s: at 180 s the alarm knows of minute 1."""
    summary = run(
        "workload.arrivals.rate=1/s", "function.duration=100s", "event_source_mapping.batch_size=1",
        "alarms.full={metric: IteratorAge, statistic: Maximum, period: 1m, threshold: 98_999}",
    )  # fmt: skip
    assert calls(summary)[0] == (185.0, 1, 2, None)
    assert summary["alarms"]["full"]["went_off_s"]["value"] == 180.0


def test_what_would_be_done_after_the_run_is_not_done():
    summary = run("run.duration=140s")
    assert (calls(summary), summary["resharding"][0]["done_s"]) == ([(125.0, 1, 2, None)], None)
    assert len(summary["shards"]) == 1


def test_an_alarm_that_never_goes_off_changes_nothing():
    summary, alone = run("workload.arrivals.rate=5/s"), run("workload.arrivals.rate=5/s", "stream.autoscaling=null")
    assert summary["resharding"] == []
    assert summary["metrics"] == alone["metrics"]
    assert "resharding" not in alone


# -- the same alarm in the clock and afterwards --------------------------------------------------------------


class Listening(Autoscaler):
    """Notes the states of its alarms as they change."""

    def __init__(self, of):
        super().__init__(of)
        self.changes = {watch.trigger.name: [] for watch in self.watches}
        self.states = dict.fromkeys(self.changes, 0)

    def decide(self, now_us, shards):
        operations = super().decide(now_us, shards)
        for watch in self.watches:
            name, state = watch.trigger.name, watch.watched.state
            if state != self.states[name]:
                self.states[name] = state
                self.changes[name].append([now_us / 1e6, ("INSUFFICIENT_DATA", "OK", "ALARM")[state]])
        return operations


@pytest.mark.parametrize("missing", ["missing", "ignore", "breaching", "notBreaching"])
@pytest.mark.parametrize(
    ("metric", "statistic", "period", "threshold", "periods", "needed"),
    [
        ("IncomingBytes", "Sum", "1m", 60_000, 3, 2),
        ("IncomingRecords", "Sum", "5m", 2_500, 2, 1),
        ("WriteProvisionedThroughputExceeded", "Sum", "2m", 20, 2, 2),
        ("IteratorAge", "Maximum", "1m", 1_000, 3, 2),
        ("IteratorAge", "Average", "3m", 800, 2, 1),
        ("IteratorAge", "p90", "1m", 900, 2, 2),
        ("IteratorAge", "SampleCount", "2m", 90, 1, 1),
    ],
)
def test_its_alarms_change_when_those_of_the_report_do(metric, statistic, period, threshold, periods, needed, missing):
    """Two alarms, one above and one below a threshold, on a load that comes and goes; shards follow them."""
    rule = (
        f"metric: {metric}, statistic: {statistic}, period: {period}, threshold: {threshold}, "
        f"evaluation_periods: {periods}, datapoints_to_alarm: {needed}, treat_missing_data: {missing}"
    )
    found = scenario(
        f"alarms={{full: {{{rule}}}, idle: {{{rule}, comparison: LessThanOrEqualToThreshold, metric_delay: 30s}}}}",
        "stream.autoscaling.in={factor: 0.5, on: idle, cooldown: 2m}", "stream.autoscaling.out.cooldown=2m",
        "workload.arrivals={model: mmpp, rates: [0/s, 6/s, 14/s], mean_stay: [3m, 3m, 4m]}",
        "workload.partition_keys=random", "workload.record_size=100 B", "event_source_mapping.batch_size=7",
        "function.duration={distribution: exponential, mean: 450ms}", "run.duration=45m", "stream.shard_count=2",
    )  # fmt: skip
    recorder, controller = Recorder(found, 0), Listening(found)
    reference.run(found, 0, recorder, ArrivalSource(found, 0), controller)
    for name, alarm in recorder.result.alarms.items():
        assert controller.changes[name] == [change for change in alarm["state_changes"] if change[0] < 2_700], name


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "says", "help"),
    [
        ("{on: full, out: {factor: 2}, min: 5, max: 4}", "min", "min: 5 is above max: 4", "swap"),
        ("{on: full, out: {factor: 2}, min: 2}", "min", "above shard_count: 1 (line 9)", "within"),
        ("{on: full}", "", "never changes", "factor: 2"),
        ("{on: full, out: {}}", "out", "neither is there", "factor: 2"),
        ("{on: full, out: {factor: 2, add: 1}}", "out", "both are there", "factor: 2"),
        ("{on: full, out: {factor: 0.5}}", "out.factor", "factor: 0.5 does not lead there", "factor: 2"),
        ("{on: full, out: {add: -1}}", "out.add", "add: -1 does not lead there", "add: 1"),
        ("{on: full, in: {factor: 2}}", "in.factor", "factor: 2.0 does not lead there", "factor: 0.5"),
        ("{on: full, out: {factor: 3}}", "out.factor", "2 times the shards at most", "factor: 2"),
        ("{on: full, in: {factor: 0.25}}", "in.factor", "0.5 of the shards at least", "factor: 0.5"),
        ("{on: ful, out: {factor: 2}}", "on", "no alarm 'ful'", "did you mean full?"),
        ("{on: x, out: {factor: 2}}", "on", "no alarm 'x'", "alarms are full"),
        ("{on: full, in: {factor: 0.5, on: idle}}", "in.on", "no alarm 'idle'", "alarms are full"),
        ("{on: Errors, out: {factor: 2, threshold: 1}}", "on", "not known while the run goes on", "IncomingBytes"),
        ("{on: IncomingBytes, out: {factor: 2}}", "out", "its threshold is missing", "of_limit: 80%"),
        ("{on: full, out: {factor: 2, threshold: 1}}", "out.threshold", "its own threshold", "alarms.full"),
        ("{on: full, period: 5m, out: {factor: 2}}", "period", "its own period", "alarms.full"),
        ("{on: incomingBytes, out: {factor: 2, of_limit: 50%}}", "out.of_limit", "its own of_limit", "IncomingBytes?"),
        ("{on: IteratorAge, out: {factor: 2, of_limit: 50%}}", "out.of_limit", "no limit to be a share", "Incoming"),
        ("{on: IncomingBytes, statistic: p99, out: {factor: 2, threshold: 1}}", "statistic", "p99", ""),
        ("{on: IncomingBytes, period: 90s, out: {factor: 2, threshold: 1}}", "period", "whole number of minutes", "1m"),
        ("{on: full, out: {factor: 2}, max: 20_000}", "max", "at most 10000", "10000"),
    ],
)  # fmt: skip
def test_bad_input(change, path, says, help):
    with pytest.raises(ConfigError) as told:
        scenario("profile=aws-2026", scaling=change)
    problem = told.value.problems[0]
    assert problem.path == "stream.autoscaling" + (f".{path}" if path else "")
    assert says in problem.message
    assert help in problem.help


ON_AGE = "{on: IteratorAge, out: {factor: 2, threshold: 1000}, max: 4}"


@pytest.mark.parametrize(
    ("change", "scaling", "path", "says"),
    [
        ("stream.reshard=[{at: 1s, update_shard_count: 2}]", DEFAULT, "", "beside the schedule stream.reshard"),
        ("alarms.full.metric=Throttles", DEFAULT, ".on", "full watches Throttles"),
        ("alarms={IteratorAge: {metric: IteratorAge, statistic: Maximum, period: 1m, threshold: 0}}", ON_AGE, ".on",
         "IteratorAge is a metric and the alarm of that name"),
        ("event_source_mapping.iterator_age=invoke_end", ON_AGE, ".on", "end of the invocation"),
        ("stream.write_limiter=none",
         "{on: IncomingBytes, out: {factor: 2, of_limit: 50%}, max: 4}", ".out.of_limit",
         "no write limit"),
        ("profile=ideal", "{on: full, out: {factor: 2}}", "", "no quota of shards, and max is missing"),
    ],
)  # fmt: skip
def test_what_cannot_stand_beside_it(change, scaling, path, says):
    with pytest.raises(ConfigError) as told:
        scenario(change, scaling=scaling)
    problem = told.value.problems[0]
    assert problem.path == f"stream.autoscaling{path}"
    assert says in problem.message


def test_all_readers_of_a_stream_see_the_same_calls():
    """A reader with a function of its own does not change what the stream's controller does, and finds its shards."""
    alone = run()
    reader = "{name: other, event_source_mapping: {batch_size: 5}, function: {duration: 20ms}}"
    both = run(f"stream.consumers=[{reader}]")["pipelines"]
    assert calls(both["main"]) == calls(both["other"]) == calls(alone)
    assert both["main"]["shards"] == both["other"]["shards"] == alone["shards"]
    stored = 1_559 + 2 * 5_960  # as in the first test
    assert both["other"]["metrics"]["processed_records"]["sum"]["value"] == stored
