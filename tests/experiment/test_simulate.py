"""Many replications of a scenario, and the summary of what they say."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

import kinsim as ks
from kinsim.errors import ConfigError, KinsimError
from kinsim.experiment.result import Result
from kinsim.experiment.simulate import simulate
from kinsim.experiment.statistics import judge, kept_by
from kinsim.experiment.summary import statistic_unit
from kinsim.experiment.verdict import bounds_sentence, verdict_sentence
from kinsim.present.console import slo_rows
from kinsim.scenario import parse
from kinsim.system.metrics import ALERT_METRICS, MEMORY_METRICS, METRICS

TEXT = """
kinsim: 1
name: small
profile: PROFILE
workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
stream: {shard_count: 2}
event_source_mapping: {batch_size: 10}
function: {memory_size: 256 MB, duration: {fixed: 100ms, per_record: 2ms}}
slos:
  fresh: {metric: end_to_end_latency_s, statistic: p99, at_most: 20s}
  tight: {metric: queue_wait_s, statistic: mean, at_most: 1ms}
  no_loss: {metric: expired_records, statistic: Sum, at_most: 0}
run: {duration: 5m, replications: 4, seed: 3}
"""


def scenario(profile="aws-2017", **changes):
    loaded = parse(TEXT.replace("PROFILE", profile), file="small.yaml", base_dir=Path.cwd())
    return loaded.with_(changes) if changes else loaded


@pytest.fixture(scope="module")
def result():
    return simulate(scenario(), keep=("invocations",))


def test_a_metric_is_a_number_with_an_interval(result):
    each = [replication.metrics["queue_wait_s"]["mean"] for replication in result.replications]
    found = result["queue_wait_s"]["mean"]
    assert len(set(each)) == 4
    assert found == approx(np.mean(each))
    assert found.ci_low < found < found.ci_high
    assert (found.n, found.sd) == (4, approx(np.std(each, ddof=1)))
    with pytest.raises(KeyError, match="did you mean queue_wait_s"):
        result["queue_wait"]
    assert "queue_wait_s" in result


def test_the_summary_is_what_the_language_says(result):
    summary = result.summary()
    assert summary["format_version"] == "1.0"
    assert set(summary) >= {
        "scenario",
        "engine",
        "metrics",
        "per_shard",
        "shards",
        "slos",
        "alarms",
        "cost",
        "findings",
    }
    assert set(summary["metrics"]["invocations"]["sum"]) == {"value", "ci_low", "ci_high", "sd", "n"}
    assert list(summary["per_shard"]) == [shard["id"] for shard in summary["shards"]]
    assert set(summary["shards"][0]) == {
        "id", "parent", "adjacent_parent", "starting_hash_key", "ending_hash_key", "opened_s", "closed_s",
    }  # fmt: skip
    assert summary["shards"][1]["ending_hash_key"] == str(2**128 - 1)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


ONLY_WHERE_USED = {"final_invocations", "initial_records", "on_failure_deliveries", "redriven_records"}
"""Metrics of a scenario that has tumbling windows, a backlog at the start or an on-failure destination."""


def test_every_metric_is_in_the_list_with_its_statistics(result):
    for name, statistics in result.estimates.items():
        metric = METRICS[name]
        assert metric.built
        assert set(statistics) <= {*metric.statistics, "sum"}, name
    built = {name for name, metric in METRICS.items() if metric.built}
    of_features = {"initial_records", "on_failure_deliveries", "redriven_records", "final_invocations"}
    of_features |= {*ALERT_METRICS, *MEMORY_METRICS}
    assert set(result.estimates) == built - of_features  # which are not used here


def test_slos_are_judged_over_the_replications(result):
    found = {slo["name"]: slo for slo in result.slos}
    assert found["fresh"]["status"] == "met"
    assert found["tight"]["status"] == "missed"
    assert found["no_loss"]["status"] == "met"
    assert [found[name]["kept_by"] for name in ("fresh", "tight", "no_loss")] == [4, 0, 4]
    assert found["fresh"]["bound"] == "at_most"
    assert (found["fresh"]["limit"], found["fresh"]["unit"]) == (20, "s")
    assert found["fresh"]["value"] == approx(result["end_to_end_latency_s"]["p99"])
    assert result.verdict == "Misses 1 of 3 SLOs: tight."


def test_cost_in_parts(result):
    cost = result.cost
    assert cost["parts"]["shard_hours"] == {
        "kind": "fixed", "value": 2 * 730 * 0.015, "ci_low": 21.9, "ci_high": 21.9, "sd": 0.0, "n": 4,
    }  # fmt: skip
    assert cost["parts"]["lambda_duration"]["kind"] == "usage"
    assert cost["total"]["value"] == approx(sum(part["value"] for part in cost["parts"].values()))
    assert result["cost_usd_per_month"]["mean"] == approx(cost["total"]["value"])


def test_lower_bounds_by_arithmetic(result):
    """20 records/s of 1 kB are far below the limits of one shard."""
    assert result.bounds["bytes"] == result.bounds["records"] == 1
    assert result.bounds["consumer speed"] >= 1
    assert result.summary()["findings"]["lower_bounds"].startswith("Lower bounds at the mean load: 1 shard by bytes")
    assert result.summary()["bounds_at_peak"]["records"] == 1


def test_tables_are_frames(result):
    metrics = result.metrics
    assert metrics.loc["queue_wait_s.p99", "unit"] == "s"
    assert metrics.loc["queue_wait_s.p99", "mean"] == result["queue_wait_s"]["p99"]
    assert set(result.invocations["replication"]) == {0, 1, 2, 3}
    assert set(result.timeseries.columns) >= {"replication", "Timestamp", "MetricName", "Statistic", "Value", "Unit"}
    with pytest.raises(KinsimError, match="--keep records"):
        _ = result.records
    assert len(result.curves["invocations"]) == 4
    assert result.curves["shard_write_utilization"][0].shape == (2, 5)


def test_counts_of_a_minute_add_up_to_the_run(result):
    """Statistics S10."""
    for replication in result.replications:
        assert replication.curves["invocations"].sum() == replication.metrics["invocations"]["sum"]
        assert replication.curves["accepted_records"].sum() == replication.metrics["accepted_records"]["sum"]
        series = replication.frame("timeseries")
        one = series[(series.MetricName == "Duration") & (series.Statistic == "SampleCount")]
        assert one.Value.sum() == replication.metrics["invocations"]["sum"]


def test_the_same_on_any_executor(result):
    one = simulate(scenario(), replications=2)
    with ThreadPoolExecutor(1) as pool:
        two = simulate(scenario(), replications=2, executor=pool)
    assert one.digest == two.digest
    assert one.replications[0].metrics == result.replications[0].metrics
    assert simulate(scenario(), replications=2, seed=4).digest != one.digest


def test_local_processes_give_the_same_numbers():
    one = simulate(scenario(), replications=2)
    two = simulate(scenario(), replications=2, workers=2)
    assert one.digest == two.digest


def test_progress_is_told(result):
    told = []
    simulate(scenario(), replications=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_ideal_costs_nothing_and_has_no_write_limit():
    found = simulate(scenario("ideal"), replications=1)
    assert found["cost_usd_per_month"]["mean"] == 0
    assert "shard_write_utilization" not in found
    assert found["queue_wait_s"]["mean"].ci_low is None


def test_refusals():
    with pytest.raises(ConfigError, match="'invocation' is no table"):
        simulate(scenario(), keep=("invocation",))
    with pytest.raises(KinsimError, match="processes"):
        simulate(scenario(), processes=[print])


def test_a_scenario_runs_itself():
    found = scenario().run(replications=2)
    assert isinstance(found, Result)
    assert repr(found) == "<Result 'small': 2 replications. Misses 1 of 3 SLOs: tight.>"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"function.timeout": "1s", "function.duration": {"fixed": "3s"}}, "time-out"),
        ({"stream.write_limiter": "token_bucket", "stream.write_limit_records": 5}, "write limit"),
        ({"account.concurrent_executions": 1, "function.duration": {"fixed": "3s"}}, "concurrency"),
        ({"function.duration": {"fixed": "3s"}}, "2 of 2 shards busy"),
        ({}, "No bottleneck"),
    ],
)
def test_the_bottleneck_is_named(changes, says):
    assert says in simulate(scenario(**changes), replications=1).bottleneck


def test_an_overload_is_no_steady_state():
    """Statistics S8."""
    found = simulate(scenario(**{"function.duration": {"fixed": "3s"}}), replications=1).summary()
    assert any("no steady state" in note for note in found["findings"]["notes"])


def test_sentences():
    def slos(*statuses):
        return [{"name": f"n{k}", "status": status} for k, status in enumerate(statuses)]

    assert verdict_sentence([]) == "No SLO is stated."
    assert verdict_sentence(slos("met")) == "Meets the SLO."
    assert verdict_sentence(slos("met", "met", "met")) == "Meets all 3 SLOs."
    assert verdict_sentence(slos("met", "missed", "undecided", "missed")) == "Misses 2 of 4 SLOs: n1, n3 (1 undecided)."
    assert bounds_sentence({"records": 2}, {"records": 2}, 2) == "Lower bounds at the mean load: 2 shards by records."
    assert bounds_sentence({}, {}, 1) == ""


def test_units_of_statistics():
    assert statistic_unit("queue_wait_s", "variance") == "s^2"
    assert statistic_unit("queue_wait_s", "PR(:5s)") == "1"
    assert statistic_unit("expired_records", "time_of_first") == "s"


def test_bins_that_kinsim_chose_are_told():
    text = """\
kinsim: 1
name: bins
profile: ideal
workload: {arrivals: {model: poisson, rate: 6_000/s}%s}
function: {duration: 1ms}
event_source_mapping: {batch_size: 10_000}
run: {duration: 10s, replications: 1}
"""
    chosen = ks.parse(text % "").run().summary()
    assert chosen["scenario"]["granularity"] == {"records": "100ms"}
    assert any("bins of 100ms" in note for note in chosen["findings"]["notes"])
    asked = ks.parse(text % ", granularity: 1s").run().summary()
    assert asked["scenario"]["granularity"] == {"records": "1s"}
    assert not any("bins" in note for note in asked["findings"]["notes"])
    exact = ks.parse(text % ", granularity: record").run().summary()
    assert exact["scenario"]["granularity"] == {"records": "record"}


def test_records_still_in_the_producer_are_counted():
    """100 records in the last second, each 700 ms on its way to the stream: 70 of them are there by the end."""
    text = """\
kinsim: 1
name: on-the-way
profile: ideal
workload: {arrivals: {model: constant, rate: 100/s}}
producer: {put_latency: 700ms}
function: {duration: 1ms}
run: {duration: 10s, replications: 1}
"""
    found = ks.parse(text).run()
    assert found["offered_records"]["sum"] == 1_000
    assert found["in_producer_records"]["sum"] == 70
    assert found["accepted_records"]["sum"] + found["dropped_records"]["sum"] == 930


@pytest.mark.parametrize(("shards", "known"), [(1, 0), (2, 8)])
def test_records_that_stay_together_have_no_hash_key(shards, known):
    """Evenly spaced records are one row until shards take them apart, and a row of random keys has drawn none."""
    text = f"""\
kinsim: 1
name: keys
profile: ideal
workload: {{arrivals: {{model: constant, rate: 8/60s}}}}
stream: {{shard_count: {shards}}}
function: {{duration: 1ms}}
run: {{duration: 1m, replications: 1}}
"""
    keys = ks.parse(text).run(keep=["records"]).records.hash_key
    assert len(keys) == 8
    assert (keys != "").sum() == len(set(keys) - {""}) == known


DEAD = """\
kinsim: 1
name: dead
profile: aws-2017
workload: {arrivals: {model: constant, rate: 1_500/s}, record_size: 200 B}
producer: {model: sdk, retry: {mode: backoff, base: 100ms, max_attempts: 3}}
stream: {shard_count: 1}
function: {memory_size: 128 MB, timeout: 1s, duration: {fixed: 2s}}
slos:
  fresh: {metric: end_to_end_latency_s, statistic: p99, at_most: 1m}
  no_loss: {metric: lost_records, statistic: Sum, at_most: 0}
run: {duration: 2m, replications: 2}
"""


def test_a_design_that_processes_nothing_misses_what_it_has_no_value_for():
    result = ks.parse(DEAD).run()
    assert result["processed_records"]["sum"] == 0
    assert [(slo["name"], slo["status"]) for slo in result.slos] == [("fresh", "missed"), ("no_loss", "missed")]
    assert "100 % of invocations were stopped" in result.bottleneck


def test_lost_records_are_those_of_every_cause():
    """The producer drops what is rejected three times; what is stored expires a minute later."""
    found = (
        ks.parse(DEAD.replace("profile: aws-2017", "profile: ideal"))
        .with_({"stream.write_limit_records": "1000", "stream.retention_period": "60s"})
        .run()
    )
    parts = ("dropped_records", "expired_records", "discarded_records", "too_large_records")
    assert min(found["dropped_records"]["sum"], found["expired_records"]["sum"]) > 0
    assert found["lost_records"]["sum"] == sum(found[name]["sum"] for name in parts)
    assert found["lost_records"]["time_of_first"] == min(found[name]["time_of_first"] or 1e9 for name in parts)


def test_a_mean_that_keeps_to_a_limit_which_single_runs_exceed():
    values = [{"a": 41.0}, {"a": 43.0}, {"a": 61.0}, {"a": 42.0}, {"a": 40.0}]
    assert kept_by([v["a"] for v in values], 60.0, upper=True) == 4
    assert judge([v["a"] for v in values], 60.0, upper=True).status == "met"
    slo = {"name": "a", "metric": "iterator_age_s", "statistic": "max", "limit": 60.0, "unit": "s", "status": "met",
           "value": 45.4, "ci_low": 34.0, "ci_high": 56.0, "n": 5, "kept_by": 4}  # fmt: skip
    assert slo_rows({"slos": [slo]})[0][-1] == "met, but by 4 of 5 runs"
