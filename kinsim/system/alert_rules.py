"""StreamAlert's rules: what each costs on every log event, what it matches, when its alerts leave (aws:SA2, SA7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from kinsim.errors import SettingError
from kinsim.rule import rule
from kinsim.units import Duration, Fraction, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinsim.system.function import Call

ALERT_DEADLINE_S = 900.0
"""ASSUMPTION: an alert that comes more than a quarter of an hour after its log event is late."""


class AlertRule(Settings):
    """A rule that the function's code holds against every log event (aws:SA2)."""

    name: str = Field(description="Name of the rule.", examples=["ssh_from_outside"], min_length=1)
    per_log_event_s: Duration = Field(
        default=0.0,
        alias="per_log_event",
        description="CPU work on every log event, whether it matches or not, at one vCPU.",
        examples=["0.02ms"],
    )
    match: Fraction = Field(default=0.0, description="Share of the log events that match.", examples=["0.1%"])
    alert: bool = Field(default=True, description="Whether each match sends an alert.", examples=[True])
    call: str | None = Field(
        default=None,
        description="Which of the function's calls each match makes; no other log event makes it.",
        examples=["threat-intel"],
    )


def check_rules(rules: Sequence[AlertRule], calls: Sequence[Call]) -> None:
    """Refuse rules that contradict each other or the calls; the error leads to the place below `function`."""
    names = [each.name for each in rules]
    by_name = {call.name: (number, call) for number, call in enumerate(calls)}
    for number, each in enumerate(rules):
        first = names.index(each.name)
        if first < number:
            raise SettingError(
                f"two rules have the name {each.name!r}, rules[{first}] and rules[{number}]",
                help="results are told by rule: give each a name of its own",
                at=("rules", number, "name"),
            )
        if each.call is None:
            continue
        at = ("rules", number, "call")
        if each.call not in by_name:
            raise SettingError(
                f"the rule {each.name!r} calls {each.call!r}, but the calls are {', '.join(by_name) or 'none'}",
                help=f"add it to function.calls: {{name: {each.call}, latency: 30ms}}",
                at=at,
            )
        if each.match == 0:
            raise SettingError(
                f"the rule {each.name!r} matches nothing, so that it never calls {each.call!r}",
                help="add match, the share of the log events that match",
                at=at,
            )
        place, call = by_name[each.call]
        if "per" in call.model_fields_set and call.per != "log_event":
            raise SettingError(
                f"the rule {each.name!r} makes the call {each.call!r} for each log event that matches, but "
                f"calls[{place}].per says per {call.per}",
                help=f"leave out per in calls[{place}], or write per: log_event",
                at=at,
            )


@rule
def events_reached(log_events: int, front_us: int, needed_us: int, duration_us: int) -> int:
    """Log events that a run stopped after *duration_us* is through with, of those of its batch.

    Work on them begins after *front_us* and would end after *needed_us*.  ASSUMPTION: it is spread evenly over them, in
    the order of the records.

    >>> events_reached(10, 200, 1_200, 1_200), events_reached(10, 200, 1_200, 699), events_reached(10, 200, 1_200, 150)
    (10, 4, 0)
    """
    if duration_us >= needed_us:
        return log_events
    if duration_us <= front_us:
        return 0
    return (duration_us - front_us) * log_events // (needed_us - front_us)


@rule
def share_reached(front_us: int, needed_us: int, duration_us: int) -> float:
    """Share of the work on its log events that a run stopped after *duration_us* has done.

    >>> share_reached(200, 1_200, 700), share_reached(200, 1_200, 1_300), share_reached(200, 1_200, 100)
    (0.5, 1.0, 0.0)
    """
    if duration_us >= needed_us:
        return 1.0
    return max(0, duration_us - front_us) / (needed_us - front_us)


@rule
def alert_after_us(log_events: Any, front_us: Any, needed_us: Any, event: Any) -> Any:
    """When a run is through with log event number *event* (from 1) of its batch, and its alerts leave (aws:SA7).

    >>> [alert_after_us(10, 200, 1_200, event) for event in (1, 4, 10)]
    [300, 600, 1200]
    """
    return front_us + (needed_us - front_us) * event // log_events


@rule
def is_late(delay_us: Any, deadline_us: int) -> Any:
    """Whether an alert that leaves *delay_us* after its log event is late.

    >>> is_late(900_000_000, 900_000_000), is_late(900_000_001, 900_000_000)
    (False, True)
    """
    return delay_us > deadline_us
