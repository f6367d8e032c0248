"""Names that are accepted on input besides the canonical ones: AWS's own spelling, and short ones.

The JSON of ``aws lambda get-event-source-mapping`` or ``aws kinesis describe-stream-summary`` may be pasted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kinsim.scenario.tree import Node, Tree, dotted

Convert = Callable[[Any], Any]

SECTIONS = (
    "workload",
    "producer",
    "stream",
    "event_source_mapping",
    "function",
    "account",
    "alarms",
    "slos",
    "cost",
    "run",
)

ALIASES: dict[str, dict[str, str]] = {
    "": {"esm": "event_source_mapping", "mapping": "event_source_mapping", "slo": "slos", "lambda": "function"},
    "stream": {
        "shards": "shard_count",
        "open_shard_count": "shard_count",
        "retention": "retention_period",
        "mode": "stream_mode",
    },
    "event_source_mapping": {
        "batch_window": "maximum_batching_window",
        "bisect_on_function_error": "bisect_batch_on_function_error",
    },
    "function": {"memory": "memory_size", "reserved_concurrent_executions": "reserved_concurrency"},
    "account": {"concurrency": "concurrent_executions", "unreserved_concurrent_executions": "concurrent_executions"},
}
"""Short and AWS names (in snake_case) by section."""


def _hours(value: Any) -> Any:
    return f"{value}h" if _number(value) else value


def _seconds(value: Any) -> Any:
    return f"{value}s" if _number(value) and value >= 0 else value


def _kib(value: Any) -> Any:
    return f"{value} KiB" if _number(value) else value


def _mib(value: Any) -> Any:
    return f"{value} MiB" if _number(value) else value


def _mb(value: Any) -> Any:
    return f"{value} MB" if _number(value) else value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


AWS: dict[str, dict[str, tuple[str, Convert]]] = {
    "stream": {
        "RetentionPeriodHours": ("retention_period", _hours),
        "MaxRecordSizeInKiB": ("max_record_size", _kib),
        "WarmThroughputMiBps": ("warm_throughput", _mib),
        "StreamModeDetails": (
            "stream_mode",
            lambda value: value.get("StreamMode") if isinstance(value, dict) else value,
        ),
        "EnhancedMonitoring": (
            "shard_level_metrics",
            lambda value: [name for each in value for name in each.get("ShardLevelMetrics", [])],
        ),
    },
    "event_source_mapping": {
        "MaximumBatchingWindowInSeconds": ("maximum_batching_window", _seconds),
        "MaximumRecordAgeInSeconds": ("maximum_record_age", _seconds),
        "TumblingWindowInSeconds": ("tumbling_window", _seconds),
        "FunctionResponseTypes": (
            "report_batch_item_failures",
            lambda value: "ReportBatchItemFailures" in (value or []),
        ),
        "DestinationConfig": (
            "on_failure_destination",
            lambda value: (value.get("OnFailure") or None) if isinstance(value, dict) else value,
        ),
        "FilterCriteria": ("filter", lambda value: value),
        "MetricsConfig": (
            "metrics_config",
            lambda value: {"metrics": value.get("Metrics") or []} if isinstance(value, dict) else value,
        ),
    },
    "function": {
        "MemorySize": ("memory_size", _mb),
        "Timeout": ("timeout", _seconds),
        "Architectures": ("architecture", lambda value: value[0] if isinstance(value, list) and value else value),
    },
}
"""AWS's names that carry a unit or a shape of their own."""

IGNORED: dict[str, set[str]] = {
    "stream": {
        "StreamName", "StreamARN", "StreamStatus", "StreamCreationTimestamp", "StreamId", "EncryptionType", "KeyId",
        "ConsumerCount", "HasMoreShards",
    },
    "event_source_mapping": {
        "UUID", "EventSourceArn", "EventSourceMappingArn", "FunctionArn", "FunctionName", "LastModified",
        "LastProcessingResult", "State", "StateTransitionReason", "StartingPositionTimestamp", "Topics", "Queues",
        "SourceAccessConfigurations", "KMSKeyArn",
    },
    "function": {
        "FunctionName", "FunctionArn", "Role", "Handler", "CodeSize", "CodeSha256", "Description", "LastModified",
        "Version", "RevisionId", "PackageType", "State", "LastUpdateStatus", "TracingConfig", "EphemeralStorage",
        "SnapStart", "RuntimeVersionConfig", "LoggingConfig", "Environment", "VpcConfig", "Layers",
    },
}  # fmt: skip
"""Keys of AWS's answers that say nothing about behaviour."""

SYNONYMS = {
    "delay": "put_to_get_delay",
    "rate_per_second": "rate",
    "lambda_memory": "memory_size",
    "ram": "memory_size",
    "batchsize": "batch_size",
    "window": "maximum_batching_window",
    "parallelism": "parallelization_factor",
    "retries": "maximum_retry_attempts",
    "percentile": "statistic",
    "limit": "at_most",
    "threshold": "at_most",
    "max": "at_most",
    "min": "at_least",
    "shard": "shard_count",
    "number_of_shards": "shard_count",
    "reps": "replications",
    "runs": "replications",
    "length": "duration",
    "size": "record_size",
    "keys": "partition_keys",
    "warmup": "warm_up",
    "burn_in": "warm_up",
}
"""What people write for a name that difflib would not find."""


def snake_case(name: str) -> str:
    """AWS's PascalCase as snake_case.

    >>> snake_case("BisectBatchOnFunctionError"), snake_case("batch_size")
    ('bisect_batch_on_function_error', 'batch_size')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def canonical_key(section: str, key: str) -> str | None:
    """The canonical name of *key* in *section* ("" is the top); None for a key of AWS's that says nothing.

    >>> canonical_key("stream", "shards"), canonical_key("stream", "ShardCount"), canonical_key("", "Stream")
    ('shard_count', 'shard_count', 'stream')
    """
    if key in AWS.get(section, {}):
        return AWS[section][key][0]
    if key in IGNORED.get(section, ()):
        return None
    aliases = ALIASES.get(section, {})
    if key in aliases:
        return aliases[key]
    if section in ("", *AWS, "account") and key[:1].isupper():
        name = snake_case(key)
        return aliases.get(name, name)
    return key


def canonical(tree: Tree) -> Node:
    """The tree's root under canonical names; a setting that is given under two names is noted as a problem."""
    root = tree.root
    if not isinstance(root.value, dict):
        return root
    top = _renamed(tree, root, "")
    assert isinstance(top.value, dict)
    pipelines = top.value.get("pipelines")
    if pipelines is not None and isinstance(pipelines.value, dict):
        for name, pipeline in pipelines.value.items():
            if isinstance(pipeline.value, dict):
                pipelines.value[name] = _sections_renamed(tree, _renamed(tree, pipeline, ""))
    return _sections_renamed(tree, top)


def _sections_renamed(tree: Tree, top: Node) -> Node:
    """*top* with its sections under canonical names, or the things of each that it has by name."""
    assert isinstance(top.value, dict)
    for section in (*AWS, "account"):
        inner = top.value.get(section)
        if inner is None or not isinstance(inner.value, dict):
            continue
        if section != "account" and _is_library(top, section):
            for name, each in inner.value.items():
                if isinstance(each.value, dict):
                    inner.value[name] = _section_renamed(tree, each, section)
        else:
            top.value[section] = _section_renamed(tree, inner, section)
    return top


def _section_renamed(tree: Tree, node: Node, section: str) -> Node:
    """A section under canonical names; a stream's consumers may have sections of their own."""
    renamed = _renamed(tree, node, section)
    consumers = renamed.child("consumers") if section == "stream" else None
    if consumers is not None and isinstance(consumers.value, list):
        consumers.value[:] = [
            _sections_renamed(tree, _renamed(tree, each, "")) if isinstance(each.value, dict) else each
            for each in consumers.value
        ]
    return renamed


def _is_library(top: Node, section: str) -> bool:
    """Whether pipelines refer by name to what *section* holds."""
    pipelines = top.child("pipelines")
    listed = pipelines.value if pipelines is not None and isinstance(pipelines.value, dict) else {}
    own = (each.child(section) for each in listed.values())
    return any(each is not None and isinstance(each.value, str) for each in own)


def _renamed(tree: Tree, node: Node, section: str) -> Node:
    children: dict[str, Node] = {}
    written: dict[str, str] = {}
    assert isinstance(node.value, dict)
    for key, child in node.value.items():
        name = canonical_key(section, key)
        if name is None:
            continue
        if name in children:
            first = written[name]
            message = f"{name} is given twice, as {first} (line {children[name].place.line}) and as {key}"
            path = dotted((section, key)) if section else key
            tree.problems.append(child.place.problem(message, path, f"keep one; the canonical name is {name}"))
            continue
        written[name] = key
        children[name] = converted(section, key, child)
    return Node(children, node.mark, node.key, node.origin)


def converted(section: str, key: str, node: Node) -> Node:
    """The value of AWS's key *key* in kinsim's form: hours and seconds get their unit."""
    if key not in AWS.get(section, {}):
        return node
    try:
        value = AWS[section][key][1](node.plain())
    except (AttributeError, TypeError, KeyError, IndexError):
        return node
    return Node(Node.of(value, node.mark, node.origin).value, node.mark, node.key, node.origin)


def renamed_value(section: str, node: Node) -> Node:
    """A mapping that is given for a whole *section* under canonical names."""
    if section not in ("stream", "event_source_mapping", "function", "account"):
        return node
    from kinsim.errors import ConfigError

    tree = Tree(node, node.mark.source)
    renamed = _section_renamed(tree, node, section)
    if tree.problems:
        raise ConfigError(tree.problems)
    return renamed
