"""The reference engine: the pipeline as SimPy processes that only wait and acquire; rules decide.

One process brings the arrivals, window by window, to the doors of the shards; one process per shard
reads, invokes and retries.  Simultaneous events are ordered by named ranks: changes of settings, arrivals
of a new window, invocation ends, then polls and invocation starts, each by shard.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import simpy

from kinsim.engine.admission import in_parts
from kinsim.engine.autoscaling import controller_of
from kinsim.engine.backlog import InitialBacklog
from kinsim.engine.call_doors import MakeCaller, after_resharding, all_doors
from kinsim.engine.clock import ARRIVALS, CHANGES, ENDS, LEAST_CYCLE_US, STARTS, At, Clock, Process
from kinsim.engine.concurrency import Slots
from kinsim.engine.controlling import IteratorAges
from kinsim.engine.dealing import Dealer, LaneLog
from kinsim.engine.draws import Purpose, address_key, uniform
from kinsim.engine.filtered_lanes import FilteredLaneReader, FilteredLanes, FilteredReader
from kinsim.engine.filtering import Filter
from kinsim.engine.growing import grower_of
from kinsim.engine.invoking import Invoker
from kinsim.engine.lane import Lane
from kinsim.engine.pieces import singles
from kinsim.engine.pipeline import after, before
from kinsim.engine.plan import NO_LIMIT, OFF, Plan, plan
from kinsim.engine.pushed_reader import DealtPushedReader, PushedLaneReader, PushedReader
from kinsim.engine.pushes import Listener, Pushes
from kinsim.engine.read_budget import ReadBudget
from kinsim.engine.reader import LineReader, Reader
from kinsim.engine.redriving import REDRIVEN, Redrive
from kinsim.engine.shard_lanes import DealtLanes, DealtReader, LaneReader, ShardLanes
from kinsim.engine.shard_log import ShardLog
from kinsim.engine.shards import Controller, Shards
from kinsim.engine.shared_reader import SharedReader
from kinsim.engine.stream_numbers import StreamNumbers
from kinsim.engine.tables import Final, Lines, Outcome, Rows, Sink, Tables
from kinsim.engine.together import Place, Tally, places, run_together
from kinsim.system.resharding import Operation, read_from

if TYPE_CHECKING:
    from kinsim.scenario import Scenario
    from kinsim.system.producer import RetryPlan


class Arrivals(Protocol):
    """Where the engine gets the records that are offered to the stream."""

    window_us: int
    created: int
    sampled_out: int
    in_producer: int

    def windows(self) -> Iterator[tuple[int, int, Rows]]: ...

    def splitter(self, ranges: list[tuple[int, int]]) -> Any: ...

    def retry_plans(self) -> list[RetryPlan]: ...

    def callers(self) -> list[MakeCaller | None]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One of the pipelines that run together."""

    scenario: Scenario
    sink: Sink
    arrivals: Arrivals
    controller: Controller | None = None


class Pipeline:
    """One run: the environment, the lanes and the tables that fill up until they are handed over."""

    def __init__(
        self,
        scenario: Scenario,
        replication: int,
        sink: Sink,
        arrivals: Arrivals,
        clock: Clock,
        place: Place,
        controller: Controller | None = None,
    ) -> None:
        self.plan: Plan = plan(scenario)
        self.sink, self.arrivals = sink, arrivals
        self.clock, self.place, self.provisioned = clock, place, place.provisioned
        self.ends, self.starts = ENDS + place.rank, STARTS + place.rank
        dealt = self.plan.lanes > 1 and not self.plan.pooled
        self.tables = Tables(Lines(self.plan.lanes if dealt else 1, self.plan.filters))
        self.disabled = self.disabled_for_ever = False
        self.to_redrive = 0
        """Shards whose discarded records have not been put back yet."""
        self.scenario, self.replication = scenario, replication
        controller = controller or controller_of(scenario) or grower_of(self.plan)
        self.stream = Shards(self.plan.shard_count, self.plan.operations, arrivals, controller, self.plan.duration_us)
        self.unread: set[int] = set()
        """Shards that are not read yet, or no more."""
        self.readers: dict[int, list[simpy.Process]] = {}
        """The processes that read each shard; they end when its records are settled."""
        sources = self.stream.splitter.sources
        may_part = self.plan.limits.limiter != 0
        self.dealer = Dealer(sources, self.plan.lanes, may_part) if dealt else None
        self.filter = Filter(scenario, replication, sources, may_part) if self.plan.filters else None
        self.shards = [self._shard(scenario, replication, shard) for shard in range(self.plan.shard_count)]
        self.lanes = [lane for shard in self.shards for lane in shard.lanes]
        self.logs = {line: log for shard in self.shards for line, log in shard.logs().items()}
        if scenario.run.initial_backlog is not None:
            self._store_backlog(InitialBacklog(scenario, replication))
        jitter_key = address_key(scenario.member.stream_seed, replication, Purpose.RETRY_JITTER)
        self.doors = all_doors(self.plan.shard_count, self.plan.limits, arrivals, jitter_key)
        self.slots: Slots | None = None
        """The function's executions, where they may be too few."""
        self.tally: Tally | None = None
        """Where invocations are counted that run beside those of other pipelines."""
        poison = [record for fault in self.plan.faults for record in fault.records]
        self.numbers = StreamNumbers(poison) if poison else None

    def _store_backlog(self, backlog: InitialBacklog) -> None:
        for shard in self.shards:
            of_stream = self.stream.all[shard.shard]
            rows = backlog.rows(shard.shard, (of_stream.starting_hash_key, of_stream.ending_hash_key))
            together = self.dealer is None and self.filter is None
            shard.store(rows if together else singles(rows), len(self.stream.open))
        for lane in self.lanes:
            lane.nothing_lost_before_us = 0

    def _shard(self, scenario: Scenario, replication: int, shard: int) -> ShardLanes:
        seed, planned = scenario.member.reader_seed, self.plan
        phase_us = 0
        if planned.random_phase and planned.poll_interval_us:
            phase_key = address_key(seed, replication, Purpose.POLL_PHASE)
            phase_us = int(uniform(phase_key, shard, 0, 0, 0) * planned.poll_interval_us)
        log, backoff_key = ShardLog(), address_key(seed, replication, Purpose.BACKOFF)
        budget = self._budget(scenario, replication, shard, log)

        def lane(number: int, reader: LineReader) -> Lane:
            invoker = Invoker(scenario, replication, shard, planned, reader.log, number)
            made = Lane(planned, self.tables, reader, invoker, backoff_key, number)
            if planned.redrive_us != OFF:
                redriver = Invoker(scenario, replication, shard, planned, reader.log, number)
                redriver.poison = invoker.poison
                made.redrive = Redrive(planned, reader.log, redriver)
            return made

        if self.filter is not None:
            filtered = FilteredReader(shard, planned, log, phase_us, self.tables, budget)
            self._register(filtered)
            lines = 1 if self.dealer is None else planned.lanes
            readers = [FilteredLaneReader(filtered, LaneLog()) for _ in range(lines)]
            lanes = [lane(number, readers[number % lines]) for number in range(planned.lanes)]
            made: ShardLanes = FilteredLanes(log, filtered, lanes, self.dealer, self.filter)
            made.listeners = self._listeners(shard, log)
            return made
        pushed = planned.pushes is not None and planned.pushes.mapping
        calls = self.tables.pushes if pushed else self.tables.polls
        if self.dealer is None:
            reader = (PushedReader if pushed else Reader)(shard, planned, log, phase_us, calls, budget)
            self._register(reader)
            made = ShardLanes(log, reader, [lane(number, reader) for number in range(planned.lanes)])
        else:
            dealt = (DealtPushedReader if pushed else DealtReader)(shard, planned, log, phase_us, calls, budget)
            self._register(dealt)
            of_lane = PushedLaneReader if pushed else LaneReader
            lanes = [lane(number, of_lane(dealt, LaneLog())) for number in range(planned.lanes)]
            made = DealtLanes(log, dealt, lanes, self.dealer)
        made.listeners = self._listeners(shard, log)
        return made

    def _listeners(self, shard: int, log: ShardLog) -> list[Listener]:
        """The other consumers that the shard pushes records to, from its opening on."""
        planned, pushes = self.plan, self.plan.pushes
        if pushes is None:
            return []
        opened_us = self.stream.all[shard].opened_us
        return [
            Listener(
                Pushes(pushes, number, shard, log, self.tables.pushes), opened_us, planned.retention_us, planned.trim_us
            )
            for number in range(1, pushes.others + 1)
        ]

    def _register(self, reader: Reader) -> None:
        """Let the mappings that share the stream make their calls in order of time."""
        if reader.budget is not None and self.place.shares_stream and self.plan.poll_interval_us:
            reader.budget.mappings.append(reader)

    def _budget(self, scenario: Scenario, replication: int, shard: int, log: ShardLog) -> ReadBudget | None:
        """The shard's read limits, which the mapping shares with all others who read the stream."""
        if self.plan.read_limits is None:
            return None
        if shard not in self.place.budgets:
            self.place.budgets[shard] = self._new_budget(scenario, replication, shard, log, self.plan.read_limits)
        return self.place.budgets[shard]

    def _new_budget(
        self, scenario: Scenario, replication: int, shard: int, log: ShardLog, limits: tuple[int, int]
    ) -> ReadBudget:
        planned = self.plan
        if not planned.shared_readers and not self.place.shares_stream:
            return ReadBudget(*limits)
        times = planned.polled_after_us, planned.retention_us, planned.trim_us
        opened_us = self.stream.all[shard].opened_us
        address = scenario.member.reader_seed, replication, Purpose.POLL_PHASE
        others = [
            SharedReader(
                each, shard, address_key(*address, each.name), log, self.tables.polls_of_others, times, opened_us
            )
            for each in planned.shared_readers
        ]
        return ReadBudget(*limits, others, (address_key(*address), shard))

    @property
    def most_at_once(self) -> int:
        """Most invocations that its mapping may ever have in flight at once."""
        return self.stream.most * self.plan.lanes * (1 if self.plan.redrive_us == OFF else 2)

    def begin(self) -> None:
        """Start the processes."""
        clock = self.clock
        clock.process(self.bring_arrivals())
        if self.plan.outages:
            clock.process(self.disable())
        if not (self.plan.outages and self.plan.outages[0][0] == 0):
            self.begin_to_read(0)
        for shard in self.shards:
            self.readers[shard.shard] = [clock.process(self.consume(lane)) for lane in shard.lanes]
            self.begin_to_redrive(shard)

    def begin_to_redrive(self, shard: ShardLanes) -> None:
        """Start the processes that put back what the mapping discards of a shard."""
        for lane in shard.lanes:
            if lane.redrive is not None:
                self.to_redrive += 1
                self.clock.process(self.put_back(lane, lane.redrive))

    @property
    def is_done(self) -> bool:
        """Whether everything is settled that came, and nothing more comes."""
        return not self.to_redrive and all(lane.finished for lane in self.lanes)

    def only_stuck(self) -> bool:
        """Whether nothing is left but what can never be processed."""
        if self.to_redrive:
            return False
        open_lanes = [lane for lane in self.lanes if not lane.finished]
        return all(lane.closed and self._never_done(lane) for lane in open_lanes)

    def _never_done(self, lane: Lane) -> bool:
        waits_for_ever = self.disabled_for_ever and lane.running is None and not lane.finished
        return lane.stuck or lane.held_up or waits_for_ever or self._waits_for_parents(lane)

    def _waits_for_parents(self, lane: Lane) -> bool:
        """Whether a shard before this one is never done."""
        parents = [each for number in self.stream.parents(lane.shard) for each in self.shards[number].lanes]
        return any(not parent.finished and self._never_done(parent) for parent in parents)

    # -- processes -------------------------------------------------------------------------------------------

    def bring_arrivals(self) -> Process:
        """Process: at the start of each window, offer its records to the shards and hand over the last window."""
        end_us = 0
        windows = self.arrivals.windows()
        for start_us, end_us, rows in in_parts(windows) if self.plan.limits.limiter else windows:
            if start_us:
                yield At(self.clock, start_us, ARRIVALS + self.place.number)
                self.hand_over(start_us)
            for taker in (self.dealer, self.filter):
                rows = rows if taker is None else taker.apart(rows)
            yield from self.bring(rows, end_us)
        while self.plan.drained:
            yield At(self.clock, end_us, ARRIVALS + self.place.number)
            self.hand_over(end_us)
            end_us += self.arrivals.window_us
            yield from self.bring(Rows.empty(0), end_us)
            for doors in self.doors:
                for place, shard in enumerate(doors.shards):
                    if doors.next_retry_us(place) is None and not self.shards[shard].closed:
                        self.shards[shard].close()
            if all(lane.finished for lane in self.lanes):
                return

    def bring(self, rows: Rows, end_us: int) -> Process:
        """Offer the records that come before *end_us*, each to the shard that is open when it comes."""
        while (at_us := self.stream.next_us(end_us)) is not None:
            self.store_all(self.stream.split(before(rows, at_us)), at_us)
            rows = after(rows, at_us)
            yield At(self.clock, at_us, CHANGES + self.place.number)
            operation = self.stream.ends_at(at_us)
            if operation is None:
                self.look_at_ages(at_us)
                self.stream.ask(at_us)
                continue
            if at_us > self.tables.window_start_us:
                self.hand_over(at_us)
            self.reshard(operation)
        self.store_all(self.stream.split(rows), end_us)

    def reshard(self, operation: Operation) -> None:
        """Close shards and open their children, which are read when all records of their parents are settled."""
        self.stream.change()
        sources = self.stream.splitter.sources
        opens = [child.number for child in operation.opens]
        self.doors = after_resharding(self.doors, operation, sources)
        for number in opens:
            shard = self._shard(self.scenario, self.replication, number)
            shard.wait_for_parents()
            self.unread.add(number)
            self.shards.append(shard)
            self.lanes += shard.lanes
            self.logs |= shard.logs()
            self.readers[number] = [self.clock.process(self.follow(shard, operation.end_us))]
            if operation.end_us < self.plan.redrive_us:
                self.begin_to_redrive(shard)
        for number in operation.closes:
            self.shards[number].end(operation.end_us)

    def follow(self, shard: ShardLanes, opened_us: int) -> Process:
        """Process: read a shard once its parents are settled (aws:E37, S5) and it is found (aws:E38)."""
        parents = self.stream.parents(shard.shard)
        yield simpy.AllOf(self.clock, [process for each in parents for process in self.readers[each]])
        for each in parents:
            if each not in self.unread:
                self.shards[each].pause(self.clock.now_us)
                self.unread.add(each)
        from_us = read_from(opened_us, self.clock.now_us, self.plan.discovery_us)
        yield At(self.clock, from_us, self.starts + shard.shard)
        self.unread.discard(shard.shard)
        if not self.disabled:
            shard.resume(from_us)
        yield simpy.AllOf(self.clock, [self.clock.process(self.consume(lane)) for lane in shard.lanes])

    def disable(self) -> Process:
        """Process: disable the mapping and enable it again (aws:E16)."""
        for from_us, to_us in self.plan.outages:
            yield At(self.clock, from_us, CHANGES + self.place.number)
            self.disabled = True
            for shard in self.shards:
                shard.pause(from_us)
            if to_us == NO_LIMIT:
                self.disabled_for_ever = True
                return
            yield At(self.clock, to_us, CHANGES + self.place.number)
            self.disabled = False
            for shard in self.shards:
                if shard.shard not in self.unread:
                    shard.resume(to_us)
            if from_us == 0:
                self.begin_to_read(to_us)

    def begin_to_read(self, now_us: int) -> None:
        """Take up the mapping's starting position on every shard (aws:E7)."""
        if self.plan.position_us != -NO_LIMIT:
            for shard in self.shards[: self.plan.shard_count]:
                shard.begin_to_read(now_us)

    def consume(self, lane: Lane) -> Process:
        """Process: read a shard, form a batch, work it off, move on.

        Lanes that share a line form their batches when they may start, so that none overtakes another.
        """
        clock, planned, reader, rank = self.clock, self.plan, lane.reader, self.starts + lane.number
        while True:
            now_us = clock.now_us
            if not (reader.eager and reader.read - reader.head >= planned.batch_size):
                reader.catch_up(now_us, lane.shard_idle)
            closes_us = None if lane.window is None else lane.window.closes_us(now_us)
            if closes_us == now_us:
                lane.take_state()
                yield from self.handle(lane)
                continue
            if reader.read == reader.head:
                look_us = reader.next_look_us(now_us)
                if closes_us is not None:
                    yield from self.gather(lane, closes_us if look_us is None else min(look_us, closes_us))
                    continue
                if look_us is not None:
                    yield At(clock, look_us, rank)
                elif lane.closed and not reader.paused and reader.head >= lane.log.end:
                    lane.finished = True
                    return
                else:
                    lane.filled = clock.event()
                    yield lane.filled
                continue
            if planned.gathers and (look_us := lane.look_again_us(now_us)) != now_us:
                yield from self.gather(lane, look_us)
                continue
            if lane.blocked:
                lane.filled = clock.event()
                yield lane.filled
                continue
            slots = self.slots if planned.pooled else None
            if slots is not None:
                yield from self.acquire(lane, slots)
            if reader.paused or reader.read == reader.head or not lane.form_batch(clock.now_us):
                if slots is not None:
                    slots.release(clock.now_us)
                lane.wake_siblings()
                continue
            yield from self.handle(lane, slots is not None)

    def handle(self, lane: Lane, has_slot: bool = False) -> Process:
        """Work off the batch in hand, while the mapping reads on; *has_slot*: for the first run."""
        lane.idle = False
        yield from self.work_off(lane, has_slot)
        if not lane.reader.eager:
            lane.reader.catch_up(self.clock.now_us - 1, False)
        lane.idle, lane.stuck = True, False
        lane.batch, lane.tries = lane.batch + 1, 0
        lane.wake_siblings()

    def work_off(self, lane: Lane, has_slot: bool) -> Process:
        """Invoke until every part of the batch in hand has succeeded or is lost; *has_slot*: for the first run."""
        clock, planned, rank = self.clock, self.plan, self.starts + lane.number
        ready_us, failures, forgotten = clock.now_us, 0, False
        while lane.parts:
            if lane.reader.paused:
                lane.filled = clock.event()
                yield lane.filled
                yield At(clock, clock.now_us, rank)
                continue
            if lane.tries and not lane.still_there(clock.now_us):
                continue
            if forgotten:
                again_us = lane.reader.read_again(clock.now_us, lane.held, lane.parts[0][0])
                if again_us is not None:
                    yield At(clock, again_us, rank)
                    continue
                ready_us, forgotten = clock.now_us, False
            if self.slots is not None and not has_slot:
                yield from self.acquire(lane, self.slots)
                if lane.reader.paused or not lane.still_there(clock.now_us):
                    self.slots.release(clock.now_us)
                    continue
            has_slot = False
            part_end, attempt = lane.parts[-1]
            provided = self.provisioned.in_use < planned.provisioned
            run = lane.invoker.invoke(clock.now_us, lane.batch, lane.tries, lane.held, part_end, provided)
            start_us = clock.now_us
            self._begins(provided)
            lane.running = part_end, attempt, ready_us, start_us
            if not lane.tries:
                lane.begun_us = start_us
            yield At(clock, start_us + planned.overhead_us + run.init_us + run.duration_us, self.ends + lane.number)
            self._ends(provided)
            if self.slots is not None:
                self.slots.release(clock.now_us)
            lane.record(run, clock.now_us)
            lane.tries += 1
            if run.outcome == Outcome.OK:
                lane.parts.pop()
                lane.held, ready_us, failures = part_end, clock.now_us, 0
                continue
            failures += 1
            if not lane.try_again(run, clock.now_us):
                ready_us, failures = clock.now_us, 0
                continue
            forgotten = planned.rereads
            ready_us = clock.now_us + lane.wait_us(planned.retry_waits, failures, 0)
            if ready_us == start_us:
                ready_us += LEAST_CYCLE_US
            yield At(clock, ready_us, rank)

    def _begins(self, provided: bool) -> None:
        self.provisioned.in_use += provided
        if self.tally is not None:
            self.tally.change(1)

    def _ends(self, provided: bool) -> None:
        self.provisioned.in_use -= provided
        if self.tally is not None:
            self.tally.change(-1)

    def put_back(self, lane: Lane, redrive: Redrive) -> Process:
        """Process: at its time invoke the function with what the mapping has discarded, beside it (aws:E32)."""
        clock, tables, invoker = self.clock, self.tables, redrive.invoker
        yield At(clock, self.plan.redrive_us, self.starts + lane.number)
        for number, (first, end) in enumerate(redrive.batches(), start=REDRIVEN):
            ready_us = clock.now_us
            if self.slots is not None:
                yield from self.acquire(lane, self.slots)
            start_us = clock.now_us
            first = redrive.still_there(first, end, start_us)
            if first < end:
                provided = self.provisioned.in_use < self.plan.provisioned
                run = invoker.invoke(start_us, number, 0, first, end, provided)
                self._begins(provided)
                tables.redriving[lane.number] = start_us
                end_us = start_us + self.plan.overhead_us + run.init_us + run.duration_us
                yield At(clock, end_us, self.ends + lane.number)
                self._ends(provided)
                del tables.redriving[lane.number]
                tables.redrives += lane.redriven(run, number, first, end, (ready_us, start_us, end_us))
            if self.slots is not None:
                self.slots.release(clock.now_us)
        self.to_redrive -= 1

    def gather(self, lane: Lane, look_us: int | None) -> Process:
        """Wait for more records, until *look_us* or until others are stored."""
        lane.filled = self.clock.event()
        wakes = [lane.filled] if look_us is None else [lane.filled, At(self.clock, look_us, self.starts + lane.number)]
        yield simpy.AnyOf(self.clock, wakes)

    def acquire(self, lane: Lane, slots: Slots) -> Process:
        """Wait for a free execution: in line, or by trying again after a throttle."""
        clock = self.clock
        yield At(clock, clock.now_us, self.starts + lane.number)
        throttled = 0
        while not slots.has_room(clock.now_us) or slots.line:
            if self.plan.throttle_waits is None:
                self.open_in_time(slots)
                yield slots.wait()
                return
            throttled += 1
            self.tables.throttles += (lane.shard, lane.lane, clock.now_us)
            wait_us = lane.wait_us(self.plan.throttle_waits, throttled, 1)
            yield At(clock, clock.now_us + wait_us, self.starts + lane.number)
        slots.take(clock.now_us)

    def open_in_time(self, slots: Slots) -> None:
        """See to it that the line is served when time alone makes room."""
        opens_us = slots.opens_us(self.clock.now_us)
        if opens_us is not None and not slots.looks_later:
            slots.looks_later = True
            self.clock.process(self.serve(slots, opens_us))

    def serve(self, slots: Slots, at_us: int) -> Process:
        """Process: let the next in line start when there is room."""
        yield At(self.clock, at_us, CHANGES + self.place.number)
        slots.looks_later = False
        slots.account.serve(self.clock.now_us)
        if slots.line:
            self.open_in_time(slots)

    def store_all(self, parts: Mapping[int, Rows], until_us: int) -> None:
        """Offer the records of a window to their shards; what they accept is stored and wakes their processes."""
        stored = []
        for doors in self.doors:
            answers = doors.offer([parts[shard] for shard in doors.shards], until_us)
            for shard, (accepted, account) in zip(doors.shards, answers, strict=True):
                into = self.shards[shard]
                self.tables.writes += account
                if self.stream.controller is not None:
                    self.stream.controller.take_note(account)
                if len(accepted):
                    stored.append((shard, into.log.end, accepted))
                    into.store(accepted, len(self.stream.open))
        if self.numbers is not None:
            self.mark_poison(self.numbers.find(stored))

    def mark_poison(self, found: list[tuple[int, int, int]]) -> None:
        """Tell the invokers which of the records that have just been stored a fault strikes."""
        for record, shard, place in found:
            for lane, number in self.shards[shard].lanes_of(place):
                for fault, poison in zip(self.plan.faults, lane.invoker.poison, strict=True):
                    if record in fault.records:
                        insort(poison, number)

    def hand_over(self, until_us: int) -> None:
        """Give the sink what happened before *until_us*, then forget the records that are settled."""
        for shard in self.shards:
            shard.rest_until(until_us)
        ages = self.look_at_ages(until_us)
        self.tables.hand_over(self.sink, until_us, self.logs)
        if ages is not None:
            ages.begin_again()
        for shard in self.shards:
            shard.forget()

    def look_at_ages(self, now_us: int) -> IteratorAges | None:
        """Show a controller that wants to know which invocations have started."""
        ages = None if self.stream.controller is None else self.stream.controller.ages
        if ages is not None:
            ages.look(now_us, self.tables, self.lanes, self.logs)
        return ages

    def finish(self, end_us: int) -> None:
        """Settle what has expired by the end, hand over the last window and the final state."""
        final = Final(
            end_us=end_us,
            shards=self.stream.all,
            created=self.arrivals.created - sum(doors.merged_records for doors in self.doors),
            sampled_out=self.arrivals.sampled_out,
            in_producer=self.arrivals.in_producer + sum(doors.pending_records for doors in self.doors),
            redriving_us=tuple(self.tables.redriving.values()),
            stuck_shards=tuple(
                shard.shard for shard in self.shards if self.plan.drained and any(map(self._never_done, shard.lanes))
            ),
            lines=self.tables.lines.each,
            calls=[] if self.stream.controller is None else self.stream.controller.calls,
        )
        for shard in self.shards:
            shard.tell(final, end_us)
        waits = [self.logs[line] for line, records in final.waiting.items() if records]
        latest_us = max((log.arrival_us(log.end - 1) for log in waits), default=0)  # where a stuck run ends before it
        self.hand_over(max(end_us, self.tables.window_start_us, latest_us))
        for lane in self.lanes:
            lane.under_way()
        final.under_way = self.tables.invocation_table(self.logs)
        self.sink.finish(final)


def run(
    scenario: Scenario, replication: int, sink: Sink, arrivals: Arrivals, controller: Controller | None = None
) -> None:
    """Simulate one replication of *scenario*; tables go to *sink* window by window.

    A *controller* decides meanwhile which shards are split and merged.
    """
    run_all([Part(scenario, sink, arrivals, controller)], replication)


def run_all(parts: Sequence[Part], replication: int) -> Tally:
    """Simulate one replication of the pipelines of one account, each with a sink and arrivals of its own."""
    clock = Clock(initial_time=0)
    pipelines = [
        Pipeline(part.scenario, replication, part.sink, part.arrivals, clock, place, part.controller)
        for part, place in zip(parts, places([part.scenario for part in parts]), strict=True)
    ]
    return run_together(clock, parts[0].scenario.account, pipelines)
