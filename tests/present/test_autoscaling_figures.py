"""Where a controller acts earlier in one replication than in another, figures show one of them and say so."""

from __future__ import annotations

import pytest

from kinsim.measure.figure_data import of_run
from kinsim.scenario import parse

SCENARIO = """
kinsim: 1
name: differs
profile: ideal
workload: {arrivals: {model: mmpp, rates: [2/s, 25/s], mean_stay: [4m, 4m]}}
stream:
  shard_count: 1
  write_limit_records: 10
  write_limit_bytes: 1 GiB
  reshard_operation_time: 30s
  autoscaling: {on: IncomingRecords, out: {factor: 2, of_limit: 60%}, in: {factor: 0.5, of_limit: 20%}, max: 4}
event_source_mapping: {batch_size: 10}
function: {duration: 10ms}
run: {duration: 30m, replications: 2, seed: 3}
"""


@pytest.fixture(scope="module")
def result():
    return parse(SCENARIO, "f.yaml").run()


def test_shards_are_those_of_the_first_replication(result):
    first, second = result.replications
    assert first.shards != second.shards
    load, _, heat_map = of_run(result.scenario, result.replications, result.summary())
    assert load.notes["shards_of_run"] == heat_map.notes["shards_of_run"] == [1, 2]
    assert heat_map.notes["shards"] == [shard["id"] for shard in first.shards]
    steps = [since_s for since_s, _ in load.notes["records"]["limit_steps"]]
    assert steps == sorted({shard["opened_s"] for shard in first.shards})


def test_limits_in_steps_are_those_of_the_open_shards(result):
    load = of_run(result.scenario, result.replications[:1], result.summary())[0]
    assert "shards_of_run" not in load.notes
    for since_s, limit in load.notes["records"]["limit_steps"]:
        shards = result.replications[0].shards
        count = sum(s["opened_s"] <= since_s < (s["closed_s"] or 1e9) for s in shards)
        assert limit == 10.0 * count


def test_they_can_be_drawn(result):
    for figure, says in (
        (result.plot.offered_load(), "limits of run 1 of 2"), (result.plot.shard_heat_map(), "run 1 of 2"),
    ):  # fmt: skip
        texts = [text.get_text().replace("\n", " ") for text in figure.findobj(lambda each: hasattr(each, "get_text"))]
        assert any(says in text for text in texts)


def test_numbers_by_shard_are_of_shards_with_the_same_hash_keys(result):
    summary = result.summary()
    for shard in summary["per_shard"]:
        of_each = [next(s for s in one.shards if s["id"] == shard) for one in result.replications]
        assert of_each[0]["starting_hash_key"] == of_each[1]["starting_hash_key"]
        assert of_each[0]["ending_hash_key"] == of_each[1]["ending_hash_key"]
    assert {call["replication"] for call in summary["resharding"]} == {0, 1}
    assert result.resharding == summary["resharding"]
