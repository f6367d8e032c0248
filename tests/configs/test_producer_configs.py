"""What the examples of producers promise in their comments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kinsim as ks

CONFIGS = Path(__file__).parents[2] / "configs"


def total(result: Any, name: str) -> float:
    return float(result[name]["sum"])


def run(name: str, **changes: Any) -> Any:
    return ks.load(CONFIGS / f"{name}.yaml").with_({"run.replications": 1, **changes}).run()


def test_who_ignores_a_partial_failure_loses_half():
    changes = {"run.duration": "60s"}
    lost = run("producer-partial-failure", **changes)
    assert total(lost, "dropped_records") == total(lost, "offered_records") / 2 == 6_000
    cured = run("producer-partial-failure", **changes, **{"producer.on_partial_failure": "retry_failed"})
    assert total(cured, "dropped_records") == 0
    assert total(cured, "accepted_records") + total(cured, "in_producer_records") == 12_000


def test_the_modes_of_an_sdk_differ_in_what_they_lose():
    """Standard soon stops to retry; adaptive sends what the shards take and loses what its buffer does not hold."""
    standard, legacy, adaptive, buffered = (
        run("producer-sdk-modes", **{"run.duration": "6m"}, **changes)
        for changes in (
            {},
            {"producer.retry.mode": "legacy"},
            {"producer.retry.mode": "adaptive"},
            {"producer.retry.mode": "adaptive", "producer.buffer.max_records": 500},
        )
    )
    assert total(standard, "retried_records") < total(legacy, "retried_records") / 3
    assert total(standard, "dropped_records") > 1_000
    assert total(adaptive, "dropped_records") == 0
    assert total(adaptive, "in_producer_records") > 1_000
    assert total(buffered, "in_producer_records") <= 500 < total(buffered, "dropped_records")


@pytest.mark.parametrize(("keep", "share"), [("25%", 0.25), ("50%", 0.5)])
def test_a_share_of_the_log_events_is_the_share_of_the_work(keep, share):
    some, whole = (run("producer-sampling", **{"run.duration": "5m", "producer.keep": k}) for k in (keep, "100%"))
    assert total(some, "accepted_records") == total(whole, "accepted_records")
    fixed = 0.06
    work = [each["duration_s"]["mean"] - fixed for each in (some, whole)]
    batch = [each["batch_records"]["mean"] for each in (some, whole)]
    assert work[0] / batch[0] == pytest.approx(share * work[1] / batch[1], rel=0.02)
