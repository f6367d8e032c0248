# ruff: noqa: E501 (tables)
"""Every number of every profile against the sheet of facts: typed in from its tables, in SI units, none left out.

A row names its fact.  A default, range, feature, price or constant that a profile gains needs a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kinsim.scenario import load_profile, parse
from kinsim.scenario.profiles import BUNDLED, Entry, Profile
from kinsim.system import alarms, kpl, partition_keys, producer, sdk_client, stream
from kinsim.system.distributions.families import Lognormal

NOT_THERE = "not there"
DAY, MIB = 86_400, 1_048_576
BACKOFF = {"base_s": 1, "factor": 2, "cap_s": 60, "jitter": 0.5}

DEFAULTS = [
    # the file as a whole                                 aws-2017      aws-2026      ideal
    ("aws:P1", "region", "us-east-1", "us-east-1", "us-east-1"),
    ("aws:W3", "bytes_per_mb", 1_048_576, 1_048_576, 1_048_576),
    # stream
    ("aws:10a", "stream.shard_count", 1, 1, 1),
    ("aws:T1", "stream.retention_period", 86_400, 86_400, None),
    ("aws:S13", "stream.stream_mode", "PROVISIONED", "PROVISIONED", "PROVISIONED"),
    ("aws:W8", "stream.max_record_size", 1_048_576, 1_048_576, None),
    ("aws:W7", "stream.write_limiter", "token_bucket", "token_bucket", None),
    ("aws:W2", "stream.write_limit_bytes", 1_048_576, 1_048_576, None),
    ("aws:W1", "stream.write_limit_records", 1_000, 1_000, None),
    ("aws:W7", "stream.write_burst_bytes", None, None, None),  # one second of the limit: test_bursts_are_one_second
    ("aws:W7", "stream.write_burst_records", None, None, None),
    ("aws:W14", "stream.rejected_consumes_tokens", False, False, False),
    ("aws:G3", "stream.enforce_read_limits", True, True, False),
    ("aws:G8", "stream.put_to_get_delay", 0.2, 0.2, 0),
    ("aws:G9", "stream.fan_out_delay", 0.07, 0.07, 0),
    ("aws:T3", "stream.trim_granularity", 0, 0, 0),
    ("aws:S7", "stream.reshard_operation_time", 30, 30, 0),
    ("aws:10a", "stream.shard_level_metrics", ["ALL"], [], []),
    # event source mapping
    ("aws:E1", "event_source_mapping.batch_size", 100, 100, 100),
    ("aws:E2", "event_source_mapping.maximum_batching_window", 0, 0, 0),
    ("aws:E3", "event_source_mapping.parallelization_factor", 1, 1, 1),
    ("aws:10a", "event_source_mapping.starting_position", "TRIM_HORIZON", "TRIM_HORIZON", "TRIM_HORIZON"),
    ("aws:E4", "event_source_mapping.maximum_retry_attempts", None, None, None),  # -1: without limit
    ("aws:E5", "event_source_mapping.maximum_record_age", None, None, None),
    ("aws:E6", "event_source_mapping.bisect_batch_on_function_error", False, False, False),
    ("aws:E7", "event_source_mapping.report_batch_item_failures", False, False, False),
    ("aws:E7", "event_source_mapping.tumbling_window", 0, 0, 0),
    ("aws:E8", "event_source_mapping.payload_limit", 6_291_456, 6_291_456, None),
    ("aws:E9", "event_source_mapping.payload_envelope", 532, 532, 532),
    ("aws:E17", "event_source_mapping.dispatch_overhead", 0.02, 0.02, 0),
    ("aws:E19", "event_source_mapping.parallelization", "hashed", "hashed", "hashed"),
    ("aws:E22", "event_source_mapping.lane_failure_blocks_shard", False, False, False),
    ("aws:E31", "event_source_mapping.retry_backoff", BACKOFF, BACKOFF, "none"),
    ("aws:E26", "event_source_mapping.throttle_backoff", BACKOFF, BACKOFF, "none"),
    # reading
    ("aws:E10", "event_source_mapping.poll_interval", 1, 1, 0),
    ("aws:E10", "event_source_mapping.poll_phase", "random", "random", "aligned"),
    ("aws:E11", "event_source_mapping.polls_per_second_behind", 1, 1, 1),
    ("aws:E11", "event_source_mapping.behind", "keep_invoking", "keep_invoking", "keep_invoking"),
    ("aws:E13", "event_source_mapping.read_ahead", 10_485_760, 10_485_760, None),
    ("aws:E15", "event_source_mapping.retry_rereads", True, True, False),
    ("aws:E38", "event_source_mapping.shard_discovery", 60, 60, 0),
    # function
    ("aws:10a", "function.memory_size", 128, 128, 1_769),
    ("aws:10a", "function.timeout", 60, 60, None),
    ("aws:P10", "function.architecture", "x86_64", "x86_64", "x86_64"),
    ("aws:M5", "function.cpu", "quota", "quota", "unlimited"),
    ("aws:M5", "function.cpu_period", 0.02, 0.02, 0.02),
    ("aws:M15", "function.cold_start", {"p50": 0.4, "p99": 1.5}, {"p50": 0.3, "p99": 1.0}, None),
    ("aws:M16", "function.init_limit", 10, 10, None),
    ("aws:M17", "function.environment.idle", 600, 600, None),
    ("aws:M17", "function.environment.max_age", 14_400, 7_200, None),
    # account
    ("aws:M19", "account.concurrent_executions", 1_000, 1_000, None),
    ("aws:M22 aws:M23", "account.scaling", {"kind": "region_burst", "burst": 3_000, "then_per_minute": 500}, {"kind": "per_function", "step": 1_000, "every_s": 10}, "none"),
    # CloudWatch
    ("aws:T8", "event_source_mapping.iterator_age", "invoke_start", "invoke_start", "invoke_start"),
]  # fmt: skip

WHEN = {
    "stream.stream_mode = ON_DEMAND or ON_DEMAND_ADVANTAGE": [
        ("aws:S13", "stream.shard_count", NOT_THERE, 4, 4),
        ("aws:S14", "stream.on_demand.headroom", NOT_THERE, 2.0, 2.0),
        ("aws:S14", "stream.on_demand.peak_period", NOT_THERE, 60, 60),
        ("aws:S14", "stream.on_demand.scale_delay", NOT_THERE, 900, 900),
        ("aws:S15", "stream.on_demand.split_above", NOT_THERE, 512_000, 512_000),
        ("aws:S15", "stream.on_demand.placement", NOT_THERE, "hottest", "hottest"),
        ("aws:S18", "stream.on_demand.max_write_throughput", NOT_THERE, 209_715_200, None),
    ],
    "stream.stream_mode = ON_DEMAND or ON_DEMAND_ADVANTAGE, region = us-east-1 or us-west-2 or eu-west-1": [
        ("aws:S18", "stream.on_demand.max_write_throughput", NOT_THERE, 10_737_418_240, NOT_THERE),
    ],
    "stream.stream_mode = ON_DEMAND_ADVANTAGE": [
        ("aws:S20", "stream.on_demand.minimum_ingest", NOT_THERE, 26_214_400, NOT_THERE),
        ("aws:S20", "stream.on_demand.minimum_retrieval", NOT_THERE, 26_214_400, NOT_THERE),
    ],
    "stream.max_record_size above 1 MiB": [
        ("aws:W7", "stream.write_burst_bytes", NOT_THERE, 10_485_760, NOT_THERE),
    ],
    "workload.arrivals.model = vpc_flow_logs": [
        ("aws:V1 aws:V2", "workload.arrivals.aggregation_interval", 600, 60, 60),
        ("aws:V7", "workload.arrivals.phase", "random", "random", "random"),
        ("aws:V3", "workload.arrivals.publish_delay", 300, 300, 0),
        ("aws:V6", "workload.arrivals.line_size", 111, 111, 111),
        ("aws:C3", "workload.arrivals.extracted_fields", True, True, True),
        ("aws:V3", "producer.model", "cloudwatch_logs", "cloudwatch_logs", "cloudwatch_logs"),
    ],
    "producer.model = sdk": [
        ("aws:R2 aws:R4", "producer.retry.mode", "legacy", "standard-2026", NOT_THERE),
        ("aws:W23", "producer.put_latency", 0.015, 0.015, NOT_THERE),
    ],
    "producer.model = sdk, producer.on_partial_failure = ignore": [
        ("aws:W12", "producer.retry.mode", "none", "none", NOT_THERE),
    ],
    "producer.model = sdk, producer.retry.mode = legacy": [
        ("aws:R2", "producer.retry.max_attempts", 5, 5, NOT_THERE),
    ],
    "producer.model = sdk, producer.retry.mode = standard-2026": [
        ("aws:R4", "producer.retry.max_attempts", NOT_THERE, 3, NOT_THERE),
    ],
    "producer.model = sdk, producer.api = PutRecords": [
        ("aws:W10", "producer.batch_size", 500, 500, NOT_THERE),
        ("aws:W23", "producer.put_latency", 0.025, 0.025, NOT_THERE),
    ],
    "producer.model = kpl": [
        ("aws:W23", "producer.put_latency", 0.025, 0.025, NOT_THERE),
        ("aws:K1", "producer.kpl.aggregation_enabled", True, True, NOT_THERE),
        ("aws:K1", "producer.kpl.aggregation_max_size", 51_200, 51_200, NOT_THERE),
        ("aws:K1", "producer.kpl.aggregation_max_count", 4_294_967_295, 4_294_967_295, NOT_THERE),
        ("aws:K2", "producer.kpl.collection_max_count", 500, 500, NOT_THERE),
        ("aws:K2", "producer.kpl.collection_max_size", 5_242_880, 5_242_880, NOT_THERE),
        ("aws:K3", "producer.kpl.record_max_buffered_time", 0.1, 0.1, NOT_THERE),
        ("aws:K4", "producer.kpl.record_ttl", 30, 30, NOT_THERE),
        ("aws:K5", "producer.kpl.rate_limit", 1.5, 1.5, NOT_THERE),
        ("aws:K6", "producer.kpl.rate_limit_burst", 1_048_576, 10_485_760, NOT_THERE),
    ],
    "producer.model = agent": [
        ("aws:W23", "producer.put_latency", 0.025, 0.025, NOT_THERE),
        ("aws:A1", "producer.agent.max_buffer_age", 60, 60, NOT_THERE),
        ("aws:A1", "producer.agent.max_buffer_records", 500, 500, NOT_THERE),
        ("aws:A1", "producer.agent.max_buffer_size", 5_242_880, 5_242_880, NOT_THERE),
        ("aws:A2", "producer.agent.retry_initial_backoff", 0.1, 0.1, NOT_THERE),
        ("aws:A2", "producer.agent.retry_max_backoff", 10, 10, NOT_THERE),
        ("aws:A4", "producer.agent.publish_queue_capacity", 100, 100, NOT_THERE),
    ],
    "producer.model = cloudwatch_logs": [
        ("aws:C6", "producer.distribution", "by_log_stream", "by_log_stream", "by_log_stream"),
        ("aws:C5", "producer.flush", 5, 5, 5),
        ("aws:C5", "producer.max_record_size", 1_000_000, 1_000_000, 1_000_000),
        ("aws:C5", "producer.max_log_events", 10_000, 10_000, 10_000),
        ("aws:C8", "producer.delivery_delay", 60, 60, 0),
        ("aws:C9", "producer.retry.mode", "backoff", "backoff", NOT_THERE),
    ],
    "producer.model = cloudwatch_logs, producer.retry.mode = backoff": [
        ("aws:C10", "producer.retry.base", 1, 1, NOT_THERE),
        ("aws:C10", "producer.retry.cap", 60, 60, NOT_THERE),
        ("aws:C10", "producer.retry.jitter", "full", "full", NOT_THERE),
        ("aws:C9", "producer.retry.give_up_after", 86_400, 86_400, NOT_THERE),
    ],
}  # fmt: skip
"""Defaults that hang on another setting, by what they hang on."""

MAKING = {
    "stream.stream_mode = ON_DEMAND or ON_DEMAND_ADVANTAGE": ["stream.stream_mode=ON_DEMAND", "region=eu-central-1"],
    "stream.stream_mode = ON_DEMAND or ON_DEMAND_ADVANTAGE, region = us-east-1 or us-west-2 or eu-west-1": ["stream.stream_mode=ON_DEMAND_ADVANTAGE", "region=eu-west-1"],
    "stream.max_record_size above 1 MiB": ["stream.max_record_size=2 MiB"],
    "workload.arrivals.model = vpc_flow_logs": ["workload.arrivals={model: vpc_flow_logs, interfaces: 1, lines_per_interface: 1}"],
    "producer.model = sdk, producer.on_partial_failure = ignore": ["producer={model: sdk, api: PutRecords, on_partial_failure: ignore}"],
}  # fmt: skip
"""How a scenario comes to be so, where its condition alone is not enough."""

LIMITS = [
    # least, most, step                                   aws-2017                    aws-2026
    ("aws:W21", "stream.shard_count", (1, 500, None), (1, 20_000, None)),
    ("aws:T1", "stream.retention_period", (DAY, 604_800, 3_600), (DAY, 31_536_000, 3_600)),
    ("aws:W8", "stream.max_record_size", (1_048_576, 1_048_576, None), (1_048_576, 10_485_760, 1_024)),
    ("aws:S20", "stream.warm_throughput", NOT_THERE, (1_048_576, 10_737_418_240, None)),
    ("aws:E1", "event_source_mapping.batch_size", (1, 10_000, None), (1, 10_000, None)),
    ("aws:E2", "event_source_mapping.maximum_batching_window", NOT_THERE, (0, 300, 1)),
    ("aws:E3", "event_source_mapping.parallelization_factor", NOT_THERE, (1, 10, None)),
    ("aws:E4", "event_source_mapping.maximum_retry_attempts", NOT_THERE, (0, 10_000, None)),
    ("aws:E5", "event_source_mapping.maximum_record_age", NOT_THERE, (60, 604_800, 1)),
    ("aws:E7", "event_source_mapping.tumbling_window", NOT_THERE, (0, 900, 1)),
    ("aws:E14", "event_source_mapping.minimum_batch", (1, 1, None), (1, 1, None)),
    ("aws:G1", "event_source_mapping.polls_per_second_behind", (1, 5, None), (1, 5, None)),
    ("aws:M1", "function.memory_size", (128, 1_536, 64), (128, 10_240, 1)),
    ("aws:M10", "function.timeout", (1, 300, 1), (1, 900, 1)),
    ("aws:W10", "producer.batch_size", (1, 500, None), (1, 500, None)),
    ("aws:C5", "producer.max_record_size", (1, 1_048_576, None), (1, 1_048_576, None)),
    ("aws:K1", "producer.kpl.aggregation_max_size", (64, 1_048_576, None), (64, 1_048_576, None)),
    ("aws:K2", "producer.kpl.collection_max_count", (1, 500, None), (1, 500, None)),
    ("aws:K2", "producer.kpl.collection_max_size", (52_224, 5_242_880, None), (52_224, 5_242_880, None)),
    ("aws:K4", "producer.kpl.record_ttl", (0.1, 36_500 * DAY, None), (0.1, 36_500 * DAY, None)),
    ("aws:A1", "producer.agent.max_buffer_age", (1, 900, None), (1, 900, None)),
    ("aws:A1", "producer.agent.max_buffer_records", (1, 500, None), (1, 500, None)),
    ("aws:A1", "producer.agent.max_buffer_size", (1, 5_242_880, None), (1, 5_242_880, None)),
]  # fmt: skip

FEATURES = [
    # month in which it came, where the sheet has one
    ("aws:E2", "event_source_mapping.maximum_batching_window", "2019-09"),
    ("aws:E3", "event_source_mapping.parallelization_factor", "2019-11-25"),
    ("aws:E4", "event_source_mapping.maximum_retry_attempts", "2019-11-25"),
    ("aws:E5", "event_source_mapping.maximum_record_age", "2019-11-25"),
    ("aws:E6", "event_source_mapping.bisect_batch_on_function_error", "2019-11-25"),
    ("aws:E7", "event_source_mapping.on_failure_destination", "2019"),
    ("aws:E7", "event_source_mapping.report_batch_item_failures", "2020-12"),
    ("aws:E7", "event_source_mapping.tumbling_window", "2020-12"),
    ("aws:E7", "event_source_mapping.filter", "2021-11"),
    ("aws:E39", "event_source_mapping.metrics_config", "2024-11"),
    ("aws:G9", "stream.enhanced_fan_out", "2018-08"),
    ("aws:G9", "stream.consumers[].enhanced_fan_out", "2018-08"),
    ("aws:S13", "stream.stream_mode", "2021-11"),
    ("aws:S20", "stream.warm_throughput", "2025-11"),
    ("aws:P11", "function.architecture", "2021"),
    ("aws:M20", "function.reserved_concurrency", "2017-11-30"),
    ("aws:M21", "function.provisioned_concurrency", "2019-12"),
]

PRICES = [
    # USD                                                 aws-2017      aws-2026      ideal
    ("aws:P1", "shard_hour", 0.015, 0.015, 0),
    ("aws:P2", "put_unit_million", 0.014, 0.014, 0),
    ("aws:P4", "extended_retention_shard_hour", 0.020, 0.020, 0),
    ("aws:P5", "long_term_gb_month", NOT_THERE, 0.023, 0),
    ("aws:P5", "long_term_retrieval_gb", NOT_THERE, 0.021, 0),
    ("aws:P6", "efo_consumer_shard_hour", NOT_THERE, 0.015, 0),
    ("aws:P6", "efo_gb", NOT_THERE, 0.013, 0),
    ("aws:P7", "on_demand_stream_hour", NOT_THERE, 0.04, 0),
    ("aws:P7", "on_demand_gb_in", NOT_THERE, 0.08, 0),
    ("aws:P7", "on_demand_gb_out", NOT_THERE, 0.04, 0),
    ("aws:P7", "on_demand_efo_gb_out", NOT_THERE, 0.05, 0),
    ("aws:P8", "on_demand_extended_gb_month", NOT_THERE, 0.10, 0),
    ("aws:P9", "on_demand_advantage_gb_in", NOT_THERE, 0.032, 0),
    ("aws:P9", "on_demand_advantage_gb_out", NOT_THERE, 0.016, 0),
    ("aws:P10", "lambda_gb_s", 0.00001667, 0.0000166667, 0),
    ("aws:P10", "lambda_gb_s_above_6_billion", NOT_THERE, 0.000015, NOT_THERE),
    ("aws:P10", "lambda_gb_s_above_15_billion", NOT_THERE, 0.0000133334, NOT_THERE),
    ("aws:P11", "lambda_gb_s_arm64", NOT_THERE, 0.0000133334, 0),
    ("aws:P12", "lambda_requests_million", 0.20, 0.20, 0),
    ("aws:P13", "free_requests", 1_000_000, 1_000_000, 0),
    ("aws:P13", "free_gb_s", 400_000, 400_000, 0),
    ("aws:P14", "shard_level_metric_month", 0.30, 0.30, 0),
]  # fmt: skip

CONSTANTS = [
    # reading and writing                                 aws-2017      aws-2026      ideal
    ("aws:G1", "get_records_per_s", 5, 5, 5),
    ("aws:G2", "get_records_max_bytes", 10_485_760, 10_485_760, 10_485_760),
    ("aws:G2", "get_records_max_records", 10_000, 10_000, 10_000),
    ("aws:G3", "read_bytes_per_s", 2_097_152, 2_097_152, 2_097_152),
    ("aws:W9", "large_record_share_max", NOT_THERE, 0.02, NOT_THERE),
    ("aws:W10", "put_records_max_records", 500, 500, 500),
    ("aws:W10", "put_records_max_bytes", 5_242_880, 10_485_760, 10_485_760),
    ("aws:G9", "efo_bytes_per_s", NOT_THERE, 2_097_152, 2_097_152),
    ("aws:G9", "efo_max_consumers", NOT_THERE, 20, 0),
    ("aws:G9", "efo_max_consumers_on_demand_advantage", NOT_THERE, 50, NOT_THERE),
    # resharding
    ("aws:S8", "update_shard_count_max_factor", 2.0, 2.0, NOT_THERE),
    ("aws:S8", "update_shard_count_min_factor", 0.5, 0.5, NOT_THERE),
    ("aws:S9", "update_shard_count_per_day", 2, 10, NOT_THERE),
    ("aws:S9", "update_shard_count_max_shards", 500, 10_000, NOT_THERE),
    # function, account and bill
    ("aws:M2", "mb_per_vcpu", 1_792, 1_769, 1_769),
    ("aws:M4", "max_vcpus", 2, 6, 6),
    ("aws:M20", "min_unreserved_concurrency", 100, 100, 0),
    ("aws:M24", "requests_per_concurrency", NOT_THERE, 10, NOT_THERE),
    ("aws:M26", "billing_quantum_ms", 100, 1, 0),
    ("aws:M27", "bill_init", 0, 1, 0),
    ("aws:P3", "put_unit_bytes", 25_600, 25_600, 25_600),
    ("aws:P4", "included_retention_s", 86_400, 86_400, 86_400),
]  # fmt: skip


IN_EVERY_YEAR = [
    # numbers that are the same in every profile, and stand with the rules that use them
    ("aws:W1", stream.AWS_WRITE_RECORDS_PER_S, 1_000),
    ("aws:W2", stream.AWS_WRITE_BYTES_PER_S, 1_048_576),
    ("aws:W9", stream.LARGE_RECORD_BYTES, 1_048_576),
    ("aws:G2", (stream.GET_RECORDS_MAX_RECORDS, stream.GET_RECORDS_MAX_BYTES), (10_000, 10_485_760)),
    ("aws:W10", producer.PUT_RECORDS_LIMIT, 500),
    ("aws:W15", (partition_keys.LONGEST_KEY, partition_keys.HASH_SPACE), (256, 340_282_366_920_938_463_463_374_607_431_768_211_456)),
    ("aws:R3", (sdk_client.QUOTA, sdk_client.THROTTLE_COST, sdk_client.FIRST_TRY_REFUND), (500, 5, 1)),
    ("aws:K6", kpl.DRAIN_US, 25_000),
    ("aws:C14", (producer.PLAIN_GZIP, producer.FIELDS_GZIP), ((230, 50), (400, 79))),
    ("aws:C14", (producer.PLAIN_EVENT_BYTES, producer.FIELDS_EVENT_BYTES), (216, 526)),
    ("aws:V6", producer.LINE_BYTES, 111),
    ("aws:CW3", alarms.Alarm.model_fields["metric_delay_s"].default, 60),
    ("aws:CW5", alarms.Alarm.model_fields["treat_missing_data"].default, "missing"),
    ("aws:CW6", alarms.Alarm.model_fields["alarm_extra_periods"].default, 2),
]  # fmt: skip


def by_profile(rows: list[Any], name: str) -> list[tuple[str, str, Any]]:
    """Fact, path and value of the rows that the profile has."""
    column = 2 + BUNDLED.index(name)
    return [(row[0], row[1], row[column]) for row in rows if row[column] is not NOT_THERE]


def cases(rows: list[Any], profiles: tuple[str, ...] = BUNDLED) -> list[Any]:
    return [
        pytest.param(name, *case, id=f"{name}-{case[1]}-{case[0]}")
        for name in profiles
        for case in by_profile(rows, name)
    ]


def of_the_fact(fact: str, entry: Any, profile: str) -> bool:
    """Whether the profile gives the fact that the row was typed in from."""
    own = entry.source.replace(", ", " aws:").split()
    return profile == "ideal" or bool(set(fact.split()) & set(own))


def at(settings: Any, path: str) -> Any:
    """What a scenario has under a dotted path, in plain numbers and words."""
    for step in path.replace("workload.", "workload.sources.records.").split("."):
        if isinstance(settings, Mapping):
            settings = settings[step]
            continue
        fields = type(settings).model_fields
        settings = getattr(settings, next(name for name in fields if step in (name, fields[name].alias)))
    return plain(settings)


def plain(value: Any) -> Any:
    if isinstance(value, Lognormal):
        return {"p50": pytest.approx(value.quantile(0.5)), "p99": pytest.approx(value.quantile(0.99))}
    if hasattr(value, "constant"):
        return value.constant
    return value.model_dump() if hasattr(value, "model_dump") else value


def loaded(profile: str, *settings: str) -> Any:
    text = (
        f"kinsim: 1\nname: facts\nprofile: {profile}\nworkload: {{arrivals: {{model: constant, rate: 1/s}}}}\n"
        "function: {duration: 1ms}\nrun: {duration: 60s}\n"
    )
    return parse(text, overrides=list(settings))


@pytest.mark.parametrize(("profile", "fact", "path", "value"), cases(DEFAULTS))
def test_a_default_is_the_facts(profile, fact, path, value):
    assert at(loaded(profile), path) == value
    assert of_the_fact(fact, load_profile(profile).defaults[path], profile)


@pytest.mark.parametrize(("profile", "condition"), [(name, when) for name in BUNDLED for when in WHEN])
def test_a_default_that_hangs_on_another_setting_is_the_facts(profile, condition):
    rows = by_profile(WHEN[condition], profile)
    entries = conditional(load_profile(profile)).get(condition, {})
    assert set(entries) == {path for _, path, _ in rows}, f"type in the rows of {condition} from the sheet of facts"
    if rows:
        scenario = loaded(profile, *MAKING.get(condition, condition.replace(" = ", "=").split(", ")))
        for fact, path, value in rows:
            assert at(scenario, path) == value, path
            assert of_the_fact(fact, entries[path], profile), path


def conditional(profile: Profile) -> dict[str, Mapping[str, Entry]]:
    def text(path: str, wanted: Any) -> str:
        if isinstance(wanted, list):
            return f"{path} = {' or '.join(wanted)}"
        return f"{path} above {wanted['above']}" if isinstance(wanted, Mapping) else f"{path} = {wanted}"

    return {", ".join(text(*each) for each in when.items()): entries for when, entries in profile.defaults_when}


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_bursts_are_one_second(profile):
    """aws:W7: 1,048,576 B and 1,000 records, where no record may be larger than 1 MiB."""
    stream = loaded(profile).stream
    assert (stream.write_burst_bytes or stream.bytes_per_s, stream.write_burst_records or stream.records_per_s) == (
        1_048_576,
        1_000,
    )


@pytest.mark.parametrize(("profile", "fact", "path", "value"), cases(LIMITS, ("aws-2017", "aws-2026")))
def test_a_range_is_the_facts(profile, fact, path, value):
    limit = load_profile(profile).limits[path]
    step = None if limit.step is None else limit.parse(limit.step)
    assert (limit.parse(limit.low), limit.parse(limit.high), step) == value
    assert of_the_fact(fact, limit, profile)


@pytest.mark.parametrize(("fact", "path", "since"), FEATURES)
def test_a_feature_came_when_the_fact_says(fact, path, since):
    old, new = (load_profile(name).features[path] for name in ("aws-2017", "aws-2026"))
    assert (old.available, new.available) == (False, True)
    for feature in (old, new):
        assert feature.since.startswith(since)
        assert feature.source == fact
    assert feature.since > load_profile("aws-2017").as_of


@pytest.mark.parametrize(("profile", "fact", "name", "value"), cases(PRICES))
def test_a_price_is_the_facts(profile, fact, name, value):
    known = load_profile(profile)
    assert known.price(name) == value
    assert of_the_fact(fact, known.prices[name], profile)


@pytest.mark.parametrize(("profile", "fact", "name", "value"), cases(CONSTANTS))
def test_a_constant_is_the_facts(profile, fact, name, value):
    known = load_profile(profile)
    assert known.constant(name) == value
    assert of_the_fact(fact, known.constants[name], profile)


@pytest.mark.parametrize(("fact", "given", "value"), IN_EVERY_YEAR)
def test_a_number_of_every_year_is_the_facts(fact, given, value):
    assert given == value


@pytest.mark.parametrize("profile", BUNDLED)
@pytest.mark.parametrize(
    ("section", "rows"),
    [("defaults", DEFAULTS), ("prices", PRICES), ("constants", CONSTANTS), ("limits", LIMITS), ("features", FEATURES)],
)
def test_no_number_of_a_profile_is_without_a_row(profile, section, rows):
    """Type a new one in from the sheet of facts, not from the profile."""
    if profile == "ideal" and section in ("limits", "features"):
        asserted = set()
    elif section == "features":
        asserted = {row[1] for row in rows}
    else:
        asserted = {path for _, path, _ in by_profile(rows, profile)}
    assert set(getattr(load_profile(profile), section)) == asserted


@pytest.mark.parametrize("profile", BUNDLED)
def test_no_condition_of_a_profile_is_without_rows(profile):
    assert set(conditional(load_profile(profile))) <= set(WHEN)
