"""What a producer does to records before it first offers them to the stream.

Stages take the rows of consecutive windows and give back the rows that are *offered* in each, holding the rest:
records gathered into calls, log events packed into records, delays on the way.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from kinsim.engine.draws import Purpose
from kinsim.engine.pieces import MINUTE_US, cut, pieces, record_time_us, singles
from kinsim.engine.tables import Int64, Rows
from kinsim.system.distributions import Distribution
from kinsim.system.partition_keys import EVEN, RANDOM, RANDOM_KEY_BYTES, KeyTable
from kinsim.system.producer import (
    LINE_BYTES,
    CallPlan,
    SubscriptionPlan,
    acts_on_answers,
    call_plan,
    effective_model,
    event_body_bytes,
    gzip_bytes,
    records_for,
    subscription_plan,
)
from kinsim.system.workload.vpc_flow_logs import VpcFlowLogsArrivals

if TYPE_CHECKING:
    from kinsim.engine.arrivals import Context

PUT, DELIVERY = range(2)
"""What the draws of a stage are for, as part of their address."""


class Stage(Protocol):
    """What stands between the records of a source and the stream."""

    def window(self, rows: Rows, start_us: int, end_us: int) -> Rows:
        """The rows offered in ``[start_us, end_us)``, given those that are created then."""

    def waiting(self) -> int:
        """Records created and not yet offered."""


def producer_stage(context: Context, key_table: KeyTable | None) -> Stage | None:
    """The stage of the source's producer; None where records are offered as they are created."""
    producer = context.producer
    model = effective_model(producer, context.source.arrivals.model)
    if acts_on_answers(producer):
        return None
    if model == "cloudwatch_logs":
        return Subscription(context, key_table)
    plan = call_plan(producer, context.call_bytes)
    if plan.batch_size > 1:
        return Calls(context, plan, producer.put_latency_s)
    if producer.put_latency_s is not None and producer.put_latency_s.mean > 0:
        return Calls(context, CallPlan(), producer.put_latency_s)
    return None


class _Held:
    """Rows that are ready and wait for the window in which they are offered."""

    def __init__(self) -> None:
        self.rows = Rows.empty()

    def add(self, rows: Rows) -> None:
        if not len(rows):
            return
        together = Rows.concatenate([self.rows, rows]) if len(self.rows) else rows
        if bool((np.diff(together.time_us) < 0).any()):
            together = together.take(np.argsort(together.time_us, kind="stable"))
        self.rows = together

    def take_until(self, end_us: int) -> Rows:
        """Take out what is offered before *end_us*."""
        ready = int(self.rows.time_us.searchsorted(end_us))
        taken, self.rows = self.rows.take(slice(0, ready)), self.rows.take(slice(ready, None))
        return taken


class _Delays:
    """Draws of a duration, by window and in the order of its rows."""

    def __init__(self, context: Context, spread: Distribution | None, what: int) -> None:
        self.context = context
        self.spread = spread
        self.what = what
        self.constant_us = 0
        if spread is not None and spread.constant is not None:
            self.constant_us = int(spread.constant * 1e6 + 0.5)

    @property
    def varies(self) -> bool:
        return self.spread is not None and self.spread.constant is None

    def draw(self, n: int, window: int) -> Int64:
        if not self.varies or self.spread is None:
            return np.full(n, self.constant_us)
        seconds = self.spread.sample(self.context.generator(Purpose.PRODUCER, self.what, window), n)
        return np.floor(seconds * 1e6 + 0.5).astype(np.int64)


# -- an application's calls ----------------------------------------------------------------------------------


class Calls:
    """Records that share put calls: a call leaves when it is full, or *flush* after its first record.

    A call is full by number, or when a record comes whose bytes do not fit any more; that one begins the next.
    Its records are in the stream when the call ends, *put_latency* later.
    """

    def __init__(self, context: Context, plan: CallPlan, latency: Distribution | None) -> None:
        self.plan = plan
        self.delays = _Delays(context, latency, PUT)
        self.open = Rows.empty()
        self.held = _Held()

    def window(self, rows: Rows, start_us: int, end_us: int) -> Rows:
        """The rows offered in the window."""
        width_us = end_us - start_us
        if self.plan.batch_size == 1 and not self.delays.varies:
            self.held.add(_later(rows, self.delays.constant_us, min(width_us, MINUTE_US)))
        else:
            self._gather(rows, start_us, end_us)
        return self.held.take_until(end_us)

    def waiting(self) -> int:
        """Records gathered or on their way."""
        return int(self.open.count.sum() + self.held.rows.count.sum())

    def _gather(self, rows: Rows, start_us: int, end_us: int) -> None:
        rows = Rows.concatenate([self.open, rows]) if len(self.open) else rows
        if _bytes_matter(rows, self.plan):
            rows = singles(rows)
        if not len(rows):
            return
        first_of_row = np.concatenate(([0], np.cumsum(rows.count)))
        ends, leave_us, done = calls_of(rows, first_of_row.tolist(), self.plan, end_us)
        self.open = _records(rows, first_of_row, [done], int(first_of_row[-1]))[0]
        if ends.size:
            offered, call = _records(rows, first_of_row, [0, *ends.tolist()[:-1]], done)
            offered_us = (leave_us + self.delays.draw(ends.size, start_us // (end_us - start_us)))[call]
            self.held.add(_offered_together(offered, offered_us))


def calls_of(rows: Rows, first_of_row: list[int], plan: CallPlan, end_us: int) -> tuple[Int64, Int64, int]:
    """Record number after each call's last, when the calls leave, and the first record that waits at *end_us*.

    >>> rows = replace(Rows.empty(4), time_us=np.array([0, 10, 20, 200]))
    >>> calls_of(rows, [0, 1, 2, 3, 4], CallPlan(batch_size=2, flush_us=50), 1_000)
    (array([2, 3, 4]), array([ 10,  70, 250]), 4)
    """
    if first_of_row[-1] == len(rows):
        times = (rows.time_us + rows.step_offset // rows.step_denominator).tolist()
        return calls_of_singles(times, _fitting(rows, plan), plan, end_us)
    starts, counts = rows.time_us.tolist(), rows.count.tolist()
    numerators, offsets = rows.step_numerator.tolist(), rows.step_offset.tolist()
    denominators = rows.step_denominator.tolist()

    def time_of(record: int, row: int) -> int:
        step = (record - first_of_row[row]) * numerators[row] + offsets[row]
        return int(starts[row] + step // denominators[row])

    def until(deadline_us: int, row: int) -> int:
        """Records that have come by *deadline_us*, looking from *row* on."""
        last = bisect_right(starts, deadline_us, row) - 1
        within = counts[last]
        if numerators[last]:
            left = (deadline_us + 1 - starts[last]) * denominators[last] - offsets[last]
            within = min(within, max(0, -(-left // numerators[last])))
        return int(first_of_row[last] + within)

    ends: list[int] = []
    leave_us: list[int] = []
    total, record, row = first_of_row[-1], 0, 0
    while record < total:
        row = bisect_right(first_of_row, record, row) - 1
        deadline_us = time_of(record, row) + plan.flush_us
        full = record + plan.batch_size
        end = min(full, until(deadline_us, row))
        if end < full and deadline_us >= end_us:
            break
        ends.append(end)
        leave_us.append(deadline_us if end < full else time_of(end - 1, bisect_right(first_of_row, end - 1, row) - 1))
        record = end
    return np.array(ends, np.int64), np.array(leave_us, np.int64), record


def calls_of_singles(
    times: list[int], fitting: list[int] | None, plan: CallPlan, end_us: int
) -> tuple[Int64, Int64, int]:
    """The same where each row is one record; *fitting* says where a call from each record on is full by its bytes."""
    ends: list[int] = []
    leave_us: list[int] = []
    total, record = len(times), 0
    while record < total:
        deadline_us = times[record] + plan.flush_us
        full = record + plan.batch_size
        end = bisect_right(times, deadline_us, record, min(full, total))
        heavy = fitting is not None and fitting[record] < end
        if fitting is not None and heavy:
            end = fitting[record]
        elif end < full and deadline_us >= end_us:
            break
        ends.append(end)
        leave_us.append(times[end] if heavy else deadline_us if end < full else times[end - 1])
        record = end
    return np.array(ends, np.int64), np.array(leave_us, np.int64), record


def _fitting(rows: Rows, plan: CallPlan) -> list[int] | None:
    """For each record the first one that a call beginning with it has no room for; None where bytes never matter.

    >>> rows = replace(Rows.empty(4), data_bytes=np.array([50, 60, 40, 101]))
    >>> _fitting(rows, CallPlan(batch_size=3, max_bytes=100))                # a record too heavy for any goes alone
    [1, 3, 3, 4]
    """
    return full_at(rows.data_bytes + rows.key_bytes, plan) if _bytes_matter(rows, plan) else None


def full_at(weight: Int64, plan: CallPlan) -> list[int] | None:
    """The same for single records of so many bytes."""
    if plan.max_bytes < 0 or plan.batch_size * int(weight.max()) <= plan.max_bytes:
        return None
    total = np.concatenate(([0], np.cumsum(weight)))
    fitting = total.searchsorted(total[:-1] + plan.max_bytes, "right") - 1
    full: list[int] = np.maximum(fitting, np.arange(1, weight.size + 1)).tolist()
    return full


def _bytes_matter(rows: Rows, plan: CallPlan) -> bool:
    """Whether as many of the heaviest of *rows* as a call may hold are more than its bytes allow (aws:W10)."""
    if not len(rows) or plan.max_bytes < 0:
        return False
    heaviest = -(-(rows.data_bytes + rows.key_bytes) // rows.count)
    return plan.batch_size * int(heaviest.max()) > plan.max_bytes


def _records(rows: Rows, first_of_row: Int64, starts: list[int], end: int) -> tuple[Rows, NDArray[np.intp]]:
    """Records from *starts[0]* to *end* as rows cut at each of *starts*, and the part that each row is in."""
    begin = starts[0]
    if int(first_of_row[-1]) == len(rows):
        single = rows.take(slice(begin, end))
        return single, np.array(starts, np.int64).searchsorted(np.arange(begin, end), "right") - 1
    inner = first_of_row[(first_of_row >= begin) & (first_of_row < end)]
    bounds = np.unique(np.concatenate([np.array(starts, np.int64), inner]))
    bounds = bounds[bounds < end]
    row = first_of_row.searchsorted(bounds, "right") - 1
    first = bounds - first_of_row[row]
    last = np.concatenate([bounds[1:], [end]])[: bounds.size] - first_of_row[row]
    part = np.array(starts, np.int64).searchsorted(bounds, "right") - 1
    return pieces(rows, row, first, last), part


def _offered_together(rows: Rows, offered_us: Int64) -> Rows:
    """*rows* as they are offered, each all at once; the age grows by the mean wait of the row's records."""
    first_us, last_us = record_time_us(rows, np.zeros(len(rows), np.int64)), record_time_us(rows, rows.count - 1)
    zero = np.zeros(len(rows), np.int64)
    return replace(
        rows,
        time_us=offered_us,
        step_numerator=zero,
        step_offset=zero,
        step_denominator=zero + 1,
        lag_us=rows.lag_us + offered_us - (first_us + last_us) // 2,
    )


def _later(rows: Rows, delay_us: int, every_us: int) -> Rows:
    """*rows* moved by a constant delay."""
    return cut(replace(rows, time_us=rows.time_us + delay_us, lag_us=rows.lag_us + delay_us), every_us)


# -- CloudWatch Logs -----------------------------------------------------------------------------------------


class Subscription:
    """A subscription filter: what a log stream gets within *flush* becomes one record, or several full ones.

    Records of a source without named log streams are packed together and keep random keys.
    """

    def __init__(self, context: Context, key_table: KeyTable | None) -> None:
        arrivals = context.source.arrivals
        fields, line = False, float(LINE_BYTES)
        if isinstance(arrivals, VpcFlowLogsArrivals):
            fields, line = arrivals.extracted_fields, float(arrivals.line_size_bytes)
        self.plan = subscription_plan(context.producer, fields, line)
        self.key_table = key_table
        self.delivery = _Delays(context, context.producer.delivery_delay_s, DELIVERY)
        self.put = _Delays(context, context.producer.put_latency_s, PUT)
        self.open = Rows.empty()
        self.held = _Held()
        self.offered = 0

    def window(self, rows: Rows, start_us: int, end_us: int) -> Rows:
        """The records offered in the window."""
        self._pack(rows, end_us, start_us // (end_us - start_us))
        offered = self.held.take_until(end_us)
        if len(offered):
            offered.index = self.offered + np.cumsum(offered.count) - offered.count
            self.offered += int(offered.count.sum())
        return offered

    def waiting(self) -> int:
        """Records that wait for delivery, and those that the log events not yet packed will form."""
        if not len(self.open):
            return int(self.held.rows.count.sum())
        _, events = np.unique(_stream(self.open), return_inverse=True)
        per_stream = np.bincount(events, weights=self.open.log_events).astype(np.int64)
        return int(self.held.rows.count.sum() + records_for(per_stream, self.plan.most_events).sum())

    def _pack(self, rows: Rows, end_us: int, window: int) -> None:
        """Move the log events of every flush that ends before *end_us* into records."""
        rows = cut(rows, max(1_000, self.plan.flush_us // 20))
        rows = Rows.concatenate([self.open, rows]) if len(self.open) else rows
        if not len(rows):
            return
        stream = _stream(rows)
        rows = rows.take(np.lexsort((rows.time_us, stream)))
        stream = _stream(rows)
        first = flush_starts(stream, rows.time_us, self.plan.flush_us)
        leave_us = rows.time_us[first] + self.plan.flush_us
        sizes = np.diff(np.append(first, len(rows)))
        done = leave_us < end_us
        self.open = rows.take(np.repeat(~done, sizes))
        if not done.any():
            return
        packed = rows.take(np.repeat(done, sizes))
        sizes, leave_us = sizes[done], leave_us[done]
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self.held.add(self._records(packed, starts, leave_us, window))

    def _records(self, rows: Rows, starts: NDArray[np.intp], leave_us: Int64, window: int) -> Rows:
        """The records of the flushes that begin at the rows *starts*, in the order in which they leave."""
        order = np.argsort(leave_us, kind="stable")
        events = np.add.reduceat(rows.log_events, starts)
        records = records_for(events, self.plan.most_events)
        flush = np.repeat(order, records[order])
        place = np.arange(flush.size) - np.repeat(np.cumsum(records[order]) - records[order], records[order])
        before = place * self.plan.most_events
        until = np.minimum(before + self.plan.most_events, events[flush])
        out = Rows.empty(flush.size)
        out.log_events = until - before
        out.source = rows.source[starts][flush]
        message = _part(np.add.reduceat(rows.data_bytes, starts)[flush], before, until, events[flush])
        out.cpu_us = _part(np.add.reduceat(rows.cpu_us, starts)[flush], before, until, events[flush])
        out.data_bytes = _gzip(out.log_events, self.plan)
        out.body_bytes = event_body_bytes(
            out.log_events,
            message,
            self.plan.event_json_bytes,
            self.plan.message_copies,
        )
        out.key, out.key_bytes = self._keys(rows, starts, flush)
        delay_us = self.delivery.draw(flush.size, window) + self.put.draw(flush.size, window)
        out.time_us = leave_us[flush] + delay_us
        out.lag_us = (leave_us - _own_time_us(rows, starts, events))[flush] + delay_us
        return out

    def _keys(self, rows: Rows, starts: NDArray[np.intp], flush: NDArray[np.intp]) -> tuple[Int64, Int64]:
        """Number and bytes of each record's partition key."""
        key = _stream(rows)[starts][flush]
        if self.plan.random_keys:
            key = np.full(flush.size, RANDOM)
        key_bytes = np.full(flush.size, RANDOM_KEY_BYTES)
        named = key >= 0
        if self.key_table is not None and named.any():
            key_bytes[named] = np.asarray(self.key_table.key_bytes)[key[named]]
        return key, key_bytes


def _stream(rows: Rows) -> Int64:
    """The log stream of each row: its key, or one for all where keys are not named."""
    return np.where(rows.key >= EVEN, rows.key, RANDOM)


def flush_starts(stream: Int64, time_us: Int64, flush_us: int) -> NDArray[np.intp]:
    """Rows that begin a flush: the first of a stream, and the first later than a flush after the last beginning.

    Rows are ordered by stream, then time.

    >>> flush_starts(np.array([1, 1, 1, 1, 2]), np.array([0, 5, 6, 20, 5]), 5).tolist()
    [0, 2, 3, 4]
    """
    chain = np.ones(stream.size, bool)
    chain[1:] = (stream[1:] != stream[:-1]) | (time_us[1:] - time_us[:-1] > flush_us)
    starts = np.flatnonzero(chain)
    ends = np.append(starts[1:], stream.size)
    long = time_us[ends - 1] - time_us[starts] > flush_us
    if not long.any():
        return starts
    found = [starts[~long]]
    for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        times = time_us[start:end].tolist()
        at = 0
        begins = []
        while at < len(times):
            begins.append(start + at)
            at = bisect_right(times, times[at] + flush_us, at)
        found.append(np.array(begins, np.intp))
    return np.sort(np.concatenate(found))


def _own_time_us(rows: Rows, starts: NDArray[np.intp], events: Int64) -> Int64:
    """Mean time, over its log events, at which the events of each flush happened."""
    sizes = np.diff(np.append(starts, len(rows)))
    begin_us = rows.time_us[starts]
    middle_us = (record_time_us(rows, np.zeros(len(rows), np.int64)) + record_time_us(rows, rows.count - 1)) // 2
    late_us = middle_us - rows.lag_us - np.repeat(begin_us, sizes)
    total = np.add.reduceat(late_us * rows.log_events, starts)
    own_us: Int64 = begin_us + total // np.maximum(events, 1)
    return own_us


def _part(total: Int64, before: Int64, until: Int64, events: Int64) -> Int64:
    """The share of *total* that events *before* to *until* of *events* have; shares add up to the total."""
    each, rest = np.divmod(total, np.maximum(events, 1))
    part: Int64 = each * (until - before) + (rest * until // events - rest * before // events)
    return part


def _gzip(events: Int64, plan: SubscriptionPlan) -> Int64:
    """Bytes after gzip of records with *events*; few sizes occur, so each is worked out once."""
    sizes, where = np.unique(events, return_inverse=True)
    each = [gzip_bytes(n, plan.gzip_fixed, plan.gzip_per_event) for n in sizes.tolist()]
    return np.array(each, np.int64)[where]
