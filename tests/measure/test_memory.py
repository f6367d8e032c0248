"""Memory used against memory given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

import kinsim as ks
from kinsim.scenario import parse


def run(function: dict[str, Any], **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "memory",
        "profile": "ideal",
        "workload": {"arrivals": {"model": "bursts", "every": "60s", "size": 4}, "record_size": "1 MiB"},
        "stream": {"shard_count": 1},
        "event_source_mapping": {"batch_size": 3},
        "function": {"memory_size": "256 MB", "duration": "1s", **function},
        "run": {"duration": "3m", "until": "drained", "seed": 1},
        **parts,
    }
    return parse(json.dumps(document), file="memory.yaml", base_dir=Path(".")).run(replications=1)


NEEDS = {"base": "90 MB", "per_mib": "40 MB"}


def test_each_invocation_uses_its_base_and_what_its_batch_needs() -> None:
    """Batches of 3 MiB and 1 MiB in turn: 90 + 3 x 40 and 90 + 40 MB, of 256 MB."""
    result = run({"memory_used": NEEDS})
    used = result["memory_used_mb"]
    assert (used["count"], used["min"], used["mean"], used["max"]) == (6.0, 130.0, 170.0, 210.0)
    assert "sum" not in used
    assert result["memory_utilization"]["max"] == approx(210 / 256, abs=1e-6)
    assert result["memory_utilization"]["p50"] == approx(170 / 256, abs=1e-6)
    table = result.timeseries
    top = table[(table.MetricName == "memory_used_mb") & (table.Statistic == "Maximum")]
    assert list(top.Value) == [210.0, 210.0, 210.0]


def test_what_runs_out_of_memory_has_used_all_of_it() -> None:
    """3 MiB need 210 of 128 MB; halved they are 1 and 2 MiB, 130 and 170 MB: each try takes all 128."""
    result = run(
        {"memory_used": NEEDS, "memory_size": "128 MB"},
        event_source_mapping={"batch_size": 3, "maximum_retry_attempts": 0},
    )
    assert result["errors"]["sum"] == result["invocations"]["sum"] > 0
    assert result["memory_used_mb"]["min"] == result["memory_used_mb"]["max"] == 128.0
    assert result["memory_utilization"]["mean"] == 1.0


def test_what_is_put_back_and_what_a_window_ends_with_use_memory_too() -> None:
    result = run(
        {"memory_used": NEEDS, "faults": [{"kind": "error", "from": "0s", "to": "1m"}]},
        event_source_mapping={
            "batch_size": 3, "maximum_retry_attempts": 0, "on_failure_destination": {"redrive_at": "150s"},
        },
    )  # fmt: skip
    assert result["memory_used_mb"]["count"] == result["invocations"]["sum"] == 8.0
    result = run({"memory_used": NEEDS}, event_source_mapping={"batch_size": 3, "tumbling_window": "60s"})
    assert result["memory_used_mb"]["count"] == result["invocations"]["sum"]
    assert result["memory_used_mb"]["min"] == 90.0  # the final invocation has no records


def test_nothing_is_said_where_nothing_is_known() -> None:
    result = run({})
    assert not {"memory_used_mb", "memory_utilization"} & set(result.metrics.metric)
    slo = {"short": {"metric": "memory_utilization", "statistic": "Maximum", "at_most": "80%"}}
    with pytest.raises(ks.ConfigError, match=r"slos\.short\.metric.*function\.memory_used is set"):
        run({}, slos=slo)
    (verdict,) = run({"memory_used": NEEDS}, slos=slo).slos
    assert verdict["status"] == "missed"  # 82 %
