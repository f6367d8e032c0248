"""Cost per month by the profile's prices."""

import json
from pathlib import Path

import pytest
from pytest import approx

from kinsim.measure.cost import billed_ms, gb_s_price, kinesis_cost, lambda_cost, monthly_cost, put_units
from kinsim.scenario import parse

PRICE_2017 = 0.00001667


def scenario(profile="aws-2026", **sections):
    document = {
        "kinsim": 1, "name": "cost", "profile": profile,
        "workload": {"arrivals": {"model": "constant", "rate": "1/s"}},
        "stream": {"shard_count": 3},
        "function": {"duration": "1s", "memory_size": "512 MB"},
        "run": {"duration": "1h"},
    }  # fmt: skip
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    return parse(json.dumps(document), file="cost.yaml", base_dir=Path.cwd())


@pytest.mark.parametrize(
    ("memory", "seconds", "usd"),
    [(128, 11.722965, 0.024628), (256, 6.678945, 0.028035), (512, 3.194954, 0.026830), (1024, 1.465984, 0.024638)],
)
def test_p01_a_thousand_runs_of_the_sieve(memory, seconds, usd):
    """case:P01, to a millionth of a dollar."""
    assert lambda_cost(memory, seconds, 1_000, price_gb_s=PRICE_2017, quantum_ms=0) == approx(usd, abs=1e-6)


@pytest.mark.parametrize(
    ("memory", "ms", "usd"),
    [(128, 376.05, 0.832), (192, 250.24, 0.939), (512, 98.36, 0.834), (1024, 45.31, 1.667), (3008, 25.15, 4.897)],
)
def test_p02_rounding_to_100_ms(memory, ms, usd):
    """case:P02: published per million without the price of requests, by the price list per 100 ms."""
    per_100ms = {128: 0.208e-6, 192: 0.313e-6, 512: 0.834e-6, 1024: 1.667e-6, 3008: 4.897e-6}[memory]
    assert billed_ms(ms / 1e3, 100) / 100 * per_100ms * 1e6 == approx(usd, abs=1e-9)


def test_p04_three_million_runs_of_a_second():
    """case:P04, to a cent."""
    compute = lambda_cost(512, 1.0, 3e6, price_gb_s=PRICE_2017, price_request=0, free_gb_s=400_000)
    requests = lambda_cost(0, 0.0, 3e6, free_requests=1e6)
    assert (compute, requests) == (approx(18.34, abs=0.01), approx(0.40, abs=0.01))


def test_p05_a_day_of_a_hundred_records_of_35_kb_a_second():
    """case:P05, to a cent."""
    units = 100 * 86_400 * put_units(35 * 1_024)
    assert units == 17_280_000
    assert kinesis_cost(4, 24) == approx(1.44, abs=0.01)
    assert kinesis_cost(put_units=units) == approx(0.24, abs=0.01)
    assert kinesis_cost(4, 24, units) == approx(1.68, abs=0.01)


def test_p06_a_month_of_a_thousand_records_a_second():
    """case:P06, to a cent."""
    units = 1_000 * 30 * 86_400 * put_units(1_000)
    assert kinesis_cost(put_units=units) == approx(36.28, abs=0.01)
    assert kinesis_cost(put_units=units, price_put_unit_million=0.0224) == approx(58.06, abs=0.01)


def test_parts_of_a_month():
    """An hour with 3,600 PUT units and 100 invocations of 10 s stands for 730 of them."""
    parts = monthly_cost(scenario(), 3, 3_600, 100, 1_000)
    assert parts == {
        "total": approx(sum(v for name, v in parts.items() if name != "total")),
        "shard_hours": approx(3 * 730 * 0.015),
        "put_units": approx(730 * 3_600 * 0.014e-6),
        "lambda_duration": approx(730 * 1_000 * 0.5 * 0.0000166667),
        "lambda_requests": approx(730 * 100 * 0.2e-6),
    }


def test_what_is_switched_on_costs_more():
    longer = monthly_cost(scenario(stream={"retention_period": "7d"}), 3, 0, 0, 0)
    assert longer["extended_retention"] == approx(3 * 730 * 0.020)
    watched = monthly_cost(scenario(stream={"shard_level_metrics": ["ALL"]}), 3, 0, 0, 0)
    assert watched["shard_level_metrics"] == approx(3 * 7 * 0.30)
    arm = monthly_cost(scenario(function={"architecture": "arm64"}), 3, 0, 0, 1_000)
    assert arm["lambda_duration"] == approx(730 * 500 * 0.0000133334)


def test_the_free_tier_is_taken_off_where_it_is_asked_for():
    parts = monthly_cost(scenario(cost={"free_tier": True}), 3, 0, 2_000, 2_000)
    assert parts["lambda_requests"] == approx((730 * 2_000 - 1e6) * 0.2e-6)
    assert parts["lambda_duration"] == approx((730 * 1_000 - 400_000) * 0.0000166667)
    assert monthly_cost(scenario(cost={"free_tier": True}), 3, 0, 1, 1)["lambda_duration"] == 0


def test_a_price_of_ones_own():
    parts = monthly_cost(scenario(cost={"prices": {"shard_hour": 0.018}, "hours_per_month": 720}), 3, 0, 0, 0)
    assert parts["shard_hours"] == approx(3 * 720 * 0.018)


def test_tiers_of_gb_seconds():
    tiers = [(0.0, 3.0), (10.0, 2.0), (20.0, 1.0)]
    assert [gb_s_price(x, tiers) for x in (0, 5, 10, 15, 25)] == [0, 15, 30, 40, 55]
