"""Settings that contradict each other: one problem, with both places."""

from __future__ import annotations

import pytest

HEAD = """\
kinsim: 1
name: contradictions
profile: {profile}
workload: {{arrivals: {{model: constant, rate: 1/s}}}}
run: {{duration: 10m}}
"""


@pytest.mark.parametrize("setting", ["report_batch_item_failures", "bisect_batch_on_function_error"])
def test_an_answer_that_the_profile_does_not_know(problems, setting):
    """aws:E6, E7: the setting in line 7, the profile in line 3."""
    text = HEAD.format(profile="aws-2017") + f"event_source_mapping:\n  {setting}: true\nfunction: {{duration: 1ms}}\n"
    (problem,) = problems(text)
    assert (problem.path, problem.line) == (f"event_source_mapping.{setting}", 7)
    assert problem.message.startswith("got true, but profile aws-2017 has no ")
    assert "set `profile: aws-2026` (line 3) or remove this line" in problem.help


def test_more_provisioned_than_reserved(problems):
    """aws:M21."""
    text = HEAD.format(profile="aws-2026") + (
        "function:\n  duration: 1ms\n  reserved_concurrency: 5\n  provisioned_concurrency: 6\n"
    )
    (problem,) = problems(text)
    assert (problem.path, problem.line) == ("function.provisioned_concurrency", 9)
    assert problem.message == "got 6, above function.reserved_concurrency 5 (line 8)"
    assert problem.help == "write at most 5 (aws:M21)"


def test_more_reserved_than_the_account_leaves(problems):
    """aws:M20: 100 executions stay unreserved."""
    text = HEAD.format(profile="aws-2026") + (
        "account: {concurrent_executions: 300}\nfunction:\n  duration: 1ms\n  reserved_concurrency: 201\n"
    )
    (problem,) = problems(text)
    assert (problem.path, problem.line) == ("function.reserved_concurrency", 9)
    assert problem.message == "got 201, but of the account's 300 executions (line 6) 100 stay unreserved"


SHARDS = "function: {duration: 1ms}\nstream:\n  shard_count: 4\n  reshard:\n"
SPLIT = "    - {at: 1s, split: shardId-000000000000}\n"


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026", "ideal"])
@pytest.mark.parametrize(
    ("merged", "says"),
    [
        # shard 0 became 4 and 5, so that 1 lies between 5 and 2
        ("000000000001, shardId-000000000003", "shardId-000000000001 and shardId-000000000003 are not adjacent"),
        ("000000000004, shardId-000000000001", "shardId-000000000004 and shardId-000000000001 are not adjacent"),
        ("000000000000, shardId-000000000001", "shardId-000000000000 is closed by then, by reshard[0] at 1s"),
        ("000000000006, shardId-000000000001", "shardId-000000000006 does not exist then"),
    ],
)
def test_a_merge_of_shards_that_are_not_side_by_side(problems, profile, merged, says):
    """aws:S2: the merge in line 11, and the shards or the entry that it contradicts."""
    text = HEAD.format(profile=profile) + SHARDS + SPLIT + f"    - {{at: 2m, merge: [shardId-{merged}]}}\n"
    (problem,) = problems(text)
    assert (problem.path, problem.line) == ("stream.reshard[1].merge", 11)
    assert problem.message == says
    assert problem.help.startswith(("adjacent to shardId-00000000000", "open are shardId-000000000001"))


def test_neighbours_are_named(problems):
    text = (
        HEAD.format(profile="aws-2026")
        + SHARDS
        + "    - {at: 2m, merge: [shardId-000000000001, shardId-000000000003]}\n"
    )
    (problem,) = problems(text)
    assert problem.help == "adjacent to shardId-000000000001: shardId-000000000000, shardId-000000000002 (aws:S2)"
