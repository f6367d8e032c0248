"""The metrics of an event source mapping, by hand (aws:E39)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kinsim as ks
from kinsim.scenario import parse
from kinsim.system.metrics import EVENT_COUNTS

ON = {"metrics_config": {"metrics": ["EventCount"]}}


def scenario(mapping: dict[str, Any], **parts: Any) -> Any:
    document: dict[str, Any] = {
        "kinsim": 1,
        "name": "counted",
        "profile": "ideal",
        "workload": {"arrivals": {"model": "bursts", "every": "60s", "size": 10, "first": "10s"}},
        "stream": {"shard_count": 1},
        "event_source_mapping": {"poll_interval": "1s", "batch_size": 4, **mapping},
        "function": {"duration": "1s"},
        "run": {"duration": "3m", "seed": 1},
        **parts,
    }
    return parse(json.dumps(document), file="counted.yaml", base_dir=Path("."))


def counts(mapping: dict[str, Any], **parts: Any) -> dict[str, list[float]]:
    """Sums by minute of each metric that is published, minutes without data points left out."""
    table = scenario({**ON, **mapping}, **parts).run(replications=1).timeseries
    table = table[table.MetricName.isin(EVENT_COUNTS)]
    assert table.Dimensions.nunique() == 1
    assert set(table.Dimensions.str.split("=").str[0]) == {"EventSourceMappingUUID"}
    assert set(table.Statistic) == {"Sum"} and set(table.Unit) == {"Count"}
    return {name: list(rows.Value) for name, rows in table.groupby("MetricName")}


def test_ten_records_a_minute_are_polled_and_invoked():
    assert counts({}) == {"PolledEventCount": [10.0, 10.0, 10.0], "InvokedEventCount": [10.0, 10.0, 10.0]}


def test_what_enhanced_fan_out_pushes_counts_as_polled():
    fan_out = {"shard_count": 1, "enhanced_fan_out": True, "consumers": [{"name": "b", "enhanced_fan_out": True}]}
    assert counts({}, stream=fan_out)["PolledEventCount"] == [10.0, 10.0, 10.0]


def test_polls_that_find_nothing_count_0():
    """The mapping is disabled in the second minute, and polls nothing new in the third."""
    burst = {"arrivals": {"model": "bursts", "every": "1h", "size": 10, "first": "10s"}}
    found = counts({"outages": [{"from": "60s", "to": "120s"}]}, workload=burst)
    assert found == {"PolledEventCount": [10.0, 0.0], "InvokedEventCount": [10.0]}


def test_polls_of_others_do_not_count():
    others = {"shard_count": 1, "consumers": [{"name": "other", "reads": "100%"}], "enforce_read_limits": True}
    assert counts({}, stream=others)["PolledEventCount"] == [10.0, 10.0, 10.0]


def test_a_failure_stands_at_its_end_and_what_is_given_up_is_dropped():
    """Batches of 4, 4 and 2 at 10 s; each runs for 25 s and fails, once tried again: at 10, 35, 60 s and so on."""
    one = {"arrivals": {"model": "bursts", "every": "1h", "size": 10, "first": "10s"}}
    function = {"duration": "25s", "faults": [{"kind": "error"}]}
    mapping = {"maximum_retry_attempts": 1}
    found = counts(mapping, workload=one, function=function)
    # starts at 10, 35 | 60, 85, 110 | 135: of 4, 4, 4, 4, 2 and 2 records; ends at 35 | 60, 85, 110 | 135, 160
    assert found["InvokedEventCount"] == [8.0, 10.0, 2.0]
    assert found["FailedInvokeEventCount"] == [4.0, 12.0, 4.0]
    assert found["DroppedEventCount"] == [8.0, 2.0]  # at 60 and 110 s | 160 s
    reported = counts({**mapping, "on_failure_destination": {}}, workload=one, function=function)
    assert reported.pop("OnFailureDestinationDeliveredEventCount") == [8.0, 2.0]
    assert reported == {name: found[name] for name in found if name != "DroppedEventCount"}


def test_a_part_that_is_reported_as_failed_is_not_the_rest():
    """Of ten in one batch the fifth fails: six are left, then again, and are dropped after the last try."""
    one = {"arrivals": {"model": "bursts", "every": "1h", "size": 10, "first": "10s"}}
    mapping = {"batch_size": 10, "report_batch_item_failures": True, "maximum_retry_attempts": 1}
    found = counts(mapping, workload=one, function={"duration": "1s", "faults": [{"kind": "error", "records": [5]}]})
    assert found["InvokedEventCount"] == [16.0]
    assert found["FailedInvokeEventCount"] == [12.0]
    assert found["DroppedEventCount"] == [6.0]


def test_what_is_filtered_out_is_polled_and_not_invoked():
    burst = {"arrivals": {"model": "bursts", "every": "60s", "size": 1_000, "first": "10s"}}
    found = counts({"filter": "30%", "batch_size": 1_000}, workload=burst)
    assert found["PolledEventCount"] == [1_000.0] * 3
    for filtered, invoked in zip(found["FilteredOutEventCount"], found["InvokedEventCount"], strict=True):
        assert filtered + invoked == 1_000
        assert 0 < invoked < filtered


def test_nothing_is_published_where_it_is_not_switched_on():
    for mapping in ({}, {"metrics_config": {"metrics": []}}):
        table = scenario(mapping).run(replications=1).timeseries
        assert not set(table.MetricName) & set(EVENT_COUNTS)


@pytest.mark.parametrize(
    ("metric", "mapping", "missing"),
    [
        ("PolledEventCount", {}, "metrics_config names EventCount"),
        ("FilteredOutEventCount", ON, "event_source_mapping.filter is set"),
        ("OnFailureDestinationDeliveredEventCount", ON, "event_source_mapping.on_failure_destination is set"),
    ],
)
def test_what_is_not_published_cannot_be_asked_for(metric, mapping, missing):
    slo = {"asked": {"metric": metric, "statistic": "Sum", "at_most": 0}}
    with pytest.raises(ks.ConfigError, match=rf"slos\.asked\.metric.*{metric} is published only where .*{missing}"):
        scenario(mapping, slos=slo)
    alarm = {
        "metric": metric,
        "statistic": "Sum",
        "threshold": 0,
        "comparison": "GreaterThanThreshold",
        "evaluation_periods": 1,
    }
    with pytest.raises(ks.ConfigError, match=rf"alarms\.asked\.metric.*{missing}"):
        scenario(mapping, alarms={"asked": alarm})


def test_an_alarm_on_dropped_records_goes_off():
    """The first loss is at 60 s; the data of its minute, up to 120 s, is there a minute later."""
    one = {"arrivals": {"model": "bursts", "every": "1h", "size": 10, "first": "10s"}}
    alarm = {
        "metric": "DroppedEventCount", "statistic": "Sum", "period": "1m", "threshold": 0,
        "comparison": "GreaterThanThreshold", "evaluation_periods": 1,
    }  # fmt: skip
    result = scenario(
        {**ON, "maximum_retry_attempts": 1}, workload=one, alarms={"dropped": alarm},
        function={"duration": "25s", "faults": [{"kind": "error"}]}, run={"duration": "5m"},
    ).run(replications=1)  # fmt: skip
    assert result.alarms["dropped"]["went_off_s"]["value"] == 180.0


def test_aws_names_are_understood():
    """As GetEventSourceMapping answers."""
    made = scenario({"MetricsConfig": {"Metrics": ["EventCount"]}})
    assert made.event_source_mapping.counts_events
    assert not scenario({"MetricsConfig": {"Metrics": []}}).event_source_mapping.counts_events
