"""Explain: every value with its source, and a single one with its meaning."""

from __future__ import annotations

import pytest

from kinsim.errors import ConfigError
from kinsim.scenario import load, parse
from kinsim.scenario.explain import explain


def test_every_value_has_a_source(tmp_path, good):
    file = tmp_path / "good.yaml"
    file.write_text(good, "utf-8")
    rows = {row.path: row for row in explain(load(file, ["stream.shards=16"]))}
    assert len(rows) > 60
    assert all(row.origin and row.value for row in rows.values())
    assert (rows["stream.shard_count"].value, rows["stream.shard_count"].origin) == ("16", "--set")
    assert (rows["event_source_mapping.batch_size"].value, rows["event_source_mapping.batch_size"].origin) == (
        "100",
        "good.yaml:8",
    )
    retention = rows["stream.retention_period"]
    assert (retention.value, retention.origin, retention.source) == ("24h", "profile aws-2017", "aws:T1; 2017-12-19")
    assert rows["stream.write_limiter"].source == "aws:W7; 2026-11-24; assumed"
    assert rows["run.seed"].origin == "default"
    assert next(iter(rows)) == "kinsim"


def test_a_line_reads_from_left_to_right(good):
    (row,) = explain(parse(good, "good.yaml"), "stream.shards")
    first = str(row).splitlines()[0]
    assert first.split() == ["stream.shard_count", "2", "good.yaml:7"]


def test_a_single_value_is_explained(good):
    (row,) = explain(parse(good, "good.yaml"), "function.memory")
    assert (row.path, row.value, row.unit, row.aws_name) == (
        "function.memory_size",
        "256 MB",
        "MB (AWS's)",
        "MemorySize",
    )
    assert "128 MB to 1536 MB in steps of 64 under profile aws-2017 (aws:M1" in row.allowed
    assert row.profile_default.startswith("128 MB in profile aws-2017")
    assert "CPU comes with it" in row.description
    text = str(row)
    for words in ("a bare number is in: MB", "AWS's name: MemorySize", "default: 128 MB"):
        assert words in text


def test_a_value_that_is_not_set(good):
    (row,) = explain(parse(good), "event_source_mapping.filter")
    assert (row.value, row.origin, row.aws_name) == ("not set", "", "FilterCriteria")


def test_words_and_bounds_that_are_allowed(good):
    scenario = parse(good)
    assert explain(scenario, "stream.stream_mode")[0].allowed == "PROVISIONED, ON_DEMAND, ON_DEMAND_ADVANTAGE"
    assert explain(scenario, "run.until")[0].allowed == "end, drained"
    assert explain(scenario, "run.confidence")[0].allowed == "> 0 and < 1"
    assert explain(scenario, "function.faults")[0].allowed == "a list"
    assert explain(scenario, "run.duration")[0].unit == "seconds"
    assert explain(scenario, "workload.arrivals.rate")[0].unit == "per second"


def test_a_section(good):
    rows = explain(parse(good), "event_source_mapping.retry_backoff")
    assert [row.path.rpartition(".")[2] for row in rows] == ["base", "factor", "cap", "jitter"]


def test_a_wrong_path_gets_a_hint(good):
    with pytest.raises(ConfigError, match=r"did you mean stream\.shard_count"):
        explain(parse(good), "stream.shard")
