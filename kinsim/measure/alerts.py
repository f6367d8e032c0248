"""Alerts: which log events are due one, when it leaves, how often, and which never do; and what each rule costs.

Alerts are known when their record is stored.  They wait here, by the place of their log event in the shard's line of
log events, until the record is processed or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.matching import Matching
from kinsim.engine.tables import Final, Lines, Loss, Rows, Window
from kinsim.errors import InternalError
from kinsim.measure.cells import grown
from kinsim.measure.minutes import Count, MinuteStat
from kinsim.measure.samples import Samples, Spread
from kinsim.measure.stretches import MINUTE_US, Int64
from kinsim.system.alert_rules import alert_after_us, events_reached, is_late

if TYPE_CHECKING:
    from kinsim.engine.shard_log import ShardLog
    from kinsim.measure.runs import RunSide
    from kinsim.scenario import Scenario

COUNTS = ("alerts", "late_alerts", "lost_alerts", "repeated_alerts")
MOST_BUNDLES = 64
"""Alerts of one rule from one row of records are told apart up to this number, then in as many bundles."""
LARGEST_SETTLED = 4096
"""Alerts that are over are cleared away when they are more than this and half of all."""


class AlertSide:
    """What the function's rules come to: their time, and the fate of their alerts."""

    def __init__(self, scenario: Scenario, shards: int, lines: Lines, minutes: int, warm_up_us: int) -> None:
        """*lines* of each shard."""
        self.numbering, self.of_shard = lines, lines.each
        function = scenario.function
        self.names = [each.name for each in function.rules]
        self.sends = [each.alert for each in function.rules]
        self.alerting = Matching.of(function).alerting
        self.deadline_us = round(function.alert_deadline_s * 1e6)
        self.warm_up_us = warm_up_us
        self.counts = {name: Count(shards, minutes, warm_up_us) for name in COUNTS}
        self.by_rule = {name: np.zeros(len(self.names), np.int64) for name in COUNTS}
        self.delay = Samples(shards)
        self.delay_minutes = MinuteStat(minutes)
        self.rules_us = np.zeros(len(self.names))
        self.duration_us = 0
        self.created = np.zeros(shards, np.int64)
        """Alerts that the records stored on each shard are due, and those of them that are not to come any more."""
        self.gone = np.zeros(shards, np.int64)
        self.puts_back = scenario.event_source_mapping.redrive_at_s is not None
        """Whether discarded records may be worked on after all, so that only the end tells which alerts are lost."""
        self.lines: dict[int, _Line] = {}

    def grow(self, shards: int) -> None:
        """Have room for so many shards."""
        self.created, self.gone = grown(self.created, shards), grown(self.gone, shards)
        for count in self.counts.values():
            count.grow(shards)
        self.delay.grow(shards)

    def window(self, window: Window) -> None:
        """Take in one window."""
        if len(window.rules_us):
            self.rules_us += window.rules_us
        for table in (window.invocations, window.redrives):
            self.duration_us += int(table["duration_us"].sum())
        if not self.alerting:
            return
        for number, log in window.logs.items():
            self._store(number, log)
        runs = window.invocations[window.invocations["records"] > 0]
        for table, take in ((runs, self._runs), (window.losses, self._losses), (window.redrives, self._runs)):
            numbers = self.numbering.of(table["shard"], table["lane"])
            for number in np.unique(numbers).tolist():
                take(number, table[numbers == number], window.logs[number])
        for line in self.lines.values():
            line.clear()
        for writes in window.writes:
            dropped = writes.dropped_by_rule[: len(self.alerting)]
            for rule, alerts in zip(self.alerting, dropped, strict=False):
                self._count("lost_alerts", writes.shard, np.full(alerts.size, rule), alerts, writes.time_us)

    def _store(self, number: int, log: ShardLog) -> None:
        """The alerts of the records that were stored since the last window."""
        line, shard = self.lines.setdefault(number, _Line()), number // self.of_shard
        for rows, _ in log.stored_since(line.records):
            due = _due(rows, self.alerting, line.events)
            self.created[shard] += int(rows.by_rule[: len(self.alerting)].sum())
            line.events += int(rows.log_events.sum())
            line.add(due)
        line.records = log.end

    def _runs(self, number: int, runs: NDArray[np.void], log: ShardLog) -> None:
        """The alerts that invocations sent, for the first time or again, in order of their ends."""
        line, shard = self.lines[number], number // self.of_shard
        first, records, done = (np.ascontiguousarray(runs[name]) for name in ("first", "records", "done"))
        before = line.events_before(first, log)
        log_events, front_us, needed_us, duration_us = (
            np.ascontiguousarray(runs[name]) for name in ("log_events", "front_us", "needed_us", "duration_us")
        )
        reached = log_events.copy()
        for at in np.flatnonzero(duration_us < needed_us).tolist():
            reached[at] = events_reached(*(int(x[at]) for x in (log_events, front_us, needed_us, duration_us)))
        low, high = line.within(before, before + reached)
        begun_us = runs["end_us"] - duration_us
        some = np.flatnonzero(high > low)
        anew = (runs["tries"][some] > 0) | (done[some] < records[some])
        for tries in (some[~anew], *np.split(some[anew], np.arange(1, int(anew.sum())))):
            run = np.repeat(tries, (high - low)[tries])
            if not run.size:
                continue
            which = _each(low[tries], high[tries])
            at_us = begun_us[run] + alert_after_us(
                np.maximum(log_events[run], 1), front_us[run], needed_us[run], line.place[which] - before[run]
            )
            self._send(shard, line, which, at_us)
        settled = line.within(before, line.events_before(first + done, log))
        line.over[_each(*settled)] = True

    def _send(self, shard: int, line: _Line, which: Int64, at_us: Int64) -> None:
        again = line.sent[which]
        rule, alerts = line.rule[which], line.alerts[which]
        self._count("repeated_alerts", shard, rule[again], alerts[again], at_us[again])
        which, at_us, rule, alerts = which[~again], at_us[~again], rule[~again], alerts[~again]
        line.sent[which] = True
        self._count("alerts", shard, rule, alerts, at_us)
        delay_us = at_us - line.own_us[which]
        late = is_late(delay_us, self.deadline_us)
        self._count("late_alerts", shard, rule[late], alerts[late], at_us[late])
        self.delay_minutes.add(at_us // MINUTE_US, delay_us, alerts)
        warm = line.arrival_us[which] >= self.warm_up_us
        self.delay.add(Spread(np.full(int(warm.sum()), shard), delay_us[warm], alerts[warm], at_us[warm]))

    def _losses(self, number: int, losses: NDArray[np.void], log: ShardLog) -> None:
        """The alerts of lost records that were not sent by an earlier try.

        None is due for records that are skipped or filtered out: the function is not to see them.
        """
        line, shard = self.lines[number], number // self.of_shard
        first = np.ascontiguousarray(losses["first"])
        end = first + losses["records"]
        low, high = line.within(line.events_before(first, log), line.events_before(end, log))
        which = _each(low, high)
        at_us, cause = np.repeat(losses["time_us"], high - low), np.repeat(losses["cause"], high - low)
        held = (cause == Loss.DISCARDED) & self.puts_back
        line.given_up_us[which[held]] = at_us[held]
        which, at_us, cause = which[~held], at_us[~held], cause[~held]
        self._give_up(shard, line, which, at_us, (cause != Loss.SKIPPED) & (cause != Loss.FILTERED))

    def _give_up(self, shard: int, line: _Line, which: Int64, at_us: Int64, lost: NDArray[np.bool_]) -> None:
        """Alerts of records that are over; those that were not sent and are *lost* count as such."""
        line.over[which] = True
        unsent = ~line.sent[which]
        self.gone[shard] += int(line.alerts[which[unsent]].sum())
        lost = unsent & lost
        self._count("lost_alerts", shard, line.rule[which[lost]], line.alerts[which[lost]], at_us[lost])

    def finish(self) -> None:
        """At the end: alerts of discarded records that were not put back are lost, since they were discarded."""
        for number, line in self.lines.items():
            which = np.flatnonzero((line.given_up_us >= 0) & ~line.over)
            at_us = line.given_up_us[which]
            self._give_up(number // self.of_shard, line, which, at_us, np.ones(which.size, np.bool_))

    def _count(self, name: str, shard: int, rule: Int64, alerts: Int64, at_us: Int64) -> None:
        if alerts.size:
            np.add.at(self.by_rule[name], rule, alerts)
            self.counts[name].add(np.full(alerts.size, shard), alerts, at_us)

    def check(self, final: Final, replication: int) -> None:
        """Each alert that stored records are due was sent, is lost or is still to come (language, rule 18)."""
        for shard, due in enumerate(self.created.tolist()):
            numbers = range(shard * self.of_shard, (shard + 1) * self.of_shard)
            books = {
                "due": due,
                "sent": int(self.counts["alerts"].by_shard[shard]),
                "lost, skipped or filtered": int(self.gone[shard]),
                "still to come": sum(self.lines[number].to_come() for number in numbers if number in self.lines),
            }
            left = sum(final.waiting.get(number, 0) + final.in_flight.get(number, 0) for number in numbers)
            if due != sum(books.values()) - due or (books["still to come"] and not left):
                raise InternalError(f"shard {shard} of replication {replication} does not conserve alerts: {books}")

    def rules(self) -> list[dict[str, float | str | None]]:
        """Each rule: its share of all Duration, and its alerts; the whole run counts, the warm-up too."""
        found: list[dict[str, float | str | None]] = []
        for number, name in enumerate(self.names):
            share = float(self.rules_us[number]) / self.duration_us if self.duration_us else None
            alerts = {key: float(self.by_rule[key][number]) if self.sends[number] else None for key in COUNTS}
            found.append({"name": name, "duration_share": share, **alerts})
        return found


def alert_counts(side: AlertSide | None) -> dict[str, Count]:
    """The counts of alerts, where the function has rules that send some."""
    return {} if side is None or not any(side.sends) else side.counts


def add_delays(side: AlertSide | None, runs: RunSide) -> None:
    """Put the delays of alerts beside the other samples, where the function has rules that send some."""
    if side is not None and any(side.sends):
        runs.samples["alert_delay_s"], runs.minutes["alert_delay_s"] = side.delay, side.delay_minutes


class _Line:
    """The alerts of one shard that are not over, in the order of their log events."""

    def __init__(self) -> None:
        self.records = self.events = 0
        """Records stored so far, and log events in them."""
        self.place = self.rule = self.alerts = self.own_us = self.arrival_us = self.given_up_us = np.zeros(0, np.int64)
        """Number of the log event on the shard, from 1; rule; alerts; the event's own time; its record's arrival;
        when that was discarded, if it may be put back (else -1)."""
        self.sent = self.over = np.zeros(0, np.bool_)

    def add(self, due: tuple[Int64, ...]) -> None:
        """Alerts of records that were stored: place, rule, alerts, own time and arrival."""
        if not due[0].size:
            return
        for name, column in zip(("place", "rule", "alerts", "own_us", "arrival_us"), due, strict=True):
            setattr(self, name, np.concatenate([getattr(self, name), column]))
        for name in ("sent", "over"):
            setattr(self, name, np.append(getattr(self, name), np.zeros(due[0].size, np.bool_)))
        self.given_up_us = np.append(self.given_up_us, np.full(due[0].size, -1))

    def events_before(self, record: Int64, log: ShardLog) -> Int64:
        """Log events of the shard that come before each *record*."""
        return self.events - log.amounts("log_events", record, np.full(record.size, log.end))

    def within(self, before: Int64, until: Int64) -> tuple[Int64, Int64]:
        """First alert after *before* log events, and the one after the last that comes by *until*."""
        return self.place.searchsorted(before, "right"), self.place.searchsorted(until, "right")

    def to_come(self) -> int:
        """Alerts that were not sent, of records that are not over."""
        return int(self.alerts[~self.sent & ~self.over].sum())

    def clear(self) -> None:
        """Forget what is over, when it pays."""
        over = int(np.count_nonzero(self.over))
        if over > LARGEST_SETTLED and 2 * over > self.over.size:
            left = ~self.over
            for name in ("place", "rule", "alerts", "own_us", "arrival_us", "given_up_us", "sent", "over"):
                setattr(self, name, getattr(self, name)[left])


def _due(rows: Rows, alerting: tuple[int, ...], events: int) -> tuple[Int64, ...]:
    """The alerts that *rows* are due, whose first log event comes after *events* others on the shard.

    ASSUMPTION: the alerts of one rule lie evenly among the log events of their row, which is a record where chance
    decides what matches.
    """
    line, row = np.nonzero(rows.by_rule[: len(alerting)])
    alerts = rows.by_rule[line, row]
    bundles = np.minimum(alerts, MOST_BUNDLES)
    which = np.repeat(np.arange(row.size), bundles)
    number = np.arange(which.size) - np.repeat(np.cumsum(bundles) - bundles, bundles)
    row, line, alerts, bundles = row[which], line[which], alerts[which], bundles[which]
    log_events, count = rows.log_events[row], rows.count[row]
    event = (2 * number + 1) * log_events // (2 * bundles)
    record = ((event + 1) * count - 1) // log_events
    arrival_us = (
        rows.time_us[row] + (record * rows.step_numerator[row] + rows.step_offset[row]) // (rows.step_denominator[row])
    )
    before = events + np.cumsum(rows.log_events) - rows.log_events
    place = before[row] + event + 1
    order = np.argsort(place, kind="stable")
    columns = (
        place,
        np.array(alerting, np.int64)[line],
        alerts * (number + 1) // bundles - alerts * number // bundles,
        arrival_us - rows.lag_us[row],
        arrival_us,
    )
    return tuple(np.asarray(column[order], np.int64) for column in columns)


def _each(low: Int64, high: Int64) -> Int64:
    """All numbers from *low* up to *high* of each pair.

    >>> _each(np.array([3, 7]), np.array([5, 10])).tolist()
    [3, 4, 7, 8, 9]
    """
    sizes = high - low
    return np.repeat(low - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
