"""Settings and rules of producers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinsim.system.producer import (
    BACKOFF,
    DECORRELATED,
    EQUAL,
    FULL,
    JITTER,
    LEGACY,
    NO_JITTER,
    NO_RETRY,
    CallPlan,
    Producer,
    RetryPlan,
    call_plan,
    effective_model,
    may_retry,
    records_for,
    retry_delay_us,
    retry_plan,
    subscription_plan,
)

STANDARD = RetryPlan(BACKOFF, 3, 1_000_000, 20_000_000, FULL, quota=500, retry_cost=5, first_try_refund=1)  # aws:R3, R4
below_1 = st.floats(0, 1, exclude_max=True)


def producer(**settings):
    return Producer.model_validate(settings)


# -- waits (aws:R1, R2) --


@given(retry=st.integers(1, 2000), u=below_1, base_us=st.integers(1, 10**7), cap_us=st.integers(1, 10**9))
def test_waits_lie_in_the_interval_of_their_jitter(retry, u, base_us, cap_us):
    exponential = min(cap_us, base_us * 2 ** (retry - 1))

    def wait(jitter, previous_us=0):
        return retry_delay_us(BACKOFF, retry, base_us, cap_us, jitter, u, previous_us)

    assert wait(NO_JITTER) == exponential
    assert 0 <= wait(FULL) <= exponential
    assert exponential / 2 - 1 <= wait(EQUAL) <= exponential
    previous_us = max(base_us, min(cap_us, 5 * base_us))
    assert min(base_us, cap_us) <= wait(DECORRELATED, previous_us) <= min(cap_us, 3 * previous_us)


def test_the_four_jitters_at_their_ends():
    def wait(jitter, u, retry=3, previous_us=7_000):
        return retry_delay_us(BACKOFF, retry, 1_000, 10**6, jitter, u, previous_us)

    assert [wait(NO_JITTER, u) for u in (0.0, 0.5)] == [4_000, 4_000]
    assert [wait(FULL, u) for u in (0.0, 0.5)] == [0, 2_000]
    assert [wait(EQUAL, u) for u in (0.0, 0.5)] == [2_000, 3_000]
    assert [wait(DECORRELATED, u) for u in (0.0, 0.5)] == [1_000, 11_000]


def test_decorrelated_waits_begin_at_the_base_and_never_pass_the_cap():
    waits, previous = [], 0
    for retry in range(1, 8):
        previous = retry_delay_us(BACKOFF, retry, 100, 5_000, DECORRELATED, 0.999, previous)
        waits.append(previous)
    assert waits == [300, 899, 2_694, 5_000, 5_000, 5_000, 5_000]


def test_legacy_doubles_from_one_second():
    """aws:R2: U(0, 1) * 2^(k-1) s before retry k."""
    assert [retry_delay_us(LEGACY, k, 0, 0, 0, 0.25, 0) for k in (1, 2, 3, 4)] == [250_000, 500_000, 10**6, 2 * 10**6]


def test_standard_waits_up_to_one_and_two_seconds():
    """aws:R3, R4: U(0, 1) * min(2^i, 20) s, i from 0; at most 20 s however often."""
    plan = retry_plan(producer(model="sdk", retry={"mode": "standard-2026"}))
    waits = [retry_delay_us(plan.kind, k, plan.base_us, plan.cap_us, plan.jitter, 0.5, 0) for k in (1, 2, 5, 6, 9)]
    assert waits == [500_000, 1_000_000, 8_000_000, 10_000_000, 10_000_000]


def test_boto_gives_up_after_five_attempts():
    plan = retry_plan(producer(model="sdk", retry={"mode": "legacy"}))
    assert [may_retry(n, plan.max_attempts, 10**9, plan.give_up_after_us) for n in (1, 4, 5)] == [True, True, False]


def test_a_record_is_offered_again_up_to_the_age_limit():
    assert [may_retry(3, -1, age_us, 1_000) for age_us in (999, 1_000, 1_001)] == [True, True, False]


# -- plans --


def test_cloudwatch_logs_retries_for_a_day_with_full_jitter():
    """aws:C9, C10."""
    assert retry_plan(producer(), "vpc_flow_logs") == RetryPlan(
        BACKOFF, -1, 1_000_000, 60_000_000, JITTER["full"], 86_400_000_000
    )


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({}, RetryPlan()),
        ({"model": "direct"}, RetryPlan()),
        ({"model": "sdk", "retry": {"mode": "none"}}, RetryPlan()),
        ({"model": "sdk", "retry": {"mode": "legacy", "max_attempts": 3}}, RetryPlan(LEGACY, 3, 10**6, jitter=FULL)),
        ({"model": "cloudwatch_logs", "retry": {"mode": "none"}}, RetryPlan(NO_RETRY)),
        ({"model": "sdk", "api": "PutRecords", "on_partial_failure": "ignore"}, RetryPlan(NO_RETRY)),
        ({"model": "sdk", "retry": {"mode": "standard"}}, STANDARD),
        ({"model": "sdk", "retry": {"mode": "standard-2026"}}, STANDARD),
        ({"retry": {"mode": "standard"}}, STANDARD),
        ({"model": "sdk", "retry": {"mode": "standard", "max_attempts": 7}}, replace(STANDARD, max_attempts=7)),
        ({"model": "sdk", "retry": {"mode": "adaptive"}}, replace(STANDARD, paced=1)),
        (
            {"model": "sdk", "api": "PutRecords", "retry": {"mode": "standard"}},
            replace(STANDARD, quota=0, retry_cost=0, first_try_refund=0),
        ),
        (
            {"model": "sdk", "retry": {"base": "100ms", "cap": "5s", "jitter": "equal", "max_attempts": 8}},
            RetryPlan(BACKOFF, 8, 100_000, 5_000_000, EQUAL),
        ),
        (
            {"retry": {"mode": "backoff", "base": "50ms", "max_attempts": -1, "give_up_after": "10s"}},
            RetryPlan(BACKOFF, -1, 50_000, 20_000_000, FULL, 10_000_000),
        ),
        (
            {"model": "cloudwatch_logs", "retry": {"mode": "backoff", "cap": "30s", "give_up_after": "1h"}},
            RetryPlan(BACKOFF, -1, 1_000_000, 30_000_000, FULL, 3_600_000_000),
        ),
    ],
)
def test_retry_plans(settings, plan):
    assert retry_plan(producer(**settings)) == plan


def test_flow_logs_come_through_cloudwatch_logs_unless_the_file_says_otherwise():
    assert effective_model(producer(), "vpc_flow_logs") == "cloudwatch_logs"
    assert effective_model(producer(model="direct"), "vpc_flow_logs") == "direct"
    assert effective_model(producer(), "bursts") == "direct"


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({"model": "sdk"}, CallPlan(1, 0)),
        ({"model": "sdk", "api": "PutRecord"}, CallPlan(1, 0)),
        ({"model": "sdk", "api": "PutRecords"}, CallPlan(500, 100_000)),
        ({"model": "sdk", "batch_size": 20, "flush": "1s"}, CallPlan(20, 1_000_000)),
        ({"model": "direct"}, CallPlan(1, 0)),
        ({"model": "sdk", "api": "PutRecords", "batch_size": 1}, CallPlan(1, 100_000)),
    ],
)
def test_call_plans(settings, plan):
    assert call_plan(producer(**settings)) == plan


def test_the_bytes_of_a_call_come_from_the_profile():
    """aws:W10."""
    assert call_plan(producer(model="sdk", api="PutRecords"), 5_242_880).max_bytes == 5_242_880
    assert call_plan(producer(model="sdk"), 5_242_880).max_bytes == -1


# -- records of a subscription --


@given(events=st.integers(0, 10**6), most=st.integers(1, 20_000))
def test_records_hold_all_events_and_only_the_last_is_not_full(events, most):
    records = records_for(events, most)
    assert (records - 1) * most < events <= records * most or events == records == 0


@pytest.mark.parametrize(("events", "plain", "fields"), [(50, 58, 90), (500, 51, 80), (1_000, 50, 79)])
def test_gzip_sizes_follow_the_measurement(events, plain, fields):
    """aws:C14: bytes per event, to 5 %."""
    for measured, extracted in ((plain, False), (fields, True)):
        plan = subscription_plan(producer(model="cloudwatch_logs"), extracted)
        assert (plan.gzip_fixed + plan.gzip_per_event * events) / events == pytest.approx(measured, rel=0.06)


def test_a_record_stays_below_its_largest_size_and_event_count():
    small = subscription_plan(producer(model="cloudwatch_logs", max_record_size="10 kB"), True)
    assert small.gzip_fixed + small.gzip_per_event * small.most_events <= 10_000
    assert small.gzip_fixed + small.gzip_per_event * (small.most_events + 1) > 10_000
    assert subscription_plan(producer(model="cloudwatch_logs", max_log_events=50), True).most_events == 50


def test_the_size_after_gzip_may_be_set():
    plan = subscription_plan(producer(model="cloudwatch_logs", gzip={"fixed": "1 kB", "per_log_event": 12.5}), True)
    assert (plan.gzip_fixed, plan.gzip_per_event) == (1000.0, 12.5)


# -- errors --


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "direct", "flush": "5s"}, "model direct has no flush"),
        ({"model": "sdk", "gzip": {"fixed": 1, "per_log_event": 1}}, "model sdk has no gzip"),
        ({"model": "sdk", "api": "PutRecord", "batch_size": 10}, "PutRecord takes one record, but batch_size is 10"),
        ({"model": "sdk", "retry": {"mode": "none", "base": "1s"}}, "mode none does not retry, but base is set"),
        ({"model": "sdk", "retry": {"mode": "legacy", "base": "10ms"}}, "mode legacy has fixed waits"),
        ({"model": "sdk", "retry": {"mode": "standard", "base": "10ms"}}, "mode standard has fixed waits"),
        ({"model": "sdk", "retry": {"mode": "adaptive", "jitter": "none"}}, "mode adaptive has fixed waits"),
        ({"model": "sdk", "retry": {"mode": "standard-2026", "cap": "1s"}}, "mode standard-2026 has fixed waits"),
        (
            {"model": "sdk", "api": "PutRecords", "retry": {"mode": "adaptive"}},
            "mode adaptive slows down after throttled calls, but PutRecords is answered with HTTP 200",
        ),
        ({"model": "sdk", "buffer": {}}, "a buffer needs max_records or max_bytes"),
        ({"model": "sdk", "buffer": {"max_records": 0}}, "greater than or equal to 1"),
        ({"model": "sdk", "buffer": {"max_bytes": "0 B"}}, "greater than or equal to 1"),
        (
            {"model": "sdk", "buffer": {"max_records": 5, "when_full": "wait"}},
            "'drop_newest', 'drop_oldest' or 'block'",
        ),
        ({"model": "cloudwatch_logs", "buffer": {"max_records": 5}}, "model cloudwatch_logs has no buffer"),
        ({"buffer": {"max_records": 5}}, "so a buffer would change nothing"),
        ({"model": "sdk", "retry": {"mode": "none"}, "buffer": {"max_records": 5}}, "so a buffer would change nothing"),
        ({"model": "sdk", "retry": {"max_attempts": 0}}, "0 attempts would offer nothing"),
        ({"model": "sdk", "retry": {"base": "10s", "cap": "1s"}}, "1 s is below base, 10 s"),
        ({"model": "sdk", "retry": {"base": "0s"}}, "a wait of 0"),
        ({"model": "sdk", "retry": {"mode": "exponential"}}, "'none', 'legacy'"),
        ({"model": "sdk", "batch_size": 0}, "greater than or equal to 1"),
        ({"batchsize": 3}, "Extra inputs are not permitted"),
        ({"model": "sdk", "flush": "1s"}, "PutRecord takes one record, so flush would change nothing"),
        ({"model": "sdk", "api": "PutRecord", "flush": "1s"}, "so flush would change nothing (aws:W13)"),
        (
            {"model": "sdk", "api": "PutRecord", "on_partial_failure": "ignore"},
            "PutRecord takes one record, so on_partial_failure would change nothing (aws:W13)",
        ),
        (
            {"model": "sdk", "api": "PutRecords", "on_partial_failure": "ignore", "retry": {"mode": "legacy"}},
            "on_partial_failure ignore never sends a record again, but retry mode is legacy",
        ),
        ({"api": "PutRecords"}, "a producer without model has no api"),
        ({"on_partial_failure": "ignore"}, "a producer without model has no on_partial_failure"),
        ({"model": "direct", "batch_size": 5}, "model direct has no batch_size"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValidationError) as caught:
        producer(**settings)
    assert message in str(caught.value)


def test_all_fields_explain_themselves():
    for model in (Producer, *[type(producer(retry={}).retry)]):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.examples, name
