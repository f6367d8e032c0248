"""What a run begins with must fit together: the records that are there, and what the stream still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsim.errors import SettingError
from kinsim.units import format_duration

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario


def check_beginning(scenario: Scenario) -> None:
    """Raise SettingError where settings of several stages contradict each other about the start of the run."""
    backlog, retention = scenario.run.initial_backlog, scenario.stream.retention_period_s
    if backlog is not None and retention is not None and backlog.age_s > retention:
        raise SettingError(
            f"a record is {format_duration(backlog.age_s)} old, but stream.retention_period keeps records for "
            f"{format_duration(retention)}: it would have expired before the run",
            help="write a smaller age, or a longer stream.retention_period",
            at=("run", "initial_backlog", "age"),
        )
