# ruff: noqa: E501 (a table of mistakes)
"""What is wrong with a file: each mistake at its place, with what is allowed and what to try, all at once."""

from __future__ import annotations

import pytest

from kinsim.errors import ConfigError
from kinsim.scenario import load, parse


@pytest.mark.parametrize(
    ("old", "new", "place", "path", "says"),
    [
        ("shard_count: 2", "shard_cuont: 2", "7:10", "stream.shard_cuont", ["unknown key", "did you mean 'shard_count'?"]),
        ("shard_count: 2", "number_of_shards: 2", "7:10", "stream.number_of_shards", ["did you mean 'shard_count'?"]),
        ("shard_count: 2", "shard_count: 2.5", "7:23", "stream.shard_count", ["2.5 is not a whole number"]),
        ("shard_count: 2", "shard_count: 0", "7:23", "stream.shard_count", ["got 0", "below 1", "aws:W21"]),
        ("shard_count: 2", "shard_count: -3", "7:23", "stream.shard_count", ["-3 is negative"]),
        ("shard_count: 2", "shard_count: yes", "7:23", "stream.shard_count", ["'yes' is not a whole number"]),
        ("shard_count: 2", "shard_count: true", "7:23", "stream.shard_count", ["True is not a whole number"]),
        ("shard_count: 2", "shard_count: [2]", "7:23", "stream.shard_count", ["is not a whole number"]),
        ("shard_count: 2", "shard_count: .nan", "7:23", "stream.shard_count", ["nan"]),
        ("shard_count: 2", "stream_mode: provisoned", "7:23", "stream.stream_mode", ["'provisoned'", "'PROVISIONED'"]),
        ("shard_count: 2", "retention: 24:00:00", "7:21", "stream.retention_period", ["clock notation", "'24h'"]),
        ("shard_count: 2", "retention: 1h", "7:21", "stream.retention_period", ["below 24h", "7d", "aws:T1"]),
        ("shard_count: 2", "retention: 25h30m", "7:21", "stream.retention_period", ["24h plus a multiple of 1h"]),
        ("shard_count: 2", "retention: null", "7:21", "stream.retention_period", ["got null, but the limit is 7d"]),
        ("rate: 10/s", "rate: 10 MB", "5:36", "workload.arrivals.rate", ["'10 MB' is not a rate"]),
        ("rate: 10/s", "rate: -10/s", "5:36", "workload.arrivals.rate", ["'-10/s' is negative"]),
        ("rate: 10/s", "rate: .inf", "5:36", "workload.arrivals.rate", ["inf is not a rate", "finite"]),
        (", rate: 10/s", "", "5:3", "workload.arrivals.rate", ["rate is missing", "rate: 400/s"]),
        ("model: poisson", "model: poison", "5:21", "workload.arrivals.model", ["'poison'", "did you mean 'poisson'?"]),
        ("model: poisson, ", "", "5:13", "workload.arrivals", ["model is missing", "poisson"]),
        ("{model: poisson, rate: 10/s}", "3", "5:13", "workload.arrivals", ["got 3"]),
        ("record_size: 1 kB", "record_size: 1 KB", "6:16", "workload.record_size", ["1 kB or 1 KiB"]),
        ("record_size: 1 kB", "sources: {}", "5:13", "workload.arrivals", ["beside sources"]),
        ("memory_size: 256 MB", "memory_size: 250 MB", "9:25", "function.memory_size", ["128 MB plus a multiple of 64"]),
        ("memory_size: 256 MB", "memory_size: 3008 MB", "9:25", "function.memory_size", ["above 1536 MB", "aws:M1"]),
        ("timeout: 60s", "timeout: 301s", "9:42", "function.timeout", ["above 300s", "profile aws-2017", "aws:M10", "profile aws-2026 accepts it: set `profile: aws-2026` (line 3)"]),
        ("timeout: 60s", "timeout: 1.5s", "9:42", "function.timeout", ["1s plus a multiple of 1s"]),
        ("timeout: 60s", "cold_start: {distribution: gama, mean: 1s}", "9:60", "function.cold_start.distribution", ["gamma"]),
        ("timeout: 60s", "cold_start: {mean: 1s}", "9:45", "function.cold_start", ["a lognormal needs"]),
        ("fixed: 30ms", "fixd: 30ms", "9:58", "function.duration.fixd", ["did you mean 'fixed'? allowed: cpu_fraction"]),
        ("fixed: 30ms", "fixed: [1]", "9:65", "function.duration.fixed", ["not"]),
        ("batch_size: 100", "batchsize: 100", "8:24", "event_source_mapping.batchsize", ["did you mean 'batch_size'?"]),
        ("batch_size: 100", "batch_size: 10_001", "8:36", "event_source_mapping.batch_size", ["above 10000", "aws:E1"]),
        ("batch_size: 100", "retry_backoff: nne", "8:39", "event_source_mapping.retry_backoff", ["did you mean 'none'?"]),
        ("batch_size: 100", "retry_backoff: {bse: 1s}", "8:40", "event_source_mapping.retry_backoff.bse", ["'base'"]),
        ("batch_size: 100", "enabled: yes", "8:33", "event_source_mapping.enabled", ["'yes'", "true or false", "YAML 1.2"]),
        ("kinsim: 1", "kinsim: 9", "1:9", "kinsim", ["this version reads format 1"]),
        ("kinsim: 1", "kinsim: true", "1:9", "kinsim", ["this version reads format 1"]),
        ("profile: aws-2017", "profile: aws-2018", "3:10", "profile", ["unknown profile 'aws-2018'", "did you mean 'aws-201"]),
        ("profile: aws-2017", "profile: 2017", "3:10", "profile", ["named by text"]),
        ("profile: aws-2017", "profile: ./nowhere.yaml", "3:10", "profile", ["no such file"]),
        ("name: good", "name: 12", "2:7", "name", ["which is a number, not text", '"12"']),
        ("name: good", 'name: "a\\nb"', "2:7", "name", ["printable"]),
        ("name: good", "bytes_per_mb: 5", "2:15", "bytes_per_mb", ["at least 1e+06"]),
        ("duration: 10m", "duration: 0", "10:17", "run.duration", ["more than 0"]),
        ("duration: 10m", "", "10:1", "run.duration", ["duration is missing"]),
        ("duration: 10m", "duration: 10m, warm_up: 20m", "10:31", "run.warm_up", ["20m is not shorter than the run, 10m"]),
        ("duration: 10m", "duration: 10m, confidence: 95", "10:34", "run.confidence", ["95%"]),
        ("duration: 10m", "duration: 10m, confidence: 100%", "10:34", "run.confidence", ["less than 1"]),
        ("duration: 10m", "duration: 10m, start_time: noon", "10:34", "run.start_time", ["ISO 8601"]),
        ("duration: 10m", "duration: 10m, replications: 0", "10:36", "run.replications", ["at least 1"]),
        ("run: {duration: 10m}", "run: 5", "10:6", "run", ["got 5, not a mapping"]),
        ("run: {duration: 10m}", "", "", "run", ["run is missing"]),
        ("run:", "runs:", "10:1", "runs", ["unknown key 'runs'", "did you mean 'run'?"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(good, problems, old, new, place, path, says):
    assert old in good
    found = [each for each in problems(good.replace(old, new)) if each.path == path]
    assert len(found) == 1, problems(good.replace(old, new))
    if place:
        assert found[0].place == f"f.yaml:{place}"
        assert found[0].source_line
    for words in says:
        assert words in f"{found[0].message} {found[0].help}"


def test_a_shouted_mistake_is_told_once(good, problems):
    """No second complaint about a value that one has named already."""
    for old, new in (
        ("timeout: 60s", "timeout: 1:00"),
        ("batch_size: 100", "maximum_record_age: 5 apples"),
        ("duration: {fixed: 30ms}", "duration: {distribution: lognormal, mean: 1s, cv: x}"),
        ("rate: 10/s", "rate: x"),
        ("duration: 10m", "duration: -1"),
        ("batch_size: 100", "retry_backoff: {base: x}"),
        ("batch_size: 100", "retry_backoff: {base: 1s, fctor: 2}"),
    ):
        assert len(problems(good.replace(old, new))) == 1


def test_everything_at_once_in_order_of_lines(good, problems):
    text = (
        good.replace("10/s", "10 MB")
        .replace("shard_count", "shard_cuont")
        .replace("60s", "1:00")
        .replace("1 kB", "-1 kB")
    )
    assert [each.path for each in problems(text)] == [
        "workload.arrivals.rate", "workload.record_size", "stream.shard_cuont", "function.timeout",
    ]  # fmt: skip


# -- what the profile lacks ----------------------------------------------------------------------------------


def test_a_feature_of_later_years_names_the_profile_that_has_it(good, problems):
    (found,) = problems(good.replace("batch_size: 100", "parallelization_factor: 2"))
    assert found.message == "got 2, but profile aws-2017 has no ParallelizationFactor"
    assert found.help.startswith(
        "since 2019-11-25, in profile aws-2026; set `profile: aws-2026` (line 3) or remove this line"
    )


@pytest.mark.parametrize(
    ("section", "setting", "name"),
    [
        ("event_source_mapping", "maximum_batching_window: 5s", "MaximumBatchingWindowInSeconds"),
        ("event_source_mapping", "maximum_retry_attempts: 3", "MaximumRetryAttempts"),
        ("event_source_mapping", "maximum_record_age: 1h", "MaximumRecordAgeInSeconds"),
        ("event_source_mapping", "bisect_batch_on_function_error: true", "BisectBatchOnFunctionError"),
        ("event_source_mapping", "report_batch_item_failures: true", "ReportBatchItemFailures"),
        ("event_source_mapping", "tumbling_window: 30s", "TumblingWindowInSeconds"),
        ("event_source_mapping", "filter: 50%", "FilterCriteria"),
        ("stream", "stream_mode: ON_DEMAND", "on-demand mode"),
        ("stream", "enhanced_fan_out: true", "enhanced fan-out"),
        ("function", "architecture: arm64", "arm64"),
        ("function", "reserved_concurrency: 5", "reserved concurrency"),
        ("function", "provisioned_concurrency: 5", "provisioned concurrency"),
    ],
)
def test_every_feature_that_2017_lacks(good, problems, section, setting, name):
    lines = [f"{section}: {{{setting}}}" if line.startswith(f"{section}:") else line for line in good.splitlines()]
    (found,) = problems("\n".join(lines))
    assert f"profile aws-2017 has no {name}" in found.message


@pytest.mark.parametrize(
    "setting",
    ["maximum_batching_window: 0s", "maximum_batching_window: 0", "parallelization_factor: 1", "maximum_retry_attempts: -1",
     "maximum_record_age: -1", "bisect_batch_on_function_error: false", "tumbling_window: 0s", "filter: null",
     "filter: 100%", "on_failure_destination: null", "enabled: true", "outages: []", "minimum_batch: 1"],
)  # fmt: skip
def test_values_that_mean_off_are_always_allowed(good, setting):
    parse(good.replace("batch_size: 100", setting))


# -- what this version lacks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("engine", ""),
    ],
)
def test_what_is_not_built_is_refused_by_name(good, problems, section, setting):
    value = "compiled" if section == "engine" else setting if setting.startswith("{") else f"{{{setting}}}"
    lines = [line for line in good.replace("aws-2017", "aws-2026").splitlines() if not line.startswith(f"{section}:")]
    found = problems("\n".join([*lines, f"{section}: {value}"]))
    assert any("is not simulated by this version of kinsim" in each.message for each in found), found
    assert len(found) == 1
    assert found[0].line == len(lines) + 1
    assert found[0].help


def test_a_default_that_is_not_built_says_whose_it_is(good, tmp_path):
    (tmp_path / "lab.yaml").write_text(
        "kinsim_profile: 1\nname: lab\nextends: aws-2026\n"
        "defaults: {engine: {value: compiled, source: ours, date: 2026-11-24}}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError) as told:
        parse(good.replace("aws-2017", "lab.yaml"), "f.yaml", base_dir=tmp_path)
    (found,) = told.value.problems
    assert found.path == "engine"
    assert "compiled is not simulated" in found.message
    assert "(the default of profile lab)" in found.message


def test_a_wrong_word_is_a_mistake_and_not_unbuilt(good, problems):
    (found,) = problems(good.replace("batch_size: 100", "starting_position: LATST"))
    assert "did you mean 'LATEST'?" in found.help


@pytest.mark.parametrize(
    ("new", "path", "says"),
    [
        ("maximum_batching_window: 301s", "maximum_batching_window", "above 300s"),
        ("maximum_batching_window: 1500ms", "maximum_batching_window", "not 0s plus a multiple of 1s"),
        ("maximum_retry_attempts: 10_001", "maximum_retry_attempts", "above 10000"),
        ("maximum_retry_attempts: -2", "maximum_retry_attempts", "-1"),
        ("maximum_record_age: 59s", "maximum_record_age", "below 60s"),
        ("minimum_batch: 2", "minimum_batch", "profile ideal lets it be larger"),
        ("outages: [{from: 2h, to: 1h}]", "outages[0].to", "ends at 1h, but begins at 2h"),
        ("outages: [{from: 1h, to: 3h}, {from: 2h}]", "outages[1].from", "before the one in front of it is over"),
        ("outages: [{from: 1h}, {from: 2h}]", "outages[1].from", "before the one in front of it is over"),
        ("outages: [{to: 1h}]", "outages[0].from", "missing"),
        ("outages: [{from: 1h, until: 2h}]", "outages[0].until", "allowed: from, to"),
        ("enabled: false, outages: [{from: 1h, to: 2h}]", "outages", "not enabled"),
    ],
)
def test_settings_of_failing_and_waiting_batches_out_of_range(good, problems, new, path, says):
    text = good.replace("aws-2017", "aws-2026").replace("batch_size: 100", f"batch_size: 100, {new}")
    (found,) = problems(text)
    assert found.path == f"event_source_mapping.{path}"
    assert says in f"{found.message} {found.help}"


def test_records_that_fail_are_numbered_from_1(good, problems):
    (found,) = problems(good.replace("function: {", "function: {faults: [{kind: error, records: [3, 0]}], "))
    assert found.path == "function.faults[0].records[1]"


def test_code_that_does_not_fit_into_memory(good, problems):
    (found,) = problems(good.replace("function: {", "function: {memory_used: {base: 300 MB, per_mib: 4 MB}, "))
    assert "memory_used.base 300 MB leaves nothing of memory_size 256 MB" in found.message


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ("reserved_concurrency: 901", "reserved_concurrency", "of the account's 1000 executions 100 stay unreserved"),
        ("reserved_concurrency: 0", "reserved_concurrency", "1"),
        ("provisioned_concurrency: 1_001", "provisioned_concurrency", "above account.concurrent_executions 1000"),
        (
            "reserved_concurrency: 5, provisioned_concurrency: 6",
            "provisioned_concurrency",
            "above function.reserved_concurrency 5 (line 9)",
        ),
    ],
)
def test_concurrency_that_does_not_fit(good, problems, settings, path, says):
    (found,) = problems(good.replace("aws-2017", "aws-2026").replace("function: {", f"function: {{{settings}, "))
    assert found.path == f"function.{path}"
    assert says in f"{found.message} {found.help}"


@pytest.mark.parametrize(
    ("account", "path", "says"),
    [
        ("other_functions: 1_000", "other_functions", "1000 of 1000 executions to the end"),
        ("other_functions: [{concurrency: 1_000}]", "other_functions", "the function never runs"),
        ("other_functions: [{concurrency: 1}, {concurrency: 2}]", "other_functions[0]", "only the last part"),
        (
            "other_functions: [{until: 2h, concurrency: 1}, {until: 1h, concurrency: 2}]",
            "other_functions[1].until",
            "until 1h is not after 2h",
        ),
        ("other_functions: [{until: 2h, executions: 1}]", "other_functions[0].executions", "concurrency"),
        ("scaling: {kind: per_function, step: 0, every: 10s}", "scaling.step", "1"),
        ("scaling: {kind: region_burst, burst: 5, then_per_minute: 0}", "scaling.then_per_minute", "1"),
    ],
)
def test_an_account_that_leaves_nothing(good, problems, account, path, says):
    found = problems(good.replace("aws-2017", "aws-2026") + f"account: {{{account}}}\n")
    (told,) = [each for each in found if each.path == f"account.{path}"]
    assert says in f"{told.message} {told.help}"


def test_a_least_batch_is_no_larger_than_a_batch(good, problems):
    text = good.replace("aws-2017", "ideal").replace("batch_size: 100", "batch_size: 100, minimum_batch: 101")
    assert "no batch would ever form" in problems(text)[0].message


# -- service level objectives --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slo", "path", "says"),
    [
        ("{metric: end_to_end_latency, statistic: p99, at_most: 1s}", "metric", "did you mean end_to_end_latency_s"),
        ("{metric: iteratorage, statistic: Maximum, at_most: 1s}", "metric", "IteratorAge"),
        ("{metric: timeouts, statistic: p99, at_most: 1}", "statistic", "timeouts has no statistic 'p99'"),
        ("{metric: alerts, statistic: Sum, at_most: 1}", "metric", "alerts is measured only where a rule sends alerts"),
        ("{metric: timeouts, statistic: Sum}", "", "exactly one of at_most and at_least is needed, here is neither"),
        ("{metric: timeouts, statistic: Sum, at_most: 1, at_least: 0}", "", "here is both"),
        ("{metric: timeouts, statistic: Sum, at_most: 5s}", "at_most", "the metric is in count"),
        ("{metric: queue_wait_s, statistic: p99, at_most: 5 MB}", "at_most", "'5 MB' is not a duration"),
        ("{metric: queue_wait_s, statistic: p99, at_most: -5s}", "at_most", "0 or more"),
        ("{metric: queue_wait_s, statistic: p99, at_most: 5s, fraction: 99%}", "fraction", "a share of periods"),
        ("{metric: IteratorAge, statistic: Maximum, period: 90s, at_most: 5s}", "period", "whole number of minutes"),
        ("{metric: queue_wait_s, at_most: 5s}", "statistic", "statistic is missing"),
        ("5", "", "got 5"),
    ],
)
def test_wrong_slos(good, problems, slo, path, says):
    found = problems(good + f"slos: {{s: {slo}}}\n")
    assert found[0].path == ("slos.s." + path).rstrip(".")
    assert says in f"{found[0].message} {found[0].help}"


def test_limits_are_in_the_metrics_own_unit(good):
    slos = """slos:
  a: {metric: GetRecords.IteratorAgeMilliseconds, statistic: Maximum, period: 1m, at_most: 5m}
  b: {metric: GetRecords.IteratorAgeMilliseconds, statistic: Maximum, at_most: 900}
  c: {metric: queue_wait_s, statistic: "PR(:5s)", at_least: 99%}
  d: {metric: shard_write_utilization, statistic: p95, at_most: 70%}
  e: {metric: cost_usd_per_month, statistic: Average, at_most: 900}
  f: {metric: queue_wait_s, statistic: p99.9, at_most: 250ms}
  g: {metric: backlog_bytes, statistic: Maximum, at_most: 1 MiB}
"""
    limits = {name: slo.limit for name, slo in parse(good + slos).slos.items()}
    assert limits == {"a": 300_000, "b": 900, "c": 0.99, "d": 0.7, "e": 900, "f": 0.25, "g": 1_048_576}


# -- files that are no scenarios -----------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.yaml").write_text("")
    cases = {
        "nowhere.yaml": "there is no such file",
        "folder": "this is a folder, not a file",
        "a" * 400 + ".yaml": "the name is too long",
        "folder/no/x.yaml": "there is no folder",
        "a\0b": "NUL",
    }
    for name, says in cases.items():
        with pytest.raises(ConfigError) as told:
            load(tmp_path / name)
        assert says in str(told.value), name
    with pytest.raises(ConfigError, match=r"inner\.yaml"):
        load(tmp_path / "folder")
    (tmp_path / "scenario.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"did you mean 'scenario\.yaml'\?"):
        load(tmp_path / "scenaro.yaml")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- 1\n- 2\n", "expected settings, found a list"),
        (b"just text", "expected settings, found plain text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        ("kinsim: 1".encode("utf-16"), "UTF-16"),
        (b"kinsim: 1\nname: caf\xe9\n", "not UTF-8 text (byte #xe9 in line 2)"),
        (b"kinsim: 1\x00", "NUL"),
        (b"kinsim: 1\nbase: x.yaml\naxes: [{a: [1]}]\n", "this is a sweep"),
    ],
)
def test_files_that_are_no_scenario(tmp_path, data, says):
    file = tmp_path / "f.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as told:
        load(file)
    assert says in str(told.value)


def test_a_file_of_fifty_megabytes_is_not_read(tmp_path):
    file = tmp_path / "f.yaml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(ConfigError, match=r"50\.0 MB"):
        load(file)


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path, good):
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode())
    assert load(file).name == "good"


def test_a_missing_trace_is_a_warning_until_it_is_run(good):
    text = good.replace("{model: poisson, rate: 10/s}", "{model: trace, file: nowhere.csv, time: t}")
    (warning,) = parse(text).warnings
    assert warning.path == "workload.arrivals.file"
    assert "there is no such file" in warning.message


@pytest.mark.parametrize(
    "setting",
    [
        "function: {duration: 1ms, alert_deadline: 15m, parallel_fraction: 0%}",
        "event_source_mapping: {retry_rereads: true, shard_discovery: 60s}",
        "account: {scaling: {kind: per_function, step: 1000, every: 10s}}",
    ],
)
def test_the_profiles_own_value_of_what_has_no_effect_is_accepted(good, setting):
    section = setting.partition(":")[0]
    lines = [line for line in good.replace("aws-2017", "aws-2026").splitlines() if not line.startswith(f"{section}:")]
    assert parse("\n".join([*lines, setting]), "f.yaml").name == "good"
