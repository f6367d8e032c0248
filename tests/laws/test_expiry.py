"""What is too old is in no invocation; longer retention loses no more."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from tests.laws.language import (
    BESIDE_EXPIRY,
    EXAMPLES,
    a_few,
    amount,
    bad_records,
    changed,
    load,
    milliseconds,
    options,
    plain_scenarios,
    scenarios,
    simulate,
    simulate_if_allowed,
    without,
)


def arrivals_by_shard(result: Any) -> dict[str, Any]:
    """When each record of a shard was stored, in the order of their numbers."""
    rows = result.records
    return {
        shard: np.sort(np.repeat(mine.accepted_s.to_numpy(), mine.records.to_numpy()))
        for shard, mine in rows.groupby("shard")
    }


@EXAMPLES
@given(scenarios, st.sampled_from([None, "6s"]))
def test_no_invocation_holds_a_record_past_retention_or_maximum_age(document, maximum_age):
    """aws:T5, E5: ages worked out from the tables of records and invocations, not from the engine's own."""
    document = without(document, "stream", "reshard", "autoscaling", "reshard_operation_time")
    document = without(document, "event_source_mapping", "on_failure_destination")
    if document["workload"]["arrivals"]["model"] != "vpc_flow_logs":
        document["workload"]["granularity"] = "record"
    document = changed(document, "stream", retention_period="20s")
    document["run"].pop("initial_backlog", None)
    if maximum_age is not None:
        document["event_source_mapping"]["maximum_record_age"] = maximum_age
    result = simulate_if_allowed(document, keep=("invocations", "records"))
    if not len(result.invocations):
        return
    limit = min(20.0, load(document).event_source_mapping.maximum_record_age_s or 20.0)
    stored = arrivals_by_shard(result)
    for row in result.invocations[result.invocations.records > 0].itertuples():
        assert row.start_s - stored[row.shard][row.first_record - 1] < limit
        age = row.start_s - stored[row.shard][row.last_record - 1]
        if not np.isnan(row.iterator_age_s):
            assert row.iterator_age_s == approx(age, abs=1e-6)


failing = st.fixed_dictionaries(
    {},
    optional={
        "maximum_retry_attempts": st.integers(0, 4),
        "maximum_record_age": milliseconds(5_000, 60_000),
        "bisect_batch_on_function_error": st.booleans(),
        "report_batch_item_failures": st.booleans(),
        "maximum_batching_window": milliseconds(0, 20_000),
        "outages": st.just([{"from": "20s", "to": "45s"}]),
    },
)


@EXAMPLES
@given(plain_scenarios, failing, bad_records)
def test_nothing_is_invoked_after_its_time_nor_more_often_than_allowed(document, mapping, bad):
    """Records that expired or are too old are in no invocation; a batch has at most its retries; the books close."""
    document = changed(document, "event_source_mapping", **mapping)
    document = changed(document, "function", faults=[{"kind": "error", "records": bad}])
    result = simulate(document, keep=("invocations",))
    loaded = load(document)
    limits = (loaded.event_source_mapping.maximum_record_age_s, loaded.stream.retention_period_s)
    for limit in (limit for limit in limits if limit is not None):
        if result["first_record_age_s"]["count"]:
            assert result["first_record_age_s"]["max"] < limit
    retries = loaded.event_source_mapping.maximum_retry_attempts
    if retries is not None and len(result.invocations):
        assert result.invocations.attempt.max() <= retries
    assert amount(result, "accepted_records") == sum(
        amount(result, f"{state}_records")
        for state in ("processed", "discarded", "expired", "too_large", "in_flight", "waiting")
    )


@EXAMPLES
@given(plain_scenarios, a_few({name: options[name] for name in BESIDE_EXPIRY}, 2))
def test_m5_a_longer_retention_never_adds_loss(document, mapping):
    """case:M5, where every batch succeeds: one that fails until it expires holds up the others for longer."""
    document = without(changed(document, "event_source_mapping", **mapping), "function", "faults", "timeout")
    short = simulate(changed(document, "stream", retention_period="30s"))
    long = simulate(changed(document, "stream", retention_period="60s"))
    assert amount(long, "expired_records") <= amount(short, "expired_records")
