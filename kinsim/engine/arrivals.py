"""The records that producers offer to the stream, window by window.

Each source is a pipeline of its own: when its records come (a drawer per arrival model), what they weigh, which keys
they have, what its producer does before the first offer.  Its draws have addresses of their own and fall in windows of
its own, so that another source, a longer run or more shards never change them.  Sources are then merged by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kinsim.engine import models
from kinsim.engine.draws import Purpose, address_key, generator
from kinsim.engine.even import all_single, any_spread, constant, extent, is_constant, plain_rows
from kinsim.engine.models import microseconds
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import pieces, records_until, singles
from kinsim.engine.producers import Stage, producer_stage
from kinsim.engine.splitting import SourceKeys, Splitter, drawn_keys, with_keys
from kinsim.engine.tables import Int64, Rows
from kinsim.system.distributions import Distribution
from kinsim.system.function import draw_calls
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
from kinsim.system.producer import Producer, RetryPlan, retry_plan
from kinsim.system.workload import Source
from kinsim.system.workload.trace import TraceArrivals

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.function import Function

WINDOWS = (
    10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000, 300_000_000, 600_000_000, 3_600_000_000,
)  # fmt: skip
"""Lengths that a window may have, in microseconds; each divides the next."""

ROWS_OF_A_WINDOW = 1 << 17
"""Windows are chosen so long that about this many rows fall in one."""

BIN_US = 100_000
BINNED_FROM_PER_S = 5_000.0
"""Without a write limiter, sources of this mean rate are counted in bins of `BIN_US` unless they say otherwise."""


def window_for(rows_per_s: float, bin_us: int = 0) -> int:
    """Longest window in which *rows_per_s* makes at most about `ROWS_OF_A_WINDOW` rows; a whole number of bins.

    >>> window_for(0.8), window_for(1_000.0), window_for(1e6), window_for(1e9, 30_000_000)
    (3600000000, 60000000, 100000, 3600000000)
    """
    if bin_us:
        rows_per_s = min(rows_per_s, 1e6 / bin_us)
        possible = [w for w in WINDOWS if w % bin_us == 0]
    else:
        possible = list(WINDOWS)
    fitting = [w for w in possible if rows_per_s * w / 1e6 <= ROWS_OF_A_WINDOW]
    return fitting[-1] if fitting else possible[0]


# -- what a model's drawer is given and gives ----------------------------------------------------------------


@dataclass(frozen=True)
class Context:
    """What the drawing of one source may know."""

    source: Source
    name: str
    number: int
    seed: int
    replication: int
    duration_us: int
    drained: bool
    base_dir: Path
    week_offset_us: int
    """Time from a Monday's midnight to the start of the run."""
    producer: Producer
    """The source's own, or the scenario's."""
    bin_us: int
    """0: a row per record; else counts per bin of this width."""

    def generator(self, purpose: Purpose, *entity: int) -> np.random.Generator:
        """Random numbers for one thing of this source."""
        return generator(self.seed, self.replication, purpose, self.name, *entity)

    @property
    def records_differ(self) -> bool:
        """Whether records have sizes, log events or work of their own, so that each is a row."""
        source = self.source
        spreads = (source.record_size_bytes, source.log_events_per_record, source.work_s)
        return not self.bin_us and any(spread.constant is None for spread in spreads)

    def key(self, purpose: Purpose) -> int:
        """Address of counter-based draws of this source."""
        return address_key(self.seed, self.replication, purpose, self.name)


class Drawer(Protocol):
    """Draws when the records of one source come, and whatever else its model decides."""

    window_us: int
    """Length of its windows: one of `WINDOWS`."""
    fills: frozenset[str]
    """Columns beyond times and counts that it sets itself."""

    @property
    def key_table(self) -> KeyTable | None:
        """The keys of its rows, where it sets them."""

    def window(self, start_us: int, end_us: int) -> Rows:
        """The records of the next window; windows are asked for once each, in order from 0."""


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


# -- one source ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pricing:
    """What turns a record's bytes into payload and PUT units."""

    envelope_bytes: int
    put_unit_bytes: int
    function: Function


class Pipeline:
    """The records of one source as they are offered to the stream."""

    def __init__(self, context: Context, pricing: Pricing) -> None:
        self.context, self.pricing = context, pricing
        source = context.source
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

    def _finished(self, rows: Rows, window: int) -> Rows:
        """*rows* with what the stream and the function need to know of them."""
        pricing, count = self.pricing, rows.count
        payload_bytes, put_units = self._weights(rows)
        marks: dict[str, Any] = {
            "source": constant(self.context.number, len(rows)),
            "payload_bytes": payload_bytes,
            "put_units": put_units,
        }
        if pricing.function.calls:
            drawn = self.context.generator(Purpose.CALLS, window)
            marks["call_us"], marks["call_failing_us"] = draw_calls(
                pricing.function, drawn, np.ascontiguousarray(count), np.ascontiguousarray(rows.log_events)
            )
        return self._hashed(replace(rows, **marks))

    def _weights(self, rows: Rows) -> tuple[Int64, Int64]:
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


# -- all sources ---------------------------------------------------------------------------------------------


class ArrivalSource:
    """The records of all sources of a scenario, merged by time, as they are offered to the stream."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        run = scenario.run
        self.duration_us = microseconds(run.duration_s)
        self.drained = run.until == "drained"
        pricing = Pricing(
            scenario.event_source_mapping.payload_envelope_bytes,
            int(scenario.profile_data.constant("put_unit_bytes")),
            scenario.function,
        )
        self.pipelines = [Pipeline(context, pricing) for context in contexts(scenario, replication)]
        self.window_us = min(pipeline.window_us for pipeline in self.pipelines)
        self.created = 0
        """Records created so far: offered in the run or still in a producer at its end."""
        self.sampled_out = 0
        self.in_producer = 0
        """Records in producers at the end of the run."""

    @property
    def in_producer_at_end(self) -> int:
        """Records created in the run and first offered after it."""
        return self.in_producer

    @property
    def granularity(self) -> dict[str, str]:
        """For each source ``record`` or the width of its bins."""
        texts = {}
        for pipeline in self.pipelines:
            bin_us = pipeline.context.bin_us
            texts[pipeline.context.name] = "record" if not bin_us else f"{bin_us / 1e6:g}s"
        return texts

    def keys(self, source: int) -> KeyTable:
        """The keys of a source by number; empty where keys are random or round robin."""
        return self.pipelines[source].table or KeyTable.of([])

    def retry_plans(self) -> list[RetryPlan]:
        """How each source's producer offers rejected records again."""
        return [retry_plan(p.context.producer, p.context.source.arrivals.model) for p in self.pipelines]

    def splitter(self, ranges: Sequence[tuple[int, int]]) -> Splitter:
        """What takes rows apart by shard; *ranges* are inclusive and cover the hash space."""
        return Splitter([pipeline.keys for pipeline in self.pipelines], ranges)

    def windows(self) -> Iterator[tuple[int, int, Rows]]:
        """Start, end and rows of consecutive windows; the last before `duration` ends there.

        Rows are ordered by time, then source, then index; those of different sources may overlap.  With
        ``until: drained`` windows go on until the producers hold nothing.
        """
        start_us = 0
        while True:
            end_us = (start_us // self.window_us + 1) * self.window_us
            if start_us < self.duration_us:
                end_us = min(end_us, self.duration_us)
            parts = [pipeline.offered_until(end_us) for pipeline in self.pipelines]
            rows = parts[0] if len(parts) == 1 else in_order(Rows.concatenate([p for p in parts if len(p)]))
            self.created += int(rows.count.sum())
            waiting = sum(pipeline.waiting for pipeline in self.pipelines)
            last = end_us >= self.duration_us and not (self.drained and waiting)
            if last:
                self.in_producer = waiting
                self.created += waiting
            yield start_us, end_us, rows
            if last:
                return
            start_us = end_us


def contexts(scenario: Scenario, replication: int) -> list[Context]:
    """What the drawing of each source may know, in order of the sources."""
    run = scenario.run
    return [
        Context(
            source=source,
            name=name,
            number=number,
            seed=run.seed,
            replication=replication,
            duration_us=microseconds(run.duration_s),
            drained=run.until == "drained",
            base_dir=scenario.base_dir,
            week_offset_us=week_offset_us(run.start_time),
            producer=source.producer or scenario.producer,
            bin_us=bin_width_us(source, bool(scenario.stream.limiter)),
        )
        for number, (name, source) in enumerate(scenario.workload.sources.items())
    ]


def bin_width_us(source: Source, limited: bool) -> int:
    """Width of the bins in which a source is counted; 0: a row per record.

    Where writes are limited, each record counts, unless the file says otherwise.
    """
    if source.granularity == "record":
        return 0
    if source.granularity is not None:
        return microseconds(source.granularity)
    rate = source.arrivals.mean_rate_per_s()
    return BIN_US if not limited and rate is not None and rate >= BINNED_FROM_PER_S else 0


def week_offset_us(start_time: str | None) -> int:
    """Time from the last Monday's midnight (UTC) to the start of a run; 0 where it is not given.

    >>> week_offset_us("2017-06-01T06:00:00Z") / 3.6e9          # a Thursday
    78.0
    """
    if start_time is None:
        return 0
    start = datetime.fromisoformat(start_time)
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    seconds = start.weekday() * 86_400 + start.hour * 3_600 + start.minute * 60 + start.second
    return seconds * 1_000_000 + start.microsecond


def split(rows: Rows, ranges: Sequence[tuple[int, int]], arrivals: ArrivalSource) -> list[Rows]:
    """The rows of each shard; for many windows use `ArrivalSource.splitter`."""
    return arrivals.splitter(ranges).split(rows)


# -- shared by all candidates of a sweep ---------------------------------------------------------------------


class Drawn:
    """Windows drawn once and kept, as far as the memory allowed allows."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        self.source = ArrivalSource(scenario, replication)
        self.rest: Iterator[tuple[int, int, Rows]] = self.source.windows()
        self.windows: list[tuple[int, int, Rows, int]] = []
        """Start, end, rows and records created so far."""
        self.complete = False
        self.size = 0

    def draw(self) -> bool:
        """Keep one more window; False where all are drawn."""
        window = next(self.rest, None)
        if window is None:
            self.complete = True
            return False
        start_us, end_us, rows = window
        for name in Rows.__dataclass_fields__:
            column = getattr(rows, name)
            column.flags.writeable = False
            self.size += 0 if column.strides == (0,) else column.nbytes
        self.windows.append((start_us, end_us, rows, self.source.created))
        return True


class SharedArrivals:
    """The same records as `ArrivalSource` gives, taken from the windows kept where they were drawn before."""

    def __init__(self, scenario: Scenario, replication: int, drawn: Drawn, room: Callable[[Drawn], bool]) -> None:
        self._again: Callable[[], ArrivalSource] = lambda: ArrivalSource(scenario, replication)
        self._drawn, self._room = drawn, room
        self._source = drawn.source
        self._keys = [pipeline.keys for pipeline in drawn.source.pipelines]
        self.window_us = drawn.source.window_us
        self.created = self.sampled_out = self.in_producer = 0

    @property
    def in_producer_at_end(self) -> int:
        """Records created in the run and first offered after it."""
        return self.in_producer

    @property
    def granularity(self) -> dict[str, str]:
        """For each source ``record`` or the width of its bins."""
        return self._source.granularity

    def keys(self, source: int) -> KeyTable:
        """The keys of a source by number."""
        return self._source.keys(source)

    def retry_plans(self) -> list[RetryPlan]:
        """How each source's producer offers rejected records again."""
        return self._source.retry_plans()

    def splitter(self, ranges: Sequence[tuple[int, int]]) -> Splitter:
        """What takes rows apart by shard."""
        return Splitter(self._keys, ranges)

    def windows(self) -> Iterator[tuple[int, int, Rows]]:
        """As `ArrivalSource.windows`; columns cannot be written to."""
        drawn, at = self._drawn, 0
        while at < len(drawn.windows) or (self._room(drawn) and drawn.draw()):
            start_us, end_us, rows, self.created = drawn.windows[at]
            at += 1
            if not drawn.complete and at == len(drawn.windows) and self._room(drawn):
                drawn.draw()
            if drawn.complete and at == len(drawn.windows):
                self.in_producer = drawn.source.in_producer
            yield start_us, end_us, rows
        if not drawn.complete:
            yield from self._drawn_again(at)

    def _drawn_again(self, skipped: int) -> Iterator[tuple[int, int, Rows]]:
        self._source = self._again()
        self._keys[:] = [pipeline.keys for pipeline in self._source.pipelines]
        for number, window in enumerate(self._source.windows()):
            if number >= skipped:
                self.created, self.in_producer = self._source.created, self._source.in_producer
                yield window


class Cache:
    """Windows of several scenarios and replications within a budget of memory; the longest unused go first."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.entries: dict[str, Drawn] = {}

    def arrivals(self, scenario: Scenario, replication: int) -> SharedArrivals:
        """The arrivals of a scenario, shared with all that differ only downstream of the producer."""
        key = arrivals_key(scenario, replication)
        drawn = self.entries.pop(key, None) or Drawn(scenario, replication)
        self.entries[key] = drawn
        return SharedArrivals(scenario, replication, drawn, self._room)

    def _room(self, drawn: Drawn) -> bool:
        """Whether *drawn* may grow; makes room by letting go what was not used for longest."""
        total = sum(each.size for each in self.entries.values())
        for key, each in list(self.entries.items()):
            if total < self.budget_bytes:
                break
            if each is not drawn:
                total -= each.size
                del self.entries[key]
        return total < self.budget_bytes


CACHE = Cache(512 * 2**20)
"""What this process has drawn."""


def shared(scenario: Scenario, replication: int) -> SharedArrivals:
    """The arrivals of *scenario*, drawn once for all candidates that have the same workload and producer."""
    return CACHE.arrivals(scenario, replication)


def arrivals_key(scenario: Scenario, replication: int) -> str:
    """Text that is the same for scenarios with the same arrivals."""
    run, function = scenario.run, scenario.function
    files = []
    for source in scenario.workload.sources.values():
        if isinstance(source.arrivals, TraceArrivals):
            path = source.arrivals.path(scenario.base_dir)
            status = path.stat()
            files.append((str(path.resolve()), status.st_mtime_ns, status.st_size))
    return repr(
        (
            scenario.workload, scenario.producer, run.seed, replication, run.duration_s, run.until, run.start_time,
            bool(scenario.stream.limiter), scenario.event_source_mapping.payload_envelope_bytes,
            scenario.profile_data.constant("put_unit_bytes"), function.calls,
            [fault.call for fault in function.faults if fault.kind == "call_fails"] if function.calls else [], files,
        )
    )  # fmt: skip
