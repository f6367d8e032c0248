"""Whether `stream.autoscaling` can do what it says: its alarms, its limits, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from kinsim.errors import Problem
from kinsim.scenario.checks import line_of, problem_at, reshard_limits
from kinsim.scenario.profiles import Profile
from kinsim.scenario.tree import Node
from kinsim.scenario.tree import Path as Steps
from kinsim.system.autoscaling import IN_TIME, Autoscaling
from kinsim.system.metrics import CLOUDWATCH

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario

HERE = ("stream", "autoscaling")

Found = Iterator[tuple[Steps, str, str]]
"""Where, what is wrong, and what to try."""


def check_autoscaling(document: Node, scenario: Scenario, profile: Profile) -> list[Problem]:
    """What is wrong with `stream.autoscaling` beside the other settings."""
    settings = scenario.stream.autoscaling
    if settings is None:
        return []
    found = [
        *_beside(document, scenario),
        *_alarms(document, scenario, settings),
        *_metrics(document, scenario, settings),
        *_counts(document, scenario, settings, profile),
    ]
    return [problem_at(document, *each) for each in found]


def _beside(document: Node, scenario: Scenario) -> Found:
    if scenario.stream.reshard:
        where = line_of(document, ("stream", "reshard"))
        yield HERE, f"a controller of the shards beside the schedule stream.reshard{where}", "remove one of them"


def _alarms(document: Node, scenario: Scenario, settings: Autoscaling) -> Found:
    if settings.on in CLOUDWATCH and settings.on in scenario.alarms:
        where = line_of(document, ("alarms", settings.on))
        yield (*HERE, "on"), f"{settings.on} is a metric and the alarm of that name{where}", "rename the alarm"
    for at, name in settings.alarm_names().items():
        alarm = scenario.alarms.get(name)
        if alarm is None:
            close = get_close_matches(name, [*scenario.alarms, *IN_TIME], 1, 0.6)
            known = f"alarms are {', '.join(scenario.alarms) or 'not there'}; metrics are {', '.join(IN_TIME)}"
            yield (*HERE, *at), f"there is no alarm {name!r}", f"did you mean {close[0]}?" if close else known
        elif alarm.metric not in IN_TIME:
            where = line_of(document, ("alarms", name, "metric"))
            yield (
                (*HERE, *at),
                f"the alarm {name} watches {alarm.metric}{where}, which is not known while the run goes on",
                f"known are {', '.join(IN_TIME)}",
            )


def _metrics(document: Node, scenario: Scenario, settings: Autoscaling) -> Found:
    alarms, mapping = scenario.alarms, scenario.event_source_mapping
    watched = {alarms[name].metric for name in settings.alarm_names().values() if name in alarms} | {settings.on}
    if "IteratorAge" in watched and mapping.iterator_age == "invoke_end":
        where = line_of(document, ("event_source_mapping", "iterator_age"))
        yield (
            (*HERE, "on"),
            f"IteratorAge is taken at the end of the invocation{where}: the minute is over before it is known",
            "write iterator_age: invoke_start",
        )
    for name, way in settings.ways():
        if way.of_limit is not None and not scenario.stream.limiter:
            where = line_of(document, ("stream", "write_limiter"))
            yield (*HERE, name, "of_limit"), f"the stream has no write limit{where}", "write a threshold"


def _counts(document: Node, scenario: Scenario, settings: Autoscaling, profile: Profile) -> Found:
    shards, limits = scenario.stream.shard_count, reshard_limits(scenario, profile)
    where = line_of(document, ("stream", "shard_count"))
    if shards < settings.min_shards:
        yield (*HERE, "min"), f"min: {settings.min_shards} is above shard_count: {shards}{where}", "start within them"
    if settings.max_shards is None and settings.out is not None and limits.most_shards is None:
        yield HERE, f"profile {profile.name} has no quota of shards, and max is missing", "add max: 16"
    if settings.max_shards is not None:
        if shards > settings.max_shards:
            yield (
                (*HERE, "max"),
                f"max: {settings.max_shards} is below shard_count: {shards}{where}",
                "start within them",
            )
        highest = min((each for each in (limits.most_target, limits.most_shards) if each is not None), default=None)
        if highest is not None and settings.max_shards > highest:
            yield (
                (*HERE, "max"),
                f"got {settings.max_shards}, but profile {profile.name} has at most {highest} shards",
                f"write at most {highest} (aws:S9, W21)",
            )
    out, in_ = settings.out, settings.in_
    if out is not None and (out.factor or 0.0) > limits.most_factor:
        yield (
            (*HERE, "out", "factor"),
            f"one call of UpdateShardCount leads to {limits.most_factor:g} times the shards at most",
            f"write factor: {limits.most_factor:g}; a cooldown says when the next call comes (aws:S8)",
        )
    if in_ is not None and in_.factor is not None and in_.factor < limits.least_factor:
        yield (
            (*HERE, "in", "factor"),
            f"one call of UpdateShardCount leads to {limits.least_factor:g} of the shards at least",
            f"write factor: {limits.least_factor:g}; a cooldown says when the next call comes (aws:S8)",
        )
