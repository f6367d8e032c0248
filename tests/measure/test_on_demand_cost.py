"""What on-demand streams cost, by hand from the price list (aws:P7 to P9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest import approx

from kinsim.measure.cost import kept_gb, monthly_cost, on_demand_cost
from kinsim.scenario import parse

GIB = 2**30
MONTH_S = 730 * 3_600


def scenario(mode="ON_DEMAND", stream=(), cost=(), **run):
    document = {
        "kinsim": 1, "name": "cost", "profile": "aws-2026",
        "workload": {"arrivals": {"model": "constant", "rate": "10/s"}, "record_size": "100 B"},
        "stream": {"stream_mode": mode, **dict(stream)},
        "function": {"duration": "1ms", "memory_size": "1769 MB"},
        "cost": dict(cost),
        "run": {"duration": "1h", "replications": 1, **run},
    }  # fmt: skip
    return parse(json.dumps(document), file="cost.yaml", base_dir=Path.cwd())


def parts(of, units=0.0, **used):
    """Of the stream only."""
    return {n: v for n, v in monthly_cost(of, 4, units, 0, 0, **used).items() if "lambda" not in n and n != "total"}


def test_a_month_of_a_thousand_records_of_3_kb_a_second():
    """1,000/s x 3 KB x 730 h = 2,628,000,000 records, 7,518.8 GB in and as much out, and 730 hours of a stream."""
    gb = 1_000 * MONTH_S * 3_072 / GIB
    assert gb == approx(7_518.768, abs=1e-3)
    cost = on_demand_cost(gb_in=gb, gb_out=gb)
    assert cost == {
        "stream_hours": approx(29.2),
        "data_in": approx(601.5015, abs=1e-3),
        "data_out": approx(300.751, abs=1e-3),
    }


def test_each_record_is_rounded_up_to_a_kb_on_its_way_in_and_not_on_its_way_out():
    """An hour of 10 records of 100 B a second: 36,000 KB in; 3.6 MB out by one reader, all of it read by the end.

    The run stands for 730 hours.
    """
    result = scenario(until="drained").run()
    cost = {name: part["value"] for name, part in result.summary()["cost"]["parts"].items()}
    assert cost["stream_hours"] == approx(730 * 0.04)
    assert cost["data_in"] == approx(730 * 36_000 * 1_024 / GIB * 0.08)
    assert cost["data_out"] == approx(730 * 36_000 * 100 / GIB * 0.04)
    assert "shard_hours" not in cost and "put_units" not in cost
    assert result.summary()["cost"]["parts"]["stream_hours"]["kind"] == "fixed"
    assert result["cost_usd_per_month"]["mean"] == approx(sum(cost.values()))


@pytest.mark.parametrize(("size", "units"), [("1 B", 1), ("1_024 B", 1), ("1_025 B", 2), ("10 kB", 10)])
def test_a_record_of_a_kb_is_one_unit(size, units):
    result = scenario(duration="100s").with_({"workload.record_size": size}).run()
    found = result.summary()["cost"]["parts"]["data_in"]["value"]
    assert found == approx(10 * MONTH_S * units * 1_024 / GIB * 0.08)


def test_every_reader_is_paid_for():
    """The archive reads all, as the mapping does; the last second is not read by either in full."""
    both = scenario(stream={"consumers": [{"name": "archive", "reads": "100%"}]}).run()
    alone = scenario().run()
    out = [r.summary()["cost"]["parts"]["data_out"]["value"] for r in (alone, both)]
    assert out[1] == approx(2 * out[0], rel=2e-3)


def test_of_two_functions_that_read_one_stream_each_pays_for_what_it_reads():
    """What comes in, and the stream's hours, are paid for once."""
    consumers = [{"name": "second", "function": {"duration": "1ms"}}]
    both = scenario(stream={"consumers": consumers}).run()
    first, second = (
        {n: part["value"] for n, part in both[name].summary()["cost"]["parts"].items()} for name in ("main", "second")
    )
    assert second["data_out"] == approx(first["data_out"], rel=2e-3)
    assert second["data_out"] > 0
    assert (second["data_in"], second["stream_hours"]) == (0, 0)
    assert first["data_in"] > 0


def test_a_mapping_that_makes_no_calls_gets_each_record_once():
    """It gets the keys too: 136 B a record."""
    result = scenario().with_({"event_source_mapping.poll_interval": "0s"}).run()
    assert result.summary()["cost"]["parts"]["data_out"]["value"] == approx(730 * 36_000 * 136 / GIB * 0.04)


def test_on_demand_advantage_has_prices_of_its_own_and_no_stream_hour():
    """Of 100 MiB/s each way: 730 h x 3,600 s x 100 MiB = 256,640.625 GB."""
    gb, used = 256_640.625, 100 * 2**20 * 3_600
    found = parts(scenario("ON_DEMAND_ADVANTAGE"), used / 1_024, read_bytes=used)
    assert found == {"data_in": approx(gb * 0.032), "data_out": approx(gb * 0.016)}


def test_on_demand_advantage_pays_for_25_mib_a_second_at_least():
    """aws:S20: 64,160.15625 GB a month each way; other streams of the account may fill the commitment instead."""
    found = parts(scenario("ON_DEMAND_ADVANTAGE"), 1, read_bytes=1)
    assert found == {"data_in": approx(64_160.15625 * 0.032), "data_out": approx(64_160.15625 * 0.016)}
    filled = scenario("ON_DEMAND_ADVANTAGE", {"on_demand": {"minimum_ingest": "0 B", "minimum_retrieval": "1 MiB"}})
    found = parts(filled, 36_000, read_bytes=1)
    assert found["data_in"] == approx(730 * 36_000 * 1_024 / GIB * 0.032)
    assert found["data_out"] == approx(64_160.15625 / 25 * 0.016)


@pytest.mark.parametrize(("days", "extended", "long_term"), [(1, None, None), (3, 2, None), (7, 6, None), (37, 6, 30)])
def test_what_is_kept_longer_than_a_day_is_paid_for_by_the_gb(days, extended, long_term):
    """1 GB an hour: 24 GB for each day that records are kept (aws:P8)."""
    found = parts(scenario(stream={"retention_period": f"{days}d"}), stored_bytes=GIB)
    assert found.get("extended_storage") == (None if extended is None else approx(24 * extended * 0.10))
    assert found.get("long_term_storage") == (None if long_term is None else approx(24 * long_term * 0.023))


def test_a_gb_may_be_a_decimal_one():
    decimal = parts(scenario(cost={"bytes_per_gb": 10**9}), 10**6, read_bytes=10**9)
    binary = parts(scenario(), 10**6, read_bytes=10**9)
    for name in ("data_in", "data_out"):
        assert decimal[name] == approx(binary[name] * GIB / 10**9)
    assert decimal["data_out"] == approx(730 * 0.04)


def test_prices_of_ones_own_and_hours_of_a_month():
    found = parts(scenario(cost={"prices": {"on_demand_stream_hour": 0.05}, "hours_per_month": 720}))
    assert found["stream_hours"] == approx(720 * 0.05)


def test_shards_cost_nothing_but_their_metrics():
    found = parts(scenario(stream={"shard_level_metrics": ["ALL"], "shard_count": 40}))
    assert found == {
        "stream_hours": approx(29.2),
        "data_in": 0,
        "data_out": 0,
        "shard_level_metrics": approx(4 * 7 * 0.3),
    }


def test_nothing_is_kept_before_its_age():
    assert kept_gb(5, 3_600, 86_400) == 0
