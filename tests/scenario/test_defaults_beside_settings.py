"""A producer of which a file names some settings keeps the profile's defaults for the others."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse

FLOW_LOGS = "arrivals: {model: vpc_flow_logs, interfaces: 5, lines_per_interface: 5}"
STEADY = "arrivals: {model: constant, rate: 1/s}"


def producer(sent: str, workload: str = FLOW_LOGS):
    scenario = parse(
        f"kinsim: 1\nprofile: aws-2026\nworkload: {{{workload}}}\nproducer: {sent}\nrun: {{duration: 60s}}\n"
    )
    return scenario.producer


@pytest.mark.parametrize("sent", ["{}", "{keep: 25%}", "{distribution: random}", "{model: cloudwatch_logs}"])
def test_a_subscription_keeps_its_delay_and_retries(sent):
    """aws:C6 is a setting called `distribution`, not a distribution (aws:C8, C9)."""
    own = producer(sent)
    assert own.delivery_delay_s.mean == 60
    assert (own.retry.mode, own.retry.give_up_after_s) == ("backoff", 86_400)
    assert own.distribution == ("random" if "random" in sent else "by_log_stream")


def test_another_model_than_the_workloads_own_has_its_defaults():
    """aws:R4, W23."""
    own = producer("{model: sdk}")
    assert (own.retry.mode, own.retry.max_attempts, own.put_latency_s.mean) == ("standard-2026", 3, 0.015)
    assert own.distribution is None


def test_another_mode_than_the_profiles_own_has_its_defaults():
    """aws:R2."""
    assert producer("{model: sdk, retry: {mode: legacy}}", STEADY).retry.max_attempts == 5
