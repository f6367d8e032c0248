"""Every example of the language loads and runs as it stands."""

import pytest

import kinsim as ks
from kinsim.experiment.sweep_file import load_sweep_file
from kinsim.present.cli import main

MM1 = """
kinsim: 1
name: mm1
profile: ideal
workload: {arrivals: {model: poisson, rate: 0.8/s}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 1}
function: {duration: {distribution: exponential, mean: 1s}}
run: {duration: 100_000s, warm_up: 1_000s, replications: 30, seed: 1}
"""

FIVE_MINUTE_BURSTS = """
kinsim: 1
name: five-minute-bursts
profile: ideal
workload: {arrivals: {model: bursts, every: 300s, size: 12_345}}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 500}
function: {duration: {fixed: 120ms, per_record: 2.1ms}}
run: {duration: 1h, until: drained}
"""

REAL_ARRIVALS = """
kinsim: 1
name: real-arrivals
profile: ideal
workload:
  arrivals: {model: trace, file: arrivals.csv, format: csv, time: TIMESTAMP}
stream: {shard_count: 1}
event_source_mapping: {batch_size: 10}
function: {duration: {fixed: 200ms, per_record: 250ms}}
run: {duration: 1h, until: drained}
"""

STREAMALERT_PROD = """
# yaml-language-server: $schema=./kinsim.scenario.schema.json
kinsim: 1                       # file format version
name: streamalert-prod
description: >-
  One StreamAlert cluster: CloudTrail, osquery and VPC flow logs go to one
  Kinesis stream; the rule processor must see every record within a minute.
profile: aws-2017               # limits, defaults and prices of that year; `kinsim profiles` lists them
region: us-east-1

workload:
  arrivals:
    model: poisson              # poisson | renewal | mmpp | trace | constant
    rate: 1_800/s
    daily: {peak_at: "14:00", peak_to_mean: 1.8}
    bursts:
      - {at: 6h, duration: 10m, factor: 4}        # an incident: four times the traffic
  record_size: {distribution: lognormal, mean: 900 B, cv: 1.2, max: 256 KiB}
  partition_keys: {count: 5_000, skew: {distribution: zipf, s: 0.8}}

producer: {model: sdk, api: PutRecords, batch_size: 250, retry: {mode: legacy, max_attempts: 5}}

stream:
  stream_mode: PROVISIONED
  shard_count: 8
  retention_period: 24h

event_source_mapping:
  batch_size: 500
  maximum_batching_window: 0s
  parallelization_factor: 1
  starting_position: TRIM_HORIZON
  maximum_retry_attempts: -1    # -1 = until the record expires, as in AWS
  bisect_batch_on_function_error: false

function:                       # StreamAlert's rule processor
  memory_size: 512 MB
  timeout: 30s
  duration:                     # billed work, at `reference_memory`; CPU-bound part scales with memory
    fixed: 40ms
    per_record: 0.25ms
    per_mib: 35ms
    cv: 0.25
    cpu_fraction: 0.85
    reference_memory: 1769 MB   # one full vCPU
  cold_start: {distribution: lognormal, p50: 350ms, p99: 1.8s}
  faults: [{kind: error, probability: 0.0002}]

account: {concurrent_executions: 1000}

slos:
  freshness:   {metric: end_to_end_latency_s, statistic: p99, at_most: 60s}
  no_backlog:  {metric: GetRecords.IteratorAgeMilliseconds, statistic: Maximum, period: 1m, at_most: 5m}
  no_loss:     {metric: expired_records, statistic: Sum, at_most: 0}
  headroom:    {metric: shard_write_utilization, statistic: p95, at_most: 70%}
  budget:      {metric: cost_usd_per_month, statistic: Average, at_most: 900}

run:
  duration: 24h
  warm_up: 30m
  replications: 10
  confidence: 95%
  seed: 20170601
"""

MINIMAL = """
kinsim: 1
name: hello
workload: {arrivals: {model: poisson, rate: 400/s}, record_size: 1 kB}
stream: {shard_count: 2}
function: {memory_size: 256 MB, duration: {fixed: 30ms, per_record: 0.1ms}}
slos: {freshness: {metric: end_to_end_latency_s, statistic: p99, at_most: 10s}}
run: {duration: 1h}
"""


def test_mm1(load):
    """As it stands but for its length: case:T01 runs it in full."""
    scenario = load(MM1)
    assert (scenario.run.replications, scenario.run.warm_up_s) == (30, 1_000.0)
    result = scenario.with_({"run.duration": "2_000s", "run.replications": 2}).run()
    assert result["processed_records"]["sum"] > 1_000


def test_five_minute_bursts(load):
    result = load(FIVE_MINUTE_BURSTS).run()
    assert result["processed_records"]["sum"] == 12 * 12_345
    assert result["invocations"]["sum"] == 12 * 25


def test_real_arrivals(load, tmp_path):
    (tmp_path / "arrivals.csv").write_text(
        "TIMESTAMP\n2023-11-16 18:17:03.9799600\n2023-11-16 18:17:04.0319600\n2023-11-16 18:17:04.0781490\n"
    )
    result = load(REAL_ARRIVALS).run()
    assert result["processed_records"]["sum"] == 3
    # 0.2 + 0.25 s for the first record, 0.2 + 2 x 0.25 s for the two that came meanwhile
    assert result["finish_s"]["mean"] == pytest.approx(0.45 + 0.7)


def test_minimal_scenario(load):
    result = load(MINIMAL).run()
    assert result["processed_records"]["sum"] == pytest.approx(400 * 3_600, rel=0.01)
    assert result.summary()["slos"][0]["status"] == "met"
    assert load(MINIMAL).profile == "aws-2026"  # the newest, where none is named


def test_full_scenario_loads_as_it_stands(load):
    scenario = load(STREAMALERT_PROD)
    assert scenario.workload.sources["records"].arrivals.rate_per_s == 1_800
    assert scenario.function.memory_size_mb == 512
    assert scenario.function.timeout_s == 30
    assert scenario.run.duration_s == 86_400
    assert list(scenario.slos) == ["freshness", "no_backlog", "no_loss", "headroom", "budget"]


def test_full_scenario_runs(load):
    """Its first ten minutes, twice: a day of it is 155 million records."""
    result = load(STREAMALERT_PROD).with_({"run.duration": "10m", "run.warm_up": "1m", "run.replications": 2}).run()
    assert result["processed_records"]["sum"] > 100_000
    assert len(result.summary()["slos"]) == 5


SWEEP = """
# yaml-language-server: $schema=./kinsim.sweep.schema.json
kinsim: 1
name: shards-x-batch-x-memory
base: streamalert-prod.yaml     # any scenario; the sweep inherits its SLOs
set: {run.duration: 6h}         # applied to every point, before the axes

axes:                           # axes multiply; keys inside one axis advance together (zip)
  - stream.shard_count: {range: [2, 32], step: 2}            # both ends included
  - event_source_mapping.batch_size: [100, 200, 500, 1000, 2000]
  - function.memory_size: [256 MB, 512 MB, 1024 MB, 1536 MB]
    function.timeout:     [60s,    60s,    30s,     30s]
  - workload.arrivals.rate: {geometric: [900/s, 3600/s], num: 3}
    label: [today, in a year, in two years]                  # shown in tables and legends

exclude:                        # as in a CI matrix: drop what matches
  - {function.memory_size: 256 MB, event_source_mapping.batch_size: 2000}
where:                          # keep only points for which this holds
  - stream.shard_count * event_source_mapping.parallelization_factor <= account.concurrent_executions

method: grid                    # grid | {sobol: 256} | {latin_hypercube: 200} | {random: 200}
replications: {min: 5, max: 40, until: {metric: end_to_end_latency_s.p99, relative_half_width: 5%}}
common_random_numbers: true

objective: {minimize: cost_usd_per_month}
subject_to: slos                # every SLO of the base scenario; or a list of their names

figures: [heatmap, pareto, p99_vs_shards]
execution: {workers: auto, on_error: continue, timeout: 10m, max_points: 5_000}
"""


@pytest.fixture
def sweep_file(tmp_path):
    (tmp_path / "streamalert-prod.yaml").write_text(STREAMALERT_PROD, encoding="utf-8")
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


def test_the_sweep_loads_as_it_stands(sweep_file):
    """16 x 5 x 4 x 3 points, less the 48 of 256 MB with batches of 2,000."""
    sweep = load_sweep_file(sweep_file)
    points = [point for block in sweep.blocks for point in block]
    kept = [point for block in sweep.blocks for point in block if not block.excludes(point)]
    assert (len(points), len(kept)) == (960, 912)
    assert [point["label"] for point in kept[:3]] == ["today", "in a year", "in two years"]
    assert sweep.paths == (
        "stream.shard_count",
        "event_source_mapping.batch_size",
        "function.memory_size",
        "function.timeout",
        "workload.arrivals.rate",
    )


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_the_sweep_asks_of_later_versions_is_refused_by_name(sweep_file, capsys, options):
    assert main(["sweep", str(sweep_file), *options]) == 2
    said = capsys.readouterr().err
    for word in ("where", "until", "objective", "heatmap", "pareto"):
        assert any(word in line and "not built in this version" in line for line in said.splitlines()), word
    assert "Traceback" not in said


def test_the_small_facts():
    assert ks.hash_key("partitionKey-00") == 185601566870072331575921557590664476640
    assert ks.hash_key_ranges(2) == [(0, 2**127 - 1), (2**127, 2**128 - 1)]
    assert ks.shard_for("partitionKey-00", 10) == 5
    assert ks.cpu_share(1769) == pytest.approx(1.0)
