"""Scenarios from files and text: what is filled in, what is laid upon what, what stays the same."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.errors import ConfigError
from kinsim.scenario import Run, Scenario, load, parse
from kinsim.system.workload import Workload

MINIMAL = """
kinsim: 1
name: hello
workload: {arrivals: {model: poisson, rate: 400/s}, record_size: 1 kB}
stream: {shard_count: 2}
function: {memory_size: 256 MB, duration: {fixed: 30ms, per_record: 0.1ms}}
slos: {freshness: {metric: end_to_end_latency_s, statistic: p99, at_most: 10s}}
run: {duration: 1h}
"""


def test_a_minimal_scenario_is_filled_in_by_the_newest_profile():
    scenario = parse(MINIMAL)
    assert scenario.profile == "aws-2026"
    assert scenario.stream.retention_period_s == 86_400
    assert scenario.stream.write_limit_bytes == 1_048_576
    assert scenario.event_source_mapping.batch_size == 100
    assert scenario.event_source_mapping.retry_backoff.cap_s == 60  # type: ignore[union-attr]
    assert scenario.function.timeout_s == 60
    assert scenario.account.concurrent_executions == 1_000
    assert scenario.run == Run.model_validate({"duration": "1h"})
    assert scenario.slos["freshness"].limit == 10.0
    assert isinstance(scenario.workload, Workload)
    assert list(scenario.workload.sources) == ["records"]
    assert scenario.provenance["profile"].label == "the newest profile"


def test_the_smallest_scenario_takes_its_name_from_the_file(tmp_path):
    file = tmp_path / "four-lines.yaml"
    file.write_text("kinsim: 1\nworkload: {arrivals: {model: constant, rate: 1/s}}\nrun: {duration: 60}\n", "utf-8")
    scenario = load(file)
    assert (scenario.name, scenario.stream.shard_count, scenario.function.memory_size_mb) == ("four-lines", 1, 128)
    assert scenario.base_dir == tmp_path


def test_the_ideal_profile_has_no_limits():
    scenario = parse(MINIMAL.replace("name: hello", "name: hello\nprofile: ideal"))
    assert scenario.stream.limiter == 0
    assert scenario.stream.retention_period_s is None
    assert scenario.function.timeout_s is None
    assert scenario.function.cpu == "unlimited"
    assert scenario.account.concurrent_executions is None
    assert scenario.event_source_mapping.payload_limit_bytes is None
    assert scenario.event_source_mapping.poll_interval_s == 0
    assert scenario.profile_data.price("shard_hour") == 0


def test_a_limiter_or_limit_that_is_named_turns_aws_limits_on_under_ideal():
    text = MINIMAL.replace("name: hello", "name: hello\nprofile: ideal")
    on = parse(text.replace("shard_count: 2", "shard_count: 2, write_limiter: fixed_second"))
    assert (on.stream.limiter, on.stream.records_per_s, on.stream.bytes_per_s) == (2, 1_000, 1_048_576)
    named = parse(text.replace("shard_count: 2", "shard_count: 2, write_limit_records: 500"))
    assert (named.stream.limiter, named.stream.records_per_s) == (1, 500)


@pytest.mark.parametrize("word", ["unlimited", "none", "null", "~"])
def test_words_for_no_limit(good, word):
    text = good.replace("aws-2017", "ideal").replace("timeout: 60s", f"timeout: {word}, cold_start: {word}")
    scenario = parse(text)
    assert scenario.function.timeout_s is None
    assert scenario.function.cold_start_s is None


def test_unlimited_stays_a_word_where_it_is_one(good):
    assert parse(good.replace("timeout: 60s", "cpu: unlimited")).function.cpu == "unlimited"
    assert parse(good.replace("batch_size: 100", "retry_backoff: none")).event_source_mapping.retry_backoff == "none"


# -- other names ---------------------------------------------------------------------------------------------


def test_short_and_aws_names_mean_the_same(good):
    short = good.replace("shard_count: 2", "shards: 2, retention: 36h").replace("memory_size", "memory")
    aws = good.replace("stream: {shard_count: 2}", "Stream: {ShardCount: 2, RetentionPeriodHours: 36}")
    aws = aws.replace("memory_size: 256 MB, timeout: 60s", "MemorySize: 256, Timeout: 60")
    assert parse(short).config_hash == parse(aws).config_hash
    assert parse(aws).document["stream"]["retention_period"] == "36h"
    assert parse(aws).document["function"]["memory_size"] == "256 MB"


def test_an_answer_of_the_aws_cli_may_be_pasted(good):
    mapping = """{
    "UUID": "a1b2", "StartingPosition": "TRIM_HORIZON", "BatchSize": 250, "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1, "EventSourceArn": "arn:aws:kinesis:us-east-1:123:stream/s", "FunctionArn": "arn:aws:x",
    "LastModified": "2026-01-01T00:00:00Z", "LastProcessingResult": "OK", "State": "Enabled",
    "StateTransitionReason": "User action", "DestinationConfig": {"OnFailure": {}}, "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": false, "MaximumRetryAttempts": -1, "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": []
}"""
    stream = """{"StreamName": "s", "StreamARN": "arn", "StreamStatus": "ACTIVE", "RetentionPeriodHours": 48,
    "StreamModeDetails": {"StreamMode": "PROVISIONED"},
    "EnhancedMonitoring": [{"ShardLevelMetrics": ["IncomingBytes"]}],
    "EncryptionType": "NONE", "OpenShardCount": 7, "ConsumerCount": 0}"""
    text = good.replace("{batch_size: 100}", mapping).replace("{shard_count: 2}", stream)
    scenario = parse(text)
    assert scenario.event_source_mapping.batch_size == 250
    assert scenario.event_source_mapping.maximum_batching_window_s == 0
    assert scenario.event_source_mapping.report_batch_item_failures is False
    assert (scenario.stream.shard_count, scenario.stream.retention_period_s) == (7, 172_800)
    assert scenario.stream.shard_level_metrics == ["IncomingBytes"]


def test_one_setting_under_two_names_is_an_error(good, problems):
    found = problems(good.replace("shard_count: 2", "shards: 2, ShardCount: 2"))
    assert len(found) == 1
    assert "shard_count is given twice, as shards (line 7) and as ShardCount" in found[0].message


# -- precedence ----------------------------------------------------------------------------------------------


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


def test_profile_then_extends_in_order_then_file_then_overrides(tmp_path, good):
    write(
        tmp_path,
        base="stream: {shard_count: 3, retention_period: 30h}\nfunction: {memory_size: 512 MB, timeout: 90s}\n",
        team="stream: {shard_count: 4, put_to_get_delay: 100ms}\n",
        main=good.replace("kinsim: 1", "kinsim: 1\nextends: [base.yaml, team.yaml]").replace(
            "shard_count: 2", "trim_granularity: 60s"
        ),
    )
    scenario = load(tmp_path / "main.yaml")
    stream = scenario.stream
    assert (stream.shard_count, stream.retention_period_s, stream.put_to_get_delay_s, stream.trim_granularity_s) == (
        4,
        108_000,
        0.1,
        60,
    )
    assert (scenario.function.memory_size_mb, scenario.function.timeout_s) == (256, 60)
    origins = scenario.provenance
    assert origins["stream.shard_count"].label == "team.yaml:1"
    assert origins["stream.retention_period"].label == "base.yaml:1"
    assert origins["stream.trim_granularity"].label == "main.yaml:8"
    assert origins["stream.write_limit_records"].label == "profile aws-2017"
    assert origins["stream.write_limit_records"].source == "aws:W1"
    assert origins["run.replications"].label == "default"
    changed = load(tmp_path / "main.yaml", ["stream.shards=9"])
    assert changed.stream.shard_count == 9
    assert changed.provenance["stream.shard_count"].kind == "--set"


def test_lists_replace_and_mappings_merge(tmp_path, good):
    write(
        tmp_path,
        base=good
        + "slos:\n  a: {metric: timeouts, statistic: Sum, at_most: 0}\n"
        + "  b: {metric: errors, statistic: Sum, at_most: 5}\n",
        main="extends: base.yaml\n"
        "slos: {b: {at_least: 1}, c: {metric: errors, statistic: Sum, at_most: 9}}\n"
        "function: {faults: [{kind: error, probability: 1%}]}\n",
    )
    scenario = load(tmp_path / "main.yaml", {"function.faults": [{"kind": "slow", "factor": 2}]})
    assert [fault.kind for fault in scenario.function.faults] == ["slow"]
    assert {name: slo.limit for name, slo in scenario.slos.items()} == {"a": 0, "b": 1, "c": 9}
    assert not scenario.slos["b"].upper
    assert scenario.function.memory_size_mb == 256


def test_another_model_or_distribution_replaces(good):
    scenario = parse(good, overrides={"workload.arrivals": {"model": "bursts", "every": "300s", "size": 10}})
    assert scenario.workload.sources["records"].arrivals.model == "bursts"
    plain = parse(good, overrides={"function.duration": {"distribution": "exponential", "mean": "1s"}})
    assert plain.function.duration.mean == 1.0  # type: ignore[union-attr]
    assert plain.with_({"function.duration": {"fixed": "1s"}}).function.duration.fixed_s.mean == 1.0  # type: ignore[union-attr]
    merged = parse(good, overrides={"workload.arrivals": {"bursts": [{"at": "1m", "duration": "1m", "factor": 2}]}})
    assert merged.workload.sources["records"].arrivals.rate_per_s == 10  # type: ignore[union-attr]
    keys = parse(good, overrides={"workload.partition_keys": {"count": 5}}).with_(
        {"workload.partition_keys": {"keys": ["a"]}}
    )
    assert keys.document["workload"]["partition_keys"] == {"keys": ["a"]}


def test_extended_files_name_files_from_their_own_folder(tmp_path, good):
    write(tmp_path, sub__base=good.replace("{model: poisson, rate: 10/s}", "{model: trace, file: t.csv, time: t}"))
    write(tmp_path, main="kinsim: 1\nextends: sub/base.yaml\n")
    (tmp_path / "sub" / "t.csv").write_text("t\n1\n", "utf-8")
    scenario = load(tmp_path / "main.yaml")
    assert (scenario.base_dir / scenario.document["workload"]["arrivals"]["file"]).is_file()
    assert scenario.config_hash == load(tmp_path / "sub" / "base.yaml", {"name": "good"}).config_hash


def test_mistakes_in_an_extended_file_are_told_with_its_own_lines(tmp_path, good):
    write(
        tmp_path, base=good.replace("shard_count: 2", "shard_cuont: 2"), main="kinsim: 1\nextends: base.yaml\nfoo: 1\n"
    )
    with pytest.raises(ConfigError) as told:
        load(tmp_path / "main.yaml")
    places = [(problem.file.rpartition("/")[2], problem.line) for problem in told.value.problems]
    assert places == [("base.yaml", 7), ("main.yaml", 3)]


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("nowhere.yaml", "there is no such file"),
        ("main.yaml", "extend each other in a circle: main.yaml → main.yaml"),
        ("[other.yaml]", "extend each other in a circle: main.yaml → other.yaml → main.yaml"),
        ("5", "extends names a file or a list of files"),
        ("[1, 2]", "extends names a file or a list of files"),
        ("{a: b}", "extends names a file or a list of files"),
        ("folder", "this is a folder, not a file"),
        ("list.yaml", "expected settings, found a list"),
        ("broken.yaml", "not YAML"),
    ],
)
def test_extends_that_leads_nowhere(tmp_path, good, extends, says):
    (tmp_path / "folder").mkdir()
    write(
        tmp_path,
        main=good + f"extends: {extends}\n",
        other="kinsim: 1\nextends: main.yaml\n",
        list="[1]",
        broken="a: [",
    )
    with pytest.raises(ConfigError) as told:
        load(tmp_path / "main.yaml")
    assert says in str(told.value)


# -- conditions of profiles ----------------------------------------------------------------------------------


def test_the_profile_fills_in_what_goes_with_a_model(good):
    flow = "{model: vpc_flow_logs, interfaces: 4, lines_per_interface: 10}"
    old = parse(good.replace("{model: poisson, rate: 10/s}", flow))
    new = old.with_({"profile": "aws-2026"})
    assert old.workload.sources["records"].arrivals.aggregation_interval_s == 600  # type: ignore[union-attr]
    assert new.workload.sources["records"].arrivals.aggregation_interval_s == 60  # type: ignore[union-attr]
    assert old.producer.model == "cloudwatch_logs"
    assert old.producer.retry.give_up_after_s == 86_400  # type: ignore[union-attr]
    assert parse(good).producer.retry is None


def test_named_sources_are_filled_in_one_by_one(good):
    text = good.replace(
        "workload:\n  arrivals: {model: poisson, rate: 10/s}\n  record_size: 1 kB\n",
        "workload:\n  sources:\n    logs: {arrivals: {model: vpc_flow_logs, interfaces: 4, lines_per_interface: 10}}\n"
        "    web: {arrivals: {model: poisson, rate: 5/s}, producer: {model: sdk}}\n",
    )
    scenario = parse(text)
    assert scenario.workload.sources["logs"].arrivals.line_size_bytes == 111  # type: ignore[union-attr]
    assert scenario.workload.sources["web"].producer.retry.mode == "legacy"  # type: ignore[union-attr]
    assert scenario.workload.sources["web"].producer.retry.max_attempts == 5  # type: ignore[union-attr]
    assert scenario.provenance["workload.sources.web.producer.retry.mode"].source == "aws:R2"


def test_larger_records_deepen_the_bucket_in_2026(good):
    text = good.replace("aws-2017", "aws-2026")
    assert parse(text).stream.write_burst_bytes is None
    assert parse(text.replace("shard_count: 2", "max_record_size: 2 MiB")).stream.write_burst_bytes == 10_485_760


def test_bytes_per_mb_scales_what_aws_states_in_mb(good):
    scenario = parse(good.replace("name: good", "name: good\nbytes_per_mb: 1_000_000"))
    assert scenario.stream.write_limit_bytes == 1_000_000
    assert scenario.event_source_mapping.payload_limit_bytes == 6_000_000
    assert scenario.profile_data.constant("read_bytes_per_s") == 2_000_000
    assert scenario.profile_data.constant("put_unit_bytes") == 25_600


def test_own_prices(good):
    scenario = parse(good + "cost: {prices: {shard_hour: 0.018}}\n")
    assert scenario.profile_data.price("shard_hour") == 0.018
    assert scenario.profile_data.price("put_unit_million") == 0.014
    assert scenario.config_hash != parse(good).config_hash


# -- changes -------------------------------------------------------------------------------------------------


def test_with_changes_only_the_copy(scenario):
    other = scenario.with_({"stream.shards": 16, "function.memory": "1GB", "run.seed": np.int64(7)})
    assert (other.stream.shard_count, other.function.memory_size_mb, other.run.seed) == (16, 1_024, 7)
    assert (scenario.stream.shard_count, scenario.function.memory_size_mb) == (2, 256)
    assert other.with_({"stream.shards": 2, "function.memory": 256, "run.seed": 1}) == scenario
    assert other.provenance["stream.shard_count"].kind == "python"
    assert hash(scenario) == hash(parse(scenario.to_yaml()))


def test_with_takes_texts_sections_and_list_items(good):
    text = good.replace("rate: 10/s}", "rate: 10/s, bursts: [{at: 1m, duration: 1m, factor: 2}]}")
    scenario = parse(text).with_(["stream.shards=4", "workload.arrivals.bursts[0].factor=8"])
    assert scenario.stream.shard_count == 4
    assert scenario.document["workload"]["arrivals"]["bursts"] == [{"at": "1m", "duration": "1m", "factor": 8}]
    again = scenario.with_({"stream": {"ShardCount": 5, "retention": "48h"}, "workload.arrivals.bursts.0.at": "2m"})
    assert (again.stream.shard_count, again.stream.retention_period_s) == (5, 172_800)
    assert again.workload.sources["records"].arrivals.bursts[0].at_s == 120  # type: ignore[union-attr]


def test_a_value_of_a_change_follows_the_rules_of_the_file(good):
    changed = parse(good, overrides=["workload.arrivals.bursts=[{at: 1m, duration: 20s, factor: 1e1}]", "name=x"])
    assert changed.workload.sources["records"].arrivals.bursts[0].factor == 10  # type: ignore[union-attr]
    assert parse(good, overrides={"function.faults": []}).function.faults == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stream.shard=16", "did you mean stream.shard_count"),
        ("event_source_maping.batch_size=3", "did you mean event_source_mapping.batch_size"),
        ("stream.shards", "write path=value"),
        ("=3", "write path=value"),
        ("stream..shards=3", "is not the path of a setting"),
        ("stream.shards.=3", "is not the path of a setting"),
        ("stream.shards=[", "read as YAML"),
        ("stream.shards=!!python/none x", "tag"),
        ("stream.shards=lots", "stream.shard_count: 'lots' is not a whole number"),
        ("run.duration=5:00", "write '5m' or '5h'"),
        ("function.faults[3].kind=error", "there is no item [3]: the list has 0"),
        ("stream.shards[0]=1", "unknown setting"),
        ("foo=1", "settings begin with"),
    ],
)
def test_mistakes_on_the_command_line(good, problems, change, says):
    found = problems(good, [change])
    assert len(found) == 1
    assert str(found[0]).startswith("--set #1 ")
    assert says in str(found[0])


def test_every_mistake_on_the_command_line_at_once_with_those_of_the_file(good, problems):
    found = problems(good.replace("10/s", "10 MB"), ["stream.shard=16", "run.seed=1", "function.memory=1 apple"])
    assert [problem.file.split(" '")[0] for problem in found] == ["--set #1", "--set #3", "f.yaml"]


def test_mistakes_in_python(scenario):
    with pytest.raises(ConfigError) as told:
        scenario.with_({"stream.shard": 16, "function.timeout": math.nan})
    assert "stream.shard: unknown setting 'stream.shard'" in str(told.value)
    with pytest.raises(ConfigError, match=r"function\.timeout: nan is not a duration"):
        scenario.with_({"function.timeout": math.nan})
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="holds itself"):
        scenario.with_({"function.faults": loop})
    with pytest.raises(ConfigError):
        scenario.with_({"stream.shards": object()})


# -- the whole -----------------------------------------------------------------------------------------------


def test_the_resolved_document_loads_again_to_the_same_hash(good, tmp_path):
    (tmp_path / "t.csv").write_text("t\n1\n2\n", "utf-8")
    text = good.replace("{model: poisson, rate: 10/s}", "{model: trace, file: t.csv, format: csv, time: t}")
    scenario = parse(text, "good.yaml", tmp_path)
    folder = tmp_path / "results" / "good"
    folder.mkdir(parents=True)
    written = scenario.to_yaml(folder)
    assert "file: ../../t.csv" in written
    assert "shard_count: 2                                  # good.yaml:7" in written
    assert "retention_period: 24h                           # profile aws-2017: aws:T1 (2017-12-19)" in written
    (folder / "scenario.yaml").write_text(written, "utf-8")
    again = load(folder / "scenario.yaml")
    assert again.config_hash == scenario.config_hash
    assert parse(again.to_yaml(), base_dir=folder).config_hash == scenario.config_hash


def test_the_hash_follows_what_can_change_a_result(good, tmp_path):
    base = parse(good).config_hash
    assert len(base) == 64
    assert parse(good.replace("name: good", "name: good\ndescription: words")).config_hash == base
    assert parse(good.replace("duration: 10m", "duration: 600")).config_hash == base
    assert parse("# a comment\n" + good.replace("1 kB", "1000 B")).config_hash == base
    for old, new in (("rate: 10/s", "rate: 11/s"), ("shard_count: 2", "shard_count: 3"), ("aws-2017", "aws-2026")):
        assert parse(good.replace(old, new)).config_hash != base
    trace = good.replace("{model: poisson, rate: 10/s}", "{model: trace, file: t.csv, time: t}")
    (tmp_path / "t.csv").write_text("t\n1\n", "utf-8")
    one = parse(trace, base_dir=tmp_path).config_hash
    (tmp_path / "t.csv").write_text("t\n1\n2\n", "utf-8")
    assert parse(trace, base_dir=tmp_path).config_hash != one


def test_a_scenario_is_frozen_and_survives_pickling(scenario):
    with pytest.raises(ValueError, match="frozen"):
        scenario.name = "other"
    again = pickle.loads(pickle.dumps(scenario))
    assert again == scenario
    assert again.with_({"stream.shards": 3}).stream.shard_count == 3
    assert again.provenance == scenario.provenance
    assert repr(scenario).startswith("<Scenario 'good': 2 shards")
    assert "\n" not in repr(scenario)


def test_settings_without_a_scenario_do_not_run():
    with pytest.raises(TypeError, match=r"kinsim\.load"):
        Run.model_validate({"duration": 5})()


names = st.sampled_from(["stream.shard_count", "event_source_mapping.batch_size", "run.seed", "run.replications"])


@given(st.dictionaries(names, st.integers(1, 500), max_size=4))
def test_any_change_survives_writing_and_reading(changes):
    scenario = parse(MINIMAL).with_(changes)
    again = parse(scenario.to_yaml())
    assert again.config_hash == scenario.config_hash
    assert again.document == scenario.document
    assert isinstance(again, Scenario)


def test_loading_imports_no_simulator_and_no_tables():
    import subprocess
    import sys

    code = (
        "import sys; from kinsim.scenario import parse; parse(sys.stdin.read()).warnings; "
        "heavy = ('simpy', 'pandas', 'matplotlib', 'scipy.stats', 'scipy.optimize', 'numba'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=MINIMAL, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
