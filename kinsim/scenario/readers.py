"""Readers of a stream must fit together: what they share, and what enhanced fan-out leaves without meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsim.errors import Problem, SettingError
from kinsim.scenario.checks import problem_at
from kinsim.scenario.tree import Node
from kinsim.scenario.unbuilt import NOT_YET
from kinsim.system.fan_out import may_register
from kinsim.system.metrics import PER_CALL, PER_CONSUMER

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario
    from kinsim.scenario.profiles import Profile


def check_readers(scenario: Scenario) -> None:
    """Raise SettingError where the settings of readers contradict each other."""
    _check_shared(scenario)
    _check_names(scenario)
    _check_watched(scenario)
    mapping = scenario.event_source_mapping
    if scenario.stream.enhanced_fan_out and mapping.filters:
        raise SettingError(
            f"a filter {NOT_YET} where stream.enhanced_fan_out pushes the records to the mapping",
            help="remove one of them",
            at=("event_source_mapping", "filter"),
        )
    if scenario.stream.enhanced_fan_out and mapping.behind == "one_batch_per_poll":
        raise SettingError(
            "behind is one_batch_per_poll, but with stream.enhanced_fan_out the mapping does not poll",
            help="write behind: keep_invoking, or enhanced_fan_out: false",
            at=("event_source_mapping", "behind"),
        )


def _check_shared(scenario: Scenario) -> None:
    """Other applications would take from limits that nobody feels."""
    stream, mapping = scenario.stream, scenario.event_source_mapping
    if all(each.enhanced_fan_out for each in stream.consumers):
        return
    if not stream.enforce_read_limits:
        raise SettingError(
            "consumers take part of a shard's read limits, but stream.enforce_read_limits is false: nothing changes",
            help="write stream.enforce_read_limits: true, or remove the consumers",
            at=("stream", "consumers"),
        )
    if not mapping.poll_interval_s and not stream.enhanced_fan_out:
        raise SettingError(
            "consumers take part of a shard's GetRecords calls, but with event_source_mapping.poll_interval 0 the "
            "mapping makes none",
            help="write event_source_mapping.poll_interval: 1s, or remove the consumers",
            at=("stream", "consumers"),
        )


def _check_names(scenario: Scenario) -> None:
    """The mapping is registered under the name of its function."""
    for number, each in enumerate(scenario.stream.consumers):
        if scenario.stream.enhanced_fan_out and each.enhanced_fan_out and each.name == scenario.name:
            raise SettingError(
                f"the mapping is registered under the name of the scenario, {each.name!r}, which this consumer has too",
                help="give it another name",
                at=("stream", "consumers", number, "name"),
            )


def check_registered(document: Node, scenario: Scenario, profile: Profile) -> list[Problem]:
    """Whether AWS registers so many consumers on a stream."""
    message = too_many_registered(scenario.stream.registered, [scenario], profile)
    return [problem_at(document, ("stream", "consumers"), message, FEWER_REGISTERED)] if message else []


def too_many_registered(registered: int, readers: Sequence[Scenario], profile: Profile) -> str:
    """What is wrong with so many consumers of one stream, the mappings of *readers* among them; empty: nothing."""
    most = most_registered(readers[0], profile)
    if may_register(registered, most):
        return ""
    mappings = sum(each.stream.enhanced_fan_out for each in readers)
    among = {0: "", 1: ", the mapping among them"}.get(mappings, f", {mappings} mappings among them")
    return (
        f"{registered} consumers read by enhanced fan-out{among}, but profile {profile.name} registers {most} on a "
        "stream (aws:G9)"
    )


FEWER_REGISTERED = "let some read by shared throughput (enhanced_fan_out: false), or from another stream"


def most_registered(scenario: Scenario, profile: Profile) -> int:
    """Consumers that may be registered on the stream; 0: without limit."""
    name = "efo_max_consumers"
    if scenario.stream.stream_mode == "ON_DEMAND_ADVANTAGE" and f"{name}_on_demand_advantage" in profile.constants:
        name += "_on_demand_advantage"
    return int(profile.constant(name)) if name in profile.constants else 0


def registered_consumers(scenario: Scenario) -> list[str]:
    """Names of the other consumers with enhanced fan-out; of pipelines that share a stream the first has them."""
    consumers = scenario.stream.consumers if scenario.member.pays_for_stream else []
    return [each.name for each in consumers if each.enhanced_fan_out]


def _check_watched(scenario: Scenario) -> None:
    """An SLO or alarm on what nobody measures."""
    pushed = scenario.stream.enhanced_fan_out
    polled = not pushed or any(not each.enhanced_fan_out for each in scenario.stream.consumers)
    for kind, watched in (("slos", scenario.slos), ("alarms", scenario.alarms)):
        for name, each in watched.items():
            if each.metric in PER_CONSUMER and not pushed:
                raise SettingError(
                    f"{each.metric} is measured where the mapping reads by enhanced fan-out",
                    help="write stream.enhanced_fan_out: true, or watch GetRecords.IteratorAgeMilliseconds",
                    at=(kind, name, "metric"),
                )
            if each.metric in PER_CALL and not polled:
                raise SettingError(
                    f"{each.metric} has no data: with stream.enhanced_fan_out nobody calls GetRecords",
                    help="watch SubscribeToShardEvent.MillisBehindLatest, or IteratorAge",
                    at=(kind, name, "metric"),
                )
