"""Scenarios drawn from the whole language: every model of arrivals, keys and producers, every option of the mapping."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import reject, settings
from hypothesis import strategies as st

from kinsim.errors import ConfigError
from kinsim.scenario import parse

EXAMPLES = settings(max_examples=25)
"""So few that all laws together take about three minutes on one core; their scenarios are the same in every run."""

Document = dict[str, Any]
Documents = st.SearchStrategy[Document]


def load(document: Document) -> Any:
    run = {"replications": 1, **document["run"]}
    text = json.dumps({"kinsim": 1, "name": "random", "profile": "ideal", **document, "run": run})
    return parse(text, file="random.yaml", base_dir=Path.cwd())


def simulate(document: Document, **options: Any) -> Any:
    return load(document).run(**options)


def simulate_if_allowed(document: Document, **options: Any) -> Any:
    """The result of a scenario of which parts may contradict each other; then another one is drawn."""
    try:
        scenario = load(document)
    except ConfigError:
        reject()
    return scenario.run(**options)


def changed(document: Document, stage: str, **settings: Any) -> Document:
    other = copy.deepcopy(document)
    other.setdefault(stage, {}).update(settings)
    return other


def without(document: Document, stage: str, *names: str) -> Document:
    other = copy.deepcopy(document)
    for name in names:
        other.get(stage, {}).pop(name, None)
    return other


def amount(result: Any, name: str) -> float:
    return float(result[name]["sum"])


def milliseconds(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map("{}ms".format)


def a_few(settings: dict[str, st.SearchStrategy[Any]], at_most: int) -> Documents:
    """Up to *at_most* of *settings*, so that each has room to matter."""
    names = st.lists(st.sampled_from(sorted(settings)), max_size=at_most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: settings[name] for name in chosen}))


bad_records = st.lists(st.integers(1, 400), min_size=1, max_size=5, unique=True)
rates = st.integers(1, 40).map("{}/s".format)
plain_arrivals = st.one_of(
    st.fixed_dictionaries({"model": st.sampled_from(["constant", "poisson"]), "rate": rates}),
    st.fixed_dictionaries(
        {
            "model": st.just("bursts"),
            "every": milliseconds(5_000, 60_000),
            "size": st.integers(1, 400),
            "spread": st.sampled_from(["0s", "700ms", "3s"]),
        }
    ),
)
arrivals = st.one_of(
    plain_arrivals,
    st.fixed_dictionaries(
        {"model": st.just("renewal"), "gap": st.just({"distribution": "gamma", "mean": "90ms", "cv": 0.7})}
    ),
    st.fixed_dictionaries(
        {
            "model": st.just("mmpp"),
            "rates": st.tuples(rates, rates).map(list),
            "mean_stay": st.just(["4s", "9s"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "model": st.just("piecewise"),
            "segments": rates.map(lambda rate: [{"until": "40s", "rate": rate}, {"rate": "12/s"}]),
            "spacing": st.sampled_from(["even", "poisson"]),
        }
    ),
)
keys = st.sampled_from(
    [
        "random",
        "even",
        "constant",
        {"keys": ["a", "b", "c"], "weights": [5, 2, 1]},
        {"prefix": "host-", "count": 7},
        {"count": 50, "skew": {"distribution": "zipf", "s": 0.8}},
        {"explicit_hash_keys": [0, 2**126, 2**127, 2**128 - 1]},
    ]
)
workloads = st.fixed_dictionaries(
    {"arrivals": arrivals, "record_size": st.sampled_from(["100 B", "1 kB"]), "partition_keys": keys},
    optional={
        "work": st.just({"distribution": "exponential", "mean": "5ms"}),
        "log_events_per_record": st.just(3),
        "granularity": st.sampled_from(["record", "1s"]),
    },
)
flow_logs = st.fixed_dictionaries(
    {
        "arrivals": st.fixed_dictionaries(
            {
                "model": st.just("vpc_flow_logs"),
                "interfaces": st.integers(1, 12),
                "lines_per_interface": st.integers(1, 300),
                "aggregation_interval": st.just("60s"),
                "phase": st.sampled_from(["aligned", "random"]),
                "publish_delay": st.just("0s"),
            }
        )
    }
)

backoff = {"mode": "backoff", "base": "500ms", "cap": "4s", "jitter": "full", "give_up_after": "20s"}
producers = st.one_of(
    st.just({"model": "direct"}),
    st.just({"model": "direct", "retry": backoff}),
    st.fixed_dictionaries(
        {
            "model": st.just("sdk"),
            "batch_size": st.integers(2, 50),
            "retry": st.sampled_from([{"mode": "legacy"}, {"mode": "standard"}, {"mode": "adaptive"}, backoff]),
            "on_partial_failure": st.sampled_from(["retry_failed", "resend_all"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "model": st.just("sdk"),
            "api": st.just("PutRecord"),
            "retry": st.just(backoff),
            "buffer": st.fixed_dictionaries(
                {
                    "max_records": st.integers(1, 40),
                    "when_full": st.sampled_from(["drop_newest", "drop_oldest", "block"]),
                }
            ),
        }
    ),
    st.fixed_dictionaries({"model": st.just("kpl")}, optional={"keep": st.just("60%")}),
    st.just({"model": "agent"}),
    st.just({"model": "direct", "keep": "40%"}),
)

resharding = st.sampled_from(
    [
        [{"at": "20s", "split": "shardId-000000000000", "at_hash": "middle"}],
        [{"at": "15s", "update_shard_count": 2}, {"at": "90s", "update_shard_count": 4}],
        [{"at": "30s", "update_shard_count": 3}],
    ]
)
streams = st.tuples(
    st.fixed_dictionaries({"shard_count": st.integers(1, 3)}),
    a_few(
        {
            "retention_period": milliseconds(20_000, 90_000),
            "write_limiter": st.sampled_from(["token_bucket", "fixed_second"]),
            "write_limit_records": st.integers(5, 60),
            "reshard": resharding,
            "autoscaling": st.just(
                {"on": "IncomingRecords", "out": {"factor": 2, "of_limit": "30%", "cooldown": "30s"}, "max": 4}
            ),
            "consumers": st.just([{"name": "other", "reads": "100%"}]),
            "put_to_get_delay": st.just("200ms"),
        },
        3,
    ),
).map(lambda parts: _coherent_stream({**parts[0], **parts[1]}))


def _coherent_stream(stream: Document) -> Document:
    if "autoscaling" in stream:
        stream.pop("reshard", None)
        stream.setdefault("write_limit_records", 20)
    if "reshard" in stream or "autoscaling" in stream:
        stream["reshard_operation_time"] = "8s"
    return stream


options = {
    "parallelization_factor": st.integers(2, 5),
    "parallelization": st.just("pooled"),
    "lane_failure_blocks_shard": st.just(True),
    "poll_interval": st.sampled_from(["250ms", "1s"]),
    "maximum_batching_window": milliseconds(1_000, 20_000),
    "maximum_retry_attempts": st.integers(0, 4),
    "maximum_record_age": milliseconds(5_000, 60_000),
    "bisect_batch_on_function_error": st.just(True),
    "report_batch_item_failures": st.just(True),
    "tumbling_window": st.sampled_from(["10s", "30s"]),
    "on_failure_destination": st.just({"redrive_at": "80s"}),
    "outages": st.just([{"from": "20s", "to": "45s"}]),
    "starting_position": st.just("LATEST"),
    "retry_backoff": st.just({"base": "1s", "factor": 2, "cap": "8s", "jitter": 0}),
}
mappings = st.tuples(st.fixed_dictionaries({"batch_size": st.integers(1, 200)}), a_few(options, 4)).map(
    lambda parts: _coherent({**parts[0], **parts[1]})
)


def _coherent(mapping: Document) -> Document:
    """Options that would change nothing without another bring it along."""
    if "parallelization" in mapping or "lane_failure_blocks_shard" in mapping:
        mapping.setdefault("parallelization_factor", 3)
    if "on_failure_destination" in mapping:
        mapping.setdefault("maximum_retry_attempts", 1)
    if "tumbling_window" in mapping:
        for name in ("parallelization_factor", "parallelization", "lane_failure_blocks_shard"):
            mapping.pop(name, None)
    return mapping


faults = st.one_of(
    st.just([{"kind": "error", "probability": 0.2}]),
    bad_records.map(lambda bad: [{"kind": "error", "records": bad}]),
    st.sampled_from(["error", "timeout", "crash"]).map(lambda kind: [{"kind": kind, "from": "20s", "to": "50s"}]),
)
durations = st.one_of(
    st.fixed_dictionaries({"fixed": milliseconds(10, 2_000), "per_record": milliseconds(0, 50)}),
    st.just({"distribution": "exponential", "mean": "800ms"}),
)
functions = st.tuples(
    st.fixed_dictionaries({"duration": durations}),
    a_few(
        {
            "timeout": milliseconds(1_000, 6_000),
            "cold_start": st.just("400ms"),
            "faults": faults,
            "reserved_concurrency": st.integers(1, 2),
            "redraw": st.just("each_attempt"),
        },
        3,
    ),
).map(lambda parts: {**parts[0], **({"timeout": "5s"} if "faults" in parts[1] else {}), **parts[1]})
runs = st.fixed_dictionaries(
    {"duration": st.just("2m"), "seed": st.integers(0, 1_000)},
    optional={
        "until": st.just("drained"),
        "initial_backlog": st.fixed_dictionaries(
            {"records": st.integers(1, 300), "age": st.sampled_from(["1s", "15s", "80s"])}
        ),
    },
)


def _together(document: Document) -> Document:
    """Parts that contradict each other or change nothing without another, made to agree."""
    stream, mapping = document["stream"], document["event_source_mapping"]
    if (
        "faults" in document["function"]
    ):  # a run of a microsecond that fails would else be tried a million times a second
        mapping.setdefault("retry_backoff", {"base": "1s", "factor": 2, "cap": "8s", "jitter": 0})
    if "consumers" in stream:
        stream["enforce_read_limits"] = True
        mapping.setdefault("poll_interval", "1s")
    if "reshard" in stream or "autoscaling" in stream:
        mapping.pop("tumbling_window", None)
        if document["producer"].get("on_partial_failure") == "resend_all" or document["producer"]["model"] in CALLERS:
            document["producer"] = {"model": "direct", "retry": backoff}
    return document


CALLERS = ("kpl", "agent")
scenarios: Documents = st.one_of(
    st.fixed_dictionaries(
        {
            "workload": workloads,
            "producer": producers,
            "stream": streams,
            "event_source_mapping": mappings,
            "function": functions,
            "run": runs,
        }
    ),
    st.fixed_dictionaries(
        {
            "workload": flow_logs,
            "producer": st.fixed_dictionaries({"model": st.just("cloudwatch_logs"), "flush": st.just("5s")}),
            "stream": streams,
            "event_source_mapping": mappings,
            "function": functions,
            "run": runs,
        }
    ),
).map(_together)
"""Not all of them are allowed: see `simulate_if_allowed`."""

plain_scenarios: Documents = st.fixed_dictionaries(
    {
        "workload": st.fixed_dictionaries(
            {"arrivals": plain_arrivals, "record_size": st.sampled_from(["100 B", "1 kB"])},
            optional={
                "work": st.just({"distribution": "exponential", "mean": "5ms"}),
                "log_events_per_record": st.just(3),
            },
        ),
        "stream": st.fixed_dictionaries(
            {"shard_count": st.integers(1, 3)},
            optional={
                "retention_period": milliseconds(20_000, 90_000),
                "write_limiter": st.sampled_from(["token_bucket", "fixed_second"]),
                "write_limit_records": st.integers(5, 60),
            },
        ),
        "event_source_mapping": st.fixed_dictionaries(
            {"batch_size": st.integers(1, 200)},
            optional={
                "poll_interval": st.sampled_from(["250ms", "1s"]),
                "retry_backoff": st.just({"base": "1s", "factor": 2, "cap": "8s", "jitter": 0}),
            },
        ),
        "function": st.fixed_dictionaries(
            {"duration": st.fixed_dictionaries({"fixed": milliseconds(10, 2_000), "per_record": milliseconds(0, 50)})},
            optional={
                "timeout": milliseconds(1_000, 6_000),
                "cold_start": st.just("400ms"),
                "faults": st.just([{"kind": "error", "probability": 0.2}]),
            },
        ),
        "run": st.fixed_dictionaries({"duration": st.just("2m"), "seed": st.integers(0, 1_000)}),
    },
    optional={"producer": st.just({"model": "sdk", "batch_size": 20, "retry": {"mode": "legacy", "max_attempts": 3}})},
)
"""Scenarios with one lane, keys at random and the simplest of mappings, all of them allowed."""

BESIDE_EXPIRY = ("parallelization_factor", "poll_interval", "maximum_batching_window", "outages")
BESIDE_COUNT = ("maximum_batching_window", "maximum_record_age", "poll_interval", "outages", "tumbling_window")
BESIDE_LITTLE = (
    "parallelization_factor", "parallelization", "maximum_batching_window", "poll_interval", "outages",
)  # fmt: skip
"""Options of the mapping under which a law holds."""
