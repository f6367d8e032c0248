"""What a producer keeps of its records where it sends only a share of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinsim.engine.draws import Purpose, binomial, uniforms
from kinsim.engine.even import all_single, any_spread
from kinsim.engine.pieces import pieces, record_time_us, singles
from kinsim.engine.tables import Int64, Rows
from kinsim.system.kpl import kpl_plan
from kinsim.system.producer import effective_model

if TYPE_CHECKING:
    from kinsim.engine.context import Context

EVENT_TOTALS = ("data_bytes", "body_bytes", "cpu_us")
"""Totals of a row that go down with its log events."""


def sampling(context: Context) -> Sampling | None:
    """The sampling of a source's producer; None where it sends everything."""
    keep = context.producer.keep
    return None if keep is None or keep == 1.0 else Sampling(context, keep)


class Sampling:
    """Keeps each record with the same chance, drawn by its number: a larger share keeps the same ones and more.

    A subscription filter looks at log events before they are packed into records, so there they are what is kept.
    """

    def __init__(self, context: Context, keep: float) -> None:
        self.keep = keep
        self.key = context.key(Purpose.SAMPLING)
        self.binned = context.bin_us > 0
        self.by_event = effective_model(context.producer, context.source.arrivals.model) == "cloudwatch_logs"
        self.packed = context.producer.model == "kpl" and kpl_plan(context.producer.kpl).aggregates
        """Whether user records become fewer records, so that none is made of what is left out."""
        self.left_out = 0
        """Records that were not sent so far."""

    def kept(self, rows: Rows) -> Rows:
        """What is sent of *rows*."""
        if not len(rows):
            return rows
        if self.by_event:
            return self._events(rows)
        if any_spread(rows) and not self.binned:
            rows = singles(rows)
        created = int(rows.count.sum())
        rows = self._singles(rows) if all_single(rows) else self._groups(rows)
        if not self.packed:
            self.left_out += created - int(rows.count.sum())
        return rows

    def _singles(self, rows: Rows) -> Rows:
        return rows.take(uniforms(self.key, rows.index) >= 1.0 - self.keep)

    def _groups(self, rows: Rows) -> Rows:
        """Some of each row's records, from a place drawn for the row; those of a bin stay spread over all of it."""
        kept = binomial(rows.count, self.keep, uniforms(self.key, rows.index))
        skipped = (uniforms(self.key ^ 1, rows.index) * (rows.count - kept + 1)).astype(np.int64)
        some = np.flatnonzero(kept)
        part = pieces(rows, some, skipped[some], (skipped + kept)[some])
        return _spread_like(rows.take(some), part) if any_spread(rows) else part

    def _events(self, rows: Rows) -> Rows:
        kept = binomial(rows.log_events, self.keep, uniforms(self.key, rows.index))
        totals: dict[str, Any] = {name: _share(getattr(rows, name), kept, rows.log_events) for name in EVENT_TOTALS}
        return replace(rows, log_events=kept, **totals).take(kept > 0)


def _spread_like(whole: Rows, part: Rows) -> Rows:
    """*part* with its records at even gaps over the time that those of *whole* take."""
    start_us = record_time_us(whole, np.zeros(len(whole), np.int64))
    width_us = whole.step_numerator * whole.count // whole.step_denominator
    return replace(
        part,
        time_us=start_us,
        step_numerator=np.where(part.count > 1, width_us, 0),
        step_offset=np.zeros(len(whole), np.int64),
        step_denominator=np.where(part.count > 1, part.count, 1),
    )


def _share(total: Int64, kept: Int64, events: Int64) -> Int64:
    each, rest = np.divmod(total, np.maximum(events, 1))
    return np.asarray(each * kept + rest * kept // np.maximum(events, 1))
