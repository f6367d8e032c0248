"""The doors of a stream whose producers act on the answers to whole calls: all shards and sources together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kinsim.engine.admission import Doors, Limits, accepted_of, doors_of, resharded, together
from kinsim.engine.agent import AgentCaller
from kinsim.engine.callers import Caller, Latency, Moves, OneByOne, Record, Retries, WholeCalls
from kinsim.engine.draws import Purpose
from kinsim.engine.kpl import KplCaller
from kinsim.engine.offers import admit
from kinsim.engine.overlaps import in_order
from kinsim.engine.pieces import singles
from kinsim.engine.rerouting import rerouted, rerouted_singles
from kinsim.engine.splitting import SourceKeys
from kinsim.engine.tables import Int64, Rows, Writes
from kinsim.system.agent import agent_plan
from kinsim.system.kpl import kpl_plan
from kinsim.system.producer import RetryPlan, acts_on_answers, call_plan
from kinsim.system.resharding import Operation

if TYPE_CHECKING:
    from kinsim.engine.pipeline import Pipeline

MakeCaller = Callable[[Retries], Caller]
"""Makes the caller of a source for one run; the argument is the source's client."""

COLUMNS = 7
"""Of an event: time, row, attempt, offered, accepted, dropped, whether it was stored before."""


class Arrivals(Protocol):
    """What the doors need to know of the sources."""

    def retry_plans(self) -> list[RetryPlan]: ...

    def callers(self) -> list[MakeCaller | None]: ...


def caller_of(pipeline: Pipeline) -> MakeCaller | None:
    """What makes the caller of a source; None where each record's answer counts alone."""
    context = pipeline.context
    producer = context.producer
    if not acts_on_answers(producer):
        return None

    def generator(*entity: int) -> np.random.Generator:
        return context.generator(Purpose.PRODUCER, *entity)

    def latency() -> Latency:
        return Latency(producer.put_latency_s, generator)

    if producer.model == "kpl":
        library, weights = kpl_plan(producer.kpl), pipeline.weights
        return lambda retries: KplCaller(library, latency(), retries, weights, len(pipeline.table or ()))
    if producer.model == "agent":
        return lambda retries: AgentCaller(agent_plan(producer.agent), latency(), retries)
    plan = call_plan(producer, context.call_bytes)
    return lambda retries: WholeCalls(plan, latency(), retries)


class CallDoors:
    """As `kinsim.engine.admission.Doors`, for callers."""

    def __init__(
        self,
        shards: list[int],
        limits: Limits,
        plans: Sequence[RetryPlan],
        makers: Sequence[MakeCaller | None],
        jitter_key: int,
    ) -> None:
        self.shards, self.settings = shards, limits.as_array().tolist()
        self.level = np.zeros((len(shards), 6), np.int64)
        self.callers = [
            (make or OneByOne)(Retries(client, plan, self.settings, jitter_key))
            for client, (plan, make) in enumerate(zip(plans, makers, strict=True))
        ]
        self.known, self.place, self.numbers = Rows.empty(), np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.came = 0

    def offer(self, parts: list[Rows], until_us: int) -> list[tuple[Rows, list[Writes]]]:
        """Take each shard's rows of one window, and let the callers act until *until_us*."""
        self._take(parts, until_us)
        events = self._run(until_us)
        answers = self._answers(events)
        self._forget()
        return answers

    def reshard(self, operation: Operation, sources: Sequence[SourceKeys]) -> None:
        """Close shards and open their children, to which what the callers hold goes by its hash key."""

        def where(rows: Rows, shard: Int64) -> Int64:
            return rerouted_singles(rows, shard, operation, sources)

        opens = [child.number for child in operation.opens]
        self.shards = [each for each in self.shards if each not in operation.closes] + opens
        self.level = np.concatenate([self.level, np.zeros((max(opens) + 1 - len(self.level), 6), np.int64)])
        self.place = where(self.known, self.place)
        shard_of = dict(zip(self.numbers.tolist(), self.place.tolist(), strict=True))
        for caller in self.callers:
            caller.reshard(Moves(operation.end_us, operation.closes, opens, shard_of, where))

    def next_retry_us(self, place: int) -> int | None:
        """When one of the callers, which have all shards in common, acts next; None if all are through."""
        if not any(caller.busy() for caller in self.callers):
            return None
        return min(caller.next_us for caller in self.callers)

    @property
    def pending_records(self) -> int:
        """Records in producers."""
        return sum(caller.waiting() for caller in self.callers)

    @property
    def merged_records(self) -> int:
        """Records that went into the stream as part of another one."""
        return sum(caller.merged for caller in self.callers)

    def _take(self, parts: list[Rows], until_us: int) -> None:
        fresh, place = together([in_order(singles(rows)) for rows in parts])
        place = np.array(self.shards, np.int64)[place]
        for number, caller in enumerate(self.callers):
            mine = np.flatnonzero(fresh.source == number) if len(self.callers) > 1 else slice(None)
            rows, places = caller.prepare(fresh.take(mine), place[mine], until_us)
            caller.take(self._records(rows, places), until_us)

    def _records(self, rows: Rows, place: Int64) -> list[Record]:
        numbers = np.arange(self.came, self.came + len(rows))
        self.came += len(rows)
        if len(rows):
            self.known = Rows.concatenate([self.known, rows])
            self.place, self.numbers = np.concatenate([self.place, place]), np.concatenate([self.numbers, numbers])
        columns = (numbers, place, rows.index, rows.time_us, rows.data_bytes, rows.data_bytes + rows.key_bytes)
        return [Record(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def _run(self, until_us: int) -> Int64:
        events: list[tuple[int, ...]] = []
        while True:
            caller = min(self.callers, key=_next_us)
            now_us = caller.next_us
            if now_us >= until_us:
                break
            call = caller.act(now_us)
            if call:
                self._answer(now_us, caller, call, events)
            for record in caller.given_up:
                events.append((now_us, record.row, record.attempts, 0, 0, 1, 0))
            caller.given_up.clear()
        return np.array(events, np.int64).reshape(-1, COLUMNS)

    def _answer(self, now_us: int, caller: Caller, call: list[Record], events: list[tuple[int, ...]]) -> None:
        """Offer the records of a call one after another, and tell the caller."""
        rejected, offers = [], []
        for record in call:
            taken = int(admit(now_us, 1, record.weight, self.settings, self.level[record.place]))
            offers.append((now_us, record.row, record.attempts, 1, taken, taken and record.stored))
            record.attempts += 1
            if taken:
                record.stored = True
            else:
                rejected.append(record)
        gone = {record.row for record in caller.answered(now_us, call, rejected)}
        events += [(*offer[:5], int(offer[1] in gone), int(offer[5])) for offer in offers]

    def _answers(self, events: Int64) -> list[tuple[Rows, list[Writes]]]:
        if not len(events):
            return [(Rows.empty(), []) for _ in self.shards]
        row = self.numbers.searchsorted(events[:, 1])
        at = self.place[row]
        answers: list[tuple[Rows, list[Writes]]] = []
        for shard in self.shards:
            mine = at == shard
            if not mine.any():
                answers.append((Rows.empty(), []))
                continue
            own = events[mine]
            own[:, 1] = row[mine]
            rows, (account,) = accepted_of(shard, self.known, own)
            if own[:, 6].any():
                account.duplicates = own[:, 6]
            answers.append((rows, [account]))
        return answers

    def _forget(self) -> None:
        """Let go of the rows that no caller holds any more."""
        held = np.array(sorted({record.row for caller in self.callers for record in caller.held()}), np.int64)
        if held.size < self.numbers.size:
            kept = self.numbers.searchsorted(held)
            self.known, self.place, self.numbers = self.known.take(kept), self.place[kept], self.numbers[kept]


def all_doors(shards: int, limits: Limits, arrivals: Arrivals, jitter_key: int) -> Sequence[Doors | CallDoors]:
    """The doors of a run, as its producers need them."""
    plans, makers = arrivals.retry_plans(), arrivals.callers()
    if any(makers):
        return [CallDoors(list(range(shards)), limits, plans, makers, jitter_key)]
    return doors_of(shards, limits, plans, jitter_key)


def after_resharding(
    doors: Sequence[Doors | CallDoors], operation: Operation, sources: Sequence[SourceKeys]
) -> Sequence[Doors | CallDoors]:
    """The doors of a run once *operation* has closed and opened shards."""
    first = doors[0]
    if isinstance(first, CallDoors):
        first.reshard(operation, sources)
        return doors
    plain = [each for each in doors if isinstance(each, Doors)]
    opens = [child.number for child in operation.opens]
    return resharded(plain, operation.closes, opens, lambda each: rerouted(each, operation, sources))


def _next_us(caller: Caller) -> int:
    return caller.next_us
