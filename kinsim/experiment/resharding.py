"""What a controller did to the shards over the replications: the section `resharding` of summary.json, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

Json = dict[str, Any]

MOST_TOLD = 4
"""Changes of the number of shards that a sentence lists."""


def resharding_of(scenario: Scenario, numbers: Sequence[Mapping[str, Any]]) -> list[Json] | None:
    """Every call of UpdateShardCount with its replication; None where nothing decides on the shards during a run."""
    if scenario.stream.autoscaling is None:
        return None
    return [{"replication": one["replication"], **call} for one in numbers for call in one.get("resharding", [])]


def resharding_sentences(calls: Sequence[Mapping[str, Any]] | None, replications: int) -> list[str]:
    """When the number of shards changed in the first replication that tells of it, and what AWS refused.

    >>> done = {"replication": 0, "time_s": 125.0, "from_shards": 1, "to_shards": 2, "refused": None, "times": 1}
    >>> refused = {**done, "time_s": 3600.0, "from_shards": 2, "refused": "call number 3 within 24 hours", "times": 7}
    >>> resharding_sentences([done, refused], 1)    # doctest: +NORMALIZE_WHITESPACE
    ['Autoscaling asks for 1 to 2 shards at 2m5s.',
     'AWS refuses 7 calls of UpdateShardCount, the first at 1h: call number 3 within 24 hours.']
    >>> resharding_sentences([], 1)
    ['Autoscaling never asks for other shards.']
    """
    if calls is None:
        return []
    if not calls:
        return ["Autoscaling never asks for other shards."]
    first = calls[0]["replication"]
    who = f"In run {first + 1} of {replications} autoscaling" if replications > 1 else "Autoscaling"
    mine = [call for call in calls if call["replication"] == first]
    return [*_accepted(who, mine), *_refused(mine)]


def _accepted(who: str, calls: Sequence[Mapping[str, Any]]) -> list[str]:
    done = [call for call in calls if not call["refused"]]
    if not done:
        return []
    told = [
        f"{call['from_shards']} to {call['to_shards']} shards at {format_duration(round(call['time_s']))}"
        for call in done[:MOST_TOLD]
    ]
    more = [f"{len(done) - MOST_TOLD} more times"] if len(done) > MOST_TOLD else []
    parts = told + more
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return [f"{who} asks for {listed}."]


def _refused(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    refused = [call for call in calls if call["refused"]]
    if not refused:
        return []
    times, first = sum(call["times"] for call in refused), refused[0]
    what = f"{times} calls of UpdateShardCount, the first" if times > 1 else "a call of UpdateShardCount"
    return [f"AWS refuses {what} at {format_duration(round(first['time_s']))}: {first['refused']}."]
