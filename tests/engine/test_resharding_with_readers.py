"""Other applications beside the mapping while shards come and go: from when they call a shard, and until when."""

from __future__ import annotations

from pytest import approx

from kinsim.engine.plan import NO_LIMIT
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.shared_reader import PlannedReader, SharedReader
from kinsim.engine.tables import ELSEWHERE, Rows
from kinsim.scenario import parse

S = 1_000_000
MIB = 1_048_576


def reader_of(log, opened_us=0, share=0.0, bytes_per_s=0):
    polls: list[int] = []
    plan = PlannedReader("other", share, bytes_per_s, S)
    return SharedReader(plan, 3, 7, log, polls, (0, NO_LIMIT, 0), opened_us), polls


def rows_of(polls):
    """Time, records and bytes of each call."""
    return [tuple(polls[i + k] for k in (1, 3, 4)) for i in range(0, len(polls), 6)]


def test_a_new_shard_is_read_from_its_opening_at_the_readers_phase():
    """Opened at 100.9 s: the first call is at the phase that it has from the start, and nothing is due from before."""
    first_us = reader_of(ShardLog(), bytes_per_s=1_000)[0].next_us
    opened_us = 100 * S + 900_000
    reader, polls = reader_of(ShardLog(), opened_us, bytes_per_s=1_000)
    at_us = reader.next_us
    assert opened_us <= at_us < opened_us + S and at_us % S == first_us
    ReadBudget(2 * MIB, 5, [reader]).advance(at_us + 1)
    due = 1_000 * at_us // S - 1_000 * opened_us // S
    assert rows_of(polls) == [(at_us, ELSEWHERE, due)]


def test_bytes_are_read_of_a_closed_shard_up_to_its_end():
    """1 MiB/s of a shard that is closed at 10.5 s: the next call brings what was due by then, and is the last."""
    reader, polls = reader_of(ShardLog(), bytes_per_s=MIB)
    budget = ReadBudget(2 * MIB, 5, [reader])
    budget.advance(10 * S + S // 2)
    reader.close(10 * S + S // 2)
    budget.advance(30 * S)
    assert sum(size for _, _, size in rows_of(polls)) == 10.5 * MIB
    assert 10.5 * S <= polls[-5] < 11.5 * S


def test_records_of_a_closed_shard_are_read_to_the_last():
    """25,000 records at once are three calls of up to 10,000; the shard was closed before the second one."""
    log, rows = ShardLog(), Rows.empty(1)
    rows.count[:] = 25_000
    rows.data_bytes[:] = 25_000
    log.append(rows)
    reader, polls = reader_of(log, share=1.0)
    budget = ReadBudget(2 * MIB, 5, [reader])
    budget.advance(S)
    reader.close(S)
    budget.advance(30 * S)
    assert [records for _, records, _ in rows_of(polls)] == [10_000, 10_000, 5_000]


SPLIT_AND_MERGED = """
kinsim: 1
name: reshard-readers
profile: aws-2026
workload: {arrivals: {model: poisson, rate: 50/s}, end: 400s}
stream:
  shard_count: 2
  consumers: [{name: archive, reads: 100%}, {name: report, reads: 3 kB}]
  reshard: [{at: 50s, split: shardId-000000000000}, {at: 170s, merge: [shardId-000000000001, shardId-000000000003]}]
event_source_mapping: {batch_size: 50}
function: {duration: 20ms}
run: {duration: 500s, replications: 1, seed: 4}
"""


def test_each_reader_has_every_record_once_whatever_shard_it_is_in():
    """The mapping and the archive: twice the records; the report 3 kB a second of each shard while it is open."""
    result = parse(SPLIT_AND_MERGED, "f.yaml").run()
    table = result.timeseries
    of_stream = table[(table.Statistic == "Sum") & table.Dimensions.str.startswith("StreamName")]
    total = of_stream[~of_stream.Dimensions.str.contains("ShardId")].groupby("MetricName").Value.sum()
    accepted = result["accepted_records"]["sum"]
    assert accepted == result["processed_records"]["sum"] > 15_000
    assert total["GetRecords.Records"] == 2 * accepted
    # shards 0 to 4 are open from 0 s, 0 s, 80 s, 80 s and 200 s, until 80 s, 200 s, the end, 200 s and the end
    open_s = 80 + 200 + (500 - 80) + (200 - 80) + (500 - 200)
    written = result["accepted_records"]["sum"] * 1_000
    assert total["GetRecords.Bytes"] - 2 * written == approx(3_000 * open_s, rel=0.01)
