"""What the profiles say of producers, against the tables of facts (aws:R2 to R5, W10, W23, C5 to C14)."""

from __future__ import annotations

from typing import Any

import pytest

from kinsim.engine.arrivals import ArrivalSource, arrivals_key
from kinsim.engine.context import contexts
from kinsim.errors import ConfigError
from kinsim.scenario import load_profile, parse
from kinsim.system.agent import AgentPlan, agent_plan
from kinsim.system.kpl import KplPlan, kpl_plan
from kinsim.system.producer import BACKOFF, FULL, LEGACY, RetryPlan, call_plan, retry_plan, subscription_plan

SECOND = 1_000_000


def scenario(profile: str, producer: str, workload: str = "arrivals: {model: poisson, rate: 10/s}") -> Any:
    return parse(
        f"kinsim: 1\nprofile: {profile}\nworkload: {{{workload}}}\nproducer: {producer}\nrun: {{duration: 60s}}\n"
    )


def plan(profile: str, producer: str) -> RetryPlan:
    return ArrivalSource(scenario(profile, producer), 0).retry_plans()[0]


def test_sdk_of_2017_retries_in_mode_legacy():
    """aws:R2: five attempts, U(0, 1) * 2^(k-1) s."""
    assert plan("aws-2017", "{model: sdk}") == RetryPlan(LEGACY, 5, SECOND, jitter=FULL)


def test_sdk_of_2026_retries_in_mode_standard_by_default():
    """aws:R4: three attempts, scale 1 s for throttling, cap 20 s, full jitter, quota 500 at 5 a throttled call."""
    expected = RetryPlan(BACKOFF, 3, SECOND, 20 * SECOND, FULL, quota=500, retry_cost=5, first_try_refund=1)
    assert plan("aws-2026", "{model: sdk}") == expected
    assert scenario("aws-2026", "{model: sdk}").producer.retry.mode == "standard-2026"


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
@pytest.mark.parametrize(("mode", "attempts"), [("legacy", 5), ("standard", 3), ("standard-2026", 3), ("adaptive", 3)])
def test_every_mode_has_its_attempts(profile, mode, attempts):
    """aws:R2 to R5, where the file names the mode."""
    assert plan(profile, f"{{model: sdk, retry: {{mode: {mode}}}}}").max_attempts == attempts


@pytest.mark.parametrize(("profile", "source"), [("aws-2017", "aws:R2"), ("aws-2026", "aws:R4")])
def test_the_attempts_of_the_default_mode_are_the_profiles(profile, source):
    assert scenario(profile, "{model: sdk}").provenance["producer.retry.max_attempts"].source == source


@pytest.mark.parametrize(("profile", "most_bytes"), [("aws-2017", 5_242_880), ("aws-2026", 10_485_760)])
def test_calls_of_both_years(profile, most_bytes):
    """aws:W10, W23."""
    loaded = scenario(profile, "{model: sdk, api: PutRecords}")
    (context,) = contexts(loaded, 0)
    called = call_plan(loaded.producer, context.call_bytes)
    assert (called.batch_size, called.max_bytes, called.flush_us) == (500, most_bytes, 100_000)
    assert loaded.producer.put_latency_s.mean == 0.025
    assert scenario(profile, "{model: sdk, api: PutRecord}").producer.put_latency_s.mean == 0.015
    known = load_profile(profile)
    assert (known.constant("put_records_max_records"), known.constant("put_records_max_bytes")) == (500, most_bytes)
    assert known.limits["producer.batch_size"].high == 500


def test_the_years_do_not_share_arrivals_whose_calls_differ():
    """The same producer, but calls of 5 and of 10 MiB."""
    sent = "{model: sdk, api: PutRecords, retry: {mode: none}}"
    old, new = (scenario(profile, sent) for profile in ("aws-2017", "aws-2026"))
    assert old.producer == new.producer
    assert arrivals_key(old, 0) != arrivals_key(new, 0)


def test_ideal_calls_have_no_limit_of_bytes():
    loaded = scenario("ideal", "{model: sdk, api: PutRecords}")
    assert contexts(loaded, 0)[0].call_bytes == -1


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_cloudwatch_logs_of_both_years(profile):
    """aws:C5, C6, C8 to C10, C14: by log stream, 24 h of retries, 60 s of delay, 400 + 79 B an event after gzip."""
    loaded = scenario(profile, "{}", "arrivals: {model: vpc_flow_logs, interfaces: 5, lines_per_interface: 5}")
    sent = loaded.producer
    assert (sent.distribution, sent.flush_s, sent.max_log_events) == ("by_log_stream", 5, 10_000)
    assert (sent.max_record_size_bytes, sent.delivery_delay_s.mean) == (1_000_000, 60)
    assert retry_plan(sent) == RetryPlan(BACKOFF, -1, SECOND, 60 * SECOND, FULL, 86_400 * SECOND)
    packed = subscription_plan(sent, True)
    assert (packed.gzip_fixed, packed.gzip_per_event) == (400, 79)
    assert loaded.workload.sources["records"].arrivals.extracted_fields is True


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026", "ideal"])
def test_direct_records_are_offered_once(profile):
    assert plan(profile, "{}") == RetryPlan()


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_the_agent_of_both_years(profile):
    """aws:A1, A2, A4: 60 s, 500 records, 5 MiB; 100 ms to 10 s; 100 buffers.  aws:W23."""
    sent = scenario(profile, "{model: agent}").producer
    assert agent_plan(sent.agent) == AgentPlan(60 * SECOND, 500, 5_242_880, 100_000, 10 * SECOND, 100)
    assert sent.put_latency_s.mean == 0.025
    known = scenario(profile, "{model: agent}").provenance
    assert known["producer.agent.max_buffer_age"].source == "aws:A1"
    assert known["producer.agent.retry_initial_backoff"].source == "aws:A2"


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
@pytest.mark.parametrize(
    ("setting", "accepted", "source"),
    [
        ("max_buffer_age: 999ms", "1s to 15m", "aws:A1"),
        ("max_buffer_age: 901s", "1s to 15m", "aws:A1"),
        ("max_buffer_records: 501", "1 to 500", "aws:A1"),
        ("max_buffer_size: 5_242_881 B", "1 B to 5 MiB", "aws:A1"),
    ],
)
def test_settings_of_the_agent_out_of_range(profile, setting, accepted, source):
    with pytest.raises(ConfigError) as caught:
        scenario(profile, f"{{model: agent, agent: {{{setting}}}}}")
    (problem,) = caught.value.problems
    assert problem.path == f"producer.agent.{setting.partition(':')[0]}"
    assert f"profile {profile} accepts {accepted} ({source}" in problem.help


def test_the_agent_has_its_own_words():
    for setting, own in (("flush: 5s", "max_buffer_age"), ("batch_size: 5", "max_buffer_records"),
                         ("retry: {mode: legacy}", "retry_initial_backoff")):  # fmt: skip
        with pytest.raises(ConfigError, match=f"here it is agent.{own}"):
            scenario("aws-2026", f"{{model: agent, {setting}}}")


@pytest.mark.parametrize(("profile", "burst"), [("aws-2017", 1_048_576), ("aws-2026", 10_485_760)])
def test_the_kpl_of_both_years(profile, burst):
    """aws:K1 to K6: 51,200 B, 4,294,967,295 and 500 records, 5 MiB, 100 ms, 30 s, 150 %, a bucket of 1 or 10 MiB."""
    sent = scenario(profile, "{model: kpl}").producer
    assert kpl_plan(sent.kpl) == KplPlan(True, 51_200, 4_294_967_295, 500, 5_242_880, 100_000, 30 * SECOND, 1.5, burst)
    assert sent.put_latency_s.mean == 0.025
    known = scenario(profile, "{model: kpl}").provenance
    sources = {
        "aggregation_enabled": "K1", "aggregation_max_size": "K1", "aggregation_max_count": "K1",
        "collection_max_count": "K2", "collection_max_size": "K2", "record_max_buffered_time": "K3",
        "record_ttl": "K4", "rate_limit": "K5", "rate_limit_burst": "K6",
    }  # fmt: skip
    assert {name: known[f"producer.kpl.{name}"].source for name in sources} == {
        name: f"aws:{fact}" for name, fact in sources.items()
    }


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
@pytest.mark.parametrize(
    ("setting", "accepted", "source"),
    [
        ("aggregation_max_size: 63 B", "64 B to 1 MiB", "aws:K1"),
        ("aggregation_max_size: 1_048_577 B", "64 B to 1 MiB", "aws:K1"),
        ("collection_max_count: 501", "1 to 500", "aws:K2"),
        ("collection_max_size: 52_223 B", "52_224 B to 5 MiB", "aws:K2, W10"),
        ("collection_max_size: 6 MiB", "52_224 B to 5 MiB", "aws:K2, W10"),
        ("record_ttl: 99ms", "100ms to 36500d", "aws:K4"),
    ],
)
def test_settings_of_the_kpl_out_of_range(profile, setting, accepted, source):
    with pytest.raises(ConfigError) as caught:
        scenario(profile, f"{{model: kpl, kpl: {{{setting}}}}}")
    (problem,) = caught.value.problems
    assert problem.path == f"producer.kpl.{setting.partition(':')[0]}"
    assert f"profile {profile} accepts {accepted} ({source}" in problem.help


def test_the_kpl_has_its_own_words():
    for setting, own in (("flush: 5s", "record_max_buffered_time"), ("batch_size: 5", "collection_max_count"),
                         ("retry: {mode: legacy}", "record_ttl")):  # fmt: skip
        with pytest.raises(ConfigError, match=f"here it is kpl.{own}"):
            scenario("aws-2026", f"{{model: kpl, {setting}}}")
    with pytest.raises(ConfigError, match="is not above 0"):
        scenario("aws-2026", "{model: kpl, kpl: {rate_limit: 0%}}")
