"""Tumbling windows of shards that come and go: the end of a shard ends its window, children begin anew (aws:E36)."""

from __future__ import annotations

from kinsim.scenario import parse

IDS = [f"shardId-{number:012d}" for number in range(3)]
LAST = str(2**128 - 1)
IDEAL = f"""
kinsim: 1
name: reshard-windows
profile: ideal
workload: {{arrivals: {{model: constant, rate: 1/s}}, partition_keys: {{explicit_hash_keys: ["0", "{LAST}"]}}}}
stream: {{shard_count: 1, reshard_operation_time: 0s, reshard: [{{at: 14s, split: shardId-000000000000}}]}}
event_source_mapping: {{batch_size: 100, tumbling_window: 10s, retry_backoff: {{base: 1s, factor: 1, cap: 1s}}}}
function: {{duration: 100ms}}
run: {{duration: 25s, until: drained, replications: 1}}
"""


def run(*changes):
    """Starts and records of the invocations, by the shard's number."""
    result = parse(IDEAL, "f.yaml", overrides=list(changes)).run(keep=("invocations",))
    assert result["accepted_records"]["sum"] == result["processed_records"]["sum"] == 25
    runs = result.invocations
    assert (runs.records == 0).sum() == result["final_invocations"]["sum"]
    found = {}
    for shard, part in runs.groupby("shard"):
        found[IDS.index(shard)] = list(zip(part.start_s.round(6), part.records, strict=True))
    return found


def test_the_end_of_a_shard_ends_its_window_and_children_begin_anew():
    """The parent has the seconds 0 to 13, and its second window ends with it; then even ones go to the lower child.

    Both children have a part of the window that ends at 20 s, and each a final invocation of its own.  They are begun
    when the parent's final invocation has ended, at 14.1 s.
    """
    found = run()
    assert found[0] == [*((k, 1) for k in range(10)), (10, 0), (10.1, 1), (11, 1), (12, 1), (13, 1), (14, 0)]
    assert found[1] == [(14.1, 1), (16, 1), (18, 1), (20, 0), (20.1, 1), (22, 1), (24, 1), (30, 0)]
    assert found[2] == [(15, 1), (17, 1), (19, 1), (20, 0), (21, 1), (23, 1), (30, 0)]


def test_the_mapping_learns_of_the_end_at_its_next_poll():
    """Polls every 3 s: the one at 15 s brings the last two records and the end, so that the state follows at once."""
    found = run("event_source_mapping.poll_interval=3s")
    assert found[0][-2:] == [(15, 1), (15.1, 0)]
    assert found[1][0] == (18, 3)  # the poll at 15 s was the parent's; 14 s, 16 s and 18 s are read with the next


def test_a_final_invocation_that_fails_holds_up_the_children():
    """Errors until 16 s: tries at 14 s, 15.1 s and 16.2 s; the children are begun at 16.3 s."""
    found = run("function.faults=[{kind: error, from: 13.9s, to: 16s}]")
    assert found[0][-3:] == [(14, 0), (15.1, 0), (16.2, 0)]
    assert found[1][0] == (16.3, 2)


def test_a_shard_that_ends_between_windows_has_no_state_to_give():
    """Records until 7 s only; the window ends at 10 s, the shard at 14 s."""
    changes = ("workload.end=25s", "workload.arrivals={model: bursts, every: 20s, size: 25}", "run.duration=19s")
    assert run(*changes)[0] == [(0, 25), (10, 0)]
