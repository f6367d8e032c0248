"""What enhanced fan-out costs, and its metrics by consumer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pytest import approx

from kinsim.engine.tables import PUSH, SUBSCRIBED
from kinsim.measure.cost import fan_out_cost, monthly_cost
from kinsim.measure.fan_out import FanOutSide
from kinsim.scenario import parse

S = 1_000_000


def scenario(**stream):
    return parse(
        json.dumps(
            {
                "kinsim": 1,
                "name": "cost",
                "profile": "aws-2026",
                "workload": {"arrivals": {"model": "constant", "rate": "100/s"}, "record_size": "10 KiB"},
                "stream": {"shard_count": 2, **stream},
                "event_source_mapping": {"batch_size": 100, "maximum_batching_window": "5s"},
                "function": {"memory_size": "1769 MB", "duration": "10ms"},
                "run": {"duration": "10m", "replications": 1},
            }
        )
    )


def test_a_consumer_costs_shard_hours_and_what_it_is_pushed():
    """aws:P6: 3 consumers of 2 shards for 730 h at 0.015 USD are 65.70; 1 GiB in 10 minutes are 4,380 GiB a month."""
    consumers = [{"name": "a", "enhanced_fan_out": True}, {"name": "b", "enhanced_fan_out": True}]
    parts = monthly_cost(scenario(enhanced_fan_out=True, consumers=consumers), 2, 0, 0, 0, pushed_bytes=2**30)
    assert parts["fan_out_shard_hours"] == approx(65.70)
    assert parts["fan_out_gb"] == approx(4_380 * 0.013)
    assert parts["total"] == approx(sum(value for name, value in parts.items() if name != "total"))


def test_shared_throughput_costs_nothing():
    parts = monthly_cost(scenario(consumers=[{"name": "a", "reads": "100%"}]), 2, 0, 0, 0)
    assert not [name for name in parts if name.startswith("fan_out")]
    assert fan_out_cost(0) == {"fan_out_shard_hours": 0, "fan_out_gb": 0}


def test_events_and_subscriptions_are_counted_by_consumer_and_minute():
    side = FanOutSide([None, "a", "b"], 2)
    rows = [
        (1, 0, 0, SUBSCRIBED, 0, 0),
        (1, 0, 5 * S, 10, 1_000, 0),
        (1, 1, 6 * S, 30, 500, 2 * S),
        (2, 0, 61 * S, 1, 7, 0),
    ]
    side.add(np.array(rows, PUSH))
    assert side.bytes == 1_507
    a, b = side.tables[1].by_name, side.tables[2].by_name
    assert a["SubscribeToShardEvent.Records"].statistic("Average", 1)[0] == 20
    assert a["SubscribeToShardEvent.Bytes"].statistic("Maximum", 1)[0] == 1_000
    assert a["SubscribeToShardEvent.MillisBehindLatest"].statistic("Maximum", 1)[0] == 2_000
    assert a["SubscribeToShardEvent.Success"].statistic("Sum", 1)[0] == 2
    assert a["SubscribeToShard.Success"].statistic("Sum", 1)[0] == 1
    assert a["SubscribeToShard.RateExceeded"].statistic("Sum", 1)[0] == 0
    assert b["SubscribeToShardEvent.Records"].statistic("Sum", 2)[1] == 1
    assert np.isnan(b["SubscribeToShardEvent.Records"].statistic("Sum", 2)[0])


@pytest.mark.parametrize("mapping", [True, False])
def test_a_run_pays_for_what_is_pushed_and_names_the_consumers(mapping):
    """100 records of 10 KiB a second for 10 minutes, to one consumer or two: 0.5722 GiB each, 4,380 times a month.

    What is stored in the last 70 ms is not pushed any more: 7 records of 60,000.
    """
    result = scenario(enhanced_fan_out=mapping, consumers=[{"name": "archive", "enhanced_fan_out": True}]).run()
    pushed = (60_000 - 7) * 10_240 / 2**30 * (1 + mapping)
    cost = result.summary()["cost"]["parts"]
    assert cost["fan_out_gb"]["value"] == approx(pushed * 4_380 * 0.013)
    assert cost["fan_out_gb"]["kind"] == "usage" and cost["fan_out_shard_hours"]["kind"] == "fixed"
    table = result.timeseries
    mine = table[table.MetricName.str.startswith("SubscribeToShard")]
    names = {"StreamName=cost,ConsumerName=archive"} | ({"StreamName=cost,ConsumerName=cost"} if mapping else set())
    assert set(mine.Dimensions) == names
    calls = mine[(mine.MetricName == "SubscribeToShard.Success") & (mine.Statistic == "Sum")]
    assert calls.Value.sum() == 2 * 2 * (1 + mapping)
    assert mapping == ("GetRecords.Success" not in set(table.MetricName))


def test_each_function_of_a_stream_pays_for_itself_and_one_for_the_other_consumers():
    """Three registered consumers of a shard: 3 x 730 h x 0.015 USD; each function sees every record 70 ms later."""
    text = """
kinsim: 1
name: beside
profile: aws-2026
workload: {arrivals: {model: constant, rate: 1/s, first: 500ms}, record_size: 1 MB}
stream:
  shard_count: 1
  enhanced_fan_out: true
  consumers:
    - {name: other, enhanced_fan_out: true}
    - {name: archive, enhanced_fan_out: true, function: {duration: 20ms, cold_start: none}}
function: {duration: 30ms, cold_start: none}
run: {duration: 10m, replications: 1}
"""
    result = parse(text).run()
    main, archive = result["main"], result["archive"]
    for each in (main, archive):
        assert each["queue_wait_s"]["max"] == each["queue_wait_s"]["min"] == 0.07
    parts = [each.summary()["cost"]["parts"] for each in (main, archive)]
    assert [each["fan_out_shard_hours"]["value"] for each in parts] == approx([2 * 10.95, 10.95])
    assert parts[0]["fan_out_gb"]["value"] == approx(2 * parts[1]["fan_out_gb"]["value"])
    assert parts[1]["fan_out_gb"]["value"] == approx(600e6 / 2**30 * 4_380 * 0.013)
    names = [
        set(each.timeseries.Dimensions[each.timeseries.MetricName == "SubscribeToShardEvent.Bytes"])
        for each in (main, archive)
    ]
    assert [len(each) for each in names] == [2, 1] and not names[0] & names[1]
