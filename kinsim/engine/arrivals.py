"""The records that producers offer to the stream, window by window.

Each source is a pipeline of its own: when its records come (a drawer per arrival model), what they weigh, which keys
they have, what its producer does before the first offer.  Its draws have addresses of their own and fall in windows of
its own, so that another source, a longer run or more shards never change them.  Sources are then merged by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from kinsim.engine.call_doors import MakeCaller, caller_of
from kinsim.engine.context import Context, Drawer, contexts, microseconds, most_call_bytes
from kinsim.engine.overlaps import in_order
from kinsim.engine.pipeline import Pipeline, Pricing, billing_unit_bytes
from kinsim.engine.splitting import Splitter
from kinsim.engine.tables import Rows
from kinsim.system.partition_keys import KeyTable
from kinsim.system.producer import RetryPlan, retry_plan
from kinsim.system.workload.trace import TraceArrivals

if TYPE_CHECKING:
    from kinsim.scenario import Scenario

__all__ = [
    "CACHE",
    "ArrivalSource",
    "Cache",
    "Context",
    "Drawer",
    "SharedArrivals",
    "arrivals_key",
    "shared",
    "split",
]


class ArrivalSource:
    """The records of all sources of a scenario, merged by time, as they are offered to the stream."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        run = scenario.run
        self.duration_us = microseconds(run.duration_s)
        self.drained = run.until == "drained"
        pricing = Pricing.of(scenario)
        self.pipelines = [Pipeline(context, pricing) for context in contexts(scenario, replication)]
        self.window_us = min(pipeline.window_us for pipeline in self.pipelines)
        self.created = 0
        """Records created so far: offered in the run, or at its end still in a producer or sampled out."""
        self.sampled_out = 0
        """Records that the producers did not send, at the end of the run."""
        self.in_producer = 0
        """Records in producers at the end of the run."""
        self.clients = [retry_plan(p.context.producer, p.context.source.arrivals.model) for p in self.pipelines]

    def keys(self, source: int) -> KeyTable:
        """The keys of a source by number; empty where keys are random or round robin."""
        return self.pipelines[source].table or KeyTable.of([])

    def retry_plans(self) -> list[RetryPlan]:
        """How each source's producer offers rejected records again."""
        return self.clients

    def callers(self) -> list[MakeCaller | None]:
        """What makes the producers that act on the answers to whole calls, by source."""
        return [caller_of(pipeline) for pipeline in self.pipelines]

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
                self.sampled_out = sum(pipeline.sampled_out for pipeline in self.pipelines)
                self.created += waiting + self.sampled_out
            yield start_us, end_us, rows
            if last:
                return
            start_us = end_us


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
        self.broken = False
        """Whether drawing was interrupted: what there is must not be taken for the whole."""
        self.size = 0

    def draw(self) -> bool:
        """Keep one more window; False where all are drawn."""
        try:
            window = next(self.rest, None)
        except BaseException:
            self.broken = True
            raise
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
        self.clients = drawn.source.clients

    def keys(self, source: int) -> KeyTable:
        """The keys of a source by number."""
        return self._source.keys(source)

    def retry_plans(self) -> list[RetryPlan]:
        """How each source's producer offers rejected records again."""
        return self.clients

    def callers(self) -> list[MakeCaller | None]:
        """As `ArrivalSource.callers`."""
        return self._source.callers()

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
                self.in_producer, self.sampled_out = drawn.source.in_producer, drawn.source.sampled_out
            yield start_us, end_us, rows
        if not drawn.complete:
            yield from self._drawn_again(at)

    def _drawn_again(self, skipped: int) -> Iterator[tuple[int, int, Rows]]:
        self._source = self._again()
        self._keys[:] = [pipeline.keys for pipeline in self._source.pipelines]
        for number, window in enumerate(self._source.windows()):
            if number >= skipped:
                source = self._source
                self.created, self.in_producer, self.sampled_out = (
                    source.created,
                    source.in_producer,
                    source.sampled_out,
                )
                yield window


class Cache:
    """Windows of several scenarios and replications within a budget of memory; the longest unused go first."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.entries: dict[str, Drawn] = {}

    def arrivals(self, scenario: Scenario, replication: int) -> SharedArrivals:
        """The arrivals of a scenario, shared with all that differ only downstream of the producer."""
        key = arrivals_key(scenario, replication)
        drawn = self.entries.pop(key, None)
        if drawn is None or drawn.broken:
            drawn = Drawn(scenario, replication)
        self.entries[key] = drawn
        return SharedArrivals(scenario, replication, drawn, self._room)

    def _room(self, drawn: Drawn) -> bool:
        """Whether *drawn* may grow; makes room by letting go what was not used for longest."""
        if not any(each is drawn for each in self.entries.values()):
            return False
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
    run, function, member = scenario.run, scenario.function, scenario.member
    files = []
    for source in scenario.workload.sources.values():
        if isinstance(source.arrivals, TraceArrivals):
            path = source.arrivals.path(scenario.base_dir)
            status = path.stat()
            files.append((str(path.resolve()), status.st_mtime_ns, status.st_size))
    return repr(
        (
            scenario.workload, scenario.producer, member.stream_seed, replication, run.duration_s, run.until,
            run.start_time,
            bool(scenario.stream.limiter), most_call_bytes(scenario),
            scenario.event_source_mapping.payload_envelope_bytes, billing_unit_bytes(scenario),
            function.calls, member.reader_seed if function.calls else None,
            [fault.call for fault in function.faults if fault.kind == "call_fails"] if function.calls else [], files,
            *((each.name, each.match, each.alert, each.call) for each in function.rules if each.match),
        )
    )  # fmt: skip
