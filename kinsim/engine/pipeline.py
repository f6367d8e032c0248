"""The records of one source: when they come, what they weigh, which keys they have, and their producer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinsim.engine import models
from kinsim.engine.context import WINDOWS, Context, Drawer, microseconds
from kinsim.engine.draws import Purpose, generator
from kinsim.engine.even import LARGEST_COUNT, all_single, any_spread, constant, extent, is_constant, plain_rows
from kinsim.engine.matching import Matching, matched, one_by_one
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import pieces, records_until, singles
from kinsim.engine.producers import Stage, producer_stage
from kinsim.engine.sampling import sampling
from kinsim.engine.splitting import SourceKeys, drawn_keys, with_keys
from kinsim.engine.tables import Int64, Rows
from kinsim.errors import ConfigError, Problem
from kinsim.system.distributions import Distribution
from kinsim.system.function import draw_calls
from kinsim.system.on_demand import UNIT_BYTES
from kinsim.system.partition_keys import (
    EVEN,
    GROUP_DRAWN,
    GROUP_IN_TURN,
    RANDOM,
    RANDOM_KEY_BYTES,
    KeyTable,
    RandomKeys,
    key_table,
)
from kinsim.system.workload.bursts import BurstArrivals
from kinsim.system.workload.vpc_flow_logs import VpcFlowLogsArrivals

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.function import Function


def _trace(context: Context) -> Drawer:
    from kinsim.engine.traces import trace_drawer

    return trace_drawer(context)


def _flow_logs(context: Context) -> Drawer:
    from kinsim.engine.traces import flow_log_drawer

    return flow_log_drawer(context)


DRAWERS: dict[str, Callable[[Context], Drawer]] = {
    "constant": models.constant_drawer,
    "poisson": models.PoissonDrawer,
    "renewal": models.RenewalDrawer,
    "mmpp": models.MmppDrawer,
    "piecewise": models.piecewise_drawer,
    "bursts": models.BurstDrawer,
    "trace": _trace,
    "vpc_flow_logs": _flow_logs,
}
"""The drawer of each arrival model."""


@dataclass(frozen=True)
class Pricing:
    """What turns a record's bytes into payload and the units that are paid for."""

    envelope_bytes: int
    put_unit_bytes: int
    function: Function

    @classmethod
    def of(cls, scenario: Scenario) -> Pricing:
        """What *scenario* says of it."""
        return cls(
            scenario.event_source_mapping.payload_envelope_bytes,
            billing_unit_bytes(scenario),
            scenario.function,
        )


def billing_unit_bytes(scenario: Scenario) -> int:
    """Bytes of the units that a record's data is rounded up to: PUT units, on demand whole KB (aws:P3, P7)."""
    return UNIT_BYTES if scenario.stream.on_its_own else int(scenario.profile_data.constant("put_unit_bytes"))


LINES_OF_A_RECORD = 10_000
"""Most log events that CloudWatch Logs puts into one record, unless the file says otherwise."""
MOST_TOGETHER = 20_000_000
"""Rows of a window beyond which memory would not do."""


def _check_room(context: Context) -> None:
    """Refuse a source whose single records would fill the memory of one window."""
    model = context.source.arrivals
    rows, help_ = 0.0, "write granularity: 1s, so that they are counted in bins"
    rate = model.peak_rate_per_s() or 0.0
    if isinstance(model, BurstArrivals):
        rate = model.size.mean / max(model.spread_s, WINDOWS[0] / 1e6)
    if context.bin_us:
        rows, help_ = rate * context.bin_us / 1e6 / LARGEST_COUNT * 1000, "check the rate and its unit"
    elif not isinstance(model, BurstArrivals) or model.spread_s > 0 or context.records_differ:
        rows = rate * WINDOWS[0] / 1e6
    what = f"{rate:.2g} records a second"
    if isinstance(model, VpcFlowLogsArrivals):
        rows = model.interfaces * max(1.0, model.lines_per_interface.mean / LINES_OF_A_RECORD)
        what, help_ = f"{rows:.2g} records of flow logs at a time", "check interfaces and lines_per_interface"
    if rows > MOST_TOGETHER:
        raise ConfigError(Problem(message=f"{what} are too many to be drawn", path=context.path, help=help_))


class Pipeline:
    """The records of one source as they are offered to the stream."""

    def __init__(self, context: Context, pricing: Pricing) -> None:
        self.context, self.pricing = context, pricing
        self.matching = Matching.of(pricing.function)
        source = context.source
        _check_room(context)
        self.drawer = DRAWERS[source.arrivals.model](context)
        self.window_us = self.drawer.window_us
        table = key_table(source.partition_keys, context.generator(Purpose.KEY_NAMES))
        self.table = self.drawer.key_table if "key" in self.drawer.fills else table
        self.keys = SourceKeys(
            self.table,
            context.key(Purpose.KEYS),
            context.key(Purpose.KEYS) ^ 1,
            context.key(Purpose.SPLIT),
            context.bin_us > 0,
        )
        self.sampling = sampling(context)
        self.stage: Stage | None = producer_stage(context, self.table)
        self.on_us = microseconds(source.start_s)
        self.off_us = min(context.duration_us, 1 << 62 if source.end_s is None else microseconds(source.end_s))
        self.drawn_us = 0
        self.records = 0
        self.ready: list[Rows] = []
        self.apart = self._records_differ()

    def _records_differ(self) -> bool:
        """Whether the records of a row must be taken apart because each has a size or work of its own."""
        source, fills = self.context.source, self.drawer.fills
        spreads = {
            "data_bytes": source.record_size_bytes,
            "log_events": source.log_events_per_record,
            "cpu_us": source.work_s,
        }
        return not self.context.bin_us and any(s.constant is None for name, s in spreads.items() if name not in fills)

    def offered_until(self, end_us: int) -> Rows:
        """The rows offered before *end_us* that were not handed out yet."""
        while self.drawn_us < end_us:
            start_us, self.drawn_us = self.drawn_us, self.drawn_us + self.window_us
            rows = self._window(start_us, self.drawn_us)
            if len(rows):
                self.ready.append(rows)
        if not self.ready:
            return plain_rows(np.zeros(0, np.int64))
        rows = self.ready[0] if len(self.ready) == 1 else Rows.concatenate(self.ready)
        now, later = before(rows, end_us), after(rows, end_us)
        self.ready = [later] if len(later) else []
        return now

    @property
    def sampled_out(self) -> int:
        """Records created so far that the producer does not send."""
        return 0 if self.sampling is None else self.sampling.left_out

    @property
    def waiting(self) -> int:
        """Records created and not yet handed out."""
        held = sum(int(rows.count.sum()) for rows in self.ready)
        return held + (0 if self.stage is None else self.stage.waiting())

    def _window(self, start_us: int, end_us: int) -> Rows:
        rows = plain_rows(np.zeros(0, np.int64))
        if start_us < self.off_us and end_us > 0:
            rows = self.drawer.window(start_us, end_us)
            rows = before(after(rows, self.on_us), self.off_us)
        if self.apart and len(rows):
            rows = singles(rows)
        number = start_us // self.window_us
        if len(rows):
            rows = self._numbered(rows)
            rows = self._marked(rows, number)
            rows = rows if self.sampling is None else self.sampling.kept(rows)
        if self.stage is not None:
            rows = self.stage.window(rows, start_us, end_us)
        return self._finished(rows, number) if len(rows) else rows

    def _numbered(self, rows: Rows) -> Rows:
        if all_single(rows):
            index = np.arange(self.records, self.records + len(rows))
            self.records += len(rows)
        else:
            ends = self.records + np.cumsum(rows.count)
            index, self.records = ends - rows.count, int(ends[-1])
        return replace(rows, index=index, source=constant(self.context.number, len(rows)))

    def _marked(self, rows: Rows, window: int) -> Rows:
        """*rows* with sizes, log events, work and keys."""
        source, fills, n = self.context.source, self.drawer.fills, len(rows)
        marks: dict[str, Any] = {}
        if "data_bytes" not in fills:
            marks["data_bytes"] = self._amounts(source.record_size_bytes, Purpose.SIZES, rows, window, 1.0)
        if "log_events" not in fills:
            marks["log_events"] = self._amounts(source.log_events_per_record, Purpose.LOG_EVENTS, rows, window, 1.0)
        if "cpu_us" not in fills:
            marks["cpu_us"] = self._amounts(source.work_s, Purpose.WORK, rows, window, 1e6)
        if "body_bytes" not in fills:
            marks["body_bytes"] = marks.get("data_bytes", rows.data_bytes)
        if "lag_us" not in fills:
            marks["lag_us"] = constant(0, n)
        if "key" not in fills:
            marks["key"], marks["key_bytes"] = self._keys(rows)
        return replace(rows, **marks)

    def _amounts(self, spread: Distribution, purpose: Purpose, rows: Rows, window: int, unit: float) -> Int64:
        """Whole amounts of the rows, each record's rounded half up."""
        value = spread.constant
        if value is not None:
            return times(rows.count, int(value * unit + 0.5))
        drawn = self.context.generator(purpose, window)
        if all_single(rows):
            amounts = spread.sample(drawn, len(rows))
        else:
            amounts = spread.sample_sums(drawn, np.ascontiguousarray(rows.count))
        return np.floor(amounts * unit + 0.5).astype(np.int64)

    def _keys(self, rows: Rows) -> tuple[Int64, Int64]:
        """Numbers of the rows' keys, and their bytes."""
        kind, n, table = self.context.source.partition_keys, len(rows), self.table
        if kind == "even":
            return constant(EVEN, n), times(rows.count, RANDOM_KEY_BYTES)
        if table is None:
            size = kind.key_size_bytes if isinstance(kind, RandomKeys) else RANDOM_KEY_BYTES
            return constant(RANDOM, n), times(rows.count, size)
        if len(table) == 1:
            return constant(0, n), times(rows.count, table.sizes[0])
        by_weight = table.weights is not None
        single = np.ones(n, np.bool_) if all_single(rows) else rows.count == 1
        index = rows.index if single.all() else rows.index[single]
        alone = drawn_keys(self.keys, index) if by_weight else index % len(table)
        if alone.size == n:
            return alone, table.key_bytes[alone]
        key = np.full(n, GROUP_DRAWN if by_weight else GROUP_IN_TURN)
        key_bytes = group_key_bytes(rows, table)
        key[single], key_bytes[single] = alone, table.key_bytes[alone]
        return key, key_bytes

    def dressed(self, rows: Rows, **known: Any) -> Rows:
        """*rows* as records of this source in all but time and number; columns that are *known* stay as given."""
        rows = replace(rows, source=constant(self.context.number, len(rows)))
        return self._finished(replace(self._marked(rows, 0), **known), 0)

    def _finished(self, rows: Rows, window: int) -> Rows:
        """*rows* with what the stream and the function need to know of them."""
        if self.matching:
            rows = self._matched(rows, window)
        pricing, count = self.pricing, rows.count
        payload_bytes, put_units = self.weights(rows)
        marks: dict[str, Any] = {
            "source": constant(self.context.number, len(rows)),
            "payload_bytes": payload_bytes,
            "put_units": put_units,
        }
        if pricing.function.calls:
            context = self.context
            drawn = generator(context.reader_seed, context.replication, Purpose.CALLS, context.name, window)
            healthy_us, failing_us = draw_calls(
                pricing.function, drawn, np.ascontiguousarray(count), np.ascontiguousarray(rows.log_events)
            )
            marks["call_us"], marks["call_failing_us"] = rows.call_us + healthy_us, rows.call_failing_us + failing_us
        return self._hashed(replace(rows, **marks))

    def _matched(self, rows: Rows, window: int) -> Rows:
        """*rows* with what the function's rules do with them; one by one where chance decides that."""
        alone = one_by_one(rows, self.matching, self.context)
        if alone is not rows:
            rows = with_keys(alone, self.keys)
        return replace(rows, **matched(rows, self.pricing.function, self.matching, self.context, window))

    def weights(self, rows: Rows) -> tuple[Int64, Int64]:
        """Payload bytes and PUT units of the rows."""
        count, data_bytes, key_bytes = rows.count, rows.data_bytes, rows.key_bytes
        same = all(map(is_constant, (count, data_bytes, key_bytes)))
        if same:
            count, data_bytes, key_bytes = count[:1], data_bytes[:1], key_bytes[:1]
        each = data_bytes // count
        put_units = count * np.maximum(1, -(-each // self.pricing.put_unit_bytes))
        if all_single(rows) or bool((each * count == data_bytes).all()):
            encoded = count * (4 * ((each + 2) // 3))
        else:
            encoded = (4 * data_bytes + 4 * count) // 3
        payload_bytes = encoded + count * self.pricing.envelope_bytes + key_bytes
        if same:
            return constant(int(payload_bytes[0]), len(rows)), constant(int(put_units[0]), len(rows))
        return payload_bytes, put_units

    def _hashed(self, rows: Rows) -> Rows:
        if all_single(rows):
            return with_keys(rows, self.keys) if extent(rows.key)[1] >= RANDOM else rows
        single = rows.count == 1
        high = np.zeros(len(rows), np.uint64)
        high[single] = with_keys(rows.take(single), self.keys).hash_high
        return replace(rows, hash_high=high)


def times(count: Int64, value: int) -> Int64:
    """*count* times *value*, without memory where all counts are the same."""
    if is_constant(count):
        return constant(int(count[0]) * value, count.size)
    return np.asarray(count * value)


def group_key_bytes(rows: Rows, table: KeyTable) -> Int64:
    """Bytes of the keys of rows of several records: exact for keys in turn, the mean for keys that are drawn."""
    sizes = table.key_bytes
    if int(sizes.min()) == int(sizes.max()):
        return np.asarray(rows.count * int(sizes[0]))
    if table.weights is not None:
        mean = float((sizes * table.weights).sum())
        return np.asarray(np.floor(rows.count * mean + 0.5), np.int64)
    total = np.concatenate(([0], np.cumsum(np.concatenate([sizes, sizes]))))
    first, rest = rows.index % sizes.size, rows.count % sizes.size
    return np.asarray(rows.count // sizes.size * int(sizes.sum()) + total[first + rest] - total[first], np.int64)


def before(rows: Rows, time_us: int) -> Rows:
    """The records that come before *time_us*."""
    return _part(rows, time_us, first=True)


def after(rows: Rows, time_us: int) -> Rows:
    """The records that come at *time_us* or later."""
    return _part(rows, time_us, first=False)


def _part(rows: Rows, time_us: int, first: bool) -> Rows:
    reach = int(rows.time_us.searchsorted(time_us))
    spread = any_spread(rows)
    if reach == 0 or (reach == len(rows) and not spread):
        return rows if (reach > 0) == first else rows.take(slice(0, 0))
    begun = rows.take(slice(0, reach))
    came = records_until(begun, np.full(reach, time_us)) if spread else begun.count
    if not spread or (came == begun.count).all():
        return begun if first else rows.take(slice(reach, None))
    zero = np.zeros(reach, np.int64)
    low, high = (zero, came) if first else (came, np.asarray(begun.count, np.int64))
    some = np.flatnonzero(high > low)
    part = pieces(begun, some, low[some], high[some])
    part = replace(
        part,
        time_us=part.time_us + part.step_offset // part.step_denominator,
        step_offset=part.step_offset % part.step_denominator,
    )
    return part if first else in_order(Rows.concatenate([part, rows.take(slice(reach, None))]))
