"""When the flow logs of which interface reach CloudWatch Logs, and how many lines they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinsim.engine.draws import Purpose
from kinsim.engine.tables import Int64, Rows
from kinsim.system.partition_keys import KeyTable
from kinsim.system.workload.vpc_flow_logs import (
    ALIGNED,
    FIVE_MIN_FLUSH,
    FIVE_MINUTES_US,
    PHASES,
    VpcFlowLogsArrivals,
    flushed_intervals,
    lines_of_intervals,
)
from kinsim.units import parse_duration_us

if TYPE_CHECKING:
    from kinsim.engine.arrivals import Context

PHASE, SPREAD, LINES, OFFSET = range(4)
"""What the draws of a source are for, as part of their address."""


class FlowLogDrawer:
    """Log lines by publication: a row is what one interface's log stream gets at one instant.

    Publications come in cycles of an aggregation interval (or five minutes): all interfaces of a cycle are drawn
    together, and wait here for the window in which they are due.
    """

    fills = frozenset({"data_bytes", "body_bytes", "log_events", "key", "key_bytes", "lag_us"})

    def __init__(self, context: Context) -> None:
        from kinsim.engine.context import window_for

        settings = context.source.arrivals
        assert isinstance(settings, VpcFlowLogsArrivals)
        self.context = context
        self.settings = settings
        self.interval_us = parse_duration_us(settings.aggregation_interval_s)
        self.delay_us = parse_duration_us(settings.publish_delay_s)
        self.spread_us = parse_duration_us(settings.publish_spread_s)
        self.kind = PHASES[settings.phase]
        self.cycle_us = FIVE_MINUTES_US if self.kind == FIVE_MIN_FLUSH else self.interval_us
        self.window_us = window_for(settings.interfaces / (self.cycle_us / 1e6), 0)
        self._draw_interfaces()
        self.key_table = log_streams(context, settings.interfaces)
        self.key_bytes = self.key_table.key_bytes
        reach_us = self.delay_us + self.spread_us + (0 if self.kind == FIVE_MIN_FLUSH else self.cycle_us)
        self.first_cycle = -(reach_us // self.cycle_us) - 1
        self.next_cycle = self.first_cycle
        self.due = _Due()

    def _draw_interfaces(self) -> None:
        """What each interface keeps: its phase and its lines per interval."""
        n, draw = self.settings.interfaces, self.context.generator
        self.phase_us = np.zeros(n, np.int64)
        if self.kind != ALIGNED:
            self.phase_us = (draw(Purpose.ARRIVALS, PHASE).random(n) * self.interval_us).astype(np.int64)
        self.lines = self.settings.lines_per_interface.sample(draw(Purpose.ARRIVALS, LINES), n)
        self.offset = draw(Purpose.ARRIVALS, OFFSET).random(n)

    def window(self, start_us: int, end_us: int) -> Rows:
        """The publications of ``[start_us, end_us)``."""
        while self.next_cycle * self.cycle_us + self.delay_us < end_us:
            self.due.add(self._cycle(self.next_cycle))
            self.next_cycle += 1
        time_us, interface, lines, own_us = self.due.take_until(end_us)
        seen = slice(int(time_us.searchsorted(start_us)), None)
        return self._rows(time_us[seen], interface[seen], lines[seen], own_us[seen])

    def _cycle(self, number: int) -> Int64:
        """Time, interface, lines and the lines' own time of the publications of one cycle, as four rows."""
        base_us = number * self.cycle_us
        if self.kind == FIVE_MIN_FLUSH:
            first, last = flushed_intervals(base_us, self.phase_us, self.interval_us)
            own_us = self.phase_us + (first + last) * self.interval_us // 2
            time_us = np.full(self.phase_us.size, base_us)
        else:
            first = last = np.full(self.phase_us.size, number)
            own_us = time_us = self.phase_us + base_us
        time_us = time_us + self.delay_us
        if self.spread_us:
            share = self.context.generator(Purpose.ARRIVALS, SPREAD, number - self.first_cycle).random(time_us.size)
            time_us = time_us + (share * self.spread_us).astype(np.int64)
        lines = lines_of_intervals(first, last, self.lines, self.offset)
        kept = np.flatnonzero(lines >= 1)
        return np.stack([time_us[kept], kept, lines[kept].astype(np.int64), own_us[kept]])

    def _rows(self, time_us: Int64, interface: Int64, lines: Int64, own_us: Int64) -> Rows:
        rows = Rows.empty(time_us.size)
        rows.time_us = time_us
        rows.log_events = lines
        rows.data_bytes = rows.body_bytes = lines * self.settings.line_size_bytes
        rows.key = interface
        rows.key_bytes = self.key_bytes[interface]
        rows.lag_us = time_us - own_us
        return rows


class _Due:
    """Publications that wait for their window, as columns time, interface, lines, own time."""

    def __init__(self) -> None:
        self.parts: list[Int64] = []

    def add(self, more: Int64) -> None:
        """Put in the publications of a cycle, ordered by interface."""
        self.parts.append(more)

    def take_until(self, end_us: int) -> Int64:
        """Take out what is due before *end_us*, ordered by time, then interface."""
        table = np.concatenate([np.zeros((4, 0), np.int64), *self.parts], axis=1)
        due = table[0] < end_us
        self.parts = [table[:, ~due]]
        taken = table[:, due]
        ordered: Int64 = taken[:, np.lexsort((taken[1], taken[0]))]
        return ordered


def log_streams(context: Context, count: int) -> KeyTable:
    """Names of log streams as VPC gives them: ``eni-0a1b2c3d4e5f60718-all`` (aws:V4); new in each replication."""
    generator = context.generator(Purpose.KEY_NAMES)
    high = generator.integers(0, 1 << 36, count)
    low = generator.integers(0, 1 << 32, count)
    return KeyTable.of(
        [f"eni-{first:09x}{second:08x}-all" for first, second in zip(high.tolist(), low.tolist(), strict=True)]
    )


def flow_log_drawer(context: Context) -> FlowLogDrawer:
    """The drawer of arrivals model ``vpc_flow_logs``."""
    return FlowLogDrawer(context)
