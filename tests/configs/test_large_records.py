"""What the example of large records promises in its comments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kinsim as ks

CONFIG = Path(__file__).parents[2] / "configs" / "large-records.yaml"


def run(**changes: Any) -> Any:
    return ks.load(CONFIG).with_({"run.duration": "10m", "run.replications": 1, **changes}).run()


def total(result: Any, name: str) -> float:
    return float(result[name]["sum"])


def test_as_it_is_nothing_is_lost():
    scenario = ks.load(CONFIG)
    assert scenario.warnings == []
    result = run()
    assert total(result, "lost_records") == 0
    assert total(result, "rejected_records") > 0


def test_a_record_too_large_for_an_event_is_lost():
    as_it_is, larger = run(), run(**{"workload.sources.images.record_size": "5_000 KiB"})
    assert total(larger, "too_large_records") == total(larger, "on_failure_deliveries") > 100
    assert total(as_it_is, "too_large_records") == 0
    assert total(larger, "offered_records") == total(as_it_is, "offered_records")


def test_one_shard_does_not_suffice():
    assert total(run(**{"stream.shard_count": 1}), "dropped_records") > 0


def test_three_a_second_are_more_than_aws_recommends():
    found = ks.load(CONFIG).with_({"workload.sources.images.arrivals.rate": "3/s"}).warnings
    assert any("5.7% of the records are above 1 MiB" in each.message for each in found)
