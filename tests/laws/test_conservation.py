"""Every record is somewhere, exactly once: metrics, tables of records and tables of invocations agree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.language import (
    EXAMPLES,
    amount,
    bad_records,
    scenarios,
    simulate,
    simulate_if_allowed,
)

STATES = ("processed", "filtered", "skipped", "too_large", "discarded", "expired", "in_flight", "waiting")


@EXAMPLES
@given(scenarios)
def test_m6_every_record_is_somewhere(document):
    """case:M6, at the end of the run; at every window the engine's own check would have raised."""
    result = simulate_if_allowed(document, keep=("records",))
    stored = amount(result, "accepted_records") + amount(result, "duplicate_records")
    assert stored == sum(amount(result, f"{state}_records") for state in STATES)
    assert amount(result, "offered_records") == sum(
        amount(result, f"{state}_records") for state in ("accepted", "sampled_out", "dropped", "in_producer")
    )
    rows = result.records
    told = rows[rows.outcome != "dropped"].groupby("outcome").records.sum() if len(rows) else {}
    for state in STATES:
        assert told.get(state, 0) == amount(result, f"{state}_records"), state
    for name in (f"{state}_records" for state in STATES):
        found = [shard[name]["sum"]["value"] for shard in result.summary()["per_shard"].values() if name in shard]
        if found:
            assert sum(found) == amount(result, name)


@EXAMPLES
@given(scenarios)
def test_invocations_that_succeed_hold_what_is_processed(document):
    """Whatever was processed went through invocations, none twice: by their own records, not by the engine's count."""
    result = simulate_if_allowed(document, keep=("invocations",))
    runs = result.invocations
    if not len(runs):
        assert amount(result, "processed_records") == 0
        return
    assert runs[runs.outcome == "ok"].records.sum() <= amount(result, "processed_records")
    assert runs[runs.outcome.isin(["ok", "partial"])].records.sum() >= amount(result, "processed_records")
    assert (runs.outcome.isin(["error", "timeout", "crash"])).sum() == amount(result, "errors")
    assert len(runs) == amount(result, "invocations")


@EXAMPLES
@given(size=st.integers(1, 400), batch=st.integers(1, 100), bad=bad_records, shards=st.integers(1, 3))
def test_bisection_loses_the_bad_records_and_no_other(size, batch, bad, shards):
    result = simulate(
        {
            "workload": {"arrivals": {"model": "bursts", "every": "1h", "size": size}, "partition_keys": "even"},
            "stream": {"shard_count": shards},
            "event_source_mapping": {
                "batch_size": batch,
                "bisect_batch_on_function_error": True,
                "maximum_retry_attempts": 0,
            },
            "function": {"duration": "10ms", "faults": [{"kind": "error", "records": bad}]},
            "run": {"duration": "1m", "until": "drained", "seed": 1},
        }
    )
    assert amount(result, "discarded_records") == sum(number <= size for number in bad)
    assert amount(result, "processed_records") == size - amount(result, "discarded_records")
