"""What a run begins with must fit together: the records that are there, and what the stream still holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kinsim.errors import SettingError
from kinsim.units import format_duration, parse_time

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_beginning(scenario: Scenario) -> None:
    """Raise SettingError where settings of several stages contradict each other about the start of the run."""
    _check_backlog(scenario)
    _check_position(scenario)


def _check_position(scenario: Scenario) -> None:
    mapping = scenario.event_source_mapping
    where = ("event_source_mapping", "starting_position_timestamp")
    if mapping.starting_position != "AT_TIMESTAMP" or mapping.starting_position_timestamp is None:
        return
    if scenario.run.start_time is None:
        raise SettingError(
            f"got {mapping.starting_position_timestamp}, but the run has no run.start_time to compare it with",
            help="add run.start_time, the wall-clock time at which the run starts",
            at=where,
        )
    begins_s = mapping.begins_s
    if starting_position_s(scenario) > begins_s:
        begins = "" if not begins_s else f", {format_duration(begins_s)} after its start, when the first outage ends"
        raise SettingError(
            f"got {mapping.starting_position_timestamp}: the mapping begins to read before, as the run starts at "
            f"run.start_time {scenario.run.start_time}{begins}; a position cannot be in the future",
            help="write an earlier time, or LATEST",
            at=where,
        )


def starting_position_s(scenario: Scenario) -> float:
    """The time of AT_TIMESTAMP in seconds of the run, below 0 before its start."""
    given, start = scenario.event_source_mapping.starting_position_timestamp, scenario.run.start_time
    assert given is not None and start is not None
    return (parse_time(given) - parse_time(start)).total_seconds()


def tumbling_offset_us(scenario: Scenario) -> int:
    """How much of a tumbling window is over when the run starts: windows follow the wall clock where it is known."""
    window_us, start = round(scenario.event_source_mapping.tumbling_window_s * 1e6), scenario.run.start_time
    if not window_us or start is None:
        return 0
    return (parse_time(start) - EPOCH) // timedelta(microseconds=1) % window_us


def _check_backlog(scenario: Scenario) -> None:
    backlog, retention = scenario.run.initial_backlog, scenario.stream.retention_period_s
    if backlog is not None and retention is not None and backlog.age_s > retention:
        raise SettingError(
            f"a record is {format_duration(backlog.age_s)} old, but stream.retention_period keeps records for "
            f"{format_duration(retention)}: it would have expired before the run",
            help="write a smaller age, or a longer stream.retention_period",
            at=("run", "initial_backlog", "age"),
        )
