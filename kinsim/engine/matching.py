"""Which log events the function's rules match: drawn by the record's number, and kept with the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import Purpose, address_key, binomial, generator, uniforms
from kinsim.engine.even import all_single
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import singles
from kinsim.engine.tables import Int64, Rows
from kinsim.system.function import call_times

if TYPE_CHECKING:
    from kinsim.engine.context import Context
    from kinsim.system.function import Function


@dataclass(frozen=True)
class Matching:
    """The rules that do something when they match, and the lines that they have in the column `by_rule`.

    First come the alerts of each rule that sends some, then, for each rule that makes calls, their time when they are
    healthy, then their time when they fail.
    """

    alerting: tuple[int, ...]
    """Numbers of the rules that send alerts."""
    calling: tuple[int, ...]
    """Numbers of the rules that make calls."""
    by_chance: bool
    """Whether it is drawn which log events match."""

    @staticmethod
    def of(function: Function) -> Matching:
        """The rules of *function* that match anything."""
        rules = [(number, each) for number, each in enumerate(function.rules) if each.match > 0]
        return Matching(
            alerting=tuple(number for number, each in rules if each.alert),
            calling=tuple(number for number, each in rules if each.call is not None),
            by_chance=any(each.match < 1 and (each.alert or each.call is not None) for _, each in rules),
        )

    def __bool__(self) -> bool:
        return bool(self.alerting or self.calling)

    def columns_of_calls(self) -> tuple[tuple[int, str, str], ...]:
        """Of each rule that makes calls: its number and the log's names of their time, healthy and failing."""
        healthy, failing = len(self.alerting), len(self.alerting) + len(self.calling)
        return tuple(
            (number, f"by_rule.{healthy + place}", f"by_rule.{failing + place}")
            for place, number in enumerate(self.calling)
        )


def one_by_one(rows: Rows, matching: Matching, context: Context) -> Rows:
    """*rows* as rows of one record where it is drawn which of them match; those of bins stay together."""
    if not matching.by_chance or context.bin_us or all_single(rows):
        return rows
    return in_order(singles(rows))


def matched(rows: Rows, function: Function, matching: Matching, context: Context, window: int) -> dict[str, Any]:
    """The columns of *rows* that tell what the rules do with them: alerts, and time in the calls of matches."""
    lines = np.zeros((len(matching.alerting) + 2 * len(matching.calling), len(rows)), np.int64)
    call_us = [np.array(column, np.int64) for column in (rows.call_us, rows.call_failing_us)]
    calls = {call.name: call for call in function.calls}
    places = [len(matching.alerting), len(matching.alerting) + len(matching.calling)]
    for number in sorted({*matching.alerting, *matching.calling}):
        rule, replication = function.rules[number], context.replication
        key = address_key(context.seed, replication, Purpose.MATCHES, context.name, rule.name)
        found = matches(rows.log_events, rule.match, uniforms(key, rows.index))
        if number in matching.alerting:
            lines[matching.alerting.index(number)] = found
        if rule.call is not None:
            address = context.reader_seed, replication, Purpose.CALLS, context.name, window
            drawn = generator(*address, rule.name)
            for kind, spent_us in enumerate(call_times(function, calls[rule.call], drawn, found)):
                lines[places[kind] + matching.calling.index(number)] = spent_us
                call_us[kind] += spent_us
    return {"by_rule": lines, "call_us": call_us[0], "call_failing_us": call_us[1]}


def matches(log_events: Int64, share: float, u: NDArray[np.float64]) -> Int64:
    """How many of each row's *log_events* match, by inversion of *u*: never fewer at a larger share.

    >>> matches(np.array([1, 1, 20, 20]), 0.05, np.array([0.94, 0.96, 0.3, 0.5])).tolist()
    [0, 1, 0, 1]
    """
    if share >= 1.0:
        return np.array(log_events, np.int64)
    found = np.zeros(log_events.size, np.int64)
    some = np.flatnonzero(u > np.exp(log_events * np.log1p(-share)))
    found[some] = np.maximum(binomial(log_events[some], share, u[some]), np.minimum(log_events[some], 1))
    return found
